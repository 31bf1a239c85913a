"""Backups of the database: made beside the work, read through before they count. Blocking."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from bot.errors import Damaged
from bot.store.lock import FileLock
from bot.store.soundness import connect, fault_of, is_damage

STAMP = "%Y%m%dT%H%M%SZ"
AT_ONCE = 1000
"""Pages copied before somebody who wants to stop is heard."""


class Stopped(Exception):
    """Somebody did not want to wait for the end."""


class NotBackedUp(Exception):
    """There is no new backup, and the message says why; what was there is left alone."""


class Backups:
    """The backups of one database in one folder, each a whole database of its own, named after its moment.

    `min_free`: bytes that a backup must leave on the disk.
    """

    def __init__(self, database: Path, folder: Path | None = None, *, min_free: int = 16 * 2**20) -> None:
        self.folder = folder.absolute() if folder else database.parent / "backups"
        self._database = database
        self._min_free = min_free
        self._name = re.compile(
            rf"{re.escape(database.stem)}-(\d{{8}}T\d{{6}}Z){re.escape(database.suffix)}\Z"
        )

    def all(self) -> list[Path]:
        """Newest first."""
        names = os.listdir(self.folder) if self.folder.is_dir() else []
        return [self.folder / name for name in sorted(filter(self._name.match, names), reverse=True)]

    def made_at(self, backup: Path) -> float:
        """Of which moment it is, in seconds since the epoch."""
        match = self._name.match(backup.name)
        if match is None:
            raise ValueError(f"{backup} is no backup of {self._database}")
        return datetime.strptime(match[1], STAMP).replace(tzinfo=UTC).timestamp()

    def newest_good(self) -> Path | None:
        """The newest that still is whole, read through just now."""
        return next((backup for backup in self.all() if _is_whole(backup)), None)

    def damaged(self, what: str) -> Damaged:
        """What to tell the owner of a damaged database, and the way back."""
        told = f"The database {self._database} is damaged ({what})."
        if (backup := self.newest_good()) is None:
            return Damaged(
                f"{told} There is no good backup of it in {self.folder}. "
                "Restore one from elsewhere, or give [store] url another file."
            )
        moment = datetime.fromtimestamp(self.made_at(backup), UTC)
        return Damaged(
            f"{told} The newest good backup is of {moment:%Y-%m-%d %H:%M} UTC. "
            f"Restore it with: threadreel restore {backup}"
        )

    # -- making one

    def make(self, now: float, *, keep: int, stop: threading.Event | None = None) -> Path:
        """A new one, checked and on the disk; all but the newest `keep` go, where that isn't 0.

        NotBackedUp where it can't be made, Damaged where the database itself turns out to be. Stopped.
        """
        try:
            return self._make(now, keep, stop or threading.Event())
        except (OSError, sqlite3.Error) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or error
            raise NotBackedUp(f"{self.folder} can't be written: {why}") from error

    def _make(self, now: float, keep: int, stop: threading.Event) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(self.folder / f".{self._database.stem}.lock")
        if not lock.take():
            raise NotBackedUp("another process is making a backup just now")
        try:
            self._remove_drafts()
            self._demand_room()
            backup = self.folder / self._name_at(now)
            draft = backup.with_name(f".{backup.name}.draft")
            try:
                self._copy(draft, stop)
                place(draft, backup)
            finally:
                draft.unlink(missing_ok=True)
            for old in self.all()[keep:] if keep else ():
                old.unlink()
            return backup
        finally:
            lock.free()

    def _copy(self, draft: Path, stop: threading.Event) -> None:
        """Raises Damaged where what was copied is damaged, for then so is the database."""
        try:
            copy(self._database, draft, stop)
            fault = fault_of(draft)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            fault = str(error)
        if fault is None:
            return
        if (ours := fault_of(self._database)) is not None:
            raise self.damaged(ours)
        raise NotBackedUp(f"the copy is damaged ({fault}), the database is not: check the disk of {draft}")

    def _name_at(self, now: float) -> str:
        stamp = datetime.fromtimestamp(now, UTC).strftime(STAMP)
        return f"{self._database.stem}-{stamp}{self._database.suffix}"

    def _demand_room(self) -> None:
        """A backup must never be what fills the database's disk."""
        needed = self._database.stat().st_size + self._min_free
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise NotBackedUp(
                f"the disk of {self.folder} has {free // 2**20} MB left, and {needed // 2**20} MB are needed"
            )

    def _remove_drafts(self) -> None:
        """Left by a process that was killed; whoever makes one now holds the lock."""
        for draft in self.folder.glob(f".{self._database.stem}-*.draft*"):
            draft.unlink()


def copy(source: Path, target: Path, stop: threading.Event | None = None) -> None:
    """Copy a database, also one that others write to, into one file that needs no log beside it.

    Its state of one moment: the copy reads in one transaction, which makes nobody wait.
    """

    def hear(_status: int, _left: int, _total: int) -> None:
        if stop is not None and stop.is_set():
            raise Stopped

    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with closing(connect(source)) as ours, closing(sqlite3.connect(target, isolation_level=None)) as draft:
        draft.execute("PRAGMA synchronous=OFF")  # flushed once, at the end
        ours.execute("BEGIN")
        ours.execute("SELECT count(*) FROM sqlite_master").fetchone()
        ours.backup(draft, pages=AT_ONCE, progress=hear, sleep=0)
        draft.execute("PRAGMA journal_mode=DELETE")


def place(draft: Path, target: Path) -> None:
    """Move a file to its place so that a lost power finds either none of it or all of it there."""
    flush(draft)
    draft.replace(target)
    flush(target.parent)


def flush(path: Path) -> None:
    """Onto the disk: the bytes of a file, the names in a folder."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _is_whole(backup: Path) -> bool:
    try:
        return fault_of(backup) is None
    except sqlite3.Error:
        return False
