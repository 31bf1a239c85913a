"""Long texts and lists, divided so that each part fits into a message of Discord. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of the rows: page `number`, counted from 0, of `count`."""

    rows: tuple[T, ...]
    number: int = 0
    count: int = 1


def page(rows: Sequence[T], number: int, size: Callable[[T], int], *, room: int, most: int) -> Page[T]:
    """A page of at most `room` characters and `most` rows; the nearest one where there is no such page."""
    every = divided(rows, size, room=room, most=most)
    number = min(max(number, 0), len(every) - 1)
    return Page(tuple(every[number]), number, len(every))


def divided(rows: Sequence[T], size: Callable[[T], int], *, room: int, most: int) -> list[list[T]]:
    """All rows in their order, in lots that fit; one empty lot where there are none. Between two rows stands
    a line break."""
    lots: list[list[T]] = [[]]
    used = 0
    for row in rows:
        needed = size(row) + 1
        if lots[-1] and (used + needed > room or len(lots[-1]) == most):
            lots.append([])
            used = 0
        lots[-1].append(row)
        used += needed
    return lots


def pieces(text: str, room: int) -> list[str]:
    """All of a text in pieces of at most `room` characters, cut behind a blank or a line break where there is
    one in the last fifth."""
    found = []
    while len(text) > room:
        cut = max(text.rfind(" ", room * 4 // 5, room), text.rfind("\n", room * 4 // 5, room)) + 1 or room
        found.append(text[:cut])
        text = text[cut:]
    return [*found, text]
