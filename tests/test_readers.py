"""Reading beside the writer: rows as SQLAlchemy would give them, and nobody waits for a long look."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import JSON, Boolean, Text, bindparam, column, func, select, text

from bot.store.readers import MOST, Readers

NAME, TOLD, GOOD = column("name", Text), column("told", JSON), column("good", Boolean)
THINGS = select(NAME, TOLD, GOOD).select_from(text("things")).order_by(NAME)


@pytest.fixture
async def readers(tmp_path: Path) -> AsyncIterator[Readers]:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "PRAGMA journal_mode=WAL; CREATE TABLE things (name TEXT, told TEXT, good INTEGER);"
            """INSERT INTO things VALUES ('a', '{"größe": [1, null]}', 1), ('b', 'null', 0);"""
            "INSERT INTO things VALUES ('c', NULL, NULL);"
        )
    connection.close()
    made = Readers(path, wait_for_lock=1)
    await made.open()
    yield made
    await made.close()


async def test_values_come_back_as_what_their_columns_hold(readers: Readers) -> None:
    rows = await readers.all(THINGS, {})

    assert [tuple(row) for row in rows] == [
        ("a", {"größe": [1, None]}, True),
        ("b", None, False),
        ("c", None, None),
    ]
    assert rows[0].told == rows[0]._mapping["told"] == {"größe": [1, None]}


async def test_parameters_are_sent_as_what_their_columns_hold(readers: Readers) -> None:
    within = THINGS.where(TOLD["größe"][0].as_integer() == bindparam("the_first"))
    equal = THINGS.where(
        TOLD.is_not_distinct_from(bindparam("the_whole")), GOOD.in_(bindparam("the_good", expanding=True))
    )

    assert [row.name for row in await readers.all(within, {"the_first": 1})] == ["a"]
    whole = {"the_whole": None, "the_good": [True, False]}
    assert [row.name for row in await readers.all(equal, whole)] == ["b"]


async def test_a_parameter_may_have_any_number_of_values(readers: Readers) -> None:
    some = THINGS.where(
        NAME.in_(bindparam("the_names", expanding=True)), NAME.between("a", bindparam("the_last"))
    )

    async def found(*names: str) -> list[str]:
        return [row.name for row in await readers.all(some, {"the_names": names, "the_last": "b"})]

    assert [await found(), await found("b"), await found("a", "b", "c", "d")] == [[], ["b"], ["a", "b"]]


async def test_nothing_is_written(readers: Readers) -> None:
    for connection in readers._connections:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            await connection.execute("DELETE FROM things")


async def test_a_long_look_keeps_no_quick_one_waiting(readers: Readers) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hold() -> int:
        begun.set()
        return int(go_on.wait(20))

    for connection in readers._connections:
        await connection.create_function("hold", 0, hold)
    long = asyncio.create_task(readers.all(select(func.hold()), {}))
    await asyncio.to_thread(begun.wait)

    assert (
        len(await asyncio.wait_for(asyncio.gather(*(readers.all(THINGS, {}) for _ in range(50))), 10)) == 50
    )

    assert not long.done()
    go_on.set()
    assert [tuple(row) for row in await long] == [(1,)]


async def test_what_nobody_waits_for_is_broken_off(readers: Readers) -> None:
    begun = threading.Event()

    def begin() -> int:
        begun.set()
        return 0

    for connection in readers._connections:
        await connection.create_function("begin", 0, begin)
    endless = text(
        "WITH RECURSIVE n(i) AS (SELECT begin() UNION ALL SELECT i + 1 FROM n) SELECT max(i) AS most FROM n"
    ).columns(column("most"))
    for _ in range(2 * MOST):
        begun.clear()
        looking = asyncio.create_task(readers.all(endless, {}))
        await asyncio.to_thread(begun.wait, 20)
        looking.cancel()
        await asyncio.wait([looking])

    rows = await asyncio.wait_for(asyncio.gather(*(readers.all(THINGS, {}) for _ in range(50))), 20)

    assert [len(some) for some in rows] == [3] * 50


async def test_many_may_be_cancelled_at_once(readers: Readers) -> None:
    many = [asyncio.create_task(readers.all(THINGS, {})) for _ in range(40)]
    await asyncio.sleep(0)
    for task in many:
        task.cancel()
    await asyncio.wait(many)

    assert readers._idle.qsize() == MOST
    assert len(await readers.all(THINGS, {})) == 3


async def test_cut_off_while_it_connects_it_leaves_nothing_open(tmp_path: Path) -> None:
    made = Readers(tmp_path / "x.db", wait_for_lock=1)
    opening = asyncio.create_task(made.open())
    await asyncio.sleep(0)
    opening.cancel()
    await asyncio.wait([opening])
    await made.close()

    assert opening.cancelled()
    assert len(made._connections) == MOST
    for connection in made._connections:
        await asyncio.to_thread(connection._thread.join, 10)
        assert not connection._thread.is_alive()
