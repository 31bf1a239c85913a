"""Files whose job has let go of them, until they are removed: written in the same transaction.

So a process that dies between the two leaves nothing behind. Another job may need the same file: whoever
removes them asks for that first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import Connection, Select

from bot.jobs import Json
from bot.store import dropped_queries
from bot.store.tables import AnyRow

if TYPE_CHECKING:
    from bot.store.sqlite import Sqlite

CHUNK = 500
"""Jobs that one transaction changes, so that nobody waits long for it."""

Change: TypeAlias = Callable[[list[str], Connection], object]
"""What happens to the jobs with these ids."""


class Dropped:
    def __init__(self, database: Sqlite) -> None:
        self._database = database

    async def some(self, limit: int) -> Mapping[str, float]:
        """The digests that wait longest, each with the moment at which it was let go."""
        rows = await self._database.read(dropped_queries.some(), the_limit=limit)
        return {row.digest: row.at for row in rows}

    async def removed(self, digests: Collection[str]) -> None:
        """They are, or stay because another job needs them."""
        rows = [{"the_digest": digest} for digest in digests]
        if rows:
            await self._database.write(partial(_forget, rows))


async def in_chunks(
    database: Sqlite,
    which: Select[Any],
    where: Mapping[str, Any],
    change: Change,
    *,
    now: float,
    results_only: bool = False,
) -> int:
    """Change all jobs that `which` finds (id, inputs, media; up to the_limit), and drop their files.

    How many. `which` must not find a job again once it is changed. `results_only`: what was given stays.
    """
    changed = 0
    while count := await database.write(partial(chunk, which, where, change, now, results_only)):
        changed += count
    return changed


def chunk(
    which: Select[Any],
    where: Mapping[str, Any],
    change: Change,
    now: float,
    results_only: bool,
    connection: Connection,
) -> int:
    rows = connection.execute(which, {**where, "the_limit": CHUNK}).all()
    if rows:
        drop((file for row in rows for file in files_of(row, results_only=results_only)), now, connection)
        change([row.id for row in rows], connection)
    return len(rows)


def drop(files: Iterable[str], now: float, connection: Connection) -> None:
    rows = [{"digest": digest, "at": now} for digest in sorted(set(files))]
    if rows:
        connection.execute(dropped_queries.put(), rows)


def files_of(row: AnyRow, *, results_only: bool = False) -> Iterator[str]:
    """The digests of a job's files: what was made, and what was given."""
    yield from (medium["digest"] for medium in row.media)
    if not results_only:
        yield from input_files(row.inputs)


def input_files(inputs: Mapping[str, Json]) -> Iterator[str]:
    for value in inputs.values():
        for file in value if isinstance(value, list) else [value]:
            if isinstance(file, Mapping) and "file" in file:
                yield file["file"]


def _forget(rows: list[dict[str, Any]], connection: Connection) -> None:
    connection.execute(dropped_queries.forget(), rows)
