"""Settings changed, all of them or none; and what is different between two lots of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bot.catalogue import Catalogue
from bot.errors import BadOrder, Problem
from bot.jobs import Json
from bot.rules.keys import INPUTS, find_key
from bot.rules.scope import Change, Changed, Entry, Scope
from bot.rules.values import ID, read

MOST_ENTRIES = 2000
"""Settings of one server: more than anybody keeps in mind, few enough to be read with each change."""


def apply(
    entries: Iterable[Entry], changes: Sequence[Change], catalogue: Catalogue
) -> tuple[tuple[Entry, ...], tuple[Changed, ...]]:
    """The settings with these changes, and what changed. BadOrder with every mistake in them."""
    before = {(one.scope, one.key): one.value for one in entries}
    after = dict(before)
    problems: list[Problem] = []
    for change in changes:
        try:
            key, value = _read(change, catalogue)
        except BadOrder as error:
            problems += error.problems
            continue
        if value is None:
            after.pop((change.scope, key), None)
        else:
            after[change.scope, key] = value
    problems += _crossed(after)
    if len(after) > MOST_ENTRIES:
        problems.append(Problem("too_many_settings", None, {"limit": MOST_ENTRIES}))
    if problems:
        raise BadOrder(problems)
    return _sorted(after), _between(before, after)


def _read(change: Change, catalogue: Catalogue) -> tuple[str, Json]:
    if change.scope.id and not ID.fullmatch(change.scope.id):
        code = f"bad_id_{change.scope.kind.value}s"
        raise BadOrder([Problem(code, change.scope.kind.value, {"value": change.scope.id[:80]})])
    key = find_key(change.key, catalogue)
    if change.value is None:
        return key.name, None
    if change.scope.kind not in key.scopes:
        facts = {"scope": change.scope.kind.value, "scopes": sorted(one.value for one in key.scopes)}
        raise BadOrder([Problem("wrong_scope", key.name, facts)])
    return key.name, read(key.name, change.value, catalogue)


def _crossed(entries: dict[tuple[Scope, str], Json]) -> list[Problem]:
    """Bounds of an input of which no value is within."""
    found = []
    for (scope, key), least in entries.items():
        if key.startswith(f"{INPUTS}.") and key.endswith(".min"):
            most = entries.get((scope, f"{key[:-4]}.max"))
            if most is not None and least > most:
                found.append(Problem("bounds_crossed", key, {"minimum": least, "maximum": most}))
    return found


def differences(before: Iterable[Entry], after: Iterable[Entry]) -> tuple[Changed, ...]:
    """What would change if the one took the place of the other."""
    return _between(*({(one.scope, one.key): one.value for one in lot} for lot in (before, after)))


def _between(
    before: dict[tuple[Scope, str], Any], after: dict[tuple[Scope, str], Any]
) -> tuple[Changed, ...]:
    places = sorted(before.keys() | after.keys(), key=lambda place: (str(place[0]), place[1]))
    return tuple(
        Changed(scope, key, before.get((scope, key)), after.get((scope, key)))
        for scope, key in places
        if before.get((scope, key)) != after.get((scope, key))
    )


def _sorted(entries: dict[tuple[Scope, str], Json]) -> tuple[Entry, ...]:
    ordered = sorted(entries.items(), key=lambda item: (str(item[0][0]), item[0][1]))
    return tuple(Entry(scope, key, value) for (scope, key), value in ordered)
