"""Discord as a platform."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from adapters.discord import listener, schema
from adapters.discord.answers import Answers, Rush
from adapters.discord.commands import Commands
from adapters.discord.delivery import Delivery
from adapters.discord.places import NAME, Spot
from adapters.discord.rest import Rest, point_discord_py_at
from adapters.discord.settings import SettingsCommands
from bot.catalogue import Catalogue
from bot.config import DiscordSettings
from bot.errors import Denied
from bot.jobs import Actor, Place, Posted
from bot.ports import Core, Post, Save, Telling


class Discord:
    """Implements `bot.ports.Platform`. Posts by the bot's token alone; `run` listens besides.

    `folder`: where this machine's processes agree on who listens to which shard.
    """

    name = NAME

    def __init__(
        self,
        settings: DiscordSettings,
        catalogue: Catalogue,
        *,
        folder: Path,
        now: Callable[[], float],
        every: float = 5.0,
    ) -> None:
        if settings.token is None:
            raise ValueError("Discord needs a token")
        point_discord_py_at(settings.api_base, settings.gateway_url)
        self.every = every
        self._settings = settings
        self._catalogue = catalogue
        self._folder = folder
        self._rest = Rest(settings.token.get_secret_value())
        self._delivery = Delivery(self._rest, catalogue, settings.results, now)
        self._rush = Rush()
        self._now = now
        self._language_of: Callable[[str], Awaitable[str]] | None = None

    async def aclose(self) -> None:
        await self._rest.aclose()

    async def run(self, core: Core) -> None:
        """Register the commands and listen, until cancelled."""
        ids: dict[str, int] = {}
        apart = self._settings.adults == "age_restricted"
        answers = Answers(self._rush)
        settings = SettingsCommands(core, self._delivery, answers, self._rest, now=self._now)
        commands = Commands(
            core, self._delivery, answers, self._rush, adults_apart=apart, ids=ids, settings=settings
        )
        self._language_of = partial(_language_of, core)
        payload = schema.commands(self._catalogue, adults_apart=apart)
        try:
            async with listener.holding(self._folder, self._settings.shard_ids), asyncio.TaskGroup() as tasks:
                tasks.create_task(
                    listener.keep_registered(self._rest, payload, self._settings.test_server, ids)
                )
                tasks.create_task(
                    listener.keep_listening(
                        self._settings, self._rest, commands.handle, moved=partial(_moved, core)
                    )
                )
        finally:
            await answers.aclose()

    async def show(self, post: Post, save: Save) -> Posted:
        await self._rush.over()
        return await self._delivery.show(post, save)

    async def tell(self, telling: Telling) -> None:
        await self._rush.over()
        language = "en" if self._language_of is None else await self._language_of(telling.server)
        await self._delivery.tell(telling, language)

    async def fallback(self, place: Place, actor: Actor) -> Place | None:
        """The person's private messages."""
        if Spot.read(place).guild is None:
            return None
        try:
            return Spot(None, await self._rest.private(actor.id)).place
        except Denied:
            return None


async def _language_of(core: Core, server: str) -> str:
    """What a server speaks, for what is said to all who look after it."""
    return await core.language(Actor(NAME, "", "", server)) or "en"


async def _moved(core: Core, server: str, *, is_there: bool) -> None:
    """The bot was taken into a server, or removed from it."""
    if is_there:
        await core.admin.joined(NAME, server)
    else:
        await core.admin.left(NAME, server)
