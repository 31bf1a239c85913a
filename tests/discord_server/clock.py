"""The time of the played Discord, and the snowflakes that hold it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

EPOCH_MS = 1420070400000


class Clock:
    """The server's time: the wall clock, which tests may put forward."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._ahead = 0.0

    def __call__(self) -> float:
        return self._now() + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += seconds


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def snowflake_time(snowflake: int) -> float:
    return ((snowflake >> 22) + EPOCH_MS) / 1000
