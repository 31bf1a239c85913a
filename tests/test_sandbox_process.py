"""The sandbox for benchmarks, and as a process of its own."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from bot.sandbox import Prepared
from bot.sandbox.predictions import Order, Status
from tests.sandbox_rig import PICTURE, Api, Json, Models, eventually, model_of, sandbox


@pytest.fixture
def models() -> Models:
    return Models()


@pytest.fixture
async def api(models: Models) -> AsyncIterator[Api]:
    async with sandbox(models) as api:
        yield api


# -- for benchmarks


async def test_prepared_predictions_take_their_time_and_give_a_file_drawn_beforehand(models: Models) -> None:
    async with sandbox(models, prepared=Prepared(duration=0.2, commands=("draw", "restyle"))) as api:
        drawn = len(models.works)
        keys = [await api.made("draw") for _ in range(5)]
        keys += [await api.made("restyle", image=PICTURE)]
        await api.until(keys[0], lambda one: one["status"] == "processing")
        done = [await api.ended(key) for key in keys]
        file = await api.http.get(done[0]["output"][0])
        stats = await api.stats()

    assert len(models.works) == drawn
    assert {one["status"] for one in done} == {"succeeded"}
    assert all(0.15 < one["metrics"]["predict_time"] < 5 for one in done)
    assert file.content.startswith(b"draw")
    assert stats["requests"]["create"] == 6
    assert stats["requests"]["download"] == 1
    assert stats["completed_at"] == {one["id"]: one["completed_at"] for one in done}


async def test_prepared_durations_come_from_a_seeded_distribution() -> None:
    def drawn(rng: random.Random) -> float:
        return rng.choice((0.0, 2.0))  # far apart: a slow machine must not turn one into the other

    prepared = Prepared(drawn, 1, commands=("draw",))
    async with sandbox(prepared=prepared) as api:
        keys = [await api.made() for _ in range(6)]
        took = [(await api.ended(key))["metrics"]["predict_time"] for key in keys]

    rng = random.Random(1)
    assert [seconds > 1.5 for seconds in took] == [drawn(rng) > 1.5 for _ in range(6)]


async def test_ten_thousand_predictions_in_flight_need_no_task_each() -> None:
    async with sandbox(prepared=Prepared(duration=0.5, commands=("draw",))) as api:
        tasks = len(asyncio.all_tasks())
        order = Order(model_of("draw"), {"prompt": "a fox"}, api.base_url, api.base_url)
        made = [api.workshop.take(order) for _ in range(10_000)]
        assert len(asyncio.all_tasks()) == tasks
        walked = [one["id"] async for one in _walked(api)]
        await eventually(lambda: all(one.ended for one in made))

    assert walked == [one.id for one in reversed(made)]
    assert {one.status for one in made} == {Status.SUCCEEDED}


async def _walked(api: Api) -> AsyncIterator[Json]:
    page: Json = {"next": "/v1/predictions"}
    while page["next"]:
        page = (await api.http.get(page["next"])).json()
        for one in page["results"]:
            yield one


# -- as a process of its own


async def test_the_process_says_where_it_is_and_leaves_when_asked(tmp_path: Path) -> None:
    note = tmp_path / "address"
    process = await _started("--address-file", str(note))
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    pid, address = note.read_text().split()
    async with httpx.AsyncClient(trust_env=False, headers={"Authorization": "Bearer sandbox"}) as http:
        assert (await http.get(f"{address}/v1/account")).status_code == 200
    process.terminate()
    _, errors = await process.communicate()

    assert address in line
    assert int(pid) == process.pid
    assert process.returncode == 0
    assert errors == b""


async def test_the_process_ends_with_its_parent_or_when_nobody_asks() -> None:
    parent = await asyncio.create_subprocess_exec("sleep", "60")
    child, idle = await asyncio.gather(
        _started("--parent-pid", str(parent.pid)), _started("--idle-exit", "0.1")
    )
    assert child.stdout is not None
    await child.stdout.readline()
    parent.kill()
    await parent.wait()
    await asyncio.gather(child.communicate(), idle.communicate())

    assert (child.returncode, idle.returncode) == (0, 0)


async def test_an_address_that_is_taken_is_said_so(api: Api) -> None:
    process = await _started(port=str(urlsplit(api.base_url).port))
    _, errors = await process.communicate()

    assert process.returncode == 1
    assert b"in use" in errors
    assert b"Traceback" not in errors


async def _started(*options: str, port: str = "0") -> asyncio.subprocess.Process:
    command = [sys.executable, "-m", "bot.sandbox", "--port", port, *options]
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
