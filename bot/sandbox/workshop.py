"""What all endpoints share: the models, the predictions, the files and whoever carries predictions out."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from bot.catalogue.schema import Model
from bot.sandbox.fetching import Outside, fetch_files
from bot.sandbox.files import Shelf, Signatures
from bot.sandbox.misbehaviour import Misbehaviour, Rule
from bot.sandbox.predictions import Book, Order, Prediction, Status
from bot.sandbox.prepared import Prepared, Timed
from bot.sandbox.running import LONGEST_RUN, Drawing, Files, Make, Runner
from bot.sandbox.schema import version_id
from bot.sandbox.webhooks import Webhooks

MAX_OUTPUT_BYTES = 1024**3
MAX_UPLOAD_BYTES = 1024**3
HOUSEKEEPING = 15.0


class Models:
    """The catalogue by what requests call its models."""

    def __init__(self, catalogue: Iterable[Model]) -> None:
        self._models = tuple(catalogue)
        self._by_name = {model.full_name: model for model in self._models}
        self._by_version = {version_id(model): model for model in self._models}

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models)

    def named(self, full_name: str) -> Model | None:
        return self._by_name.get(full_name)

    def of_version(self, version: str) -> Model | None:
        """By 64 hex digits, by "owner/name:" with those, or by "owner/name" where the model is official.

        https://replicate.com/changelog/2025-08-05-run-all-models-with-the-same-api-endpoint
        """
        name, colon, digits = version.rpartition(":")
        if colon:
            model = self._by_version.get(digits)
            return model if model and model.full_name == name else None
        if "/" in version:
            model = self._by_name.get(version)
            return model if model and not model.version else None
        return self._by_version.get(version)


class Workshop:
    """One server's state, in memory. `requests` counts requests by endpoint, `runs` predictions by model."""

    def __init__(
        self,
        catalogue: Iterable[Model],
        make: Make,
        *,
        boot_seconds: float,
        workers: int,
        output_ttl: float,
        prepared: Prepared | None,
        misbehaviour: Iterable[Rule],
        webhook_retries: Sequence[float],
        now: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self.now = now
        self.output_ttl = output_ttl
        self.models = Models(catalogue)
        self.rules = Misbehaviour(misbehaviour)
        self.requests: Counter[str] = Counter()
        self.runs: Counter[str] = Counter()
        self.outputs = Shelf(MAX_OUTPUT_BYTES, now)
        self.uploads = Shelf(MAX_UPLOAD_BYTES, now)
        self.signatures = Signatures(now)
        self._outside = Outside()
        self.webhooks = Webhooks(self._outside.client, self.rules, now, webhook_retries)
        self.book = Book(now=now, ttl=output_ttl, drop_file=self.outputs.drop, tell=self.webhooks.tell)
        self._runner: Runner
        if prepared:
            self._runner = Timed(
                prepared, self.models, make, self.book, self.outputs, boot_seconds=boot_seconds, now=now
            )
        else:
            self._runner = Drawing(
                make,
                self.book,
                self.outputs,
                self._fetch,
                boot_seconds=boot_seconds,
                workers=workers,
                rng=rng,
                now=now,
            )
        self._housekeeper: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self._runner.open()
        self._housekeeper = asyncio.create_task(self._keep_house())

    def resume(self, id: str, order: Order, *, created_at: float, seconds: float) -> None:
        """A prediction that was made before this server began, and runs for so many seconds more.

        TypeError where outputs are not prepared.
        """
        if not isinstance(self._runner, Timed):
            raise TypeError("only prepared predictions can be resumed")
        self._runner.resume(self.book.reopen(id, order, created_at), seconds)

    async def close(self) -> None:
        if self._housekeeper:
            self._housekeeper.cancel()
        for prediction in self.book:
            self.cancel(prediction)
        await self._runner.close()
        await self.webhooks.close()
        await self._outside.close()

    def take(self, order: Order) -> Prediction:
        """A prediction is made and carried out."""
        prediction = self.book.open(order, self.rules.take("create", "run", order.model))
        self.runs[order.model.command] += 1
        self._runner.begin(prediction)
        if order.cancel_after is not None:
            asyncio.get_running_loop().call_later(order.cancel_after, self._meet_deadline, prediction)
        if prediction.has_fault("forget"):
            self.book.forget(prediction)
        return prediction

    def cancel(self, prediction: Prediction) -> None:
        if not prediction.ended:
            self.book.end(prediction, Status.CANCELED)

    def _meet_deadline(self, prediction: Prediction) -> None:
        if not prediction.ended:
            is_running = prediction.status is Status.PROCESSING
            self.book.end(prediction, Status.CANCELED if is_running else Status.ABORTED)

    async def _fetch(self, prediction: Prediction) -> Files:
        return await fetch_files(prediction.order.model, prediction.input, self.uploads, self._outside)

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING)
            self.tidy()

    def tidy(self) -> None:
        """Lets go what is over, and ends what has run for too long."""
        self.expire()
        late = self.now() - LONGEST_RUN
        for prediction in self.book:
            if not prediction.ended and (prediction.started_at or self.now()) <= late:
                self.book.end(prediction, Status.FAILED, "Prediction timed out after 30 minutes")

    def expire(self) -> None:
        self.book.expire()
        self.uploads.expire()
