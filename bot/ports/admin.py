"""What those who look after a server may ask, and what they are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from bot.jobs import Actor, JobId, Json
from bot.ports.notices import Look
from bot.rules.scope import Change, Changed, Scope, Shown


class Standing(StrEnum):
    BLOCKED = "blocked"
    TRUSTED = "trusted"


class Action(StrEnum):
    """What the audit tells of."""

    SET = "set"
    IMPORTED = "imported"
    RAN = "ran"
    CANCELLED = "cancelled"
    REMOVED = "removed"
    BLOCKED = "blocked"
    TRUSTED = "trusted"
    CLEARED = "cleared"
    KEY_SET = "key_set"
    KEY_DROPPED = "key_dropped"
    SETTLED = "settled"
    REPORTED = "reported"
    FORGOT = "forgot"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom a server has blocked or trusts. `until`: when that ends, None: not by itself."""

    id: str
    name: str
    standing: Standing
    reason: str
    until: float | None
    by: str
    changed_at: float


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the audit. `subject`: a setting ("server models"), a job, a person, a provider."""

    id: int
    at: float
    by_id: str
    by_name: str
    action: Action
    subject: str
    before: Json
    after: Json


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A key that the server has given us; nobody sees the key itself again."""

    provider: str
    by: str
    set_at: float


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an import would change. `text` and `revision` go back with `apply`: both must still hold."""

    changes: tuple[Changed, ...]
    text: str
    revision: int


@dataclass(frozen=True, slots=True)
class Money:
    """One budget and what is used of it, in US dollars. `limit` None: none is set. `period`: "2026-11-26"
    or "2026-11" in the server's time zone. "own_keys_month": the part that the server's own keys paid for."""

    code: str
    whose: str
    period: str
    used: Decimal
    limit: Decimal | None
    resets_at: float


@dataclass(frozen=True, slots=True)
class OpenCharge:
    """A job that did not end well and of which nobody knows what the provider took: it stays reserved."""

    job: JobId
    model: str
    provider: str
    at: float
    reserved: Decimal


@dataclass(frozen=True, slots=True)
class Statement:
    """What the server has spent, what it may, and what is still open."""

    budgets: tuple[Money, ...]
    open: tuple[OpenCharge, ...]
    zone: str


class Admin(Protocol):
    """For those who look after the server that `actor` speaks in, and for it alone.

    Every call is checked here, whatever the platform's own checks said: Refused("not_admin"), also where the
    actor speaks with the bot alone. Ids of other servers' jobs are refused like unknown ones.
    """

    async def may(self, actor: Actor) -> bool:
        """Whether they look after it: by the platform's word, or named in the setting `admins`."""

    # -- settings

    async def settings(self, actor: Actor, scope: Scope | None = None) -> Sequence[Shown]:
        """Every setting with the value in force and where it comes from; with `scope`, as seen from there."""

    async def set_scopes(self, actor: Actor) -> Sequence[Scope]:
        """The channels and roles that have settings of their own."""

    async def change(self, actor: Actor, changes: Sequence[Change]) -> Sequence[Changed]:
        """All of them or none. BadOrder holds every mistake; the old settings stay then."""

    async def export(self, actor: Actor) -> str:
        """What the server has set, as TOML with comments that say what each is for."""

    async def propose(self, actor: Actor, text: str) -> Proposal:
        """What importing this TOML in place of all that is set would change. BadOrder holds every mistake."""

    async def apply(self, actor: Actor, proposal: Proposal) -> Sequence[Changed]:
        """Refused("settings_changed") where somebody has changed settings since it was proposed."""

    # -- people

    async def people(self, actor: Actor) -> Sequence[Person]: ...

    async def block(
        self, actor: Actor, person: str, name: str, *, reason: str = "", until: float | None = None
    ) -> None:
        """They may start nothing here any more. Refused("cannot_block_self")."""

    async def trust(
        self, actor: Actor, person: str, name: str, *, reason: str = "", until: float | None = None
    ) -> None:
        """Word filters and limits per person don't hold for them; budgets do."""

    async def clear(self, actor: Actor, person: str) -> None:
        """Neither blocked nor trusted any more."""

    # -- moderation

    async def jobs(self, actor: Actor, *, person: str | None = None, limit: int = 50) -> Sequence[Look]:
        """The server's jobs, newest first."""

    async def cancel(self, job: JobId, actor: Actor) -> None:
        """As the person's own cancel."""

    async def remove(self, job: JobId, actor: Actor) -> Look:
        """Forget the result and the prompt of an ended job; its messages are left to the adapter."""

    # -- audit

    async def audit(self, actor: Actor, *, limit: int = 50, before: int | None = None) -> Sequence[Record]:
        """Newest first; `before` an id, for the next page."""

    async def audit_csv(self, actor: Actor) -> str:
        """All that is kept, oldest first. Cells that a spreadsheet would run are made harmless."""

    # -- keys and money

    async def keys(self, actor: Actor) -> Sequence[KeyInfo]: ...

    async def key_providers(self, actor: Actor) -> Sequence[str]:
        """The providers that a server may bring a key of its own for."""

    async def set_key(self, actor: Actor, provider: str, key: str) -> None:
        """Checked at the provider first: Refused("key_refused" | "key_unchecked" | "no_such_provider")."""

    async def drop_key(self, actor: Actor, provider: str) -> None: ...

    async def money(self, actor: Actor) -> Statement: ...

    async def settle(self, actor: Actor, job: JobId, cost: Decimal) -> None:
        """Say what an open charge has cost, by the provider's bill. Refused("not_open" | "bad_amount")."""

    # -- the bot itself

    async def left(self, platform: str, server: str) -> None:
        """The bot was removed: after a week all that is kept of the server is deleted."""

    async def joined(self, platform: str, server: str) -> None:
        """It is there (again): nothing is deleted."""
