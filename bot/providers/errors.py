"""What a failed request means: whether it is certain that nothing was taken, and who must act."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx

from bot.errors import (
    LostAnswer,
    NotAPrediction,
    ProviderBusy,
    ProviderDown,
    ProviderRefused,
    ThreadreelError,
)
from bot.jobs import Json
from bot.providers.answers import Answer, decode, describe, shorten

LONGEST_WAIT = 3600.0
"""Seconds: no answer makes us wait longer than that before we ask again."""

_NEVER_SENT = (
    httpx.ConnectError,  # refused, unknown host, failed TLS handshake
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)

_NOT_TAKEN = frozenset({503, 521, 523, 525, 526})
"""Refused before acceptance. 521 and above are Cloudflare's, which got no connection to the server behind it:
https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/"""

_CODES: Mapping[int, str] = {
    401: "unauthenticated",
    402: "no_credit",
    403: "forbidden",
    404: "not_found",
    413: "too_large",
    422: "bad_input",
}

_NO_CREDIT = frozenset({"insufficient_user_quota", "pre_consume_token_quota_failed"})
"""Codes of the family that the gateways belong to (one-api, new-api); they come with 403."""

_NO_CHANNEL = "model_not_found"
"""Of the same family, with 503: nobody behind the gateway runs this model. Waiting would not change it."""

_NO_VERSION = re.compile(r"specified version does not exist", re.IGNORECASE)
"""Replicate answers 422, not 404, where a version was taken away."""

_RESETS_IN = re.compile(r"resets in ~?\s*([0-9]{1,6}(?:\.[0-9]+)?)\s*(s|m)", re.IGNORECASE)

AnyText = TypeVar("AnyText", str, bytes)


def translate(what: Answer | Exception, *, paid: bool, token: str | None, now: float) -> ThreadreelError:
    """The error for an answer that is no success, or for the exception that came instead of an answer.

    `paid`: the request may cost money, so that without a clear answer nobody may repeat it (LostAnswer); any
    other gives ProviderDown. `now`, in seconds since the epoch, turns a date to come back at into a wait. The
    token stands in no message, even where a server repeats it.
    """
    if isinstance(what, Answer):
        return _of_answer(Answer(what.status, what.headers, scrub(what.body, token)), paid=paid, now=now)
    message = shorten(scrub(f"{type(what).__name__}: {what}".removesuffix(": "), token))
    if paid and not isinstance(what, _NEVER_SENT):
        return LostAnswer(message)
    return ProviderDown(message)


def _of_answer(answer: Answer, *, paid: bool, now: float) -> ThreadreelError:
    status, said = answer.status, _what_it_says(answer)
    if 400 <= status < 500 and said.code in _NO_CREDIT:
        return ProviderRefused("no_credit", status, said.detail)
    if paid and status == 503 and said.code == _NO_CHANNEL:
        return ProviderRefused("no_channel", status, said.detail)
    message, wait = f"{status}: {said.detail}", _wait(answer.headers, said, now)
    if status == 429:
        return ProviderBusy(message, retry_after=wait)
    if status in _NOT_TAKEN:
        return ProviderDown(message, retry_after=wait)
    if status >= 500 or status == 408:
        return LostAnswer(message) if paid else ProviderDown(message, retry_after=wait)
    if status == 422 and not said.fields and _NO_VERSION.search(said.detail):
        return ProviderRefused("not_found", status, said.detail)
    return ProviderRefused(_CODES.get(status, "refused"), status, said.detail, said.fields)


def scrub(text: AnyText, token: str | None) -> AnyText:
    if not token:
        return text
    if isinstance(text, str):
        return text.replace(token, "***")
    return text.replace(token.encode(), b"***")


# -- what an error answer says


@dataclass(frozen=True, slots=True)
class _Said:
    """`wait` is what the body says in seconds, as a number or in its text."""

    detail: str
    code: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    wait: float | None = None


def _what_it_says(answer: Answer) -> _Said:
    """Replicate writes {title, detail, status, invalid_fields}, gateways {error: {message, type, code}}."""
    if 300 <= answer.status < 400:
        return _Said("the API sends us elsewhere; its base URL may be wrong")
    try:
        value = decode(answer.body)
    except NotAPrediction as nonsense:
        return _Said(nonsense.detail)
    if not isinstance(value, dict):
        return _Said(describe(value))
    error = value.get("error")
    inner = error if isinstance(error, dict) else {}
    text = _first_text(
        value.get("detail"), value.get("title"), inner.get("message"), error, value.get("message")
    )
    return _Said(
        shorten(text or describe(value)),
        code=_first_text(inner.get("code"), inner.get("type")),
        fields=_fields(value.get("invalid_fields")),
        wait=_first_wait(value.get("retry_after"), _wait_in(text)),
    )


def _first_text(*candidates: Json) -> str:
    return next((text for text in candidates if isinstance(text, str) and text.strip()), "")


def _fields(invalid: Json) -> dict[str, str]:
    """`invalid_fields` by the model's own names of its inputs: "input.output_format" -> "output_format"."""
    fields: dict[str, str] = {}
    for entry in invalid[:50] if isinstance(invalid, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("field"), str):
            name = shorten(entry["field"].removeprefix("input."), 100)
            fields[name] = shorten(_first_text(entry.get("description"), entry.get("type")))
    return fields


# -- how long to wait


def _wait(headers: httpx.Headers, said: _Said, now: float) -> float | None:
    """Seconds by the Retry-After header, a number or a date, else by the body; None where nobody says."""
    header = headers.get("retry-after", "")
    wait = _first_wait(header, _wait_until(header, now), said.wait)
    return None if wait is None else min(wait, LONGEST_WAIT)


def _first_wait(*candidates: Json) -> float | None:
    return next((wait for wait in map(_seconds, candidates) if wait is not None), None)


def _seconds(value: Json) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _wait_until(date: str, now: float) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
        at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return max(at - now, 0.0)


def _wait_in(text: str) -> float | None:
    """ "Your rate limit resets in ~7s.": so Replicate's throttling says it."""
    found = _RESETS_IN.search(text)
    return None if found is None else float(found[1]) * (60 if found[2].lower() == "m" else 1)
