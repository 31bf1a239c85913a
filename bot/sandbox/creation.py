"""A request that asks for a prediction -> the prediction, and the answer that says so."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from aiohttp import web

from bot.catalogue.schema import Model
from bot.sandbox.fetching import is_loopback
from bot.sandbox.inputs import check_inputs
from bot.sandbox.predictions import Order, Prediction
from bot.sandbox.refusals import Problem, answer
from bot.sandbox.wire import as_json, as_waited_json
from bot.sandbox.work import Json
from bot.sandbox.workshop import Workshop

PREFER = re.compile(r"wait(?:=([1-9][0-9]?))?$")
CANCEL_AFTER = re.compile(r"(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s?)?$")
LONGEST_WAIT = 60.0
SHORTEST_DEADLINE, LONGEST_DEADLINE = 5, 24 * 3600
DEFAULT_EVENTS = ("output", "completed")


async def read_body(request: web.Request) -> Json:
    """The JSON of a request. Raises a 400 for what is none, which NaN and 1e999 aren't either."""
    try:
        return json.loads(await request.read(), parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise Problem(400, "The request body is not valid JSON", title="Bad request") from error


def read_order(
    request: web.Request, model: Model, body: Mapping[str, Json], *, api: str, any_webhook: bool
) -> Order:
    """What the request asks for. Raises a 422 that names every fault of the inputs."""
    check_inputs(model, body["input"])
    webhook = body.get("webhook")
    if webhook is not None:
        _check_webhook(webhook, any_host=any_webhook)
    return Order(
        model=model,
        input=body["input"],
        api=api,
        origin=str(request.url.origin()),
        wait=_wait(request),
        cancel_after=_cancel_after(request),
        webhook=webhook,
        events=frozenset(body.get("webhook_events_filter") or DEFAULT_EVENTS),
    )


async def answer_created(
    workshop: Workshop, prediction: Prediction, *, status: int, waiting_status: int
) -> web.Response:
    """`status` is for one that was made, `waiting_status` for one that took longer than it was waited for."""
    headers = {"Location": f"{prediction.order.api}/v1/predictions/{prediction.id}"}
    if prediction.order.wait is None:
        return answer(as_json(prediction), status=status, headers=headers)
    await workshop.book.wait(prediction, prediction.order.wait)
    ended = prediction.ended
    return answer(
        as_waited_json(prediction, seen_ending=ended),
        status=status if ended else waiting_status,
        headers=headers,
    )


def _refuse(word: str) -> float:
    raise ValueError(word)


def _finite(text: str) -> float:
    return number if math.isfinite(number := float(text)) else _refuse(text)


def _wait(request: web.Request) -> float | None:
    """Seconds, from "Prefer: wait" or "Prefer: wait=5"; other preferences are ignored, as HTTP has it."""
    preference = request.headers.get("Prefer", "").strip()
    if not preference.startswith("wait"):
        return None
    if not (match := PREFER.match(preference)):
        raise Problem(422, "Prefer must be wait or wait=n, with n from 1 to 60", title="Invalid header")
    return min(float(match[1] or LONGEST_WAIT), LONGEST_WAIT)


def _cancel_after(request: web.Request) -> float | None:
    text = request.headers.get("Cancel-After", "").strip()
    if not text:
        return None
    match = CANCEL_AFTER.match(text)
    hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0)
    total = hours * 3600 + minutes * 60 + seconds
    if not SHORTEST_DEADLINE <= total <= LONGEST_DEADLINE:
        raise Problem(422, "Cancel-After must be between 5s and 24h", title="Invalid header")
    return float(total)


def _check_webhook(url: str, *, any_host: bool) -> None:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        good = False
    if not good:
        raise Problem(422, "webhook must be the URL of a web server", title="Invalid webhook")
    if not any_host and not is_loopback(parts.hostname or ""):
        raise Problem(
            422,
            "The sandbox calls webhooks on this machine only, unless it is started with --allow-webhooks",
            title="Invalid webhook",
        )
