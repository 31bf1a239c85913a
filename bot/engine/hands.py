"""Lines of work, each with so many hands: what hangs in one keeps no other waiting."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog

PAUSE = 1.0
"""Seconds that a hand rests after a fault that it can do nothing about, such as a full disk."""

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Hands(Generic[T]):
    """Does what it is given, `at_once` of a line, in the order in which it came.

    A line costs nothing while it is empty. What is given before `begin` waits for it.
    """

    def __init__(self, at_once: int, do: Callable[[T], Awaitable[None]]) -> None:
        self._at_once = at_once
        self._do = do
        self._waiting: defaultdict[str, deque[T]] = defaultdict(deque)
        self._busy: defaultdict[str, int] = defaultdict(int)
        self._tasks: asyncio.TaskGroup | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    def begin(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks
        for line in self._waiting:
            self._put_to_work(line)

    def give(self, line: str, one: T) -> None:
        self._idle.clear()
        self._waiting[line].append(one)
        self._put_to_work(line)

    def waiting(self, line: str) -> int:
        """How many nobody has begun yet."""
        return len(self._waiting.get(line, ()))

    async def all_done(self) -> None:
        """Wait until nothing waits in any line and nothing is under way."""
        await self._idle.wait()

    def _put_to_work(self, line: str) -> None:
        if self._tasks is None:
            return
        for _ in range(min(self.waiting(line), self._at_once - self._busy[line])):
            self._busy[line] += 1
            self._tasks.create_task(self._work(line))

    async def _work(self, line: str) -> None:
        """One hand: until nothing waits in its line."""
        waiting = self._waiting[line]
        try:
            while waiting:
                await self._do_one(line, waiting.popleft())
        finally:
            self._busy[line] -= 1
            if not any(self._busy.values()) and not any(self._waiting.values()):
                self._idle.set()

    async def _do_one(self, line: str, one: T) -> None:
        try:
            await self._do(one)
        except Exception:
            log.exception("A step failed and the line goes on", action="hand_failed", line=line)
            await asyncio.sleep(PAUSE)
