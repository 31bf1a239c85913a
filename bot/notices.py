"""Tells those who look after a server what they should know: an outbox, as results have one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import structlog

from bot.errors import Busy, Denied, Gone, MaybePosted
from bot.pacing import backoff
from bot.ports import Platform, Telling

if TYPE_CHECKING:
    from bot.store import Store
    from bot.store.notices import News

PlaceOf: TypeAlias = Callable[[str, str, str], Awaitable[str | None]]
"""Where a server wants news of a kind: platform, server, code -> a channel's id, None: wherever they look."""

AT_ONCE = 20
STALE = 86_400.0
"""Seconds after which nobody wants the news any more."""

KNOWN_FOR = 400 * 86_400.0
"""Seconds that a key is kept after it was told: longer than any period of a budget."""

log = structlog.get_logger(__name__)


class Teller:
    """Tries each notice until it is told, its place refuses it for good, or it is a day old."""

    def __init__(
        self,
        store: Store,
        platforms: Mapping[str, Platform],
        place_of: PlaceOf,
        *,
        now: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self._store = store
        self._platforms = platforms
        self._place_of = place_of
        self._now = now
        self._rng = rng

    async def run(self, every: float = 2.0) -> None:
        """Tell until cancelled; a fault is told to the log and tried again."""
        while True:
            try:
                await self.turn()
            except Exception:
                log.exception("Notices failed", action="notices_failed")
            await asyncio.sleep(every)

    async def turn(self) -> None:
        """Everything that is due."""
        for news in await self._store.notices.due(self._now(), AT_ONCE):
            await self._tell(news)

    async def _tell(self, news: News) -> None:
        platform = self._platforms.get(news.platform)
        if platform is None or self._now() - news.created_at > STALE:
            log.warning("A notice was given up", action="notice_given_up", code=news.code, of=news.server)
            await self._store.notices.told(news.id, self._now())
            return
        place = await self._place_of(news.platform, news.server, news.code)
        try:
            await self._say(platform, news, place)
        except MaybePosted:
            await self._store.notices.told(news.id, self._now())
        except Exception as error:
            log.info("A notice waits", action="notice_waits", why=str(error), code=news.code)
            wait = error.retry_after if isinstance(error, Busy) else None
            wait = backoff(news.tries, self._rng) if wait is None else wait
            await self._store.notices.later(news.id, self._now() + wait, news.tries + 1)
        else:
            await self._store.notices.told(news.id, self._now())

    async def _say(self, platform: Platform, news: News, place: str | None) -> None:
        """Where the server wants it, else wherever those who look after it look."""
        telling = Telling(news.key, news.server, news.code, dict(news.facts), place)
        try:
            await platform.tell(telling)
        except (Denied, Gone):
            if place is None:
                raise
            await platform.tell(Telling(news.key, news.server, news.code, dict(news.facts), None))
