"""Where something stands on the page, as a place that the core can keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from bot.jobs import Place


@dataclass(frozen=True, slots=True)
class Spot:
    """A channel, or a thread in it by the id of its first message: "web:studio", "web:studio/17"."""

    channel: str
    thread: int | None = None

    @property
    def place(self) -> Place:
        return Place(f"web:{self.channel}" + (f"/{self.thread}" if self.thread is not None else ""))

    @classmethod
    def read(cls, place: Place) -> Self:
        channel, slash, thread = place.removeprefix("web:").partition("/")
        return cls(channel, int(thread) if slash else None)
