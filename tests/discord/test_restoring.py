"""A backup is put back while Discord and the provider have gone on: nothing is paid or posted twice."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bot.jobs import Job, Outcome, State
from bot.store import restore
from tests.discord.rig import Stage, stage
from tests.discord.test_faults import FOX, SLOW, results
from tests.store_rig import NOW

QUEUED = "UPDATE jobs SET state = 'queued', prediction = NULL, submitted_at = NULL, attempt = 0"


async def _backups_on_the_way(on: Stage) -> tuple[Job, dict[State, Path]]:
    """A job that runs to its end, and a backup of each state that it was in."""
    job = await on.job_of(await on.ada.command("imagine", FOX, channel=on.general))
    found: dict[State, Path] = {}
    number = 0
    while (state := (await on.job(job)).state) is not State.DONE:
        backup = await on.studio.store.back_up(now=NOW + number, keep=0)
        found[_state_in(backup)] = backup
        number += 1
        await asyncio.sleep(0.002)
    assert state is State.DONE
    return job, found


def _state_in(backup: Path) -> State:
    with closing(sqlite3.connect(backup)) as connection:
        return State(connection.execute("SELECT state FROM jobs").fetchone()[0])


async def _put_back(on: Stage, backup: Path) -> None:
    await on.studio.crash()
    on.server.world.nonces.clear()  # they last for minutes only
    restore(f"sqlite:///{on.studio.folder}/jobs.db", backup, NOW)
    await on.studio.build()
    on.studio.start()


@pytest.mark.parametrize("manner", ["thread", "reply"])
async def test_what_was_done_since_is_not_done_again(tmp_path: Path, manner: Any) -> None:
    async with stage(tmp_path, settings={"results": manner}, sandbox_options=SLOW) as on:
        job, backups = await _backups_on_the_way(on)
        card = on.message(await on.job(job), "card")
        assert State.RUNNING in backups
        backups[State.QUEUED] = backups[State.RUNNING].with_name("queued.db")
        backups[State.QUEUED].write_bytes(backups[State.RUNNING].read_bytes())
        with closing(sqlite3.connect(backups[State.QUEUED])) as connection:
            connection.execute(QUEUED)
            connection.commit()

        for backup in backups.values():
            await _put_back(on, backup)
            ended = await on.studio.ended(await on.job(job), within=30)
            assert (ended.state, ended.outcome) == (State.DONE, Outcome.READY)
            assert len(results(on)) == 1
            assert on.message(ended) is results(on)[0]
            assert on.message(ended, "card") is card
        assert (await on.studio.stats())["requests"]["create"] == 1


async def test_a_result_that_stands_there_is_not_denied(tmp_path: Path) -> None:
    """The provider has removed its files since, so that it can't be made ready again."""
    async with stage(tmp_path, sandbox_options=SLOW) as on:
        job, backups = await _backups_on_the_way(on)
        before = on.message(await on.job(job), "card").components
        await on.studio.misbehave(on="download", fault="expired_output", times="always")
        await _put_back(on, backups[State.RUNNING])
        ended = await on.studio.ended(await on.job(job), within=30)
        assert len(results(on)) == 1
        assert on.message(ended) is results(on)[0]
        assert on.message(ended, "card").components == before
