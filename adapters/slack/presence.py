"""In which workspaces the app is: told to the core, which keeps or deletes what is theirs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import structlog

from adapters.slack.calls import Calls
from adapters.slack.places import NAME
from bot.errors import ThreadreelError
from bot.ports import Core

TOLD_EVERY = 3600.0
"""Seconds after which the use of a workspace tells the core again that the app is there."""
REMEMBERED = 10_000

log = structlog.get_logger(__name__)


class Presence:
    """Slack has no event for an installation. So whoever uses the app shows that it is there: that cancels a
    deletion which was noted when it was taken out, also where an organisation has let it in again."""

    def __init__(self, core: Core, calls: Calls, now: Callable[[], float]) -> None:
        self._core = core
        self._calls = calls
        self._now = now
        self._told: OrderedDict[str, float] = OrderedDict()

    async def begins(self) -> None:
        """The workspace of the configured token, if there is one, has us."""
        try:
            if team := await self._calls.clients.home():
                await self._core.admin.joined(NAME, team)
        except Exception as error:  # whoever uses it next tells the same
            log.info("Slack was not asked where we are", action="not_asked", why=type(error).__name__)

    async def used(self, team: str) -> None:
        """Somebody has done something there. The token is asked: what they did may be older than its end."""
        if not team or self._now() - self._told.get(team, float("-inf")) < TOLD_EVERY:
            return
        self._told[team] = self._now()
        self._told.move_to_end(team)
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        try:
            await self._calls.call(team, "auth.test")
            await self._core.admin.joined(NAME, team)
        except ThreadreelError as error:
            self._told.pop(team, None)
            log.info("Not known to be there", action="not_there", server=team, why=str(error))

    async def removed(self, team: str | None, enterprise: str | None) -> None:
        """Slack says that the app was taken out, or its tokens were."""
        for gone in await self._calls.clients.removed(team, enterprise):
            self._told.pop(gone, None)
            await self._core.admin.left(NAME, gone)
            log.info("Left a workspace", action="left", platform=NAME, server=gone)
