"""What those who look after a server may do. Each call is checked here, and is about their server alone."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from bot import rules
from bot.caps import Quota, Whose, dollars, micros
from bot.catalogue import Catalogue
from bot.errors import Refused, Stale
from bot.jobs import Actor, Job, JobId, Json
from bot.ports import (
    Action,
    KeyInfo,
    Look,
    Money,
    OpenCharge,
    Person,
    Proposal,
    Record,
    Standing,
    Statement,
)
from bot.rules import Change, Changed, Entry, Scope, Shown

if TYPE_CHECKING:
    from bot.keys import Keys
    from bot.rulebooks import House, Rulebooks
    from bot.store import Store

STAYS = 7 * 86_400
"""Seconds that the data of a server which has removed the bot are kept: it may have been a mistake."""

LONGEST_REASON = 500
MOST_MONEY = Decimal(1_000_000)
"""US dollars that one job may have cost at most: more is a slip of the finger."""


class Jobs(Protocol):
    """What the office needs of the core: jobs of the server, whoever asked for them."""

    async def look_at(self, job: Job) -> Look: ...
    async def visible(self, job: JobId, actor: Actor) -> Job: ...
    async def stop(self, job: Job, actor: Actor) -> None: ...
    async def forget_result(self, job: Job, actor: Actor, *, moderates: bool) -> Look: ...


class Office:
    """Implements `bot.ports.Admin`."""

    def __init__(
        self,
        store: Store,
        catalogue: Catalogue,
        books: Rulebooks,
        keys: Keys,
        jobs: Jobs,
        *,
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._books = books
        self._keys = keys
        self._jobs = jobs
        self._now = now

    # -- who may

    async def may(self, actor: Actor) -> bool:
        return not actor.is_alone and looks_after(actor, await self._books.of_actor(actor))

    async def _house(self, actor: Actor) -> House:
        """The server that they look after. Refused where they don't."""
        if actor.is_alone:
            raise Refused("not_admin")
        house = await self._books.of_actor(actor)
        if not looks_after(actor, house):
            raise Refused("not_admin")
        return house

    # -- settings

    async def settings(self, actor: Actor, scope: Scope | None = None) -> Sequence[Shown]:
        return (await self._house(actor)).book.shown(scope)

    async def set_scopes(self, actor: Actor) -> Sequence[Scope]:
        entries = (await self._house(actor)).entries
        return sorted({entry.scope for entry in entries if entry.scope.id}, key=str)

    async def change(self, actor: Actor, changes: Sequence[Change]) -> Sequence[Changed]:
        while True:
            house = await self._house(actor)
            entries, changed = rules.apply(house.entries, changes, self._catalogue)
            try:
                return await self._save(actor, house, entries, changed, Action.SET)
            except Stale:
                continue  # somebody else was quicker: these changes on top of theirs

    async def export(self, actor: Actor) -> str:
        return rules.write_toml((await self._house(actor)).entries, self._catalogue)

    async def propose(self, actor: Actor, text: str) -> Proposal:
        house = await self._house(actor)
        entries = rules.read_toml(text, self._catalogue)
        return Proposal(rules.differences(house.entries, entries), text, house.revision)

    async def apply(self, actor: Actor, proposal: Proposal) -> Sequence[Changed]:
        house = await self._house(actor)
        entries = rules.read_toml(proposal.text, self._catalogue)
        changed = rules.differences(house.entries, entries)
        if house.revision != proposal.revision:
            raise Refused("settings_changed")
        try:
            return await self._save(actor, house, entries, changed, Action.IMPORTED)
        except Stale:
            raise Refused("settings_changed") from None

    async def _save(
        self,
        actor: Actor,
        house: House,
        entries: tuple[Entry, ...],
        changed: tuple[Changed, ...],
        action: Action,
    ) -> tuple[Changed, ...]:
        """Stale where somebody else has changed something since."""
        if changed:
            records = [
                self.record(actor, action, f"{one.scope} {one.key}", one.before, one.after) for one in changed
            ]
            await self._store.servers.save(
                actor.platform, actor.server, entries, records, revision=house.revision
            )
        return changed

    # -- people

    async def people(self, actor: Actor) -> Sequence[Person]:
        house, now = await self._house(actor), self._now()
        return [one for one in house.people.values() if house.standing(one.id, now)]

    async def block(
        self, actor: Actor, person: str, name: str, *, reason: str = "", until: float | None = None
    ) -> None:
        if person == actor.id:
            raise Refused("cannot_block_self")
        await self._set_standing(actor, person, name, Standing.BLOCKED, reason, until)

    async def trust(
        self, actor: Actor, person: str, name: str, *, reason: str = "", until: float | None = None
    ) -> None:
        await self._set_standing(actor, person, name, Standing.TRUSTED, reason, until)

    async def _set_standing(
        self, actor: Actor, person: str, name: str, standing: Standing, reason: str, until: float | None
    ) -> None:
        house, now = await self._house(actor), self._now()
        if until is not None and until <= now:
            raise Refused("ends_before_now")
        one = Person(person, name, standing, reason.strip()[:LONGEST_REASON], until, actor.name, now)
        before = house.standing(person, now)
        record = self.record(
            actor,
            Action.BLOCKED if standing is Standing.BLOCKED else Action.TRUSTED,
            f"person {person}",
            before and before.standing.value,
            {"name": name, "reason": one.reason, "until": until},
        )
        await self._store.servers.set_person(actor.platform, actor.server, one, record)

    async def clear(self, actor: Actor, person: str) -> None:
        house = await self._house(actor)
        if found := house.people.get(person):
            record = self.record(actor, Action.CLEARED, f"person {person}", found.standing.value, None)
            await self._store.servers.clear_person(actor.platform, actor.server, person, record)

    # -- moderation

    async def jobs(self, actor: Actor, *, person: str | None = None, limit: int = 50) -> Sequence[Look]:
        await self._house(actor)
        found = await self._store.of_server(actor.platform, actor.server, person=person, limit=limit)
        return [await self._jobs.look_at(job) for job in found]

    async def cancel(self, job: JobId, actor: Actor) -> None:
        await self._house(actor)
        await self._jobs.stop(await self._jobs.visible(job, actor), actor)

    async def remove(self, job: JobId, actor: Actor) -> Look:
        await self._house(actor)
        return await self._jobs.forget_result(await self._jobs.visible(job, actor), actor, moderates=True)

    # -- audit

    async def audit(self, actor: Actor, *, limit: int = 50, before: int | None = None) -> Sequence[Record]:
        await self._house(actor)
        return await self._store.audit.page(actor.platform, actor.server, limit=limit, before=before)

    async def audit_csv(self, actor: Actor) -> str:
        await self._house(actor)
        return await _csv(self._store.audit.all(actor.platform, actor.server))

    def record(
        self, actor: Actor, action: Action, subject: str, before: Json = None, after: Json = None
    ) -> Record:
        """A line of the audit that isn't written yet."""
        return record_of(actor, action, subject, self._now(), before, after)

    # -- keys

    async def keys(self, actor: Actor) -> Sequence[KeyInfo]:
        await self._house(actor)
        return await self._keys.all(actor.platform, actor.server)

    async def key_providers(self, actor: Actor) -> Sequence[str]:
        await self._house(actor)
        return self._keys.providers()

    async def set_key(self, actor: Actor, provider: str, key: str) -> None:
        await self._house(actor)
        record = self.record(actor, Action.KEY_SET, f"provider {provider}")
        await self._keys.set(actor, provider, key, record)

    async def drop_key(self, actor: Actor, provider: str) -> None:
        await self._house(actor)
        await self._keys.drop(actor, provider, self.record(actor, Action.KEY_DROPPED, f"provider {provider}"))

    # -- money

    async def money(self, actor: Actor) -> Statement:
        house, now = await self._house(actor), self._now()
        zone = str(house.book.value("timezone")[0])
        day, month = rules.day_of(now, zone), rules.month_of(now, zone)
        quotas = []
        for code, (period, resets_at) in (("budget_server_day", day), ("budget_server_month", month)):
            limit = house.book.value(code.replace("_", "."))[0]
            most = micros(Decimal(limit)) if limit is not None else -1
            quotas.append(Quota(code, "money", most, Whose.SERVER, period, resets_at))
        used = await self._store.ledger.used(quotas, actor.platform, actor.server, channel="", person="")
        budgets = tuple(
            Money(
                quota.code,
                quota.whose.value,
                quota.period,
                dollars(count),
                dollars(quota.limit) if quota.limit >= 0 else None,
                quota.resets_at,
            )
            for quota, count in zip(quotas, used, strict=True)
        )
        if own := await self._store.ledger.paid_by("server", actor.platform, actor.server, month[0]):
            budgets += (Money("own_keys_month", "server", month[0], dollars(own), None, month[1]),)
        charges = await self._store.ledger.open_charges(actor.platform, actor.server, limit=100)
        found = tuple(
            OpenCharge(JobId(one.job), one.model, one.provider, one.at, dollars(one.server_held))
            for one in charges
        )
        return Statement(budgets, found, zone)

    async def settle(self, actor: Actor, job: JobId, cost: Decimal) -> None:
        await self._house(actor)
        if not cost.is_finite() or not 0 <= cost <= MOST_MONEY:
            raise Refused("bad_amount")
        record = self.record(actor, Action.SETTLED, f"job {job}", None, str(cost))
        settled = await self._store.ledger.settle(
            actor.platform, actor.server, job, micros(cost), now=self._now(), record=record
        )
        if not settled:
            raise Refused("not_open")

    # -- the bot itself

    async def left(self, platform: str, server: str) -> None:
        record = Record(0, self._now(), "", "", Action.LEFT, "server", None, None)
        await self._store.servers.leaving(platform, server, self._now() + STAYS, record)

    async def joined(self, platform: str, server: str) -> None:
        await self._store.servers.joined(platform, server)


def looks_after(actor: Actor, house: House) -> bool:
    """By the platform's word, or as one whom the server's setting names, or one of their roles."""
    named = set(house.book.value("admins")[0] or ())
    return actor.manages or actor.id in named or not actor.roles.isdisjoint(named)


def record_of(
    actor: Actor, action: Action, subject: str, at: float, before: Json = None, after: Json = None
) -> Record:
    return Record(0, at, actor.id, actor.name, action, subject, before, after)


async def _csv(records: AsyncIterator[Record]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("id", "at", "by_id", "by_name", "action", "subject", "before", "after"))
    async for one in records:
        at = rules.iso(one.at)
        row = (one.id, at, one.by_id, one.by_name, one.action.value, one.subject, one.before, one.after)
        writer.writerow([harmless(cell) for cell in row])
    return out.getvalue()


def harmless(cell: Json) -> str:
    """A spreadsheet must not take it for a formula (OWASP, CSV injection)."""
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
