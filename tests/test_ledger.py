"""Money is held, settled and let go with the moves of its job, and always adds up."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.caps import Quota, Reserve, Whose, micros
from bot.errors import Refused, Stale
from bot.jobs import Actor, Job, JobId, Outcome
from bot.ports import Action, Record
from bot.store import Store
from bot.store.ledger import Status
from tests.store_rig import FILM, KEPT, LEASE, NOW, job

ANN = Actor("discord", "ann", "Ann", "1")
DAY, MONTH = "2023-11-14", "2023-11"
CENT = 10_000
BY = Record(0, NOW, "boss", "Boss", Action.SETTLED, "job one", None, "0.02")


def quota(limit: int, whose: Whose = Whose.SERVER, of: Any = "money", period: str = DAY) -> Quota:
    return Quota(f"budget_{whose}_day" if of == "money" else "limit", of, limit, whose, period, NOW + 500)


def holding(amount: int | None, *quotas: Quota, person: str = "ann") -> Reserve:
    return Reserve(amount, person, "installation", DAY, MONTH, quotas)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await Store.open(f"sqlite:///{tmp_path / 'threadreel.db'}") as store:
        yield store


async def accepted(store: Store, name: str = "one", amount: int | None = 5 * CENT, *quotas: Quota) -> Job:
    new = job(name, ANN, channel="7")
    found, _ = await store.accept(new, (), NOW, reserve=holding(amount, *quotas))
    return found


async def running(store: Store, amount: int | None = 5 * CENT) -> Job:
    await accepted(store, "one", amount)
    (started,) = await store.start(now=NOW, lease=LEASE, at_once=9, at_once_per_person=9, limit=9)
    return await store.submitted(started, "p1", now=NOW)


async def sums(store: Store) -> tuple[int, int, int]:
    """Micro-dollars of the person, the channel and the server, on the day."""
    quotas = [quota(0, whose) for whose in (Whose.PERSON, Whose.CHANNEL, Whose.SERVER)]
    person, channel, server = await store.ledger.used(quotas, "discord", "1", channel="7", person="ann")
    assert await store.ledger.check() == []
    return person, channel, server


async def count(store: Store) -> int:
    (jobs,) = await store.ledger.used([quota(0, of="jobs")], "discord", "1", channel="7", person="ann")
    return jobs


async def status(store: Store) -> str:
    charge = await store.ledger.charge(JobId("one"))
    assert charge is not None
    return str(charge.status)


async def succeed(store: Store, running: Job, charged: int | None) -> Job:
    return await store.succeeded(
        running, [FILM], now=NOW, took=1.0, cost=None, finished_at=NOW, charged=charged
    )


# -- what each move means


async def test_what_it_may_cost_is_held_from_the_start(store: Store) -> None:
    await accepted(store)

    assert await sums(store) == (5 * CENT, 5 * CENT, 5 * CENT)
    assert (await count(store), await status(store)) == (1, Status.HELD)


@pytest.mark.parametrize(("charged", "kept"), [(2 * CENT, 2 * CENT), (9 * CENT, 9 * CENT), (None, 5 * CENT)])
async def test_a_result_costs_what_was_measured_else_what_was_held(
    store: Store, charged: int | None, kept: int
) -> None:
    await succeed(store, await running(store), charged)

    assert await sums(store) == (kept, kept, kept)
    assert (await count(store), await status(store)) == (1, Status.SETTLED)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.CANCELLED, Outcome.UNKNOWN])
@pytest.mark.parametrize(
    ("cost", "charged", "server", "is_"),
    [
        (None, 2 * CENT, 2 * CENT, Status.SETTLED),
        (None, None, 5 * CENT, Status.OPEN),
        (Decimal(0), None, 0, Status.RELEASED),
        (Decimal(0), 0, 0, Status.RELEASED),
    ],
)
async def test_without_a_result_the_person_pays_nothing(
    store: Store, outcome: Outcome, cost: Decimal | None, charged: int | None, server: int, is_: Status
) -> None:
    held = await running(store)

    await store.ended(held, outcome, now=NOW, code="x", cost=cost, charged=charged)

    assert await sums(store) == (0, server, server)
    assert (await count(store), await status(store)) == (0, is_)


async def test_a_result_that_can_not_be_fetched_still_cost_the_server(store: Store) -> None:
    fetching = await succeed(store, await running(store), 2 * CENT)

    await store.ended(fetching, Outcome.FAILED, now=NOW, code="expired", cost=None)

    assert await sums(store) == (0, 2 * CENT, 2 * CENT)
    assert (await count(store), await status(store)) == (0, Status.SETTLED)


async def test_a_cancel_in_the_queue_frees_everything(store: Store) -> None:
    waiting = await accepted(store)

    await store.request_cancel(waiting.id, by="Ann", now=NOW)

    assert await sums(store) == (0, 0, 0)
    assert (await count(store), await status(store)) == (0, Status.RELEASED)


async def test_a_cancel_that_meets_a_requeue_frees_everything(store: Store) -> None:
    await accepted(store)
    (started,) = await store.start(now=NOW, lease=LEASE, at_once=9, at_once_per_person=9, limit=9)
    await store.request_cancel(started.id, by="Ann", now=NOW)

    await store.requeue(started, due_at=NOW)

    assert await sums(store) == (0, 0, 0)


async def test_what_nobody_priced_holds_nothing_and_stays_nothing(store: Store) -> None:
    held = await running(store, None)

    await store.ended(held, Outcome.FAILED, now=NOW, code="x", cost=None)

    assert (await sums(store), await status(store)) == ((0, 0, 0), Status.RELEASED)


async def test_a_move_that_comes_too_late_settles_nothing(store: Store) -> None:
    held = await running(store)
    await succeed(store, held, 2 * CENT)

    with pytest.raises(Stale):
        await store.ended(held, Outcome.FAILED, now=NOW, code="x", cost=Decimal(0))

    assert await sums(store) == (2 * CENT, 2 * CENT, 2 * CENT)


async def test_the_same_order_twice_holds_once(store: Store) -> None:
    await accepted(store)
    await accepted(store)

    assert await sums(store) == (5 * CENT, 5 * CENT, 5 * CENT)


async def test_who_looks_after_the_server_settles_what_is_open(store: Store) -> None:
    await store.ended(await running(store), Outcome.FAILED, now=NOW, code="x", cost=None)
    (open_,) = await store.ledger.open_charges("discord", "1", limit=9)

    elsewhere = await store.ledger.settle("discord", "2", JobId("one"), 0, now=NOW, record=BY)
    here = await store.ledger.settle("discord", "1", JobId("one"), 2 * CENT, now=NOW, record=BY)
    again = await store.ledger.settle("discord", "1", JobId("one"), 0, now=NOW, record=BY)

    assert (open_.job, elsewhere, here, again) == ("one", False, True, False)
    assert await sums(store) == (0, 2 * CENT, 2 * CENT)
    found = await store.get(JobId("one"))
    assert found is not None
    assert found.cost == Decimal("0.02")
    assert [one.action for one in await store.audit.page("discord", "1", limit=9)] == [Action.SETTLED]


async def test_forgetting_a_month_leaves_the_others_whole(store: Store) -> None:
    await accepted(store, "one")
    later = replace(holding(CENT), day="2023-12-01", month="2023-12")
    await store.accept(job("two", ANN, channel="7"), (), NOW, reserve=later)

    await store.ledger.forget_before("2023-12")

    assert await sums(store) == (0, 0, 0)
    assert await store.ledger.charge(JobId("one")) is None
    assert await store.ledger.charge(JobId("two")) is not None


async def test_amounts_stay_when_the_job_is_forgotten(store: Store) -> None:
    fetching = await succeed(store, await running(store), 2 * CENT)
    ready = await store.fetched(fetching, [KEPT], now=NOW)
    await store.delivered(ready, {}, now=NOW)

    await store.forget_before(NOW + 1)

    assert await store.get(JobId("one")) is None
    assert await sums(store) == (2 * CENT, 2 * CENT, 2 * CENT)


# -- budgets hold


@pytest.mark.parametrize(
    "wall",
    [
        quota(100 * CENT),
        quota(100 * CENT, Whose.CHANNEL),
        quota(100 * CENT, Whose.PERSON),
        quota(100, of="jobs"),
        quota(100, Whose.PERSON, "jobs"),
    ],
    ids=lambda one: f"{one.of}-{one.whose}",
)
async def test_five_hundred_at_once_fit_in_as_far_as_there_is_room(store: Store, wall: Quota) -> None:
    asked = [accepted(store, f"j{number}", CENT, wall) for number in range(500)]

    answers = await asyncio.gather(*asked, return_exceptions=True)

    refusals = [one for one in answers if isinstance(one, Refused)]
    assert len(answers) - len(refusals) == 100
    assert len(refusals) == 400
    assert {one.code for one in refusals} == {wall.code}
    assert (await store.ledger.used([wall], "discord", "1", channel="7", person="ann")) == [wall.limit]
    assert await store.ledger.check() == []


async def test_a_refusal_says_what_is_used_and_when_it_begins_anew(store: Store) -> None:
    wall = quota(7 * CENT)
    await accepted(store, "one", 5 * CENT, wall)

    with pytest.raises(Refused, match="budget_server_day") as refused:
        await accepted(store, "two", 5 * CENT, wall)

    facts = refused.value.facts
    assert (facts["limit"], facts["used"], facts["needed"]) == (
        Decimal("0.07"),
        Decimal("0.05"),
        Decimal("0.05"),
    )
    assert facts["resets_at"] == NOW + 500
    assert await store.get(JobId("two")) is None


async def test_an_unknown_price_passes_no_budget(store: Store) -> None:
    with pytest.raises(Refused, match="price_unknown"):
        await accepted(store, "one", None, quota(10**9))
    await accepted(store, "two", None, quota(10**9, of="jobs"))


async def test_each_share_of_a_budget_is_told_once(store: Store) -> None:
    wall = quota(10 * CENT)
    told = []
    for number in range(12):
        await asyncio.gather(accepted(store, f"j{number}", CENT, wall), return_exceptions=True)
        told.append([one.code for one in reversed(await store.notices.recent("discord", "1"))])

    assert told[6] == []
    assert told[7] == told[8] == ["budget_80"]
    assert told[9] == told[11] == ["budget_80", "budget_100"]


async def test_a_refusal_at_an_almost_full_budget_is_told_too(store: Store) -> None:
    wall = quota(10 * CENT)
    await accepted(store, "one", 9 * CENT, wall)

    with pytest.raises(Refused):
        await accepted(store, "two", 2 * CENT, wall)

    codes = {one.code for one in await store.notices.recent("discord", "1")}
    assert codes == {"budget_80", "budget_100"}


def test_what_is_held_is_rounded_up() -> None:
    assert micros(Decimal("0.0000011")) == 2
    assert micros(Decimal("0.25")) == 250_000


# -- no sequence makes money appear or vanish


MOVES = ("accept", "start", "submit", "succeed", "fetch", "fail", "cancel", "requeue", "settle", "deliver")


@settings(max_examples=25, deadline=None)
@given(
    moves=st.lists(
        st.tuples(st.sampled_from(MOVES), st.integers(0, 5), st.one_of(st.none(), st.integers(0, 9 * CENT))),
        max_size=40,
    )
)
async def test_whatever_happens_it_adds_up(moves: list[tuple[str, int, int | None]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with await Store.open(f"sqlite:///{folder}/threadreel.db") as store:
            for number, (move, which, amount) in enumerate(moves):
                await _move(store, move, which, amount, number)
                assert await store.ledger.check() == []


async def _move(store: Store, move: str, which: int, amount: int | None, number: int) -> None:
    """One step of somebody; what can't be done now changes nothing."""
    person = random.Random(which).choice(["ann", "ben"])
    wall = quota(20 * CENT)
    found = await store.get(JobId(f"j{which}"))
    cost = Decimal(0) if number % 3 == 0 else None
    try:
        if move == "accept":
            new = job(f"j{which}", replace(ANN, id=person), channel=str(which % 2 or ""))
            await store.accept(new, (), NOW, reserve=holding(amount, wall, person=person))
        elif move == "start":
            await store.start(now=NOW, lease=LEASE, at_once=9, at_once_per_person=9, limit=9)
        elif move == "settle":
            await store.ledger.settle("discord", "1", JobId(f"j{which}"), amount or 0, now=NOW, record=BY)
        elif found is None:
            return
        elif move == "submit":
            await store.submitted(found, f"p{number}", now=NOW)
        elif move == "succeed":
            await succeed(store, found, amount)
        elif move == "fetch":
            await store.fetched(found, [KEPT], now=NOW)
        elif move == "fail":
            await store.ended(found, Outcome.FAILED, now=NOW, code="x", cost=cost, charged=amount)
        elif move == "cancel":
            await store.request_cancel(found.id, by="Ann", now=NOW)
        elif move == "requeue":
            await store.requeue(found, due_at=NOW)
        elif move == "deliver":
            await store.delivered(found, {}, now=NOW)
    except (Refused, Stale):
        return
