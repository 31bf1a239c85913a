"""What adapters may ask of the core."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from bot.catalogue import Catalogue
from bot.jobs import Actor, FileRef, Job, JobId, Json, Order, Place, Posted
from bot.ports.admin import Admin
from bot.ports.notices import Look


@dataclass(frozen=True, slots=True)
class Submitted:
    """The job of an order; `fresh` is False where the same key had made it before."""

    job: Job
    fresh: bool


@dataclass(frozen=True, slots=True)
class Limit:
    """One allowance: `used` of `limit`; `resets_at` in epoch seconds, None where it has no period.

    In jobs, or, where they are Decimals, in US dollars.
    """

    code: str
    limit: int | Decimal
    used: int | Decimal
    resets_at: float | None = None


class Core(Protocol):
    """What adapters may ask of the core. Every call may raise ForPerson errors, to be put into words."""

    @property
    def catalogue(self) -> Catalogue: ...

    @property
    def admin(self) -> Admin: ...

    async def submit(self, order: Order) -> Submitted:
        """Check, decide, commit. When it returns the job is accepted: it will end, in media or in words.

        Confirm where the person is to agree to what it may cost: nothing was started then.
        """

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
        for_adults: bool | None = None,
        channel: str = "",
    ) -> Submitted:
        """The same inputs as a new job. The others are as those of an Order."""

    async def confirm(self, token: str, actor: Actor, *, posted: Posted | None = None) -> Submitted:
        """Run what `submit` raised Confirm for. Refused("not_found" | "confirm_expired")."""

    async def results(self, actor: Actor, channel: str) -> str | None:
        """Where the server wants results of this channel: "thread", "reply", "channel"; None: not set."""

    async def language(self, actor: Actor) -> str | None:
        """The language that the server has set for what everybody sees, or None."""

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

    async def usage(self, actor: Actor, channel: str = "") -> Sequence[Limit]:
        """What the person has used of each allowance that holds for them there."""

    async def report(self, job: JobId, actor: Actor, reason: str = "") -> None:
        """Tell those who look after the server of a result. Refused("not_found" | "reported")."""

    async def my_data(self, actor: Actor) -> Mapping[str, Json]:
        """All that is kept of the person here, as JSON; when they speak with us alone, of everywhere."""

    async def forget_me(self, actor: Actor) -> Sequence[Look]:
        """Forget the person's jobs, media, prompts and name here (alone: everywhere); amounts stay, unnamed.

        What still runs is cancelled and forgotten once it has ended. Returns what was posted, so that an
        adapter can take it down.
        """

    async def keep(self, name: str, chunks: AsyncIterator[bytes]) -> FileRef:
        """Copy an attachment into our media folder. BadMedia where it is none or too large."""

    def media_path(self, digest: str) -> Path | None:
        """Where a kept file lies, None where it isn't kept (any more)."""
