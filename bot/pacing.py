"""When to look again: what is learned of each model's durations, request budgets and backoff. Pure."""

from __future__ import annotations

import bisect
import math
import random
from collections.abc import Iterable
from dataclasses import dataclass, replace

KEPT = 200
"""Durations kept per model: enough for a steady 5th percentile, few enough to follow a model that changes."""


FEW = 3
"""Fewer durations than this say nothing of the next one."""

YOUNGEST = 0.1
"""Seconds: younger runs count as so old."""

FEW_MISSED = 3
GRACE = 5.0
"""Seconds that a webhook may be later than a look."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How eager to be. `shortest` and `longest` bound the wait between two looks, in seconds.

    `price` is the delay, in seconds, that one request is worth: the larger, the rarer the looks. `heard`: how
    many times rarer they are while the provider tells of ends by itself.
    """

    shortest: float = 0.45
    longest: float = 5.0
    price: float = 0.05
    heard: float = 6.0

    def while_heard(self) -> Pace:
        """The pace while webhooks arrive: the wait grows with the square root of the price."""
        return replace(
            self,
            shortest=self.shortest * self.heard,
            longest=self.longest * self.heard,
            price=self.price * self.heard**2,
        )


class Durations:
    """What has been learned of how long one model takes, in seconds."""

    __slots__ = ("_newest", "_sorted")

    def __init__(self, seconds: Iterable[float] = ()) -> None:
        self._newest: list[float] = []
        self._sorted: list[float] = []
        for value in seconds:
            self.learn(value)

    def __len__(self) -> int:
        return len(self._sorted)

    def learn(self, seconds: float) -> None:
        if len(self._newest) == KEPT:
            self._sorted.remove(self._newest.pop(0))
        self._newest.append(seconds)
        bisect.insort(self._sorted, seconds)

    def quantile(self, share: float) -> float:
        """The duration that `share` (0..1) of the runs stay under. Needs at least one."""
        return self._sorted[min(int(share * len(self._sorted)), len(self._sorted) - 1)]

    def left(self, age: float) -> float | None:
        """The median time left for a run of this age; None where nothing is learned or it is overdue."""
        first = bisect.bisect_right(self._sorted, age)
        longer = len(self._sorted) - first
        if not longer:
            return None
        return self._sorted[first + longer // 2] - age

    def ended(self, age: float, within: float) -> float:
        """The share (0..1) of the runs that get to this age which end within so many seconds more.

        To those that were seen it adds one of which only its age is known: the older, the longer to come. It
        keeps a single run from saying what the next one does.
        """
        first = bisect.bisect_right(self._sorted, age)
        alive = len(self._sorted) - first
        there = bisect.bisect_right(self._sorted, age + within) - first
        return (there + min(2 * within / age, 1.0)) / (alive + 1)

    def until_unseen(self, age: float, delay: float) -> float:
        """Seconds after which a run of this age will, on average, have been over unseen for `delay` seconds.

        The average is over the runs that got to this age, and the one of which only its age is known. Between
        two of the ends that were seen it is a quadratic function of the time, and solved there.
        """
        first = bisect.bisect_right(self._sorted, age)
        alive = len(self._sorted) - first
        wanted, over = delay * (alive + 1), 0.0
        for there in range(alive + 1):
            root = math.sqrt(there**2 + 4 / age * (wanted + over))
            found = (root - there) * age / 2
            if there == alive or age + found <= self._sorted[first + there]:
                return found
            over += self._sorted[first + there] - age
        raise AssertionError("the last is always found")


NOTHING_KNOWN = Durations()


class Hearing:
    """Whether a provider's webhooks arrive, by those of predictions that have ended; None: not known yet.

    What a look has found first is missed once its webhook is `GRACE` seconds late. `FEW_MISSED` in a row, and
    none that came between them, are no accident.
    """

    __slots__ = ("_found", "_missed", "arrive")

    def __init__(self) -> None:
        self.arrive: bool | None = None
        self._found: dict[str, float] = {}
        self._missed = 0

    def came(self, prediction: str) -> None:
        self._found.pop(prediction, None)
        self._missed = 0
        self.arrive = True

    def found(self, prediction: str, now: float) -> None:
        """A look has found it first."""
        self._found[prediction] = now

    def judge(self, now: float) -> bool | None:
        late = [prediction for prediction, at in self._found.items() if at < now - GRACE]
        for prediction in late:
            del self._found[prediction]
        self._missed += len(late)
        if self._missed >= FEW_MISSED:
            self.arrive = False
        return self.arrive


def next_look(age: float, known: Durations, pace: Pace) -> float:
    """Seconds to wait until a run of this age is worth a look: docs/pacing.md has the reasons.

    The wait is over when the delay that is to be expected has come to what a look costs. Where runs end at a
    steady rate h that is sqrt(2 * price / h), the known optimum; where none ends for a while, it is when they
    begin to. Of a first run, and of one that takes longer than any before, nothing is known but its age.
    """
    age = max(age, YOUNGEST)
    seen = known if len(known) >= FEW else NOTHING_KNOWN
    return _bounded(seen.until_unseen(age, pace.price), pace)


def likely_ended(age: float, within: float, known: Durations) -> float:
    """The share (0..1) of the runs of this age that end within so many seconds: what a look is worth then."""
    return (known if len(known) >= FEW else NOTHING_KNOWN).ended(max(age, YOUNGEST), within)


def _bounded(seconds: float, pace: Pace) -> float:
    return min(max(seconds, pace.shortest), pace.longest)


def backoff(tries: int, rng: random.Random, *, first: float = 1.0, most: float = 300.0) -> float:
    """Seconds to wait after so many failures: doubling, with jitter so that many don't come at once."""
    return min(first * 2.0 ** min(tries, 30), most) * rng.uniform(0.8, 1.2)


class Budget:
    """A token bucket: at most `rate` requests a second, `burst` at once."""

    __slots__ = ("_at", "_burst", "_left", "_rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._at = now

    def room(self, now: float) -> int:
        """Requests that may be sent at once."""
        self._refill(now)
        return max(0, math.floor(self._left))

    def take(self, now: float) -> float:
        """Spend one request; returns the seconds to wait before it may be sent."""
        self._refill(now)
        self._left -= 1
        return max(0.0, -self._left / self._rate)

    def at_most(self, left: float, now: float) -> None:
        """Somebody who counts better knows of no more than that."""
        self._refill(now)
        self._left = min(self._left, left)

    def _refill(self, now: float) -> None:
        elapsed = max(0.0, now - self._at)  # a clock may be set back
        self._left = min(self._burst, self._left + elapsed * self._rate)
        self._at = now


def per_minute(limit: int, now: float = 0.0) -> Budget:
    """No more than `limit` requests in any minute, wherever it begins: so it holds however a server counts.

    A full bucket lets its burst and a minute's refill through: a tenth of the limit and nine tenths. Of fewer
    than two a minute one may always be sent.
    """
    burst = max(1.0, limit / 10)
    return Budget(max(limit - burst, limit / 2) / 60, burst, now)
