"""From any earlier database, and from none, to the tables of this version."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, inspect

from bot.store import migrations
from bot.store.tables import metadata


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    engine = create_engine(f"sqlite:///{tmp_path / 'threadreel.db'}")
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def test_the_migrations_make_exactly_the_tables(connection: Connection) -> None:
    migrations.upgrade(connection)

    context = MigrationContext.configure(connection, opts={"compare_server_default": True})
    assert compare_metadata(context, metadata) == []


def test_the_migrations_make_exactly_the_indexes(connection: Connection) -> None:
    """With order and condition, which Alembic does not compare."""
    migrations.upgrade(connection)
    made = _indexes(connection)

    other = create_engine("sqlite://")
    with other.connect() as fresh:
        metadata.create_all(fresh)
        assert _indexes(fresh) == made
    other.dispose()


def _indexes(connection: Connection) -> dict[str, Any]:
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    return {name: sql.replace("jobs.", "") for name, sql in connection.exec_driver_sql(query)}


def test_running_them_again_changes_nothing(connection: Connection) -> None:
    migrations.upgrade(connection)
    connection.exec_driver_sql("UPDATE channels SET title = 'Our studio'")

    migrations.upgrade(connection)

    assert connection.exec_driver_sql("SELECT id, title FROM channels").all() == [("studio", "Our studio")]


def test_a_database_of_a_newer_version_is_left_alone(connection: Connection) -> None:
    migrations.upgrade(connection)
    connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(migrations.NotOurs, match="newer version"):
        migrations.upgrade(connection)


def test_another_programs_database_is_left_alone(connection: Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE photographs (id INTEGER)")

    with pytest.raises(migrations.NotOurs, match="another program"):
        migrations.upgrade(connection)

    assert inspect(connection).get_table_names() == ["photographs"]


def test_they_are_numbered_on_and_have_no_branches() -> None:
    versions = files("bot.store.migrations") / "versions"
    names = sorted(entry.name for entry in versions.iterdir() if entry.name.endswith(".py"))

    assert [name[:4] for name in names] == [f"{number:04}" for number in range(1, len(names) + 1)]


def test_one_that_breaks_off_leaves_nothing_behind(tmp_path: Path) -> None:
    """A crash in the middle: the connection is gone before the commit."""
    path = tmp_path / "threadreel.db"
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        connection.connection.dbapi_connection.isolation_level = None  # type: ignore[union-attr]
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        migrations.upgrade(connection)
        connection.rollback()
    engine.dispose()

    with closing(sqlite3.connect(path)) as reader:
        assert reader.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
