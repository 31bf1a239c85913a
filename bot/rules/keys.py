"""Every setting that there is: its kind, where it may be set, and the part of a page it belongs to. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

from bot.catalogue import Catalogue, Input, Model
from bot.catalogue.nearest import nearest
from bot.errors import BadOrder, Problem
from bot.jobs import Json
from bot.rules.scope import ScopeKind

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER_ONLY = frozenset({ScopeKind.SERVER})
CHANNELS = SERVER_ONLY | {ScopeKind.CHANNEL}
ROLES = SERVER_ONLY | {ScopeKind.ROLE}
ANYWHERE = CHANNELS | ROLES

INPUTS = "inputs"
BOUNDS = ("default", "min", "max", "only")


class Kind(StrEnum):
    """How a value is read, written and asked for."""

    COMMANDS = "commands"
    CHANNELS = "channels"
    ROLES = "roles"
    PEOPLE = "people"
    CHANNEL = "channel"
    CHOICE = "choice"
    WORDS = "words"
    PATTERNS = "patterns"
    DAYS = "days"
    ZONE = "zone"
    COUNT = "count"
    MONEY = "money"
    MONEY_OR_REFUSE = "money_or_refuse"
    INPUT = "input"
    INPUT_LIST = "input_list"


LISTS = frozenset(
    {
        Kind.COMMANDS,
        Kind.CHANNELS,
        Kind.ROLES,
        Kind.PEOPLE,
        Kind.WORDS,
        Kind.PATTERNS,
        Kind.INPUT_LIST,
    }
)
"""Kinds whose value is a list."""


@dataclass(frozen=True, slots=True)
class Key:
    """One setting. `name` as it is typed; in a pattern, COMMAND and INPUT stand for any.

    `default`: what holds where nobody has set anything. `help`: the code of the sentence that says what it is
    for. `group`: the part of a page that it belongs to.
    """

    name: str
    kind: Kind
    group: str
    scopes: frozenset[ScopeKind] = SERVER_ONLY
    default: Json = None
    choices: tuple[str, ...] = ()
    model: Model | None = field(default=None, compare=False, repr=False)
    entry: Input | None = field(default=None, compare=False, repr=False)

    @property
    def help(self) -> str:
        parts = self.name.split(".")
        return f"inputs_{parts[-1]}" if parts[0] == INPUTS else "_".join(parts)

    @property
    def is_list(self) -> bool:
        return self.kind in LISTS


def _keys() -> Iterator[Key]:
    yield Key("models", Kind.COMMANDS, "what", ANYWHERE)
    yield Key("models_off", Kind.COMMANDS, "what", ANYWHERE, [])
    for bound in BOUNDS:
        kind = Kind.INPUT_LIST if bound == "only" else Kind.INPUT
        yield Key(f"{INPUTS}.COMMAND.INPUT.{bound}", kind, "what", ANYWHERE)
    yield Key("channels", Kind.CHANNELS, "where")
    yield Key("channels_off", Kind.CHANNELS, "where", default=[])
    yield Key("results", Kind.CHOICE, "where", CHANNELS, choices=("thread", "reply", "channel"))
    yield Key("language", Kind.CHOICE, "where", CHANNELS, choices=("en", "zh"))
    yield Key("roles", Kind.ROLES, "who", CHANNELS)
    yield Key("admins", Kind.PEOPLE, "who", default=[])
    yield Key("notices_channel", Kind.CHANNEL, "who")
    yield Key("review_channel", Kind.CHANNEL, "who")
    adults = ("anywhere", "age_restricted", "never")
    yield Key("adults", Kind.CHOICE, "safety", CHANNELS, "anywhere", adults)
    yield Key("words", Kind.WORDS, "safety", CHANNELS, [])
    yield Key("patterns", Kind.PATTERNS, "safety", CHANNELS, [])
    yield Key("keep_media_days", Kind.DAYS, "keeping")
    yield Key("keep_prompts_days", Kind.DAYS, "keeping")
    yield Key("timezone", Kind.ZONE, "limits", default="UTC")
    for whose, scopes in (("person", ROLES), ("channel", CHANNELS), ("server", SERVER_ONLY)):
        for span in ("at_once", "per_minute", "per_day", "per_month"):
            yield Key(f"limit.{whose}.{span}", Kind.COUNT, "limits", scopes)
    for whose, scopes in (("person", ROLES), ("channel", CHANNELS), ("server", SERVER_ONLY)):
        for span in ("day", "month"):
            yield Key(f"budget.{whose}.{span}", Kind.MONEY, "money", scopes)
    yield Key("ask_above", Kind.MONEY, "money", ANYWHERE)
    yield Key("unknown_price", Kind.MONEY_OR_REFUSE, "money")


KEYS: tuple[Key, ...] = tuple(_keys())
GROUPS: tuple[str, ...] = ("what", "where", "who", "limits", "money", "safety", "keeping")
PLAIN = {key.name: key for key in KEYS if not key.name.startswith(INPUTS)}
OF_INPUTS = {key.name.rpartition(".")[2]: key for key in KEYS if key.name.startswith(INPUTS)}


def find_key(name: str, catalogue: Catalogue) -> Key:
    """The setting of this name, in any case; BadOrder names the nearest where there is none.

    The bound of an input comes with its model and input, and under its short name.
    """
    wanted = name.strip().lower().replace("-", "_")
    if found := PLAIN.get(wanted):
        return found
    if wanted.startswith(f"{INPUTS}."):
        return _of_input(name, wanted.split("."), catalogue)
    raise BadOrder([Problem("unknown_setting", name[:100], {"nearest": nearest(wanted, PLAIN)})])


def _of_input(name: str, parts: list[str], catalogue: Catalogue) -> Key:
    """ "inputs.animate.frames.max" """
    if len(parts) != 4 or parts[3] not in BOUNDS:
        raise BadOrder([Problem("unknown_setting", name[:100], {"nearest": "inputs.COMMAND.INPUT.max"})])
    model = next((one for one in catalogue if one.command == parts[1]), None)
    entry = model.input(parts[2]) if model else None
    if model is None or entry is None or entry.is_file:
        known = all_names(catalogue) if model is None else _names_of(model)
        raise BadOrder([Problem("unknown_setting", name[:100], {"nearest": nearest(".".join(parts), known)})])
    key = OF_INPUTS[parts[3]]
    if parts[3] in ("min", "max") and entry.minimum is None and entry.maximum is None:
        raise BadOrder([Problem("no_bound", name[:100], {})])
    return Key(
        f"{INPUTS}.{model.command}.{entry.alias}.{parts[3]}",
        key.kind,
        key.group,
        key.scopes,
        model=model,
        entry=entry,
    )


def _names_of(model: Model) -> Iterator[str]:
    for entry in model.inputs:
        if entry.is_file:
            continue
        bounded = entry.minimum is not None or entry.maximum is not None
        for bound in BOUNDS:
            if bounded or bound not in ("min", "max"):
                yield f"{INPUTS}.{model.command}.{entry.alias}.{bound}"


@cache
def _all_names(catalogue: Catalogue) -> tuple[str, ...]:
    return (*PLAIN, *(name for model in catalogue for name in _names_of(model)))


def all_names(catalogue: Catalogue) -> tuple[str, ...]:
    """The name of every setting, those of inputs last."""
    return _all_names(catalogue)


def complete(text: str, catalogue: Catalogue, limit: int = 25) -> tuple[str, ...]:
    """Names that begin with what was typed, then those that hold it."""
    typed = text.strip().lower()
    names = all_names(catalogue)
    first = [name for name in names if name.startswith(typed)]
    return tuple((first + [name for name in names if typed in name and name not in first])[:limit])
