"""Connections to SQLite that only read: a statement is one trip to a thread."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import aiosqlite
from sqlalchemy.dialects.sqlite import dialect as sqlite
from sqlalchemy.engine import result_tuple
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.selectable import SelectBase

from bot.store.tables import AnyRow

MOST = 4
"""Connections: a long look at much, such as an export, keeps no quick one waiting."""

AS_JSON = partial(json.dumps, ensure_ascii=False, separators=(",", ":"))

_DIALECT = sqlite(paramstyle="named", json_serializer=AS_JSON)


class Readers:
    """Each statement sees what was committed before it began, and waits for no writer.

    SQLAlchemy's own asynchronous engine makes five trips to a thread of each, and costs six times as much.
    """

    def __init__(self, path: Path, *, wait_for_lock: float) -> None:
        self._path = path
        self._wait_for_lock = wait_for_lock
        self._connections: list[aiosqlite.Connection] = []
        self._idle: asyncio.LifoQueue[aiosqlite.Connection] = asyncio.LifoQueue()
        self._opening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Before anything is read. Cut off while it connects, aiosqlite would leave a connection open."""
        self._opening = asyncio.create_task(self._open())
        await asyncio.shield(self._opening)

    async def _open(self) -> None:
        for _ in range(MOST):
            connection = aiosqlite.connect(self._path, timeout=self._wait_for_lock, isolation_level=None)
            connection._thread.daemon = True  # whoever ends without closing it must not wait for it for ever
            self._connections.append(await connection)
            await connection.execute_fetchall("PRAGMA query_only=ON")
            self._idle.put_nowait(connection)

    async def all(self, statement: SelectBase, parameters: Mapping[str, Any]) -> Sequence[AnyRow]:
        """Its rows. Raises sqlite3.Error. What nobody waits for any more is broken off."""
        prepared = _prepared(statement)
        connection = await self._idle.get()
        try:
            values = await connection.execute_fetchall(*prepared.text(parameters))
        except asyncio.CancelledError:
            await connection.interrupt()
            raise
        finally:
            self._idle.put_nowait(connection)
        return [prepared.row(one) for one in values]

    async def close(self) -> None:
        """Once what is being read has been read."""
        if self._opening is not None:
            await asyncio.wait([self._opening])
        await asyncio.gather(*(connection.close() for connection in self._connections))


class _Prepared:
    """A statement as SQLite takes it, and what it answers as SQLAlchemy's rows."""

    def __init__(self, select: SelectBase) -> None:
        compiled = select.compile(dialect=_DIALECT)
        if not isinstance(compiled, SQLCompiler):
            raise TypeError(f"SQLite has no text for {select}")
        self._compiled = compiled
        self._writes = {
            name: write
            for name, bound in compiled.binds.items()
            if (write := bound.type.dialect_impl(_DIALECT).bind_processor(_DIALECT))
        }
        columns = list(select.selected_columns)
        self._row = result_tuple([str(column.name) for column in columns])
        self._reads = [
            (place, read)
            for place, column in enumerate(columns)
            if (read := column.type.dialect_impl(_DIALECT).result_processor(_DIALECT, None))
        ]

    def text(self, parameters: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        """With a mark for each value of what may have any number of them."""
        writes = self._writes
        if self._compiled.post_compile_params:
            state = self._compiled.construct_expanded_state(dict(parameters))
            text, given = state.statement, dict(state.parameters)
            writes = {**writes, **state.processors}
        else:
            text, given = str(self._compiled), dict(self._compiled.construct_params(dict(parameters)))
        for name in writes.keys() & given.keys():
            given[name] = writes[name](given[name])
        return text, given

    def row(self, values: Any) -> AnyRow:
        if self._reads:
            values = list(values)
            for place, read in self._reads:
                values[place] = read(values[place])
        return self._row(values)


@lru_cache(maxsize=1024)
def _prepared(statement: SelectBase) -> _Prepared:
    """Statements are built once and kept (bot.store.queries), and so is this."""
    return _Prepared(statement)
