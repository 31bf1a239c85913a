"""Memory per job in flight: what the process grows by while so many predictions run."""

from __future__ import annotations

import asyncio
import gc
import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.box import box
from benchmarks.studio import studio
from bot.jobs import State


def resident() -> int:
    """Bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def run(jobs: int) -> dict[str, Any]:
    """All of them submitted, created at the provider and followed; none of them ends."""
    with tempfile.TemporaryDirectory() as folder:
        async with box(3000, 3500) as base_url, studio(Path(folder), base_url) as bench:
            await bench.order(200)
            await _running(bench, 200)
            gc.collect()
            before = resident()
            await bench.order(jobs - 200)
            await _running(bench, jobs)
            await asyncio.sleep(5)
            gc.collect()
            return {"in_flight": jobs, "bytes_per_job": (resident() - before) / (jobs - 200)}


async def _running(bench: Any, count: int) -> None:
    while (await bench.store.counts())[State.RUNNING] < count:
        await asyncio.sleep(0.2)
