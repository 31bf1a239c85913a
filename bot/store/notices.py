"""News for those who look after a server, kept until it was told: an outbox."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from bot.jobs import Json
from bot.ports import Record
from bot.store import server_queries
from bot.store.audit import insert_records
from bot.store.tables import AnyRow

if TYPE_CHECKING:
    from bot.store.sqlite import Sqlite


@dataclass(frozen=True, slots=True)
class News:
    """`key` is the same over all tries; `code` and `facts` become a sentence."""

    id: int
    key: str
    platform: str
    server: str
    code: str
    facts: Mapping[str, Json]
    due_at: float
    tries: int
    sent_at: float | None


class Notices:
    """Each key is told once. Times in epoch seconds."""

    def __init__(self, database: Sqlite) -> None:
        self._database = database

    async def add(
        self,
        key: str,
        platform: str,
        server: str,
        code: str,
        facts: Mapping[str, Json],
        *,
        now: float,
        record: Record | None = None,
    ) -> bool:
        """False where the key is known: nothing is written then, neither the record."""

        def add(connection: Connection) -> bool:
            fresh = insert_notice(key, platform, server, code, facts, now, connection)
            if fresh and record is not None:
                insert_records(platform, server, [record], connection)
            return fresh

        return await self._database.write(add)

    async def due(self, now: float, limit: int) -> list[News]:
        rows = await self._database.read(server_queries.due_notices(), the_now=now, the_limit=limit)
        return [_news_of(row) for row in rows]

    async def told(self, id_: int, now: float) -> None:
        await self._change(id_, sent_at=now)

    async def later(self, id_: int, due_at: float, tries: int) -> None:
        await self._change(id_, due_at=due_at, tries=tries)

    async def recent(self, platform: str, server: str, limit: int = 20) -> list[News]:
        """Newest first, told or not."""
        where = {"the_platform": platform, "the_server": server}
        rows = await self._database.read(server_queries.recent_notices(), **where, the_limit=limit)
        return [_news_of(row) for row in rows]

    async def forget_before(self, time: float) -> None:
        def forget(connection: Connection) -> None:
            connection.execute(server_queries.forget_notices(), {"the_time": time})

        await self._database.write(forget)

    async def _change(self, id_: int, **values: Json) -> None:
        def change(connection: Connection) -> None:
            connection.execute(server_queries.change_notice(), {"the_id": id_, **values})

        await self._database.write(change)


def insert_notice(
    key: str,
    platform: str,
    server: str,
    code: str,
    facts: Mapping[str, Json],
    now: float,
    connection: Connection,
) -> bool:
    """Within the transaction of what it tells of; False where the key is known."""
    row = {
        "key": key,
        "platform": platform,
        "server": server,
        "code": code,
        "facts": dict(facts),
        "due_at": now,
        "tries": 0,
    }
    return connection.execute(server_queries.add_notice(), row).rowcount > 0


def _news_of(row: AnyRow) -> News:
    return News(
        row.id,
        row.key,
        row.platform,
        row.server,
        row.code,
        row.facts,
        row.due_at,
        row.tries,
        row.sent_at,
    )
