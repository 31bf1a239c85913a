"""An installation with Slack in its settings, as `threadreel serve` runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from adapters.compose import installation
from adapters.serving import _listen, working
from bot.config import Access, Http, MediaSettings, ProviderSettings, Settings, SlackSettings, StoreSettings
from bot.sandbox.server import Sandbox, serve
from tests.rig import eventually, tiny
from tests.slack.rig import CATALOGUE, Mode, manifest_of
from tests.slack_server import SlackServer


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_an_installation_serves_slack(tmp_path: Path, mode: Mode) -> None:
    async with (
        SlackServer(manifest_of()) as server,
        serve(Sandbox(CATALOGUE, tiny, kind="replicate"), "127.0.0.1", 0) as sandbox,
    ):
        team = server.team("Foxes")
        anna = server.person("anna", team)
        general = team.channel("general", anna, bot=True)
        secret = SecretStr(server.app.signing_secret)
        app_token = SecretStr(server.app_token) if mode == "socket" else None
        settings = Settings(
            http=Http(port=0),
            access=Access(servers=(f"slack:{team.id}",)),
            store=StoreSettings(url=f"sqlite:///{tmp_path}/jobs.db"),
            media=MediaSettings(folder=tmp_path / "media"),
            providers={"box": ProviderSettings(kind="sandbox", base_url=sandbox, token=SecretStr("sandbox"))},
            slack=SlackSettings(
                bot_token=SecretStr(server.token),
                app_token=app_token,
                signing_secret=secret,
                api_base=server.api_base,
            ),
        )
        async with (
            installation(settings, needs_engine=True, serves=True) as running,
            await _listen(running, any_port=False) as site,
            working(running),
        ):
            if mode == "http":
                server.app.change_manifest(manifest_of(site.address))
            else:
                await server.connected(2)
            assert (await anna.command("/imagine", "a fox in snow", channel=general)).error is None
            await eventually(lambda: [one for one in server.messages(general) if one.files], "a result", 20)
            await eventually(lambda: "Ready" in server.messages(general)[0].text, "the card says so", 20)
        assert not server.unplayed
