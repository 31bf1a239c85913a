"""What the page sends -> calls of the core."""

from __future__ import annotations

import json
import re
import secrets
import unicodedata
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Annotated

from aiohttp import web
from pydantic import Field

from adapters.web import render
from adapters.web.bodies import Body, body_of, sorry
from adapters.web.places import Spot
from adapters.web.sessions import ACTOR
from bot import grammar
from bot.catalogue import Catalogue, Model, check
from bot.errors import BadOrder, ForPerson, Problem, Refused
from bot.jobs import Actor, FileRef, Job, JobId, Json, Option, Order, Place
from bot.ports import Core
from bot.store import Chat, Message

MOST_CHANNELS = 200

ShowCard = Callable[[Job], Awaitable[Message]]
"""The message of a job that was just accepted."""


# -- what comes in


Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
"""Random, made by the page for each thing it sends: sent twice, it is done once."""


class Attached(Body):
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    name: str = Field(max_length=300)


class Filled(Body):
    """A form: option by option, as the fields hold it."""

    command: str = Field(max_length=80)
    options: list[tuple[str, str | bool | Attached]] = Field(max_length=200)


class Where(Body):
    channel: str = Field(max_length=64)
    thread: int | None = Field(default=None, ge=1, lt=2**63)


class Sent(Where):
    """A message, a typed command or a form."""

    key: Key
    text: str = Field(default="", max_length=20_000)
    files: list[Attached] = Field(default_factory=list, max_length=16)
    order: Filled | None = None


class Draft(Body):
    """What somebody is typing."""

    text: str = Field(max_length=20_000)
    files: list[Attached] = Field(default_factory=list, max_length=16)


class Again(Where):
    key: Key
    new_seed: bool = False


class Agreed(Body):
    """Somebody agrees to what a job may cost; `token` came with the question."""

    token: str = Field(min_length=1, max_length=200)


class Reported(Body):
    reason: str = Field(default="", max_length=500)


class Nothing(Body):
    """A request that needs no more than its address."""


class NewChannel(Body):
    title: str = Field(min_length=1, max_length=60)


# -- what is done


class Commands:
    """The handlers of the page's requests. All of them are for people with a session."""

    def __init__(
        self,
        core: Core,
        chat: Chat,
        show_card: ShowCard,
        wake: Callable[[], None],
        now: Callable[[], float],
    ) -> None:
        self._core = core
        self._chat = chat
        self._catalogue = core.catalogue
        self._show_card = show_card
        self._wake = wake
        self._now = now

    # -- looking

    async def state(self, request: web.Request) -> web.Response:
        """GET /api/state: who asks, which channels and commands there are, and the last event before it."""
        last = await self._chat.last_event()
        actor = request[ACTOR]
        response = web.json_response(
            {
                "me": {**render.author(actor), "admin": await self._core.admin.may(actor)},
                "words": render.page_words(actor.language),
                "last": last,
                "now": self._now(),
                "channels": [asdict(channel) for channel in await self._chat.channels()],
                "commands": render.catalogue(self._catalogue),
            }
        )
        response.enable_compression()
        return response

    async def messages(self, request: web.Request) -> web.Response:
        """GET /api/channels/{channel}/messages?thread=ID&before=ID: oldest first."""
        channel = request.match_info["channel"]
        thread, before = _number(request, "thread"), _number(request, "before")
        found = await self._chat.messages(channel, thread=thread, before=before)
        return web.json_response({"messages": [asdict(one) for one in found]})

    async def message(self, request: web.Request) -> web.Response:
        """GET /api/messages/{id}."""
        found = await self._chat.message(int(request.match_info["id"]))
        if found is None:
            raise web.HTTPNotFound
        return web.json_response({"message": asdict(found)})

    async def read(self, request: web.Request) -> web.Response:
        """POST /api/read: what the server makes of a command that is being typed. Changes nothing."""
        draft = await body_of(request, Draft)
        actor = request[ACTOR]
        try:
            typed = grammar.parse(draft.text, self._catalogue)
        except BadOrder as error:
            return web.json_response({"command": None, **render.mistakes(error, None, actor.language)})
        options, problems = _attach(typed.model, typed.options, _files(draft.files))
        problems += _problems(typed.model, options)
        return web.json_response(
            {
                "command": typed.command,
                "options": [_as_field(typed.model, option) for option in options],
                **render.mistakes(BadOrder(problems), typed.model, actor.language),
            }
        )

    # -- saying

    async def send(self, request: web.Request) -> web.Response:
        """POST /api/messages: a message, or a command in words or as a form."""
        sent = await body_of(request, Sent)
        actor = request[ACTOR]
        model = None
        try:
            if sent.order is None and not sent.text.lstrip().startswith("/"):
                return _done(await self._say(sent, actor))
            model, options = self._asked(sent)
            return _done(await self._order(sent, actor, model, options))
        except ForPerson as error:
            return sorry(error, model or _model_of(sent, self._catalogue), actor)
        finally:
            self._wake()

    async def _say(self, sent: Sent, actor: Actor) -> Message:
        files = tuple(_files(sent.files))
        if not sent.text.strip() and not files:
            raise web.HTTPBadRequest(text="There is nothing in this message.")
        self._must_be_kept(files)
        message, _ = await self._chat.post(
            sent.channel,
            thread=sent.thread,
            author=render.author(actor),
            kind="text",
            body=render.said(_storable(sent.text.strip()), files),
            key=_key(actor, sent.key),
            now=self._now(),
        )
        return message

    def _asked(self, sent: Sent) -> tuple[Model, list[Option]]:
        if sent.order is not None:
            model = self._catalogue.find(sent.order.command)
            given: list[Option] = [(key, _value(value)) for key, value in sent.order.options]
        else:
            typed = grammar.parse(sent.text, self._catalogue)
            model, given = typed.model, list(typed.options)
        files = _files(sent.files)
        options, problems = _attach(model, given, files)
        if problems:
            raise BadOrder([*problems, *_problems(model, options)])
        self._must_be_kept([value for _, value in options if isinstance(value, FileRef)])
        return model, options

    async def _order(self, sent: Sent, actor: Actor, model: Model, options: list[Option]) -> Message:
        await self._must_be_there(sent)
        place = await self._place(sent, actor)
        order = Order(
            actor, place, model.command, tuple(options), _key(actor, sent.key), channel=sent.channel
        )
        submitted = await self._core.submit(order)
        return await self._show_card(submitted.job)

    async def again(self, request: web.Request) -> web.Response:
        """POST /api/jobs/{job}/again: the same once more, with another seed where that is wanted."""
        wanted = await body_of(request, Again)
        actor = request[ACTOR]
        job = JobId(request.match_info["job"])
        try:
            await self._must_be_there(wanted)
            place = await self._place(wanted, actor)
            key = _key(actor, wanted.key)
            submitted = await self._core.again(
                job, actor, place, key, new_seed=wanted.new_seed, channel=wanted.channel
            )
            return _done(await self._show_card(submitted.job))
        except ForPerson as error:
            return sorry(error, None, actor)
        finally:
            self._wake()

    async def cancel(self, request: web.Request) -> web.Response:
        """POST /api/jobs/{job}/cancel."""
        actor = request[ACTOR]
        try:
            await self._core.cancel(JobId(request.match_info["job"]), actor)
        except ForPerson as error:
            return sorry(error, None, actor)
        finally:
            self._wake()
        return web.json_response({}, status=202)

    async def confirm(self, request: web.Request) -> web.Response:
        """POST /api/confirm: run what was asked about before."""
        agreed = await body_of(request, Agreed)
        actor = request[ACTOR]
        try:
            submitted = await self._core.confirm(agreed.token, actor)
            return _done(await self._show_card(submitted.job))
        except ForPerson as error:
            return sorry(error, None, actor)
        finally:
            self._wake()

    async def report(self, request: web.Request) -> web.Response:
        """POST /api/jobs/{job}/report: tell those who look after the page of a result."""
        said = await body_of(request, Reported)
        actor = request[ACTOR]
        try:
            await self._core.report(JobId(request.match_info["job"]), actor, _storable(said.reason.strip()))
        except ForPerson as error:
            return sorry(error, None, actor)
        return web.json_response({}, status=201)

    # -- about oneself

    async def my_data(self, request: web.Request) -> web.Response:
        """GET /api/me/data: all that is kept of the person, as a JSON file."""
        actor = request[ACTOR]
        try:
            kept = await self._core.my_data(actor)
        except ForPerson as error:
            return sorry(error, None, actor)
        return web.Response(
            text=json.dumps(kept, ensure_ascii=False, indent=2, default=str),
            content_type="application/json",
            headers={"Content-Disposition": 'attachment; filename="threadreel-my-data.json"'},
        )

    async def forget_me(self, request: web.Request) -> web.Response:
        """POST /api/me/forget: forget the person here; every session of theirs ends."""
        await body_of(request, Nothing)
        actor = request[ACTOR]
        try:
            await self._chat.forget(  # first: what still runs must find its card taken down
                actor.id,
                author=render.somebody(actor.language),
                body=render.gone("forgotten", actor.language),
                now=self._now(),
            )
            await self._core.forget_me(actor)
        except ForPerson as error:
            return sorry(error, None, actor)
        finally:
            self._wake()
        return web.json_response({})

    async def add_channel(self, request: web.Request) -> web.Response:
        """POST /api/channels: a new one, or the one of that name."""
        title = " ".join(_storable((await body_of(request, NewChannel)).title).split())
        if not title:
            raise web.HTTPBadRequest(text="A channel needs a name.")
        if len(await self._chat.channels()) >= MOST_CHANNELS:
            return web.json_response({"error": "There are as many channels as there can be."}, status=422)
        channel = await self._chat.add_channel(_slug(title), title, self._now())
        self._wake()
        return web.json_response({"channel": asdict(channel)}, status=201)

    # -- making sure

    def _must_be_kept(self, files: tuple[FileRef, ...] | list[FileRef]) -> None:
        for file in files:
            if self._core.media_path(file.digest) is None:
                raise Refused("file_gone", name=file.name)

    async def _place(self, where: Where, actor: Actor) -> Place:
        """Where a job's card stands, and its result as the channel's settings have it."""
        flat = where.thread is None and await self._core.results(actor, where.channel) == "channel"
        return Spot(where.channel, where.thread, flat).place

    async def _must_be_there(self, where: Where) -> None:
        """The channel, and the thread in it: what is accepted must have a place to be shown in."""
        if all(channel.id != where.channel for channel in await self._chat.channels()):
            raise web.HTTPNotFound(text="There is no such channel.")
        root = None if where.thread is None else await self._chat.message(where.thread)
        if where.thread is not None and (root is None or root.channel != where.channel or root.thread):
            raise web.HTTPNotFound(text="There is no such thread.")


# -- answers


def _done(message: Message) -> web.Response:
    return web.json_response({"message": asdict(message)}, status=201)


# -- small readings


def _key(actor: Actor, key: str) -> str:
    """Unique among everybody's: nobody can take another person's message for a repeated one of their own."""
    return f"web:{actor.id}:{key}"


def _number(request: web.Request, name: str) -> int | None:
    given = request.query.get(name)
    if given is None:
        return None
    if not given.isdecimal() or len(given) > 18:
        raise web.HTTPBadRequest(text=f"Not understood: {name}")
    return int(given)


def _files(attached: list[Attached]) -> list[FileRef]:
    return [FileRef(file.digest, file.name) for file in attached]


def _value(value: str | bool | Attached) -> str | bool | FileRef:
    return FileRef(value.digest, value.name) if isinstance(value, Attached) else value


def _as_field(model: Model, option: Option) -> Json:
    """An option as a form shows it: by its alias, as text."""
    key, value = option
    entry = model.input(key)
    shown = render.file_of(value) if isinstance(value, FileRef) else value
    return [entry.alias if entry else key, shown]


def _attach(
    model: Model, options: list[Option] | tuple[Option, ...], files: list[FileRef]
) -> tuple[list[Option], list[Problem]]:
    try:
        return list(grammar.attach(model, options, files)), []
    except BadOrder as error:
        return list(options), list(error.problems)


def _problems(model: Model, options: list[Option]) -> list[Problem]:
    try:
        check(model, options)
    except BadOrder as error:
        return list(error.problems)
    return []


def _model_of(sent: Sent, catalogue: Catalogue) -> Model | None:
    """Which model's fields the mistakes belong to, where that can be told."""
    try:
        if sent.order is not None:
            return catalogue.find(sent.order.command)
        return grammar.parse(sent.text, catalogue).model
    except BadOrder:
        return None


def _storable(text: str) -> str:
    """Without NUL and lone surrogates, which no database holds."""
    return text.replace("\0", "").encode("utf-8", "ignore").decode()


def _slug(title: str) -> str:
    """A channel's id: letters, digits and dashes; random where the title has none of ours."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40] or f"c-{secrets.token_hex(4)}"
