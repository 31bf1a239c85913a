"""One app in many workspaces: installed on its page, organisations too, with tokens that are renewed."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp.test_utils import unused_port
from pydantic import SecretStr

from adapters.compose import installation
from adapters.serving import _listen, working
from adapters.slack.manifest import manifest
from bot.config import Access, Http, MediaSettings, ProviderSettings, Settings, SlackSettings, StoreSettings
from bot.sandbox.server import Sandbox, serve
from tests.rig import eventually, tiny
from tests.sampling import a_sample
from tests.slack.rig import CATALOGUE, Mode
from tests.slack_server import Person, SlackServer
from tests.slack_server.browser import install
from tests.slack_server.state import Channel, Enterprise


@dataclass
class Many:
    server: SlackServer
    public_url: str

    async def workspace(self, name: str, enterprise: Enterprise | None = None) -> tuple[Person, Channel]:
        """A workspace without the app, with a person who may install it."""
        team = self.server.team(name, installed=False, enterprise=enterprise)
        person = self.server.person(f"{name}-admin", team, is_admin=True, is_org_admin=enterprise is not None)
        return person, team.channel("general", person)

    async def install(self, person: Person, *, org_wide: bool = False) -> None:
        page = await install(
            self.server, person.user, f"{self.public_url}/slack/install", org_wide=org_wide, deny=False
        )
        assert page.status == 200, page.text

    async def makes(self, person: Person, channel: Channel) -> None:
        known = len(self.results(channel))
        reply = await person.command("/imagine", "a fox in snow", channel=channel)
        assert reply.error is None
        await self.has(channel, known + 1)

    async def presses_again(self, person: Person, channel: Channel) -> None:
        card = self.server.messages(channel)[0]
        await eventually(lambda: "Ready" in card.text, "the card says so")
        await person.press(card, "job.reseed")
        await self.has(channel, 2)

    async def has(self, channel: Channel, count: int) -> None:
        await eventually(lambda: len(self.results(channel)) == count, f"{count} results", 20)

    def results(self, channel: Channel) -> list[object]:
        return [one for one in self.server.messages(channel) if one.files]


@contextlib.asynccontextmanager
async def many(folder: Path, mode: Mode, *, rotation: bool = False) -> AsyncIterator[Many]:
    port = unused_port()
    public_url = f"http://127.0.0.1:{port}"
    async with (
        SlackServer(manifest(CATALOGUE, mode=mode, public_url=public_url, rotation=rotation)) as server,
        serve(Sandbox(CATALOGUE, tiny, kind="replicate"), "127.0.0.1", 0) as sandbox,
    ):
        is_socket = mode == "socket"
        settings = Settings(
            http=Http(port=port, public_url=public_url),
            access=Access(servers=("slack:*",)),
            store=StoreSettings(url=f"sqlite:///{folder}/jobs.db"),
            media=MediaSettings(folder=folder / "media"),
            providers={"box": ProviderSettings(kind="sandbox", base_url=sandbox, token=SecretStr("sandbox"))},
            slack=SlackSettings(
                client_id=server.app.client_id,
                client_secret=SecretStr(server.app.client_secret),
                app_token=SecretStr(server.app_token) if is_socket else None,
                signing_secret=None if is_socket else SecretStr(server.app.signing_secret),
                api_base=server.api_base,
            ),
        )
        async with (
            installation(settings, needs_engine=True, serves=True, now=server.clock) as running,
            await _listen(running, any_port=False),
            working(running),
        ):
            if is_socket:
                await server.connected(2)
            yield Many(server, public_url)
        assert not server.unplayed
        assert not server.duplicates()


@pytest.mark.parametrize("mode", a_sample(["socket", "http"], 2))
async def test_two_workspaces_have_the_app_and_each_its_own_results(tmp_path: Path, mode: Mode) -> None:
    async with many(tmp_path, mode) as slack:
        places = [await slack.workspace("foxes"), await slack.workspace("wolves")]
        for person, channel in places:
            await slack.install(person)
            await slack.makes(person, channel)
        first, second = (slack.server.messages(channel)[0] for _, channel in places)
        assert first.author is not second.author


@pytest.mark.parametrize("mode", a_sample(["socket", "http"], 2))
async def test_an_organisation_has_the_app_in_all_of_its_workspaces(tmp_path: Path, mode: Mode) -> None:
    async with many(tmp_path, mode) as slack:
        animals = slack.server.enterprise("Animals")
        places = [await slack.workspace(name, animals) for name in ("foxes", "wolves")]
        await slack.install(places[0][0], org_wide=True)
        for person, channel in places:
            await slack.makes(person, channel)
            await slack.presses_again(person, channel)
            await person.say(channel, f"<@{slack.server.app.installations[0].bot.id}> imagine a wolf")
            await slack.has(channel, 3)


async def test_a_token_that_has_ended_is_renewed_by_whoever_needs_it(tmp_path: Path) -> None:
    async with many(tmp_path, "socket", rotation=True) as slack:
        person, channel = await slack.workspace("foxes")
        await slack.install(person)
        await slack.makes(person, channel)
        slack.server.clock.advance(13 * 3600)
        await slack.makes(person, channel)


async def test_who_took_the_app_out_and_installs_it_again_is_served_again(tmp_path: Path) -> None:
    async with many(tmp_path, "socket") as slack:
        person, channel = await slack.workspace("foxes")
        await slack.install(person)
        await slack.makes(person, channel)
        await person.uninstall()
        await slack.install(person)
        await slack.makes(person, channel)
