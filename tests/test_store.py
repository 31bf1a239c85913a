"""What the store takes in, hands out, cancels and finds."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.sql.selectable import SelectBase

from bot.errors import Refused, Stale
from bot.jobs import (
    OPEN,
    Actor,
    JobId,
    Outcome,
    State,
)
from bot.store import Store
from bot.store.lock import FileLock
from bot.store.readers import _prepared
from bot.store.sqlite import Sqlite
from bot.store.tables import AnyRow
from tests.store_rig import (
    ANN,
    BEN,
    DAY,
    KEPT,
    LEASE,
    NOW,
    WAITING,
    accepted,
    bring,
    claimed,
    job,
    present,
    started,
    succeed,
)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'threadreel.db'}"


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    async with await Store.open(url) as store:
        yield store


# -- accepting


async def test_an_accepted_job_reads_back_exactly(store: Store) -> None:
    whole = job(
        actor=Actor("discord", "42", "Zoë 🦊", "123", "de"),
        inputs={
            "prompt": 'ein "Fuchs" im Schnee ❄',
            "mask": {"file": "cd" * 32, "name": "m.png"},
            "n": [1, 2.5],
        },
        cost=Decimal("0.000100"),
        facts={"detail": None},
        posted={"message": "9"},
        created_at=NOW + 0.123456,
    )

    assert await store.accept(whole, (), NOW) == (whole, True)
    assert await store.get(whole.id) == whole


async def test_the_same_key_makes_one_job(store: Store) -> None:
    first = await accepted(store, "one")

    again, fresh = await store.accept(job("two", key=first.key), (), NOW)

    assert (again, fresh) == (first, False)
    assert await store.get(JobId("two")) is None


async def test_the_same_key_delivered_twice_at_once_makes_one_job(store: Store) -> None:
    answers = await asyncio.gather(*(store.accept(job(f"j{n}", key="web:x"), (), NOW) for n in range(20)))

    assert [fresh for _, fresh in answers].count(True) == 1
    assert len({one.id for one, _ in answers}) == 1


async def test_two_hundred_at_once_against_a_cap_of_fifty_admit_fifty(store: Store, url: str) -> None:
    async with await Store.open(url) as other:
        answers = await asyncio.gather(
            *(one.accept(job(f"j{n}"), [WAITING], NOW) for n in range(100) for one in (store,)),
            *(one.accept(job(f"k{n}"), [WAITING], NOW) for n in range(100) for one in (other,)),
            return_exceptions=True,
        )

    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert len(refused) == 150
    assert (await store.counts())[State.QUEUED] == 50
    assert refused[0].code == "limit_waiting"
    assert refused[0].facts == {"limit": 50, "used": 50, "resets_at": None}


async def test_a_cap_per_person_counts_nobody_else(store: Store) -> None:
    one_each = replace(WAITING, limit=1)
    await store.accept(job("anns", ANN), [one_each], NOW)

    await store.accept(job("bens", BEN), [one_each], NOW)
    await store.accept(job("elsewhere", replace(ANN, server="other")), [one_each], NOW)

    with pytest.raises(Refused, match="limit_waiting"):
        await store.accept(job("more", ANN), [one_each], NOW)


async def test_a_known_key_is_answered_even_where_a_cap_is_used_up(store: Store) -> None:
    full = replace(WAITING, limit=1)
    first, _ = await store.accept(job(), [full], NOW)

    assert await store.accept(job(), [full], NOW) == (first, False)


async def test_a_cap_by_the_day_counts_what_came_since(store: Store) -> None:
    await accepted(store, "yesterday", created_at=NOW - 101)
    await accepted(store, "today")
    await bring(store, "done", State.DONE)

    assert await store.usage([DAY, WAITING], ANN) == [2, 2]
    with pytest.raises(Refused) as refused:
        await store.accept(job("more"), [DAY], NOW)
    assert refused.value.facts == {"limit": 2, "used": 2, "resets_at": NOW + 100}


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.CANCELLED, Outcome.UNKNOWN])
async def test_a_job_that_brings_nothing_gives_its_allowance_back(store: Store, outcome: Outcome) -> None:
    await bring(store, "bad", State.DELIVERING, outcome)
    await bring(store, "good", State.DELIVERING)

    assert await store.usage([DAY], BEN) == [1]


async def test_no_caps_have_no_usage(store: Store) -> None:
    assert await store.usage([], ANN) == []


# -- starting


async def test_starting_claims_a_job_and_forgets_what_it_waited_for(store: Store) -> None:
    await accepted(store, code="crowded", facts={"limit": 8})

    (first,) = await started(store, now=NOW + 1)

    assert (first.state, first.attempt, first.lease_until) == (State.SUBMITTING, 1, NOW + 1 + LEASE)
    assert (first.code, first.facts) == (None, {})
    assert await present(store) == first


async def test_what_is_not_due_is_not_started(store: Store) -> None:
    await accepted(store, due_at=NOW + 5)

    assert await started(store, now=NOW + 4) == []
    assert len(await started(store, now=NOW + 5)) == 1


async def test_who_has_fewer_jobs_at_the_provider_goes_first(store: Store) -> None:
    await accepted(store, "a1", ANN)
    await accepted(store, "a2", ANN)
    await started(store)
    await accepted(store, "a3", ANN, created_at=NOW + 1)
    await accepted(store, "b1", BEN, created_at=NOW + 2)
    await accepted(store, "b2", BEN, created_at=NOW + 3)
    await accepted(store, "b3", BEN, created_at=NOW + 4)

    order = [[one.id for one in await started(store, limit=1)] for _ in range(4)]

    assert order == [["b1"], ["b2"], ["a3"], ["b3"]]


async def test_what_is_for_a_closed_provider_stays_as_it_is_and_takes_nobodys_turn(store: Store) -> None:
    waiting = [await accepted(store, f"wait{n}", created_at=NOW - 9, provider="gone") for n in range(3)]
    await accepted(store, "mine", created_at=NOW)
    begun = await started(store, at_once_per_person=1, closed=["gone"])
    assert [one.id for one in begun] == ["mine"]
    assert [await present(store, one.id) for one in waiting] == waiting


async def test_another_provider_gets_what_waits_unless_it_was_sent_meanwhile(store: Store) -> None:
    queued = await accepted(store, "one")
    moved = await store.rerouted(queued, "spare", due_at=NOW, code="other_provider")
    assert (moved.provider, moved.state, moved.code) == ("spare", State.QUEUED, "other_provider")
    (sent,) = await started(store)
    await store.requeue(sent, due_at=NOW)
    with pytest.raises(Stale):
        await store.rerouted(moved, "third", due_at=NOW, code=None)


async def test_between_equals_the_older_job_goes_first(store: Store) -> None:
    await accepted(store, "b", BEN, created_at=NOW + 1)
    await accepted(store, "a", ANN, created_at=NOW + 2)

    assert [one.id for one in await started(store, limit=1)] == ["b"]


async def test_never_more_than_at_once_are_at_the_provider(store: Store) -> None:
    for number in range(6):
        await accepted(store, f"j{number}", replace(ANN, id=f"p{number}"))

    first = await started(store, at_once=4)
    await store.submitted(first[0], "p", now=NOW)

    assert len(first) == 4
    assert await started(store, at_once=4) == []
    assert len(await started(store, at_once=5)) == 1
    assert await started(store, limit=0) == []


async def test_never_more_than_at_once_per_person(store: Store) -> None:
    for number in range(5):
        await accepted(store, f"a{number}", ANN, created_at=NOW + number)
    await accepted(store, "b0", BEN, created_at=NOW + 10)

    assert [one.id for one in await started(store, at_once_per_person=2)] == ["a0", "a1", "b0"]
    assert await started(store, at_once_per_person=2) == []
    assert [one.id for one in await started(store, at_once_per_person=3)] == ["a2"]


async def test_two_processes_start_no_job_twice(store: Store, url: str) -> None:
    for number in range(40):
        await accepted(store, f"j{number:02}")

    async with await Store.open(url) as other:
        lots = await asyncio.gather(*(started(one, limit=3) for _ in range(7) for one in (store, other)))

    ids = [one.id for lot in lots for one in lot]
    assert len(ids) == len(set(ids)) == 40


# -- claiming


async def test_what_is_held_is_not_claimed_until_its_lease_is_over(store: Store) -> None:
    running = await bring(store, "one", State.RUNNING)

    assert await claimed(store, State.RUNNING, now=NOW + LEASE - 1) == []
    (again,) = await claimed(store, State.RUNNING, now=NOW + LEASE)

    assert again == replace(running, attempt=2, lease_until=NOW + 2 * LEASE)


async def test_what_sleeps_is_claimed_when_it_is_due(store: Store) -> None:
    delivering = await bring(store, "one", State.DELIVERING)
    await store.snooze(delivering, due_at=NOW + 7)

    assert await claimed(store, State.DELIVERING, now=NOW + 6) == []
    assert [one.attempt for one in await claimed(store, State.DELIVERING, now=NOW + 7)] == [2]


async def test_only_the_state_asked_for_is_claimed_and_the_longest_due_first(store: Store) -> None:
    for number in range(3):
        await bring(store, f"j{number}", State.FETCHING)
        await store.snooze(await present(store, f"j{number}"), due_at=NOW + 10 - number)

    assert await claimed(store, State.DELIVERING, now=NOW + 99) == []
    assert await claimed(store, State.FETCHING, now=NOW + 99, limit=0) == []
    assert [one.id for one in await claimed(store, State.FETCHING, now=NOW + 99, limit=1)] == ["j2"]


async def test_after_a_start_the_earlier_leases_are_void(store: Store) -> None:
    await bring(store, "one", State.SUBMITTING)

    await store.void_leases()

    assert [one.id for one in await claimed(store, State.SUBMITTING, now=NOW)] == ["one"]


async def test_a_renewed_lease_lasts_longer(store: Store) -> None:
    await bring(store, "one", State.RUNNING)

    await store.renew([JobId("one"), JobId("unknown")], NOW + 1000)

    assert (await present(store)).lease_until == NOW + 1000


async def test_renewing_does_not_hold_what_was_let_go(store: Store) -> None:
    await store.requeue(await bring(store, "one", State.SUBMITTING), due_at=NOW)

    await store.renew([JobId("one")], NOW + 1000)

    assert (await present(store)).lease_until is None


# -- cancelling


async def test_a_cancelled_job_is_never_sent(store: Store) -> None:
    await accepted(store)

    cancelled = await store.request_cancel(JobId("one"), by="Ann", now=NOW + 1)

    assert (cancelled.state, cancelled.outcome) == (State.DELIVERING, Outcome.CANCELLED)
    assert (cancelled.code, cancelled.facts, cancelled.cost) == ("cancelled", {"by": "Ann"}, Decimal(0))
    assert await started(store, now=NOW + 99) == []
    assert [one.id for one in await claimed(store, State.DELIVERING, now=NOW + 1)] == ["one"]


@pytest.mark.parametrize("state", [State.SUBMITTING, State.RUNNING])
async def test_at_the_provider_a_cancel_is_noted(store: Store, state: State) -> None:
    before = await bring(store, "one", state)

    noted = await store.request_cancel(before.id, by="Ann", now=NOW)
    again = await store.request_cancel(before.id, by="Ben", now=NOW)

    assert noted == again == replace(before, cancel_requested="Ann")
    assert [one.id for one in await store.cancels()] == (["one"] if state is State.RUNNING else [])


async def test_a_cancel_while_submitting_is_honoured_where_it_was_not_taken(store: Store) -> None:
    submitting = await bring(store, "one", State.SUBMITTING)
    await store.request_cancel(submitting.id, by="Ann", now=NOW)

    back = await store.requeue(submitting, due_at=NOW + 3, code="provider_busy")

    assert (back.state, back.outcome, back.facts) == (State.DELIVERING, Outcome.CANCELLED, {"by": "Ann"})
    assert await started(store, now=NOW + 99) == []


@pytest.mark.parametrize("state", [State.FETCHING, State.DELIVERING, State.DONE, State.UNDELIVERED])
async def test_from_fetching_on_it_is_too_late(store: Store, state: State) -> None:
    before = await bring(store, "one", state)

    with pytest.raises(Refused) as refused:
        await store.request_cancel(before.id, by="Ann", now=NOW)

    assert (refused.value.code, refused.value.facts) == ("too_late", {"state": state.value})
    assert await present(store) == before


async def test_a_job_that_is_not_there_cannot_be_cancelled(store: Store) -> None:
    with pytest.raises(Refused, match="not_found"):
        await store.request_cancel(JobId("none"), by="Ann", now=NOW)


# -- looking


async def test_what_is_not_there_is_none(store: Store) -> None:
    assert await store.get(JobId("none")) is None
    assert await store.by_key("none") is None


async def test_a_job_is_found_by_its_key(store: Store) -> None:
    first = await accepted(store)

    assert await store.by_key("web:one") == first


async def test_a_persons_jobs_come_newest_first(store: Store) -> None:
    for number in range(4):
        await accepted(store, f"a{number}", ANN, created_at=NOW + number)
    await accepted(store, "b0", BEN, created_at=NOW + 9)
    await accepted(store, "c0", replace(ANN, server="elsewhere"), created_at=NOW + 9)

    assert [one.id for one in await store.of_person(ANN, 3)] == ["a3", "a2", "a1"]


async def test_the_place_in_the_queue_is_by_age(store: Store) -> None:
    await bring(store, "gone", State.SUBMITTING)
    for number in range(3):
        await accepted(store, f"j{number}", created_at=NOW + number)
    twin = await accepted(store, "k", created_at=NOW + 1)

    queue = await store.queued(limit=10)

    assert [one.id for one in queue] == ["j0", "j1", "k", "j2"]
    assert [await store.ahead(one) for one in queue] == [0, 1, 2, 3]
    assert await store.queued(limit=3) == queue[:3]
    assert twin in queue


async def test_every_state_is_counted(store: Store) -> None:
    await bring(store, "one", State.RUNNING)
    await accepted(store, "two")

    assert await store.counts() == dict.fromkeys(State, 0) | {State.RUNNING: 1, State.QUEUED: 1}


async def test_the_next_due_is_when_something_may_be_claimed(store: Store) -> None:
    assert await store.next_due([State.RUNNING]) is None
    assert await store.next_due([]) is None

    await bring(store, "held", State.RUNNING)
    await store.snooze(await bring(store, "asleep", State.FETCHING), due_at=NOW + 500)

    assert await store.next_due([State.RUNNING]) == NOW + LEASE
    assert await store.next_due([State.FETCHING]) == NOW + 500
    assert await store.next_due(OPEN) == NOW + LEASE


async def test_durations_are_those_of_the_newest_results(store: Store) -> None:
    for number in range(3):
        await accepted(store, f"j{number}", created_at=NOW + number)
        (one,) = await started(store, now=NOW + 9)
        fetching = await succeed(store, await store.submitted(one, "p", now=NOW), took=10.0 + number)
        if number != 2:
            await store.fetched(fetching, [KEPT], now=NOW)
        else:
            await store.ended(fetching, Outcome.FAILED, now=NOW, code="expired", cost=None)

    assert await store.durations("animate") == [11.0, 10.0]
    assert await store.durations("animate", limit=1) == [11.0]
    assert await store.durations("music") == []


async def test_a_prediction_belongs_to_a_job_or_to_none(store: Store) -> None:
    await bring(store, "one", State.RUNNING)

    asked = ["prediction-one", "stranger", *(f"x{number}" for number in range(1200))]

    assert await store.known_predictions(asked) == {"prediction-one"}
    assert await store.known_predictions([]) == set()


async def test_the_files_of_open_and_of_young_jobs_are_in_use(store: Store) -> None:
    given = {"mask": {"file": "m" * 64, "name": "m.png"}, "images": [{"file": "i" * 64, "name": "i.png"}]}
    await accepted(store, "open", inputs=given, created_at=NOW - 1000)
    await bring(store, "young", State.DONE)
    await accepted(store, "old", inputs={"mask": {"file": "o" * 64, "name": "o"}}, created_at=NOW - 1000)
    cancelled = await store.request_cancel(JobId("old"), by="Ann", now=NOW)
    await store.delivered(cancelled, {}, now=NOW)

    assert await store.media_in_use(NOW) == {"m" * 64, "i" * 64, KEPT.digest}
    assert "o" * 64 in await store.media_in_use(NOW - 1000)


async def test_files_in_use_are_found_over_many_pages(store: Store) -> None:
    await asyncio.gather(
        *(
            accepted(store, f"j{n:04}", inputs={"mask": {"file": f"{n:064}", "name": "m"}})
            for n in range(1100)
        )
    )

    assert await store.media_in_use(NOW) == {f"{n:064}" for n in range(1100)}


async def test_only_what_has_ended_and_is_old_is_forgotten(store: Store) -> None:
    for state in State:
        await bring(store, state.value, state)

    assert await store.forget_before(NOW) == 0
    assert await store.forget_before(NOW + 1) == 2
    assert {state for state, count in (await store.counts()).items() if count} == set(OPEN)


async def test_looking_up_never_walks_through_all_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With many thousand jobs kept, each of these must find its rows by an index."""
    database = await Sqlite.open(tmp_path / "x.db", wait_for_lock=1, min_free=0)
    plans: list[str] = []

    def explain(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.lstrip("( ").upper().startswith(("SELECT", "UPDATE", "DELETE", "WITH")):
            with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
                rows = connection.execute("EXPLAIN QUERY PLAN " + statement, parameters)
                plans.extend(f"{row[3]} <- {statement}" for row in rows)

    event.listen(database._engine, "before_cursor_execute", explain)
    read = database._readers.all

    async def explained(statement: SelectBase, parameters: Mapping[str, Any]) -> Sequence[AnyRow]:
        explain(None, None, *_prepared(statement).text(parameters))
        return await read(statement, parameters)

    monkeypatch.setattr(database._readers, "all", explained)
    async with Store(database, FileLock(tmp_path / "lock")) as store:
        await store.accept(job("zero"), [WAITING, DAY], NOW)
        current = await bring(store, "one", State.RUNNING)
        await store.snooze(current, due_at=NOW)
        await claimed(store, State.RUNNING, now=NOW)
        await store.request_cancel(JobId("one"), by="Ann", now=NOW)
        await asyncio.gather(
            store.cancels(), store.queued(5), store.ahead(current), store.of_person(ANN, 5),
            store.next_due(OPEN), store.durations("animate"), store.known_predictions(["p"]),
            store.by_key("x"), store.usage([WAITING, DAY], ANN), store.void_leases(),
            store.renew([current.id], NOW), store.forget_before(NOW), store.posted(current.id, {}),
        )  # fmt: skip

    assert len(plans) > 20
    assert [plan for plan in plans if plan.startswith("SCAN jobs")] == []
