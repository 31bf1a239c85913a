"""The engine: claim, step, move. The database is the truth; what is held here are leases."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, assert_never

import structlog

from bot.catalogue import Catalogue
from bot.engine.cards import Cards
from bot.engine.fates import (
    Again,
    Delivered,
    Elsewhere,
    Fate,
    Fetched,
    GiveUp,
    Nowhere,
    Requeue,
    Reroute,
    Submitted,
    Succeeded,
)
from bot.engine.hands import Hands
from bot.engine.steps import Steps
from bot.errors import Stale
from bot.jobs import Job, JobId, Outcome, State, platform_of
from bot.pacing import Durations, Pace
from bot.ports import Platform, Waiting, Working
from bot.prices import Prices
from bot.providers import Client, Hook, Prediction, Roster
from bot.routes import Routes, base_of
from bot.sweep import Sweep

if TYPE_CHECKING:
    from bot.media import Library
    from bot.store import Store

AWAY = 30.0
"""Seconds of a provider's "not now" after which a job rather goes to the next of its route."""

CHOOSING = 3
"""How many times as long as a choice from the queue took, no other is made."""

Step: TypeAlias = Callable[[Job], Awaitable[Fate]]

NEARLY_ALL = 0.98
ENOUGH = 20
"""Durations without which nothing is said of the longest of them."""

NEWS_KEPT = 256
"""Webhooks taken in and not yet heeded; each may hold a megabyte."""

EARLY_KEPT = 1000
UNTIL_FOLLOWED = (State.QUEUED, State.SUBMITTING, State.RUNNING)
FEW = 16
"""Jobs of a provider under way up to which it is to tell of their logs too: twice a second, each of them."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class News:
    """What a provider tells of a job by itself. `sure`: it surely is the provider who tells."""

    job: JobId
    provider: str
    prediction: Prediction
    sure: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """The engine's limits. Times in seconds; `workers`: steps under way at once in each line.

    `outbox`: how long a result is offered to its place, while that stumbles. `heads_up`: how long a job waits
    that another provider shall have and that may cost now, so that its card can say so.
    """

    at_once: int = 8
    at_once_per_person: int = 3
    deadline: float = 3600
    settled: float = 20
    heard_within: float = 600
    workers: int = 16
    lease: float = 120
    tick: float = 1.0
    pace: Pace = field(default_factory=Pace)
    outbox: float = 86_400
    heads_up: float = 5.0
    card_every: float = 1.0


class Engine:
    """Carries every job from the queue to its place. One process runs it over a SQLite store."""

    def __init__(
        self,
        store: Store,
        library: Library,
        catalogue: Catalogue,
        clients: Roster,
        platforms: Mapping[str, Platform],
        *,
        rules: Rules,
        prices: Prices,
        link: Callable[[str], str] | None,
        routes: Routes | None = None,
        now: Callable[[], float],
        rng: random.Random,
        hooks: Mapping[str, Callable[[JobId], str]] | None = None,
    ) -> None:
        """`routes`: who takes a job that its provider certainly won't. `hooks`: of the providers that are to
        tell of jobs by themselves, the address to tell it to.
        """
        self._store = store
        self._clients = clients
        self._manners = {name: client.manners for name, client in clients.items()}
        self._catalogue = catalogue
        self._rules = rules
        self._now = now
        self.durations: defaultdict[str, Durations] = defaultdict(Durations)
        self._hooks = hooks or {}
        self._cards = Cards(platforms, store, catalogue, now=now, every=rules.card_every)
        self._steps = Steps(
            store,
            library,
            catalogue,
            clients,
            platforms,
            self._cards,
            prices=prices,
            deadline=rules.deadline,
            settled=rules.settled,
            heard_within=rules.heard_within,
            outbox=rules.outbox,
            heads_up=rules.heads_up,
            link=link,
            hook_of=self._hook_of,
            routes=routes or {},
            now=now,
            rng=rng,
        )
        self._sweeps = {name: self._sweep_of(client) for name, client in clients.items()}
        self._tasks: asyncio.TaskGroup | None = None
        self._hands: Hands[tuple[Job, Step]] = Hands(rules.workers, self._work)
        self._held: dict[JobId, Job] = {}
        self._wanted = asyncio.Event()
        self._further: dict[JobId, tuple[Job, float | None, float | None]] = {}
        self._news: asyncio.Queue[News] = asyncio.Queue(NEWS_KEPT)
        self._early: OrderedDict[JobId, News] = OrderedDict()
        self._renew_at = now() + rules.lease / 4
        self._loose: set[JobId] = set()
        self._stopping = False

    def _sweep_of(self, client: Client) -> Sweep:
        return Sweep(
            client,
            self,
            self.durations,
            pace=self._rules.pace,
            deadline=self._rules.deadline,
            now=self._now,
            hears=client.name in self._hooks,
        )

    async def _know(self, provider: str) -> None:
        """What a server's own key is for, once it is needed; and its new client, where it was replaced."""
        client = await self._clients.ensure(provider)
        sweep = self._sweeps.get(provider)
        if client is None or (sweep is not None and sweep.client is client):
            return
        self._manners[provider] = client.manners
        if sweep is not None:
            sweep.client = client
            return
        sweep = self._sweeps[provider] = self._sweep_of(client)
        if self._tasks is not None:
            self._tasks.create_task(_for_ever("sweep", sweep.run))

    def _hook_of(self, job: Job) -> Hook | None:
        if (url_of := self._hooks.get(job.provider)) is None:
            return None
        few = len(self._sweeps[job.provider]) < FEW
        return Hook(url_of(job.id), ("start", "logs", "completed") if few else ("start", "completed"))

    # -- what the core tells

    def accepted(self, job: Job) -> None:
        """A new job stands in the store."""
        self._cards.show(job, Waiting())
        self._wanted.set()

    def cancelled(self, job: Job) -> None:
        """Somebody wants it cancelled, and the store knows."""
        if job.state is State.RUNNING and job.provider in self._sweeps:
            self._sweeps[job.provider].cancel(job.id)
        self._wanted.set()

    def waits(self, job: Job) -> None:
        """What had ended is to be delivered after all: it is due, and the clock finds it."""
        self._cards.reopen(job.id)

    def eta(self, job: Job) -> float | None:
        """Seconds that a running job may still take, from what was learned; None where nothing was."""
        if job.submitted_at is None:
            return None
        return self.durations[job.model].left(self._now() - job.submitted_at)

    def longest(self, model: str) -> float | None:
        """Seconds that nearly all runs of a model stay under; None while too few were seen."""
        known = self.durations[model]
        return known.quantile(NEARLY_ALL) if len(known) >= ENOUGH else None

    # -- running

    async def run(self) -> None:
        """Work until cancelled. The caller holds the store's engine lock."""
        await _until_done("take over", self._take_over)
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            for sweep in self._sweeps.values():
                tasks.create_task(_for_ever("sweep", sweep.run))
            self._hands.begin(tasks)
            tasks.create_task(_for_ever("cards", self._cards.run))
            tasks.create_task(_for_ever("intake", self._take_in))
            tasks.create_task(_for_ever("clock", self._tick))
            tasks.create_task(_for_ever("news", self._hear))

    async def stop(self, within: float) -> None:
        """Start nothing new, and let what is in hand finish for so many seconds."""
        self._stopping = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._news.join()
                await self._hands.all_done()

    async def _take_over(self) -> None:
        """An earlier start's leases are void, and what ran then is followed again."""
        await self._store.void_leases()
        for model in self._catalogue:
            self.durations[model.command] = Durations(await self._store.durations(model.command))
        await self._claim_retries(limit=None)

    async def _take_in(self) -> None:
        """Start queued jobs as soon as there is something to start and room for it.

        Choosing among very many takes its time: then it is done less often, for more places at once.
        """
        loop = asyncio.get_running_loop()
        while True:
            self._wanted.clear()
            began = loop.time()
            if not self._stopping:
                for job in await self._start():
                    self._cards.show(job, Working(None, None))
                    self._take(job, self._steps.submit)
            await asyncio.sleep(min(CHOOSING * (loop.time() - began), 1.0))
            await self._wanted.wait()

    async def _start(self) -> list[Job]:
        """What there is room for, here and at the providers; the rest stays in the queue, untouched.

        One round starts no more than the provider with the least room takes, whoever they are for.
        """
        started: list[Job] = []
        places = self._rules.workers * 4
        while places > len(started):
            now = self._now()
            room = {name: self._room(name, now) for name in self._manners}
            limit = int(min([places - len(started), *filter(None, room.values())]))
            more = await self._start_some(now, limit, [name for name, free in room.items() if not free])
            started += more
            if len(more) < limit:
                break
        return started

    def _room(self, provider: str, now: float) -> float:
        """Creates that a provider takes at once, and of which we don't have too many in hand already."""
        places = self._rules.workers * 4 - self._hands.waiting(_sending(provider))
        return max(0, min(places, self._manners[provider].room(now)))

    async def _start_some(self, now: float, limit: int, closed: Collection[str]) -> list[Job]:
        started = await self._store.start(
            now=now,
            lease=self._rules.lease,
            at_once=self._rules.at_once,
            at_once_per_person=self._rules.at_once_per_person,
            limit=limit,
            closed=closed,
        )
        for job in started:
            if job.provider in self._manners:
                self._manners[job.provider].creates.take(now)
        return started

    async def _tick(self) -> None:
        """Once in a while: what is due again, what others asked for, leases, the queue's cards."""
        while True:
            await asyncio.sleep(self._rules.tick)
            if self._stopping:
                continue
            await self._renew()  # first: after a pause of the machine every lease has run out
            await self._let_go()
            self._wanted.set()
            await self._claim_retries(limit=self._rules.workers * 4)
            await self._pass_cancels_on()
            await self._note_progress()
            await self._tell_the_queue()

    async def _claim_retries(self, *, limit: int | None) -> None:
        """Take what nobody holds: left by an earlier start, or due again."""
        step: Mapping[State, Step | None] = {
            State.DELIVERING: self._steps.deliver,
            State.FETCHING: self._steps.fetch,
            State.SUBMITTING: self._steps.recover,
            State.RUNNING: None,
        }
        for state, first in step.items():
            for job in await self._store.claim(state, now=self._now(), lease=self._rules.lease, limit=limit):
                await self._know(job.provider)
                if first is not None:
                    self._take(job, first)
                elif job.provider in self._sweeps:
                    self._follow(job)
                else:
                    self._take(job, partial(_settled, fate=GiveUp(Outcome.UNKNOWN, "no_provider")))

    async def _pass_cancels_on(self) -> None:
        for job in await self._store.cancels():
            if sweep := self._sweeps.get(job.provider):
                sweep.cancel(job.id)

    async def _note_progress(self) -> None:
        """Write down how far running jobs are, for readers in other processes and for the next start."""
        further, self._further = self._further, {}
        await asyncio.gather(
            *(self._store.progressed(*entry) for entry in further.values()), return_exceptions=True
        )

    async def _renew(self) -> None:
        """Keep what is held, well before the lease is over."""
        if self._now() < self._renew_at:
            return
        self._renew_at = self._now() + self._rules.lease / 4
        held = [*self._held, *(job.id for sweep in self._sweeps.values() for job in sweep.jobs())]
        if held:
            await self._store.renew(held, self._now() + self._rules.lease)

    async def _let_go(self) -> None:
        """What could not be written down has left jobs that nobody carries: they are due again at once, and
        not when their lease is over."""
        if loose := self._loose - self._held.keys():
            await self._store.renew(loose, self._now())
            self._loose -= loose

    async def _tell_the_queue(self) -> None:
        """What each waits for; and who waits for a provider that is away goes to the next of its route."""
        for ahead, job in enumerate(await self._store.queued(limit=100)):
            manners = self._manners.get(job.provider)
            if manners and manners.away(self._now(), AWAY) and await self._send_elsewhere(job):
                continue
            reason = manners.why(self._now()) if manners and job.code is None else job.code
            self._cards.show(job, Waiting(ahead, None, reason))

    async def _send_elsewhere(self, job: Job) -> bool:
        """Whether another provider has it now. It was never sent: nothing is spent."""
        other = await self._steps.elsewhere(job)
        if other is None:
            return False
        with contextlib.suppress(Stale):
            due_at = self._now() + other.after
            await self._store.rerouted(job, other.provider, due_at=due_at, code=other.code)
            self._wanted.set()
        return True

    # -- one job

    def _take(self, job: Job, step: Step) -> None:
        held = self._held.get(job.id)
        if held is None or held.attempt != job.attempt:
            self._hand_on(job, step)

    def _hand_on(self, job: Job, step: Step) -> None:
        self._held[job.id] = job
        self._hands.give(self._line(job, step), (job, step))

    def _line(self, job: Job, step: Step) -> str:
        """Sending to a provider, fetching from it, what else it is asked, and posting to a platform: each is
        a line, and what hangs keeps only that waiting which is for it."""
        if step == self._steps.deliver:
            return f"post {platform_of(job.place)}"
        if step == self._steps.submit:
            return _sending(job.provider)
        return f"{'fetch' if step == self._steps.fetch else 'ask'} {base_of(job.provider)}"

    def _follow(self, job: Job) -> None:
        self._sweeps[job.provider].watch(job)
        self._cards.show(job, Working(job.progress, self.eta(job)))
        if news := self._early.pop(job.id, None):
            # Heeded once whoever holds the job has let go of it; where there is no room, a look finds it.
            self.tell(news)

    async def _work(self, task: tuple[Job, Step]) -> None:
        job, step = task
        try:
            await self._carry(job, self._put_back if self._is_new(step) else step)
        except Exception:
            self._loose.add(job.id)
            raise
        finally:
            if self._held.get(job.id) is job:
                del self._held[job.id]

    def _is_new(self, step: Step) -> bool:
        """Whether it would only begin now, though nothing new shall begin any more."""
        return self._stopping and step == self._steps.submit

    async def _put_back(self, _job: Job) -> Fate:
        return Requeue(0.0)

    async def _carry(self, job: Job, step: Step) -> None:
        """One step; what can go on at once is handed on to the line of the next."""
        await self._know(job.provider)
        moved = await self._write(job, await self._fate_of(job, step))
        if moved is not None and (next_step := self._step_of(moved.state)):
            self._hand_on(moved, next_step)

    async def _fate_of(self, job: Job, step: Step) -> Fate:
        try:
            return await step(job)
        except Exception:
            log.exception("A step failed", action="step_failed", **job.log_context())
            return self._steps.after_fault(job)

    def _step_of(self, state: State) -> Step | None:
        return {State.FETCHING: self._steps.fetch, State.DELIVERING: self._steps.deliver}.get(state)

    async def _write(self, job: Job, fate: Fate) -> Job | None:
        """Write a fate down; returns the job where it can go on at once."""
        try:
            moved = await self._move(job, fate)
        except Stale:
            log.debug("Somebody else moved it", action="stale", **job.log_context())
            return None
        log.debug("Moved", action="move", fate=type(fate).__name__, **moved.log_context())
        return self._after(moved, fate)

    async def _move(self, job: Job, fate: Fate) -> Job:
        now = self._now()
        match fate:
            case Submitted(prediction):
                return await self._store.submitted(job, prediction.id, now=now)
            case Requeue(after, code, facts):
                return await self._store.requeue(job, due_at=now + after, code=code, facts=facts)
            case Reroute(provider, after, code):
                return await self._store.requeue(job, due_at=now + after, code=code, provider=provider)
            case Succeeded(outputs, took, finished_at, cost, charged):
                return await self._store.succeeded(
                    job,
                    outputs,
                    now=now,
                    took=took,
                    cost=cost,
                    finished_at=finished_at or now,
                    charged=charged,
                )
            case Fetched(media):
                return await self._store.fetched(job, media, now=now)
            case Delivered(posted):
                return await self._store.delivered(job, posted, now=now)
            case Elsewhere(place):
                return await self._store.redirected(job, place, now=now)
            case Nowhere(code):
                return await self._store.undelivered(job, now=now, code=code)
            case Again(after, code, facts):
                return await self._store.snooze(job, due_at=now + after, code=code, facts=facts)
            case GiveUp(outcome, code, facts, cost, charged):
                return await self._store.ended(
                    job, outcome, now=now, code=code, facts=facts, cost=cost, charged=charged
                )
            case _:
                assert_never(fate)

    def _after(self, job: Job, fate: Fate) -> Job | None:
        """What a move means for the rest of us; returns the job where it can go on at once."""
        match fate:
            case Submitted():
                self._follow(job)
                return None
            case Requeue() | Reroute() if job.state is State.DELIVERING:
                return job  # a cancel was waiting for it
            case Requeue(code=code) | Reroute(code=code):
                self._cards.show(job, Waiting(None, None, code))
                if job.due_at <= self._now():
                    self._wanted.set()
                return None
            case Delivered() | Nowhere():
                self._cards.end(job.id)
                self._wanted.set()
                return None
            case Again():
                return None
            case Elsewhere():
                self._cards.forget(job.id)
                return job
            case GiveUp() | Succeeded() | Fetched():
                self._wanted.set()
                return job
            case _:
                assert_never(fate)

    # -- what providers tell by themselves (bot.webhooks)

    async def knows(self, provider: str, job: JobId) -> bool:
        """Whether this provider has or had such a job."""
        sweep = self._sweeps.get(provider)
        if sweep is not None and sweep.follows(job):
            return True
        found = await self._store.get(job)
        return found is not None and found.provider == provider

    def tell(self, news: News) -> bool:
        """Take news in, to be heeded soon; False where there is more than can be taken."""
        try:
            self._news.put_nowait(news)
        except asyncio.QueueFull:
            return False
        return True

    async def _hear(self) -> None:
        while True:
            news = await self._news.get()
            try:
                await self._heed(news)
            finally:
                self._news.task_done()

    async def _heed(self, news: News) -> None:
        """As good as a look, where the job is followed; else it may be what a lost answer would have told.

        What is late, comes twice or is of another prediction than the job's changes nothing.
        """
        if self._pass_on(news):
            return
        job = await self._store.get(news.job)
        if job is None or job.provider != news.provider or self._pass_on(news):
            return
        if job.state in UNTIL_FOLLOWED:
            self._keep_early(news)
        is_unanswered = job.state in UNTIL_FOLLOWED and job.prediction is None
        if is_unanswered and await self._steps.may_be_of(job, news.prediction):
            await self._adopt(job, news)

    def _pass_on(self, news: News) -> bool:
        """To whoever follows the job; False where nobody does."""
        sweep = self._sweeps.get(news.provider)
        return sweep is not None and sweep.heard(news.job, news.prediction, sure=news.sure)

    def _keep_early(self, news: News) -> None:
        """Until the job is followed, which it soon is; the end is not forgotten over what comes late."""
        before = self._early.get(news.job)
        if before and before.prediction.status.terminal and before.prediction.id == news.prediction.id:
            return
        self._early[news.job] = replace(news, prediction=replace(news.prediction, input={}))
        if len(self._early) > EARLY_KEPT:
            self._early.popitem(last=False)

    async def _adopt(self, job: Job, news: News) -> None:
        """The prediction of a job whose answer is late or lost: written down at once where it is sure.

        Else whoever looks for it finds the hint; where the job is in nobody's hand, that is now.
        """
        if news.sure:
            self._steps.believe(job, news.prediction)
        else:
            self._steps.hint(job, news.prediction.id)
        is_held = job.lease_until is not None and job.lease_until > self._now()
        if not news.sure and (is_held or job.state is State.QUEUED):
            return
        with contextlib.suppress(Stale):
            held = await self._store.hold(job, now=self._now(), lease=self._rules.lease)
            if not news.sure:
                self._take(held, self._steps.recover)
                return
            if job.code is not None:
                log.info("A lost answer was found by its webhook", action="answer_found", **job.log_context())
            await self._write(held, Submitted(news.prediction))

    # -- what the sweep finds (bot.sweep.Finder)

    def finished(self, job: Job, prediction: Prediction) -> None:
        self._take(job, partial(self._settle, prediction=prediction))

    async def _settle(self, job: Job, prediction: Prediction) -> Fate:
        """As `Steps.settle`, by the newest word on whether a cancel was asked for."""
        return await self._steps.settle(await self._store.get(job.id) or job, prediction)

    def moved_on(self, job: Job, fraction: float | None, started_at: float | None) -> None:
        self._further[job.id] = (job, fraction, started_at)
        self._cards.show(job, Working(fraction, self.eta(job)))

    def out_of_reach(self, job: Job) -> None:
        self._cards.show(job, Waiting(reason="provider_down"))

    def vanished(self, job: Job) -> None:
        self._take(job, partial(_settled, fate=GiveUp(Outcome.UNKNOWN, "vanished")))

    def senseless(self, job: Job, detail: str) -> None:
        self._take(job, partial(_settled, fate=GiveUp(Outcome.FAILED, "bad_answer", {"detail": detail})))

    def overdue(self, job: Job) -> None:
        self._take(job, self._steps.overdue)


def _sending(provider: str) -> str:
    return f"send {base_of(provider)}"


async def _settled(_job: Job, *, fate: Fate) -> Fate:
    return fate


async def _until_done(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Try until it goes through: a start must not fail for a moment's trouble with the disk."""
    while True:
        try:
            return await work()
        except Exception:
            log.exception("It failed and is tried again", action="start_failed", work=name)
            await asyncio.sleep(1)


async def _for_ever(name: str, loop: Callable[[], Awaitable[None]]) -> None:
    """Run a loop until cancelled; a fault in it is told and must not stop the others."""
    while True:
        try:
            await loop()
        except Exception:
            log.exception("A loop failed and goes on", action="loop_failed", loop=name)
            await asyncio.sleep(1)
