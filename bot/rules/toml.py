"""A server's settings as a TOML file, and back. Pure.

What holds for the whole server stands at the top; [channel."123"] and [role."456"] hold what differs there.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bot.catalogue import Catalogue
from bot.errors import BadOrder, Problem
from bot.jobs import Json
from bot.rules.changes import apply
from bot.rules.keys import GROUPS, KEYS, OF_INPUTS, PLAIN
from bot.rules.scope import SERVER, Change, Entry, Scope, ScopeKind

LARGEST_FILE = 256 * 1024
"""Characters of a file that is read."""

TABLES = (ScopeKind.CHANNEL.value, ScopeKind.ROLE.value)
PLACE = {key.name: place for place, key in enumerate(KEYS)}


def write_toml(entries: Iterable[Entry], catalogue: Catalogue) -> str:
    """All that is set, in the order of the documentation."""
    by_scope: dict[Scope, list[Entry]] = {SERVER: []}
    for entry in entries:
        by_scope.setdefault(entry.scope, []).append(entry)
    lines = ["# Threadreel's settings of one server; docs/settings.md says what each is for."]
    for scope in sorted(by_scope, key=str, reverse=True):
        if scope.id:
            continue
        lines += _lines(by_scope[scope])
    for scope in sorted((one for one in by_scope if one.id), key=str):
        lines += ["", f"[{scope.kind}.{_quoted(scope.id)}]", *_lines(by_scope[scope])]
    return "\n".join(lines) + "\n"


def _lines(entries: list[Entry]) -> Iterator[str]:
    for entry in sorted(entries, key=lambda one: (_place(one.key), one.key)):
        yield f"{entry.key} = {_value(entry.value)}"


def _place(key: str) -> tuple[int, int]:
    known = PLAIN.get(key) or OF_INPUTS[key.rpartition(".")[2]]
    return GROUPS.index(known.group), PLACE[known.name]


def _value(value: Json) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_value(one) for one in value)}]"
    return _quoted(value) if isinstance(value, str) else json.dumps(value)


def _quoted(text: str) -> str:
    """JSON's strings are TOML's, but for DEL, which TOML wants escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def read_toml(text: str, catalogue: Catalogue) -> tuple[Entry, ...]:
    """The settings of a file, in place of all others. BadOrder with every mistake."""
    if len(text) > LARGEST_FILE:
        raise BadOrder([Problem("too_long_file", None, {"limit": LARGEST_FILE // 1024})])
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also for numbers that Python refuses to read
        raise BadOrder([Problem("bad_toml", None, {"detail": str(error)[:200]})]) from None
    return apply((), list(_changes(data)), catalogue)[0]


def _changes(data: Mapping[str, Any]) -> Iterator[Change]:
    for kind in TABLES:
        of_kind = data.get(kind)
        if of_kind is not None and not isinstance(of_kind, Mapping):
            raise BadOrder([Problem("unknown_setting", kind, {"nearest": f'[{kind}."ID"]'})])
        for id_, table in (of_kind or {}).items():
            if not id_:
                raise BadOrder([Problem("unknown_setting", f'{kind}.""', {"nearest": f'[{kind}."ID"]'})])
            if not isinstance(table, Mapping):
                raise BadOrder([Problem("unknown_setting", f"{kind}.{id_}"[:100], {"nearest": None})])
            yield from _of_table(Scope(ScopeKind(kind), id_), table)
    yield from _of_table(SERVER, {key: value for key, value in data.items() if key not in TABLES})


def _of_table(scope: Scope, table: Mapping[str, Any]) -> Iterator[Change]:
    for key, value in flat(table):
        yield Change(scope, key, value)


def flat(table: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """The settings in a table, by dotted name, however it is nested."""
    for key, value in table.items():
        here = (*path, *key.split("."))
        if isinstance(value, Mapping) and len(here) < 6:
            yield from flat(value, here)
        else:
            yield ".".join(here), value


def defaults(table: Mapping[str, Any], catalogue: Catalogue) -> Mapping[str, Json]:
    """What the owner of the installation has set for every server. BadOrder with every mistake."""
    changes = [Change(SERVER, key, value) for key, value in flat(table)]
    return {entry.key: entry.value for entry in apply((), changes, catalogue)[0]}
