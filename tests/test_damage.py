"""A damaged database is refused in words, at the start and at work; a fault that passes leaves no trace."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from bot.errors import Damaged
from bot.jobs import JobId, Outcome, Place, State
from bot.store import Store
from bot.store.store import lock_of
from bot.store.tables import metadata
from tests.rig import rig
from tests.store_rig import KEPT, LEASE, NOW, accepted, bring, claimed, job, started, succeed

ROOT = Path(__file__).parent.parent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "threadreel.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    async with await Store.open(url, works=True) as store:
        yield store


def garbage(path: Path, at: int, size: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(os.urandom(size))


def spoil(path: Path) -> None:
    """Garbage in every page but two, under whoever uses it; what they had in memory is forgotten."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE channels SET title = title || '!'")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    garbage(path, 8192, path.stat().st_size - 8192)


async def filled(url: str, jobs: int = 300) -> Path:
    """A closed database of many pages, and its backup."""
    async with await Store.open(url, works=True) as store:
        await asyncio.gather(*(accepted(store, f"j{n}", inputs={"prompt": "x" * 2000}) for n in range(jobs)))
        return await store.back_up(now=NOW, keep=7)


# -- at the start


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 // 4096 * 4096)


def _drop_table(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE events")
        connection.commit()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "its head is garbage": lambda path: garbage(path, 0, 100),
    "a page is garbage": lambda path: garbage(path, path.stat().st_size // 2 // 4096 * 4096, 4096),
    "its last page is garbage": lambda path: garbage(path, path.stat().st_size - 4096, 4096),
    "it is cut short": _cut,
    "it is cut to a piece of a page": lambda path: os.truncate(path, 1000),
    "it is empty": lambda path: os.truncate(path, 0),
    "it is gone": Path.unlink,
    "it is another file": lambda path: path.write_text("my shopping list, " * 500),
    "a table is missing": _drop_table,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_a_damaged_database_is_refused_with_the_way_back(
    url: str, path: Path, damage: Callable[[Path], object]
) -> None:
    backup = await filled(url)
    damage(path)
    there = path.read_bytes() if path.exists() else None

    with pytest.raises(Damaged) as refused:
        await Store.open(url, works=True)

    assert str(refused.value).startswith(f"The database {path} is damaged (")
    assert str(refused.value).endswith(
        f"The newest good backup is of 2023-11-14 22:13 UTC. Restore it with: threadreel restore {backup}"
    )
    assert "\n" not in str(refused.value)
    assert (path.read_bytes() if path.exists() else None) == there


async def test_the_newest_good_backup_is_named_and_not_a_newer_bad_one(url: str, path: Path) -> None:
    good = await filled(url)
    bad = good.with_name("threadreel-20240101T000000Z.db")
    bad.write_bytes(good.read_bytes())
    garbage(bad, 0, 5000)
    garbage(path, 0, 100)

    with pytest.raises(Damaged, match=f"threadreel restore {good}$"):
        await Store.open(url)


async def test_without_a_backup_it_says_so(url: str, path: Path) -> None:
    (await filled(url)).unlink()
    garbage(path, 0, 100)
    with pytest.raises(Damaged, match=r"no good backup of it in .*backups\. Restore one from elsewhere"):
        await Store.open(url)


def _log_of_a_killed_process(url: str, path: Path) -> None:
    """Committed and not yet copied into the database: a log that its writer has left behind."""
    script = (
        "import asyncio, sys, os, signal\n"
        "from bot.store import Store\n"
        "from tests.store_rig import accepted\n"
        "async def main():\n"
        "    store = await Store.open(sys.argv[1], works=True)\n"
        "    for n in range(40):\n"
        "        await accepted(store, f'k{n}')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, url], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.with_name(path.name + "-wal").stat().st_size > 100_000


async def test_a_log_that_a_killed_process_left_is_taken_over(url: str, path: Path) -> None:
    await filled(url)
    _log_of_a_killed_process(url, path)
    async with await Store.open(url, works=True) as store:
        assert (await store.counts())[State.QUEUED] == 340


@pytest.mark.parametrize(("at", "what"), [(0, "the head of"), (0.1, "from frame"), (0.5, "from frame")])
async def test_garbage_in_the_log_is_refused(url: str, path: Path, at: float, what: str) -> None:
    """SQLite would take it for the log's end, and forget what was committed after it."""
    await filled(url)
    _log_of_a_killed_process(url, path)
    log = path.with_name(path.name + "-wal")
    garbage(log, int(log.stat().st_size * at), 5000)

    for works in (True, False):
        with pytest.raises(Damaged, match=f"{what}.*Restore it with"):
            await Store.open(url, works=works)


@pytest.mark.parametrize("cut", [1, 100, 4096, 9000])
async def test_a_log_torn_by_lost_power_is_none_of_that(url: str, path: Path, cut: int) -> None:
    """What was being written then was not committed, and nobody was told that it was."""
    await filled(url)
    _log_of_a_killed_process(url, path)
    log = path.with_name(path.name + "-wal")
    os.truncate(log, log.stat().st_size - cut)
    async with await Store.open(url, works=True) as store:
        assert (await store.counts())[State.QUEUED] >= 300


async def test_a_log_in_use_is_not_taken_for_damaged(url: str) -> None:
    """Others open the database while one writes as fast as it can."""
    async with await Store.open(url, works=True) as store:

        async def write() -> None:
            for number in range(60):
                await asyncio.gather(*(accepted(store, f"j{number}-{n}") for n in range(30)))

        writing = asyncio.create_task(write())
        while not writing.done():
            await (await Store.open(url)).close()
        await writing


async def test_a_large_database_is_read_through_only_after_an_unclean_end(
    url: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await filled(url)
    monkeypatch.setattr("bot.store.store.READ_THROUGH", 0)
    looked: list[Path] = []
    monkeypatch.setattr("bot.store.sqlite._read_through", lambda path, _: looked.append(path))

    await (await Store.open(url, works=True)).close()
    assert looked == []
    _log_of_a_killed_process(url, path)
    await (await Store.open(url, works=True)).close()
    assert looked == [path]
    await (await Store.open(url, works=True)).close()
    assert looked == [path]


def test_the_command_line_says_it_in_one_line(url: str, path: Path, tmp_path: Path) -> None:
    backup = asyncio.run(filled(url))
    garbage(path, path.stat().st_size // 2 // 4096 * 4096, 4096)
    config = tmp_path / "config.toml"
    config.write_text(
        f'[store]\nurl = "{url}"\n[media]\nfolder = "{tmp_path}/media"\n'
        '[providers.box]\nkind = "sandbox"\nbase_url = "http://127.0.0.1:9"\n'
    )

    def said(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "adapters", *words, "-c", str(config)]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)

    refused = said("run")
    assert refused.returncode == 7
    assert refused.stderr.count("\n") == 1
    assert refused.stderr.rstrip().endswith(f"threadreel restore {backup}")

    restored = said("restore", str(backup))
    assert restored.returncode == 0, restored.stderr
    assert "300 job(s)" in restored.stdout
    assert f"{path}.broken-" in restored.stdout

    made = said("backup")
    assert made.returncode == 0, made.stderr
    assert Path(made.stdout.strip()).parent == path.parent / "backups"
    assert len(list((path.parent / "backups").glob("*.db"))) == 2


# -- at work


async def test_damage_found_at_work_ends_the_work_in_words(url: str, path: Path) -> None:
    """Nothing is written any more, also of what waited at that moment, and the next start reads it all."""
    backup = await filled(url)
    store = await Store.open(url, works=True)
    lasting = asyncio.create_task(store.last())
    spoil(path)
    answers = await asyncio.gather(
        *(accepted(store, f"n{n}") for n in range(20)), store.queued(500), return_exceptions=True
    )

    assert {type(answer) for answer in answers} == {Damaged}
    with pytest.raises(Damaged, match=f"threadreel restore {backup}$"):
        await lasting
    await store.close()
    lock = lock_of(path)
    assert lock.take()
    assert lock.was_left


def test_a_serving_process_makes_a_backup_and_stops_where_it_finds_damage(
    url: str, path: Path, tmp_path: Path
) -> None:
    old = asyncio.run(filled(url))
    config = tmp_path / "config.toml"
    config.write_text(
        f'[http]\nport = 0\n[store]\nurl = "{url}"\n[media]\nfolder = "{tmp_path}/media"\n'
        '[providers.box]\nkind = "sandbox"\nbase_url = "http://127.0.0.1:9"\n[log]\nlevel = "error"\n'
    )
    command = [sys.executable, "-m", "adapters", "run", "-c", str(config)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        assert run.stdout.readline()
        try:
            made = _the_one_it_makes_by_itself(old)
            spoil(path)
            assert run.wait(30) == 7
        finally:
            run.kill()
        assert run.stderr.read().rstrip().endswith(f"threadreel restore {made}")


def _the_one_it_makes_by_itself(old: Path) -> Path:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if new := [backup for backup in old.parent.glob("threadreel-*.db") if backup != old]:
            return new[0]
        time.sleep(0.05)
    raise AssertionError("no backup was made")


# -- faults that pass: a full disk, a lock that is kept, an error of the disk


Fault = Callable[[Store, Path], Any]


@contextmanager
def full(store: Store, path: Path) -> Iterator[None]:
    """A database that may not grow by a single page, as on a full disk."""
    with store._database._engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        connection.rollback()
    try:
        yield
    finally:
        with store._database._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count=4294967294")
            connection.rollback()


@contextmanager
def no_room_in_the_log(store: Store, path: Path) -> Iterator[None]:
    """The system refuses every write beyond the first bytes of a file, where the log begins."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def locked(store: Store, path: Path) -> Iterator[None]:
    """Another program writes, and does not end."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


BIG = "x" * 60_000
CODE = "y" * 60_000
"""So large that it needs pages that aren't there."""

SMALL = {"succeeded", "progressed", "start", "claim", "renew", "void_leases", "forget_before"}
"""What may find room where there is no more."""

VERBS: dict[str, tuple[State, Callable[[Store, Any], Any]]] = {
    "requeue": (State.SUBMITTING, lambda s, j: s.requeue(j, due_at=NOW, code=CODE)),
    "submitted": (State.SUBMITTING, lambda s, j: s.submitted(j, BIG, now=NOW)),
    "snooze": (State.RUNNING, lambda s, j: s.snooze(j, due_at=NOW, code=CODE)),
    "succeeded": (State.RUNNING, lambda s, j: succeed(s, j)),
    "fetched": (State.FETCHING, lambda s, j: s.fetched(j, [KEPT] * 300, now=NOW)),
    "ended": (
        State.RUNNING,
        lambda s, j: s.ended(j, Outcome.FAILED, now=NOW, code="x", facts={"a": BIG}, cost=None),
    ),
    "delivered": (State.DELIVERING, lambda s, j: s.delivered(j, {"a": BIG}, now=NOW)),
    "undelivered": (State.DELIVERING, lambda s, j: s.undelivered(j, now=NOW, code=CODE)),
    "redirected": (State.DELIVERING, lambda s, j: s.redirected(j, Place("web:" + BIG), now=NOW)),
    "redeliver": (State.UNDELIVERED, lambda s, j: s.redeliver(j.id, Place("web:" + BIG), NOW)),
    "request_cancel": (State.RUNNING, lambda s, j: s.request_cancel(j.id, by=BIG, now=NOW)),
    "remove_media": (State.DONE, lambda s, j: s.remove_media(j.id, by=BIG, now=NOW)),
    "posted": (State.RUNNING, lambda s, j: s.posted(j.id, {"a": BIG})),
    "accept": (State.QUEUED, lambda s, j: s.accept(job("new", inputs={"p": BIG}), (), NOW)),
    "progressed": (State.RUNNING, lambda s, j: s.progressed(j, 0.5, NOW)),
    "start": (State.QUEUED, lambda s, j: started(s)),
    "claim": (State.RUNNING, lambda s, j: claimed(s, State.RUNNING, now=NOW + LEASE)),
    "renew": (State.RUNNING, lambda s, j: s.renew([j.id], NOW + 2 * LEASE)),
    "void_leases": (State.RUNNING, lambda s, j: s.void_leases()),
    "chat": (
        State.QUEUED,
        lambda s, j: s.chat.post("studio", thread=None, author="A", kind="x", body=BIG, key="k", now=NOW),
    ),
    "forget_before": (State.DONE, lambda s, j: s.forget_before(NOW + 1)),
}


@pytest.mark.parametrize("fault", [full, no_room_in_the_log, locked], ids=lambda fault: fault.__name__)
async def test_a_write_that_fails_leaves_no_trace_and_works_later(url: str, path: Path, fault: Fault) -> None:
    async with await Store.open(url, wait_for_lock=0.02, min_free=0) as store:
        fitted = set()
        for verb, (state, call) in VERBS.items():
            held = await bring(store, verb, state)
            before = await _all_rows(store)
            with fault(store, path):
                try:
                    await call(store, held)
                except DBAPIError:
                    assert await _all_rows(store) == before, verb
                else:
                    fitted.add(verb)
                    continue
            await call(store, held)
            assert await _all_rows(store) != before, verb
        assert fitted <= (SMALL if fault is full else set())
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def _all_rows(store: Store) -> list[Any]:
    tables = ("jobs", "messages", "events", "channels", "sessions", "logins")
    return [list(await store._database.read(select(metadata.tables[table]))) for table in tables]


async def test_one_that_needs_room_fails_all_of_its_batch_with_the_true_reason(url: str, path: Path) -> None:
    """SQLite undoes the whole transaction then: nobody is told that theirs was done."""
    async with await Store.open(url, min_free=0) as store:
        await accepted(store, "before")
        with full(store, path):
            answers = await asyncio.gather(
                accepted(store, "small"),
                accepted(store, "big", inputs={"p": BIG}),
                accepted(store, "after"),
                return_exceptions=True,
            )
        for name, answer in zip(("small", "big", "after"), answers, strict=True):
            there = await store.get(JobId(name))
            assert there == (None if isinstance(answer, BaseException) else answer)
        assert "full" in str(answers[1])


async def test_the_engine_goes_on_by_itself_after_a_full_disk_or_a_lock(tmp_path: Path) -> None:
    async with rig(tmp_path, sandbox_options={"boot_seconds": 0.1}) as studio:
        jobs = [await studio.order() for _ in range(6)]
        for fault in (full, locked):
            with fault(studio.store, tmp_path / "jobs.db"):
                await asyncio.sleep(0.5)
        for one in jobs:
            ended = await studio.ended(one, within=40)
            assert (ended.state, ended.outcome) == (State.DONE, Outcome.READY)
            assert len(studio.board.finals(one)) == 1
        assert (await studio.stats())["requests"]["create"] == 6
