"""What is kept of a person: handed out to them, and forgotten, also while something is on its way."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from bot.errors import Busy
from bot.jobs import Job, Option, Order, Outcome, State
from bot.ports import Cancelled, Ready
from bot.prices import Price, Prices
from bot.store.tables import metadata
from tests.governed import pseudonym
from tests.rig import ANNA, WALL, Rig, eventually, rig
from tests.test_engine import halt_in, is_in
from tests.test_isolation import BOSS

SECRET = "a fox that nobody may know of"


async def ordered(studio: Rig, key: str = "board:secret") -> Job:
    options: tuple[Option, ...] = (("prompt", SECRET),)
    return (await studio.core.submit(Order(ANNA, WALL, "imagine", options, key))).job


async def everything(studio: Rig) -> str:
    """All that the database holds, as text."""
    found = []
    for table in metadata.sorted_tables:
        found += [dict(row._mapping) for row in await studio.store._database.read(table.select())]
    return json.dumps(found, default=str)


async def forgotten(studio: Rig, job: Job) -> bool:
    """Whether the next rounds of housekeeping leave nothing of it."""
    await studio.store.privacy.go_on(time.time())
    return await studio.store.get(job.id) is None


@pytest.mark.parametrize(
    "state", [State.QUEUED, State.SUBMITTING, State.RUNNING, State.FETCHING, State.DELIVERING]
)
async def test_whatever_is_on_its_way_is_stopped_and_forgotten(tmp_path: Path, state: State) -> None:
    async with rig(tmp_path, start=False) as studio:
        if state is State.SUBMITTING:
            await studio.misbehave(on="create", fault="slow", seconds=1.5)
        else:
            await halt_in(studio, state)
        job = await ordered(studio)
        if state is not State.QUEUED:
            studio.start()
            await eventually(lambda: is_in(studio, job, state), f"it is {state}")

        assert await studio.core.forget_me(ANNA) == []
        await studio.behave()
        studio.board.faults_at_the_end = []
        if state is State.QUEUED:
            studio.start()

        await eventually(lambda: forgotten(studio, job), "nothing is left of it", 30)
        assert SECRET not in await everything(studio)
        assert not any(isinstance(notice, Ready) for notice in studio.board.finals(job))


async def test_a_result_that_was_to_be_posted_is_told_as_cancelled_and_its_files_go(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        studio.board.faults_at_the_end = [Busy(retry_after=0.2)] * 100
        job = await ordered(studio)
        await eventually(lambda: is_in(studio, job, State.DELIVERING), "it waits for its place")
        before = await studio.store.get(job.id)
        assert before is not None
        assert before.outcome is Outcome.READY

        await studio.core.forget_me(ANNA)
        studio.board.faults_at_the_end = []

        ended = await studio.ended(job)
        assert (ended.outcome, ended.media, ended.outputs) == (Outcome.CANCELLED, (), ())
        assert isinstance(studio.board.last(job), Cancelled)
        assert {one.digest for one in before.media} <= set(await studio.store.dropped.some(99))


async def test_what_failed_keeps_its_reason_while_it_is_forgotten(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        await studio.misbehave(on="create", fault="fail")
        studio.board.faults_at_the_end = [Busy(retry_after=0.2)] * 100
        job = await ordered(studio)
        await eventually(lambda: is_in(studio, job, State.DELIVERING), "it waits for its place")

        await studio.core.forget_me(ANNA)
        studio.board.faults_at_the_end = []

        assert (await studio.ended(job)).outcome is Outcome.FAILED


async def test_amounts_stay_without_a_name(tmp_path: Path) -> None:
    prices = Prices({"imagine": Price(Decimal("0.40"), Decimal(0), None, True, "a bill")}, {})
    async with rig(tmp_path, prices=prices, defaults={"budget.server.day": "5"}) as studio:
        job = await studio.ended(await ordered(studio))
        await studio.core.forget_me(ANNA)

        assert await studio.store.get(job.id) is None
        spent = (await studio.core.admin.money(BOSS)).budgets
        assert [one.used for one in spent] == [Decimal("0.40")] * 2
        kept = (await everything(studio)).replace(pseudonym(ANNA), "")
        assert f'"{ANNA.id}"' not in kept
        assert ANNA.name not in kept


async def test_my_data_are_mine_alone_and_do_not_say_who_has_decided(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        await studio.ended(await ordered(studio))
        other = replace(ANNA, id="ben", name="Ben")
        theirs = Order(other, WALL, "imagine", (("prompt", "a cat"),), "board:ben")
        await studio.ended((await studio.core.submit(theirs)).job)
        await studio.core.admin.block(BOSS, ANNA.id, "Anna", reason="spam")

        data = await studio.core.my_data(ANNA)

        assert [one["inputs"]["prompt"] for one in data["jobs"]] == [SECRET]
        assert data["jobs"][0]["files"]
        assert [one["reason"] for one in data["standings"]] == ["spam"]
        assert "Boss" not in json.dumps(data)
        assert [one["action"] for one in data["actions"]] == ["ran"]


async def test_a_block_outlives_who_asks_to_be_forgotten_and_a_trust_does_not(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        office = studio.core.admin
        await office.block(BOSS, ANNA.id, "Anna", reason="spam")
        await office.trust(BOSS, "ben", "Ben", reason="kind")
        await studio.core.forget_me(ANNA)
        await studio.core.forget_me(replace(ANNA, id="ben", name="Ben"))

        (left,) = await office.people(BOSS)
        assert (left.id, left.name) == (ANNA.id, "")
