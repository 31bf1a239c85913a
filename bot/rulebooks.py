"""The rules of every server, kept as they were compiled until its revision in the store moves on."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from bot.catalogue import Catalogue
from bot.jobs import Actor, Json
from bot.ports import Person, Standing
from bot.rules import Block, Entry, Rulebook

if TYPE_CHECKING:
    from bot.store import Store

KEPT = 2000
"""Servers whose rules are kept compiled: a few kilobytes each."""


@dataclass(frozen=True, slots=True)
class House:
    """What a server has decided.

    `people`: whom it has blocked or trusts, by id. `keys`: the providers that it has a key of its own for.
    """

    revision: int
    entries: tuple[Entry, ...]
    book: Rulebook
    people: Mapping[str, Person]
    keys: frozenset[str]

    def standing(self, person: str, now: float) -> Person | None:
        """What is decided of somebody and holds now."""
        found = self.people.get(person)
        return found if found and (found.until is None or found.until > now) else None

    def blocked(self, person: str, now: float) -> Block | None:
        found = self.standing(person, now)
        is_blocked = found is not None and found.standing is Standing.BLOCKED
        return Block(found.reason, found.until) if found and is_blocked else None

    def trusts(self, person: str, now: float) -> bool:
        found = self.standing(person, now)
        return found is not None and found.standing is Standing.TRUSTED


class Rulebooks:
    """Another process may change the rules at any time: each answer is by the store's newest revision."""

    def __init__(self, store: Store, catalogue: Catalogue, defaults: Mapping[str, Json]) -> None:
        """`defaults`: the installation's own, checked."""
        self._store = store
        self._catalogue = catalogue
        self._defaults = defaults
        self._kept: OrderedDict[tuple[str, str], House] = OrderedDict()
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def of(self, platform: str, server: str) -> House:
        """The rules that hold now; of somebody who speaks with us alone, the installation's."""
        where = (platform, server)
        if where in self._kept and await self._is_new(where):
            self._kept.move_to_end(where)
            return self._kept[where]
        async with self._locks.setdefault(where, asyncio.Lock()):  # many at once compile them once
            if where not in self._kept or not await self._is_new(where):
                self._kept[where] = await self._load(platform, server)
                if len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            return self._kept[where]

    async def _is_new(self, where: tuple[str, str]) -> bool:
        """Whether what is kept of a server still holds."""
        revision = await self._store.servers.revision(*where)
        return where in self._kept and self._kept[where].revision == revision

    async def of_actor(self, actor: Actor) -> House:
        return await self.of(actor.platform, actor.server)

    async def _load(self, platform: str, server: str) -> House:
        found = await self._store.servers.load(platform, server)
        book = Rulebook(found.entries, self._defaults, self._catalogue)
        return House(found.revision, found.entries, book, {one.id: one for one in found.people}, found.keys)
