"""The moves of a job: all that are legal, and no other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest

from bot.errors import Stale
from bot.jobs import (
    MOVES,
    Job,
    JobId,
    Outcome,
    Place,
    State,
)
from bot.store import Store
from bot.store.store import check_legal
from tests.store_rig import (
    FILM,
    KEPT,
    LEASE,
    NOW,
    PLACE,
    accepted,
    bring,
    claimed,
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


# -- moving: the whole life


async def test_the_life_of_a_job(store: Store) -> None:
    await accepted(store)
    (submitting,) = await started(store)

    running = await store.submitted(submitting, "p1", now=NOW + 1)
    assert (running.state, running.prediction, running.submitted_at) == (State.RUNNING, "p1", NOW + 1)

    working = await store.progressed(running, 0.5, NOW + 2)
    assert (working.state, working.progress, working.started_at) == (State.RUNNING, 0.5, NOW + 2)
    assert await store.progressed(working, None, None) == working

    fetching = await store.succeeded(
        working, [FILM], now=NOW + 9, took=6.5, cost=Decimal("0.0123"), finished_at=NOW + 8
    )
    assert (fetching.state, fetching.outputs, fetching.took) == (State.FETCHING, (FILM,), 6.5)
    assert (fetching.cost, fetching.finished_at) == (Decimal("0.0123"), NOW + 8)

    delivering = await store.fetched(fetching, [KEPT], now=NOW + 10)
    assert (delivering.state, delivering.outcome) == (State.DELIVERING, Outcome.READY)
    assert delivering.media == (KEPT,)

    done = await store.delivered(delivering, {"message": 5}, now=NOW + 11)
    assert (done.state, done.posted, done.ended_at) == (State.DONE, {"message": 5}, NOW + 11)
    assert done.lease_until is None
    assert await present(store) == done


async def test_a_job_stays_held_by_one_attempt_from_start_to_end(store: Store) -> None:
    for state in (State.SUBMITTING, State.RUNNING, State.FETCHING, State.DELIVERING):
        held = await bring(store, state.value, state)
        assert (held.attempt, held.lease_until) == (1, NOW + LEASE)


async def test_a_refusal_that_is_certain_goes_back_to_the_queue_and_says_why(store: Store) -> None:
    submitting = await bring(store, "one", State.SUBMITTING)

    queued = await store.requeue(submitting, due_at=NOW + 3, code="provider_busy", facts={"status": 429})

    assert (queued.state, queued.due_at, queued.tries) == (State.QUEUED, NOW + 3, 1)
    assert (queued.code, queued.facts, queued.lease_until) == ("provider_busy", {"status": 429}, None)


async def test_failures_are_counted_until_a_new_state_begins(store: Store) -> None:
    current = await bring(store, "one", State.RUNNING)
    for expected in (1, 2):
        current = await store.snooze(current, due_at=NOW, code="provider_down", facts={"n": expected})
        assert (current.tries, current.code, current.lease_until) == (expected, "provider_down", None)

    current = await succeed(store, current)

    assert (current.tries, current.code, current.facts) == (0, None, {})


async def test_a_sleep_before_the_post_keeps_the_words_about_the_failure(store: Store) -> None:
    failed = await bring(store, "one", State.DELIVERING, Outcome.FAILED)

    asleep = await store.snooze(failed, due_at=NOW, code="busy", facts={"retry": 3})

    assert (asleep.outcome, asleep.code, asleep.facts) == (Outcome.FAILED, "model_failed", {})


async def test_no_job_ends_ready_without_media(store: Store) -> None:
    running = await bring(store, "one", State.RUNNING)

    with pytest.raises(ValueError, match="fetched"):
        await store.ended(running, Outcome.READY, now=NOW, code="x", cost=None)


async def test_a_job_may_move_to_another_place(store: Store) -> None:
    delivering = await bring(store, "one", State.DELIVERING)
    await store.posted(delivering.id, {"message": 3})

    moved = await store.redirected(delivering, Place("web:direct/ann"), now=NOW + 1)

    assert (moved.state, moved.place, moved.posted) == (State.DELIVERING, "web:direct/ann", None)


async def test_what_no_place_took_can_be_posted_again(store: Store) -> None:
    undelivered = await bring(store, "one", State.UNDELIVERED)
    assert (undelivered.code, undelivered.ended_at) == ("gone", NOW)

    again = await store.redeliver(undelivered.id, Place("web:studio/99"), NOW + 5)

    assert (again.state, again.place, again.due_at) == (State.DELIVERING, "web:studio/99", NOW + 5)
    assert (again.code, again.ended_at, again.media) == (None, None, (KEPT,))
    assert [one.id for one in await claimed(store, State.DELIVERING, now=NOW + 5)] == ["one"]


async def test_who_could_not_deliver_it_has_no_say_in_the_new_try(store: Store) -> None:
    """The old holder's view looks right: the state is the same again. But its attempt is over."""
    old = await bring(store, "one", State.DELIVERING)
    await store.undelivered(old, now=NOW, code="gone")
    await store.redeliver(old.id, Place("web:studio/99"), NOW)

    with pytest.raises(Stale):
        await store.delivered(old, {"message": "in the old place"}, now=NOW)


async def test_what_somebody_removed_is_not_posted_again(store: Store) -> None:
    undelivered = await bring(store, "one", State.UNDELIVERED)
    await store.remove_media(undelivered.id, by="Ann", now=NOW)

    with pytest.raises(Stale):
        await store.redeliver(undelivered.id, PLACE, NOW)


async def test_who_honours_a_cancel_on_the_way_back_still_holds_the_job(store: Store) -> None:
    """Else the clock would hand it to a second one, and two would tell of it."""
    submitting = await bring(store, "one", State.SUBMITTING)
    await store.request_cancel(submitting.id, by="Ann", now=NOW)
    cancelled = await store.requeue(submitting, due_at=NOW)

    assert (cancelled.state, cancelled.lease_until) == (State.DELIVERING, NOW + LEASE)
    assert await claimed(store, State.DELIVERING, now=NOW + 1) == []


async def test_a_failure_that_nobody_heard_of_keeps_its_reason(store: Store) -> None:
    undelivered = await bring(store, "one", State.UNDELIVERED, Outcome.FAILED)
    again = await store.redeliver(undelivered.id, PLACE, NOW)

    assert (undelivered.code, again.code) == ("model_failed", "model_failed")


async def test_what_stands_in_the_place_is_kept_until_the_job_is_done(store: Store) -> None:
    await accepted(store)
    await store.posted(JobId("one"), {"message": 1})
    assert (await present(store)).posted == {"message": 1}

    await bring(store, "two", State.DONE)
    await store.posted(JobId("two"), {"message": "late"})
    assert (await present(store, "two")).posted == {"message": 1}


# -- moving: what is refused


@dataclass(frozen=True)
class Verb:
    """A move of the store, the states it may start from and the one it leads to (None: it stays)."""

    name: str
    origins: frozenset[State]
    to: State | None
    call: Callable[[Store, Job], Awaitable[Job]]


HELD = frozenset({State.SUBMITTING, State.RUNNING, State.FETCHING, State.DELIVERING})
BEFORE_OUTCOME = frozenset({State.QUEUED, State.SUBMITTING, State.RUNNING, State.FETCHING})

VERBS = [
    Verb(
        "rerouted",
        frozenset({State.QUEUED}),
        None,
        lambda s, j: s.rerouted(j, "spare", due_at=NOW, code="other_provider"),
    ),
    Verb("requeue", frozenset({State.SUBMITTING}), State.QUEUED, lambda s, j: s.requeue(j, due_at=NOW)),
    Verb(
        "submitted", frozenset({State.SUBMITTING}), State.RUNNING, lambda s, j: s.submitted(j, "p", now=NOW)
    ),
    Verb("snooze", HELD, None, lambda s, j: s.snooze(j, due_at=NOW)),
    Verb("progressed", frozenset({State.RUNNING}), None, lambda s, j: s.progressed(j, 0.5, NOW)),
    Verb("succeeded", frozenset({State.RUNNING}), State.FETCHING, succeed),
    Verb(
        "fetched",
        frozenset({State.FETCHING}),
        State.DELIVERING,
        lambda s, j: s.fetched(j, [KEPT], now=NOW),
    ),
    Verb(
        "ended",
        BEFORE_OUTCOME,
        State.DELIVERING,
        lambda s, j: s.ended(j, Outcome.FAILED, now=NOW, code="aborted", cost=None),
    ),
    Verb("delivered", frozenset({State.DELIVERING}), State.DONE, lambda s, j: s.delivered(j, {}, now=NOW)),
    Verb(
        "undelivered",
        frozenset({State.DELIVERING}),
        State.UNDELIVERED,
        lambda s, j: s.undelivered(j, now=NOW, code="gone"),
    ),
    Verb(
        "redirected",
        frozenset({State.DELIVERING}),
        None,
        lambda s, j: s.redirected(j, Place("web:x"), now=NOW),
    ),
]
REDELIVER = Verb(
    "redeliver",
    frozenset({State.UNDELIVERED}),
    State.DELIVERING,
    lambda s, j: s.redeliver(j.id, PLACE, NOW),
)


@pytest.mark.parametrize("verb", [*VERBS, REDELIVER], ids=lambda verb: verb.name)
async def test_a_verb_moves_from_its_own_states_and_from_no_other(store: Store, verb: Verb) -> None:
    for state in State:
        before = await bring(store, state.value, state)
        if state in verb.origins:
            assert (await verb.call(store, before)).state is (verb.to or state)
        else:
            with pytest.raises(Stale):
                await verb.call(store, before)
            assert await present(store, state.value) == before


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
async def test_a_verb_believes_the_database_and_not_its_caller(store: Store, verb: Verb) -> None:
    """The caller's job looks right, but somebody has moved it since."""
    for state in State:
        before = await bring(store, state.value, state)
        for believed in verb.origins - {state}:
            with pytest.raises(Stale):
                await verb.call(store, replace(before, state=believed))
        assert await present(store, state.value) == before


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
async def test_a_stale_attempt_changes_nothing(store: Store, verb: Verb) -> None:
    for state in verb.origins:
        before = await bring(store, state.value, state)
        with pytest.raises(Stale):
            await verb.call(store, replace(before, attempt=before.attempt + 1))
        assert await present(store, state.value) == before


async def test_a_holder_whose_lease_ran_out_cannot_finish_the_job(store: Store) -> None:
    slow = await bring(store, "one", State.DELIVERING)
    (quick,) = await claimed(store, State.DELIVERING, now=NOW + LEASE)

    with pytest.raises(Stale):
        await store.delivered(slow, {"message": 1}, now=NOW)

    assert (await store.delivered(quick, {"message": 2}, now=NOW)).posted == {"message": 2}


async def test_news_of_a_job_takes_it_from_whoever_holds_it_until_it_is_answered(store: Store) -> None:
    for state in State:
        before = await bring(store, state.value, state)
        if state not in (State.QUEUED, State.SUBMITTING):
            with pytest.raises(Stale):
                await store.hold(before, now=NOW, lease=LEASE)
            continue
        taken = await store.hold(before, now=NOW + 1, lease=LEASE)
        assert (taken.state, taken.attempt) == (State.SUBMITTING, before.attempt + 1)
        assert taken.lease_until == NOW + 1 + LEASE
        for late in (
            store.hold(before, now=NOW, lease=LEASE),
            store.ended(before, Outcome.FAILED, now=NOW, code="x", cost=None),
        ):
            with pytest.raises(Stale):
                await late
        assert await present(store, state.value) == taken


def test_the_verbs_make_every_legal_move_and_no_other() -> None:
    by_verbs = {(origin, verb.to) for verb in [*VERBS, REDELIVER] for origin in verb.origins if verb.to}
    by_start = {(State.QUEUED, State.SUBMITTING)}

    assert by_verbs | by_start == {(origin, to) for origin, targets in MOVES.items() for to in targets}


@pytest.mark.parametrize("origin", State)
@pytest.mark.parametrize("to", State)
def test_a_move_outside_the_table_is_a_mistake_in_the_store(origin: State, to: State) -> None:
    legal = to in MOVES[origin]
    with nullcontext() if legal else pytest.raises(ValueError, match=f"from {origin} to {to}"):
        check_legal([origin], to)
