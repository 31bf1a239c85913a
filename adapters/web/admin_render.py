"""What the core tells those who look after the page -> what /admin is told. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from adapters import words
from adapters.web.controls import control_of, group_of, stands_here
from bot.catalogue import Catalogue
from bot.jobs import Actor, Json
from bot.ports import Look, Money, OpenCharge, Person, Ready, Record, Statement, Waiting, Working
from bot.rules import GROUPS
from bot.rules.scope import Changed, Scope, Shown
from bot.store.notices import News

COMMAND = 300
"""Characters of a command that a line of a list shows."""


def who(actor: Actor) -> Json:
    return {"id": actor.id, "name": words.clean(actor.name, 60)}


def news(one: News, language: str) -> Json:
    return {"id": one.id, "at": one.created_at, "text": words.say(f"telling.{one.code}", one.facts, language)}


def models(catalogue: Catalogue, language: str) -> Json:
    """What the controls offer: commands, and the options of each."""
    return [
        {
            "command": model.command,
            "title": words.model_title(model, language),
            "inputs": [entry.alias for entry in model.inputs if not entry.is_file],
        }
        for model in catalogue
    ]


# -- settings


def settings(shown: Sequence[Shown], scope: Scope, catalogue: Catalogue, language: str) -> Json:
    """The settings that may be set there, in their groups; those of commands' options last."""
    groups: dict[str, list[Json]] = {group: [] for group in (*GROUPS, "inputs")}
    for one in shown:
        if stands_here(one.key, scope.kind, catalogue):
            groups[group_of(one.key, catalogue)].append(_setting(one, scope, catalogue, language))
    return [
        {"group": group, "title": words.say(f"group.{group}", {}, language), "settings": found}
        for group, found in groups.items()
        if found or group == "inputs"
    ]


def _setting(one: Shown, scope: Scope, catalogue: Catalogue, language: str) -> Json:
    here = one.origin == str(scope)
    return {
        "key": one.key,
        "help": words.setting(one.key, language),
        "value": one.value,
        "text": one.text,
        "origin": one.origin,
        "origin_text": words.say("web_admin.set_here", {}, language)
        if here
        else words.origin(one.origin, language),
        "here": here,
        "control": control_of(one.key, catalogue),
    }


def changes(changed: Iterable[Changed], language: str) -> Json:
    return [
        {
            "scope": str(one.scope),
            "key": one.key,
            "before": words.setting_value(one.before, language) if one.before is not None else None,
            "after": words.setting_value(one.after, language) if one.after is not None else None,
        }
        for one in changed
    ]


# -- people, jobs, the audit


def person(one: Person) -> Json:
    return {
        "id": one.id,
        "name": words.clean(one.name, 100),
        "standing": one.standing.value,
        "reason": words.clean(one.reason, 500),
        "until": one.until,
        "by": words.clean(one.by, 100),
        "at": one.changed_at,
    }


def job(look: Look, language: str) -> Json:
    notice = look.notice
    return {
        "id": look.job.id,
        "at": look.card.created_at,
        "person": who(look.card.actor),
        "text": words.clean(look.card.text, COMMAND),
        "state": type(notice).__name__.lower(),
        "word": words.state(notice, language),
        "sentence": words.notice(notice, language),
        "channel": look.job.channel,
        "cost": words.money(look.job.cost, language) if isinstance(notice, Ready) else None,
        "runs": isinstance(notice, Waiting | Working),
    }


def record(one: Record, language: str) -> Json:
    return {
        "id": one.id,
        "at": one.at,
        "by": words.clean(one.by_name or one.by_id, 100),
        "action": one.action.value,
        "word": words.say(f"web_admin.did_{one.action.value}", {}, language),
        "subject": words.clean(one.subject, 200),
        "before": _told(one.before, language),
        "after": _told(one.after, language),
    }


def _told(value: Json, language: str) -> str | None:
    if value is None:
        return None
    if isinstance(value, Mapping):
        said = (
            f"{name}: {words.setting_value(one, language)}"
            for name, one in value.items()
            if one not in (None, "")
        )
        return words.clean("; ".join(said), 1000)
    return words.setting_value(value, language)


# -- money


def statement(statement: Statement, language: str) -> Json:
    return {
        "zone": statement.zone,
        "budgets": [_budget(one, language) for one in statement.budgets],
        "open": [_charge(one, language) for one in statement.open],
    }


def _budget(one: Money, language: str) -> Json:
    return {
        "title": words.say(f"web_admin.{one.code}", {}, language),
        "period": one.period,
        "used": words.dollars(one.used),
        "limit": words.dollars(one.limit) if one.limit is not None else None,
        "share": _share(one.used, one.limit),
        "resets_at": one.resets_at,
    }


def _share(used: Decimal, limit: Decimal | None) -> float | None:
    """How much of a budget is used: 0 to 1, and 1 where there is none to use."""
    if limit is None:
        return None
    return float(min(used / limit, Decimal(1))) if limit else 1.0


def _charge(one: OpenCharge, language: str) -> Json:
    return {
        "job": one.job,
        "model": one.model,
        "provider": one.provider,
        "at": one.at,
        "reserved": words.dollars(one.reserved),
    }
