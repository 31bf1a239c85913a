"""Forms: made from the schema, filled with what was understood, each mistake at its own field."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from adapters.slack import forms
from adapters.slack.forms import Attachment, Form
from bot import grammar
from bot.catalogue import Model, check
from bot.errors import BadOrder
from bot.jobs import FileRef
from tests.rig import eventually
from tests.slack.rig import CATALOGUE, FOX, Mode, Rig, picture, slack_rig
from tests.slack_server import Upload
from tests.slack_server.blockkit import check_view
from tests.slack_server.forms import fields_of, state_values

PLACE = "slack:T1/C1"


def checked(view: Any) -> Any:
    """The view as Slack takes it."""
    numbers = itertools.count()
    return check_view(view, kind="modal", image_known=lambda _: True, new_id=lambda: f"new{next(numbers)}")


def payload(view: Any) -> Any:
    """The view as a submission has it, with nothing changed."""
    stands = checked(view)
    return {
        **stands,
        "id": "V1",
        "hash": "h",
        "state": {"values": state_values(fields_of(stands["blocks"]), {})},
    }


def a_file(name: str) -> FileRef:
    return FileRef("ab" * 32, name)


@pytest.mark.parametrize("more", [False, True])
@pytest.mark.parametrize("model", list(CATALOGUE), ids=lambda model: model.command)
def test_every_models_form_is_one_that_slack_takes(model: Model, more: bool) -> None:
    view = checked(forms.form(Form(model, PLACE, more=more), "en"))
    shown = {field.label for field in fields_of(view["blocks"])}
    assert shown == {entry.alias for entry in model.inputs if more or not entry.advanced}
    checked(forms.chooser(CATALOGUE, "en"))


@pytest.mark.parametrize("model", list(CATALOGUE), ids=lambda model: model.command)
def test_an_untouched_form_gives_back_what_it_was_filled_with(model: Model) -> None:
    files = [entry for entry in model.inputs if entry.is_file and entry.required]
    typed = grammar.parse(model.example.partition(" image:")[0], CATALOGUE)
    given = {entry.alias: [Attachment(digest="ab" * 32, name=f"{entry.alias}.png")] for entry in files}
    options = tuple(option for option in typed.options if not (model.input(option[0]) or files[0]).is_file)
    for form in (Form(model, PLACE, options, given), Form(model, PLACE, options, given, more=True)):
        filled = forms.read(payload(forms.form(form, "en")), CATALOGUE)
        wanted = [*options, *((entry.alias, a_file(f"{entry.alias}.png")) for entry in files)]
        assert check(model, filled.options) == check(model, wanted)
        assert (filled.form.place, filled.form.given) == (PLACE, given)
        assert not filled.is_slow


@pytest.mark.parametrize(
    "text",
    [
        "/imagine a fox width:huge steps:9999 count:9 seed:x",
        "/animate start:a width:513 fps:1,5 pingpong:perhaps format:tiff",
        "/video a whale size:giant speed:warp video:nothing refs:https://example.org/a.png|b",
        "/erase objects:person,unicorn image:here",
        "/flux a robot aspect:7:1 quality:-3",
    ],
)
def test_what_is_wrong_is_shown_as_it_was_typed_with_the_mistake_below(text: str) -> None:
    typed = grammar.parse(text, CATALOGUE)
    with pytest.raises(BadOrder) as caught:
        check(typed.model, typed.options)
    problems = caught.value.problems
    view = checked(forms.form(Form(typed.model, PLACE, typed.options), "en", problems))
    for problem in problems:
        entry = typed.model.input(problem.option or "")
        assert entry is not None
        at = next(
            i
            for i, one in enumerate(view["blocks"])
            if one["block_id"].startswith(f"{typed.command}.{entry.alias}")
        )
        rest = view["blocks"][at + 1 :]
        following = itertools.takewhile(
            lambda one: one["type"] == "context" or "/link" in one["block_id"], rest
        )
        assert any(":warning:" in str(one) for one in following), problem
    with pytest.raises(BadOrder) as again:
        check(typed.model, forms.read(payload(view), CATALOGUE).options)
    codes = {problem.code for problem in problems} - {"not_a_word"}
    assert codes <= {problem.code for problem in again.value.problems}


@pytest.fixture(params=["socket", "http"])
async def studio(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    mode: Mode = request.param
    async with slack_rig(tmp_path, mode) as rig:
        yield rig


async def test_a_command_with_mistakes_opens_the_form_filled_in(studio: Rig) -> None:
    reply = await studio.anna.command("/imagine", "a fox width:huge count:3", channel=studio.general)
    view = await reply.opened()
    fields = {field.label: field.value(field.initial()) for field in fields_of(view.blocks)}
    assert (fields["prompt"], fields["width"], fields["count"]) == ("a fox", "huge", "3")
    assert ":warning: width:" in str(view.blocks)
    reply = await studio.anna.submit_view({"count": "2"})
    assert list(reply.errors) == ["imagine.width"]
    reply = await studio.anna.submit_view({"width": "512"})
    assert reply.errors == {}
    job = await studio.ended()
    assert (job.inputs["width"], job.inputs["num_outputs"], job.inputs["prompt"]) == (512, 2, "a fox")
    assert not studio.anna.views
    assert studio.is_tidy()


async def test_more_options_keep_what_is_filled_in(studio: Rig) -> None:
    view = await (await studio.anna.command("/edit", channel=studio.general)).opened()
    studio.anna.fill_view({"prompt": "make it night", "image": FOX})
    await studio.anna.press(view, "form.more")
    await studio.server.until(lambda: view.updates)
    assert (await studio.anna.submit_view({"steps": "9"})).errors == {}
    job = await studio.ended()
    assert (job.inputs["prompt"], job.inputs["num_inference_steps"]) == ("make it night", 9)
    assert job.inputs["input_image"]["name"] == "fox.png"


async def test_a_file_that_is_none_brings_the_form_back_with_the_mistake(studio: Rig) -> None:
    await (await studio.anna.command("/edit", "make it night", channel=studio.general)).opened()
    reply = await studio.anna.submit_view({"image": Upload("fox.png", b"no picture at all")})
    assert reply.errors == {}
    await studio.server.until(lambda: ":warning:" in str(studio.anna.view.blocks))
    assert "image: this is no picture" in str(studio.anna.view.blocks)
    await studio.anna.submit_view({"image": Upload("dog.png", picture())})
    await studio.server.until(lambda: "on its way" in str(studio.anna.view.blocks))
    assert (await studio.ended()).inputs["input_image"]["name"] == "dog.png"
    assert len(await studio.jobs()) == 1


async def test_who_closes_the_form_before_the_mistake_is_found_is_told_in_words(studio: Rig) -> None:
    await (await studio.anna.command("/edit", "make it night", channel=studio.general)).opened()
    await studio.anna.submit_view({"image": Upload("fox.png", b"no picture at all")})
    await studio.anna.close_view()
    whispers = await eventually(lambda: studio.anna.ephemerals, "words")
    assert "this is no picture" in whispers[0].text


async def test_a_form_sent_twice_makes_one_job(studio: Rig) -> None:
    await (await studio.anna.command("/imagine", channel=studio.general)).opened()
    await studio.anna.submit_view({"prompt": "a fox"}, times=3)
    await studio.ended()
    assert len(await studio.jobs()) == 1
    assert studio.is_tidy()
