"""Predictions that are drawn, by worker threads."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeAlias

from bot.sandbox.files import File, Shelf, new_key
from bot.sandbox.inputs import fill, seed_of
from bot.sandbox.predictions import Book, Prediction, Status
from bot.sandbox.work import ModelError, Piece, Report, Stopped, Work

Make: TypeAlias = Callable[[Work, Report], Iterator[Piece]]
Files: TypeAlias = Mapping[str, tuple[bytes, ...]]
Fetch: TypeAlias = Callable[[Prediction], Awaitable[Files]]

LONGEST_RUN = 1800.0
"""Seconds: Replicate ends a prediction that has run for half an hour
(https://replicate.com/docs/topics/predictions/lifecycle)."""

log = logging.getLogger(__name__)


class Runner(Protocol):
    """Carries predictions out. One that has ended otherwise in the meantime is left alone."""

    async def open(self) -> None: ...

    def begin(self, prediction: Prediction) -> None: ...

    async def close(self) -> None: ...


class Drawing:
    """Draws what is asked: `workers` predictions at once, the others wait as "starting"."""

    def __init__(
        self,
        make: Make,
        book: Book,
        outputs: Shelf,
        fetch: Fetch,
        *,
        boot_seconds: float,
        workers: int,
        rng: random.Random,
        now: Callable[[], float],
    ) -> None:
        self._make = make
        self._book = book
        self._outputs = outputs
        self._fetch = fetch
        self._boot_seconds = boot_seconds
        self._rng = rng
        self._now = now
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="sandbox")
        self._free = asyncio.Semaphore(workers)
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Nothing is needed beforehand."""

    def begin(self, prediction: Prediction) -> None:
        task = asyncio.create_task(self._run(prediction))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Waits for the workers: all predictions have ended, so that drawing stops at its next report."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._pool.shutdown)

    async def _run(self, prediction: Prediction) -> None:
        try:
            await asyncio.sleep(self._boot_seconds)
            files = await self._fetch(prediction)
            async with self._free:
                if not prediction.ended:
                    await self._process(prediction, files)
        except ModelError as error:
            self._fail(prediction, str(error))
        except Exception as error:
            log.exception("drawing failed")
            self._fail(prediction, f"{type(error).__name__}: {error} (E1000)")

    async def _process(self, prediction: Prediction, files: Files) -> None:
        self._book.start(prediction)
        if prediction.has_fault("never_finish"):
            return
        if prediction.fault and (error := prediction.fault.failure(prediction.order.model, made=2)):
            raise ModelError(error)
        work = self._work(prediction, files)
        if prediction.order.model.seed_input:
            self._book.log(prediction, f"Using seed: {work.seed}\n")
        loop = asyncio.get_running_loop()
        with contextlib.suppress(Stopped):
            pieces = await loop.run_in_executor(self._pool, self._draw, loop, prediction, work)
            self._succeed(prediction, pieces)

    def _work(self, prediction: Prediction, files: Files) -> Work:
        model = prediction.order.model
        inputs = fill(model, prediction.input, self._rng)
        return Work(model.command, inputs, files, seed_of(inputs, files))

    def _draw(self, loop: asyncio.AbstractEventLoop, prediction: Prediction, work: Work) -> int:
        """In a worker thread: how many pieces there were."""

        def report(text: str) -> None:
            if prediction.ended:
                raise Stopped
            if text:
                loop.call_soon_threadsafe(self._book.log, prediction, text)

        count = 0
        for piece in self._make(work, report):
            report("")
            loop.call_soon_threadsafe(self._add, prediction, piece)
            count += 1
        return count

    def _add(self, prediction: Prediction, piece: Piece) -> None:
        if not prediction.ended:
            keep(prediction, piece, self._book, self._outputs, self._now())

    def _succeed(self, prediction: Prediction, made: int) -> None:
        if prediction.ended:
            return
        succeed(self._book, prediction, made)

    def _fail(self, prediction: Prediction, error: str) -> None:
        if prediction.ended:
            return
        if prediction.started_at is None:
            self._book.start(prediction)
        self._book.end(prediction, Status.FAILED, error)


def keep(prediction: Prediction, piece: Piece, book: Book, outputs: Shelf, now: float) -> None:
    """Puts a piece where it can be downloaded."""
    file = File(new_key(), piece.filename, piece.mime, piece.data, now, model=prediction.order.model.command)
    outputs.put(file)
    url = f"{prediction.order.origin}/out/{file.id}/{piece.filename}"
    book.add(prediction, piece.part, url, file.id)


def succeed(book: Book, prediction: Prediction, made: int) -> None:
    """Ends it well, but for what a flagged picture changes."""
    fault, model = prediction.fault, prediction.order.model
    if fault and (error := fault.failure(model, made)):
        book.end(prediction, Status.FAILED, error)
        return
    if fault and fault.drops_one(model):
        prediction.files = prediction.files[:-1]
    book.succeed(prediction)
