"""What is kept of one person: handed out to them, or forgotten. Amounts stay, under a keyed hash."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlalchemy import Connection

from bot.errors import Refused
from bot.jobs import NOBODY, Job, JobId, Json
from bot.store import privacy_queries
from bot.store.dropped import drop, files_of, in_chunks
from bot.store.queries import delete_jobs_by_id
from bot.store.queries import job as job_by_id
from bot.store.tables import AnyRow, job_of

if TYPE_CHECKING:
    from bot.store.sqlite import Sqlite

Cancel: TypeAlias = Callable[[JobId, str, float, Connection], Job]
"""Asks for a job's cancel, for somebody, within a transaction; Refused where it is too late for that."""

CHUNK = 500


class Privacy:
    """`server` None: wherever they are known on the platform. Times in epoch seconds."""

    def __init__(self, database: Sqlite, cancel: Cancel) -> None:
        self._database = database
        self._cancel = cancel

    async def jobs_of(self, platform: str, server: str | None, person: str) -> list[Job]:
        """All of a person's jobs, oldest first."""
        found: list[Job] = []
        for here in await self._places(platform, server, person):
            last = ""
            while rows := await self._database.read(
                privacy_queries.jobs_of(), **here, the_last_id=last, the_limit=CHUNK
            ):
                found += [job_of(row) for row in rows]
                last = rows[-1].id
        return sorted(found, key=lambda job: (job.created_at, job.id))

    async def data_of(self, platform: str, server: str | None, person: str) -> Mapping[str, Json]:
        """All that is kept of a person, as JSON. Who decided something of them is not theirs to know."""
        jobs = await self.jobs_of(platform, server, person)
        standings: list[Json] = []
        actions: list[Json] = []
        for here in await self._places(platform, server, person):
            standings += map(_plain, await self._database.read(privacy_queries.standings_of(), **here))
            actions += map(_plain, await self._database.read(privacy_queries.records_by(), **here))
        said = privacy_queries.messages_by()
        messages = await self._database.read(said, the_actor_id=person) if platform == "web" else []
        return {
            "platform": platform,
            "person": person,
            "jobs": [_job_data(job) for job in jobs],
            "standings": standings,
            "actions": actions,
            "messages": [_plain(row) for row in messages],
        }

    async def forget(self, platform: str, server: str | None, person: str, *, now: float) -> list[Job]:
        """Forget a person: ended jobs at once, others once they have ended; returns the cancelled ones.

        A block stays, or it would be of no use; without a name.
        """
        places = await self._places(platform, server, person)
        cancelled = await self._database.write(partial(_forget, places, self._cancel, now))
        await self.go_on(now)
        return cancelled

    async def go_on(self, now: float) -> None:
        """Forget what has ended of those who asked to be forgotten, and what a crash has left of them."""
        for row in await self._database.read(privacy_queries.all_forgotten()):
            here = _here(row.platform, row.server, row.actor_id)
            until = {**here, "the_time": row.at}
            await in_chunks(self._database, privacy_queries.ended_of(), until, delete_jobs, now=now)
            await self._database.write(partial(_finish, until))

    async def _places(self, platform: str, server: str | None, person: str) -> list[dict[str, Any]]:
        """Where they are known, as the parameters of the statements."""
        if server is not None:
            return [_here(platform, server, person)]
        found = await self._database.read(
            privacy_queries.servers_of(), the_platform=platform, the_actor_id=person
        )
        return [_here(platform, row.server, person) for row in found]


def _here(platform: str, server: str, person: str) -> dict[str, Any]:
    return {"the_platform": platform, "the_server": server, "the_actor_id": person}


# -- within a transaction


def delete_jobs(ids: list[str], connection: Connection) -> None:
    connection.execute(delete_jobs_by_id(), {"the_ids": ids})


def _forget(places: list[dict[str, Any]], cancel: Cancel, now: float, connection: Connection) -> list[Job]:
    cancelled: list[Job] = []
    for here in places:
        rows = connection.execute(privacy_queries.open_jobs_of(), {**here, "the_time": now}).all()
        cancelled += [_stop(row.id, cancel, now, connection) for row in rows]
        mark = {name.removeprefix("the_"): value for name, value in here.items()}
        connection.execute(privacy_queries.put_forgotten(), {**mark, "at": now})
        _forget_rest(here, connection)
    return cancelled


def _stop(job: JobId, cancel: Cancel, now: float, connection: Connection) -> Job:
    """What is not made yet is cancelled; a result that is on its way is taken back."""
    try:
        cancel(job, NOBODY, now, connection)
        return job_of(connection.execute(privacy_queries.for_nobody(), {"the_id": job}).one())
    except Refused:
        row = connection.execute(job_by_id(), {"the_id": job}).one()
        drop(files_of(row, results_only=True), now, connection)
        given = {"the_id": job, "outputs": [], "media": [], "facts": {"by": NOBODY}, "due_at": now}
        return job_of(connection.execute(privacy_queries.withdraw(), given).one())


def _finish(here: dict[str, Any], connection: Connection) -> None:
    """Once no job is left, nothing is."""
    if connection.execute(privacy_queries.any_of(), here).first() is None:
        _forget_rest(here, connection)
        connection.execute(privacy_queries.delete_forgotten(), here)


def _forget_rest(here: dict[str, Any], connection: Connection) -> None:
    for statement in (
        privacy_queries.blank_records(),
        privacy_queries.blank_records_of(),
        privacy_queries.delete_reports_of(),
        privacy_queries.blank_reports_by(),
        privacy_queries.delete_trust(),
        privacy_queries.blank_standing(),
        privacy_queries.delete_pending_of(),
    ):
        connection.execute(statement, here)
    if here["the_platform"] == "web":
        person = {"the_actor_id": here["the_actor_id"]}
        connection.execute(privacy_queries.unlink_answers(), person)
        connection.execute(privacy_queries.delete_messages(), person)
        for table in privacy_queries.SIGNED_IN:
            connection.execute(privacy_queries.sign_out(table), person)


# -- as JSON


def _job_data(job: Job) -> dict[str, Json]:
    return {
        "id": job.id,
        "server": job.actor.server,
        "channel": job.channel,
        "name": job.actor.name,
        "model": job.model,
        "inputs": dict(job.inputs),
        "state": job.state.value,
        "outcome": job.outcome and job.outcome.value,
        "created_at": job.created_at,
        "ended_at": job.ended_at,
        "cost": None if job.cost is None else str(job.cost),
        "files": [{"digest": one.digest, "kind": one.kind, "bytes": one.size} for one in job.media],
    }


def _plain(row: AnyRow) -> dict[str, Json]:
    return dict(row._mapping)
