"""A file as the body of a multipart upload, read piece by piece."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncGenerator
from pathlib import Path

PIECE = 256 * 1024
LONGEST_NAME = 255
"""Bytes of UTF-8 (Replicate's OpenAPI document, `files.create`)."""

_MIME = re.compile(r"[A-Za-z0-9.+-]+/[A-Za-z0-9.+-]+")
_UNSAFE = re.compile(r'[\x00-\x1f\x7f"\\/]')


class Upload:
    """One part named `content`, as Replicate's files API takes it: `headers` and, once, `body()`."""

    def __init__(self, path: Path, name: str, mime: str, size: int) -> None:
        boundary = secrets.token_hex(16)
        kind = mime if _MIME.fullmatch(mime) else "application/octet-stream"
        self._path = path
        self._head = (
            f"--{boundary}\r\n"
            f'Content-Disposition: form-data; name="content"; filename="{file_name(name)}"\r\n'
            f"Content-Type: {kind}\r\n\r\n"
        ).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(self._head) + size + len(self._tail)),
        }

    async def body(self) -> AsyncGenerator[bytes]:
        yield self._head
        file = await asyncio.to_thread(self._path.open, "rb")
        try:
            while piece := await asyncio.to_thread(file.read, PIECE):
                yield piece
        finally:
            await asyncio.to_thread(file.close)
        yield self._tail


def file_name(name: str) -> str:
    """A name that can stand between quotes in a header, no longer than the API takes; its ending stays."""
    plain = _UNSAFE.sub("_", name).encode("utf-8", "replace").decode() or "file"
    stem, dot, ending = plain.rpartition(".")
    if not stem or len(ending.encode()) > 20:
        stem, dot, ending = plain, "", ""
    room = LONGEST_NAME - len((dot + ending).encode())
    return stem.encode()[:room].decode("utf-8", "ignore") + dot + ending
