"""What `threadreel doctor` finds of Slack: tokens, scopes, the socket, who is let in; and how to mend it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from pydantic import SecretStr
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters import words
from adapters.findings import Finding, bad, ok, warn
from adapters.slack.clients import Clients, error_code
from adapters.slack.installs import NAME, Tokens
from adapters.slack.manifest import INSTALL_PATH, REDIRECT_PATH, SCOPES
from adapters.slack.pages import allowed
from bot.config import Settings, SlackSettings
from bot.errors import KeyMissing
from bot.secrets import Vault
from bot.store import Install

PASTE = (
    "Paste what `threadreel slack manifest` prints into the app's manifest at Slack, then install it again"
)

SKEW = 60.0
"""Seconds that our clock may differ from Slack's. Requests older than five minutes are refused."""

Held = tuple[dict[str, Any], tuple[str, ...]]
"""Slack's answer, and the scopes that the token has."""


async def examine(
    settings: Settings,
    *,
    commands: int,
    installs: Sequence[Install] = (),
    vault: Vault | None = None,
    now: Callable[[], float] = time.time,
) -> list[Finding]:
    """Nothing is found where nothing is configured. `installs`, with what opens them, of many workspaces.

    Nothing is changed: a socket's address is asked for, and not used.
    """
    slack = settings.slack
    if not any((slack.bot_token, slack.app_token, slack.signing_secret, slack.client_id)):
        return []
    findings = list(_ways_in(slack, settings.http.public_url))
    async with Clients(slack.api_base, None) as clients:
        if slack.client_id is not None:
            findings += _installing(settings)
            findings += await _many(settings, installs, vault, clients.client)
        elif slack.bot_token is not None:
            findings += await _one(
                slack.bot_token.get_secret_value(), settings.access.servers, clients.client
            )
        if slack.app_token is not None:
            findings.append(await _socket(slack.app_token, slack.api_base, clients.client))
        elif slack.signing_secret is not None:
            findings += await _clock(clients.client, now())
    findings.append(
        ok(f"slack: its {commands + 1} commands can't be asked for; compare with `threadreel slack manifest`")
    )
    return findings


# -- what is configured


def _ways_in(slack: SlackSettings, public_url: str | None) -> Iterable[Finding]:
    """How Slack reaches us, and whose tokens there are."""
    if slack.app_token is None and slack.signing_secret is None:
        yield bad(
            "slack: there is neither app_token nor signing_secret, so nothing can come in",
            "Set app_token for Socket Mode (Basic Information, App-Level Tokens, connections:write), "
            "or signing_secret for HTTP mode (Basic Information)",
        )
    elif slack.app_token is None and public_url is None:
        yield bad(
            "slack: HTTP mode, but [http] public_url is not set",
            "Set the address that Slack reaches this installation by, or app_token for Socket Mode",
        )
    elif slack.app_token is None:
        yield ok("slack: HTTP mode, with a signing secret")
    if slack.bot_token is None and slack.client_id is None:
        yield bad(
            "slack: there is neither bot_token nor client_id, so nothing can be posted",
            "Set bot_token (OAuth & Permissions, Bot User OAuth Token), or client_id for many workspaces",
        )
    if slack.bot_token is not None and slack.client_id is not None:
        yield warn(
            "slack: bot_token is not used: with client_id, workspaces install the app by themselves",
            f"Take bot_token out, and install the app at {INSTALL_PATH}",
        )


def _installing(settings: Settings) -> Iterable[Finding]:
    public_url = settings.http.public_url or ""
    if urlsplit(public_url).scheme != "https":
        yield bad(
            "slack: the redirect URL doesn't begin with https://, and Slack takes no other",
            "Put a proxy with HTTPS before it, and set [http] public_url to its address",
        )
    else:
        yield ok(
            f"slack: workspaces install it at {public_url}{INSTALL_PATH}; "
            f"Slack must know the redirect URL {public_url}{REDIRECT_PATH}"
        )
    if not any(entry.partition(":")[0] == NAME for entry in settings.access.servers):
        yield bad(
            "slack: no workspace may use it", 'Add "slack:*", or "slack:WORKSPACE", to [access] servers'
        )


# -- tokens


async def _one(
    token: str, servers: Collection[str], client: Callable[[str | None], AsyncWebClient]
) -> list[Finding]:
    copy = "Copy it once more: OAuth & Permissions, Bot User OAuth Token"
    held = await _held(client(token), "slack: bot_token", copy)
    if isinstance(held, Finding):
        return [held]
    who, scopes = held
    if not who.get("bot_id"):
        return [
            bad("slack: bot_token is not a bot's", "Take the Bot User OAuth Token, which begins with xoxb-")
        ]
    name, team = words.clean(who.get("team", "")), str(who.get("team_id", ""))
    findings = [ok(f"slack: bot_token is {words.clean(who.get('user', 'a bot'))}'s in {name} ({team})")]
    findings.append(_scopes("slack: bot_token", scopes))
    if allowed(servers, team, who.get("enterprise_id"), bool(who.get("is_enterprise_install"))):
        findings.append(ok(f"slack: {name} may use it"))
    else:
        findings.append(bad(f"slack: {name} may not use it", f'Add "slack:{team}" to [access] servers'))
    return findings


async def _many(
    settings: Settings,
    installs: Sequence[Install],
    vault: Vault | None,
    client: Callable[[str | None], AsyncWebClient],
) -> list[Finding]:
    own = [install for install in installs if install.platform == NAME and install.sealed is not None]
    if not own or vault is None:
        return [ok("slack: no workspace has installed it yet")]
    findings = [ok(f"slack: installed in {len(own)} workspaces or organisations")]
    for install in own:
        findings += await _installed(install, settings, vault, client)
    return findings


async def _installed(
    install: Install, settings: Settings, vault: Vault, client: Callable[[str | None], AsyncWebClient]
) -> list[Finding]:
    details = install.details
    org_wide = bool(details.get("is_enterprise_install"))
    name = details.get("enterprise_name" if org_wide else "team_name") or install.server
    what = f"slack: {words.clean(name)} ({install.server})"
    if not allowed(settings.access.servers, install.server, install.server, org_wide):
        return [warn(f"{what} may not use it any more", f'Add "slack:{install.server}" to [access] servers')]
    try:
        token = Tokens.of(install, vault).bot
    except KeyMissing as error:
        return [bad(f"{what}: its token can't be opened", str(error))]
    remedy = f"Somebody must install it again at {INSTALL_PATH}"
    held = await _held(client(token), what, remedy, renewed=install.expires_at is not None)
    return [held] if isinstance(held, Finding) else [_scopes(what, held[1])]


def _scopes(what: str, held: Collection[str]) -> Finding:
    lacking = [scope for scope in SCOPES if scope not in held]
    if not lacking:
        return ok(f"{what} has all scopes")
    reasons = "; ".join(f"{scope}, for {SCOPES[scope]}" for scope in lacking)
    return warn(f"{what} lacks {reasons}", PASTE)


async def _socket(token: SecretStr, api_base: str, client: Callable[[str | None], AsyncWebClient]) -> Finding:
    what = "slack: app_token"
    try:
        await client(None).apps_connections_open(app_token=token.get_secret_value())
    except SlackApiError as error:
        code = error_code(error)
        if code in ("missing_scope", "not_allowed_token_type", "invalid_auth", "not_authed"):
            return bad(
                f"{what} can't open a socket: {code}",
                "Make one with connections:write: Basic Information, App-Level Tokens; it begins with xapp-",
            )
        return warn(
            f"{what} could not be tried: {code}", "Switch Socket Mode on at Slack, or try again later"
        )
    except (TimeoutError, aiohttp.ClientError, ValueError) as error:
        return _unreachable(api_base, error)
    return ok(f"{what} opens a socket")


async def _clock(client: Callable[[str | None], AsyncWebClient], now: float) -> list[Finding]:
    """In HTTP mode a wrong clock makes every request look too old."""
    try:
        answer = await client(None).api_test()
        dates = [str(value) for name, value in answer.headers.items() if name.lower() == "date"]
        off = now - parsedate_to_datetime(dates[0]).timestamp()
    except (SlackApiError, TimeoutError, aiohttp.ClientError, ValueError, IndexError):
        return []  # the tokens tell of it
    if abs(off) < SKEW:
        return [ok("slack: this machine's clock agrees with Slack's")]
    return [bad(f"slack: this machine's clock is off by {words.lasting(abs(off))}", "Set it; use NTP")]


async def _held(client: AsyncWebClient, what: str, remedy: str, *, renewed: bool = False) -> Held | Finding:
    """Whose token it is; with `renewed` one that has ended is as it should be."""
    try:
        answer = await client.auth_test()
    except SlackApiError as error:
        code = error_code(error)
        if code == "token_expired" and renewed:
            return ok(f"{what}: its token has ended and is renewed when somebody needs it")
        if code in ("ratelimited", "internal_error", "fatal_error", "service_unavailable") or code.isdigit():
            return warn(
                f"{what}: Slack could not tell: {code}", "Try again later; see https://slack-status.com"
            )
        return bad(f"{what}: Slack doesn't accept the token: {code}", remedy)
    except (TimeoutError, aiohttp.ClientError, ValueError) as error:
        return _unreachable(client.base_url, error)
    headers = {name.lower(): str(value) for name, value in answer.headers.items()}
    scopes = headers.get("x-oauth-scopes", "")
    data = answer.data if isinstance(answer.data, dict) else {}
    return data, tuple(scope.strip() for scope in scopes.split(",") if scope.strip())


def _unreachable(api_base: str, error: Exception) -> Finding:
    why = words.clean(str(error) or type(error).__name__)
    return bad(
        f"slack: {api_base} can't be reached: {why}", "Check [slack] api_base, the network and a proxy"
    )
