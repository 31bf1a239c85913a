"""All that is SQLite's own: opening a file safely, one writer, many readers, and what its errors mean."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from errno import EACCES
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.sql.selectable import SelectBase

from bot.errors import CannotStart, Damaged
from bot.store import migrations
from bot.store.backups import Backups
from bot.store.readers import AS_JSON, Readers
from bot.store.soundness import fault_of, is_damage, log_fault_of
from bot.store.tables import AnyRow, metadata
from bot.store.writer import Request, Writer

T = TypeVar("T")

PAUSE = 0.02
"""Seconds before SQLite is asked again for what it doesn't wait for by itself."""


class Sqlite:
    """One database file. Several processes may open it, each with a writer, and readers that never wait.

    Once it is found damaged, whatever is asked of it raises Damaged.
    """

    def __init__(self, path: Path, backups: Backups, *, wait_for_lock: float) -> None:
        self.backups = backups
        self._damage: Damaged | None = None
        self._is_damaged = asyncio.Event()
        self._judging = asyncio.Lock()
        options: dict[str, Any] = {
            "json_serializer": AS_JSON,
            "connect_args": {"timeout": wait_for_lock},
            "hide_parameters": True,  # what people wrote has no business in an error's text
        }
        self._engine = create_engine(_url(path, "pysqlite"), pool_size=1, max_overflow=0, **options)
        event.listen(self._engine, "connect", _set_up)
        event.listen(self._engine, "begin", _begin)
        self._readers = Readers(path, wait_for_lock=wait_for_lock)
        self._writer = Writer(self._engine, lambda error: is_damage(getattr(error, "orig", error)))

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        wait_for_lock: float,
        min_free: int,
        backups: Backups | None = None,
        read_through: Callable[[], bool] = bool,
    ) -> Sqlite:
        """Make what is missing and bring the tables up to date. CannotStart with reason and remedy.

        Damaged pages are found where they are read: all of them, where the file is to be `read_through`.
        """
        backups = backups or Backups(path)
        database = cls(path, backups, wait_for_lock=wait_for_lock)
        try:
            await asyncio.to_thread(_prepare, path, backups, wait_for_lock, min_free)
            if read_through():
                await asyncio.to_thread(_read_through, path, backups)
            await asyncio.to_thread(_migrate, database._engine, path, backups)
            with _explained(path, backups):
                await database._readers.open()
        except BaseException:
            await database.close()
            raise
        return database

    async def write(self, request: Request[T]) -> T:
        """Run `request` within a transaction; returns after the commit."""
        self._check()
        try:
            return await self._writer(request)
        except DBAPIError as error:
            await self._judge(error.orig)
            raise

    async def read(self, statement: SelectBase, **parameters: Any) -> Sequence[AnyRow]:
        """The rows of one statement, which sees what was committed before it."""
        self._check()
        try:
            return await self._readers.all(statement, parameters)
        except sqlite3.Error as error:
            await self._judge(error)
            raise

    async def back_up(self, *, now: float, keep: int) -> Path:
        """As `Backups.make`; whoever is cancelled does not wait for its end."""
        self._check()
        stop = threading.Event()
        try:
            return await asyncio.to_thread(self.backups.make, now, keep=keep, stop=stop)
        except Damaged as damaged:
            self._note_damage(damaged)
            raise
        finally:
            stop.set()

    async def close(self) -> None:
        await self._writer.close()
        await self._readers.close()
        await asyncio.to_thread(self._engine.dispose)

    # -- damage

    async def last(self) -> NoReturn:
        """As long as the file is whole; then raises Damaged."""
        await self._is_damaged.wait()
        self._check()
        raise AssertionError

    @property
    def is_damaged(self) -> bool:
        return self._damage is not None

    def _check(self) -> None:
        if self._damage is not None:
            raise Damaged(str(self._damage))

    async def _judge(self, error: BaseException | None) -> None:
        """Raises Damaged where the error says so. From then on nothing is written."""
        if not isinstance(error, Exception) or not is_damage(error):
            return
        self._writer.halt(error)
        async with self._judging:
            if self._damage is None:
                self._note_damage(await asyncio.to_thread(self.backups.damaged, str(error)))
        self._check()

    def _note_damage(self, damaged: Damaged) -> None:
        self._damage = damaged
        self._writer.halt(damaged)
        self._is_damaged.set()


def path_of(url: str) -> Path:
    """The file of "sqlite:///relative.db" or "sqlite:////absolute.db"; CannotStart for any other database."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise CannotStart(
            "[store] url is no database URL. Write it like sqlite:///threadreel-data/threadreel.db."
        ) from None
    if parsed.drivername != "sqlite":
        raise CannotStart(
            f"[store] url: {parsed.drivername} is no database that Threadreel works with. "
            "Write it like sqlite:///threadreel-data/threadreel.db."
        )
    if parsed.database in (None, "", ":memory:") or parsed.query:
        raise CannotStart("[store] url must name a file and nothing else: sqlite:///folder/threadreel.db.")
    return Path(str(parsed.database)).absolute()


def _url(path: Path, driver: str) -> URL:
    return URL.create(f"sqlite+{driver}", database=str(path))


# -- starting


def _prepare(path: Path, backups: Backups, wait_for_lock: float, min_free: int) -> None:
    """The folder, room on the disk, and a file in write-ahead mode: readers never wait for writers."""
    with _explained(path, backups):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise PermissionError(EACCES, os.strerror(EACCES))
        free = shutil.disk_usage(path.parent).free
        if free < min_free:
            left = f"{free // 2**20} MB left"
            raise CannotStart(f"The disk of {path} is full ({left}). Make room, or move it to another disk.")
        _check_before_opening(path, backups)
        if _write_ahead(path, wait_for_lock) != "wal":
            raise CannotStart(f"{path} can't be used in write-ahead mode. Put it on a local disk.")


def _check_before_opening(path: Path, backups: Backups) -> None:
    """What SQLite would take for a new database, or for the end of a log, and so make true."""
    if not (path.exists() and path.stat().st_size) and backups.all():
        raise backups.damaged("it is empty" if path.exists() else "it is gone")
    if fault := log_fault_of(path):
        raise backups.damaged(fault)


def _read_through(path: Path, backups: Backups) -> None:
    with _explained(path, backups):
        if fault := fault_of(path):
            raise backups.damaged(fault)


def _write_ahead(path: Path, wait_for_lock: float) -> str:
    """The journal mode, once write-ahead was asked for.

    SQLite does not wait for a lock here, as it does elsewhere; others may open the same new file just now.
    """
    waits = int(wait_for_lock / PAUSE)
    with closing(sqlite3.connect(path, timeout=0)) as connection:
        while True:
            try:
                return str(connection.execute("PRAGMA journal_mode=WAL").fetchone()[0])
            except sqlite3.OperationalError as error:
                if waits <= 0 or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
            waits -= 1
            time.sleep(PAUSE)


def _migrate(engine: Engine, path: Path, backups: Backups) -> None:
    with _explained(path, backups), engine.begin() as connection:
        migrations.upgrade(connection)
        if missing := set(metadata.tables) - set(inspect(connection).get_table_names()):
            raise backups.damaged(f"it has no table {', '.join(sorted(missing))}")


@contextmanager
def _explained(path: Path, backups: Backups) -> Iterator[None]:
    """What keeps the database from opening, in words for the owner."""
    try:
        yield
    except migrations.NotOurs as error:
        raise CannotStart(f"The database {path} {error}") from None
    except DBAPIError as error:
        raise _explain(path, backups, error.orig) from error
    except (sqlite3.Error, OSError) as error:
        raise _explain(path, backups, error) from error


def _explain(path: Path, backups: Backups, error: BaseException | None) -> CannotStart:
    return backups.damaged(str(error)) if is_damage(error) else CannotStart(_reason(path, error))


def _reason(path: Path, error: BaseException | None) -> str:
    if isinstance(error, OSError):
        why = error.strerror or error
        return f"The folder {path.parent} can't be used: {why}. Make it writable, or change [store] url."
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_FULL:
            return f"The disk of {path} is full. Make room, or move it to another disk."
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return f"Another program keeps {path} locked. Stop it, and start again."
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return f"{path} can't be written: {error}. Make it writable, or change [store] url."
        case _:
            return f"The database {path} can't be used: {error}. Check the disk, or change [store] url."


# -- connections


def _set_up(connection: Any, _record: Any) -> None:
    """Commits that survive a power cut, and foreign keys; transactions begin where we say so."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("foreign_keys=ON", "synchronous=FULL", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    """Take the write lock first: what a transaction reads then can't change before it writes."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
