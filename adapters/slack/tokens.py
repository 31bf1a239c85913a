"""Many workspaces: the client of each, with a token that is good now.

With rotation a token lasts twelve hours, and the refresh token that the next one is got for is good once
(and, Slack says, for a short while after). So whoever needs a token, listener or worker, renews it in time;
one at a time does so, and the new tokens are stored before anybody uses them. What can go wrong:

the answer is lost, or we die before it is stored    the same refresh token is tried again; within Slack's
                                                     grace that works. Else the present token is used until
                                                     it ends, two hours later at most. Then a workspace must
                                                     install the app anew, and the log says so.
another process renews                               the present token is used until the new one is there
the app is installed anew meanwhile                  that one's tokens stay, ours are dropped
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import aiohttp
import structlog
from pydantic import SecretStr
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.authorization.async_authorize import AsyncAuthorize
from slack_bolt.context.async_context import AsyncBoltContext
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.clients import Clients, error_code
from adapters.slack.installs import NAME, InstallationStore, Tokens
from bot.config import SlackSettings
from bot.errors import Busy, Gone
from bot.secrets import Vault
from bot.store import Install, Installs

EARLY = 2 * 3600.0
"""Seconds before its end in which a token is renewed."""
LATE = 60.0
"""A token that ends sooner is not used any more: a call takes its time."""
HOLD = 60.0
"""Seconds that one process may take to renew a token before another tries."""
KNOWN = 30.0
"""Seconds in which the store isn't asked again: what another process has changed shows by then."""
PATIENCE = 600.0
"""Seconds until a refresh token that was refused is tried again."""
TRIES = 3
WAITS = 15
"""Pauses until another process has renewed a token."""
PAUSE = 1.0
RECHECK = 5.0

SPENT = frozenset({"invalid_refresh_token", "token_revoked", "account_inactive", "invalid_grant"})
"""Errors that say that a refresh token is good no more."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Known:
    """An install as it was when last looked at, opened."""

    install: Install
    tokens: Tokens
    looked: float
    client: AsyncWebClient = field(repr=False)


class ManyClients(Clients):
    """Who may speak in which workspace: in every one that has installed the app."""

    def __init__(
        self,
        api_base: str,
        installs: Installs,
        vault: Vault,
        *,
        client_id: str,
        client_secret: SecretStr,
        now: Callable[[], float],
        pause: float = PAUSE,
        recheck: float = RECHECK,
    ) -> None:
        """`pause`: seconds between tries; `recheck`: before a token is asked again whether it is good."""
        super().__init__(api_base, None)
        # Below this, slack_sdk writes refresh tokens and answers with tokens into the log.
        logging.getLogger(Clients.__module__).setLevel(logging.INFO)
        self.store = InstallationStore(installs, vault, now)
        self._installs = installs
        self._vault = vault
        self._credentials = (client_id, client_secret)
        self._now = now
        self._pause = pause
        self._recheck = recheck
        self._known: dict[str, _Known] = {}
        self._servers: dict[tuple[str | None, str | None], str] = {}
        self._renewing: dict[str, asyncio.Task[Install | None]] = {}
        self._refused: dict[str, tuple[str, float]] = {}

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What is being renewed is stored first: it can't be got a second time."""
        await asyncio.gather(*self._renewing.values(), return_exceptions=True)
        await super().__aexit__(kind, error, trace)

    async def of(self, team: str, enterprise: str | None = None) -> AsyncWebClient:
        """The client of a workspace. Gone where the app isn't installed there (any more), Busy for now."""
        known = await self._good(team, enterprise, wait=True)
        if known is None:
            raise Gone(f"the app is not installed in workspace {team}")
        return known.client

    async def authorize(self, team: str | None, enterprise: str | None) -> AuthorizeResult | None:
        """For bolt, whose people wait three seconds at most: nothing is renewed before they are answered."""
        known = await self._good(team, enterprise, wait=False)
        if known is None:
            return None
        details = known.install.details
        return AuthorizeResult(
            enterprise_id=details.get("enterprise_id"),
            team_id=team or details.get("team_id"),
            team=details.get("team_name"),
            bot_user_id=details.get("bot_user_id"),
            bot_id=details.get("bot_id"),
            bot_token=known.tokens.bot,
            bot_scopes=details.get("bot_scopes", []),
        )

    async def refused(self, team: str, token: str | None) -> AsyncWebClient:
        """A client that may do better, where Slack has said of this one's token that it is good no more.

        Gone where there is none: then the installation is forgotten.
        """
        self._forget()
        known = await self._good(team, None, wait=True)
        if known is not None and known.tokens.bot == token:
            await self._remove_dead(known.install)
            self._forget()
            known = await self._good(team, None, wait=True)
        if known is None:
            raise Gone(f"the app is not installed in workspace {team}")
        return known.client

    async def removed(self, team: str | None, enterprise: str | None = None) -> Sequence[str]:
        """As of one: also such news tell of a whole organisation and of one of its workspaces alike.

        A token is asked a second time where the first is too early. A workspace that its organisation has
        let in is taken at Slack's word: its token is the organisation's, and stays good.
        """
        covered = await self._covered_by(enterprise)
        for _ in range(2):
            self._forget()
            installs = await self._installs_of(team, enterprise)
            if not [install for install in installs if not await self._remove_dead(install)]:
                break
            await asyncio.sleep(self._recheck)
        self._forget()
        gone = {team} if team and not await self._has(team) else set()
        if enterprise and not await self._has(enterprise):
            gone.update(covered)
        return sorted(gone)

    async def _covered_by(self, enterprise: str | None) -> list[str]:
        """The workspaces that an organisation's installation is known to have let in."""
        if enterprise is None:
            return []
        every = await self._installs.all()
        return [one.server for one in every if one.parent == enterprise and one.sealed is None]

    async def _has(self, server: str) -> bool:
        install = await self._installs.get(NAME, server)
        return install is not None and install.sealed is not None

    # -- what is known

    async def _good(self, team: str | None, enterprise: str | None, *, wait: bool) -> _Known | None:
        """An installation whose token is good now. Without `wait`, it is renewed behind the caller's back."""
        known = await self._look(team, enterprise)
        if known is None or not self._is_due(known.install):
            return known
        renewing = self._renew(known.install)
        if not wait and self._is_usable(known.install):
            return known
        try:
            install = await asyncio.shield(renewing)
        except Exception as error:
            # The database, most likely, and it is told of already; the present token may do.
            if self._is_usable(known.install):
                return known
            raise Busy(f"the token of {known.install.server} can't be stored") from error
        if install is None:
            return None
        if not self._is_usable(install):
            self._give_up(install)
        return self._keep(install)

    async def _look(self, team: str | None, enterprise: str | None) -> _Known | None:
        known = self._known.get(self._servers.get((team, enterprise), ""))
        if known is not None and known.looked + KNOWN > self._now():
            return known
        install = await self.store.find(team, enterprise)
        if install is None:
            self._servers.pop((team, enterprise), None)
            return None
        self._servers[team, enterprise] = install.server
        return self._keep(install)

    def _keep(self, install: Install) -> _Known:
        known = self._known.get(install.server)
        if known is not None and _version(known.install) == _version(install):
            known.install, known.looked = install, self._now()
            return known
        tokens = Tokens.of(install, self._vault)
        known = _Known(install, tokens, self._now(), self.client(tokens.bot))
        self._known[install.server] = known
        return known

    def _forget(self) -> None:
        self._known.clear()
        self._servers.clear()

    def _is_due(self, install: Install) -> bool:
        return install.expires_at is not None and install.expires_at - EARLY <= self._now()

    def _is_usable(self, install: Install) -> bool:
        return install.expires_at is None or install.expires_at - LATE > self._now()

    def _give_up(self, install: Install) -> None:
        if self._was_refused(install):
            raise Gone(f"the tokens of {install.server} have ended: it must install the app anew")
        raise Busy(f"the token of {install.server} can't be renewed just now", retry_after=self._pause * 10)

    # -- renewing

    def _renew(self, install: Install) -> asyncio.Task[Install | None]:
        """In a task of its own: whoever asks may be cancelled, an answer of Slack must be stored."""
        server = install.server
        task = self._renewing.get(server)
        if task is None:
            task = asyncio.create_task(self._renewed(install))
            self._renewing[server] = task
            task.add_done_callback(lambda done: self._finish(server, done))
        return task

    def _finish(self, server: str, task: asyncio.Task[Install | None]) -> None:
        self._renewing.pop(server, None)
        if not task.cancelled() and (error := task.exception()):
            log.error(
                "Token not renewed", action="token_not_renewed", server=server, why=type(error).__name__
            )

    async def _renewed(self, install: Install) -> Install | None:
        """The install with other tokens, or as it is where they can't be had; None where it is gone."""
        current: Install | None = install
        for _ in range(WAITS):
            current = await self._installs.get(NAME, install.server)
            if current is None or current.sealed is None:
                return None
            if not self._is_due(current) or self._was_refused(current):
                return current
            if await self._installs.hold(current, self._now() + HOLD, self._now()):
                return await self._refresh(current)
            if self._is_usable(current):
                return current
            await asyncio.sleep(self._pause)
        return current

    async def _refresh(self, install: Install) -> Install | None:
        tokens = Tokens.of(install, self._vault)
        answer = await self._ask(install, tokens)
        if answer is None:
            await self._installs.release(install)
            return await self._installs.get(NAME, install.server)
        fresh = Tokens(answer["access_token"], answer.get("refresh_token") or tokens.refresh)
        expires_at = self._now() + float(answer["expires_in"]) if "expires_in" in answer else None
        renewed = await self._save(install, fresh, expires_at)
        if renewed is None:
            return await self._installs.get(NAME, install.server)
        log.info("Token renewed", action="token_renewed", server=install.server)
        return self._keep(renewed).install

    async def _ask(self, install: Install, tokens: Tokens) -> dict[str, Any] | None:
        """Slack's answer; None where there is none to use."""
        client_id, client_secret = self._credentials
        why = ""
        for attempt in range(TRIES):
            try:
                answer = await self.client().oauth_v2_access(
                    client_id=client_id,
                    client_secret=client_secret.get_secret_value(),
                    grant_type="refresh_token",
                    refresh_token=tokens.refresh,
                )
            except SlackApiError as error:
                why = error_code(error)
                if why in SPENT:
                    self._note_refusal(install, why)
                    return None
            except (TimeoutError, aiohttp.ClientError, ValueError) as error:
                why = type(error).__name__
            else:
                data = answer.data
                if isinstance(data, dict) and data.get("access_token"):
                    return data
                why = "no token in the answer"
            if attempt + 1 < TRIES:
                await asyncio.sleep(self._pause * 2**attempt)
        log.warning("Token not renewed yet", action="token_not_renewed", server=install.server, why=why)
        return None

    async def _save(self, install: Install, tokens: Tokens, expires_at: float | None) -> Install | None:
        """What can't be got again is worth some tries."""
        sealed = tokens.sealed(self._vault)
        for attempt in range(TRIES + 2):
            try:
                return await self._installs.renew(
                    install, sealed=sealed, expires_at=expires_at, now=self._now()
                )
            except Exception as error:
                if attempt == TRIES + 1:
                    raise
                # Without the traceback: there are tokens about.
                why = type(error).__name__
                log.warning("Tokens not stored", action="token_not_stored", server=install.server, why=why)
                await asyncio.sleep(self._pause * 2**attempt)
        raise AssertionError

    def _note_refusal(self, install: Install, why: str) -> None:
        self._refused[install.server] = (install.sealed or "", self._now())
        log.error(
            "Slack takes the refresh token no more: once the token ends, the app must be installed anew",
            action="token_refused",
            server=install.server,
            why=why,
            ends_at=install.expires_at,
        )

    def _was_refused(self, install: Install) -> bool:
        sealed, when = self._refused.get(install.server, ("", 0.0))
        return sealed == install.sealed and when + PATIENCE > self._now()

    # -- removing

    async def _installs_of(self, team: str | None, enterprise: str | None) -> Sequence[Install]:
        """A workspace's own and its organisation's."""
        own = await self._installs.get(NAME, team) if team else None
        parent = enterprise or (own.parent if own is not None else None)
        above = await self._installs.get(NAME, parent) if parent else None
        return [one for one in (own, above) if one is not None and one.sealed is not None]

    async def _remove_dead(self, install: Install) -> bool:
        """Forget an installation whose token Slack knows no more; whether it is forgotten."""
        if not await self.is_dead(Tokens.of(install, self._vault).bot):
            return False
        if await self._installs.remove_exactly(install):
            log.info("Uninstalled", action="uninstalled", platform=NAME, server=install.server)
        return True


def clients_for(
    slack: SlackSettings, installs: Installs, vault: Callable[[], Vault], now: Callable[[], float]
) -> Clients:
    """Of one workspace, by its token, or of many, where `client_id` says so; only then is there a vault."""
    if slack.client_id is None or slack.client_secret is None:
        return Clients(slack.api_base, slack.bot_token)
    return ManyClients(
        slack.api_base,
        installs,
        vault(),
        client_id=slack.client_id,
        client_secret=slack.client_secret,
        now=now,
    )


def _version(install: Install) -> tuple[float, int]:
    return install.created_at, install.revision


class Authorize(AsyncAuthorize):
    """What bolt asks whose token a request is answered with: `AsyncApp(authorize=Authorize(clients))`."""

    def __init__(self, clients: ManyClients) -> None:
        self._clients = clients

    async def __call__(
        self,
        *,
        context: AsyncBoltContext,
        enterprise_id: str | None,
        team_id: str | None,
        user_id: str | None,
        actor_enterprise_id: str | None = None,
        actor_team_id: str | None = None,
        actor_user_id: str | None = None,
    ) -> AuthorizeResult | None:
        try:
            return await self._clients.authorize(team_id, enterprise_id)
        except Gone:
            return None


async def with_team(body: dict[str, Any], context: AsyncBoltContext, next: Callable[[], Any]) -> None:
    """For `AsyncApp(before_authorize=…)`: events of an organisation's installation name their workspace
    where bolt doesn't look for it."""
    if context.team_id is None and isinstance(body.get("team_id"), str):
        context["team_id"] = body["team_id"]
    await next()
