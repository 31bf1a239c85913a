"""A person's browser, as far as installing an app needs one: pages, redirects and cookies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urljoin, urlsplit

import aiohttp

from tests.slack_server.forms import ClientRefused
from tests.slack_server.methods_auth import app_of_client, grant, redirect_with
from tests.slack_server.state import User

if TYPE_CHECKING:
    from tests.slack_server.server import SlackServer


@dataclass(frozen=True)
class Page:
    """Where a person came to in the end."""

    url: str
    status: int
    text: str
    scopes: tuple[str, ...] = ()  # what they consented to


async def install(server: SlackServer, user: User, url: str, *, org_wide: bool, deny: bool) -> Page:
    """From an install page or the authorize URL over Slack's consent to the app's redirect URL.

    Raises:
        ClientRefused: Slack shows an error instead of asking, or the person may not install.
    """
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        cookies: dict[str, str] = {}
        authorize = url if _is_authorize(url) else await _authorize_url(session, url, cookies)
        back, scopes = _consent(server, user, authorize, org_wide=org_wide, deny=deny)
        # Cookies that are for https only come back as well: a real browser would be on https.
        header = "; ".join(f"{name}={value}" for name, value in cookies.items())
        headers = {"Cookie": header} if header else {}
        async with session.get(back, headers=headers, allow_redirects=False) as response:
            return Page(back, response.status, await response.text(), scopes)


def _is_authorize(url: str) -> bool:
    return urlsplit(url).path == "/oauth/v2/authorize"


async def _authorize_url(session: aiohttp.ClientSession, url: str, cookies: dict[str, str]) -> str:
    async with session.get(url, allow_redirects=False) as response:
        cookies |= {name: morsel.value for name, morsel in response.cookies.items()}
        text, location = await response.text(), response.headers.get("Location")
    links = [location] if location else [unescape(link) for link in re.findall(r'href="([^"]+)"', text)]
    for link in links:
        if _is_authorize(urljoin(url, link)):
            return urljoin(url, link)
    raise ClientRefused(f"{url} leads to no consent page")


def _consent(
    server: SlackServer, user: User, authorize: str, *, org_wide: bool, deny: bool
) -> tuple[str, tuple[str, ...]]:
    """Slack's page: where the browser is sent then, and with which scopes."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(authorize).query).items()}
    app = app_of_client(server.world, query.get("client_id", ""))
    if app is None:
        raise ClientRefused("invalid_client_id")
    wanted = [one for one in query.get("scope", "").split(",") if one]
    unknown = [one for one in wanted if one not in app.manifest.scopes]
    if not wanted or unknown:
        raise ClientRefused(f"invalid_scope: {unknown or 'no scope is asked for'}")
    allowed = app.manifest.redirect_urls
    redirect = query.get("redirect_uri") or (allowed[0] if allowed else "")
    if not any(redirect.startswith(one) for one in allowed):
        raise ClientRefused("bad_redirect_uri")
    if user.restricted:
        raise ClientRefused("guests install no apps")
    enterprise = user.team.enterprise if org_wide else None
    if org_wide and (enterprise is None or not user.is_org_admin or not app.manifest.org_wide):
        raise ClientRefused("org-wide installing takes an admin of the organisation and an app made for it")
    state = query.get("state", "")
    if deny:
        return redirect_with(redirect, error="access_denied", state=state), ()
    code = grant(app, user, wanted, redirect, enterprise=enterprise)
    return redirect_with(redirect, code=code, state=state), tuple(wanted)
