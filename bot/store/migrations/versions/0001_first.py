"""The first tables."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TOOK = sa.text("took IS NOT NULL")
CANCELLING = sa.text("cancel_requested IS NOT NULL")
SENT = sa.text("prediction IS NOT NULL")


def upgrade() -> None:
    _create_jobs()
    _create_logins()
    _create_chat()


def _actor() -> list[sa.Column[Any]]:
    names = ("platform", "server", "actor_id", "actor_name", "language")
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        *_actor(),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("inputs", sa.JSON, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("lease_until", sa.Double),
        sa.Column("prediction", sa.Text),
        sa.Column("submitted_at", sa.Double),
        sa.Column("started_at", sa.Double),
        sa.Column("finished_at", sa.Double),
        sa.Column("ended_at", sa.Double),
        sa.Column("progress", sa.Double),
        sa.Column("outcome", sa.Text),
        sa.Column("code", sa.Text),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("outputs", sa.JSON, nullable=False),
        sa.Column("media", sa.JSON, nullable=False),
        sa.Column("took", sa.Double),
        sa.Column("cost", sa.Text),
        sa.Column("cancel_requested", sa.Text),
        sa.Column("posted", sa.JSON),
        sa.Column("claimable_at", sa.Double, sa.Computed("coalesce(lease_until, due_at)", persisted=True)),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("key", name="uq_jobs_key"),
    )
    _index_jobs()


def _index_jobs() -> None:
    person = ["platform", "server", "actor_id"]
    op.create_index("ix_jobs_claimable", "jobs", ["state", "claimable_at"])
    op.create_index("ix_jobs_state", "jobs", ["state", "created_at", "id"])
    op.create_index("ix_jobs_state_person", "jobs", ["state", *person, "created_at", "id", "due_at"])
    op.create_index("ix_jobs_person", "jobs", [*person, "created_at", "outcome"])
    op.create_index("ix_jobs_created", "jobs", ["created_at", "outcome"])
    _partial_index("ix_jobs_took", ["model", "created_at"], TOOK)
    _partial_index("ix_jobs_cancelling", ["state"], CANCELLING)
    _partial_index("ix_jobs_prediction", ["prediction"], SENT)


def _partial_index(name: str, columns: list[str], where: sa.TextClause) -> None:
    op.create_index(name, "jobs", columns, sqlite_where=where, postgresql_where=where)


def _create_logins() -> None:
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.Text, nullable=False),
        *_actor(),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name="pk_sessions"),
    )
    op.create_table(
        "logins",
        sa.Column("code_hash", sa.Text, nullable=False),
        *_actor(),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("used_at", sa.Double),
        sa.PrimaryKeyConstraint("code_hash", name="pk_logins"),
    )


def _create_chat() -> None:
    channels = op.create_table(
        "channels",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_channels"),
    )
    op.bulk_insert(channels, [{"id": "studio", "title": "Studio", "created_at": 0.0}])
    op.create_table(
        "messages",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("thread", sa.Integer),
        sa.Column("author", sa.JSON, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("key", sa.Text),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_messages"),
        sa.UniqueConstraint("key", name="uq_messages_key"),
        sa.ForeignKeyConstraint(["channel"], ["channels.id"], name="fk_messages_channel"),
        sa.ForeignKeyConstraint(["thread"], ["messages.id"], name="fk_messages_thread"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_messages_thread", "messages", ["thread"])
    op.create_index("ix_messages_channel", "messages", ["channel", "thread", "id"])
    op.create_table(
        "events",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.ForeignKeyConstraint(["channel"], ["channels.id"], name="fk_events_channel"),
        sqlite_autoincrement=True,
    )
