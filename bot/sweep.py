"""The poller: one sweep follows every running prediction of a provider, never a task or a timer a job.

Each turn it looks at what is due as far as the provider's budget goes, first at what is most likely to have
ended: by windows of the list that show many at once, by single looks at the others. What is left of the
budget goes to progress.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from operator import itemgetter
from typing import Protocol

import structlog

from bot.errors import LostAnswer, NotAPrediction, ProviderRefused, TryLater
from bot.jobs import Job, JobId
from bot.pacing import Durations, Hearing, Pace, likely_ended, next_look
from bot.providers import Client, Prediction, Status, parse_progress
from bot.windows import INSIDE, Offsets, Window, windows

GARBAGE_LOOKS = 5
MISSING_LOOKS = 3
WORTH_THEIR_LOGS = 4
"""Single looks made rather than ask for a list: they bring the logs, and with them the progress."""

AT_ONCE = 16
"""Requests under way at once."""

PROGRESS_LOOKS = 2
"""Looks a turn at those whose logs, and so their progress, no list shows."""

MOST_PAGES = 3
"""Pages of one window; what they don't show is looked at by itself."""

SPARE = 4
"""Requests that are left for cancels, uploads and whatever else can't wait."""

WITHOUT_LIST = (1.0, 60.0)
"""Seconds for which a list that was of no use is not asked again: the first time, and at most. Each time in
a row it is twice as long."""

SHORTEST_NAP = 0.05
"""Between two turns, in seconds, so that what falls due one after the other is looked at together."""

NAP_FOR_EACH = 1e-5
"""Seconds more for each that is followed: choosing among many takes its time."""

log = structlog.get_logger(__name__)


def time_taken(prediction: Prediction) -> float | None:
    """Seconds from its creation to its end, both by the provider's clock; None where it does not say."""
    if prediction.created_at is None or prediction.completed_at is None:
        return None
    return max(prediction.completed_at - prediction.created_at, 0.0)


class Watched:
    """A running prediction that is being followed."""

    __slots__ = (
        "cancel_at",
        "cancelling",
        "created",
        "fraction",
        "garbage",
        "id",
        "job",
        "logged",
        "logs_at",
        "look_at",
        "missing",
        "rate",
        "seen_at",
        "several",
        "since",
        "started_at",
    )

    def __init__(self, job: Job, prediction: str, now: float) -> None:
        self.id = prediction
        self.job = job
        self.since = job.submitted_at or now
        self.created: float | None = None
        self.seen_at = now
        self.rate = 0.0
        self.started_at = job.started_at
        self.fraction = job.progress
        self.several = False
        self.logged = 0
        self.look_at = now
        self.logs_at = now
        self.garbage = 0
        self.missing = 0
        self.cancelling = False
        self.cancel_at = now

    def worth(self, now: float) -> float:
        """For how many seconds it has been over unseen, as is to be expected.

        Looks then come as often as the square root of the rate at which runs end, which is the optimum.
        """
        return self.rate * (now - self.seen_at) ** 2 / 2

    @property
    def shown(self) -> float | None:
        """The share that is done, None where nobody knows."""
        return None if self.several else self.fraction


class Finder(Protocol):
    """Whom the sweep tells what it found."""

    def finished(self, job: Job, prediction: Prediction) -> None: ...
    def moved_on(self, job: Job, fraction: float | None, started_at: float | None) -> None: ...
    def vanished(self, job: Job) -> None: ...
    def senseless(self, job: Job, detail: str) -> None: ...
    def overdue(self, job: Job) -> None: ...
    def out_of_reach(self, job: Job) -> None: ...


class Sweep:
    """Follows the predictions of one provider, as the client's manners allow. Times in seconds.

    `hears`: the provider is asked to tell of ends by itself; looks are rarer as long as it does.
    """

    def __init__(
        self,
        client: Client,
        finder: Finder,
        durations: Mapping[str, Durations],
        *,
        pace: Pace,
        deadline: float,
        now: Callable[[], float],
        hears: bool = False,
    ) -> None:
        self.client = client
        self._finder = finder
        self._durations = durations
        self._pace = pace
        self._deadline = deadline
        self._now = now
        self._watched: dict[str, Watched] = {}
        self._by_job: dict[JobId, str] = {}
        self._something = asyncio.Event()
        self._told = False
        self._hearing = Hearing() if hears else None
        self._arrive: bool | None = None
        self._offsets = Offsets()
        self._no_list_until = 0.0
        self._no_list_for = 0.0

    def __len__(self) -> int:
        return len(self._watched)

    def jobs(self) -> list[Job]:
        return [watched.job for watched in self._watched.values()]

    def watch(self, job: Job) -> None:
        """Follow a running job from now on."""
        if job.prediction is None:
            raise ValueError(f"{job.id} has no prediction to follow")
        watched = Watched(job, job.prediction, self._now())
        watched.look_at += self._wait(watched)
        watched.cancelling = job.cancel_requested is not None and self.client.can.cancel
        self._watched[watched.id] = watched
        self._by_job[job.id] = watched.id
        self._something.set()

    def follows(self, job: JobId) -> bool:
        return job in self._by_job

    def heard(self, job: JobId, prediction: Prediction, *, sure: bool) -> bool:
        """News of a prediction: where it is sure, as good as a look, else a reason for one.

        False where this job's is not followed.
        """
        if self._hearing and prediction.status.terminal:
            self._hearing.came(prediction.id)
        watched = self._watched.get(prediction.id)
        if watched is None or watched.job.id != job:
            return False
        if sure:
            self._observe(watched, prediction)
        else:
            watched.look_at = self._now()
            self._something.set()
        return True

    def cancel(self, job: JobId) -> None:
        """Cancel it at the provider at the next turn."""
        if not self.client.can.cancel:
            return
        watched = self._watched.get(self._by_job.get(job, ""))
        if watched is not None and not watched.cancelling:
            watched.cancelling = True
            watched.look_at = self._now()
            self._something.set()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            if not self._watched:
                self._something.clear()
                await self._something.wait()
            await self._turn()
            await self._nap()

    async def _nap(self) -> None:
        """Until the next one is due, or something new comes; never longer than a second, never busy."""
        self._something.clear()
        soonest = min((watched.look_at for watched in self._watched.values()), default=self._now() + 1)
        shortest = SHORTEST_NAP + NAP_FOR_EACH * len(self._watched)
        rest = max(min(soonest - self._now(), 1.0), shortest)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(rest):
                await self._something.wait()

    async def _turn(self) -> None:
        """One look at what is due, as far as the budget goes."""
        now = self._now()
        self._judge_hearing(now)
        await self._cancel([w for w in self._watched.values() if w.cancelling and w.cancel_at <= now])
        due = [w for w in self._watched.values() if w.look_at <= now]
        try:
            if room := self._room(now):
                await self._look_at_what_is_due(due, room, now)
        except TryLater as error:
            self._put_off(due, error.retry_after)
        self._tell_whether_it_is_there()
        self._give_up_overdue()

    # -- looking

    def _room(self, now: float) -> float:
        """Requests that may be sent. Raises TryLater where the provider won't be asked for a while."""
        others = self.client.manners.others
        if held := others.held(now):
            raise TryLater("it is not asked for now", retry_after=held)
        room = others.room(now)
        return room - SPARE if room > 2 * SPARE else room

    async def _look_at_what_is_due(self, due: Sequence[Watched], room: float, now: float) -> None:
        looks = sorted(self._looks(due, now), key=itemgetter(0), reverse=True)
        chosen = looks if len(looks) <= room else looks[: int(room)]
        missing: list[Watched] = []
        asks = [
            partial(self._look, what)
            if isinstance(what, Watched)
            else partial(self._look_at_window, what, now, missing)
            for _, what in chosen
        ]
        await _at_once(asks)
        more = [*missing, *self._without_logs(room - len(chosen))]
        await _at_once([partial(self._look, watched) for watched in more])

    def _looks(self, due: Sequence[Watched], now: float) -> list[tuple[float, Window[Watched] | Watched]]:
        """What to ask for, and what it is worth: windows where several are due, else single looks."""
        alone: list[tuple[float, Window[Watched] | Watched]] = [(one.worth(now), one) for one in due]
        if not self.client.can.list or len(due) <= WORTH_THEIR_LOGS or now < self._no_list_until:
            return alone
        looks: list[tuple[float, Window[Watched] | Watched]] = []
        for window in windows(self._watched.values(), self._offsets):
            inside = [one for one in window.inside if one.look_at <= now]
            worth = [one.worth(now) for one in inside]
            looks += [(sum(worth), window)] if len(inside) > 1 else zip(worth, inside, strict=True)
        if not looks:
            return alone[:WORTH_THEIR_LOGS]  # they teach when the others were made
        return looks if len(due) > len(looks) + WORTH_THEIR_LOGS else alone

    async def _look_at_window(self, window: Window[Watched], now: float, missing: list[Watched]) -> None:
        """A page, or a few. What is due and isn't shown goes to `missing`."""
        due = {one.id: one for one in window.inside if one.look_at <= now}
        cursor: str | None = None
        try:
            for _ in range(MOST_PAGES):
                page = await self.client.list(
                    created_after=window.created_after, created_before=window.created_before, cursor=cursor
                )
                for prediction in page.predictions:
                    due.pop(prediction.id, None)
                    if watched := self._watched.get(prediction.id):
                        self._see(watched, prediction)
                cursor = page.next
                if cursor is None or not due:
                    break
        except (ProviderRefused, NotAPrediction) as error:
            self._do_without_list(now, error)
        else:
            self._no_list_for = 0.0
        missing += due.values()

    def _do_without_list(self, now: float, error: ProviderRefused | NotAPrediction) -> None:
        if self._no_list_until > now:
            return  # another window of the same turn has told
        first, most = WITHOUT_LIST
        self._no_list_for = min(max(self._no_list_for * 2, first), most)
        self._no_list_until = now + self._no_list_for
        log.warning(
            "The list is of no use", action="list_failed", why=str(error), seconds=round(self._no_list_for)
        )

    def _without_logs(self, room: float) -> list[Watched]:
        """Those whose logs, and so their progress, nothing has shown for the longest while, if for long."""
        late = self._now() - self._pace.longest
        most = int(min(room / 2, PROGRESS_LOOKS))
        if most < 1 or not self.client.can.list:
            return []
        silent = [w for w in self._watched.values() if w.logs_at < late and w.started_at is not None]
        return heapq.nsmallest(most, silent, key=lambda w: w.logs_at)

    async def _look(self, watched: Watched) -> None:
        if self._watched.get(watched.id) is not watched:
            return  # news that came meanwhile has ended it
        try:
            found = await self.client.get(watched.id)
        except ProviderRefused as error:
            self._refused(watched, error)
        except NotAPrediction as error:
            self._garbage(watched, error)
        else:
            watched.logs_at = self._now()
            self._see(watched, found)

    # -- what was found

    def _see(self, watched: Watched, prediction: Prediction) -> None:
        """Take note of one look of our own, unless news that came meanwhile has ended it."""
        if self._watched.get(watched.id) is not watched:
            return
        if self._hearing and prediction.status.terminal:
            self._hearing.found(prediction.id, self._now())
        self._observe(watched, prediction)

    def _observe(self, watched: Watched, prediction: Prediction) -> None:
        """Take note of how it is; a run that has ended is told and no longer followed."""
        watched.garbage = watched.missing = 0
        if watched.created is None and prediction.created_at is not None:
            watched.created = prediction.created_at
            self._offsets.learn(watched.since, prediction.created_at)
        if prediction.status.terminal:
            self._forget(watched)
            self._learn(watched, prediction)
            self._finder.finished(watched.job, prediction)
            return
        if prediction.logs:
            watched.logs_at = self._now()
        self._note_progress(watched, prediction)
        watched.seen_at = self._now()
        watched.look_at = watched.seen_at + self._wait(watched)

    def _note_progress(self, watched: Watched, prediction: Prediction) -> None:
        """Tell progress when there is some; never backwards."""
        before = watched.shown
        is_newer = len(prediction.logs) >= watched.logged  # logs grow; news of them may come in any order
        watched.logged = max(watched.logged, len(prediction.logs))
        if is_newer and prediction.logs and (fraction := parse_progress(prediction.logs)) is not None:
            # A bar that begins anew: nobody knows how many more will come, so no share is shown.
            watched.several = fraction < (watched.fraction or 0)
            watched.fraction = max(fraction, watched.fraction or 0)
        started = watched.started_at is None and prediction.status is not Status.STARTING
        if started:
            watched.started_at = prediction.started_at or self._now()
        if started or watched.shown != before:
            self._finder.moved_on(watched.job, watched.shown, watched.started_at)

    def _learn(self, watched: Watched, prediction: Prediction) -> None:
        if prediction.status is Status.SUCCEEDED and (took := time_taken(prediction)) is not None:
            self._durations[watched.job.model].learn(took)

    def _wait(self, watched: Watched) -> float:
        """Seconds until the next look at this one. In a page, a look costs a share of a request."""
        share = 1 / min(INSIDE, max(len(self._watched), 1)) if self.client.can.list else 1.0
        pace = self._pace.while_heard() if self._arrive else self._pace
        pace = replace(pace, price=pace.price * share)
        age, known = self._now() - watched.since, self._durations[watched.job.model]
        wait = next_look(age, known, pace)
        watched.rate = likely_ended(age, wait, known) / wait
        return wait

    def _refused(self, watched: Watched, error: ProviderRefused) -> None:
        """The provider does not know it, or does not know us: neither is believed at once."""
        watched.look_at = self._now() + self._pace.longest
        if error.code != "not_found":
            log.warning(
                "The provider refuses a look",
                action="look_refused",
                code=error.code,
                **watched.job.log_context(),
            )
            return
        watched.missing += 1
        if watched.missing >= MISSING_LOOKS:
            self._forget(watched)
            self._finder.vanished(watched.job)

    def _garbage(self, watched: Watched, error: NotAPrediction) -> None:
        watched.look_at = self._now() + self._pace.longest
        watched.garbage += 1
        if watched.garbage >= GARBAGE_LOOKS:
            self._forget(watched)
            self._finder.senseless(watched.job, error.detail)

    async def _cancel(self, wanted: list[Watched]) -> None:
        """Pass cancels on; the answer is a look like any other."""
        for watched in wanted:
            watched.cancel_at = self._now() + self._pace.longest
            try:
                prediction = await self.client.cancel(watched.id)
            except (TryLater, LostAnswer) as error:
                wait = error.retry_after if isinstance(error, TryLater) else None
                watched.cancel_at = self._now() + (wait or self._pace.longest)
            except (ProviderRefused, NotAPrediction):
                watched.look_at = self._now()
            else:
                self._see(watched, prediction)
                watched.look_at = min(watched.look_at, self._now() + self._pace.shortest)

    def _give_up_overdue(self) -> None:
        latest = self._now() - self._deadline
        for watched in [w for w in self._watched.values() if w.since < latest]:
            self._forget(watched)
            self._finder.overdue(watched.job)

    def _forget(self, watched: Watched) -> None:
        self._watched.pop(watched.id, None)
        self._by_job.pop(watched.job.id, None)

    # -- its webhooks come and go

    def _judge_hearing(self, now: float) -> None:
        """Where webhooks don't arrive any more, looks are what they were, at once; it is logged once."""
        arrive = self._hearing.judge(now) if self._hearing else None
        if arrive is self._arrive:
            return
        before, self._arrive = self._arrive, arrive
        if arrive:
            if before is False:
                log.info("Webhooks arrive again", action="webhooks_heard", provider=self.client.name)
            return
        log.warning(
            "Webhooks don't arrive: is [http] public_url reachable from outside?",
            action="webhooks_missed",
            provider=self.client.name,
        )
        for watched in self._watched.values():
            watched.look_at = min(watched.look_at, now + self._wait(watched))

    # -- the provider comes and goes

    def _put_off(self, due: Iterable[Watched], retry_after: float | None) -> None:
        """All wait as long as it asks for."""
        again = self._now() + (self._pace.longest if retry_after is None else retry_after)
        for watched in due:
            watched.look_at = max(watched.look_at, again)

    def _tell_whether_it_is_there(self) -> None:
        """Once when it goes, and once when it is back."""
        down = self.client.manners.others.down
        if down == self._told:
            return
        self._told = down
        for watched in self._watched.values():
            if down:
                self._finder.out_of_reach(watched.job)
            else:
                self._finder.moved_on(watched.job, watched.shown, watched.started_at)


async def _at_once(asks: Iterable[Callable[[], Awaitable[None]]]) -> None:
    """All of them, so many at a time. Once all have been answered, TryLater says what one was put off by."""
    gate, trouble = asyncio.Semaphore(AT_ONCE), list[TryLater]()

    async def through_the_gate(ask: Callable[[], Awaitable[None]]) -> None:
        async with gate:
            try:
                await ask()
            except TryLater as error:
                trouble.append(error)

    async with asyncio.TaskGroup() as tasks:
        for ask in asks:
            tasks.create_task(through_the_gate(ask))
    if trouble:
        raise trouble[0]
