"""A Slack played on 127.0.0.1: put together, started, stopped and looked into."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, Self, TypeVar
from urllib.parse import urlencode

from aiohttp import web

from tests.slack_server.admin import Admin
from tests.slack_server.apps import App, Installation
from tests.slack_server.clock import Clock
from tests.slack_server.delivery import Deliverer, Delivery
from tests.slack_server.events import Events, Withheld
from tests.slack_server.faults import Rule
from tests.slack_server.files import File
from tests.slack_server.interactions import Interaction, Interactions
from tests.slack_server.limits import JSON, Limits, SlackError
from tests.slack_server.manifest import make_manifest
from tests.slack_server.messages import Message
from tests.slack_server.methods_auth import AUTH
from tests.slack_server.methods_chat import CHAT
from tests.slack_server.methods_files import FILES, Bytes
from tests.slack_server.methods_world import WORLD
from tests.slack_server.people import Person
from tests.slack_server.sockets import Connection, Sockets
from tests.slack_server.state import Channel, Enterprise, HasId, Team, World
from tests.slack_server.views import Views
from tests.slack_server.webapi import NOTE, Request, WebApi

T = TypeVar("T")


class SlackServer:
    """The whole of it. `async with SlackServer(manifest) as server:` starts and stops it.

    There is one app, `server.app`, from the manifest; `server.new_app` makes more. The clock is the wall
    clock; `server.clock.advance(900)` puts it forward.
    """

    def __init__(
        self,
        manifest: JSON | None = None,
        *,
        limits: Limits | None = None,
        now: Callable[[], float] = time.time,
        port: int = 0,
    ) -> None:
        self.limits = limits or Limits()
        self.clock = Clock(now)
        self.world = World(self.clock, self.limits)
        self.world.woken = self._wake
        self.app = App.made(self.world, manifest or make_manifest())
        self.sockets = Sockets(self.world)
        self.deliverer = Deliverer(self.world, self.sockets)
        self.views = Views(self.world)
        self.interactions = Interactions(self.world, self.views, self.deliverer)
        self.events = Events(self.world, self.deliverer)
        self.api = WebApi(self, {**CHAT, **WORLD, **FILES, **AUTH})
        self.faults = self.api.faults
        self.people: dict[str, Person] = {}
        self.port = port
        self._runner: web.AppRunner | None = None
        self._changed = asyncio.Event()
        self._later: set[asyncio.TimerHandle] = set()

    # -- life ----------------------------------------------------------------------------------------

    async def start(self) -> Self:
        app = web.Application(middlewares=[self.api.middleware()], client_max_size=self.limits.request)
        app.router.add_get("/link/", self.sockets.serve)
        app.router.add_post("/{kind:commands|actions}/{team}/{number}/{secret}", self._response_url)
        self.api.add_to(app)
        Bytes(self).add_to(app)
        Admin(self).add_to(app)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, backlog=4096)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self.world.base = f"http://127.0.0.1:{self.port}"
        return self

    async def stop(self) -> None:
        self.api.stopping.set()
        for handle in self._later:
            handle.cancel()
        await self.deliverer.stop()
        await self.sockets.stop()
        if self._runner is not None:
            await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def api_base(self) -> str:
        """For the `base_url` of `AsyncWebClient`."""
        return f"http://127.0.0.1:{self.port}/api/"

    @property
    def authorize_url(self) -> str:
        """For the `authorization_url` of `AsyncOAuthSettings`."""
        return f"http://127.0.0.1:{self.port}/oauth/v2/authorize"

    def later(self, delay: float, act: Callable[[], object]) -> None:
        """Do something after `delay` seconds of real time, unless the server stops before."""

        def run() -> None:
            self._later.discard(handle)
            act()

        handle = asyncio.get_running_loop().call_later(delay, run)
        self._later.add(handle)

    # -- making a world ------------------------------------------------------------------------------

    def new_app(self, manifest: JSON) -> App:
        """A further app. Install it with `app.install(team)`."""
        return App.made(self.world, manifest)

    def team(
        self, name: str = "Foxes", *, installed: bool = True, enterprise: Enterprise | None = None
    ) -> Team:
        """A workspace, with the app in it unless told otherwise."""
        team = self.world.new_team(name, enterprise)
        if installed:
            self.app.install(team)
        return team

    def enterprise(self, name: str = "Animals") -> Enterprise:
        return self.world.new_enterprise(name)

    def person(self, name: str, team: Team, *channels: Channel, **more: Any) -> Person:
        """A person of a workspace who is in `channels`; `more`: is_admin, is_owner, is_guest, tz, locale."""
        person = Person(self, self.world.new_user(team, name, **more))
        for channel in channels:
            channel.members[person.id] = None
        self.people[name] = person
        return person

    def between(self, *people: Person) -> Channel:
        """The conversation of two people or more, without the app."""
        return self.world.direct(people[0].user.team, *people)

    @property
    def token(self) -> str:
        """The bot token of the first workspace."""
        return self.app.installations[0].token

    @property
    def app_token(self) -> str:
        return self.app.app_token

    # -- what happens to the app ---------------------------------------------------------------------

    def uninstall(self, installation: Installation) -> list[Delivery]:
        """Take an app away; what it is told."""
        told = self.events.revoked(installation, installation.team)
        told += self.events.uninstalled(installation, installation.team)
        installation.remove()
        for channel in self.world.channels.values():
            if not channel.is_direct:
                channel.remove(installation.bot)
        self.world.notify()
        return told

    def revoke(self, installation: Installation) -> list[Delivery]:
        """Revoke its tokens; what it is told."""
        installation.revoke()
        return self.events.revoked(installation, installation.team)

    def take_submission(self, interaction: Interaction, answer: JSON) -> None:
        """What the acknowledgement of a view_submission does to the modal.

        Raises:
            SlackError: the client can't make anything of it.
        """
        view, action = interaction.view, answer.get("response_action")
        assert view is not None
        view.errors = {}
        if action is None:
            self.views.close(view)
        elif action == "clear":
            self.views.close(view, everything=True)
        elif action == "errors":
            inputs = [block["block_id"] for block in view.blocks if block["type"] == "input"]
            unknown = [name for name in answer.get("errors") or {"": ""} if name not in inputs]
            if unknown:
                raise SlackError("invalid_errors", f"no input has the block_id {unknown}")
            view.errors = dict(answer["errors"])
        elif action == "update":
            interaction.opened = self.views.update(view, answer.get("view"))
        elif action == "push":
            interaction.opened = self.views.push_by_ack(view, answer.get("view"))
        else:
            raise SlackError("invalid_response_action", str(action))
        self.world.notify()

    async def _response_url(self, request: web.Request) -> web.StreamResponse:
        try:
            payload = json.loads(await request.read())
        except ValueError:
            payload = None
        note = request[NOTE]
        note.args = payload if isinstance(payload, dict) else {}
        error = self.interactions.answer_by_url(request.match_info["secret"], payload)
        if error is None:
            return web.Response(text="ok")
        note.error = error
        status = 404 if error in ("used_url", "expired_url", "invalid_url") else 400
        return web.json_response({"ok": False, "error": error}, status=status)

    # -- HTTP mode's checks of URLs ------------------------------------------------------------------

    async def verify_url(self, app: App | None = None) -> bool:
        """Slack's `url_verification`, as when a request URL is saved: whether the challenge came back."""
        app = app or self.app
        challenge = self.world.new_secret(40)
        body = {"type": "url_verification", "token": "a-deprecated-token", "challenge": challenge}
        headers = {"Content-Type": "application/json"}
        url = app.manifest.url("events_api")
        status, _, text = await self.deliverer.request(app, url, json.dumps(body), headers)
        return status == 200 and challenge in text

    async def ssl_check(self, command: str, app: App | None = None) -> int:
        """Slack's `ssl_check` of a command's URL; the status of the answer."""
        app = app or self.app
        body = urlencode({"ssl_check": "1", "token": "a-deprecated-token"})
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        url = app.manifest.url("slash_commands", command)
        status, _, _ = await self.deliverer.request(app, url, body, headers)
        return status

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
                    # What the condition asks about may also change in the app, without a sign to be had.
                    await self.wait(self._changed, 0.02)
            return result

    async def connected(self, connections: int = 1, within: float = 10.0) -> list[Connection]:
        """Wait until there are that many websockets, and return them."""
        await self.until(lambda: len(list(self.sockets.live())) >= connections, within)
        return list(self.sockets.live())

    # -- looking into it -----------------------------------------------------------------------------

    @property
    def requests(self) -> list[Request]:
        return list(self.api.requests)

    def requests_to(self, on: str) -> list[Request]:
        """Requests that a fault's pattern matches, such as "files.*" or "upload"."""
        rule = Rule(on, "hang")
        return [one for one in self.api.requests if rule.matches(one.verb, one.path, one.method)]

    def calls(self, method: str, team: Team | None = None) -> list[Request]:
        """The calls of one method, each with its time in `at`; of one workspace, if asked."""
        return [
            one for one in self.api.requests if one.method == method and (team is None or one.team == team.id)
        ]

    @property
    def unplayed(self) -> list[Request]:
        """Calls of methods that aren't played here: what a test must not overlook."""
        return [one for one in self.api.requests if not one.played or one.status == 405]

    @property
    def withheld(self) -> list[Withheld]:
        """Events that weren't sent, for lack of a subscription, scope or membership."""
        return self.events.withheld

    @property
    def deliveries(self) -> list[Delivery]:
        """Everything that went to the app."""
        return self.deliverer.all

    @property
    def files(self) -> list[File]:
        """All files, drafts and deleted ones with them; `shares` tells where they are."""
        return list(self.world.files.values())

    def messages(
        self, channel: Channel, *, thread: Message | str | None = None, viewer: HasId | None = None
    ) -> list[Message]:
        """What stands in a channel or one thread of it; what only `viewer` sees with it. The oldest first."""
        ts = thread if isinstance(thread, str) or thread is None else thread.thread_ts or thread.ts
        standing = channel.visible(ts)
        if viewer is None:
            return standing
        own = [
            one
            for one in self.world.ephemerals
            if one.channel is channel
            and one.ephemeral_for is not None
            and one.ephemeral_for.id == viewer.id
            and one.shown
            and not one.deleted
            and (ts is None or one.thread_ts == ts)
        ]
        return sorted([*standing, *own], key=lambda one: one.ts)

    @property
    def misplaced(self) -> list[Message]:
        """What the app posted into threads that are none: nobody sees it."""
        every = [one for channel in self.world.channels.values() for one in channel.messages.values()]
        return [one for one in every if one.misplaced]

    def duplicates(self) -> list[list[Message]]:
        """Messages of apps that people see twice: same place and words and files, or one file twice."""
        seen: dict[tuple[Any, ...], list[Message]] = defaultdict(list)
        for message in self._of_apps():
            place = (message.channel.id, message.thread_ts)
            digests = tuple(sorted(file.sha256 for file in message.files))
            seen[(*place, message.text, digests)].append(message)
            for digest in digests:
                seen[(*place, digest)].append(message)
        groups = {tuple(group): group for group in seen.values() if len(group) > 1}
        return list(groups.values())

    def _of_apps(self) -> Iterable[Message]:
        for channel in self.world.channels.values():
            for message in channel.visible():
                if message.installation is not None and not message.tombstone:
                    yield message
