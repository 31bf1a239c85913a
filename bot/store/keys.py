"""Keys for providers that servers have given us, sealed by whoever calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from bot.ports import KeyInfo, Record
from bot.store import server_queries
from bot.store.audit import insert_records

if TYPE_CHECKING:
    from bot.store.sqlite import Sqlite


class ProviderKeys:
    """Each change raises the server's revision, and carries its audit record."""

    def __init__(self, database: Sqlite) -> None:
        self._database = database

    async def put(
        self,
        platform: str,
        server: str,
        provider: str,
        *,
        sealed: str,
        by: str,
        now: float,
        record: Record,
    ) -> None:
        """This key in place of the one before."""
        server_ = {"platform": platform, "server": server}
        row = {**server_, "provider": provider, "sealed": sealed, "by_name": by, "set_at": now}

        def put(connection: Connection) -> None:
            connection.execute(server_queries.put_key(), row)
            connection.execute(server_queries.next_revision(), server_)
            insert_records(platform, server, [record], connection)

        await self._database.write(put)

    async def drop(self, platform: str, server: str, provider: str, record: Record) -> bool:
        """Whether there was one."""
        where = {"the_platform": platform, "the_server": server, "the_provider": provider}

        def drop(connection: Connection) -> bool:
            if not connection.execute(server_queries.delete_key(), where).rowcount:
                return False
            connection.execute(server_queries.next_revision(), {"platform": platform, "server": server})
            insert_records(platform, server, [record], connection)
            return True

        return await self._database.write(drop)

    async def all(self, platform: str, server: str) -> list[KeyInfo]:
        """Which there are, by provider; never the keys."""
        where = {"the_platform": platform, "the_server": server}
        rows = await self._database.read(server_queries.keys_of_server(), **where)
        return [KeyInfo(row.provider, row.by_name, row.set_at) for row in rows]

    async def sealed(self, platform: str, server: str, provider: str) -> str | None:
        where = {"the_platform": platform, "the_server": server, "the_provider": provider}
        rows = await self._database.read(server_queries.sealed_key(), **where)
        return str(rows[0].sealed) if rows else None

    async def reseal(self, seal: Callable[[str], str | None]) -> int:
        """Seal every key anew; `seal` returns None for what may stay. All of them, or on an error none."""

        def reseal(connection: Connection) -> int:
            count = 0
            for row in connection.execute(server_queries.all_keys()).all():
                if (again := seal(row.sealed)) is not None:
                    where = {
                        "the_platform": row.platform,
                        "the_server": row.server,
                        "the_provider": row.provider,
                    }
                    connection.execute(server_queries.reseal_key(), {**where, "sealed": again})
                    count += 1
            return count

        return await self._database.write(reseal)
