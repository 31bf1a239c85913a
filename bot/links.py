"""Addresses of ours that nobody can guess: links to kept files, and where providers tell of a job. Pure."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from bot.jobs import JobId

LASTS = 24 * 3600
"""Seconds that a link is good for: a provider may fetch its inputs long after it took the job."""


class Links:
    """Makes and checks links below `base`, the address that the world reaches us by."""

    def __init__(self, base: str, key: bytes, now: Callable[[], float]) -> None:
        self._base = base.rstrip("/")
        self._key = key
        self._now = now

    def url_of(self, digest: str) -> str:
        until = int(self._now()) + LASTS
        return f"{self._base}/files/{digest}?until={until}&signature={self._signature(digest, until)}"

    def allows(self, digest: str, until: str, signature: str) -> bool:
        """Whether these parts of a link were made by us and are still good."""
        if not (until.isascii() and until.isdecimal() and len(until) < 12) or int(until) < self._now():
            return False
        return _is_same(self._signature(digest, int(until)), signature)

    def hook_of(self, provider: str, job: JobId) -> str:
        """Where a provider tells of a job: good for as long as the key is."""
        return f"{self._base}/webhooks/{provider}/{job}/{self._signature('webhook', provider, job)}"

    def allows_hook(self, provider: str, job: str, signature: str) -> bool:
        return _is_same(self._signature("webhook", provider, job), signature)

    def _signature(self, *parts: object) -> str:
        return hmac.new(self._key, ".".join(map(str, parts)).encode(), hashlib.sha256).hexdigest()


def _is_same(made: str, given: str) -> bool:
    return hmac.compare_digest(made.encode(), given.encode("utf-8", "replace"))
