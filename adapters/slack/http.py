"""HTTP mode: what Slack posts to us, verified and taken apart, goes where its sockets' envelopes go.

Not by the library's own route: that answers 500 to an empty signature, and takes any command whose text holds
the word "payload" for something else (slack-bolt 1.30).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from urllib.parse import parse_qsl

import structlog
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response
from slack_bolt.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.signature import Clock, SignatureVerifier

from adapters.slack.manifest import EVENTS_PATH
from bot.jobs import Json

log = structlog.get_logger(__name__)


def routes(app: AsyncApp, signing_secret: str, now: Callable[[], float]) -> list[web.RouteDef]:
    verifier = SignatureVerifier(signing_secret, _Now(now))

    async def take(request: web.Request) -> web.Response:
        raw = await request.read()
        if not _is_signed(verifier, request, raw):
            raise web.HTTPUnauthorized(text="The signature does not fit.")
        body = _read(raw, request.content_type)
        if body is None:
            raise web.HTTPBadRequest(text="Not understood.")
        if body.get("type") == "url_verification":
            return web.json_response({"challenge": body.get("challenge")})
        headers = {
            name: value for name, value in request.headers.items() if name.lower().startswith("x-slack")
        }
        # As over a socket: it is verified, and taken apart.
        bolt = AsyncBoltRequest(body=body, headers=dict(headers), mode="socket_mode")
        return await to_aiohttp_response(await app.async_dispatch(bolt))

    return [web.post(EVENTS_PATH, take)]


class _Now(Clock):
    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now  # type: ignore[method-assign]


def _is_signed(verifier: SignatureVerifier, request: web.Request, raw: bytes) -> bool:
    """Within five minutes, by the secret that only Slack and we have."""
    timestamp = request.headers.get("X-Slack-Request-Timestamp", "")
    signature = request.headers.get("X-Slack-Signature", "")
    if not re.fullmatch("[0-9]{1,12}", timestamp) or not signature.isascii():
        return False
    try:
        return verifier.is_valid(raw, timestamp, signature)
    except UnicodeDecodeError:
        return False


def _read(raw: bytes, content_type: str) -> Json | None:
    """JSON, a form, or JSON in a form's field; None for none of these."""
    try:
        if content_type == "application/json":
            body = json.loads(raw)
        else:
            form = dict(parse_qsl(raw.decode(), keep_blank_values=True))
            is_interaction = "payload" in form and "command" not in form
            body = json.loads(form["payload"]) if is_interaction else form
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
