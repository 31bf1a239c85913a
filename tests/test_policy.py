"""Who is let in, and what the owner's limits mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.caps import Whose
from bot.config import Limits
from bot.jobs import Actor, State
from bot.policy import allowed, caps

NOON = 1_700_049_600.0
"""15 November 2023, 12:00 UTC."""
MIDNIGHT = 1_700_006_400.0


def somebody(platform: str, server: str) -> Actor:
    return Actor(platform, "7", "Ann", server)


@pytest.mark.parametrize(
    ("platform", "server", "servers"),
    [
        ("web", "studio", ("web", "terminal")),
        ("terminal", "here", ("web", "terminal")),
        ("discord", "123", ("discord:123",)),
        ("discord", "123", ("slack:T1", "discord:*")),
        ("slack", "T1", ("slack:T1",)),
    ],
)
def test_a_named_server_is_let_in(platform: str, server: str, servers: tuple[str, ...]) -> None:
    assert allowed(somebody(platform, server), servers)


@pytest.mark.parametrize(
    ("platform", "server", "servers"),
    [
        ("web", "studio", ()),
        ("discord", "123", ("web", "terminal")),
        ("discord", "1234", ("discord:123",)),
        ("discord", "123", ("slack:123", "slack:*")),
        ("slack", "t1", ("slack:T1",)),
        ("discord", "*x", ("discord:x",)),
    ],
)
def test_any_other_server_is_not(platform: str, server: str, servers: tuple[str, ...]) -> None:
    assert not allowed(somebody(platform, server), servers)


def test_each_limit_on_accepting_becomes_a_cap() -> None:
    limits = Limits(waiting_per_person=4, per_day=30, per_day_per_person=10)

    waiting, mine, everyone = caps(limits, NOON)

    assert (waiting.code, waiting.limit, waiting.whose) == ("limit_waiting", 4, Whose.PERSON)
    assert (waiting.states, waiting.since, waiting.resets_at) == (frozenset({State.QUEUED}), None, None)
    assert (mine.code, mine.limit, mine.whose) == ("limit_per_day_per_person", 10, Whose.PERSON)
    assert (everyone.code, everyone.limit, everyone.whose) == ("limit_per_day", 30, Whose.ALL)


def test_a_day_begins_at_midnight_utc_and_ends_at_the_next() -> None:
    for cap in caps(Limits(), NOON)[1:]:
        assert (cap.states, cap.since, cap.resets_at) == (None, MIDNIGHT, MIDNIGHT + 86_400)


@given(st.floats(min_value=0, max_value=4e9, allow_nan=False))
def test_now_always_lies_within_its_day(now: float) -> None:
    for cap in caps(Limits(), now)[1:]:
        assert cap.since is not None
        assert cap.resets_at is not None
        assert cap.since <= now < cap.resets_at
