"""The real demo: each of the thirteen commands through the page, and through `threadreel ask`."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from rich.console import Console

from adapters.compose import demo_settings, installation
from adapters.terminal import Exit, Screen, ask
from bot.jobs import Actor
from tests.rig import eventually
from tests.test_thirteen import MAKES, TYPED, picture, play

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.timeout(180)


@contextlib.asynccontextmanager
async def demo(folder: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A running demo, and somebody who has opened its link."""
    command = [sys.executable, "-m", "adapters", "demo", "--no-open", "--port", "0", "--data", str(folder)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        found = None
        while found is None:
            line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode()
            found = re.search(r"(http://\S+)/login\?code=(\S+)", line)
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(found[1], cookie_jar=jar) as session:
            async with session.post("/login", data={"code": found[2]}) as answer:
                assert answer.status == 200
            yield session
    finally:
        process.terminate()
        await process.communicate()


@pytest.mark.long
async def test_each_of_the_thirteen_through_the_page_and_through_ask(tmp_path: Path) -> None:
    async with demo(tmp_path / "data") as session:
        await asyncio.gather(*(_through_the_page(session, command, tmp_path) for command in TYPED))
        settings = demo_settings(tmp_path / "data")
        async with installation(settings, needs_engine=False, works=False) as here:
            for command in TYPED:
                await _through_ask(here.core, command, tmp_path)


async def _through_the_page(session: aiohttp.ClientSession, command: str, folder: Path) -> None:
    files = [await _uploaded(session, name) for name in _names(command)]
    body = {"channel": "studio", "key": f"by-hand-{command:-<12}", "text": TYPED[command], "files": files}
    async with session.post("/api/messages", json=body) as answer:
        sent = await answer.json()
        assert answer.status in (200, 201), f"/{command}: {sent}"
    card = sent["message"]["id"]
    result = await eventually(lambda: _result(session, card), f"/{command} in its thread", 120)
    media = result["body"]["media"]
    assert [one["kind"] for one in media] == MAKES.get(command, ["image"]), command
    for one in media:
        async with session.get(f"/media/{one['digest']}/{one['name']}") as answer:
            path = folder / f"page-{one['name']}"
            path.write_bytes(await answer.read())
            assert answer.status == 200
        play(path, one["kind"])


async def _result(session: aiohttp.ClientSession, card: int) -> dict[str, Any] | None:
    async with session.get(f"/api/channels/studio/messages?thread={card}") as answer:
        messages = (await answer.json())["messages"]
    return next((message for message in messages if message["kind"] == "result"), None)


async def _uploaded(session: aiohttp.ClientSession, name: str) -> Any:
    async with session.post(f"/api/files?name={name}", data=picture(name)) as answer:
        assert answer.status == 201
        kept = await answer.json()
        return {"digest": kept["digest"], "name": kept["name"]}


async def _through_ask(core: Any, command: str, folder: Path) -> None:
    line = TYPED[command]
    for name in _names(command):
        (folder / name).write_bytes(picture(name))
        line = line.replace(name, str(folder / name))
    saved = folder / f"ask-{command}"
    saved.mkdir()
    quiet = Screen(Console(file=io.StringIO()), Console(file=io.StringIO()))
    me = Actor("terminal", "me", "me", "here")
    code = await ask(core, line, actor=me, key=f"terminal:{command}", screen=quiet, out=saved)
    assert code is Exit.DELIVERED, command
    assert len(list(saved.iterdir())) == len(MAKES.get(command, ["image"])), command
    for path in saved.iterdir():
        play(path, {".wav": "audio", ".mp4": "video"}.get(path.suffix, "image"))


def _names(command: str) -> list[str]:
    return re.findall(r"\w+\.png", TYPED[command])


@pytest.mark.long
async def test_the_command_line_alone_makes_saves_and_says_how_it_went(tmp_path: Path) -> None:
    for name in _names("inpaint"):
        (tmp_path / name).write_bytes(picture(name))
    code = await _typed(tmp_path, "ask", TYPED["inpaint"], "--out", "cat.png")
    assert code == Exit.DELIVERED
    play(tmp_path / "cat.png", "image")
    assert await _typed(tmp_path, "ask", "/inpaint a cat steps:none") == Exit.MISTAKES


async def _typed(folder: Path, *arguments: str) -> int:
    """`threadreel …` in a folder of its own, without settings from outside."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("THREADREEL_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "adapters", *arguments, cwd=folder, env={**environment, "PYTHONPATH": str(ROOT)}
    )
    return await asyncio.wait_for(process.wait(), 90)
