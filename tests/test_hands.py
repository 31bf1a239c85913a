"""Lines of work: what hangs in one keeps no other waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.engine import hands
from bot.engine.hands import Hands
from bot.jobs import Actor, Order, Place, Posted, State
from bot.ports import Post, Save
from tests.rig import ANNA, QUICK, Board, eventually, rig

ALONE = Actor("shelf", ANNA.id, "Anna", "library")


@dataclass
class Desk:
    """Notes what is begun, and lets it end when it is told to."""

    begun: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    may_end: dict[str, asyncio.Event] = field(default_factory=dict)

    async def do(self, one: str) -> None:
        self.begun.append(one)
        if one in self.may_end:
            await self.may_end[one].wait()
        self.ended.append(one)


async def at_work(do: Callable[[str], Awaitable[None]], use: Callable[[Hands[str]], Awaitable[None]]) -> None:
    there = Hands(2, do)
    async with asyncio.TaskGroup() as tasks:
        there.begin(tasks)
        await use(there)


async def test_a_line_does_so_many_at_once_in_their_order() -> None:
    desk = Desk(may_end={"a": asyncio.Event(), "b": asyncio.Event()})

    async def use(there: Hands[str]) -> None:
        for one in "abcd":
            there.give("line", one)
        await eventually(lambda: desk.begun == ["a", "b"], "two are begun")
        assert there.waiting("line") == 2
        desk.may_end["b"].set()
        await eventually(lambda: desk.ended == ["b", "c", "d"], "one hand does the rest")
        desk.may_end["a"].set()
        await there.all_done()

    await at_work(desk.do, use)
    assert sorted(desk.ended) == list("abcd")


async def test_what_hangs_in_one_line_keeps_no_other_waiting() -> None:
    hung = asyncio.Event()
    desk = Desk(may_end={"a1": hung, "a2": hung})

    async def use(there: Hands[str]) -> None:
        for one in ("a1", "a2", "a3", "b1"):
            there.give(one[0], one)
        await eventually(lambda: desk.ended == ["b1"], "the other line goes on")
        hung.set()
        await there.all_done()

    await at_work(desk.do, use)
    assert sorted(desk.ended) == ["a1", "a2", "a3", "b1"]


async def test_what_was_given_before_is_done_and_a_fault_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(hands, "PAUSE", 0.0)
    done: list[str] = []

    async def do(one: str) -> None:
        if one == "broken":
            raise OSError("disk full")
        done.append(one)

    there = Hands(1, do)
    there.give("line", "broken")
    there.give("line", "whole")
    assert not done
    async with asyncio.TaskGroup() as tasks:
        there.begin(tasks)
        await there.all_done()

    assert done == ["whole"]
    assert there.waiting("line") == 0


@dataclass
class Shelf(Board):
    """A platform that never answers."""

    name: str = "shelf"

    async def show(self, post: Post, save: Save) -> Posted:
        await asyncio.Event().wait()
        raise AssertionError

    async def aclose(self) -> None:
        pass


async def test_a_platform_that_never_answers_keeps_only_its_own_results_waiting(tmp_path: Path) -> None:
    async with rig(tmp_path, also=lambda _: Shelf()) as studio:
        stuck = []
        for number in range(QUICK.workers + 1):
            order = Order(ALONE, Place("shelf:1"), "imagine", (("prompt", "a fox"),), f"shelf:{number}")
            stuck.append((await studio.core.submit(order)).job)

        async def all_hang() -> bool:
            return all([await studio.state(job) is State.DELIVERING for job in stuck])

        await eventually(all_hang, "all of them wait for it", 30)
        other = await studio.order()

        assert (await studio.ended(other)).state is State.DONE
        assert studio.board.last(other) is not None
