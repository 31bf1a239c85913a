"""Worker processes: what happens when they take too long, die, or lose their parent."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bot.errors import BadMedia, TooLarge, TryLater
from bot.media import Pool
from bot.media.pool import WorkerDied
from tests import media_samples as samples

pytestmark = pytest.mark.real_workers

_WAIT = 45.0


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    async with Pool() as pool:
        yield pool


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "picture"
    path.write_bytes(samples.still("PNG"))
    return str(path)


@pytest.fixture
def pipe(tmp_path: Path) -> str:
    """Something that a worker waits for when it opens it: a task that takes as long as we like."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return str(path)


async def _until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + _WAIT
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


def _wait_until(true: Callable[[], object]) -> None:
    asyncio.run(_until(true))


def _is_being_read(pipe: str) -> bool:
    """Opening a pipe to write without waiting works only while somebody has it open to read."""
    try:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


async def test_a_worker_is_started_when_it_is_needed_and_used_again(pool: Pool, picture: str) -> None:
    assert pool.pids == ()
    found = await pool.run("probe", picture, seconds=20)
    assert found["mime"] == "image/png"
    first = pool.pids
    await pool.run("probe", picture, seconds=20)
    assert pool.pids == first
    assert len(first) == 1


async def test_what_a_task_refuses_is_raised_here(pool: Pool, picture: str, tmp_path: Path) -> None:
    page = tmp_path / "page"
    page.write_bytes(samples.HTML)
    with pytest.raises(BadMedia, match="not_media"):
        await pool.run("probe", str(page), seconds=20)
    with pytest.raises(TooLarge, match="10 bytes"):
        await pool.run("fit", picture, str(tmp_path / "out"), 10, "image", seconds=20)
    assert len(pool.pids) == 1


async def test_a_task_that_overruns_is_killed_and_the_next_one_works(
    pool: Pool, picture: str, pipe: str
) -> None:
    await pool.run("probe", picture, seconds=20)
    (first,) = pool.pids
    with pytest.raises(TimeoutError):
        await pool.run("probe", pipe, seconds=0.2)
    assert not _is_alive(first)
    assert pool.pids == ()
    assert (await pool.run("probe", picture, seconds=20))["mime"] == "image/png"


async def test_a_task_that_is_cancelled_takes_its_worker_with_it(pool: Pool, pipe: str) -> None:
    task = asyncio.create_task(pool.run("probe", pipe, seconds=60))
    await _until(lambda: pool.pids)
    (pid,) = pool.pids
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not _is_alive(pid)


async def test_an_idle_worker_that_was_killed_is_replaced(pool: Pool, picture: str) -> None:
    await pool.run("probe", picture, seconds=20)
    (first,) = pool.pids
    os.kill(first, signal.SIGKILL)
    assert (await pool.run("probe", picture, seconds=20))["mime"] == "image/png"
    assert first not in pool.pids


async def test_a_task_whose_worker_dies_is_tried_once_more_and_no_more(pool: Pool, pipe: str) -> None:
    task = asyncio.create_task(pool.run("probe", pipe, seconds=60))
    dead: list[int] = []
    for _ in range(2):
        await _until(lambda: set(pool.pids) - set(dead))
        (pid,) = set(pool.pids) - set(dead)
        os.kill(pid, signal.SIGKILL)
        dead.append(pid)
    with pytest.raises(WorkerDied):
        await task
    assert pool.pids == ()


async def test_a_worker_killed_in_the_middle_of_its_task_is_replaced(pool: Pool, picture: str) -> None:
    await pool.run("probe", picture, seconds=20)
    (first,) = pool.pids
    os.kill(first, signal.SIGSTOP)  # it takes the task and gets nowhere
    task = asyncio.create_task(pool.run("probe", picture, seconds=60))
    await asyncio.sleep(0)
    os.kill(first, signal.SIGKILL)
    assert (await task)["mime"] == "image/png"
    assert first not in pool.pids


async def test_workers_ignore_ctrl_c_and_terminate(pool: Pool, picture: str) -> None:
    await pool.run("probe", picture, seconds=20)
    (pid,) = pool.pids
    os.kill(pid, signal.SIGINT)
    os.kill(pid, signal.SIGTERM)
    await pool.run("probe", picture, seconds=20)
    assert pool.pids == (pid,)


async def test_one_worker_does_one_thing_at_a_time(pool: Pool, picture: str) -> None:
    found = await asyncio.gather(*(pool.run("probe", picture, seconds=20) for _ in range(20)))
    assert len(found) == 20
    assert len(pool.pids) == 1


async def test_closing_ends_all_workers_and_what_they_do(picture: str, pipe: str) -> None:
    async with Pool(2) as pool:
        task = asyncio.create_task(pool.run("probe", pipe, seconds=60))
        await pool.run("probe", picture, seconds=20)
        await _until(lambda: _is_being_read(pipe))
        pids = pool.pids
        assert len(pids) == 2
    assert not any(_is_alive(pid) for pid in pids)
    with pytest.raises(TryLater):
        await task
    with pytest.raises(TryLater):
        await pool.run("probe", picture, seconds=20)


async def test_workers_know_no_secrets(pool: Pool, picture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THREADREEL_DISCORD__TOKEN", "s3cret")
    await pool.run("probe", picture, seconds=20)
    (pid,) = pool.pids
    environment = Path(f"/proc/{pid}/environ")
    if not environment.exists():
        pytest.skip("only Linux shows a process's environment")
    assert b"s3cret" not in environment.read_bytes()


_PARENT = """
import asyncio, signal, sys
from bot.media import Pool

signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs have it ignored

async def main(pipe):
    pool = Pool()
    task = asyncio.create_task(pool.run("probe", pipe, seconds=60))
    while not pool.pids:
        await asyncio.sleep(0.005)
    print(*pool.pids, flush=True)
    await task

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_its_parent(pipe: str, end: signal.Signals) -> None:
    """SIGINT goes to the whole process group, as a terminal's Ctrl-C does."""
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, pipe],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert parent.stdout is not None
    assert parent.stderr is not None
    with parent:
        worker = int(parent.stdout.readline())
        try:
            _wait_until(lambda: _is_being_read(pipe))
        finally:
            os.killpg(parent.pid, end)
        _wait_until(lambda: not _is_alive(worker))
        errors = parent.stderr.read()
    assert "worker.py" not in errors
