"""Socket Mode: tickets, websockets, envelopes and their acknowledgements, and what goes wrong with them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import WSMsgType, web

from tests.slack_server.apps import App
from tests.slack_server.limits import JSON
from tests.slack_server.state import World

Reason = Literal["warning", "refresh_requested", "link_disabled", "too_many_websockets"]


def reset_connection(transport: asyncio.BaseTransport | None) -> None:
    """Cut a TCP connection with an RST: the other side gets ECONNRESET."""
    if transport is None:
        return
    plug = transport.get_extra_info("socket")
    if plug is not None:
        with contextlib.suppress(OSError):
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(transport, asyncio.Transport):
        transport.abort()


@dataclass(eq=False)
class Connection:
    """One websocket. A `zombie` takes everything and answers nothing, not even pings."""

    number: int
    app: App
    ws: web.WebSocketResponse
    transport: asyncio.BaseTransport | None
    zombie: bool = False
    leaving: bool = False  # it was told to reconnect, and gets nothing new
    pings: int = 0
    pongs: int = 0
    sent: list[str] = field(default_factory=list)  # ids of envelopes, as they went out

    @property
    def open(self) -> bool:
        return not self.ws.closed


class Sockets:
    """All websockets of all apps. `acks` are those that came; so many of the next as `lose_acks` are lost."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.connections: list[Connection] = []
        self.opened = 0  # over all time
        self.acks: list[tuple[float, str, JSON | None]] = []
        self.lose_acks = 0
        self.on_ack: Callable[[str, JSON | None], None] | None = None
        self.paused = False
        self._tickets: dict[str, App] = {}
        self._next = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def live(self, app: App | None = None) -> Iterator[Connection]:
        """Connections that envelopes may go to."""
        for one in self.connections:
            if one.open and not one.leaving and (app is None or one.app is app):
                yield one

    # -- connecting ----------------------------------------------------------------------------------

    def new_url(self, app: App) -> str:
        """For apps.connections.open; a ticket is good for one connection."""
        ticket = self.world.new_secret(32)
        self._tickets[ticket] = app
        return f"{self.world.base.replace('http', 'ws', 1)}/link/?ticket={ticket}&app_id={app.id}"

    async def serve(self, request: web.Request) -> web.StreamResponse:
        app = self._tickets.pop(request.query.get("ticket", ""), None)
        if app is None:
            return web.Response(status=404, text="this ticket is used, or none")
        ws = web.WebSocketResponse(autoping=False)
        await ws.prepare(request)
        self.opened += 1
        connection = Connection(self.opened, app, ws, request.transport)
        if not app.manifest.socket_mode:
            await self._dismiss(connection, "link_disabled")
        elif len(list(self.live(app))) >= self.world.limits.connections:
            await self._dismiss(connection, "too_many_websockets")
        else:
            await self._talk(connection)
        return ws

    async def _dismiss(self, connection: Connection, reason: Reason) -> None:
        await connection.ws.send_str(json.dumps(_disconnect(reason)))
        await connection.ws.close()

    async def _talk(self, connection: Connection) -> None:
        self.connections.append(connection)
        count = len(list(self.live(connection.app)))
        await connection.ws.send_str(json.dumps(self._hello(connection.app, count)))
        self.world.notify()
        try:
            async for message in connection.ws:
                await self._hear(connection, message.type, message.data)
        finally:
            self.connections.remove(connection)
            self.world.notify()

    def _hello(self, app: App, count: int) -> JSON:
        life = self.world.limits.approximate_connection_time
        return {
            "type": "hello",
            "num_connections": count,
            "connection_info": {"app_id": app.id},
            "debug_info": {"host": "applink-1", "build_number": 1, "approximate_connection_time": life},
        }

    async def _hear(self, connection: Connection, kind: WSMsgType, data: object) -> None:
        if connection.zombie:
            return
        if kind is WSMsgType.PING:
            connection.pings += 1
            await connection.ws.pong(data if isinstance(data, bytes) else b"")
        elif kind is WSMsgType.PONG:
            connection.pongs += 1
        elif kind is WSMsgType.TEXT:
            self._take_ack(json.loads(str(data)))
        self.world.notify()

    def _take_ack(self, answer: JSON) -> None:
        if self.lose_acks:
            self.lose_acks -= 1
            return
        envelope = str(answer.get("envelope_id"))
        self.acks.append((self.world.clock(), envelope, answer.get("payload")))
        if self.on_ack is not None:
            self.on_ack(envelope, answer.get("payload"))

    # -- sending -------------------------------------------------------------------------------------

    def send(self, app: App, envelope: JSON) -> Connection | None:
        """Give an envelope to the next connection in turn; None: there is none."""
        found = list(self.live(app))
        if not found or self.paused:
            return None
        self._next += 1
        connection = found[self._next % len(found)]
        connection.sent.append(str(envelope["envelope_id"]))
        self._spawn(self._write(connection, envelope))
        return connection

    async def _write(self, connection: Connection, envelope: JSON) -> None:
        # A connection that breaks here loses the envelope, as it does there.
        with contextlib.suppress(ConnectionError, RuntimeError):
            await connection.ws.send_str(json.dumps(envelope))

    async def ping(self) -> None:
        """Ping all connections; their `pongs` count."""
        for connection in list(self.live()):
            await connection.ws.ping(b"are you there")

    # -- trouble -------------------------------------------------------------------------------------

    async def refresh(
        self, reason: Reason = "refresh_requested", connection: Connection | None = None, grace: float = 0.5
    ) -> None:
        """Ask to reconnect, one connection or all; after `grace` seconds they are closed."""
        for one in [connection] if connection else list(self.live()):
            one.leaving = reason != "warning"
            await one.ws.send_str(json.dumps(_disconnect(reason)))
            self._spawn(self._close_later(one, grace))

    async def _close_later(self, connection: Connection, grace: float) -> None:
        await asyncio.sleep(grace)
        await connection.ws.close()

    def cut(self, connection: Connection | None = None) -> None:
        """Reset the TCP connection, one or all, without a word."""
        for one in [connection] if connection else list(self.connections):
            reset_connection(one.transport)

    def zombie(self, connection: Connection | None = None) -> None:
        """Leave the connection open and dead: no pongs, no acks heard."""
        for one in [connection] if connection else list(self.connections):
            one.zombie = True

    # -- ending --------------------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        for connection in list(self.connections):
            if connection.zombie:
                reset_connection(connection.transport)
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(0.5):
                    await connection.ws.close()


def _disconnect(reason: Reason) -> JSON:
    return {"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-1"}}
