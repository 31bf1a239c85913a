"""What a setting holds for, and the shapes in which settings are passed about. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from bot.jobs import Json


class ScopeKind(StrEnum):
    SERVER = "server"
    CHANNEL = "channel"
    ROLE = "role"


@dataclass(frozen=True, slots=True)
class Scope:
    """A whole server, or one of its channels or roles (user groups), by the platform's id."""

    kind: ScopeKind = ScopeKind.SERVER
    id: str = ""

    @classmethod
    def read(cls, text: str) -> Self | None:
        """As `str` writes it: "server", "channel:123", "role:123"; None for anything else."""
        kind, colon, id_ = text.partition(":")
        if kind == ScopeKind.SERVER and not colon:
            return cls()
        if kind in (ScopeKind.CHANNEL, ScopeKind.ROLE) and id_:
            return cls(ScopeKind(kind), id_)
        return None

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}" if self.id else self.kind.value


SERVER = Scope()


@dataclass(frozen=True, slots=True)
class Entry:
    """A setting that a server has set: `value` is what `keys.read` made of it."""

    scope: Scope
    key: str
    value: Json


@dataclass(frozen=True, slots=True)
class Change:
    """A setting to be set to what somebody typed (text) or a file holds (JSON), or, with None, unset."""

    scope: Scope
    key: str
    value: Json


@dataclass(frozen=True, slots=True)
class Changed:
    """A setting that was or would be changed; None where it wasn't or isn't set."""

    scope: Scope
    key: str
    before: Json
    after: Json


@dataclass(frozen=True, slots=True)
class Shown:
    """A value in force. `origin`: "built-in", "installation", "server", "channel:ID" or "role:ID"."""

    key: str
    value: Json
    text: str
    origin: str
