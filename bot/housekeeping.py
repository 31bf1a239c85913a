"""What is kept no longer than it should be: jobs, their files, the page's events. And a backup each day."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

import structlog

from bot.errors import Damaged, Refused
from bot.jobs import NOBODY
from bot.rules import month_of
from bot.store.backups import NotBackedUp

if TYPE_CHECKING:
    from bot.media import Library
    from bot.store import Store

DAY = 86_400
EVENTS_KEPT = 7 * DAY
"""Seconds in which a page that comes back is told all it missed; after that it loads everything anew."""

MOST_FILES = 1000
"""Files that are removed at a time."""

NOTICES_KEPT = 400 * DAY
LEDGER_KEPT = 400 * DAY
"""Seconds that amounts are kept: a year, and what it takes to compare it with the one before."""

log = structlog.get_logger(__name__)


DaysOf: TypeAlias = Callable[[str, str], Awaitable[tuple[float | None, float | None]]]
"""How many days a server (platform, id) keeps media, and prompts; None: as long as the installation does."""


async def no_own_days(_platform: str, _server: str) -> tuple[float | None, float | None]:
    return None, None


async def tidy(
    store: Store, library: Library, *, days: float, now: float, days_of: DaysOf = no_own_days
) -> None:
    """Forget jobs that ended before so many days, and files that no job kept since needs.

    What is asked to be forgotten, or belongs to a server that was left, goes too.
    """
    before = now - days * DAY
    await store.privacy.go_on(now)
    await _delete_left_servers(store, now)
    await _keep_to_days(store, now, days_of)
    jobs = await store.forget_before(before)
    files = await library.remove_older_than(before, await store.media_in_use(before))
    await store.chat.forget_events_before(now - EVENTS_KEPT)
    await store.pending.forget_expired(now)
    await store.notices.forget_before(now - NOTICES_KEPT)
    await store.ledger.forget_before(month_of(now - LEDGER_KEPT, "UTC")[0])
    log.info("Tidied", action="tidied", jobs=jobs, files=files)


async def _delete_left_servers(store: Store, now: float) -> None:
    for platform, server in await store.servers.to_delete(now):
        for job in await store.servers.open_jobs(platform, server):
            with contextlib.suppress(Refused):
                await store.request_cancel(job.id, by=NOBODY, now=now)
        if await store.servers.delete(platform, server, now=now):
            log.info("A server's data are deleted", action="server_deleted", platform=platform, server=server)


async def _keep_to_days(store: Store, now: float, days_of: DaysOf) -> None:
    """Servers may keep less long than the installation does."""
    for platform, server in await store.servers.known():
        media, prompts = await days_of(platform, server)
        if media is not None:
            await store.servers.forget_media(platform, server, now - media * DAY, now=now)
        if prompts is not None:
            await store.servers.forget_prompts(platform, server, now - prompts * DAY, now=now)


async def remove_dropped(store: Store, library: Library) -> int:
    """Remove the files that jobs have let go of, save those that others need; how many went."""
    dropped = await store.dropped.some(MOST_FILES)
    if not dropped:
        return 0
    needed = await store.media_in_use(-math.inf)
    gone = 0
    for digest in dropped.keys() - needed:
        gone += await library.remove([digest], dropped[digest])
    await store.dropped.removed(dropped)
    return gone


async def keep_dropped_gone(
    store: Store, library: Library, *, now: Callable[[], float], every: float = 5.0
) -> None:
    """Remove what was let go, and whom nothing holds any more, soon, until cancelled; faults are told."""
    while True:
        try:
            await store.privacy.go_on(now())
            await remove_dropped(store, library)
        except Exception:
            log.exception("Files were not removed", action="remove_failed")
        await asyncio.sleep(every)


async def keep_tidy(
    store: Store,
    library: Library,
    *,
    days: float,
    now: Callable[[], float],
    every: float = DAY / 24,
    days_of: DaysOf = no_own_days,
) -> None:
    """Tidy now and once in a while, until cancelled; a fault is told and tried again."""
    while True:
        try:
            await tidy(store, library, days=days, now=now(), days_of=days_of)
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
