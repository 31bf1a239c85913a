"""Told to stop: nothing new begins, what is in hand is finished, the rest is handed over."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.compose import Installation, installation
from bot import config
from bot.errors import Refused
from bot.jobs import Job, Order, Outcome, Place, State
from tests.rig import eventually, rig
from tests.sampling import a_sample
from tests.test_kill import ANNA, sandbox, start, write_config


async def misbehave(address: str, **rule: Any) -> None:
    headers = {"Authorization": "Bearer sandbox"}
    async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
        (await client.post(f"{address}/sandbox/misbehave", json=rule)).raise_for_status()


async def creates(address: str) -> int:
    headers = {"Authorization": "Bearer sandbox"}
    async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
        requests = (await client.get(f"{address}/sandbox/stats")).json()["requests"]
        return int(requests.get("create", 0))


async def order(running: Installation, number: int) -> Job:
    options = (("prompt", f"a fox number {number}"), ("width", 256), ("height", 256), ("steps", 5))
    return (
        await running.core.submit(Order(ANNA, Place("web:studio"), "imagine", options, f"web:{number}"))
    ).job


async def is_in(reader: Installation, job: Job, *states: State) -> bool:
    found = await reader.store.get(job.id)
    return found is not None and found.state in states


async def test_a_create_whose_answer_is_due_is_waited_for_and_the_rest_is_handed_over(tmp_path: Path) -> None:
    async with sandbox(tmp_path) as address:
        settings = config.load(write_config(tmp_path, address), {})
        process = await start(tmp_path / "config.toml")
        await misbehave(address, on="create", fault="slow", seconds=2, times="always")
        async with installation(settings, needs_engine=False, works=False) as reader:
            jobs = [await order(reader, number) for number in range(6)]
            await eventually(lambda: creates(address), "creates are under way")
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.communicate(), 20)
            assert process.returncode == 0
            found = [await reader.store.get(job.id) for job in jobs]
            states = [job.state for job in found if job]
            assert State.SUBMITTING not in states, "no answer was given up"
            assert states.count(State.QUEUED) >= 2
            asked = await creates(address)
            assert all(job.prediction for job in found if job and job.state is not State.QUEUED)

            process = await start(tmp_path / "config.toml")
            for job in jobs:
                await eventually(lambda job=job: is_in(reader, job, State.DONE), "it is done", 60)  # type: ignore[misc]
            process.terminate()
            await process.communicate()
        assert asked + states.count(State.QUEUED) == await creates(address) == 6


@pytest.mark.parametrize("number", a_sample([signal.SIGTERM, signal.SIGINT], 2))
async def test_a_second_signal_ends_it_at_once_and_nothing_is_lost(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with sandbox(tmp_path) as address:
        settings = config.load(write_config(tmp_path, address), {})
        process = await start(tmp_path / "config.toml")
        await misbehave(address, on="create", fault="slow", seconds=5)
        async with installation(settings, needs_engine=False, works=False) as reader:
            job = await order(reader, 1)
            await eventually(lambda: is_in(reader, job, State.SUBMITTING), "it is being sent")
            await eventually(lambda: creates(address), "the request is there")
            process.send_signal(number)
            await asyncio.sleep(0.5)
            assert process.returncode is None, "it waits for the answer"
            told_again = time.monotonic()
            process.send_signal(number)
            await asyncio.wait_for(process.communicate(), 10)
            assert time.monotonic() - told_again < 3
            process = await start(tmp_path / "config.toml")
            await eventually(lambda: is_in(reader, job, State.DONE), "it is done", 60)
            found = await reader.store.get(job.id)
            process.terminate()
            await process.communicate()
        assert found is not None
        assert found.outcome is Outcome.READY
        assert await creates(address) == 1


async def test_who_orders_while_it_stops_is_told_and_nothing_is_started(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        studio.core.close()
        with pytest.raises(Refused, match="not_now"):
            await studio.order()
        assert sum((await studio.store.counts()).values()) == 0


async def test_it_stops_within_its_time_whatever_hangs(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        await studio.misbehave(on="create", fault="slow", seconds=30)
        job = await studio.order()
        await eventually(lambda: studio.state(job), "it is there")
        await eventually(lambda: _is_sending(studio, job), "it is being sent")
        began = time.monotonic()
        with contextlib.suppress(TimeoutError):
            await studio.engine.stop(0.5)
        assert time.monotonic() - began < 1


async def test_what_the_provider_finishes_meanwhile_is_still_brought_to_its_place(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        await studio.misbehave(on="download", fault="slow", seconds=0.5)
        job = await studio.order()

        async def fetching() -> bool:
            return await studio.state(job) is State.FETCHING

        await eventually(fetching, "it is being fetched")
        await studio.engine.stop(5)
        assert await studio.state(job) is State.DONE


async def _is_sending(studio: Any, job: Job) -> bool:
    return await studio.state(job) is State.SUBMITTING
