"""What comes in -> calls of the core. All but `answer_form` runs after Slack has been answered."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from adapters import words
from adapters.slack import forms, render, settings_views
from adapters.slack.calls import Calls, Declined
from adapters.slack.delivery import Delivery
from adapters.slack.files import PrivateFiles
from adapters.slack.forms import Attachment, Filled, Form
from adapters.slack.manifest import COMMAND, USE, USES
from adapters.slack.people import People
from adapters.slack.places import Spot
from adapters.slack.settings import SettingsCommands
from adapters.slack.whispers import Origin, Whispers
from bot import grammar
from bot.catalogue import Catalogue, Kind, Model, check
from bot.errors import BadMedia, BadOrder, Confirm, ForPerson, LostAnswer, Problem, Refused, TryLater
from bot.jobs import Actor, FileRef, Job, JobId, Json, Option, Order, Place
from bot.ports import Core, Failed, Look

DRAFT = 1900
"""Characters of a draft that a button carries; Slack takes 2000."""

ANSWERED = 0.5
"""Seconds after which an answer that changes a modal has surely done so, before it is changed again."""

EXPIRED = frozenset({"expired_trigger_id", "trigger_expired", "exchanged_trigger_id", "trigger_exchanged"})

_MENTION = re.compile(r"<@[UW][A-Z0-9]+(?:\|[^>]*)?>")


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody typed, with the files that came along, and where its result should go."""

    text: str
    spot: Spot
    files: tuple[Attachment, ...] = ()

    def packed(self) -> str | None:
        """For a button; None where it holds no more."""
        files = [[one.slack, one.digest, one.name] for one in self.files]
        packed = json.dumps([self.text, self.spot.place, files], ensure_ascii=False)
        return packed if len(packed) <= DRAFT else None

    @classmethod
    def unpacked(cls, packed: str) -> Draft:
        text, place, files = json.loads(packed)
        return cls(text, Spot.read(place), tuple(Attachment(*one) for one in files))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a submitted form is acknowledged with, and what is done then."""

    ack: Mapping[str, Json]
    work: Callable[[], Awaitable[None]] | None = None


class Commands:
    """One method for each kind of thing that people do."""

    def __init__(
        self,
        core: Core,
        calls: Calls,
        people: People,
        files: PrivateFiles,
        delivery: Delivery,
        whispers: Whispers,
        settings: SettingsCommands,
    ) -> None:
        self._settings = settings
        self._core = core
        self._calls = calls
        self._people = people
        self._files = files
        self._delivery = delivery
        self._whispers = whispers

    @property
    def _catalogue(self) -> Catalogue:
        return self._core.catalogue

    # -- slash commands

    async def slash(self, origin: Origin, command: str, text: str) -> None:
        if command.lower() == COMMAND:
            await self._own(origin, text)
        else:
            await self._typed(origin, f"{command} {text}")

    async def _own(self, origin: Origin, text: str) -> None:
        """`/threadreel help animate`; what is none of its words is taken for a command of the catalogue."""
        word, _, rest = text.strip().partition(" ")
        match word.lower():
            case "" | "help":
                await self._help(origin, rest.strip())
            case "jobs":
                await self._jobs(origin)
            case "usage":
                channel = origin.spot.channel if origin.spot else ""
                limits = await self._core.usage(await self._actor(origin), channel)
                await self._whispers.show(origin, _message(render.usage(limits, origin.language)))
            case "settings":
                await self._settings.typed(origin, rest)
            case "my-data":
                await self._settings.my_data(origin)
            case "forget-me":
                await self._settings.ask_to_forget(origin)
            case "run" if not rest.strip():
                await self._open(
                    origin, forms.chooser(self._catalogue, origin.language, place=_place(origin))
                )
            case "run":
                await self._typed(origin, rest.strip())
            case _:
                await self._typed(origin, text)

    async def _help(self, origin: Origin, about: str) -> None:
        if about:
            blocks = render.help_one(self._catalogue.find(about), origin.language)
        else:
            blocks = render.help_all(self._catalogue, origin.language)
        await self._whispers.show(origin, _message(blocks))

    async def _jobs(self, origin: Origin) -> None:
        looks = await self._core.jobs(origin.actor, limit=render.LISTED + 1)
        await self._whispers.show(origin, _message(render.jobs(looks, origin.language, self._example)))

    @property
    def _example(self) -> str:
        return next(iter(self._catalogue)).example

    async def _typed(self, origin: Origin, text: str, files: Sequence[Attachment] = ()) -> None:
        """A typed command: run it, or show it as a form where something is missing or wrong."""
        typed = grammar.parse(text, self._catalogue)
        options, problems = _attach(typed.model, typed.options, [FileRef("", one.name) for one in files])
        problems += _problems(typed.model, options)
        spot = _spot(origin)
        draft = Draft(text, spot, tuple(files))
        if problems or not options:
            await self._offer_form(origin, draft, typed.model, typed.options, problems)
            return
        try:
            kept = [await self._keep(origin.team, one, one.name) for one in files]
            await self._order(origin, spot, typed.model, grammar.attach(typed.model, typed.options, kept))
        except BadOrder as error:
            await self._whispers.say(origin, words.refusal(error, origin.language), draft=draft.packed())

    async def _offer_form(
        self,
        origin: Origin,
        draft: Draft,
        model: Model,
        options: Sequence[Option],
        problems: Sequence[Problem],
    ) -> None:
        """The form at once where there is a trigger, else the mistakes in words and a button that has one."""
        given = _given(model, draft.files)
        form = Form(model, draft.spot.place, tuple(options), given)
        if origin.trigger:
            is_empty = not options and not draft.files
            view = forms.form(form, origin.language, () if is_empty else problems)
            await self._open(origin, view, draft)
        else:
            said = words.refusal(BadOrder(problems), origin.language) if problems else model.summary
            await self._whispers.say(origin, said, draft=draft.packed())

    async def _order(self, origin: Origin, spot: Spot, model: Model, options: Sequence[Option]) -> Job:
        """Once it returns the job is committed; the engine puts its card there."""
        actor, spot = await self._here_for(origin, spot)
        order = Order(actor, spot.place, model.command, tuple(options), origin.key, channel=_channel(spot))
        submitted = await self._core.submit(order)
        self._whispers.remember(submitted.job.id, origin)
        return submitted.job

    async def _actor(self, origin: Origin) -> Actor:
        return await self._people.actor(origin.team, origin.actor.id, origin.actor.name)

    async def _here_for(self, origin: Origin, spot: Spot) -> tuple[Actor, Spot]:
        """Who asks, and where it goes, in the language and the manner that the workspace wants there."""
        actor = await self._actor(origin)
        if await self._core.results(actor, _channel(spot)) == "channel" and not spot.thread:
            spot = replace(spot, manner="channel")
        language = await self._core.language(actor)
        return replace(actor, language=language or actor.language), spot

    async def go(self, origin: Origin, token: str) -> None:
        """Somebody agrees to what their job may cost."""
        submitted = await self._core.confirm(token, await self._actor(origin))
        self._whispers.remember(submitted.job.id, origin)

    # -- mentions and messages to us

    async def said(self, origin: Origin, text: str, files: Sequence[Json]) -> None:
        """A message that calls us, or that is to us alone."""
        attached = tuple(_attachment(file) for file in files)
        line = await self._without_mention(origin.team, text)
        word = line.split(maxsplit=1)[0].lower() if line.split() else ""
        own = ("", "help", "jobs", "usage", "settings", "my-data", "forget-me")
        if word in own and not attached:
            await self._own(origin, line)
        else:
            await self._typed(origin, line, attached)

    async def _without_mention(self, team: str, text: str) -> str:
        """What stands behind our name, or all of it where it isn't there."""
        bot = await self._calls.bot(team)
        for match in _MENTION.finditer(text):
            if bot.user in match[0]:
                return text[match.end() :].strip()
        return text.strip()

    # -- shortcuts

    async def create(self, origin: Origin) -> None:
        await self._open(origin, forms.chooser(self._catalogue, origin.language))

    async def message_shortcut(self, origin: Origin, name: str, message: Json) -> None:
        """A command for what the message holds, "use:edit"; "use" lets one be chosen."""
        place = _place(origin)
        if name == USE:
            spare = _first(message, None)
            models = self._catalogue.taking(spare[1]) if spare else self._catalogue
            await self._open(
                origin,
                forms.chooser(models, origin.language, place=place, spare=spare[0] if spare else None),
            )
            return
        model = self._catalogue.find(USES.get(name, name))
        found = _first(message, model)
        given = _given(model, [found[0]] if found else [])
        await self._open(origin, forms.form(Form(model, place, given=given), origin.language))

    # -- forms

    def answer_form(self, origin: Origin, view: Json) -> Answer:
        """What a submitted form is answered with: mistakes at their fields, or that it is being taken in."""
        language = origin.language
        if view["callback_id"] == settings_views.ADMIN:
            taking = self._settings.taking(language)
            return Answer(_update(taking), lambda: self._settings.submitted(origin, view))
        if view["callback_id"] != forms.FORM:
            return Answer({})
        try:
            filled = forms.read(view, self._catalogue)
        except Refused as error:
            return Answer(_update(forms.words_view(words.refusal(error, language), language)))
        if problems := _problems(filled.form.model, filled.options):
            errors = forms.errors(problems, filled.form, view, language)
            return Answer({"response_action": "errors", "errors": errors})
        taking = forms.words_view(words.say("card.taking", {}, language), language)
        ack = _update(taking) if filled.is_slow else {}
        return Answer(ack, lambda: self._submitted(origin, filled, view["id"]))

    async def _submitted(self, origin: Origin, filled: Filled, view: str) -> None:
        """Where files or links must be fetched first, the modal waits and shows what became of it."""
        spot = await self._place_of(origin, filled)
        origin = replace(origin, spot=spot, response_url=filled.response_url)
        if not filled.is_slow:
            try:
                await self._order(origin, spot, filled.form.model, filled.options)
            except (ForPerson, TryLater, LostAnswer) as error:
                await self.apologise(origin, error)  # where the form was for
            return
        answered = asyncio.create_task(asyncio.sleep(ANSWERED))
        shown, sorry = await self._fetched_and_ordered(origin, filled, spot)
        await answered
        try:
            await self._calls.call(origin.team, "views.update", view_id=view, view=shown)
        except Declined:  # they closed it
            if sorry:
                await self._whispers.say(origin, sorry)

    async def _place_of(self, origin: Origin, filled: Filled) -> Spot:
        if filled.form.place:
            return Spot.read(Place(filled.form.place))
        return Spot(origin.team, filled.channel) if filled.channel else await self._here(origin)

    async def _fetched_and_ordered(self, origin: Origin, filled: Filled, spot: Spot) -> tuple[Json, str]:
        """The view that says what became of it, with mistakes the form again; and what is wrong."""
        language = origin.language
        try:
            filled = replace(filled, form=await self._with_files_kept(origin.team, filled.form))
            await self._order(origin, spot, filled.form.model, filled.options)
        except BadOrder as error:
            return forms.form(filled.form, language, error.problems), words.refusal(error, language)
        except Confirm as error:
            await self.apologise(origin, error)
            return forms.words_view(words.question(error, language), language), ""
        except (ForPerson, TryLater, LostAnswer) as error:
            sorry = _sorry(error, language)
            return forms.words_view(sorry, language), sorry
        return forms.words_view(words.say("slack.accepted", {}, language), language), ""

    async def _with_files_kept(self, team: str, form: Form) -> Form:
        given: dict[str, list[Attachment]] = {}
        for alias, files in form.given.items():
            for one in files:
                kept = await self._keep(team, one, alias)
                given.setdefault(alias, []).append(Attachment(digest=kept.digest, name=kept.name))
        return replace(form, given=given)

    async def _keep(self, team: str, one: Attachment, option: str) -> FileRef:
        if one.digest:
            return FileRef(one.digest, one.name)
        try:
            return await self._files.keep(self._core, team, one.slack, one.name)
        except BadMedia as error:
            raise BadOrder([Problem(error.code, option, error.facts)]) from error

    async def more(self, origin: Origin, view: Json) -> None:
        filled = forms.read(view, self._catalogue)
        shown = forms.form(replace(filled.form, more=True), origin.language)
        await self._calls.call(origin.team, "views.update", view_id=view["id"], view=shown)

    async def choose(self, origin: Origin, view: Json, command: str) -> None:
        place, spare = forms.chosen(view)
        model = self._catalogue.find(command)
        form = Form(model, place, given=_given(model, [spare] if spare else []))
        shown = forms.form(form, origin.language)
        await self._calls.call(origin.team, "views.update", view_id=view["id"], view=shown)

    async def mend(self, origin: Origin, packed: str) -> None:
        """A draft with mistakes as a form."""
        draft = Draft.unpacked(packed)
        typed = grammar.parse(draft.text, self._catalogue)
        options, problems = _attach(
            typed.model, typed.options, [FileRef("", one.name) for one in draft.files]
        )
        problems += _problems(typed.model, options)
        await self._offer_form(origin, draft, typed.model, typed.options, problems)

    async def _open(self, origin: Origin, view: Json, draft: Draft | None = None) -> None:
        """A modal; the trigger lives for three seconds."""
        try:
            await self._calls.call(origin.team, "views.open", trigger_id=origin.trigger, view=view)
        except Declined as error:
            if error.code not in EXPIRED:
                raise
            said = words.say("slack.too_slow", {}, origin.language)
            await self._whispers.say(origin, said, draft=draft.packed() if draft else None)

    # -- buttons of jobs

    async def press(self, origin: Origin, name: str, job: JobId, below: str) -> None:
        """A button of a job. `below`: the thread under the message that it stands on."""
        match name.split("."):
            case ["job", "cancel"]:
                await self._core.cancel(job, origin.actor)
                await self._whispers.say(origin, words.say("card.cancelling", {}, origin.language))
            case ["job", "again"]:
                await self._again(origin, job, new_seed=False)
            case ["job", "reseed"]:
                await self._again(origin, job, new_seed=True)
            case ["job", "edit"]:
                await self._edit(origin, await self._core.look(job, origin.actor))
            case ["job", "remove"]:
                await self._remove(origin, job)
            case ["job", "post"]:
                await self._core.post_again(job, origin.actor, (await self._here(origin)).place)
                await self._whispers.say(origin, words.say("card.posted_again", {}, origin.language))
            case ["step", command]:
                await self._step(origin, await self._core.look(job, origin.actor), command, below)
            case _:
                raise Refused("not_found")

    async def _again(self, origin: Origin, job: JobId, *, new_seed: bool) -> None:
        spot = origin.spot or Spot.read((await self._core.look(job, origin.actor)).job.place)
        actor, spot = await self._here_for(origin, spot)
        submitted = await self._core.again(
            job, actor, spot.place, origin.key, new_seed=new_seed, channel=_channel(spot)
        )
        self._whispers.remember(submitted.job.id, origin)

    async def _edit(self, origin: Origin, look: Look) -> None:
        spot = origin.spot or Spot.read(look.job.place)
        model = self._catalogue.find(look.job.model)
        options, given = _as_filled(model, look.job.inputs)
        await self._open(origin, forms.form(Form(model, spot.place, options, given), origin.language))

    async def _step(self, origin: Origin, look: Look, command: str, below: str) -> None:
        """The form of the next command, with this result in it; its own goes into the same thread."""
        model = self._catalogue.find(command)
        media = [file for file in render.files_of(look) if model.input_for(Kind(file.media.kind))]
        if not media:
            raise Refused("file_gone")
        entry = model.input_for(Kind(media[0].media.kind))
        given = {entry.alias: [Attachment(digest=media[0].media.digest, name=media[0].name)]} if entry else {}
        spot = replace(origin.spot or Spot.read(look.job.place), thread=below)
        await self._open(origin, forms.form(Form(model, spot.place, given=given), origin.language))

    async def _remove(self, origin: Origin, job: JobId) -> None:
        try:
            look = await self._core.remove(job, origin.actor)
        except Refused as error:
            if error.code != "not_yours" or not await self._people.moderates(origin.team, origin.actor.id):
                raise
            look = await self._core.remove(job, origin.actor, moderates=True)
        removed = Failed("removed", {"by": origin.actor.name}, look.job.cost)
        await self._delivery.remove(Spot.read(look.job.place), look.card, removed, look.job.posted)

    async def _here(self, origin: Origin) -> Spot:
        """Where they stand, or their conversation with us."""
        if origin.spot is not None:
            return origin.spot
        answer = await self._calls.call(origin.team, "conversations.open", users=origin.actor.id)
        return Spot(origin.team, answer["channel"]["id"])

    # -- the App Home

    async def home(self, origin: Origin) -> None:
        looks = await self._core.jobs(origin.actor, limit=render.LISTED + 1)
        actor = await self._people.admin(origin.team, origin.actor)
        limits, admin = await self._core.usage(actor), await self._settings.menu(actor)
        view = render.home(looks, limits, origin.language, self._example, admin)
        await self._calls.call(origin.team, "views.publish", user_id=origin.actor.id, view=view)

    # -- what went wrong

    async def apologise(self, origin: Origin, error: Exception) -> None:
        """The words of whatever a method above has raised."""
        if isinstance(error, Confirm):
            question = words.question(error, origin.language)
            shown = settings_views.question(question, error.token, origin.language)
            await self._whispers.show(origin, shown)
            return
        await self._whispers.say(origin, _sorry(error, origin.language))


def _sorry(error: Exception, language: str) -> str:
    if isinstance(error, ForPerson):
        return words.refusal(error, language)
    return words.say("refused.try_later", {}, language)


# -- small readings


def _message(blocks: list[Json]) -> Json:
    first = blocks[0].get("text", {}).get("text", "Threadreel")
    return {"text": first, "blocks": blocks}


def _update(view: Json) -> dict[str, Json]:
    return {"response_action": "update", "view": view}


def _spot(origin: Origin) -> Spot:
    return origin.spot or Spot(origin.team, origin.actor.id)


def _channel(spot: Spot) -> str:
    """The channel whose rules hold; conversations with us alone have none."""
    return "" if spot.channel.startswith(("D", "U", "W")) else spot.channel


def _place(origin: Origin) -> str:
    return origin.spot.place if origin.spot else ""


def _attachment(file: Json) -> Attachment:
    return Attachment(slack=file["id"], name=file.get("name") or file["id"])


def _attach(
    model: Model, options: Sequence[Option], files: Sequence[FileRef]
) -> tuple[list[Option], list[Problem]]:
    try:
        return list(grammar.attach(model, options, files)), []
    except BadOrder as error:
        return list(options), list(error.problems)


def _problems(model: Model, options: Sequence[Option]) -> list[Problem]:
    try:
        check(model, options)
    except BadOrder as error:
        return list(error.problems)
    return []


def _given(model: Model, files: Sequence[Attachment]) -> dict[str, list[Attachment]]:
    """Files by the input that each fits."""
    numbered = [FileRef(str(number), one.name) for number, one in enumerate(files)]
    options, _ = _attach(model, (), numbered)
    given: dict[str, list[Attachment]] = {}
    for alias, ref in options:
        if isinstance(ref, FileRef):
            given.setdefault(alias, []).append(files[int(ref.digest)])
    return given


def _first(message: Json, model: Model | None) -> tuple[Attachment, Kind] | None:
    """The first file of a message that the model takes, or any film, picture or sound, and its kind."""
    for file in message.get("files") or ():
        kind = _kind_of(file)
        if kind is not None and (model is None or model.input_for(kind) is not None):
            return _attachment(file), kind
    return None


def _kind_of(file: Json) -> Kind | None:
    """By what Slack says of it; a picture where it says nothing, as in channels shared with others."""
    kind = (file.get("mimetype") or "image/").partition("/")[0]
    return Kind(kind) if kind in list(Kind) else None


def _as_filled(model: Model, inputs: Mapping[str, Json]) -> tuple[tuple[Option, ...], forms.Given]:
    """A job's inputs as a form holds them."""
    options: list[Option] = []
    given: dict[str, list[Attachment]] = {}
    for entry in model.inputs:
        value = inputs.get(entry.name)
        if value is None:
            continue
        if entry.is_file:
            files = value if isinstance(value, list) else [value]
            given[entry.alias] = [Attachment(digest=one["file"], name=one["name"]) for one in files]
        else:
            options.append((entry.alias, value))
    return tuple(options), given
