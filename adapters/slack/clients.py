"""Clients of the Web API, one a workspace, over one session."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Self

import aiohttp
from pydantic import SecretStr
from slack_sdk.web.async_client import AsyncWebClient

from bot.errors import Gone

ANSWER = 20.0
"""Seconds that Slack may take to answer a call."""

log = logging.getLogger(__name__)


class Clients:
    """Who may speak in which workspace: here in the one that the configured token is of.

    An async context manager: it owns the session that everything goes through.
    """

    def __init__(self, api_base: str, token: SecretStr | None) -> None:
        self.api_base = api_base
        self._token = token
        self._session: aiohttp.ClientSession | None = None
        self._clients: dict[str, AsyncWebClient] = {}

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=ANSWER, sock_connect=5)
        # As many at once as there are events: each has a deadline of its own.
        self._session = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("used outside of its context")
        return self._session

    def client(self, token: str | None = None) -> AsyncWebClient:
        """A client that repeats nothing by itself: a post that is sent twice may stand there twice."""
        return AsyncWebClient(
            token, base_url=self.api_base, session=self.session, retry_handlers=[], logger=log
        )

    async def of(self, team: str, enterprise: str | None = None) -> AsyncWebClient:
        """The client of a workspace. Raises Gone where there is no token for it (any more)."""
        if self._token is None:
            raise Gone(f"there is no token for workspace {team}")
        if team not in self._clients:
            self._clients[team] = self.client(self._token.get_secret_value())
        return self._clients[team]

    async def removed(self, team: str, enterprise: str | None = None) -> None:
        """The app was taken out of the workspace, or its tokens were."""
        self._clients.pop(team, None)
