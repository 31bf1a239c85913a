"""Brings a database to the tables of this version.

A change to `bot/store/tables.py` needs a file of its own in `versions/`, numbered on from the last one; a
test compares what they make with what the tables say. A file that was released is never changed.
"""

from __future__ import annotations

import threading

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

# Alembic keeps the migration that runs in its module `alembic.op`: one at a time in a process.
_one_at_a_time = threading.Lock()


class NotOurs(Exception):
    """A newer version, or another program, wrote this database; the message goes on after its name."""


def upgrade(connection: Connection) -> None:
    """Run what has not run yet, within the transaction of `connection`.

    NotOurs where a newer version, or another program, wrote this database.
    """
    config = Config()
    config.set_main_option("script_location", "bot.store:migrations")
    script = ScriptDirectory.from_config(config)
    present = MigrationContext.configure(connection).get_current_revision()
    if present == script.get_current_head():
        return
    _check_ours(connection, present, {revision.revision for revision in script.walk_revisions()})
    config.attributes["connection"] = connection
    with _one_at_a_time:
        command.upgrade(config, "head")


def is_ours(connection: Connection) -> bool:
    """Whether this or another version of us made it."""
    return MigrationContext.configure(connection).get_current_revision() is not None


def _check_ours(connection: Connection, present: str | None, known: set[str]) -> None:
    if present is None and inspect(connection).get_table_names():
        raise NotOurs("holds another program's tables. Give [store] url a file of its own.")
    if present is not None and present not in known:
        raise NotOurs(
            f"was written by a newer version (its tables are at {present}). "
            "Run that version, or give [store] url another file."
        )
