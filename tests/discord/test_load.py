"""What keeps the bot quick while many use it, and small after many have."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import discord
import pytest

from adapters.discord.answers import Rush
from adapters.discord.rest import Rest
from benchmarks.discord import Load, acknowledged
from bot.jobs import State
from tests.discord.rig import stage
from tests.rig import eventually


async def test_other_work_waits_until_nobody_waits_for_an_acknowledgement() -> None:
    rush, done = Rush(), asyncio.Event()

    async def work() -> None:
        await rush.over(within=60)
        done.set()

    async with rush.answering():
        working = asyncio.create_task(work())
        async with rush.answering():
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        assert not done.is_set()
    await working


async def test_a_rush_that_goes_on_slows_other_work_down_and_does_not_stop_it() -> None:
    rush = Rush()
    async with rush.answering():
        await rush.over(within=0.01)


async def test_a_rush_of_commands_shares_few_connections_and_all_are_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.discord.answers.CONNECTIONS", 2)
    async with stage(tmp_path) as on:
        uses = (on.ada.command("draw", {"prompt": "a fox"}, channel=on.general) for _ in range(20))
        replies = await asyncio.gather(*uses)
        jobs = [await on.ended(reply) for reply in replies]
        assert {job.state for job in jobs} == {State.DONE}
        assert len({reply.message for reply in replies}) == 20


async def test_nothing_is_kept_of_the_threads_that_results_hang_in(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        await on.run("draw", {"prompt": "a fox"})
        rest: Rest = on.studio.platform._rest
        client = await rest._logged_in()
        [thread] = on.guild.threads

        def kept() -> list[str]:
            return [key for key in client.http._buckets if str(thread.id) in key]

        async def forgotten() -> bool:
            rest._tidy_from = 0
            await rest.after(on.general.id, 0)
            return not kept()

        assert kept()
        await eventually(forgotten, "the thread's rate limits are forgotten once their time is over")
        gc.collect()
        threads = [one for one in gc.get_objects() if type(one) is discord.Thread]
        assert [one for one in threads if one.id == thread.id] == []


@pytest.mark.long
async def test_the_benchmark_runs() -> None:
    found = await acknowledged("ours", Load(5, 100), pace=0.01)
    assert found["late"] == 0
