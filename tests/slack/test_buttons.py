"""Buttons that never die, lists and the App Home."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.jobs import Outcome, State
from tests.rig import eventually
from tests.slack.rig import CATALOGUE, Mode, Rig, slack_rig
from tests.slack_server.messages import Message


@pytest.fixture(params=["socket", "http"])
async def studio(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    mode: Mode = request.param
    async with slack_rig(tmp_path, mode) as rig:
        yield rig


async def made(studio: Rig, text: str = "a fox in snow") -> Message:
    """The card of a job that is done."""
    await studio.anna.command("/imagine", text, channel=studio.general)
    await studio.ended()
    return studio.cards()[-1]


def labels(card: Message) -> list[str]:
    return [button.action_id for button in card.buttons]


async def test_a_card_has_the_buttons_of_its_state(studio: Rig) -> None:
    studio.gate.open = False
    await studio.anna.command("/imagine", "a fox", channel=studio.general)
    card = await studio.card()
    assert labels(card) == ["job.cancel"]
    studio.gate.open = True
    await studio.ended()
    steps = [f"step.{model.command}" for model in CATALOGUE.next_steps(CATALOGUE.find("imagine").kind)]
    assert labels(card) == ["job.again", "job.reseed", "job.edit", "job.remove", "admin.report", *steps]
    assert {button.value for button in card.buttons} == {(await studio.job()).id}


async def test_cancel_stops_it_and_the_card_says_who(studio: Rig) -> None:
    studio.gate.open = False
    await studio.anna.command("/imagine", "a fox", channel=studio.general)
    card = await studio.card()
    await studio.anna.press(card, "job.cancel")
    job = await studio.ended()
    assert job.outcome is Outcome.CANCELLED
    assert "Cancelled by anna" in card.text
    assert "job.again" in labels(card)


async def test_another_persons_job_is_not_cancelled(studio: Rig) -> None:
    ben = studio.server.person("ben", studio.team, studio.general)
    studio.gate.open = False
    await studio.anna.command("/imagine", "a fox", channel=studio.general)
    reply = await (await ben.press(await studio.card(), "job.cancel")).answered()
    assert "Only the person" in reply.text


async def test_again_repeats_it_and_a_new_seed_does_not(studio: Rig) -> None:
    card = await made(studio)
    first = await studio.job()
    await studio.anna.press(card, "job.again", times=3)
    await eventually(lambda: len(studio.results()) == 2, "there is another")
    await studio.anna.press(card, "job.reseed")
    await eventually(lambda: len(studio.results()) == 3, "there is a third")
    third, second = (await studio.jobs())[:2]
    assert second.inputs == first.inputs
    assert third.inputs["seed"] != first.inputs["seed"]
    assert len(await studio.jobs()) == 3


async def test_edit_opens_the_form_with_the_last_values(studio: Rig) -> None:
    card = await made(studio, "a fox in snow count:2 steps:7")
    await (await studio.anna.press(card, "job.edit")).opened()
    await studio.anna.submit_view({"prompt": "a wolf in snow"})
    await eventually(lambda: len(studio.results()) == 2, "there is another")
    second, first = await studio.jobs()
    assert second.inputs == {**first.inputs, "prompt": "a wolf in snow"}


async def test_a_next_step_takes_the_result_into_the_same_thread(studio: Rig) -> None:
    card = await made(studio)
    result = await studio.ended()
    await (await studio.anna.press(card, "step.edit")).opened()
    await studio.anna.submit_view({"prompt": "make it night"})
    await eventually(lambda: len(studio.results()) == 2, "there is another")
    job = await studio.job()
    assert job.inputs["input_image"]["file"] == result.media[0].digest
    assert {one.thread_ts for one in studio.results()} == {card.ts}
    await studio.ended(job)
    second = studio.cards()[-1]
    assert second.thread_ts == card.ts
    await (await studio.anna.press(second, "step.cutout")).opened()
    await studio.anna.submit_view()
    await eventually(lambda: len(studio.results()) == 3, "there is a third")
    assert {one.thread_ts for one in studio.results()} == {card.ts}
    assert studio.is_tidy()


@pytest.mark.parametrize("who", ["owner", "admin", "other"])
async def test_delete_is_for_its_owner_and_for_admins(studio: Rig, who: str) -> None:
    card = await made(studio)
    ben = studio.server.person("ben", studio.team, studio.general, is_admin=who == "admin")
    reply = await (studio.anna if who == "owner" else ben).press(card, "job.remove")
    if who == "other":
        assert "Only the person" in (await reply.answered()).text
        assert len(studio.results()) == 1
        return
    await eventually(lambda: "removed by" in card.text, "the card says so")
    assert all(file.deleted for file in studio.server.files)
    assert (await studio.job()).media == ()


async def test_buttons_work_after_a_restart(studio: Rig) -> None:
    card = await made(studio)
    await studio.restart()
    await studio.anna.press(card, "job.again")
    await eventually(lambda: len(studio.results()) == 2, "there is another")


async def test_a_button_of_a_job_that_is_forgotten_says_so(studio: Rig) -> None:
    card = await made(studio)
    await studio.store.forget_before(studio.server.clock() + 1)
    reply = await (await studio.anna.press(card, "job.again")).answered()
    assert "no such job" in reply.text


async def test_jobs_usage_help_and_settings_are_for_one_person(studio: Rig) -> None:
    await made(studio)
    for typed, said in [
        ("jobs", "a fox in snow"),
        ("usage", "1 of 10000"),
        ("help", "/animate"),
        ("", "/animate"),
        ("help edit", "Changes a picture"),
        ("settings", "for those who look after"),
        ("help nonsense", "There is no command"),
        ("jibs", "no command"),
    ]:
        reply = await studio.anna.command("/threadreel", typed, channel=studio.general)
        await reply.answered()
        assert said in reply.text, typed
    assert len(studio.cards()) == 1


async def test_run_takes_any_model_and_without_one_lets_choose(studio: Rig) -> None:
    await studio.anna.command(
        "/threadreel", f"run {CATALOGUE.find('flux').full_name} a robot", channel=studio.general
    )
    assert (await studio.ended()).model == "flux"
    view = await (await studio.anna.command("/threadreel", "run", channel=studio.general)).opened()
    await studio.anna.select(view, "form.choose", "draw")
    await studio.server.until(lambda: studio.anna.view.title == "/draw")
    await studio.anna.submit_view({"prompt": "a house"})
    await eventually(lambda: len(studio.results()) == 2, "there is another")


async def test_the_home_shows_jobs_and_usage_and_its_buttons_work(studio: Rig) -> None:
    await made(studio)
    await studio.anna.open_home()
    home = await eventually(studio.anna.home, "it is published")
    assert "a fox in snow" in str(home.blocks)
    assert "1 of 10000" in str(home.blocks)
    await studio.anna.press(home, "job.again")
    await eventually(lambda: len(studio.results()) == 2, "there is another")
    await eventually(lambda: "2 of 10000" in str(home.blocks), "it is up to date")
    assert [job.state for job in await studio.jobs()][1] is State.DONE
