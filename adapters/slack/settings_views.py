"""What those who look after a workspace are shown in Slack: blocks for messages, modals and the Home. Pure.

Limits: https://docs.slack.dev/reference/block-kit/blocks, https://docs.slack.dev/reference/views
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from adapters import words
from adapters.slack.render import actions, button, context, escaped, header, plain, section
from bot.catalogue import Catalogue
from bot.jobs import Json
from bot.ports import KeyInfo, Look, Person, Record, Standing, Statement, Waiting, Working
from bot.rules import GROUPS, Changed, Key, Kind, Scope, ScopeKind, Shown, find_key

PAGE = "admin.page"
ADMIN = "admin"
"""The callback of every form of an admin; what it does stands in its metadata."""

PAGES = ("settings", "people", "jobs", "audit", "money", "keys", "files")
LISTED = 20
CHANGES = 90
"""Of an import; a modal holds 100 blocks."""

LONGEST_VALUE = 300
LONGEST_INPUT = 3000

PICKERS = {
    Kind.CHANNEL: ("conversations_select", "initial_conversation", ("C", "G")),
    Kind.CHANNELS: ("multi_conversations_select", "initial_conversations", ("C", "G")),
    Kind.PEOPLE: ("multi_users_select", "initial_users", ("U", "W")),
}
"""Settings whose values are picked from what the workspace has: the element, where in it what is picked
already stands, and the letters with which such ids begin."""


def scope_mention(scope: Scope, language: str) -> str:
    match scope.kind:
        case ScopeKind.CHANNEL:
            return f"<#{scope.id}>"
        case ScopeKind.ROLE:
            return f"<!subteam^{scope.id}>"
        case _:
            return escaped(words.say("web_admin.scope_server", {}, language))


# -- pages: the same in a message and in a modal


def menu(language: str) -> list[Json]:
    """The way to every page; what stands on the Home of those who may."""
    buttons = [
        button(f"{PAGE}.{page}", words.say(f"web_admin.{page}", {}, language), _first(page)) for page in PAGES
    ]
    return [header(words.say("web_admin.title", {}, language)), actions(buttons[:5]), actions(buttons[5:])]


def _first(page: str) -> str:
    return f"settings {GROUPS[0]} server" if page == "settings" else page


def settings(
    shown: Sequence[Shown], scope: Scope, group: str, catalogue: Catalogue, language: str
) -> list[Json]:
    """The settings of a group, each with a button to change it; and the other groups."""
    groups = [_option(words.say(f"group.{one}", {}, language), f"settings {one} {scope}") for one in GROUPS]
    chosen = next(one for one in groups if one["value"].split()[1] == group)
    select = {
        "type": "static_select",
        "action_id": f"{PAGE}.group",
        "options": groups,
        "initial_option": chosen,
    }
    blocks = [section(f"*{scope_mention(scope, language)}*"), actions([select])]
    for one in shown:
        key = find_key(one.key, catalogue)
        if key.group == group and scope.kind in key.scopes:
            edit = button("admin.edit", words.say("button.edit", {}, language), f"{one.key} {scope}")
            blocks.append({**section(_line(one, scope, language)), "accessory": edit})
    return blocks


def _line(one: Shown, scope: Scope, language: str) -> str:
    value = escaped(words.clean(words.setting_value(one.value, language), LONGEST_VALUE))
    return f"`{one.key}` *{value}*\n{_told(one, scope, language)}"


def _told(one: Shown, scope: Scope, language: str) -> str:
    where = (
        words.say("web_admin.set_here", {}, language)
        if one.origin == str(scope)
        else words.origin(one.origin, language)
    )
    return escaped(f"{words.setting(one.key, language)} {where}.")


def setting(one: Shown, scope: Scope, language: str) -> list[Json]:
    edit = button("admin.edit", words.say("button.edit", {}, language), f"{one.key} {scope}")
    return [
        section(f"*{scope_mention(scope, language)}*"),
        {**section(_line(one, scope, language)), "accessory": edit},
    ]


def changed(changes: Sequence[Changed], language: str) -> list[Json]:
    """What was changed."""
    return [
        section(
            "\n".join([escaped(words.say("web_admin.saved", {}, language)), *_differences(changes, language)])
        )
    ]


def _differences(changes: Iterable[Changed], language: str) -> list[str]:
    lines = []
    for one in changes:
        lines.append(f"`{one.key}` · {scope_mention(one.scope, language)}")
        for sign, value in (("-", one.before), ("+", one.after)):
            if value is not None:
                said = words.clean(words.setting_value(value, language), LONGEST_VALUE)
                lines.append(f"{sign} {escaped(said)}")
    return lines


def people(found: Sequence[Person], language: str) -> list[Json]:
    blocks = [section(escaped(words.say("web_admin.people_lead", {}, language)))]
    for one in found[:LISTED]:
        until = (
            f"<!date^{int(one.until)}^{{date_short_pretty}} {{time}}|{int(one.until)}>" if one.until else ""
        )
        standing = words.say(f"web_admin.{one.standing}", {}, language)
        parts = [f"<@{one.id}> *{escaped(standing)}*", escaped(words.clean(one.reason, LONGEST_VALUE)), until]
        by = escaped(words.say("web_admin.by", {"name": one.by}, language))
        code = "unblock" if one.standing is Standing.BLOCKED else "distrust"
        back = button("admin.clear", words.say(f"web_admin.{code}", {}, language), one.id)
        text = f"{' · '.join(part for part in parts if part)}\n{by}"
        blocks.append({**section(text), "accessory": back})
    if not found:
        blocks.append(section(escaped(words.say("web_admin.people_none", {}, language))))
    new = button("admin.stand", words.say("web_admin.people_new", {}, language), "new")
    return [*blocks, *_more(len(found) - LISTED, language), actions([new])]


def jobs(looks: Sequence[Look], language: str) -> list[Json]:
    if not looks:
        return [section(escaped(words.say("web_admin.jobs_none", {}, language)))]
    blocks = []
    for look in looks[:LISTED]:
        runs = isinstance(look.notice, Waiting | Working)
        name = "cancel" if runs else "remove"
        act = button(f"admin.{name}", words.say(f"button.{name}", {}, language), look.job.id)
        state = escaped(words.state(look.notice, language))
        text = f"*{state}* · <@{look.card.actor.id}>\n{escaped(words.clean(look.card.text, LONGEST_VALUE))}"
        blocks.append({**section(text), "accessory": {**act, "style": "danger"}})
    return blocks


def audit(records: Sequence[Record], language: str) -> list[Json]:
    if not records:
        return [section(escaped(words.say("web_admin.audit_none", {}, language)))]
    blocks = []
    for one in records[:LISTED]:
        did = words.say(f"web_admin.did_{one.action}", {}, language)
        when = f"<!date^{int(one.at)}^{{date_short_pretty}} {{time}}|{int(one.at)}>"
        who = words.clean(one.by_name or one.by_id or "?", 60)
        text = f"{when} *{escaped(who)}* {escaped(did)} `{escaped(words.clean(one.subject, 120))}`"
        if one.before is not None or one.after is not None:
            values = (words.clean(words.setting_value(v, language), 120) for v in (one.before, one.after))
            text += f"\n{escaped(' → '.join(values))}"
        blocks.append(section(text))
    older = button(f"{PAGE}.older", words.say("web_admin.older", {}, language), f"audit {records[-1].id}")
    csv = button("admin.csv", words.say("web_admin.audit_csv", {}, language), "csv")
    return [*blocks, actions([older, csv] if len(records) >= LISTED else [csv])]


def money(statement: Statement, language: str) -> list[Json]:
    lines = [f"*{escaped(words.say('web_admin.money', {}, language))}* · {escaped(statement.zone)}"]
    for one in statement.budgets:
        what = words.say(f"web_admin.{one.code}", {}, language)
        limit = (
            words.say("web_admin.of_budget", {"limit": words.dollars(one.limit)}, language)
            if one.limit is not None
            else words.say("web_admin.no_budget", {}, language)
        )
        lines.append(f"{escaped(what)}: *{words.dollars(one.used)}* {escaped(limit)}")
    blocks = [section("\n".join(lines))]
    for charge in statement.open[:LISTED]:
        settle = button("admin.settle", words.say("discord_admin.settle", {}, language), charge.job)
        text = f"`{charge.job}` /{charge.model} · {words.dollars(charge.reserved)}"
        blocks.append({**section(text), "accessory": settle})
    return [*blocks, *_more(len(statement.open) - LISTED, language)]


def keys(there: Sequence[KeyInfo], offered: Sequence[str], language: str) -> list[Json]:
    if not offered:
        return [section(escaped(words.say("web_admin.keys_no_provider", {}, language)))]
    by = {one.provider: one for one in there}
    blocks = [section(escaped(words.say("web_admin.keys_lead", {}, language)))]
    for provider in offered[:LISTED]:
        if (info := by.get(provider)) is None:
            said = words.say("web_admin.unset", {}, language)
            act = button("admin.key", words.say("web_admin.key_set", {}, language), provider)
        else:
            said = words.say("web_admin.by", {"name": info.by}, language)
            act = button("admin.drop", words.say("web_admin.key_drop", {}, language), provider)
            act = {**act, "style": "danger"}
        blocks.append({**section(f"*{escaped(provider)}*\n{escaped(said)}"), "accessory": act})
    return blocks


def files(language: str) -> list[Json]:
    out = button("admin.export", words.say("slack_admin.export", {}, language), "export")
    back = button("admin.import", words.say("slack_admin.import", {}, language), "import")
    return [section(escaped(words.say("web_admin.files_lead", {}, language))), actions([out, back])]


# -- forms


def setting_form(one: Shown, key: Key, scope: Scope, language: str) -> Json:
    """A modal with the fitting control and the present value; words alone where that fits into no field."""
    where = scope_mention(scope, language)
    lead = section(f"`{one.key}` · {where}\n{_told(one, scope, language)}")
    if len(one.text) > LONGEST_INPUT and not _is_picked(one, key):
        return page([lead, section(escaped(words.say("slack_admin.too_long", {}, language)))], language)
    about = {"do": "set", "key": one.key, "scope": str(scope)}
    field = _input("value", one.key, _control(one, key, language), optional=True)
    hint = context(escaped(words.say("slack_admin.empty_unsets", {}, language)))
    return _form(about, words.say("web_admin.settings", {}, language), [lead, field, hint], language)


def _control(one: Shown, key: Key, language: str) -> Json:
    here = one.value if one.value not in (None, [], "") else None
    if _is_picked(one, key):
        kind, initial, _ = PICKERS[key.kind]
        element: dict[str, Any] = {"type": kind}
        return element if here is None else {**element, initial: here}
    if key.kind is Kind.CHOICE:
        options = [
            _option(words.say(f"web_admin.choice_{choice}", {}, language), choice) for choice in key.choices
        ]
        element = {"type": "static_select", "options": options}
        if (chosen := next((one for one in options if one["value"] == here), None)) is not None:
            element["initial_option"] = chosen
        return element
    element = {"type": "plain_text_input", "multiline": True, "max_length": LONGEST_INPUT}
    if one.text:
        element["initial_value"] = one.text
    return element


def _is_picked(one: Shown, key: Key) -> bool:
    """Not where the picker would drop something that is set, such as a user group among people."""
    if key.kind not in PICKERS:
        return False
    ids = one.value if isinstance(one.value, list) else [one.value] if one.value else []
    return all(str(id_).startswith(PICKERS[key.kind][2]) for id_ in ids)


def stand_form(person: str, language: str) -> Json:
    """Whom to block or trust, until when, and why."""
    users: dict[str, Any] = {"type": "users_select"}
    if person:
        users["initial_user"] = person
    kinds = [_option(words.say(f"web_admin.{one}", {}, language), one) for one in ("block", "trust")]
    standing = {"type": "static_select", "options": kinds, "initial_option": kinds[0]}
    until = {"type": "plain_text_input", "max_length": 30, "placeholder": plain("7d", 10)}
    reason = {"type": "plain_text_input", "multiline": True, "max_length": 500}
    blocks = [
        _input("person", words.say("discord_admin.person", {}, language), users),
        _input("standing", words.say("web_admin.standing", {}, language), standing),
        _input("until", words.say("discord_admin.until", {}, language), until, optional=True),
        _input("reason", words.say("web_admin.reason", {}, language), reason, optional=True),
    ]
    return _form({"do": "stand"}, words.say("web_admin.people", {}, language), blocks, language)


def key_form(provider: str, language: str) -> Json:
    """Asks for a key; what is typed goes to nobody but us, and is shown to nobody again."""
    element = {"type": "plain_text_input", "max_length": 500}
    lead = section(escaped(words.say("web_admin.key_help", {}, language)))
    field = _input("key", words.say("web_admin.key", {}, language), element)
    about = {"do": "key", "provider": provider}
    return _form(about, words.say("web_admin.keys", {}, language), [lead, field], language)


def settle_form(job: str, language: str) -> Json:
    element = {"type": "plain_text_input", "max_length": 30, "placeholder": plain("0.25", 10)}
    lead = section(escaped(words.say("discord_admin.cost_help", {}, language)))
    field = _input("cost", words.say("discord_admin.cost", {}, language), element)
    return _form(
        {"do": "settle", "job": job}, words.say("web_admin.money", {}, language), [lead, field], language
    )


def import_form(language: str) -> Json:
    """A file, or what fits into a field."""
    file = _input(
        "file",
        words.say("slack_admin.file", {}, language),
        {"type": "file_input", "max_files": 1},
        optional=True,
    )
    element = {"type": "plain_text_input", "multiline": True, "max_length": LONGEST_INPUT}
    text = _input("text", words.say("slack_admin.pasted", {}, language), element, optional=True)
    return _form({"do": "import"}, words.say("web_admin.files", {}, language), [file, text], language)


def proposal(changes: Sequence[Changed], token: str, language: str) -> Json:
    """What an import would change; submitted, it does."""
    if not changes:
        return page([section(escaped(words.say("discord_admin.no_changes", {}, language)))], language)
    lead = words.say("discord_admin.would_change", {"count": len(changes)}, language)
    lines = (section("\n".join(_differences([one], language))) for one in changes[:CHANGES])
    blocks = [section(f"*{escaped(lead)}*"), *lines, *_more(len(changes) - CHANGES, language)]
    return _form(
        {"do": "apply", "token": token}, words.say("web_admin.files", {}, language), blocks, language
    )


def _more(count: int, language: str) -> list[Json]:
    """That there is more than what is shown."""
    if count <= 0:
        return []
    return [context(escaped(words.say("discord_admin.and_more", {"count": count}, language)))]


def report_form(job: str, language: str) -> Json:
    element = {"type": "plain_text_input", "multiline": True, "max_length": 500}
    field = _input("reason", words.say("web_admin.reason", {}, language), element, optional=True)
    return _form({"do": "report", "job": job}, words.say("button.report", {}, language), [field], language)


def page(blocks: Sequence[Json], language: str) -> Json:
    """A modal that shows a page."""
    return {
        "type": "modal",
        "callback_id": "words",
        "title": plain(words.say("web_admin.title", {}, language), 24),
        "close": plain(words.say("slack.close", {}, language), 24),
        "blocks": list(blocks)[:100],
    }


def _form(about: Json, title: str, blocks: Sequence[Json], language: str) -> Json:
    return {
        "type": "modal",
        "callback_id": ADMIN,
        "private_metadata": json.dumps(about),
        "title": plain(title, 24),
        "submit": plain(words.say("web_admin.save", {}, language), 24),
        "close": plain(words.say("slack.close", {}, language), 24),
        "blocks": list(blocks)[:100],
    }


def _input(block: str, label: str, element: Json, *, optional: bool = False) -> Json:
    return {
        "type": "input",
        "block_id": block,
        "label": plain(label, 75),
        "optional": optional,
        "element": {**element, "action_id": "value"},
    }


def _option(text: str, value: str) -> Json:
    return {"text": plain(text, 75), "value": value}


def filled(view: Json) -> dict[str, Json]:
    """What was given in a form, by block: text, an id, or a list of ids; None where nothing was."""
    found: dict[str, Json] = {}
    for block, fields in view["state"]["values"].items():
        element = next(iter(fields.values()))
        option = element.get("selected_option")
        found[block] = (
            element.get("value")
            or element.get("files")
            or element.get("selected_conversations")
            or element.get("selected_conversation")
            or element.get("selected_users")
            or element.get("selected_user")
            or (option or {}).get("value")
        )
    return found


# -- to one person, and news


def question(sentence: str, token: str, language: str) -> dict[str, Json]:
    """Whether somebody agrees to what a job may cost."""
    go = {**button("admin.go", words.say("confirm.yes", {}, language), token), "style": "primary"}
    return {"text": sentence, "blocks": [section(escaped(sentence)), actions([go])]}


def forget(language: str) -> dict[str, Json]:
    sentence = words.say("discord_admin.forget_ask", {}, language)
    go = button("admin.forget", words.say("discord_admin.forget_yes", {}, language), "yes")
    return {"text": sentence, "blocks": [section(escaped(sentence)), actions([{**go, "style": "danger"}])]}


def telling(code: str, facts: Json, link: str | None, language: str) -> dict[str, Json]:
    """News for those who look after the workspace; of a report, with what they can do."""
    sentence = words.say(f"telling.{code}", facts, language)
    blocks = [section(escaped(sentence))]
    if code == "report":
        remove = button("admin.remove", words.say("button.remove", {}, language), facts["job"])
        block = button("admin.block", words.say("web_admin.block_who", {}, language), facts["owner_id"])
        open_ = {**button("admin.open", words.say("button.open", {}, language), "open"), "url": link}
        buttons = [{**remove, "style": "danger"}, block, *([open_] if link else [])]
        blocks.append(actions(buttons))
    return {"text": sentence, "blocks": blocks}
