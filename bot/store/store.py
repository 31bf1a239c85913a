"""The jobs. Each verb is a fate of a job: one guarded move, written and committed before it returns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from sqlalchemy import Connection, Update

from bot.caps import Cap, Reserve
from bot.errors import Refused, Stale
from bot.jobs import (
    MOVES,
    Actor,
    Job,
    JobId,
    Json,
    Media,
    Outcome,
    Output,
    Place,
    Posted,
    State,
)
from bot.ports import Record
from bot.store import ledger, queries, server_queries
from bot.store.audit import Audit, insert_records
from bot.store.backups import Backups
from bot.store.chat import Chat
from bot.store.dropped import Dropped, drop, files_of
from bot.store.installs import Installs
from bot.store.keys import ProviderKeys
from bot.store.lock import FileLock
from bot.store.notices import Notices
from bot.store.pending import Waiting
from bot.store.privacy import Privacy
from bot.store.servers import Servers
from bot.store.sqlite import Sqlite, path_of
from bot.store.tables import cost_row, job_of, job_row, media_row, outputs_row, posted_row

CHUNK = 500
"""Rows that one statement of a longer work touches."""

READ_THROUGH = 256 * 2**20
"""Bytes of a database that is read through at each start; a larger one only after its last holder died."""

CLAIMABLE = frozenset({State.SUBMITTING, State.RUNNING, State.FETCHING, State.DELIVERING})
UNTIL_OUTCOME = frozenset({State.QUEUED, State.SUBMITTING, State.RUNNING, State.FETCHING})


class Store:
    """What is known of every job. Moves raise Stale where somebody else has moved the job.

    Times are seconds since the epoch, leases in seconds from `now`. A returned Job is the row as it is then.
    """

    def __init__(self, database: Sqlite, lock: FileLock) -> None:
        self._database = database
        self._lock = lock
        self.backups = database.backups
        self.chat = Chat(database)
        self.dropped = Dropped(database)
        self.installs = Installs(database)
        self.ledger = ledger.Ledger(database)
        self.servers = Servers(database)
        self.privacy = Privacy(database, _request_cancel)
        self.keys = ProviderKeys(database)
        self.audit = Audit(database)
        self.pending = Waiting(database)
        self.notices = Notices(database)

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        works: bool = False,
        backup_folder: Path | None = None,
        wait_for_lock: float = 10,
        min_free: int = 16 * 2**20,
    ) -> Self:
        """Open "sqlite:///path", make what is missing, bring its tables up to date.

        What `works` takes the lock where it is free, and then reads through the database first.
        `wait_for_lock`: seconds to wait for another process's write. `min_free`: bytes that the disk must
        have left. CannotStart where it isn't usable, Damaged where it can't be trusted.
        """
        path = path_of(url)
        lock = lock_of(path)

        def read_through() -> bool:
            return works and lock.take() and (lock.was_left or path.stat().st_size <= READ_THROUGH)

        try:
            database = await Sqlite.open(
                path,
                wait_for_lock=wait_for_lock,
                min_free=min_free,
                backups=Backups(path, backup_folder, min_free=min_free),
                read_through=read_through,
            )
        except BaseException:
            lock.free(cleanly=False)
            raise
        return cls(database, lock)

    async def close(self) -> None:
        """Finish what was asked for, then let everything go."""
        try:
            await self._database.close()
        finally:
            self._lock.free(cleanly=not self._database.is_damaged)

    async def back_up(self, *, now: float, keep: int) -> Path:
        """A new backup, made while others read and write; all but the newest `keep` go, where that isn't 0.

        NotBackedUp where it can't be made, Damaged where the database turns out to be.
        """
        return await self._database.back_up(now=now, keep=keep)

    async def last(self) -> NoReturn:
        """As long as the database can be trusted; then raises Damaged, as all else does then."""
        await self._database.last()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def try_lock(self) -> bool:
        """Become the one process that runs the engine, until it closes the store or dies."""
        return self._lock.take()

    # -- accepting

    async def accept(
        self,
        job: Job,
        caps: Sequence[Cap],
        now: float,
        *,
        reserve: Reserve | None = None,
        record: Record | None = None,
    ) -> tuple[Job, bool]:
        """Commit a new job and what it holds, or find the one that its key has made; says whether it is new.

        Refused with the code of the first cap or quota that is used up: `limit`, `used` and `resets_at`,
        money in US dollars.
        """

        def accept(connection: Connection) -> tuple[Job, bool]:
            accepted, fresh = _accept(job, caps, connection)
            if fresh and reserve is not None:
                ledger.reserve(job, reserve, now, connection)
            if fresh:
                _note(record, job, connection)
            return accepted, fresh

        try:
            return await self._database.write(accept)
        except Refused as refused:
            if warning := ledger.warning_of_refusal(job, refused):
                key, code, facts = warning
                where = (job.actor.platform, job.actor.server)
                await self.notices.add(key, *where, code, facts, now=now)
            raise

    async def usage(self, caps: Sequence[Cap], actor: Actor, channel: str = "") -> list[int]:
        """How much of each cap is used, in their order."""
        if not caps:
            return []
        (row,) = await self._database.read(queries.used(_shapes(caps)), **_used_by(caps, actor, channel))
        return list(row)

    # -- claiming

    async def start(
        self,
        *,
        now: float,
        lease: float,
        at_once: int,
        at_once_per_person: int,
        limit: int,
        closed: Collection[str] = (),
    ) -> list[Job]:
        """QUEUED -> SUBMITTING: hold the next due jobs, chosen fairly; oldest first in the answer.

        Who has fewer jobs at the provider goes first, then the older job; never more than `at_once` of all
        and `at_once_per_person` of one person are there. What is for a `closed` provider stays as it is.
        """
        if limit <= 0:
            return []
        values: dict[str, Json] = {
            "the_now": now,
            "the_most": at_once_per_person,
            "lease_until": now + lease,
        }
        if closed:
            values["the_closed"] = sorted(closed)
        return await self._database.write(partial(_start, values, at_once, limit))

    async def claim(self, state: State, *, now: float, lease: float, limit: int | None) -> list[Job]:
        """Hold jobs of this state that are due and that nobody holds.

        Of everybody the longest due first, then everybody's second, until there are `limit`; None: all.
        """
        values: dict[str, Json] = {"the_state": state.value, "the_now": now, "lease_until": now + lease}
        if limit is None:
            return await self._database.write(partial(_jobs, queries.claim(), values))
        if limit <= 0:
            return []
        values["the_limit"] = limit
        return await self._database.write(partial(_jobs, queries.claim_some(), values))

    async def renew(self, jobs: Collection[JobId], until: float) -> None:
        """Hold on to jobs; what is held no more stays so."""
        entries = [{"the_id": job, "lease_until": until} for job in jobs]
        for first in range(0, len(entries), CHUNK):
            await self._database.write(partial(_change, queries.renew(), entries[first : first + CHUNK]))

    async def void_leases(self) -> None:
        """Nobody holds anything: for the one process that has the lock, as it starts."""
        await self._database.write(partial(_change, queries.void_leases(), {}))

    # -- moving

    async def requeue(
        self,
        job: Job,
        *,
        due_at: float,
        code: str | None = None,
        facts: Mapping[str, Json] | None = None,
        provider: str | None = None,
    ) -> Job:
        """SUBMITTING -> QUEUED: certainly not taken. `code` says what it waits for.

        With `provider`, that one shall have it, and its failures count anew. Where a cancel was asked for in
        the meantime, it is honoured in the same transaction: it stays held.
        """
        values = {"due_at": due_at, "tries": job.tries + 1, "code": code, "facts": dict(facts or {})}
        if provider is not None:
            values |= {"provider": provider, "tries": 0}
        move = _move_of(job, {State.SUBMITTING}, State.QUEUED, **values)
        return await self._database.write(partial(_requeue, move))

    async def rerouted(self, job: Job, provider: str, *, due_at: float, code: str | None) -> Job:
        """Same state, QUEUED: another provider shall have it, and its failures count anew."""
        return await self._move(
            job, {State.QUEUED}, None, provider=provider, due_at=due_at, tries=0, code=code, facts={}
        )

    async def submitted(self, job: Job, prediction: str, *, now: float) -> Job:
        """SUBMITTING -> RUNNING: the provider has taken it. Stays held."""
        return await self._move(
            job,
            {State.SUBMITTING},
            State.RUNNING,
            prediction=prediction,
            submitted_at=now,
            due_at=now,
            **_AFRESH,
        )

    async def hold(self, job: Job, *, now: float, lease: float) -> Job:
        """QUEUED or SUBMITTING -> SUBMITTING: news of it has come; taken from whoever holds it."""
        to = State.SUBMITTING if job.state is State.QUEUED else None
        held = {"attempt": job.attempt + 1, "lease_until": now + lease}
        return await self._move(job, {State.QUEUED} if to else {State.SUBMITTING}, to, **held)

    async def snooze(
        self,
        job: Job,
        *,
        due_at: float,
        code: str | None = None,
        facts: Mapping[str, Json] | None = None,
    ) -> Job:
        """Same state, again at `due_at`. `code` says what it waits for, but never replaces an outcome's."""
        why = {"code": code, "facts": dict(facts or {})} if job.outcome is None else {}
        return await self._move(
            job, CLAIMABLE, None, due_at=due_at, tries=job.tries + 1, lease_until=None, **why
        )

    async def progressed(self, job: Job, fraction: float | None, started_at: float | None) -> Job:
        """Same state, RUNNING: how far it is, 0..1. What is None stays as it was."""
        return await self._move(
            job,
            {State.RUNNING},
            None,
            progress=job.progress if fraction is None else fraction,
            started_at=job.started_at if started_at is None else started_at,
        )

    async def succeeded(
        self,
        job: Job,
        outputs: Iterable[Output],
        *,
        now: float,
        took: float | None,
        cost: Decimal | None,
        finished_at: float | None,
        charged: int | None = None,
    ) -> Job:
        """RUNNING -> FETCHING: the provider has made it. Stays held.

        `charged`: micro-dollars that it takes from budgets, None: what was reserved.
        """
        return await self._settling(
            job,
            charged,
            now,
            {State.RUNNING},
            State.FETCHING,
            outputs=outputs_row(tuple(outputs)),
            took=took,
            cost=cost_row(cost),
            finished_at=finished_at,
            due_at=now,
            **_AFRESH,
        )

    async def fetched(self, job: Job, media: Iterable[Media], *, now: float) -> Job:
        """FETCHING -> DELIVERING, ready: all of it is on our disk. Stays held."""
        return await self._move(
            job,
            {State.FETCHING},
            State.DELIVERING,
            media=media_row(tuple(media)),
            outcome=Outcome.READY.value,
            due_at=now,
            **_AFRESH,
        )

    async def ended(
        self,
        job: Job,
        outcome: Outcome,
        *,
        now: float,
        code: str,
        facts: Mapping[str, Json] | None = None,
        cost: Decimal | None,
        charged: int | None = None,
    ) -> Job:
        """Any state before -> DELIVERING: there will be no media, and the words say why. Stays held.

        `charged`: micro-dollars that the provider took all the same, None where nobody knows.
        """
        if outcome is Outcome.READY:
            raise ValueError("what is ready is fetched")
        why = {"code": code, "facts": dict(facts or {}), "cost": cost_row(cost)}
        return await self._settling(
            job,
            0 if charged is None and cost is not None and not cost else charged,
            now,
            UNTIL_OUTCOME,
            State.DELIVERING,
            outcome=outcome.value,
            finished_at=now,
            due_at=now,
            tries=0,
            **why,
        )

    async def delivered(self, job: Job, posted: Posted, *, now: float) -> Job:
        """DELIVERING -> DONE: it stands in its place."""
        return await self._move(
            job,
            {State.DELIVERING},
            State.DONE,
            posted=posted_row(posted),
            ended_at=now,
            lease_until=None,
        )

    async def undelivered(self, job: Job, *, now: float, code: str) -> Job:
        """DELIVERING -> UNDELIVERED: no place takes it. `code` says why; a failure's own code stays."""
        code = code if job.outcome is Outcome.READY else job.code or code
        return await self._move(
            job, {State.DELIVERING}, State.UNDELIVERED, code=code, ended_at=now, lease_until=None
        )

    async def redirected(self, job: Job, place: Place, *, now: float) -> Job:
        """Same state, DELIVERING: its place won't take it, this one may. Stays held."""
        doubt = {"restored": True} if job.posted and "restored" in job.posted else None
        return await self._move(job, {State.DELIVERING}, None, place=place, posted=doubt, due_at=now, tries=0)

    async def redeliver(self, job_id: JobId, place: Place, now: float) -> Job:
        """UNDELIVERED -> DELIVERING: somebody wants it posted after all.

        Stale where it isn't undelivered, or there is nothing to post as somebody removed it.
        """
        values = {
            "the_id": job_id,
            "state": State.DELIVERING.value,
            "place": place,
            "posted": None,
            "due_at": now,
            "tries": 0,
            "ended_at": None,
        }
        return await self._database.write(partial(_moved, queries.redeliver(), values))

    async def remove_media(
        self, job_id: JobId, by: str, *, now: float, prompt: bool = False, record: Record | None = None
    ) -> Job:
        """Forget the result of an ended job, for good, and with `prompt` what was asked for; drop its files.

        Stale where it has not ended.
        """
        values: dict[str, Json] = {"the_id": job_id, "the_facts": {"by": by}, "outputs": [], "media": []}
        if prompt:
            values["inputs"] = {}

        def remove(connection: Connection) -> Job:
            row = connection.execute(queries.job(), {"the_id": job_id}).one_or_none()
            job = _moved(queries.remove_media(), values, connection)
            drop(files_of(row, results_only=not prompt) if row else (), now, connection)
            _note(record, job, connection)
            return job

        return await self._database.write(remove)

    async def _move(self, job: Job, origins: Collection[State], to: State | None, **values: Json) -> Job:
        move = _move_of(job, origins, to, **values)
        return await self._database.write(partial(_moved, queries.move(), move))

    async def _settling(
        self,
        job: Job,
        charged: int | None,
        now: float,
        origins: Collection[State],
        to: State,
        **values: Json,
    ) -> Job:
        """A move, and in the same transaction what it means for what the job holds."""
        move = _move_of(job, origins, to, **values)

        def settle(connection: Connection) -> Job:
            moved = _moved(queries.move(), move, connection)
            ledger.settle(moved, charged, now, connection)
            return moved

        return await self._database.write(settle)

    # -- beside the moves

    async def posted(self, job_id: JobId, posted: Posted) -> None:
        """What stands in its place by now; too late, and of no use, once the job is done."""
        values = {"the_id": job_id, "posted": posted_row(posted)}
        await self._database.write(partial(_change, queries.save_posted(), values))

    async def request_cancel(
        self, job_id: JobId, by: str, now: float, *, record: Record | None = None
    ) -> Job:
        """Cancelled at once while QUEUED, noted while SUBMITTING or RUNNING.

        Refused("too_late", state=...) from then on, Refused("not_found") where there is no such job.
        """

        def request(connection: Connection) -> Job:
            job = _request_cancel(job_id, by, now, connection)
            _note(record, job, connection)
            return job

        return await self._database.write(request)

    async def forget_before(self, time: float) -> int:
        """Forget jobs that have ended and were accepted before a time; says how many."""
        forgotten = 0
        while True:
            values = {"the_time": time, "the_limit": CHUNK}
            count = await self._database.write(partial(_change, queries.forget_jobs(), values))
            forgotten += count
            if count < CHUNK:
                return forgotten

    # -- looking

    async def get(self, job_id: JobId) -> Job | None:
        return await self._one(queries.job(), the_id=job_id)

    async def by_key(self, key: str) -> Job | None:
        return await self._one(queries.job_by_key(), the_key=key)

    async def of_person(self, actor: Actor, limit: int) -> list[Job]:
        """A person's jobs, newest first."""
        return await self._all(queries.jobs_of_person(), **_person(actor), the_limit=limit)

    async def of_server(
        self, platform: str, server: str, *, person: str | None = None, limit: int
    ) -> list[Job]:
        """A server's jobs, or those of one person there, newest first."""
        values = {"the_platform": platform, "the_server": server, "the_limit": limit}
        if person is not None:
            values["the_actor_id"] = person
        return await self._all(server_queries.jobs_of_server(person is not None), **values)

    async def queued(self, limit: int) -> list[Job]:
        """The queue, oldest first."""
        return await self._all(queries.queue(), the_limit=limit)

    async def cancels(self) -> list[Job]:
        """Running jobs that somebody wants cancelled."""
        return await self._all(queries.cancels())

    async def ahead(self, job: Job) -> int:
        """How many jobs of the queue are older than this one."""
        ((count,),) = await self._database.read(
            queries.count_ahead(), the_created_at=job.created_at, the_id=job.id
        )
        return int(count)

    async def counts(self) -> dict[State, int]:
        """How many jobs are in each state; every state is there."""
        rows = await self._database.read(queries.count_by_state())
        return dict.fromkeys(State, 0) | {State(state): count for state, count in rows}

    async def next_due(self, states: Collection[State]) -> float | None:
        """When the next job of these states may be claimed: due, and its lease over. None where none is."""
        rows = await self._database.read(queries.next_due(frozenset(states))) if states else []
        return min((due for (due,) in rows if due is not None), default=None)

    async def durations(self, model: str, limit: int = 100) -> list[float]:
        """How long a model took for its newest results, in seconds, newest first."""
        rows = await self._database.read(queries.durations(), the_model=model, the_limit=limit)
        return [took for (took,) in rows]

    async def known_predictions(self, predictions: Collection[str]) -> set[str]:
        """Which of a provider's ids belong to jobs of ours."""
        wanted, known = list(predictions), set[str]()
        for first in range(0, len(wanted), CHUNK):
            chunk = wanted[first : first + CHUNK]
            rows = await self._database.read(queries.known_predictions(), the_predictions=chunk)
            known.update(prediction for (prediction,) in rows)
        return known

    async def media_in_use(self, since: float) -> set[str]:
        """Digests of the files, given and made, of jobs that are open or were accepted since."""
        digests: set[str] = set()
        last_id = ""
        while rows := await self._database.read(
            queries.files_in_use(), the_time=since, the_last_id=last_id, the_limit=CHUNK
        ):
            for row in rows:
                digests.update(files_of(row))
            last_id = rows[-1].id
        return digests

    async def _one(self, statement: Any, **parameters: Json) -> Job | None:
        found = await self._all(statement, **parameters)
        return found[0] if found else None

    async def _all(self, statement: Any, **parameters: Json) -> list[Job]:
        return [job_of(row) for row in await self._database.read(statement, **parameters)]


def lock_of(database: Path) -> FileLock:
    """Held by the one process that runs the engine over a database."""
    return FileLock(database.with_name(database.name + ".lock"))


# -- moves


_AFRESH: Mapping[str, Json] = {"tries": 0, "code": None, "facts": {}}
"""A new state begins: no failures in it yet, and nothing to wait for."""


def _move_of(job: Job, origins: Collection[State], to: State | None, **values: Json) -> dict[str, Json]:
    """The guards and values of a move; `to` is None where it stays in its state.

    Stale where the job, as its holder knows it, is past that.
    """
    if to is not None:
        check_legal(origins, to)
        values["state"] = to.value
    if job.state not in origins:
        raise Stale(f"job {job.id} is {job.state}")
    return {"the_id": job.id, "the_state": job.state.value, "the_attempt": job.attempt, **values}


def check_legal(origins: Iterable[State], to: State) -> None:
    """ValueError where a verb would make a move that the table of moves does not know."""
    for origin in origins:
        if to not in MOVES[origin]:
            raise ValueError(f"no move leads from {origin} to {to}")


# -- requests: what runs within a transaction, in the writer's thread


def _jobs(statement: Update, values: Mapping[str, Json], connection: Connection) -> list[Job]:
    return [job_of(row) for row in connection.execute(statement, values)]


def _moved(statement: Update, values: Mapping[str, Json], connection: Connection) -> Job:
    moved = _jobs(statement, values, connection)
    if not moved:
        raise Stale(f"job {values['the_id']} was moved by somebody else")
    return moved[0]


def _change(statement: Any, values: Any, connection: Connection) -> int:
    return connection.execute(statement, values).rowcount


def _accept(job: Job, caps: Sequence[Cap], connection: Connection) -> tuple[Job, bool]:
    if row := connection.execute(queries.job_by_key(), {"the_key": job.key}).one_or_none():
        return job_of(row), False
    if caps:
        _enforce(caps, job.actor, job.channel, connection)
    connection.execute(queries.insert_job(), job_row(job))
    return job, True


def _note(record: Record | None, job: Job, connection: Connection) -> None:
    if record is not None:
        insert_records(job.actor.platform, job.actor.server, [record], connection)


def _enforce(caps: Sequence[Cap], actor: Actor, channel: str, connection: Connection) -> None:
    counts = connection.execute(queries.used(_shapes(caps)), _used_by(caps, actor, channel)).one()
    for cap, used in zip(caps, counts, strict=True):
        if used >= cap.limit:
            raise Refused(cap.code, limit=cap.limit, used=used, resets_at=cap.resets_at)


def _start(values: Mapping[str, Json], at_once: int, limit: int, connection: Connection) -> list[Job]:
    free = at_once - connection.execute(queries.count_at_provider()).scalar_one()
    if free <= 0:
        return []
    most = min(free, limit)
    limits = {"the_limit": most, "the_most_each": min(most, int(values["the_most"]))}
    started = _jobs(queries.start("the_closed" in values), {**values, **limits}, connection)
    return sorted(started, key=lambda job: (job.created_at, job.id))


def _requeue(move: Mapping[str, Json], connection: Connection) -> Job:
    job = _moved(queries.requeue(), move, connection)
    if job.cancel_requested is None:
        return job
    return _cancelled(_cancel(job.id, job.cancel_requested, job.due_at), connection)


def _request_cancel(job_id: JobId, by: str, now: float, connection: Connection) -> Job:
    with suppress(Stale):
        return _cancelled(_cancel(job_id, by, now), connection)
    with suppress(Stale):
        return _moved(queries.request_cancel(), {"the_id": job_id, "the_asker": by}, connection)
    row = connection.execute(queries.job(), {"the_id": job_id}).one_or_none()
    if row is None:
        raise Refused("not_found")
    raise Refused("too_late", state=row.state)


def _cancelled(values: Mapping[str, Json], connection: Connection) -> Job:
    job = _moved(queries.cancel_in_queue(), values, connection)
    ledger.settle(job, 0, values["finished_at"], connection)
    return job


def _cancel(job_id: JobId, by: str, now: float) -> dict[str, Json]:
    """QUEUED -> DELIVERING: it never was sent, so it cost nothing."""
    return {
        "the_id": job_id,
        "state": State.DELIVERING.value,
        "outcome": Outcome.CANCELLED.value,
        "code": "cancelled",
        "facts": {"by": by},
        "cost": "0",
        "finished_at": now,
        "due_at": now,
        "tries": 0,
    }


# -- parameters


def _person(actor: Actor) -> dict[str, str]:
    return {"the_platform": actor.platform, "the_server": actor.server, "the_actor_id": actor.id}


def _shapes(caps: Sequence[Cap]) -> tuple[queries.CapShape, ...]:
    return tuple((cap.whose, cap.states, cap.since is not None) for cap in caps)


def _used_by(caps: Sequence[Cap], actor: Actor, channel: str) -> dict[str, Json]:
    beginnings = {
        f"the_since_{number}": cap.since for number, cap in enumerate(caps) if cap.since is not None
    }
    return {**_person(actor), "the_channel": channel, **beginnings}
