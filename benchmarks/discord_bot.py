"""The bot that is measured, in a process of its own: all of ours, or a bare discord.py handler.

It prints "ready" once it listens. For each line on its standard input it prints one of JSON: what it has used
so far, and how its jobs stand.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import gc
import json
import logging
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import discord
import structlog
from pydantic import SecretStr

from adapters.compose import installation
from adapters.discord import schema
from adapters.discord.rest import Rest, point_discord_py_at
from adapters.serving import settle, working
from benchmarks.memory import resident
from bot.catalogue import load
from bot.config import (
    Access,
    DiscordSettings,
    Limits,
    MediaSettings,
    ProviderSettings,
    Settings,
    StoreSettings,
)

TOKEN = "a-bot-token"
MANY = 10**6

Counts = Callable[[], Awaitable[dict[str, int]]]


class Bare(discord.Client):
    """What a handler can't do less than: it says that an answer will come, and nothing after that."""

    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.response.defer()


@contextlib.asynccontextmanager
async def bare(url: str) -> AsyncIterator[Counts]:
    point_discord_py_at(f"{url}/api/v10", f"{url.replace('http', 'ws', 1)}/ws")
    rest = Rest(TOKEN)
    await rest.register(schema.commands(load(), adults_apart=False))
    await rest.aclose()
    client = Bare(intents=discord.Intents(guilds=True))
    running = asyncio.create_task(client.start(TOKEN))

    async def counts() -> dict[str, int]:
        return {}

    try:
        yield counts
    finally:
        await client.close()
        await running


@contextlib.asynccontextmanager
async def ours(url: str, folder: Path, sandbox: str, at_once: int) -> AsyncIterator[Counts]:
    """As `threadreel run` puts it together, but without the page."""
    settings = Settings(
        limits=Limits(
            at_once=at_once,
            at_once_per_person=at_once,
            waiting_per_person=MANY,
            per_day=MANY,
            per_day_per_person=MANY,
        ),
        access=Access(servers=("discord:*",)),
        store=StoreSettings(url=f"sqlite:///{folder}/bench.db"),
        media=MediaSettings(folder=folder / "media"),
        providers={"sandbox": ProviderSettings(kind="sandbox", base_url=sandbox)},
        discord=DiscordSettings(
            token=SecretStr(TOKEN),
            api_base=f"{url}/api/v10",
            gateway_url=f"{url.replace('http', 'ws', 1)}/ws",
        ),
    )
    async with installation(settings, needs_engine=True) as running, working(running):

        async def counts() -> dict[str, int]:
            return {state.value: count for state, count in (await running.store.counts()).items()}

        settle()
        yield counts


async def serve(made: contextlib.AbstractAsyncContextManager[Counts]) -> None:
    async with made as counts:
        print("ready", flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps({"cpu": time.process_time(), "jobs": await counts(), "rss": kept()}), flush=True)


def kept() -> int:
    """Bytes in memory after what is free was given back, as far as the allocator does that."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    return resident()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="of the played Discord")
    parser.add_argument(
        "--ours", type=Path, metavar="FOLDER", help="all of ours, which keeps its files there"
    )
    parser.add_argument("--sandbox", default="")
    parser.add_argument("--at-once", type=int, default=2)
    given = parser.parse_args()
    structlog.configure(
        processors=[structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    made = ours(given.url, given.ours, given.sandbox, given.at_once) if given.ours else bare(given.url)
    asyncio.run(serve(made))


if __name__ == "__main__":
    main()
