"""In which workspaces the app is: what is deleted after it was taken out, and what isn't."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.rig import eventually
from tests.slack.rig import Mode, Rig, slack_rig

WEEK = 7 * 86_400


@pytest.fixture(params=["socket", "http"])
async def studio(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    mode: Mode = request.param
    async with slack_rig(tmp_path, mode) as rig:
        yield rig


async def leaving(studio: Rig) -> list[tuple[str, str]]:
    """What is deleted in a little more than a week."""
    return await studio.store.servers.to_delete(studio.server.clock() + WEEK + 60)


async def goes(studio: Rig) -> None:
    await studio.core.admin.left("slack", studio.team.id)
    assert await leaving(studio) == [("slack", studio.team.id)]


async def test_a_workspace_that_takes_it_out_is_deleted_after_a_week(studio: Rig) -> None:
    studio.server.uninstall(studio.server.app.installations[0])
    assert await eventually(lambda: leaving(studio), "it is noted") == [("slack", studio.team.id)]
    assert await studio.store.servers.to_delete(studio.server.clock() + WEEK - 60) == []


async def test_revoked_tokens_of_people_take_nothing_out(studio: Rig) -> None:
    installation = studio.server.app.installations[0]
    event = {"type": "tokens_revoked", "tokens": {"oauth": [studio.anna.id], "bot": []}}
    for told in studio.server.events.emit(installation, "tokens_revoked", event, team=studio.team):
        await told.settled.wait()
    await studio.anna.command("/threadreel", "help", channel=studio.general)
    assert await leaving(studio) == []


async def test_news_that_come_late_take_nothing_out(studio: Rig) -> None:
    for told in studio.server.events.uninstalled(studio.server.app.installations[0], studio.team):
        await told.settled.wait()
    await eventually(lambda: len(studio.server.calls("auth.test")) > 1, "the token is asked")
    assert await leaving(studio) == []


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_a_good_token_and_who_uses_it_again_keep_what_was_to_be_deleted(
    tmp_path: Path, mode: Mode
) -> None:
    async with slack_rig(tmp_path, mode, start=False) as studio:

        async def stays() -> bool:
            return await leaving(studio) == []

        await goes(studio)
        await studio.start()
        await eventually(stays, "the token is good")

        await goes(studio)
        await studio.anna.command("/threadreel", "help", channel=studio.general)
        await eventually(stays, "somebody uses it")
