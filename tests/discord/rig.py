"""A studio whose people are on a Discord played on loopback, with the real discord.py, store and engine."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from adapters.discord import Discord
from bot.catalogue import load
from bot.config import DiscordSettings
from bot.jobs import Job, JobId
from tests import rig as studio_rig
from tests.discord_server import DiscordServer, Person, Reply
from tests.discord_server.client import discord_py_at
from tests.discord_server.messages import Message
from tests.discord_server.state import Channel, Guild
from tests.rig import Rig, eventually


@dataclass
class Stage:
    """A server with a channel, Ada in it, and the bot that listens."""

    server: DiscordServer
    studio: Rig
    guild: Guild
    general: Channel
    ada: Person
    settings: dict[str, Any] = field(default_factory=dict)

    async def job_of(self, reply: Reply) -> Job:
        """The job that a command, a button or a form has made, once it is accepted."""

        async def found() -> Job | None:
            return await self.studio.store.by_key(f"discord:{reply.id}")

        job: Job = await eventually(found, f"{reply!r} has made a job")
        return job

    async def ended(self, reply: Reply, within: float = 20.0) -> Job:
        return await self.studio.ended(await self.job_of(reply), within)

    async def job(self, job: Job | JobId) -> Job:
        found = await self.studio.store.get(job.id if isinstance(job, Job) else job)
        assert found is not None
        return found

    async def run(self, command: str, options: dict[str, Any] | None = None, **more: Any) -> Job:
        """Use a command in the channel, and wait until it is over."""
        more.setdefault("channel", self.general)
        return await self.ended(await self.ada.command(command, options, **more))

    def message(self, job: Job, what: str = "result") -> Message:
        """The message of a job that has ended: its "result", or its "card"."""
        posted = job.posted or {}
        channel = posted.get("in", job.place.split("/")[1]) if what == "result" else job.place.split("/")[1]
        return self.server.world.channels[int(channel)].messages[int(posted[what])]

    async def restart(self) -> None:
        await self.studio.restart()
        await self.server.connected()


@contextlib.asynccontextmanager
async def stage(
    folder: Path,
    *,
    settings: dict[str, Any] | None = None,
    faults: Sequence[dict[str, Any]] = (),
    test_server: bool = False,
    **more: Any,
) -> AsyncIterator[Stage]:
    """`settings`: of [discord]; `faults` meet it as it starts; `more`: as for `tests.rig.rig`."""
    async with DiscordServer() as server:
        for fault in faults:
            server.faults.add(**fault)
        guild = server.guild("Foxes")
        general = guild.text("general")
        ada = server.person("Ada", guild)
        given = {
            "token": SecretStr(server.token),
            "api_base": server.api_base,
            "gateway_url": server.gateway_url,
            "test_server": guild.id if test_server else None,
            **(settings or {}),
        }

        def platform(rig: Rig) -> Discord:
            return Discord(
                DiscordSettings(**given),
                load(),
                folder=folder,
                now=time.time,
                every=0.0,
            )

        host = server.api_base.removeprefix("http://").partition("/")[0]
        with discord_py_at(server.api_base, server.gateway_url):
            async with studio_rig.rig(folder, also=platform, private_hosts=(host,), **more) as studio:
                await server.connected()
                await server.until(lambda: bool(server.registry.find(1, "animate", guild)))
                yield Stage(server, studio, guild, general, ada)
            assert server.unplayed == []
