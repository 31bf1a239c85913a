"""Jobs by the second, for long, with faults: what grows?

The bot runs as in use, and people order on the page, on Discord, and on Slack as much as that takes. Every
few seconds it is looked at from outside: its memory, its open files, its threads, the size of its database.
Its tasks, and the blocks of memory that hold its objects, it counts itself: the system's figure for memory
also holds what was free again at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import sqlite3
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.prove.people import People
from tests.prove.verdict import judge
from tests.prove.weather import weather
from tests.prove.world import World, world

SETTLING = 300.0
SHARES = {"slack": 0.1}
"""A workspace takes "several hundred" messages a minute, and a job has two, its card and its result
(https://docs.slack.dev/apis/web-api/rate-limits)."""

PAGE = os.sysconf("SC_PAGE_SIZE")

KINDS = ("memory", "blocks", "handles", "threads", "tasks", "open")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Look:
    """The bot at one moment. `memory` and `database` in bytes, `cpu` in seconds since it started.

    `blocks`: those of memory that hold Python's objects.
    """

    at: float
    done: int
    open: int
    memory: int
    handles: int
    threads: int
    tasks: int
    blocks: int
    cpu: float
    database: int


async def soak(
    folder: Path, *, per_second: float, seconds: float, every: float, seed: int, say: Say = print
) -> dict[str, Any]:
    """Order so much for so long; what was seen, and what stood there in the end."""
    shutil.rmtree(folder, ignore_errors=True)
    chance = random.Random(seed)
    looks: list[Look] = []
    async with world(folder, chance, prepared=True) as there:
        life = await there.begin(measured=True)
        assert await there.is_ready(life), there.last_words()
        people = People(there.stages, chance, per_second=per_second, shares=SHARES)
        trouble = asyncio.create_task(weather(there, chance))
        people.begin()
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            assert not await life.ended(every), there.last_words()
            looks.append(_look(there, life.pid, time.monotonic() - began))
            say(_line(looks[-1]))
        trouble.cancel()
        await there.box.misbehave()
        await people.stop()
        await there.all_ended(SETTLING)
        looks.append(_look(there, life.pid, time.monotonic() - began))
        life.kill(signal.SIGTERM)
        await life.ended(30)
        verdict = await judge(there, people, one_of_a_kind=False)
    figures = _figures(looks, seconds)
    report = {"figures": figures, **verdict.as_json(), "looks": [asdict(one) for one in looks]}
    (folder / "soak.json").write_text(json.dumps(report, indent=1) + "\n")
    return report


def _look(there: World, pid: int, at: float) -> Look:
    process = Path(f"/proc/{pid}")
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    with closing(sqlite3.connect(f"file:{there.database}?mode=ro", uri=True, timeout=10)) as connection:
        counts = dict(connection.execute("SELECT state, count(*) FROM jobs GROUP BY state"))
        (pages,), (page,) = (
            connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size")
        )
    done = counts.pop("done", 0) + counts.pop("undelivered", 0)
    counts_file = there.folder / "counts"
    counted = json.loads(counts_file.read_text()) if counts_file.exists() else {}
    return Look(
        at=round(at, 1),
        done=done,
        open=sum(counts.values()),
        memory=int((process / "statm").read_text().split()[1]) * PAGE,
        handles=len(list((process / "fd").iterdir())),
        threads=len(list((process / "task").iterdir())),
        tasks=counted.get("tasks", 0),
        blocks=counted.get("blocks", 0),
        cpu=(int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
        database=pages * page,
    )


def _figures(looks: list[Look], seconds: float) -> dict[str, Any]:
    """The second half against the first quarter: what was warm by then should not have grown since."""
    within = [one for one in looks if one.at <= seconds] or looks
    early = within[len(within) // 4 : len(within) // 2] or within[:1]
    late = within[-max(1, len(within) // 4) :]

    def middle(some: list[Look], name: str) -> float:
        return float(statistics.median(getattr(one, name) for one in some))

    last, span = within[-1], within[-1].at - within[0].at or 1
    jobs = looks[-1].done - within[0].done
    kept = (looks[-1].database - within[0].database) / max(jobs, 1)
    halfway = within[len(within) // 2]
    first_half = (halfway.database - within[0].database) / max(halfway.done - within[0].done, 1)
    return {
        "seconds": last.at,
        "jobs": looks[-1].done,
        "jobs_per_second": round((last.done - within[0].done) / span, 1),
        "cpu_per_job_ms": round((last.cpu - within[0].cpu) / max(last.done - within[0].done, 1) * 1000, 1),
        **{name: {"early": middle(early, name), "late": middle(late, name)} for name in KINDS},
        "database_bytes_per_job": {"first_half": round(first_half), "whole": round(kept)},
    }


def _line(look: Look) -> str:
    return (
        f"{look.at:7.0f} s  {look.done:7,} done  {look.open:5,} open  {look.memory / 2**20:6.1f} MiB  "
        f"{look.handles:4} files  {look.threads:3} threads  {look.tasks:5} tasks  {look.blocks:8,} blocks  "
        f"{look.database / max(look.done, 1):7.0f} bytes a job"
    )


def summary(report: dict[str, Any]) -> str:
    figures = report["figures"]
    lines = [
        f"  {figures['jobs']:,} jobs in {figures['seconds']:.0f} s: {figures['jobs_per_second']} a second, "
        f"{figures['cpu_per_job_ms']} ms of processor each",
        *(
            f"  {name:<9} {figures[name]['early']:>14,.0f} early  {figures[name]['late']:>14,.0f} late"
            for name in KINDS
        ),
        f"  database  {figures['database_bytes_per_job']['first_half']:>8,} bytes a job in the first half, "
        f"{figures['database_bytes_per_job']['whole']:,} over the whole",
        *(f"  {name:<13} {len(report[name])}" for name in ("lost", "paid_twice", "posted_twice", "wrong")),
        *(f"    {name}: {count}" for name, count in report["outcomes"].items()),
    ]
    return "\n".join(lines)
