"""How many requests a minute are answered before they are throttled."""

from __future__ import annotations

import math
from collections.abc import Callable

from bot.sandbox.refusals import throttled

WINDOW = 60.0


class Budget:
    """`limit` requests in each window of a minute; `what` says of which, in Replicate's words."""

    def __init__(self, limit: int, what: str, now: Callable[[], float]) -> None:
        self._limit = limit
        self._what = what
        self._now = now
        self._ends = 0.0
        self._left = limit

    def spend(self) -> None:
        """Takes one request. Raises a 429 where none is left."""
        if self._now() >= self._ends:
            self._ends, self._left = self._now() + WINDOW, self._limit
        if not self._left:
            limit = f" Your rate limit for {self._what} is {self._limit} requests per minute."
            refusal = throttled(self._reset(), limit)
            refusal.headers = self.headers()
            raise refusal
        self._left -= 1

    def headers(self) -> dict[str, str]:
        return {"ratelimit-remaining": str(self._left), "ratelimit-reset": str(self._reset())}

    def _reset(self) -> int:
        return max(1, math.ceil(self._ends - self._now()))
