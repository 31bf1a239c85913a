"""Our side of a benchmark: store, client, library and engine as they are, and a place that notes arrivals."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from bot import policy
from bot.catalogue import load
from bot.config import Limits
from bot.core import Studio
from bot.engine import Engine, Rules
from bot.jobs import Actor, Order, Place, Posted
from bot.media import Library
from bot.ports import Core, Post, Ready, Save
from bot.providers import connect
from bot.store import Store

MANY = 10**9


@dataclass
class Notes:
    """A platform without a network: it notes when each result came."""

    name: str = "notes"
    arrivals: dict[str, float] = field(default_factory=dict)

    async def run(self, core: Core) -> None:
        await asyncio.Event().wait()

    async def show(self, post: Post, save: Save) -> Posted:
        if isinstance(post.notice, Ready):
            self.arrivals.setdefault(post.card.job, time.time())
        return {"key": post.key}

    async def fallback(self, place: Place, actor: Actor) -> Place | None:
        return None


@dataclass
class Bench:
    core: Studio
    store: Store
    engine: Engine
    notes: Notes
    ordered: int = 0

    async def order(self, count: int) -> list[str]:
        """Submit so many jobs, 64 at a time, and return their ids."""
        ids: list[str] = []
        for first in range(0, count, 64):
            batch = range(first, min(first + 64, count))
            ids += await asyncio.gather(*(self._order() for _ in batch))
        return ids

    async def _order(self) -> str:
        self.ordered += 1
        actor = Actor("notes", f"person-{self.ordered % 100}", "A person", "bench")
        options = (("prompt", f"picture {self.ordered}"),)
        order = Order(actor, Place("notes:wall"), "imagine", options, f"notes:{self.ordered}")
        return (await self.core.submit(order)).job.id

    async def arrived_first(self) -> None:
        """One job beforehand, so that what starts only once has started."""
        await self.order(1)
        await self.arrived(1)

    async def arrived(self, count: int) -> None:
        while len(self.notes.arrivals) < count:
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def studio(folder: Path, base_url: str, *, at_once: int) -> AsyncIterator[Bench]:
    """A running engine over a fresh store in `folder`."""
    catalogue = load()
    host = base_url.removeprefix("http://").partition("/")[0]
    rules = Rules(at_once=at_once, at_once_per_person=at_once, deadline=3600)
    limits = Limits(waiting_per_person=MANY // 1000, per_day=MANY, per_day_per_person=MANY)
    async with (
        await Store.open(f"sqlite:///{folder}/bench.db") as store,
        Library(folder / "media", max_bytes=100_000_000, private_hosts=(host,)) as library,
        connect("sandbox", "box", base_url, "sandbox") as client,
    ):
        notes = Notes()
        clients, platforms = {"box": client}, {"notes": notes}
        engine = Engine(
            store,
            library,
            catalogue,
            clients,
            platforms,
            rules=rules,
            free=frozenset({"box"}),
            link=None,
            now=time.time,
            rng=random.Random(1),
        )
        core = Studio(
            store,
            library,
            catalogue,
            engine,
            rules=policy.Rules(limits, ("notes",)),
            routes={"default": "box"},
            providers={"box": client.can},
            public=False,
            now=time.time,
            rng=random.Random(2),
        )
        running = asyncio.create_task(engine.run())
        try:
            yield Bench(core, store, engine, notes)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
