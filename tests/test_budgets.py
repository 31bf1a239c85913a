"""Budgets under fire, through the core; and money that can only go where the rules say, also over crashes."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.caps import Whose
from bot.errors import Refused, Stale
from bot.jobs import JobId, Order, Outcome, State
from bot.prices import Price, Prices
from bot.store import Store
from tests.rig import ANNA, WALL, rig
from tests.sampling import a_sample
from tests.store_rig import KEPT, LEASE, NOW, job
from tests.test_ledger import ANN, BY, CENT, holding, quota, succeed

CENT_EACH = Prices({"imagine": Price(Decimal("0.01"), Decimal(0), None, True, "a bill")}, {})


@pytest.mark.parametrize(
    ("setting", "most"),
    a_sample(
        [
            ("budget.server.day", "1.00"),
            ("budget.person.month", "1.00"),
            ("budget.channel.day", "1.00"),
            ("limit.server.per_day", 100),
            ("limit.person.at_once", 100),
            ("limit.channel.per_minute", 100),
        ],
        3,
    ),
)
async def test_of_five_hundred_orders_at_once_as_many_are_accepted_as_fit(
    tmp_path: Path, setting: str, most: str | int
) -> None:
    async with rig(tmp_path, start=False, prices=CENT_EACH, defaults={setting: most}) as studio:
        orders = [
            Order(ANNA, WALL, "imagine", (("prompt", "a fox"),), f"board:{number}", channel="7")
            for number in range(500)
        ]

        answers = await asyncio.gather(*map(studio.core.submit, orders), return_exceptions=True)

        refusals = [one for one in answers if isinstance(one, BaseException)]
        assert len(answers) - len(refusals) == 100
        assert {one.code for one in refusals if isinstance(one, Refused)} == {setting.replace(".", "_")}
        assert all(isinstance(one, Refused) for one in refusals)
        assert len(await studio.store.queued(1000)) == 100
        assert await studio.store.ledger.check() == []


# -- where money may go


@dataclass(frozen=True)
class Held:
    """What a job is to hold, said again in the simplest way."""

    person: int
    server: int
    counted: int
    is_settled: bool = False
    is_open: bool = False


NOTHING = Held(0, 0, 0)
STEPS = ("accept", "start", "submit", "succeed", "fetch", "fail", "cancel", "requeue", "settle", "crash")


class Books:
    """A store, and what its ledger must say after each step."""

    def __init__(self, folder: str) -> None:
        self._url = f"sqlite:///{folder}/threadreel.db"
        self._stack = contextlib.AsyncExitStack()
        self.held: dict[str, Held] = {}

    async def open(self) -> None:
        self.store = await self._stack.enter_async_context(await Store.open(self._url))

    async def close(self) -> None:
        await self._stack.aclose()

    async def step(self, step: str, name: str, amount: int | None, number: int) -> None:
        with contextlib.suppress(Refused, Stale):
            await self._step(step, name, amount, number)

    async def _step(self, step: str, name: str, amount: int | None, number: int) -> None:
        if step == "crash":
            await self.close()
            return await self.open()
        if step == "accept":
            _, fresh = await self.store.accept(
                job(name, ANN, channel="7"), (), NOW, reserve=holding(amount, quota(20 * CENT))
            )
            if fresh:
                self.held[name] = Held(amount or 0, amount or 0, 1)
            return None
        if step == "start":
            await self.store.start(now=NOW, lease=LEASE, at_once=9, at_once_per_person=9, limit=9)
            return None
        found = await self.store.get(JobId(name))
        if found is None:
            return None
        held = self.held[name]
        match step:
            case "submit":
                await self.store.submitted(found, f"p{number}", now=NOW)
            case "fetch":
                await self.store.fetched(found, [KEPT], now=NOW)
            case "succeed":
                await succeed(self.store, found, amount)
                took = held.server if amount is None else amount
                self.held[name] = Held(took, took, 1, is_settled=True)
            case "fail":
                cost = Decimal(0) if number % 3 == 0 else None
                await self.store.ended(found, Outcome.FAILED, now=NOW, code="x", cost=cost, charged=amount)
                self.held[name] = _failed(held, amount, cost)
            case "cancel":
                after = await self.store.request_cancel(found.id, by="Ann", now=NOW)
                if found.state is State.QUEUED and after.outcome is Outcome.CANCELLED:
                    self.held[name] = NOTHING
            case "requeue":
                await self.store.requeue(found, due_at=NOW)
                after_all = await self.store.get(found.id)
                if after_all is not None and after_all.outcome is Outcome.CANCELLED:
                    self.held[name] = NOTHING
            case "settle":
                took = amount or 0
                if await self.store.ledger.settle("discord", "1", found.id, took, now=NOW, record=BY):
                    assert held.is_open
                    self.held[name] = Held(0, took, 0, is_settled=True)
        return None

    async def check(self) -> None:
        assert await self.store.ledger.check() == []
        walls = [quota(0, Whose.PERSON), quota(0, Whose.CHANNEL), quota(0), quota(0, of="jobs")]
        used = await self.store.ledger.used(walls, "discord", "1", channel="7", person="ann")
        every = self.held.values()
        server = sum(one.server for one in every)
        assert used == [sum(one.person for one in every), server, server, sum(one.counted for one in every)]


def _failed(held: Held, charged: int | None, cost: Decimal | None) -> Held:
    if held.is_settled:
        return replace(held, person=0, counted=0)
    if charged is None and cost == 0:
        return NOTHING
    if charged is None:
        return Held(0, held.server, 0, is_open=held.server > 0)
    return Held(0, charged, 0, is_settled=charged > 0)


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(STEPS), st.integers(0, 3), st.one_of(st.none(), st.integers(0, 9 * CENT))),
        max_size=40,
    )
)
async def test_money_is_held_taken_and_let_go_and_nothing_else(
    steps: list[tuple[str, int, int | None]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        books = Books(folder)
        await books.open()
        try:
            for number, (step, which, amount) in enumerate(steps):
                await books.step(step, f"j{which}", amount, number)
                await books.check()
        finally:
            await books.close()
