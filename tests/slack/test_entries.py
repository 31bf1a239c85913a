"""Every way in: slash commands, forms, shortcuts, mentions and messages; in both modes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from bot.config import Limits
from bot.jobs import State
from tests.rig import eventually
from tests.slack.rig import FOX, Mode, Rig, slack_rig
from tests.slack_server.delivery import Delivery
from tests.slack_server.forms import fields_of
from tests.slack_server.state import Channel


@pytest.fixture(params=["socket", "http"])
async def studio(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    mode: Mode = request.param
    async with slack_rig(tmp_path, mode) as rig:
        yield rig


async def test_a_slash_command_becomes_a_card_and_a_result_in_its_thread(studio: Rig) -> None:
    reply = await studio.anna.command("/imagine", "a fox in snow", channel=studio.general)
    assert reply.error is None
    card = await studio.card()
    result = await studio.result()
    job = await studio.ended()
    assert job.state is State.DONE
    assert result.thread_ts == card.ts
    assert result.files[0].sha256 == job.media[0].digest
    assert "a fox in snow" in card.text
    assert "Ready" in card.text
    assert card.metadata == {
        "event_type": "threadreel_job",
        "event_payload": {"job": job.id, "key": f"job-{job.id}"},
    }
    assert studio.is_tidy()


# -- slash commands


async def test_the_typed_grammar_with_slacks_escapes_quotes_and_links(studio: Rig) -> None:
    text = 'start:"a fox: red & quick" end:see https://example.org <b> fps:12'
    await studio.anna.command("/animate", text, channel=studio.general, smart_quotes=True)
    job = await studio.ended()
    assert job.inputs["prompt_start"] == "a fox: red & quick"
    assert job.inputs["prompt_end"] == "see https://example.org <b>"
    assert job.inputs["gif_frames_per_second"] == 12


async def test_a_command_delivered_twice_makes_one_job(studio: Rig) -> None:
    reply = await studio.anna.command("/imagine", "a fox", channel=studio.general, times=3)
    assert reply.error is None
    await studio.ended()
    assert len(await studio.jobs()) == len(studio.results()) == 1
    assert studio.is_tidy()


async def test_a_command_delivered_again_after_a_restart_makes_no_second_job(studio: Rig) -> None:
    reply = await studio.anna.command("/imagine", "a fox", channel=studio.general)
    await studio.ended()
    await studio.restart()
    again = reply.deliveries[0]
    studio.server.deliverer.send(Delivery(again.app, again.kind, again.payload))
    await studio.server.until(lambda: studio.server.deliveries[-1].acknowledged)
    await studio.anna.command("/imagine", "a wolf", channel=studio.general)
    await eventually(lambda: len(studio.results()) == 2, "the next one is done")
    assert len(await studio.jobs()) == 2


async def test_what_is_accepted_before_a_crash_is_delivered_after_it(tmp_path: Path) -> None:
    async with slack_rig(tmp_path, start=False) as studio:
        await studio.start(engine=False)
        await studio.anna.command("/imagine", "a fox", channel=studio.general)
        await studio.job()
        await studio.restart()
        await studio.ended()
        assert len(studio.results()) == 1
        assert studio.is_tidy()


async def test_a_refusal_is_told_to_one_person(tmp_path: Path) -> None:
    async with slack_rig(tmp_path, limits=Limits(per_day_per_person=1)) as studio:
        await studio.anna.command("/imagine", "a fox", channel=studio.general)
        await studio.ended()
        reply = await (await studio.anna.command("/imagine", "a fox", channel=studio.general)).answered()
        assert "used up" in reply.text
        assert "Nothing was started" in reply.text
        assert len(studio.cards()) == 1


async def test_a_link_that_leads_nowhere_is_told_and_can_be_mended(studio: Rig) -> None:
    link = "https://nowhere.invalid/fox.png"
    reply = await studio.anna.command("/edit", f"make it night image:{link}", channel=studio.general)
    await reply.answered()
    assert "host doesn't exist" in reply.text
    view = await (await studio.anna.press(reply.answers[0], "draft.edit")).opened()
    fields = {field.block_id: field.value(field.initial()) for field in fields_of(view.blocks)}
    assert (fields["edit.prompt"], fields["edit.image/link"]) == ("make it night", link)
    await studio.anna.submit_view({"edit.image/link": None, "edit.image": FOX})
    assert (await studio.ended()).state is State.DONE


async def test_a_form_that_comes_too_late_is_replaced_by_words(studio: Rig) -> None:
    studio.server.faults.add(on="views.open", fault="error", code="expired_trigger_id")
    reply = await (await studio.anna.command("/edit", "make it night", channel=studio.general)).answered()
    assert "too long" in reply.text
    await (await studio.anna.press(reply.answers[0], "draft.edit")).opened()


async def test_an_outage_of_slack_is_no_lost_acknowledgement(studio: Rig) -> None:
    studio.server.faults.add(on="*", fault="status_before", times=None)
    replies = [await studio.anna.command("/edit", "x", channel=studio.general)]
    replies.append(await studio.anna.command("/imagine", "a fox", channel=studio.general))
    studio.server.faults.clear()
    assert [reply.error for reply in replies] == [None, None]
    assert (await studio.ended()).state is State.DONE


# -- shortcuts


async def test_shortcuts_on_messages_work_inside_threads(studio: Rig) -> None:
    root = (await studio.anna.say(studio.general, "our holidays")).said
    assert root is not None
    photo = (await studio.anna.say(studio.general, "the beach", thread=root, files=[FOX])).said
    assert photo is not None
    for name, fields in [("edit", {"prompt": "at night"}), ("cutout", {}), ("video", {"prompt": "waves"})]:
        view = await (await studio.anna.message_shortcut(f"use:{name}", photo)).opened()
        assert view.title == f"/{name}"
        assert (await studio.anna.submit_view(fields)).errors == {}
        await studio.server.until(lambda: "on its way" in str(studio.anna.view.blocks))
        await studio.anna.close_view()
    await eventually(lambda: len(studio.results()) == 3, "all are done", 20)
    assert {one.thread_ts for one in [*studio.results(), *studio.cards()]} == {root.ts}
    assert studio.is_tidy()


async def test_a_shortcut_on_our_own_result_takes_it_further(studio: Rig) -> None:
    await studio.anna.command("/imagine", "a fox", channel=studio.general)
    first = await studio.ended()
    await (await studio.anna.message_shortcut("use:cutout", await studio.result())).opened()
    await studio.anna.submit_view()
    await eventually(lambda: len(studio.results()) == 2, "it is done", 20)
    assert (await studio.job()).inputs["image"]["file"] == first.media[0].digest


async def test_a_shortcut_on_a_message_without_a_picture_asks_for_one(studio: Rig) -> None:
    said = (await studio.anna.say(studio.general, "no picture")).said
    assert said is not None
    await (await studio.anna.message_shortcut("use:cutout", said)).opened()
    reply = await studio.anna.submit_view()
    assert list(reply.errors) == ["cutout.image"]
    assert (await studio.anna.submit_view({"image": FOX})).errors == {}
    assert (await studio.ended()).state is State.DONE


async def test_the_shortcut_that_is_everywhere_asks_where_the_result_goes(studio: Rig) -> None:
    view = await (await studio.anna.global_shortcut("create")).opened()
    await studio.anna.select(view, "form.choose", "imagine")
    await studio.server.until(lambda: studio.anna.view.title == "/imagine")
    await studio.anna.submit_view({"prompt": "a fox", "where": studio.general.id})
    await studio.ended()
    assert len(studio.results()) == 1


async def test_a_guest_may_order_too(studio: Rig) -> None:
    guest = studio.server.person("gast", studio.team, studio.general, is_guest=True)
    await guest.command("/imagine", "a fox", channel=studio.general)
    assert "gast asked" in (await studio.card()).text


# -- mentions and messages


def _last_says(studio: Rig, channel: Channel, words: str) -> bool:
    return words in studio.server.messages(channel)[-1].text


async def test_a_mention_in_a_thread_is_answered_in_it(studio: Rig) -> None:
    root = (await studio.anna.say(studio.general, "our holidays")).said
    assert root is not None
    said = await studio.anna.say(
        studio.general, "hey @threadreel edit make it night", thread=root, files=[FOX], times=2
    )
    assert said.error is None
    await studio.ended()
    assert [one.thread_ts for one in studio.results()] == [root.ts]
    assert (await studio.job()).inputs["input_image"]["name"] == "fox.png"
    assert len(await studio.jobs()) == 1
    assert studio.is_tidy()


async def test_a_mention_with_mistakes_is_told_and_can_be_mended(studio: Rig) -> None:
    await studio.anna.say(studio.general, "@threadreel edit make it night steps:many", files=[FOX])
    whisper = await eventually(lambda: studio.anna.ephemerals, "words about it")
    assert "steps" in whisper[0].text
    await (await studio.anna.press(whisper[0], "draft.edit")).opened()
    await studio.anna.submit_view({"steps": "9"})
    job = await studio.ended()
    assert (job.inputs["input_image"]["name"], job.inputs["num_inference_steps"]) == ("fox.png", 9)
    assert studio.results()[0].thread_ts == studio.server.messages(studio.general)[0].ts


async def test_messages_to_the_app_alone_run_the_same_grammar(studio: Rig) -> None:
    direct = studio.anna.dm()
    await studio.anna.say(direct, "imagine a fox in snow")
    await studio.ended()
    assert len(studio.results(direct)) == 1
    for text, said in [("help", "/animate"), ("jobs", "a fox in snow"), ("good morning", "no command")]:
        await studio.anna.say(direct, text)
        await eventually(partial(_last_says, studio, direct, said), text)
    assert len(await studio.jobs()) == 1
    assert studio.is_tidy()


async def test_an_empty_mention_gets_help(studio: Rig) -> None:
    await studio.anna.say(studio.general, "@threadreel")
    whisper = await eventually(lambda: studio.anna.ephemerals, "help")
    assert "/animate" in whisper[0].text


async def test_names_and_languages_are_slacks(studio: Rig) -> None:
    zoe = studio.server.person("zoe", studio.team, studio.general, locale="de-DE")
    await zoe.command("/imagine", "a fox", channel=studio.general)
    card = await studio.card()
    await eventually(lambda: "Ready" in card.text, "it is done", 20)
    job = await studio.store.get((card.metadata or {})["event_payload"]["job"])
    assert job is not None
    assert (job.actor.name, job.actor.language, job.actor.server) == ("zoe", "de-DE", studio.team.id)
