"""The played REST API and CDN: reading requests, faults, limits, and the handlers of all routes."""

from __future__ import annotations

import asyncio
import json
import re
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web

from tests.discord_server.faults import Faults, Rule
from tests.discord_server.gateway import MESSAGE_CONTENT, Gateway, reset_connection
from tests.discord_server.interactions import Interactions, callback_answer
from tests.discord_server.limits import JSON, DiscordError, P, Problems
from tests.discord_server.messages import Message
from tests.discord_server.posting import Form, Upload, create, edit, send, upload_limit
from tests.discord_server.ratelimits import Bucket, RateLimits, Refusal
from tests.discord_server.registry import Registry
from tests.discord_server.state import ANNOUNCEMENT, POSTS_ONLY, REQUIRE_TAG, TEXT, Channel, Guild, World

PREFIX = "/api/v10"
FILE_FIELD = re.compile(r"files\[(\d+)\]")
ARCHIVE_AFTER = (60, 1440, 4320, 10080)
# Routes that carry their own secret in the path, and so need no Authorization.
NO_TOKEN = ("/gateway", "/interactions/", "/webhooks/")
Handler = Callable[[web.Request, Form], Any]
Result = JSON | list[JSON] | None


@dataclass
class Request:
    """One request as it came in and what it was answered; `status` 0: the connection was cut."""

    at: float
    method: str
    path: str
    route: str | None = None  # None: nothing is played there
    status: int = 0
    code: int = 0
    body: JSON | list[JSON] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    fault: str | None = None
    authorized: bool = False


class Cut(Exception):
    """The connection of this request is gone; there is nobody to answer."""


def read_snowflake(request: web.Request, name: str) -> int:
    text = request.match_info[name]
    if not text.isdigit():
        problems = Problems()
        problems.add((f"{name}_id",), "NUMBER_TYPE_COERCE", f'Value "{text}" is not snowflake.')
        problems.raise_if_any()
    return int(text)


async def read_form(request: web.Request) -> Form:
    """The JSON of a body and its files.

    Raises:
        DiscordError: 50109 for JSON that isn't any, 50035 for another content type.
    """
    if not request.body_exists:
        return Form()
    if request.content_type == "multipart/form-data":
        return await _read_multipart(request)
    raw = await request.read()
    if not raw:
        return Form()
    if request.content_type != "application/json":
        raise DiscordError(
            50035, f'Expected "Content-Type" to be application/json, not {request.content_type}'
        )
    return Form(_parsed(raw))


async def _read_multipart(request: web.Request) -> Form:
    body: JSON = {}
    uploads: dict[int, Upload] = {}
    reader = await request.multipart()
    while (part := await reader.next()) is not None:
        assert isinstance(part, BodyPartReader)
        data = bytes(await part.read(decode=False))
        number = FILE_FIELD.fullmatch(part.name or "")
        if part.name == "payload_json":
            body = _parsed(data)
        elif number:
            uploads[int(number[1])] = Upload(part.filename or "unknown", data)
    return Form(body, uploads)


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        raise DiscordError(50109) from None


def answer(data: Result, status: int = 200) -> web.Response:
    """A response with exactly `application/json`, as discord.py wants it, or 204 without a body."""
    if data is None:
        return web.Response(status=204)
    headers = {"Content-Type": "application/json"}
    return web.Response(body=json.dumps(data).encode(), status=status, headers=headers)


def page(status: int, text: str) -> web.Response:
    """What a proxy in front of Discord answers: no JSON, and no `Via`."""
    return web.Response(text=f"<html><body>{text}</body></html>", status=status, content_type="text/html")


NOTE = web.RequestKey("note", Request)


class Rest:
    """All routes. `requests` is the log of what came in."""

    def __init__(
        self,
        world: World,
        gateway: Gateway,
        interactions: Interactions,
        registry: Registry,
        token: Callable[[], str],
        gateway_url: Callable[[], str],
    ) -> None:
        self.world = world
        self.gateway = gateway
        self.interactions = interactions
        self.registry = registry
        self.faults = Faults()
        self.rate_limits = RateLimits(world)
        self.requests: deque[Request] = deque(maxlen=50_000)
        self.typing: list[int] = []
        self._token = token
        self._gateway_url = gateway_url
        self.stopping = asyncio.Event()

    # -- every request -------------------------------------------------------------------------------

    def middleware(self) -> Any:
        @web.middleware
        async def play(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            if request.path.startswith("/_admin"):
                return await handler(request)
            path = request.path.removeprefix(PREFIX)
            note = Request(self.world.clock(), request.method, path)
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
        rule = self.faults.pick(note.method, note.path)
        if rule is None:
            return await take()
        note.fault = rule.fault
        early = await self._before(request, rule)
        if early is not None:
            return early
        response = await take()
        return await self._after(request, rule, response)

    async def _before(self, request: web.Request, rule: Rule) -> web.StreamResponse | None:
        """The fault of a request that is not taken, if it is such a fault."""
        kind = rule.fault
        if kind in ("drop_before", "close_before"):
            self._cut(request, reset=kind == "drop_before")
        if kind == "hang":
            await self.stopping.wait()
            self._cut(request, reset=True)
        if kind == "slow_before":
            await asyncio.sleep(rule.delay)
        if kind == "status_before":
            return answer({"message": "500: Internal Server Error", "code": 0}, rule.status or 500)
        if kind == "html":
            return page(rule.status or 502, "502 Bad Gateway")
        if kind == "error":
            error = DiscordError(rule.code, status=rule.status or None)
            return self._via(answer(error.body(), error.status))
        scopes = {"rate_limit": "user", "global_rate_limit": "global", "shared_rate_limit": "shared"}
        if kind in scopes:
            return self._refused(Refusal(rule.delay, scopes[kind]), None)
        if kind == "cloudflare":
            return self._refused(Refusal(rule.delay, "cloudflare"), None)
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
            return answer({"message": "500: Internal Server Error", "code": 0}, rule.status or 500)
        if kind == "not_json":
            return web.Response(text="OK", content_type="text/plain")
        return response

    def _cut(self, request: web.Request, *, reset: bool) -> None:
        transport = request.transport
        if reset:
            reset_connection(transport)
        elif transport is not None:
            transport.close()
        raise Cut

    def _route(self, handler: Handler, route: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """A handler of the API behind authorization, rate limits, and Discord's form of errors."""

        async def handle(request: web.Request) -> web.StreamResponse:
            note: Request = request[NOTE]
            note.route = route
            free = note.path.startswith(NO_TOKEN)
            note.authorized = self._authorized(request)
            if not free and not note.authorized:
                self.rate_limits.note_answer(401)
                return self._via(answer({"message": "401: Unauthorized", "code": 0}, 401))
            if (request.content_length or 0) > self.world.limits.request:
                return page(413, "413 Request Entity Too Large")
            return await self._limited(request, note, handler)

        return handle

    def _authorized(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bot {self._token()}"

    async def _limited(self, request: web.Request, note: Request, handler: Handler) -> web.StreamResponse:
        assert note.route is not None
        by_token = note.path.startswith(("/interactions/", "/webhooks/"))
        bucket: Bucket | None = None
        if not note.path.startswith("/interactions/"):
            parts = dict(request.match_info)
            key = f"{note.method} {note.route}"
            bucket, refusal = self.rate_limits.take(key, parts, counts_globally=not by_token)
            if refusal is not None:
                # The body is read first, or the other side would see its connection break off.
                await request.read()
                return self._refused(refusal, bucket)
        response = await self._handled(request, note, handler)
        if bucket is not None:
            response.headers.update(bucket.headers(self.world.clock()))
        return self._via(response)

    async def _handled(self, request: web.Request, note: Request, handler: Handler) -> web.Response:
        try:
            form = await read_form(request)
            note.body = form.body
            note.files = [upload.filename for upload in form.uploads.values()]
            result = handler(request, form)
        except DiscordError as error:
            note.code = error.code
            self.rate_limits.note_answer(error.status)
            return answer(error.body(), error.status)
        if isinstance(result, web.Response):
            return result
        return answer(result)

    def _refused(self, refusal: Refusal, bucket: Bucket | None) -> web.StreamResponse:
        self.rate_limits.note_answer(429, shared=refusal.scope == "shared")
        if refusal.scope == "cloudflare":
            response = page(429, "error code: 1015")
            response.headers["Retry-After"] = str(int(refusal.retry_after))
            return response
        response = answer(refusal.body(), 429)
        response.headers["Retry-After"] = str(int(refusal.retry_after + 0.999))
        response.headers["X-RateLimit-Scope"] = refusal.scope
        if refusal.scope == "global":
            response.headers["X-RateLimit-Global"] = "true"
        elif bucket is not None:
            response.headers.update(bucket.headers(self.world.clock()))
        return self._via(response)

    def _via(self, response: web.Response) -> web.Response:
        response.headers["Via"] = "1.1 google"
        return response

    # -- the table of routes -------------------------------------------------------------------------

    def add_to(self, app: web.Application) -> None:
        for method, path, handler in self._table():
            app.router.add_route(method, PREFIX + path, self._route(handler, path))
        app.router.add_route("*", "/api/{anything:.*}", self._unknown)
        app.router.add_get("/cdn/attachments/{channel}/{file}/{name}", self._serve_file)

    def _table(self) -> Iterable[tuple[str, str, Handler]]:
        yield "GET", "/gateway", lambda _r, _f: {"url": self._gateway_url()}
        yield "GET", "/gateway/bot", self._gateway_bot
        yield "GET", "/users/@me", lambda _r, _f: self.world.bot.payload()
        yield "GET", "/users/@me/guilds", self._own_guilds
        yield "POST", "/users/@me/channels", self._open_dm
        yield "GET", "/users/{user}", self._user
        for path in ("/applications/@me", "/oauth2/applications/@me"):
            yield "GET", path, self._application
        for path in (
            "/applications/{application}/commands",
            "/applications/{application}/guilds/{guild}/commands",
        ):
            yield "GET", path, self._list_commands
            yield "PUT", path, self._overwrite_commands
            yield "POST", path, self._upsert_command
            yield "GET", path + "/{command}", self._get_command
            yield "PATCH", path + "/{command}", self._edit_command
            yield "DELETE", path + "/{command}", self._delete_command
        yield "GET", "/guilds/{guild}", lambda r, _f: self._guild(r).payload()
        yield "GET", "/guilds/{guild}/channels", self._guild_channels
        yield (
            "GET",
            "/guilds/{guild}/roles",
            lambda r, _f: [o.payload() for o in self._guild(r).roles.values()],
        )
        yield "GET", "/guilds/{guild}/members/{user}", self._member
        yield "GET", "/guilds/{guild}/threads/active", self._active_threads
        channel = "/channels/{channel}"
        yield "GET", channel, lambda r, _f: self._channel(r).payload()
        yield "PATCH", channel, self._edit_channel
        yield "DELETE", channel, self._delete_channel
        yield "POST", channel + "/typing", self._type
        yield "POST", channel + "/threads", self._start_thread
        yield "PUT", channel + "/thread-members/{user}", self._join_thread
        yield "GET", channel + "/messages", self._history
        yield "POST", channel + "/messages", self._send
        message = channel + "/messages/{message}"
        yield "GET", message, self._get_message
        yield "PATCH", message, self._edit_message
        yield "DELETE", message, self._delete_message
        yield "POST", message + "/threads", self._thread_from_message
        yield "POST", "/attachments/refresh-urls", self._refresh_links
        yield "POST", "/interactions/{interaction}/{token}/callback", self._respond
        webhook = "/webhooks/{application}/{token}"
        yield "POST", webhook, self._follow_up
        yield "GET", webhook + "/messages/{message}", self._webhook_message
        yield "PATCH", webhook + "/messages/{message}", self._edit_webhook_message
        yield "DELETE", webhook + "/messages/{message}", self._delete_webhook_message

    async def _unknown(self, request: web.Request) -> web.Response:
        await request.read()
        return self._via(answer({"message": "404: Not Found", "code": 0}, 404))

    # -- the application and its commands ------------------------------------------------------------

    def _gateway_bot(self, _request: web.Request, _form: Form) -> JSON:
        limit = self.gateway.start_limit
        return {"url": self._gateway_url(), "shards": self.gateway.shards, "session_start_limit": limit}

    def _application(self, _request: web.Request, _form: Form) -> JSON:
        return {
            "id": str(self.world.application_id),
            "name": self.world.bot.name,
            "description": "",
            "icon": None,
            "type": None,
            "bot": self.world.bot.payload(),
            "summary": "",
            "bot_public": True,
            "bot_require_code_grant": False,
            "owner": {**self.world.bot.payload(), "id": "1", "username": "owner", "bot": False},
            "team": None,
            "verify_key": "0" * 64,
            "flags": 1 << 18 | 1 << 19 if self.gateway.allowed_privileged & MESSAGE_CONTENT else 0,
            "interactions_endpoint_url": None,
            "integration_types_config": {"0": {}, "1": {}},
            "approximate_guild_count": len(self.world.guilds),
            "approximate_user_install_count": sum(user.has_app for user in self.world.users.values()),
            "redirect_uris": [],
            **self.world.application,
        }

    def _scope(self, request: web.Request) -> int | None:
        if read_snowflake(request, "application") != self.world.application_id:
            raise DiscordError(
                20012, "You are not authorized to perform this action on this application", status=403
            )
        if "guild" not in request.match_info:
            return None
        guild = self.world.guilds.get(read_snowflake(request, "guild"))
        if guild is None or not guild.has_bot:
            raise DiscordError(50001)
        return guild.id

    def _list_commands(self, request: web.Request, _form: Form) -> list[JSON]:
        commands = self.registry.all(self._scope(request))
        if request.query.get("with_localizations", "").lower() in ("1", "true"):
            return commands
        hidden = ("name_localizations", "description_localizations")
        return [{key: value for key, value in c.items() if key not in hidden} for c in commands]

    def _overwrite_commands(self, request: web.Request, form: Form) -> list[JSON]:
        return self.registry.overwrite(self._scope(request), form.body)

    def _upsert_command(self, request: web.Request, form: Form) -> web.Response:
        return answer(self.registry.upsert(self._scope(request), form.body), 201)

    def _get_command(self, request: web.Request, _form: Form) -> JSON:
        return self.registry.get(self._scope(request), read_snowflake(request, "command"))

    def _edit_command(self, request: web.Request, form: Form) -> JSON:
        return self.registry.edit(self._scope(request), read_snowflake(request, "command"), form.body)

    def _delete_command(self, request: web.Request, _form: Form) -> None:
        self.registry.delete(self._scope(request), read_snowflake(request, "command"))

    # -- people and servers --------------------------------------------------------------------------

    def _user(self, request: web.Request, _form: Form) -> JSON:
        user = self.world.users.get(read_snowflake(request, "user"))
        if user is None:
            raise DiscordError(10013)
        return user.payload()

    def _own_guilds(self, request: web.Request, _form: Form) -> list[JSON]:
        inside = [guild for guild in self.world.guilds.values() if guild.has_bot]
        inside.sort(key=lambda guild: guild.id)
        after, limit = int(request.query.get("after", 0)), int(request.query.get("limit", 200))
        if not 1 <= limit <= 200:
            raise DiscordError(50035, errors={"limit": {"_errors": [{"code": "NUMBER_TYPE_MAX"}]}})
        return [self._own_guild(guild) for guild in inside if guild.id > after][:limit]

    def _own_guild(self, guild: Guild) -> JSON:
        """`permissions` are those of the bot's roles: without overwrites, and without what others imply."""
        granted = guild.everyone.permissions
        for role in guild.members.get(self.world.bot.id, ()):
            granted |= guild.roles[role].permissions
        return {
            "id": str(guild.id),
            "name": guild.name,
            "icon": None,
            "banner": None,
            "owner": guild.owner.id == self.world.bot.id,
            "permissions": str(int(granted)),
            "features": guild.features,
        }

    def _open_dm(self, _request: web.Request, form: Form) -> JSON:
        user = self.world.users.get(int(form.body.get("recipient_id") or 0))
        if user is None:
            raise DiscordError(50033)
        if user.bot:
            raise DiscordError(50007)
        return self.world.private_channel(self.world.bot, user).payload()

    def _guild(self, request: web.Request) -> Guild:
        guild = self.world.guilds.get(read_snowflake(request, "guild"))
        if guild is None:
            raise DiscordError(10004)
        if not guild.has_bot:
            raise DiscordError(50001)
        return guild

    def _guild_channels(self, request: web.Request, _form: Form) -> list[JSON]:
        return [
            channel.payload() for channel in self._guild(request).channels.values() if not channel.is_thread
        ]

    def _member(self, request: web.Request, _form: Form) -> JSON:
        guild, who = self._guild(request), request.match_info["user"]
        user_id = self.world.bot.id if who == "@me" else read_snowflake(request, "user")
        if user_id not in guild.members:
            raise DiscordError(10007)
        return guild.member_payload(self.world.users[user_id])

    def _active_threads(self, request: web.Request, _form: Form) -> JSON:
        active = [thread for thread in self._guild(request).threads if not thread.archived]
        seen = [thread for thread in active if thread.permissions_of(self.world.bot) & P.VIEW_CHANNEL]
        return {"threads": [thread.payload() for thread in seen], "members": []}

    # -- channels and threads ------------------------------------------------------------------------

    def _channel(self, request: web.Request) -> Channel:
        return self.world.find_channel(read_snowflake(request, "channel"))

    def _edit_channel(self, request: web.Request, form: Form) -> JSON:
        channel = self._channel(request)
        needed = P.MANAGE_THREADS if channel.is_thread else P.MANAGE_CHANNELS
        own = channel.is_thread and channel.owner_id == self.world.bot.id and not channel.locked
        if not own and not channel.permissions_of(self.world.bot) & needed:
            raise DiscordError(50013)
        if channel.archived and form.body.get("archived") is not False:
            raise DiscordError(50083)
        renamed = {"auto_archive_duration": "archive_after"}
        known = {"name", "topic", "nsfw", "archived", "locked", "auto_archive_duration"}
        fields = {renamed.get(key, key): value for key, value in form.body.items() if key in known}
        channel.update(**fields)
        return channel.payload()

    def _delete_channel(self, request: web.Request, _form: Form) -> JSON:
        channel = self._channel(request)
        needed = P.MANAGE_THREADS if channel.is_thread else P.MANAGE_CHANNELS
        if not channel.is_private and not channel.permissions_of(self.world.bot) & needed:
            raise DiscordError(50013)
        channel.delete()
        return channel.payload()

    def _type(self, request: web.Request, _form: Form) -> None:
        self.typing.append(self._channel(request).id)

    def _join_thread(self, request: web.Request, _form: Form) -> None:
        thread, who = self._channel(request), request.match_info["user"]
        if thread.archived:
            raise DiscordError(50083)
        thread.joined.add(self.world.bot.id if who == "@me" else read_snowflake(request, "user"))

    def _thread_from_message(self, request: web.Request, form: Form) -> JSON:
        channel = self._channel(request)
        if channel.kind not in (TEXT, ANNOUNCEMENT):
            raise DiscordError(
                50003 if channel.is_private else 50024, "Cannot execute action on this channel type"
            )
        message = self.world.find_message(channel, read_snowflake(request, "message"))
        if not channel.permissions_of(self.world.bot) & P.CREATE_PUBLIC_THREADS:
            raise DiscordError(50013)
        if message.thread is not None:
            raise DiscordError(160004)
        if message.thinking:
            # Not documented; the safe reading is that a message without content is no place for a thread.
            raise DiscordError(50021)
        archive_after = self._check_thread(channel, form.body)
        thread = channel.thread(form.body["name"], self.world.bot, id=message.id, archive_after=archive_after)
        self.world.emit("MESSAGE_UPDATE", message.event(), guild=channel.guild, channel=channel)
        return thread.payload()

    def _check_thread(self, channel: Channel, body: JSON) -> int:
        """Raise what is wrong with a new thread, or return its `auto_archive_duration`."""
        problems = Problems()
        problems.length(("name",), body.get("name"), 1, 100)
        archive_after: int = body.get("auto_archive_duration") or 1440
        if archive_after not in ARCHIVE_AFTER:
            message = f"Value must be one of {ARCHIVE_AFTER}."
            problems.add(("auto_archive_duration",), "BASE_TYPE_CHOICES", message)
        problems.raise_if_any()
        assert channel.guild is not None
        active = sum(not thread.archived for thread in channel.guild.threads)
        if active >= self.world.limits.active_threads:
            raise DiscordError(160006)
        return archive_after

    def _start_thread(self, request: web.Request, form: Form) -> web.Response:
        channel = self._channel(request)
        if channel.kind in POSTS_ONLY:
            return answer(self._forum_post(channel, form), 201)
        if channel.kind not in (TEXT, ANNOUNCEMENT):
            raise DiscordError(50024)
        # Without a type Discord makes a private thread.
        private = form.body.get("type", 12) == 12
        needed = P.CREATE_PRIVATE_THREADS if private else P.CREATE_PUBLIC_THREADS
        if not channel.permissions_of(self.world.bot) & needed:
            raise DiscordError(50013)
        archive_after = self._check_thread(channel, form.body)
        thread = channel.thread(
            form.body["name"], self.world.bot, private=private, archive_after=archive_after
        )
        return answer(thread.payload(), 201)

    def _forum_post(self, channel: Channel, form: Form) -> JSON:
        if not channel.permissions_of(self.world.bot) & P.SEND_MESSAGES:
            raise DiscordError(50013)
        archive_after = self._check_thread(channel, form.body)
        tags = [int(tag) for tag in form.body.get("applied_tags") or []]
        if channel.flags & REQUIRE_TAG and not tags:
            raise DiscordError(40067)
        if set(tags) - set(channel.tags) or len(tags) > 5:
            raise DiscordError(10087, "Unknown Tag", status=404)
        first = form.inner("message")
        first.within(upload_limit(channel))
        if first.uploads and not channel.permissions_of(self.world.bot) & P.ATTACH_FILES:
            raise DiscordError(50013)
        thread = channel.thread(
            form.body["name"], self.world.bot, archive_after=archive_after, applied_tags=tags
        )
        try:
            message = create(thread, self.world.bot, first)
        except DiscordError:
            thread.delete()
            raise
        return {**thread.payload(), "message": message.payload()}

    # -- messages ------------------------------------------------------------------------------------

    def _message(self, request: web.Request) -> Message:
        return self.world.find_message(self._channel(request), read_snowflake(request, "message"))

    def _send(self, request: web.Request, form: Form) -> JSON:
        return send(self._channel(request), form).payload()

    def _history(self, request: web.Request, _form: Form) -> list[JSON]:
        channel = self._channel(request)
        if not channel.permissions_of(self.world.bot) & P.READ_MESSAGE_HISTORY:
            return []
        messages = channel.visible()
        limit = int(request.query.get("limit", 50))
        if not 1 <= limit <= 100:
            problems = Problems()
            problems.number(("limit",), limit, 1, 100)
            problems.raise_if_any()
        if "after" in request.query:
            messages = [one for one in messages if one.id > int(request.query["after"])][:limit]
        if "before" in request.query:
            messages = [one for one in messages if one.id < int(request.query["before"])]
        return [self._readable(message) for message in reversed(messages[-limit:])]

    def _readable(self, message: Message) -> JSON:
        """A message without what is hidden from applications that lack the message content intent."""
        data = message.event()
        may_read = self.gateway.allowed_privileged & MESSAGE_CONTENT
        data = data if may_read else self.gateway.without_content(data)
        return {key: value for key, value in data.items() if key not in ("guild_id", "member")}

    def _get_message(self, request: web.Request, _form: Form) -> JSON:
        channel = self._channel(request)
        if not channel.permissions_of(self.world.bot) & P.READ_MESSAGE_HISTORY:
            raise DiscordError(50013)
        return self._readable(self._message(request))

    def _edit_message(self, request: web.Request, form: Form) -> JSON:
        message = self._message(request)
        channel = message.channel
        if message.author is not self.world.bot:
            raise DiscordError(50005)
        if channel.archived:
            raise DiscordError(50083)
        if form.uploads and not channel.permissions_of(self.world.bot) & P.ATTACH_FILES:
            raise DiscordError(50013)
        form.within(upload_limit(channel))
        return edit(message, form).payload()

    def _delete_message(self, request: web.Request, _form: Form) -> None:
        message = self._message(request)
        may_all = message.channel.permissions_of(self.world.bot) & P.MANAGE_MESSAGES
        if message.author is not self.world.bot and (message.channel.is_private or not may_all):
            raise DiscordError(50003 if message.channel.is_private else 50013)
        if message.channel.archived:
            raise DiscordError(50083)
        message.delete()

    def _refresh_links(self, _request: web.Request, form: Form) -> JSON:
        refreshed = []
        for link in form.body.get("attachment_urls") or []:
            match = re.search(r"/attachments/\d+/(\d+)/", link)
            attachment = self.world.files.get(int(match[1])) if match else None
            refreshed.append({"original": link, "refreshed": attachment.url if attachment else None})
        return {"refreshed_urls": refreshed}

    # -- interactions --------------------------------------------------------------------------------

    def _respond(self, request: web.Request, form: Form) -> Result:
        token = request.match_info["token"]
        interaction = self.interactions.respond(read_snowflake(request, "interaction"), token, form)
        wants_answer = request.query.get("with_response", "").lower() in ("1", "true")
        return callback_answer(interaction) if wants_answer else None

    def _by_token(self, request: web.Request) -> Any:
        return self.interactions.by_token(read_snowflake(request, "application"), request.match_info["token"])

    def _follow_up(self, request: web.Request, form: Form) -> JSON:
        return self.interactions.follow_up(self._by_token(request), form).payload()

    def _webhook_message(self, request: web.Request, _form: Form) -> JSON:
        which = request.match_info["message"]
        return self.interactions.message(self._by_token(request), which).payload()

    def _edit_webhook_message(self, request: web.Request, form: Form) -> JSON:
        return self.interactions.edit(self._by_token(request), request.match_info["message"], form).payload()

    def _delete_webhook_message(self, request: web.Request, _form: Form) -> None:
        self.interactions.message(self._by_token(request), request.match_info["message"]).delete()

    # -- the CDN -------------------------------------------------------------------------------------

    async def _serve_file(self, request: web.Request) -> web.StreamResponse:
        """A file by its signed link; 404 when the link is expired or false, or the file is deleted."""
        request[NOTE].route = "/cdn/attachments/{channel}/{file}/{name}"
        attachment = self.world.files.get(int(request.match_info["file"]))
        query = request.query
        try:
            expires, issued = int(query["ex"], 16), int(query["is"], 16)
        except (KeyError, ValueError):
            return web.Response(status=404, text="This content is no longer available.")
        alive = attachment is not None and not attachment.gone and self.world.clock() < expires
        if attachment is None or not alive or query.get("hm") != self.world.sign(attachment, expires, issued):
            return web.Response(status=404, text="This content is no longer available.")
        kind = attachment.content_type or "application/octet-stream"
        return web.Response(body=attachment.data, content_type=kind)
