"""The database file: one writer, what survives, and what keeps it from opening."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from bot.errors import CannotStart
from bot.jobs import (
    Outcome,
    State,
)
from bot.store import Store
from bot.store.lock import FileLock
from bot.store.sqlite import Sqlite
from tests.store_rig import (
    NOW,
    WAITING,
    accepted,
    bring,
    job,
    present,
    succeed,
)

ROOT = Path(__file__).parent.parent


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'threadreel.db'}"


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    async with await Store.open(url) as store:
        yield store


# -- one writer


async def test_one_that_fails_in_a_batch_does_not_disturb_its_neighbours(store: Store) -> None:
    running = await bring(store, "one", State.RUNNING)
    stale = replace(running, attempt=9)
    taken = job("two", key="web:b5")

    answers = await asyncio.gather(
        *(store.accept(job(f"b{n}"), (), NOW) for n in range(10)),
        store.submitted(stale, "p", now=NOW),
        store.accept(
            replace(taken, id=running.id, key="web:new"), (), NOW
        ),  # the same id: the database refuses
        store.accept(taken, (), NOW),
        succeed(store, running),
        store.accept(job("last"), [replace(WAITING, limit=3)], NOW),
        *(store.accept(job(f"c{n}"), (), NOW) for n in range(10)),
        return_exceptions=True,
    )

    failed = [type(answer).__name__ for answer in answers if isinstance(answer, BaseException)]
    assert failed == ["Stale", "IntegrityError", "Refused"]
    assert (await store.counts())[State.QUEUED] == 20
    assert (await present(store)).state is State.FETCHING


async def test_many_that_write_at_once_share_a_commit(tmp_path: Path) -> None:
    database = await Sqlite.open(tmp_path / "x.db", wait_for_lock=1, min_free=0)
    commits: list[object] = []
    event.listen(database._engine, "commit", commits.append)
    async with Store(database, FileLock(tmp_path / "lock")) as store:
        await asyncio.gather(*(accepted(store, f"j{number}") for number in range(500)))

    assert len(commits) <= 4


async def test_an_answer_is_never_earlier_than_its_commit(store: Store, tmp_path: Path) -> None:
    """Whoever has an answer finds the row through a connection of their own."""
    with closing(sqlite3.connect(tmp_path / "threadreel.db")) as reader:

        async def accept_and_look(name: str) -> int:
            await accepted(store, name)
            (count,) = reader.execute("SELECT count(*) FROM jobs WHERE id = ?", (name,)).fetchone()
            return int(count)

        assert await asyncio.gather(*(accept_and_look(f"j{n}") for n in range(100))) == [1] * 100


async def test_a_caller_that_is_cancelled_disturbs_nobody(store: Store) -> None:
    rng = random.Random(7)
    tasks = [asyncio.create_task(accepted(store, f"j{number}")) for number in range(300)]
    await asyncio.sleep(0)
    given_up = set(rng.sample(range(300), 150))
    for number in given_up:
        tasks[number].cancel()
        if number % 10 == 0:
            await asyncio.sleep(0)

    answers = await asyncio.gather(*tasks, return_exceptions=True)

    for number, answer in enumerate(answers):
        if not isinstance(answer, asyncio.CancelledError):
            assert await present(store, f"j{number}") == answer
        else:
            assert number in given_up
    assert await accepted(store, "after") == await present(store, "after")


async def test_a_reader_that_is_cancelled_leaves_no_connection_behind(store: Store) -> None:
    await asyncio.gather(*(accepted(store, f"j{number}") for number in range(50)))
    for step in range(20):
        tasks = [asyncio.create_task(store.queued(50)) for _ in range(8)]
        for _ in range(step):
            await asyncio.sleep(0.0002)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    assert len(await store.queued(100)) == 50


async def test_a_closed_store_takes_nothing_more_and_finishes_what_it_took(url: str) -> None:
    store = await Store.open(url)
    waiting = [asyncio.create_task(accepted(store, f"j{number}")) for number in range(20)]
    await asyncio.sleep(0)
    await store.close()

    assert len(await asyncio.gather(*waiting)) == 20
    with pytest.raises(RuntimeError, match="closed"):
        await accepted(store, "late")
    await store.close()


async def test_a_commit_that_fails_fails_all_of_its_batch_and_none_after_it(
    store: Store, tmp_path: Path
) -> None:
    await accepted(store, "before")
    with _files_no_larger_than(tmp_path / "threadreel.db-wal"):
        answers = await asyncio.gather(
            *(accepted(store, f"j{number}", inputs={"prompt": "x" * 9000}) for number in range(20)),
            return_exceptions=True,
        )

    assert [type(answer) for answer in answers] == [OperationalError] * 20
    assert "xxxx" not in str(answers[0])
    await accepted(store, "after")
    assert [one.id for one in await store.queued(100)] == ["after", "before"]


@contextmanager
def _files_no_larger_than(path: Path) -> Iterator[None]:
    """What a full disk does to a write: the system refuses it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_database_locked_for_too_long_fails_the_request_only(url: str, tmp_path: Path) -> None:
    async with await Store.open(url, wait_for_lock=0.05) as store:
        with closing(sqlite3.connect(tmp_path / "threadreel.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(OperationalError, match="locked"):
                await accepted(store, "one")
            assert await store.queued(5) == []
        assert await accepted(store, "two") == await present(store, "two")


# -- durability


async def test_what_is_committed_survives_a_power_cut(tmp_path: Path) -> None:
    database = await Sqlite.open(tmp_path / "x.db", wait_for_lock=2.5, min_free=0)

    async def pragma(name: str) -> object:
        return await database.write(
            lambda connection: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
        )

    full = 2
    assert await pragma("journal_mode") == "wal"
    assert await pragma("synchronous") == full
    assert await pragma("foreign_keys") == 1
    assert await pragma("busy_timeout") == 2500
    await database.close()


ACCEPT_AND_HANG = """
    import asyncio, sys
    from bot.store import Store
    from tests.store_rig import accepted

    async def main():
        store = await Store.open(sys.argv[1])
        assert store.try_lock()
        await asyncio.gather(*(accepted(store, f"j{n}") for n in range(10)))
        print("accepted", flush=True)
        await asyncio.sleep(60)

    asyncio.run(main())
"""


@contextmanager
def process(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that has said its first line; killed at the end."""
    command = [sys.executable, "-c", textwrap.dedent(script), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline().strip()
            yield child
        finally:
            child.kill()


async def test_a_killed_process_leaves_what_it_accepted_and_its_lock_is_free(url: str) -> None:
    with process(ACCEPT_AND_HANG, url) as child:
        async with await Store.open(url) as store:
            assert not store.try_lock()
            child.send_signal(signal.SIGKILL)
            child.wait(10)

            assert store.try_lock()
            assert len(await store.queued(100)) == 10


FORK_AND_HANG = """
    import os, pathlib, sys, time
    from bot.store.lock import FileLock

    lock = FileLock(pathlib.Path(sys.argv[1]))
    assert lock.take()
    if os.fork() == 0:
        print(os.getpid(), flush=True)
    time.sleep(60)
"""


def test_a_worker_that_outlives_its_parent_does_not_keep_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    command = [sys.executable, "-c", textwrap.dedent(FORK_AND_HANG), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        try:
            parent.kill()
            parent.wait(10)
            os.kill(worker, 0)

            lock = FileLock(path)
            assert lock.take()
            lock.free()
        finally:
            os.kill(worker, signal.SIGKILL)


async def test_the_lock_is_held_once_and_freed_on_close(url: str) -> None:
    first, second = await Store.open(url), await Store.open(url)

    assert first.try_lock()
    assert first.try_lock()
    assert not second.try_lock()
    await first.close()
    assert second.try_lock()
    await second.close()


# -- opening


async def test_two_open_the_same_file_and_see_each_others_work(store: Store, url: str) -> None:
    async with await Store.open(url) as other:
        fresh = await accepted(store)
        assert await other.get(fresh.id) == fresh
        await other.request_cancel(fresh.id, by="Ann", now=NOW)
        assert (await present(store)).outcome is Outcome.CANCELLED


async def test_several_open_a_new_file_at_once(url: str) -> None:
    stores = await asyncio.gather(*(Store.open(url) for _ in range(6)))
    await asyncio.gather(*(accepted(one, f"j{n}") for n, one in enumerate(stores)))

    assert len(await stores[0].queued(10)) == 6
    for one in stores:
        await one.close()


def _open_one(url: str) -> int:
    async def opened() -> int:
        async with await Store.open(url) as store:
            return sum((await store.counts()).values())

    return asyncio.run(opened())


def test_several_processes_open_a_new_file_at_once(url: str) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert pool.map(_open_one, [url] * 3, chunksize=1) == [0] * 3


async def test_missing_folders_are_made_and_relative_paths_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with await Store.open("sqlite:///data/of/mine.db"):
        assert (tmp_path / "data/of/mine.db").exists()


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://me:secret@host/db", "mysql is no database that"),
        ("postgresql+asyncpg://me:secret@host/db", "postgresql.asyncpg is no database that"),
        ("threadreel.db", "no database URL"),
        ("sqlite://", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
        ("sqlite:///x.db?mode=ro", "must name a file"),
    ],
)
async def test_a_url_that_names_no_file_is_refused(url: str, reason: str) -> None:
    with pytest.raises(CannotStart, match=reason) as refused:
        await Store.open(url)
    assert "secret" not in str(refused.value)
    assert "sqlite:///" in str(refused.value)


async def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(CannotStart, match=r"can't be used: (Not a directory|File exists)\. Make it writable"):
        await Store.open(f"sqlite:///{tmp_path}/file/threadreel.db")


OPEN_AS_NOBODY = """
    import asyncio, concurrent.futures.thread, os, sys
    from bot.errors import CannotStart
    from bot.store import Store

    if os.geteuid() == 0:  # who may write anywhere
        os.setuid(65534)
    try:
        asyncio.run(Store.open(sys.argv[1]))
    except CannotStart as error:
        print(error, flush=True)
"""


def test_a_folder_that_cannot_be_written_is_refused() -> None:
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        command = [sys.executable, "-c", textwrap.dedent(OPEN_AS_NOBODY), f"sqlite:///{folder}/threadreel.db"]
        said = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False).stdout

    assert said.startswith(f"The folder {folder} can't be used: Permission denied. Make it writable")


async def test_a_path_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="can't be written: unable to open"):
        await Store.open(f"sqlite:///{tmp_path}")


async def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, url: str) -> None:
    path = tmp_path / "threadreel.db"
    path.write_text("my shopping list, " * 100)

    with pytest.raises(CannotStart, match=r"is damaged \(file is not a database\)"):
        await Store.open(url)
    assert path.read_text().startswith("my shopping list")


async def test_a_full_disk_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(CannotStart, match=r"is full \(\d+ MB left\)\. Make room"):
        await Store.open(url, min_free=2**62)


async def test_a_disk_that_takes_nothing_is_refused_at_the_start(url: str, tmp_path: Path) -> None:
    (tmp_path / "small").write_bytes(b"x" * 8192)
    with (
        _files_no_larger_than(tmp_path / "small"),
        pytest.raises(CannotStart, match="Check the disk"),
    ):
        await Store.open(url)


async def test_a_database_of_a_newer_version_is_refused(url: str, tmp_path: Path) -> None:
    await (await Store.open(url)).close()
    with closing(sqlite3.connect(tmp_path / "threadreel.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()

    with pytest.raises(CannotStart, match=r"written by a newer version .* Run that version"):
        await Store.open(url)


async def test_a_database_that_others_keep_locked_is_refused(url: str, tmp_path: Path) -> None:
    await (await Store.open(url)).close()
    with closing(sqlite3.connect(tmp_path / "threadreel.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CannotStart, match="locked"):
            await Store.open(url, wait_for_lock=0.05)
