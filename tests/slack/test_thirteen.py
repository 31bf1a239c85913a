"""Each of the thirteen by slash command, modal, shortcut and mention, in both modes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.catalogue import Model
from bot.jobs import State
from tests.rig import QUICK
from tests.slack.rig import CATALOGUE, FOX, Mode, Rig, picture, slack_rig
from tests.slack_server import Upload
from tests.slack_server.state import Channel

MASK = Upload("mask.png", picture("white"))


def words_for(model: Model) -> str:
    """What is typed for a model: its required texts."""
    texts = [entry for entry in model.inputs if entry.required and not entry.is_file]
    main = "person, dog" if model.command == "erase" else "a red fox" if model.main_input else ""
    return " ".join([main, *(f"{entry.alias}:a blue whale" for entry in texts if not entry.main)]).strip()


def files_for(model: Model) -> dict[str, Upload]:
    wanted = [entry for entry in model.inputs if entry.is_file and entry.required]
    return {entry.alias: MASK if entry.alias == "mask" else FOX for entry in wanted}


def fields_for(model: Model) -> dict[str, Any]:
    texts: dict[str, Any] = {
        entry.alias: "a red fox" for entry in model.inputs if entry.required and not entry.is_file
    }
    if model.command == "erase":
        texts["objects"] = ["person", "dog"]
    elif model.main_input:
        texts[model.main_input.alias] = "a red fox"
    return {**texts, **files_for(model)}


async def by_slash(studio: Rig, model: Model, channel: Channel) -> str | None:
    """Typed; where a file is missing the form opens, and takes it."""
    reply = await studio.anna.command(f"/{model.command}", words_for(model), channel=channel)
    assert reply.error is None
    if files := files_for(model):
        await reply.opened()
        assert (await studio.anna.submit_view(files)).errors == {}
        await told_that_it_is_on_its_way(studio)
    return None


async def by_modal(studio: Rig, model: Model, channel: Channel) -> str | None:
    await (await studio.anna.command(f"/{model.command}", channel=channel)).opened()
    reply = await studio.anna.submit_view(fields_for(model))
    assert (reply.error, reply.errors) == (None, {})
    if files_for(model):
        await told_that_it_is_on_its_way(studio)
    return None


async def by_shortcut(studio: Rig, model: Model, channel: Channel) -> str | None:
    """On a message with a picture, or, for what takes none, the one that is everywhere."""
    said = (await studio.anna.say(channel, "look", files=[FOX])).said
    assert said is not None
    takes = any(CATALOGUE.taking(kind).count(model) for kind in {k for e in model.inputs for k in e.accepts})
    if takes:
        view = await (await studio.anna.message_shortcut("use", said)).opened()
    else:
        view = await (await studio.anna.global_shortcut("create")).opened()
    await studio.anna.select(view, "form.choose", model.command)
    await studio.server.until(lambda: studio.anna.view.title == f"/{model.command}")
    given = {"image"} if takes else set()
    fields = {name: value for name, value in fields_for(model).items() if name not in given}
    fields |= {} if takes else {"where": channel.id}
    reply = await studio.anna.submit_view(fields)
    assert (reply.error, reply.errors) == (None, {})
    if takes or files_for(model):
        await told_that_it_is_on_its_way(studio)
    return said.ts if takes else None


async def by_mention(studio: Rig, model: Model, channel: Channel) -> str | None:
    text = f"@threadreel {model.command} {words_for(model)}"
    said = (await studio.anna.say(channel, text, files=files_for(model).values())).said
    assert said is not None
    return said.ts


async def told_that_it_is_on_its_way(studio: Rig) -> None:
    await studio.server.until(lambda: "on its way" in str(studio.anna.view.blocks))
    await studio.anna.close_view()


ENTRIES: list[Callable[[Rig, Model, Channel], Awaitable[str | None]]] = [
    by_slash,
    by_modal,
    by_shortcut,
    by_mention,
]


@pytest.mark.parametrize("mode", ["socket", "http"])
@pytest.mark.parametrize("enter", ENTRIES, ids=lambda entry: entry.__name__)
async def test_each_of_the_thirteen(
    tmp_path: Path, mode: Mode, enter: Callable[[Rig, Model, Channel], Awaitable[str | None]]
) -> None:
    async with slack_rig(tmp_path, mode, rules=replace(QUICK, workers=32)) as studio:
        channels = {
            model.command: studio.team.channel(model.command, studio.anna, bot=True) for model in CATALOGUE
        }
        threads = {model.command: await enter(studio, model, channels[model.command]) for model in CATALOGUE}
        await asyncio.gather(*(studio.result(channel) for channel in channels.values()))
        for command, channel in channels.items():
            card = await studio.card(channel)
            assert [one.thread_ts for one in studio.results(channel)] == [threads[command] or card.ts]
            assert card.thread_ts == threads[command]
            assert f"/{command} " in card.text or card.text.endswith(f"/{command}"), card.text
        await asyncio.gather(*(studio.ended(job) for job in await studio.jobs()))
        assert {job.model: job.state for job in await studio.jobs()} == {
            model.command: State.DONE for model in CATALOGUE
        }
        assert studio.is_tidy()
