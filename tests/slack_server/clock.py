"""The time of the played Slack."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """The server's time: the wall clock, which tests may put forward."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._ahead = 0.0

    def __call__(self) -> float:
        return self._now() + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += seconds
