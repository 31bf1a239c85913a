"""Cap: one limit on how much may be asked for. Policy draws it, the store enforces it."""

from __future__ import annotations

from dataclasses import dataclass

from bot.jobs import State


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `limit` jobs: of one person or of all, in `states` (None: any), accepted at `since` or later.

    A job that failed, was cancelled or ended unknown is not counted: its allowance is given back. `code`
    names the refusal; `resets_at` says when the count begins anew. Times are seconds since the epoch.
    """

    code: str
    limit: int
    per_person: bool
    states: frozenset[State] | None = None
    since: float | None = None
    resets_at: float | None = None
