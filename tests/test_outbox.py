"""How long a result is offered to its place. Time is an argument: nobody waits for a day here."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bot.catalogue import load
from bot.engine import Cards, Steps
from bot.engine.fates import Again, Delivered, Elsewhere, Fate, Nowhere
from bot.errors import Busy
from bot.jobs import Actor, Job, JobId, Outcome, Place, State
from bot.media import Library
from bot.store import Store
from tests.governed import FREE
from tests.rig import ANNA, WALL, Board

DAY = 86_400.0
ENDED = 1_000_000.0
LETTERBOX = Place("board:letterbox")
JOB = Job(
    id=JobId("one"),
    key="board:1",
    actor=ANNA,
    place=WALL,
    model="imagine",
    provider="box",
    inputs={"prompt": "a fox"},
    state=State.DELIVERING,
    created_at=ENDED - 100 * DAY,
    due_at=ENDED,
    finished_at=ENDED,
    outcome=Outcome.FAILED,
    code="model_failed",
)


@dataclass
class Outbox:
    """The step that delivers, with a clock that is moved by hand."""

    board: Board
    steps: Steps
    clock: list[float]

    async def offer(self, job: Job) -> Fate:
        """One try, as the engine makes it."""
        try:
            return await self.steps.deliver(job)
        except Exception:
            return self.steps.after_fault(job)

    async def until_given_up(self, job: Job, fault: Exception) -> tuple[Job, Fate]:
        """Try after try, each when it is due."""
        while True:
            self.board.faults_at_the_end = [fault]
            fate = await self.offer(job)
            if not isinstance(fate, Again):
                return job, fate
            self.clock[0] += fate.after
            job = replace(job, tries=job.tries + 1)


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    clock, board, catalogue = [ENDED], Board(), load()
    store = await Store.open(f"sqlite:///{tmp_path}/jobs.db")
    library = Library(tmp_path / "media", max_bytes=1000)
    platforms = {"board": board}
    cards = Cards(platforms, store, catalogue, now=lambda: clock[0])
    steps = Steps(
        store,
        library,
        catalogue,
        {},
        platforms,
        cards,
        prices=FREE,
        deadline=60,
        settled=1,
        heard_within=1,
        outbox=DAY,
        heads_up=0,
        link=None,
        hook_of=lambda job: None,
        routes={},
        now=lambda: clock[0],
        rng=random.Random(1),
    )
    yield Outbox(board, steps, clock)
    await store.close()


@pytest.mark.parametrize("fault", [RuntimeError("a stumble"), Busy(), Busy(retry_after=30)])
async def test_a_place_that_stumbles_has_a_day(outbox: Outbox, fault: Exception) -> None:
    job, fate = await outbox.until_given_up(JOB, fault)
    assert fate == Nowhere("too_many_tries")
    assert DAY < outbox.clock[0] - ENDED < DAY + 600
    assert job.tries > 100


async def test_tries_become_rarer_up_to_one_in_five_minutes(outbox: Outbox) -> None:
    job, _ = await outbox.until_given_up(JOB, RuntimeError())
    assert job.tries < DAY / 300 * 1.3 + 10


async def test_after_its_day_the_next_best_place_gets_it(outbox: Outbox) -> None:
    outbox.board.second_best = LETTERBOX
    _, fate = await outbox.until_given_up(JOB, RuntimeError())
    assert fate == Elsewhere(LETTERBOX)
    outbox.board.faults_at_the_end = []
    assert isinstance(await outbox.offer(replace(JOB, place=LETTERBOX)), Delivered)


async def test_the_next_best_place_has_some_tries_too_and_then_none_takes_it(outbox: Outbox) -> None:
    outbox.board.second_best = LETTERBOX
    outbox.clock[0] = ENDED + 2 * DAY
    job, fate = await outbox.until_given_up(replace(JOB, place=LETTERBOX), RuntimeError())
    assert (fate, job.tries) == (Nowhere("too_many_tries"), 8)


async def test_a_place_that_was_only_busy_may_stumble_as_often_as_any(outbox: Outbox) -> None:
    busy_for_long = replace(JOB, tries=5000)
    outbox.board.faults_at_the_end = [RuntimeError()]
    assert isinstance(await outbox.offer(busy_for_long), Again)


async def test_what_is_posted_again_weeks_later_has_its_tries(outbox: Outbox) -> None:
    outbox.clock[0] = ENDED + 20 * DAY
    outbox.board.faults_at_the_end = [Busy(retry_after=1)]
    assert isinstance(await outbox.offer(JOB), Again)
    assert isinstance(await outbox.offer(replace(JOB, tries=1)), Delivered)


async def test_a_platform_that_is_no_longer_set_up_is_waited_for_a_day(outbox: Outbox) -> None:
    job = replace(JOB, place=Place("elsewhere:1"), actor=Actor("elsewhere", "ben", "Ben", "home"))
    assert await outbox.offer(job) == Again(60.0)
    outbox.clock[0] = ENDED + 2 * DAY
    assert await outbox.offer(replace(job, tries=9)) == Nowhere("no_platform")


async def test_where_even_the_next_best_place_can_not_be_found_out_it_ends(outbox: Outbox) -> None:
    async def unreachable(place: Place, actor: Actor) -> Place | None:
        raise RuntimeError("no answer")

    outbox.board.fallback = unreachable  # type: ignore[method-assign]
    _, fate = await outbox.until_given_up(JOB, RuntimeError())
    assert fate == Nowhere("too_many_tries")
