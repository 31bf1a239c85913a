"""The statements about money: charges, the entries that made them, and the running sums."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    Delete,
    Insert,
    Select,
    Update,
    bindparam,
    delete,
    func,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.sqlite import insert

from bot.store.server_queries import of_server
from bot.store.tables import charges, entries, jobs, tallies


@cache
def charge() -> Select[*tuple[Any, ...]]:
    """What a job holds."""
    return select(*charges.c).where(charges.c.job == bindparam("the_job"))


@cache
def insert_charge() -> Insert:
    """A job begins to hold something."""
    return insert(charges)


@cache
def change_charge() -> Update:
    """A job holds something else."""
    return update(charges).where(charges.c.job == bindparam("the_job"))


@cache
def insert_entry() -> Insert:
    """What a job holds has changed by so much."""
    return insert(entries)


@cache
def add_to_tallies() -> Insert:
    """The sums change by so much."""
    more = insert(tallies)
    sums = {name: tallies.c[name] + more.excluded[name] for name in ("jobs", "spent")}
    return more.on_conflict_do_update(index_elements=["platform", "server", "subject", "period"], set_=sums)


@cache
def sums() -> Select[*tuple[Any, ...]]:
    """The sums of some subjects in some periods."""
    return select(tallies.c.subject, tallies.c.period, tallies.c.jobs, tallies.c.spent).where(
        *of_server(tallies),
        tallies.c.subject.in_(bindparam("the_subjects", expanding=True)),
        tallies.c.period.in_(bindparam("the_periods", expanding=True)),
    )


@cache
def open_charges() -> Select[*tuple[Any, ...]]:
    """A server's charges of which nobody knows what the provider took, oldest first."""
    return (
        select(*charges.c)
        .where(*of_server(charges), charges.c.status == bindparam("the_status"))
        .order_by(charges.c.at, charges.c.job)
        .limit(bindparam("the_limit"))
    )


@cache
def paid_by() -> Select[int]:
    """What a server's jobs of a month have cost one payer."""
    return select(func.coalesce(func.sum(charges.c.server_held), 0).label("paid")).where(
        *of_server(charges),
        charges.c.month == bindparam("the_month"),
        charges.c.payer == bindparam("the_payer"),
    )


@cache
def set_cost() -> Update:
    """What a job has cost after all."""
    return update(jobs).where(jobs.c.id == bindparam("the_id"))


# -- whether it adds up


@cache
def wrong_charges() -> Select[*tuple[Any, ...]]:
    """Charges that are not the sum of their entries."""
    person, server = func.sum(entries.c.person_delta), func.sum(entries.c.server_delta)
    return (
        select(charges.c.job)
        .select_from(charges.outerjoin(entries, entries.c.job == charges.c.job))
        .group_by(charges.c.job)
        .having(
            or_(
                func.coalesce(person, 0) != charges.c.person_held,
                func.coalesce(server, 0) != charges.c.server_held,
                charges.c.person_held < 0,
                charges.c.server_held < 0,
            )
        )
    )


@cache
def stray_entries() -> Select[*tuple[Any, ...]]:
    """Entries of no charge."""
    return select(entries.c.job).where(entries.c.job.not_in(select(charges.c.job)))


@cache
def sums_of_charges() -> Select[*tuple[Any, ...]]:
    """What the sums should be: one row a server, channel, person and period."""
    in_a_channel = charges.c.channel != ""
    whose = (
        (literal("server"), charges.c.server_held, true()),
        (literal("channel:") + charges.c.channel, charges.c.server_held, in_a_channel),
        (literal("person:") + charges.c.person, charges.c.person_held, true()),
    )
    parts = [
        select(
            charges.c.platform,
            charges.c.server,
            subject.label("subject"),
            period.label("period"),
            charges.c.counted.label("jobs"),
            held.label("spent"),
        ).where(condition)
        for subject, held, condition in whose
        for period in (charges.c.day, charges.c.month)
    ]
    rows = parts[0].union_all(*parts[1:]).subquery()
    keys = (rows.c.platform, rows.c.server, rows.c.subject, rows.c.period)
    return select(*keys, func.sum(rows.c.jobs), func.sum(rows.c.spent)).group_by(*keys)


@cache
def all_sums() -> Select[*tuple[Any, ...]]:
    """Every sum."""
    return select(*tallies.c)


# -- forgetting


@cache
def forget_entries() -> Delete:
    """Entries of charges before a month ("2025-10")."""
    old = select(charges.c.job).where(charges.c.month < bindparam("the_month"))
    return delete(entries).where(entries.c.job.in_(old))


@cache
def forget_charges() -> Delete:
    """Charges before a month."""
    return delete(charges).where(charges.c.month < bindparam("the_month"))


@cache
def forget_sums() -> Delete:
    """Sums of periods before a month: its days come after it in the alphabet, those before it don't."""
    return delete(tallies).where(tallies.c.period < bindparam("the_month"))
