"""Everything that can go wrong, split by who must act.

ThreadreelError
├── ForPerson            the person who asked: shown in words, never logged as a fault
│   ├── Refused          a rule says no
│   ├── Confirm          it may cost more than is spent unasked: somebody must agree first
│   └── BadOrder         mistakes in what was asked, all of them
├── ForOwner             whoever runs the installation
│   ├── ConfigError      mistakes in the configuration, all of them
│   ├── CannotStart      the database, a folder or a port is not usable
│   │   └── Damaged      the database is damaged: nothing may go on with it
│   └── KeyMissing       a stored secret can't be opened
├── TryLater             nobody yet: the same thing may work in a while
│   ├── ProviderBusy     certainly not taken: too many requests
│   ├── ProviderDown     certainly not taken: not reachable
│   └── Busy             a platform asks for patience
├── LostAnswer           nobody: the request may have been taken, its answer is lost
├── ProviderRefused      a provider said no, for good
├── NotAPrediction       a provider's answer makes no sense
├── BadMedia             bytes that are no media, too many, or not to be had
├── Undeliverable        a place that won't take a post
│   ├── Denied           not allowed there: never again in that place
│   ├── Gone             the place is no more
│   ├── MaybePosted      it may stand there, and nobody can look: never posted again by itself
│   └── TooLarge         the post must shrink
└── Stale                nobody: somebody else has moved the job
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


class ThreadreelError(Exception):
    """Base of every error that this project raises on purpose."""


# -- the person who asked


class ForPerson(ThreadreelError):
    """Shown to the person who asked."""


class Refused(ForPerson):
    """A rule says no. `code` and `facts` become a sentence in `adapters.words`."""

    def __init__(self, code: str, **facts: Any) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts

    def __str__(self) -> str:
        return f"{self.code} {self.facts}" if self.facts else self.code


class Confirm(ForPerson):
    """Nothing was started: the person is to agree to the cost first. `token` goes to `Core.confirm`.

    `cost`: in US dollars, what it may cost at most by the estimate; None where no price is known.
    """

    def __init__(self, token: str, model: str, cost: Decimal | None) -> None:
        super().__init__(model)
        self.token = token
        self.model = model
        self.cost = cost


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: a code, the option it concerns (as the person wrote it) and the facts of its sentence."""

    code: str
    option: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


class BadOrder(ForPerson):
    """The order has mistakes; `problems` holds every one of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(", ".join(f"{p.option}: {p.code}" if p.option else p.code for p in problems))
        self.problems = tuple(problems)


# -- the owner of the installation


class ForOwner(ThreadreelError):
    """Whoever runs the installation must act."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake in the configuration: where it stands, what is wrong and what would be right."""

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.remedy}"


class ConfigError(ForOwner):
    """The configuration has mistakes; one line each."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = tuple(mistakes)


class CannotStart(ForOwner):
    """Something that must be there is not usable; the message says what, why and how to mend it."""


class Damaged(CannotStart):
    """The database is damaged, found at the start or at work; the message names the newest good backup."""


class KeyMissing(ForOwner):
    """A stored secret can't be opened with the keys that there are; the message names the key."""


# -- nobody yet


class TryLater(ThreadreelError):
    """The same thing may work later. `retry_after` is in seconds, None where nobody said."""

    def __init__(self, message: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(message or type(self).__doc__)
        self.retry_after = retry_after


class ProviderBusy(TryLater):
    """The provider has refused for now; the request was certainly not taken."""


class ProviderDown(TryLater):
    """The provider can't be reached; the request was certainly not taken."""


class Busy(TryLater):
    """The platform asks to wait before the next post."""


# -- providers and media


class LostAnswer(ThreadreelError):
    """The request was sent and no usable answer came: it may have been taken."""


class ProviderRefused(ThreadreelError):
    """The provider refused for good.

    `code` is one of: unauthenticated, forbidden, no_credit, not_found, no_channel, bad_input, too_large,
    refused.
    `fields` maps a model's own input name to what the provider says of it.
    """

    def __init__(self, code: str, status: int, detail: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.code = code
        self.status = status
        self.detail = detail
        self.fields = dict(fields or {})


class NotAPrediction(ThreadreelError):
    """The answer is not what the API promises; `detail` says what came instead, shortened."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class BadMedia(ThreadreelError):
    """A file that can't be used.

    `code` is one of: dead_link, not_media, file_too_large, forbidden_address, expired, wrong_kind, bad_link.
    """

    def __init__(self, code: str, **facts: Any) -> None:
        super().__init__(f"{code} {facts}" if facts else code)
        self.code = code
        self.facts = facts


# -- platforms


class Undeliverable(ThreadreelError):
    """A place that won't take this post."""


class Denied(Undeliverable):
    """Not allowed there: never again in that place."""


class Gone(Undeliverable):
    """The place is no more, or the bot was removed from it."""


class MaybePosted(Undeliverable):
    """An earlier try may have posted it, and the place can't be looked into."""


class TooLarge(Undeliverable):
    """A file is larger than the place takes. `limit` is in bytes, per file."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than {limit} bytes")
        self.limit = limit


class Stale(ThreadreelError):
    """Somebody else has moved the job: a fact to accept."""
