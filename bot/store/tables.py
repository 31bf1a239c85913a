"""The tables, and how a row becomes a Job, an Actor, a Message and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from sys import intern
from typing import Any, TypeAlias

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Computed,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    false,
    text,
)

from bot.jobs import Actor, Job, JobId, Json, Media, Outcome, Output, Place, State

AnyRow: TypeAlias = Row[*tuple[Any, ...]]

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)


def _actor_columns() -> list[Column[Any]]:
    names = ("platform", "server", "actor_id", "actor_name", "language")
    return [Column(name, Text, nullable=False) for name in names]


# -- jobs

jobs = Table(
    "jobs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    *_actor_columns(),
    Column("place", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("inputs", JSON, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("lease_until", Double),
    Column("prediction", Text),
    Column("submitted_at", Double),
    Column("started_at", Double),
    Column("finished_at", Double),
    Column("ended_at", Double),
    Column("progress", Double),
    Column("outcome", Text),
    Column("code", Text),
    Column("facts", JSON, nullable=False),
    Column("outputs", JSON, nullable=False),
    Column("media", JSON, nullable=False),
    Column("took", Double),
    Column("cost", Text),
    Column("cancel_requested", Text),
    Column("posted", JSON(none_as_null=True)),
    Column("channel", Text, nullable=False, server_default=text("''")),
    # When it may be claimed: a lease is only ever taken on a job that is due already.
    Column("claimable_at", Double, Computed("coalesce(lease_until, due_at)", persisted=True)),
)

job_columns = tuple(column for column in jobs.c if column.name != "claimable_at")

_ended_well = jobs.c.took.is_not(None)
_cancelling = jobs.c.cancel_requested.is_not(None)
_sent = jobs.c.prediction.is_not(None)
_person = (jobs.c.platform, jobs.c.server, jobs.c.actor_id)

Index("ix_jobs_claimable", jobs.c.state, jobs.c.claimable_at)
Index("ix_jobs_state", jobs.c.state, jobs.c.created_at, jobs.c.id)
Index("ix_jobs_state_person", jobs.c.state, *_person, jobs.c.created_at, jobs.c.id, jobs.c.due_at)
Index("ix_jobs_person", *_person, jobs.c.created_at, jobs.c.outcome)
Index("ix_jobs_server", jobs.c.platform, jobs.c.server, jobs.c.created_at, jobs.c.outcome, jobs.c.channel)
Index("ix_jobs_created", jobs.c.created_at, jobs.c.outcome)
Index("ix_jobs_took", jobs.c.model, jobs.c.created_at, sqlite_where=_ended_well, postgresql_where=_ended_well)
Index("ix_jobs_cancelling", jobs.c.state, sqlite_where=_cancelling, postgresql_where=_cancelling)
Index("ix_jobs_prediction", jobs.c.prediction, sqlite_where=_sent, postgresql_where=_sent)

# -- the web page

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", Text, primary_key=True),
    *_actor_columns(),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("manages", Boolean, nullable=False, server_default=false()),
)

logins = Table(
    "logins",
    metadata,
    Column("code_hash", Text, primary_key=True),
    *_actor_columns(),
    Column("expires_at", Double, nullable=False),
    Column("used_at", Double),
    # Whether who comes in by it looks after the page's server.
    Column("manages", Boolean, nullable=False, server_default=false()),
)

channels = Table(
    "channels",
    metadata,
    Column("id", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("created_at", Double, nullable=False),
)

messages = Table(
    "messages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("channel", ForeignKey("channels.id"), nullable=False),
    Column("thread", ForeignKey("messages.id"), index=True),
    Column("author", JSON, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", JSON, nullable=False),
    Column("key", Text, unique=True),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    sqlite_autoincrement=True,
)
Index("ix_messages_channel", messages.c.channel, messages.c.thread, messages.c.id)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("channel", ForeignKey("channels.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("data", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
    sqlite_autoincrement=True,
)

# -- where it is installed

installs = Table(
    "installs",
    metadata,
    Column("platform", Text, primary_key=True),
    Column("server", Text, primary_key=True),
    Column("parent", Text, nullable=False),
    Column("sealed", Text),
    Column("details", JSON, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("expires_at", Double),
    Column("held_until", Double),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
)
Index("ix_installs_parent", installs.c.platform, installs.c.parent)

states = Table(
    "states",
    metadata,
    Column("state_hash", Text, primary_key=True),
    Column("platform", Text, nullable=False),
    Column("expires_at", Double, nullable=False),
)


# -- what a server's administrators decide


def _server_columns(**options: Any) -> list[Column[Any]]:
    return [Column(name, Text, nullable=False, **options) for name in ("platform", "server")]


servers = Table(
    "servers",
    metadata,
    *_server_columns(primary_key=True),
    # Grows with each change of its settings or of what is said of its people: who keeps a copy asks for it.
    Column("revision", Integer, nullable=False),
    # When the data of a server that has removed the bot are deleted; None while it is there.
    Column("leaves_at", Double),
)

settings = Table(
    "settings",
    metadata,
    *_server_columns(primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", JSON, nullable=False),
)

people = Table(
    "people",
    metadata,
    *_server_columns(primary_key=True),
    Column("person", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("standing", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("until", Double),
    Column("by_name", Text, nullable=False),
    Column("changed_at", Double, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    *_server_columns(),
    Column("at", Double, nullable=False),
    Column("by_id", Text, nullable=False),
    Column("by_name", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("before", JSON(none_as_null=True)),
    Column("after", JSON(none_as_null=True)),
    sqlite_autoincrement=True,
)
Index("ix_audit_server", audit.c.platform, audit.c.server, audit.c.id)
Index("ix_audit_person", audit.c.platform, audit.c.by_id)

provider_keys = Table(
    "provider_keys",
    metadata,
    *_server_columns(primary_key=True),
    Column("provider", Text, primary_key=True),
    Column("sealed", Text, nullable=False),
    Column("by_name", Text, nullable=False),
    Column("set_at", Double, nullable=False),
)

pending = Table(
    "pending",
    metadata,
    Column("token", Text, primary_key=True),
    *_server_columns(),
    Column("actor_id", Text, nullable=False),
    Column("order", JSON, nullable=False),
    Column("expires_at", Double, nullable=False),
)

notices = Table(
    "notices",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    *_server_columns(),
    Column("code", Text, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("sent_at", Double),
    sqlite_autoincrement=True,
)
_unsent = notices.c.sent_at.is_(None)
Index("ix_notices_due", notices.c.due_at, sqlite_where=_unsent, postgresql_where=_unsent)

forgotten = Table(
    "forgotten",
    metadata,
    *_server_columns(primary_key=True),
    Column("actor_id", Text, primary_key=True),
    Column("at", Double, nullable=False),
)

dropped = Table(
    "dropped",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("at", Double, nullable=False),
)

# -- money: whole micro-dollars (10**-6 USD), so that sums are exact

charges = Table(
    "charges",
    metadata,
    Column("job", Text, primary_key=True),
    *_server_columns(),
    Column("channel", Text, nullable=False),
    # A keyed hash of the person: amounts stay when their name is forgotten.
    Column("person", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("payer", Text, nullable=False),
    Column("day", Text, nullable=False),
    Column("month", Text, nullable=False),
    Column("at", Double, nullable=False),
    # What was estimated: None where no price was known.
    Column("reserved", Integer),
    Column("person_held", Integer, nullable=False),
    Column("server_held", Integer, nullable=False),
    Column("counted", Integer, nullable=False),
    Column("status", Text, nullable=False),
)
Index("ix_charges_server", charges.c.platform, charges.c.server, charges.c.status, charges.c.at)

entries = Table(
    "entries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job", Text, nullable=False, index=True),
    Column("at", Double, nullable=False),
    Column("kind", Text, nullable=False),
    Column("person_delta", Integer, nullable=False),
    Column("server_delta", Integer, nullable=False),
    sqlite_autoincrement=True,
)

tallies = Table(
    "tallies",
    metadata,
    *_server_columns(primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("period", Text, primary_key=True),
    Column("jobs", Integer, nullable=False),
    Column("spent", Integer, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Channel:
    id: str
    title: str
    created_at: float


@dataclass(frozen=True, slots=True)
class Message:
    """`thread` is the id of the message it answers, None at the top level; `reply_count` its own answers."""

    id: int
    channel: str
    thread: int | None
    author: Json
    kind: str
    body: Json
    key: str | None
    created_at: float
    updated_at: float
    reply_count: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """What the readers of a channel should hear of. `data` of a "message" or an "edit" is the message."""

    id: int
    channel: str
    kind: str
    data: Json
    created_at: float


@dataclass(frozen=True, slots=True)
class Install:
    """What a server gave us to act there with, or (`sealed` None) that its parent's install is for it too.

    `parent`: the organisation that the server belongs to, "" where there is none. `sealed`: its secrets, as
    a Vault made them. `details`: what is no secret. `revision` grows with each change of the secrets, which
    are good until `expires_at` (None: for ever).
    """

    platform: str
    server: str
    parent: str
    sealed: str | None
    details: Mapping[str, Json]
    revision: int
    expires_at: float | None
    held_until: float | None
    created_at: float
    updated_at: float


# -- rows


def actor_row(actor: Actor) -> dict[str, Json]:
    return {
        "platform": actor.platform,
        "server": actor.server,
        "actor_id": actor.id,
        "actor_name": actor.name,
        "language": actor.language,
    }


def actor_of(row: AnyRow) -> Actor:
    """Ten thousand jobs share a handful of these words: one copy of each is enough."""
    return Actor(
        platform=intern(row.platform),
        id=intern(row.actor_id),
        name=intern(row.actor_name),
        server=intern(row.server),
        language=intern(row.language),
    )


def visitor_row(actor: Actor) -> dict[str, Json]:
    """Somebody who is let in to the web page: what they may there is kept with them."""
    return {**actor_row(actor), "manages": actor.manages}


def visitor_of(row: AnyRow) -> Actor:
    return replace(actor_of(row), manages=bool(row.manages))


def job_row(job: Job) -> dict[str, Json]:
    return {
        "id": job.id,
        "key": job.key,
        **actor_row(job.actor),
        "place": job.place,
        "model": job.model,
        "provider": job.provider,
        "inputs": dict(job.inputs),
        "state": job.state.value,
        "created_at": job.created_at,
        "due_at": job.due_at,
        "attempt": job.attempt,
        "tries": job.tries,
        "lease_until": job.lease_until,
        "prediction": job.prediction,
        "submitted_at": job.submitted_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "ended_at": job.ended_at,
        "progress": job.progress,
        "outcome": job.outcome.value if job.outcome else None,
        "code": job.code,
        "facts": dict(job.facts),
        "outputs": outputs_row(job.outputs),
        "media": media_row(job.media),
        "took": job.took,
        "cost": cost_row(job.cost),
        "cancel_requested": job.cancel_requested,
        "posted": posted_row(job.posted),
        "channel": job.channel,
    }


def job_of(row: AnyRow) -> Job:
    return Job(
        id=JobId(row.id),
        key=row.key,
        actor=actor_of(row),
        place=Place(row.place),
        model=intern(row.model),
        provider=intern(row.provider),
        inputs={intern(name): value for name, value in row.inputs.items()},
        state=State(row.state),
        created_at=row.created_at,
        due_at=row.due_at,
        attempt=row.attempt,
        tries=row.tries,
        lease_until=row.lease_until,
        prediction=row.prediction,
        submitted_at=row.submitted_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        ended_at=row.ended_at,
        progress=row.progress,
        outcome=Outcome(row.outcome) if row.outcome else None,
        code=row.code,
        facts=row.facts,
        outputs=tuple(Output(**output) for output in row.outputs),
        media=tuple(Media(**medium) for medium in row.media),
        took=row.took,
        cost=None if row.cost is None else Decimal(row.cost),
        cancel_requested=row.cancel_requested,
        posted=row.posted,
        channel=intern(row.channel),
    )


def outputs_row(outputs: tuple[Output, ...]) -> list[Json]:
    return [{"url": output.url, "part": output.part} for output in outputs]


def media_row(media: tuple[Media, ...]) -> list[Json]:
    return [{name: getattr(medium, name) for name in Media.__slots__} for medium in media]


def cost_row(cost: Decimal | None) -> str | None:
    """As text: an exact number of dollars on every database."""
    return None if cost is None else str(cost)


def posted_row(posted: Mapping[str, Json] | None) -> dict[str, Json] | None:
    return None if posted is None else dict(posted)


def channel_of(row: AnyRow) -> Channel:
    return Channel(row.id, row.title, row.created_at)


def message_of(row: AnyRow) -> Message:
    return Message(*row)


def event_of(row: AnyRow) -> Event:
    return Event(*row)


def install_of(row: AnyRow) -> Install:
    return Install(*row)
