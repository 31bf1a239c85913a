"""The stream of events that the page follows: nothing is missed, whatever happens to the connection."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable

import structlog
from aiohttp import web

from bot.store import Event, Store

LOOK_EVERY = 1.0
"""Seconds between two looks for what other processes have written."""

HEARTBEAT = 15.0
"""Seconds of silence after which a comment shows both sides that the connection is there."""

AT_ONCE = 200
"""Events read in one go."""

log = structlog.get_logger(__name__)


class Feed:
    """Knows the newest event and wakes whoever waits for a newer one."""

    def __init__(self, store: Store) -> None:
        self._chat = store.chat
        self._latest = 0
        self._newer = asyncio.Condition()
        self._look = asyncio.Event()
        self._open = True

    def wake(self) -> None:
        """Something was written in this process: look at once."""
        self._look.set()

    async def run(self) -> None:
        """Look for new events until cancelled; then every stream ends, to be taken up again elsewhere."""
        self._open = True
        try:
            while True:
                await self._look_or_tell()
                with contextlib.suppress(TimeoutError):
                    # not wait_for: on Python 3.11 it can swallow a cancel that comes with the wakening
                    async with asyncio.timeout(LOOK_EVERY):
                        await self._look.wait()
        finally:
            self._open = False
            async with self._newer:
                self._newer.notify_all()

    async def _look_or_tell(self) -> None:
        """A look that fails must not end everybody's stream."""
        try:
            await self._look_once()
        except Exception:
            log.exception("The events could not be read", action="feed_failed")

    async def _look_once(self) -> None:
        self._look.clear()
        latest = await self._chat.last_event()
        if latest != self._latest:
            self._latest = latest
            async with self._newer:
                self._newer.notify_all()

    # -- reading

    async def after(self, cursor: int) -> AsyncGenerator[Event | None, None]:
        """The events after this one, as they come; None after a silence of HEARTBEAT seconds.

        Ends when the feed is closed, and at once where the events after `cursor` are no longer all there.
        """
        if await self._has_missed(cursor):
            return
        while self._open:
            events = await self._chat.events_after(cursor, AT_ONCE)
            for event in events:
                yield event
                cursor = event.id
            if len(events) < AT_ONCE and not await self._wait(cursor):
                yield None

    async def _has_missed(self, cursor: int) -> bool:
        """Whether events after `cursor` were forgotten, or `cursor` is of another database."""
        return cursor < await self._chat.first_event() - 1 or cursor > await self._chat.last_event()

    async def _wait(self, cursor: int) -> bool:
        """Whether there is something newer, within HEARTBEAT seconds."""
        try:
            async with asyncio.timeout(HEARTBEAT), self._newer:
                await self._newer.wait_for(lambda: self._latest > cursor or not self._open)
        except TimeoutError:
            return False
        return True

    @property
    def is_open(self) -> bool:
        return self._open


async def stream(
    request: web.Request, feed: Feed, still_welcome: Callable[[], Awaitable[bool]]
) -> web.StreamResponse:
    """GET /api/events?after=ID, or with Last-Event-ID: server-sent events, from that one on.

    A "reset" tells the reader that it has missed some: it must load the state anew.
    """
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    # Whoever has gone comes back by itself and says what it has seen.
    with contextlib.suppress(ConnectionError):
        async with contextlib.aclosing(_told(feed, _cursor(request), still_welcome)) as told:
            async for piece in told:
                await response.write(piece.encode())
    return response


async def _told(
    feed: Feed, cursor: int, still_welcome: Callable[[], Awaitable[bool]]
) -> AsyncGenerator[str, None]:
    yield "retry: 1000\n\n"
    async with contextlib.aclosing(feed.after(cursor)) as events:
        async for event in events:
            if event is not None:
                yield f"id: {event.id}\nevent: {event.kind}\ndata: {json.dumps(event.data)}\n\n"
            elif await still_welcome():
                yield ": still here\n\n"
            else:
                return
    if feed.is_open:
        yield "event: reset\ndata: {}\n\n"


def _cursor(request: web.Request) -> int:
    given = request.headers.get("Last-Event-ID") or request.query.get("after", "")
    return int(given) if given.isdecimal() and len(given) < 19 else 0
