"""Which providers run a command: whom it is sent to, and who takes it where that one can't. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

Routes: TypeAlias = Mapping[str, str | Sequence[str]]
"""Command or "default" -> a provider, or several of which the earlier is preferred."""

MOVES_ON = frozenset({"unauthenticated", "forbidden", "no_credit", "not_found", "no_channel"})
"""Refusals that concern the provider, not what was asked: another one may take it, and nothing was spent."""


def providers_of(routes: Routes, command: str) -> tuple[str, ...]:
    """The providers of a command, the preferred one first; empty where none runs it."""
    route = routes.get(command) or routes.get("default") or ()
    return (route,) if isinstance(route, str) else tuple(route)


def after(routes: Routes, command: str, provider: str) -> tuple[str, ...]:
    """Those that come after one: a job only ever goes on along its route, so that it ends."""
    names = providers_of(routes, command)
    return names[names.index(provider) + 1 :] if provider in names else ()
