"""Discord's rate limits: a bucket per kind of route and top-level resource, and one for all together.

https://docs.discord.com/developers/topics/rate-limits
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field

from tests.discord_server.limits import JSON
from tests.discord_server.state import World

# Discord doesn't publish these; they are what its headers are seen to say. Limit, and window in seconds.
BUCKETS: dict[str, tuple[int, float]] = {
    "POST /channels/{channel}/messages": (5, 5.0),
    "PATCH /channels/{channel}/messages/{message}": (5, 5.0),
    "DELETE /channels/{channel}/messages/{message}": (5, 1.0),
    "POST /channels/{channel}/messages/{message}/threads": (50, 300.0),
    "POST /channels/{channel}/threads": (50, 300.0),
    "POST /users/@me/channels": (10, 10.0),
    "PUT /applications/{application}/commands": (2, 20.0),
    "PUT /applications/{application}/guilds/{guild}/commands": (2, 20.0),
    "POST /webhooks/{application}/{token}": (5, 2.0),
    "PATCH /webhooks/{application}/{token}/messages/{message}": (5, 2.0),
}
ANY_OTHER = (50, 1.0)
TOP_LEVEL = ("channel", "guild", "token")


@dataclass(frozen=True)
class Refusal:
    retry_after: float
    scope: str  # user, global, shared or cloudflare

    def body(self) -> JSON:
        message = "You are being rate limited."
        return {"message": message, "retry_after": self.retry_after, "global": self.scope == "global"}


@dataclass
class Bucket:
    name: str
    limit: int
    window: float
    resets_at: float = 0.0
    used: int = 0

    def headers(self, now: float) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(max(0, self.limit - self.used)),
            "X-RateLimit-Reset": f"{self.resets_at:.3f}",
            "X-RateLimit-Reset-After": f"{max(0.001, self.resets_at - now):.3f}",
            "X-RateLimit-Bucket": hashlib.md5(self.name.encode(), usedforsecurity=False).hexdigest(),
        }


@dataclass
class RateLimits:
    """Counts requests. `refused` counts the 429s that really came from a limit."""

    world: World
    refused: int = 0
    invalid: deque[float] = field(default_factory=deque)
    _buckets: dict[tuple[str, ...], Bucket] = field(default_factory=dict)
    _recent: deque[float] = field(default_factory=deque)

    def take(
        self, route: str, parts: dict[str, str], *, counts_globally: bool
    ) -> tuple[Bucket, Refusal | None]:
        """Count one request on its bucket. With a `Refusal` the limit is exceeded."""
        now = self.world.clock()
        bucket = self._bucket(route, parts, now)
        refusal = self._banned(now) or (self._over_global(now) if counts_globally else None)
        if refusal is None and bucket.used >= bucket.limit:
            refusal = Refusal(round(max(0.001, bucket.resets_at - now), 3), "user")
        if refusal is None:
            bucket.used += 1
        else:
            self.refused += 1
        return bucket, refusal

    def note_answer(self, status: int, *, shared: bool = False) -> None:
        """401, 403 and 429 count as invalid: too many of them and the address is banned for a while."""
        if status in (401, 403, 429) and not shared:
            self.invalid.append(self.world.clock())

    def _bucket(self, route: str, parts: dict[str, str], now: float) -> Bucket:
        limit, window = BUCKETS.get(route, ANY_OTHER)
        window *= self.world.limits.pace
        key = (route, *(parts[name] for name in TOP_LEVEL if name in parts))
        bucket = self._buckets.get(key)
        if bucket is None or bucket.resets_at <= now:
            if len(self._buckets) > 10_000:
                self._buckets = {k: b for k, b in self._buckets.items() if b.resets_at > now}
            bucket = self._buckets[key] = Bucket(route, limit, window, now + window)
        return bucket

    def _over_global(self, now: float) -> Refusal | None:
        window = 1.0 * self.world.limits.pace
        while self._recent and now - self._recent[0] > window:
            self._recent.popleft()
        if len(self._recent) >= self.world.limits.global_per_second:
            return Refusal(round(max(0.001, self._recent[0] + window - now), 3), "global")
        self._recent.append(now)
        return None

    def _banned(self, now: float) -> Refusal | None:
        while self.invalid and now - self.invalid[0] > 600:
            self.invalid.popleft()
        return (
            Refusal(600.0, "cloudflare") if len(self.invalid) >= self.world.limits.invalid_requests else None
        )
