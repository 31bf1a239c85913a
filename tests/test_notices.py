"""News for those who look after a server: told once, where they want it, or given up after a day."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest

from bot.catalogue import load
from bot.errors import Busy, Denied, Gone, MaybePosted
from bot.jobs import Outcome
from bot.notices import STALE, Teller
from bot.ports import Telling
from bot.prices import Price, Prices
from bot.rulebooks import Rulebooks
from bot.rules import SERVER, Change
from bot.store import Store
from tests.rig import ANNA, rig
from tests.test_isolation import BOSS

NOW = 1_800_000_000.0
FACTS = {"used": "4", "limit": "5", "budget": "budget_server_day", "resets_at": NOW + 60}


@dataclass
class Place:
    """A platform that notes what it is told; `faults` are raised first, in turn."""

    name: str = "board"
    told: list[Telling] = field(default_factory=list)
    faults: list[Exception] = field(default_factory=list)
    asked: int = 0

    async def tell(self, telling: Telling) -> None:
        self.asked += 1
        if self.faults:
            raise self.faults.pop(0)
        self.told.append(telling)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await Store.open(f"sqlite:///{tmp_path}/news.db") as store:
        yield store


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


def teller(store: Store, place: Place, clock: Clock, channel: str | None = "office") -> Teller:
    async def place_of(_platform: str, _server: str, _code: str) -> str | None:
        return channel

    return Teller(store, {"board": place}, place_of, now=clock, rng=random.Random(1))  # type: ignore[dict-item]


async def add(store: Store, key: str = "k", platform: str = "board") -> bool:
    return await store.notices.add(key, platform, "home", "budget_80", FACTS, now=NOW)


async def test_what_is_added_twice_is_told_once_with_all_that_it_says(store: Store) -> None:
    place, clock = Place(), Clock()
    assert (await add(store), await add(store)) == (True, False)

    for _ in range(3):
        await teller(store, place, clock).turn()

    assert place.told == [Telling("k", "home", "budget_80", FACTS, "office")]


@pytest.mark.parametrize("fault", [Denied("no"), Gone("no")])
async def test_where_its_channel_is_gone_it_goes_wherever_they_look(store: Store, fault: Exception) -> None:
    place = Place(faults=[fault])
    await add(store)

    await teller(store, place, Clock()).turn()

    assert [one.place for one in place.told] == [None]


async def test_a_platform_that_stumbles_is_asked_again_when_it_says(store: Store) -> None:
    place, clock = Place(faults=[Busy(retry_after=60), OSError("broken")]), Clock()
    await add(store)
    one = teller(store, place, clock)
    await one.turn()
    clock.now += 59
    await one.turn()
    assert place.asked == 1

    for _ in range(600):
        clock.now += 1
        await one.turn()

    assert (place.asked, len(place.told)) == (3, 1)


async def test_what_may_stand_there_is_not_told_again(store: Store) -> None:
    place, clock = Place(faults=[MaybePosted("lost")]), Clock()
    await add(store)
    for _ in range(3):
        await teller(store, place, clock).turn()
        clock.now += 3600

    assert (place.asked, place.told) == (1, [])


async def test_old_news_and_those_of_a_platform_that_is_not_there_are_given_up(store: Store) -> None:
    place, clock = Place(), Clock()
    await add(store, "old")
    await add(store, "strange", "elsewhere")
    clock.now += STALE + 1

    await teller(store, place, clock).turn()

    assert place.asked == 0
    assert await store.notices.due(clock.now, 9) == []


async def test_one_that_can_not_be_told_keeps_no_other_waiting(store: Store) -> None:
    place, clock = Place(faults=[OSError("broken")]), Clock()
    await add(store, "first")
    await add(store, "second")

    await teller(store, place, clock).turn()

    assert [one.key for one in place.told] == ["second"]


# -- what becomes news


async def test_those_who_look_after_a_server_hear_of_80_and_of_100_percent_once(tmp_path: Path) -> None:
    prices = Prices({"imagine": Price(Decimal("0.30"), Decimal(0), None, True, "a bill")}, {})
    async with rig(tmp_path, prices=prices) as studio:
        await studio.core.admin.change(BOSS, [Change(SERVER, "budget.server.day", "0.90")])
        codes = []
        for _ in range(3):
            job = await studio.ended(await studio.order())
            assert job.outcome is Outcome.READY
            codes.append([one.code for one in await studio.store.notices.recent(ANNA.platform, ANNA.server)])
        for _ in range(2):
            with pytest.raises(Exception, match="budget_server_day"):
                await studio.order()

        assert codes == [[], [], ["budget_100", "budget_80"]]
        news = await studio.store.notices.recent(ANNA.platform, ANNA.server)
        assert [(one.code, one.facts["used"], one.facts["limit"]) for one in news] == [
            ("budget_100", "0.9", "0.9"),
            ("budget_80", "0.9", "0.9"),
        ]


async def test_a_refusal_tells_of_a_budget_that_has_no_room_though_it_is_not_full(tmp_path: Path) -> None:
    prices = Prices({"imagine": Price(Decimal("0.30"), Decimal(0), None, True, "a bill")}, {})
    async with rig(tmp_path, prices=prices) as studio:
        await studio.core.admin.change(BOSS, [Change(SERVER, "budget.server.month", "0.40")])
        await studio.ended(await studio.order())
        with pytest.raises(Exception, match="budget_server_month"):
            await studio.order()

        (news,) = await studio.store.notices.recent(ANNA.platform, ANNA.server)
        assert (news.code, news.facts["budget"]) == ("budget_100", "budget_server_month")


@pytest.mark.parametrize(
    ("settings", "code", "place"),
    [
        ({}, "report", None),
        ({"notices_channel": "office"}, "report", "office"),
        ({"notices_channel": "office", "review_channel": "review"}, "report", "review"),
        ({"notices_channel": "office", "review_channel": "review"}, "budget_80", "office"),
        ({"review_channel": "review"}, "budget_80", None),
    ],
)
async def test_reports_go_to_the_review_channel_and_the_rest_to_that_of_notices(
    tmp_path: Path, settings: dict[str, str], code: str, place: str | None
) -> None:
    from adapters.compose import Installation

    async with rig(tmp_path) as studio:
        changes = [Change(SERVER, key, value) for key, value in settings.items()]
        await studio.core.admin.change(BOSS, changes)
        there = Installation.__new__(Installation)
        object.__setattr__(there, "books", Rulebooks(studio.store, load(), {}))

        assert await there.place_of(ANNA.platform, ANNA.server, code) == place
