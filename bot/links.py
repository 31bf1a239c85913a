"""Signed links to kept files, for providers that take files by URL only. Pure."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

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
        made = self._signature(digest, int(until))
        return hmac.compare_digest(made.encode(), signature.encode("utf-8", "replace"))

    def _signature(self, digest: str, until: int) -> str:
        return hmac.new(self._key, f"{digest}.{until}".encode(), hashlib.sha256).hexdigest()
