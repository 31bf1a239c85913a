"""`make bench-engine`: following many jobs, against the official client's loop and a bare writer, in one run.

Jobs are in flight before the clock starts: in the store, as a killed process left them, and at the provider,
which answers after 150 ms and keeps to Replicate's budget. All figures are of a window of time in which
runs end as they do in any other: requests and CPU are divided by the ends within it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import platform
import random
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import structlog
from rich.console import Console
from rich.table import Table

from benchmarks import path, webhooks, writer
from benchmarks.box import TOKEN, stats
from benchmarks.memory import resident
from benchmarks.preloaded import LATENCY, durations, fill, in_flight, preloaded
from benchmarks.studio import Bench, studio
from bot.pacing import Durations
from bot.windows import PAGE

LOOKS = ("get", "list")
BUDGET = 3000 / 60
"""Requests a second that Replicate answers, creates apart."""

OFFICIAL_EVERY = 0.5
"""Seconds between two looks of the official client's loop (replicate-python's default)."""

WINDOWS: Mapping[int, float] = {100: 120.0, 1000: 90.0, 10_000: 60.0, 100_000: 40.0}
UNSEEN_AFTER = 15.0
"""Seconds at the end of a window whose ends may not have been seen yet."""

OFFICIAL = 100
"""Jobs that the official loop follows for real; with more it no longer keeps up with itself."""

NO_DEADLINE = 1e9
SEED = 7


# -- ours


async def ours(folder: Path, base_url: str, count: int, window: float) -> dict[str, float | None]:
    """In a process of its own, over a filled store. Says on stdout when all are followed."""
    gc.collect()
    before = resident()
    rng = random.Random(SEED + 1)
    async with studio(folder, base_url, deadline=NO_DEADLINE) as bench:
        began = time.perf_counter()
        bench.engine.durations["imagine"] = Durations(islice(durations(count, rng), 200))
        sweep = bench.engine._sweeps["box"]
        while len(sweep) < count:
            await asyncio.sleep(0.005)
        followed = time.perf_counter() - began
        print("following", flush=True)
        bench.engine.durations["imagine"] = Durations(islice(durations(count, rng), 200))
        await bench.warm_up()
        while any(one.created is None for one in sweep._watched.values()):
            await asyncio.sleep(0.05)
        looked = time.perf_counter() - began
        figures = await _window(bench, base_url, window)
        gc.collect()
        megabytes = resident() / 1e6
        return {
            **figures,
            "followed": followed,
            "looked": looked,
            "megabytes": megabytes,
            "kb_per_job": (resident() - before) / count / 1000,
        }


async def _window(bench: Bench, base_url: str, window: float) -> dict[str, float | None]:
    seen = bench.noting()
    first, since, cpu = await stats(base_url), time.time(), time.process_time()
    await asyncio.sleep(window)
    cpu = time.process_time() - cpu
    until, last = time.time(), await stats(base_url)
    ended = {id: _epoch(at) for id, at in last["completed_at"].items() if at}
    within = [id for id, at in ended.items() if since <= at <= until]
    judged = [id for id in within if ended[id] <= until - min(UNSEEN_AFTER, window / 2)]
    delays = sorted(seen.get(id, until) - ended[id] for id in judged)
    asked = sum(last["requests"].get(kind, 0) - first["requests"].get(kind, 0) for kind in LOOKS)
    return {
        "ends": len(within),
        "requests_per_second": asked / window,
        "requests_per_job": asked / max(len(within), 1),
        "p50": statistics.median(delays) if delays else None,
        "p99": delays[int(len(delays) * 0.99)] if delays else None,
        "unseen": sum(id not in seen for id in judged),
        "cpu_share": cpu / window,
        "cpu_ms_per_job": 1000 * cpu / max(len(within), 1),
    }


def _epoch(moment: str) -> float:
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()


# -- the official client


async def official(base_url: str, count: int, window: float) -> dict[str, float]:
    """replicate-python as documented: a task a job that looks each half second. Nobody limits it here: it
    would get 429 for most of what it asks."""
    from replicate.client import Client

    warnings.simplefilter("ignore")
    client = Client(api_token=TOKEN, base_url=base_url, timeout=httpx.Timeout(300))

    async def follow(id: str) -> None:
        prediction = await client.predictions.async_get(id)
        await prediction.async_wait()

    following = [asyncio.create_task(follow(one.prediction)) for one in in_flight(count, SEED)]
    await asyncio.sleep(5)
    before, since, cpu = await stats(base_url), time.time(), time.process_time()
    await asyncio.sleep(window)
    cpu = time.process_time() - cpu
    until, after = time.time(), await stats(base_url)
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)
    ends = sum(since <= _epoch(at) <= until for at in after["completed_at"].values() if at)
    asked = sum(after["requests"].get(kind, 0) - before["requests"].get(kind, 0) for kind in LOOKS)
    return {
        "ends": ends,
        "requests_per_second": asked / window,
        "requests_per_job": asked / max(ends, 1),
        "cpu_share": cpu / window,
        "cpu_ms_per_job": 1000 * cpu / max(ends, 1),
    }


def at_that_rate(found: Mapping[str, float], count: int, ends: float, window: float) -> dict[str, float]:
    """What the loop asks for with more jobs: each asks as often as the few did that it was measured with."""
    each = found["requests_per_second"] / found["count"]
    return {"requests_per_second": each * count, "requests_per_job": each * count * window / max(ends, 1)}


# -- putting it together


async def _child(*arguments: object) -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "benchmarks.engine", *map(str, arguments)]
    return await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)


async def _lines(process: asyncio.subprocess.Process) -> list[str]:
    assert process.stdout is not None
    return (await process.stdout.read()).decode().splitlines()


async def one_size(count: int, window: float) -> dict[str, Any]:
    """Killed once while it follows; the next start is the one that is measured."""
    with tempfile.TemporaryDirectory() as folder:
        now = time.time()
        await fill(Path(folder), count, SEED, now)
        async with preloaded(count, SEED, now) as base_url:
            killed = await _child("--ours", folder, base_url, count, window)
            assert killed.stdout is not None
            assert (await killed.stdout.readline()).strip() == b"following"
            killed.kill()
            await killed.wait()
            again = await _lines(await _child("--ours", folder, base_url, count, window))
    return {"count": count, "window": window, "ours": json.loads(again[-1])}


async def official_size(count: int, window: float) -> dict[str, float]:
    async with preloaded(count, SEED, time.time(), budget=False) as base_url:
        said = await _lines(await _child("--official", base_url, count, window))
    return {"count": count, **json.loads(said[-1])}


async def measure(sizes: Mapping[int, float], *, stored: int, told: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "machine": {
            "python": platform.python_version(),
            "system": platform.platform(),
            "load": os.getloadavg()[0],
        }
    }
    few = min(OFFICIAL, *sizes)
    found["official"] = await official_size(few, 60.0 if few == OFFICIAL else 4.0)
    found["sizes"] = []
    for count, seconds in sizes.items():
        row = await one_size(count, seconds)
        row["official"] = at_that_rate(found["official"], count, row["ours"]["ends"], seconds)
        row["limit"] = {"p50": count / PAGE / BUDGET / 2 + LATENCY}
        found["sizes"].append(row)
    found["store"] = await path.bare_store(stored)
    found["writer"] = await writer.bare_writer(stored)
    low, high = (20, 40) if told > 100 else (1, 2)
    found["webhooks"] = await webhooks.run(told, low, high, webhooks=True)
    return found


def rows(found: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str, str]]:
    """Figure, ours, what it is compared with, theirs, ratio."""

    def compared(label: str, mine: float, what: str, theirs: float) -> tuple[str, str, str, str, str]:
        return label, f"{mine:,.3g}", what, f"{theirs:,.3g}", f"{mine / theirs:.3g}" if theirs else ""

    for row in found["sizes"]:
        ours, count = row["ours"], row["count"]
        at = f"{count:,} in flight"
        loop = "the official loop" + ("" if count == found["official"]["count"] else " (computed)")
        yield compared(
            f"{at}: looks per job", ours["requests_per_job"], loop, row["official"]["requests_per_job"]
        )
        yield compared(f"{at}: looks per second", ours["requests_per_second"], "Replicate's budget", BUDGET)
        if count <= 10_000 and ours["p50"] is not None:
            half = row["limit"]["p50"]
            yield compared(f"{at}: s from finished to seen, median", ours["p50"], "pages in turn", half)
            yield compared(f"{at}: s from finished to seen, p99", ours["p99"], "pages in turn, all", 2 * half)
        if count == found["official"]["count"]:
            theirs = found["official"]["cpu_ms_per_job"]
            yield compared(f"{at}: CPU ms per job", ours["cpu_ms_per_job"], "the official loop", theirs)
        else:
            yield f"{at}: CPU ms per job", f"{ours['cpu_ms_per_job']:,.3g}", "", "", ""
        yield f"{at}: kB per job", f"{ours['kb_per_job']:,.3g}", "", "", ""
        yield compared(f"{at}: MB, all of the process", ours["megabytes"], "the goal", 1000)
        yield compared(f"{at}: s until followed again after a kill", ours["followed"], "the goal", 2)
        yield f"{at}: s until each was looked at", f"{ours['looked']:,.3g}", "", "", ""
    store, bare = found["store"]["jobs_per_second"], found["writer"]["jobs_per_second"]
    yield compared("jobs per second through the store", store, "a bare aiosqlite writer", bare)
    yield compared("ms from finished to told by webhook, p99", found["webhooks"]["p99"], "the goal", 100)


def show(found: Mapping[str, Any], console: Console) -> None:
    table = Table("figure", "ours", "compared with", "theirs", "ratio", box=None)
    for row in rows(found):
        table.add_row(*row)
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="small numbers, to see that it runs")
    parser.add_argument("--sizes", type=int, nargs="*", help="only these numbers of jobs in flight")
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/engine.json"))
    parser.add_argument(
        "--ours", nargs=4, metavar=("FOLDER", "URL", "JOBS", "SECONDS"), help=argparse.SUPPRESS
    )
    parser.add_argument("--official", nargs=3, metavar=("URL", "JOBS", "SECONDS"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    if given.ours:
        folder, url, jobs, seconds = given.ours
        print(json.dumps(asyncio.run(ours(Path(folder), url, int(jobs), float(seconds)))))
        return
    if given.official:
        url, jobs, seconds = given.official
        print(json.dumps(asyncio.run(official(url, int(jobs), float(seconds)))))
        return
    sizes = {20: 4.0, 300: 4.0} if given.short else WINDOWS
    if given.sizes:
        sizes = {count: WINDOWS.get(count, 60.0) for count in given.sizes}
    found = asyncio.run(measure(sizes, stored=50 if given.short else 3000, told=10 if given.short else 300))
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_text(json.dumps(found, indent=1))
    show(found, Console(width=130))


if __name__ == "__main__":
    main()
