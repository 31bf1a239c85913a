"""Group commit: requests that wait at the same time share one transaction and one fsync."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.engine.interfaces import DBAPICursor

T = TypeVar("T")
Request: TypeAlias = Callable[[Connection], T]
"""What one caller wants done within a transaction, in the writer's thread; what it raises undoes it alone."""

MOST = 256
"""Requests in one transaction: enough to make its fsync cheap, few enough that nobody waits long for it."""


class Writer:
    """The only one that writes. Nobody gets an answer before the commit that makes it true.

    A batch runs in a thread of its own, in one go: an asynchronous driver changes threads several times for
    each statement, which costs ten times as much. After an error that `is_fatal` nothing is written any more.
    """

    def __init__(self, engine: Engine, is_fatal: Callable[[Exception], bool]) -> None:
        self._engine = engine
        self._is_fatal = is_fatal
        self._fatal: Exception | None = None
        self._waiting: asyncio.Queue[tuple[Request[Any], asyncio.Future[Any]] | None] = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._task = asyncio.create_task(self._drain())
        self._closed = False

    async def __call__(self, request: Request[T]) -> T:
        """Do it, commit, answer. A caller that is cancelled meanwhile does not learn whether it was done."""
        if self._closed:
            raise RuntimeError("the store is closed")
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((request, answer))
        return await answer

    def halt(self, error: Exception) -> None:
        """Write nothing more: this is what everybody is told, also who waits."""
        self._fatal = self._fatal or error

    async def close(self) -> None:
        """Finish what waits, then take no more."""
        if not self._closed:
            self._closed = True
            self._waiting.put_nowait(None)
        await asyncio.wait([self._task])
        self._thread.shutdown()

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        while batch := await self._next_batch():
            wanted = [(request, answer) for request, answer in batch if not answer.done()]
            requests = [request for request, _ in wanted]
            try:
                results = await loop.run_in_executor(self._thread, self._commit, requests)
            except Exception as error:
                results = [_Raised(error)] * len(wanted)
            for (_, answer), result in zip(wanted, results, strict=True):
                _resolve(answer, result)

    async def _next_batch(self) -> list[tuple[Request[Any], asyncio.Future[Any]]]:
        """All that waits, one at least; nothing once the writer is closed and everything is done."""
        batch = []
        entry = await self._waiting.get()
        while entry is not None:
            batch.append(entry)
            if len(batch) == MOST or self._waiting.empty():
                return batch
            entry = self._waiting.get_nowait()
        if batch:
            self._waiting.put_nowait(None)
        return batch

    def _commit(self, requests: list[Request[Any]]) -> list[Any]:
        """One transaction, in the writer's thread. What this raises has undone all of them."""
        if self._fatal:
            raise self._fatal
        try:
            with self._engine.begin() as connection, closing(connection.connection.cursor()) as cursor:
                return [self._alone(connection, cursor, request) for request in requests]
        except Exception as error:
            if self._is_fatal(error):
                self.halt(error)
            raise

    def _alone(self, connection: Connection, cursor: DBAPICursor, request: Request[Any]) -> Any:
        """Run a request so that its failure undoes nobody else's work. The bare cursor is quick."""
        cursor.execute("SAVEPOINT request")
        try:
            result = request(connection)
        except Exception as error:
            if self._is_fatal(error) or not connection.connection.in_transaction:
                raise  # the fault has ended the whole transaction, and all of the batch with it
            cursor.execute("ROLLBACK TO SAVEPOINT request")
            result = _Raised(error)
        cursor.execute("RELEASE SAVEPOINT request")
        return result


class _Raised:
    """What a request raised instead of an answer."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


def _resolve(answer: asyncio.Future[Any], result: Any) -> None:
    if answer.done():
        return
    if isinstance(result, _Raised):
        answer.set_exception(result.error)
    else:
        answer.set_result(result)
