"""What stands before every endpoint: who may come in, how often, and what goes wrong on demand."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol, TypeAlias

from aiohttp import web
from aiohttp.typedefs import Middleware

from bot.catalogue.schema import Model
from bot.sandbox import admin, creation
from bot.sandbox.budgets import Budget
from bot.sandbox.fetching import is_loopback
from bot.sandbox.misbehaviour import Rule
from bot.sandbox.refusals import Problem, Refusal, no_such, throttled
from bot.sandbox.work import Json
from bot.sandbox.workshop import Workshop

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

HTML = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


class Voice(Protocol):
    """How a kind of API refuses what its endpoints never see."""

    def unauthenticated(self, *, token_sent: bool) -> Refusal: ...

    def no_such_endpoint(self, request: web.Request) -> Refusal: ...

    def refusal_for(self, status: int) -> Refusal: ...


class Guard:
    """An aiohttp middleware. `last_request` is by the clock of the event loop."""

    def __init__(
        self,
        workshop: Workshop,
        voice: Voice,
        *,
        tokens: Iterable[str],
        budgets: Mapping[str, Budget],
    ) -> None:
        self._workshop = workshop
        self._voice = voice
        self._tokens = [token.encode() for token in tokens]
        self._budgets = budgets
        self.last_request = 0.0

    def middleware(self) -> Middleware:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.last_request = asyncio.get_running_loop().time()
            try:
                return await self._handle(request, handler)
            except Refusal as refusal:
                return refusal.response()
            except web.HTTPRequestEntityTooLarge:
                return Problem(413, "The request body is too large").response()
            except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
                return self._voice.no_such_endpoint(request).response()

        return guard

    async def _handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """A route is named after its endpoint, such as "create" or "create.official"."""
        self._workshop.expire()
        endpoint = (request.match_info.route.name or "").partition(".")[0]
        if request.path.startswith(admin.PREFIX):
            self._admit_admin(request)
            return await handler(request)
        self._workshop.requests[endpoint or "unknown"] += 1
        if endpoint == "download":
            return await self._misbehave(request, handler, endpoint)
        self._admit(request)
        budget = self._budgets["create" if endpoint == "create" else "other"]
        budget.spend()
        response = await self._misbehave(request, handler, endpoint)
        response.headers.update(budget.headers())
        return response

    # -- who may come in

    def _admit(self, request: web.Request) -> None:
        header = request.headers.get("Authorization", "")
        if not self._has_token(header):
            raise self._voice.unauthenticated(token_sent=bool(header))

    def _admit_admin(self, request: web.Request) -> None:
        """With the token; or from this machine, but not through a proxy, nor from a page in a browser."""
        if self._has_token(request.headers.get("Authorization", "")):
            return
        is_near = is_loopback(request.remote or "") and is_loopback(request.url.host or "")
        if not is_near or any(name in request.headers for name in ("Origin", "Forwarded", "X-Forwarded-For")):
            raise Problem(403, "Only from this machine, or with the sandbox's own token")

    def _has_token(self, header: str) -> bool:
        scheme, _, token = header.partition(" ")
        sent = token.strip().encode("utf-8", "surrogateescape")
        fits = [hmac.compare_digest(sent, known) for known in self._tokens]
        return scheme.lower() in ("bearer", "token") and any(fits)

    # -- what goes wrong

    async def _misbehave(self, request: web.Request, handler: Handler, endpoint: str) -> web.StreamResponse:
        rules = self._workshop.rules
        if not rules.concerns(endpoint):
            return await handler(request)
        model = await _model_of(request, self._workshop)
        if rule := rules.take(endpoint, "delay", model):
            await asyncio.sleep(rule.seconds)
        rule = rules.take(endpoint, "answer", model)
        if rule is None:
            return await handler(request)
        match rule.fault:
            case "status" if not rule.taken:
                return self._refuse(rule)
            case "forget":
                raise no_such("prediction")
            case "expired_output":
                raise Problem(404, "File not found")
            case "drop_before":
                return _dropped(request)
        return await self._spoil(request, await handler(request), rule)

    async def _spoil(
        self, request: web.Request, response: web.StreamResponse, rule: Rule
    ) -> web.StreamResponse:
        match rule.fault:
            case "status":
                return self._refuse(rule)
            case "drop_after":
                return _dropped(request)
            case "cut_download":
                return await _cut(request, response)
        return _garbage(rule.form, response)

    def _refuse(self, rule: Rule) -> web.Response:
        refusal = self._voice.refusal_for(rule.code)
        if rule.retry_after is not None and rule.code == 429:
            refusal = _throttled(rule)
        if rule.body is not None:
            refusal.body = rule.body
        response = refusal.response()
        if rule.retry_after is not None and rule.retry_in in (None, "header"):
            response.headers["Retry-After"] = str(rule.retry_after)
        response.headers.update(rule.headers)
        return response


async def _model_of(request: web.Request, workshop: Workshop) -> Model | None:
    """The model that a request is about, where it can be told."""
    about = request.match_info
    if "owner" in about:
        return workshop.models.named("{owner}/{name}".format(**about))
    if "key" in about and (file := workshop.outputs.get(about["key"])):
        return next((model for model in workshop.models if model.command == file.model), None)
    if "id" in about:
        prediction = workshop.book.find(about["id"])
        return prediction.order.model if prediction else None
    if request.method == "POST" and request.path.endswith("/v1/predictions"):
        body = await creation.read_body(request)
        version = body.get("version") if isinstance(body, dict) else None
        return workshop.models.of_version(version) if isinstance(version, str) else None
    return None


def _throttled(rule: Rule) -> Refusal:
    """Says when to come back in the one place that the rule names, or in all of them."""
    refusal = throttled(rule.retry_after or 0)
    if rule.retry_in in ("header", "text"):
        del refusal.body["retry_after"]
    if rule.retry_in in ("header", "body"):
        refusal.body["detail"] = "Request was throttled."
    return refusal


def _dropped(request: web.Request) -> web.Response:
    """No answer: the connection is gone before it could be sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _cut(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Half of the body, though its whole length was promised."""
    body = response.body if isinstance(response, web.Response) else b""
    if not isinstance(body, bytes) or request.method == "HEAD":
        return response
    cut = web.StreamResponse(status=response.status, headers=response.headers)
    cut.content_length = len(body)
    await cut.prepare(request)
    await cut.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return cut


def _garbage(form: str, response: web.StreamResponse) -> web.Response:
    body = response.body if isinstance(response, web.Response) else b""
    match form:
        case "empty":
            return web.Response(text="{}", content_type="application/json")
        case "images":
            images: Json = {"created": 1589478378, "data": [{"url": "https://example.com/image.png"}]}
            return web.Response(text=json.dumps(images), content_type="application/json")
        case "half" if isinstance(body, bytes):
            return web.Response(body=body[: len(body) // 2], content_type="application/json")
    return web.Response(text=HTML, content_type="text/html")
