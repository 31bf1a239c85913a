"""Worker processes for untrusted bytes: started when needed, killed when they overrun or when we end.

Our own few lines instead of `concurrent.futures.ProcessPoolExecutor`, because that can't stop one task that
takes too long, loads the whole program into each worker, and leaves them behind where we are killed.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from typing import Any, cast

from bot.errors import BadMedia, TooLarge, TryLater

_START_SECONDS = 60.0
_ENVIRONMENT = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PYTHONHOME", "SYSTEMROOT", "TMPDIR")


class WorkerDied(Exception):
    """The worker ended without an answer: the bytes brought it down, or somebody killed it."""


class Pool:
    """At most `size` workers. Use it as an async context manager, or `aclose` it."""

    def __init__(self, size: int = 1) -> None:
        self._places = asyncio.Semaphore(size)
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._closed = False

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of the workers there are."""
        return tuple(worker.pid for worker in self._all)

    async def run(self, task: str, *args: object, seconds: float) -> Mapping[str, Any]:
        """Run a task of `bot.media.worker` with JSON arguments; its result.

        A worker that dies is replaced once. Raises BadMedia or TooLarge as the task says, WorkerDied,
        TimeoutError after `seconds` of work, TryLater where the pool is closed.
        """
        async with self._places:
            try:
                answer = await self._attempt(task, args, seconds)
            except WorkerDied:
                answer = await self._attempt(task, args, seconds)
        return _result(answer)

    async def _attempt(self, task: str, args: tuple[object, ...], seconds: float) -> Mapping[str, Any]:
        worker = self._idle.pop() if self._idle else await self._start()
        try:
            async with asyncio.timeout(seconds):
                answer = await worker.ask(task, args)
        except BaseException:
            await self._end(worker)
            raise
        self._idle.append(worker)
        return answer

    async def _start(self) -> _Worker:
        self._refuse_if_closed()
        worker = _Worker(await _spawn())
        self._all.add(worker)
        try:
            async with asyncio.timeout(_START_SECONDS):
                await worker.ready()
            self._refuse_if_closed()
        except BaseException:
            await self._end(worker)
            raise
        return worker

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise TryLater("media workers are shutting down")

    async def _end(self, worker: _Worker) -> None:
        await worker.end()
        self._all.discard(worker)

    async def aclose(self) -> None:
        """Kill every worker, at work or not; tasks under way raise TryLater."""
        self._closed = True
        self._idle.clear()
        for worker in tuple(self._all):
            await self._end(worker)

    async def __aenter__(self) -> Pool:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class _Worker:
    def __init__(self, process: Process) -> None:
        self.pid = process.pid
        self._process = process
        # Both were asked for as pipes.
        self._stdin = cast(StreamWriter, process.stdin)
        self._stdout = cast(StreamReader, process.stdout)

    async def ready(self) -> None:
        await self._read()

    async def ask(self, task: str, args: tuple[object, ...]) -> Mapping[str, Any]:
        try:
            self._stdin.write(json.dumps({"task": task, "args": args}).encode() + b"\n")
            await self._stdin.drain()
            answer: Mapping[str, Any] = await self._read()
        except ConnectionError as error:
            raise WorkerDied from error
        return answer

    async def _read(self) -> Any:
        line = await self._stdout.readline()
        if not line.endswith(b"\n"):
            raise WorkerDied
        return json.loads(line)

    async def end(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        self._stdin.close()


async def _spawn() -> Process:
    """A worker away from the terminal's Ctrl-C and from our secrets, that imports from where we do."""
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot.media.worker",
        stdin=PIPE,
        stdout=PIPE,
        env=environment,
        start_new_session=True,
    )


def _result(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    match answer:
        case {"bad_media": str(code), "facts": dict(facts)}:
            raise BadMedia(code, **facts)
        case {"too_large": int(limit)}:
            raise TooLarge(limit)
    result: Mapping[str, Any] = answer["result"]
    return result
