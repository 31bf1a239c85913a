"""Discord's REST API with the bot's own token: what a worker needs, whether anybody listens here or not.

discord.py's client does the requests: it keeps to the buckets of rate limits and tries again what is safe to.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import aiohttp
import discord
from discord.gateway import DiscordWebSocket
from discord.http import Route
from yarl import URL

from adapters.discord.places import PRIVATE
from adapters.discord.render import Sending
from bot.errors import Busy, Denied, Gone, MaybePosted, TooLarge, Undeliverable
from bot.jobs import Json

NO_SUCH_CHANNEL, NO_SUCH_SERVER, NO_SUCH_MESSAGE = 10003, 10004, 10008
TOO_LARGE = 40005
HAS_A_THREAD = 160004
REFUSED = frozenset({50001, 50007, 50008, 50013, 50024, 40058, 160005, 160006, 240000})
"""No access, no permission, a kind of channel that takes no such thing, a locked thread, too many threads, a
link that Discord takes for harmful."""

LADDER = tuple(size * 2**20 for size in (500, 200, 100, 50, 25, 20, 10, 8, 4, 2, 1))
"""Bytes: what upload limits have been. Which one holds in a place is found by trying."""

SLOWEST = 90.0
"""Seconds for a request without files: more than discord.py itself may wait for a rate limit, and less than
aiohttp's five minutes, in which a silent Discord would keep every worker busy."""

PAGE = 100
"""Messages that Discord gives at once, at most."""

BUCKETS_KEPT = 200
"""Rate limits that are remembered: each thread has one. discord.py keeps them for five minutes, and from 256
on goes through all of them for each new one."""

TOKEN_REFUSED = 300.0
"""Seconds until the next try where the token isn't taken: only the owner can mend that."""


class NoMessage(Undeliverable):
    """The message is no more; the channel may well be."""


class NoThreads(Undeliverable):
    """No thread can hang from that message."""


def point_discord_py_at(api_base: str, gateway_url: str) -> None:
    """discord.py keeps both addresses in its classes: one Discord a process. Nothing is said about voice."""
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
    Route.BASE = api_base.rstrip("/")
    DiscordWebSocket.DEFAULT_GATEWAY = URL(gateway_url)


class Rest:
    """The calls that posting needs. Raises Busy, Denied, Gone, TooLarge, NoMessage and NoThreads."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._client: discord.Client | None = None
        self._login = asyncio.Lock()
        self._tidy_from = BUCKETS_KEPT

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def me(self) -> int:
        """The bot's own user id."""
        return _id_of(await self._logged_in())

    async def send(self, channel: int, sending: Sending, *, nonce: str, reply_to: int | None = None) -> int:
        """Post; within Discord's minutes the same nonce gives back the first message instead."""
        body = {**sending.body, "nonce": nonce, "enforce_nonce": True}
        if reply_to is not None:
            body["message_reference"] = {"message_id": str(reply_to), "fail_if_not_exists": False}
        route = Route("POST", "/channels/{channel_id}/messages", channel_id=channel)
        try:
            return int((await self._request(route, body, sending))["id"])
        except NoMessage as error:  # the nonce's message was deleted meanwhile
            raise MaybePosted(str(error)) from error

    async def edit(self, channel: int, message: int, body: Mapping[str, Json]) -> None:
        """NoMessage also where it may not be edited, as in an archived thread: a new one may still do."""
        try:
            await self._request(_message("PATCH", channel, message), body)
        except Denied as error:
            raise NoMessage(str(error)) from error

    async def delete(self, channel: int, message: int) -> None:
        await self._request(_message("DELETE", channel, message))

    async def message(self, channel: int, message: int) -> Json:
        return await self._request(_message("GET", channel, message))

    async def after(self, channel: int, message: int) -> list[Json]:
        """The `PAGE` messages that follow one, or its moment where it is none of this channel."""
        route = Route("GET", "/channels/{channel_id}/messages", channel_id=channel)
        return list(await self._request(route, params={"after": str(message), "limit": str(PAGE)}))

    async def thread(self, channel: int, message: int, name: str) -> int:
        """The thread that hangs from a message, made where there is none; it has the message's id.

        NoThreads where none can: no permission, the wrong kind of channel, too many threads.
        """
        route = Route(
            "POST",
            "/channels/{channel_id}/messages/{message_id}/threads",
            channel_id=channel,
            message_id=message,
        )
        try:
            return int((await self._request(route, {"name": name, "auto_archive_duration": 1440}))["id"])
        except _HasAThread:
            return message
        except Denied as error:
            raise NoThreads(str(error)) from error

    async def private(self, user: str) -> int:
        """The channel of the bot and one person."""
        return int(
            (await self._request(Route("POST", f"/users/{PRIVATE}/channels"), {"recipient_id": user}))["id"]
        )

    async def guild(self, server: str) -> Json:
        return await self._request(Route("GET", "/guilds/{guild_id}", guild_id=server))

    async def channel(self, channel: int) -> Json:
        return await self._request(Route("GET", "/channels/{channel_id}", channel_id=channel))

    # -- the application

    async def identifies_left(self) -> tuple[int, float]:
        """How many connections may be opened today, and in how many seconds the count begins anew."""
        limit = (await self._request(Route("GET", "/gateway/bot")))["session_start_limit"]
        return int(limit["remaining"]), limit["reset_after"] / 1000

    async def commands(self, server: int | None = None) -> list[Json]:
        """The commands that Discord has of ours: everywhere, or of one server."""
        route = await self._commands_route("GET", server)
        return list(await self._request(route, params={"with_localizations": "true"}))

    async def register(self, commands: Sequence[Json], server: int | None = None) -> list[Json]:
        """Put these in the place of all commands of ours, everywhere or in one server."""
        client = await self._logged_in()
        route = await self._commands_route("PUT", server)
        return list(_understood(await client.http.request(route, json=list(commands))))

    async def _commands_route(self, method: str, server: int | None) -> Route:
        application = (await self._logged_in()).application_id
        if server is None:
            return Route(method, "/applications/{application_id}/commands", application_id=application)
        path = "/applications/{application_id}/guilds/{guild_id}/commands"
        return Route(method, path, application_id=application, guild_id=server)

    # -- asking

    async def _request(
        self,
        route: Route,
        body: Mapping[str, Json] | None = None,
        sending: Sending | None = None,
        **more: Any,
    ) -> Json:
        client = await self._logged_in()
        with ExitStack() as stack:
            if sending is not None and sending.files:
                files = [discord.File(file.path, filename=file.name) for file in sending.files]
                for file in files:
                    stack.callback(file.close)
                more |= {"files": files, "form": _multipart(body or {}, files)}
            elif body is not None:
                more["json"] = dict(body)
            largest = max((file.media.size for file in sending.files), default=0) if sending else 0
            try:
                async with asyncio.timeout(None if largest else SLOWEST):
                    answer = await client.http.request(route, **more)
            except (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError) as error:
                raise translated(error, largest) from error
            finally:
                self._tidy(client)
            return _understood(answer)

    def _tidy(self, client: discord.Client) -> None:
        """Forget rate limits whose time is over and that nobody waits for: a new one says the same."""
        buckets = client.http._buckets
        if len(buckets) < self._tidy_from:
            return
        now = asyncio.get_running_loop().time()
        for key, bucket in list(buckets.items()):
            if not bucket.outgoing and not bucket._pending_requests and (bucket.expires or 0.0) < now:
                del buckets[key]
        self._tidy_from = max(BUCKETS_KEPT, 2 * len(buckets))

    async def _logged_in(self) -> discord.Client:
        async with self._login:
            if self._client is None:
                client = discord.Client(intents=discord.Intents(guilds=True), max_ratelimit_timeout=30)
                try:
                    await client.login(self._token)
                except BaseException as error:
                    await client.close()
                    if isinstance(error, discord.DiscordException | aiohttp.ClientError | OSError):
                        raise translated(error, 0) from error
                    raise
                self._client = client
            return self._client


def _understood(answer: Json) -> Json:
    """An answer that is no JSON is a proxy's. No text at all is what a delete answers."""
    if isinstance(answer, str) and answer:
        raise Busy("Discord's answer is no JSON")
    return answer


class _HasAThread(Undeliverable):
    """The message has one already."""


def translated(error: BaseException, largest: int) -> Exception:
    """What it means for a post. `largest`: bytes of its largest file.

    https://discord.com/developers/docs/topics/opcodes-and-status-codes#json
    """
    match error:
        case discord.LoginFailure() | discord.HTTPException(status=401):
            return Busy("Discord doesn't take the bot's token", retry_after=TOKEN_REFUSED)
        case discord.RateLimited():
            return Busy(str(error), retry_after=error.retry_after)
        case discord.HTTPException():
            return _of_http(error, largest)
        case _:
            return Busy(f"{type(error).__name__}: {error}")


def _of_http(error: discord.HTTPException, largest: int) -> Exception:
    if error.code == TOO_LARGE or error.status == 413:
        return TooLarge(next((step for step in LADDER if step < largest), LADDER[-1] // 2))
    if error.status == 429 or error.status >= 500:
        return Busy(str(error))
    if error.code in (NO_SUCH_CHANNEL, NO_SUCH_SERVER):
        return Gone(str(error))
    if error.code == NO_SUCH_MESSAGE:
        return NoMessage(str(error))
    if error.code == HAS_A_THREAD:
        return _HasAThread(str(error))
    if error.code in REFUSED or error.status == 403:
        return Denied(str(error))
    return error


def _message(method: str, channel: int, message: int) -> Route:
    return Route(
        method, "/channels/{channel_id}/messages/{message_id}", channel_id=channel, message_id=message
    )


def _multipart(body: Mapping[str, Json], files: Sequence[discord.File]) -> list[dict[str, Any]]:
    described = {
        **body,
        "attachments": [{"id": n, "filename": file.filename} for n, file in enumerate(files)],
    }
    return [
        {"name": "payload_json", "value": json.dumps(described), "content_type": "application/json"},
        *(
            {
                "name": f"files[{n}]",
                "value": file.fp,
                "filename": file.filename,
                "content_type": "application/octet-stream",
            }
            for n, file in enumerate(files)
        ),
    ]


def _id_of(client: discord.Client) -> int:
    if client.user is None:
        raise Busy("Not logged in")
    return client.user.id
