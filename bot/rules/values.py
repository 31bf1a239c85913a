"""The value of a setting: from what was typed, or stands in a file, to what is kept; and back. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, NoReturn
from zoneinfo import available_timezones

from bot.catalogue import Catalogue, Type
from bot.catalogue.nearest import nearest
from bot.catalogue.values import read as read_input
from bot.errors import BadOrder, Problem
from bot.jobs import Json
from bot.rules.filters import BadPattern, check_pattern, check_word
from bot.rules.keys import Key, Kind, find_key

MOST_ITEMS = 500
LONGEST_ITEM = 200
MOST_COUNT = 1_000_000
MOST_MONEY = Decimal(1_000_000)
MOST_DAYS = 3650
REFUSE = "refuse"
ALL = ("*", "all")

MENTION = re.compile(r"<(?:[@#][&!]?|!subteam\^)([A-Za-z0-9]+)(?:\|[^>]*)?>")
"""How Discord and Slack write channels, people and roles: <#1>, <@!1>, <@&1>, <#C1|name>, <!subteam^S1>."""

AMOUNT = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,6}|,(?![0-9]{3}$)[0-9]{1,6})?")
HUGE = 10**30

ID = re.compile(r"[A-Za-z0-9_.:@-]{1,64}")


def read(name: str, raw: object, catalogue: Catalogue) -> Json:
    """What is kept: lists without doubles, sorted; money as text, "2.50". BadOrder with every mistake."""
    key = find_key(name, catalogue)
    if key.is_list:
        return _read_list(key, raw, catalogue)
    return _READERS[key.kind](key, raw)


def text_of(name: str, value: Json) -> str:
    """As somebody would type it."""
    if isinstance(value, list):
        separator = "\n" if name == "patterns" else ", "
        return separator.join(_scalar_text(one) for one in value)
    return _scalar_text(value)


def _scalar_text(value: Json) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def suggestions(name: str, text: str, catalogue: Catalogue, limit: int = 25) -> tuple[str, ...]:
    """Values that begin with what was typed, then those that hold it; of a list, the item that is typed."""
    try:
        key = find_key(name, catalogue)
    except BadOrder:
        return ()
    before, comma, typed = text.rpartition(",") if key.is_list else ("", "", text)
    there = {one.strip() for one in before.split(",")}
    known = [one for one in _known(key, catalogue) if one not in there]
    wanted = typed.strip().lower()
    first = [one for one in known if one.lower().startswith(wanted)]
    found = first + [one for one in known if wanted in one.lower() and one not in first]
    return tuple(f"{before}{comma} {one}".strip() for one in found[:limit])


def _known(key: Key, catalogue: Catalogue) -> Iterable[str]:
    match key.kind:
        case Kind.COMMANDS:
            return [model.command for model in catalogue]
        case Kind.CHOICE:
            return key.choices
        case Kind.ZONE:
            return sorted(zones())
        case Kind.MONEY_OR_REFUSE:
            return [REFUSE]
        case Kind.INPUT | Kind.INPUT_LIST if key.entry is not None:
            if key.entry.type is Type.BOOLEAN:
                return ["yes", "no"]
            return [str(choice) for choice in key.entry.choices]
        case _:
            return []


@cache
def zones() -> frozenset[str]:
    """The time zones of the IANA database."""
    return frozenset(available_timezones())


def _wrong(key: Key, code: str, **facts: Any) -> NoReturn:
    raise BadOrder([Problem(code, key.name, facts)])


def _told(raw: object) -> str:
    """What was given, as far as anybody wants to read it again."""
    if isinstance(raw, int) and not -HUGE < raw < HUGE:
        return "a very large number"  # Python itself refuses to write it down
    return str(raw)[:80].strip() or "-"


# -- lists


def _read_list(key: Key, raw: object, catalogue: Catalogue) -> Json:
    items = _items(key, raw)
    if len(items) > MOST_ITEMS:
        _wrong(key, "too_many_in_list", count=len(items), limit=MOST_ITEMS)
    found: list[Json] = []
    problems: list[Problem] = []
    for item in items:
        try:
            value = _read_item(key, item, catalogue)
        except BadOrder as error:
            problems += error.problems
        else:
            if value not in found:
                found.append(value)
    if problems:
        raise BadOrder(problems)
    if key.kind is Kind.COMMANDS and "*" in found:
        return ["*"]
    return found if key.kind is Kind.PATTERNS else sorted(found, key=lambda one: (str(type(one)), one))


def _items(key: Key, raw: object) -> list[object]:
    if isinstance(raw, list | tuple):
        return [item.strip() if isinstance(item, str) else item for item in raw]
    if not isinstance(raw, str):
        _wrong(key, "setting_list")
    parts = raw.splitlines() if key.kind is Kind.PATTERNS else re.split(r"[,;\n]", MENTION.sub(r" \1,", raw))
    return [part.strip() for part in parts if part.strip()]


def _read_item(key: Key, item: object, catalogue: Catalogue) -> Json:
    if key.kind is Kind.INPUT_LIST:
        return _read_input(key, item)
    if not isinstance(item, str | int) or isinstance(item, bool):
        _wrong(key, "setting_list")
    text = str(item)
    if len(text) > LONGEST_ITEM:
        _wrong(key, "setting_too_long", limit=LONGEST_ITEM)
    match key.kind:
        case Kind.COMMANDS:
            return _read_command(key, text, catalogue)
        case Kind.WORDS:
            if not check_word(text):
                _wrong(key, "bad_word", value=text)
            return " ".join(text.split())
        case Kind.PATTERNS:
            try:
                check_pattern(text)
            except BadPattern as error:
                _wrong(key, "bad_pattern", value=text, detail=str(error))
            return text
        case _:
            return _read_id(key, text)


def _read_command(key: Key, text: str, catalogue: Catalogue) -> str:
    command = text.lower().lstrip("/")
    if command in ALL:
        return "*"
    commands = [model.command for model in catalogue]
    for model in catalogue:
        if command in (model.command, model.full_name.lower()):
            return model.command
    _wrong(key, "no_such_command", value=text, nearest=nearest(command, commands))


def _read_id(key: Key, raw: object) -> str:
    text = MENTION.sub(r"\1", _told(raw)).strip()
    if isinstance(raw, bool | float | list | Mapping) or not ID.fullmatch(text):
        _wrong(key, f"bad_id_{key.kind.value}", value=_told(raw))
    return text


# -- single values


def _read_choice(key: Key, raw: object) -> Json:
    text = str(raw).strip().lower().replace("-", "_")
    if text not in key.choices:
        close = nearest(text, key.choices)
        _wrong(key, "not_a_choice", value=_told(raw), choices=key.choices, nearest=close)
    return text


def _read_zone(key: Key, raw: object) -> Json:
    text = str(raw).strip().replace(" ", "_")
    by_folded = {zone.casefold(): zone for zone in zones()}
    if found := by_folded.get(text.casefold()):
        return found
    _wrong(key, "no_such_zone", value=text[:80] or None, nearest=nearest(text, zones()))


def _read_count(key: Key, raw: object) -> Json:
    if isinstance(raw, str) and re.fullmatch(r"\s*[0-9]{1,9}\s*", raw):
        raw = int(raw)
    if not isinstance(raw, int) or isinstance(raw, bool) or not 0 <= raw <= MOST_COUNT:
        _wrong(key, "bad_count", value=_told(raw), maximum=MOST_COUNT)
    return raw


def _read_money(key: Key, raw: object) -> Json:
    """US dollars, kept to the micro-dollar. A comma is a decimal point, but never before three digits: those
    who write 1,000 mean a thousand, and others one."""
    text = re.sub(r"(?i)^\s*(us)?\s*\$|\s*(usd|\$)\s*$", "", _told(raw)).strip()
    match = AMOUNT.fullmatch(text) if not isinstance(raw, bool) else None
    amount = Decimal(text.replace(",", ".")) if match else None
    if amount is None or not 0 <= amount <= MOST_MONEY:
        _wrong(key, "bad_money", value=_told(raw), maximum=int(MOST_MONEY))
    whole, _, fraction = f"{amount:f}".partition(".")
    return f"{int(whole)}.{fraction.rstrip('0'):0<2}"


def _read_money_or_refuse(key: Key, raw: object) -> Json:
    return REFUSE if str(raw).strip().lower() == REFUSE else _read_money(key, raw)


def _read_days(key: Key, raw: object) -> Json:
    match = re.fullmatch(r"\s*([0-9]{1,5}(?:\.[0-9]{1,6})?)\s*", _told(raw))
    days = float(match[1]) if match and not isinstance(raw, bool) else 0.0
    if not 0 < days <= MOST_DAYS:
        _wrong(key, "bad_days", value=_told(raw), maximum=MOST_DAYS)
    return int(days) if days.is_integer() else days


def _read_input(key: Key, raw: object) -> Json:
    """Within what the model itself takes."""
    if key.entry is None:
        raise ValueError(f"{key.name} is no input of a model")
    try:
        value = read_input(key.entry, key.name, raw)
    except BadOrder as error:
        raise BadOrder([Problem(one.code, key.name, one.facts) for one in error.problems]) from None
    return value if isinstance(value, str | int | float | bool) else None


_READERS: Mapping[Kind, Callable[[Key, object], Json]] = {
    Kind.CHOICE: _read_choice,
    Kind.ZONE: _read_zone,
    Kind.COUNT: _read_count,
    Kind.MONEY: _read_money,
    Kind.MONEY_OR_REFUSE: _read_money_or_refuse,
    Kind.DAYS: _read_days,
    Kind.CHANNEL: _read_id,
    Kind.INPUT: _read_input,
}
