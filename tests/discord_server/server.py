"""A Discord played on 127.0.0.1: put together, started, stopped and looked into."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, Self, TypeVar

from aiohttp import web

from tests.discord_server.admin import Admin
from tests.discord_server.clock import Clock
from tests.discord_server.faults import Rule
from tests.discord_server.gateway import Gateway
from tests.discord_server.interactions import Interactions
from tests.discord_server.limits import Limits
from tests.discord_server.messages import Attachment, Message
from tests.discord_server.people import Person
from tests.discord_server.registry import Registry
from tests.discord_server.rest import Request, Rest
from tests.discord_server.state import Channel, Guild, Identified, Role, World

T = TypeVar("T")


class DiscordServer:
    """The whole of it. `async with DiscordServer() as server:` starts and stops it.

    The clock is the wall clock; `server.clock.advance(900)` puts it forward.
    """

    def __init__(
        self,
        *,
        token: str = "a-bot-token",
        limits: Limits | None = None,
        now: Callable[[], float] = time.time,
        port: int = 0,
    ) -> None:
        self.token = token
        self.limits = limits or Limits()
        self.clock = Clock(now)
        self.world = World(self.clock, self.limits)
        self.world.woken = self._wake
        self.registry = Registry(self.world)
        self.interactions = Interactions(self.world)
        self.gateway = Gateway(self.world, lambda: self.token, lambda: self.gateway_url)
        self.rest = Rest(
            self.world,
            self.gateway,
            self.interactions,
            self.registry,
            lambda: self.token,
            lambda: self.gateway_url,
        )
        self.faults = self.rest.faults
        self.people: dict[str, Person] = {}
        self.port = port
        self._runner: web.AppRunner | None = None
        self._changed = asyncio.Event()

    # -- life ----------------------------------------------------------------------------------------

    async def start(self) -> Self:
        app = web.Application(middlewares=[self.rest.middleware()], client_max_size=self.limits.request)
        app.router.add_get("/ws", self.gateway.serve)
        app.router.add_get("/ws/", self.gateway.serve)
        self.rest.add_to(app)
        Admin(self).add_to(app)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, backlog=4096)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.world.cdn = f"http://127.0.0.1:{self.port}/cdn"
        return self

    async def stop(self) -> None:
        self.rest.stopping.set()
        await self.gateway.stop()
        if self._runner is not None:
            await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def api_base(self) -> str:
        """For `discord.http.Route.BASE`."""
        return f"http://127.0.0.1:{self.port}/api/v10"

    @property
    def gateway_url(self) -> str:
        """For `discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY`."""
        return f"ws://127.0.0.1:{self.port}/ws"

    # -- making a world ------------------------------------------------------------------------------

    def guild(self, name: str = "Foxes", **more: Any) -> Guild:
        """A server with an owner; `more`: tier, locale, features, has_bot."""
        return self.world.new_guild(name, self.world.new_user(f"Owner of {name}"), **more)

    def person(self, name: str, *guilds: Guild, roles: Iterable[Role] = (), **more: Any) -> Person:
        """A person who is in `guilds`; `more`: locale, takes_dms, upload_limit, has_app."""
        person = Person(self, self.world.new_user(name, **more))
        held = list(roles)
        for guild in guilds:
            guild.join(person, *[role for role in held if role.guild is guild])
        self.people[name] = person
        return person

    def between(self, *people: Person) -> Channel:
        """The private conversation of people, without the bot."""
        return self.world.private_channel(*[person.user for person in people])

    @property
    def bot(self) -> Identified:
        return self.world.bot

    # -- waiting -------------------------------------------------------------------------------------

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self, event: asyncio.Event, within: float) -> None:
        """Wait for one event, or raise TimeoutError."""
        async with asyncio.timeout(within):
            await event.wait()

    async def until(self, condition: Callable[[], T], within: float = 5.0) -> T:
        """Wait until `condition` gives something true: looked at whenever anything happens here, and often.

        Raises:
            TimeoutError: it didn't within `within` seconds of real time.
        """
        async with asyncio.timeout(within):
            while not (result := condition()):
                with contextlib.suppress(TimeoutError):
                    # What the condition asks about may also change in the bot, without a sign to be had.
                    await self.wait(self._changed, 0.02)
            return result

    async def connected(self, shards: int = 1, within: float = 10.0) -> None:
        """Wait until that many shards have a session and a connection."""
        await self.until(lambda: len({s.shard for s in self.gateway.live()}) >= shards, within)

    # -- looking into it -----------------------------------------------------------------------------

    @property
    def requests(self) -> list[Request]:
        return list(self.rest.requests)

    def requests_to(self, on: str) -> list[Request]:
        """Requests that a fault's pattern matches, such as "POST /channels/*/messages"."""
        rule = Rule(on, "hang")
        return [request for request in self.rest.requests if rule.matches(request.method, request.path)]

    @property
    def unplayed(self) -> list[Request]:
        """Requests to routes that aren't played here: what a test must not overlook."""
        return [one for one in self.rest.requests if one.route is None and one.status == 404]

    @property
    def files(self) -> list[Attachment]:
        """All files that were ever uploaded."""
        return list(self.world.files.values())

    def messages(self, channel: Channel, viewer: Identified | None = None) -> list[Message]:
        """What stands in a channel; what only `viewer` sees with it. The oldest first."""
        return channel.visible(viewer)

    def duplicates(self) -> list[list[Message]]:
        """Messages of the bot that people see twice: same place, same words, same files."""
        seen: dict[tuple[Any, ...], list[Message]] = defaultdict(list)
        for channel in self.world.channels.values():
            for message in channel.visible():
                if message.author is self.world.bot:
                    files = tuple(sorted(one.sha256 for one in message.attachments))
                    seen[channel.id, message.text, files].append(message)
        return [group for group in seen.values() if len(group) > 1]
