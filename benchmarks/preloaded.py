"""Jobs that are in flight when a benchmark begins: in the provider's book and in our store.

    python -m benchmarks.preloaded JOBS SEED NOW [--no-budget]

serves a sandbox that has them, answers after 150 ms and, but for --no-budget, no more than Replicate does.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import random
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert

from benchmarks.box import TOKEN
from bot.catalogue import load
from bot.jobs import Actor, Job, JobId, Place, State
from bot.sandbox.art import make
from bot.sandbox.misbehaviour import Rule
from bot.sandbox.predictions import Order
from bot.sandbox.prepared import Prepared
from bot.sandbox.server import Sandbox, serve
from bot.store import Store
from bot.store.tables import job_row, jobs

MEDIAN, SPREAD = 240.0, 0.4
"""Seconds that half of the runs stay under, and the deviation of their logarithm: films of some minutes."""

ENDS_KEPT = 10_000
"""Jobs above which runs take longer, instead of ending more often than a provider lets them begin."""

LATENCY = 0.15
SLOW = ("create", "get", "list", "cancel")
NO_LIMIT = 10**9


@dataclass(frozen=True, slots=True)
class InFlight:
    """One that was begun `age` seconds ago and runs for `left` more."""

    number: int
    age: float
    left: float

    @property
    def prediction(self) -> str:
        return f"p{self.number:025d}"


def durations(count: int, rng: random.Random) -> Iterator[float]:
    """How long runs take, without end."""
    scale = max(1.0, count / ENDS_KEPT)
    while True:
        yield scale * rng.lognormvariate(math.log(MEDIAN), SPREAD)


def in_flight(count: int, seed: int) -> list[InFlight]:
    """What runs at any moment where they begin at a steady rate; the oldest first."""
    rng = random.Random(seed)
    longest = 6 * MEDIAN * max(1.0, count / ENDS_KEPT)
    running = (
        (age, takes - age) for takes in durations(count, rng) if (age := rng.uniform(0, longest)) < takes
    )
    found = sorted(islice(running, count), reverse=True)
    return [InFlight(number, age, left) for number, (age, left) in enumerate(found)]


async def fill(folder: Path, count: int, seed: int, now: float) -> None:
    """A database with them, as a killed process leaves it."""
    rows = [job_row(_job(one, now)) for one in in_flight(count, seed)]
    async with await Store.open(f"sqlite:///{folder}/bench.db") as store:
        for first in range(0, len(rows), 1000):
            some = rows[first : first + 1000]
            await store._database.write(partial(_put, some))


def _put(rows: list[dict[str, Any]], connection: Connection) -> None:
    connection.execute(insert(jobs), rows)


def _job(one: InFlight, now: float) -> Job:
    return Job(
        id=JobId(f"job{one.number:09d}"),
        key=f"notes:{one.number}",
        actor=Actor("notes", f"person-{one.number % 1000}", "A person", f"server-{one.number % 100}"),
        place=Place("notes:wall"),
        model="imagine",
        provider="box",
        inputs={"prompt": f"picture {one.number}", "seed": one.number},
        state=State.RUNNING,
        created_at=now - one.age - 1,
        due_at=now - one.age,
        prediction=one.prediction,
        submitted_at=now - one.age + 0.2,
        started_at=now - one.age + 1,
        posted={"key": f"card{one.number}"},
    )


@contextlib.asynccontextmanager
async def preloaded(count: int, seed: int, now: float, *, budget: bool = True) -> AsyncIterator[str]:
    """The base URL of a provider, in a process of its own, that has them."""
    more = () if budget else ("--no-budget",)
    command = [sys.executable, "-m", "benchmarks.preloaded", str(count), str(seed), str(now), *more]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.kill()
        await process.wait()


async def _serve(count: int, seed: int, now: float, *, budget: bool) -> None:
    catalogue = load()
    sandbox = Sandbox(
        catalogue,
        make,
        token=TOKEN,
        prepared=Prepared(lambda rng: next(durations(count, rng)), commands=("imagine",)),
        creates_per_minute=600 if budget else NO_LIMIT,
        others_per_minute=3000 if budget else NO_LIMIT,
        misbehaviour=[Rule(on, "slow", times=None, seconds=LATENCY) for on in SLOW],
    )
    async with serve(sandbox) as address:
        for one in in_flight(count, seed):
            inputs = {"prompt": f"picture {one.number}", "seed": one.number}
            order = Order(catalogue.find("imagine"), inputs, address, address)
            sandbox.workshop.resume(one.prediction, order, created_at=now - one.age, seconds=one.left)
        print(address, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jobs", type=int)
    parser.add_argument("seed", type=int)
    parser.add_argument("now", type=float)
    parser.add_argument("--no-budget", action="store_true")
    given = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(given.jobs, given.seed, given.now, budget=not given.no_budget))
