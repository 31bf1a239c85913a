"""Our side of a benchmark: store, client, library and engine as they are, and a place that notes arrivals."""

from __future__ import annotations

import asyncio
import contextlib
import io
import random
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from PIL import Image

from bot import policy
from bot.catalogue import load
from bot.config import Limits
from bot.core import Studio
from bot.engine import Engine, Rules
from bot.http import make_app, serve
from bot.jobs import Actor, Job, JobId, Order, Place, Posted
from bot.links import Links
from bot.media import Library, Pool
from bot.ports import Core, Post, Ready, Save, Telling
from bot.providers import Prediction, Roster, connect
from bot.store import Store
from bot.webhooks import Webhooks
from tests.governed import FREE, governed

MANY = 10**9


@dataclass
class Notes:
    """A platform without a network: it notes when each result came."""

    name: str = "notes"
    every: float = 0.0
    arrivals: dict[str, float] = field(default_factory=dict)

    async def run(self, core: Core) -> None:
        await asyncio.Event().wait()

    async def tell(self, telling: Telling) -> None:
        """Nobody listens."""

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
    library: Library
    engine: Engine
    notes: Notes
    ordered: int = 0

    async def order(self, count: int) -> None:
        """Submit so many jobs, 64 at a time."""
        for first in range(0, count, 64):
            batch = range(first, min(first + 64, count))
            await asyncio.gather(*(self.order_one() for _ in batch))

    async def order_one(self) -> JobId:
        self.ordered += 1
        actor = Actor("notes", f"person-{self.ordered % 100}", "A person", "bench")
        options = (("prompt", f"picture {self.ordered}"),)
        order = Order(actor, Place("notes:wall"), "imagine", options, f"notes:{self.ordered}")
        return (await self.core.submit(order)).job.id

    async def prediction_of(self, id: JobId) -> str:
        job = await self.store.get(id)
        assert job is not None
        return str(job.prediction)

    def noting(self) -> dict[str, float]:
        """When the end of each prediction is seen, by its id, from now on."""
        seen: dict[str, float] = {}
        finished = self.engine.finished

        def note(job: Job, prediction: Prediction) -> None:
            seen.setdefault(prediction.id, time.time())
            finished(job, prediction)

        setattr(self.engine, "finished", note)  # noqa: B010  a method may not be assigned to
        return seen

    async def warm_up(self) -> None:
        """Two files probed beforehand, so that the worker processes, which start only once, have started."""
        samples = [await self.library.keep(name, _picture(name)) for name in ("a", "b")]
        await asyncio.gather(*(self.library.probe(sample.digest) for sample in samples))

    async def arrived(self, count: int) -> None:
        while len(self.notes.arrivals) < count:
            await asyncio.sleep(0.05)


async def _picture(name: str) -> AsyncIterator[bytes]:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "red" if name == "a" else "blue").save(out, "PNG")
    yield out.getvalue()


@contextlib.asynccontextmanager
async def studio(
    folder: Path,
    base_url: str,
    *,
    at_once: int = 100_000,
    webhooks: bool = False,
    deadline: float = 3600,
) -> AsyncIterator[Bench]:
    """A running engine over the store in `folder`; with `webhooks` it is told of ends on loopback."""
    catalogue = load()
    host = base_url.removeprefix("http://").partition("/")[0]
    rules = Rules(at_once=at_once, at_once_per_person=at_once, deadline=deadline)
    limits = Limits(waiting_per_person=MANY // 1000, per_day=MANY, per_day_per_person=MANY)
    async with (
        await Store.open(f"sqlite:///{folder}/bench.db") as store,
        Library(folder / "media", max_bytes=10**8, private_hosts=(host,), pool=Pool(2)) as library,
        connect("sandbox", "box", base_url, "sandbox") as client,
    ):
        notes = Notes()
        clients, platforms = {"box": client}, {"notes": notes}
        port = _free_port()
        links = Links(f"http://127.0.0.1:{port}", b"key", time.time)
        engine = Engine(
            store,
            library,
            catalogue,
            Roster(clients),
            platforms,
            rules=rules,
            prices=FREE,
            link=None,
            now=time.time,
            rng=random.Random(1),
            hooks={"box": partial(links.hook_of, "box")} if webhooks else {},
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
            **governed(store, catalogue),
        )
        receiver = Webhooks(clients, links, engine, now=time.time)
        app = make_app(receiver.routes(), host="127.0.0.1", public_url=None, ready=_ready)
        async with await serve(app, "127.0.0.1", port):
            running = asyncio.create_task(engine.run())
            try:
                yield Bench(core, store, library, engine, notes)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def _ready() -> str | None:
    return None
