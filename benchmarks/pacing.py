"""`make bench-pacing`: when to look next, ours against a fixed interval and against backoff, simulated.

Each rule follows the same runs with the same number of looks: what differs is how long an end stays unseen.
Durations are drawn; ours has learned from two hundred earlier runs of the same model and knows nothing else.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

from rich.console import Console
from rich.table import Table

from bot.pacing import KEPT, Durations, Pace, next_look

Wait: TypeAlias = Callable[[float], float]
"""Seconds until the next look, by the age of the run."""

Draw: TypeAlias = Callable[[random.Random], float]


def _cold_or_warm(rng: random.Random) -> float:
    """One in five begins on a machine that must start first."""
    return rng.gauss(90, 10) if rng.random() < 0.2 else max(rng.gauss(12, 1.5), 2)


MODELS: Mapping[str, Draw] = {
    "a picture: 4-6 s": lambda rng: rng.uniform(4, 6),
    "a film: about 4 min": lambda rng: rng.lognormvariate(math.log(240), 0.15),
    "anything: about 1 min": lambda rng: rng.lognormvariate(math.log(60), 0.8),
    "cold or warm: 12 or 90 s": _cold_or_warm,
    "a heavy tail": lambda rng: 5 * rng.paretovariate(1.5),
}

UNBOUNDED = replace(Pace(), shortest=0.1, longest=60.0)
"""What the rule itself does, apart from the bounds that are set for other reasons."""


def follow(durations: Sequence[float], wait: Wait) -> tuple[float, list[float]]:
    """Looks per run, and how long each end stayed unseen, in seconds."""
    looks, delays = 0, []
    for takes in durations:
        age = 0.0
        while age < takes:
            age += wait(age)
            looks += 1
        delays.append(age - takes)
    return looks / len(durations), sorted(delays)


def as_often(durations: Sequence[float], looks: float, rule: Callable[[float], Wait]) -> Wait:
    """The member of a family of rules, `rule(1)` the most eager, that makes so many looks per run."""
    low, high = 1e-3, 1e4
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if follow(durations, rule(middle))[0] > looks else (low, middle)
    return rule(high)


def ours(known: Durations, price: float) -> Wait:
    pace = replace(UNBOUNDED, price=price)
    return lambda age: next_look(age, known, pace)


def fixed(every: float) -> Wait:
    return lambda age: every


def growing(by: float) -> Wait:
    """Backoff: each wait is a share of the age."""
    return lambda age: max(0.5, age * by)


def simulate(draw: Draw, price: float, runs: int, seed: int) -> dict[str, Any]:
    rng = random.Random(seed)
    known = Durations(draw(rng) for _ in range(KEPT))
    durations = list(islice(iter(partial(draw, rng), None), runs))
    looks, delays = follow(durations, ours(known, price))
    found: dict[str, Any] = {"price": price, "looks": looks, "ours": _of(delays)}
    for name, rule in (("fixed", fixed), ("backoff", growing)):
        looks_there, there = follow(durations, as_often(durations, looks, rule))
        found[name] = {**_of(there), "looks": looks_there}
    return found


def _of(delays: Sequence[float]) -> dict[str, float]:
    return {
        "mean": statistics.fmean(delays),
        "p50": statistics.median(delays),
        "p99": delays[int(len(delays) * 0.99)],
    }


def run(runs: int, prices: Sequence[float] = (0.02, 0.1, 0.5), seed: int = 1) -> list[dict[str, Any]]:
    return [
        {"model": model, **simulate(draw, price, runs, seed)}
        for model, draw in MODELS.items()
        for price in prices
    ]


def show(found: Sequence[Mapping[str, Any]], console: Console) -> None:
    table = Table("model", "looks a run", "mean delay, ours", "fixed", "ratio", "backoff", "ratio", box=None)
    for row in found:
        mean = row["ours"]["mean"]
        others = [row[name]["mean"] for name in ("fixed", "backoff")]
        cells = [cell for one in others for cell in (f"{one:.2f} s", f"{mean / one:.2f}")]
        table.add_row(row["model"], f"{row['looks']:.1f}", f"{mean:.2f} s", *cells)
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, default=Path("benchmarks/results/pacing.json"))
    given = parser.parse_args()
    found = run(given.runs, seed=given.seed)
    given.json.parent.mkdir(parents=True, exist_ok=True)
    given.json.write_text(json.dumps(found, indent=1))
    show(found, Console(width=110))


if __name__ == "__main__":
    main()
