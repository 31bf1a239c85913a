"""Listening to Discord: a client that is kept alive, and our commands registered with Discord."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import discord
import structlog

from adapters.discord import schema
from adapters.discord.places import NAME
from adapters.discord.rest import Rest
from adapters.discord.schema import Payload
from bot.config import DiscordSettings
from bot.errors import ThreadreelError
from bot.store import FileLock

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
STEADY = 300.0
"""Seconds after which a connection counts as good: the next pause is short again."""

REFUSED_PAUSE = 600.0
"""Seconds to wait where Discord won't have us: only the owner can mend that, and each try costs something."""

SPARE_IDENTIFIES = 20
"""Of the thousand of a day: more than that ends all sessions and resets the token."""

FINAL = frozenset({4004, 4010, 4011, 4012, 4013, 4014})
"""Close codes after which nobody should come back as before:
https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway"""

OF_THREADS = (
    "THREAD_CREATE",
    "THREAD_UPDATE",
    "THREAD_LIST_SYNC",
    "THREAD_MEMBER_UPDATE",
    "THREAD_MEMBERS_UPDATE",
)
"""Events that aren't heard: discord.py would keep every thread that a result hangs in. An interaction
brings its own."""

Handle = Callable[["discord.Interaction[Any]"], Awaitable[None]]


class Moved(Protocol):
    """Told when the bot is taken into a server (by its id), or removed from it."""

    async def __call__(self, server: str, *, is_there: bool) -> None: ...


async def _unmoved(server: str, *, is_there: bool) -> None:
    """For who doesn't care."""


log = structlog.get_logger(__name__)


class Listener(discord.AutoShardedClient):
    """One life of the client. It keeps nothing that interactions don't need."""

    moved: Moved = staticmethod(_unmoved)

    def __init__(self, handle: Handle, shard_ids: Sequence[int], shard_count: int | None) -> None:
        shards: dict[str, Any] = {"shard_ids": list(shard_ids)} if shard_ids else {}
        super().__init__(
            intents=discord.Intents(guilds=True),
            shard_count=shard_count,
            **shards,
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
            allowed_mentions=discord.AllowedMentions.none(),
        )
        self._handle_interaction = handle
        for event in OF_THREADS:
            del self._connection.parsers[event]

    async def on_guild_join(self, guild: discord.Guild) -> None:
        await self.moved(str(guild.id), is_there=True)

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """Removed for good; of an outage discord.py tells by another event."""
        await self.moved(str(guild.id), is_there=False)

    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        await self._handle_interaction(interaction)

    async def on_shard_ready(self, shard_id: int) -> None:
        log.info("Listening to Discord", action="discord_up", shard=shard_id)

    async def on_shard_resumed(self, shard_id: int) -> None:
        log.info("Listening to Discord again", action="discord_up", shard=shard_id)

    async def on_shard_disconnect(self, shard_id: int) -> None:
        log.warning("The connection to Discord is lost", action="discord_down", shard=shard_id)

    async def on_error(self, event_method: str, /, *_: Any, **__: Any) -> None:
        log.exception("An event of Discord's failed", action="discord_event_failed", event_name=event_method)


async def keep_listening(
    settings: DiscordSettings,
    rest: Rest,
    handle: Handle,
    *,
    make: type[Listener] = Listener,
    moved: Moved = _unmoved,
) -> None:
    """Until cancelled: discord.py's client dies of a malformed event or a failed first connection.

    A life that is over is followed by the next after a pause that grows, and never by more identifies than
    Discord allows.
    """
    pause = FIRST_PAUSE
    while True:
        began = time.monotonic()
        at_least = await _one_life(settings, rest, handle, make, moved)
        if time.monotonic() - began > STEADY:
            pause = FIRST_PAUSE
        await asyncio.sleep(max(pause, at_least))
        pause = min(pause * 2, LONGEST_PAUSE)


async def _one_life(
    settings: DiscordSettings, rest: Rest, handle: Handle, make: type[Listener], moved: Moved
) -> float:
    """One life of the client; how many seconds there must be at least before the next."""
    try:
        await _wait_for_budget(rest, settings.shard_count or 1)
        client = make(handle, settings.shard_ids, settings.shard_count)
        client.moved = moved
        await _live(client, settings)
        log.warning("Discord has ended the connection", action="discord_ended")
    except (discord.LoginFailure, discord.PrivilegedIntentsRequired, discord.ConnectionClosed) as error:
        refused = not isinstance(error, discord.ConnectionClosed) or error.code in FINAL
        log.warning("Discord has closed the connection", action="discord_closed", why=str(error))
        return REFUSED_PAUSE if refused else 0.0
    except ThreadreelError as error:
        log.warning("Discord can't be reached", action="discord_unreachable", why=str(error))
    except Exception:
        log.exception("The client of Discord died and is started anew", action="discord_died")
    return 0.0


async def _live(client: Listener, settings: DiscordSettings) -> None:
    if settings.token is None:
        return
    life = asyncio.create_task(client.start(settings.token.get_secret_value()))
    try:
        await asyncio.wait({life})
    finally:
        await asyncio.shield(_over(life, client))
    life.result()


async def _over(life: asyncio.Task[None], client: Listener) -> None:
    """End it, however often that has to be said.

    discord.py waits for its connections with `wait_for`, which on Python 3.11 can swallow a cancel: it would
    listen on, and the process never stop.
    """
    while not life.done():
        life.cancel()
        await asyncio.wait({life}, timeout=1.0)
    await client.close()


async def _wait_for_budget(rest: Rest, shards: int) -> None:
    """Wait until Discord's day begins anew where too few identifies are left of this one."""
    left, resets_in = await rest.identifies_left()
    if left < shards + SPARE_IDENTIFIES:
        log.error("Too many connections to Discord today", action="discord_budget", left=left, wait=resets_in)
        await asyncio.sleep(resets_in)


# -- one process a shard


@asynccontextmanager
async def holding(folder: Path, shard_ids: Sequence[int]) -> AsyncIterator[None]:
    """Hold our shards on this machine: two processes on one shard would answer everything twice."""
    locks = [FileLock(folder / f".discord-shard-{shard}.lock") for shard in shard_ids or (0,)]
    try:
        for lock in locks:
            while not lock.take():
                log.error("Another process listens on this shard of Discord", action="discord_shard_taken")
                await asyncio.sleep(10)
        yield
    finally:
        for lock in locks:
            lock.free()


# -- commands


async def keep_registered(
    rest: Rest, wanted: Sequence[Payload], server: int | None, ids: dict[str, int]
) -> None:
    """Register our commands where Discord has others, and learn their ids; tried until it is done."""
    pause = FIRST_PAUSE
    while True:
        try:
            ids.update(await _register(rest, wanted, server))
        except Exception as error:
            log.warning("Commands not registered", action="commands_failed", platform=NAME, why=str(error))
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        else:
            return


async def _register(rest: Rest, wanted: Sequence[Payload], server: int | None) -> dict[str, int]:
    if server is not None:
        wanted = schema.for_one_server(wanted)
    there = await rest.commands(server)
    if not schema.same(wanted, there):
        there = await rest.register(wanted, server)
        log.info("Commands registered", action="commands_registered", count=len(there))
    return {one["name"]: int(one["id"]) for one in there if one.get("type") == schema.CHAT}
