"""Clients of the Web API, one a workspace, over one session."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp
from pydantic import SecretStr
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.errors import Gone

ANSWER = 20.0
"""Seconds that Slack may take to answer a call."""

DEAD = frozenset({"account_inactive", "token_revoked", "invalid_auth", "not_authed", "team_not_found"})
"""Errors that say that a token is good no more: https://docs.slack.dev/reference/methods/auth.test"""

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

log = logging.getLogger(__name__)


class Clients:
    """Who may speak in which workspace: here in the one that the configured token is of.

    An async context manager: it owns the session that everything goes through.
    """

    def __init__(self, api_base: str, token: SecretStr | None, *, answer: float = ANSWER) -> None:
        self.api_base = api_base
        self._token = token
        self._answer = answer
        self._session: aiohttp.ClientSession | None = None
        self._clients: dict[str, AsyncWebClient] = {}

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=self._answer, sock_connect=5)
        # As many at once as there are events: each has a deadline of its own.
        connector = aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(
            timeout=timeout, connector=connector, trust_env=self.played is None
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.close()

    @property
    def played(self) -> int | None:
        """The port of a Slack played on this machine, which no proxy leads to; None for the real one."""
        home = urlsplit(self.api_base)
        return (home.port or 80) if home.hostname in LOOPBACK else None

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("used outside of its context")
        return self._session

    def client(self, token: str | None = None) -> AsyncWebClient:
        """A client that repeats nothing by itself: a post that is sent twice may stand there twice."""
        client = AsyncWebClient(
            token, base_url=self.api_base, session=self.session, retry_handlers=[], logger=log
        )
        client.proxy = None  # the session knows of proxies, and of NO_PROXY too
        return client

    async def of(self, team: str, enterprise: str | None = None) -> AsyncWebClient:
        """The client of a workspace. Raises Gone where there is no token for it (any more).

        Of which organisation it is, is to be told once, and known from then on.
        """
        if self._token is None:
            raise Gone(f"there is no token for workspace {team}")
        if team not in self._clients:
            self._clients[team] = self.client(self._token.get_secret_value())
        return self._clients[team]

    async def refused(self, team: str, token: str | None) -> AsyncWebClient:
        """A client that may do better, where Slack says this token is good no more; Gone where none is."""
        raise Gone(f"Slack does not take the token of workspace {team}")

    async def home(self) -> str | None:
        """The workspace of the configured token; None without one. As `auth.test`, it may raise anything."""
        if self._token is None:
            return None
        answer = await self.client(self._token.get_secret_value()).auth_test()
        return str(answer["team_id"])

    async def removed(self, team: str | None, enterprise: str | None = None) -> Sequence[str]:
        """Slack tells that the app was taken out, or that tokens were revoked: where it is no more.

        Such news may come late, when the app is installed anew, so the token itself is asked.
        """
        self._clients.pop(team or "", None)
        if team is None or self._token is None:
            return []
        is_dead = await self.is_dead(self._token.get_secret_value())
        return [team] if is_dead else []

    async def is_dead(self, token: str) -> bool:
        """Whether Slack knows this token no more; not where it can't be asked."""
        try:
            await self.client(token).auth_test()
        except SlackApiError as error:
            return error_code(error) in DEAD
        except (TimeoutError, aiohttp.ClientError, ValueError):
            return False
        return False


def error_code(error: SlackApiError) -> str:
    """What Slack calls it; the status where it didn't say."""
    data = getattr(error.response, "data", None)
    if isinstance(data, dict) and data.get("error"):
        return str(data["error"])
    return str(getattr(error.response, "status_code", "") or "unknown")
