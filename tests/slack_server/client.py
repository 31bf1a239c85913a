"""Imports slack-bolt and slack-sdk, and makes what of them talks to the played Slack."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from tests.slack_server.apps import App
from tests.slack_server.server import SlackServer

__all__ = ["AsyncApp", "AsyncSocketModeHandler", "AsyncWebClient", "bolt_at", "socket_mode", "web_client_at"]


def web_client_at(server: SlackServer, token: str | None = None, **more: Any) -> AsyncWebClient:
    """A client of the Web API, with the first workspace's bot token unless another is given."""
    client = AsyncWebClient(token=token or server.token, base_url=server.api_base, **more)
    # The SDK takes a proxy from the environment, and asks nobody whether that is for loopback too.
    client.proxy = None
    return client


def bolt_at(server: SlackServer, app: App | None = None, **more: Any) -> AsyncApp:
    """A bolt app of one workspace, in either mode."""
    app = app or server.app
    client = web_client_at(server, app.installations[0].token)
    return AsyncApp(client=client, signing_secret=app.signing_secret, **more)


@asynccontextmanager
async def socket_mode(
    server: SlackServer, bolt: AsyncApp, app: App | None = None, *, connections: int = 1, **more: Any
) -> AsyncIterator[list[AsyncSocketModeHandler]]:
    """Handlers that are connected for the length of a `with`."""
    before = len(list(server.sockets.live()))
    token = (app or server.app).app_token
    handlers = [AsyncSocketModeHandler(bolt, token, **more) for _ in range(connections)]
    try:
        for handler in handlers:
            handler.client.proxy = None
            await handler.connect_async()  # type: ignore[no-untyped-call]
        await server.connected(before + connections)
        yield handlers
    finally:
        for handler in handlers:
            await handler.close_async()  # type: ignore[no-untyped-call]
