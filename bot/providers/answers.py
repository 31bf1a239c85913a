"""An API's answer as it came: read up to a limit, decoded, and described where it makes no sense."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from bot.errors import NotAPrediction
from bot.jobs import Json

DETAIL = 300
"""Characters that are kept of what a provider says."""

_GZIP = 16 + zlib.MAX_WBITS
_TITLE = re.compile(r"<title[^>]*>(.{1,200}?)</title", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def ok(self) -> bool:
        """Replicate creates with 201 or 202, gateways with 200."""
        return 200 <= self.status < 300


async def read_answer(response: httpx.Response, limit: int) -> Answer:
    """The answer with no more than `limit` + 1 bytes of its body, unpacked, whatever the server sends."""
    unpack = _unpacker(response.headers.get("content-encoding", ""))
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += unpack(chunk, limit + 1 - len(body))
        if len(body) > limit:
            break
    return Answer(response.status_code, response.headers, bytes(body))


def _unpacker(encoding: str) -> Callable[[bytes, int], bytes]:
    """Unpacks a chunk into at most so many bytes: httpx' own decoders would unpack a bomb whole."""
    if encoding.strip().lower() != "gzip":
        return lambda chunk, most: chunk[:most]
    gzip = zlib.decompressobj(_GZIP)

    def unpack(chunk: bytes, most: int) -> bytes:
        try:
            return gzip.decompress(chunk, most)
        except zlib.error:
            return b""

    return unpack


def decode(body: bytes) -> Json:
    """The JSON in a body, NaN and infinities as null; raises NotAPrediction where there is none."""
    try:
        return json.loads(body.decode("utf-8-sig", "replace"), parse_constant=_null)
    except (ValueError, RecursionError):
        raise NotAPrediction(describe_body(body)) from None


def _null(_constant: str) -> None:
    return None


def describe_body(body: bytes) -> str:
    """What came instead of JSON, in a few words."""
    start = body[:4096].decode("utf-8", "replace").strip()
    if not start:
        return "an empty answer"
    if start.startswith("<"):
        title = _TITLE.search(start)
        return f"an HTML page ({shorten(title[1], 100)})" if title else "an HTML page"
    if start[0] in "{[":
        return "an answer that breaks off, or is no JSON"
    return f"text: {shorten(start, 100)}"


def describe(value: Json) -> str:
    """What came instead of what the API promises, in a few words."""
    if isinstance(value, dict):
        keys = ", ".join(shorten(str(key), 30) for key in list(value)[:6])
        return f"an object with {keys}" if keys else "an empty object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return f"only {shorten(json.dumps(value), 100)}"


def shorten(text: str, limit: int = DETAIL) -> str:
    """On one line, without control characters (escape codes, lone surrogates), at most `limit` characters."""
    plain = "".join(c if c.isprintable() else " " for c in text[: 8 * limit])
    line = " ".join(plain.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
