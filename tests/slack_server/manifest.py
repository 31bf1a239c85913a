"""The app's manifest: which commands, shortcuts, events and scopes there are. What it lacks is refused.

https://docs.slack.dev/reference/app-manifest
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.slack_server.limits import JSON

# The scope without which a subscribed event isn't sent; None: any app gets it.
EVENT_SCOPES: dict[str, str | None] = {
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "message.mpim": "mpim:history",
    "app_mention": "app_mentions:read",
    "app_home_opened": None,
    "app_uninstalled": None,
    "tokens_revoked": None,
    "file_shared": "files:read",
    "file_deleted": "files:read",
    "member_joined_channel": "channels:read",
    "member_left_channel": "channels:read",
    "team_join": "users:read",
}

EVERY_SCOPE = (
    "app_mentions:read", "channels:history", "channels:join", "channels:read", "chat:write",
    "chat:write.public", "commands", "files:read", "files:write", "groups:history", "groups:read",
    "im:history", "im:read", "im:write", "mpim:history", "mpim:read", "mpim:write", "team:read",
    "usergroups:read", "users:read", "users:read.email",
)  # fmt: skip


@dataclass(frozen=True)
class Command:
    name: str
    url: str
    should_escape: bool


@dataclass(frozen=True)
class Shortcut:
    name: str
    callback_id: str
    kind: str  # "global" or "message"


class Manifest:
    """A manifest as the server reads it."""

    def __init__(self, data: JSON) -> None:
        self.data = data
        self.problems = list(_problems(data))
        if self.problems:
            raise ValueError(f"Slack wouldn't take this manifest: {'; '.join(self.problems)}")

    @property
    def features(self) -> JSON:
        return dict(self.data.get("features") or {})

    @property
    def settings(self) -> JSON:
        return dict(self.data.get("settings") or {})

    @property
    def oauth(self) -> JSON:
        return dict(self.data.get("oauth_config") or {})

    @property
    def scopes(self) -> list[str]:
        scopes = self.oauth.get("scopes") or {}
        return [*scopes.get("bot", []), *scopes.get("bot_optional", [])]

    @property
    def redirect_urls(self) -> list[str]:
        return list(self.oauth.get("redirect_urls") or [])

    @property
    def commands(self) -> dict[str, Command]:
        listed = self.features.get("slash_commands") or []
        return {
            one["command"]: Command(one["command"], one.get("url", ""), one.get("should_escape", False))
            for one in listed
        }

    @property
    def shortcuts(self) -> list[Shortcut]:
        return [
            Shortcut(one["name"], one["callback_id"], one["type"])
            for one in self.features.get("shortcuts") or []
        ]

    @property
    def events(self) -> list[str]:
        return list(self._subscriptions.get("bot_events") or [])

    @property
    def _subscriptions(self) -> JSON:
        return self.settings.get("event_subscriptions") or {}

    @property
    def _interactivity(self) -> JSON:
        return self.settings.get("interactivity") or {}

    @property
    def interactive(self) -> bool:
        return bool(self._interactivity.get("is_enabled"))

    @property
    def socket_mode(self) -> bool:
        return bool(self.settings.get("socket_mode_enabled"))

    @property
    def rotates(self) -> bool:
        return bool(self.settings.get("token_rotation_enabled"))

    @property
    def org_wide(self) -> bool:
        return bool(self.settings.get("org_deploy_enabled"))

    @property
    def home_tab(self) -> bool:
        return bool((self.features.get("app_home") or {}).get("home_tab_enabled"))

    @property
    def messages_tab(self) -> str:
        """ "on", "read_only" or "off"."""
        home = self.features.get("app_home") or {}
        if not home.get("messages_tab_enabled", True):
            return "off"
        return "read_only" if home.get("messages_tab_read_only_enabled") else "on"

    @property
    def bot_name(self) -> str:
        name = (self.features.get("bot_user") or {}).get("display_name")
        return str(name or (self.data.get("display_information") or {}).get("name") or "app")

    def url(self, kind: str, command: str = "") -> str:
        """Where HTTP mode sends: kind "slash_commands", "interactive", "suggestion" or "events_api"."""
        if kind == "slash_commands":
            return self.commands[command].url
        if kind == "events_api":
            return str(self._subscriptions.get("request_url") or "")
        interactivity = self._interactivity
        options = interactivity.get("message_menu_options_url") if kind == "suggestion" else None
        return str(options or interactivity.get("request_url") or "")


def _problems(data: JSON) -> Iterable[str]:
    features = data.get("features") or {}
    commands, shortcuts = features.get("slash_commands") or [], features.get("shortcuts") or []
    http = not (data.get("settings") or {}).get("socket_mode_enabled")
    name = (data.get("display_information") or {}).get("name")
    if not name or len(name) > 35:
        yield "display_information.name has 1 to 35 characters"
    if len((features.get("bot_user") or {}).get("display_name", "")) > 80:
        yield "bot_user.display_name has at most 80 characters"
    if len(commands) > 50:
        yield "at most 50 slash commands"
    if len(shortcuts) > 10:
        yield "at most 10 shortcuts"
    for one in commands:
        yield from _command_problems(one, http=http)
    for one in shortcuts:
        if one.get("type") not in ("global", "message") or not 0 < len(one.get("callback_id", "")) <= 255:
            yield f"shortcut {one.get('name')}: type or callback_id"
        if not 0 < len(one.get("description", "")) <= 150:
            yield f"shortcut {one.get('name')}: the description has 1 to 150 characters"
    for kind in ("global", "message"):
        if len([one for one in shortcuts if one.get("type") == kind]) > 5:
            yield f"at most 5 {kind} shortcuts"
    scopes = ((data.get("oauth_config") or {}).get("scopes") or {}).get("bot") or []
    if (commands or shortcuts) and "commands" not in scopes:
        yield "commands and shortcuts need the scope commands"


def _command_problems(one: JSON, *, http: bool) -> Iterable[str]:
    name = one.get("command", "")
    if not name.startswith("/") or len(name) > 32 or " " in name:
        yield f"command {name!r}: begins with /, no spaces, at most 32 characters"
    if not 0 < len(one.get("description", "")) <= 2000:
        yield f"command {name!r}: the description has 1 to 2000 characters"
    if len(one.get("usage_hint", "")) > 1000:
        yield f"command {name!r}: the usage hint has at most 1000 characters"
    if http and not one.get("url"):
        yield f"command {name!r}: without Socket Mode it needs a url"


def make_manifest(
    *,
    commands: Iterable[str] = (),
    global_shortcuts: Iterable[str] = (),
    message_shortcuts: Iterable[str] = (),
    scopes: Iterable[str] = EVERY_SCOPE,
    events: Iterable[str] = tuple(EVENT_SCOPES),
    url: str | None = None,
    should_escape: bool = True,
    **settings: Any,
) -> JSON:
    """A manifest for a test. Without `url` it is for Socket Mode; `settings` go in beside the rest."""
    where = {} if url is None else {"url": url}
    requests = {} if url is None else {"request_url": url}
    shortcuts = [
        {"name": callback_id, "type": kind, "callback_id": callback_id, "description": callback_id}
        for kind, ids in (("global", global_shortcuts), ("message", message_shortcuts))
        for callback_id in ids
    ]
    return {
        "display_information": {"name": "Threadreel"},
        "features": {
            "bot_user": {"display_name": "threadreel"},
            "app_home": {"home_tab_enabled": True, "messages_tab_enabled": True},
            "slash_commands": [
                {"command": name, "description": name, "should_escape": should_escape, **where}
                for name in commands
            ],
            "shortcuts": shortcuts,
        },
        "oauth_config": {"redirect_urls": ["http://127.0.0.1"], "scopes": {"bot": list(scopes)}},
        "settings": {
            "event_subscriptions": {"bot_events": list(events), **requests},
            "interactivity": {"is_enabled": True, **requests},
            "socket_mode_enabled": url is None,
            **settings,
        },
    }
