"""The sweep against a sandbox: what it asks for, turn by turn."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from bot.jobs import Job, State
from bot.pacing import Durations, Pace
from bot.providers import Client, Page, Prediction, connect
from bot.sweep import WITHOUT_LIST, Sweep
from tests.sandbox_rig import TOKEN, Api, Models, sandbox
from tests.store_rig import job

MANY = 8


class Nobody:
    """Whom the sweep tells."""

    def __init__(self) -> None:
        self.over: list[Job] = []

    def finished(self, job: Job, prediction: Prediction) -> None:
        self.over.append(job)

    def __getattr__(self, _: str) -> Any:
        return lambda *_: None


class Clocked:
    """A sweep over `MANY` running predictions; each turn is as much later as it is said to be."""

    def __init__(self, client: Client) -> None:
        self.later = 0.0
        self.lists = 0
        self.finder = Nobody()
        self._list = client.list
        client.list = self._counted  # type: ignore[method-assign]
        self.sweep = Sweep(
            client, self.finder, defaultdict(Durations), pace=Pace(), deadline=1e9, now=self._now
        )

    def _now(self) -> float:
        return time.time() + self.later

    async def _counted(self, **given: Any) -> Page:
        self.lists += 1
        return await self._list(**given)

    async def turn(self, later: float) -> int:
        """One turn so many seconds later, at which each is due; how often the list was asked for."""
        self.later += later
        before = self.lists
        for watched in self.sweep._watched.values():
            watched.look_at = self._now()
        await self.sweep._turn()
        return self.lists - before


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    models = Models()
    models.gate.clear()
    async with sandbox(models, workers=MANY) as made:
        yield made


@pytest.fixture
async def clocked(api: Api) -> AsyncIterator[Clocked]:
    client = connect("sandbox", "sandbox", api.base_url, TOKEN)
    made = Clocked(client)
    for number in range(MANY):
        prediction = await api.made(prompt=f"a fox {number}")
        running = replace(
            job(f"j{number}"), state=State.RUNNING, prediction=prediction, submitted_at=time.time()
        )
        made.sweep.watch(running)
    yield made
    await client.aclose()


async def test_one_page_shows_all_once_it_is_known_how_far_the_clocks_are_apart(clocked: Clocked) -> None:
    assert [await clocked.turn(1) for _ in range(4)] == [0, 1, 1, 1]


async def test_one_bad_page_is_no_reason_to_do_without_the_list_for_long(api: Api, clocked: Clocked) -> None:
    await clocked.turn(1)
    await api.misbehave(on="list", fault="garbage")
    first, _ = WITHOUT_LIST

    assert await clocked.turn(1) == 1
    assert await clocked.turn(first / 2) == 0
    assert await clocked.turn(first) == 1
    assert await clocked.turn(1) == 1


async def test_a_list_that_stays_bad_is_asked_for_less_and_less(api: Api, clocked: Clocked) -> None:
    await clocked.turn(1)
    await api.misbehave(on="list", fault="garbage", times="always")
    _, most = WITHOUT_LIST

    asked = [await clocked.turn(1) for _ in range(200)]

    at = [second for second, count in enumerate(asked) if count]
    waits = [after - before for before, after in pairwise(at)]
    growing, even = waits[:6], waits[6:]
    assert all(later > earlier for earlier, later in pairwise(growing))
    assert even
    assert all(most - 5 <= wait <= most + 1 for wait in even)
