"""How what happens reaches the app: over its websockets or signed to its URLs, with deadlines and retries."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode

import aiohttp

from tests.slack_server.apps import App
from tests.slack_server.limits import JSON
from tests.slack_server.sockets import Sockets
from tests.slack_server.state import World

Kind = Literal["slash_commands", "interactive", "events_api"]


@dataclass(eq=False)
class Delivery:
    """One thing for the app. `error` is what the person sees: operation_timeout or dispatch_failed."""

    app: App
    kind: Kind
    payload: JSON
    on_ack: Callable[[JSON], None] | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    begun: float = field(default_factory=time.monotonic)
    attempts: int = 0  # how often it went out
    seconds: float | None = None  # to the acknowledgement
    ack: JSON | None = None  # the payload of the acknowledgement; {} without one
    error: str | None = None
    statuses: list[int] = field(default_factory=list)  # in HTTP mode
    settled: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def acknowledged(self) -> bool:
        return self.ack is not None

    def take(self, payload: JSON | None) -> None:
        """The acknowledgement. The second one, and one that is late, is not heard."""
        if self.settled.is_set():
            return
        self.seconds, self.ack = time.monotonic() - self.begun, payload or {}
        if self.on_ack is not None:
            self.on_ack(self.ack)
        self.settled.set()

    def fail(self, error: str) -> None:
        if not self.settled.is_set():
            self.error = error
            self.settled.set()


def signed(secret: str, body: str, at: float) -> dict[str, str]:
    """The headers of a request from Slack."""
    stamp = str(int(at))
    digest = hmac.new(secret.encode(), f"v0:{stamp}:{body}".encode(), hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}


class Deliverer:
    """Sends deliveries out and waits for what comes back. `all` is everything that was ever sent."""

    def __init__(self, world: World, sockets: Sockets) -> None:
        self.world = world
        self.sockets = sockets
        self.all: list[Delivery] = []
        self.corrupt_signatures = False
        self._by_envelope: dict[str, Delivery] = {}
        self._session: aiohttp.ClientSession | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        sockets.on_ack = self._take_ack

    def send(self, delivery: Delivery, times: int = 1) -> Delivery:
        self.all.append(delivery)
        if delivery.kind == "events_api":
            work = self._event(delivery, times)
        elif delivery.app.manifest.socket_mode:
            work = self._once_by_socket(delivery, times)
        else:
            work = self._once_by_http(delivery, times)
        self._spawn(work)
        return delivery

    async def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def forget(self) -> None:
        """Let go of all that is settled."""
        self.all = [one for one in self.all if not one.settled.is_set()]
        self._by_envelope = {id_: one for id_, one in self._by_envelope.items() if not one.settled.is_set()}

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- Socket Mode ---------------------------------------------------------------------------------

    def _take_ack(self, envelope: str, payload: JSON | None) -> None:
        delivery = self._by_envelope.get(envelope)
        if delivery is not None:
            delivery.take(payload)

    async def _once_by_socket(self, delivery: Delivery, times: int) -> None:
        sent = [self._push(delivery, delivery.id) for _ in range(times)]
        if not any(sent):
            delivery.fail("dispatch_failed")
        elif not await self._settles(delivery):
            delivery.fail("operation_timeout")
        self.world.notify()

    def _push(self, delivery: Delivery, envelope: str, attempt: int = 0, reason: str = "") -> bool:
        """Whether there was a connection to give it to."""
        self._by_envelope[envelope] = delivery
        body: JSON = {
            "type": delivery.kind,
            "envelope_id": envelope,
            "payload": delivery.payload,
            "accepts_response_payload": delivery.kind != "events_api",
        }
        if delivery.kind == "events_api":
            body |= {"retry_attempt": attempt, "retry_reason": reason}
        sent = self.sockets.send(delivery.app, body) is not None
        delivery.attempts += sent
        return sent

    async def _settles(self, delivery: Delivery) -> bool:
        try:
            async with asyncio.timeout(self.world.limits.ack):
                await delivery.settled.wait()
        except TimeoutError:
            return False
        return True

    # -- HTTP mode -----------------------------------------------------------------------------------

    async def _once_by_http(self, delivery: Delivery, times: int) -> None:
        reasons = await asyncio.gather(*[self._post(delivery, {}) for _ in range(times)])
        if not delivery.settled.is_set():
            delivery.fail("operation_timeout" if "http_timeout" in reasons else "dispatch_failed")
        self.world.notify()

    async def _post(self, delivery: Delivery, headers: dict[str, str]) -> str | None:
        """One request of HTTP mode. Returns why it failed, in the words of x-slack-retry-reason."""
        kind, payload = delivery.kind, delivery.payload
        if kind == "events_api":
            body, content_type = json.dumps(payload), "application/json"
        else:
            form = payload if kind == "slash_commands" else {"payload": json.dumps(payload)}
            body, content_type = urlencode(form), "application/x-www-form-urlencoded"
        asks = "suggestion" if payload.get("type") == "block_suggestion" else kind
        url = delivery.app.manifest.url(asks, str(payload.get("command", "")))
        delivery.attempts += 1
        try:
            status, answered, text = await self.request(
                delivery.app, url, body, {"Content-Type": content_type, **headers}
            )
        except TimeoutError:
            return "http_timeout"
        except (aiohttp.ClientError, ConnectionError, ValueError):
            return "connection_failed"
        delivery.statuses.append(status)
        if status != 200:
            return "no_retry" if answered.get("x-slack-no-retry") == "1" else "http_error"
        delivery.take(_read_ack(answered.get("Content-Type", ""), text))
        return None

    async def request(
        self, app: App, url: str, body: str, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], str]:
        """A signed POST: status, headers and text.

        Raises:
            TimeoutError: no answer within three seconds.
        """
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0)
            self._session = aiohttp.ClientSession(connector=connector)
        signing = signed(app.signing_secret, body, self.world.clock())
        if self.corrupt_signatures:
            signing["X-Slack-Signature"] = "v0=" + "0" * 64
        agent = {"User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)"}
        async with asyncio.timeout(self.world.limits.ack):
            async with self._session.post(
                url, data=body.encode(), headers={**headers, **signing, **agent}, allow_redirects=False
            ) as response:
                found = {name: response.headers[name] for name in response.headers}
                return response.status, found, await response.text()

    # -- events, which are tried again ---------------------------------------------------------------

    async def _event(self, delivery: Delivery, times: int) -> None:
        reason: str | None = ""
        waits = [None, *self.world.limits.event_retries]
        for attempt, wait in enumerate(waits):
            if wait is not None:
                await asyncio.sleep(wait * self.world.limits.pace)
            reason = await self._try_event(delivery, times if attempt == 0 else 1, attempt, reason or "")
            if delivery.settled.is_set() or reason == "no_retry":
                break
        delivery.fail(reason or "timeout")
        self.world.notify()

    async def _try_event(self, delivery: Delivery, times: int, attempt: int, reason: str) -> str | None:
        if not delivery.app.manifest.socket_mode:
            headers = {"x-slack-retry-num": str(attempt), "x-slack-retry-reason": reason} if attempt else {}
            reasons = await asyncio.gather(*[self._post(delivery, headers) for _ in range(times)])
            return reasons[0]
        envelope = delivery.id if attempt == 0 else str(uuid.uuid4())
        sent = [self._push(delivery, envelope, attempt, reason) for _ in range(times)]
        if not any(sent):
            return "connection_failed"
        return None if await self._settles(delivery) else "timeout"


def _read_ack(content_type: str, text: str) -> JSON:
    if not text:
        return {}
    if content_type.startswith("application/json"):
        answer = json.loads(text)
        return answer if isinstance(answer, dict) else {}
    return {"text": text}
