"""The statements about what servers decide: settings, people, audit, notices. As those in `queries`."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    Delete,
    Insert,
    Select,
    Table,
    Update,
    bindparam,
    case,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert

from bot.jobs import OPEN, Outcome, State
from bot.store.queries import Condition
from bot.store.tables import (
    audit,
    charges,
    forgotten,
    job_columns,
    jobs,
    notices,
    pending,
    people,
    provider_keys,
    servers,
    settings,
)
from bot.store.tables import entries as entries_

EMPTY = len("{}")

OF_A_SERVER: tuple[Table, ...] = (settings, people, audit, provider_keys, pending, notices, forgotten)
"""What goes at once when a server goes; its jobs go as they end, and the money when the last has."""


def of_server(table: Table) -> tuple[Condition, Condition]:
    """The rows of one server, and of no other."""
    return table.c.platform == bindparam("the_platform"), table.c.server == bindparam("the_server")


# -- settings and people


@cache
def revision() -> Select[int]:
    """How often anything was decided for a server."""
    return select(servers.c.revision).where(*of_server(servers))


@cache
def next_revision() -> Insert:
    """Something is decided for a server."""
    new = insert(servers).values(revision=1)
    once_more = {"revision": servers.c.revision + 1}
    return new.on_conflict_do_update(index_elements=["platform", "server"], set_=once_more)


@cache
def leaves_at() -> Insert:
    """The bot was removed from a server, or is there (NULL)."""
    new = insert(servers).values(revision=0)
    return new.on_conflict_do_update(
        index_elements=["platform", "server"], set_={"leaves_at": new.excluded.leaves_at}
    )


@cache
def stays() -> Update:
    """The bot is in a server that it had left."""
    return update(servers).where(*of_server(servers), servers.c.leaves_at.is_not(None)).values(leaves_at=None)


@cache
def to_delete() -> Select[str, str]:
    """Servers that were left long enough ago."""
    return select(servers.c.platform, servers.c.server).where(servers.c.leaves_at <= bindparam("the_now"))


@cache
def known_servers() -> Select[str, str]:
    """Servers that have jobs, or have decided anything."""
    decided = select(servers.c.platform, servers.c.server)
    return select(decided.union(select(jobs.c.platform, jobs.c.server)).subquery())


@cache
def entries() -> Select[str, str, Any]:
    """What a server has set."""
    columns = (settings.c.scope, settings.c.key, settings.c.value)
    return select(*columns).where(*of_server(settings)).order_by(settings.c.scope, settings.c.key)


@cache
def standings() -> Select[*tuple[Any, ...]]:
    """Whom a server has blocked or trusts."""
    columns = [column for column in people.c if column.name not in ("platform", "server")]
    return select(*columns).where(*of_server(people)).order_by(people.c.changed_at.desc(), people.c.person)


@cache
def insert_setting() -> Insert:
    """A setting."""
    return insert(settings)


@cache
def put_person() -> Insert:
    """What is decided of somebody takes the place of what was."""
    new = insert(people)
    changed = {
        column.name: new.excluded[column.name]
        for column in people.c
        if column.name not in ("platform", "server", "person")
    }
    return new.on_conflict_do_update(index_elements=["platform", "server", "person"], set_=changed)


@cache
def delete_person() -> Delete:
    """Nothing is decided of somebody any more."""
    return delete(people).where(*of_server(people), people.c.person == bindparam("the_person"))


@cache
def delete_of_server(table: Table) -> Delete:
    """All that a table holds of a server."""
    return delete(table).where(*of_server(table))


@cache
def open_jobs_of_server() -> Select[*tuple[Any, ...]]:
    """Jobs of a server that have not ended."""
    return select(*job_columns).where(*of_server(jobs), jobs.c.state.in_(sorted(OPEN)))


@cache
def ended_of_server() -> Select[*tuple[Any, ...]]:
    """Some jobs of a server that have ended."""
    return _some().where(*of_server(jobs), jobs.c.state.in_(sorted(set(State) - OPEN)))


def _some() -> Select[*tuple[Any, ...]]:
    return select(jobs.c.id, jobs.c.inputs, jobs.c.media).limit(bindparam("the_limit"))


def _these() -> Condition:
    return jobs.c.id.in_(bindparam("the_ids", expanding=True))


@cache
def delete_entries_of_server() -> Delete:
    """The ledger's lines about a server's charges."""
    charged = select(charges.c.job).where(*of_server(charges))
    return delete(entries_).where(entries_.c.job.in_(charged))


def _ended_before() -> tuple[Condition, ...]:
    ended = sorted(set(State) - OPEN)
    return *of_server(jobs), jobs.c.state.in_(ended), jobs.c.created_at < bindparam("the_time")


@cache
def with_media() -> Select[*tuple[Any, ...]]:
    """Some jobs of a server whose results it keeps no longer."""
    return _some().where(*_ended_before(), func.json_array_length(jobs.c.media) > 0)


@cache
def forget_media() -> Update:
    """The results of these jobs are gone; why others failed is kept."""
    ready = jobs.c.outcome == Outcome.READY.value
    return (
        update(jobs)
        .where(_these())
        .values(media=[], outputs=[], code=case((ready, "kept_no_longer"), else_=jobs.c.code))
    )


@cache
def with_prompts() -> Select[*tuple[Any, ...]]:
    """Some jobs of a server of which it no longer keeps what they were asked for."""
    return _some().where(*_ended_before(), func.length(jobs.c.inputs) > EMPTY)


@cache
def forget_prompts() -> Update:
    """What these jobs were asked for is gone."""
    return update(jobs).where(_these()).values(inputs={})


@cache
def jobs_of_server(one_person: bool) -> Select[*tuple[Any, ...]]:
    """A server's jobs, or those of one person there, newest first."""
    whose = [jobs.c.actor_id == bindparam("the_actor_id")] if one_person else []
    return (
        select(*job_columns)
        .where(*of_server(jobs), *whose)
        .order_by(jobs.c.created_at.desc(), jobs.c.id.desc())
        .limit(bindparam("the_limit"))
    )


# -- the audit


@cache
def insert_record() -> Insert:
    """Something that was done."""
    return insert(audit)


@cache
def records_before() -> Select[*tuple[Any, ...]]:
    """A server's records before an id, newest first."""
    return (
        select(*audit.c)
        .where(*of_server(audit), audit.c.id < bindparam("the_id"))
        .order_by(audit.c.id.desc())
        .limit(bindparam("the_limit"))
    )


@cache
def records_after() -> Select[*tuple[Any, ...]]:
    """A server's records after an id, oldest first."""
    return (
        select(*audit.c)
        .where(*of_server(audit), audit.c.id > bindparam("the_id"))
        .order_by(audit.c.id)
        .limit(bindparam("the_limit"))
    )


# -- orders that wait for somebody to agree


@cache
def insert_pending() -> Insert:
    """An order that waits."""
    return insert(pending)


@cache
def pending_order() -> Select[Any]:
    """The order that a person may agree to."""
    return select(pending.c.order).where(
        *of_server(pending),
        pending.c.token == bindparam("the_token"),
        pending.c.actor_id == bindparam("the_actor_id"),
        pending.c.expires_at > bindparam("the_now"),
    )


@cache
def delete_expired_pending() -> Delete:
    """What nobody agreed to in time."""
    return delete(pending).where(pending.c.expires_at <= bindparam("the_now"))


# -- notices


@cache
def add_notice() -> Insert:
    """News for those who look after a server, once a key."""
    return insert(notices).on_conflict_do_nothing(index_elements=["key"])


@cache
def due_notices() -> Select[*tuple[Any, ...]]:
    """News that is to be told now."""
    return (
        select(*notices.c)
        .where(notices.c.sent_at.is_(None), notices.c.due_at <= bindparam("the_now"))
        .order_by(notices.c.due_at)
        .limit(bindparam("the_limit"))
    )


@cache
def change_notice() -> Update:
    """It was told, or is to be told later."""
    return update(notices).where(notices.c.id == bindparam("the_id"))


@cache
def recent_notices() -> Select[*tuple[Any, ...]]:
    """A server's news, newest first."""
    return (
        select(*notices.c)
        .where(*of_server(notices))
        .order_by(notices.c.id.desc())
        .limit(bindparam("the_limit"))
    )


@cache
def forget_notices() -> Delete:
    """News that was told before a time."""
    return delete(notices).where(notices.c.sent_at < bindparam("the_time"))


# -- keys


def _is_key() -> tuple[Condition, ...]:
    return *of_server(provider_keys), provider_keys.c.provider == bindparam("the_provider")


@cache
def put_key() -> Insert:
    """A server's key for a provider, in place of the one before."""
    new = insert(provider_keys)
    changed = {name: new.excluded[name] for name in ("sealed", "by_name", "set_at")}
    return new.on_conflict_do_update(index_elements=["platform", "server", "provider"], set_=changed)


@cache
def delete_key() -> Delete:
    """A server's key is no more."""
    return delete(provider_keys).where(*_is_key())


@cache
def keys_of_server() -> Select[*tuple[Any, ...]]:
    """For which providers a server has keys."""
    columns = (provider_keys.c.provider, provider_keys.c.by_name, provider_keys.c.set_at)
    return select(*columns).where(*of_server(provider_keys)).order_by(provider_keys.c.provider)


@cache
def sealed_key() -> Select[str]:
    """A server's key, sealed."""
    return select(provider_keys.c.sealed).where(*_is_key())


@cache
def all_keys() -> Select[*tuple[Any, ...]]:
    """Every key, sealed."""
    return select(*provider_keys.c)


@cache
def reseal_key() -> Update:
    """The same key, sealed anew."""
    return update(provider_keys).where(*_is_key())
