"""Where a platform's app is installed, and who sets out to install it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "installs",
        sa.Column("platform", sa.Text, nullable=False),
        sa.Column("server", sa.Text, nullable=False),
        sa.Column("parent", sa.Text, nullable=False),
        sa.Column("sealed", sa.Text),
        sa.Column("details", sa.JSON, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("expires_at", sa.Double),
        sa.Column("held_until", sa.Double),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("platform", "server", name="pk_installs"),
    )
    op.create_index("ix_installs_parent", "installs", ["platform", "parent"])
    op.create_table(
        "states",
        sa.Column("state_hash", sa.Text, nullable=False),
        sa.Column("platform", sa.Text, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("state_hash", name="pk_states"),
    )
