"""What stands in Slack stands there once: through lost answers, refusals and restarts at every step."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.jobs import Job, State
from bot.sandbox.work import Piece, Report, Work
from tests.media_samples import still
from tests.rig import eventually
from tests.sampling import a_sample
from tests.slack.rig import BRISK, SCOPES, Rig, slack_rig
from tests.slack_server import Limits as SlackLimits
from tests.slack_server.faults import Rule
from tests.slack_server.messages import Message, post

STEPS = [
    "chat.postMessage",
    "files.getUploadURLExternal",
    "upload",
    "files.completeUploadExternal",
    "files.info",
    "chat.update",
]
FAULTS = [
    "drop_before",
    "drop_after",
    "status_before",
    "status_after",
    "html",
    "error_after",
    "rate_limit",
    "not_json",
    "truncated",
]
WITHOUT_HISTORY = tuple(scope for scope in SCOPES if not scope.endswith(":history"))


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Rig]:
    async with slack_rig(tmp_path, answer=2.0) as rig:
        yield rig


async def order(studio: Rig, channel: Any = None) -> Job:
    known = len(await studio.jobs())
    await studio.anna.command("/imagine", "a fox in snow", channel=channel or studio.general)

    async def newest() -> Job | None:
        jobs = await studio.jobs()
        return jobs[0] if len(jobs) > known else None

    found: Job = await eventually(newest, "it is accepted")
    return found


async def stands_once(studio: Rig, job: Job) -> Message:
    """The card, after making sure that all is there and nothing twice."""
    done = await studio.ended(job)
    assert done.state is State.DONE, (done.code, done.posted)
    cards, results = studio.cards(), studio.results()
    assert len(cards) == len(results) == 1
    assert results[0].thread_ts == cards[0].ts
    assert results[0].files[0].sha256 == done.media[0].digest
    assert studio.is_tidy()
    return cards[0]


# -- every fault at every step


@pytest.mark.parametrize("fault", a_sample(FAULTS, 5))
@pytest.mark.parametrize("step", STEPS)
async def test_a_fault_at_a_step_loses_nothing_and_posts_nothing_twice(
    studio: Rig, step: str, fault: Any
) -> None:
    studio.server.faults.add(on=step, fault=fault, delay=1 if fault == "rate_limit" else 0)
    card = await stands_once(studio, await order(studio))
    assert "Ready" in card.text


@pytest.mark.parametrize("when", ["slow_before", "slow_after"])
@pytest.mark.parametrize("step", STEPS)
async def test_a_restart_at_any_step_loses_nothing_and_posts_nothing_twice(
    studio: Rig, step: str, when: Any
) -> None:
    """`slow_before`: killed before Slack took it; `slow_after`: it took it and nobody heard."""
    rule = studio.server.faults.add(on=step, fault=when, delay=30)
    job = await order(studio)
    await studio.server.until(lambda: rule.hits, 10)
    if when == "slow_after":
        await studio.server.until(lambda: taken(studio, step))
    studio.server.faults.clear()
    await studio.restart()
    card = await stands_once(studio, job)
    assert "Ready" in card.text


def taken(studio: Rig, step: str) -> bool:
    """Whether what the step does is done."""
    match step:
        case "chat.postMessage":
            return bool(studio.cards())
        case "files.getUploadURLExternal":
            return bool(studio.server.files)
        case "upload":
            return any(file.data for file in studio.server.files)
        case "files.completeUploadExternal":
            return any(file.completed for file in studio.server.files)
        case "files.info":
            return True
        case _:
            return any(card.edits for card in studio.cards())


# -- messages that nobody may look for


async def test_without_history_the_result_comes_once_all_the_same(tmp_path: Path) -> None:
    """Where the card stands nobody knows; the files have ids of their own."""
    async with slack_rig(tmp_path, scopes=WITHOUT_HISTORY) as studio:
        studio.server.faults.add(on="chat.postMessage", fault="drop_after")
        done = await studio.ended(await order(studio))
        assert done.state is State.DONE
        assert len(studio.cards()) == 1
        assert len(studio.results()) == 1
        assert studio.is_tidy()


async def test_without_history_words_that_may_stand_there_are_not_said_again(tmp_path: Path) -> None:
    async with slack_rig(tmp_path, scopes=WITHOUT_HISTORY, start=False) as studio:
        await studio.start(engine=False)
        job = await order(studio)
        await studio.core.cancel(job.id, job.actor)
        studio.server.faults.add(on="chat.postMessage", fault="drop_after")
        studio.start_engine()
        done = await studio.ended(job)
        assert (done.state, len(studio.cards())) == (State.UNDELIVERED, 1)


@pytest.mark.parametrize("said", [450, 1500])
async def test_a_card_is_found_among_much_talk_or_not_posted_again(studio: Rig, said: int) -> None:
    """Where too much was said to look through, the card may stand there: the result comes without it."""
    rule = studio.server.faults.add(on="chat.postMessage", fault="drop_after")
    job = await order(studio)
    await studio.server.until(lambda: rule.hits and studio.cards())
    for number in range(said):
        post(studio.general, studio.anna.user, f"talk {number}")
    assert (await studio.ended(job)).state is State.DONE
    assert len(studio.cards()) == len(studio.results()) == 1
    assert studio.is_tidy()


# -- shares that come late, or never


async def test_a_share_that_takes_its_time_is_waited_for(tmp_path: Path) -> None:
    limits = SlackLimits(share_delay=2.0)
    async with slack_rig(tmp_path, slack_limits=limits, manners=replace(BRISK, shown=30)) as studio:
        await stands_once(studio, await order(studio))
        assert len(studio.server.calls("files.completeUploadExternal")) == 1


async def test_a_share_that_never_lands_is_taken_back_and_made_anew(tmp_path: Path) -> None:
    limits = SlackLimits(lost_shares=1)
    async with slack_rig(tmp_path, slack_limits=limits, manners=replace(BRISK, shown=1)) as studio:
        await stands_once(studio, await order(studio))
        assert [file.deleted for file in studio.server.files] == [True, False]


async def test_where_shares_never_land_the_result_goes_to_the_next_best_place(tmp_path: Path) -> None:
    limits = SlackLimits(lost_shares=2)
    async with slack_rig(tmp_path, slack_limits=limits, manners=replace(BRISK, shown=1)) as studio:
        done = await studio.ended(await order(studio))
        assert done.state is State.DONE
        assert "is kept" in studio.cards()[0].text
        assert not studio.results()
        (private,) = studio.results(studio.anna.dm())
        assert private.files[0].sha256 == done.media[0].digest


async def test_being_killed_again_and_again_before_sharing_says_nothing_against_the_place(
    tmp_path: Path,
) -> None:
    async with slack_rig(tmp_path, manners=replace(BRISK, doubted=0.5)) as studio:
        rule = studio.server.faults.add(
            on="files.completeUploadExternal", fault="slow_before", delay=30, times=4
        )
        job = await order(studio)
        for killed in range(1, 5):
            await studio.server.until(partial(_hit, rule, killed), 10)
            await studio.restart()
        await stands_once(studio, job)
        assert [file.deleted for file in studio.server.files] == [True] * 4 + [False]


def _hit(rule: Rule, times: int) -> bool:
    return rule.hits == times


async def test_no_file_has_an_alternative_text(studio: Rig) -> None:
    """With one, Slack says that all is well and shows nothing."""
    await stands_once(studio, await order(studio))
    assert all(file.alt_txt is None for file in studio.server.files)


# -- places


async def test_a_public_channel_is_joined(studio: Rig) -> None:
    elsewhere = studio.team.channel("elsewhere", studio.anna)
    done = await studio.ended(await order(studio, elsewhere))
    assert done.state is State.DONE
    assert elsewhere.has(studio.team.bot)
    assert len(studio.results(elsewhere)) == 1
    assert studio.is_tidy()


async def test_where_the_bot_is_not_the_result_comes_to_the_person_and_they_are_told(studio: Rig) -> None:
    den = studio.team.channel("den", studio.anna, private=True)
    reply = await studio.anna.command("/imagine", "a fox in snow", channel=den)
    await reply.answered()
    assert "/invite" in reply.text
    done = await studio.ended(await studio.job())
    assert done.state is State.DONE
    card = await studio.card(studio.anna.dm())
    assert "gone or closed" in card.text
    assert "/invite" in card.text
    assert f"<#{den.id}>" in card.text
    assert len(studio.results(studio.anna.dm())) == 1
    assert studio.is_tidy()


async def test_how_to_speak_to_who_asked_is_known_for_as_long_as_the_job_is_under_way(studio: Rig) -> None:
    studio.gate.open = False
    job = await order(studio)
    assert job.id in studio.slack._whispers._asked

    studio.gate.open = True
    await studio.ended(job)

    assert not studio.slack._whispers._asked


async def test_in_a_conversation_of_two_people_the_result_comes_to_who_asked(studio: Rig) -> None:
    ben = studio.server.person("ben", studio.team)
    private = studio.server.between(studio.anna, ben)
    assert (await studio.ended(await order(studio, private))).state is State.DONE
    assert len(studio.results(studio.anna.dm())) == 1


async def test_a_place_that_refuses_is_not_asked_again_for_every_bit_of_progress(studio: Rig) -> None:
    den = studio.team.channel("den", studio.anna, private=True)
    studio.gate.open = False
    job = await order(studio, den)

    async def progressed() -> bool:
        return ((await studio.job()).progress or 0) > 0.05

    await eventually(progressed, "it gets on")
    studio.gate.open = True
    await studio.ended(job)
    refused = [call for call in studio.server.calls("chat.postMessage") if call.error]
    assert len(refused) == 2  # once at its begin, once at its end


@pytest.mark.parametrize("what", ["archived", "kicked out", "deleted thread"])
async def test_a_place_that_closes_while_it_runs(studio: Rig, what: str) -> None:
    den = studio.team.channel("den", studio.anna, private=True, bot=True)
    studio.gate.open = False
    job = await order(studio, den)
    card = await studio.card(den)
    match what:
        case "archived":
            den.archive()
        case "kicked out":
            den.remove(studio.team.bot)
        case _:
            card.delete()
    studio.gate.open = True
    done = await studio.ended(job)
    assert done.state is State.DONE
    assert len(studio.results(den if what == "deleted thread" else studio.anna.dm())) == 1


async def test_where_the_app_was_taken_out_the_result_is_kept(studio: Rig) -> None:
    studio.gate.open = False
    job = await order(studio)
    await studio.card()
    studio.server.uninstall(studio.team.installation())
    studio.gate.open = True
    done = await studio.ended(job)
    assert (done.state, done.code) == (State.UNDELIVERED, "place_gone")
    assert done.media


# -- what the workspace takes


def noisy(work: Work, report: Report) -> Iterator[Piece]:
    """A picture that is hard to compress: some 100 kB."""
    yield Piece("image", "out.png", still("PNG", 200, 200, noise=120), "image/png")


async def test_a_file_that_is_too_large_is_made_smaller(tmp_path: Path) -> None:
    limits = SlackLimits(upload=40_000)
    async with slack_rig(tmp_path, slack_limits=limits, make=noisy) as studio:
        done = await studio.ended(await order(studio))
        assert done.state is State.DONE
        (result,) = studio.results()
        assert done.media[0].size > 40_000 >= result.files[0].size


async def test_what_cannot_be_made_small_enough_is_kept_and_said(tmp_path: Path) -> None:
    async with slack_rig(tmp_path, slack_limits=SlackLimits(upload=60)) as studio:
        done = await studio.ended(await order(studio))
        assert (done.state, done.code) == (State.UNDELIVERED, "too_large")
        assert "too large" in (await studio.card()).text


@pytest.mark.parametrize("code", ["file_type_not_allowed", "file_uploads_disabled", "storage_limit_reached"])
async def test_what_the_workspace_forbids_is_said_and_the_result_is_kept(studio: Rig, code: str) -> None:
    studio.team.upload_error = code
    done = await studio.ended(await order(studio))
    assert done.state is State.UNDELIVERED
    assert code in (await studio.card()).text
    assert studio.results() == []
    studio.team.upload_error = None
    reply = await (await studio.anna.command("/threadreel", "jobs", channel=studio.general)).answered()
    await studio.anna.press(reply.answers[0], "job.post")
    await studio.result()
    assert (await studio.ended(done)).state is State.DONE


async def test_nothing_is_asked_while_slack_wants_patience(studio: Rig) -> None:
    """Of one method in one workspace; the others go on."""
    rule = studio.server.faults.add(on="chat.postMessage", fault="rate_limit", delay=2, times=1)
    job = await order(studio)
    await studio.server.until(lambda: rule.hits)
    first = studio.server.calls("chat.postMessage")[0].at
    await stands_once(studio, job)
    assert studio.server.calls("chat.postMessage")[1].at >= first + 2


def several(work: Work, report: Report) -> Iterator[Piece]:
    for number in range(3):
        yield Piece("image", f"out-{number}.png", still("PNG", 20 + number, 20), "image/png")


async def test_several_files_come_in_one_message(tmp_path: Path) -> None:
    async with slack_rig(tmp_path, make=several) as studio:
        await studio.anna.command("/draw", "a red house count:3", channel=studio.general)
        job = await studio.ended()
        (result,) = studio.results()
        assert [file.sha256 for file in result.files] == [media.digest for media in job.media]
        assert len(result.files) == 3


# -- manners


async def test_nobody_is_called_by_a_prompt_and_nothing_unfurls(studio: Rig) -> None:
    prompt = "<!channel> & <@U123> see https://example.org <b>"
    await (await studio.anna.command("/imagine", channel=studio.general)).opened()
    await studio.anna.submit_view({"prompt": prompt})
    await studio.ended(await studio.job())
    for message in [*studio.cards(), *studio.results()]:
        assert message.pings <= {studio.anna.id}
        assert message.unfurled == []
    assert "<!channel>" not in studio.cards()[0].fallback
    assert (await studio.job()).inputs["prompt"] == prompt
