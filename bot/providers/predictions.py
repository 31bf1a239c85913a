"""Predictions as the API gives them: every field but `id` and `status` may be missing or strange."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import parse_qs, urlsplit

from bot.errors import NotAPrediction
from bot.jobs import Json
from bot.providers.answers import decode, describe, shorten

LOGS_KEPT = 64 * 1024
"""Characters kept of a log, from its end, where the progress stands."""

ERROR_KEPT = 4000

_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.~:-]{0,199}")


class Status(StrEnum):
    """https://replicate.com/docs/topics/predictions/lifecycle; UNKNOWN, any other word, counts as running."""

    STARTING = "starting"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    ABORTED = "aborted"
    UNKNOWN = "unknown"

    @property
    def terminal(self) -> bool:
        return self in (Status.SUCCEEDED, Status.FAILED, Status.CANCELED, Status.ABORTED)


@dataclass(frozen=True, slots=True)
class Prediction:
    """Times are seconds since the epoch, `predict_time` seconds.

    `version` is 64 hex digits without "owner/name:", or whatever else the API says ("hidden" for official
    models). `data_removed`: input and output are no more; Replicate keeps them for an hour.
    """

    id: str
    status: Status
    output: Json = None
    error: str | None = None
    logs: str = ""
    model: str = ""
    version: str = ""
    input: Mapping[str, Json] = field(default_factory=dict)
    created_at: float | None = None
    started_at: float | None = None
    completed_at: float | None = None
    predict_time: float | None = None
    data_removed: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the list, newest first; `next` is the cursor of the following one."""

    predictions: tuple[Prediction, ...]
    next: str | None = None


def parse_prediction(value: Json) -> Prediction:
    """Raises NotAPrediction, and nothing else, for any JSON that has no usable `id` and `status`."""
    if not isinstance(value, dict):
        raise NotAPrediction(describe(value))
    id, status = value.get("id"), value.get("status")
    if not isinstance(id, str) or not isinstance(status, str):
        raise NotAPrediction(_complaint(value) or describe(value))
    if not _ID.fullmatch(id):
        raise NotAPrediction(f"a prediction with the id {shorten(id, 60)!r}")
    inputs, metrics = value.get("input"), value.get("metrics")
    return Prediction(
        id=id,
        status=_status(status),
        output=value.get("output"),
        error=_error(value.get("error")),
        logs=_text(value.get("logs"), LOGS_KEPT),
        model=_text(value.get("model")),
        version=_text(value.get("version")).rpartition(":")[2],
        input=inputs if isinstance(inputs, dict) else {},
        created_at=_time(value.get("created_at")),
        started_at=_time(value.get("started_at")),
        completed_at=_time(value.get("completed_at")),
        predict_time=_seconds(metrics.get("predict_time")) if isinstance(metrics, dict) else None,
        data_removed=value.get("data_removed") is True,
    )


def read_prediction(body: bytes) -> Prediction:
    """As `parse_prediction`, of the JSON in a body."""
    return parse_prediction(decode(body))


def parse_page(value: Json) -> Page:
    """A page of the list without the entries that are no predictions. NotAPrediction where it is no page."""
    results = value.get("results") if isinstance(value, dict) else None
    if not isinstance(results, list):
        raise NotAPrediction(describe(value))
    predictions = []
    for entry in results:
        try:
            predictions.append(parse_prediction(entry))
        except NotAPrediction:  # one strange entry must not hide the others
            continue
    return Page(tuple(predictions), _cursor(value.get("next")))


def _cursor(url: Json) -> str | None:
    """Only the cursor of a `next` URL: its host is whatever a gateway or a proxy made of it."""
    try:
        query = urlsplit(url).query if isinstance(url, str) else ""
        return parse_qs(query).get("cursor", [None])[0]
    except ValueError:
        return None


def _status(word: str) -> Status:
    try:
        return Status(word)
    except ValueError:
        return Status.UNKNOWN


def _complaint(value: Mapping[str, Json]) -> str | None:
    """Gateways give errors with status 200 too."""
    error = value.get("error")
    return f"an error: {shorten(_error(error) or '')}" if error else None


def _error(value: Json) -> str | None:
    """A failure in words; Replicate gives a string, others an object with a message."""
    if value is None:
        return None
    if isinstance(value, dict):
        value = next((value[key] for key in ("message", "detail") if isinstance(value.get(key), str)), value)
    if isinstance(value, str):
        return _text(value[:ERROR_KEPT], ERROR_KEPT)
    try:
        return json.dumps(value)[:ERROR_KEPT]
    except RecursionError:
        return describe(value)


def _text(value: Json, longest: int = 1000) -> str:
    """The end of a string, such that UTF-8 can hold it: JSON's escapes can spell halves of characters."""
    return value[-longest:].encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _time(value: Json) -> float | None:
    """ISO 8601, with a fraction or without, UTC where it names no zone."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _seconds(value: Json) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
