"""The messages of jobs: what they say, and keeping them current without anybody waiting for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import structlog

from bot import grammar
from bot.catalogue import Catalogue, Model
from bot.errors import BadOrder, Busy, ThreadreelError
from bot.jobs import Job, JobId, Media, Outcome, Posted, State, platform_of
from bot.media import EXTENSIONS, safe_name
from bot.ports import (
    Cancelled,
    Card,
    Failed,
    MediaFile,
    Notice,
    Platform,
    Post,
    Ready,
    Unknown,
    Waiting,
    Working,
)

if TYPE_CHECKING:
    from bot.media import Library
    from bot.store import Store

log = structlog.get_logger(__name__)


def card_of(job: Job, catalogue: Catalogue) -> Card:
    """What the job's message says besides its notice."""
    model = _model(job, catalogue)
    seed = job.inputs.get("seed")
    return Card(
        job=job.id,
        actor=job.actor,
        model=job.model,
        text=grammar.write(model, job.inputs) if model else f"/{job.model}",
        inputs=job.inputs,
        seed=seed if isinstance(seed, int) else None,
        created_at=job.created_at,
    )


def notice_of(
    job: Job, catalogue: Catalogue, library: Library, *, ahead: int | None, eta: float | None
) -> Notice:
    """What there is to say of the job as it stands; `ahead` and `eta` are for one that is still under way."""
    match job.outcome:
        case None if job.state is State.QUEUED:
            return Waiting(ahead, eta, job.code)
        case None:
            return Working(job.progress, eta)
        case Outcome.READY if job.code == "removed":
            return Failed("removed", job.facts, job.cost)
        case Outcome.READY:
            return _ready(job, catalogue, library)
        case Outcome.FAILED:
            return Failed(job.code or "model_failed", job.facts, job.cost)
        case Outcome.CANCELLED:
            return Cancelled(str(job.facts.get("by", "")), job.cost)
        case Outcome.UNKNOWN:
            return Unknown(job.code or "lost_answer", job.facts, job.cost)


def _ready(job: Job, catalogue: Catalogue, library: Library) -> Notice:
    files = _files(job, catalogue, library)
    if len(files) < len(job.media):
        return Failed("media_gone", {}, job.cost)
    return Ready(files, job.took, job.cost)


def _files(job: Job, catalogue: Catalogue, library: Library) -> tuple[MediaFile, ...]:
    """The result's files that are still kept, under names that tell what they are."""
    stem = _stem(job, catalogue)
    parts = [media.part for media in job.media]
    files = []
    for number, media in enumerate(job.media, 1):
        path = library.path(media.digest)
        if path is None:
            continue
        suffix = _suffix(media, number, parts)
        files.append(MediaFile(media, path, safe_name(stem + suffix, EXTENSIONS.get(media.mime, "bin"))))
    return tuple(files)


def _suffix(media: Media, number: int, parts: list[str]) -> str:
    """Tells several files of one result apart: by part, and by number within a part."""
    if parts.count(media.part) > 1:
        return f"-{number}"
    return f"-{media.part}" if media.part != parts[0] else ""


def _stem(job: Job, catalogue: Catalogue) -> str:
    model = _model(job, catalogue)
    main = model.main_input if model else None
    said = str(job.inputs.get(main.name, "")) if main else ""
    return said[:40] or job.model


def _model(job: Job, catalogue: Catalogue) -> Model | None:
    try:
        return catalogue.find(job.model)
    except BadOrder:
        return None


class Cards:
    """Shows notices: one post at a time for a job, the newest notice wins.

    `every`: the least seconds between two edits of one card, where the platform doesn't want more; `at_once`:
    posts under way on each platform, so that one which hangs keeps only its own cards waiting.
    """

    def __init__(
        self,
        platforms: Mapping[str, Platform],
        store: Store,
        catalogue: Catalogue,
        *,
        now: Callable[[], float],
        every: float = 1.0,
        at_once: int = 8,
    ) -> None:
        self._platforms = platforms
        self._store = store
        self._catalogue = catalogue
        self._now = now
        self._every = every
        self._at_once = at_once
        self._next: dict[JobId, tuple[Job, Notice]] = {}
        self._shown: dict[JobId, tuple[float, Notice | None]] = {}
        self._posted: dict[JobId, Posted] = {}
        self._locks: WeakValueDictionary[JobId, asyncio.Lock] = WeakValueDictionary()
        self._ended: deque[JobId] = deque(maxlen=1000)
        self._something = {name: asyncio.Event() for name in platforms}

    def show(self, job: Job, notice: Notice) -> None:
        """Soon, and only if nothing newer comes; a notice that stands there already is left alone."""
        something = self._something.get(platform_of(job.place))
        if something is None or job.id in self._ended:
            return
        if job.id in self._shown and self._shown[job.id][1] == notice:
            self._next.pop(job.id, None)
            return
        self._next[job.id] = (job, notice)
        something.set()

    async def post(self, job: Job, notice: Notice) -> Posted:
        """Now, for good: nothing older is shown any more. Raises what the platform raises."""
        self._next.pop(job.id, None)
        async with self._lock(job.id):
            self._next.pop(job.id, None)
            return await self._show(job, notice)

    def end(self, job: JobId) -> None:
        """It is over: whoever comes late with older news is not heard."""
        self._ended.append(job)
        self.forget(job)

    def reopen(self, job: JobId) -> None:
        """What was over begins anew."""
        with contextlib.suppress(ValueError):
            self._ended.remove(job)

    def forget(self, job: JobId) -> None:
        """What stood in its place is of no use any more."""
        self._next.pop(job, None)
        self._shown.pop(job, None)
        self._posted.pop(job, None)

    async def run(self) -> None:
        """Show what is wanted until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for name, something in self._something.items():
                tasks.create_task(self._run(name, something))

    async def _run(self, platform: str, something: asyncio.Event) -> None:
        while True:
            await something.wait()
            something.clear()
            due = [id_ for id_, job in self._wanted(platform) if self._shown_until(job) <= self._now()]
            for first in range(0, len(due), self._at_once):
                batch = due[first : first + self._at_once]
                await asyncio.gather(*(self._refresh(job) for job in batch))
            if self._wanted(platform):
                await asyncio.sleep(self._every / 4)
                something.set()

    def _wanted(self, platform: str) -> list[tuple[JobId, Job]]:
        return [(id_, job) for id_, (job, _) in self._next.items() if platform_of(job.place) == platform]

    def _shown_until(self, job: Job) -> float:
        """When its card may be edited again."""
        if job.id not in self._shown:
            return 0.0
        every = max(self._every, self._platforms[platform_of(job.place)].every)
        return self._shown[job.id][0] + every

    async def _refresh(self, job_id: JobId) -> None:
        """Show its newest notice; a card that can't be edited is no reason to disturb the job."""
        async with self._lock(job_id):
            wanted = self._next.pop(job_id, None)
            if wanted is None:
                return
            try:
                await self._show(*wanted)
            except Busy as error:
                self._next.setdefault(job_id, wanted)  # unless something newer has come
                self._shown[job_id] = (self._now() + (error.retry_after or self._every) - self._every, None)
                return
            except ThreadreelError as error:
                log.debug("A card was not shown", action="card_refused", why=str(error), job=job_id)
            except Exception:
                log.warning("A card was not shown", action="card_failed", job=job_id, exc_info=True)
            self._shown[job_id] = (self._now(), wanted[1])

    async def _show(self, job: Job, notice: Notice) -> Posted:
        platform = self._platforms[platform_of(job.place)]
        stands = self._posted.get(job.id, job.posted)

        async def save(posted: Posted) -> None:
            self._posted[job.id] = posted
            await self._store.posted(job.id, posted)

        post = Post(f"job-{job.id}", job.place, card_of(job, self._catalogue), notice, stands)
        posted = await platform.show(post, save)
        if posted != stands:
            await save(posted)
        return posted

    def _lock(self, job: JobId) -> asyncio.Lock:
        return self._locks.setdefault(job, asyncio.Lock())
