"""Nobody's thousand jobs starve another's one: in the queue, in what is due, and all the way."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert

from bot.jobs import Actor, Job, JobId, Place, State
from bot.store import Store
from bot.store.tables import job_row, jobs

NOW = 1_800_000_000.0
Who = tuple[str, str]
"""A server and a person in it."""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await Store.open(f"sqlite:///{tmp_path}/fair.db") as opened:
        yield opened


def job(number: int, who: Who, state: State = State.QUEUED) -> Job:
    server, person = who
    return Job(
        id=JobId(f"job{number:08d}"),
        key=f"key{number}",
        actor=Actor("discord", person, person, server),
        place=Place("discord:1/2"),
        model="imagine",
        provider="box",
        inputs={"prompt": "a fox", "seed": number},
        state=state,
        created_at=NOW - 100_000 + number,
        due_at=NOW - 100_000 + number,
    )


async def put(store: Store, given: Iterable[Job]) -> None:
    rows = [job_row(one) for one in given]

    def write(connection: Connection) -> None:
        for first in range(0, len(rows), 1000):
            connection.execute(insert(jobs), rows[first : first + 1000])

    await store._database.write(write)


async def begun(store: Store, limit: int, each: int = 1000) -> list[Who]:
    started = await store.start(
        now=NOW, lease=60, at_once=10**6, at_once_per_person=each, limit=limit, closed=()
    )
    return [(one.actor.server, one.actor.id) for one in started]


# -- the queue


async def test_another_ones_job_goes_next_whatever_waits(store: Store) -> None:
    many: Who = ("s1", "eve")
    await put(store, (job(number, many) for number in range(2000)))
    await put(store, [job(2000, ("s1", "ada")), job(2001, ("s2", "bob"))])
    assert await begun(store, 1) == [many], "the only one that was there first"
    assert set(await begun(store, 2)) == {("s1", "ada"), ("s2", "bob")}


async def test_a_server_of_a_thousand_people_starves_nobody_elsewhere(store: Store) -> None:
    await put(store, (job(number, ("crowded", f"person{number}")) for number in range(1000)))
    assert len(await begun(store, 8)) == 8
    await put(store, [job(1000, ("quiet", "ada")), job(1001, ("quiet", "bob"))])
    assert set(await begun(store, 2)) == {("quiet", "ada"), ("quiet", "bob")}
    assert Counter(server for server, _ in await begun(store, 20)) == {"crowded": 20}


async def test_what_is_under_way_counts(store: Store) -> None:
    eve, ada = ("s1", "eve"), ("s1", "ada")
    await put(store, (job(number, eve, State.RUNNING) for number in range(3)))
    await put(store, [job(3, eve), job(4, ada), job(5, ada), job(6, ada)])
    assert await begun(store, 3) == [ada, ada, ada]


async def test_nobody_gets_more_than_they_may_have_at_once(store: Store) -> None:
    await put(store, (job(number, ("s1", "eve")) for number in range(50)))
    assert len(await begun(store, 40, each=3)) == 3
    assert await begun(store, 40, each=3) == []


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(["s1", "s2", "s3"]), st.sampled_from("abcd")), max_size=40))
async def test_nobody_has_a_second_before_everybody_has_a_first(tmp_path: Path, order: list[Who]) -> None:
    """Among servers, and among the people of each."""
    path = tmp_path / "one.db"
    path.unlink(missing_ok=True)
    async with await Store.open(f"sqlite:///{path}") as store:
        await put(store, (job(number, who) for number, who in enumerate(order)))
        left, had = Counter(order), Counter[Who]()
        while left:
            (who,) = await begun(store, 1)
            server = who[0]
            for other in left:
                assert sum(n for (s, _), n in had.items() if s == server) <= sum(
                    n for (s, _), n in had.items() if s == other[0]
                ), "a server that has less goes first"
                assert other[0] != server or had[who] <= had[other], "and in it, who has less"
            had[who] += 1
            left -= Counter([who])


# -- what is due


async def test_what_is_due_of_others_is_not_behind_a_thousand(store: Store) -> None:
    await put(store, (job(number, ("s1", "eve"), State.DELIVERING) for number in range(1000)))
    await put(store, [job(1000, ("s1", "ada"), State.DELIVERING), job(1001, ("s2", "bob"), State.DELIVERING)])
    claimed = await store.claim(State.DELIVERING, now=NOW, lease=60, limit=8)
    assert {"ada", "bob"} <= {one.actor.id for one in claimed}
    assert len(claimed) == 8
    again = await store.claim(State.DELIVERING, now=NOW, lease=60, limit=8)
    assert not {one.id for one in claimed} & {one.id for one in again}


async def test_a_choice_among_very_many_is_made_quickly(store: Store) -> None:
    """No time is asserted: it has to be chosen right, and the test would take for ever if it were slow."""
    await put(store, (job(number, (f"s{number % 50}", f"p{number % 5000}")) for number in range(20_000)))
    began = time.perf_counter()
    for _ in range(5):
        assert len(await begun(store, 50)) == 50
    print(f"{(time.perf_counter() - began) / 5:.3f} s a choice")
    assert Counter(server for server, _ in await begun(store, 50)) == {f"s{n}": 1 for n in range(50)}
