"""Which stretches of a provider's list to ask for, so that one page shows as many of ours as it can. Pure.

The list is newest first and takes `created_after` and `created_before` (Replicate's OpenAPI document).
Moments are epoch seconds by the provider's clock, which is not ours: how far it is off is learned.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

PAGE = 100
"""Predictions in one answer of `list` (Replicate's OpenAPI document)."""

INSIDE = 75
"""Of ours in a window. What others made in the same moments, and what has ended since, needs the rest."""

EDGE = 0.01
"""Seconds that a window is wider than what it holds, so that no rounding cuts anything off."""

OFFSETS_KEPT = 100


class Made(Protocol):
    """What a provider made. `since`: when it was asked for, by our clock; `created`: when it was made, by the
    provider's, None before it was seen."""

    @property
    def since(self) -> float: ...
    @property
    def created(self) -> float | None: ...


MadeT = TypeVar("MadeT", bound=Made)


@dataclass(frozen=True, slots=True)
class Window(Generic[MadeT]):
    """What to ask the list for, and what of ours it should show."""

    created_after: float
    created_before: float
    inside: Sequence[MadeT]


class Offsets:
    """How much later than it was asked for, as both clocks say it, a provider has made something."""

    __slots__ = ("_newest",)

    def __init__(self) -> None:
        self._newest: deque[float] = deque(maxlen=OFFSETS_KEPT)

    def learn(self, since: float, created: float) -> None:
        self._newest.append(created - since)

    def span(self) -> tuple[float, float] | None:
        """The least and the most; None before anything was seen."""
        return (min(self._newest), max(self._newest)) if self._newest else None


def windows(made: Iterable[MadeT], offsets: Offsets) -> Iterator[Window[MadeT]]:
    """All of them, each in one window, oldest first. Nothing where it isn't known yet when they were made."""
    span = offsets.span()
    if span is None:
        return
    least, most = span
    middle = (least + most) / 2

    def at(one: MadeT) -> float:
        return one.since + middle if one.created is None else one.created

    ordered = sorted(made, key=at)
    for first in range(0, len(ordered), INSIDE):
        inside = ordered[first : first + INSIDE]
        after = min(one.since + least if one.created is None else one.created for one in inside)
        before = max(one.since + most if one.created is None else one.created for one in inside)
        yield Window(after - EDGE, before + EDGE, inside)
