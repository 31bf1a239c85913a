"""The life of a job: who asked for what and where, its states and the table of legal moves. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, NewType, TypeAlias

JobId = NewType("JobId", str)
Place = NewType("Place", str)
"""Where to post, opaque to the core: "web:studio/17". Its first word, up to the colon, names the platform.
Serialisable; outlives the process; never holds a token or a URL that expires."""

Json: TypeAlias = Any
Posted: TypeAlias = Mapping[str, Json]
"""What a platform says of that which already stands in a place; opaque to the core, JSON.

The core adds one thing: with "restored": True it is from a backup, and later posts may stand there too. A
platform looks for them, and raises MaybePosted where it can't, rather than post anything again."""


NOBODY = ""
"""Who has a job cancelled of which nobody is to see the result: it is to be forgotten."""


def platform_of(place: Place) -> str:
    return place.partition(":")[0]


class State(StrEnum):
    QUEUED = "queued"
    SUBMITTING = "submitting"
    RUNNING = "running"
    FETCHING = "fetching"
    DELIVERING = "delivering"
    DONE = "done"
    UNDELIVERED = "undelivered"


class Outcome(StrEnum):
    READY = "ready"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


MOVES: Mapping[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.SUBMITTING, State.DELIVERING}),
    State.SUBMITTING: frozenset({State.QUEUED, State.RUNNING, State.DELIVERING}),
    State.RUNNING: frozenset({State.FETCHING, State.DELIVERING}),
    State.FETCHING: frozenset({State.DELIVERING}),
    State.DELIVERING: frozenset({State.DONE, State.UNDELIVERED}),
    State.DONE: frozenset(),
    State.UNDELIVERED: frozenset({State.DELIVERING}),
}
"""Every move a job may make. A move to DELIVERING always carries an Outcome with it."""

OPEN = frozenset({State.QUEUED, State.SUBMITTING, State.RUNNING, State.FETCHING, State.DELIVERING})
"""States in which something is still to be done."""

AT_PROVIDER = frozenset({State.SUBMITTING, State.RUNNING})
"""States that take up one of the predictions allowed at once."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A person on a platform; `server` is the guild, workspace or installation they spoke in.

    Where a person speaks with the bot alone, on a platform whose private talks belong to no server, `server`
    is "@" and their id. `roles` (the platform's ids of roles or user groups) and `manages` (whether the
    platform has them look after the server) are what the platform said as they spoke, and are not kept.
    """

    platform: str
    id: str
    name: str
    server: str
    language: str = "en"
    roles: frozenset[str] = field(default=frozenset(), compare=False)
    manages: bool = field(default=False, compare=False)

    @property
    def is_alone(self) -> bool:
        """Whether they speak with the bot alone, outside of all servers."""
        return self.server.startswith("@")

    def is_same(self, other: Actor) -> bool:
        """Whether it is the same person, wherever they spoke."""
        return (self.platform, self.id) == (other.platform, other.id)


@dataclass(frozen=True, slots=True)
class FileRef:
    """A file in our media folder, by the SHA-256 of its bytes (hex); `name` is what its owner called it."""

    digest: str
    name: str


Option: TypeAlias = tuple[str, "str | int | float | bool | FileRef"]
"""A key as the person wrote it and its value; a key may come several times."""


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody asks for.

    `model` is a command ("animate") or "owner/name". `key` is the platform's id of the interaction, prefixed
    with its name: the store keeps it unique, so that an event delivered twice makes one job. `posted` is what
    already stands in `place` for this job, such as the message that acknowledged the command. `for_adults`:
    whether the place is for adults only, None where the platform has no such places. `channel`: the
    platform's id of the channel that they spoke in (of a thread, the channel that it hangs from), "" where
    there are none.
    """

    actor: Actor
    place: Place
    model: str
    options: tuple[Option, ...]
    key: str
    posted: Posted | None = None
    for_adults: bool | None = None
    channel: str = ""


@dataclass(frozen=True, slots=True)
class Output:
    """One file that a provider made: its URL (https or data:), and which part of the result it is."""

    url: str
    part: str


@dataclass(frozen=True, slots=True)
class Media:
    """One kept file of a result. `kind`: image, video or audio. Bytes, pixels, seconds."""

    digest: str
    part: str
    kind: str
    mime: str
    size: int
    width: int | None = None
    height: int | None = None
    duration: float | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A row of the jobs table. Times are seconds since the epoch (UTC).

    `inputs` are under the model's own names, checked; a file is {"file": digest, "name": name}.
    `attempt` counts claims: a move names the attempt it belongs to. `tries` counts failures within the state.
    `cost` is in US dollars, None where nobody knows it. `code` and `facts` say why an outcome is not READY,
    or, while the job waits, what it waits for. `channel` is its order's.
    """

    id: JobId
    key: str
    actor: Actor
    place: Place
    model: str
    provider: str
    inputs: Mapping[str, Json]
    state: State
    created_at: float
    due_at: float
    attempt: int = 0
    tries: int = 0
    lease_until: float | None = None
    prediction: str | None = None
    submitted_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    ended_at: float | None = None
    progress: float | None = None
    outcome: Outcome | None = None
    code: str | None = None
    facts: Mapping[str, Json] = field(default_factory=dict)
    outputs: tuple[Output, ...] = ()
    media: tuple[Media, ...] = ()
    took: float | None = None
    cost: Decimal | None = None
    cancel_requested: str | None = None
    posted: Posted | None = None
    channel: str = ""

    def log_context(self) -> dict[str, Json]:
        """The fields that every log line about this job carries."""
        return {"job": self.id, "model": self.model, "state": self.state.value, "attempt": self.attempt}
