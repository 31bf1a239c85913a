"""Each platform as the contract sees it: a place to post to, and what people see there. Nobody listens."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from pydantic import SecretStr

from adapters.discord import Discord
from adapters.terminal import Terminal, place_of
from adapters.web import Web
from bot.catalogue import load
from bot.config import DiscordSettings
from bot.config import Web as WebSettings
from bot.jobs import Actor, Place
from bot.media import Library
from bot.ports import Platform
from bot.store import Store
from tests.discord_server import DiscordServer
from tests.discord_server.client import discord_py_at


@dataclass(frozen=True)
class Standing:
    """A message that people see: what it says, the SHA-256 of its files, and whom it pings."""

    text: str
    files: tuple[str, ...] = ()
    pings: bool = False


@dataclass
class Kit:
    """`messages` looks at all there is to see; `trouble` makes the next request go wrong in a passing way."""

    platform: Platform
    place: Place
    actor: Actor
    messages: Callable[[], AsyncIterator[Standing]]
    trouble: Callable[[], object] | None = None
    posts: bool = True
    foreign: Sequence[Place] = field(default=(Place("elsewhere:1/2"), Place("nowhere"), Place("")))

    async def standing(self) -> list[Standing]:
        return [message async for message in self.messages()]


MakeKit: TypeAlias = Callable[[Path], AbstractAsyncContextManager[Kit]]


@contextlib.asynccontextmanager
async def web(folder: Path) -> AsyncIterator[Kit]:
    async with (
        await Store.open(f"sqlite:///{folder}/web.db") as store,
        Library(folder / "web-media", max_bytes=1_000_000) as library,
    ):
        platform = Web(store, load(), library, settings=WebSettings(), public_url=None, now=time.time)
        await store.chat.add_channel("studio", "Studio", time.time())

        async def messages() -> AsyncIterator[Standing]:
            for top in await store.chat.messages("studio"):
                for message in (top, *(await store.chat.messages("studio", thread=top.id))):
                    body = message.body
                    files = [one["digest"] for one in body["media"]] if message.kind == "result" else []
                    yield Standing(f"{body.get('sentence', '')} {body['text']}", tuple(files))

        actor = Actor("web", "ann", "Ann", "web")
        yield Kit(platform, Place("web:studio"), actor, messages)


@contextlib.asynccontextmanager
async def terminal(folder: Path) -> AsyncIterator[Kit]:
    async def messages() -> AsyncIterator[Standing]:
        for nothing in list[Standing]():
            yield nothing

    actor = Actor("terminal", "ann", "Ann", "terminal")
    yield Kit(Terminal(), place_of(actor), actor, messages, posts=False, foreign=())


@contextlib.asynccontextmanager
async def discord(folder: Path) -> AsyncIterator[Kit]:
    async with DiscordServer() as server:
        guild = server.guild("Foxes")
        general = guild.text("general")
        ann = server.person("Ann", guild)
        settings = DiscordSettings(
            token=SecretStr(server.token), api_base=server.api_base, gateway_url=server.gateway_url
        )
        with discord_py_at(server.api_base, server.gateway_url):
            platform = Discord(settings, load(), folder=folder, now=time.time)

            async def messages() -> AsyncIterator[Standing]:
                for channel in list(server.world.channels.values()):
                    for message in channel.visible():
                        files = tuple(file.sha256 for file in message.files)
                        pings = bool(message.pings.everyone or message.pings.roles)
                        yield Standing(message.text, files, pings)

            actor = Actor("discord", str(ann.id), "Ann", str(guild.id))
            yield Kit(
                platform,
                Place(f"discord:{guild.id}/{general.id}/threads"),
                actor,
                messages,
                trouble=lambda: server.faults.add(on="*", fault="rate_limit", delay=0.01),
            )
            await platform.aclose()


KITS: dict[str, MakeKit] = {"web": web, "terminal": terminal, "discord": discord}
