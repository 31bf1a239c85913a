"""Every entry: commands, /run, menus, forms, buttons - and the thirteen models through each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.discord.customs import Custom, Verb
from bot.catalogue import load
from bot.jobs import Job, Outcome, State
from bot.sandbox.art import make
from bot.sandbox.work import Piece, Report, Work
from tests import media_samples as samples
from tests.discord.rig import Stage, stage
from tests.discord_server import ClientRefused, P, Person, Reply
from tests.discord_server.interactions import MODAL
from tests.rig import tiny

PICTURE = ("fox.png", samples.still("PNG"))
MASK = ("mask.png", samples.still("PNG", mode="L"))

SLASH: dict[str, dict[str, Any]] = {
    "animate": {"start": "a fox", "end": "a whale", "width": 128, "height": 128, "frames": 2, "between": 2},
    "motion": {"prompt": "a boat at sunset", "steps": 2},
    "video": {"prompt": "a whale", "frames": 9, "size": "480*832"},
    "music": {"prompt": "funky synth solo", "steps": 5},
    "imagine": {"prompt": "a lighthouse", "width": 128, "height": 128, "steps": 3},
    "draw": {"prompt": "a red house", "width": 128, "height": 128, "steps": 3, "count": 2},
    "flux": {"prompt": "a robot", "format": "jpg"},
    "fluxdev": {"prompt": "an owl", "steps": 2, "format": "png"},
    "inpaint": {"prompt": "a cat", "image": PICTURE, "mask": MASK, "width": 128, "height": 128, "steps": 2},
    "restyle": {"prompt": "in winter", "image": PICTURE, "steps": 2},
    "edit": {"prompt": "make it night", "image": PICTURE, "steps": 4},
    "erase": {"image": PICTURE, "objects": "person"},
    "cutout": {"image": PICTURE},
}


def test_every_command_is_tried() -> None:
    assert list(SLASH) == list(load().commands())


@pytest.mark.parametrize("command", SLASH)
async def test_each_model_by_its_slash_command(tmp_path: Path, command: str) -> None:
    async with stage(tmp_path, make=_either) as on:
        reply = await on.ada.command(command, SLASH[command], channel=on.general)
        job = await on.ended(reply, within=50)
        assert (job.state, job.outcome) == (State.DONE, Outcome.READY), job
        result = on.message(job)
        assert result.channel is on.message(job, "card").thread
        assert [file.sha256 for file in result.files] == [medium.digest for medium in job.media]
        assert result.hidden_files == []
        if command == "music":
            assert [file.filename[-3:] for file in result.files if file not in result.gallery] == ["wav"]
        else:
            assert len(result.gallery) == len(job.media)
            assert len(result.alt_texts) == len(job.media)


@pytest.mark.parametrize("command", SLASH)
async def test_each_model_by_its_form_and_again_by_its_buttons(tmp_path: Path, command: str) -> None:
    """/run opens the form; what it made is made again, with another seed, and edited."""
    async with stage(tmp_path, make=_either) as on:
        opened = await on.ada.command("run", {"model": command}, channel=on.general)
        if opened.ack != MODAL:
            assert command == "cutout"
            opened = await on.ada.command("run", {"model": command, "file": PICTURE}, channel=on.general)
            job = await on.ended(opened)
        else:
            job = await on.ended(await on.ada.fill_modal(_answers(opened)))
        assert job.outcome is Outcome.READY, job
        result = on.message(job)
        again = await on.ended(await on.ada.press(result, str(Custom(Verb.AGAIN, job.id))))
        assert (again.inputs, again.outcome) == (job.inputs, Outcome.READY)
        edit = await on.ada.press(on.message(again), str(Custom(Verb.EDIT, again.id)))
        edited = await on.ended(await on.ada.fill_modal(modal=edit.modal))
        assert (edited.inputs, edited.outcome) == (job.inputs, Outcome.READY)
        if "seed" in job.inputs:
            other = await on.ended(await on.ada.press(result, str(Custom(Verb.RESEED, job.id))))
            assert other.inputs["seed"] != job.inputs["seed"]


def _either(work: Work, report: Report) -> Iterator[Piece]:
    """The real thing for what must be heard, a small picture for all else."""
    return make(work, report) if work.command == "music" else tiny(work, report)


def _answers(opened: Reply) -> dict[str, Any]:
    """Something for every field of a form that must be filled in."""
    assert opened.modal is not None
    answers: dict[str, Any] = {}
    for one in opened.modal.fields:
        if one.kind == 19 and one.required:
            answers[one.custom_id] = [MASK if one.custom_id == "mask" else PICTURE]
        elif one.required:
            answers[one.custom_id] = f"a fox for {one.label}"
    return answers


# -- /run


async def test_run_takes_any_model_with_typed_options_and_files(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        options = {
            "model": "stability-ai/stable-diffusion-inpainting",
            "options": 'a cat "with quotes" steps:2 image:fox.png mask:mask.png',
            "file": PICTURE,
            "file2": MASK,
        }
        job = await on.run("run", options)
        assert (job.model, job.outcome) == ("inpaint", Outcome.READY)
        assert job.inputs["image"]["name"] == "fox.png"
        assert job.inputs["mask"]["name"] == "mask.png"


async def test_the_model_of_run_is_completed_and_so_are_long_lists(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        reply = await on.ada.autocomplete("run", "model", "flu", channel=on.general)
        assert [choice["value"] for choice in reply.choices][:2] == ["flux", "fluxdev"]
        reply = await on.ada.autocomplete("erase", "objects", "person, ca", channel=on.general)
        assert "person,car" in [choice["value"] for choice in reply.choices] or reply.choices
        assert all(choice["value"].startswith("person,") for choice in reply.choices)


async def test_mistakes_are_told_to_one_person_and_nothing_is_made(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        reply = await on.ada.command(
            "run", {"model": "animate", "options": "start:a fox fps:99 sped:3"}, channel=on.general
        )
        assert reply.ephemeral
        for said in ("fps", "sped", "end"):
            assert said in reply.text
        reply = await on.ada.command("imagine", {"prompt": "x", "width": 1023}, channel=on.general)
        assert reply.ephemeral
        assert "1023" in reply.text
        reply = await on.ada.command("run", {"model": "no-such"}, channel=on.general)
        assert reply.ephemeral
        assert await on.studio.store.queued(10) == []


# -- forms


async def test_mistakes_in_a_form_don_t_lose_what_was_written(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        await on.ada.command("run", {"model": "animate"}, channel=on.general)
        reply = await on.ada.fill_modal({"start": "a fox", "end": "a whale", "more": "fps:99"})
        assert reply.ephemeral
        assert "start:a fox end:a whale fps:99" in reply.text


async def test_two_people_in_the_same_form_and_one_who_sends_it_twice(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        bob = on.server.person("Bob", on.guild)
        job = await on.run("imagine", {"prompt": "a fox"})
        pressed = {}
        for person in (on.ada, bob):
            pressed[person] = await person.press(on.message(job), str(Custom(Verb.EDIT, job.id)))
        replies = [
            await person.fill_modal({"prompt": f"for {person.name}"}, modal=pressed[person].modal, times=2)
            for person in (on.ada, bob)
        ]
        jobs = [await on.ended(reply) for reply in replies]
        assert [(one.actor.name, one.inputs["prompt"]) for one in jobs] == [
            ("Ada", "for Ada"),
            ("Bob", "for Bob"),
        ]
        assert sum((await on.studio.store.counts()).values()) == 3


async def test_a_form_that_was_open_over_a_restart_still_counts(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        job = await on.run("restyle", {"prompt": "in winter", "image": PICTURE})
        await on.ada.press(on.message(job), str(Custom(Verb.EDIT, job.id)))
        await on.restart()
        edited = await on.ended(await on.ada.fill_modal({"prompt": "in spring"}))
        assert edited.inputs["prompt"] == "in spring"
        assert edited.inputs["image"] == job.inputs["image"]


# -- buttons


async def press(on: Stage, job: Job, verb: Verb, who: Person | None = None, **more: Any) -> Reply:
    what = "result" if "result" in (job.posted or {}) else "card"
    return await (who or on.ada).press(on.message(job, what), str(Custom(verb, job.id)), **more)


async def test_a_running_job_is_cancelled_by_its_owner_only(tmp_path: Path) -> None:
    async with stage(tmp_path, sandbox_options={"boot_seconds": 30}) as on:
        bob = on.server.person("Bob", on.guild)
        reply = await on.ada.command("imagine", {"prompt": "a fox"}, channel=on.general)
        job = await on.job_of(reply)
        card = reply.message
        assert card is not None
        await on.server.until(lambda: any(b.label == "Cancel" for b in card.buttons))
        stranger = await bob.press(card, label="Cancel")
        await stranger.until(lambda r: bool(r.followups))
        assert "Only the person" in stranger.followups[0].text
        mine = await on.ada.press(card, label="Cancel")
        await mine.until(lambda r: bool(r.followups))
        ended = await on.studio.ended(job)
        assert ended.outcome is Outcome.CANCELLED
        await on.server.until(lambda: "Cancelled by Ada" in card.text)
        assert card.thread is None
        assert {b.label for b in card.buttons} == {"Again", "Edit…", "Delete"}


async def test_a_result_is_deleted_by_its_owner_or_a_moderator(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        bob = on.server.person("Bob", on.guild)
        job = await on.run("imagine", {"prompt": "a fox"})
        result, card = on.message(job), on.message(job, "card")
        refused = await press(on, job, Verb.REMOVE, bob)
        await refused.until(lambda r: bool(r.followups))
        assert "Only the person" in refused.followups[0].text
        assert not result.deleted
        moderator = on.server.person("Mod", on.guild, roles=[on.guild.role("mods", P.MANAGE_MESSAGES)])
        await press(on, job, Verb.REMOVE, moderator)
        await on.server.until(lambda: result.deleted and card.deleted)
        assert (await on.job(job)).media == ()
        mine = await on.run("imagine", {"prompt": "another"})
        await press(on, mine, Verb.REMOVE)
        await on.server.until(lambda: on.message(mine).deleted)


@pytest.mark.parametrize("command", ["video", "edit", "cutout", "restyle", "imagine"])
async def test_a_result_is_the_beginning_of_the_next(tmp_path: Path, command: str) -> None:
    async with stage(tmp_path) as on:
        job = await on.run("imagine", {"prompt": "a fox"})
        assert [b.custom_id for b in on.message(job).buttons if b.custom_id and ":step:" in b.custom_id] == [
            str(Custom(Verb.STEP, job.id, name)) for name in ("video", "edit", "cutout", "restyle", "imagine")
        ]
        reply = await on.ada.press(on.message(job), str(Custom(Verb.STEP, job.id, command)))
        if reply.ack == MODAL:
            assert command != "cutout"
            reply = await on.ada.fill_modal({"prompt": "more of it"})
        following = await on.ended(reply)
        assert following.outcome is Outcome.READY, following
        given = [
            item["file"]
            for value in following.inputs.values()
            for item in (value if isinstance(value, list) else [value])
            if isinstance(item, dict)
        ]
        assert given == [job.media[0].digest]
        assert following.place.startswith(f"discord:{on.guild.id}/{on.message(job).channel.id}")


async def test_buttons_work_a_year_and_ten_restarts_later(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        job = await on.run("imagine", {"prompt": "a fox"})
        for _ in range(10):
            await on.studio.restart()
        await on.server.connected()
        on.server.clock.advance(365 * 86_400)
        again = await on.ended(await press(on, job, Verb.AGAIN))
        assert again.inputs == job.inputs
        assert on.message(again).channel is on.message(job).channel


async def test_a_forged_button_does_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        elsewhere = on.server.guild("Wolves")
        eve = on.server.person("Eve", elsewhere)
        job = await on.run("imagine", {"prompt": "a fox"})
        den = elsewhere.text("den")
        await on.server.until(lambda: bool(on.server.registry.find(1, "imagine", elsewhere)))
        theirs = await on.ended(await eve.command("imagine", {"prompt": "a wolf"}, channel=den))
        for verb in (Verb.AGAIN, Verb.REMOVE, Verb.CANCEL):
            message = on.message(theirs)
            for component in message.components:
                for button in component.get("components") or []:
                    if button.get("custom_id") == str(Custom(Verb.AGAIN, theirs.id)):
                        button["custom_id"] = str(Custom(verb, job.id))
            reply = await eve.press(message, str(Custom(verb, job.id)))
            await reply.until(
                lambda r: "There is no such job" in (r.text + "".join(f.text for f in r.followups))
            )
            for component in message.components:
                for button in component.get("components") or []:
                    if button.get("custom_id") == str(Custom(verb, job.id)):
                        button["custom_id"] = str(Custom(Verb.AGAIN, theirs.id))
        assert not on.message(job).deleted


# -- menus


@pytest.mark.parametrize(
    ("menu", "command", "asks"),
    [
        ("Animate this", "video", True),
        ("Edit this picture", "edit", True),
        ("Cut out background", "cutout", False),
    ],
)
async def test_a_message_s_picture_by_its_menu(tmp_path: Path, menu: str, command: str, asks: bool) -> None:
    async with stage(tmp_path) as on:
        bob = on.server.person("Bob", on.guild)
        said = bob.say(on.general, "look", files=[("notes.txt", b"x"), PICTURE])
        reply = await on.ada.context_menu(menu, said)
        if asks:
            assert reply.ack == MODAL
            reply = await on.ada.fill_modal({"prompt": "make it move"})
        job = await on.ended(reply)
        assert (job.model, job.outcome) == (command, Outcome.READY)
        names = [v["name"] for value in job.inputs.values() for v in _files(value)]
        assert names == ["fox.png"]


def _files(value: Any) -> list[dict[str, str]]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]


@pytest.mark.parametrize(
    "command", ["imagine", "flux", "fluxdev", "erase", "cutout", "edit", "restyle", "video"]
)
async def test_a_message_s_picture_in_a_command_of_choice(tmp_path: Path, command: str) -> None:
    async with stage(tmp_path) as on:
        picture = on.ada.say(on.general, files=[PICTURE])
        reply = await on.ada.context_menu("Use in a command…", picture)
        assert reply.ephemeral
        assert reply.message is not None
        await on.restart()
        chosen = await on.ada.select(reply.message, str(Custom(Verb.USE)), [command])
        if chosen.ack == MODAL:
            said = "person" if command == "erase" else "a fox"
            chosen = await on.ada.fill_modal({"objects" if command == "erase" else "prompt": said})
        job = await on.ended(chosen)
        assert (job.model, job.outcome) == (command, Outcome.READY)


@pytest.mark.parametrize("menu", ["Animate this", "Use in a command…"])
async def test_a_message_without_a_picture_is_told_so(tmp_path: Path, menu: str) -> None:
    async with stage(tmp_path) as on:
        reply = await on.ada.context_menu(menu, on.ada.say(on.general, "just words"))
        assert reply.ephemeral
        assert "nothing in this message" in reply.text


# -- what one person sees


async def test_jobs_lists_what_is_mine_with_links_and_buttons(tmp_path: Path) -> None:
    async with stage(tmp_path, sandbox_options={"boot_seconds": 0.0}) as on:
        empty = await (await on.ada.command("jobs", channel=on.general)).answered()
        assert "no jobs here yet" in empty.text
        done = await on.run("imagine", {"prompt": "a fox"})
        listed = await (await on.ada.command("jobs", channel=on.general)).answered()
        assert listed.ephemeral
        assert "/imagine prompt:a fox" in listed.text
        result = on.message(done)
        assert f"https://discord.com/channels/{on.guild.id}/{result.channel.id}/{result.id}" in listed.text
        assert listed.message is not None
        again = await on.ended(await on.ada.press(listed.message, label="Again"))
        assert again.inputs == done.inputs


async def test_a_running_job_is_cancelled_from_the_list(tmp_path: Path) -> None:
    async with stage(tmp_path, sandbox_options={"boot_seconds": 30}) as on:
        job = await on.job_of(await on.ada.command("imagine", {"prompt": "a fox"}, channel=on.general))
        listed = await (await on.ada.command("jobs", channel=on.general)).answered()
        assert listed.message is not None
        await on.ada.press(listed.message, label="Cancel")
        assert (await on.studio.ended(job)).outcome is Outcome.CANCELLED


async def test_usage_and_help_are_told_to_one_person(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        await on.run("imagine", {"prompt": "a fox"})
        usage = await (await on.ada.command("usage", channel=on.general)).answered()
        assert usage.ephemeral
        assert "1 of 10000 jobs of your own today" in usage.text
        every = await on.ada.command("help", channel=on.general)
        assert every.ephemeral
        assert all(f"</{command}:" in every.text for command in load().commands())
        one = await on.ada.command("help", {"command": "animate"}, channel=on.general)
        assert all(f"`{entry.alias}`" in one.text for entry in load().find("animate").inputs)


async def test_people_are_answered_in_their_language(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        lin = on.server.person("Lin", on.guild, locale="zh-CN")
        reply = await lin.command("help", channel=on.general)
        assert "命令" in reply.text
        job = await on.ended(await lin.command("imagine", {"prompt": "狐狸"}, channel=on.general))
        assert job.actor.language == "zh"
        assert any(button.label == "再来一次" for button in on.message(job).buttons)
        with pytest.raises(ClientRefused):
            await lin.command("狐狸", channel=on.general)
