"""Who somebody is: their name, language and rights, as Slack tells them; kept for a while."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import structlog

from adapters.slack.calls import Calls, Declined
from adapters.slack.places import NAME
from bot.errors import LostAnswer, TryLater, Undeliverable
from bot.jobs import Actor, Json

KEPT = 3600.0
"""Seconds that a name is taken for current."""
RIGHTS_KEPT = 60.0
GROUPS_KEPT = 300.0
MOST = 10_000
AT_ONCE = 1.5
"""Seconds that a name may take; without it somebody goes by what the payload calls them."""


log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    language: str
    moderates: bool
    at: float


class People:
    """`known` never asks anybody; the others ask Slack where it is too long ago."""

    def __init__(self, calls: Calls, now: Callable[[], float]) -> None:
        self._calls = calls
        self._now = now
        self._people: OrderedDict[tuple[str, str], Person] = OrderedDict()
        self._groups: dict[str, tuple[float, Mapping[str, frozenset[str]]]] = {}
        self._told: set[str] = set()

    async def admin(self, team: str, actor: Actor) -> Actor:
        """The same person, with the rights and the user groups that they have now."""
        manages = await self.moderates(team, actor.id)
        return replace(
            await self.actor(team, actor.id, actor.name),
            manages=manages,
            roles=await self.groups(team, actor.id),
        )

    async def owner(self, team: str) -> str | None:
        """The primary owner of the workspace; None where Slack names none among its first thousand people."""
        answer = await self._calls.call(team, "users.list", limit=1000)
        return next((one["id"] for one in answer.get("members") or [] if one.get("is_primary_owner")), None)

    async def groups(self, team: str, user: str) -> frozenset[str]:
        """The user groups that somebody is in. None, where we may not ask: said in the log once."""
        known = self._groups.get(team)
        if known is None or self._now() - known[0] > GROUPS_KEPT:
            known = self._groups[team] = (self._now(), await self._ask_for_groups(team))
        return known[1].get(user, frozenset())

    async def _ask_for_groups(self, team: str) -> Mapping[str, frozenset[str]]:
        try:
            answer = await self._calls.call(team, "usergroups.list", include_users=True)
        except Declined as error:
            if team not in self._told:
                log.warning("User groups are not told", action="groups_unknown", team=team, why=error.code)
                self._told.add(team)
            return {}
        except (LostAnswer, TryLater, Undeliverable):
            return {}
        members: defaultdict[str, set[str]] = defaultdict(set)
        for group in answer.get("usergroups") or []:
            for user in group.get("users") or []:
                members[user].add(group["id"])
        return {user: frozenset(groups) for user, groups in members.items()}

    def known(self, team: str, user: str, name: str = "") -> Actor:
        """Who it is, from memory or by the name that the payload has."""
        person = self._people.get((team, user))
        if person is None:
            return Actor(NAME, user, name or user, team)
        return Actor(NAME, user, person.name, team, person.language)

    async def actor(self, team: str, user: str, name: str = "") -> Actor:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AT_ONCE):
                await self._fresh(team, user, KEPT)
                return replace(self.known(team, user, name), roles=await self.groups(team, user))
        return self.known(team, user, name)

    async def moderates(self, team: str, user: str) -> bool:
        """Whether they are an admin or owner of the workspace, or of its organisation."""
        person = await self._fresh(team, user, RIGHTS_KEPT)
        return person is not None and person.moderates

    async def _fresh(self, team: str, user: str, lasts: float) -> Person | None:
        known = self._people.get((team, user))
        if known is not None and self._now() - known.at < lasts:
            return known
        try:
            answer = await self._calls.call(team, "users.info", user=user, include_locale=True)
        except (Declined, LostAnswer, TryLater, Undeliverable):
            return None
        person = _read(answer["user"], self._now())
        self._people[team, user] = person
        self._people.move_to_end((team, user))
        if len(self._people) > MOST:
            self._people.popitem(last=False)
        return person


def _read(user: Json, now: float) -> Person:
    profile = user.get("profile") or {}
    name = profile.get("display_name") or profile.get("real_name") or user.get("name") or user["id"]
    of_org = user.get("enterprise_user") or {}
    rights = (
        user.get("is_admin"),
        user.get("is_owner"),
        user.get("is_primary_owner"),
        of_org.get("is_admin"),
        of_org.get("is_owner"),
    )
    return Person(name, user.get("locale") or "en", any(rights), now)
