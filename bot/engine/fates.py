"""What may become of a job in one step: small values, written down in one place (`Engine._write`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from bot.jobs import Json, Media, Outcome, Output, Place, Posted
from bot.providers import Prediction


@dataclass(frozen=True, slots=True)
class Submitted:
    """The provider has taken it."""

    prediction: Prediction


@dataclass(frozen=True, slots=True)
class Requeue:
    """It was certainly not taken: back into the queue. `after` in seconds."""

    after: float
    code: str | None = None
    facts: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reroute:
    """Its provider certainly won't take it: back into the queue, for another one. `after` in seconds.

    `code`: what to tell of it.
    """

    provider: str
    after: float = 0.0
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The provider has made it. `took` in seconds; `finished_at` by the provider's clock.

    `charged`: micro-dollars that it takes from budgets, None where nobody knows.
    """

    outputs: tuple[Output, ...]
    took: float | None
    finished_at: float | None
    cost: Decimal | None
    charged: int | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """All of it is on our disk."""

    media: tuple[Media, ...]


@dataclass(frozen=True, slots=True)
class Delivered:
    """It stands in its place."""

    posted: Posted


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Its place won't take it; this one may."""

    place: Place


@dataclass(frozen=True, slots=True)
class Nowhere:
    """No place takes it."""

    code: str


@dataclass(frozen=True, slots=True)
class Again:
    """The same step once more. `after` in seconds."""

    after: float
    code: str | None = None
    facts: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GiveUp:
    """There will be no media; the words about it are delivered. `cost` is None where nobody knows it, and so
    is `charged`, the micro-dollars that it takes from budgets."""

    outcome: Outcome
    code: str
    facts: Mapping[str, Json] = field(default_factory=dict)
    cost: Decimal | None = None
    charged: int | None = None


Fate: TypeAlias = (
    Submitted | Requeue | Reroute | Succeeded | Fetched | Delivered | Elsewhere | Nowhere | Again | GiveUp
)
