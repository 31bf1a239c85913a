"""What a failed request means: is it certain that nothing was taken, may it be repeated, who must act."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime

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
from bot.providers.answers import Answer, decode, describe, describe_body, shorten

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
"""Refused before acceptance. 52x: Cloudflare could not connect to the server behind it
(https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/)."""

_CODES: Mapping[int, str] = {
    401: "unauthenticated",
    402: "no_credit",
    403: "forbidden",
    404: "not_found",
    413: "too_large",
    422: "bad_input",
}

_NO_CREDIT = frozenset({"insufficient_user_quota", "pre_consume_token_quota_failed"})
"""Codes of the gateways' family (one-api, new-api), which come with 403."""

_RESETS_IN = re.compile(r"resets in ~?\s*([0-9]+(?:\.[0-9]+)?)\s*(s|m)", re.IGNORECASE)


def translate(what: Answer | Exception, *, paid: bool, token: str | None, now: float) -> ThreadreelError:
    """The error for an answer that is not a success, or for the exception that came instead of an answer.

    `paid`: the request may cost money, so that without a clear answer it must not be repeated (LostAnswer);
    for any other, ProviderDown says that it may. The token stands in no message, even where a server repeats it.
    """
    if isinstance(what, Answer):
        return _of_answer(what, paid=paid, token=token, now=now)
    message = scrub(shorten(f"{type(what).__name__}: {what}".rstrip(": ")), token)
    if paid and not isinstance(what, _NEVER_SENT):
        return LostAnswer(message)
    return ProviderDown(message)


def _of_answer(answer: Answer, *, paid: bool, token: str | None, now: float) -> ThreadreelError:
    said = _what_it_says(answer)
    status, detail = answer.status, scrub(said.detail, token)
    message = f"{status}: {detail}"
    wait = _wait(answer.headers, said, now)
    if 400 <= status < 500 and said.code in _NO_CREDIT:
        return ProviderRefused("no_credit", status, detail)
    if status == 429:
        return ProviderBusy(message, retry_after=wait)
    if status in _NOT_TAKEN:
        return ProviderDown(message, retry_after=wait)
    if status >= 500 or status == 408:
        return LostAnswer(message) if paid else ProviderDown(message, retry_after=wait)
    fields = {name: scrub(text, token) for name, text in said.fields.items()}
    return ProviderRefused(_CODES.get(status, "refused"), status, detail, fields)


def scrub(text: str, token: str | None) -> str:
    return text.replace(token, "***") if token else text


# -- what an error answer says


@dataclass(frozen=True, slots=True)
class _Said:
    """`wait` is the `retry_after` of the body, or what its text says, in seconds."""

    detail: str
    code: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    wait: float | None = None


def _what_it_says(answer: Answer) -> _Said:
    """Replicate's form {title, detail, status, invalid_fields}, the gateways' {"error": {message, type, code}}, or none."""
    if 300 <= answer.status < 400:
        return _Said("the API sends us elsewhere; its base URL may be wrong")
    try:
        value = decode(answer.body)
    except NotAPrediction:
        return _Said(describe_body(answer.body))
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
    """`invalid_fields` by the model's own input names: "input.output_format" -> "output_format"."""
    entries = invalid if isinstance(invalid, list) else []
    return {
        shorten(entry["field"].removeprefix("input."), 100): shorten(
            _first_text(entry.get("description"), entry.get("type"))
        )
        for entry in entries[:50]
        if isinstance(entry, dict) and isinstance(entry.get("field"), str)
    }


# -- how long to wait


def _wait(headers: httpx.Headers, said: _Said, now: float) -> float | None:
    """Seconds, by the `Retry-After` header (a number or a date), then by what the body says; None where nobody does."""
    header = headers.get("retry-after", "").strip()
    wait = _first_wait(header, _wait_until(header, now), said.wait)
    return None if wait is None else min(wait, LONGEST_WAIT)


def _first_wait(*candidates: Json) -> float | None:
    for candidate in candidates:
        if isinstance(candidate, bool) or not isinstance(candidate, int | float | str):
            continue
        try:
            seconds = float(candidate)
        except (ValueError, OverflowError):
            continue
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    return None


def _wait_until(date: str, now: float) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
        return max((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now, 0.0)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _wait_in(text: str) -> float | None:
    """ "Your rate limit resets in ~7s.", as Replicate's throttling writes it."""
    found = _RESETS_IN.search(text)
    return None if found is None else float(found[1]) * (60 if found[2].lower() == "m" else 1)
