"""`make bench`: every figure in one run, as a table and as JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import platform
import time
from pathlib import Path
from typing import Any

import structlog
from rich.console import Console
from rich.table import Table

from benchmarks import looking, memory, path
from benchmarks.looking import Load

LOADS = [Load(1, 4, 6, rounds=5), Load(100, 20, 40, spread=10), Load(1000, 60, 120, spread=30)]
QUICK_LOADS = [Load(1, 1, 2, rounds=2), Load(20, 1, 3, spread=1)]


async def measure(quick: bool, only: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {"machine": {"python": platform.python_version(), "system": platform.platform()}}
    if only in (None, "path"):
        found["path"] = await path.run(100 if quick else 2000)
    if only in (None, "looking"):
        found["looking"] = await looking.run(QUICK_LOADS if quick else LOADS)
    if only in (None, "memory"):
        found["memory"] = await memory.run(400 if quick else 10_000)
    return found


def show(found: dict[str, Any], console: Console) -> None:
    table = Table("figure", "ours", "compared with", "theirs", "ratio", box=None)
    if "path" in found:
        _show_path(found["path"], table)
    for row in found.get("looking", ()):
        _show_looking(row, table)
    if "memory" in found:
        kept = found["memory"]
        label = f"kB per job at {kept['in_flight']}"
        table.add_row(label, f"{kept['bytes_per_job'] / 1000:.1f}", "the goal", "20", "")
    console.print(table)


def _show_path(found: dict[str, Any], table: Table) -> None:
    for label, key in (("jobs/s, whole path", "jobs_per_second"), ("jobs/CPU-s", "jobs_per_cpu_second")):
        mine, theirs = found["path"][key], found["store"][key]
        table.add_row(label, f"{mine:.1f}", "the store alone", f"{theirs:.1f}", f"{mine / theirs:.2f}")


def _show_looking(row: dict[str, Any], table: Table) -> None:
    for key, label in (
        ("looks_per_job", "looks per job"),
        ("requests_per_job", "all requests per job"),
        ("delay_p50", "s until here, median"),
        ("delay_p99", "s until here, p99"),
        ("cpu_ms_per_job", "CPU ms per job"),
    ):
        mine, theirs = row["ours"][key], row["official"][key]
        name = f"{label} at {row['load']['in_flight']}"
        table.add_row(name, f"{mine:.3f}", "the official loop", f"{theirs:.3f}", f"{mine / theirs:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small numbers, to see that it runs")
    parser.add_argument("--only", choices=("path", "looking", "memory"), help="just this part")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    found = asyncio.run(measure(given.quick, given.only))
    show(found, Console(width=110))
    folder = Path("benchmarks/results")
    folder.mkdir(exist_ok=True)
    result = folder / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    result.write_text(json.dumps(found, indent=2))
    print(f"\nAs JSON: {result}")


if __name__ == "__main__":
    main()
