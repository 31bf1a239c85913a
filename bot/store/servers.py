"""What each server has decided: its settings, whom it blocks or trusts, and whether it let the bot go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from bot.errors import Stale
from bot.jobs import Job
from bot.ports import Person, Record, Standing
from bot.rules.scope import SERVER, Entry, Scope
from bot.store import server_queries
from bot.store.audit import insert_records
from bot.store.dropped import in_chunks
from bot.store.privacy import delete_jobs
from bot.store.tables import charges, installs, job_of, servers, settings, tallies

if TYPE_CHECKING:
    from bot.store.sqlite import Sqlite


@dataclass(frozen=True, slots=True)
class Kept:
    """What a server has decided, as it was at `revision`. `keys`: the providers that it has a key for."""

    revision: int
    entries: tuple[Entry, ...]
    people: tuple[Person, ...]
    keys: frozenset[str]


class Servers:
    """Every write raises the server's revision, and carries its audit record. Times in epoch seconds."""

    def __init__(self, database: Sqlite) -> None:
        self._database = database

    async def revision(self, platform: str, server: str) -> int:
        """0 where nothing was ever decided."""
        rows = await self._database.read(server_queries.revision(), **_who(platform, server))
        return rows[0].revision if rows else 0

    async def load(self, platform: str, server: str) -> Kept:
        """All of it. Each read sees its own moment: what was decided in between is read anew."""
        who = _who(platform, server)
        while True:
            before = await self.revision(platform, server)
            set_ = await self._database.read(server_queries.entries(), **who)
            people = await self._database.read(server_queries.standings(), **who)
            keys = await self._database.read(server_queries.keys_of_server(), **who)
            if before == await self.revision(platform, server):
                return Kept(
                    before,
                    tuple(Entry(Scope.read(row.scope) or SERVER, row.key, row.value) for row in set_),
                    tuple(_person_of(row) for row in people),
                    frozenset(row.provider for row in keys),
                )

    async def save(
        self,
        platform: str,
        server: str,
        entries: Iterable[Entry],
        records: Sequence[Record],
        *,
        revision: int,
    ) -> int:
        """These settings in place of all there were, and the new revision. Stale where it has moved on."""
        rows = [
            {
                "platform": platform,
                "server": server,
                "scope": str(one.scope),
                "key": one.key,
                "value": one.value,
            }
            for one in entries
        ]
        return await self._database.write(partial(_save, platform, server, rows, records, revision))

    async def set_person(self, platform: str, server: str, person: Person, record: Record) -> None:
        row = {
            "platform": platform,
            "server": server,
            "person": person.id,
            "name": person.name,
            "standing": person.standing.value,
            "reason": person.reason,
            "until": person.until,
            "by_name": person.by,
            "changed_at": person.changed_at,
        }
        statement = server_queries.put_person()
        await self._database.write(partial(_decide, platform, server, statement, row, record))

    async def clear_person(self, platform: str, server: str, person: str, record: Record) -> None:
        values = {**_who(platform, server), "the_person": person}
        statement = server_queries.delete_person()
        await self._database.write(partial(_decide, platform, server, statement, values, record))

    async def known(self) -> list[tuple[str, str]]:
        """Servers that have jobs, or have decided anything."""
        return [
            (row.platform, row.server) for row in await self._database.read(server_queries.known_servers())
        ]

    # -- the bot comes and goes

    async def leaving(self, platform: str, server: str, at: float, record: Record) -> None:
        """The bot was removed: at that time all that is kept of the server goes."""

        def leave(connection: Connection) -> None:
            row = {"platform": platform, "server": server, "leaves_at": at}
            connection.execute(server_queries.leaves_at(), row)
            insert_records(platform, server, [record], connection)

        await self._database.write(leave)

    async def joined(self, platform: str, server: str) -> None:
        def stay(connection: Connection) -> None:
            connection.execute(server_queries.stays(), _who(platform, server))

        await self._database.write(stay)

    async def to_delete(self, now: float) -> list[tuple[str, str]]:
        rows = await self._database.read(server_queries.to_delete(), the_now=now)
        return [(row.platform, row.server) for row in rows]

    async def forget_media(self, platform: str, server: str, before: float, *, now: float) -> int:
        """Forget the results of jobs accepted before a time, and drop their files; says how many."""
        where = {**_who(platform, server), "the_time": before}
        forget = partial(_change, server_queries.forget_media())
        which = server_queries.with_media()
        return await in_chunks(self._database, which, where, forget, now=now, results_only=True)

    async def forget_prompts(self, platform: str, server: str, before: float, *, now: float) -> int:
        """Forget what jobs accepted before a time were asked for, with the files given; says how many."""
        where = {**_who(platform, server), "the_time": before}
        forget = partial(_change, server_queries.forget_prompts())
        return await in_chunks(self._database, server_queries.with_prompts(), where, forget, now=now)

    async def open_jobs(self, platform: str, server: str) -> list[Job]:
        rows = await self._database.read(server_queries.open_jobs_of_server(), **_who(platform, server))
        return [job_of(row) for row in rows]

    async def delete(self, platform: str, server: str, *, now: float) -> bool:
        """All that is kept of it but for jobs that are open, and while there are such, the money; whether
        nothing is left."""
        who = _who(platform, server)
        await in_chunks(self._database, server_queries.ended_of_server(), who, delete_jobs, now=now)
        return await self._database.write(partial(_delete, who))


def _who(platform: str, server: str) -> dict[str, Any]:
    return {"the_platform": platform, "the_server": server}


def _person_of(row: Any) -> Person:
    return Person(
        row.person, row.name, Standing(row.standing), row.reason, row.until, row.by_name, row.changed_at
    )


# -- within a transaction


def _change(statement: Any, ids: list[str], connection: Connection) -> None:
    connection.execute(statement, {"the_ids": ids})


def _save(
    platform: str,
    server: str,
    rows: list[dict[str, Any]],
    records: Sequence[Record],
    revision: int,
    connection: Connection,
) -> int:
    who = _who(platform, server)
    found = connection.execute(server_queries.revision(), who).scalar_one_or_none() or 0
    if found != revision:
        raise Stale(f"the settings of {platform}:{server} were changed by somebody else")
    connection.execute(server_queries.delete_of_server(settings), who)
    if rows:
        connection.execute(server_queries.insert_setting(), rows)
    connection.execute(server_queries.next_revision(), {"platform": platform, "server": server})
    insert_records(platform, server, records, connection)
    return found + 1


def _decide(
    platform: str, server: str, statement: Any, values: dict[str, Any], record: Record, connection: Connection
) -> None:
    connection.execute(statement, values)
    connection.execute(server_queries.next_revision(), {"platform": platform, "server": server})
    insert_records(platform, server, [record], connection)


def _delete(who: dict[str, Any], connection: Connection) -> bool:
    for table in (*server_queries.OF_A_SERVER, installs):
        connection.execute(server_queries.delete_of_server(table), who)
    if connection.execute(server_queries.open_jobs_of_server(), who).first() is not None:
        return False
    connection.execute(server_queries.delete_entries_of_server(), who)
    for table in (charges, tallies, servers):
        connection.execute(server_queries.delete_of_server(table), who)
    return True
