"""Tokens that end are renewed by whoever needs them: in time, once, and stored before anybody uses them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from slack_bolt.async_app import AsyncApp
from slack_bolt.context.async_context import AsyncBoltContext
from sqlalchemy.exc import OperationalError

from adapters.slack.tokens import Authorize, ManyClients, clients_for, with_team
from bot.config import SlackSettings
from bot.errors import Busy, Gone
from bot.secrets import Vault
from tests.slack.install_rig import HOUR, InstallRig, install_rig
from tests.slack_server.apps import Installation
from tests.slack_server.client import socket_mode
from tests.slack_server.state import Team


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[InstallRig]:
    async with install_rig(tmp_path, rotation=True) as running:
        yield running


def installation(rig: InstallRig) -> Installation:
    return rig.slack.app.installations[0]


def renewals(rig: InstallRig) -> int:
    return sum(one.args.get("grant_type") == "refresh_token" for one in rig.slack.calls("oauth.v2.access"))


async def works(rig: InstallRig, team: Team) -> None:
    assert (await (await rig.clients.of(team.id)).auth_test())["team_id"] == team.id


# -- in time


async def test_a_token_is_left_alone_until_two_hours_before_its_end(rig: InstallRig) -> None:
    team = await rig.installed()
    rig.slack.clock.advance(9.9 * HOUR)
    await works(rig, team)
    assert renewals(rig) == 0
    rig.slack.clock.advance(0.2 * HOUR)
    await works(rig, team)
    assert renewals(rig) == 1
    assert (await rig.clients.of(team.id)).token == installation(rig).token


async def test_a_worker_at_night_renews_what_ended_days_ago(rig: InstallRig) -> None:
    team = await rig.installed()
    for _ in range(3):
        rig.slack.clock.advance(72 * HOUR)
        async with rig.more_clients() as worker:
            await (await worker.of(team.id)).auth_test()
    assert renewals(rig) == 3


async def test_the_new_tokens_are_stored_sealed(rig: InstallRig) -> None:
    team = await rig.installed()
    first = installation(rig).token
    rig.slack.clock.advance(11 * HOUR)
    await works(rig, team)
    kept = await rig.kept(team.id)
    assert kept is not None
    assert kept.expires_at == pytest.approx(rig.now + 12 * HOUR, abs=60)
    assert kept.revision == 2
    on_disk = b"".join(path.read_bytes() for path in rig.database.parent.iterdir() if path.is_file())
    for secret in (first, installation(rig).token, *installation(rig).refresh_tokens):
        assert secret.encode() not in on_disk


async def test_an_organisations_token_is_renewed_for_all_its_workspaces(rig: InstallRig) -> None:
    animals = rig.slack.enterprise()
    foxes, hares = rig.team("Foxes", enterprise=animals), rig.team("Hares", enterprise=animals)
    assert (await rig.install(rig.admin(foxes, is_org_admin=True), org_wide=True)).status == 200
    rig.slack.clock.advance(13 * HOUR)
    await asyncio.gather(*(rig.clients.of(team.id, animals.id) for team in (foxes, hares)))
    assert renewals(rig) == 1


# -- once


async def test_many_who_need_it_at_once_renew_it_once(rig: InstallRig) -> None:
    team = await rig.installed()
    rig.slack.clock.advance(13 * HOUR)
    clients = await asyncio.gather(*(rig.clients.of(team.id) for _ in range(50)))
    assert {client.token for client in clients} == {installation(rig).token}
    assert renewals(rig) == 1


async def test_many_processes_renew_it_once(rig: InstallRig) -> None:
    team = await rig.installed()
    rig.slack.clock.advance(13 * HOUR)
    rig.slack.faults.add("oauth.v2.access", "slow_after", delay=0.05)
    async with rig.more_clients() as second, rig.more_clients() as third:
        everybody = (rig.clients, second, third)
        clients = await asyncio.gather(*(one.of(team.id) for one in everybody))
    assert {client.token for client in clients} == {installation(rig).token}
    assert renewals(rig) == 1


async def test_while_another_process_renews_the_present_token_is_used(rig: InstallRig) -> None:
    team = await rig.installed()
    rig.slack.clock.advance(11 * HOUR)
    kept = await rig.kept(team.id)
    assert kept is not None
    assert await rig.store.installs.hold(kept, rig.now + 60, rig.now)
    await works(rig, team)
    assert renewals(rig) == 0
    rig.slack.clock.advance(61)
    await works(rig, team)
    assert renewals(rig) == 1, "whoever held it is gone"


async def test_where_another_process_takes_too_long_one_comes_back_later(rig: InstallRig) -> None:
    team = await rig.installed()
    rig.slack.clock.advance(13 * HOUR)
    kept = await rig.kept(team.id)
    assert kept is not None
    assert await rig.store.installs.hold(kept, rig.now + 60, rig.now)
    with pytest.raises(Busy):
        await rig.clients.of(team.id)


# -- what goes wrong


@pytest.mark.parametrize("fault", ["drop_before", "close_before", "status_before", "html", "rate_limit"])
async def test_a_slack_that_stumbles_is_asked_again(rig: InstallRig, fault: Any) -> None:
    team = await rig.installed()
    rig.slack.clock.advance(13 * HOUR)
    rig.slack.faults.add("oauth.v2.access", fault)
    await works(rig, team)


@pytest.mark.parametrize("fault", ["drop_after", "status_after", "not_json", "truncated"])
async def test_an_answer_that_is_lost_is_got_again_within_slacks_grace(rig: InstallRig, fault: Any) -> None:
    team = await rig.installed()
    rig.slack.clock.advance(13 * HOUR)
    (refresh,) = installation(rig).refresh_tokens
    rig.slack.faults.add("oauth.v2.access", fault)

    async def grace() -> None:
        """Slack lets a refresh token be used once more for a short while; this Slack doesn't by itself."""
        await rig.slack.until(lambda: not installation(rig).refresh_tokens[refresh])
        installation(rig).refresh_tokens[refresh] = True

    await asyncio.gather(works(rig, team), grace())
    assert renewals(rig) == 2


async def test_an_answer_that_is_lost_for_good_costs_nothing_until_the_present_token_ends(
    rig: InstallRig,
) -> None:
    team = await rig.installed()
    rig.slack.clock.advance(11 * HOUR)
    rig.slack.faults.add("oauth.v2.access", "status_after")
    await works(rig, team)
    assert renewals(rig) == 2, "the second was told that the refresh token is spent"
    rig.slack.clock.advance(300)
    await works(rig, team)
    assert renewals(rig) == 2, "and nobody keeps asking"
    rig.slack.clock.advance(HOUR)
    with pytest.raises(Gone, match="anew"):
        await rig.clients.of(team.id)
    assert (await rig.install(rig.admin(team, "ben"))).status == 200
    await works(rig, team)


async def test_a_slack_that_is_down_makes_those_wait_whose_token_has_ended(rig: InstallRig) -> None:
    team = await rig.installed()
    rule = rig.slack.faults.add("oauth.v2.access", "status_before", times=None)
    rig.slack.clock.advance(11 * HOUR)
    await works(rig, team)
    rig.slack.clock.advance(2 * HOUR)
    with pytest.raises(Busy) as caught:
        await rig.clients.of(team.id)
    assert caught.value.retry_after
    rule.times = 0
    await works(rig, team)


async def test_whoever_is_cancelled_leaves_no_answer_behind(rig: InstallRig) -> None:
    team = await rig.installed()
    rig.slack.clock.advance(13 * HOUR)
    rig.slack.faults.add("oauth.v2.access", "slow_after", delay=0.1)
    asking = asyncio.create_task(rig.clients.of(team.id))
    await rig.slack.until(lambda: renewals(rig) == 1)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await works(rig, team)
    assert renewals(rig) == 1


async def test_whoever_leaves_stores_the_answer_first(rig: InstallRig) -> None:
    team = await rig.installed()
    rig.slack.clock.advance(13 * HOUR)
    rig.slack.faults.add("oauth.v2.access", "slow_after", delay=0.1)
    async with rig.more_clients() as leaving:
        asking = asyncio.create_task(leaving.of(team.id))
        await rig.slack.until(lambda: renewals(rig) == 1)
        asking.cancel()
    await works(rig, team)
    assert renewals(rig) == 1


async def test_a_database_that_stumbles_is_asked_again(
    rig: InstallRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = await rig.installed()
    rig.slack.clock.advance(13 * HOUR)
    renew, failures = rig.store.installs.renew, [OperationalError("UPDATE", {}, Exception("locked"))] * 2

    async def stumbling(*given: Any, **more: Any) -> Any:
        if failures:
            raise failures.pop()
        return await renew(*given, **more)

    monkeypatch.setattr(rig.store.installs, "renew", stumbling)
    await works(rig, team)
    assert renewals(rig) == 1


async def test_a_crash_before_the_answer_is_stored_leaves_the_present_token_until_it_ends(
    rig: InstallRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    team = await rig.installed()
    rig.slack.clock.advance(11 * HOUR)

    async def full(*given: Any, **more: Any) -> Any:
        raise OperationalError("UPDATE", {}, Exception("disk full"))

    with monkeypatch.context() as broken:
        broken.setattr(rig.store.installs, "renew", full)
        await works(rig, team)
    async with rig.more_clients() as restarted:
        await (await restarted.of(team.id)).auth_test()
        rig.slack.clock.advance(61)  # whoever held it is gone
        await (await restarted.of(team.id)).auth_test()
        rig.slack.clock.advance(HOUR)
        with pytest.raises(Gone, match="anew"):
            await restarted.of(team.id)


async def test_installing_anew_meanwhile_wins(rig: InstallRig) -> None:
    team = await rig.installed()
    rig.slack.clock.advance(13 * HOUR)
    rig.slack.faults.add("oauth.v2.access", "slow_after", delay=0.3)
    asking = asyncio.create_task(rig.clients.of(team.id))
    await rig.slack.until(lambda: renewals(rig) == 1)
    assert (await rig.install(rig.admin(team, "ben"))).status == 200
    newest = installation(rig).token
    assert (await asking).token == newest
    kept = await rig.kept(team.id)
    assert kept is not None
    assert kept.revision == 2


async def test_an_uninstall_meanwhile_wins(rig: InstallRig) -> None:
    team = await rig.installed()
    rig.slack.clock.advance(13 * HOUR)
    rig.slack.faults.add("oauth.v2.access", "slow_after", delay=0.2)
    asking = asyncio.create_task(rig.clients.of(team.id))
    await rig.slack.until(lambda: renewals(rig) == 1)
    await rig.store.installs.remove("slack", team.id)
    with pytest.raises(Gone):
        await asking
    assert await rig.kept(team.id) is None


async def test_a_token_that_another_process_has_replaced_is_replaced_here(rig: InstallRig) -> None:
    team = await rig.installed()
    old = await rig.clients.of(team.id)
    rig.slack.clock.advance(13 * HOUR)
    async with rig.more_clients() as other:
        fresh = await other.of(team.id)
    assert (await rig.clients.refused(team.id, old.token)).token == fresh.token
    assert renewals(rig) == 1


async def test_no_token_gets_into_the_logs(rig: InstallRig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    team = await rig.installed()
    rig.slack.clock.advance(11 * HOUR)
    await works(rig, team)
    rig.slack.clock.advance(11 * HOUR)
    rig.slack.faults.add("oauth.v2.access", "not_json")
    await works(rig, team)
    assert renewals(rig) == 3
    secrets = [*(token.value for token in installation(rig).tokens), *installation(rig).refresh_tokens]
    secrets.append(rig.slack.app.client_secret)
    assert not [secret for secret in secrets if secret in caplog.text]


# -- as bolt asks


def bolt(rig: InstallRig) -> AsyncApp:
    return AsyncApp(
        client=rig.clients.client(),
        signing_secret=rig.slack.app.signing_secret,
        authorize=Authorize(rig.clients),  # type: ignore[arg-type]  # bolt's own may return None as well
        before_authorize=with_team,
    )


async def test_bolt_is_told_whose_token_to_use_and_asks_slack_nothing(rig: InstallRig) -> None:
    foxes, hares = await rig.installed("Foxes"), await rig.installed("Hares")
    before = len(rig.slack.calls("auth.test"))
    app, seen = bolt(rig), []

    @app.event("app_home_opened")
    async def opened(context: Any, client: Any) -> None:
        seen.append((context.team_id, client.token, context.bot_user_id))

    async with socket_mode(rig.slack, app):
        for team in (foxes, hares):
            await rig.slack.person(f"cat-{team.name}", team).open_home()
        await rig.slack.until(lambda: len(seen) == 2)
    assert seen == [
        (installation.team.id, installation.token, installation.bot.id)
        for installation in rig.slack.app.installations
        if installation.team
    ]
    assert len(rig.slack.calls("auth.test")) == before


async def test_people_dont_wait_for_a_token_that_is_still_good(rig: InstallRig) -> None:
    team = await rig.installed()
    old = installation(rig).token
    rig.slack.clock.advance(11 * HOUR)
    rig.slack.faults.add("oauth.v2.access", "slow_before", delay=0.2)
    result = await rig.clients.authorize(team.id, None)
    assert result is not None
    assert result.bot_token == old
    await rig.slack.until(lambda: installation(rig).token != old)
    await works(rig, team)
    assert renewals(rig) == 1


async def test_an_organisations_events_name_their_workspace(rig: InstallRig) -> None:
    animals = rig.slack.enterprise()
    foxes = rig.team("Foxes", enterprise=animals)
    assert (await rig.install(rig.admin(foxes, is_org_admin=True), org_wide=True)).status == 200
    app, seen = bolt(rig), []

    @app.event("app_home_opened")
    async def opened(context: Any, client: Any) -> None:
        seen.append((context.team_id, client.token))

    async with socket_mode(rig.slack, app):
        await rig.slack.person("cat", foxes).open_home()
        await rig.slack.until(lambda: seen)
    assert seen == [(foxes.id, installation(rig).token)]
    async with rig.more_clients() as worker:
        await worker.of(foxes.id)


async def test_where_it_isnt_installed_bolt_says_so(rig: InstallRig) -> None:
    team = rig.team()
    authorize, context = Authorize(rig.clients), AsyncBoltContext()
    assert await authorize(context=context, enterprise_id=None, team_id=team.id, user_id="U1") is None


async def test_what_is_configured_decides_whether_there_is_one_workspace_or_many(rig: InstallRig) -> None:
    def nobody() -> Vault:
        raise AssertionError("one workspace needs no vault")

    one = SlackSettings(bot_token=SecretStr("xoxb-1"), api_base=rig.slack.api_base)
    clients = clients_for(one, rig.store.installs, nobody, rig.slack.clock)
    assert not isinstance(clients, ManyClients)
    async with clients:
        assert (await clients.of("T1")).token == "xoxb-1"
    many = SlackSettings(client_id="1.1", client_secret=SecretStr("s"), api_base=rig.slack.api_base)
    clients = clients_for(many, rig.store.installs, lambda: rig.vault, rig.slack.clock)
    team = await rig.installed()
    async with clients:
        assert (await clients.of(team.id)).token == installation(rig).token
