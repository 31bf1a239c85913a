"""What providers tell of jobs by themselves: who is believed, and how much of it is taken in."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog
from aiohttp import web
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError, WebhookVerificationError

from bot.engine import News
from bot.errors import NotAPrediction, ProviderRefused, TryLater
from bot.jobs import JobId
from bot.links import Links
from bot.providers import Client, Prediction, read_prediction

LARGEST = 2**20
"""Bytes of a body. What is larger is seen by a look."""

LARGE = 64 * 1024
"""Bytes that may be read as JSON on the event loop."""

PATIENCE = 10.0
"""Seconds in which a body must have come."""

RENEWED_EVERY = 60.0
RENEWED_WITHIN = 3.0
"""Seconds. Replicate wants its answer within a few."""

log = structlog.get_logger(__name__)


class Listener(Protocol):
    """Who is told: the engine."""

    async def knows(self, provider: str, job: JobId) -> bool: ...
    def tell(self, news: News) -> bool: ...


class Webhooks:
    """/webhooks/{provider}/{job}/{signature}: where the providers in `clients` tell of our jobs.

    The path is made by `Links`, and nobody can guess it: whoever doesn't know it gets no further, and learns
    nothing. Bodies of a provider that signs are believed; any other makes us look ourselves.
    """

    def __init__(
        self,
        clients: Mapping[str, Client],
        links: Links,
        listener: Listener,
        *,
        now: Callable[[], float],
    ) -> None:
        self._seals = {name: Seal(client, now) for name, client in clients.items()}
        self._links = links
        self._listener = listener

    def routes(self) -> list[web.RouteDef]:
        return [web.post(r"/webhooks/{provider:\w+}/{job:\w+}/{signature:[0-9a-f]{64}}", self._receive)]

    async def prepare(self) -> None:
        """Ask for the secrets, before the first webhook needs them."""
        await asyncio.gather(*(seal.renew() for seal in self._seals.values()))

    async def _receive(self, request: web.Request) -> web.Response:
        """Taken in at once, heeded later; what is refused comes again, where it tells of an end."""
        provider, job = request.match_info["provider"], JobId(request.match_info["job"])
        if not self._is_expected(provider, job, request.match_info["signature"]):
            raise web.HTTPNotFound
        body = await _body_of(request)
        sure = await self._is_sure(provider, body, request.headers)
        prediction = await _prediction_in(body)
        if not await self._listener.knows(provider, job):
            raise web.HTTPNotFound
        if not self._listener.tell(News(job, provider, prediction, sure)):
            raise web.HTTPServiceUnavailable(headers={"Retry-After": "1"})
        return web.Response()

    def _is_expected(self, provider: str, job: JobId, signature: str) -> bool:
        return provider in self._seals and self._links.allows_hook(provider, job, signature)

    async def _is_sure(self, provider: str, body: bytes, headers: Mapping[str, str]) -> bool:
        """Whether it surely is the provider's own word. Forged and old ones are refused."""
        holds = await self._seals[provider].holds(body, headers)
        if holds is False:
            log.warning("A webhook's signature is wrong", action="webhook_forged", provider=provider)
            raise web.HTTPUnauthorized
        return holds is True


class Seal:
    """One provider's signature (https://www.standardwebhooks.com): new enough, and made with its secret.

    The secret is asked for when there is none, and when a signature doesn't fit: it may have been changed. At
    most once a minute, whoever writes what.
    """

    def __init__(self, client: Client, now: Callable[[], float]) -> None:
        self._client = client
        self._now = now
        self._known: Webhook | None = None
        self._asked_at = -math.inf
        self._turn = asyncio.Lock()

    async def holds(self, body: bytes, headers: Mapping[str, str]) -> bool | None:
        """None where nobody can say: the provider doesn't sign, or doesn't show its secret just now."""
        known = self._known
        if known is not None and _fits(known, body, headers):
            return True
        await self.renew(known)
        if self._known is None:
            return None
        return self._known is not known and _fits(self._known, body, headers)

    async def renew(self, known: Webhook | None = None) -> None:
        """Ask for the secret, if it still is the `known` one."""
        if not self._client.can.webhooks:
            return
        async with self._turn:
            if self._known is not known or self._now() - self._asked_at < RENEWED_EVERY:
                return
            self._asked_at = self._now()
            try:
                async with asyncio.timeout(RENEWED_WITHIN):
                    secret = await self._client.webhook_secret()
                self._known = Webhook(secret.get_secret_value())
            except (TimeoutError, TryLater, ProviderRefused, NotAPrediction) as error:
                self._tell(str(error) or "no answer")
            except (ValueError, EmptyWebhookSecretError):
                self._tell("it is none")

    def _tell(self, why: str) -> None:
        log.warning(
            "The secret of webhooks is not to be had", action="no_secret", provider=self._client.name, why=why
        )


def _fits(secret: Webhook, body: bytes, headers: Mapping[str, str]) -> bool:
    """The library also refuses what is more than five minutes old, or from the future."""
    try:
        secret.verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError):  # ValueError: headers or a body that can't be read at all
        return False
    return True


async def _body_of(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(PATIENCE):
            return await request.clone(client_max_size=LARGEST).read()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None


async def _prediction_in(body: bytes) -> Prediction:
    try:
        if len(body) > LARGE:
            return await asyncio.to_thread(read_prediction, body)
        return read_prediction(body)
    except NotAPrediction as error:
        log.info("A webhook holds no prediction", action="webhook_broken", why=error.detail)
        raise web.HTTPBadRequest from None
