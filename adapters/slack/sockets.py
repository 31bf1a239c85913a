"""Socket Mode: two connections, each replaced by a new one when it is dead."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

import structlog
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp

from adapters.slack.clients import Clients

CONNECTIONS = 2
"""So that while one is exchanged, which Slack asks for every few hours, the other listens."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: between two looks, until a connection must stand, and how long a dead one may mend itself."""

    look: float = 2.0
    connect: float = 30.0
    dead: float = 15.0
    close: float = 3.0
    ping: float = 5.0


class Sockets:
    """Keeps the connections up until cancelled.

    The library mends most of what happens to a connection; but it may try one ticket for ever, and its own
    monitor may die with it. So whatever stays dead for long is thrown away whole.
    """

    def __init__(
        self, app: AsyncApp, clients: Clients, app_token: str, patience: Patience | None = None
    ) -> None:
        self._app = app
        self._clients = clients
        self._token = app_token
        self._patience = patience or Patience()
        self._handlers: dict[int, AsyncSocketModeHandler] = {}

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(CONNECTIONS):
                tasks.create_task(self._keep(number))

    async def connected(self) -> int:
        """How many connections stand."""
        return sum([await handler.client.is_connected() for handler in self._handlers.values()])

    async def _keep(self, number: int) -> None:
        while True:
            handler = self._handlers[number] = self._new_handler()
            try:
                async with asyncio.timeout(self._patience.connect):
                    await handler.connect_async()  # type: ignore[no-untyped-call]
                await self._until_dead(handler)
                log.warning("A connection is dead; a new one is made", action="socket_dead", number=number)
            except Exception as error:
                why = f"{type(error).__name__}: {error}"
                log.warning("Not connected", action="socket_failed", number=number, why=why)
                await asyncio.sleep(self._patience.look)
            finally:
                await self._close(handler)

    def _new_handler(self) -> AsyncSocketModeHandler:
        handler = AsyncSocketModeHandler(
            self._app,
            self._token,
            web_client=self._clients.client(),
            ping_interval=self._patience.ping,
        )
        if self._clients.played is not None:
            handler.client.proxy = None
        return handler

    async def _until_dead(self, handler: AsyncSocketModeHandler) -> None:
        dead = 0.0
        while dead < self._patience.dead:
            await asyncio.sleep(self._patience.look)
            alive = await handler.client.is_connected()
            dead = 0.0 if alive else dead + self._patience.look

    async def _close(self, handler: AsyncSocketModeHandler) -> None:
        """Also where it hangs; and not before its tasks are over."""
        client = handler.client
        with contextlib.suppress(Exception):
            async with asyncio.timeout(self._patience.close):
                await handler.close_async()  # type: ignore[no-untyped-call]
        tasks = [client.message_processor, client.current_session_monitor, client.message_receiver]
        for task in filter(None, tasks):
            task.cancel()
        await asyncio.gather(*filter(None, tasks), return_exceptions=True)
        await client.aiohttp_client_session.close()
