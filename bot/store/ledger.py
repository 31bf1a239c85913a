"""What jobs hold of budgets, and have cost: reserved when accepted, settled with the move that knows better.

Three layers that must agree: `entries`, which are only ever added; `charges`, one a job, the sum of its
entries; `tallies`, the sums of charges that limits are checked against. Each change writes all three in the
transaction of the job's move. Amounts are whole micro-dollars.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from bot.caps import Quota, Reserve, Whose, dollars
from bot.errors import Refused
from bot.jobs import Job, JobId, Outcome, State
from bot.ports import Record
from bot.store import ledger_queries
from bot.store.audit import insert_records
from bot.store.notices import insert_notice
from bot.store.tables import AnyRow

if TYPE_CHECKING:
    from bot.store.sqlite import Sqlite

WARNINGS = (80, 100)
"""Per cent of a budget at which those who look after a server are told."""


class Status(StrEnum):
    """HELD: the job is under way. SETTLED: it is known, or taken, what it cost. RELEASED: it cost nothing, or
    nothing was held. OPEN: it ended badly, nobody knows what the provider took, and the server's part stays.
    """

    HELD = "held"
    SETTLED = "settled"
    RELEASED = "released"
    OPEN = "open"


class Ledger:
    """For who asks what was spent, and settles what nobody knew."""

    def __init__(self, database: Sqlite) -> None:
        self._database = database

    async def used(
        self, quotas: Sequence[Quota], platform: str, server: str, *, channel: str, person: str
    ) -> list[int]:
        """How much of each is used, in their order: jobs or micro-dollars."""
        if not quotas:
            return []
        subjects = _subjects(channel, person)
        rows = await self._database.read(
            ledger_queries.sums(), **_sums_of(platform, server, subjects, {one.period for one in quotas})
        )
        return _used(quotas, subjects, rows)

    async def paid_by(self, payer: str, platform: str, server: str, month: str) -> int:
        """Micro-dollars that a server's jobs of a month ("2025-10") have cost this payer."""
        where = {"the_platform": platform, "the_server": server}
        rows = await self._database.read(ledger_queries.paid_by(), **where, the_month=month, the_payer=payer)
        return int(rows[0].paid)

    async def open_charges(self, platform: str, server: str, *, limit: int) -> Sequence[AnyRow]:
        """The server's charges that wait for somebody's word, oldest first."""
        where = {"the_platform": platform, "the_server": server}
        return await self._database.read(
            ledger_queries.open_charges(), **where, the_status=Status.OPEN.value, the_limit=limit
        )

    async def charge(self, job: JobId) -> AnyRow | None:
        rows = await self._database.read(ledger_queries.charge(), the_job=job)
        return rows[0] if rows else None

    async def settle(
        self, platform: str, server: str, job: JobId, amount: int, *, now: float, record: Record
    ) -> bool:
        """Somebody knows what an open charge has cost; False where the server has no such charge."""

        def settle(connection: Connection) -> bool:
            row = connection.execute(ledger_queries.charge(), {"the_job": job}).one_or_none()
            if row is None or row.status != Status.OPEN or (row.platform, row.server) != (platform, server):
                return False
            _change(row, row.person_held, amount, row.counted, Status.SETTLED, "settle", now, connection)
            connection.execute(ledger_queries.set_cost(), {"the_id": job, "cost": str(dollars(amount))})
            insert_records(platform, server, [record], connection)
            return True

        return await self._database.write(settle)

    async def check(self) -> list[str]:
        """What does not add up, in words for the owner; empty where all does."""
        return await self._database.write(faults)

    async def forget_before(self, month: str) -> None:
        """Forget what belongs to months before this one ("2025-10"); what is left still adds up."""

        def forget(connection: Connection) -> None:
            for statement in (
                ledger_queries.forget_entries(),
                ledger_queries.forget_charges(),
                ledger_queries.forget_sums(),
            ):
                connection.execute(statement, {"the_month": month})

        await self._database.write(forget)


# -- within the transactions of moves


def reserve(job: Job, wanted: Reserve, now: float, connection: Connection) -> None:
    """Hold what the job may cost. Refused with a quota's code where it doesn't fit: nothing is written then.

    Money that nobody knows fits no budget: Refused("price_unknown").
    """
    actor, amount = job.actor, wanted.amount or 0
    subjects = _subjects(job.channel, wanted.person)
    if wanted.quotas:
        periods = {wanted.day, wanted.month}
        rows = connection.execute(
            ledger_queries.sums(), _sums_of(actor.platform, actor.server, subjects, periods)
        ).all()
        used = _used(wanted.quotas, subjects, rows)
        for quota, count in zip(wanted.quotas, used, strict=True):
            _check_fits(quota, count, wanted.amount, job.model)
        for quota, count in zip(wanted.quotas, used, strict=True):
            _warn(quota, job, count, count + amount, now, connection)
    row = {
        "job": job.id,
        "platform": actor.platform,
        "server": actor.server,
        "channel": job.channel,
        "person": wanted.person,
        "model": job.model,
        "provider": job.provider,
        "payer": wanted.payer,
        "day": wanted.day,
        "month": wanted.month,
        "at": now,
        "reserved": wanted.amount,
        "person_held": amount,
        "server_held": amount,
        "counted": 1,
        "status": Status.HELD.value,
    }
    connection.execute(ledger_queries.insert_charge(), row)
    _enter(job.id, "reserve", amount, amount, now, connection)
    _tally(row, 1, amount, amount, connection)


def settle(job: Job, charged: int | None, now: float, connection: Connection) -> None:
    """After a move that says how it went. `charged`: what the provider measured, None where it did not.

    A result costs what was measured, else what was reserved. A job without one counts for nobody, and the
    person holds nothing any more; the server keeps what was measured, or while nobody knows, the reservation.
    """
    row = connection.execute(ledger_queries.charge(), {"the_job": job.id}).one_or_none()
    if row is None:
        return  # accepted by a version that kept no ledger
    ended_badly = job.outcome is not None and job.outcome is not Outcome.READY
    if ended_badly and row.status == Status.SETTLED:
        _change(row, 0, row.server_held, 0, Status.SETTLED, "release", now, connection)
    elif row.status != Status.HELD:
        return
    elif ended_badly:
        kept = row.server_held if charged is None else charged
        status = Status.OPEN if charged is None and kept else Status.SETTLED if kept else Status.RELEASED
        _change(row, 0, kept, 0, status, "release", now, connection)
    elif job.state is State.FETCHING:
        amount = row.server_held if charged is None else charged
        _change(row, amount, amount, row.counted, Status.SETTLED, "settle", now, connection)


def warning_of_refusal(job: Job, refused: Refused) -> tuple[str, str, dict[str, Any]] | None:
    """Key, code and facts of what those who look after the server are told when its budget is used up."""
    period = refused.facts.get("period")
    if not refused.code.startswith(("budget_server", "budget_channel")) or period is None:
        return None
    facts = {key: str(value) for key, value in refused.facts.items() if key in ("limit", "used", "resets_at")}
    facts["resets_at"] = refused.facts["resets_at"]
    return _key(job, refused.code, period, 100), "budget_100", {**facts, "budget": refused.code}


# -- figures


def _subjects(channel: str, person: str) -> dict[Whose, str]:
    subjects = {Whose.SERVER: "server"}
    if channel:
        subjects[Whose.CHANNEL] = f"channel:{channel}"
    if person:
        subjects[Whose.PERSON] = f"person:{person}"
    return subjects


def _sums_of(platform: str, server: str, subjects: Mapping[Whose, str], periods: set[str]) -> dict[str, Any]:
    return {
        "the_platform": platform,
        "the_server": server,
        "the_subjects": sorted(subjects.values()),
        "the_periods": sorted(periods),
    }


def _used(quotas: Sequence[Quota], subjects: Mapping[Whose, str], rows: Sequence[AnyRow]) -> list[int]:
    sums = {(row.subject, row.period): row for row in rows}
    found = (sums.get((subjects.get(quota.whose, ""), quota.period)) for quota in quotas)
    return [
        0 if row is None else row.spent if quota.of == "money" else row.jobs
        for quota, row in zip(quotas, found, strict=True)
    ]


def _check_fits(quota: Quota, used: int, amount: int | None, model: str) -> None:
    facts: dict[str, Any] = {"resets_at": quota.resets_at, "period": quota.period}
    if quota.of == "jobs":
        if used >= quota.limit:
            raise Refused(quota.code, limit=quota.limit, used=used, **facts)
    elif amount is None:
        raise Refused("price_unknown", model=model)
    elif used + amount > quota.limit:
        money = {"limit": dollars(quota.limit), "used": dollars(used), "needed": dollars(amount)}
        raise Refused(quota.code, **money, **facts)


def _warn(quota: Quota, job: Job, before: int, after: int, now: float, connection: Connection) -> None:
    """Once a budget and period for each share of it that is crossed."""
    if quota.of != "money" or quota.whose is Whose.PERSON or quota.limit == 0:
        return
    for share in WARNINGS:
        if before * 100 < share * quota.limit <= after * 100:
            facts = {
                "budget": quota.code,
                "limit": str(dollars(quota.limit)),
                "used": str(dollars(after)),
                "resets_at": quota.resets_at,
            }
            where = (job.actor.platform, job.actor.server)
            key = _key(job, quota.code, quota.period, share)
            insert_notice(key, *where, f"budget_{share}", facts, now, connection)


def _key(job: Job, code: str, period: str, share: int) -> str:
    channel = job.channel if code.startswith("budget_channel") else ""
    return f"budget:{job.actor.platform}:{job.actor.server}:{channel}:{code}:{period}:{share}"


# -- writing


def _change(
    row: AnyRow,
    person: int,
    server: int,
    counted: int,
    status: Status,
    kind: str,
    now: float,
    connection: Connection,
) -> None:
    """From what a charge holds to what it shall hold."""
    by_person, by_server = person - row.person_held, server - row.server_held
    connection.execute(
        ledger_queries.change_charge(),
        {
            "the_job": row.job,
            "person_held": person,
            "server_held": server,
            "counted": counted,
            "status": status.value,
        },
    )
    _enter(JobId(row.job), kind, by_person, by_server, now, connection)
    if by_person or by_server or counted != row.counted:
        _tally(dict(row._mapping), counted - row.counted, by_person, by_server, connection)


def _enter(job: JobId, kind: str, by_person: int, by_server: int, now: float, connection: Connection) -> None:
    row = {"job": job, "at": now, "kind": kind, "person_delta": by_person, "server_delta": by_server}
    connection.execute(ledger_queries.insert_entry(), row)


def _tally(
    charge: Mapping[str, Any], jobs: int, by_person: int, by_server: int, connection: Connection
) -> None:
    where = {"platform": charge["platform"], "server": charge["server"], "jobs": jobs}
    rows = [
        {
            **where,
            "subject": subject,
            "period": period,
            "spent": by_person if whose is Whose.PERSON else by_server,
        }
        for whose, subject in _subjects(charge["channel"], charge["person"]).items()
        for period in (charge["day"], charge["month"])
    ]
    connection.execute(ledger_queries.add_to_tallies(), rows)


def faults(connection: Connection) -> list[str]:
    """What does not add up, in words for the owner. In one transaction, so that it sees one moment."""
    wrong = [
        f"the charge of job {row.job} is not the sum of its entries"
        for row in connection.execute(ledger_queries.wrong_charges())
    ]
    wrong += [
        f"an entry of job {row.job} has no charge"
        for row in connection.execute(ledger_queries.stray_entries())
    ]
    due = {tuple(row[:4]): tuple(row[4:]) for row in connection.execute(ledger_queries.sums_of_charges())}
    kept = {tuple(row[:4]): tuple(row[4:]) for row in connection.execute(ledger_queries.all_sums())}
    for place in sorted(due.keys() | kept.keys()):
        if (should := due.get(place, (0, 0))) != (is_ := kept.get(place, (0, 0))):
            wrong.append(f"the sums of {'/'.join(place)} are {is_}, and should be {should}")
    return wrong
