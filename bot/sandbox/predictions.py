"""The life of a prediction, and the book that holds all of them."""

from __future__ import annotations

import asyncio
import secrets
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, TypeAlias

from bot.catalogue.schema import Model, Shape
from bot.sandbox.misbehaviour import Rule
from bot.sandbox.work import Json

PAGE = 100
LONGEST_LOGS = 200_000
KEPT_FOR = 10
"""How many times as long as its data a prediction itself is remembered."""

ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"

Event: TypeAlias = Literal["start", "output", "logs", "completed"]
Direction: TypeAlias = Literal["older", "newer"]
Cursor: TypeAlias = tuple[Direction, int]


class Status(StrEnum):
    STARTING = "starting"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody asks for. `api` stands before /v1 in the prediction's `urls`, `origin` before /out.

    `wait` is for how many seconds the request may be held, `cancel_after` after how many the prediction ends.
    """

    model: Model
    input: Mapping[str, Json]
    api: str
    origin: str
    wait: float | None = None
    cancel_after: float | None = None
    webhook: str | None = None
    events: frozenset[str] = frozenset()


@dataclass(slots=True, eq=False)
class Prediction:
    """`files`: part and address of each file so far; `keys`: the same files on the shelf."""

    id: str
    number: int
    order: Order
    created_at: float
    deadline: float | None = None
    fault: Rule | None = None
    input: Mapping[str, Json] = field(default_factory=dict)
    status: Status = Status.STARTING
    output: Json = None
    logs: str = ""
    error: str | None = None
    started_at: float | None = None
    completed_at: float | None = None
    data_removed: bool = False
    files: list[tuple[str, str]] | tuple[tuple[str, str], ...] = ()
    keys: list[str] | tuple[str, ...] = ()

    @property
    def ended(self) -> bool:
        return self.completed_at is not None

    def has_fault(self, name: str) -> bool:
        return self.fault is not None and self.fault.fault == name


@dataclass(frozen=True, slots=True)
class Page:
    """Newest first. The cursors are None where there is no such page."""

    predictions: Sequence[Prediction]
    next: Cursor | None
    previous: Cursor | None


class Book:
    """All predictions. Every change of one goes through here, so that whoever waits for it hears of it.

    `ttl` is how many seconds the data of an ended prediction stay. `drop_file` lets a file go. `tell` hears
    of every event of a prediction that has a webhook.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float],
        ttl: float,
        drop_file: Callable[[str], object],
        tell: Callable[[Prediction, Event], None],
    ) -> None:
        self._now = now
        self._ttl = ttl
        self._drop_file = drop_file
        self._tell_webhook = tell
        self._by_id: dict[str, Prediction] = {}
        self._in_order: list[Prediction] = []
        self._ended: deque[Prediction] = deque()
        self._emptied: deque[Prediction] = deque()
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        self._opened = 0

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self._in_order)

    def open(self, order: Order, fault: Rule | None = None) -> Prediction:
        created_at = self._now()
        if self._in_order:
            created_at = max(created_at, self._in_order[-1].created_at)
        deadline = created_at + order.cancel_after if order.cancel_after else None
        return self._add(new_id(), order, created_at, deadline, fault)

    def reopen(self, id: str, order: Order, created_at: float) -> Prediction:
        """One that was made before this server began. The oldest come first."""
        return self._add(id, order, created_at, None, None)

    def _add(
        self, id: str, order: Order, created_at: float, deadline: float | None, fault: Rule | None
    ) -> Prediction:
        self._opened += 1
        prediction = Prediction(id, self._opened, order, created_at, deadline, fault, order.input)
        self._by_id[prediction.id] = prediction
        self._in_order.append(prediction)
        return prediction

    def find(self, key: str) -> Prediction | None:
        return self._by_id.get(key)

    def page(
        self, cursor: Cursor | None = None, *, after: float | None = None, before: float | None = None
    ) -> Page:
        """Those created at or after `after` and before `before`, from the cursor on."""
        book = self._in_order
        low = 0 if after is None else bisect_left(book, after, key=_created_at)
        high = len(book) if before is None else max(low, bisect_left(book, before, key=_created_at))
        start, end = max(low, high - PAGE), high
        if cursor is not None and cursor[0] == "older":
            end = max(low, min(high, bisect_left(book, cursor[1], key=_number)))
            start = max(low, end - PAGE)
        elif cursor is not None:
            start = min(high, max(low, bisect_right(book, cursor[1], key=_number)))
            end = min(high, start + PAGE)
        older: Cursor | None = ("older", book[start].number) if start > low and end > start else None
        newer: Cursor | None = ("newer", book[end - 1].number) if low < end < high else None
        return Page(book[start:end][::-1], older, newer)

    # -- what happens to one

    def start(self, prediction: Prediction) -> None:
        prediction.status = Status.PROCESSING
        prediction.started_at = self._now()
        self._tell(prediction, "start")

    def log(self, prediction: Prediction, text: str) -> None:
        if not prediction.ended and len(prediction.logs) < LONGEST_LOGS:
            prediction.logs += text
            self._tell(prediction, "logs")

    def add(self, prediction: Prediction, part: str, url: str, key: str = "") -> None:
        """A file is ready. Models that give a growing list show it at once, others when all are there."""
        prediction.files = [*prediction.files, (part, url)]
        if key:
            prediction.keys = [*prediction.keys, key]
        if prediction.order.model.output.shape is Shape.GROWING_LIST:
            prediction.output = _shaped(prediction)
            self._tell(prediction, "output")

    def succeed(self, prediction: Prediction) -> None:
        if prediction.order.model.output.shape is not Shape.GROWING_LIST:
            prediction.output = _shaped(prediction)
            self._tell(prediction, "output")
        self.end(prediction, Status.SUCCEEDED)

    def end(self, prediction: Prediction, status: Status, error: str | None = None) -> None:
        """Nothing happens to a prediction after this, but that its data go."""
        prediction.status = status
        prediction.error = error
        prediction.completed_at = self._now()
        if prediction.has_fault("expired_output"):
            self._empty(prediction)
        self._ended.append(prediction)
        for waiter in self._waiting.pop(prediction.id, ()):
            if not waiter.done():
                waiter.set_result(None)
        self._tell(prediction, "completed")

    async def wait(self, prediction: Prediction, seconds: float) -> None:
        """Until it has ended, or the time is up."""
        if prediction.ended:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(prediction.id, []).append(waiter)
        await asyncio.wait([waiter], timeout=seconds)
        waiters = self._waiting.get(prediction.id, [])
        if waiter in waiters:
            waiters.remove(waiter)

    # -- forgetting

    def expire(self) -> None:
        """Data go after `ttl` seconds, the predictions themselves much later."""
        now = self._now()
        while self._ended and (self._ended[0].completed_at or 0) + self._ttl <= now:
            prediction = self._ended.popleft()
            self._empty(prediction)
            self._emptied.append(prediction)
        while self._emptied and (self._emptied[0].completed_at or 0) + self._ttl * KEPT_FOR <= now:
            self.forget(self._emptied.popleft())

    def forget(self, prediction: Prediction) -> None:
        if self._by_id.pop(prediction.id, None):
            del self._in_order[bisect_left(self._in_order, prediction.number, key=_number)]

    def _empty(self, prediction: Prediction) -> None:
        for key in prediction.keys:
            self._drop_file(key)
        prediction.keys = prediction.files = ()
        prediction.input, prediction.output, prediction.logs = {}, None, ""
        prediction.data_removed = True

    def _tell(self, prediction: Prediction, event: Event) -> None:
        if prediction.order.webhook is not None:
            self._tell_webhook(prediction, event)


def _shaped(prediction: Prediction) -> Json:
    model, files = prediction.order.model, prediction.files
    addresses = [url for _, url in files]
    match model.output.shape:
        case Shape.URL:
            return addresses[-1] if addresses else None
        case Shape.OBJECT:
            by_part = dict(files)
            named = {part.key: by_part.get(part.key) or by_part.get(part.name) for part in model.output.parts}
            return {key: url for key, url in named.items() if url}
    return addresses


def new_id() -> str:
    return "".join(ID_LETTERS[byte % len(ID_LETTERS)] for byte in secrets.token_bytes(26))


def _number(prediction: Prediction) -> int:
    return prediction.number


def _created_at(prediction: Prediction) -> float:
    return prediction.created_at
