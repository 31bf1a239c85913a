"""Slack's rate limits: calls of a method in a minute, by app and workspace; a message a second a channel.

https://docs.slack.dev/apis/web-api/rate-limits
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from tests.slack_server.limits import TIERS
from tests.slack_server.state import World

# What sends a message to a channel.
POSTING = ("chat.postMessage",)


@dataclass
class RateLimits:
    """Counts calls. `refused` counts the 429s that really came from a limit."""

    world: World
    refused: int = 0
    _calls: dict[tuple[str, ...], deque[float]] = field(default_factory=dict)
    _tokens: dict[str, tuple[float, float]] = field(default_factory=dict)

    def take(self, method: str, tier: int, app: str, team: str, channel: str | None) -> float | None:
        """Count one call. A number: it is refused, and this long (seconds, by `pace`) nothing will do."""
        limits = self.world.limits
        if not limits.rate_limits:
            return None
        most = limits.posts_per_minute if method in POSTING else TIERS[tier]
        wait = self._minute((method, app, team), most)
        if wait is None and method in POSTING and channel:
            wait = self._a_second(channel)
        if wait is not None:
            self.refused += 1
        return wait

    def _minute(self, key: tuple[str, ...], most: int) -> float | None:
        now, window = self.world.clock(), 60.0 * self.world.limits.pace
        calls = self._calls.setdefault(key, deque())
        while calls and now - calls[0] >= window:
            calls.popleft()
        if len(calls) >= most:
            return calls[0] + window - now
        calls.append(now)
        return None

    def _a_second(self, channel: str) -> float | None:
        now, second, burst = self.world.clock(), self.world.limits.pace, self.world.limits.post_burst
        left, at = self._tokens.get(channel, (float(burst), now))
        left = min(float(burst), left + (now - at) / second)
        if left < 1.0:
            self._tokens[channel] = (left, now)
            return (1.0 - left) * second
        self._tokens[channel] = (left - 1.0, now)
        return None
