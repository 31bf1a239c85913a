"""`threadreel doctor` on Slack: what is wrong is found, with what mends it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from adapters.__main__ import app
from adapters.findings import Finding, Level
from adapters.slack.checks import examine
from adapters.slack.manifest import SCOPES, manifest
from bot.catalogue import load
from bot.config import Access, Http, Settings, SlackSettings
from bot.ports import Action, Record
from bot.secrets import Vault, new_key
from bot.store import Store, peek
from tests.slack.install_rig import HOUR, install_rig
from tests.slack_server import SlackServer

PUBLIC = "https://studio.example.org"


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer(manifest(load(), mode="socket", public_url=None)) as server:
        server.team("Foxes")
        yield server


def settings(server: SlackServer, *, servers: tuple[str, ...] = ("slack:*",), **more: Any) -> Settings:
    tokens = {"bot_token": server.app.installations[0].token, "app_token": server.app_token}
    given = {name: value for name, value in {**tokens, **more}.items() if value is not None}
    public_url = given.pop("public_url", None)
    return Settings(
        slack=SlackSettings(api_base=server.api_base, **given),
        access=Access(servers=servers),
        http=Http(public_url=public_url),
    )


async def found(given: Settings, **more: Any) -> list[Finding]:
    return await examine(given, commands=13, **more)


def about(findings: list[Finding], text: str) -> Finding:
    (one,) = [finding for finding in findings if text in finding.what]
    return one


def worst(findings: list[Finding]) -> list[str]:
    return [finding.what for finding in findings if finding.level is not Level.OK]


async def test_a_sound_app_gets_nothing_but_ok(slack: SlackServer) -> None:
    findings = await found(settings(slack))
    assert worst(findings) == []
    team = slack.app.installations[0].team
    assert team is not None
    assert f"in Foxes ({team.id})" in about(findings, "bot_token is").what
    assert about(findings, "opens a socket").level is Level.OK
    assert "compare with `threadreel slack manifest`" in about(findings, "14 commands").what
    assert slack.unplayed == []


async def test_without_slack_there_is_nothing_to_look_at(slack: SlackServer) -> None:
    assert await found(Settings()) == []
    assert slack.requests == []


@pytest.mark.parametrize("token", ["xoxb-wrong", "revoked", "xapp"])
async def test_a_token_that_slack_doesnt_take_is_bad(slack: SlackServer, token: str) -> None:
    if token == "revoked":
        slack.revoke(slack.app.installations[0])
    value = {"xoxb-wrong": token, "revoked": None, "xapp": slack.app_token}[token]
    given = settings(slack, bot_token=value) if value else settings(slack)
    findings = await found(given)
    (bad,) = [finding for finding in findings if finding.level is Level.BAD]
    assert "bot_token" in bad.what or "accept the token" in bad.what
    assert "Bot User OAuth Token" in bad.remedy


async def test_scopes_that_are_missing_are_named_with_what_they_are_for(slack: SlackServer) -> None:
    installation = slack.app.installations[0]
    installation.tokens[-1].scopes = tuple(set(SCOPES) - {"files:write", "im:write"})
    finding = about(await found(settings(slack)), "lacks")
    assert finding.level is Level.WARN
    assert "files:write, for uploading results" in finding.what
    assert "im:write" in finding.what
    assert "threadreel slack manifest" in finding.remedy


async def test_an_app_token_that_opens_no_socket_is_bad(slack: SlackServer) -> None:
    for wrong in ("xapp-wrong", slack.app.installations[0].token):
        finding = about(await found(settings(slack, app_token=wrong)), "can't open a socket")
        assert finding.level is Level.BAD
        assert "connections:write" in finding.remedy


async def test_a_workspace_that_isnt_on_the_list_is_bad(slack: SlackServer) -> None:
    team = slack.app.installations[0].team
    assert team is not None
    finding = about(await found(settings(slack, servers=("web", "slack:T0"))), "may not use it")
    assert (finding.level, finding.remedy) == (Level.BAD, f'Add "slack:{team.id}" to [access] servers')
    assert worst(await found(settings(slack, servers=(f"slack:{team.id}",)))) == []


async def test_nothing_can_come_in_without_a_way(slack: SlackServer) -> None:
    findings = await found(settings(slack, app_token=None))
    assert about(findings, "neither app_token nor signing_secret").level is Level.BAD
    findings = await found(settings(slack, bot_token=None))
    assert about(findings, "neither bot_token nor client_id").level is Level.BAD
    findings = await found(settings(slack, app_token=None, signing_secret="s"))
    assert about(findings, "public_url is not set").level is Level.BAD
    findings = await found(settings(slack, app_token=None, signing_secret="s", public_url=PUBLIC))
    assert worst(findings) == []
    assert about(findings, "HTTP mode").level is Level.OK


async def test_in_http_mode_a_wrong_clock_is_told(slack: SlackServer) -> None:
    given = settings(slack, app_token=None, signing_secret="s", public_url=PUBLIC)
    assert about(await found(given), "clock agrees").level is Level.OK
    finding = about(await found(given, now=lambda: 1e9), "clock is off")
    assert finding.level is Level.BAD


async def test_a_slack_that_cant_be_reached_or_stumbles_is_told(slack: SlackServer) -> None:
    slack.faults.add("auth.test", "status_before", times=None)
    assert about(await found(settings(slack)), "could not tell").level is Level.WARN
    slack.faults.clear()
    slack.faults.add("*", "drop_before", times=None)
    findings = await found(settings(slack))
    assert [finding.level for finding in findings if "can't be reached" in finding.what] == [Level.BAD] * 2


async def test_no_token_is_told(slack: SlackServer) -> None:
    wrong = "xoxb-very-secret"
    findings = await found(settings(slack, bot_token=wrong, app_token=wrong))
    assert wrong not in repr(findings)


# -- many workspaces


async def test_each_workspace_is_looked_at(tmp_path: Path) -> None:
    async with install_rig(tmp_path, rotation=True) as rig:
        foxes, hares, wolves = [await rig.installed(name) for name in ("Foxes", "Hares", "Wolves")]
        rig.slack.uninstall(rig.slack.app.installations[1])
        given = settings(rig.slack, bot_token=None, client_id="1.1", client_secret="s", public_url=PUBLIC)
        findings = await found(given, installs=peek(rig.database), vault=rig.vault)
        assert about(findings, "installed in 3 workspaces").level is Level.OK
        assert about(findings, f"Foxes ({foxes.id}) has all scopes").level is Level.OK
        assert about(findings, hares.id).level is Level.BAD
        assert "/slack/install" in about(findings, hares.id).remedy
        rig.slack.clock.advance(13 * HOUR)
        findings = await found(given, installs=peek(rig.database), vault=rig.vault)
        assert "renewed when somebody needs it" in about(findings, wolves.id).what
        findings = await found(given, installs=peek(rig.database), vault=Vault([new_key()]))
        assert about(findings, f"{foxes.id}): its token can't be opened").level is Level.BAD
        few = given.model_copy(update={"access": Access(servers=(f"slack:{foxes.id}",))})
        findings = await found(few, installs=peek(rig.database), vault=rig.vault)
        assert about(findings, wolves.id).level is Level.WARN


async def test_what_many_workspaces_need_is_told(slack: SlackServer) -> None:
    given = settings(
        slack, client_id="1.1", client_secret="s", public_url="http://studio.example.org", servers=("web",)
    )
    findings = await found(given)
    assert about(findings, "https://").level is Level.BAD
    assert about(findings, "bot_token is not used").level is Level.WARN
    assert about(findings, "no workspace may use it").level is Level.BAD
    assert about(findings, "no workspace has installed it yet").level is Level.OK


def test_looking_makes_nothing(tmp_path: Path) -> None:
    assert peek(tmp_path / "threadreel.db") == []
    assert list(tmp_path.iterdir()) == []


# -- the command line


def configured(folder: Path, text: str) -> list[str]:
    config = folder / "config.toml"
    config.write_text(
        '[providers.sandbox]\nkind = "sandbox"\n'
        f'[store]\nurl = "sqlite:///{folder}/data/threadreel.db"\n'
        f'[media]\nfolder = "{folder}/data/media"\n{text}'
    )
    return ["-c", str(config)]


async def test_doctor_tells_of_slack(tmp_path: Path, slack: SlackServer) -> None:
    text = f'[slack]\nbot_token = "xoxb-wrong"\napi_base = "{slack.api_base}"\n'
    result = await asyncio.to_thread(CliRunner().invoke, app, ["doctor", *configured(tmp_path, text)])
    assert result.exit_code == 1
    assert "Slack doesn't accept the token: invalid_auth" in result.stdout
    assert "xoxb-wrong" not in result.stdout
    assert not (tmp_path / "data").exists(), "nothing is made"


def test_a_new_key_is_printed_and_is_one() -> None:
    result = CliRunner().invoke(app, ["secrets", "key"])
    assert Vault([result.stdout.strip()]).seal("x")


async def test_secrets_are_sealed_anew_by_command(tmp_path: Path) -> None:
    old, new = new_key(), new_key()
    url = f"sqlite:///{tmp_path}/data/threadreel.db"
    values: dict[str, Any] = {"parent": "", "details": {}, "expires_at": None, "now": 1.0}
    async with await Store.open(url) as store:
        await store.installs.put("slack", "T1", sealed=Vault([old]).seal("xoxb-1"), **values)
        record = Record(0, 0.0, "ada", "Ada", Action.KEY_SET, "provider box", None, None)
        own = Vault([old]).seal("r8_1")
        await store.keys.put("slack", "T1", "box", sealed=own, by="Ada", now=1.0, record=record)
    for keys, count in ([new, old], 2), ([new, old], 0), ([new], 0):
        arguments = configured(tmp_path, f"[secrets]\nkeys = {json.dumps(keys)}\n")
        result = await asyncio.to_thread(CliRunner().invoke, app, ["secrets", "rotate", *arguments])
        assert result.exit_code == 0, result.output
        assert result.stdout.startswith(f"{count} secrets sealed anew")
    (kept,) = peek(tmp_path / "data/threadreel.db")
    assert Vault([new]).open(kept.sealed or "") == "xoxb-1"
    async with await Store.open(url) as store:
        assert Vault([new]).open(await store.keys.sealed("slack", "T1", "box") or "") == "r8_1"
    arguments = configured(tmp_path, f"[secrets]\nkeys = {json.dumps([new_key()])}\n")
    result = await asyncio.to_thread(CliRunner().invoke, app, ["secrets", "rotate", *arguments])
    assert result.exit_code == 7
    assert "isn't there" in result.stderr
