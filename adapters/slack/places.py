"""Where something stands in Slack, as a place that the core can keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from bot.jobs import Place

NAME = "slack"


@dataclass(frozen=True, slots=True)
class Spot:
    """A channel of a workspace, or a thread in it by the ts of its first message.

    "slack:T1/C1", "slack:T1/C1/1700000000.000100". `instead_of`: the channel that wouldn't take it, where
    this one is the person's own: "slack:T1/D1//C1".
    """

    team: str
    channel: str
    thread: str = ""
    instead_of: str = ""

    @property
    def place(self) -> Place:
        parts = f"{self.team}/{self.channel}/{self.thread}/{self.instead_of}"
        return Place(f"{NAME}:{parts.rstrip('/')}")

    @classmethod
    def read(cls, place: Place) -> Self:
        parts = place.removeprefix(f"{NAME}:").split("/")
        return cls(*parts[:4])
