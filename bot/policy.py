"""Who may run something here, and how much: pure decisions, enforced by the store."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

from bot.caps import Cap, Whose
from bot.config import Limits
from bot.jobs import Actor, State

DAY = 86_400
"""Seconds. Days begin at midnight UTC, and epoch seconds know no leap seconds."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the owner has set: how much, and for which servers."""

    limits: Limits
    servers: tuple[str, ...]


def allowed(actor: Actor, servers: Collection[str]) -> bool:
    """Whether the owner lets this server in: "web", "terminal", "discord:123", "discord:*" for any.

    "discord:dm" stands for everybody who speaks with the bot alone.
    """
    place = f"{actor.platform}:{'dm' if actor.is_alone else actor.server}"
    return not {actor.platform, place, f"{actor.platform}:*"}.isdisjoint(servers)


def caps(limits: Limits, now: float) -> tuple[Cap, ...]:
    """The limits on accepting a job at `now` (seconds since the epoch), the one soonest mended first."""
    midnight = now - now % DAY
    day = partial(Cap, since=midnight, resets_at=midnight + DAY)
    return (
        Cap("limit_waiting", limits.waiting_per_person, whose=Whose.PERSON, states=frozenset({State.QUEUED})),
        day("limit_per_day_per_person", limits.per_day_per_person, whose=Whose.PERSON),
        day("limit_per_day", limits.per_day, whose=Whose.ALL),
    )
