"""Looks per job, and seconds from "finished there" to "delivered here": ours and the official loop."""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from replicate.client import Client

from benchmarks.box import TOKEN, box, stats
from benchmarks.studio import studio
from bot.catalogue import load as load_catalogue
from bot.jobs import JobId
from bot.pacing import Durations

LOOKS = ("get", "list")


@dataclass(frozen=True, slots=True)
class Load:
    """`in_flight` jobs at a time, `rounds` times, begun within `spread` seconds; each takes low..high."""

    in_flight: int
    low: float
    high: float
    spread: float = 0.0
    rounds: int = 1

    @property
    def jobs(self) -> int:
        return self.in_flight * self.rounds

    async def put(self, one: Callable[[int], Coroutine[Any, Any, None]]) -> None:
        """Begin them all; the next round begins when the last one is over."""
        for begun in range(self.rounds):
            async with asyncio.TaskGroup() as tasks:
                for number in range(self.in_flight):
                    tasks.create_task(one(begun * self.in_flight + number))
                    await asyncio.sleep(self.spread / self.in_flight)


async def ours(load: Load) -> dict[str, float]:
    """Through core, engine, sweep, download and probe, until the place has it.

    How long the model takes is known beforehand, as it is after a hundred jobs.
    """
    with tempfile.TemporaryDirectory() as folder:
        async with box(load.low, load.high) as base_url, studio(Path(folder), base_url) as bench:
            await bench.warm_up()
            rng = random.Random(3)
            known = (rng.uniform(load.low, load.high) for _ in range(100))
            bench.engine.durations["imagine"] = Durations(known)
            before, cpu = await stats(base_url), time.process_time()
            ids: list[JobId] = []

            async def one(number: int) -> None:
                ids.append(id := await bench.order_one())
                while id not in bench.notes.arrivals:
                    await asyncio.sleep(0.2)

            await load.put(one)
            cpu = time.process_time() - cpu
            arrivals = {await bench.prediction_of(id): bench.notes.arrivals[id] for id in ids}
            return _figures(arrivals, before, await stats(base_url), cpu)


async def official(load: Load) -> dict[str, float]:
    """replicate-python as documented: a task a job, a look each half second, then the download.

    With its own timeout of 30 s it fails at 1,000 jobs (no free connection in time), so it has five minutes.
    """
    model = load_catalogue().find("imagine")
    async with box(load.low, load.high) as base_url:
        client = Client(api_token=TOKEN, base_url=base_url, timeout=httpx.Timeout(300))
        arrivals: dict[str, float] = {}

        async def one(number: int) -> None:
            inputs = {"prompt": f"picture {number}"}
            prediction = await client.predictions.async_create(version=model.version, input=inputs)
            await prediction.async_wait()
            for url in prediction.output or ():
                await _download(client, url)
            arrivals[prediction.id] = time.time()

        before, cpu = await stats(base_url), time.process_time()
        await load.put(one)
        cpu = time.process_time() - cpu
        return _figures(arrivals, before, await stats(base_url), cpu)


async def _download(client: Any, url: str) -> bytes:
    answer = await client._async_client.get(url)
    content: bytes = answer.raise_for_status().content
    return content


def _figures(
    arrivals: dict[str, float], before: dict[str, Any], after: dict[str, Any], cpu: float
) -> dict[str, float]:
    delays = sorted(arrivals[id] - _epoch(after["completed_at"][id]) for id in arrivals)
    asked = {kind: count - before["requests"].get(kind, 0) for kind, count in after["requests"].items()}
    return {
        "looks_per_job": sum(asked.get(kind, 0) for kind in LOOKS) / len(arrivals),
        "requests_per_job": sum(asked.values()) / len(arrivals),
        "delay_p50": statistics.median(delays),
        "delay_p99": delays[min(int(len(delays) * 0.99), len(delays) - 1)],
        "cpu_ms_per_job": 1000 * cpu / len(arrivals),
    }


def _epoch(moment: str) -> float:
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()


async def run(loads: list[Load]) -> list[dict[str, Any]]:
    """One row a load."""
    warnings.simplefilter("ignore")
    return [
        {"load": asdict(load), "ours": await ours(load), "official": await official(load)} for load in loads
    ]
