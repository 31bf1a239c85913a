"""Signed calls to whoever asked to hear of a prediction (https://replicate.com/docs/topics/webhooks)."""

from __future__ import annotations

import asyncio
import base64
import logging
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import httpx
from standardwebhooks import Webhook

from bot.sandbox.misbehaviour import Misbehaviour, Rule
from bot.sandbox.predictions import Event, Prediction
from bot.sandbox.refusals import as_bytes
from bot.sandbox.wire import as_json

THROTTLE = 0.5
"""Seconds between two calls about outputs and logs of one prediction."""

RETRIES = (1.0, 2.0, 4.0, 8.0, 16.0, 29.0)
"""Seconds before each repetition of the terminal call: the last one is a minute after the end."""

TIMEOUT = 10.0

log = logging.getLogger(__name__)


class Webhooks:
    """Sends them. Each call is a task; `retries` are the pauses between tries of the terminal one."""

    def __init__(
        self,
        http: Callable[[str], httpx.AsyncClient],
        rules: Misbehaviour,
        now: Callable[[], float],
        retries: Sequence[float] = RETRIES,
    ) -> None:
        self.secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
        self._signer = Webhook(self.secret)
        self._http = http
        self._rules = rules
        self._now = now
        self._retries = retries
        self._next: dict[str, float] = {}
        self._pending: dict[str, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, prediction: Prediction, event: Event) -> None:
        """Start and completed are always told, output and logs at most each half a second."""
        if event == "completed":
            self._next.pop(prediction.id, None)
            if pending := self._pending.pop(prediction.id, None):
                pending.cancel()
        if event not in prediction.order.events:
            return
        if event in ("start", "completed"):
            self._send(prediction, self._retries if event == "completed" else ())
        elif prediction.id not in self._pending:
            self._send_soon(prediction)

    async def close(self) -> None:
        for pending in self._pending.values():
            pending.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _send_soon(self, prediction: Prediction) -> None:
        loop = asyncio.get_running_loop()
        due = max(loop.time(), self._next.get(prediction.id, 0))
        self._next[prediction.id] = due + THROTTLE

        def send() -> None:
            self._pending.pop(prediction.id, None)
            self._send(prediction)

        self._pending[prediction.id] = loop.call_at(due, send)

    def _send(self, prediction: Prediction, retries: Sequence[float] = ()) -> None:
        body = as_bytes(as_json(prediction)).decode()
        task = asyncio.create_task(self._deliver(prediction, body, retries))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, prediction: Prediction, body: str, retries: Sequence[float]) -> None:
        message = f"msg_{secrets.token_hex(12)}"
        for pause in (0.0, *retries):
            await asyncio.sleep(pause)
            if await self._was_taken(prediction, message, body):
                return

    async def _was_taken(self, prediction: Prediction, message: str, body: str) -> bool:
        model = prediction.order.model
        if rule := self._rules.take("webhook", "delay", model):
            await asyncio.sleep(rule.seconds)
        rule = self._rules.take("webhook", "answer", model)
        if _is(rule, "drop_before"):
            return False
        try:
            answer = await self._post(prediction.order.webhook or "", message, body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            log.info("a webhook failed: %s", type(error).__name__)
            return False
        return answer.is_success and not _is(rule, "drop_after")

    async def _post(self, url: str, message: str, body: str) -> httpx.Response:
        sent_at = datetime.fromtimestamp(int(self._now()), UTC)
        headers = {
            "content-type": "application/json",
            "user-agent": "threadreel-sandbox",
            "webhook-id": message,
            "webhook-timestamp": str(int(sent_at.timestamp())),
            "webhook-signature": self._signer.sign(message, sent_at, body),
        }
        return await self._http(url).post(
            url, content=body.encode(), headers=headers, timeout=TIMEOUT, follow_redirects=False
        )


def _is(rule: Rule | None, fault: str) -> bool:
    return rule is not None and rule.fault == fault
