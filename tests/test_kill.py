"""The real process, killed in the middle of ten jobs and started again: all ten arrive, none twice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from adapters.compose import Installation, installation
from bot import config
from bot.jobs import Actor, Job, Order, Outcome, Place, State
from tests.rig import eventually

JOBS = 10
ANNA = Actor("web", "anna", "Anna", "web")


@contextlib.asynccontextmanager
async def sandbox(folder: Path) -> AsyncIterator[str]:
    """A sandbox in a process of its own, which no kill of the bot reaches."""
    note = folder / "sandbox.address"
    command = [
        "-m",
        "adapters",
        "sandbox",
        "--port",
        "0",
        "--boot-seconds",
        "0.3",
        "--address-file",
        str(note),
    ]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        yield (await eventually(lambda: note.exists() and note.read_text(), "the sandbox is up", 30)).split()[
            1
        ]
    finally:
        process.terminate()
        await process.wait()


def write_config(folder: Path, address: str) -> Path:
    path = folder / "config.toml"
    path.write_text(
        f"""
[http]
port = 0
[limits]
at_once = 4
at_once_per_person = 4
[store]
url = "sqlite:///{folder}/threadreel.db"
[media]
folder = "{folder}/media"
[providers.box]
kind = "sandbox"
base_url = "{address}"
"""
    )
    return path


async def start(path: Path) -> asyncio.subprocess.Process:
    """`threadreel run`, up and serving."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "adapters", "run", "-c", str(path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert b"running at" in await asyncio.wait_for(process.stdout.readline(), 30)
    return process


async def kill(process: asyncio.subprocess.Process) -> None:
    process.send_signal(signal.SIGKILL)
    await process.communicate()


async def order_ten(running: Installation) -> list[Job]:
    def order(number: int) -> Order:
        options = (("prompt", f"a fox number {number}"), ("width", 256), ("height", 256), ("steps", 5))
        return Order(ANNA, Place("web:studio"), "imagine", options, f"web:{number}")

    return [(await running.core.submit(order(number))).job for number in range(JOBS)]


async def test_killed_in_the_middle_of_ten_jobs_all_arrive_and_none_twice(tmp_path: Path) -> None:
    chance = random.Random(os.environ.get("THREADREEL_TEST_SEED", "1"))
    async with sandbox(tmp_path) as address:
        path = write_config(tmp_path, address)
        settings = config.load(path, {})
        process = await start(path)
        async with installation(settings, needs_engine=False, works=False) as reader:
            jobs = await order_ten(reader)
            for done in (2, 5, 8):
                await eventually(partial(_at_least, reader, done), f"{done} jobs are done", 60)
                await asyncio.sleep(chance.uniform(0, 0.3))
                await kill(process)
                process = await start(path)
            await eventually(partial(_at_least, reader, JOBS), "all jobs are done", 60)
            ended = [await reader.store.get(job.id) for job in jobs]
            assert {job.outcome for job in ended if job} == {Outcome.READY}
            await _each_stands_once(reader)
        process.terminate()
        await process.communicate()
        assert await _predictions(address) == JOBS


async def test_a_second_process_on_the_same_database_is_refused_in_words(tmp_path: Path) -> None:
    path = write_config(tmp_path, "http://127.0.0.1:9")
    first = await start(path)
    second = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "adapters", "run", "-c", str(path), stderr=asyncio.subprocess.PIPE
    )
    _, errors = await asyncio.wait_for(second.communicate(), 30)
    assert second.returncode == 7
    assert b"Another process is using the database" in errors
    assert b"Traceback" not in errors
    first.terminate()
    await first.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_ends_cleanly_when_told_to(tmp_path: Path, number: signal.Signals) -> None:
    process = await start(write_config(tmp_path, "http://127.0.0.1:9"))
    process.send_signal(number)
    await asyncio.wait_for(process.communicate(), 15)
    assert process.returncode == 0


async def _at_least(reader: Installation, count: int) -> bool:
    return (await reader.store.counts())[State.DONE] >= count


async def _each_stands_once(reader: Installation) -> None:
    """A card a job in the channel, and one result in each card's thread."""
    cards = [
        message for message in await reader.store.chat.messages("studio", limit=100) if message.kind == "card"
    ]
    assert len(cards) == JOBS
    for card in cards:
        thread = await reader.store.chat.messages("studio", thread=card.id, limit=100)
        assert [message.kind for message in thread] == ["result"]


async def _predictions(address: str) -> int:
    async with httpx.AsyncClient(trust_env=False) as client:
        stats = await client.get(f"{address}/sandbox/stats", headers={"Authorization": "Bearer sandbox"})
        return len(stats.json()["completed_at"])
