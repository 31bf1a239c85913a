"""Windows of a provider's list: each that is followed lies in one, and few pages show many."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from bot.windows import INSIDE, Offsets, windows


@dataclass(frozen=True)
class One:
    since: float
    created: float | None
    really: float
    """When the provider made it, whether anybody knows."""


def learned(*spans: float) -> Offsets:
    offsets = Offsets()
    for span in spans:
        offsets.learn(1_000.0, 1_000.0 + span)
    return offsets


def test_nothing_is_asked_for_before_it_is_known_how_far_the_clocks_are_apart() -> None:
    assert list(windows([One(5.0, None, 5.0)], Offsets())) == []


@given(
    st.lists(st.tuples(st.floats(0, 1e5), st.floats(-90, -88), st.booleans()), max_size=400),
)
def test_each_lies_in_one_window_that_shows_it(given: list[tuple[float, float, bool]]) -> None:
    """The provider's clock is a minute and a half behind, give or take."""
    made = [One(at, at + off if seen else None, at + off) for at, off, seen in given]
    found = list(windows(made, learned(-90.0, -88.0)))
    inside = [one for window in found for one in window.inside]
    assert sorted(map(id, inside)) == sorted(map(id, made))
    assert all(len(window.inside) == INSIDE for window in found[:-1])
    for window in found:
        assert all(window.created_after <= one.really <= window.created_before for one in window.inside)


def test_what_has_been_seen_needs_no_margin() -> None:
    """Ten a second, of which none is anybody else's: a page of a hundred shows a window."""
    made = [One(at / 10, at / 10 + 0.3, at / 10 + 0.3) for at in range(10_000)]
    found = list(windows(made, learned(-5.0, 5.0)))
    assert len(found) == 134
    for window in found:
        shown = [one for one in made if window.created_after <= one.really <= window.created_before]
        assert len(shown) <= 100
