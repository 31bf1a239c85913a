"""Listening: a client that dies is started anew, within Discord's limits; commands as they change."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters.discord import listener
from bot.jobs import Outcome
from tests.discord.rig import stage
from tests.rig import eventually

FOX = {"prompt": "a fox"}


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is waited between two lives of the client is not what these tests are about."""
    monkeypatch.setattr(listener, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(listener, "REFUSED_PAUSE", 0.2)


async def test_a_malformed_event_is_survived(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        on.server.gateway.malformed()
        await on.server.until(lambda: len(on.server.gateway.identified) == 2)
        await on.server.connected()
        assert (await on.run("imagine", FOX)).outcome is Outcome.READY


@pytest.mark.parametrize("trouble", ["cut", "reconnect", "invalidate", "final"])
async def test_commands_work_after_each_bad_day_of_the_gateway(tmp_path: Path, trouble: str) -> None:
    async with stage(tmp_path) as on:
        before = len(on.server.gateway.identified) + on.server.gateway.resumed
        if trouble == "cut":
            on.server.gateway.cut()
        elif trouble == "final":
            await on.server.gateway.close(4000)
        elif trouble == "reconnect":
            on.server.gateway.reconnect()
        else:
            on.server.gateway.invalidate()
        await on.server.until(
            lambda: len(on.server.gateway.identified) + on.server.gateway.resumed > before, within=30
        )
        await on.server.connected()
        assert (await on.run("imagine", FOX)).outcome is Outcome.READY


async def test_a_first_connection_that_fails_is_tried_again(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        await on.studio.crash()
        on.server.faults.add(on="GET /ws", fault="status_before", status=503)
        on.server.faults.add(on="GET /ws/", fault="status_before", status=503)
        on.server.faults.add(on="GET /gateway/bot", fault="drop_before")
        await on.studio.build()
        on.studio.start()
        await on.server.connected(within=40)
        assert (await on.run("imagine", FOX)).outcome is Outcome.READY


async def test_a_token_that_is_refused_is_tried_again_with_patience(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        token, on.server.token = on.server.token, "another"
        await on.studio.crash()
        await on.studio.build()
        on.studio.start()
        await on.server.until(lambda: any(request.status == 401 for request in on.server.requests))
        on.server.token = token
        await on.server.connected()
        assert len([request for request in on.server.requests if request.status == 401]) < 10


async def test_the_day_s_budget_of_connections_is_respected(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        await on.studio.crash()
        on.server.gateway.remaining = 10
        await on.studio.build()
        on.studio.start()
        before = len(on.server.gateway.identified)
        await on.server.until(lambda: bool(on.server.requests_to("GET /gateway/bot")[1:]))
        await asyncio.sleep(0.1)
        assert len(on.server.gateway.identified) == before


async def test_commands_are_registered_only_when_they_have_changed(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        puts = on.server.requests_to("PUT /applications/*/commands")
        assert len(puts) == 1
        await on.restart()
        await on.server.until(lambda: len(on.server.requests_to("GET /applications/*/commands")) == 2)
        await on.run("imagine", FOX)
        assert len(on.server.requests_to("PUT /applications/*/commands")) == 1


async def test_a_test_server_has_the_commands_for_itself(tmp_path: Path) -> None:
    async with stage(tmp_path, test_server=True) as on:
        assert on.server.registry.find(1, "imagine", on.guild) is not None
        assert on.server.registry.find(1, "imagine", on.server.guild("Others")) is None
        assert on.server.requests_to("PUT /applications/*/commands") == []


async def test_registering_is_tried_until_it_is_done(tmp_path: Path) -> None:
    async with stage(tmp_path, faults=[{"on": "PUT /applications/*/commands", "fault": "html"}]) as on:
        assert on.server.registry.find(1, "imagine", on.guild) is not None


async def test_several_shards_have_their_own_servers(tmp_path: Path) -> None:
    settings = {"shard_ids": (0, 1), "shard_count": 2}
    async with stage(tmp_path, settings=settings) as on:
        await on.server.connected(2)
        assert sorted({session.shard for session in on.server.gateway.live()}) == [(0, 2), (1, 2)]
        assert (await on.run("imagine", FOX)).outcome is Outcome.READY


async def test_a_second_process_on_the_same_shard_waits(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        assert on.studio.also is not None
        second = on.studio.also(on.studio)
        task = asyncio.create_task(second.run(on.studio.core))
        await asyncio.sleep(0.2)
        assert len(on.server.gateway.identified) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await second.aclose()


async def test_posting_needs_nobody_who_listens(tmp_path: Path) -> None:
    """A worker posts; listening is another process's business."""
    async with stage(tmp_path, sandbox_options={"boot_seconds": 0.5}) as on:
        job = await on.job_of(await on.ada.command("imagine", FOX, channel=on.general))
        await on.studio.crash()
        await on.studio.build()
        on.studio.engine_task = asyncio.create_task(on.studio.engine.run())
        ended = await on.studio.ended(job)
        assert on.message(ended).files
        await eventually(lambda: not list(on.server.gateway.live()), "nobody listens")
