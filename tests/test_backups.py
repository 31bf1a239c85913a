"""Backups: made beside the work, checked before they count, put back so that no promise is broken."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from bot.errors import CannotStart, Damaged
from bot.housekeeping import DAY, keep_backed_up
from bot.jobs import JobId, State
from bot.store import Backups, NotBackedUp, Store, restore
from bot.store.backups import Stopped
from bot.store.soundness import fault_of
from tests.rig import eventually
from tests.store_rig import ANN, NOW, accepted, bring, present, started

NAME = "threadreel-20231114T221320Z.db"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "threadreel.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    async with await Store.open(url, works=True) as store:
        yield store


def garbage(path: Path, at: float = 0.5, size: int = 3000) -> None:
    """Bytes that mean nothing, in the middle of a file."""
    with path.open("r+b") as file:
        file.seek(int(path.stat().st_size * at) // 4096 * 4096 + 8)
        file.write(os.urandom(size))


def ids(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [id for (id,) in connection.execute("SELECT id FROM jobs ORDER BY id")]


# -- making them


async def test_a_backup_is_a_whole_database_of_its_own_beside_the_other(store: Store, path: Path) -> None:
    await accepted(store)
    backup = await store.back_up(now=NOW, keep=7)

    assert backup == path.parent / "backups" / NAME
    assert store.backups.made_at(backup) == NOW
    assert ids(backup) == ["one"]
    assert fault_of(backup) is None
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert {file.name for file in backup.parent.iterdir()} == {NAME, ".threadreel.lock"}


async def test_a_backup_is_of_one_moment_while_others_write(store: Store) -> None:
    """A job and its neighbour are always accepted together."""
    busy = True

    async def write() -> int:
        number = 0
        while busy:
            await asyncio.gather(*(accepted(store, f"j{number}-{side}") for side in "ab"))
            number += 1
        return number

    writing = asyncio.create_task(write())
    backups = [await store.back_up(now=NOW + n, keep=7) for n in range(5)]
    busy = False

    assert await writing > 0
    for backup in backups:
        names = ids(backup)
        assert {name[:-1] + "a" for name in names} | {name[:-1] + "b" for name in names} == set(names)


async def test_the_newest_are_kept(store: Store) -> None:
    made = [await store.back_up(now=NOW + n, keep=3) for n in range(5)]
    assert store.backups.all() == made[:1:-1]
    await store.back_up(now=NOW + 9, keep=0)
    assert len(store.backups.all()) == 4


async def test_other_files_in_the_folder_are_left_alone(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "backups"
    folder.mkdir()
    others = [folder / "other-20200101T000000Z.db", folder / f"{NAME}.mine", folder / "notes.txt"]
    for other in others:
        other.touch()
    await store.back_up(now=NOW, keep=1)
    assert all(other.exists() for other in others)


async def test_a_killed_backup_leaves_nothing_that_counts(store: Store, path: Path) -> None:
    folder = path.parent / "backups"
    folder.mkdir()
    (folder / f".{NAME}.draft").write_bytes(b"half")
    (folder / f".{NAME}.draft-journal").write_bytes(b"half")
    assert store.backups.all() == []

    await store.back_up(now=NOW + 60, keep=7)
    assert [file.name for file in sorted(folder.iterdir())] == [
        ".threadreel.lock",
        "threadreel-20231114T221420Z.db",
    ]


async def test_who_is_stopped_leaves_no_draft(store: Store) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        store.backups.make(NOW, keep=1, stop=stop)
    assert [file.name for file in store.backups.folder.iterdir()] == [".threadreel.lock"]


async def test_a_backup_never_fills_the_disk(url: str) -> None:
    async with await Store.open(url) as store:
        greedy = Backups(store.backups.folder.parent / "threadreel.db", min_free=2**62)
        with pytest.raises(NotBackedUp, match=r"has \d+ MB left, and \d+ MB are needed"):
            greedy.make(NOW, keep=1)


async def test_a_folder_that_cannot_be_made_is_told(url: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with await Store.open(url, backup_folder=tmp_path / "file" / "backups") as store:
        with pytest.raises(NotBackedUp, match="can't be written"):
            await store.back_up(now=NOW, keep=1)
        await accepted(store)


async def test_two_make_none_at_once(store: Store, path: Path) -> None:
    answers = await asyncio.gather(
        *(store.back_up(now=NOW + n, keep=7) for n in range(4)), return_exceptions=True
    )
    made = [answer for answer in answers if isinstance(answer, Path)]
    assert made
    assert all(isinstance(answer, Path | NotBackedUp) for answer in answers)
    assert store.backups.all() == sorted(made, reverse=True)


# -- daily, by itself


async def test_one_is_made_whenever_the_newest_is_a_day_old(store: Store) -> None:
    time = [NOW]

    def moments() -> list[float]:
        return [(store.backups.made_at(backup) - NOW) / DAY for backup in store.backups.all()]

    keeping = asyncio.create_task(keep_backed_up(store, keep=2, now=lambda: time[0], look_every=0.01))
    for days, kept in ((0, [0]), (0.5, [0]), (1, [1, 0]), (1.5, [1, 0]), (2, [2, 1]), (9, [9, 2])):
        time[0] = NOW + days * DAY
        await eventually(partial(_is, moments, kept), f"there are {kept}")
        await asyncio.sleep(0.03)
        assert moments() == kept
    keeping.cancel()


def _is(moments: Callable[[], list[float]], kept: Sequence[float]) -> bool:
    return moments() == list(kept)


async def test_none_is_made_where_they_are_switched_off(store: Store) -> None:
    await keep_backed_up(store, keep=0, now=lambda: NOW)
    assert store.backups.all() == []


async def test_what_fails_is_tried_again(store: Store, path: Path) -> None:
    (path.parent / "backups").write_text("in the way")
    keeping = asyncio.create_task(keep_backed_up(store, keep=2, now=lambda: NOW, look_every=0.01))
    await asyncio.sleep(0.05)
    (path.parent / "backups").unlink()
    await eventually(store.backups.all, "made")
    keeping.cancel()


async def test_a_backup_that_finds_damage_does_not_count_and_ends_the_work(store: Store, path: Path) -> None:
    await asyncio.gather(*(accepted(store, f"j{n}", inputs={"prompt": "x" * 3000}) for n in range(200)))
    good = await store.back_up(now=NOW, keep=1)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    garbage(path)

    lasting = asyncio.create_task(store.last())
    with pytest.raises(Damaged, match=f"Restore it with: threadreel restore {good}"):
        await store.back_up(now=NOW + DAY, keep=1)

    assert store.backups.all() == [good]
    with pytest.raises(Damaged):
        await lasting
    with pytest.raises(Damaged):
        await accepted(store, "late")
    with pytest.raises(Damaged):
        await store.counts()


# -- putting them back


async def test_a_restored_database_is_as_it_was_and_the_other_is_kept(
    store: Store, url: str, path: Path
) -> None:
    await bring(store, "one", State.DONE)
    backup = await store.back_up(now=NOW, keep=7)
    await bring(store, "two", State.DONE)
    await store.close()

    restored = restore(url, backup, NOW + 5)

    assert restored.jobs == 1
    assert restored.aside == path.with_name("threadreel.db.replaced-20231114T221325Z")
    assert ids(restored.aside) == ["one", "two"]
    assert backup.exists()
    async with await Store.open(url, works=True) as again:
        assert (await present(again)).state is State.DONE
        assert await again.get(JobId("two")) is None


async def test_a_broken_database_is_kept_as_broken_with_its_log(store: Store, url: str, path: Path) -> None:
    await accepted(store)
    backup = await store.back_up(now=NOW, keep=7)
    await store.close()
    log, kept = path.with_name("threadreel.db-wal"), b"garbage " * 100
    path.write_bytes(b"garbage " * 1000)
    log.write_bytes(kept)

    restored = restore(url, backup, NOW + 5)

    assert restored.aside == path.with_name("threadreel.db.broken-20231114T221325Z")
    assert restored.aside.read_bytes() == b"garbage " * 1000
    assert restored.aside.with_name(restored.aside.name + "-wal").read_bytes() == kept
    assert not log.exists()
    async with await Store.open(url) as again:
        assert (await present(again)).id == "one"


async def test_the_restored_one_belongs_to_whom_the_other_did(store: Store, url: str, path: Path) -> None:
    """Root may have put it back."""
    backup = await store.back_up(now=NOW, keep=7)
    await store.close()
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)
    before = path.stat()
    restore(url, backup, NOW)

    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


async def test_nothing_is_restored_under_a_process_that_works(store: Store, url: str, path: Path) -> None:
    backup = await store.back_up(now=NOW, keep=7)
    with pytest.raises(CannotStart, match=r"A process is working on the database .* Stop it first"):
        restore(url, backup, NOW)
    await accepted(store)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"garbage " * 1000, "is damaged"),
        (b"", "no backup of a Threadreel database"),
        (None, "There is no backup"),
    ],
    ids=["garbage", "empty", "missing"],
)
async def test_a_useless_backup_changes_nothing(
    store: Store, url: str, path: Path, tmp_path: Path, content: bytes | None, why: str
) -> None:
    await accepted(store)
    await store.close()
    backup = tmp_path / "backup.db"
    if content is not None:
        backup.write_bytes(content)

    with pytest.raises(CannotStart, match=why):
        restore(url, backup, NOW)

    assert ids(path) == ["one"]
    assert sorted(file.name for file in path.parent.iterdir()) == ["threadreel.db", "threadreel.db.lock"]


async def test_another_programs_database_and_a_newer_version_are_no_backup(
    store: Store, url: str, tmp_path: Path
) -> None:
    newer = await store.back_up(now=NOW, keep=7)
    await store.close()
    with closing(sqlite3.connect(newer)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")

    with pytest.raises(CannotStart, match="written by a newer version"):
        restore(url, newer, NOW)
    with pytest.raises(CannotStart, match="no backup of a Threadreel database"):
        restore(url, tmp_path / "other.db", NOW)


async def test_what_waited_is_looked_for_before_it_is_sent(store: Store, url: str) -> None:
    """It may have been sent after the backup was made."""
    await accepted(store, "waiting")
    backup = await store.back_up(now=NOW, keep=7)
    await started(store)
    await store.close()

    assert restore(url, backup, NOW).doubted == 1

    async with await Store.open(url) as again:
        doubted = await present(again, "waiting")
        assert (doubted.state, doubted.code, doubted.lease_until) == (State.SUBMITTING, "lost_answer", None)
        assert doubted.facts == {"restored": True}
        assert await again.queued(9) == []
        assert len(await again.claim(State.SUBMITTING, now=NOW, lease=60, limit=9)) == 1


async def test_what_is_open_says_that_more_may_stand_there(store: Store, url: str) -> None:
    await bring(store, "one", State.DELIVERING)
    await store.posted(JobId("one"), {"card": 7})
    await bring(store, "two", State.DONE)
    backup = await store.back_up(now=NOW, keep=7)
    await store.close()
    restore(url, backup, NOW)

    async with await Store.open(url) as again:
        assert (await present(again, "one")).posted == {"card": 7, "restored": True}
        assert (await present(again, "two")).posted == {"message": 1}


async def test_everybody_is_signed_out(store: Store, url: str) -> None:
    """Who had signed out after the backup was made would be in again."""
    await store.chat.add_session("token", ANN, NOW, NOW + 900)
    await store.chat.add_login("code", ANN, NOW + 900)
    backup = await store.back_up(now=NOW, keep=7)
    await store.close()
    restore(url, backup, NOW)

    async with await Store.open(url) as again:
        assert await again.chat.session("token", NOW) is None
        assert await again.chat.redeem_login("code", NOW) is None


async def test_a_backup_is_put_back_where_nothing_is_left(store: Store, url: str, path: Path) -> None:
    await accepted(store)
    backup = await store.back_up(now=NOW, keep=7)
    await store.close()
    path.unlink()

    with pytest.raises(Damaged, match="it is gone"):
        await Store.open(url)
    assert restore(url, backup, NOW).aside is None
    async with await Store.open(url) as again:
        await present(again)
