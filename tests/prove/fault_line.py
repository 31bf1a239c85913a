"""A line between us and everybody else, on which one request at a time goes wrong.

The request that is meant is sent to a relay on loopback in the place of its server: real connections, real
resets, and whoever sends it knows no difference. All others go straight where they belong.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any, Literal, Self, get_args
from unittest.mock import patch

import aiohttp
import httpx
from aiohttp import web
from yarl import URL

from tests.discord_server.gateway import reset_connection
from tests.prove.fuse import of_request

Fault = Literal[
    "refused", "reset_before", "reset_after", "timeout", "429", "5xx", "garbage", "cut_short", "slow"
]
FAULTS: tuple[Fault, ...] = get_args(Fault)
WORDS: dict[Fault, str] = {
    "refused": "the connection is refused",
    "reset_before": "reset, and the request was not taken",
    "reset_after": "reset, after the request was taken",
    "timeout": "taken, and never answered",
    "429": "answered 429, not taken",
    "5xx": "answered 500, not taken",
    "garbage": "taken, and answered 200 with a page of HTML",
    "cut_short": "taken, and half of the answer comes",
    "slow": "the answer takes its time",
}

TARGET, KIND = "X-Fault-Target", "X-Fault"
HOP = frozenset(
    {"content-length", "content-encoding", "transfer-encoding", "connection", "keep-alive", "date", "server"}
)
SLOW = 0.5
PAGE = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


class FaultLine:
    """`calls` counts requests by what they do, as `fuse.of_request` names them."""

    def __init__(self, throttled: Callable[[], web.Response]) -> None:
        self._throttled = throttled
        self._armed: dict[str, Fault] = {}
        self.calls: Counter[str] = Counter()
        self._over = asyncio.Event()
        self._closed = socket.socket()
        self._closed.bind(("127.0.0.1", 0))  # and nobody listens there
        self._send_httpx = httpx.AsyncHTTPTransport.handle_async_request
        self._send_aiohttp = aiohttp.ClientSession._request
        self._patches = (
            patch.object(httpx.AsyncHTTPTransport, "handle_async_request", self._httpx()),
            patch.object(aiohttp.ClientSession, "_request", self._aiohttp()),
        )

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._relay)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = int(self._runner.addresses[0][1])
        self._transport = httpx.AsyncHTTPTransport()
        for one in self._patches:
            one.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for one in self._patches:
            one.stop()
        self._over.set()
        await self._runner.cleanup()
        await self._transport.aclose()
        self._closed.close()

    def arm(self, call: str, fault: Fault) -> None:
        """The next such request goes wrong; the counts begin anew."""
        self.calls.clear()
        self._armed = {call: fault}

    def also(self, call: str, fault: Fault) -> None:
        """And one of another kind as well."""
        self._armed[call] = fault

    @property
    def met(self) -> bool:
        """Whether everything that was to go wrong has."""
        return not self._armed

    # -- on the way out

    def _take(self, method: str, path: str) -> Fault | None:
        call = of_request(method, path)
        self.calls[call] += 1
        return self._armed.pop(call, None)

    def _port_for(self, fault: Fault) -> int:
        return int(self._closed.getsockname()[1]) if fault == "refused" else self._port

    def _httpx(self) -> Any:
        line = self

        async def send(transport: Any, request: httpx.Request) -> Any:
            if transport is not line._transport and (fault := line._take(request.method, request.url.path)):
                request.headers[TARGET] = f"{request.url.scheme}://{request.url.netloc.decode()}"
                request.headers[KIND] = fault
                request.url = request.url.copy_with(host="127.0.0.1", port=line._port_for(fault))
            return await line._send_httpx(transport, request)

        return send

    def _aiohttp(self) -> Any:
        line = self

        async def send(session: Any, method: str, url: Any, **more: Any) -> Any:
            wanted = URL(url)
            if fault := line._take(method, wanted.path):
                more["headers"] = {**(more.get("headers") or {}), TARGET: str(wanted.origin()), KIND: fault}
                url = wanted.with_scheme("http").with_host("127.0.0.1").with_port(line._port_for(fault))
            return await line._send_aiohttp(session, method, url, **more)

        return send

    # -- the relay

    async def _relay(self, request: web.Request) -> web.StreamResponse:
        kind = request.headers[KIND]
        body = await request.read()
        match kind:
            case "reset_before":
                return _reset(request)
            case "429":
                return self._throttled()
            case "5xx":
                return web.Response(status=500, text=PAGE, content_type="text/html")
            case "slow":
                await asyncio.sleep(SLOW)
        answer = await self._forward(request, body)
        match kind:
            case "reset_after":
                return _reset(request)
            case "timeout":
                await self._over.wait()
                return _reset(request)
            case "garbage":
                return web.Response(text=PAGE, content_type="text/html")
            case "cut_short":
                return await _cut(request, answer)
        return web.Response(status=answer.status_code, body=answer.content, headers=_kept(answer.headers))

    async def _forward(self, request: web.Request, body: bytes) -> httpx.Response:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
        for name in (TARGET, KIND, "Host", "Accept-Encoding"):
            headers.pop(name, None)
        sent = httpx.Request(
            request.method, request.headers[TARGET] + request.raw_path, headers=headers, content=body
        )
        answer = await self._transport.handle_async_request(sent)
        await answer.aread()
        return answer


def _kept(headers: httpx.Headers) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in HOP}


def _reset(request: web.Request) -> web.Response:
    reset_connection(request.transport)
    return web.Response()


async def _cut(request: web.Request, answer: httpx.Response) -> web.StreamResponse:
    cut = web.StreamResponse(status=answer.status_code, headers=_kept(answer.headers))
    cut.content_length = max(len(answer.content), 2)
    await cut.prepare(request)
    await cut.write(answer.content[: len(answer.content) // 2])
    if request.transport is not None:
        request.transport.close()
    return cut


# -- how each protocol says 429


def throttled_by_provider() -> web.Response:
    said = {
        "detail": "Request was throttled. Your rate limit resets in ~1s.",
        "status": 429,
        "retry_after": 1,
    }
    return _json(said, {"Retry-After": "1"})


def throttled_by_discord() -> web.Response:
    said = {"message": "You are being rate limited.", "retry_after": 0.2, "global": False}
    return _json(said, {"Retry-After": "1", "Via": "1.1 google", "X-RateLimit-Scope": "user"})


def throttled_by_slack() -> web.Response:
    return _json({"ok": False, "error": "ratelimited"}, {"Retry-After": "1"})


def _json(said: Any, headers: dict[str, str]) -> web.Response:
    return web.Response(
        status=429, body=json.dumps(said).encode(), content_type="application/json", headers=headers
    )
