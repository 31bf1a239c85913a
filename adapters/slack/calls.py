"""Calls of Slack's Web API: its patience kept, its refusals sorted by who must act."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.clients import Clients
from bot.errors import Busy, Denied, Gone, LostAnswer, ThreadreelError
from bot.jobs import Json

MAYBE_DONE = frozenset({"internal_error", "fatal_error", "request_timeout"})
"""Errors after which some of it may have been done: https://docs.slack.dev/reference/methods/chat.postMessage"""

NOT_NOW = frozenset(
    {"ratelimited", "rate_limited", "service_unavailable", "team_added_to_org", "org_login_required"}
)

DEAD = frozenset({"account_inactive", "invalid_auth", "not_authed", "token_expired", "token_revoked"})
"""The token is good no more; another may be."""

GONE = DEAD | {"channel_not_found", "is_archived", "team_not_found"}
"""The place is no more, or we are no longer let in."""

REMEMBERED = 1000


class Declined(ThreadreelError):
    """Slack has said no: nothing was done."""

    def __init__(self, method: str, code: str) -> None:
        super().__init__(f"{method}: {code}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Bot:
    """Who we are in a workspace."""

    user: str
    id: str


class Calls:
    """Calls in the name of whichever workspace; what one was asked to wait for, none of its kind repeats."""

    def __init__(self, clients: Clients, now: Callable[[], float]) -> None:
        self.clients = clients
        self._now = now
        self._not_before: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._bots: dict[str, Bot] = {}

    async def call(self, team: str, method: str, **arguments: Any) -> Json:
        """One call, sent once.

        Busy: certainly not done, later. LostAnswer: nobody knows. Declined: Slack says no. Gone: no token.
        """
        self._keep_patience(team, method)
        client = await self.clients.of(team)
        try:
            return await self._ask(client, team, method, arguments)
        except Declined as error:
            if error.code not in DEAD:
                raise
        return await self._ask(await self.clients.refused(team, client.token), team, method, arguments)

    async def _ask(
        self, client: AsyncWebClient, team: str, method: str, arguments: Mapping[str, Any]
    ) -> Json:
        try:
            answer = await getattr(client, method.replace(".", "_"))(**arguments)
        except SlackApiError as error:
            raise self._sorted(team, method, error) from error
        except aiohttp.ClientConnectorError as error:
            raise Busy(f"{method}: Slack can't be reached") from error
        except (TimeoutError, aiohttp.ClientError) as error:
            raise LostAnswer(f"{method}: {type(error).__name__}") from error
        return answer.data

    async def bot(self, team: str) -> Bot:
        if team not in self._bots:
            answer = await self.call(team, "auth.test")
            self._bots[team] = Bot(answer["user_id"], answer.get("bot_id", ""))
        return self._bots[team]

    def _keep_patience(self, team: str, method: str) -> None:
        wait = self._not_before.get((team, method), 0.0) - self._now()
        if wait > 0:
            raise Busy(f"{method}: Slack asked for patience", retry_after=wait)

    def _sorted(self, team: str, method: str, error: SlackApiError) -> ThreadreelError:
        response: Any = error.response
        status = getattr(response, "status_code", None) or getattr(response, "status", 0)
        data = getattr(response, "data", None)
        code = data.get("error", "") if isinstance(data, dict) else ""
        if status == 429 or code in NOT_NOW:
            wait = _seconds(response.headers.get("Retry-After"))
            self._not_before[team, method] = self._now() + wait
            self._not_before.move_to_end((team, method))
            if len(self._not_before) > REMEMBERED:
                self._not_before.popitem(last=False)
            return Busy(f"{method}: {code or status}", retry_after=wait)
        if not code or code in MAYBE_DONE:
            return LostAnswer(f"{method}: {code or status}")
        return Declined(method, code)


def _seconds(retry_after: str | None) -> float:
    try:
        return max(float(retry_after or 1), 0.1)
    except ValueError:
        return 1.0


def refused_place(error: Declined) -> ThreadreelError:
    """What a refusal says of the place that was posted to."""
    return Gone(str(error)) if error.code in GONE else Denied(str(error))
