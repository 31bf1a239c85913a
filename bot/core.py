"""The façade that adapters call: submit, cancel, again, post_again, remove, look, jobs, usage, keep."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bot import policy
from bot.catalogue import Catalogue, Input, Model, Type, Value, check
from bot.engine import card_of, notice_of
from bot.engine.steps import DATA_URI_LIMIT, FREE
from bot.errors import BadMedia, BadOrder, Problem, Refused, Stale, TryLater
from bot.jobs import Actor, FileRef, Job, JobId, Json, Order, Place, Posted, State
from bot.ports import Limit, Look, Submitted
from bot.providers import Capabilities
from bot.routes import Routes, providers_of

if TYPE_CHECKING:
    from bot.media import Library
    from bot.store import Store

ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
SEEDS = 2**31 - 1
"""Largest seed that every model of the catalogue takes."""


class Worker(Protocol):
    """Whoever carries the jobs on: the engine, or nobody where another process runs it."""

    def accepted(self, job: Job) -> None: ...
    def cancelled(self, job: Job) -> None: ...
    def waits(self, job: Job) -> None: ...
    def eta(self, job: Job) -> float | None: ...


class Idle:
    """Stands in for the engine where another process runs it: that one finds all it needs in the store."""

    def accepted(self, job: Job) -> None: ...
    def cancelled(self, job: Job) -> None: ...
    def waits(self, job: Job) -> None: ...
    def eta(self, job: Job) -> float | None:
        return None


class Studio:
    """Implements `bot.ports.Core`."""

    def __init__(
        self,
        store: Store,
        library: Library,
        catalogue: Catalogue,
        worker: Worker,
        *,
        rules: policy.Rules,
        routes: Routes,
        providers: Mapping[str, Capabilities],
        public: bool,
        now: Callable[[], float],
        rng: random.Random,
    ) -> None:
        """`routes`: who runs which command. `public`: providers can fetch our files by a link."""
        self._store = store
        self._library = library
        self._catalogue = catalogue
        self._worker = worker
        self._rules = rules
        self._routes = routes
        self._providers = providers
        self._public = public
        self._now = now
        self._rng = rng
        self._open = True

    @property
    def catalogue(self) -> Catalogue:
        return self._catalogue

    @property
    def open(self) -> bool:
        """Whether orders are taken in."""
        return self._open

    def close(self) -> None:
        """Take in nothing more."""
        self._open = False

    # -- asking for something

    async def submit(self, order: Order) -> Submitted:
        if known := await self._store.by_key(order.key):
            return Submitted(known, fresh=False)
        model = self._catalogue.find(order.model)
        self._admit(order.actor)
        provider = self._provider_of(model)
        checked = check(model, order.options)
        if problem := policy.adults_only(model, checked, order.for_adults):
            raise BadOrder([problem])
        inputs = await self._bring_files(model, checked, self._providers[provider])
        return await self._accept(order, model, provider, self._with_seed(model, inputs))

    async def again(
        self,
        job: JobId,
        actor: Actor,
        place: Place,
        key: str,
        *,
        new_seed: bool = False,
        posted: Posted | None = None,
        for_adults: bool = True,
        channel: str = "",
    ) -> Submitted:
        if known := await self._store.by_key(key):
            return Submitted(known, fresh=False)
        earlier = await self._visible(job, actor)
        model = self._catalogue.find(earlier.model)
        self._admit(actor)
        inputs = dict(earlier.inputs)
        if problem := policy.adults_only(model, inputs, for_adults):
            raise BadOrder([problem])
        self._still_kept(inputs)
        if new_seed and model.seed_input:
            inputs.pop(model.seed_input.name, None)
        order = Order(actor, place, earlier.model, (), key, posted, channel=channel)
        return await self._accept(order, model, self._provider_of(model), self._with_seed(model, inputs))

    async def cancel(self, job: JobId, actor: Actor) -> None:
        found = await self._own(job, actor)
        can = self._providers.get(found.provider)
        if found.state is State.RUNNING and can is not None and not can.cancel:
            raise Refused("cannot_cancel")
        self._worker.cancelled(await self._store.request_cancel(job, by=actor.name, now=self._now()))

    async def post_again(self, job: JobId, actor: Actor, place: Place) -> None:
        await self._own(job, actor)
        try:
            self._worker.waits(await self._store.redeliver(job, place, self._now()))
        except Stale as error:
            raise Refused("not_lost") from error

    async def remove(self, job: JobId, actor: Actor, *, moderates: bool = False) -> Look:
        found = await (self._visible(job, actor) if moderates else self._own(job, actor))
        before = await self._look(found)
        try:
            await self._store.remove_media(job, by=actor.name)
        except Stale as error:
            raise Refused("still_running") from error
        return before

    # -- looking

    async def look(self, job: JobId, actor: Actor) -> Look:
        return await self._look(await self._visible(job, actor))

    async def jobs(self, actor: Actor, *, limit: int = 20) -> Sequence[Look]:
        return [await self._look(job) for job in await self._store.of_person(actor, limit)]

    async def usage(self, actor: Actor) -> Sequence[Limit]:
        caps = policy.caps(self._rules.limits, self._now())
        used = await self._store.usage(caps, actor)
        return [
            Limit(cap.code, cap.limit, count, cap.resets_at) for cap, count in zip(caps, used, strict=True)
        ]

    async def _look(self, job: Job) -> Look:
        ahead = await self._store.ahead(job) if job.state is State.QUEUED else None
        notice = notice_of(job, self._catalogue, self._library, ahead=ahead, eta=self._worker.eta(job))
        return Look(job, card_of(job, self._catalogue), notice)

    async def _visible(self, job: JobId, actor: Actor) -> Job:
        """A job of the same server; another server's is refused like one that never was.

        Who speaks with us alone sees their own jobs of all servers: where a server's place is gone, the
        result comes to them.
        """
        found = await self._store.get(job)
        if found is None or found.actor.platform != actor.platform:
            raise Refused("not_found")
        if found.actor.server != actor.server and not (actor.is_alone and found.actor.is_same(actor)):
            raise Refused("not_found")
        return found

    async def _own(self, job: JobId, actor: Actor) -> Job:
        found = await self._visible(job, actor)
        if not found.actor.is_same(actor):
            raise Refused("not_yours")
        return found

    # -- files

    async def keep(self, name: str, chunks: AsyncIterator[bytes]) -> FileRef:
        return await self._library.keep(name, chunks)

    def media_path(self, digest: str) -> Path | None:
        return self._library.path(digest)

    async def _bring_files(
        self, model: Model, checked: Mapping[str, Value], can: Capabilities
    ) -> dict[str, Json]:
        """Fetch what was linked, look at what was attached; every mistake at once."""
        inputs: dict[str, Json] = {}
        problems: list[Problem] = []
        for name, value in checked.items():
            entry = model.input(name)
            if entry is None or entry.type not in (Type.FILE, Type.FILES):
                inputs[name] = value
                continue
            given = value if isinstance(value, list) else [value]
            files = [await self._bring(entry, item, can, problems) for item in given]
            inputs[name] = files if entry.type is Type.FILES else files[0]
        if problems:
            raise BadOrder(problems)
        return inputs

    async def _bring(
        self, entry: Input, given: Value, can: Capabilities, problems: list[Problem]
    ) -> dict[str, str] | None:
        """One file as it is stored with a job, or None with one more problem."""
        try:
            file = given if isinstance(given, FileRef) else await self._library.fetch(str(given))
            probed = await self._library.probe(file.digest)
        except BadMedia as error:
            problems.append(Problem(error.code, entry.alias, error.facts))
            return None
        except TryLater as error:
            problems.append(Problem("dead_link", entry.alias, {"detail": str(error)}))
            return None
        if probed.kind not in entry.accepts:
            facts = {"accepts": [kind.value for kind in entry.accepts], "kind": probed.kind.value}
            problems.append(Problem("wrong_kind", entry.alias, facts))
            return None
        if probed.size > DATA_URI_LIMIT and not can.files and not self._public:
            problem = {"limit": DATA_URI_LIMIT, "name": file.name}
            problems.append(Problem("file_needs_public_url", entry.alias, problem))
            return None
        return {"file": file.digest, "name": file.name}

    def _still_kept(self, inputs: Mapping[str, Json]) -> None:
        for value in inputs.values():
            for file in value if isinstance(value, list) else [value]:
                if isinstance(file, Mapping) and self._library.path(file["file"]) is None:
                    raise Refused("file_gone", name=file["name"])

    # -- deciding

    def _admit(self, actor: Actor) -> None:
        if not self._open:
            raise Refused("not_now")
        if not policy.allowed(actor, self._rules.servers):
            raise Refused("server_not_allowed", server=actor.server)

    def _provider_of(self, model: Model) -> str:
        there = [name for name in providers_of(self._routes, model.command) if name in self._providers]
        if not there:
            raise Refused("no_provider", model=model.command)
        return there[0]

    def _with_seed(self, model: Model, inputs: dict[str, Json]) -> dict[str, Json]:
        """A seed of our own where none was given, so that everybody can see and repeat it."""
        if model.seed_input is not None and model.seed_input.name not in inputs:
            inputs[model.seed_input.name] = self._rng.randint(1, SEEDS)
        return inputs

    async def _accept(
        self, order: Order, model: Model, provider: str, inputs: Mapping[str, Json]
    ) -> Submitted:
        now = self._now()
        job = Job(
            id=self._new_id(),
            key=order.key,
            actor=order.actor,
            place=order.place,
            model=model.command,
            provider=provider,
            inputs=inputs,
            state=State.QUEUED,
            created_at=now,
            due_at=now,
            cost=FREE,
            posted=order.posted,
            channel=order.channel,
        )
        accepted, fresh = await self._store.accept(job, policy.caps(self._rules.limits, now), now)
        if fresh:
            self._worker.accepted(accepted)
        return Submitted(accepted, fresh)

    def _new_id(self) -> JobId:
        """Twelve letters and digits that can't be mistaken for one another: 59 bits."""
        return JobId("".join(self._rng.choices(ALPHABET, k=12)))
