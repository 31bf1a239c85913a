"""`threadreel doctor` and `threadreel discord invite`, asked of a played Discord."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import discord
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from adapters.__main__ import app
from adapters.discord import doctor, permissions, schema
from adapters.discord.rest import Rest
from adapters.findings import Finding, Level
from adapters.words.templates import words_of
from bot.catalogue import load
from bot.config import Access, DiscordSettings, Settings
from tests.discord_server import DiscordServer
from tests.discord_server.client import discord_py_at
from tests.discord_server.limits import P


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as server:
        with discord_py_at(server.api_base, server.gateway_url):
            yield server
        assert server.unplayed == []


def settings_for(server: DiscordServer, *servers: str, **more: Any) -> Settings:
    table = {
        "token": SecretStr(server.token),
        "api_base": server.api_base,
        "gateway_url": server.gateway_url,
    }
    return Settings(discord=DiscordSettings(**{**table, **more}), access=Access(servers=("web", *servers)))


async def looked_at(server: DiscordServer, *servers: str, **more: Any) -> list[Finding]:
    return await doctor.examine(settings_for(server, *servers, **more), load())


def about(findings: list[Finding], text: str) -> Finding:
    (found,) = [finding for finding in findings if text in finding.what]
    return found


def bad(findings: list[Finding]) -> list[str]:
    return [finding.what for finding in findings if finding.level is not Level.OK]


async def register(server: DiscordServer, *, in_server: int | None = None) -> None:
    every = schema.commands(load())
    async with contextlib.aclosing(Rest(server.token)) as rest:
        await rest.register(every if in_server is None else schema.for_one_server(every), in_server)


# -- token and application


async def test_nothing_is_said_of_a_discord_that_isnt_configured(server: DiscordServer) -> None:
    assert await looked_at(server, token=None) == []
    assert server.requests == []


async def test_all_is_well(server: DiscordServer) -> None:
    guild = server.guild("Foxes")
    await register(server)
    findings = await looked_at(server, f"discord:{guild.id}")
    assert bad(findings) == []
    assert str(server.world.application_id) in about(findings, "token is accepted").what
    assert "1000 of 1000 connections" in about(findings, "connections are left").what
    assert about(findings, "intent guilds").remedy == ""
    assert "are registered, as they should be" in about(findings, "commands are registered").what
    assert "every permission" in about(findings, "Foxes").what
    written = [request for request in server.requests if request.method != "GET"]
    assert [one.path for one in written if "commands" not in one.path] == [], "nothing is changed"
    assert len(written) == 1, "the test's own"


async def test_a_token_that_isnt_taken_is_told_and_not_shown(server: DiscordServer) -> None:
    (found,) = await looked_at(server, token=SecretStr("hush"))
    assert (found.level, found.what) == (Level.BAD, "discord: the token isn't accepted")
    assert "discord.token" in found.remedy
    assert "hush" not in repr(found)


async def test_a_discord_that_cant_be_reached_is_told(server: DiscordServer) -> None:
    (found,) = await looked_at(server, api_base="http://127.0.0.1:9/api/v10")
    assert found.level is Level.BAD
    assert "http://127.0.0.1:9/api/v10 can't be reached" in found.what
    assert "discord.api_base" in found.remedy


async def test_a_discord_that_breaks_off_in_the_middle_is_told(server: DiscordServer) -> None:
    server.faults.add("GET /users/@me/guilds", "drop_before", times=9)
    findings = await looked_at(server)
    assert about(findings, "could not be asked").level is Level.BAD
    assert about(findings, "token is accepted").level is Level.OK, "what was found before stays found"


@pytest.mark.parametrize(
    ("field", "value", "said", "remedy"),
    [
        ("interactions_endpoint_url", "https://else.example.org", "never arrive", "General Information"),
        ("bot_require_code_grant", True, "nobody can add the bot", "under Bot"),
    ],
)
async def test_what_is_set_wrong_in_the_portal_is_told(
    server: DiscordServer, field: str, value: object, said: str, remedy: str
) -> None:
    server.world.application[field] = value
    found = about(await looked_at(server), said)
    assert found.level is Level.BAD
    assert remedy in found.remedy


async def test_a_day_with_few_connections_left_is_bad(server: DiscordServer) -> None:
    server.gateway.remaining = 20
    found = about(await looked_at(server), "connections are left")
    assert (found.level, "20 of 1000" in found.what) == (Level.BAD, True)
    server.gateway.remaining = 21
    assert about(await looked_at(server), "connections are left").level is Level.OK
    shared = await looked_at(server, shard_ids=(0, 1), shard_count=4)
    assert "2 needed to start" in about(shared, "connections are left").what


# -- commands


async def test_commands_that_arent_registered_yet_will_be(server: DiscordServer) -> None:
    found = about(await looked_at(server), "at the next start")
    assert found.level is Level.OK
    assert f"{len(schema.commands(load()))} missing" in found.what


async def test_commands_that_differ_are_counted(server: DiscordServer) -> None:
    await register(server)
    (animate,) = [one for one in server.registry.all() if one["name"] == "animate"]
    server.registry.edit(None, int(animate["id"]), {"description": "Something else"})
    server.registry.upsert(None, {"type": 1, "name": "weather", "description": "Of another program"})
    assert "1 changed, 1 not ours of its commands" in about(await looked_at(server), "at the next start").what
    # What adults only may see makes some commands others.
    apart = about(await looked_at(server, adults="age_restricted"), "at the next start").what
    assert f"{sum(model.may_be_adult for model in load())} changed" in apart


async def test_a_test_server_is_looked_at_by_itself(server: DiscordServer) -> None:
    guild = server.guild("Workshop")
    found = about(await looked_at(server, test_server=guild.id), "at the next start")
    assert f"in the test server {guild.id}" in found.what
    await register(server, in_server=guild.id)
    done = about(await looked_at(server, test_server=guild.id), "commands are registered")
    assert f"in the test server {guild.id}, as they should be" in done.what


async def test_a_test_server_without_the_bot_is_bad(server: DiscordServer) -> None:
    guild = server.guild("Elsewhere", has_bot=False)
    found = about(await looked_at(server, test_server=guild.id), "not in the test server")
    assert found.level is Level.BAD
    assert "threadreel discord invite" in found.remedy


# -- servers


async def test_a_bot_without_a_server_is_shown_the_way(server: DiscordServer) -> None:
    found = about(await looked_at(server), "in no server yet")
    assert (found.level, "threadreel discord invite" in found.remedy) == (Level.WARN, True)


async def test_a_server_that_isnt_let_in_is_told_with_the_line_that_does(server: DiscordServer) -> None:
    foxes, owls = server.guild("Foxes"), server.guild("Owls")
    found = about(await looked_at(server, f"discord:{foxes.id}"), "may not use it")
    assert (found.level, "Owls" in found.what) == (Level.WARN, True)
    line = f'servers = ["web", "discord:{foxes.id}", "discord:{owls.id}"]'
    assert found.remedy.endswith(line)
    assert "may not use it" not in repr(await looked_at(server, "discord:*"))
    assert "may not use it" not in repr(await looked_at(server, "discord"))


@pytest.mark.parametrize(
    ("takes_away", "names"),
    [
        (P.ATTACH_FILES, "Attach Files"),
        (
            P.CREATE_PUBLIC_THREADS | P.SEND_MESSAGES_IN_THREADS,
            "Send Messages in Threads, Create Public Threads",
        ),
    ],
)
async def test_missing_permissions_are_named(server: DiscordServer, takes_away: P, names: str) -> None:
    guild = server.guild("Foxes")
    for role in guild.roles.values():
        role.permissions &= ~takes_away
    found = about(await looked_at(server, "discord"), "Foxes")
    assert (found.level, names in found.what) == (Level.WARN, True)
    assert "threadreel discord invite" in found.remedy


async def test_an_administrator_lacks_nothing(server: DiscordServer) -> None:
    guild = server.guild("Foxes")
    for role in guild.roles.values():
        role.permissions = P.ADMINISTRATOR
    assert about(await looked_at(server, "discord"), "Foxes").level is Level.OK


async def test_a_servers_name_cant_steer_the_terminal(server: DiscordServer) -> None:
    server.guild("Fo\x1b[2Jxes\nok   fine")
    found = about(await looked_at(server, "discord"), "Fo")
    assert "\x1b" not in found.what
    assert "\n" not in found.what


# -- the invitation


async def test_the_invitation_asks_for_exactly_what_is_needed(server: DiscordServer) -> None:
    link = await doctor.invitation(settings_for(server).discord)
    asked = parse_qs(urlsplit(link).query)
    assert link.startswith("https://discord.com/oauth2/authorize?")
    assert asked["client_id"] == [str(server.world.application_id)]
    assert asked["scope"] == ["bot applications.commands"]
    wanted = (
        P.VIEW_CHANNEL
        | P.SEND_MESSAGES
        | P.SEND_MESSAGES_IN_THREADS
        | P.CREATE_PUBLIC_THREADS
        | P.ATTACH_FILES
        | P.EMBED_LINKS
        | P.READ_MESSAGE_HISTORY
    )
    assert asked["permissions"] == [str(int(wanted))]


async def test_no_invitation_without_a_token_that_is_taken(server: DiscordServer) -> None:
    with pytest.raises(doctor.NotLoggedIn, match="token isn't accepted"):
        await doctor.invitation(settings_for(server, token=SecretStr("hush")).discord)


def test_without_a_token_the_command_says_what_to_do(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[providers.sandbox]\nkind = "sandbox"\n')
    done = CliRunner().invoke(app, ["discord", "invite", "-c", str(config)])
    assert (done.exit_code, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "discord.token" in done.stderr
    assert "docs/discord.md" in done.stderr


# -- permissions


def test_every_permission_is_one_of_discords_and_has_words() -> None:
    codes = {code for code in words_of("en").codes() if code.startswith("permission.")}
    assert {f"permission.{name}" for name in permissions.ALL} == codes
    assert permissions.everything().value == sum(
        discord.Permissions(**{name: True}).value for name in permissions.ALL
    )


def test_what_is_needed_to_post_is_asked_for_in_the_invitation() -> None:
    for in_thread in (False, True):
        assert set(permissions.needed(in_thread=in_thread)) <= set(permissions.ALL)
