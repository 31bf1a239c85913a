"""The statements about what is kept of one person."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    Delete,
    Insert,
    Select,
    Table,
    Update,
    bindparam,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert

from bot.jobs import NOBODY, OPEN, Outcome, State
from bot.ports import Standing
from bot.store.queries import Condition
from bot.store.server_queries import of_server
from bot.store.tables import (
    audit,
    forgotten,
    job_columns,
    jobs,
    logins,
    messages,
    notices,
    pending,
    people,
    sessions,
)

ENDED = sorted(set(State) - OPEN)


def _of_person(table: Table, column: str = "actor_id") -> tuple[Condition, ...]:
    return *of_server(table), table.c[column] == bindparam("the_actor_id")


@cache
def servers_of() -> Select[str]:
    """The servers of a platform in which a person has jobs, or something is said of them."""
    jobs_of = select(jobs.c.server).where(_on(jobs), jobs.c.actor_id == bindparam("the_actor_id"))
    said = select(people.c.server).where(_on(people), people.c.person == bindparam("the_actor_id"))
    done = select(audit.c.server).where(_on(audit), audit.c.by_id == bindparam("the_actor_id"))
    return select(jobs_of.union(said, done).subquery().c.server)


def _on(table: Table) -> Condition:
    platform, _ = of_server(table)
    return platform


@cache
def jobs_of() -> Select[*tuple[Any, ...]]:
    """The next of a person's jobs in a server, by id."""
    return (
        select(*job_columns)
        .where(*_of_person(jobs), jobs.c.id > bindparam("the_last_id"))
        .order_by(jobs.c.id)
        .limit(bindparam("the_limit"))
    )


@cache
def open_jobs_of() -> Select[str]:
    """The ids of a person's jobs that have not ended."""
    return select(jobs.c.id).where(
        *_of_person(jobs), jobs.c.state.in_(sorted(OPEN)), jobs.c.created_at <= bindparam("the_time")
    )


@cache
def for_nobody() -> Update:
    """Whoever had it cancelled before: nobody is to see its result, should there be one."""
    return (
        update(jobs)
        .where(jobs.c.id == bindparam("the_id"))
        .values(cancel_requested=NOBODY)
        .returning(*job_columns)
    )


@cache
def withdraw() -> Update:
    """A result that is being fetched or posted is not: its place is told that the job was cancelled.

    A new attempt: who has it in hand has nothing to say any more.
    """
    on_its_way = (jobs.c.id == bindparam("the_id"), jobs.c.state.in_(_ON_ITS_WAY))
    return (
        update(jobs)
        .where(*on_its_way)
        .values(
            state=State.DELIVERING.value,
            outcome=case((_HAS_NONE, Outcome.CANCELLED.value), else_=jobs.c.outcome),
            facts=case((_HAS_NONE, bindparam("facts", type_=JSON)), else_=jobs.c.facts),
            outputs=bindparam("outputs"),
            media=bindparam("media"),
            due_at=bindparam("due_at"),
            attempt=jobs.c.attempt + 1,
            lease_until=None,
            tries=0,
        )
        .returning(*job_columns)
    )


_ON_ITS_WAY = (State.FETCHING.value, State.DELIVERING.value)
_HAS_NONE = or_(jobs.c.outcome.is_(None), jobs.c.outcome == Outcome.READY.value)
"""There was to be a result."""


@cache
def standings_of() -> Select[*tuple[Any, ...]]:
    """What a server has decided of a person; not who has."""
    columns = (people.c.server, people.c.standing, people.c.reason, people.c.until, people.c.changed_at)
    return select(*columns).where(*_of_person(people, "person"))


@cache
def records_by() -> Select[*tuple[Any, ...]]:
    """What a person has done, as the audit tells it."""
    columns = (audit.c.server, audit.c.at, audit.c.action, audit.c.subject)
    return select(*columns).where(*_of_person(audit, "by_id")).order_by(audit.c.id)


@cache
def messages_by() -> Select[*tuple[Any, ...]]:
    """What a person has said on the web page."""
    columns = (messages.c.id, messages.c.channel, messages.c.created_at, messages.c.kind, messages.c.body)
    return select(*columns).where(_is_author()).order_by(messages.c.id)


def _is_author() -> Condition:
    author: ColumnElement[str] = messages.c.author["id"].as_string()
    return author == bindparam("the_actor_id")


# -- forgetting


@cache
def put_forgotten() -> Insert:
    """Somebody is to be forgotten."""
    new = insert(forgotten)
    return new.on_conflict_do_update(
        index_elements=["platform", "server", "actor_id"], set_={"at": new.excluded.at}
    )


@cache
def all_forgotten() -> Select[*tuple[Any, ...]]:
    """Those of whom something may be left."""
    return select(*forgotten.c)


@cache
def delete_forgotten() -> Delete:
    """Nothing is left of somebody."""
    return delete(forgotten).where(*_of_person(forgotten))


def _until() -> tuple[Condition, ...]:
    return *_of_person(jobs), jobs.c.created_at <= bindparam("the_time")


@cache
def ended_of() -> Select[*tuple[Any, ...]]:
    """Some of a person's jobs that have ended, of those that were accepted until a time."""
    return (
        select(jobs.c.id, jobs.c.inputs, jobs.c.media)
        .where(*_until(), jobs.c.state.in_(ENDED))
        .limit(bindparam("the_limit"))
    )


@cache
def any_of() -> Select[str]:
    """Whether any of them is left."""
    return select(jobs.c.id).where(*_until()).limit(1)


@cache
def blank_records() -> Update:
    """The audit tells what was done, and no more by whom."""
    return update(audit).where(*_of_person(audit, "by_id")).values(by_id="", by_name="")


@cache
def blank_records_of() -> Update:
    """Nor the name of whom something was decided of."""
    of_them = audit.c.subject == literal("person ") + bindparam("the_actor_id")
    return update(audit).where(*of_server(audit), of_them).values(before=None, after=None)


@cache
def delete_reports_of() -> Delete:
    """Reports of a person's results: those are gone."""
    owner: ColumnElement[str] = notices.c.facts["owner_id"].as_string()
    return delete(notices).where(*_reports(), owner == bindparam("the_actor_id"))


@cache
def blank_reports_by() -> Update:
    """What a person has reported stays reported, by nobody."""
    by_them = notices.c.key.endswith(
        literal(":") + bindparam("the_platform") + literal(":") + bindparam("the_actor_id"), autoescape=False
    )
    return (
        update(notices).where(*_reports(), by_them).values(facts=func.json_set(notices.c.facts, "$.by", ""))
    )


def _reports() -> tuple[Condition, ...]:
    return *of_server(notices), notices.c.code == "report"


@cache
def blank_standing() -> Update:
    """A block stays without a name."""
    return update(people).where(*_of_person(people, "person")).values(name="", reason="")


@cache
def delete_trust() -> Delete:
    """Nobody who is forgotten is trusted."""
    return delete(people).where(*_of_person(people, "person"), people.c.standing == Standing.TRUSTED.value)


@cache
def delete_pending_of() -> Delete:
    """Orders of a person that wait for their word."""
    return delete(pending).where(*_of_person(pending))


@cache
def unlink_answers() -> Update:
    """What others have answered to a person's messages stands by itself."""
    theirs = select(messages.c.id).where(_is_author()).scalar_subquery()
    return update(messages).where(messages.c.thread.in_(theirs)).values(thread=None)


@cache
def delete_messages() -> Delete:
    """What a person has said on the web page."""
    return delete(messages).where(_is_author())


@cache
def sign_out(table: Table) -> Delete:
    """A person's sessions, or the codes that would let them in."""
    return delete(table).where(table.c.actor_id == bindparam("the_actor_id"))


SIGNED_IN = (sessions, logins)
