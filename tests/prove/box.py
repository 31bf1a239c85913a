"""The provider as a process: a sandbox whose every result is one of a kind, and that tells what it was asked.

`python -m tests.prove.box` prints its address. With `--prepared` all results of a model are one file drawn
beforehand, for many jobs a second.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import io
import json
import random
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from aiohttp import web
from PIL import Image

from bot.catalogue import load
from bot.sandbox import Prepared, Sandbox
from bot.sandbox.work import Piece, Report, Work
from tests.prove.processes import served

TOKEN = "sandbox"
STEPS = 4


def picture(prompt: str, seed: int) -> bytes:
    """What this prompt and this seed give, and no others do."""
    out = io.BytesIO()
    pixels = hashlib.shake_256(f"{prompt} {seed}".encode()).digest(3 * 64)
    Image.frombytes("RGB", (8, 8), pixels).save(out, "PNG")
    return out.getvalue()


def draw(work: Work, report: Report) -> Iterator[Piece]:
    """Takes a moment, and says how far it is."""
    takes = random.Random(work.seed).uniform(0.0, 0.8)
    for step in range(STEPS):
        time.sleep(takes / STEPS)
        report(f"{25 * (step + 1)}%|###       | {step + 1}/{STEPS}\n")
    yield Piece("image", "out.png", picture(str(work.inputs.get("prompt")), work.seed), "image/png")


async def serve(prepared: bool, boot_seconds: float) -> None:
    sandbox = Sandbox(
        load(),
        draw,
        boot_seconds=boot_seconds,
        workers=48,
        prepared=Prepared(lambda rng: rng.uniform(0.5, 3.0), commands=("imagine",)) if prepared else None,
        creates_per_minute=10**9,
        others_per_minute=10**9,
    )

    async def asked(_: web.Request) -> web.Response:
        """Every prediction there is: what of, when, and how it stands."""
        rows = [
            {
                "id": one.id,
                "prompt": one.order.input.get("prompt"),
                "seed": one.order.input.get("seed"),
                "status": one.status.value,
                "created_at": one.created_at,
            }
            for one in sandbox.workshop.book
        ]
        return web.json_response(rows)

    app = sandbox.app()
    app.router.add_get("/sandbox/asked", asked)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}{sandbox.prefix}", flush=True)
    await asyncio.Event().wait()


# -- the other end


@dataclass(frozen=True)
class Box:
    """`url` is everything before /v1."""

    url: str

    async def asked(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self._admin("GET", "asked")
        return found

    async def misbehave(self, *rules: Mapping[str, Any]) -> None:
        """Have these rules in force, and no others."""
        await self._admin("DELETE", "misbehave")
        if rules:
            await self._admin("POST", "misbehave", list(rules))

    async def _admin(self, method: str, path: str, body: Any = None) -> Any:
        root = self.url.removesuffix("/replicate")
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            answer = await client.request(
                method, f"{root}/sandbox/{path}", json=body, headers={"Authorization": f"Bearer {TOKEN}"}
            )
            answer.raise_for_status()
            return json.loads(answer.content) if answer.content else None


@contextlib.asynccontextmanager
async def box(log: Path, *, prepared: bool = False, boot_seconds: float = 0.1) -> AsyncIterator[Box]:
    """`log` takes what it has to say."""
    more = ["--prepared"] if prepared else []
    async with served("tests.prove.box", log, "--boot-seconds", str(boot_seconds), *more) as url:
        yield Box(url)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prepared", action="store_true")
    parser.add_argument("--boot-seconds", type=float, default=0.1)
    given = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(given.prepared, given.boot_seconds))
