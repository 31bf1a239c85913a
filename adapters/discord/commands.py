"""What people do on Discord -> calls of the core. Acknowledged first; everything else comes after that."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import discord
import structlog

from adapters import words
from adapters.discord import answers, forms, render, schema
from adapters.discord.answers import Answers, Rush, TooLate
from adapters.discord.customs import Custom, Verb
from adapters.discord.delivery import Delivery
from adapters.discord.forms import Filled
from adapters.discord.reading import (
    Interaction,
    actor_of,
    attachments_in,
    channel_of,
    for_adults,
    given_in,
    key_of,
    language_of,
    missing_permissions,
    spot_of,
)
from adapters.discord.schema import Payload
from adapters.discord.settings import SettingsCommands
from bot import grammar
from bot.catalogue import Catalogue, Input, Kind, Model, Type, check
from bot.errors import Confirm, ForPerson, Refused, TryLater
from bot.jobs import Actor, FileRef, Job, JobId, Json, Option, Order, Place, Posted
from bot.ports import Core, Look, Ready

Submit: TypeAlias = Callable[[Posted | None], Awaitable[object]]

FORM_DEADLINE = 2.0
"""Seconds that may pass before a form opens: it is itself the acknowledgement."""

AT_WORK = 16
"""Commands that are worked on at once, after they were acknowledged."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Here:
    """Who asks, where a result goes, and the channel whose rules hold."""

    actor: Actor
    place: Place
    channel: str


class Commands:
    """The handlers of interactions. `ids`: Discord's ids of our commands, for mentions of them."""

    def __init__(
        self,
        core: Core,
        delivery: Delivery,
        answers: Answers,
        rush: Rush,
        *,
        adults_apart: bool,
        ids: Mapping[str, int],
        settings: SettingsCommands,
    ) -> None:
        self._settings = settings
        self._core = core
        self._catalogue: Catalogue = core.catalogue
        self._delivery = delivery
        self._answers = answers
        self._rush = rush
        self._adults_apart = adults_apart
        self._ids = ids
        self._at_work = asyncio.Semaphore(AT_WORK)

    async def handle(self, interaction: Interaction) -> None:
        """Whatever it is. Nothing that goes wrong here goes further."""
        try:
            await self._handle(interaction)
        except TooLate:
            log.info("Too late to answer", action="interaction_too_late", interaction=interaction.id)
        except ForPerson as error:
            await self._whisper(interaction, words.refusal(error, language_of(interaction)))
        except Exception:
            log.exception("An interaction failed", action="interaction_failed", interaction=interaction.id)

    async def _handle(self, interaction: Interaction) -> None:
        data: Mapping[str, Json] = interaction.data or {}
        match interaction.type:
            case discord.InteractionType.application_command:
                await self._command(interaction, data)
            case discord.InteractionType.autocomplete:
                await self._complete(interaction, data)
            case discord.InteractionType.modal_submit:
                await self._submitted(interaction, data)
            case discord.InteractionType.component:
                await self._pressed(interaction, data)
            case _:
                return

    # -- commands

    async def _command(self, interaction: Interaction, data: Mapping[str, Json]) -> None:
        if data.get("type") == schema.MESSAGE:
            return await self._menu(interaction, data)
        match data["name"]:
            case schema.JOBS:
                return await self._privately(interaction, self._jobs)
            case schema.USAGE:
                return await self._privately(interaction, self._usage(interaction))
            case schema.SETTINGS:
                return await self._settings.command(interaction, data)
            case schema.MY_DATA:
                return await self._settings.my_data(interaction)
            case schema.FORGET_ME:
                return await self._settings.ask_to_forget(interaction)
            case schema.HELP:
                return await self._help(interaction, data)
            case schema.RUN:
                return await self._run(interaction, data)
            case name:
                return await self._model_command(interaction, self._catalogue.find(str(name)), data)

    async def _model_command(self, interaction: Interaction, model: Model, data: Mapping[str, Json]) -> None:
        given = given_in(data)
        files = attachments_in(data)
        options: list[Option] = [
            (slot.entry.alias, files[given[slot.name]].digest if slot.entry.is_file else given[slot.name])
            for slot in schema.slots(model)
            if slot.name in given
        ]
        if given.get(schema.MORE):
            return await self._open_form(interaction, model, _filled(model, options))
        return await self._order(interaction, model, options, files.values())

    async def _run(self, interaction: Interaction, data: Mapping[str, Json]) -> None:
        """/run: any model, its options typed. Without any, its form."""
        given = given_in(data)
        files = list(attachments_in(data).values())
        model = self._catalogue.find(str(given["model"]))
        text = str(given.get("options", "")).strip()
        if not text and not files and not _needs_nothing(model):
            return await self._open_form(interaction, model, Filled())
        typed = grammar.parse(f"/{model.command} {text}", self._catalogue).options
        options = [
            (key, value.digest if isinstance(value, FileRef) else value)
            for key, value in grammar.attach(model, typed, files)
        ]
        return await self._order(interaction, model, options, files)

    async def _menu(self, interaction: Interaction, data: Mapping[str, Json]) -> None:
        """A command from a message's menu: on the first of its files that fits."""
        code = schema.menu_code(str(data["name"]))
        if code is None:
            raise Refused("not_found")
        files = _files_of_target(data)
        command = schema.MENUS[code]
        if not command:
            return await self._choose(interaction, files)
        model = self._catalogue.find(command)
        found = next(((file, entry) for file in files if (entry := _entry_for(model, file))), None)
        if found is None:
            label = words.say(f"shortcut.{code}", {}, language_of(interaction))
            return await self._whisper(
                interaction, words.say("here.no_file", {"command": label}, language_of(interaction))
            )
        return await self._work_on(interaction, model, *found)

    async def _choose(self, interaction: Interaction, files: Iterable[FileRef]) -> None:
        language = language_of(interaction)
        for file in files:
            kind = _kind_of(file)
            if kind and (models := self._catalogue.taking(kind)):
                body = render.choose(models, file.digest, language)
                await self._answers.acknowledge(interaction, answers.MESSAGE, body)
                return
        command = words.say("shortcut.use", {}, language)
        await self._whisper(interaction, words.say("here.no_file", {"command": command}, language))

    async def _work_on(self, interaction: Interaction, model: Model, file: FileRef, entry: Input) -> None:
        """Run a model on a file behind a link, after asking for the words that it needs."""
        if _needs_nothing(model):
            return await self._order(interaction, model, [(entry.alias, file.digest)], [file])
        return await self._open_form(interaction, model, Filled(links={entry.name: file.digest}))

    async def _complete(self, interaction: Interaction, data: Mapping[str, Json]) -> None:
        if data["name"] == schema.SETTINGS:
            return await self._settings.complete(interaction, data)
        focused = next(one for one in data.get("options") or [] if one.get("focused"))
        typed = str(focused["value"])
        if data["name"] in (schema.RUN, schema.HELP):
            found = schema.models(self._catalogue, typed, language_of(interaction))
        else:
            entry = self._catalogue.find(data["name"]).input(focused["name"])
            found = [(one, one) for one in schema.suggestions(entry, typed)] if entry else []
        choices = [{"name": name, "value": value} for name, value in found]
        await self._answers.acknowledge(interaction, answers.CHOICES, {"choices": choices})
        return None

    # -- forms

    async def _open_form(
        self, interaction: Interaction, model: Model, filled: Filled, custom: Custom | None = None
    ) -> None:
        self._check_place(interaction, model)
        custom = custom or Custom(Verb.FORM, None, model.command)
        unique = replace(custom, unique=f"{interaction.id:x}")
        body = forms.modal(model, unique, language_of(interaction), filled)
        await self._answers.acknowledge(interaction, answers.MODAL, body)

    async def _submitted(self, interaction: Interaction, data: Mapping[str, Json]) -> None:
        custom = Custom.read(str(data["custom_id"]))
        if custom is not None and custom.verb in (Verb.ADMIN, Verb.REPORT):
            return await self._settings.submitted(interaction, custom, data)
        if custom is None or custom.verb is not Verb.FORM:
            raise Refused("old_form")
        model = self._catalogue.find(custom.command)
        try:
            await self._fill_order(interaction, model, custom, data)
        except ForPerson as error:
            language = language_of(interaction)
            lines = [words.refusal(error, language, model)]
            if text := forms.written(data):
                lines.append(words.say("here.not_kept", {"text": f"\n/{model.command} {text}"}, language))
            await self._whisper(interaction, "\n".join(lines))

    async def _fill_order(
        self, interaction: Interaction, model: Model, custom: Custom, data: Mapping[str, Json]
    ) -> None:
        stands_in = _stand_ins(model, custom)
        options = forms.read(self._catalogue, model, data, stands_in)
        files = attachments_in(data).values()
        if custom.job is None:
            return await self._order(interaction, model, options, files)

        async def whole(actor: Actor) -> tuple[Option, ...]:
            look = await self._core.look(custom.job or JobId(""), actor)
            return forms.read(self._catalogue, model, data, _kept(model, custom, look))

        return await self._order(interaction, model, options, files, whole)

    # -- buttons and menus of our own messages

    async def _pressed(self, interaction: Interaction, data: Mapping[str, Json]) -> None:
        custom = Custom.read(str(data["custom_id"]))
        if custom is None:
            raise Refused("not_found")
        if custom.verb is Verb.USE:
            await self._chosen(interaction, data)
            return
        if custom.verb in (Verb.ADMIN, Verb.REPORT, Verb.FORGET):
            await self._settings.pressed(interaction, custom, data)
            return
        if custom.job is None:
            raise Refused("not_found")
        match custom.verb:
            case Verb.CANCEL:
                await self._quietly(interaction, "card.cancelling", self._core.cancel, custom.job)
            case Verb.AGAIN | Verb.RESEED:
                await self._again(interaction, custom.job, new_seed=custom.verb is Verb.RESEED)
            case Verb.EDIT:
                await self._edit(interaction, custom.job)
            case Verb.REMOVE:
                await self._quietly(interaction, "card.removed", self._remove(interaction), custom.job)
            case Verb.POST:
                self._check_place(interaction)
                await self._quietly(interaction, "card.posted_again", self._post(interaction), custom.job)
            case Verb.STEP:
                await self._step(interaction, custom)
            case Verb.GO:
                await self._go(interaction, custom.job)
            case _:
                raise Refused("not_found")

    async def _chosen(self, interaction: Interaction, data: Mapping[str, Json]) -> None:
        """A command was chosen for a file whose link stands in the message of the menu."""
        model = self._catalogue.find(str(data["values"][0]))
        links = [one.content for one in _texts(interaction)]
        link = next((link for text in links for link in render.links_in({"content": text})), None)
        file = FileRef(link, _name_in(link)) if link else None
        entry = _entry_for(model, file) if file else None
        if file is None or entry is None:
            raise Refused("old_form")
        await self._work_on(interaction, model, file, entry)

    async def _again(self, interaction: Interaction, job: JobId, *, new_seed: bool) -> None:
        self._check_place(interaction)
        actor = actor_of(interaction)

        async def submit(posted: Posted | None) -> object:
            here = await self._here(interaction)
            return await self._core.again(
                job,
                here.actor,
                here.place,
                key_of(interaction),
                new_seed=new_seed,
                posted=posted,
                for_adults=for_adults(interaction),
                channel=here.channel,
            )

        title = words.say("button.reseed" if new_seed else "button.again", {}, actor.language)
        await self._accept(interaction, render.taking(title, None, actor.id, actor.language), submit)

    async def _go(self, interaction: Interaction, token: str) -> None:
        """Somebody agrees to what their job may cost."""
        self._check_place(interaction)
        actor = actor_of(interaction)

        async def submit(posted: Posted | None) -> object:
            return await self._core.confirm(token, actor, posted=posted)

        title = words.say("confirm.yes", {}, actor.language)
        await self._accept(interaction, render.taking(title, None, actor.id, actor.language), submit)

    async def _edit(self, interaction: Interaction, job: JobId) -> None:
        """The form, as it was filled in the last time."""
        async with asyncio.timeout(FORM_DEADLINE):
            look = await self._core.look(job, actor_of(interaction))
        model = self._catalogue.find(look.job.model)
        custom = Custom(Verb.FORM, job, model.command)
        await self._open_form(interaction, model, Filled(look.job.inputs), custom)

    async def _step(self, interaction: Interaction, custom: Custom) -> None:
        """The result as the beginning of another job."""
        model = self._catalogue.find(custom.command)
        job, form = custom.job, replace(custom, verb=Verb.FORM, number=custom.number + 1)
        if not _needs_nothing(model):
            return await self._open_form(interaction, model, Filled(_stand_ins(model, form)), form)

        async def whole(actor: Actor) -> tuple[Option, ...]:
            look = await self._core.look(job or JobId(""), actor)
            return forms.read(self._catalogue, model, {}, _kept(model, form, look))

        stand_in = forms.read(self._catalogue, model, {}, _stand_ins(model, form))
        return await self._order(interaction, model, stand_in, (), whole)

    def _remove(self, interaction: Interaction) -> Callable[[JobId, Actor], Awaitable[None]]:
        async def remove(job: JobId, actor: Actor) -> None:
            moderates = interaction.guild_id is not None and interaction.permissions.manage_messages
            await self._delivery.remove(await self._core.remove(job, actor, moderates=moderates))

        return remove

    def _post(self, interaction: Interaction) -> Callable[[JobId, Actor], Awaitable[None]]:
        async def post(job: JobId, actor: Actor) -> None:
            await self._core.post_again(job, actor, spot_of(interaction).place)

        return post

    # -- ordering

    async def _order(
        self,
        interaction: Interaction,
        model: Model,
        options: Iterable[Option],
        files: Iterable[FileRef],
        whole: Callable[[Actor], Awaitable[tuple[Option, ...]]] | None = None,
    ) -> None:
        """Check what can be checked at once, acknowledge with a card, then hand it over.

        `files` names the links among the options. `whole` gives the options with files of ours in them, which
        takes a look into the store: until then others stand in for them.
        """
        self._check_place(interaction, model)
        actor, options = actor_of(interaction), tuple(options)
        text = _shown(model, check(model, options), files)

        async def submit(posted: Posted | None) -> object:
            final = options if whole is None else await whole(actor)
            here = await self._here(interaction)
            order = Order(
                here.actor,
                here.place,
                model.command,
                final,
                key_of(interaction),
                posted,
                for_adults=for_adults(interaction),
                channel=here.channel,
            )
            return await self._core.submit(order)

        title = words.model_title(model, actor.language)
        await self._accept(interaction, render.taking(title, text, actor.id, actor.language), submit, model)

    async def _accept(
        self, interaction: Interaction, taking: Payload, submit: Submit, model: Model | None = None
    ) -> None:
        """The card first; where the order is refused it goes again, and one person hears why."""
        card = await self._answers.acknowledge(interaction, answers.MESSAGE, taking)
        async with self._at_work:
            await self._rush.over()
            try:
                await _for_sure(submit, {"card": card} if card else None)
            except Confirm as error:
                await self._take_back(interaction, render.ask(error, language_of(interaction)))
            except (ForPerson, TryLater) as error:
                sentence = _sentence(error, language_of(interaction), model)
                await self._take_back(interaction, render.whisper(sentence))
            except Exception:
                log.exception("An order failed", action="order_failed", interaction=interaction.id)
                sentence = words.refusal(Refused("try_later"), language_of(interaction))
                await self._take_back(interaction, render.whisper(sentence))

    async def _here(self, interaction: Interaction) -> Here:
        """Where it was asked for, in the manner and the language that the server wants there."""
        actor, channel = actor_of(interaction), channel_of(interaction)
        spot = spot_of(interaction)
        manner = await self._core.results(actor, channel)
        language = await self._core.language(actor)
        if manner in ("reply", "channel") and spot.guild is not None:
            spot = replace(spot, manner=manner)
        return Here(replace(actor, language=language or actor.language), spot.place, channel)

    async def _take_back(self, interaction: Interaction, body: Payload) -> None:
        try:
            await self._answers.take_back(interaction)
        except discord.HTTPException as error:
            log.info("A card stays", action="card_stays", why=str(error))
        await self._answers.say(interaction, body)

    def _check_place(self, interaction: Interaction, model: Model | None = None) -> None:
        """Whether a result could stand here: found out before anything is accepted. Raises Refused."""
        language = language_of(interaction)
        if interaction.guild_id is not None and not interaction.is_guild_integration():
            raise Refused("not_installed")
        if missing := missing_permissions(interaction):
            names = [words.say(f"permission.{name}", {}, language) for name in missing]
            raise Refused("permissions", names=names)
        if model and self._adults_apart and model.may_be_adult and not for_adults(interaction):
            raise Refused("adults_only_model", model=model.command)

    # -- what one person sees

    async def _jobs(self, actor: Actor) -> Payload:
        found = await self._core.jobs(actor, limit=render.LISTED_JOBS)
        return render.jobs(found, actor.language, next(iter(self._catalogue)).example)

    def _usage(self, interaction: Interaction) -> Callable[[Actor], Awaitable[Payload]]:
        async def usage(actor: Actor) -> Payload:
            return render.usage(await self._core.usage(actor, channel_of(interaction)), actor.language)

        return usage

    async def _help(self, interaction: Interaction, data: Mapping[str, Json]) -> None:
        language, wanted = language_of(interaction), given_in(data).get("command")
        if wanted is None:
            body = render.help_on_all(self._catalogue, self._ids, language)
        else:
            body = render.help_on(self._catalogue.find(str(wanted)), self._ids, language)
        await self._answers.acknowledge(interaction, answers.MESSAGE, body)

    async def _privately(self, interaction: Interaction, make: Callable[[Actor], Awaitable[Payload]]) -> None:
        """An answer for one person that takes a look into the store."""
        await self._answers.acknowledge(interaction, answers.THINKING, {"flags": render.EPHEMERAL})
        try:
            body = await make(actor_of(interaction))
        except ForPerson as error:
            body = render.whisper(words.refusal(error, language_of(interaction)))
        await self._answers.edit(interaction, body)

    async def _quietly(
        self,
        interaction: Interaction,
        done: str,
        do: Callable[[JobId, Actor], Awaitable[None]],
        job: JobId,
    ) -> None:
        """Something that is done to a job, whose message changes by itself."""
        await self._answers.acknowledge(interaction, answers.UPDATE_LATER)
        language = language_of(interaction)
        try:
            await do(job, actor_of(interaction))
            sentence = words.say(done, {}, language)
        except (ForPerson, TryLater) as error:
            sentence = _sentence(error, language)
        await self._answers.say(interaction, render.whisper(sentence))

    async def _whisper(self, interaction: Interaction, sentence: str) -> None:
        """Words for one person, as the acknowledgement or after it."""
        try:
            await self._answers.acknowledge(interaction, answers.MESSAGE, render.whisper(sentence))
        except TooLate:
            return


async def _for_sure(submit: Submit, posted: Posted | None) -> None:
    """Twice where it fails without a reason: it may be written all the same, and then its key finds it."""
    try:
        await submit(posted)
    except (ForPerson, TryLater):
        raise
    except Exception:
        log.exception("An order failed and is tried again", action="order_again")
        await submit(posted)


def _sentence(error: ForPerson | TryLater, language: str, model: Model | None = None) -> str:
    return words.refusal(error if isinstance(error, ForPerson) else Refused("try_later"), language, model)


# -- what an interaction says


def _files_of_target(data: Mapping[str, Json]) -> list[FileRef]:
    """The files of the message whose menu was used."""
    message = (data.get("resolved") or {}).get("messages", {}).get(str(data.get("target_id"))) or {}
    return [FileRef(str(one["url"]), str(one["filename"])) for one in message.get("attachments") or []]


def _texts(interaction: Interaction) -> list[discord.ui.TextDisplay[Any] | Any]:
    """The texts of the message that the component is on."""
    components = interaction.message.components if interaction.message else []
    return [one for one in components if isinstance(one, discord.components.TextDisplay)]


# -- files behind links


def _name_in(link: str) -> str:
    return urlsplit(link).path.rpartition("/")[2]


def _kind_of(file: FileRef) -> Kind | None:
    """By its name, as Discord does."""
    kind = (mimetypes.guess_type(file.name)[0] or "").partition("/")[0]
    return Kind(kind) if kind in frozenset(Kind) else None


def _entry_for(model: Model, file: FileRef) -> Input | None:
    kind = _kind_of(file)
    return model.input_for(kind) if kind else None


def _needs_nothing(model: Model) -> bool:
    """Whether a file is all that it needs: there is nothing to say to it."""
    return model.main_input is None and all(e.is_file or not e.required for e in model.inputs)


def _filled(model: Model, options: Iterable[Option]) -> Filled:
    """What was given with a command, as a form opens with it."""
    inputs: dict[str, Json] = {}
    links: dict[str, str] = {}
    for key, value in options:
        entry = model.input(key)
        if entry is not None and entry.is_file:
            links[entry.name] = str(value)
        elif entry is not None:
            inputs[entry.name] = value
    return Filled(inputs, links)


def _shown(model: Model, inputs: Mapping[str, Json], files: Iterable[FileRef]) -> str:
    """The command as it stands on the card: files by their names."""
    names = {file.digest: {"name": file.name} for file in files}

    def show(value: Json) -> Json:
        return names.get(value, value) if isinstance(value, str) else value

    shown = {
        name: [show(one) for one in value] if isinstance(value, list) else show(value)
        for name, value in inputs.items()
    }
    return grammar.write(model, shown)


# -- files of earlier jobs


def _stand_ins(model: Model, custom: Custom) -> Mapping[str, Json]:
    """Something for every file that the form's job may bring: whether it does is looked up later."""
    if custom.job is None:
        return {}
    stand_in = {"file": "", "name": "…"}
    if custom.number:
        entry = _first_for_any(model)
        return {entry.name: [stand_in] if entry.type is Type.FILES else stand_in} if entry else {}
    return {e.name: stand_in for e in model.inputs if e.is_file and e.required}


def _first_for_any(model: Model) -> Input | None:
    kinds = (Kind.IMAGE, Kind.VIDEO, Kind.AUDIO)
    return next((entry for kind in kinds if (entry := model.input_for(kind))), None)


def _kept(model: Model, custom: Custom, look: Look) -> Mapping[str, Json]:
    """The files of a job that a form goes on with: those it was given, or one that it made."""
    if not custom.number:
        return look.job.inputs
    if not isinstance(look.notice, Ready) or custom.number > len(look.job.media):
        raise Refused("file_gone", name=_title(look.job))
    made = look.notice.media[custom.number - 1]
    entry = model.input_for(Kind(made.media.kind))
    if entry is None:
        raise Refused("not_found")
    file = {"file": made.media.digest, "name": made.name}
    return {entry.name: [file] if entry.type is Type.FILES else file}


def _title(job: Job) -> str:
    return f"/{job.model}"
