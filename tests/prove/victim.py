"""`threadreel run` as a process that dies where it is told: `python -m tests.prove.victim`.

It reads orders from its input, a line of JSON each: {"config", "notes", "log", "point", "occurrence"}. Each
is a life: a fork of this process, in which all is imported and nothing is running, plants the fuse and then
is `threadreel run -c config`. "pid" is answered when it begins, "ended" with its status when it is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import adapters.__main__ as command_line
from adapters import compose
from adapters.slack import Slack
from adapters.slack.delivery import Manners
from bot.providers import client, manners
from tests.prove.fuse import Fuse

PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """Nothing of this outlives whoever started it, however that ends."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _live(order: dict[str, Any]) -> None:
    _die_with_parent()
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)
    Fuse(Path(order["notes"]), order.get("point"), order.get("occurrence", 1)).plant()
    _lift_limits()
    if order.get("settled") is not None:
        _settle_sooner(order["settled"])
    if order.get("counts"):
        threading.Thread(target=_count, args=(Path(order["counts"]),), daemon=True).start()
    command_line.app(["run", "-c", order["config"]], standalone_mode=False)


def _lift_limits() -> None:
    """The played provider and Slack allow many requests a minute; what budgets do is tried elsewhere."""

    class Brisk(Slack):
        def __init__(self, *given: Any, **more: Any) -> None:
            super().__init__(*given, manners=Manners(updates_per_minute=6000, between_posts=0.02), **more)

    setattr(compose, "Slack", Brisk)  # noqa: B010
    setattr(client, "LIMITS", {**manners.LIMITS, "sandbox": (None, None)})  # noqa: B010  its own import of it


def _settle_sooner(seconds: float) -> None:
    """The played provider's list shows at once what was made: there is no need to look for long."""
    rules = compose._rules
    compose._rules = lambda *given, **more: replace(rules(*given, **more), settled=seconds)


def _count(path: Path) -> None:
    """How many tasks there are, and blocks of memory that hold Python's objects, once a second: only the
    process itself knows."""
    name = "_all_tasks" if hasattr(asyncio.tasks, "_all_tasks") else "_scheduled_tasks"  # before 3.12, since
    tasks, new = getattr(asyncio.tasks, name), path.with_suffix(".new")
    while True:
        new.write_text(json.dumps({"tasks": len(tasks), "blocks": sys.getallocatedblocks()}))
        new.rename(path)
        time.sleep(1)


def main() -> None:
    _die_with_parent()
    for line in sys.stdin:
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                _live(json.loads(line))
                status = 0
            except SystemExit as error:
                status = int(error.code or 0)
            except Exception:
                traceback.print_exc()  # into the log of this life
            finally:
                sys.stderr.flush()
                os._exit(status)
        print(json.dumps({"pid": child}), flush=True)
        _, ended = os.waitpid(child, 0)
        print(json.dumps({"ended": os.waitstatus_to_exitcode(ended)}), flush=True)


# -- the other end


@dataclass
class Life:
    """One life of the victim; `status` once it is over: -9 where it was killed."""

    pid: int
    over: asyncio.Event = field(default_factory=asyncio.Event)
    status: int | None = None

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        if not self.over.is_set():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def ended(self, within: float | None = None) -> bool:
        """Whether it is over, after waiting so many seconds for that."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self.over.wait()
        return self.over.is_set()


class Victim:
    """Begins lives, one at a time."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._life: Life | None = None
        self._reading: asyncio.Task[None] | None = None

    async def live(self, **order: Any) -> Life:
        assert self._process.stdin is not None
        if self._reading is not None:
            await self._reading
        assert self._life is None or self._life.over.is_set(), "one life at a time"
        self._process.stdin.write(json.dumps(order, default=str).encode() + b"\n")
        life = self._life = Life((await self._read())["pid"])
        self._reading = asyncio.create_task(self._until_over(life))
        return life

    async def _until_over(self, life: Life) -> None:
        life.status = (await self._read())["ended"]
        life.over.set()

    async def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the victim's launcher died")
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def close(self) -> None:
        if self._life is not None:
            self._life.kill()
            if self._reading is not None:
                await self._reading
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()


@contextlib.asynccontextmanager
async def victim() -> AsyncIterator[Victim]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.prove.victim",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    made = Victim(process)
    try:
        yield made
    finally:
        await made.close()


if __name__ == "__main__":
    main()
