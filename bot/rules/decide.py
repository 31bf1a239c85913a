"""What is asked of a server's rules, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from bot.caps import Cap, Quota
from bot.catalogue import Model
from bot.jobs import Actor, Json


@dataclass(frozen=True, slots=True)
class Block:
    """Somebody may start nothing here, for this reason, until then (epoch seconds; None: not by itself)."""

    reason: str
    until: float | None


@dataclass(frozen=True, slots=True)
class Ask:
    """Somebody wants a model to run in a channel. `inputs` are checked, under the model's own names."""

    actor: Actor
    channel: str
    model: Model
    inputs: Mapping[str, Json]
    for_adults: bool | None
    now: float
    trusted: bool = False
    blocked: Block | None = None


@dataclass(frozen=True, slots=True)
class Allowances:
    """What is still to be kept to when a job is accepted: by the store, in the same transaction.

    `zone` is the server's time zone, `day` and `month` its periods. An estimate above `ask_above` US dollars
    needs the person's word. Where no price is known, `unknown_price` is reserved; None: nothing, which no
    budget lets pass, and with `refuses_unknown` it is refused even without a budget.
    """

    caps: tuple[Cap, ...]
    quotas: tuple[Quota, ...]
    zone: str
    day: str
    month: str
    ask_above: Decimal | None
    unknown_price: Decimal | None
    refuses_unknown: bool
