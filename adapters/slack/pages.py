"""/slack/install: the pages on which a workspace installs the app, plain HTML without scripts."""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import structlog
from aiohttp import web
from pydantic import SecretStr
from slack_sdk.errors import SlackApiError
from slack_sdk.oauth.installation_store import Installation
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore
from slack_sdk.web.async_client import AsyncWebClient

from adapters import words
from adapters.slack.clients import error_code
from adapters.slack.installs import NAME, STATE_LASTS, StateStore
from adapters.slack.manifest import INSTALL_PATH, REDIRECT_PATH, SCOPES
from adapters.slack.tokens import ManyClients
from bot.config import Settings
from bot.store import Installs

COOKIE = "threadreel-slack-state"
STYLE_PATH = "/slack/pages.css"

OURS = frozenset({"invalid_client_id", "bad_client_secret", "bad_redirect_uri", "redirect_uri_mismatch"})
"""Refusals that whoever runs this installation must mend."""

PAGE = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark light">
<meta name="robots" content="noindex">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{style}">
</head>
<body>
<main>
  <h1>{title}</h1>{said}{button}
</main>
</body>
</html>
"""

Joined = Callable[[str], Awaitable[None]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class App:
    """The app as Slack knows it, and the address that browsers know us by."""

    client_id: str
    client_secret: SecretStr
    api_base: str
    public_url: str

    @property
    def slack(self) -> str:
        """Slack's own site: where the API is, without its last part."""
        return self.api_base.rstrip("/").removesuffix("/api")

    @property
    def redirect_uri(self) -> str:
        return f"{self.public_url}{REDIRECT_PATH}"

    def authorize_url(self, state: str) -> str:
        query = {"client_id": self.client_id, "scope": ",".join(SCOPES), "redirect_uri": self.redirect_uri}
        return f"{self.slack}/oauth/v2/authorize?{urlencode({**query, 'state': state})}"


class InstallPages:
    """Who comes back from Slack with the state that this browser was given has installed it."""

    def __init__(
        self,
        app: App,
        installations: AsyncInstallationStore,
        states: AsyncOAuthStateStore,
        *,
        client: Callable[[str | None], AsyncWebClient],
        servers: Collection[str],
        joined: Joined,
        now: Callable[[], float],
    ) -> None:
        """`client` makes a client of the Web API for a token; `servers` are those of [access].

        `joined` is told of a workspace that has installed it."""
        self._app = app
        self._installations = installations
        self._states = states
        self._client = client
        self._servers = servers
        self._joined = joined
        self._now = now

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(INSTALL_PATH, self._begin, allow_head=False),
            web.get(REDIRECT_PATH, self._return, allow_head=False),
            web.get(STYLE_PATH, _style),
        ]

    async def _begin(self, request: web.Request) -> web.Response:
        state = await self._states.async_issue()
        response = _page(request, "begin", link=("button", self._app.authorize_url(state)))
        response.set_cookie(
            COOKIE,
            state,
            max_age=int(STATE_LASTS),
            path="/slack/",
            secure=urlsplit(self._app.public_url).scheme == "https",
            httponly=True,
            samesite="Lax",
        )
        return response

    async def _return(self, request: web.Request) -> web.Response:
        """Never twice: the state is used up first, whatever comes of it."""
        again = ("again", INSTALL_PATH)
        if not await self._is_expected(request):
            return _page(request, "stale", status=400, link=again)
        if said := request.query.get("error"):
            code = "denied" if said == "access_denied" else "failed"
            return _page(request, code, facts={"code": said}, link=again)
        try:
            granted = await self._granted(request.query.get("code", ""))
        except SlackApiError as error:
            return self._refused(request, error_code(error))
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            log.warning("Slack did not answer", action="install_failed", why=type(error).__name__)
            return _page(request, "unreachable", status=502, link=again)
        if not allowed(self._servers, granted.team_id, granted.enterprise_id, granted.is_enterprise_install):
            return await self._turned_away(request, granted)
        await self._installations.async_save(granted)
        if granted.team_id and not granted.is_enterprise_install:
            await self._joined(granted.team_id)
        log.info("Installed", action="installed", platform=NAME, server=_server(granted))
        return self._welcome(request, granted)

    async def _is_expected(self, request: web.Request) -> bool:
        """Whether this browser set out here: nobody can be led into somebody else's installation."""
        state, kept = request.query.get("state", ""), request.cookies.get(COOKIE, "")
        if not state or not hmac.compare_digest(state.encode(), kept.encode()):
            return False
        return await self._states.async_consume(state)

    async def _granted(self, code: str) -> Installation:
        """What the workspace has granted; for the bot only, people's own tokens are let go."""
        answer = await self._client(None).oauth_v2_access(
            client_id=self._app.client_id,
            client_secret=self._app.client_secret.get_secret_value(),
            code=code,
            redirect_uri=self._app.redirect_uri,
        )
        given: Mapping[str, Any] = answer.data if isinstance(answer.data, dict) else {}
        team, enterprise = given.get("team") or {}, given.get("enterprise") or {}
        who = await self._who(given["access_token"])
        return Installation(
            app_id=given.get("app_id"),
            enterprise_id=enterprise.get("id"),
            enterprise_name=enterprise.get("name"),
            enterprise_url=who.get("url") if given.get("is_enterprise_install") else None,
            team_id=team.get("id"),
            team_name=team.get("name"),
            bot_token=given["access_token"],
            bot_id=who.get("bot_id"),
            bot_user_id=given.get("bot_user_id"),
            bot_scopes=given.get("scope") or "",
            bot_refresh_token=given.get("refresh_token"),
            bot_token_expires_at=int(self._now() + given["expires_in"]) if "expires_in" in given else None,
            user_id=(given.get("authed_user") or {}).get("id") or "",
            is_enterprise_install=given.get("is_enterprise_install"),
            token_type=given.get("token_type"),
        )

    async def _who(self, token: str) -> Mapping[str, Any]:
        """The bot's id, which the grant doesn't tell; Slack's hiccups must not undo the installation."""
        for pause in (0.5, 2.0, None):
            try:
                answer = await self._client(token).auth_test()
            except (SlackApiError, TimeoutError, aiohttp.ClientError, ValueError):
                if pause is not None:
                    await asyncio.sleep(pause)
            else:
                return answer.data if isinstance(answer.data, dict) else {}
        return {}

    def _refused(self, request: web.Request, code: str) -> web.Response:
        again = ("again", INSTALL_PATH)
        log.warning("Not installed", action="install_failed", why=code)
        if code in OURS:
            return _page(request, "misconfigured", facts={"code": code}, status=500)
        if code in ("invalid_code", "code_already_used", "code_expired"):
            return _page(request, "stale", status=400, link=again)
        return _page(request, "failed", facts={"code": code}, status=502, link=again)

    async def _turned_away(self, request: web.Request, granted: Installation) -> web.Response:
        """Nothing of it is kept, and the token is given back."""
        server = _server(granted)
        log.warning("Not on the list", action="install_refused", platform=NAME, server=server)
        try:
            await self._client(granted.bot_token).auth_revoke()
        except (SlackApiError, TimeoutError, aiohttp.ClientError, ValueError) as error:
            log.warning("Token not revoked", action="token_not_revoked", why=type(error).__name__)
        facts = {"name": _name(granted), "entry": f"{NAME}:{server}"}
        return _page(request, "not_allowed", facts=facts, status=403)

    def _welcome(self, request: web.Request, granted: Installation) -> web.Response:
        facts: dict[str, Any] = {"name": _name(granted)}
        lacking = [scope for scope in SCOPES if scope not in (granted.bot_scopes or ())]
        codes = ["done_org" if granted.is_enterprise_install else "done"]
        if lacking:
            codes.append("lacking")
            facts["scopes"] = lacking
        where = {"app": granted.app_id or "", "team": granted.team_id or ""}
        link = ("open", f"{self._app.slack}/app_redirect?{urlencode(where)}")
        return _page(request, *codes, facts=facts, link=link)


def install_routes(
    settings: Settings,
    clients: ManyClients,
    installs: Installs,
    now: Callable[[], float],
    joined: Joined,
) -> list[web.RouteDef]:
    """The pages of an installation for many workspaces; none where it is not configured as one."""
    slack, public_url = settings.slack, settings.http.public_url
    if slack.client_id is None or slack.client_secret is None or public_url is None:
        return []
    app = App(slack.client_id, slack.client_secret, slack.api_base, public_url)
    pages = InstallPages(
        app,
        clients.store,
        StateStore(installs, now),
        client=clients.client,
        servers=settings.access.servers,
        joined=joined,
        now=now,
    )
    return pages.routes()


def allowed(
    servers: Collection[str], team: str | None, enterprise: str | None, org_wide: bool | None = False
) -> bool:
    """Whether the owner lets this workspace or organisation in.

    An organisation's name lets it install; its workspaces are asked for one by one when somebody orders.
    """
    names = {NAME, f"{NAME}:*", f"{NAME}:{enterprise if org_wide else team}"}
    return not names.isdisjoint(servers)


def _server(granted: Installation) -> str:
    return (granted.enterprise_id if granted.is_enterprise_install else granted.team_id) or ""


def _name(granted: Installation) -> str:
    name = granted.enterprise_name if granted.is_enterprise_install else granted.team_name
    return name or _server(granted)


# -- HTML


def _page(
    request: web.Request,
    *codes: str,
    facts: Mapping[str, Any] | None = None,
    status: int = 200,
    link: tuple[str, str] | None = None,
) -> web.Response:
    """A page of sentences, in the browser's language; `link` is the code of its words and where it leads."""
    language = _language(request)

    def say(code: str) -> str:
        return escape(words.say(f"install.{code}", facts or {}, language))

    title = escape(words.say(f"install.{codes[0]}_title", facts or {}, language))
    said = "".join(f"\n  <p>{say(code)}</p>" for code in codes)
    button = f'\n  <p><a class="button" href="{escape(link[1])}">{say(link[0])}</a></p>' if link else ""
    text = PAGE.format(language=escape(language), title=title, said=said, button=button, style=STYLE_PATH)
    return web.Response(
        text=text, status=status, content_type="text/html", headers={"Cache-Control": "no-store"}
    )


def _language(request: web.Request) -> str:
    match = re.match(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*", request.headers.get("Accept-Language", ""))
    return match[0] if match and match[0].split("-")[0].lower() in words.languages() else "en"


async def _style(_: web.Request) -> web.Response:
    text = await asyncio.to_thread((resources.files(__package__) / "pages.css").read_text, "utf-8")
    return web.Response(text=text, content_type="text/css", headers={"Cache-Control": "max-age=3600"})
