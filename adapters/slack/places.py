"""Where something stands in Slack, as a place that the core can keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from bot.errors import Gone
from bot.jobs import Place

NAME = "slack"


@dataclass(frozen=True, slots=True)
class Spot:
    """A channel of a workspace, or a thread in it by the ts of its first message.

    "slack:T1/C1", "slack:T1/C1/1700000000.000100". `instead_of`: the channel that wouldn't take it, where
    this one is the person's own: "slack:T1/D1//C1". `manner`: "channel" where the workspace wants results
    beside the card and not below it: "slack:T1/C1///channel".
    """

    team: str
    channel: str
    thread: str = ""
    instead_of: str = ""
    manner: str = ""

    @property
    def place(self) -> Place:
        parts = f"{self.team}/{self.channel}/{self.thread}/{self.instead_of}/{self.manner}"
        return Place(f"{NAME}:{parts.rstrip('/')}")

    @classmethod
    def read(cls, place: Place) -> Self:
        """Gone for what is no place in Slack."""
        name, _, parts = place.partition(":")
        team, channel, *more = [*parts.split("/"), ""]
        if name != NAME or not team or not channel or len(more) > 4:
            raise Gone(f"{place} is no place in Slack")
        return cls(team, channel, *more[:3])
