"""Jobs for tests of the store, and ways to bring them into any state."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from bot.caps import Cap, Whose
from bot.jobs import (
    Actor,
    Job,
    JobId,
    Media,
    Outcome,
    Output,
    Place,
    State,
)
from bot.store import Store

NOW = 1_700_000_000.0
LEASE = 60.0
PLACE = Place("web:studio/17")
ANN = Actor("web", "ann", "Ann", "studio")
BEN = Actor("web", "ben", "Ben", "studio")
FILM = Output("https://files.example/film.mp4", "film")
KEPT = Media("ab" * 32, "film", "video", "video/mp4", 1000, 640, 480, 2.5)
WAITING = Cap("limit_waiting", 50, Whose.PERSON, states=frozenset({State.QUEUED}))
DAY = Cap("limit_per_day", 2, Whose.ALL, since=NOW - 100, resets_at=NOW + 100)


def job(name: str = "one", actor: Actor = ANN, **changes: Any) -> Job:
    return replace(
        Job(
            id=JobId(name),
            key=f"web:{name}",
            actor=actor,
            place=PLACE,
            model="animate",
            provider="sandbox",
            inputs={"prompt_start": "a fox in snow", "num_frames": 12},
            state=State.QUEUED,
            created_at=NOW,
            due_at=NOW,
        ),
        **changes,
    )


async def accepted(store: Store, name: str = "one", actor: Actor = ANN, **changes: Any) -> Job:
    fresh, _ = await store.accept(job(name, actor, **changes), (), NOW)
    return fresh


async def started(store: Store, *, now: float = NOW, lease: float = LEASE, **limits: Any) -> list[Job]:
    most: dict[str, Any] = {"at_once": 100, "at_once_per_person": 100, "limit": 100, **limits}
    return await store.start(now=now, lease=lease, **most)


async def claimed(store: Store, state: State, *, now: float, limit: int = 100) -> list[Job]:
    return await store.claim(state, now=now, lease=LEASE, limit=limit)


async def bring(store: Store, name: str, state: State, outcome: Outcome = Outcome.READY) -> Job:
    """A new job in a state, by the moves that lead there."""
    if state is State.QUEUED:
        return await accepted(store, name)
    early = NOW - 1000
    await accepted(store, name, due_at=early)
    (current,) = await started(store, now=early, lease=NOW + LEASE - early)
    if state is State.SUBMITTING:
        return current
    current = await store.submitted(current, f"prediction-{name}", now=NOW)
    if state is State.RUNNING:
        return current
    if outcome is Outcome.READY:
        current = await succeed(store, current)
        if state is State.FETCHING:
            return current
        current = await store.fetched(current, [KEPT], now=NOW)
    else:
        current = await store.ended(current, outcome, now=NOW, code="model_failed", cost=Decimal("0.01"))
    if state is State.DELIVERING:
        return current
    if state is State.DONE:
        return await store.delivered(current, {"message": 1}, now=NOW)
    return await store.undelivered(current, now=NOW, code="gone")


async def succeed(store: Store, current: Job, took: float = 3.0) -> Job:
    return await store.succeeded(
        current, [FILM], now=NOW, took=took, cost=Decimal("0.0123"), finished_at=NOW - 1
    )


async def present(store: Store, name: str = "one") -> Job:
    found = await store.get(JobId(name))
    assert found is not None
    return found
