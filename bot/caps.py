"""Limits on how much may be asked for, and what is held of budgets: policy draws, the store enforces.

Money is in whole micro-dollars (10**-6 US dollars): sums of them are exact on every database.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from typing import Literal

from bot.jobs import State

MICRO = 1_000_000


class Whose(StrEnum):
    """Whose jobs a limit counts: of the person in this server, the channel, the server, or all there are."""

    PERSON = "person"
    CHANNEL = "channel"
    SERVER = "server"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `limit` jobs, in `states` (None: any), accepted at `since` or later: counted one by one.

    A job that failed, was cancelled or ended unknown is not counted: its allowance is given back. `code`
    names the refusal; `resets_at` says when the count begins anew. Times are seconds since the epoch.
    """

    code: str
    limit: int
    whose: Whose
    states: frozenset[State] | None = None
    since: float | None = None
    resets_at: float | None = None


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `limit` jobs, or micro-dollars, in a `period` ("2026-11-26", "2026-11"): kept as running sums.

    The period is one of the server's time zone; `resets_at` is when the next one begins, in epoch seconds.
    """

    code: str
    of: Literal["jobs", "money"]
    limit: int
    whose: Whose
    period: str
    resets_at: float


@dataclass(frozen=True, slots=True)
class Reserve:
    """What a job holds of the budgets from the moment it is accepted. `amount`: None where nobody knows it.

    `person`: a keyed hash, so that amounts can be kept without a name. `payer`: "installation", or "server"
    where it runs on the server's own key. `quotas` are those that it must fit.
    """

    amount: int | None
    person: str
    payer: str
    day: str
    month: str
    quotas: tuple[Quota, ...] = ()


def micros(dollars: Decimal) -> int:
    """Whole micro-dollars, rounded up: what is held never falls short."""
    return int((dollars * MICRO).to_integral_value(ROUND_CEILING))


def dollars(amount: int) -> Decimal:
    return Decimal(amount) / MICRO
