"""Rounds of kills. A round has a world of its own; what was counted in it stands once it was judged."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.prove.people import People
from tests.prove.verdict import Verdict, judge
from tests.prove.victim import Life
from tests.prove.weather import weather
from tests.prove.world import world

OCCURRENCES = (1, 2, 3, 5, 8, 13)
AT_RANDOM, TOLD = 0.2, 0.05
"""The shares of lives that end at no point but at any time, and (of all) that are told to stop."""

LONGEST_LIFE = 4.0
"""Seconds after which a life that has not reached its point ends nevertheless."""

MOST_OPEN = 100
"""Jobs that people wait for and still ask for more: a slow machine gets no further behind."""
SETTLING = 600.0
STOPPING = 20.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """How the next life ends: at a point, or (None) after so many seconds; `told` to stop and not killed."""

    point: str | None
    occurrence: int
    seconds: float
    told: bool = False


@dataclass
class Chooser:
    """Goes through all fault points that were ever seen, reached for the first, second, ... time in a life.

    The least tried goes first. A later occurrence is tried once an earlier one was hit.
    """

    chance: random.Random
    tried: Counter[tuple[str, int]] = field(default_factory=Counter)
    hit: Counter[tuple[str, int]] = field(default_factory=Counter)
    points: set[str] = field(default_factory=set)
    first: list[Plan] = field(default_factory=list)
    """What is to be done before anything is chosen."""

    def learn(self, at_points: Mapping[str, int]) -> None:
        """What earlier rounds have hit."""
        for name, count in at_points.items():
            point, _, occurrence = name.rpartition(" #")
            self.points.add(point)
            self.tried[point, int(occurrence)] += count
            self.hit[point, int(occurrence)] += count

    def next(self) -> Plan:
        return self.first.pop(0) if self.first else self._drawn()

    def _drawn(self) -> Plan:
        seconds, dice = self.chance.uniform(0.05, LONGEST_LIFE), self.chance.random()
        candidates = sorted(self._candidates())
        if not candidates or dice < AT_RANDOM:
            return Plan(None, 1, seconds, told=dice < TOLD)
        least = min(self.tried[one] for one in candidates)
        point, occurrence = self.chance.choice([one for one in candidates if self.tried[one] == least])
        self.tried[point, occurrence] += 1
        return Plan(point, occurrence, LONGEST_LIFE)

    def _candidates(self) -> Iterator[tuple[str, int]]:
        for point in self.points:
            for before, occurrence in pairwise((0, *OCCURRENCES)):
                if before and not self.hit[point, before]:
                    break
                yield point, occurrence


@dataclass
class Round:
    kills: int = 0
    at_points: Counter[str] = field(default_factory=Counter)
    at_random: int = 0
    told_to_stop: int = 0
    ended_by_itself: list[str] = field(default_factory=list)
    seconds: float = 0.0
    did: dict[str, int] = field(default_factory=dict)
    verdict: Verdict = field(default_factory=Verdict)

    @property
    def good(self) -> bool:
        return self.verdict.good and not self.ended_by_itself

    def as_json(self) -> dict[str, Any]:
        return {
            "kills": self.kills,
            "at_points": dict(self.at_points),
            "at_random": self.at_random,
            "told_to_stop": self.told_to_stop,
            "ended_by_itself": self.ended_by_itself,
            "seconds": round(self.seconds, 1),
            "did": self.did,
            **self.verdict.as_json(),
        }


async def run_round(
    folder: Path,
    chooser: Chooser,
    *,
    kills: int,
    jobs: int,
    per_second: float,
    settled: float | None = None,
    stop: asyncio.Event | None = None,
    say: Say = lambda _: None,
) -> Round:
    """Kill it so often, have so many things asked for at least, let all end, and judge."""
    stop = stop or asyncio.Event()
    began, result = time.monotonic(), Round()
    async with world(folder, chooser.chance, settled=settled) as there:
        life = await there.begin()
        assert await there.is_ready(life), there.last_words()
        people = People(
            there.stages,
            chooser.chance,
            per_second=per_second,
            have_patience=lambda: there.open_jobs() < MOST_OPEN,
        )
        people.begin()
        trouble = asyncio.create_task(weather(there, chooser.chance))
        await life.ended(2.0)
        await _end(life, Plan(None, 1, 2.0), result)
        chooser.points |= there.points()
        while result.kills < kills and not stop.is_set():
            plan = chooser.next()
            life = await there.begin(plan.point, plan.occurrence)
            await life.ended(plan.seconds)
            if await _end(life, plan, result):
                chooser.hit[plan.point or "", plan.occurrence] += 1
            chooser.points |= there.points()
            if result.kills % 20 == 0:
                say(f"{result.kills} kills, {len(people.asked)} things asked for, {there.open_jobs()} open")
        life = await there.begin()
        assert await there.is_ready(life), there.last_words()
        await people.have_asked(jobs, stop)
        trouble.cancel()
        await there.box.misbehave()
        await people.stop()
        await there.all_ended(SETTLING)
        life.kill(signal.SIGTERM)
        assert await life.ended(30), there.last_words()
        if life.status != 0:
            result.ended_by_itself.append(f"{there.lives}: told to stop, it ended with {life.status}")
        result.verdict = await judge(there, people)
        result.did = dict(people.did)
    result.seconds = time.monotonic() - began
    return result


async def _end(life: Life, plan: Plan, result: Round) -> bool:
    """See that it is over, and count how; whether it ended at its point."""
    if plan.told and not life.over.is_set():
        life.kill(signal.SIGTERM)
        # Who is told while still starting ends at once, by the signal.
        if await life.ended(STOPPING) and life.status in (0, -signal.SIGTERM):
            result.told_to_stop += 1
            return False
        result.ended_by_itself.append(f"{plan}: told to stop, {life.status} after {STOPPING} s")
    if not life.over.is_set():
        life.kill()
        await life.over.wait()
        result.kills += 1
        result.at_random += 1
        return False
    if life.status == -signal.SIGKILL and plan.point is not None:
        result.kills += 1
        result.at_points[f"{plan.point} #{plan.occurrence}"] += 1
        return True
    result.ended_by_itself.append(f"{plan}: ended with {life.status}")
    return False


# -- many rounds


@dataclass
class Ledger:
    """What all rounds have found, in a folder of JSON lines: a later run goes on from there."""

    folder: Path
    rounds: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def open(cls, folder: Path) -> Ledger:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "rounds.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return cls(folder, [json.loads(line) for line in lines])

    def add(self, entry: dict[str, Any]) -> None:
        self.rounds.append(entry)
        with (self.folder / "rounds.jsonl").open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def total(self) -> dict[str, Any]:
        outcomes, points, platforms = Counter[str](), Counter[str](), Counter[str]()
        for one in self.rounds:
            platforms.update(one["platforms"])
            outcomes.update(one["outcomes"])
            for name, count in one["at_points"].items():
                points[name.partition(" #")[0]] += count
        numbers = (
            "kills",
            "at_random",
            "told_to_stop",
            "jobs",
            "predictions",
            "not_taken",
            "spent",
            "seconds",
        )
        faults = ("lost", "paid_twice", "posted_twice", "wrong", "ended_by_itself")
        return {
            "rounds": len(self.rounds),
            **{name: round(sum(one[name] for one in self.rounds), 1) for name in numbers},
            "points": len(points),
            "at_points": sum(points.values()),
            "unknown": sum(count for name, count in outcomes.items() if name.startswith("unknown")),
            **{name: sum(len(one[name]) for one in self.rounds) for name in faults},
            "outcomes": dict(outcomes.most_common()),
            "platforms": dict(platforms),
            "kills_by_point": dict(sorted(points.items())),
        }


async def prove(
    folder: Path,
    *,
    kills: int,
    jobs: int,
    kills_a_round: int,
    per_second: float,
    seed: int,
    stop: asyncio.Event,
    say: Say = print,
) -> dict[str, Any]:
    """Rounds until there were so many kills and jobs, those of earlier runs included; the totals."""
    ledger = Ledger.open(folder)
    total = ledger.total()
    while (total["kills"] < kills or total["jobs"] < jobs) and not stop.is_set():
        number = len(ledger.rounds) + 1
        chooser = Chooser(random.Random(seed + number))
        for one in ledger.rounds:
            chooser.learn(one["at_points"])
        place = folder / f"round-{number:04d}"
        shutil.rmtree(place, ignore_errors=True)
        say(f"Round {number}: {total['kills']} kills and {total['jobs']} jobs so far")
        result = await run_round(
            place,
            chooser,
            kills=kills_a_round,
            jobs=round(kills_a_round * jobs / kills),
            per_second=per_second,
            stop=stop,
            say=say,
        )
        ledger.add({"round": number, "seed": seed + number, **result.as_json()})
        total = ledger.total()
        say(summary(total))
        if result.good:
            shutil.rmtree(place)
        else:
            say(f"Something is wrong: {place} is kept. {json.dumps(result.as_json(), indent=1)[:4000]}")
    return total


def summary(total: dict[str, Any]) -> str:
    rows = (
        ("rounds", "rounds"),
        ("kills", "kills"),
        ("at_points", "... at fault points"),
        ("points", "fault points there are"),
        ("at_random", "... at random times"),
        ("told_to_stop", "stops in between, by SIGTERM"),
        ("jobs", "jobs accepted"),
        ("predictions", "predictions made"),
        ("not_taken", "cards that say that nothing was taken"),
        ("spent", "micro-dollars held in the end"),
        ("lost", "LOST"),
        ("paid_twice", "PAID TWICE"),
        ("posted_twice", "POSTED TWICE"),
        ("unknown", "ended as unknown"),
        ("wrong", "anything else wrong"),
        ("ended_by_itself", "lives that ended by themselves"),
    )
    width = max(len(label) for _, label in rows)
    lines = [f"  {label:<{width}}  {total[name]:>9,}" for name, label in rows]
    kinds = [
        *total["outcomes"].items(),
        *((f"asked for on {name}", n) for name, n in total["platforms"].items()),
    ]
    return "\n".join([*lines, *(f"    {name}: {count}" for name, count in kinds)])
