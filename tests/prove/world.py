"""All of it as processes: the provider, the platforms, and the bot, which alone is ever killed."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import httpx

from bot.store import Store
from tests.prove.box import Box, box
from tests.prove.stages import (
    Stage,
    a_free_port,
    discord_stage,
    page_stage,
    slack_stage,
    write_config,
)
from tests.prove.victim import Life, Victim, victim

READY_WITHIN = 60.0

AMPLE = 100_000
"""Predictions, and looks, a minute: Replicate's 600 and 3,000 would be the limit of a soak."""


@dataclass
class World:
    """`folder` holds the bot's database and media, and the logs of all its lives."""

    folder: Path
    config: Path
    port: int
    box: Box
    stages: list[Stage]
    victim: Victim
    settled: float | None = None
    """Seconds after which what the provider's list doesn't show was not made; None: as in use."""
    lives: int = 0

    @property
    def database(self) -> Path:
        return self.folder / "threadreel.db"

    async def begin(self, point: str | None = None, occurrence: int = 1, *, measured: bool = False) -> Life:
        """`measured`: it notes how many tasks it has in the file `tasks`, and its own logs are short."""
        self.lives += 1
        return await self.victim.live(
            config=self.config,
            notes=self.folder / "points",
            log=self.folder / f"life-{self.lives:05d}.log",
            point=point,
            occurrence=occurrence,
            counts=self.folder / "counts" if measured else None,
            settled=self.settled,
        )

    async def is_ready(self, life: Life, within: float = READY_WITHIN) -> bool:
        """Whether this life serves; it may die before."""
        until = time.monotonic() + within
        async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
            while time.monotonic() < until and not life.over.is_set():
                with contextlib.suppress(httpx.HTTPError):
                    if (await client.get(f"http://127.0.0.1:{self.port}/healthz")).status_code == 200:
                        return True
                await life.ended(0.02)
        return False

    def points(self) -> set[str]:
        """Every fault point that any life has seen."""
        path = self.folder / "points"
        lines = path.read_text().splitlines() if path.exists() else []
        return {line.removeprefix("saw ") for line in lines if line.startswith("saw ")}

    def last_words(self) -> str:
        """The end of the newest life's log."""
        return (self.folder / f"life-{self.lives:05d}.log").read_text()[-4000:]

    def open_jobs(self) -> int:
        """How many have not ended. Asked over a connection of a moment: one that stays would spare SQLite
        its recovery after a kill."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10)) as connection:
            query = "SELECT count(*) FROM jobs WHERE state NOT IN ('done', 'undelivered')"
            return int(connection.execute(query).fetchone()[0])

    async def all_ended(self, within: float) -> bool:
        """Let it run until every job has ended."""
        until = time.monotonic() + within
        while self.open_jobs():
            if time.monotonic() > until:
                return False
            await asyncio.sleep(0.25)
        return True


@contextlib.asynccontextmanager
async def world(
    folder: Path, chance: random.Random, *, prepared: bool = False, settled: float | None = None
) -> AsyncIterator[World]:
    folder.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(box(folder / "box.log", prepared=prepared))
        port = a_free_port()
        stages: list[Stage] = [
            await stack.enter_async_context(discord_stage(folder, chance)),
            await stack.enter_async_context(slack_stage(folder, chance)),
        ]
        async with await Store.open(f"sqlite:///{folder}/threadreel.db") as store:
            stages.append(await stack.enter_async_context(page_stage(store, port, chance)))
        config = write_config(
            folder / "config.toml",
            port=port,
            box=provider.url,
            stages=stages,
            level="warning" if prepared else "debug",
            a_minute=AMPLE if prepared else None,
        )
        bot = await stack.enter_async_context(victim())
        yield World(folder, config, port, provider, stages, bot, settled)
