"""Many servers, each with rules of its own, and what their people have made: a database for `policy.py`.

Some servers are large and most are small (Zipf's law). Each has a page of rules: filters, bounds, limits and
budgets by person, channel and server, channels and roles of which other things hold, people who are blocked
or trusted. Jobs are spread over a month, and all money is in the ledger as if they had been submitted.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, insert

from bot.catalogue import Catalogue
from bot.jobs import Actor, Job, JobId, Order, Outcome, Place, State
from bot.office import record_of
from bot.ports import Action, Person, Standing
from bot.rules import Change, Entry, Scope, ScopeKind, apply, day_of, month_of
from bot.store import Store, ledger_queries
from bot.store.audit import insert_records
from bot.store.ledger import Status
from bot.store.tables import charges, entries, job_row, jobs, tallies
from tests.governed import pseudonym

PLATFORM, COMMAND = "notes", "imagine"
DAY = 86_400.0
DAYS = 30
PEOPLE, CHANNELS, ROLES = 50, 8, 4
"""Of each server."""

COST = 12_000
"""Micro-dollars of each job."""

AT_ONCE = 1000
"""Jobs, or servers, that are written together."""

ZONES = ("UTC", "Europe/Berlin", "Asia/Shanghai", "America/New_York", "Asia/Kolkata", "Australia/Sydney")
WORDS = (
    "gore beheading massacre swastika lolita heroin cocaine fentanyl suicide bestiality "
    "necrophilia cannibal terrorist jailbait doxxing upskirt genocide lynching"
)
PATTERNS = r"\b(?:naked|nude)\s+(?:child|kid)s?\b" + "\n" + r"discord\.gg/\w+"

SERVER_RULES = {
    "models_off": "motion",
    "words": ", ".join(WORDS.split()),
    "patterns": PATTERNS,
    "adults": "age_restricted",
    "inputs.imagine.width.max": "1024",
    "inputs.imagine.height.max": "1024",
    "inputs.imagine.steps.max": "80",
    "inputs.imagine.steps.default": "30",
    "inputs.flux.count.max": "2",
    "inputs.video.frames.max": "81",
    "limit.person.at_once": "500",
    "limit.person.per_minute": "500",
    "limit.person.per_day": "2000",
    "limit.person.per_month": "20000",
    "limit.channel.per_minute": "1000",
    "limit.channel.per_day": "20000",
    "limit.server.at_once": "5000",
    "limit.server.per_minute": "5000",
    "limit.server.per_day": "100000",
    "limit.server.per_month": "900000",
    "budget.person.day": "100",
    "budget.person.month": "1000",
    "budget.channel.day": "5000",
    "budget.server.day": "20000",
    "budget.server.month": "500000",
    "ask_above": "2.50",
    "unknown_price": "0.50",
    "results": "thread",
    "keep_media_days": "30",
    "keep_prompts_days": "90",
}
CHANNEL_RULES = {
    "results": "reply",
    "adults": "anywhere",
    "words": "spoiler, leak",
    "budget.channel.day": "900",
}
ROLE_RULES = {"limit.person.per_day": "5000", "budget.person.day": "250", "inputs.imagine.steps.max": "150"}


@dataclass(frozen=True, slots=True)
class Crowd:
    """So many servers; the first are the largest."""

    servers: int

    def actors(self, rng: random.Random) -> Iterator[tuple[Actor, str]]:
        """People, and the channel that they speak in, as often as their server is large; without end."""
        ranks = range(self.servers)
        weights = [1 / (rank + 1) for rank in ranks]
        while True:
            for rank in rng.choices(ranks, weights, k=AT_ONCE):
                yield actor_of(server_of(rank), rng), f"c{rng.randrange(CHANNELS)}"


def server_of(rank: int) -> str:
    return f"server-{rank}"


def actor_of(server: str, rng: random.Random) -> Actor:
    number = rng.randrange(PEOPLE)
    roles = frozenset({f"r{number % ROLES}", "everyone"})
    return Actor(PLATFORM, f"{server}-person-{number}", f"Person {number}", server, roles=roles)


def order_of(actor: Actor, channel: str, key: str) -> Order:
    options = (
        ("prompt", "a lighthouse on a cliff at dusk, oil on canvas, warm light, gulls"),
        ("width", "768"),
    )
    return Order(actor, Place(f"notes:{channel}"), COMMAND, options, key, for_adults=True, channel=channel)


async def fill(store: Store, catalogue: Catalogue, crowd: Crowd, count: int, now: float) -> None:
    """The rules of all servers, and so many jobs of their people, as of `now`."""
    for first in range(0, crowd.servers, AT_ONCE):
        ranks = range(first, min(first + AT_ONCE, crowd.servers))
        await asyncio.gather(*(_decide(store, catalogue, rank, now) for rank in ranks))
    made = list(_jobs(crowd, count, now))
    for first in range(0, count, AT_ONCE):
        await store._database.write(partial(_put, made[first : first + AT_ONCE]))
    await store._database.write(_add_up)
    if faults := await store.ledger.check():
        raise AssertionError(faults[:3])


# -- rules


async def _decide(store: Store, catalogue: Catalogue, rank: int, now: float) -> None:
    server, owner = server_of(rank), Actor(PLATFORM, "owner", "The owner", server_of(rank))
    record = record_of(owner, Action.SET, "server", now)
    await store.servers.save(PLATFORM, server, rules_of(rank, catalogue), [record], revision=0)
    for number in range(12):
        standing = Standing.BLOCKED if number < 9 else Standing.TRUSTED
        person = Person(f"{server}-other-{number}", "Somebody", standing, "spam", None, owner.name, now)
        await store.servers.set_person(PLATFORM, server, person, record)


def rules_of(rank: int, catalogue: Catalogue) -> tuple[Entry, ...]:
    """About fifty settings, as an administrator would have typed them."""
    typed: list[tuple[Scope, Mapping[str, str]]] = [
        (Scope(), {**SERVER_RULES, "timezone": ZONES[rank % len(ZONES)]}),
        *((Scope(ScopeKind.CHANNEL, f"c{number}"), CHANNEL_RULES) for number in range(CHANNELS // 2)),
        *((Scope(ScopeKind.ROLE, f"r{number}"), ROLE_RULES) for number in range(ROLES // 2)),
    ]
    changes = [Change(scope, key, value) for scope, rules in typed for key, value in rules.items()]
    return apply((), changes, catalogue)[0]


# -- jobs


def _jobs(crowd: Crowd, count: int, now: float) -> Iterator[Job]:
    rng = random.Random(1)
    ages = sorted((rng.uniform(60, DAYS * DAY) for _ in range(count)), reverse=True)
    for number, (age, (actor, channel)) in enumerate(zip(ages, crowd.actors(rng), strict=False)):
        at = now - age
        yield Job(
            id=JobId(f"job{number:09d}"),
            key=f"filled:{number}",
            actor=actor,
            place=Place(f"notes:{channel}"),
            model=COMMAND,
            provider="box",
            inputs={"prompt": f"picture {number}", "width": 768, "height": 768, "steps": 30, "seed": number},
            state=State.DONE,
            created_at=at,
            due_at=at,
            prediction=f"p{number:025d}",
            submitted_at=at + 1,
            started_at=at + 2,
            finished_at=at + 9,
            ended_at=at + 10,
            outcome=Outcome.READY,
            took=7.0,
            posted={"key": f"card{number}"},
            channel=channel,
        )


def _put(some: Sequence[Job], connection: Connection) -> None:
    connection.execute(insert(jobs), [job_row(job) for job in some])
    connection.execute(insert(charges), [_charge(job) for job in some])
    connection.execute(insert(entries), [line for job in some for line in _lines(job)])
    for job in some:
        record = record_of(job.actor, Action.RAN, f"job {job.id}", job.created_at, None, {"model": job.model})
        insert_records(PLATFORM, job.actor.server, [record], connection)


def _charge(job: Job) -> dict[str, Any]:
    zone = ZONES[int(job.actor.server.rpartition("-")[2]) % len(ZONES)]
    return {
        "job": job.id,
        "platform": PLATFORM,
        "server": job.actor.server,
        "channel": job.channel,
        "person": pseudonym(job.actor),
        "model": job.model,
        "provider": job.provider,
        "payer": "installation",
        "day": day_of(job.created_at, zone)[0],
        "month": month_of(job.created_at, zone)[0],
        "at": job.created_at,
        "reserved": COST,
        "person_held": COST,
        "server_held": COST,
        "counted": 1,
        "status": Status.SETTLED.value,
    }


def _lines(job: Job) -> Iterator[dict[str, Any]]:
    for kind, amount in (("reserve", COST), ("settle", 0)):
        yield {
            "job": job.id,
            "at": job.created_at,
            "kind": kind,
            "person_delta": amount,
            "server_delta": amount,
        }


def _add_up(connection: Connection) -> None:
    names = ("platform", "server", "subject", "period", "jobs", "spent")
    rows = connection.execute(ledger_queries.sums_of_charges()).all()
    connection.execute(insert(tallies), [dict(zip(names, row, strict=True)) for row in rows])
