"""A prediction as requests see it."""

from __future__ import annotations

from datetime import UTC, datetime

from bot.sandbox.predictions import Prediction, Status
from bot.sandbox.work import Json


def as_json(prediction: Prediction, *, logs: bool = True) -> dict[str, Json]:
    """As GET gives it; without `logs` as in a list, whose entries have none in Replicate's document."""
    order, end = prediction.order, prediction.completed_at
    address = f"{order.api}/v1/predictions/{prediction.id}"
    shown: dict[str, Json] = {
        "id": prediction.id,
        "model": order.model.full_name,
        "version": order.model.version or "hidden",
        "input": prediction.input,
        "output": prediction.output,
        "error": prediction.error,
        "status": prediction.status.value,
        "source": "api",
        "data_removed": prediction.data_removed,
        "created_at": moment(prediction.created_at),
        "started_at": moment(prediction.started_at),
        "completed_at": moment(end),
        "metrics": {},
        "urls": {
            "get": address,
            "cancel": f"{address}/cancel",
            "web": f"https://replicate.com/p/{prediction.id}",
        },
    }
    if logs:
        shown["logs"] = prediction.logs
    if prediction.deadline is not None:
        shown["deadline"] = moment(prediction.deadline)
    if end is not None:
        shown["metrics"] = _metrics(prediction, end)
    return shown


def as_waited_json(prediction: Prediction, *, seen_ending: bool) -> dict[str, Json]:
    """The answer to a request that waited (https://replicate.com/docs/topics/predictions/create-a-prediction).

    With files it holds the output while the status is still "processing"; when the time was up the prediction
    comes as "starting".
    """
    shown = as_json(prediction)
    if not seen_ending:
        shown["status"] = Status.STARTING.value
    elif prediction.status is Status.SUCCEEDED:
        shown |= {"status": Status.PROCESSING.value, "completed_at": None, "metrics": {}}
    return shown


def only_page(results: list[Json]) -> Json:
    """A list that needs one page only."""
    return {"next": None, "previous": None, "results": results}


def moment(seconds: float | None) -> str | None:
    """ISO 8601, as in "2026-11-21T08:35:12.345Z"."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _metrics(prediction: Prediction, end: float) -> dict[str, float]:
    total = {"total_time": round(end - prediction.created_at, 6)}
    if prediction.started_at is None:
        return total
    return {"predict_time": round(end - prediction.started_at, 6), **total}
