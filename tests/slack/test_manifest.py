"""The manifest: everything that Slack must know, within what Slack takes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from adapters.__main__ import app
from adapters.slack.manifest import CREATE, EVENTS, SCOPES, USE, USES, Mode, manifest
from bot.catalogue import load
from bot.jobs import Json
from tests.slack_server.manifest import Manifest

ROOT = Path(__file__).parent.parent.parent
PUBLIC = "https://studio.example.org"
MODES: list[tuple[Mode, str | None]] = [("socket", None), ("socket", PUBLIC), ("http", PUBLIC)]

KEYS: dict[str, set[str]] = {
    "": {"_metadata", "display_information", "features", "oauth_config", "settings"},
    "_metadata": {"major_version"},
    "display_information": {"name", "description", "background_color", "long_description"},
    "features": {"app_home", "bot_user", "shortcuts", "slash_commands"},
    "features.app_home": {"home_tab_enabled", "messages_tab_enabled", "messages_tab_read_only_enabled"},
    "features.bot_user": {"display_name", "always_online"},
    "oauth_config": {"redirect_urls", "scopes"},
    "oauth_config.scopes": {"bot"},
    "settings": {
        "event_subscriptions",
        "interactivity",
        "org_deploy_enabled",
        "socket_mode_enabled",
        "token_rotation_enabled",
    },
    "settings.event_subscriptions": {"request_url", "bot_events"},
    "settings.interactivity": {"is_enabled", "request_url"},
}
"""Keys that Slack's schema knows and we use; it refuses a manifest with any other."""


@pytest.fixture(params=MODES, ids=lambda given: f"{given[0]}-{'public' if given[1] else 'private'}")
def made(request: pytest.FixtureRequest) -> Json:
    mode, public_url = request.param
    return manifest(load(), mode=mode, public_url=public_url)


# -- within Slack's limits: https://docs.slack.dev/reference/app-manifest


def test_slack_would_take_it(made: Json) -> None:
    assert Manifest(made).problems == []


def test_it_has_no_key_that_the_schema_doesnt_know(made: Json) -> None:
    for path, known in KEYS.items():
        part = made
        for name in filter(None, path.split(".")):
            part = part[name]
        assert set(part) <= known, path


def test_names_and_descriptions_have_their_lengths(made: Json) -> None:
    about, bot = made["display_information"], made["features"]["bot_user"]
    assert 1 <= len(about["name"]) <= 35
    assert 1 <= len(about["description"]) <= 140
    assert 175 <= len(about["long_description"]) <= 4000
    assert re.fullmatch(r"#[0-9a-fA-F]{6}", about["background_color"])
    assert re.fullmatch(r"[a-z0-9._-]{1,80}", bot["display_name"])


def test_commands_keep_to_what_they_may_be(made: Json) -> None:
    commands = made["features"]["slash_commands"]
    assert 1 <= len(commands) <= 50
    for command in commands:
        assert set(command) <= {"command", "description", "usage_hint", "should_escape", "url"}
        assert re.fullmatch(r"/[a-z0-9_-]{1,31}", command["command"])
        assert 1 <= len(command["description"]) <= 2000
        assert 1 <= len(command["usage_hint"]) <= 1000
        assert command["should_escape"] is True


def test_shortcuts_keep_to_what_they_may_be(made: Json) -> None:
    shortcuts = made["features"]["shortcuts"]
    assert 1 <= len(shortcuts) <= 10
    for kind in ("global", "message"):
        assert sum(one["type"] == kind for one in shortcuts) <= 5
    for one in shortcuts:
        assert set(one) == {"name", "type", "callback_id", "description"}
        assert one["type"] in ("global", "message")
        assert 1 <= len(one["name"]) <= 24
        assert 1 <= len(one["callback_id"]) <= 255
        assert 1 <= len(one["description"]) <= 150
    assert len({one["callback_id"] for one in shortcuts}) == len(shortcuts)


def test_lists_keep_to_what_they_may_be(made: Json) -> None:
    scopes, events = (
        made["oauth_config"]["scopes"]["bot"],
        made["settings"]["event_subscriptions"]["bot_events"],
    )
    assert len(scopes) == len(set(scopes)) <= 255
    assert len(events) == len(set(events)) <= 100
    assert all(len(name) <= 50 for name in (*scopes, *events))
    assert len(made["oauth_config"].get("redirect_urls", [])) <= 1000


# -- all that there is


def test_every_command_of_the_catalogue_is_in_it(made: Json) -> None:
    names = [command["command"] for command in made["features"]["slash_commands"]]
    assert names == ["/threadreel", *(f"/{model.command}" for model in load())]
    for model, command in zip(load(), made["features"]["slash_commands"][1:], strict=True):
        assert command["description"].startswith(model.summary[:90])
        assert model.example.startswith(f"/{model.command} {command['usage_hint'][:40].rstrip('…')}")


def test_shortcuts_have_the_names_that_the_adapter_listens_for(made: Json) -> None:
    shortcuts = {one["callback_id"]: one["type"] for one in made["features"]["shortcuts"]}
    assert shortcuts == {CREATE: "global", USE: "message", **dict.fromkeys(USES, "message")}
    assert list(USES) == ["use:video", "use:edit", "use:cutout"]
    assert set(USES.values()) <= set(load().commands())


def test_every_scope_and_event_says_what_it_is_for(made: Json) -> None:
    assert made["oauth_config"]["scopes"]["bot"] == list(SCOPES)
    assert set(made["settings"]["event_subscriptions"]["bot_events"]) == set(EVENTS)
    assert all((*SCOPES.values(), *EVENTS.values()))
    docs = (ROOT / "docs" / "slack.md").read_text()
    for scope in SCOPES:
        assert f"| `{scope}` |" in docs, scope


def test_every_event_has_the_scope_that_it_needs(made: Json) -> None:
    needs = {"message.im": "im:history", "app_mention": "app_mentions:read"}
    assert {scope for event, scope in needs.items() if event in EVENTS} <= set(SCOPES)


def test_what_people_can_open_is_on(made: Json) -> None:
    home, settings = made["features"]["app_home"], made["settings"]
    assert home == {
        "home_tab_enabled": True,
        "messages_tab_enabled": True,
        "messages_tab_read_only_enabled": False,
    }
    assert settings["interactivity"]["is_enabled"] is True
    assert settings["org_deploy_enabled"] is True
    assert settings["token_rotation_enabled"] is False


# -- both modes


def test_socket_mode_needs_no_address() -> None:
    made = manifest(load(), mode="socket", public_url=None)
    assert made["settings"]["socket_mode_enabled"] is True
    assert "url" not in json.dumps([{**one, "usage_hint": ""} for one in made["features"]["slash_commands"]])
    assert set(made["settings"]["interactivity"]) == {"is_enabled"}
    assert set(made["settings"]["event_subscriptions"]) == {"bot_events"}
    assert "redirect_urls" not in made["oauth_config"]


def test_in_http_mode_everything_has_an_address() -> None:
    made = manifest(load(), mode="http", public_url=PUBLIC)
    settings = made["settings"]
    addresses = [command["url"] for command in made["features"]["slash_commands"]]
    addresses += [settings["interactivity"]["request_url"], settings["event_subscriptions"]["request_url"]]
    assert {urlsplit(one).path for one in addresses} == {"/slack/events"}
    assert settings["socket_mode_enabled"] is False
    with pytest.raises(ValueError, match="public address"):
        manifest(load(), mode="http", public_url=None)


def test_where_there_is_an_address_slack_leads_people_back_to_it() -> None:
    made = manifest(load(), mode="socket", public_url=PUBLIC)
    assert made["oauth_config"]["redirect_urls"] == [f"{PUBLIC}/slack/oauth_redirect"]


def test_rotation_is_switched_on_only_where_somebody_says_so() -> None:
    made = manifest(load(), mode="socket", public_url=None, rotation=True)
    assert made["settings"]["token_rotation_enabled"] is True


# -- as it is printed


def printed(folder: Path, text: str, *arguments: str) -> tuple[int, Any]:
    config = folder / "config.toml"
    config.write_text('[providers.sandbox]\nkind = "sandbox"\n' + text)
    result = CliRunner().invoke(app, ["slack", "manifest", "-c", str(config), *arguments])
    return result.exit_code, json.loads(result.stdout) if result.exit_code == 0 else result.stderr


def test_it_is_printed_for_what_is_configured(tmp_path: Path) -> None:
    code, made = printed(tmp_path, "")
    assert (code, made) == (0, manifest(load(), mode="socket", public_url=None))
    http = f'[http]\npublic_url = "{PUBLIC}"\n[slack]\nsigning_secret = "s"\n'
    assert printed(tmp_path, http) == (0, manifest(load(), mode="http", public_url=PUBLIC))
    socket = manifest(load(), mode="socket", public_url=PUBLIC, rotation=True)
    assert printed(tmp_path, http, "--mode", "socket", "--rotation") == (0, socket)


def test_what_cant_be_printed_is_told(tmp_path: Path) -> None:
    code, said = printed(tmp_path, "", "--mode", "http")
    assert code == 2
    assert "[http] public_url" in said
    assert printed(tmp_path, "", "--mode", "carrier-pigeon")[0] == 2
