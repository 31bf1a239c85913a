"""What a run costs: the owner's price before the list's, at most before it runs, by measure after it."""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.catalogue import load
from bot.prices import NOTHING, UNKNOWN, Bill, Price, Prices, listed, price_of
from bot.routes import own_name

CATALOGUE = load()
IMAGINE = CATALOGUE.find("imagine")
DRAW = CATALOGUE.find("draw")


def price(
    per_run: str = "0", per_second: str = "0", seconds: float | None = None, exact: bool = True
) -> Price:
    return Price(Decimal(per_run), Decimal(per_second), seconds, exact, "a bill")


LIST = {IMAGINE.full_name: price("0.02")}


def test_every_model_of_the_list_has_its_source_and_the_thirteen_are_in_it() -> None:
    prices, anything_else = listed()
    read_at = tomllib.loads(files("bot").joinpath("prices.toml").read_text("utf-8"))["as_of"]
    assert re.fullmatch(r"20\d\d-\d\d", read_at)
    assert {model.full_name for model in CATALOGUE} <= set(prices)
    for name, one in {**prices, "any other": anything_else}.items():
        assert re.search(r"https://\S+", one.source), name
        assert one.per_run or one.per_second, name
        known = name == "any other" or not one.per_second or one.seconds
        assert known, f"{name}: how long it may take"


def test_the_owners_price_goes_before_the_lists_and_holds_at_every_provider() -> None:
    for key in (IMAGINE.command, IMAGINE.full_name):
        prices = Prices({key: price("0.40")}, LIST, by_list=["replicate"])
        assert prices.estimate(["replicate"], IMAGINE, None) == 400_000
        assert prices.estimate(["gateway"], IMAGINE, None) == 400_000


def test_the_list_is_for_its_own_provider_and_what_is_not_in_it_costs_as_anything_else() -> None:
    prices = Prices({}, LIST, by_list=["replicate"], anything_else=price("0.50"))
    assert prices.estimate(["replicate"], IMAGINE, None) == 20_000
    assert prices.estimate(["replicate"], DRAW, None) == 500_000
    assert prices.estimate([own_name("replicate", "slack", "T1")], IMAGINE, None) == 20_000
    assert prices.estimate(["gateway"], IMAGINE, None) is None


def test_a_route_costs_what_its_dearest_does_and_nobody_knows_where_one_is_unknown() -> None:
    prices = Prices({}, LIST, free=["box"], by_list=["replicate"])
    assert prices.estimate(["box"], IMAGINE, None) == 0
    assert prices.estimate(["box", "replicate"], IMAGINE, None) == 20_000
    assert prices.estimate(["box", "replicate", "gateway"], IMAGINE, None) is None
    assert prices.estimate([], IMAGINE, None) == 0


@pytest.mark.parametrize(
    ("one", "learned", "most"),
    [
        (price("0.01", "0.001", 60), None, 70_000),
        (price("0.01", "0.001", 60), 7.5, 17_500),
        (price("0.01", "0.001"), None, None),
        (price("0.01"), None, 10_000),
        (price("0.0000001"), None, 1),
    ],
)
def test_before_it_runs_it_is_the_most_that_it_may_cost(
    one: Price, learned: float | None, most: int | None
) -> None:
    assert Prices({"imagine": one}, {}).estimate(["any"], IMAGINE, learned) == most


@pytest.mark.parametrize(
    ("one", "seconds", "bill"),
    [
        (price("0.01", "0.001"), 12.5, Bill(Decimal("0.0225"), 22_500)),
        (price("0.01"), None, Bill(Decimal("0.01"), 10_000)),
        (price("0.01", "0.001"), None, UNKNOWN),
        (price("0.01", "0.001", exact=False), 2.0, Bill(None, 12_000)),
        (price("0.01", "0.001"), -3.0, Bill(Decimal("0.010"), 10_000)),
    ],
)
def test_after_it_ran_it_is_what_was_measured(one: Price, seconds: float | None, bill: Bill) -> None:
    assert Prices({"imagine": one}, {}).bill("any", IMAGINE, seconds) == bill


def test_what_is_free_costs_nothing_whatever_the_list_says() -> None:
    prices = Prices({"imagine": price("0.40")}, LIST, free=["box"])
    assert prices.bill("box", IMAGINE, 100.0) == NOTHING
    assert prices.bill("elsewhere", DRAW, 1.0) == UNKNOWN


@given(
    st.decimals("0", "1000", places=6),
    st.decimals("0", "10", places=10),
    st.floats(0, 86_400),
    st.floats(0, 86_400),
)
def test_who_runs_longer_never_pays_less_and_nothing_is_lost_by_rounding(
    per_run: Decimal, per_second: Decimal, short: float, long: float
) -> None:
    one = Prices({"imagine": Price(per_run, per_second, None, True, "")}, {})
    short, long = sorted((short, long))
    less, more = one.bill("any", IMAGINE, short), one.bill("any", IMAGINE, long)
    assert less.charged is not None
    assert more.charged is not None
    assert less.charged <= more.charged
    assert more.told is not None
    assert 0 <= more.charged - more.told * 1_000_000 <= 1


def test_a_table_of_a_file_is_read_as_it_is_written() -> None:
    assert price_of({"per_run": 0.1, "source": "a bill"}) == Price(
        Decimal("0.1"), Decimal(0), None, True, "a bill"
    )
