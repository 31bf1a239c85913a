"""Rules are compiled once for a change, however many ask at once, and hold at once for everybody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot import rulebooks
from bot.catalogue import load
from bot.jobs import Actor
from bot.ports import Action, Record
from bot.rulebooks import Rulebooks
from bot.rules import SERVER, Change, Rulebook, apply
from bot.store import Store

ADA = Actor("discord", "ada", "Ada", "1")
SET = Record(0, 0.0, "ada", "Ada", Action.SET, "server models_off", None, None)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await Store.open(f"sqlite:///{tmp_path}/rules.db") as store:
        yield store


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with each set of rules that is compiled."""
    counted: list[int] = []

    class Counted(Rulebook):
        def __init__(self, *given: object) -> None:
            counted.append(1)
            super().__init__(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(rulebooks, "Rulebook", Counted)
    return counted


async def change(store: Store, value: str) -> None:
    there = await store.servers.load("discord", "1")
    entries, _ = apply(there.entries, [Change(SERVER, "models_off", value)], load())
    await store.servers.save("discord", "1", entries, [SET], revision=there.revision)


async def test_a_hundred_at_once_compile_them_once_a_change(store: Store, compiled: list[int]) -> None:
    books = Rulebooks(store, load(), {})
    for number, value in enumerate(("imagine", "draw", "flux"), 1):
        await change(store, value)
        found = await asyncio.gather(*(books.of_actor(ADA) for _ in range(100)))
        assert len(compiled) == number
        assert {str(house.book.value("models_off")[0]) for house in found} == {f"['{value}']"}


async def test_servers_that_were_let_go_are_compiled_anew(
    store: Store, compiled: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rulebooks, "KEPT", 2)
    books = Rulebooks(store, load(), {})
    for server in ("1", "2", "1", "3", "1", "2"):
        await books.of("discord", server)

    assert len(compiled) == 4, "the one that nobody has asked for longest goes"
