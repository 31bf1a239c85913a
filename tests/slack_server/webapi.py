"""The Web API's frame: reading calls, faults, tokens, scopes, limits; its methods are elsewhere."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import inspect
import json
import math
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.slack_server.apps import Installation, Token, find_token, sees
from tests.slack_server.faults import Faults, Rule
from tests.slack_server.limits import JSON, SlackError
from tests.slack_server.ratelimits import RateLimits
from tests.slack_server.sockets import reset_connection
from tests.slack_server.state import Channel, Team, User, World

if TYPE_CHECKING:
    from tests.slack_server.server import SlackServer

OTHERS = {
    "/upload/": "upload",
    "/files-": "download",
    "/commands/": "response_url",
    "/actions/": "response_url",
}


@dataclass
class Request:
    """One request as it came in and what it was answered; `status` 0: the connection was cut."""

    at: float
    verb: str
    path: str
    method: str = ""  # of the Web API, or "upload", "download", "response_url"
    status: int = 0
    error: str | None = None
    args: JSON = field(default_factory=dict)
    team: str | None = None
    channel: str | None = None
    fault: str | None = None
    authorized: bool = False
    played: bool = True


NOTE = web.RequestKey("note", Request)


class Cut(Exception):
    """The connection of this request is gone; there is nobody to answer."""


@dataclass(eq=False)
class Call:
    """One call of a method, by whom, with what."""

    server: SlackServer
    name: str
    args: JSON
    token: Token | None
    basic: tuple[str, str] | None = None  # of HTTP Basic, for oauth.v2.access

    @property
    def world(self) -> World:
        return self.server.world

    @property
    def installation(self) -> Installation:
        if self.token is None or self.token.installation is None:
            raise SlackError("not_allowed_token_type")
        return self.token.installation

    # -- arguments -----------------------------------------------------------------------------------

    def text(self, name: str) -> str | None:
        value = self.args.get(name)
        return None if value is None else str(value)

    def needs(self, name: str) -> str:
        value = self.text(name)
        if not value:
            raise SlackError("invalid_arguments", f"missing required field: {name}")
        return value

    def flag(self, name: str) -> bool | None:
        value = self.args.get(name)
        return None if value is None else value in (True, 1, "1", "true", "True")

    def number(self, name: str, default: int) -> int:
        try:
            return int(self.args.get(name) or default)
        except ValueError:
            raise SlackError("invalid_arguments", f"must be an integer: {name}") from None

    def read(self, name: str, error: str = "invalid_arguments") -> Any:
        """An argument that may be JSON in a string."""
        value = self.args.get(name)
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError:
            raise SlackError(error, f"invalid JSON: {name}") from None

    # -- what they name ------------------------------------------------------------------------------

    def requires(self, *scopes: str) -> None:
        """Any one of these scopes.

        Raises:
            SlackError: missing_scope, with what is needed and what there is.
        """
        held = self.token.scopes if self.token else ()
        if scopes and not set(scopes) & set(held):
            raise SlackError("missing_scope", needed=",".join(scopes), provided=",".join(held))

    def team(self) -> Team:
        """The workspace of the call; org-wide tokens name it by `team_id`."""
        installation = self.installation
        if installation.team is not None:
            return installation.team
        team = self.world.teams.get(self.text("team_id") or "")
        if team is None or not installation.covers(team):
            raise SlackError("missing_argument" if team is None else "team_access_not_granted")
        return team

    def channel(self, name: str = "channel") -> Channel:
        """A conversation that the app can know of.

        Raises:
            SlackError: channel_not_found.
        """
        channel = self.world.channels.get(self.needs(name))
        if channel is None or not sees(self.installation, channel):
            raise SlackError("channel_not_found")
        return channel

    def user(self, name: str = "user") -> User:
        user = self.world.users.get(self.needs(name))
        if user is None or not self.installation.covers(user.team):
            raise SlackError("user_not_found")
        return user


@dataclass(frozen=True)
class Method:
    """`scopes`: any one of them is enough; `who`: the kind of token, or None for those without."""

    play: Callable[[Call], JSON | Awaitable[JSON]]
    tier: int
    scopes: tuple[str, ...] = ()
    who: str | None = "bot"


def answer(data: JSON, status: int = 200) -> web.Response:
    return web.json_response(data, status=status)


def page(status: int, text: str) -> web.Response:
    """What a proxy in front of Slack answers, or its login page."""
    return web.Response(
        text=f"<!DOCTYPE html><html><body>{text}</body></html>", status=status, content_type="text/html"
    )


class WebApi:
    """All methods. `requests` is the log of what came in, here and at the other addresses."""

    def __init__(self, server: SlackServer, methods: Mapping[str, Method]) -> None:
        self.server = server
        self.world = server.world
        self.methods = methods
        self.faults = Faults()
        self.rate_limits = RateLimits(self.world)
        self.requests: deque[Request] = deque(maxlen=50_000)
        self.stopping = asyncio.Event()

    def add_to(self, app: web.Application) -> None:
        app.router.add_route("*", "/api/{method}", self._serve)

    # -- every request -------------------------------------------------------------------------------

    def middleware(self) -> Any:
        @web.middleware
        async def play(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            if request.path.startswith(("/_admin", "/link")):
                return await handler(request)
            note = Request(self.world.clock(), request.method, request.path, _named(request.path))
            self.requests.append(note)
            request[NOTE] = note
            try:
                response = await self._with_faults(request, note, lambda: handler(request))
            except Cut:
                response = web.Response(status=500)
            else:
                note.status = response.status
            self.world.notify()
            return response

        return play

    async def _with_faults(
        self, request: web.Request, note: Request, take: Callable[[], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        rule = self.faults.pick(note.verb, note.path, note.method)
        if rule is None:
            return await take()
        note.fault = rule.fault
        early = await self._before(request, note, rule)
        if early is not None:
            return early
        return await self._after(request, rule, await take())

    async def _before(self, request: web.Request, note: Request, rule: Rule) -> web.StreamResponse | None:
        """The fault of a request that is not taken, if it is such a fault."""
        kind = rule.fault
        if kind in ("drop_before", "close_before"):
            self._cut(request, reset=kind == "drop_before")
        if kind == "hang":
            await self.stopping.wait()
            self._cut(request, reset=True)
        if kind == "slow_before":
            await asyncio.sleep(rule.delay)
        if kind in ("status_before", "html", "error", "rate_limit"):
            # The body is read first, or the other side would see its connection break off.
            await request.read()
        if kind == "status_before":
            return answer({"ok": False, "error": "internal_error"}, rule.status or 500)
        if kind == "html":
            return page(rule.status or 502, "502 Bad Gateway")
        if kind == "error":
            note.error = rule.code
            return answer({"ok": False, "error": rule.code})
        if kind == "rate_limit":
            return refused(rule.delay)
        return None

    async def _after(
        self, request: web.Request, rule: Rule, response: web.StreamResponse
    ) -> web.StreamResponse:
        """The fault of a request that was taken."""
        kind = rule.fault
        if kind in ("drop_after", "close_after"):
            self._cut(request, reset=kind == "drop_after")
        if kind == "slow_after":
            await asyncio.sleep(rule.delay)
        if kind == "status_after":
            return answer({"ok": False, "error": "internal_error"}, rule.status or 500)
        if kind == "error_after":
            return answer({"ok": False, "error": rule.code})
        if kind == "not_json":
            return web.Response(text="{not json", content_type="application/json")
        if kind == "truncated" and isinstance(response, web.Response):
            await self._half(request, response)
        return response

    async def _half(self, request: web.Request, response: web.Response) -> None:
        """Send the head and half of the body, and cut."""
        body = response.body if isinstance(response.body, bytes) else b""
        half = web.StreamResponse(status=response.status, headers={"Content-Type": response.content_type})
        half.content_length = max(len(body), 2)
        await half.prepare(request)
        await half.write(body[: len(body) // 2])
        self._cut(request, reset=False)

    def _cut(self, request: web.Request, *, reset: bool) -> None:
        transport = request.transport
        if reset:
            reset_connection(transport)
        elif transport is not None:
            transport.close()
        raise Cut

    # -- calls ---------------------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        note = request[NOTE]
        try:
            return await self._play(request, note)
        except SlackError as error:
            note.error = error.code
            return answer(error.body())

    async def _play(self, request: web.Request, note: Request) -> web.StreamResponse:
        args = await read_args(request)
        note.args = {name: value for name, value in args.items() if name != "token"}
        note.channel = str(args.get("channel") or args.get("channel_id") or "") or None
        method = self.methods.get(note.method)
        if method is None:
            note.played = False
            raise SlackError("unknown_method", req_method=note.method)
        call = Call(self.server, note.method, args, None, _basic(request))
        if method.who is not None:
            call.token = find_token(self.world, _bearer(request) or call.text("token"))
            note.authorized = True
            if call.token.kind != method.who and note.method != "auth.test":
                raise SlackError("not_allowed_token_type")
        refusal = self._count(call, note, method)
        if refusal is not None:
            note.error = "ratelimited"
            return refusal
        call.requires(*method.scopes)
        result = method.play(call)
        data = await result if inspect.isawaitable(result) else result
        response = answer({"ok": True, **data})
        if call.token is not None:
            response.headers["X-OAuth-Scopes"] = ",".join(call.token.scopes)
        return response

    def _count(self, call: Call, note: Request, method: Method) -> web.Response | None:
        token = call.token
        installation = token.installation if token else None
        place = installation.team or installation.enterprise if installation else None
        note.team = place.id if place else None
        app = token.app.id if token else ""
        wait = self.rate_limits.take(note.method, method.tier, app, note.team or "", note.channel)
        return None if wait is None else refused(wait)


def refused(wait: float) -> web.Response:
    response = answer({"ok": False, "error": "ratelimited"}, 429)
    response.headers["Retry-After"] = str(max(1, math.ceil(wait)) if wait else 0)
    return response


def _named(path: str) -> str:
    if path.startswith("/api/"):
        return path.removeprefix("/api/")
    return next((name for start, name in OTHERS.items() if path.startswith(start)), "")


def _bearer(request: web.Request) -> str | None:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme == "Bearer" else None


def _basic(request: web.Request) -> tuple[str, str] | None:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Basic":
        return None
    with contextlib.suppress(ValueError):
        login, _, password = base64.b64decode(value).decode().partition(":")
        return login, password
    return None


async def read_args(request: web.Request) -> JSON:
    """The arguments of a call: of the query, and of a body that is a form or JSON.

    Raises:
        SlackError: invalid_json.
    """
    args: JSON = dict(request.query)
    if not request.body_exists:
        return args
    if request.content_type == "application/json":
        try:
            body = json.loads(await request.read() or b"{}")
        except ValueError:
            raise SlackError("invalid_json") from None
        if not isinstance(body, dict):
            raise SlackError("json_not_object")
        # An argument that is null is one that isn't given.
        return args | {name: value for name, value in body.items() if value is not None}
    form = await request.post()
    return args | {name: value for name, value in form.items() if isinstance(value, str)}
