"""Answers to interactions, by their own token: the acknowledgement first, within three seconds.

They are sent as payloads and not as discord.py's views: a view stays in the library's memory for as long as
its buttons live, and ours live for ever.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import discord
import structlog
from discord.http import MultipartParameters
from discord.webhook.async_ import AsyncWebhookAdapter, async_context

from bot.jobs import Json

MESSAGE, THINKING, UPDATE_LATER, CHOICES, MODAL = 4, 5, 6, 8, 9
"""https://discord.com/developers/docs/interactions/receiving-and-responding#interaction-response-object"""

TOO_LATE = 10062
ANSWERED = 40060
DEADLINE = 3.0

CONNECTIONS = 128
"""At most so many at once: at 0.1 s an answer that is 1,280 a second. A connection for each of a rush of
commands would cost more, for its handshake, than all the answers.
"""

log = structlog.get_logger(__name__)


class TooLate(Exception):
    """The interaction's three seconds are over: the person saw that nobody answered, so nothing is done."""


class NotUnderstood(Exception):
    """An answer that says nothing, such as a proxy's page: like one that got lost."""


class Rush:
    """Counts acknowledgements under way: while there are any, other work waits for a moment."""

    def __init__(self) -> None:
        self._under_way = 0
        self._over = asyncio.Event()
        self._over.set()

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        self._under_way += 1
        self._over.clear()
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._over.set()

    async def over(self, within: float = 0.25) -> None:
        """Wait until nobody waits for an acknowledgement, but not for ever: a rush that goes on slows other
        work down and doesn't stop it."""
        try:
            async with asyncio.timeout(within):
                await self._over.wait()
        except TimeoutError:
            return


class Answers:
    """Speaks by interactions' tokens, over connections of its own."""

    def __init__(self, rush: Rush) -> None:
        self._rush = rush
        self._session: aiohttp.ClientSession | None = None

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def acknowledge(
        self, interaction: discord.Interaction[Any], kind: int, data: Mapping[str, Json] | None = None
    ) -> int | None:
        """The first answer; the id of the message that it made. TooLate where nobody waits any more.

        What was acknowledged already counts as done: an event that came twice, or an answer that got lost.
        """
        async with self._rush.answering():
            try:
                async with asyncio.timeout(DEADLINE / 2):  # who hears nothing may still be in time
                    return await self._respond(interaction, kind, data)
            except (aiohttp.ClientError, OSError, TimeoutError, NotUnderstood):
                return await self._respond(interaction, kind, data)

    async def _respond(
        self, interaction: discord.Interaction[Any], kind: int, data: Mapping[str, Json] | None
    ) -> int | None:
        payload: dict[str, Json] = {"type": kind} | ({} if data is None else {"data": dict(data)})
        try:
            answer = await self._adapter().create_interaction_response(
                interaction.id,
                interaction.token,
                session=self._connections(),
                params=MultipartParameters(payload, None, None),
            )
        except discord.HTTPException as error:
            if error.code == TOO_LATE:
                raise TooLate from error
            if error.code != ANSWERED:
                raise
            log.info("Acknowledged before", action="acknowledged_before", interaction=interaction.id)
            return await self._original(interaction) if kind == MESSAGE else None
        if not isinstance(answer, dict):
            raise NotUnderstood("Discord's answer is no JSON")
        made = answer["interaction"].get("response_message_id")
        return int(made) if made else None

    async def _original(self, interaction: discord.Interaction[Any]) -> int | None:
        found = await self._adapter().get_original_interaction_response(
            application_id=interaction.application_id, token=interaction.token, session=self._connections()
        )
        return int(found["id"])

    async def edit(self, interaction: discord.Interaction[Any], body: Mapping[str, Json]) -> None:
        """Change the message that acknowledged it."""
        await self._adapter().edit_original_interaction_response(
            application_id=interaction.application_id,
            token=interaction.token,
            session=self._connections(),
            payload=dict(body),
        )

    async def edit_with_file(self, interaction: discord.Interaction[Any], name: str, content: bytes) -> None:
        """Let the message that acknowledged it bring a file."""
        file = discord.File(io.BytesIO(content), filename=name)
        body = {"attachments": [{"id": 0, "filename": name}]}
        described = {"name": "payload_json", "value": json.dumps(body)}
        part = {
            "name": "files[0]",
            "value": file.fp,
            "filename": name,
            "content_type": "application/octet-stream",
        }
        await self._adapter().edit_original_interaction_response(
            application_id=interaction.application_id,
            token=interaction.token,
            session=self._connections(),
            multipart=[described, part],
            files=[file],
        )

    async def take_back(self, interaction: discord.Interaction[Any]) -> None:
        """Delete the message that acknowledged it."""
        await self._adapter().delete_original_interaction_response(
            application_id=interaction.application_id, token=interaction.token, session=self._connections()
        )

    async def say(self, interaction: discord.Interaction[Any], body: Mapping[str, Json]) -> None:
        """One more message."""
        await self._adapter().execute_webhook(
            interaction.application_id,
            interaction.token,
            session=self._connections(),
            payload=dict(body),
            wait=True,
        )

    def _adapter(self) -> AsyncWebhookAdapter:
        return async_context.get()

    def _connections(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS))
        return self._session
