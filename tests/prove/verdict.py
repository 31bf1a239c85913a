"""Compares what was asked for, what the provider was asked for, and what stands there."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.jobs import Job, Outcome, State, platform_of
from bot.store import Store
from bot.store.ledger import Status
from bot.store.tables import job_of
from tests.prove.box import picture
from tests.prove.people import People
from tests.prove.stages import Asked, Standing
from tests.prove.world import World

OVER = (State.DONE, State.UNDELIVERED)


@dataclass
class Verdict:
    """What was found. Each broken promise is a sentence that names what it is about."""

    jobs: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    platforms: Counter[str] = field(default_factory=Counter)
    predictions: int = 0
    not_taken: int = 0
    lost: list[str] = field(default_factory=list)
    paid_twice: list[str] = field(default_factory=list)
    posted_twice: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    spent: int = 0
    """Micro-dollars that all servers together hold."""

    @property
    def good(self) -> bool:
        return not (self.lost or self.paid_twice or self.posted_twice or self.wrong)

    def as_json(self) -> dict[str, Any]:
        return {
            "jobs": self.jobs,
            "outcomes": dict(self.outcomes),
            "platforms": dict(self.platforms),
            "predictions": self.predictions,
            "not_taken": self.not_taken,
            "spent": self.spent,
            "lost": self.lost,
            "paid_twice": self.paid_twice,
            "posted_twice": self.posted_twice,
            "wrong": self.wrong,
        }


async def judge(world: World, people: People, *, one_of_a_kind: bool = True) -> Verdict:
    """Once all is over. `one_of_a_kind`: the provider gives each prompt and seed a picture of its own."""
    verdict = Verdict()
    async with await Store.open(f"sqlite:///{world.database}") as store:
        jobs = await _all_jobs(store)
        verdict.wrong += await store.ledger.check()
        verdict.spent = await _judge_spent(verdict, store, jobs)
        standing = {stage.name: await stage.standing(store) for stage in world.stages}
    predictions = await world.box.asked()
    _judge_asked(verdict, jobs, people.asked, [one for some in standing.values() for one in some])
    _judge_jobs(verdict, jobs)
    _judge_money(verdict, jobs, predictions)
    for name, messages in standing.items():
        mine = [job for job in jobs if job.place.startswith(f"{name}:")]
        _judge_messages(verdict, mine, messages, one_of_a_kind=one_of_a_kind)
    return verdict


async def _all_jobs(store: Store) -> list[Job]:
    from sqlalchemy import select

    from bot.store.tables import jobs

    return [job_of(row) for row in await store._database.read(select(jobs))]


async def _judge_spent(verdict: Verdict, store: Store, jobs: Sequence[Job]) -> int:
    """Every job has its charge, that holds what its end says; and the sums are those of the charges."""
    spent = 0
    for job in jobs:
        charge = await store.ledger.charge(job.id)
        if charge is None:
            verdict.wrong.append(f"{job.id} has no charge")
            continue
        spent += charge.server_held
        if charge.status == Status.HELD:
            verdict.wrong.append(f"{job.id} has ended, and still holds what was reserved")
        if job.outcome is not Outcome.READY and charge.person_held:
            verdict.wrong.append(f"{job.id} has ended {job.outcome}, and its person still pays for it")
        if job.outcome is Outcome.READY and (charge.status != Status.SETTLED or not charge.server_held):
            verdict.wrong.append(f"{job.id} has a result that cost nothing")
    return spent


def _judge_asked(
    verdict: Verdict, jobs: Sequence[Job], asked: Iterable[Asked], standing: Iterable[Standing]
) -> None:
    """Accepted is committed: who was told that it is made has a job, and so has who sees a card of it."""
    by_key = Counter(job.key for job in jobs)
    for one in asked:
        if one.promised and not by_key[one.key]:
            verdict.lost.append(f"{one.key} was promised and is no job")
    for message in standing:
        if message.kind == "taking":
            verdict.not_taken += 1
            if message.told and by_key[message.told]:
                verdict.wrong.append(f"{message.told} is a job, and its card says that it was not taken")
        elif message.told and not by_key[message.told]:
            verdict.lost.append(f"{message.told} has a card and is no job")


def _judge_jobs(verdict: Verdict, jobs: Sequence[Job]) -> None:
    verdict.jobs = len(jobs)
    verdict.platforms.update(platform_of(job.place) for job in jobs)
    for job in jobs:
        verdict.outcomes[" ".join(filter(None, (job.outcome, job.state.value, job.code)))] += 1
        if job.state not in OVER:
            verdict.lost.append(f"{job.id} has not ended: {job.state}")
    twice = [key for key, count in Counter(job.key for job in jobs).items() if count > 1]
    verdict.wrong += [f"{key} has made two jobs" for key in twice]


def _judge_money(verdict: Verdict, jobs: Sequence[Job], predictions: Sequence[dict[str, Any]]) -> None:
    """No more predictions than jobs, of any prompt and seed; each of them one job's."""
    verdict.predictions = len(predictions)
    wanted = Counter((job.inputs["prompt"], job.inputs["seed"]) for job in jobs)
    made = Counter((one["prompt"], one["seed"]) for one in predictions)
    for what, count in made.items():
        if count > wanted[what]:
            verdict.paid_twice.append(f"{what}: {count} predictions of {wanted[what]} jobs")
    owners = Counter(job.prediction for job in jobs if job.prediction)
    verdict.wrong += [f"{one} belongs to {count} jobs" for one, count in owners.items() if count > 1]
    unknown = {(j.inputs["prompt"], j.inputs["seed"]) for j in jobs if j.outcome is Outcome.UNKNOWN}
    for one in predictions:
        if one["id"] not in owners and (one["prompt"], one["seed"]) not in unknown:
            verdict.wrong.append(f"prediction {one['id']} of {one['prompt']} is nobody's")


def _judge_messages(
    verdict: Verdict, jobs: Sequence[Job], messages: Sequence[Standing], *, one_of_a_kind: bool
) -> None:
    """Each job once: a card that has ended, and the media where there are any, with the right bytes."""
    results: defaultdict[str, list[Standing]] = defaultdict(list)
    cards: Counter[str | None] = Counter()
    for one in messages:
        if one.kind == "result":
            results[one.job or "nobody"].append(one)
        elif one.kind == "open":
            verdict.wrong.append(f"a card of {one.tag or one.job} is still at work")
            cards[one.tag] += 1
        elif one.kind == "ended":
            cards[one.tag] += 1
    for job in jobs:
        _judge_results(verdict, job, results.pop(job.id, []), one_of_a_kind=one_of_a_kind)
    verdict.wrong += [f"a result of {job} that is no job" for job in results]
    due, allowed = (_tags(job for job in jobs if job.state in states) for states in ((State.DONE,), OVER))
    for tag in allowed.keys() | cards.keys():
        if cards[tag] > allowed[tag]:
            verdict.posted_twice.append(f"{cards[tag]} cards of {allowed[tag]} jobs of {tag}")
        elif cards[tag] < due[tag]:
            verdict.lost.append(f"{cards[tag]} cards of {due[tag]} jobs of {tag}")


def _tags(jobs: Iterable[Job]) -> Counter[str | None]:
    return Counter(job.inputs["prompt"].rpartition(" ")[2] for job in jobs)


def _judge_results(verdict: Verdict, job: Job, results: Sequence[Standing], *, one_of_a_kind: bool) -> None:
    due = job.outcome is Outcome.READY and job.state is State.DONE
    if len(results) > 1:
        verdict.posted_twice.append(f"{job.id} has {len(results)} results")
    elif due and not results:
        verdict.lost.append(f"{job.id} is done, and its result stands nowhere")
    elif results and job.outcome is not Outcome.READY:
        verdict.wrong.append(f"{job.id} has ended {job.outcome}, and has a result")
    if due and one_of_a_kind:
        right = hashlib.sha256(picture(job.inputs["prompt"], job.inputs["seed"])).hexdigest()
        if any(one.digests != (right,) for one in results):
            verdict.wrong.append(f"{job.id} has another one's picture")
