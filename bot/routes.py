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


# -- keys of a server's own


OWN = "@"
"""Parts a provider from the server whose own key it is used with: "replicate@discord:123"."""


def own_name(provider: str, platform: str, server: str) -> str:
    """What a provider is called where it is used with a server's own key."""
    return f"{provider}{OWN}{platform}:{server}"


def base_of(name: str) -> str:
    """The provider, as the configuration calls it, whosever key it is used with."""
    return name.partition(OWN)[0]


def owner_of(name: str) -> tuple[str, str] | None:
    """Platform and server whose own key it is used with; None where it is the installation's."""
    _, at, where = name.partition(OWN)
    platform, colon, server = where.partition(":")
    return (platform, server) if at and colon else None
