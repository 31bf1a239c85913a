"""The page as a platform: shows what becomes of jobs, and serves the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from adapters.web import files, render
from adapters.web.admin import Administration
from adapters.web.commands import Commands
from adapters.web.events import Feed, stream
from adapters.web.places import Spot
from adapters.web.sessions import TOKEN_HASH, Language, Sessions
from bot.catalogue import Catalogue
from bot.config import Web as Settings
from bot.errors import BadOrder, Gone, Refused
from bot.jobs import Actor, Job, Json, Place, Posted
from bot.ports import Card, Core, Look, Notice, Post, Ready, Save, Telling
from bot.store import GONE, Message, Store

if TYPE_CHECKING:
    from bot.media import Library

NOBODY = Actor("web", "", "", "web")
"""Stands for everybody who reads the page."""

HOME = "studio"
"""The channel that is always there."""


class Web:
    """Implements `bot.ports.Platform`. What stands on the page are rows in the store."""

    name = "web"
    every = 1.0

    def __init__(
        self,
        store: Store,
        catalogue: Catalogue,
        library: Library,
        *,
        settings: Settings,
        public_url: str | None,
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._chat = store.chat
        self._catalogue = catalogue
        self._library = library
        self._is_on = settings.enabled
        self._now = now
        self._language: Language | None = None
        self._feed = Feed(store)
        self._sessions = Sessions(
            store,
            lasts=settings.session_days * 86_400,
            secure=(public_url or "").startswith("https://"),
            now=now,
        )

    # -- the platform

    async def run(self, core: Core) -> None:
        """Follow what is written, for everybody who has the page open, until cancelled."""
        self._language = core.language
        await self._feed.run()

    async def show(self, post: Post, save: Save) -> Posted:
        """A card at its place, a result in the card's thread. Keys see to it that each stands there once."""
        try:
            return await self._show(post)
        except Refused as error:
            raise Gone(post.place) from error
        finally:
            self._feed.wake()

    async def fallback(self, place: Place, actor: Actor) -> Place | None:
        home = Spot(HOME).place
        return home if place != home else None

    async def tell(self, telling: Telling) -> None:
        """In the channel that is set for it, where there is one; /admin shows all of it in any case."""
        if telling.place is None or telling.place not in {one.id for one in await self._chat.channels()}:
            return
        await self._chat.post(
            telling.place,
            thread=None,
            author=render.BOT,
            kind="text",
            body=render.news(telling.code, telling.facts, await self._spoken()),
            key=telling.key,
            now=self._now(),
        )
        self._feed.wake()

    async def take_down(self, looks: Iterable[Look], why: str, language: str, **facts: Json) -> None:
        """Put a sentence in the place of what was posted of jobs: `why` is "removed" or "forgotten"."""
        ids = [id for look in looks for id in _ids_of(look.job.posted)]
        await self._chat.take_down(ids, body=render.gone(why, language, **facts), now=self._now())
        self._feed.wake()

    async def _spoken(self) -> str:
        """What everybody who reads the page is spoken to in."""
        return (await self._language(NOBODY) if self._language else None) or NOBODY.language

    async def _show(self, post: Post) -> Posted:
        message, is_new = await self._post_card(post.place, post.card, post.notice)
        posted = {"card": message.id}
        if message.kind == GONE:  # taken down, or its person forgotten, while the job was under way
            return posted
        if isinstance(post.notice, Ready):
            posted["result"] = await self._post_result(post.place, post.card, post.notice, message)
        if not is_new:
            body = render.card(post.card, post.notice, self._title(post.card))
            await self._chat.edit(message.id, body=body, now=self._now())
        return posted

    async def _post_card(self, place: Place, card: Card, notice: Notice) -> tuple[Message, bool]:
        spot = Spot.read(place)
        return await self._chat.post(
            spot.channel,
            thread=spot.thread,
            author=render.author(card.actor),
            kind="card",
            body=render.card(card, notice, self._title(card)),
            key=_key_of(place, card),
            now=self._now(),
        )

    async def _post_result(self, place: Place, card: Card, ready: Ready, below: Message) -> int:
        message, _ = await self._chat.post(
            below.channel,
            thread=None if Spot.read(place).flat else below.thread or below.id,
            author=render.BOT,
            kind="result",
            body=render.result(card, ready, self._title(card)),
            key=f"{_key_of(place, card)}/result",
            now=self._now(),
        )
        return message.id

    def _title(self, card: Card) -> str:
        try:
            return self._catalogue.find(card.model).title
        except BadOrder:
            return card.model

    # -- the page

    def routes(self, core: Core) -> list[web.RouteDef]:
        """Everything that the page is made of and asks for; nothing where it is switched off."""
        if not self._is_on:
            return []

        async def card_of(job: Job) -> Message:
            """The card of a job just accepted: a new one, where the engine has not been quicker."""
            look = await core.look(job.id, job.actor)
            message, _ = await self._post_card(job.place, look.card, look.notice)
            return message

        commands = Commands(core, self._chat, card_of, self._feed.wake, self._now)
        uploads = files.Uploads(core, self._now)
        needed = partial(self._sessions.needed, language=core.language)
        admin = Administration(core, self._store, self.take_down, self._now)
        return [
            web.get("/", self._page),
            web.get("/login", self._login_page),
            web.post("/login", self._sessions.enter),
            web.post("/logout", needed(self._sessions.leave)),
            *files.static_routes(),
            web.get("/media/{digest:[0-9a-f]{64}}/{name}", needed(files.media(self._library.path))),
            web.get("/api/state", needed(commands.state)),
            web.get("/api/events", needed(self._events)),
            web.get("/api/channels/{channel}/messages", needed(commands.messages)),
            web.get(r"/api/messages/{id:\d{1,18}}", needed(commands.message)),
            web.post("/api/channels", needed(commands.add_channel)),
            web.post("/api/messages", needed(commands.send)),
            web.post("/api/read", needed(commands.read)),
            web.post("/api/files", needed(uploads.take)),
            web.post(r"/api/jobs/{job:\w{1,64}}/cancel", needed(commands.cancel)),
            web.post(r"/api/jobs/{job:\w{1,64}}/again", needed(commands.again)),
            web.post(r"/api/jobs/{job:\w{1,64}}/report", needed(commands.report)),
            web.post("/api/confirm", needed(commands.confirm)),
            web.get("/api/me/data", needed(commands.my_data)),
            web.post("/api/me/forget", needed(commands.forget_me)),
            web.get("/admin", self._admin_page),
            *admin.routes(needed),
        ]

    async def _page(self, request: web.Request) -> web.StreamResponse:
        if await self._sessions.who(request) is None:
            raise web.HTTPSeeOther("/login")
        return files.page("index.html")

    async def _admin_page(self, request: web.Request) -> web.StreamResponse:
        if await self._sessions.who(request) is None:
            raise web.HTTPSeeOther("/login")
        return files.page("admin.html")  # an empty frame: what is in it, only those hear who may

    async def _login_page(self, _: web.Request) -> web.StreamResponse:
        return files.page("login.html")

    async def _events(self, request: web.Request) -> web.StreamResponse:
        async def still_welcome() -> bool:
            return await self._sessions.still(request[TOKEN_HASH]) is not None

        return await stream(request, self._feed, still_welcome)


def _ids_of(posted: Posted | None) -> list[int]:
    """The messages that a job has here."""
    return [posted[part] for part in ("card", "result") if part in posted] if posted else []


def _key_of(place: Place, card: Card) -> str:
    """The same over all tries at one place; another place gets a message of its own."""
    return f"{place}#{card.job}"
