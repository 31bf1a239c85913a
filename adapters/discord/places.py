"""Places on Discord: a channel, and what may hang from a message there. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from bot.errors import Gone
from bot.jobs import Place

NAME = "discord"
PRIVATE = "@me"
"""Stands for the server in places that belong to none, as in Discord's own links."""

_PLACE = re.compile(
    r"discord:(?P<guild>\d{1,20}|@me)/(?P<channel>\d{1,20})(?P<open>/threads)?(?P<manner>/reply|/channel)?"
)


@dataclass(frozen=True, slots=True)
class Spot:
    """A channel or thread. `guild` is None in private talks; `threads`: a thread may hang from a message.

    `manner`: how the server wants results there, "reply" or "channel"; "": as the installation does.
    """

    guild: int | None
    channel: int
    threads: bool = False
    manner: str = ""

    @classmethod
    def read(cls, place: Place) -> Self:
        """Gone for what is no place on Discord."""
        match = _PLACE.fullmatch(place)
        if match is None:
            raise Gone(f"{place} is no place on Discord")
        guild = None if match["guild"] == PRIVATE else int(match["guild"])
        manner = (match["manner"] or "").removeprefix("/")
        return cls(guild, int(match["channel"]), match["open"] is not None, manner)

    @property
    def place(self) -> Place:
        how = ("/threads" if self.threads else "") + (f"/{self.manner}" if self.manner else "")
        return Place(f"{NAME}:{self.guild or PRIVATE}/{self.channel}{how}")

    def link(self, message: int, channel: int | None = None) -> str:
        """The address that opens a message of this channel, or of another one of the same server."""
        return f"https://discord.com/channels/{self.guild or PRIVATE}/{channel or self.channel}/{message}"
