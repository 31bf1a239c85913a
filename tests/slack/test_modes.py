"""Socket Mode and HTTP mode: connections that die, signatures, what is acknowledged whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest

from adapters.slack.listeners import bolt_app
from adapters.slack.sockets import Patience
from bot.core import Studio
from bot.jobs import State
from tests.rig import eventually
from tests.slack.rig import Mode, Rig, slack_rig
from tests.slack_server import SlackServer
from tests.slack_server.client import web_client_at
from tests.slack_server.delivery import signed

QUICK = Patience(look=0.05, connect=2.0, dead=0.2, close=0.5, ping=0.1)


@pytest.fixture
async def sockets(tmp_path: Path) -> AsyncIterator[Rig]:
    async with slack_rig(tmp_path, "socket", patience=QUICK) as rig:
        yield rig


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[Rig]:
    async with slack_rig(tmp_path, "http") as rig:
        yield rig


async def works(studio: Rig) -> None:
    known = len(studio.results())
    reply = await studio.anna.command("/imagine", "a fox", channel=studio.general)
    assert reply.error is None
    await eventually(lambda: len(studio.results()) == known + 1, "it is done", 20)


# -- Socket Mode


async def test_there_are_two_connections_and_either_is_enough(sockets: Rig) -> None:
    first, _ = await sockets.server.connected(2)
    sockets.server.sockets.cut(first)
    await works(sockets)
    await sockets.server.connected(2)


@pytest.mark.parametrize("reason", ["refresh_requested", "warning"])
async def test_a_connection_that_slack_exchanges_leaves_no_gap(sockets: Rig, reason: str) -> None:
    first, _ = await sockets.server.connected(2)
    await sockets.server.sockets.refresh(reason, first, grace=0.3)  # type: ignore[arg-type]
    for _ in range(3):
        await works(sockets)
    await sockets.server.until(lambda: first not in sockets.server.sockets.connections)
    await sockets.server.connected(2)


async def test_dead_connections_are_replaced(sockets: Rig) -> None:
    """Open, and dead: nothing comes from there any more."""
    dead = await sockets.server.connected(2)
    sockets.server.sockets.zombie()
    await sockets.server.until(
        lambda: len([one for one in sockets.server.sockets.live() if one not in dead]) == 2, 20
    )
    await sockets.server.until(lambda: not any(one.zombie for one in sockets.server.sockets.connections), 20)
    await works(sockets)


async def test_an_outage_at_the_start_is_waited_out(tmp_path: Path) -> None:
    async with slack_rig(tmp_path, "socket", patience=QUICK, start=False) as studio:
        rule = studio.server.faults.add(on="apps.connections.open", fault="status_before", times=None)
        starting = asyncio.create_task(studio.start())
        await studio.server.until(lambda: rule.hits > 3, 10)
        studio.server.faults.clear()
        await starting
        await works(studio)


async def test_a_duplicate_envelope_changes_nothing(sockets: Rig) -> None:
    await sockets.anna.command("/imagine", "a fox", channel=sockets.general, times=5)
    await sockets.ended()
    await sockets.anna.press(sockets.cards()[0], "job.again", times=5)
    await eventually(lambda: len(sockets.results()) == 2, "there is another")
    assert len(await sockets.jobs()) == 2


# -- HTTP mode


async def post(studio: Rig, body: str, headers: dict[str, str], kind: str = "x-www-form-urlencoded") -> int:
    assert studio.site is not None
    async with httpx.AsyncClient(trust_env=False) as client:
        url = f"{studio.site.address}/slack/events"
        typed = {"Content-Type": f"application/{kind}"}
        answer = await client.post(url, content=body.encode(), headers={**typed, **headers})
        return answer.status_code


def command(studio: Rig, text: str = "a fox") -> str:
    return urlencode(
        {
            "command": "/imagine",
            "text": text,
            "team_id": studio.team.id,
            "channel_id": studio.general.id,
            "user_id": studio.anna.id,
            "user_name": "anna",
            "trigger_id": "1.2.3",
        }
    )


async def test_only_what_slack_signed_is_heard(http: Rig) -> None:
    body, secret, now = command(http), http.server.app.signing_secret, http.server.clock()
    good = signed(secret, body, now)
    bad = [
        {},
        {"X-Slack-Request-Timestamp": "", "X-Slack-Signature": ""},
        {**good, "X-Slack-Signature": ""},
        {**good, "X-Slack-Signature": "v0=" + "0" * 64},
        {**good, "X-Slack-Signature": "v0=\u00fc"},
        {**good, "X-Slack-Request-Timestamp": "soon"},
        {**good, "X-Slack-Request-Timestamp": "9" * 5000},
        signed(secret, body, now - 301),
        signed(secret, body, now + 310),
        signed("another", body, now),
        signed(secret, body + "&x=1", now),
    ]
    for headers in bad:
        sent = {name: value.encode("latin-1").decode("latin-1") for name, value in headers.items()}
        with contextlib.suppress(UnicodeEncodeError):
            assert await post(http, body, sent) == 401, headers
    assert await http.jobs() == []
    assert await post(http, body, signed(secret, body, now - 290)) == 200
    await http.ended()


@pytest.mark.parametrize("text", ["a payload of foxes", "payload", "payload=1&command=/draw", "x&payload={"])
async def test_a_text_about_a_payload_is_a_text(http: Rig, text: str) -> None:
    assert (await http.anna.command("/imagine", text, channel=http.general)).error is None
    assert (await http.ended()).inputs["prompt"] == text


async def test_what_is_no_form_and_no_json_is_refused(http: Rig) -> None:
    secret, now = http.server.app.signing_secret, http.server.clock()
    for body, kind in [("{", "json"), ("[]", "json"), ("payload={", "x-www-form-urlencoded")]:
        assert await post(http, body, signed(secret, body, now), kind) == 400


async def test_slacks_checks_of_the_address_are_answered(http: Rig) -> None:
    assert await http.server.verify_url()
    assert await http.server.ssl_check("/imagine") == 200


async def test_events_are_acknowledged_at_once_and_retries_do_nothing_twice(http: Rig) -> None:
    said = await http.anna.say(http.general, "@threadreel imagine a fox", times=3)
    assert said.error is None
    await http.ended()
    assert len(await http.jobs()) == 1
    assert http.is_tidy()


# -- both


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_whatever_fails_afterwards_it_was_acknowledged_and_is_told(
    tmp_path: Path, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise RuntimeError("out of order")

    async with slack_rig(tmp_path, mode) as studio:
        monkeypatch.setattr(Studio, "submit", fails)
        reply = await studio.anna.command("/imagine", "a fox", channel=studio.general)
        assert reply.error is None
        await reply.answered()
        assert "didn't work just now" in reply.text


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_slacks_variables_in_the_environment_do_not_matter(
    tmp_path: Path, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """slack-bolt takes them for settings, and so would answer in another app's name."""
    for name in (
        "BOT_TOKEN",
        "SIGNING_SECRET",
        "CLIENT_ID",
        "CLIENT_SECRET",
        "APP_TOKEN",
        "VERIFICATION_TOKEN",
    ):
        monkeypatch.setenv(f"SLACK_{name}", "another")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    async with slack_rig(tmp_path, mode) as studio:
        await works(studio)
    assert not (tmp_path / "home").exists()


async def test_a_bare_app_asks_nobody_before_it_acknowledges() -> None:
    async with SlackServer() as server:
        server.team()
        app = bolt_app(web_client_at(server))
        assert app._token is None or app._async_authorize is not None
        assert server.requests == []


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_being_taken_out_is_acknowledged(tmp_path: Path, mode: Mode) -> None:
    async with slack_rig(tmp_path, mode) as studio:
        owner = studio.server.person("root", studio.team, is_owner=True)
        assert (await owner.uninstall()).error is None


async def test_what_was_begun_comes_to_its_end_before_it_stops(tmp_path: Path) -> None:
    async with slack_rig(tmp_path) as studio:
        rule = studio.server.faults.add(on="users.info", fault="slow_after", delay=0.5)
        await studio.anna.command("/imagine", "a fox", channel=studio.general)
        await studio.server.until(lambda: rule.hits)
        await studio.slack.__aexit__(None, None, None)
        assert len(await studio.jobs()) == 1
        await studio.restart()
        assert (await studio.ended()).state is State.DONE
