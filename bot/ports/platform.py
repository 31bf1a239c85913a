"""What the core asks of a platform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bot.jobs import Actor, Json, Place, Posted
from bot.ports.notices import Post, Save

if TYPE_CHECKING:
    from bot.ports.core import Core


@dataclass(frozen=True, slots=True)
class Telling:
    """News for those who look after a server. `key` is the same over all tries; `code` and `facts` become a
    sentence. `place`: the channel's id that the server has set for it, None: wherever they look."""

    key: str
    server: str
    code: str
    facts: dict[str, Json]
    place: str | None


class Platform(Protocol):
    """What the core asks of a platform. `every`: the least seconds between two edits of one card."""

    name: str
    every: float

    async def run(self, core: Core) -> None:
        """Listen until cancelled."""

    async def show(self, post: Post, save: Save) -> Posted:
        """Post, or edit what was posted; returns what stands there now.

        Works in a process where `run` was never called. `await save(posted)` after each step that can't be
        repeated. Raises Busy, Denied, Gone or TooLarge; anything else is tried again.
        """

    async def fallback(self, place: Place, actor: Actor) -> Place | None:
        """The next best place, such as a direct message, or None."""

    async def tell(self, telling: Telling) -> None:
        """Say something to those who look after a server. Raises as `show` does."""
