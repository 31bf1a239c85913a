"""Who did what in a server. Each record is written within the transaction of what it tells of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from bot.ports import Action, Record
from bot.store import server_queries
from bot.store.tables import AnyRow

if TYPE_CHECKING:
    from bot.store.sqlite import Sqlite

CHUNK = 500
NEWEST = 2**62


class Audit:
    """Reads what was written with the moves. One server's records are never in another's answer."""

    def __init__(self, database: Sqlite) -> None:
        self._database = database

    async def page(
        self, platform: str, server: str, *, limit: int, before: int | None = None
    ) -> list[Record]:
        """Newest first; `before` an id."""
        where = {"the_platform": platform, "the_server": server}
        rows = await self._database.read(
            server_queries.records_before(), **where, the_id=before or NEWEST, the_limit=limit
        )
        return [_record_of(row) for row in rows]

    async def all(self, platform: str, server: str) -> AsyncIterator[Record]:
        """Oldest first, read bit by bit."""
        where, last = {"the_platform": platform, "the_server": server}, 0
        while rows := await self._database.read(
            server_queries.records_after(), **where, the_id=last, the_limit=CHUNK
        ):
            for row in rows:
                yield _record_of(row)
            last = rows[-1].id


def insert_records(platform: str, server: str, records: Iterable[Record], connection: Connection) -> None:
    """Within the transaction of what they tell of."""
    rows = [
        {
            "platform": platform,
            "server": server,
            "at": one.at,
            "by_id": one.by_id,
            "by_name": one.by_name,
            "action": one.action.value,
            "subject": one.subject,
            "before": one.before,
            "after": one.after,
        }
        for one in records
    ]
    if rows:
        connection.execute(server_queries.insert_record(), rows)


def _record_of(row: AnyRow) -> Record:
    return Record(
        row.id, row.at, row.by_id, row.by_name, Action(row.action), row.subject, row.before, row.after
    )
