"""Jobs through the whole path, per second and per CPU-second, against the store's own speed."""

from __future__ import annotations

import asyncio
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.box import box
from benchmarks.studio import studio
from bot.jobs import Actor, Job, JobId, Media, Output, Place, State
from bot.store import Store

MEDIA = Media("0" * 64, "image", "image", "image/png", 1000, 64, 64)


async def whole_path(jobs: int) -> dict[str, float]:
    """Submit, create, follow, download, probe, deliver; the provider takes no time."""
    with tempfile.TemporaryDirectory() as folder:
        async with box(0.0, 0.01) as base_url, studio(Path(folder), base_url) as bench:
            await bench.warm_up()
            began, cpu = time.perf_counter(), time.process_time()
            await bench.order(jobs)
            await bench.arrived(jobs)
            return _speed(jobs, time.perf_counter() - began, time.process_time() - cpu)


async def bare_store(jobs: int) -> dict[str, float]:
    """The same seven moves of each job and nothing else, 16 jobs at a time as the engine's workers do."""
    with tempfile.TemporaryDirectory() as folder:
        async with await Store.open(f"sqlite:///{folder}/bench.db") as store:
            began, cpu = time.perf_counter(), time.process_time()
            numbers = iter(range(jobs))

            async def worker() -> None:
                for number in numbers:
                    await _moves(store, number)

            await asyncio.gather(*(worker() for _ in range(16)))
            return _speed(jobs, time.perf_counter() - began, time.process_time() - cpu)


async def _moves(store: Store, number: int) -> None:
    now = time.time()
    actor = Actor("notes", f"person-{number % 100}", "A person", "bench")
    job = Job(
        JobId(f"job{number}"),
        f"notes:{number}",
        actor,
        Place("notes:wall"),
        "imagine",
        "box",
        {"prompt": f"picture {number}", "seed": number},
        State.QUEUED,
        now,
        now,
    )
    await store.accept(job, (), now)
    for started in await store.start(now=now, lease=60, at_once=10**6, at_once_per_person=10**6, limit=1):
        running = await store.submitted(started, f"prediction{started.id}", now=now)
        await store.posted(running.id, {"key": running.id})
        made = (Output("https://example.com/out.png", "image"),)
        fetching = await store.succeeded(running, made, now=now, took=1.0, cost=Decimal(0), finished_at=now)
        delivering = await store.fetched(fetching, (MEDIA,), now=now)
        await store.delivered(delivering, {"key": running.id}, now=now)


def _speed(jobs: int, seconds: float, cpu: float) -> dict[str, float]:
    return {"jobs_per_second": jobs / seconds, "jobs_per_cpu_second": jobs / cpu}


async def run(jobs: int) -> dict[str, Any]:
    return {"jobs": jobs, "path": await whole_path(jobs), "store": await bare_store(jobs)}
