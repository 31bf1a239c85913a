"""/settings, reports, /my-data and /forget-me -> calls of the core, which checks each of them once more."""

from __future__ import annotations

import asyncio
import gzip
import json
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TypeAlias

import aiohttp
import structlog

from adapters import words
from adapters.discord import answers, forms, render
from adapters.discord import settings_render as show
from adapters.discord.answers import Answers
from adapters.discord.customs import Custom, Verb
from adapters.discord.delivery import Delivery
from adapters.discord.reading import Interaction, actor_of, language_of
from adapters.discord.rest import Rest
from adapters.discord.schema import CHOICE, MOST_CHOICES, Payload
from adapters.moments import moment
from bot import rules
from bot.errors import ForPerson, Refused, TryLater
from bot.jobs import Actor, JobId, Json
from bot.ports import Core, Look, Proposal
from bot.rules import Change, Changed, Scope, ScopeKind

Answer: TypeAlias = Callable[[Actor], Awaitable[Payload]]

DEADLINE = 2.0
"""Seconds that may pass before a form opens: it is itself the acknowledgement."""

LARGEST_PLAIN = 8 * 2**20
"""Bytes of a file that is given as it is. A larger one is packed: Discord takes years of an audit then."""
PROPOSALS_KEPT = 100
PROPOSALS_LAST = 15 * 60.0
FILE_TIMEOUT = 10.0
TAKEN_DOWN_AT_ONCE = 2
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Waits:
    """An import that waits for a yes, until then (epoch seconds); `changed` once it was given."""

    asked_by: Actor
    until: float
    proposal: Proposal
    changed: Sequence[Changed] | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def is_of(self, actor: Actor) -> bool:
        return (self.asked_by.id, self.asked_by.server) == (actor.id, actor.server)


class SettingsCommands:
    """Everything here is seen by the one person who asks.

    Imports that wait for a yes are kept in memory: after a restart they are asked for anew.
    """

    def __init__(
        self, core: Core, delivery: Delivery, answers: Answers, rest: Rest, *, now: Callable[[], float]
    ) -> None:
        self._core = core
        self._admin = core.admin
        self._catalogue = core.catalogue
        self._delivery = delivery
        self._answers = answers
        self._rest = rest
        self._now = now
        self._proposals: OrderedDict[str, _Waits] = OrderedDict()
        self._taking_down: set[asyncio.Task[None]] = set()

    # -- commands

    async def command(self, interaction: Interaction, data: Mapping[str, Json]) -> None:
        part = (data.get("options") or [{}])[0]
        given = {one["name"]: one.get("value") for one in part.get("options") or []}
        scope = _scope_of(given)
        match part.get("name"):
            case "show":
                await self._privately(interaction, self._panel(scope, rules.GROUPS[0]))
            case "set" if given.get("value") is None:
                await self._open_setting(interaction, str(given["key"]), scope)
            case "set":
                await self._privately(interaction, self._change(scope, str(given["key"]), given["value"]))
            case "unset":
                await self._privately(interaction, self._change(scope, str(given["key"]), None))
            case "people":
                await self._privately(interaction, self._people)
            case "block" | "trust" as standing:
                name = _name_in(data, str(given["person"]))
                await self._privately(interaction, self._stand(str(standing), given, name))
            case "unblock":
                await self._privately(interaction, self._clear(str(given["person"])))
            case "jobs":
                await self._privately(interaction, self._jobs(given.get("person")))
            case "audit":
                await self._privately(interaction, self._audit(None))
            case "money":
                await self._privately(interaction, self._money)
            case "keys":
                await self._privately(interaction, self._keys)
            case "key":
                await self._open(interaction, self._key_form(str(given["provider"])))
            case "drop-key":
                await self._privately(interaction, self._drop_key(str(given["provider"])))
            case "export":
                await self._send_file(interaction, self._export)
            case "import":
                await self._privately(interaction, self._propose(data, str(given["file"])))
            case _:
                raise Refused("not_found")

    async def complete(self, interaction: Interaction, data: Mapping[str, Json]) -> None:
        """Names of settings, and values that fit the one that is named."""
        part = (data.get("options") or [{}])[0]
        options = part.get("options") or []
        focused = next(one for one in options if one.get("focused"))
        given = {one["name"]: str(one.get("value", "")) for one in options}
        typed = str(focused["value"])
        match focused["name"]:
            case "key":
                found: Sequence[str] = rules.complete(typed, self._catalogue, MOST_CHOICES)
            case "value":
                found = rules.suggestions(given.get("key", ""), typed, self._catalogue, MOST_CHOICES)
            case _:
                found = await self._providers(interaction, typed)
        choices = [{"name": one, "value": one} for one in found if len(one) <= CHOICE]
        await self._answers.acknowledge(interaction, answers.CHOICES, {"choices": choices})

    async def _providers(self, interaction: Interaction, typed: str) -> Sequence[str]:
        try:
            known = await self._admin.key_providers(actor_of(interaction))
        except ForPerson:
            return ()
        return [one for one in known if typed.lower() in one.lower()][:MOST_CHOICES]

    # -- buttons, menus and modals

    async def pressed(self, interaction: Interaction, custom: Custom, data: Mapping[str, Json]) -> None:
        about, arg = str(custom.job or ""), custom.unique
        if custom.verb is Verb.REPORT:
            body = show.report_form(JobId(about), language_of(interaction))
            return await self._answers_modal(interaction, body)
        if custom.verb is Verb.FORGET:
            return await self._forget_me(interaction)
        values = [str(one) for one in data.get("values") or []]
        match custom.command:
            case "group":
                group = values[0] if values else arg
                await self._update(interaction, self._panel(_read_scope(about), group))
            case "key":
                await self._update(interaction, self._setting(_read_scope(about), values[0]))
            case "edit":
                await self._open_setting(interaction, arg, _read_scope(about))
            case "choose":
                chosen = self._chosen(_read_scope(about), arg, values)
                await self._update(interaction, chosen)
            case "reset":
                await self._update(interaction, self._chosen(_read_scope(about), arg, None))
            case "apply":
                await self._update(interaction, self._apply(about))
            case "proposal":
                await self._update(interaction, self._compared(about, custom.number))
            case "diff":
                await self._send_file(interaction, self._difference(about))
            case "clear":
                await self._update(interaction, self._clear(about))
            case "block":
                await self._open(interaction, self._block_form(about))
            case "cancel":
                await self._update(interaction, self._cancel(JobId(about)))
            case "remove":
                await self._privately(interaction, self._remove(JobId(about)))
            case "audit":
                await self._update(interaction, self._audit(int(arg) if arg.isdigit() else None))
            case "csv":
                await self._send_file(interaction, self._audit_csv)
            case "key_form":
                await self._open(interaction, self._key_form(arg))
            case "drop":
                await self._update(interaction, self._drop_key(arg))
            case "settle":
                await self._open(interaction, self._settle_form(JobId(about)))
            case _:
                raise Refused("not_found")
        return None

    async def submitted(self, interaction: Interaction, custom: Custom, data: Mapping[str, Json]) -> None:
        about, arg = str(custom.job or ""), custom.unique
        written = {key: str(value) for key, value in forms.answers_in(data)}
        if custom.verb is Verb.REPORT:
            return await self._privately(interaction, self._report(JobId(about), written.get("reason", "")))
        match custom.command:
            case "edited":
                value = written.get("value", "").strip() or None
                await self._privately(interaction, self._change(_read_scope(about), arg, value))
            case "blocked":
                terms = {"person": about, **written}
                await self._privately(interaction, self._stand("block", terms, ""))
            case "key_given":
                await self._privately(interaction, self._set_key(arg, written.get("key", "")))
            case "settled":
                await self._privately(interaction, self._settle(JobId(about), written.get("cost", "")))
            case _:
                raise Refused("old_form")
        return None

    # -- settings

    def _panel(self, scope: Scope, group: str) -> Answer:
        async def panel(actor: Actor) -> Payload:
            shown = await self._admin.settings(actor, scope)
            known = group if group in rules.GROUPS else rules.GROUPS[0]
            return show.panel(shown, scope, known, self._catalogue, actor.language)

        return panel

    def _setting(self, scope: Scope, name: str) -> Answer:
        async def setting(actor: Actor) -> Payload:
            key = rules.find_key(name, self._catalogue)
            one = await self._shown(actor, scope, key.name)
            return show.setting(one, key, scope, actor.language)

        return setting

    async def _shown(self, actor: Actor, scope: Scope, name: str) -> rules.Shown:
        """A setting as it stands; also a bound of an input that nobody has set."""
        found = await self._admin.settings(actor, scope)
        nothing = rules.Shown(name, None, "", "built-in")
        return next((one for one in found if one.key == name), nothing)

    async def _open_setting(self, interaction: Interaction, name: str, scope: Scope) -> None:
        async def form(actor: Actor) -> Payload:
            key = rules.find_key(name, self._catalogue)
            return show.setting_form(await self._shown(actor, scope, key.name), scope, actor.language)

        await self._open(interaction, form)

    def _change(self, scope: Scope, key: str, value: Json) -> Answer:
        async def change(actor: Actor) -> Payload:
            changes = await self._admin.change(actor, [Change(scope, key, value)])
            return show.changed(changes, actor.language)

        return change

    def _chosen(self, scope: Scope, key: str, values: list[str] | None) -> Answer:
        """From a menu: the setting is shown again as it is now."""

        async def chosen(actor: Actor) -> Payload:
            known = rules.find_key(key, self._catalogue)
            value: Json = values if values is None or known.is_list else values[0]
            await self._admin.change(actor, [Change(scope, key, value)])
            return await self._setting(scope, key)(actor)

        return chosen

    async def _export(self, actor: Actor) -> tuple[str, bytes]:
        return "settings.toml", (await self._admin.export(actor)).encode()

    def _propose(self, data: Mapping[str, Json], file: str) -> Answer:
        async def propose(actor: Actor) -> Payload:
            attached = ((data.get("resolved") or {}).get("attachments") or {}).get(file) or {}
            if not await self._admin.may(actor):
                raise Refused("not_admin")
            text = await _text_behind(str(attached.get("url", "")), int(attached.get("size") or 0))
            proposal = await self._admin.propose(actor, text)
            token = secrets.token_hex(8)
            self._proposals[token] = _Waits(actor, self._now() + PROPOSALS_LAST, proposal)
            if len(self._proposals) > PROPOSALS_KEPT:
                self._proposals.popitem(last=False)
            return show.proposal(proposal.changes, token, actor.language)

        return propose

    def _proposal(self, token: str, actor: Actor) -> _Waits:
        """Theirs, made in this very server, and not too old."""
        waits = self._proposals.get(token)
        if waits is None or waits.until < self._now() or not waits.is_of(actor):
            raise Refused("old_form")
        return waits

    def _compared(self, token: str, number: int) -> Answer:
        async def compared(actor: Actor) -> Payload:
            if not await self._admin.may(actor):
                raise Refused("not_admin")
            waits = self._proposal(token, actor)
            return show.proposal(waits.proposal.changes, token, actor.language, number)

        return compared

    def _difference(self, token: str) -> Callable[[Actor], Awaitable[tuple[str, bytes]]]:
        async def difference(actor: Actor) -> tuple[str, bytes]:
            if not await self._admin.may(actor):
                raise Refused("not_admin")
            return "changes.txt", show.difference(self._proposal(token, actor).proposal.changes).encode()

        return difference

    def _apply(self, token: str) -> Answer:
        async def apply(actor: Actor) -> Payload:
            waits = self._proposal(token, actor)
            async with waits.lock:  # who presses twice is told twice of what was done once
                if waits.changed is None:
                    waits.changed = await self._admin.apply(actor, waits.proposal)
            return show.changed(waits.changed, actor.language)

        return apply

    # -- people and jobs

    async def _people(self, actor: Actor) -> Payload:
        return show.people(await self._admin.people(actor), actor.language)

    def _stand(self, standing: str, given: Mapping[str, Json], name: str) -> Answer:
        async def stand(actor: Actor) -> Payload:
            ends = str(given.get("until") or "").strip()
            until = moment(ends, self._now()) if ends else None
            if ends and until is None:
                raise Refused("no_moment", text=ends)
            put = self._admin.block if standing == "block" else self._admin.trust
            person = str(given["person"])
            await put(actor, person, name, reason=str(given.get("reason") or ""), until=until)
            return await self._people(actor)

        return stand

    def _clear(self, person: str) -> Answer:
        async def clear(actor: Actor) -> Payload:
            await self._admin.clear(actor, person)
            return await self._people(actor)

        return clear

    def _block_form(self, person: str) -> Answer:
        async def form(actor: Actor) -> Payload:
            if not await self._admin.may(actor):
                raise Refused("not_admin")
            return show.block_form(person, actor.language)

        return form

    def _jobs(self, person: Json) -> Answer:
        async def jobs(actor: Actor) -> Payload:
            whose = None if person is None else str(person)
            return show.jobs(await self._admin.jobs(actor, person=whose, limit=10), actor.language)

        return jobs

    def _cancel(self, job: JobId) -> Answer:
        async def cancel(actor: Actor) -> Payload:
            await self._admin.cancel(job, actor)
            return await self._jobs(None)(actor)

        return cancel

    def _remove(self, job: JobId) -> Answer:
        async def remove(actor: Actor) -> Payload:
            await self._delivery.remove(await self._admin.remove(job, actor))
            return render.whisper(words.say("web_admin.remove_done", {}, actor.language))

        return remove

    # -- the audit, keys, money

    def _audit(self, before: int | None) -> Answer:
        async def audit(actor: Actor) -> Payload:
            records = await self._admin.audit(actor, limit=show.PAGE, before=before)
            return show.audit(records, actor.language)

        return audit

    async def _audit_csv(self, actor: Actor) -> tuple[str, bytes]:
        return "audit.csv", (await self._admin.audit_csv(actor)).encode()

    async def _keys(self, actor: Actor) -> Payload:
        offered = await self._admin.key_providers(actor)
        return show.keys(await self._admin.keys(actor), offered, actor.language)

    def _key_form(self, provider: str) -> Answer:
        async def form(actor: Actor) -> Payload:
            known = await self._admin.key_providers(actor)
            if provider not in known:
                raise Refused("no_such_provider", provider=provider[:100], known=list(known))
            return show.key_form(provider, actor.language)

        return form

    def _set_key(self, provider: str, key: str) -> Answer:
        async def set_key(actor: Actor) -> Payload:
            await self._admin.set_key(actor, provider, key)
            return render.whisper(words.say("web_admin.key_saved", {}, actor.language))

        return set_key

    def _drop_key(self, provider: str) -> Answer:
        async def drop_key(actor: Actor) -> Payload:
            await self._admin.drop_key(actor, provider)
            return render.whisper(words.say("web_admin.key_dropped", {}, actor.language))

        return drop_key

    async def _money(self, actor: Actor) -> Payload:
        return show.money(await self._admin.money(actor), actor.language)

    def _settle_form(self, job: JobId) -> Answer:
        async def form(actor: Actor) -> Payload:
            if not await self._admin.may(actor):
                raise Refused("not_admin")
            return show.settle_form(job, actor.language)

        return form

    def _settle(self, job: JobId, cost: str) -> Answer:
        async def settle(actor: Actor) -> Payload:
            try:
                amount = Decimal(cost.strip().removeprefix("$").replace(",", "."))
            except InvalidOperation:
                raise Refused("bad_amount") from None
            await self._admin.settle(actor, job, amount)
            return await self._money(actor)

        return settle

    # -- for everybody

    def _report(self, job: JobId, reason: str) -> Answer:
        async def report(actor: Actor) -> Payload:
            await self._core.report(job, actor, reason)
            return render.whisper(words.say("discord_admin.report_thanks", {}, actor.language))

        return report

    async def my_data(self, interaction: Interaction) -> None:
        async def data(actor: Actor) -> tuple[str, bytes]:
            kept = await self._core.my_data(actor)
            return "my-data.json", json.dumps(kept, ensure_ascii=False, indent=2).encode()

        await self._send_file(interaction, data)

    async def ask_to_forget(self, interaction: Interaction) -> None:
        body = show.forget(language_of(interaction))
        await self._answers.acknowledge(interaction, answers.MESSAGE, body)

    async def _forget_me(self, interaction: Interaction) -> None:
        async def forget(actor: Actor) -> Payload:
            looks = await self._core.forget_me(actor)
            task = asyncio.create_task(self._take_down(looks))
            self._taking_down.add(task)
            task.add_done_callback(self._taking_down.discard)
            facts = {"count": len(looks)}
            return render.whisper(words.say("discord_admin.forgotten", facts, actor.language))

        await self._update(interaction, forget)

    async def _take_down(self, looks: Sequence[Look]) -> None:
        """Delete what stands of somebody's jobs, a few at a time; what can't be deleted stays."""
        at_once = asyncio.Semaphore(TAKEN_DOWN_AT_ONCE)

        async def one(look: Look) -> None:
            async with at_once:
                try:
                    await self._delivery.remove(look)
                except Exception as error:
                    log.info("A message stays", action="message_stays", why=str(error))

        await asyncio.gather(*(one(look) for look in looks))

    # -- answering

    async def _privately(self, interaction: Interaction, make: Answer) -> None:
        """An answer for one person that takes a look into the store."""
        await self._answers.acknowledge(interaction, answers.THINKING, {"flags": render.EPHEMERAL})
        await self._answers.edit(interaction, await self._made(interaction, make))

    async def _update(self, interaction: Interaction, make: Answer) -> None:
        """The message that the button stands on becomes another; where others see it, it stays as it is."""
        if interaction.message is None or not interaction.message.flags.ephemeral:
            return await self._privately(interaction, make)
        await self._answers.acknowledge(interaction, answers.UPDATE_LATER)
        return await self._answers.edit(interaction, await self._made(interaction, make))

    async def _open(self, interaction: Interaction, make: Answer) -> None:
        try:
            async with asyncio.timeout(DEADLINE):
                body = await make(actor_of(interaction))
        except (TimeoutError, TryLater):
            raise Refused("try_later") from None
        await self._answers_modal(interaction, body)

    async def _answers_modal(self, interaction: Interaction, body: Payload) -> None:
        await self._answers.acknowledge(interaction, answers.MODAL, body)

    async def _made(self, interaction: Interaction, make: Answer) -> Payload:
        try:
            return await make(actor_of(interaction))
        except Exception as error:
            return _said_of(error, interaction)

    async def _send_file(
        self, interaction: Interaction, make: Callable[[Actor], Awaitable[tuple[str, bytes]]]
    ) -> None:
        """A file for one person."""
        await self._answers.acknowledge(interaction, answers.THINKING, {"flags": render.EPHEMERAL})
        try:
            name, content = await make(actor_of(interaction))
            if len(content) > LARGEST_PLAIN:
                name, content = f"{name}.gz", await asyncio.to_thread(gzip.compress, content)
        except Exception as error:
            return await self._answers.edit(interaction, _said_of(error, interaction))
        await self._answers.edit_with_file(interaction, name, content)
        return None


def _said_of(error: Exception, interaction: Interaction) -> Payload:
    """Words in place of an answer: nobody is to look at one that "thinks" for ever."""
    if not isinstance(error, ForPerson):
        if not isinstance(error, TryLater):
            log.error("An answer failed", action="answer_failed", interaction=interaction.id, exc_info=error)
        error = Refused("try_later")
    return show.refused(error, language_of(interaction))


def _scope_of(given: Mapping[str, Json]) -> Scope:
    """The channel or the role that was named, else the whole server."""
    if given.get("channel") is not None:
        return Scope(ScopeKind.CHANNEL, str(given["channel"]))
    if given.get("role") is not None:
        return Scope(ScopeKind.ROLE, str(given["role"]))
    return rules.SERVER


def _read_scope(word: str) -> Scope:
    scope = show.scope_of(word)
    if scope is None:
        raise Refused("not_found")
    return scope


def _name_in(data: Mapping[str, Json], person: str) -> str:
    users = (data.get("resolved") or {}).get("users") or {}
    user = users.get(person) or {}
    return str(user.get("global_name") or user.get("username") or "")


async def _read_whole(stream: aiohttp.StreamReader) -> bytes:
    """To its end, or to more than is taken: a read gives what has arrived, and half a file may parse too."""
    content = bytearray()
    async for chunk in stream.iter_any():
        content += chunk
        if len(content) > rules.LARGEST_FILE:
            break
    return bytes(content)


async def _text_behind(url: str, size: int) -> str:
    """An attached text file, from Discord's own host."""
    if not url or size > rules.LARGEST_FILE:
        raise Refused("settings_file")
    timeout = aiohttp.ClientTimeout(total=FILE_TIMEOUT)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
            response.raise_for_status()
            content = await _read_whole(response.content)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise TryLater(str(error)) from error
    if len(content) > rules.LARGEST_FILE:
        raise Refused("settings_file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refused("settings_file") from None
