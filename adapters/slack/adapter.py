"""Slack as a platform: listens by Socket Mode or over HTTP, shows by the Web API alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import structlog
from aiohttp import web

from adapters.slack import http, settings_views
from adapters.slack.calls import Calls, Declined, refused_place
from adapters.slack.clients import Clients
from adapters.slack.commands import Commands
from adapters.slack.delivery import Delivery, Manners
from adapters.slack.files import PrivateFiles
from adapters.slack.listeners import Listeners, bolt_app
from adapters.slack.people import People
from adapters.slack.places import NAME, Spot
from adapters.slack.presence import Presence
from adapters.slack.settings import SettingsCommands
from adapters.slack.sockets import Patience, Sockets
from adapters.slack.whispers import Whispers
from bot.catalogue import Catalogue
from bot.config import SlackSettings
from bot.errors import Busy, Denied, Gone, LostAnswer
from bot.jobs import Actor, Place, Posted
from bot.ports import Core, Post, Save, Telling, Waiting, Working

GRACE = 5.0
"""Seconds that what people have just done may take when it is told to stop."""

log = structlog.get_logger(__name__)


class Slack:
    """Implements `bot.ports.Platform`. An async context manager: within it, it can show.

    Who listens is settled by what is configured: an app token is for Socket Mode, else a signing secret for
    HTTP.
    """

    name = NAME
    every = 1.0

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        settings: SlackSettings,
        clients: Clients,
        now: Callable[[], float],
        pages: Sequence[web.RouteDef] = (),
        manners: Manners | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._settings = settings
        self._pages = pages
        self._clients = clients
        self._now = now
        self._calls = Calls(clients, now)
        self._people = People(self._calls, now)
        self._delivery = Delivery(self._calls, catalogue, now=now, manners=manners)
        self._patience = patience
        self._whispers = Whispers(self._calls)
        self._listeners: Listeners | None = None
        self._core: Core | None = None

    async def __aenter__(self) -> Self:
        await self._clients.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listeners is not None:
            await self._listeners.finish(GRACE)
        await self._clients.__aexit__(kind, error, trace)

    # -- the platform

    async def run(self, core: Core) -> None:
        begins = asyncio.create_task(Presence(core, self._calls, self._now).begins())
        try:
            await self._listen(core)
        finally:
            begins.cancel()

    async def _listen(self, core: Core) -> None:
        if self._settings.app_token is None:
            await asyncio.Event().wait()  # what Slack posts to our routes is all there is
            return
        app = bolt_app(self._clients.client())
        self._listening(core).listen(app)
        token = self._settings.app_token.get_secret_value()
        await Sockets(app, self._clients, token, self._patience).run()

    def routes(self, core: Core) -> list[web.RouteDef]:
        """The pages that install the app, and in HTTP mode what Slack posts to."""
        if self._settings.app_token is not None or self._settings.signing_secret is None:
            return list(self._pages)
        app = bolt_app(self._clients.client())
        self._listening(core).listen(app)
        return [*self._pages, *http.routes(app, self._settings.signing_secret.get_secret_value(), self._now)]

    async def show(self, post: Post, save: Save) -> Posted:
        """The engine alone puts cards there, after the job is committed: see `docs/why.md`."""
        is_open = isinstance(post.notice, Waiting | Working)
        try:
            posted = await self._delivery.show(post, save)
        except (Denied, Gone):
            if is_open:
                await self._whispers.say_refused(post.card.job)
            raise
        if not is_open:
            self._whispers.forget(post.card.job)
        return posted

    async def fallback(self, place: Place, actor: Actor) -> Place | None:
        """The person's own conversation with us."""
        spot = Spot.read(place)
        if spot.instead_of:
            return None
        try:
            answer = await self._calls.call(spot.team, "conversations.open", users=actor.id)
        except Declined:
            return None
        except LostAnswer as error:
            raise Busy(str(error)) from error
        own = answer["channel"]["id"]
        return None if own == spot.channel else Spot(spot.team, own, instead_of=spot.channel).place

    async def tell(self, telling: Telling) -> None:
        """In the channel that the workspace has set for it, else to its primary owner."""
        try:
            channel = telling.place or await self._owners_own(telling.server)
            speaks = await self._core.language(Actor(NAME, "", "", telling.server)) if self._core else None
            link = await self._link_to(telling)
            shown = settings_views.telling(telling.code, telling.facts, link, speaks or "en")
            await self._delivery.tell(telling, channel, shown)
        except Declined as error:
            raise refused_place(error) from error
        except LostAnswer as error:
            raise Busy(str(error)) from error

    async def _owners_own(self, team: str) -> str:
        owner = await self._people.owner(team)
        if owner is None:
            raise Gone(f"nobody is known who looks after {team}")
        answer = await self._calls.call(team, "conversations.open", users=owner)
        return str(answer["channel"]["id"])

    async def _link_to(self, telling: Telling) -> str | None:
        """Where the result stands that the news are about."""
        posted, place = telling.facts.get("posted") or {}, telling.facts.get("place")
        if not place or not posted.get("ts"):
            return None
        spot = Spot.read(Place(place))
        try:
            found = await self._calls.call(
                spot.team, "chat.getPermalink", channel=spot.channel, message_ts=posted["ts"]
            )
        except Declined:
            return None
        return str(found["permalink"])

    # -- listening

    def _listening(self, core: Core) -> Listeners:
        """One for all ways in: what comes twice by different ways is done once."""
        if self._listeners is None:
            files = PrivateFiles(self._calls)
            settings = SettingsCommands(
                core, self._calls, self._people, files, self._delivery, self._whispers, self._now
            )
            commands = Commands(
                core, self._calls, self._people, files, self._delivery, self._whispers, settings
            )
            self._listeners = Listeners(
                commands, settings, self._people, self._clients, Presence(core, self._calls, self._now)
            )
            self._core = core
        return self._listeners
