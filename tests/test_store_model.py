"""The store against a model of it: two workers, views fresh and stale, every verb, in any order.

The model says in plain Python what each verb does. After each step the whole table must be what it says, and
what was promised must hold: legal moves only, one winner an attempt, caps and leases kept, nothing lost. The
long form is marked `long`.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import select

from bot.caps import Cap, Whose
from bot.errors import Refused, Stale
from bot.jobs import AT_PROVIDER, MOVES, OPEN, Actor, Job, JobId, Outcome, Place, State
from bot.store import Store
from bot.store.tables import job_columns, job_of, jobs
from tests.store_rig import ANN, BEN, FILM, KEPT, LEASE, NOW, job

AT_ONCE, EACH, WAITING_EACH, PER_DAY = 4, 2, 3, 12
"""The limits that the workers keep to."""

PEOPLE = (ANN, BEN, replace(ANN, server="elsewhere"))
HELD = (State.SUBMITTING, State.RUNNING, State.FETCHING, State.DELIVERING)
BEFORE_OUTCOME = frozenset({State.QUEUED, State.SUBMITTING, State.RUNNING, State.FETCHING})
ELSEWHERE = Place("web:elsewhere")
AFRESH: dict[str, Any] = {"tries": 0, "code": None, "facts": {}}


def caps(now: float) -> list[Cap]:
    return [
        Cap("waiting", WAITING_EACH, Whose.PERSON, states=frozenset({State.QUEUED})),
        Cap("per_day", PER_DAY, Whose.ALL, since=NOW, resets_at=NOW + 86_400),
    ]


@dataclass
class Model:
    """The jobs as they must be. Each verb returns what the store must answer, or raises that."""

    jobs: dict[JobId, Job] = field(default_factory=dict)

    def put(self, job: Job, **changes: Any) -> Job:
        self.jobs[job.id] = changed = replace(job, **changes)
        return changed

    # -- accepting

    def used(self, cap: Cap, actor: Actor) -> int:
        return sum(
            one.outcome in (None, Outcome.READY)
            and (cap.whose is not Whose.PERSON or _person(one.actor) == _person(actor))
            and (cap.states is None or one.state in cap.states)
            and (cap.since is None or one.created_at >= cap.since)
            for one in self.jobs.values()
        )

    def accept(self, new: Job, limits: Sequence[Cap]) -> tuple[Job, bool]:
        for known in self.jobs.values():
            if known.key == new.key:
                return known, False
        for cap in limits:
            if (used := self.used(cap, new.actor)) >= cap.limit:
                raise Refused(cap.code, limit=cap.limit, used=used, resets_at=cap.resets_at)
        return self.put(new), True

    # -- claiming

    def start(self, now: float, limit: int, closed: Sequence[str]) -> list[Job]:
        """Servers take turns, and in each of them its people."""
        there = Counter(_person(one.actor) for one in self.jobs.values() if one.state in AT_PROVIDER)
        of_server = Counter[Any]()
        for person, count in there.items():
            of_server[person[:2]] += count
        most = min(AT_ONCE - there.total(), limit)
        turns = []
        for one in sorted(self.jobs.values(), key=_age):
            if one.state is State.QUEUED and one.due_at <= now and one.provider not in closed:
                there[_person(one.actor)] += 1
                if there[_person(one.actor)] <= EACH:
                    turns.append((there[_person(one.actor)], *_age(one)))
        order = []
        for _, created_at, id in sorted(turns):
            server = _person(self.jobs[id].actor)[:2]
            of_server[server] += 1
            order.append((of_server[server], created_at, id))
        chosen = [id for _, _, id in sorted(order)][: max(most, 0)]
        started = [
            self.put(
                self.jobs[id],
                state=State.SUBMITTING,
                attempt=self.jobs[id].attempt + 1,
                lease_until=now + LEASE,
                code=None,
                facts={},
            )
            for id in chosen
        ]
        return sorted(started, key=_age)

    def claim(self, state: State, now: float, limit: int) -> list[Job]:
        due = [one for one in self.jobs.values() if one.state is state and _claimable_at(one) <= now]
        return [
            self.put(one, attempt=one.attempt + 1, lease_until=now + LEASE)
            for one in sorted(due, key=_claimable_at)[:limit]
        ]

    def renew(self, ids: Sequence[JobId], until: float) -> None:
        for id in ids:
            if self.jobs[id].lease_until is not None:
                self.put(self.jobs[id], lease_until=until)

    def void_leases(self) -> None:
        for one in list(self.jobs.values()):
            if one.state in OPEN:
                self.put(one, lease_until=None)

    # -- moving

    def move(self, view: Job, origins: frozenset[State], **changes: Any) -> Job:
        true = self.jobs[view.id]
        if view.state not in origins or (true.state, true.attempt) != (view.state, view.attempt):
            raise Stale
        return self.put(true, **changes)

    def requeue(self, view: Job, due_at: float, **other: Any) -> Job:
        back = {"due_at": due_at, "tries": view.tries + 1, "code": "busy", "facts": {}, **other}
        moved = self.move(view, frozenset({State.SUBMITTING}), state=State.QUEUED, **back)
        if moved.cancel_requested is None:
            return self.put(moved, lease_until=None)
        return self.cancelled(moved, moved.cancel_requested, due_at)

    def cancelled(self, one: Job, by: str, now: float) -> Job:
        end = {"outcome": Outcome.CANCELLED, "code": "cancelled", "facts": {"by": by}, "cost": Decimal(0)}
        return self.put(one, state=State.DELIVERING, finished_at=now, due_at=now, tries=0, **end)

    def undelivered(self, view: Job, now: float) -> Job:
        code = "gone" if view.outcome is Outcome.READY else view.code
        ended = {"state": State.UNDELIVERED, "code": code, "ended_at": now, "lease_until": None}
        return self.move(view, frozenset({State.DELIVERING}), **ended)

    def snooze(self, view: Job, due_at: float) -> Job:
        why = {"code": "down", "facts": {"n": 1}} if view.outcome is None else {}
        later = {"due_at": due_at, "tries": view.tries + 1, "lease_until": None, **why}
        return self.move(view, frozenset(HELD), **later)

    # -- by anybody, at any time

    def request_cancel(self, id: JobId, by: str, now: float) -> Job:
        one = self.jobs[id]
        if one.state is State.QUEUED:
            return self.cancelled(one, by, now)
        if one.state in AT_PROVIDER:
            return self.put(one, cancel_requested=one.cancel_requested or by)
        raise Refused("too_late", state=one.state.value)

    def redeliver(self, id: JobId, now: float) -> Job:
        one = self.jobs[id]
        ready = one.outcome is Outcome.READY
        if one.state is not State.UNDELIVERED or (ready and one.code == "removed"):
            raise Stale
        afresh = {"place": ELSEWHERE, "posted": None, "due_at": now, "tries": 0, "ended_at": None}
        code = None if ready else one.code
        return self.put(one, state=State.DELIVERING, attempt=one.attempt + 1, code=code, **afresh)

    def remove_media(self, id: JobId) -> Job:
        one = self.jobs[id]
        if one.state in OPEN:
            raise Stale
        why = {"code": "removed", "facts": {"by": "Ann"}} if one.outcome is Outcome.READY else {}
        return self.put(one, outputs=(), media=(), **why)

    def posted(self, id: JobId, posted: dict[str, Any]) -> None:
        if self.jobs[id].state is not State.DONE:
            self.put(self.jobs[id], posted=posted)


def _person(actor: Actor) -> tuple[str, str, str]:
    return actor.platform, actor.server, actor.id


def _age(one: Job) -> tuple[float, JobId]:
    return one.created_at, one.id


def _claimable_at(one: Job) -> float:
    return one.due_at if one.lease_until is None else one.lease_until


# -- what a holder does with its view of a job: the store's verb, and the model's

Verb: TypeAlias = tuple[Callable[[Store, Job, float], Awaitable[Any]], Callable[[Model, Job, float], Any]]

Act: TypeAlias = tuple[Callable[[], Awaitable[Any]], Callable[[], Any]]
"""What is asked of the store, and of the model."""

VERBS: dict[str, Verb] = {
    "requeue": (
        lambda s, j, now: s.requeue(j, due_at=now + 5, code="busy"),
        lambda m, j, now: m.requeue(j, now + 5),
    ),
    "requeue elsewhere": (
        lambda s, j, now: s.requeue(j, due_at=now + 5, code="busy", provider="other"),
        lambda m, j, now: m.requeue(j, now + 5, provider="other", tries=0),
    ),
    "rerouted": (
        lambda s, j, now: s.rerouted(j, "other", due_at=now, code="busy"),
        lambda m, j, now: m.move(
            j, frozenset({State.QUEUED}), provider="other", due_at=now, tries=0, code="busy", facts={}
        ),
    ),
    "submitted": (
        lambda s, j, now: s.submitted(j, f"p-{j.id}-{j.attempt}", now=now),
        lambda m, j, now: m.move(
            j,
            frozenset({State.SUBMITTING}),
            state=State.RUNNING,
            prediction=f"p-{j.id}-{j.attempt}",
            submitted_at=now,
            due_at=now,
            **AFRESH,
        ),
    ),
    "snooze": (
        lambda s, j, now: s.snooze(j, due_at=now + 3, code="down", facts={"n": 1}),
        lambda m, j, now: m.snooze(j, now + 3),
    ),
    "progressed": (
        lambda s, j, now: s.progressed(j, 0.5, None),
        lambda m, j, now: m.move(j, frozenset({State.RUNNING}), progress=0.5, started_at=j.started_at),
    ),
    "succeeded": (
        lambda s, j, now: s.succeeded(
            j, [FILM], now=now, took=2.5, cost=Decimal("0.02"), finished_at=now - 1
        ),
        lambda m, j, now: m.move(
            j,
            frozenset({State.RUNNING}),
            state=State.FETCHING,
            outputs=(FILM,),
            took=2.5,
            cost=Decimal("0.02"),
            finished_at=now - 1,
            due_at=now,
            **AFRESH,
        ),
    ),
    "fetched": (
        lambda s, j, now: s.fetched(j, [KEPT], now=now),
        lambda m, j, now: m.move(
            j,
            frozenset({State.FETCHING}),
            state=State.DELIVERING,
            media=(KEPT,),
            outcome=Outcome.READY,
            due_at=now,
            **AFRESH,
        ),
    ),
    "ended": (
        lambda s, j, now: s.ended(j, Outcome.FAILED, now=now, code="model_failed", cost=j.cost or Decimal(1)),
        lambda m, j, now: m.move(
            j,
            BEFORE_OUTCOME,
            state=State.DELIVERING,
            outcome=Outcome.FAILED,
            code="model_failed",
            facts={},
            cost=j.cost or Decimal(1),
            finished_at=now,
            due_at=now,
            tries=0,
        ),
    ),
    "delivered": (
        lambda s, j, now: s.delivered(j, {"at": j.attempt}, now=now),
        lambda m, j, now: m.move(
            j,
            frozenset({State.DELIVERING}),
            state=State.DONE,
            posted={"at": j.attempt},
            ended_at=now,
            lease_until=None,
        ),
    ),
    "undelivered": (
        lambda s, j, now: s.undelivered(j, now=now, code="gone"),
        lambda m, j, now: m.undelivered(j, now),
    ),
    "redirected": (
        lambda s, j, now: s.redirected(j, ELSEWHERE, now=now),
        lambda m, j, now: m.move(
            j, frozenset({State.DELIVERING}), place=ELSEWHERE, posted=None, due_at=now, tries=0
        ),
    ),
}


class Workers(RuleBasedStateMachine):
    """Two processes over one file. `seen` holds every view that anybody ever had of a job."""

    template: Path

    @initialize()
    def open(self) -> None:
        self.runner = asyncio.Runner()
        self.folder = TemporaryDirectory()
        path = Path(self.folder.name) / "threadreel.db"
        shutil.copy(self.template, path)
        url = f"sqlite:///{path}"
        self.stores = [self.runner.run(Store.open(url, min_free=0)) for _ in range(2)]
        self.model = Model()
        self.now = NOW
        self.seen: dict[JobId, list[Job]] = {}
        self.before: dict[JobId, Job] = {}
        self.left: Counter[tuple[JobId, int, State]] = Counter()
        self.redelivered: set[JobId] = set()
        for number, who in enumerate(PEOPLE):
            new = job(f"first-{number}", who)
            self.same([_accepting(self.stores[0], self.model, new)])

    def teardown(self) -> None:
        for store in self.stores:
            self.runner.run(store.close())
        self.runner.close()
        self.folder.cleanup()

    # -- both must say the same

    def same(self, acts: Sequence[Act]) -> list[Any]:
        """Do all at once, in this order; the answers must be the model's."""

        async def all_of() -> list[Any]:
            return await asyncio.gather(*(act() for act, _ in acts), return_exceptions=True)

        answers = self.runner.run(all_of())
        for answer, (_, expected) in zip(answers, acts, strict=True):
            assert _comparable(answer) == _comparable(_outcome_of(expected))
            self.learn(answer)
        return answers

    def act(self, name: str, of: int, view: Job) -> Act:
        verb, expected = VERBS[name]
        return partial(verb, self.stores[of], view, self.now), partial(expected, self.model, view, self.now)

    def learn(self, answer: Any) -> None:
        for one in answer if isinstance(answer, list | tuple) else [answer]:
            if isinstance(one, Job):
                self.seen.setdefault(one.id, []).append(one)

    def view(self, data: st.DataObject) -> Job:
        """Somebody's view of some job: mostly the newest, else any that anybody ever had."""
        views = self.seen[data.draw(st.sampled_from(sorted(self.seen)), label="job")]
        is_fresh = data.draw(st.booleans(), label="fresh")
        return views[-1] if is_fresh else data.draw(st.sampled_from(views))

    # -- rules

    @rule(data=st.data(), who=st.sampled_from(PEOPLE), of=st.integers(0, 1), again=st.booleans())
    def accept(self, data: st.DataObject, who: Actor, of: int, again: bool) -> None:
        name = f"j{len(self.model.jobs)}"
        new = job(name, who, created_at=self.now, due_at=self.now, id=JobId(f"{name}-{of}"))
        if again:
            new = replace(new, key=self.view(data).key)
        limits = caps(self.now)
        store, model = self.stores[of], self.model
        self.same([(lambda: store.accept(new, limits, self.now), lambda: model.accept(new, limits))])

    @rule(
        of=st.integers(0, 1), limit=st.integers(0, 5), closed=st.sampled_from([(), ("other",), ("sandbox",)])
    )
    def start(self, of: int, limit: int, closed: Sequence[str]) -> None:
        asked = partial(
            self.stores[of].start,
            now=self.now,
            lease=LEASE,
            at_once=AT_ONCE,
            at_once_per_person=EACH,
            limit=limit,
            closed=closed,
        )
        self.same([(asked, lambda: self.model.start(self.now, limit, closed))])

    @rule(of=st.integers(0, 1), state=st.sampled_from(HELD), both=st.booleans())
    def claim(self, of: int, state: State, both: bool) -> None:
        """The second of two that ask at once gets nothing that the first has."""
        asked = self.stores[of].claim
        act = (lambda: asked(state, now=self.now, lease=LEASE, limit=100), lambda: self._claimed(state))
        self.same([act] * (1 + both))

    def _claimed(self, state: State) -> list[Job]:
        return self.model.claim(state, self.now, 100)

    @rule(of=st.integers(0, 1), data=st.data(), steps=st.integers(1, 5))
    def carry(self, of: int, data: st.DataObject, steps: int) -> None:
        """A good way towards the end, as a holder goes that nobody disturbs."""
        current = self.seen[data.draw(st.sampled_from(sorted(self.seen)), label="job")][-1]
        for _ in range(steps):
            if current.state is State.QUEUED:
                self.start(of=of, limit=5, closed=())
            elif ways := WAYS.get(current.state):
                self.same([self.act(data.draw(st.sampled_from(ways), label="way"), of, current)])
            current = self.seen[current.id][-1]

    @rule(of=st.integers(0, 1), data=st.data(), count=st.integers(1, 3))
    def move(self, of: int, data: st.DataObject, count: int) -> None:
        """One holder or several, each with its view and its verb, in one batch."""
        acts: list[tuple[Any, Callable[[], Any]]] = []
        for _ in range(count):
            view = self.view(data)
            likely = [name for name, _ in VERBS.items() if view.state in ORIGINS[name]]
            is_likely = bool(likely) and data.draw(st.integers(0, 4), label="likely") > 0
            names = st.sampled_from(likely if is_likely else sorted(VERBS))
            acts.append(self.act(data.draw(names, label="verb"), of, view))
        self.same(acts)

    @rule(
        of=st.integers(0, 1),
        data=st.data(),
        what=st.sampled_from(["cancel", "redeliver", "remove", "posted"]),
    )
    def anybody(self, of: int, data: st.DataObject, what: str) -> None:
        store, model, id, now = self.stores[of], self.model, self.view(data).id, self.now
        match what:
            case "cancel":
                by = data.draw(st.sampled_from(["Ann", "Ben"]))
                self.same(
                    [(lambda: store.request_cancel(id, by, now), lambda: model.request_cancel(id, by, now))]
                )
            case "redeliver":
                (answer,) = self.same(
                    [(lambda: store.redeliver(id, ELSEWHERE, now), lambda: model.redeliver(id, now))]
                )
                if isinstance(answer, Job):
                    self.redelivered.add(id)
            case "remove":
                self.same(
                    [(lambda: store.remove_media(id, "Ann", now=self.now), lambda: model.remove_media(id))]
                )
            case "posted":
                posted = {"message": len(self.seen[id])}
                self.same([(lambda: store.posted(id, posted), lambda: model.posted(id, posted))])

    @rule(of=st.integers(0, 1), data=st.data())
    def renew(self, of: int, data: st.DataObject) -> None:
        ids = sorted({self.view(data).id for _ in range(2)})
        until = self.now + LEASE
        self.same([(lambda: self.stores[of].renew(ids, until), lambda: self.model.renew(ids, until))])

    @rule(of=st.integers(0, 1))
    def void_leases(self, of: int) -> None:
        self.same([(self.stores[of].void_leases, self.model.void_leases)])

    @rule(seconds=st.sampled_from([1.0, 5.0, LEASE + 1]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    # -- what must hold, whatever happens

    @invariant()
    def the_table_is_what_the_model_says(self) -> None:
        rows = self.runner.run(self.stores[0]._database.read(select(*job_columns).order_by(jobs.c.id)))
        assert [job_of(row) for row in rows] == sorted(self.model.jobs.values(), key=lambda one: one.id)

    @invariant()
    def every_promise_is_kept(self) -> None:
        for one in self.model.jobs.values():
            was = self.before.get(one.id)
            _is_consistent(one)
            if was is not None:
                self._moved_legally(was, one)
        self._limits_are_kept()
        self.before = dict(self.model.jobs)
        self.redelivered.clear()

    def _moved_legally(self, was: Job, one: Job) -> None:
        assert one.attempt >= was.attempt
        assert one.key == was.key
        assert was.cancel_requested is None or one.cancel_requested == was.cancel_requested
        assert was.cost is None or one.cost is not None
        assert was.outcome is None or one.outcome is was.outcome
        assert was.prediction is None or one.prediction is not None
        if one.state is was.state:
            return
        assert one.state in _reachable(was.state)
        if was.state not in OPEN:
            assert one.id in self.redelivered
            assert was.state is State.UNDELIVERED
            assert one.attempt > was.attempt
        if was.state in HELD:
            self.left[(one.id, was.attempt, was.state)] += 1
            assert self.left[(one.id, was.attempt, was.state)] == 1, "an attempt has won twice"

    def _limits_are_kept(self) -> None:
        at_provider = [one for one in self.model.jobs.values() if one.state in AT_PROVIDER]
        each = Counter(_person(one.actor) for one in at_provider)
        assert len(at_provider) <= AT_ONCE
        assert all(count <= EACH for count in each.values())
        assert len({one.key for one in self.model.jobs.values()}) == len(self.model.jobs)


ORIGINS: dict[str, frozenset[State]] = {
    "requeue": frozenset({State.SUBMITTING}),
    "requeue elsewhere": frozenset({State.SUBMITTING}),
    "rerouted": frozenset({State.QUEUED}),
    "submitted": frozenset({State.SUBMITTING}),
    "snooze": frozenset(HELD),
    "progressed": frozenset({State.RUNNING}),
    "succeeded": frozenset({State.RUNNING}),
    "fetched": frozenset({State.FETCHING}),
    "ended": BEFORE_OUTCOME,
    "delivered": frozenset({State.DELIVERING}),
    "undelivered": frozenset({State.DELIVERING}),
    "redirected": frozenset({State.DELIVERING}),
}


WAYS: dict[State, list[str]] = {
    State.SUBMITTING: ["submitted", "submitted", "requeue"],
    State.RUNNING: ["succeeded", "succeeded", "ended"],
    State.FETCHING: ["fetched"],
    State.DELIVERING: ["undelivered", "delivered"],
}


def _is_consistent(one: Job) -> None:
    assert (one.outcome is None) == (one.state in BEFORE_OUTCOME)
    assert one.outcome is not Outcome.READY or one.media or one.code == "removed"
    assert one.outcome in (None, Outcome.READY) or one.code
    assert one.state in OPEN or one.lease_until is None
    assert one.state is not State.QUEUED or one.lease_until is None
    assert (one.ended_at is None) == (one.state in OPEN)
    assert one.state is not State.RUNNING or one.prediction


def _reachable(origin: State) -> set[State]:
    """In one step or, where several act in one batch, in a few."""
    found, new = set[State](), {origin}
    while new:
        new = {to for state in new for to in MOVES[state]} - found
        found |= new
    return found


def _accepting(store: Store, model: Model, new: Job) -> Act:
    return partial(store.accept, new, (), NOW), partial(model.accept, new, ())


def _outcome_of(expected: Callable[[], Any]) -> Any:
    try:
        return expected()
    except (Stale, Refused) as error:
        return error


def _comparable(answer: Any) -> Any:
    match answer:
        case Refused():
            return "refused", answer.code, answer.facts
        case Exception():
            return type(answer)
        case list():
            return sorted(([_comparable(one) for one in answer]), key=str)
        case tuple():
            return [_comparable(one) for one in answer]
        case Job():
            return {entry.name: getattr(answer, entry.name) for entry in fields(answer)}
        case _:
            return answer


@pytest.fixture(scope="module", autouse=True)
def template(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A database with its tables, to begin each example with."""
    Workers.template = tmp_path_factory.mktemp("template") / "threadreel.db"

    async def make() -> None:
        await (await Store.open(f"sqlite:///{Workers.template}")).close()

    asyncio.run(make())


class WorkersAtLength(Workers):
    """The same, for as long as it takes."""


def _sizes(examples: int, steps: int) -> settings:
    """A step is a few commits to a real disk, so it may take its time."""
    checks = list(HealthCheck)
    return settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=checks
    )


TestWorkers = Workers.TestCase
TestWorkers.settings = _sizes(20, 50)
TestWorkersAtLength = pytest.mark.timeout(7200)(pytest.mark.long(WorkersAtLength.TestCase))
TestWorkersAtLength.settings = _sizes(1000, 80)
