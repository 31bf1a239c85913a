"""What is kept no longer than it should be: jobs, their files, the page's events. And a backup each day."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from bot.errors import Damaged
from bot.store.backups import NotBackedUp

if TYPE_CHECKING:
    from bot.media import Library
    from bot.store import Store

DAY = 86_400
EVENTS_KEPT = 7 * DAY
"""Seconds in which a page that comes back is told all it missed; after that it loads everything anew."""

log = structlog.get_logger(__name__)


async def tidy(store: Store, library: Library, *, days: float, now: float) -> None:
    """Forget jobs that ended before so many days, and files that no job kept since needs."""
    before = now - days * DAY
    jobs = await store.forget_before(before)
    files = await library.remove_older_than(before, await store.media_in_use(before))
    await store.chat.forget_events_before(now - EVENTS_KEPT)
    log.info("Tidied", action="tidied", jobs=jobs, files=files)


async def keep_tidy(
    store: Store, library: Library, *, days: float, now: Callable[[], float], every: float = DAY / 24
) -> None:
    """Tidy now and once in a while, until cancelled; a fault is told and tried again."""
    while True:
        try:
            await tidy(store, library, days=days, now=now())
        except Exception:
            log.exception("Not tidied", action="tidy_failed")
        await asyncio.sleep(every)


async def keep_backed_up(
    store: Store, *, keep: int, now: Callable[[], float], every: float = DAY, look_every: float = DAY / 96
) -> None:
    """Make a backup wherever the newest is a day old, until cancelled; what fails is told and tried again."""
    while keep:
        newest = next(iter(await asyncio.to_thread(store.backups.all)), None)
        if newest is None or now() - store.backups.made_at(newest) >= every:
            await _back_up(store, keep, now)
        await asyncio.sleep(look_every)


async def _back_up(store: Store, keep: int, now: Callable[[], float]) -> None:
    try:
        backup = await store.back_up(now=now(), keep=keep)
    except NotBackedUp as error:
        log.warning("Not backed up", action="backup_failed", why=str(error))
    except Damaged:
        return  # whoever runs the store is told so too
    except Exception:
        log.exception("Not backed up", action="backup_failed")
    else:
        log.info("Backed up", action="backed_up", file=str(backup))
