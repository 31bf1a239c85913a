"""What a server's administrators decide, what was done there, and the ledger of what it cost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def _server() -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in ("platform", "server")]


def upgrade() -> None:
    op.add_column("jobs", sa.Column("channel", sa.Text, nullable=False, server_default=sa.text("''")))
    op.create_index("ix_jobs_server", "jobs", ["platform", "server", "created_at", "outcome", "channel"])
    for table in ("sessions", "logins"):
        op.add_column(table, sa.Column("manages", sa.Boolean, nullable=False, server_default=sa.false()))
    _decisions()
    _money()


def _decisions() -> None:
    op.create_table(
        "servers",
        *_server(),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("leaves_at", sa.Double),
        sa.PrimaryKeyConstraint("platform", "server", name="pk_servers"),
    )
    op.create_table(
        "settings",
        *_server(),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("value", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("platform", "server", "scope", "key", name="pk_settings"),
    )
    op.create_table(
        "people",
        *_server(),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("standing", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("until", sa.Double),
        sa.Column("by_name", sa.Text, nullable=False),
        sa.Column("changed_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("platform", "server", "person", name="pk_people"),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, nullable=False),
        *_server(),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("by_id", sa.Text, nullable=False),
        sa.Column("by_name", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("before", sa.JSON),
        sa.Column("after", sa.JSON),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_server", "audit", ["platform", "server", "id"])
    op.create_index("ix_audit_person", "audit", ["platform", "by_id"])
    op.create_table(
        "provider_keys",
        *_server(),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("sealed", sa.Text, nullable=False),
        sa.Column("by_name", sa.Text, nullable=False),
        sa.Column("set_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("platform", "server", "provider", name="pk_provider_keys"),
    )
    op.create_table(
        "pending",
        sa.Column("token", sa.Text, nullable=False),
        *_server(),
        sa.Column("actor_id", sa.Text, nullable=False),
        sa.Column("order", sa.JSON, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("token", name="pk_pending"),
    )
    op.create_table(
        "notices",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        *_server(),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("sent_at", sa.Double),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
        sa.UniqueConstraint("key", name="uq_notices_key"),
        sqlite_autoincrement=True,
    )
    unsent = sa.text("sent_at IS NULL")
    op.create_index("ix_notices_due", "notices", ["due_at"], sqlite_where=unsent, postgresql_where=unsent)
    op.create_table(
        "forgotten",
        *_server(),
        sa.Column("actor_id", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("platform", "server", "actor_id", name="pk_forgotten"),
    )


def _money() -> None:
    op.create_table(
        "charges",
        sa.Column("job", sa.Text, nullable=False),
        *_server(),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("payer", sa.Text, nullable=False),
        sa.Column("day", sa.Text, nullable=False),
        sa.Column("month", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("reserved", sa.Integer),
        sa.Column("person_held", sa.Integer, nullable=False),
        sa.Column("server_held", sa.Integer, nullable=False),
        sa.Column("counted", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("job", name="pk_charges"),
    )
    op.create_index("ix_charges_server", "charges", ["platform", "server", "status", "at"])
    op.create_table(
        "entries",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("person_delta", sa.Integer, nullable=False),
        sa.Column("server_delta", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_entries"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_entries_job", "entries", ["job"])
    op.create_table(
        "tallies",
        *_server(),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("period", sa.Text, nullable=False),
        sa.Column("jobs", sa.Integer, nullable=False),
        sa.Column("spent", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("platform", "server", "subject", "period", name="pk_tallies"),
    )
