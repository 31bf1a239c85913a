"""The façade that adapters call: submit, cancel, again, post_again, remove, look, jobs, usage, keep."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bot import policy
from bot.attachments import Attachments
from bot.caps import Quota, Reserve, dollars, micros
from bot.catalogue import Catalogue, Model, check
from bot.engine import card_of, notice_of
from bot.errors import Confirm, Refused, Stale
from bot.jobs import OPEN, Actor, FileRef, Job, JobId, Json, Order, Outcome, Place, Posted, State
from bot.office import LONGEST_REASON, Office, record_of
from bot.ports import Action, Limit, Look, Submitted
from bot.prices import FREE, Prices
from bot.providers import Capabilities
from bot.routes import Routes, base_of, own_name, owner_of, providers_of
from bot.rules import Allowances, Ask
from bot.store.pending import Pending

if TYPE_CHECKING:
    from bot.keys import Keys
    from bot.media import Library
    from bot.rulebooks import House, Rulebooks
    from bot.store import Store

ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
AGREES_WITHIN = 15 * 60
"""Seconds in which somebody may agree to what their order may cost."""

SEEDS = 2**31 - 1
"""Largest seed that every model of the catalogue takes."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """An order that may run: who may run it, the preferred one first, and what it must keep to."""

    order: Order
    model: Model
    route: tuple[str, ...]
    verdict: Allowances


class Worker(Protocol):
    """Whoever carries the jobs on: the engine, or nobody where another process runs it."""

    def accepted(self, job: Job) -> None: ...
    def cancelled(self, job: Job) -> None: ...
    def waits(self, job: Job) -> None: ...
    def eta(self, job: Job) -> float | None: ...
    def longest(self, model: str) -> float | None: ...


class Idle:
    """Stands in for the engine where another process runs it: that one finds all it needs in the store."""

    def accepted(self, job: Job) -> None: ...
    def cancelled(self, job: Job) -> None: ...
    def waits(self, job: Job) -> None: ...
    def eta(self, job: Job) -> float | None:
        return None

    def longest(self, model: str) -> float | None:
        return None


class Studio:
    """Implements `bot.ports.Core`."""

    def __init__(
        self,
        store: Store,
        library: Library,
        catalogue: Catalogue,
        worker: Worker,
        books: Rulebooks,
        keys: Keys,
        prices: Prices,
        *,
        rules: policy.Rules,
        routes: Routes,
        providers: Mapping[str, Capabilities],
        public: bool,
        pseudonym: Callable[[Actor], str],
        now: Callable[[], float],
        rng: random.Random,
    ) -> None:
        """`routes`: who runs which command. `public`: providers can fetch our files by a link.

        `pseudonym`: what stands for a person where amounts are kept.
        """
        self._store = store
        self._library = library
        self._catalogue = catalogue
        self._worker = worker
        self._rules = rules
        self._routes = routes
        self._providers = providers
        self._books = books
        self._prices = prices
        self._pseudonym = pseudonym
        self._attachments = Attachments(library, public=public)
        self._office = Office(store, catalogue, books, keys, self, now=now)
        self._now = now
        self._rng = rng
        self._open = True

    @property
    def catalogue(self) -> Catalogue:
        return self._catalogue

    @property
    def admin(self) -> Office:
        return self._office

    @property
    def open(self) -> bool:
        """Whether orders are taken in."""
        return self._open

    def close(self) -> None:
        """Take in nothing more."""
        self._open = False

    # -- asking for something

    async def submit(self, order: Order) -> Submitted:
        known, house = await asyncio.gather(self._store.by_key(order.key), self._books.of_actor(order.actor))
        if known is not None:
            return Submitted(known, fresh=False)
        return await self._submit(order, house, agreed=False)

    async def _submit(self, order: Order, house: House, *, agreed: bool) -> Submitted:
        """`agreed`: to what it may cost."""
        actor, model = order.actor, self._catalogue.find(order.model)
        self._admit(actor)
        wished = house.book.with_defaults(model, order.options, channel=order.channel, roles=actor.roles)
        checked = check(model, wished)
        verdict = self._judge(house, order, model, checked)
        route = self._route(house, actor, model)
        inputs = await self._attachments.bring(model, checked, self._providers[base_of(route[0])])
        plan = _Plan(order, model, route, verdict)
        if not agreed:
            await self._ask_first(plan, Pending(order))
        return await self._accept(plan, self._with_seed(model, inputs))

    async def again(
        self,
        job: JobId,
        actor: Actor,
        place: Place,
        key: str,
        *,
        new_seed: bool = False,
        posted: Posted | None = None,
        for_adults: bool | None = None,
        channel: str = "",
    ) -> Submitted:
        if known := await self._store.by_key(key):
            return Submitted(known, fresh=False)
        earlier = await self.visible(job, actor)
        order = Order(actor, place, earlier.model, (), key, posted, for_adults, channel)
        return await self._again(order, earlier, new_seed=new_seed, agreed=False)

    async def _again(self, order: Order, earlier: Job, *, new_seed: bool, agreed: bool) -> Submitted:
        actor, model = order.actor, self._catalogue.find(order.model)
        self._admit(actor)
        inputs = dict(earlier.inputs)
        house = await self._books.of_actor(actor)
        verdict = self._judge(house, order, model, inputs)
        self._attachments.still_kept(inputs)
        if new_seed and model.seed_input:
            inputs.pop(model.seed_input.name, None)
        plan = _Plan(order, model, self._route(house, actor, model), verdict)
        if not agreed:
            await self._ask_first(plan, Pending(order, earlier.id, new_seed))
        return await self._accept(plan, self._with_seed(model, inputs))

    async def confirm(self, token: str, actor: Actor, *, posted: Posted | None = None) -> Submitted:
        waiting = await self._store.pending.get(token, actor, now=self._now())
        if waiting is None:
            raise Refused("confirm_expired")
        order = replace(waiting.order, posted=posted)
        if known := await self._store.by_key(order.key):
            return Submitted(known, fresh=False)
        if waiting.again is None:
            house = await self._books.of_actor(order.actor)
            return await self._submit(order, house, agreed=True)
        earlier = await self.visible(waiting.again, actor)
        return await self._again(order, earlier, new_seed=waiting.new_seed, agreed=True)

    async def _ask_first(self, plan: _Plan, pending: Pending) -> None:
        """Confirm where it may cost more than the server spends unasked, or nobody knows how much."""
        above, cost = plan.verdict.ask_above, self._estimate(plan)
        if above is None or (cost is not None and dollars(cost) <= above):
            return
        token = self._new_id()
        await self._store.pending.put(token, pending, expires_at=self._now() + AGREES_WITHIN)
        raise Confirm(token, plan.model.command, None if cost is None else dollars(cost))

    async def cancel(self, job: JobId, actor: Actor) -> None:
        await self.stop(await self._own(job, actor), actor)

    async def stop(self, job: Job, actor: Actor) -> None:
        can = self._providers.get(base_of(job.provider))
        if job.state is State.RUNNING and can is not None and not can.cancel:
            raise Refused("cannot_cancel")
        now = self._now()
        record = record_of(actor, Action.CANCELLED, f"job {job.id}", now)
        self._worker.cancelled(
            await self._store.request_cancel(job.id, by=actor.name or actor.id, now=now, record=record)
        )

    async def post_again(self, job: JobId, actor: Actor, place: Place) -> None:
        await self._own(job, actor)
        try:
            self._worker.waits(await self._store.redeliver(job, place, self._now()))
        except Stale as error:
            raise Refused("not_lost") from error

    async def remove(self, job: JobId, actor: Actor, *, moderates: bool = False) -> Look:
        found = await (self.visible(job, actor) if moderates else self._own(job, actor))
        return await self.forget_result(found, actor, moderates=not found.actor.is_same(actor))

    async def forget_result(self, job: Job, actor: Actor, *, moderates: bool) -> Look:
        """What a moderator removes takes its prompt with it."""
        before = await self.look_at(job)
        record = record_of(actor, Action.REMOVED, f"job {job.id}", self._now())
        try:
            await self._store.remove_media(
                job.id, by=actor.name, now=self._now(), prompt=moderates, record=record
            )
        except Stale as error:
            raise Refused("still_running") from error
        return before

    # -- looking

    async def look(self, job: JobId, actor: Actor) -> Look:
        return await self.look_at(await self.visible(job, actor))

    async def jobs(self, actor: Actor, *, limit: int = 20) -> Sequence[Look]:
        return [await self.look_at(job) for job in await self._store.of_person(actor, limit)]

    async def usage(self, actor: Actor, channel: str = "") -> Sequence[Limit]:
        now = self._now()
        house = await self._books.of_actor(actor)
        verdict = house.book.allowances(actor, channel, now=now, trusted=house.trusts(actor.id, now))
        caps = (*policy.caps(self._rules.limits, now), *verdict.caps)
        used = await self._store.usage(caps, actor, channel)
        counted = [
            Limit(cap.code, cap.limit, count, cap.resets_at) for cap, count in zip(caps, used, strict=True)
        ]
        sums = await self._store.ledger.used(
            verdict.quotas, actor.platform, actor.server, channel=channel, person=self._pseudonym(actor)
        )
        return counted + [_limit(quota, sum_) for quota, sum_ in zip(verdict.quotas, sums, strict=True)]

    async def results(self, actor: Actor, channel: str) -> str | None:
        return (await self._set(actor, "results", channel)) or None

    async def language(self, actor: Actor) -> str | None:
        return (await self._set(actor, "language", "")) or None

    async def _set(self, actor: Actor, key: str, channel: str) -> Json:
        """What a server, or the installation for all of them, has set; None where nobody has."""
        house = await self._books.of_actor(actor)
        value, origin = house.book.value(key, channel=channel, roles=actor.roles)
        return None if origin == "built-in" else value

    async def look_at(self, job: Job) -> Look:
        ahead = await self._store.ahead(job) if job.state is State.QUEUED else None
        notice = notice_of(job, self._catalogue, self._library, ahead=ahead, eta=self._worker.eta(job))
        return Look(job, card_of(job, self._catalogue), notice)

    async def visible(self, job: JobId, actor: Actor) -> Job:
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
        found = await self.visible(job, actor)
        if not found.actor.is_same(actor):
            raise Refused("not_yours")
        return found

    # -- files

    async def keep(self, name: str, chunks: AsyncIterator[bytes]) -> FileRef:
        return await self._library.keep(name, chunks)

    def media_path(self, digest: str) -> Path | None:
        return self._library.path(digest)

    # -- deciding

    def _admit(self, actor: Actor) -> None:
        if not self._open:
            raise Refused("not_now")
        if not policy.allowed(actor, self._rules.servers):
            raise Refused("server_not_allowed", server=actor.server)

    def _judge(self, house: House, order: Order, model: Model, inputs: Mapping[str, Json]) -> Allowances:
        """Whether the server has it run. Refused or BadOrder where not."""
        now, actor = self._now(), order.actor
        return house.book.judge(
            Ask(
                actor=actor,
                channel=order.channel,
                model=model,
                inputs=inputs,
                for_adults=order.for_adults,
                now=now,
                trusted=house.trusts(actor.id, now),
                blocked=house.blocked(actor.id, now),
            )
        )

    def _route(self, house: House, actor: Actor, model: Model) -> tuple[str, ...]:
        """Who may run it, the preferred one first. What a server has a key for runs on that alone."""
        there = [name for name in providers_of(self._routes, model.command) if name in self._providers]
        if not there:
            raise Refused("no_provider", model=model.command)
        for name in there:
            if name in house.keys:
                return (own_name(name, actor.platform, actor.server),)
        return tuple(there)

    def _estimate(self, plan: _Plan) -> int | None:
        """Micro-dollars that it may cost at most, whoever of its route runs it; None where nobody knows."""
        return self._prices.estimate(plan.route, plan.model, self._worker.longest(plan.model.command))

    def _with_seed(self, model: Model, inputs: dict[str, Json]) -> dict[str, Json]:
        """A seed of our own where none was given, so that everybody can see and repeat it."""
        if model.seed_input is not None and model.seed_input.name not in inputs:
            inputs[model.seed_input.name] = self._rng.randint(1, SEEDS)
        return inputs

    async def _accept(self, plan: _Plan, inputs: Mapping[str, Json]) -> Submitted:
        now, order = self._now(), plan.order
        job = Job(
            id=self._new_id(),
            key=order.key,
            actor=order.actor,
            place=order.place,
            model=plan.model.command,
            provider=plan.route[0],
            inputs=inputs,
            state=State.QUEUED,
            created_at=now,
            due_at=now,
            cost=FREE,
            posted=order.posted,
            channel=order.channel,
        )
        caps = (*policy.caps(self._rules.limits, now), *plan.verdict.caps)
        record = record_of(order.actor, Action.RAN, f"job {job.id}", now, None, {"model": job.model})
        accepted, fresh = await self._store.accept(job, caps, now, reserve=self._reserve(plan), record=record)
        if fresh:
            self._worker.accepted(accepted)
        return Submitted(accepted, fresh)

    def _reserve(self, plan: _Plan) -> Reserve:
        amount, verdict = self._estimate(plan), plan.verdict
        if amount is None and verdict.refuses_unknown:
            raise Refused("price_unknown", model=plan.model.command)
        if amount is None and verdict.unknown_price is not None:
            amount = micros(verdict.unknown_price)
        return Reserve(
            amount=amount,
            person=self._pseudonym(plan.order.actor),
            payer="server" if owner_of(plan.route[0]) else "installation",
            day=verdict.day,
            month=verdict.month,
            quotas=verdict.quotas,
        )

    # -- about people

    async def report(self, job: JobId, actor: Actor, reason: str = "") -> None:
        found = await self.visible(job, actor)
        if found.outcome is not Outcome.READY or not found.media:
            raise Refused("nothing_to_report")
        now, reason = self._now(), reason.strip()[:LONGEST_REASON]
        facts = {
            "job": found.id,
            "model": found.model,
            "owner": found.actor.name,
            "owner_id": found.actor.id,
            "by": actor.name,
            "reason": reason or None,
            "place": found.place,
            "posted": found.posted,
        }
        fresh = await self._store.notices.add(
            f"report:{found.id}:{actor.platform}:{actor.id}",
            found.actor.platform,
            found.actor.server,
            "report",
            facts,
            now=now,
            record=record_of(actor, Action.REPORTED, f"job {found.id}", now, None, {"reason": reason}),
        )
        if not fresh:
            raise Refused("reported")

    async def my_data(self, actor: Actor) -> Mapping[str, Json]:
        return await self._store.privacy.data_of(actor.platform, _where(actor), actor.id)

    async def forget_me(self, actor: Actor) -> Sequence[Look]:
        now, where = self._now(), _where(actor)
        found = await self._store.privacy.jobs_of(actor.platform, where, actor.id)
        looks = [await self.look_at(job) for job in found if job.state not in OPEN]
        for job in await self._store.privacy.forget(actor.platform, where, actor.id, now=now):
            self._worker.cancelled(job)
        return looks

    def _new_id(self) -> JobId:
        """Twelve letters and digits that can't be mistaken for one another: 59 bits."""
        return JobId("".join(self._rng.choices(ALPHABET, k=12)))


def _limit(quota: Quota, used: int) -> Limit:
    if quota.of == "money":
        return Limit(quota.code, dollars(quota.limit), dollars(used), quota.resets_at)
    return Limit(quota.code, quota.limit, used, quota.resets_at)


def _where(actor: Actor) -> str | None:
    """The server that somebody asks in; None for everywhere, where they speak with us alone."""
    return None if actor.is_alone else actor.server
