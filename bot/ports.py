"""The border: what adapters may ask of the core, and what the core asks of a platform."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Protocol, TypeAlias

from bot.catalogue import Catalogue
from bot.jobs import Actor, FileRef, Job, JobId, Json, Media, Order, Place, Posted

# -- notices: a closed union; adapters match it and end in assert_never


@dataclass(frozen=True, slots=True)
class Waiting:
    """In the queue. `ahead`: jobs before it; `eta`: seconds until it ends; `reason`: why it waits, a code."""

    ahead: int | None = None
    eta: float | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Working:
    """At the provider, or on its way here. `fraction` 0..1 and `eta` in seconds, None where nobody knows."""

    fraction: float | None = None
    eta: float | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """The result. `took` is in seconds; `cost` in US dollars, None where nobody knows."""

    media: tuple[MediaFile, ...]
    took: float | None
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Failed:
    code: str
    facts: Mapping[str, Json]
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Cancelled:
    by: str
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can know whether the provider ran it; it is not sent again by itself."""

    code: str
    facts: Mapping[str, Json]
    cost: Decimal | None


Notice: TypeAlias = Waiting | Working | Ready | Failed | Cancelled | Unknown


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A file of a result: `path` on our disk, `name` with its extension, safe on every platform.

    `link`: where the whole of it is to be had for a while, where this is but a preview of it.
    """

    media: Media
    path: Path
    name: str
    link: str | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """What a job's message says besides its notice. `text` is the whole command, to copy and type again."""

    job: JobId
    actor: Actor
    model: str
    text: str
    inputs: Mapping[str, Json]
    seed: int | None
    created_at: float


@dataclass(frozen=True, slots=True)
class Post:
    """What should stand in `place` now. `key` is the same over all tries; `posted` is what stands there."""

    key: str
    place: Place
    card: Card
    notice: Notice
    posted: Posted | None


Save: TypeAlias = Callable[[Posted], Awaitable[None]]


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


# -- what adapters may ask


@dataclass(frozen=True, slots=True)
class Submitted:
    """The job of an order; `fresh` is False where the same key had made it before."""

    job: Job
    fresh: bool


@dataclass(frozen=True, slots=True)
class Limit:
    """One allowance: `used` of `limit`; `resets_at` in epoch seconds, None where it has no period."""

    code: str
    limit: int
    used: int
    resets_at: float | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """A job as it stands now, for a list or a reader that follows it."""

    job: Job
    card: Card
    notice: Notice


class Core(Protocol):
    """What adapters may ask of the core. Every call may raise ForPerson errors, to be put into words."""

    @property
    def catalogue(self) -> Catalogue: ...

    async def submit(self, order: Order) -> Submitted:
        """Check, decide, commit. When it returns the job is accepted: it will end, in media or in words."""

    async def cancel(self, job: JobId, actor: Actor) -> None:
        """Ask for a cancel. Refused("not_found" | "not_yours" | "too_late")."""

    async def again(
        self,
        job: JobId,
        actor: Actor,
        place: Place,
        key: str,
        *,
        new_seed: bool = False,
        posted: Posted | None = None,
        for_adults: bool = True,
    ) -> Submitted:
        """The same inputs as a new job. `key`, `posted` and `for_adults` as those of an Order."""

    async def post_again(self, job: JobId, actor: Actor, place: Place) -> None:
        """Put a result that no place took into this one. Refused("not_found" | "not_yours" | "not_lost")."""

    async def remove(self, job: JobId, actor: Actor, *, moderates: bool = False) -> Look:
        """Forget the result of an ended job: its owner may, and who moderates the server. The job as it was.

        Its messages are left to the adapter. Refused("not_found" | "not_yours" | "still_running").
        """

    async def look(self, job: JobId, actor: Actor) -> Look:
        """The job as it stands. Refused("not_found")."""

    async def jobs(self, actor: Actor, *, limit: int = 20) -> Sequence[Look]:
        """The person's jobs, newest first."""

    async def usage(self, actor: Actor) -> Sequence[Limit]:
        """What the person has used of each allowance."""

    async def keep(self, name: str, chunks: AsyncIterator[bytes]) -> FileRef:
        """Copy an attachment into our media folder. BadMedia where it is none or too large."""

    def media_path(self, digest: str) -> Path | None:
        """Where a kept file lies, None where it isn't kept (any more)."""
