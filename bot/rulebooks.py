"""The rules of every server, kept as they were compiled until its revision in the store moves on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

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

    async def of(self, platform: str, server: str) -> House:
        """The rules that hold now; of somebody who speaks with us alone, the installation's."""
        where = (platform, server)
        kept = self._kept.get(where)
        if kept is None or kept.revision != await self._store.servers.revision(platform, server):
            kept = await self._load(platform, server)
            self._kept[where] = kept
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(where)
        return kept

    async def of_actor(self, actor: Actor) -> House:
        return await self.of(actor.platform, actor.server)

    async def _load(self, platform: str, server: str) -> House:
        found = await self._store.servers.load(platform, server)
        book = Rulebook(found.entries, self._defaults, self._catalogue)
        return House(found.revision, found.entries, book, {one.id: one for one in found.people}, found.keys)
