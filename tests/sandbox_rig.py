"""A sandbox on loopback whose models answer at once, or when they are let."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

import httpx

from bot.catalogue import load
from bot.catalogue.schema import Model
from bot.sandbox import Sandbox, serve
from bot.sandbox.work import ModelError, Piece, Report, Work
from bot.sandbox.workshop import Workshop

CATALOGUE = load()
TOKEN = "sandbox"
PICTURE = "data:image/png;base64," + base64.b64encode(b"a picture").decode()

Json = Any


class Models:
    """Stands for the drawing. While `gate` is closed, models are busy, and log much where they are chatty.

    `works` holds what they were given.
    """

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.works: list[Work] = []
        self.stopped = 0
        self.is_chatty = False

    def make(self, work: Work, report: Report) -> Iterator[Piece]:
        self.works.append(work)
        report(" 50%|█████     | 1/2 [00:00<00:00]\n")
        if work.command == "animate" and work.inputs["intermediate_output"]:
            yield Piece("frame", "frame.png", b"frame", "image/png")
        try:
            while not self.gate.wait(0.01):
                report("busy\n" if self.is_chatty else "")
        except BaseException:
            self.stopped += 1
            raise
        if work.inputs.get("prompt") == "break":
            raise ModelError("The model broke")
        yield from self._pieces(work)

    def _pieces(self, work: Work) -> Iterator[Piece]:
        data = f"{work.command} {work.seed} {sorted(work.inputs.items())}".encode()
        if work.command == "music":
            yield Piece("audio", "out.wav", data, "audio/wav")
            yield Piece("spectrogram", "spectrogram.jpg", b"spectrogram", "image/jpeg")
            return
        for number in range(int(work.inputs.get("num_outputs", 1))):
            yield Piece("image", f"out-{number}.png", data, "image/png")


class Api:
    """Requests to one sandbox, in short."""

    def __init__(self, base_url: str, http: httpx.AsyncClient, workshop: Workshop) -> None:
        self.base_url = base_url
        self.workshop = workshop
        self.http = http

    async def create(
        self,
        command: str = "draw",
        *,
        headers: Mapping[str, str] | None = None,
        body: Json = None,
        **inputs: Json,
    ) -> httpx.Response:
        model = model_of(command)
        asked = {"version": model.version or model.full_name, "input": inputs, **(body or {})}
        return await self.http.post("/v1/predictions", json=asked, headers=headers)

    async def made(self, command: str = "draw", **inputs: Json) -> str:
        """The id of a new prediction."""
        answer = await self.create(command, **inputs)
        assert answer.status_code in (200, 201), answer.text
        return str(answer.json()["id"])

    async def get(self, key: str) -> Json:
        answer = await self.http.get(f"/v1/predictions/{key}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def until(self, key: str, seen: Callable[[Json], bool], seconds: float = 5.0) -> Json:
        """The prediction, once it looks so."""
        found: Json = None

        async def looks_so() -> bool:
            nonlocal found
            found = await self.get(key)
            return seen(found)

        await eventually(looks_so, seconds, lambda: str(found))
        return found

    async def ended(self, key: str) -> Json:
        return await self.until(key, lambda one: one["completed_at"] is not None)

    async def misbehave(self, **rule: Json) -> None:
        answer = await self.http.post(self._admin("misbehave"), json=rule)
        assert answer.status_code == 200, answer.text

    async def stats(self) -> Json:
        return (await self.http.get(self._admin("stats"))).json()

    def _admin(self, name: str) -> str:
        return f"{self.base_url.removesuffix('/replicate')}/sandbox/{name}"


@contextlib.asynccontextmanager
async def sandbox(models: Models | None = None, **options: Json) -> AsyncIterator[Api]:
    """A sandbox of all thirteen models, and a client with its token."""
    played = models or Models()
    server = Sandbox(CATALOGUE, played.make, **options)
    async with serve(server) as base_url:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx.AsyncClient(
            base_url=base_url, headers=headers, trust_env=False, verify=False
        ) as http:
            try:
                yield Api(base_url, http, server.workshop)
            finally:
                played.gate.set()


def model_of(command: str) -> Model:
    return CATALOGUE.find(command)


async def eventually(
    condition: Callable[[], Any], seconds: float = 5.0, told: Callable[[], str] = lambda: "it"
) -> None:
    """Waits until the condition holds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        holds = condition()
        if await holds if asyncio.iscoroutine(holds) else holds:
            return
        assert loop.time() < deadline, f"not in {seconds} s: {told()}"
        await asyncio.sleep(0.01)
