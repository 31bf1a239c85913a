"""Predictions that only take time and give a file drawn beforehand: for benchmarks."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bot.catalogue.schema import Input, Kind, Model, Type
from bot.sandbox.files import File, Shelf, new_key
from bot.sandbox.inputs import seed_of
from bot.sandbox.predictions import Book, Prediction, Status
from bot.sandbox.running import Make, succeed
from bot.sandbox.work import Json, Piece, Work


@dataclass(frozen=True, slots=True)
class Prepared:
    """`duration` in seconds, or a function that draws it from a random.Random(`seed`).

    `commands` names the models that are prepared, all of them where it is empty.
    """

    duration: float | Callable[[random.Random], float] = 1.0
    seed: int = 0
    commands: tuple[str, ...] = ()


class Timed:
    """Moves predictions on when their time has come, by one heap and one timer for all of them.

    All predictions of a model share its files, which stay as long as the server.
    """

    def __init__(
        self,
        prepared: Prepared,
        models: Iterable[Model],
        make: Make,
        book: Book,
        outputs: Shelf,
        *,
        boot_seconds: float,
        now: Callable[[], float],
    ) -> None:
        self._prepared = prepared
        self._rng = random.Random(prepared.seed)  # noqa: S311  durations
        self._models = [m for m in models if not prepared.commands or m.command in prepared.commands]
        self._make = make
        self._book = book
        self._outputs = outputs
        self._boot_seconds = boot_seconds
        self._now = now
        self._samples: dict[str, list[tuple[str, str]]] = {}
        self._due: list[tuple[float, int, Prediction]] = []
        self._timer: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        """Draws one small result of each model."""
        picture = await asyncio.to_thread(_any_picture, self._models, self._make)
        for model in self._models:
            pieces = await asyncio.to_thread(_sample, model, self._make, picture)
            self._samples[model.command] = [self._keep(model, piece) for piece in pieces]

    def begin(self, prediction: Prediction) -> None:
        self._push(prediction, self._boot_seconds)

    def resume(self, prediction: Prediction, seconds: float) -> None:
        """It runs already, for so many seconds more."""
        self._book.start(prediction)
        self._push(prediction, seconds)

    async def close(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _keep(self, model: Model, piece: Piece) -> tuple[str, str]:
        file = File(new_key(), piece.filename, piece.mime, piece.data, self._now(), model=model.command)
        self._outputs.put(file)
        return piece.part, f"/out/{file.id}/{file.name}"

    def _push(self, prediction: Prediction, seconds: float) -> None:
        due = asyncio.get_running_loop().time() + seconds
        heapq.heappush(self._due, (due, prediction.number, prediction))
        if self._timer is None or due < self._timer.when():
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_at(self._due[0][0], self._fire) if self._due else None

    def _fire(self) -> None:
        time = asyncio.get_running_loop().time()
        while self._due and self._due[0][0] <= time:
            _, _, prediction = heapq.heappop(self._due)
            if not prediction.ended:
                self._move(prediction)
        self._set_timer()

    def _move(self, prediction: Prediction) -> None:
        if prediction.status is Status.STARTING:
            self._book.start(prediction)
            if not prediction.has_fault("never_finish"):
                self._push(prediction, self._duration())
            return
        samples = self._samples.get(prediction.order.model.command)
        if samples is None:
            self._book.end(prediction, Status.FAILED, "This model was not prepared")
            return
        for part, path in samples:
            self._book.add(prediction, part, prediction.order.origin + path)
        succeed(self._book, prediction, len(samples))

    def _duration(self) -> float:
        duration = self._prepared.duration
        return duration(self._rng) if callable(duration) else duration


def _any_picture(models: Iterable[Model], make: Make) -> bytes:
    """What models that need a picture are given."""
    for model in models:
        if model.kind is Kind.IMAGE and not any(entry.is_file and entry.required for entry in model.inputs):
            return _sample(model, make, b"")[-1].data
    return b""


def _sample(model: Model, make: Make, picture: bytes) -> list[Piece]:
    inputs = {entry.name: value for entry in model.inputs if (value := _smallest(entry)) is not None}
    files = {entry.name: (picture,) for entry in model.inputs if entry.is_file and entry.required}
    return list(make(Work(model.command, inputs, files, seed_of(inputs, files)), lambda text: None))


def _smallest(entry: Input) -> Json:
    if entry.is_file:
        return None
    if entry.name == "seed":
        return 0
    if entry.type is Type.INTEGER and entry.choices:
        return min(choice for choice in entry.choices if not isinstance(choice, str) and choice >= 128)
    if entry.type is Type.INTEGER and entry.minimum is not None:
        return entry.minimum
    if entry.default is None and entry.required:
        return "a fox in snow"
    return entry.default
