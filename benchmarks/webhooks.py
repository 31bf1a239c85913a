"""Seconds from "finished there" to "seen here", told by webhooks and found by looking, in one run."""

from __future__ import annotations

import argparse
import asyncio
import logging
import statistics
import tempfile
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from rich.console import Console
from rich.table import Table

from benchmarks.box import box, stats
from benchmarks.studio import studio
from bot.pacing import Durations

LOOKS = ("get", "list")


async def run(jobs: int, low: float, high: float, *, webhooks: bool) -> dict[str, float]:
    """So many jobs at once, each of which takes low..high seconds.

    How long the model takes is known beforehand, and whether webhooks arrive, as it is after the first jobs.
    """
    with tempfile.TemporaryDirectory() as folder:
        async with box(low, high) as base_url, studio(Path(folder), base_url, webhooks=webhooks) as bench:
            await bench.warm_up()
            await bench.order(4)
            await bench.arrived(4)
            bench.engine.durations["imagine"] = Durations(low + (high - low) * n / 100 for n in range(101))
            before, seen, cpu = await stats(base_url), bench.noting(), time.process_time()
            await bench.order(jobs)
            await bench.arrived(4 + jobs)
            cpu = time.process_time() - cpu
            return _figures(seen, before, await stats(base_url), cpu)


def _figures(
    seen: Mapping[str, float], before: Mapping[str, Any], after: Mapping[str, Any], cpu: float
) -> dict[str, float]:
    delays = sorted(at - _epoch(after["completed_at"][id]) for id, at in seen.items())
    asked = sum(after["requests"].get(kind, 0) - before["requests"].get(kind, 0) for kind in LOOKS)
    return {
        "p50": 1000 * statistics.median(delays),
        "p99": 1000 * delays[min(int(len(delays) * 0.99), len(delays) - 1)],
        "most": 1000 * delays[-1],
        "looks": asked / len(delays),
        "cpu": 1000 * cpu / len(delays),
    }


def _epoch(moment: str) -> float:
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()


def show(told: Mapping[str, float], found: Mapping[str, float], console: Console) -> None:
    table = Table("figure", "webhooks", "looking", "ratio", box=None)
    for key, label in (
        ("p50", "ms from finished to seen, median"),
        ("p99", "ms from finished to seen, p99"),
        ("most", "ms from finished to seen, most"),
        ("looks", "looks per job"),
        ("cpu", "CPU ms per job"),
    ):
        ratio = f"{told[key] / found[key]:.3f}" if found[key] else ""
        table.add_row(label, f"{told[key]:.2f}", f"{found[key]:.2f}", ratio)
    console.print(table)


async def _both(given: argparse.Namespace) -> None:
    told = await run(given.jobs, given.low, given.high, webhooks=True)
    found = await run(given.jobs, given.low, given.high, webhooks=False)
    show(told, found, Console(width=110))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--low", type=float, default=20.0, help="seconds that the shortest job takes")
    parser.add_argument("--high", type=float, default=40.0)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    asyncio.run(_both(parser.parse_args()))


if __name__ == "__main__":
    main()
