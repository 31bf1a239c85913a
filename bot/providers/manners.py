"""How a provider wants to be asked: how much at once, when again, and whether at all. Time is an argument.

Creates and all other calls have a lane each, as Replicate counts them apart
(https://replicate.com/docs/topics/predictions/rate-limits). A lane has a budget; a hold, while which nothing
is sent; and a breaker, which is a hold that grows with each failure and ends in a trial of one request.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from bot.errors import LostAnswer, ProviderBusy, ProviderDown, ThreadreelError, TryLater
from bot.pacing import Budget, backoff, per_minute
from bot.providers.dialect import Kind

LONGEST_HOLD = 3600.0
"""Seconds: no header makes us wait longer."""

TRIAL = 30.0
"""Seconds after which a trial request of which nothing was heard no longer keeps the others waiting."""

WHILE_TRYING = 1.0
"""Seconds after which to ask again, while a trial is under way."""

LIMITS: Mapping[Kind, tuple[int | None, int | None]] = {
    "replicate": (600, 3000),
    "sandbox": (600, 3000),
    "gateway": (None, None),
}
"""Creates and other calls a minute. Gateways publish nothing: what they allow is learned from their 429s."""

_RATE = re.compile(r"([0-9]{1,6}) requests? per (second|minute)(?: with a burst of ([0-9]{1,6}))?")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds, and how many.

    A lane is down after `failures` in a row, each `apart` from the last: what fails together counts once. It
    is tried again after `first` seconds, then after ever longer ones up to `most`. A limit that was said in
    passing ("while you have less than $5.0 in credit") is believed for `believed`.
    """

    failures: int = 3
    apart: float = 1.0
    first: float = 1.0
    most: float = 60.0
    believed: float = 600.0


class Lane:
    """One kind of calls to a provider. `limit` is how many a minute, None where nobody knows."""

    def __init__(self, limit: int | None, patience: Patience, rng: random.Random) -> None:
        self._limit = limit
        self._patience = patience
        self._rng = rng
        self._budget = None if limit is None else per_minute(limit)
        self._reduced_until: float | None = None
        self._held_until = 0.0
        self._trial_until = 0.0
        self._failures = 0
        self._failed_at = -math.inf
        self._throttles = 0

    @property
    def down(self) -> bool:
        return self._failures >= self._patience.failures

    # -- asking

    def held(self, now: float) -> float:
        """Seconds for which nothing may be sent, 0 where it may."""
        left = self._held_until - now
        if 0 < left <= LONGEST_HOLD:  # more than that: the clock was set back
            return left
        return WHILE_TRYING if self._in_doubt and now < self._trial_until else 0.0

    def room(self, now: float) -> float:
        """Requests that may be sent at once; a single one where it is in doubt whether they are taken."""
        if self.held(now):
            return 0
        self._remember(now)
        room = math.inf if self._budget is None else self._budget.room(now)
        return min(room, 1) if self._in_doubt else room

    def take(self, now: float) -> float:
        """Spend one request; returns the seconds to wait before it may be sent."""
        self._remember(now)
        if self._in_doubt:
            self._trial_until = now + TRIAL
        return 0.0 if self._budget is None else self._budget.take(now)

    @property
    def _in_doubt(self) -> bool:
        return self.down or self._throttles > 0

    # -- hearing

    def answered(self, now: float) -> None:
        """It works. After an outage all that waited would come at once: the budget begins nearly empty."""
        if self._in_doubt:
            self._held_until = 0.0
            if self._budget is not None:
                self._budget.at_most(1, now)
        self._failures = self._throttles = 0

    def counted(self, remaining: float, reset: float, now: float) -> None:
        """The provider's own count: `remaining` requests for `reset` seconds. It only ever lowers ours."""
        if self._budget is not None:
            self._budget.at_most(remaining, now)
        if remaining < 1:
            self._hold(reset, now)

    def throttled(self, wait: float | None, now: float) -> None:
        """Too many requests: all wait, not only the one that was refused."""
        self._throttles += 1
        self._trial_until = 0.0
        self._hold(self._backoff(self._throttles - 1) if wait is None else wait, now)

    def failed(self, wait: float | None, now: float) -> None:
        """No answer, or that of a broken server."""
        patience = self._patience
        self._trial_until = 0.0
        if now - self._failed_at >= patience.apart or now < self._failed_at:
            self._failures += 1
            self._failed_at = now
            if self.down:
                self._hold(self._backoff(self._failures - patience.failures), now)
        if wait is not None:
            self._hold(wait, now)

    def reduced(self, rate: float, burst: float, now: float) -> bool:
        """It was said that fewer are allowed: per second, and at once. Whether that is news."""
        if self._limit is not None and rate * 60 >= self._limit:
            return False
        news = self._reduced_until is None
        self._reduced_until = now + self._patience.believed
        self._budget = Budget(rate, burst, now)
        self._budget.at_most(0, now)
        return news

    def _remember(self, now: float) -> None:
        """What was said long ago is forgotten; if it still holds, it will be said again."""
        if self._reduced_until is not None and now >= self._reduced_until:
            self._reduced_until = None
            self._budget = None if self._limit is None else per_minute(self._limit, now)

    def _hold(self, seconds: float, now: float) -> None:
        self._held_until = max(self._held_until, now + min(seconds, LONGEST_HOLD))

    def _backoff(self, tries: int) -> float:
        return backoff(tries, self._rng, first=self._patience.first, most=self._patience.most)


class Manners:
    """How one provider wants to be asked. Says in the log, once, when it goes and when it is back."""

    def __init__(
        self,
        name: str,
        *,
        creates_per_minute: int | None,
        requests_per_minute: int | None,
        patience: Patience | None = None,
        rng: random.Random | None = None,
    ) -> None:
        rng = rng or random.Random()  # noqa: S311  jitter
        patience = patience or Patience()
        self.name = name
        self.creates = Lane(creates_per_minute, patience, rng)
        self.others = Lane(requests_per_minute, patience, rng)
        self._down_since: float | None = None

    def room(self, now: float) -> float:
        """Creates that may be sent at once. None while nothing else gets through: who would follow them?"""
        return 0 if self.others.down and self.others.held(now) else self.creates.room(now)

    def why(self, now: float) -> str | None:
        """What jobs in the queue wait for: a code, None where it isn't the provider."""
        if self.creates.down or (self.others.down and self.others.held(now)):
            return "provider_down"
        return None if self.creates.room(now) else "provider_busy"

    def away(self, now: float, longer_than: float) -> bool:
        """Whether it takes no orders, and won't for a while."""
        return self.why(now) == "provider_down" or self.creates.held(now) > longer_than

    def admit(self, now: float) -> float:
        """Any call but a create: the seconds to wait before it may be sent. Raises TryLater."""
        if held := self.others.held(now):
            kind = ProviderDown if self.others.down else ProviderBusy
            raise kind(f"{self.name} is not asked for now", retry_after=held)
        return self.others.take(now)

    def heard(
        self, lane: Lane, error: ThreadreelError | None, headers: Mapping[str, str] | None, now: float
    ) -> None:
        """What came of a request: an error or none, and the headers of the answer, None where none came."""
        if headers is not None and (count := rate_left(headers, now)):
            lane.counted(*count, now)
        match error:
            case ProviderBusy():
                self._throttled(lane, error, now)
            case TryLater():
                lane.failed(error.retry_after, now)
            case LostAnswer():
                lane.failed(None, now)
            case _:  # any other refusal is an answer
                lane.answered(now)
        self._tell(error, now)

    def _throttled(self, lane: Lane, error: ProviderBusy, now: float) -> None:
        lane.throttled(error.retry_after, now)
        said = rate_said(str(error))
        if said and lane.reduced(*said, now):
            log.warning(
                "The provider allows fewer requests",
                action="provider_slow",
                provider=self.name,
                why=str(error),
            )

    def _tell(self, error: ThreadreelError | None, now: float) -> None:
        down = self.creates.down or self.others.down
        if down and self._down_since is None:
            self._down_since = now
            log.warning(
                "The provider does not answer", action="provider_down", provider=self.name, why=str(error)
            )
        elif not down and self._down_since is not None:
            seconds = round(now - self._down_since, 1)
            self._down_since = None
            log.info("The provider answers again", action="provider_up", provider=self.name, seconds=seconds)


# -- what is said


def rate_left(headers: Mapping[str, str], now: float) -> tuple[float, float] | None:
    """`ratelimit-remaining` and the seconds until `ratelimit-reset`, which may be a span or a moment."""
    try:
        remaining = float(headers.get("ratelimit-remaining", ""))
        reset = float(headers.get("ratelimit-reset", ""))
    except ValueError:
        return None
    reset = reset - now if reset > LONGEST_HOLD else reset
    good = math.isfinite(remaining) and remaining >= 0 and 0 <= reset <= LONGEST_HOLD
    return (remaining, reset) if good else None


def rate_said(text: str) -> tuple[float, float] | None:
    """Requests per second, and at once: "reduced to 6 requests per minute with a burst of 1 requests"."""
    found = _RATE.search(text)
    if found is None or not int(found[1]):
        return None
    rate = int(found[1]) / (60 if found[2] == "minute" else 1)
    return rate, max(1.0, float(found[3] or 1))
