"""The app's manifest: all that Slack must know of it, made from the catalogue.

https://docs.slack.dev/reference/app-manifest; the limits are of its schema,
https://github.com/slackapi/manifest-schema
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from adapters import words
from bot.catalogue import Catalogue, Model
from bot.jobs import Json

Mode = Literal["socket", "http"]

# -- names that Slack sends back to us

COMMAND = "/threadreel"

CREATE = "create"
USE = "use"
USES = {f"{USE}:{step}": step for step in ("video", "edit", "cutout")}
"""Message shortcuts that begin a certain command with what the message holds: callback id -> command."""

EVENTS_PATH = "/slack/events"
"""In HTTP mode everything comes here: commands, events, buttons, forms."""
INSTALL_PATH = "/slack/install"
REDIRECT_PATH = "/slack/oauth_redirect"

SCOPES: Mapping[str, str] = {
    # What people start it with.
    "commands": "slash commands and shortcuts",
    "app_mentions:read": "commands after @threadreel, which work in threads too",
    "im:history": "commands in direct messages to the app, and looking whether a result stands there already",
    # Cards and results.
    "chat:write": "the card of a job, its progress and its end",
    "chat:write.public": "cards in public channels that the app isn't in",
    "channels:join": "joining such a channel before a file is shared there, which needs membership",
    "im:write": "results to the person, where their channel is closed to the app",
    "files:read": "pictures, films and sounds that people give, and whether an upload arrived",
    "files:write": "uploading results",
    # A message whose sending was interrupted is looked for, so that it is not posted twice.
    "channels:history": "looking whether a result stands in a public channel already",
    "groups:history": "the same in a private channel that the app is in",
    "mpim:history": "the same in a group's conversation that the app is in",
    # Who may do what.
    "users:read": "names, languages, and who is an admin",
    "usergroups:read": "rules for user groups",
}
"""Every scope of the bot, and what it is for."""

EVENTS: Mapping[str, str] = {
    "app_home_opened": "the Home: my jobs and what I have used",
    "app_mention": "commands after @threadreel",
    "message.im": "commands in direct messages to the app",
    "app_uninstalled": "a workspace takes the app out: its token is forgotten",
    "tokens_revoked": "the same for a token that was revoked",
}
"""Every event that is sent to us, and what it is for."""

# -- limits

SHORTCUT_NAME = 24
SHORTCUT_TEXT = 150
COMMAND_TEXT = 2000
HINT = 1000
READABLE = 100
"""What a client shows of a description or a hint on one line."""

NAME = "Threadreel"
DESCRIPTION = "Animations, films, pictures and music from words, in the thread where you ask for them"
LONG_DESCRIPTION = (
    "Type a command such as /animate, or choose Create… from the shortcuts, and the finished film, picture "
    "or sound comes back into the thread. Every model is a command of its own, with a form for its options. "
    "Your Home shows your jobs. Threadreel is open source and runs on the servers of whoever set it up."
)


def manifest(catalogue: Catalogue, *, mode: Mode, public_url: str | None, rotation: bool = False) -> Json:
    """What is pasted into Slack. ValueError for HTTP mode without an address that Slack reaches us by."""
    if mode == "http" and public_url is None:
        raise ValueError("HTTP mode needs a public address")
    requests = f"{public_url}{EVENTS_PATH}" if mode == "http" else None
    return {
        "_metadata": {"major_version": 1},
        "display_information": {
            "name": NAME,
            "description": DESCRIPTION,
            "long_description": LONG_DESCRIPTION,
            "background_color": "#1f1b18",
        },
        "features": _features(catalogue, requests),
        "oauth_config": {
            **({"redirect_urls": [f"{public_url}{REDIRECT_PATH}"]} if public_url else {}),
            "scopes": {"bot": list(SCOPES)},
        },
        "settings": {
            "event_subscriptions": {**_to("request_url", requests), "bot_events": sorted(EVENTS)},
            "interactivity": {"is_enabled": True, **_to("request_url", requests)},
            "org_deploy_enabled": True,
            "socket_mode_enabled": mode == "socket",
            "token_rotation_enabled": rotation,
        },
    }


def _features(catalogue: Catalogue, requests: str | None) -> Json:
    return {
        "app_home": {
            "home_tab_enabled": True,
            "messages_tab_enabled": True,
            "messages_tab_read_only_enabled": False,
        },
        "bot_user": {"display_name": NAME.lower(), "always_online": True},
        "shortcuts": list(_shortcuts()),
        "slash_commands": [{**command, **_to("url", requests)} for command in _commands(catalogue)],
    }


def _commands(catalogue: Iterable[Model]) -> Iterator[dict[str, Json]]:
    """Escaped, so that people, channels and links come as ids and addresses, whatever they are called."""
    yield _command(COMMAND, words.say("manifest.command", {}), words.say("manifest.hint", {}))
    for model in catalogue:
        example = model.example.removeprefix(f"/{model.command}").strip()
        yield _command(f"/{model.command}", model.summary, example)


def _command(name: str, description: str, hint: str) -> dict[str, Json]:
    texts = {"description": _cut(description, READABLE), "usage_hint": _cut(hint, READABLE)}
    return {"command": name, **texts, "should_escape": True}


def _shortcuts() -> Iterator[dict[str, Json]]:
    yield _shortcut("global", CREATE, CREATE)
    for callback_id, step in (*USES.items(), (USE, USE)):
        yield _shortcut("message", callback_id, step)


def _shortcut(kind: str, callback_id: str, code: str) -> dict[str, Json]:
    return {
        "name": _cut(words.say(f"shortcut.{code}", {}), SHORTCUT_NAME),
        "type": kind,
        "callback_id": callback_id,
        "description": _cut(words.say(f"manifest.shortcut_{code}", {}), SHORTCUT_TEXT),
    }


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _to(key: str, address: str | None) -> dict[str, Json]:
    return {} if address is None else {key: address}
