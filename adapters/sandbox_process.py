"""A sandbox of one's own: started beside the bot, found again after a crash, stopped with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx

from bot.errors import CannotStart

TOKEN = "sandbox"  # noqa: S105  it opens a server that draws pictures for this machine only
IDLE_EXIT = 300
"""Seconds without a request after which it ends by itself: a crashed bot has that long to come back."""


@contextlib.asynccontextmanager
async def running_sandbox(
    folder: Path, is_needed: Callable[[], Awaitable[bool]], *, wait: float = 30.0
) -> AsyncIterator[str]:
    """The address of a sandbox that keeps its note in `folder`: everything before /v1.

    It is a session of its own, so neither Ctrl-C nor a kill of the bot reaches it: predictions go on, as they
    would at a real provider, and the next start finds them. It is stopped at the end unless it `is_needed`;
    then it ends by itself, a while after the last request.
    """
    note = folder / ".sandbox.address"
    found = await _still_there(note)
    if found is None:
        found = await _start(note, folder / ".sandbox.log", wait)
    pid, address = found
    keeping = asyncio.create_task(_keep_awake(address))
    try:
        yield address
    finally:
        keeping.cancel()
        if not await is_needed():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGTERM)
            note.unlink(missing_ok=True)


async def _start(note: Path, log: Path, wait: float) -> tuple[int, str]:
    note.unlink(missing_ok=True)
    note.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "adapters", "sandbox", "--port", "0", "--address-file", str(note)]
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *command,
            "--idle-exit",
            str(IDLE_EXIT),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait):
            while process.returncode is None:
                if found := await _still_there(note):
                    return found
                await asyncio.sleep(0.05)
    raise CannotStart(f"The sandbox did not start; {log} says why.")


async def _still_there(note: Path) -> tuple[int, str] | None:
    """The sandbox that the note tells of, where it answers."""
    try:
        pid, address = note.read_text().split()
        async with httpx.AsyncClient(trust_env=False, timeout=2) as client:
            answer = await client.get(f"{address}/v1/account", headers={"Authorization": f"Bearer {TOKEN}"})
        return (int(pid), address) if answer.is_success else None
    except (OSError, ValueError, httpx.HTTPError):
        return None


async def _keep_awake(address: str) -> None:
    """A request now and then while the bot has nothing to ask."""
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        while True:
            await asyncio.sleep(IDLE_EXIT / 5)
            with contextlib.suppress(httpx.HTTPError):
                await client.get(f"{address}/v1/account", headers={"Authorization": f"Bearer {TOKEN}"})
