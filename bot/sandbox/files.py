"""Bytes that are kept for a while: uploaded files and results."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bot.sandbox.work import Json

LARGEST_FILE = 100 * 1024 * 1024
"""Bytes: Replicate's Files API takes no more (https://replicate.com/docs/topics/predictions/input-files)."""


@dataclass(frozen=True, slots=True)
class File:
    """`expires_at` is None for what is dropped by whoever kept it. `model` is the command it came from."""

    id: str
    name: str
    mime: str
    data: bytes
    created_at: float
    expires_at: float | None = None
    model: str = ""
    metadata: Mapping[str, Json] = field(default_factory=dict)
    checksums: Mapping[str, str] = field(default_factory=dict)


class Shelf:
    """Files by id, in memory. Where they outgrow `max_bytes` the oldest go first."""

    def __init__(self, max_bytes: int, now: Callable[[], float]) -> None:
        self._max_bytes = max_bytes
        self._now = now
        self._files: dict[str, File] = {}
        self._bytes = 0

    def put(self, file: File) -> None:
        self._files[file.id] = file
        self._bytes += len(file.data)
        while self._bytes > self._max_bytes and len(self._files) > 1:
            self.drop(next(iter(self._files)))

    def get(self, key: str) -> File | None:
        file = self._files.get(key)
        return file if file and not self._is_over(file) else None

    def drop(self, key: str) -> bool:
        file = self._files.pop(key, None)
        if file is None:
            return False
        self._bytes -= len(file.data)
        return True

    def newest_first(self) -> list[File]:
        return [file for file in reversed(self._files.values()) if not self._is_over(file)]

    def expire(self) -> None:
        for file in [file for file in self._files.values() if self._is_over(file)]:
            self.drop(file.id)

    def _is_over(self, file: File) -> bool:
        return file.expires_at is not None and file.expires_at <= self._now()


def new_key() -> str:
    """Nobody guesses it."""
    return secrets.token_urlsafe(24)


def checksums(data: bytes) -> dict[str, str]:
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return {"sha256": hashlib.sha256(data).hexdigest(), "md5": md5}


class Signatures:
    """Addresses of uploads that work without a token: HMAC-SHA256 of "{owner} {id} {expiry}"."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._key = secrets.token_bytes(32)
        self._now = now

    def sign(self, owner: str, file: str, expiry: int) -> str:
        mac = hmac.digest(self._key, f"{owner} {file} {expiry}".encode(), "sha256")
        return base64.b64encode(mac).decode()

    def is_good(self, owner: str, file: str, expiry: str, signature: str) -> bool:
        """Right and not past its expiry, in seconds since the epoch."""
        if not (expiry.isascii() and expiry.isdigit() and len(expiry) < 16):
            return False
        try:
            given = base64.b64decode(signature, validate=True)
        except binascii.Error:
            return False
        right = base64.b64decode(self.sign(owner, file, int(expiry)))
        return hmac.compare_digest(given, right) and int(expiry) > self._now()
