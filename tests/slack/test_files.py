"""Private files: the token goes to Slack alone, login pages are told from pictures, sizes are capped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.slack.calls import Calls
from adapters.slack.clients import Clients
from adapters.slack.files import PrivateFiles
from bot.jobs import State
from tests.rig import eventually
from tests.slack.rig import FOX, SCOPES, Rig, slack_rig
from tests.slack_server import Limits as SlackLimits
from tests.slack_server import Upload


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Rig]:
    async with slack_rig(tmp_path) as rig:
        yield rig


async def edited(studio: Rig, file: Upload = FOX) -> None:
    await studio.anna.say(studio.general, "@threadreel edit make it night", files=[file])


async def refused(studio: Rig) -> str:
    whispers = await eventually(lambda: studio.anna.ephemerals, "words about it")
    assert await studio.jobs() == []
    return str(whispers[-1].text)


@pytest.mark.parametrize(
    "limits",
    [SlackLimits(redirect_downloads=True), SlackLimits(file_stubs=True)],
    ids=["another host of Slack's", "Slack Connect tells no more than the id"],
)
async def test_files_come_in_by_detours(tmp_path: Path, limits: SlackLimits) -> None:
    async with slack_rig(tmp_path, slack_limits=limits) as studio:
        await edited(studio)
        job = await studio.ended()
        assert (job.state, job.inputs["input_image"]["name"]) == (State.DONE, "fox.png")


async def test_without_the_scope_there_is_no_picture_but_words(tmp_path: Path) -> None:
    scopes = tuple(scope for scope in SCOPES if scope != "files:read")
    async with slack_rig(tmp_path, scopes=scopes) as studio:
        await edited(studio)
        assert "not handed out" in await refused(studio)


async def test_a_login_page_is_no_picture(studio: Rig) -> None:
    studio.server.faults.add(on="download", fault="html", status=200)
    await edited(studio)
    assert "not handed out" in await refused(studio)


@pytest.mark.parametrize("fault", ["drop_before", "truncated", "status_before"])
async def test_a_download_that_breaks_off_is_told(studio: Rig, fault: str) -> None:
    studio.server.faults.add(on="download", fault=fault, times=None)  # type: ignore[arg-type]
    await edited(studio)
    assert "try again" in await refused(studio)


async def test_a_file_that_is_too_large_is_told(studio: Rig) -> None:
    await edited(studio, Upload("fox.png", bytes(60_000_000)))
    assert "too large" in await refused(studio)


@pytest.mark.parametrize(
    ("url", "is_slacks"),
    [
        ("https://files.slack.com/files-pri/T1-F1/fox.png", True),
        ("https://a.slack-edge.com/fox.png", True),
        ("https://slack-files.com/fox.png", True),
        ("https://files.slack-gov.com/fox.png", True),
        ("http://files.slack.com/fox.png", False),
        ("https://files.slack.com:8443/fox.png", False),
        ("https://files.slack.com.evil.example/fox.png", False),
        ("https://evilslack.com/fox.png", False),
        ("https://files.slack.com@evil.example/fox.png", False),
        ("https://127.0.0.1/fox.png", False),
        ("https://[bad/fox.png", False),
        ("", False),
    ],
)
def test_whose_host_it_is(url: str, is_slacks: bool) -> None:
    files = PrivateFiles(Calls(Clients("https://slack.com/api/", None), lambda: 0.0))
    assert files._is_slacks(url) is is_slacks
