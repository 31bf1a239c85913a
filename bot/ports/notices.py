"""What the core says of a job: a card, and one of a closed union of notices."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

from bot.jobs import Actor, Job, JobId, Json, Media, Place, Posted

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


@dataclass(frozen=True, slots=True)
class Look:
    """A job as it stands now, for a list or a reader that follows it."""

    job: Job
    card: Card
    notice: Notice
