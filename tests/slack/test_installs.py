"""Installing in many workspaces: the pages, what is kept, and how it is forgotten again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from slack_sdk.oauth.installation_store import Installation

from adapters.slack.installs import InstallationStore, StateStore
from adapters.slack.manifest import SCOPES
from adapters.slack.pages import allowed
from bot.errors import Gone, KeyMissing
from bot.ports import Action, Record
from bot.secrets import Vault, new_key
from tests.slack.install_rig import InstallRig, clients_of, install_rig
from tests.slack_server.browser import Page
from tests.slack_server.methods_auth import grant


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[InstallRig]:
    async with install_rig(tmp_path) as running:
        yield running


async def get(url: str, *, cookie: str = "", **headers: str) -> tuple[Page, aiohttp.ClientResponse]:
    if cookie:
        headers["Cookie"] = cookie
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.get(url, headers=headers, allow_redirects=False) as response,
    ):
        return Page(url, response.status, await response.text()), response


async def begin(rig: InstallRig) -> tuple[str, str]:
    """The state and the cookie that our page gives out."""
    page, response = await get(f"{rig.public_url}/slack/install")
    link = page.text.partition('class="button" href="')[2].partition('"')[0].replace("&amp;", "&")
    (state,) = parse_qs(urlsplit(link).query)["state"]
    morsel = next(iter(response.cookies.values()))
    return state, f"{morsel.key}={morsel.value}"


# -- the way in


async def test_a_workspace_installs_it_and_may_be_spoken_in(rig: InstallRig) -> None:
    team = rig.team("Foxes & Sons")
    page = await rig.install(rig.admin(team))
    assert page.status == 200
    assert "Threadreel is in Foxes &amp; Sons" in page.text
    assert set(page.scopes) == set(SCOPES)
    client = await rig.clients.of(team.id)
    assert (await client.auth_test())["team_id"] == team.id


async def test_what_is_kept_is_the_bots_and_the_file_tells_no_token(rig: InstallRig) -> None:
    team = await rig.installed()
    kept = await rig.kept(team.id)
    assert kept is not None
    installation = rig.slack.app.installations[0]
    assert kept.details["bot_user_id"] == installation.bot.id
    assert kept.details["bot_id"] == installation.bot.bot_id
    assert set(kept.details["bot_scopes"]) == set(SCOPES)
    on_disk = b"".join(path.read_bytes() for path in rig.database.parent.iterdir() if path.is_file())
    assert b"Foxes" in on_disk
    for secret in (installation.token, "xoxb", rig.slack.app.client_secret):
        assert secret.encode() not in on_disk
    assert installation.token not in repr(kept)
    assert installation.token not in repr(vars(rig.clients))


async def test_the_page_leads_to_slack_with_all_that_slack_must_know(rig: InstallRig) -> None:
    page, response = await get(f"{rig.public_url}/slack/install")
    link = page.text.partition('class="button" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert link.startswith(f"{rig.slack.authorize_url}?")
    query = parse_qs(urlsplit(link).query)
    assert query["redirect_uri"] == [f"{rig.public_url}/slack/oauth_redirect"]
    assert query["scope"] == [",".join(SCOPES)]
    assert "user_scope" not in query
    assert response.headers["Cache-Control"] == "no-store"
    cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie, "the address of this test is no https"


async def test_the_pages_need_nothing_that_their_policy_forbids(rig: InstallRig) -> None:
    page, response = await get(f"{rig.public_url}/slack/install")
    assert "script-src 'self'" in response.headers["Content-Security-Policy"]
    assert "<script" not in page.text
    assert "style=" not in page.text
    style, response = await get(f"{rig.public_url}/slack/pages.css")
    assert (style.status, response.content_type) == (200, "text/css")


async def test_installing_again_keeps_one_installation(rig: InstallRig) -> None:
    team = await rig.installed()
    assert (await rig.install(rig.admin(team, "ben"))).status == 200
    assert len(await rig.store.installs.all()) == 1
    await (await rig.clients.of(team.id)).auth_test()


async def test_workspaces_have_each_their_own(rig: InstallRig) -> None:
    foxes, hares = await rig.installed("Foxes"), await rig.installed("Hares")
    for team in (foxes, hares):
        assert (await (await rig.clients.of(team.id)).auth_test())["team_id"] == team.id


async def test_what_slack_did_not_grant_is_told(rig: InstallRig) -> None:
    team = rig.team()
    state, cookie = await begin(rig)
    redirect = f"{rig.public_url}/slack/oauth_redirect"
    scopes = [scope for scope in SCOPES if scope != "files:write"]
    code = grant(rig.slack.app, rig.admin(team).user, scopes, redirect, enterprise=None)
    page, _ = await get(f"{redirect}?code={code}&state={state}", cookie=cookie)
    assert page.status == 200
    assert "files:write" in page.text


# -- what leads nowhere


async def test_who_says_no_is_told_that_nothing_happened(rig: InstallRig) -> None:
    page = await rig.install(rig.admin(rig.team()), deny=True)
    assert "Nothing was installed" in page.text
    assert await rig.store.installs.all() == []


async def test_a_state_that_is_wrong_used_or_of_another_browser_installs_nothing(rig: InstallRig) -> None:
    state, cookie = await begin(rig)
    _, others = await begin(rig)
    redirect = f"{rig.public_url}/slack/oauth_redirect"
    tries = [
        (f"{redirect}?code=x&state={state}", ""),
        (f"{redirect}?code=x&state={state}", others),
        (f"{redirect}?code=x&state=other", "threadreel-slack-state=other"),
        (f"{redirect}?code=x&state=%C3%A9", "threadreel-slack-state=é"),
        (f"{redirect}?code=x", cookie),
        (redirect, ""),
    ]
    for url, sent in tries:
        page, _ = await get(url, cookie=sent)
        assert page.status == 400, url
        assert "can&#x27;t be used any more" in page.text
        assert 'href="/slack/install"' in page.text
    assert rig.slack.calls("oauth.v2.access") == []
    page, _ = await get(f"{redirect}?code=x&state={state}", cookie=cookie)
    assert len(rig.slack.calls("oauth.v2.access")) == 1, "the right one still leads to Slack"
    page, _ = await get(f"{redirect}?code=x&state={state}", cookie=cookie)
    assert page.status == 400
    assert len(rig.slack.calls("oauth.v2.access")) == 1, "once"


async def test_a_state_is_over_after_ten_minutes(rig: InstallRig) -> None:
    state, cookie = await begin(rig)
    rig.slack.clock.advance(601)
    url = f"{rig.public_url}/slack/oauth_redirect?code=x&state={state}"
    page, _ = await get(url, cookie=cookie)
    assert page.status == 400
    assert rig.slack.calls("oauth.v2.access") == []


async def test_states_are_kept_as_hashes(rig: InstallRig) -> None:
    state, _ = await begin(rig)
    on_disk = b"".join(path.read_bytes() for path in rig.database.parent.iterdir() if path.is_file())
    assert state.encode() not in on_disk


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("invalid_code", 400, "can&#x27;t be used any more"),
        ("bad_client_secret", 500, "Whoever runs Threadreel must compare"),
        ("fatal_error", 502, "It says: fatal_error."),
    ],
)
async def test_slacks_refusals_are_told_to_who_can_act(
    rig: InstallRig, code: str, status: int, said: str
) -> None:
    rig.slack.faults.add("oauth.v2.access", "error", code=code)
    page = await rig.install(rig.admin(rig.team()))
    assert page.status == status
    assert said in page.text
    assert await rig.store.installs.all() == []


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "status_before", "html", "not_json"])
async def test_a_slack_that_does_not_answer_installs_nothing_and_one_begins_again(
    rig: InstallRig, fault: str
) -> None:
    team = rig.team()
    rig.slack.faults.add("oauth.v2.access", fault)  # type: ignore[arg-type]
    page = await rig.install(rig.admin(team))
    assert page.status == 502
    assert "egin again" in page.text
    assert (await rig.install(rig.admin(team, "ben"))).status == 200


async def test_a_hiccup_after_the_grant_does_not_undo_it(rig: InstallRig) -> None:
    rig.slack.faults.add("auth.test", "status_before", times=1)
    team = await rig.installed()
    kept = await rig.kept(team.id)
    assert kept is not None
    assert kept.details["bot_id"] == rig.slack.app.installations[0].bot.bot_id


async def test_what_slack_says_cant_write_into_the_page(rig: InstallRig) -> None:
    state, cookie = await begin(rig)
    url = f"{rig.public_url}/slack/oauth_redirect?error=%3Cscript%3Ealert(1)%3C/script%3E&state={state}"
    page, _ = await get(url, cookie=cookie)
    assert "<script" not in page.text
    assert "&lt;script&gt;" in page.text


# -- who may


async def test_a_workspace_that_is_not_on_the_list_is_told_so_and_nothing_is_kept(tmp_path: Path) -> None:
    async with install_rig(tmp_path, servers=["web", "slack:T0000"]) as rig:
        team = rig.team("Wolves")
        page = await rig.install(rig.admin(team))
        assert page.status == 403
        assert "Wolves is not on the list" in page.text
        assert f"slack:{team.id}" in page.text
        assert await rig.store.installs.all() == []
        assert rig.slack.app.installations[0].removed, "its token was given back"


async def test_a_workspace_on_the_list_gets_in(tmp_path: Path) -> None:
    async with install_rig(tmp_path, servers=["slack"]) as rig:
        await rig.installed()
    assert allowed(["slack:T1"], "T1", None)
    assert allowed(["slack:T1"], "T1", "E1")
    assert not allowed(["slack:T1"], "T1", "E1", org_wide=True)
    assert allowed(["slack:E1"], None, "E1", org_wide=True)
    assert not allowed(["web", "discord:*"], "T1", None)


# -- organisations


async def test_an_organisation_installs_it_for_all_its_workspaces(rig: InstallRig) -> None:
    animals = rig.slack.enterprise()
    foxes, hares = rig.team("Foxes", enterprise=animals), rig.team("Hares", enterprise=animals)
    page = await rig.install(rig.admin(foxes, is_org_admin=True), org_wide=True)
    assert page.status == 200, page.text
    assert "Threadreel is in Animals" in page.text
    assert "admin of the organisation" in page.text
    for team in (foxes, hares):
        client = await rig.clients.of(team.id, animals.id)
        assert (await client.auth_test())["is_enterprise_install"] is True
    async with rig.more_clients() as others:
        await others.of(hares.id)  # whoever delivers knows the workspace only
        with pytest.raises(Gone):
            await others.of("T404")


async def test_a_workspaces_own_installation_comes_before_its_organisations(rig: InstallRig) -> None:
    animals = rig.slack.enterprise()
    foxes, hares = rig.team("Foxes", enterprise=animals), rig.team("Hares", enterprise=animals)
    await rig.install(rig.admin(foxes, is_org_admin=True), org_wide=True)
    await rig.clients.of(hares.id, animals.id)
    await rig.install(rig.admin(hares, "ben"))
    async with rig.more_clients() as others:
        found = await (await others.of(hares.id, animals.id)).auth_test()
        assert (found["team_id"], found["is_enterprise_install"]) == (hares.id, False)


# -- forgotten


async def test_who_uninstalls_it_is_forgotten(rig: InstallRig) -> None:
    team = await rig.installed()
    await rig.clients.of(team.id)
    rig.slack.uninstall(rig.slack.app.installations[0])
    assert await rig.clients.removed(team.id) == [team.id]
    assert await rig.kept(team.id) is None
    with pytest.raises(Gone):
        await rig.clients.of(team.id)
    assert (await rig.install(rig.admin(team, "ben"))).status == 200
    await (await rig.clients.of(team.id)).auth_test()


async def test_who_installs_it_anew_keeps_what_was_to_be_deleted(rig: InstallRig) -> None:
    team = await rig.installed()
    left = Record(0, rig.now, "", "", Action.LEFT, "server", None, None)
    await rig.store.servers.leaving("slack", team.id, rig.now + 60, left)
    assert await rig.store.servers.to_delete(rig.now + 120) == [("slack", team.id)]
    await rig.install(rig.admin(team, "ben"))
    assert await rig.store.servers.to_delete(rig.now + 120) == []


async def test_revoked_tokens_are_forgotten(rig: InstallRig) -> None:
    team = await rig.installed()
    rig.slack.revoke(rig.slack.app.installations[0])
    await rig.clients.removed(team.id)
    assert await rig.kept(team.id) is None


async def test_news_of_an_uninstall_that_come_late_forget_nothing(rig: InstallRig) -> None:
    team = await rig.installed()
    rig.slack.uninstall(rig.slack.app.installations[0])
    await rig.install(rig.admin(team, "ben"))
    assert await rig.clients.removed(team.id) == []
    await (await rig.clients.of(team.id)).auth_test()


async def test_where_slack_cant_be_asked_nothing_is_forgotten(rig: InstallRig) -> None:
    team = await rig.installed()
    rig.slack.faults.add("auth.test", "status_before", times=None)
    assert await rig.clients.removed(team.id) == []
    assert await rig.kept(team.id) is not None


async def test_an_organisation_that_leaves_takes_its_workspaces_along(rig: InstallRig) -> None:
    animals = rig.slack.enterprise()
    foxes = rig.team("Foxes", enterprise=animals)
    await rig.install(rig.admin(foxes, is_org_admin=True), org_wide=True)
    await rig.clients.of(foxes.id, animals.id)
    assert await rig.clients.removed(foxes.id, animals.id) == [foxes.id]
    await rig.clients.of(foxes.id)  # one workspace may have left; the organisation's token is still good
    rig.slack.uninstall(rig.slack.app.installations[0])
    assert await rig.clients.removed(None, animals.id) == [foxes.id]
    assert await rig.store.installs.all() == []


async def test_a_token_that_slack_refuses_is_looked_into(rig: InstallRig) -> None:
    team = await rig.installed()
    client = await rig.clients.of(team.id)
    await (await rig.clients.refused(team.id, client.token)).auth_test()
    rig.slack.uninstall(rig.slack.app.installations[0])
    await rig.clients.of(team.id)  # nobody has told us yet
    with pytest.raises(Gone):
        await rig.clients.refused(team.id, client.token)
    assert await rig.kept(team.id) is None


# -- keys


async def test_rotating_the_keys_seals_everything_anew(tmp_path: Path) -> None:
    old, new = new_key(), new_key()
    async with install_rig(tmp_path, keys=[old]) as rig:
        foxes, hares = await rig.installed("Foxes"), await rig.installed("Hares")
        assert await rig.store.installs.reseal(Vault([new, old]).seal_anew) == 2
        assert await rig.store.installs.reseal(Vault([new, old]).seal_anew) == 0
        async with clients_of(rig.slack, rig.store, Vault([new])) as clients:
            for team in (foxes, hares):
                assert (await (await clients.of(team.id)).auth_test())["team_id"] == team.id


async def test_without_its_key_an_installation_cant_be_used_and_says_which(rig: InstallRig) -> None:
    team = await rig.installed()
    stranger = InstallationStore(rig.store.installs, Vault([new_key()]), rig.slack.clock)
    with pytest.raises(KeyMissing, match="isn't there"):
        await stranger.async_find_bot(enterprise_id=None, team_id=team.id)


# -- as slack_sdk asks


async def test_the_store_speaks_slack_sdks_interface(rig: InstallRig) -> None:
    store = InstallationStore(rig.store.installs, rig.vault, rig.slack.clock)
    given = Installation(
        app_id="A1", team_id="T1", team_name="Foxes", bot_token="xoxb-1", bot_user_id="U1", bot_id="B1",
        bot_scopes="commands,chat:write", user_id="U2", user_token="xoxp-1", installed_at=rig.now,
    )  # fmt: skip
    await store.async_save(given)
    found = await store.async_find_installation(enterprise_id=None, team_id="T1", user_id="U9")
    assert found is not None
    assert (found.bot_token, found.bot_scopes, found.user_id) == ("xoxb-1", ["commands", "chat:write"], "U2")
    assert found.user_token is None, "people's own tokens are not kept"
    bot = await store.async_find_bot(enterprise_id=None, team_id="T1")
    assert bot is not None
    bot.bot_token = "xoxb-2"
    await store.async_save_bot(bot)
    await store.async_delete_installation(enterprise_id=None, team_id="T1", user_id="U2")
    again = await store.async_find_bot(enterprise_id=None, team_id="T1")
    assert again is not None
    assert again.bot_token == "xoxb-2"
    await store.async_delete_all(enterprise_id=None, team_id="T1")
    assert await store.async_find_bot(enterprise_id=None, team_id="T1") is None
    with pytest.raises(ValueError, match="no workspace"):
        await store.async_save(Installation(bot_token="x", user_id="U1"))


async def test_the_state_store_speaks_slack_sdks_interface(rig: InstallRig) -> None:
    states = StateStore(rig.store.installs, rig.slack.clock)
    state = await states.async_issue()
    assert await states.async_consume(state)
    assert not await states.async_consume(state)
