"""What reading through and backing up a large database costs: `python -m benchmarks.backup --jobs 1000000`.

Makes the database in `--folder` once and keeps it there, about 1.4 kB a job.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sqlite3
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from bot.jobs import Actor, Job, JobId, Media, Outcome, Output, Place, State
from bot.store import Store
from bot.store.soundness import fault_of
from bot.store.tables import job_row

DAY = 86_400
PERSON = Actor("discord", "100000000000000000", "Somebody", "100000000000000000")
INPUTS = {"prompt_start": "a fox in snow " * 8, "prompt_end": "a fox in flowers " * 4, "num_frames": 12}


def job(number: int, rng: random.Random, **changes: Any) -> Job:
    name = f"{rng.getrandbits(80):020x}"
    actor = replace(PERSON, id=str(10**17 + rng.randrange(3000)), server=str(10**17 + number % 50))
    new = Job(
        id=JobId(name),
        key=f"discord:{rng.getrandbits(64)}",
        actor=actor,
        place=Place(f"discord:{actor.server}/{10**17 + number}"),
        model="animate",
        provider="box",
        inputs={**INPUTS, "seed": number},
        state=State.QUEUED,
        created_at=1.7e9 + number,
        due_at=1.7e9 + number,
    )
    return replace(new, **changes)


def done(number: int, rng: random.Random) -> Job:
    digest = f"{rng.getrandbits(256):064x}"
    return job(
        number,
        rng,
        state=State.DONE,
        attempt=1,
        prediction=digest[:26],
        ended_at=1.7e9 + number,
        outcome=Outcome.READY,
        outputs=(Output(f"https://replicate.delivery/pbxt/{digest}/film.mp4", "film"),),
        media=(Media(digest, "film", "video", "video/mp4", 1000, 640, 480, 2.5),),
        took=3.0,
        cost=Decimal("0.0123"),
        posted={"card": 10**17 + number, "result": 10**17 + number},
    )


def rows(count: int) -> Iterator[list[Any]]:
    rng = random.Random(1)
    for number in range(count):
        values = job_row(done(number, rng)).values()
        yield [json.dumps(value) if isinstance(value, dict | list) else value for value in values]


async def fill(path: Path, count: int) -> None:
    await (await Store.open(f"sqlite:///{path}")).close()
    names = list(job_row(done(0, random.Random(1))))
    insert = f"INSERT INTO jobs ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.executemany(insert, rows(count))
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def forget(path: Path) -> None:
    """Ask the system to keep none of it in memory."""
    file = os.open(path, os.O_RDONLY)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(file)


def read_through(path: Path) -> None:
    for how in ("from a cold disk", "from memory"):
        if how == "from a cold disk":
            forget(path)
        start = time.perf_counter()
        fault_of(path)
        print(f"read through {how}: {time.perf_counter() - start:.1f} s")


async def back_up(path: Path, seconds: float) -> None:
    async with await Store.open(f"sqlite:///{path}") as store:
        waits: list[float] = []
        rng = random.Random()

        async def write() -> None:
            while True:
                start = time.perf_counter()
                await store.accept(job(0, rng), (), 0.0)
                waits.append(time.perf_counter() - start)
                await asyncio.sleep(0.002)

        def tell(when: str) -> None:
            found, worst = sorted(waits), 1000 * max(waits)
            middle, late = 1000 * statistics.median(found), 1000 * found[int(len(found) * 0.99)]
            print(f"a write {when}: p50 {middle:.1f} ms, p99 {late:.1f} ms, most {worst:.1f} ms")
            waits.clear()

        writing = asyncio.create_task(write())
        await asyncio.sleep(seconds)
        tell("alone")
        start = time.perf_counter()
        backup = await store.back_up(now=time.time(), keep=1)
        size = backup.stat().st_size / 2**20
        print(f"a backup, checked: {time.perf_counter() - start:.1f} s, {size:.0f} MB")
        tell("meanwhile")
        writing.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, default=Path("threadreel-data"))
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    path = given.folder / f"backup-bench-{given.jobs}.db"
    if not path.exists():
        asyncio.run(fill(path, given.jobs))
    print(f"{given.jobs} jobs, {path.stat().st_size / 2**20:.0f} MB")
    read_through(path)
    asyncio.run(back_up(path, 5))


if __name__ == "__main__":
    main()
