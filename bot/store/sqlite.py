"""All that is SQLite's own: opening a file safely, one writer, many readers, and what its errors mean."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from errno import EACCES
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, Executable, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from bot.errors import CannotStart
from bot.store import migrations
from bot.store.tables import AnyRow
from bot.store.writer import Request, Writer

T = TypeVar("T")

READERS = 4
"""Statements that are read at once."""

PAUSE = 0.02
"""Seconds before SQLite is asked again for what it doesn't wait for by itself."""


class Sqlite:
    """One database file. Several processes may open it, each with a writer, and readers that never wait."""

    def __init__(self, path: Path, *, wait_for_lock: float) -> None:
        options: dict[str, Any] = {
            "json_serializer": partial(json.dumps, ensure_ascii=False, separators=(",", ":")),
            "connect_args": {"timeout": wait_for_lock},
            "hide_parameters": True,  # what people wrote has no business in an error's text
        }
        self._engine = create_engine(_url(path, "pysqlite"), pool_size=1, max_overflow=0, **options)
        event.listen(self._engine, "connect", _set_up)
        event.listen(self._engine, "begin", _begin)
        self._readers = create_engine(
            _url(path, "pysqlite"),
            isolation_level="AUTOCOMMIT",  # each read is one statement, and sees what was committed before it
            skip_autocommit_rollback=True,
            pool_size=READERS,
            max_overflow=0,
            **options,
        )
        event.listen(self._readers, "connect", _set_up_reader)
        self._reading = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")
        self._writer = Writer(self._engine)

    @classmethod
    async def open(cls, path: Path, *, wait_for_lock: float, min_free: int) -> Sqlite:
        """Make what is missing and bring the tables up to date. CannotStart with reason and remedy."""
        await asyncio.to_thread(_prepare, path, wait_for_lock, min_free)
        database = cls(path, wait_for_lock=wait_for_lock)
        try:
            await asyncio.to_thread(_migrate, database._engine, path)
        except BaseException:
            await database.close()
            raise
        return database

    async def write(self, request: Request[T]) -> T:
        """Run `request` within a transaction; returns after the commit."""
        return await self._writer(request)

    async def read(self, statement: Executable, **parameters: Any) -> Sequence[AnyRow]:
        """The rows of one statement.

        Read in a thread, in one go: an asynchronous driver changes threads several times for each statement,
        which costs four times as much.
        """
        return await asyncio.get_running_loop().run_in_executor(
            self._reading, self._read, statement, parameters
        )

    def _read(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[AnyRow]:
        with self._readers.connect() as connection:
            return connection.execute(statement, parameters).all()

    async def close(self) -> None:
        await self._writer.close()
        await asyncio.to_thread(self._reading.shutdown)
        await asyncio.to_thread(self._readers.dispose)
        await asyncio.to_thread(self._engine.dispose)


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


def _prepare(path: Path, wait_for_lock: float, min_free: int) -> None:
    """The folder, room on the disk, and a file in write-ahead mode: readers never wait for writers."""
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise PermissionError(EACCES, os.strerror(EACCES))
        free = shutil.disk_usage(path.parent).free
        if free < min_free:
            left = f"{free // 2**20} MB left"
            raise CannotStart(f"The disk of {path} is full ({left}). Make room, or move it to another disk.")
        if _write_ahead(path, wait_for_lock) != "wal":
            raise CannotStart(f"{path} can't be used in write-ahead mode. Put it on a local disk.")


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


def _migrate(engine: Engine, path: Path) -> None:
    with _explained(path), engine.begin() as connection:
        migrations.upgrade(connection)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """What keeps the database from opening, in words for the owner."""
    try:
        yield
    except migrations.NotOurs as error:
        raise CannotStart(f"The database {path} {error}") from None
    except DBAPIError as error:
        raise CannotStart(_explain(path, error.orig)) from error
    except (sqlite3.Error, OSError) as error:
        raise CannotStart(_explain(path, error)) from error


def _explain(path: Path, error: BaseException | None) -> str:
    if isinstance(error, OSError):
        why = error.strerror or error
        return f"The folder {path.parent} can't be used: {why}. Make it writable, or change [store] url."
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return (
                f"{path} is no database, or is damaged. Restore a backup, or give [store] url another file."
            )
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
    _run(connection, "PRAGMA foreign_keys=ON", "PRAGMA synchronous=FULL")


def _set_up_reader(connection: Any, _record: Any) -> None:
    _run(connection, "PRAGMA query_only=ON")


def _run(connection: Any, *pragmas: str) -> None:
    cursor = connection.cursor()
    for pragma in pragmas:
        cursor.execute(pragma)
    cursor.close()


def _begin(connection: Connection) -> None:
    """Take the write lock first: what a transaction reads then can't change before it writes."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")
