"""One sandbox: put together here, served by serve()."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Literal

from aiohttp import web

from bot.catalogue.schema import Model
from bot.sandbox.admin import Admin
from bot.sandbox.budgets import Budget
from bot.sandbox.delivery import Delivery
from bot.sandbox.gateway_api import GatewayApi
from bot.sandbox.guard import Guard
from bot.sandbox.misbehaviour import Rule
from bot.sandbox.prepared import Prepared
from bot.sandbox.replicate_api import ReplicateApi
from bot.sandbox.running import Make
from bot.sandbox.webhooks import RETRIES
from bot.sandbox.workshop import Workshop

LARGEST_BODY = 32 * 1024 * 1024
"""Bytes of JSON: data URIs stand in it. Uploads have their own limit."""


class Sandbox:
    """A server that plays Replicate, or a gateway to it.

    `make` draws. `boot_seconds` is how long each prediction is "starting", `workers` how many are drawn at
    once, `output_ttl` how many seconds their data stay. `prepared`: nothing is drawn on request.
    `misbehaviour`: the rules that are in force from the start.
    """

    def __init__(
        self,
        catalogue: Iterable[Model],
        make: Make,
        *,
        token: str = "sandbox",  # noqa: S107  opens a server that draws pictures
        more_tokens: Iterable[str] = (),
        kind: Literal["replicate", "gateway"] = "replicate",
        boot_seconds: float = 0.0,
        workers: int = 2,
        output_ttl: float = 3600,
        prepared: Prepared | None = None,
        misbehaviour: Iterable[Rule] = (),
        allow_webhooks: bool = False,
        webhook_retries: Sequence[float] = RETRIES,
        creates_per_minute: int = 600,
        others_per_minute: int = 3000,
        now: Callable[[], float] = time.time,
        rng: random.Random | None = None,
    ) -> None:
        self.workshop = Workshop(
            catalogue,
            make,
            boot_seconds=boot_seconds,
            workers=workers,
            output_ttl=output_ttl,
            prepared=prepared,
            misbehaviour=misbehaviour,
            webhook_retries=webhook_retries,
            now=now,
            rng=rng or random.Random(),  # noqa: S311  seeds of pictures
        )
        self._api = (
            ReplicateApi(self.workshop, any_webhook=allow_webhooks)
            if kind == "replicate"
            else GatewayApi(self.workshop)
        )
        budgets = {
            "create": Budget(creates_per_minute, "creating predictions", now),
            "other": Budget(others_per_minute, "all other endpoints", now),
        }
        self._guard = Guard(self.workshop, self._api, tokens=(token, *more_tokens), budgets=budgets)

    @property
    def prefix(self) -> str:
        """What stands between the host and /v1."""
        return self._api.prefix

    def misbehave(self, rule: Rule) -> None:
        self.workshop.rules.add(rule)

    def idle_seconds(self) -> float:
        """Since the last request, or the start."""
        return asyncio.get_running_loop().time() - self._guard.last_request

    def app(self) -> web.Application:
        """The application; it can be served once."""
        app = web.Application(client_max_size=LARGEST_BODY, middlewares=[self._guard.middleware()])
        for part in (self._api, Delivery(self.workshop), Admin(self.workshop)):
            app.add_routes(part.routes())
        app.cleanup_ctx.append(self._working)
        return app

    async def _working(self, app: web.Application) -> AsyncIterator[None]:
        await self.workshop.open()
        self._guard.last_request = asyncio.get_running_loop().time()
        yield
        await self.workshop.close()


@contextlib.asynccontextmanager
async def serve(sandbox: Sandbox, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serves it and gives its base URL, which is everything before /v1. Port 0 takes a free one."""
    runner = web.AppRunner(sandbox.app(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        bound_host, bound_port = runner.addresses[0][:2]
        shown_host = f"[{bound_host}]" if ":" in bound_host else bound_host
        yield f"http://{shown_host}:{bound_port}{sandbox.prefix}"
    finally:
        await runner.cleanup()
