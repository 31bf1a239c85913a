"""`make bench-policy`: what the rules of a thousand servers add to a submission, with 100,000 jobs kept.

Three ways to submit the same order take turns, so that whatever else the machine does meets all of them:

bare      the order is checked against its model and written down: no rules, limits, money or audit
nothing   the whole core, for a server that has decided nothing
full      the whole core, for a server with fifty settings

What policy adds is the difference within a turn. `cold` is the first order of a server since the start, when
its rules are read and compiled, against the next one of the same server.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import logging
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import structlog
from rich.console import Console
from rich.table import Table

from benchmarks.governed import COMMAND, Crowd, actor_of, fill, order_of, server_of
from benchmarks.studio import MANY
from bot import policy
from bot.catalogue import check, load
from bot.config import Limits
from bot.core import Idle, Studio
from bot.jobs import Job, JobId, Order, State
from bot.media import Library, Pool
from bot.prices import Price, Prices
from bot.providers.dialect import CAPABILITIES
from bot.store import Store
from tests.governed import governed

Way: TypeAlias = Callable[[Order], Awaitable[object]]

PRICES = Prices({COMMAND: Price(Decimal("0.002"), Decimal("0.0005"), 20, True, "the benchmark's own")}, {})
LIMITS = Limits(waiting_per_person=1_000_000, per_day=MANY, per_day_per_person=MANY)
CAN = CAPABILITIES["replicate"]
GOAL = 2.0
"""Milliseconds that policy may add at the median."""

WARM_UP = 50
"""Turns that are not counted."""


class Desk:
    """Takes orders in each of the ways. There is no engine: what is accepted waits."""

    def __init__(self, store: Store, library: Library) -> None:
        self.store = store
        self._library = library
        self.catalogue = load()
        self.core = self.new_core()

    def new_core(self) -> Studio:
        """One that has not read any server's rules yet."""
        return Studio(
            self.store,
            self._library,
            self.catalogue,
            Idle(),
            rules=policy.Rules(LIMITS, ("notes:*",)),
            routes={"default": "box"},
            providers={"box": CAN},
            public=False,
            now=time.time,
            rng=random.Random(),
            **governed(self.store, self.catalogue, prices=PRICES),
        )

    async def bare(self, order: Order) -> None:
        if await self.store.by_key(order.key):
            raise AssertionError
        now, model = time.time(), self.catalogue.find(order.model)
        inputs = check(model, order.options)
        job = Job(
            JobId(order.key),
            order.key,
            order.actor,
            order.place,
            model.command,
            "box",
            inputs,
            State.QUEUED,
            now,
            now,
            channel=order.channel,
        )
        await self.store.accept(job, (), now)


@contextlib.asynccontextmanager
async def desk(folder: Path, servers: int, count: int) -> AsyncIterator[Desk]:
    async with (
        await Store.open(f"sqlite:///{folder}/bench.db") as store,
        Library(folder / "media", max_bytes=10**8, pool=Pool(1)) as library,
    ):
        one = Desk(store, library)
        await fill(store, one.catalogue, Crowd(servers), count, time.time())
        yield one


# -- measuring, in milliseconds


async def _timed(way: Way, order: Order) -> float:
    began = time.perf_counter()
    await way(order)
    return 1000 * (time.perf_counter() - began)


async def in_turns(at: Desk, servers: int, turns: int) -> dict[str, list[float]]:
    """How long each way took, turn by turn."""
    rng = random.Random(3)
    ways: dict[str, Way] = {"bare": at.bare, "nothing": at.core.submit, "full": at.core.submit}
    took: dict[str, list[float]] = {name: [] for name in ways}
    for turn, (actor, channel) in enumerate(islice(Crowd(servers).actors(rng), WARM_UP + turns)):
        await at.core.language(actor)  # its rules are compiled: that is measured apart
        for name in rng.sample(list(ways), len(ways)):
            who = replace(actor, server=f"undecided-{actor.server}") if name == "nothing" else actor
            ms = await _timed(ways[name], order_of(who, channel, f"{name}:{turn}"))
            if turn >= WARM_UP:
                took[name].append(ms)
    return took


async def cold_and_warm(at: Desk, servers: int, most: int) -> dict[str, list[float]]:
    """The first order of a server and its second, server by server."""
    rng = random.Random(4)
    core = at.new_core()
    took: dict[str, list[float]] = {"cold": [], "warm": []}
    for rank in rng.sample(range(servers), min(servers, most)):
        actor = actor_of(server_of(rank), rng)
        for name in took:
            took[name].append(await _timed(core.submit, order_of(actor, "c1", f"{name}:{rank}")))
    return took


def _of(values: Sequence[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {"p50": statistics.median(ordered), "p99": ordered[int(len(ordered) * 0.99)]}


def _more(these: Sequence[float], than: Sequence[float]) -> dict[str, float]:
    return _of([one - other for one, other in zip(these, than, strict=True)])


async def measure(servers: int, count: int, turns: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        async with desk(Path(folder), servers, count) as at:
            gc.collect()
            gc.freeze()
            load_before = os.getloadavg()[0]
            took = await in_turns(at, servers, turns)
            first = await cold_and_warm(at, servers, max(turns // 4, 5))
    return {
        "machine": {
            "python": platform.python_version(),
            "system": platform.platform(),
            "load": [load_before, os.getloadavg()[0]],
        },
        "servers": servers,
        "jobs": count,
        "turns": turns,
        "took": {name: _of(values) for name, values in {**took, **first}.items()},
        "adds": {
            "full": _more(took["full"], took["bare"]),
            "nothing": _more(took["nothing"], took["bare"]),
            "cold": _more(first["cold"], first["warm"]),
        },
    }


# -- telling


def rows(found: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str, str]]:
    """Figure, ours, what it is compared with, theirs, ratio."""

    def compared(label: str, mine: float, what: str, theirs: float) -> tuple[str, str, str, str, str]:
        return label, f"{mine:.2f}", what, f"{theirs:.2f}", f"{mine / theirs:.2f}"

    took, adds = found["took"], found["adds"]
    for share in ("p50", "p99"):
        full, bare = took["full"][share], took["bare"][share]
        yield compared(f"ms a submission, {share}", full, "without any policy", bare)
        nothing = took["nothing"][share]
        yield compared(f"ms a submission, nothing decided, {share}", nothing, "without any policy", bare)
    yield compared("ms that policy adds, p50", adds["full"]["p50"], "the goal", GOAL)
    yield "ms that policy adds, p99", f"{adds['full']['p99']:.2f}", "", "", ""
    yield compared("ms that it adds, nothing decided, p50", adds["nothing"]["p50"], "the goal", GOAL)
    for share in ("p50", "p99"):
        cold, warm = took["cold"][share], took["warm"][share]
        yield compared(f"ms of a server's first submission, {share}", cold, "its second", warm)
    yield "ms that a server's first one adds, p50", f"{adds['cold']['p50']:.2f}", "", "", ""


def show(found: Mapping[str, Any], console: Console) -> None:
    table = Table("figure", "ours", "compared with", "theirs", "ratio", box=None)
    for row in rows(found):
        table.add_row(*row)
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="small numbers, to see that it runs")
    parser.add_argument("--servers", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--turns", type=int, default=1000)
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/policy.json"))
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    sizes = (20, 500, 20) if given.short else (given.servers, given.jobs, given.turns)
    found = asyncio.run(measure(*sizes))
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_text(json.dumps(found, indent=1))
    show(found, Console(width=110))


if __name__ == "__main__":
    main()
