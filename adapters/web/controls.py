"""Which control of /admin fits a setting, and where it may stand. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from bot.catalogue import Catalogue, Input, Type
from bot.jobs import Json
from bot.rules import Kind, find_key
from bot.rules.scope import ScopeKind

PLAIN: Mapping[Kind, Json] = {
    Kind.COMMANDS: {"kind": "models"},
    Kind.CHANNELS: {"kind": "channels"},
    Kind.CHANNEL: {"kind": "channel"},
    Kind.PEOPLE: {"kind": "lines"},
    Kind.WORDS: {"kind": "lines"},
    Kind.PATTERNS: {"kind": "lines"},
    Kind.INPUT_LIST: {"kind": "lines"},
    Kind.DAYS: {"kind": "number", "unit": "days", "least": 1},
    Kind.COUNT: {"kind": "number", "unit": "jobs", "least": 0},
    Kind.MONEY: {"kind": "money"},
    Kind.MONEY_OR_REFUSE: {"kind": "money", "words": True},
    Kind.ZONE: {"kind": "text", "example": "Europe/Zurich"},
}


def control_of(name: str, catalogue: Catalogue) -> Json:
    """What /admin is to make of a setting: the kind of control, and what that needs to know."""
    key = find_key(name, catalogue)
    match key.kind:
        case Kind.CHOICE:
            return {"kind": "choice", "choices": list(key.choices)}
        case Kind.COMMANDS:
            return {"kind": "models", "all": key.name == "models"}
        case Kind.INPUT if key.entry is not None:
            return _of_input(key.entry)
        case _:
            return PLAIN.get(key.kind, {"kind": "text"})


def _of_input(entry: Input) -> Json:
    if entry.type is Type.BOOLEAN:
        return {"kind": "switch"}
    if entry.choices:
        return {"kind": "choice", "choices": [str(choice) for choice in entry.choices]}
    return {"kind": "text"}


def group_of(name: str, catalogue: Catalogue) -> str:
    """The part of the page that it stands in."""
    return "inputs" if name.startswith("inputs.") else find_key(name, catalogue).group


def stands_here(name: str, scope: ScopeKind, catalogue: Catalogue) -> bool:
    """Whether it may be set in such a scope. Nobody on the page has a role: a list of those who may use it
    would lock out everybody."""
    key = find_key(name, catalogue)
    return scope in key.scopes and key.kind is not Kind.ROLES
