"""What those who look after a server are shown on Discord. Pure.

Limits: https://discord.com/developers/docs/components/reference
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from adapters import words
from adapters.discord.customs import Custom, Verb
from adapters.discord.forms import PARAGRAPH, SHORT
from adapters.discord.pages import Page, page
from adapters.discord.render import (
    EPHEMERAL,
    MOST_TEXT,
    RED,
    ROW,
    SECTION,
    SELECT,
    TEXT,
    V2,
    button,
    whisper,
)
from adapters.discord.schema import Payload
from bot.catalogue import Catalogue
from bot.errors import ForPerson
from bot.jobs import JobId, Json
from bot.ports import KeyInfo, Look, Person, Record, Standing, Statement, Waiting, Working
from bot.rules import GROUPS, Changed, Key, Kind, Scope, ScopeKind, Shown, find_key, text_of

T = TypeVar("T")

PEOPLE_SELECT, ROLE_SELECT, MENTION_SELECT, CHANNEL_SELECT = 5, 6, 7, 8
LABEL, TEXT_INPUT = 18, 4
MOST_CHOICES = 25
LONGEST_FIELD = 4000
LONGEST_LINE = 180
ROOM = 3600
"""Characters of the rows of a page: what stands around them needs the rest of a message."""
LISTED_LINES = 20
PAGE = 15
LISTED = 10
"""Rows with a button of their own: a message holds forty components, and a row is three."""

SELECTS = {
    Kind.CHANNEL: CHANNEL_SELECT,
    Kind.CHANNELS: CHANNEL_SELECT,
    Kind.ROLES: ROLE_SELECT,
    Kind.PEOPLE: MENTION_SELECT,
}
"""Settings whose values are chosen from what the server has."""


def admin(action: str, about: str = "", arg: str = "", number: int = 0) -> Custom:
    return Custom(Verb.ADMIN, JobId(about) if about else None, action, number, arg)


def scope_word(scope: Scope) -> str:
    """As it stands in a custom id: "", "channel.1", "role.1"."""
    return f"{scope.kind}.{scope.id}" if scope.id else ""


def scope_of(word: str) -> Scope | None:
    return Scope.read(word.replace(".", ":", 1)) if word else Scope()


def scope_mention(scope: Scope, language: str) -> str:
    match scope.kind:
        case ScopeKind.CHANNEL:
            return f"<#{scope.id}>"
        case ScopeKind.ROLE:
            return f"<@&{scope.id}>"
        case _:
            return words.say("web_admin.scope_server", {}, language)


# -- settings


def panel(shown: Sequence[Shown], scope: Scope, group: str, catalogue: Catalogue, language: str) -> Payload:
    """The settings of one group with their values, and menus to the other groups and to each of them."""
    here = [one for one in shown if _in_group(one.key, group, scope, catalogue)]
    title = words.say(f"group.{group}", {}, language)
    lines = [_line(one, scope, language) for one in here]
    text = f"**{title}** · {scope_mention(scope, language)}\n" + "\n".join(lines)
    groups = [
        {
            "label": words.clean(words.say(f"group.{one}", {}, language), 100),
            "value": one,
            "default": one == group,
        }
        for one in GROUPS
    ]
    parts = [_text(text), _select(admin("group", scope_word(scope)), groups)]
    if here:
        keys = [
            {
                "label": words.clean(one.key, 100),
                "value": one.key,
                "description": words.clean(words.setting(one.key, language), 100),
            }
            for one in here[:MOST_CHOICES]
        ]
        placeholder = words.say("discord_admin.choose", {}, language)
        parts.append(_select(admin("key", scope_word(scope)), keys, placeholder))
    return _private(*parts)


def _in_group(name: str, group: str, scope: Scope, catalogue: Catalogue) -> bool:
    key = find_key(name, catalogue)
    return key.group == group and scope.kind in key.scopes


def _line(one: Shown, scope: Scope, language: str) -> str:
    value = words.clean(words.setting_value(one.value, language), LONGEST_LINE)
    return f"`{one.key}` **{value}**\n-# {origin(one.origin, scope, language)}"


def origin(where: str, scope: Scope, language: str) -> str:
    return (
        words.say("web_admin.set_here", {}, language)
        if where == str(scope)
        else words.origin(where, language)
    )


def setting(one: Shown, key: Key, scope: Scope, language: str) -> Payload:
    """One setting: what it is for, what holds, and how to change it."""
    about, is_here = scope_word(scope), one.origin == str(scope)
    text = (
        f"**{one.key}** · {scope_mention(scope, language)}\n{words.setting(one.key, language)}\n"
        f"**{words.clean(words.setting_value(one.value, language), 1500)}**\n"
        f"-# {origin(one.origin, scope, language)}"
    )
    buttons = [button(admin("edit", about, one.key), "button.edit", language)]
    if is_here:
        buttons.append(button(admin("reset", about, one.key), "web_admin.reset", language))
    buttons.append(button(admin("group", about, key.group), "discord_admin.back", language))
    return _private(_text(text), *_control(one, key, about, language), _buttons(buttons))


def _control(one: Shown, key: Key, about: str, language: str) -> list[Payload]:
    """A menu, where the values can be chosen from one."""
    custom = admin("choose", about, one.key)
    if kind := SELECTS.get(key.kind):
        most = MOST_CHOICES if key.is_list else 1
        placeholder = words.say("discord_admin.choose_value", {}, language)
        menu = {
            "type": kind,
            "custom_id": str(custom),
            "max_values": most,
            "min_values": 0 if key.is_list else 1,
        }
        return [{"type": ROW, "components": [{**menu, "placeholder": words.clean(placeholder, 150)}]}]
    if key.kind is Kind.CHOICE:
        options = [
            {
                "label": words.clean(words.say(f"web_admin.choice_{choice}", {}, language), 100),
                "value": choice,
                "default": choice == one.value,
            }
            for choice in key.choices
        ]
        return [_select(custom, options)]
    return []


def setting_form(one: Shown, scope: Scope, language: str) -> Payload:
    """A modal with the value as it is typed."""
    custom = admin("edited", scope_word(scope), one.key)
    label = words.clean(one.key, 45)
    text = one.text if len(one.text) <= LONGEST_FIELD else ""
    field = _field("value", PARAGRAPH, value=text, required=False, max_length=LONGEST_FIELD)
    help_ = words.clean(words.setting(one.key, language), 100)
    return _modal(custom, label, [{"type": LABEL, "label": label, "description": help_, "component": field}])


def changed(changes: Iterable[Changed], language: str) -> Payload:
    """What was changed, or that nothing had to be."""
    return whisper(
        _fitting([words.say("web_admin.saved", {}, language), *_told(changes, language)], language)
    )


def _told(changes: Iterable[Changed], language: str) -> list[str]:
    return [_difference(one, language) for one in changes]


def _difference(one: Changed, language: str) -> str:
    signed = [f"-# {sign} {_shortly(value, language)}" for sign, value in _sides(one)]
    return "\n".join([f"`{one.key}` · {scope_mention(one.scope, language)}", *signed])


def _sides(one: Changed) -> list[tuple[str, Json]]:
    return [(sign, value) for sign, value in (("-", one.before), ("+", one.after)) if value is not None]


def _shortly(value: Json, language: str) -> str:
    return words.clean(words.setting_value(value, language), LONGEST_LINE)


def proposal(changes: Sequence[Changed], token: str, language: str, number: int = 0) -> Payload:
    """What an import would change, page by page, and whether it shall."""
    if not changes:
        return whisper(words.say("discord_admin.no_changes", {}, language))
    head = f"**{words.say('discord_admin.would_change', {'count': len(changes)}, language)}**"
    shown = page(_told(changes, language), number, len, room=ROOM, most=LISTED_LINES)
    go = button(admin("apply", token), "discord_admin.apply", language)
    whole = button(admin("diff", token), "discord_admin.whole", language)

    def turn(to: int) -> Custom:
        return admin("proposal", token, number=to)

    return _private(
        _text("\n".join([head, *shown.rows])),
        _buttons([go, whole]),
        *_turning(shown, turn, language),
    )


def difference(changes: Iterable[Changed]) -> str:
    """All that an import would change, nothing cut: as a file."""
    lines = []
    for one in changes:
        lines.append(f"{one.scope} {one.key}")
        lines += [f"{sign} {text_of(one.key, value) or '[]'}" for sign, value in _sides(one)]
    return "\n".join(lines) + "\n"


def refused(error: ForPerson, language: str) -> Payload:
    """Why not. Of very many mistakes it says how many more there are."""
    return whisper(_fitting(words.refusal(error, language).split("\n"), language))


def _fitting(rows: Sequence[str], language: str) -> str:
    """The first rows that a message takes, and how many more there are."""
    first = page(rows, 0, len, room=ROOM, most=len(rows) or 1).rows
    left = len(rows) - len(first)
    more = [words.say("discord_admin.and_more", {"count": left}, language)] if left else []
    return "\n".join([*first, *more])


def _turning(shown: Page[T], to: Callable[[int], Custom], language: str) -> list[Payload]:
    """Buttons to the pages before and behind this one, where there are several."""
    if shown.count == 1:
        return []
    facts = {"number": shown.number + 1, "count": shown.count}
    there = [n for n in (shown.number - 1, shown.number + 1) if 0 <= n < shown.count]
    codes = {-1: "discord_admin.previous", 1: "discord_admin.next"}
    return [
        _text(f"-# {words.say('discord_admin.page', facts, language)}"),
        _buttons([button(to(n), codes[n - shown.number], language) for n in there]),
    ]


# -- people, jobs, the audit


def people(found: Sequence[Person], language: str) -> Payload:
    """Whom the server has blocked or trusts, each with a button to take it back."""
    if not found:
        return whisper(words.say("web_admin.people_none", {}, language))
    rows: list[Payload] = []
    for one in found[:LISTED]:
        until = f"<t:{int(one.until)}:f>" if one.until else words.say("web_admin.until_lifted", {}, language)
        reason = f" · {words.clean(one.reason, LONGEST_LINE)}" if one.reason else ""
        standing = words.say(f"web_admin.{one.standing}", {}, language)
        by = words.say("web_admin.by", {"name": one.by}, language)
        text = f"<@{one.id}> **{standing}**{reason}\n-# {by} · {until}"
        code = "web_admin.unblock" if one.standing is Standing.BLOCKED else "web_admin.distrust"
        rows.append(_section(text, button(admin("clear", one.id), code, language)))
    return _private(*rows)


def block_form(person: str, language: str) -> Payload:
    """A modal that asks for how long, and why."""
    until = _field("until", SHORT, required=False, max_length=30)
    reason = _field("reason", PARAGRAPH, required=False, max_length=500)
    return _modal(
        admin("blocked", person),
        words.say("web_admin.block", {}, language),
        [
            _labelled("web_admin.ends", until, language, "discord_admin.until"),
            _labelled("web_admin.reason", reason, language),
        ],
    )


def report_form(job: JobId, language: str) -> Payload:
    """A modal that asks for the reason of a report."""
    reason = _field("reason", PARAGRAPH, required=False, max_length=500)
    title = words.say("button.report", {}, language)
    return _modal(Custom(Verb.REPORT, job), title, [_labelled("web_admin.reason", reason, language)])


def jobs(looks: Sequence[Look], language: str) -> Payload:
    """The newest jobs of the server, each with what can be done."""
    if not looks:
        return whisper(words.say("web_admin.jobs_none", {}, language))
    shown = looks[:LISTED]
    room = MOST_TEXT // len(shown)
    return _private(*(_job(look, room, language) for look in shown))


def _job(look: Look, room: int, language: str) -> Payload:
    about = look.card.actor.id
    head = f"**{words.state(look.notice, language)}** · <@{about}> · <t:{int(look.job.created_at)}:R>\n-# "
    text = head + words.clean(look.card.text, max(20, room - len(head)))
    runs = isinstance(look.notice, Waiting | Working)
    code, action = ("button.cancel", "cancel") if runs else ("button.remove", "remove")
    return _section(text, button(admin(action, look.job.id), code, language, RED))


def audit(records: Sequence[Record], language: str) -> Payload:
    """A page of the audit, with buttons to the next one and to all of it as a file."""
    if not records:
        return whisper(words.say("web_admin.audit_none", {}, language))
    lines = []
    for one in records:
        did = words.say(f"web_admin.did_{one.action}", {}, language)
        who = words.clean(one.by_name or one.by_id or "?", 40)
        change = ""
        if one.before is not None or one.after is not None:
            before, after = (
                words.clean(words.setting_value(v, language), 60) for v in (one.before, one.after)
            )
            change = f"\n-# {before} → {after}"
        lines.append(f"<t:{int(one.at)}:f> **{who}** {did} `{words.clean(one.subject, 80)}`{change}")
    older = button(admin("audit", arg=str(records[-1].id)), "web_admin.older", language)
    csv = button(admin("csv"), "web_admin.audit_csv", language)
    return whisper("\n".join(lines), *([older] if len(records) == PAGE else []), csv)


# -- keys and money


def keys(there: Sequence[KeyInfo], offered: Sequence[str], language: str) -> Payload:
    if not offered:
        return whisper(words.say("web_admin.keys_no_provider", {}, language))
    by = {one.provider: one for one in there}
    rows: list[Payload] = [_text(words.say("web_admin.keys_lead", {}, language))]
    for provider in offered[:LISTED]:
        info = by.get(provider)
        if info is None:
            rows.append(
                _section(
                    f"**{provider}**\n-# {words.say('web_admin.unset', {}, language)}",
                    _set(provider, language),
                )
            )
        else:
            said = words.say("web_admin.by", {"name": info.by}, language)
            drop = button(admin("drop", arg=provider), "web_admin.key_drop", language, RED)
            rows.append(_section(f"**{provider}**\n-# {said} · <t:{int(info.set_at)}:f>", drop))
    return _private(*rows)


def _set(provider: str, language: str) -> Payload:
    return button(admin("key_form", arg=provider), "web_admin.key_set", language)


def key_form(provider: str, language: str) -> Payload:
    """A modal for a key. It is sent to nobody but us, and shown to nobody again."""
    field = _field("key", SHORT, required=True, max_length=500)
    title = words.clean(f"{words.say('web_admin.key', {}, language)}: {provider}", 45)
    custom = admin("key_given", arg=provider)
    return _modal(custom, title, [_labelled("web_admin.key", field, language, "web_admin.key_help")])


def money(statement: Statement, language: str) -> Payload:
    lines = [f"**{words.say('web_admin.money', {}, language)}** · {statement.zone}"]
    for one in statement.budgets:
        what = words.say(f"web_admin.{one.code}", {}, language)
        limit = (
            words.say("web_admin.of_budget", {"limit": words.dollars(one.limit)}, language)
            if one.limit is not None
            else words.say("web_admin.no_budget", {}, language)
        )
        lines.append(f"{what}: **{words.dollars(one.used)}** {limit}\n-# <t:{int(one.resets_at)}:R>")
    rows: list[Payload] = [_text("\n".join(lines))]
    for charge in statement.open[:LISTED]:
        text = f"`{charge.job}` /{charge.model} · {words.dollars(charge.reserved)} · <t:{int(charge.at)}:R>"
        rows.append(_section(text, button(admin("settle", charge.job), "discord_admin.settle", language)))
    return _private(*rows)


def settle_form(job: JobId, language: str) -> Payload:
    field = _field("cost", SHORT, required=True, max_length=30)
    title = words.say("discord_admin.settle", {}, language)
    label = _labelled("discord_admin.cost", field, language, "discord_admin.cost_help")
    return _modal(admin("settled", job), title, [label])


def forget(language: str) -> Payload:
    """Asks once: what is forgotten is gone."""
    go = button(Custom(Verb.FORGET), "discord_admin.forget_yes", language, RED)
    return whisper(words.say("discord_admin.forget_ask", {}, language), go)


# -- parts


def _private(*components: Payload) -> Payload:
    return {
        "flags": V2 | EPHEMERAL,
        "components": list(components),
        "allowed_mentions": {"parse": []},
    }


def _text(content: str) -> Payload:
    return {"type": TEXT, "content": content[:MOST_TEXT] or "\u200b"}


def _section(text: str, accessory: Payload) -> Payload:
    return {"type": SECTION, "components": [_text(text)], "accessory": accessory}


def _buttons(buttons: Sequence[Payload]) -> Payload:
    return {"type": ROW, "components": list(buttons)}


def _select(custom: Custom, options: Sequence[Payload], placeholder: str = "") -> Payload:
    menu: Payload = {"type": SELECT, "custom_id": str(custom), "options": list(options)}
    if placeholder:
        menu["placeholder"] = words.clean(placeholder, 150)
    return {"type": ROW, "components": [menu]}


def _modal(custom: Custom, title: str, components: Sequence[Payload]) -> Payload:
    return {"custom_id": str(custom), "title": words.clean(title, 45), "components": list(components)}


def _labelled(code: str, component: Payload, language: str, help_: str = "") -> Payload:
    label: Payload = {"type": LABEL, "label": words.clean(words.say(code, {}, language), 45)}
    if help_:
        label["description"] = words.clean(words.say(help_, {}, language), 100)
    return {**label, "component": component}


def _field(custom_id: str, style: int, *, value: str = "", **more: object) -> Payload:
    field: Payload = {"type": TEXT_INPUT, "custom_id": custom_id, "style": style, **more}
    return {**field, "value": value} if value else field
