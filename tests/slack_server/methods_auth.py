"""Tokens and installing: auth.*, apps.connections.open, oauth.v2.access, and the codes of a consent."""

from __future__ import annotations

from urllib.parse import urlencode

from tests.slack_server.apps import App, Installation
from tests.slack_server.limits import JSON, SlackError
from tests.slack_server.state import Enterprise, Team, User, World
from tests.slack_server.webapi import Call, Method

CODE_LIFE = 600.0


def test(call: Call) -> JSON:
    token = call.token
    assert token is not None
    if token.installation is None:
        return {"app_name": token.app.manifest.bot_name, "app_id": token.app.id}
    installation = token.installation
    bot, team, enterprise = installation.bot, installation.team, installation.enterprise
    who: JSON = {
        "user": bot.name,
        "user_id": bot.id,
        "bot_id": bot.bot_id,
        "is_enterprise_install": installation.org_wide,
    }
    if team is not None:
        who |= {"url": f"https://{team.domain}.slack.com/", "team": team.name, "team_id": team.id}
        enterprise = team.enterprise
    elif enterprise is not None:
        who |= {"url": f"https://{enterprise.name.lower()}.enterprise.slack.com/"}
        who |= {"team": enterprise.name, "team_id": enterprise.id}
    return who | ({"enterprise_id": enterprise.id} if enterprise else {})


def revoke(call: Call) -> JSON:
    """Revoke the token of the call. With its last token the app is uninstalled."""
    assert call.token is not None
    installation = call.installation
    if call.flag("test"):
        return {"revoked": False}
    call.token.dead = "token_revoked"
    call.server.events.revoked(installation, installation.team)
    if all(token.dead for token in installation.tokens):
        call.server.events.uninstalled(installation, installation.team)
        installation.removed = True
    return {"revoked": True}


def open_connection(call: Call) -> JSON:
    assert call.token is not None
    call.requires("connections:write")
    return {"url": call.server.sockets.new_url(call.token.app)}


def api_test(call: Call) -> JSON:
    error = call.text("error")
    if error:
        raise SlackError(error, args=call.args)
    return {"args": call.args}


# -- OAuth -------------------------------------------------------------------------------------------


def grant(
    app: App, user: User, scopes: list[str], redirect_uri: str, *, enterprise: Enterprise | None
) -> str:
    """The code of a consent."""
    code = f"{app.world.new_secret(12)}.{app.world.new_secret(12)}"
    app.codes[code] = {
        "user": user,
        "scopes": scopes,
        "redirect_uri": redirect_uri,
        "enterprise": enterprise,
        "created": app.world.clock(),
        "used": False,
    }
    return code


def redirect_with(redirect_uri: str, **query: str) -> str:
    return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{urlencode(query)}"


def access(call: Call) -> JSON:
    app = _client(call)
    if call.text("grant_type") == "refresh_token":
        return _refreshed(app, call.needs("refresh_token"))
    granted = app.codes.get(call.text("code") or "")
    if granted is None or call.world.clock() - granted["created"] > CODE_LIFE:
        raise SlackError("invalid_code")
    if granted["used"]:
        raise SlackError("code_already_used")
    if granted["redirect_uri"] != (call.text("redirect_uri") or granted["redirect_uri"]):
        raise SlackError("bad_redirect_uri")
    granted["used"] = True
    user: User = granted["user"]
    enterprise: Enterprise | None = granted["enterprise"]
    team: Team | None = user.team if enterprise is None else None
    installation = app.install(
        team, by=user, scopes=granted["scopes"], enterprise=enterprise or user.team.enterprise
    )
    return _token_answer(installation) | {"authed_user": {"id": user.id}}


def _client(call: Call) -> App:
    client_id, secret = call.basic or (call.text("client_id"), call.text("client_secret"))
    for app in call.world.apps.values():
        if app.client_id == client_id:
            if app.client_secret != secret:
                raise SlackError("bad_client_secret")
            return app
    raise SlackError("invalid_client_id")


def _refreshed(app: App, value: str) -> JSON:
    """A refresh token is good for one time."""
    for installation in app.installations:
        if installation.refresh_tokens.get(value) and not installation.removed:
            installation.refresh_tokens[value] = False
            installation.new_token()
            return _token_answer(installation)
    raise SlackError("invalid_refresh_token")


def _token_answer(installation: Installation) -> JSON:
    team, enterprise = installation.team, installation.enterprise
    answer: JSON = {
        "app_id": installation.app.id,
        "scope": ",".join(installation.scopes),
        "token_type": "bot",
        "access_token": installation.token,
        "bot_user_id": installation.bot.id,
        "team": {"id": team.id, "name": team.name} if team else None,
        "enterprise": {"id": enterprise.id, "name": enterprise.name} if enterprise else None,
        "is_enterprise_install": installation.org_wide,
    }
    if installation.app.manifest.rotates:
        answer["refresh_token"] = installation.new_refresh_token()
        answer["expires_in"] = int(installation.app.world.limits.token_life)
    return answer


def app_of_client(world: World, client_id: str) -> App | None:
    return next((app for app in world.apps.values() if app.client_id == client_id), None)


AUTH = {
    "api.test": Method(api_test, 4, who=None),
    "auth.test": Method(test, 4),
    "auth.revoke": Method(revoke, 3),
    "apps.connections.open": Method(open_connection, 3, who="app"),
    "oauth.v2.access": Method(access, 4, who=None),
}
