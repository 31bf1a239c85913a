"""Named fault points: a process that reaches the one it was told dies there, as by `kill -9`.

Nothing in what ships knows of them. They are put around the seams that every write and every request passes:
the store's verbs, its commit, httpx's transport, aiohttp's sessions and the media library.
"""

from __future__ import annotations

import functools
import inspect
import os
import re
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import aiohttp
import httpx
from sqlalchemy import Connection

from bot.media import Library
from bot.store import Chat, Store
from bot.store.sqlite import Sqlite
from bot.store.writer import Writer

Call = Callable[..., Awaitable[Any]]

VERBS = ((Store, "store"), (Chat, "chat"))

ID = re.compile(r"/(\d{6,}|@me|[a-z0-9]{26}|[0-9a-f]{64}|[\w-]{40,}|[UWCDTBF][A-Z0-9]{6,})(?=/|$)")
"""Parts of a path that tell one thing from another of its kind: they make no point of their own."""

_verb: ContextVar[str] = ContextVar("verb", default="store.other")


class Fuse:
    """Dies at the `occurrence`th time that `point` is reached; notes in `notes` every point it sees."""

    def __init__(self, notes: Path, point: str | None = None, occurrence: int = 1) -> None:
        self._notes = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._point = point
        self._occurrence = occurrence
        self._reached: Counter[str] = Counter()

    def reach(self, point: str) -> None:
        self._reached[point] += 1
        if self._reached[point] == 1:
            os.write(self._notes, f"saw {point}\n".encode())
        if point == self._point and self._reached[point] == self._occurrence:
            os.write(self._notes, f"died {point} {self._occurrence}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    def plant(self) -> None:
        """Put it into the process that this is, for good."""
        for kind, name in VERBS:
            _name_verbs(kind, name)
        _replace(Sqlite, "write", self._around_write)
        _replace(Writer, "_commit", self._around_commit)
        for verb in ("keep", "fetch", "adopt", "fit", "preview"):
            if hasattr(Library, verb):
                _replace(Library, verb, functools.partial(self._around, f"media.{verb}"))
        _replace(httpx.AsyncHTTPTransport, "handle_async_request", self._around_httpx)
        _replace(aiohttp.ClientSession, "_request", self._around_aiohttp)

    # -- the store

    def _around_write(self, write: Call) -> Call:
        async def wrapped(*args: Any) -> Any:
            verb = _verb.get()
            self.reach(f"{verb}.before")
            try:
                return await write(*args)
            finally:
                self.reach(f"{verb}.after")

        return wrapped

    def _around_commit(self, commit: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
        """Before the transaction; when all is written and nothing committed; committed and not yet told."""

        def uncommitted(_: Connection) -> None:
            self.reach("commit.within")

        def wrapped(writer: Writer, requests: list[Any]) -> list[Any]:
            self.reach("commit.before")
            answers = commit(writer, [*requests, uncommitted])
            self.reach("commit.after")
            return answers[:-1]

        return wrapped

    # -- requests

    def _around(self, name: str, call: Call) -> Call:
        async def wrapped(*args: Any, **more: Any) -> Any:
            self.reach(f"{name}.before")
            answer = await call(*args, **more)
            self.reach(f"{name}.after")
            return answer

        return wrapped

    def _around_httpx(self, send: Call) -> Call:
        async def wrapped(transport: Any, request: httpx.Request) -> Any:
            name = of_request(request.method, request.url.path)
            self.reach(f"{name}.before")
            answer = await send(transport, request)
            self.reach(f"{name}.after")
            return answer

        return wrapped

    def _around_aiohttp(self, send: Call) -> Call:
        async def wrapped(session: Any, method: str, url: Any, **more: Any) -> Any:
            name = of_request(method, httpx.URL(str(url)).path)
            self.reach(f"{name}.before")
            answer = await send(session, method, url, **more)
            self.reach(f"{name}.after")
            return answer

        return wrapped


def verb() -> str:
    """The verb of the store whose write this is."""
    return _verb.get()


@contextmanager
def named_verbs() -> Iterator[None]:
    """`verb` knows, for as long as this lasts."""
    before = [(kind, name, one) for kind, _ in VERBS for name, one in vars(kind).items()]
    for kind, prefix in VERBS:
        _name_verbs(kind, prefix)
    try:
        yield
    finally:
        for kind, name, one in before:
            if vars(kind)[name] is not one:
                setattr(kind, name, one)


def _name_verbs(kind: type, prefix: str) -> None:
    """Which verb a write belongs to. Those that only read are named too, and never make a point."""
    for name, _ in inspect.getmembers(kind, inspect.iscoroutinefunction):
        if not name.startswith("_"):
            _replace(kind, name, functools.partial(_named, f"{prefix}.{name}"))


def of_request(method: str, path: str) -> str:
    """A request by what it does, whomever it concerns: "POST /channels/*/messages"."""
    path = re.sub(r"^/api/v10|^/replicate", "", path)
    path = re.sub(r"^(/out|/cdn|/files-pri|/upload)/.*", r"\1/*", path)
    path = re.sub(r"^/(interactions|webhooks)/[^/]+/[^/]+", r"/\1/*/*", path)
    while ID.search(path):
        path = ID.sub("/*", path)
    return f"{method} {path}"


def _named(name: str, verb: Call) -> Call:
    async def wrapped(*args: Any, **more: Any) -> Any:
        token = _verb.set(name)
        try:
            return await verb(*args, **more)
        finally:
            _verb.reset(token)

    return wrapped


def _replace(owner: Any, name: str, around: Callable[[Any], Any]) -> None:
    old = getattr(owner, name)
    setattr(owner, name, functools.wraps(old)(around(old)))
