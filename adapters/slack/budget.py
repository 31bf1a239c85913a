"""Whose turn it is: what Slack allows in a while, shared fairly. Pure; times are in seconds."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

PATIENCE = 30.0
"""Seconds after its turn that a place in the line is kept for who does not come back."""


@dataclass
class Turns:
    """At most one every `interval`, after a quiet time up to `burst` at once; one line for each group.

    Groups, such as channels, take turns with one another, so that a long line in one keeps no other waiting.
    In every minute there are at most burst + 60 / interval.
    """

    interval: float
    burst: int = 1
    _next: float = 0.0  # when all of the burst is there again
    _lines: OrderedDict[str, OrderedDict[str, float]] = field(default_factory=OrderedDict)

    def take(self, group: str, key: str, now: float) -> float:
        """0 where it is the turn of `key`, which is spent by that; else the seconds to come back after.

        Who has asked stands in the line until it is their turn, or they fail to come back.
        """
        self._forget(now)
        self._lines.setdefault(group, OrderedDict()).setdefault(key, now)
        wait = self._ready_at(self._rank(group, key), now) - now
        if wait > 0:
            self._lines[group][key] = now + wait
            return wait
        self._leave(group, key)
        self._spend(now)
        return 0.0

    def take_idle(self, now: float, *, spare: int) -> float:
        """As `take`, for what can be left out: only where nobody waits and `spare` turns are left over."""
        self._forget(now)
        waiting = sum(map(len, self._lines.values()))
        wait = self._ready_at(waiting + spare, now) - now
        if wait > 0:
            return wait
        self._spend(now)
        return 0.0

    def _spend(self, now: float) -> None:
        self._next = max(self._next, now) + self.interval

    def _ready_at(self, rank: int, now: float) -> float:
        """When so many others could have had their turn, and one more."""
        return max(self._next, now) + (rank + 1 - self.burst) * self.interval

    def _rank(self, group: str, key: str) -> int:
        """How many have their turn before it: one of each group in every round."""
        round_ = list(self._lines[group]).index(key)
        earlier = list(self._lines).index(group)
        return sum(
            min(len(line), round_ + (number < earlier)) for number, line in enumerate(self._lines.values())
        )

    def _leave(self, group: str, key: str) -> None:
        """Its group goes to the end of the round."""
        line = self._lines[group]
        del line[key]
        self._lines.move_to_end(group)
        if not line:
            del self._lines[group]

    def _forget(self, now: float) -> None:
        for group, line in list(self._lines.items()):
            for key in [key for key, due in line.items() if due + PATIENCE < now]:
                del line[key]
            if not line:
                del self._lines[group]
