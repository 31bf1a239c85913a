"""Puts a backup in the place of the database, and sees to it that no promise is broken by that. Blocking."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError

from bot.errors import CannotStart
from bot.jobs import JobId
from bot.store import migrations, queries
from bot.store.backups import STAMP, copy, flush, place
from bot.store.soundness import fault_of, log_fault_of
from bot.store.sqlite import path_of
from bot.store.store import lock_of
from bot.store.tables import posted_row

LOGS = ("-wal", "-shm")
"""What SQLite keeps beside a database. Never may a log of one come to lie beside another."""


@dataclass(frozen=True, slots=True)
class Restored:
    """`doubted`: jobs that waited and may have been sent since. `aside`: what was there before."""

    jobs: int
    doubted: int
    aside: Path | None


def restore(url: str, backup: Path, now: float) -> Restored:
    """Put `backup` in the place of the database `url`, once it is checked and brought up to date.

    CannotStart where a process works on the database, or the backup is of no use; nothing is changed then.
    """
    path = path_of(url)
    if not backup.is_file():
        raise CannotStart(f"There is no backup {backup}.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = lock_of(path)
        if not lock.take():
            raise CannotStart(f"A process is working on the database {path}. Stop it first.")
        try:
            return _restore(path, backup, now)
        finally:
            lock.free()
    except OSError as error:
        raise CannotStart(f"Not restored: {error.strerror or error}: {error.filename or path}.") from error


def _restore(path: Path, backup: Path, now: float) -> Restored:
    draft = path.with_name(f".{path.name}.restoring")
    try:
        draft.unlink(missing_ok=True)
        jobs, doubted = _prepared(backup, draft)
        _give_to_owner_of(path if path.exists() else backup, draft)
        flush(draft)
        aside = _set_aside(path, now)
        place(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return Restored(jobs, doubted, aside)


def _prepared(backup: Path, draft: Path) -> tuple[int, int]:
    """The database that is to be, as a draft: how many jobs it knows, how many are in doubt."""
    try:
        if fault := log_fault_of(backup) or fault_of(backup):
            raise CannotStart(f"The backup {backup} is damaged ({fault}). Take another one.")
        copy(backup, draft)
        engine = create_engine(f"sqlite:///{draft}")
        try:
            with engine.begin() as connection:
                _check_ours(connection, backup)
                migrations.upgrade(connection)
                return _put_in_doubt(connection)
        finally:
            engine.dispose()
    except migrations.NotOurs as error:
        raise CannotStart(f"The backup {backup} {error}") from None
    except (sqlite3.Error, DBAPIError) as error:
        raise CannotStart(f"The backup {backup} can't be used: {error}.") from error


def _check_ours(connection: Connection, backup: Path) -> None:
    if not migrations.is_ours(connection):
        raise CannotStart(f"{backup} is no backup of a Threadreel database. Take another one.")


def _put_in_doubt(connection: Connection) -> tuple[int, int]:
    """What came after the backup is unknown: what waited may have been sent, what was open may be posted."""
    for row in connection.execute(queries.open_posts()).all():
        values = {"the_id": JobId(row.id), "posted": posted_row({**(row.posted or {}), "restored": True})}
        connection.execute(queries.save_posted(), values)
    doubted = connection.execute(queries.doubt_queue()).rowcount
    connection.execute(queries.delete_all_sessions())
    connection.execute(queries.delete_all_logins())
    return sum(count for _, count in connection.execute(queries.count_by_state())), doubted


def _give_to_owner_of(model: Path, draft: Path) -> None:
    """Root may put back what another user's process goes on with."""
    there = model.stat()
    draft.chmod(stat.S_IMODE(there.st_mode))
    with suppress(PermissionError):
        os.chown(draft, there.st_uid, there.st_gid)


def _set_aside(path: Path, now: float) -> Path | None:
    """Under a name that says why. The logs go first: without its log a database is older, never mixed."""
    there = [name for name in (*(path.with_name(path.name + log) for log in LOGS), path) if name.exists()]
    if not there:
        return None
    stamp = datetime.fromtimestamp(now, UTC).strftime(STAMP)
    aside = path.with_name(f"{path.name}.{'broken' if _is_broken(path) else 'replaced'}-{stamp}")
    for name in there:
        name.rename(aside.with_name(aside.name + name.name.removeprefix(path.name)))
    flush(path.parent)
    return aside


def _is_broken(path: Path) -> bool:
    with suppress(sqlite3.Error):
        return bool(log_fault_of(path) or fault_of(path))
    return True
