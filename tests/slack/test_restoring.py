"""A backup is put back while Slack and the provider have gone on: nothing is paid or posted twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.jobs import Job, Outcome, State
from bot.store import restore
from tests.rig import eventually
from tests.slack.rig import Rig, slack_rig
from tests.slack.test_delivery import order, stands_once
from tests.store_rig import NOW


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Rig]:
    async with slack_rig(tmp_path) as studio:
        yield studio


async def backed_up_while_it_ran(studio: Rig) -> tuple[Job, Path]:
    """A job whose result stands there, and a backup of the time before."""
    studio.gate.open = False
    job = await order(studio)

    async def runs_and_has_its_card() -> bool:
        found = await studio.store.get(job.id)
        return found is not None and found.state is State.RUNNING and "ts" in (found.posted or {})

    await eventually(runs_and_has_its_card, "it runs and has its card")
    backup = await studio.store.back_up(now=NOW, keep=0)
    studio.gate.open = True
    await stands_once(studio, job)
    return job, backup


async def put_back(studio: Rig, backup: Path) -> None:
    await studio.crash()
    restore(f"sqlite:///{studio.folder}/jobs.db", backup, NOW)
    await studio.build()
    await studio.start()


async def test_what_was_done_since_is_not_done_again(studio: Rig) -> None:
    job, backup = await backed_up_while_it_ran(studio)
    await put_back(studio, backup)
    assert "Ready" in (await stands_once(studio, job)).text


async def test_a_result_that_nobody_had_posted_comes(studio: Rig) -> None:
    job, backup = await backed_up_while_it_ran(studio)
    for result in studio.results():
        result.delete()
    await put_back(studio, backup)
    ended = await studio.ended(job)
    assert (ended.state, ended.outcome) == (State.DONE, Outcome.READY)
    assert len(studio.results()) == 1


async def test_where_nobody_can_look_it_is_offered(studio: Rig) -> None:
    job, backup = await backed_up_while_it_ran(studio)
    studio.server.faults.add(on="conversations.replies", fault="error", code="missing_scope", times=None)
    await put_back(studio, backup)
    ended = await studio.ended(job)
    assert (ended.state, ended.code) == (State.UNDELIVERED, "maybe_posted")
    assert len(studio.results()) == 1
