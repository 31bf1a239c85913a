"""Looks per job, and seconds from "finished there" to "delivered here": ours and the official loop."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import httpx

from benchmarks.box import TOKEN, box, stats
from benchmarks.studio import studio
from bot.catalogue import load

LOOKS = ("get", "list")


async def ours(jobs: int, low: float, high: float) -> dict[str, float]:
    """Through core, engine, sweep, download and probe, until the place has it."""
    with tempfile.TemporaryDirectory() as folder:
        async with box(low, high) as base_url, studio(Path(folder), base_url, at_once=jobs) as bench:
            await bench.arrived_first()
            before = time.process_time()
            ids = await bench.order(jobs)
            await bench.arrived(jobs + 1)
            cpu = time.process_time() - before
            arrivals = {}
            for id in ids:
                job = await bench.store.get(id)  # type: ignore[arg-type]
                assert job is not None
                arrivals[str(job.prediction)] = bench.notes.arrivals[id]
            return _figures(arrivals, await stats(base_url), cpu)


async def official(jobs: int, low: float, high: float) -> dict[str, float]:
    """replicate-python as documented: a task a job, a look each half second, then the download.

    With its own timeout of 30 s it fails at 1,000 jobs (no free connection in time), so it has five minutes.
    """
    from replicate.client import Client

    model = load().find("imagine")
    async with box(low, high) as base_url:
        client = Client(api_token=TOKEN, base_url=base_url, timeout=httpx.Timeout(300))
        arrivals: dict[str, float] = {}

        async def one(number: int) -> None:
            inputs = {"prompt": f"picture {number}"}
            prediction = await client.predictions.async_create(version=model.version, input=inputs)
            await prediction.async_wait()
            async with asyncio.TaskGroup() as downloads:
                for url in prediction.output or ():
                    downloads.create_task(_download(client, url))
            arrivals[prediction.id] = time.time()

        before = time.process_time()
        async with asyncio.TaskGroup() as tasks:
            for number in range(jobs):
                tasks.create_task(one(number))
        cpu = time.process_time() - before
        return _figures(arrivals, await stats(base_url), cpu)


async def _download(client: Any, url: str) -> bytes:
    answer = await client._async_client.get(url)
    content: bytes = answer.raise_for_status().content
    return content


def _figures(arrivals: dict[str, float], seen: dict[str, Any], cpu: float) -> dict[str, float]:
    delays = sorted(arrivals[id] - _epoch(seen["completed_at"][id]) for id in arrivals)
    requests = sum(seen["requests"].get(kind, 0) for kind in LOOKS)
    return {
        "looks_per_job": requests / len(arrivals),
        "delay_p50": statistics.median(delays),
        "delay_p99": delays[min(int(len(delays) * 0.99), len(delays) - 1)],
        "cpu_ms_per_job": 1000 * cpu / len(arrivals),
    }


def _epoch(moment: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()


async def run(sizes: list[tuple[int, float, float]]) -> list[dict[str, Any]]:
    """One row a size: jobs in flight, and durations drawn from low..high seconds."""
    warnings.simplefilter("ignore")
    rows = []
    for jobs, low, high in sizes:
        mine, theirs = await ours(jobs, low, high), await official(jobs, low, high)
        rows.append({"in_flight": jobs, "seconds": [low, high], "ours": mine, "official": theirs})
    return rows
