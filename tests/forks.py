"""Processes of ours, forked from one that has everything imported: the same programs without the second that
their imports take."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import socket
import sys
from asyncio import StreamReader, StreamWriter
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["adapters.__main__", "bot.media.worker"])


def begin() -> None:
    """Let it import by the time that somebody needs it: no event loop is to wait for that."""
    forkserver.ensure_running()


class Forked:
    """A media worker as `asyncio.subprocess.Process` shows one."""

    def __init__(self, process: ForkServerProcess, reader: StreamReader, writer: StreamWriter) -> None:
        self._process = process
        self.stdout = reader
        self.stdin = writer

    @property
    def pid(self) -> int:
        return self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    async def wait(self) -> int:
        await asyncio.to_thread(self._process.join)
        return self._process.exitcode or 0


async def media_worker() -> Forked:
    """In the place of `bot.media.pool._spawn`."""
    ours, its = FORKS.Pipe()
    process = FORKS.Process(target=_work, args=(its,), daemon=True)
    process.start()
    its.close()
    with ours:
        there = socket.socket(fileno=os.dup(ours.fileno()))
    reader, writer = await asyncio.open_connection(sock=there)
    return Forked(process, reader, writer)


def _work(there: Connection) -> None:
    os.setsid()
    os.environ.clear()
    for fd in (0, 1):
        os.dup2(there.fileno(), fd)
    there.close()
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115

    from bot.media.worker import main

    main()
