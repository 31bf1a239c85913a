"""What a run costs: before it, at most; after it, by the provider's own measure. Pure.

The list that comes along is `prices.toml`; the owner's own prices go before it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from typing import Any

from bot.caps import micros
from bot.catalogue import Model
from bot.routes import base_of

FREE = Decimal(0)


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per run and per second of predict_time. `seconds`: the most that a run is known to take.

    What is not `exact` is the most that it can be: it counts in budgets, but nobody is told that it was the
    cost.
    """

    per_run: Decimal
    per_second: Decimal
    seconds: float | None
    exact: bool
    source: str

    def of(self, seconds: float) -> Decimal:
        return self.per_run + self.per_second * Decimal(repr(max(seconds, 0.0)))


@dataclass(frozen=True, slots=True)
class Bill:
    """What a run has cost. `told`: US dollars, None where it isn't known exactly. `charged`: micro-dollars
    that it takes from budgets, None where nobody knows."""

    told: Decimal | None
    charged: int | None


NOTHING = Bill(FREE, 0)
UNKNOWN = Bill(None, None)


class Prices:
    """The prices of an installation. A price under a model's name or command holds at every provider."""

    def __init__(
        self,
        own: Mapping[str, Price],
        listed: Mapping[str, Price],
        *,
        free: Collection[str] = (),
        by_list: Collection[str] = (),
        anything_else: Price | None = None,
    ) -> None:
        """`own` by command or owner/name, `listed` by owner/name: for the providers `by_list`, whose prices
        those are, as is `anything_else` for models that aren't listed. `free`: providers that cost nothing.
        """
        self._own = own
        self._listed = listed
        self._free = frozenset(free)
        self._by_list = frozenset(by_list)
        self._else = anything_else

    def price(self, provider: str, model: Model) -> Price | None:
        """What this provider asks for the model; None where nobody has said."""
        base = base_of(provider)
        if own := self._own.get(model.command) or self._own.get(model.full_name):
            return own
        if base in self._by_list:
            return self._listed.get(model.full_name, self._else)
        return None

    def estimate(self, providers: Iterable[str], model: Model, learned: float | None) -> int | None:
        """Micro-dollars that a run costs at most, whichever of these runs it; None where that isn't known.

        `learned`: seconds that nearly all runs stay under, None while too few were seen.
        """
        costs = [self._at_most(provider, model, learned) for provider in providers]
        known = [cost for cost in costs if cost is not None]
        return max(known, default=0) if len(known) == len(costs) else None

    def _at_most(self, provider: str, model: Model, learned: float | None) -> int | None:
        if base_of(provider) in self._free:
            return 0
        price = self.price(provider, model)
        if price is None:
            return None
        seconds = price.seconds if learned is None else learned
        if seconds is None:
            return None if price.per_second else micros(price.per_run)
        return micros(price.of(seconds))

    def bill(self, provider: str, model: Model, seconds: float | None) -> Bill:
        """`seconds`: the prediction's predict_time, None where the provider didn't say."""
        if base_of(provider) in self._free:
            return NOTHING
        price = self.price(provider, model)
        if price is None or (seconds is None and price.per_second):
            return UNKNOWN
        cost = price.of(seconds or 0.0)
        return Bill(cost if price.exact else None, micros(cost))


def listed() -> tuple[Mapping[str, Price], Price]:
    """The list that comes along: by owner/name, and for any other model."""
    data = tomllib.loads(files("bot").joinpath("prices.toml").read_text("utf-8"))
    default = data["default"]
    models = {name: price_of({**_rates(default, entry), **entry}) for name, entry in data["models"].items()}
    return models, price_of(default)


def _rates(default: Mapping[str, Any], entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an entry without any rate of its own goes by."""
    return {} if "per_run" in entry or "per_second" in entry else default


def price_of(entry: Mapping[str, Any]) -> Price:
    """A price from its table in a file."""
    return Price(
        Decimal(str(entry.get("per_run", 0))),
        Decimal(str(entry.get("per_second", 0))),
        entry.get("seconds"),
        entry.get("exact", True),
        entry.get("source", ""),
    )
