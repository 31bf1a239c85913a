"""The one HTTP server: health, signed links to kept files, what adapters mount, and the checks on it all."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from bot.links import Links

JSON_LIMIT = 256 * 1024
"""The most bytes of a body that is read whole; uploads are streamed and capped by whoever keeps them."""

HEALTH = frozenset({"/healthz", "/readyz"})
"""Asked by whatever looks after the process, under whatever name; they tell nothing and change nothing."""

READ_ONLY = frozenset({"GET", "HEAD", "OPTIONS"})

SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' blob: data:",
            "media-src 'self' blob:",
            "connect-src 'self'",
            "manifest-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        )
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}

Ready = Callable[[], Awaitable[str | None]]
"""Why the process can't take work, None where it can."""


def make_app(
    routes: Iterable[web.AbstractRouteDef], *, host: str, public_url: str | None, ready: Ready
) -> web.Application:
    """The application: the routes, /healthz and /readyz, behind the checks.

    `host` is what the server listens on, `public_url` the address the world reaches it by: requests for any
    other name are refused, so that no page of a stranger can have a name of its own lead here.
    """
    app = web.Application(middlewares=[_checking(host, public_url)], client_max_size=JSON_LIMIT)
    app.on_response_prepare.append(_add_security_headers)
    app.add_routes([*_health(ready), *routes])
    return app


# -- health


def _health(ready: Ready) -> list[web.RouteDef]:
    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(_: web.Request) -> web.Response:
        why_not = await ready()
        if why_not is None:
            return web.json_response({"status": "ready"})
        return web.json_response({"status": "not ready", "why": why_not}, status=503)

    return [web.get("/healthz", healthz), web.get("/readyz", readyz)]


# -- signed links


def signed_files(links: Links, path: Callable[[str], Path | None]) -> list[web.RouteDef]:
    """/files/{digest}: a kept file for who has a signed link to it: a provider that fetches its inputs."""

    async def file(request: web.Request) -> web.StreamResponse:
        digest = request.match_info["digest"]
        until, signature = request.query.get("until", ""), request.query.get("signature", "")
        found = path(digest) if links.allows(digest, until, signature) else None
        if found is None:
            raise web.HTTPNotFound
        headers = {"Content-Type": "application/octet-stream", "Content-Disposition": "attachment"}
        return web.FileResponse(found, headers=headers)

    return [web.get("/files/{digest:[0-9a-f]{64}}", file)]


# -- checks


async def _add_security_headers(_: web.Request, response: web.StreamResponse) -> None:
    """On every answer: streams, errors and refusals too. What stands there already is left alone."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)


def _checking(host: str, public_url: str | None) -> Callable[..., Awaitable[web.StreamResponse]]:
    names = _names(host, public_url)
    origins = frozenset({_origin(public_url)} if public_url else ())

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in HEALTH:
            return await handler(request)
        if not _is_ours(_name_of(request.host), names, any_address=_is_wildcard(host)):
            raise web.HTTPMisdirectedRequest(text="This name does not lead here.")
        if request.method not in READ_ONLY and not _is_same_origin(request, origins):
            raise web.HTTPForbidden(text="Another site's page sent this.")
        return await handler(request)

    return check


def _names(host: str, public_url: str | None) -> frozenset[str]:
    public = urlsplit(public_url).hostname if public_url else None
    loopback = {"localhost", "127.0.0.1", "::1"}
    return frozenset({*loopback, host.lower(), *({public} if public else ())})


def _is_ours(name: str | None, names: frozenset[str], *, any_address: bool) -> bool:
    """Listening everywhere, any bare address is safe: only names can be led astray (DNS rebinding)."""
    return name is not None and (name in names or (any_address and _is_address(name)))


def _name_of(host: str) -> str | None:
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::\d{1,5})?", host)
    return (match[1] or match[2]).lower().rstrip(".") if match else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_wildcard(host: str) -> bool:
    return host in ("", "0.0.0.0", "::")  # noqa: S104 (compared with, not listened on)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _is_same_origin(request: web.Request, origins: frozenset[str]) -> bool:
    """Whether no other site's page can have sent this.

    Browsers say where a request comes from, in `Sec-Fetch-Site` or `Origin`; what says neither is no browser.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("Origin")
    if origin is None:
        return True
    return origin.lower() in origins or urlsplit(origin).netloc.lower() == request.host.lower()


# -- serving


@dataclass(frozen=True, slots=True)
class Site:
    """A server that is listening; an async context manager that ends it."""

    runner: web.AppRunner
    host: str
    port: int

    @property
    def address(self) -> str:
        """The address to open on this machine."""
        host = "127.0.0.1" if _is_wildcard(self.host) else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let requests under way end for a moment, then close every connection."""
        await self.runner.cleanup()


async def serve(app: web.Application, host: str, port: int) -> Site:
    """Listen; port 0 takes a free one. OSError where the port is taken."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2, handle_signals=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
    except OSError:
        await runner.cleanup()
        raise
    return Site(runner, host, int(runner.addresses[0][1]))
