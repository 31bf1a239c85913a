"""Looking after a workspace, reports, my-data, forget-me -> calls of the core, which checks each again."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation

import structlog

from adapters import words
from adapters.moments import moment
from adapters.slack import forms, render
from adapters.slack import settings_views as views
from adapters.slack.calls import Calls, Declined
from adapters.slack.delivery import Delivery
from adapters.slack.files import PrivateFiles
from adapters.slack.people import People
from adapters.slack.places import Spot
from adapters.slack.whispers import Origin, Whispers
from bot import rules
from bot.errors import BadMedia, ForPerson, LostAnswer, Refused, TryLater
from bot.jobs import Actor, JobId, Json
from bot.ports import Core, Failed, Look, Proposal
from bot.rules import Change, Scope, ScopeKind

PROPOSALS_KEPT = 100
PROPOSALS_LAST = 15 * 60.0
ANSWERED = 0.5
"""Seconds after which an answer that changes a modal has surely done so, before it is changed again."""

_SCOPE = re.compile(r"\s+(?:in\s+<#([A-Z0-9]+)(?:\|[^>]*)?>|for\s+<!subteam\^([A-Z0-9]+)(?:\|[^>]*)?>)\s*$")
_PERSON = re.compile(r"<@([UW][A-Z0-9]+)(?:\|([^>]*))?>")

log = structlog.get_logger(__name__)


class SettingsCommands:
    """Everything here is seen by the one person who asks.

    Imports that wait for a yes are kept in memory: after a restart they are asked for anew.
    """

    def __init__(
        self,
        core: Core,
        calls: Calls,
        people: People,
        files: PrivateFiles,
        delivery: Delivery,
        whispers: Whispers,
        now: Callable[[], float],
    ) -> None:
        self._core = core
        self._admin = core.admin
        self._catalogue = core.catalogue
        self._calls = calls
        self._people = people
        self._files = files
        self._delivery = delivery
        self._whispers = whispers
        self._now = now
        self._proposals: OrderedDict[str, tuple[Actor, float, Proposal]] = OrderedDict()
        self._taking_down: set[asyncio.Task[None]] = set()

    # -- typed: /threadreel settings ...

    async def typed(self, origin: Origin, text: str) -> None:
        actor = await self._people.admin(origin.team, origin.actor)
        await self._whispers.show(origin, _message(await self._typed(origin, actor, text.strip())))

    async def _typed(self, origin: Origin, actor: Actor, text: str) -> list[Json]:
        word, _, rest = text.partition(" ")
        rest, language = rest.strip(), actor.language
        match word.lower():
            case "":
                await self._check(actor)
                return views.menu(language)
            case "show":
                name, scope = _scope_in(rest)
                if not name.strip():
                    return await self._page(actor, f"settings {rules.GROUPS[0]} {scope}")
                key = rules.find_key(name, self._catalogue)
                return views.setting(await self._shown(actor, scope, key.name), scope, language)
            case "set" | "unset" as what:
                rest, scope = _scope_in(rest)
                key_name, _, value = rest.partition(" ")
                change = Change(scope, key_name, value.strip() if what == "set" else None)
                return views.changed(await self._admin.change(actor, [change]), language)
            case "block" | "trust" | "unblock" as what:
                return await self._stand_typed(actor, what, rest)
            case "jobs" if found := _PERSON.search(rest):
                return views.jobs(
                    await self._admin.jobs(actor, person=found[1], limit=views.LISTED), language
                )
            case "export":
                await self._check(actor)
                await self._export(origin, actor)
                return [render.section(render.escaped(words.say("slack_admin.sent", {}, language)))]
            case "import":
                await self._check(actor)
                return views.files(language)
            case page if page in views.PAGES:
                return await self._page(actor, page)
            case _:
                return [render.section(render.escaped(words.say("slack_admin.usage", {}, language)))]

    async def _stand_typed(self, actor: Actor, what: str, rest: str) -> list[Json]:
        found = _PERSON.search(rest)
        if found is None:
            raise Refused("no_such_person")
        about = _PERSON.sub("", rest).strip()
        first, _, reason = about.partition(" ")
        until = moment(first, self._now()) if first else None
        reason = reason if until is not None else about
        await self._stand(actor, what, found[1], found[2] or "", reason, until)
        return await self._page(actor, "people")

    async def _stand(
        self, actor: Actor, what: str, person: str, name: str, reason: str, until: float | None
    ) -> None:
        if what == "unblock":
            await self._admin.clear(actor, person)
            return
        name = name or (await self._people.actor(actor.server, person)).name
        put = self._admin.block if what == "block" else self._admin.trust
        await put(actor, person, name, reason=reason, until=until)

    # -- pages

    async def menu(self, actor: Actor) -> list[Json]:
        """What stands on somebody's Home: nothing for who doesn't look after the workspace."""
        return views.menu(actor.language) if await self._admin.may(actor) else []

    async def _page(self, actor: Actor, page: str) -> list[Json]:
        name, *about = page.split()
        language = actor.language
        match name, about:
            case "settings", [group, where]:
                scope = Scope.read(where) or rules.SERVER
                shown = await self._admin.settings(actor, scope)
                known = group if group in rules.GROUPS else rules.GROUPS[0]
                return views.settings(shown, scope, known, self._catalogue, language)
            case "people", _:
                return views.people(await self._admin.people(actor), language)
            case "jobs", _:
                return views.jobs(await self._admin.jobs(actor, limit=views.LISTED), language)
            case "audit", _:
                before = int(about[0]) if about and about[0].isdigit() else None
                records = await self._admin.audit(actor, limit=views.LISTED, before=before)
                return views.audit(records, language)
            case "money", _:
                return views.money(await self._admin.money(actor), language)
            case "keys", _:
                offered = await self._admin.key_providers(actor)
                return views.keys(await self._admin.keys(actor), offered, language)
            case "files", _:
                await self._check(actor)
                return views.files(language)
            case _:
                raise Refused("not_found")

    async def _check(self, actor: Actor) -> None:
        if not await self._admin.may(actor):
            raise Refused("not_admin")

    async def _shown(self, actor: Actor, scope: Scope, name: str) -> rules.Shown:
        """A setting as it stands; also a bound of an input that nobody has set."""
        found = await self._admin.settings(actor, scope)
        nothing = rules.Shown(name, None, "", "built-in")
        return next((one for one in found if one.key == name), nothing)

    # -- buttons and menus

    async def press(self, origin: Origin, name: str, value: str, view: Json) -> None:
        """`name` without its "admin."; `view`: the modal or the Home that it stands in, if any."""
        actor = await self._people.admin(origin.team, origin.actor)
        language = actor.language
        match name.split("."):
            case ["page", *_]:
                await self._show(origin, await self._page(actor, value), view, language)
            case ["edit"]:
                key_name, where = value.split()
                key, scope = rules.find_key(key_name, self._catalogue), Scope.read(where) or rules.SERVER
                one = await self._shown(actor, scope, key.name)
                await self._open(origin, views.setting_form(one, key, scope, language), view)
            case ["clear"]:
                await self._admin.clear(actor, value)
                await self._show(origin, await self._page(actor, "people"), view, language)
            case ["stand"] | ["block"]:
                await self._check(actor)
                person = value if name == "block" else ""
                await self._open(origin, views.stand_form(person, language), view)
            case ["cancel"]:
                await self._admin.cancel(JobId(value), actor)
                await self._show(origin, await self._page(actor, "jobs"), view, language)
            case ["remove"]:
                await self._remove(actor, JobId(value))
                shown = [render.section(render.escaped(words.say("web_admin.remove_done", {}, language)))]
                await self._show(origin, await self._page(actor, "jobs") if view else shown, view, language)
            case ["csv"]:
                content = (await self._admin.audit_csv(actor)).encode()
                await self._delivery.hand_over(origin.team, actor.id, "audit.csv", content)
            case ["key"]:
                await self._check(actor)
                await self._open(origin, views.key_form(value, language), view)
            case ["drop"]:
                await self._admin.drop_key(actor, value)
                await self._show(origin, await self._page(actor, "keys"), view, language)
            case ["settle"]:
                await self._check(actor)
                await self._open(origin, views.settle_form(value, language), view)
            case ["export"]:
                await self._export(origin, actor)
            case ["import"]:
                await self._check(actor)
                await self._open(origin, views.import_form(language), view)
            case ["report"]:
                await self._open(origin, views.report_form(value, language), view)
            case ["forget"]:
                await self._forget_me(origin, actor)
            case ["open"]:
                return
            case _:
                raise Refused("not_found")

    async def _show(self, origin: Origin, blocks: list[Json], view: Json, language: str) -> None:
        """In the modal that it came from; from the Home in one of its own; else as words to one person."""
        if view and view.get("type") == "modal":
            shown = views.page(blocks, language)
            await self._calls.call(origin.team, "views.update", view_id=view["id"], view=shown)
        elif view:
            await self._open(origin, views.page(blocks, language), view)
        else:
            await self._whispers.show(origin, _message(blocks))

    async def _open(self, origin: Origin, modal: Json, view: Json) -> None:
        method = "views.push" if view and view.get("type") == "modal" else "views.open"
        await self._calls.call(origin.team, method, trigger_id=origin.trigger, view=modal)

    async def _export(self, origin: Origin, actor: Actor) -> None:
        content = (await self._admin.export(actor)).encode()
        await self._delivery.hand_over(origin.team, actor.id, "settings.toml", content)

    async def _remove(self, actor: Actor, job: JobId) -> None:
        look = await self._admin.remove(job, actor)
        await self._take_down_one(look, actor.name)

    async def _take_down_one(self, look: Look, by: str) -> None:
        removed = Failed("removed", {"by": by}, look.job.cost)
        await self._delivery.remove(Spot.read(look.job.place), look.card, removed, look.job.posted)

    # -- forms

    def taking(self, language: str) -> Json:
        """What stands in a form while it is worked on."""
        return forms.words_view(words.say("slack_admin.working", {}, language), language)

    async def submitted(self, origin: Origin, view: Json) -> None:
        """What became of it stands in the modal, or where that was closed, in words to the person."""
        answered = asyncio.create_task(asyncio.sleep(ANSWERED))
        actor = await self._people.admin(origin.team, origin.actor)
        try:
            shown = await self._submitted(actor, json.loads(view["private_metadata"]), views.filled(view))
        except (ForPerson, TryLater, LostAnswer) as error:
            sorry = words.refusal(
                error if isinstance(error, ForPerson) else Refused("try_later"), actor.language
            )
            shown = forms.words_view(sorry, actor.language)
        await answered
        try:
            await self._calls.call(origin.team, "views.update", view_id=view["id"], view=shown)
        except Declined:  # they closed it
            await self._whispers.show(origin, _message(list(shown["blocks"])))

    async def _submitted(self, actor: Actor, about: Mapping[str, str], given: Mapping[str, Json]) -> Json:
        language = actor.language
        match about["do"]:
            case "set":
                scope = Scope.read(about["scope"]) or rules.SERVER
                changes = await self._admin.change(actor, [Change(scope, about["key"], given.get("value"))])
                return views.page(views.changed(changes, language), language)
            case "stand":
                ends = str(given.get("until") or "")
                until = moment(ends, self._now()) if ends else None
                if ends and until is None:
                    raise Refused("no_moment", text=ends)
                reason = str(given.get("reason") or "")
                await self._stand(actor, given["standing"], given["person"], "", reason, until)
                return views.page(await self._page(actor, "people"), language)
            case "key":
                await self._admin.set_key(actor, about["provider"], str(given.get("key") or ""))
                return forms.words_view(words.say("web_admin.key_saved", {}, language), language)
            case "settle":
                await self._admin.settle(actor, JobId(about["job"]), _amount(str(given.get("cost") or "")))
                return views.page(await self._page(actor, "money"), language)
            case "import":
                return await self._propose(actor, await self._text_of(actor.server, given))
            case "apply":
                return await self._apply(actor, about["token"])
            case "report":
                await self._core.report(JobId(about["job"]), actor, str(given.get("reason") or ""))
                return forms.words_view(words.say("discord_admin.report_thanks", {}, language), language)
            case _:
                raise Refused("old_form")

    async def _text_of(self, team: str, given: Mapping[str, Json]) -> str:
        """What an import brings: the file, where there is one, else what was pasted."""
        if not given.get("file"):
            return str(given.get("text") or "")
        (file,) = given["file"]
        try:
            content = await self._files.read(team, file["id"], file["name"], limit=rules.LARGEST_FILE)
            return content.decode("utf-8-sig")
        except (BadMedia, UnicodeDecodeError):
            raise Refused("settings_file") from None

    async def _propose(self, actor: Actor, text: str) -> Json:
        proposal = await self._admin.propose(actor, text)
        token = secrets.token_hex(8)
        self._proposals[token] = (actor, self._now() + PROPOSALS_LAST, proposal)
        if len(self._proposals) > PROPOSALS_KEPT:
            self._proposals.popitem(last=False)
        return views.proposal(proposal.changes, token, actor.language)

    async def _apply(self, actor: Actor, token: str) -> Json:
        asked, until, proposal = self._proposals.pop(token, (actor, 0.0, None))
        is_theirs = (asked.id, asked.server) == (actor.id, actor.server)
        if proposal is None or until < self._now() or not is_theirs:
            raise Refused("old_form")
        changes = await self._admin.apply(actor, proposal)
        return views.page(views.changed(list(changes), actor.language), actor.language)

    # -- for everybody

    async def my_data(self, origin: Origin) -> None:
        kept = await self._core.my_data(origin.actor)
        content = json.dumps(kept, ensure_ascii=False, indent=2).encode()
        await self._delivery.hand_over(origin.team, origin.actor.id, "my-data.json", content)
        await self._whispers.say(origin, words.say("slack_admin.sent", {}, origin.language))

    async def ask_to_forget(self, origin: Origin) -> None:
        await self._whispers.show(origin, views.forget(origin.language))

    async def _forget_me(self, origin: Origin, actor: Actor) -> None:
        looks = await self._core.forget_me(actor)
        task = asyncio.create_task(self._take_down(looks))
        self._taking_down.add(task)
        task.add_done_callback(self._taking_down.discard)
        said = words.say("discord_admin.forgotten", {"count": len(looks)}, actor.language)
        await self._whispers.say(origin, said)

    async def _take_down(self, looks: Sequence[Look]) -> None:
        """Say of each job that it is gone; what can't be changed stays."""
        for look in looks:
            try:
                await self._take_down_one(look, "")
            except Exception as error:
                log.info("A message stays", action="message_stays", why=str(error))


def _scope_in(text: str) -> tuple[str, Scope]:
    """What was typed without its "in #channel" or "for @group", and the scope that this says."""
    found = _SCOPE.search(f" {text}")
    if found is None:
        return text, rules.SERVER
    kind, id_ = (ScopeKind.CHANNEL, found[1]) if found[1] else (ScopeKind.ROLE, found[2])
    return f" {text}"[: found.start()].strip(), Scope(kind, id_)


def _amount(text: str) -> Decimal:
    try:
        return Decimal(text.strip().removeprefix("$").replace(",", "."))
    except InvalidOperation:
        raise Refused("bad_amount") from None


def _message(blocks: list[Json]) -> Json:
    first = next((block["text"]["text"] for block in blocks if "text" in block), "Threadreel")
    return {"text": first, "blocks": blocks[:50]}
