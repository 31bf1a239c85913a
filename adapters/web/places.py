"""Where something stands on the page, as a place that the core can keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from bot.jobs import Place


@dataclass(frozen=True, slots=True)
class Spot:
    """A channel, or a thread in it by the id of its first message: "web:studio", "web:studio/17".

    `flat`: results stand in the channel itself, not in the thread of their card: "web:studio!".
    """

    channel: str
    thread: int | None = None
    flat: bool = False

    @property
    def place(self) -> Place:
        thread = f"/{self.thread}" if self.thread is not None else ""
        return Place(f"web:{self.channel}{thread}{'!' if self.flat else ''}")

    @classmethod
    def read(cls, place: Place) -> Self:
        where = place.removeprefix("web:")
        channel, slash, thread = where.removesuffix("!").partition("/")
        return cls(channel, int(thread) if slash else None, where.endswith("!"))
