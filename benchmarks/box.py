"""A sandbox process with prepared outputs: predictions take a drawn time and no computing."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx

from bot.catalogue import load
from bot.sandbox.art import make
from bot.sandbox.prepared import Prepared
from bot.sandbox.server import Sandbox, serve

TOKEN = "sandbox"


@contextlib.asynccontextmanager
async def box(low: float, high: float) -> AsyncIterator[str]:
    """The base URL of a sandbox in a process of its own; durations are drawn from low..high seconds."""
    command = [sys.executable, "-m", "benchmarks.box", str(low), str(high)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.terminate()
        await process.wait()


async def stats(base_url: str) -> dict[str, Any]:
    """Requests by endpoint since the start, and when each prediction ended."""
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        answer = await client.get(f"{base_url}/sandbox/stats", headers={"Authorization": f"Bearer {TOKEN}"})
        found: dict[str, Any] = answer.raise_for_status().json()
        return found


async def _serve(low: float, high: float) -> None:
    sandbox = Sandbox(
        load(),
        make,
        prepared=Prepared(lambda rng: rng.uniform(low, high), commands=("imagine",)),
        creates_per_minute=10**9,
        others_per_minute=10**9,
    )
    async with serve(sandbox) as address:
        print(address, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("low", type=float)
    parser.add_argument("high", type=float)
    given = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(given.low, given.high))
