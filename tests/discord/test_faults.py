"""Everything that goes wrong between Discord and us: acknowledged or not made, posted once or not at all."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from adapters.discord import rest
from bot.jobs import Job, Outcome, State
from bot.sandbox.work import Piece
from tests import media_samples as samples
from tests.discord.rig import Stage, stage
from tests.discord_server import Limits, P
from tests.rig import QUICK, eventually

SLOW: dict[str, Any] = {"boot_seconds": 0.5}
FOX = {"prompt": "a fox"}
RESULTS = "POST /channels/*/messages"


def results(on: Stage) -> list[Any]:
    """Every message with files, wherever it stands."""
    channels = on.server.world.channels.values()
    return [message for channel in channels for message in channel.visible() if message.files]


async def no_jobs(on: Stage) -> bool:
    return sum((await on.studio.store.counts()).values()) == 0


# -- acknowledging


async def test_an_interaction_that_comes_twice_makes_one_job(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        reply = await on.ada.command("imagine", FOX, channel=on.general, times=2)
        await reply.until(lambda r: len(r.attempts) == 2)
        job = await on.ended(reply)
        assert sum((await on.studio.store.counts()).values()) == 1
        assert len(results(on)) == 1
        assert len([m for m in on.server.messages(on.general) if m.components]) == 1
        assert job.posted is not None


@pytest.mark.parametrize("fault", ["status_after", "drop_after", "close_after"])
async def test_an_acknowledgement_that_was_taken_but_went_wrong_makes_one_job(
    tmp_path: Path, fault: Any
) -> None:
    async with stage(tmp_path) as on:
        on.server.faults.add(on="POST /interactions/*/*/callback", fault=fault)
        reply = await on.ada.command("imagine", FOX, channel=on.general)
        assert reply.ack == 4
        job = await on.ended(reply)
        assert on.message(job, "card") is reply.message
        assert len(results(on)) == 1


async def test_an_acknowledgement_answered_with_a_proxy_s_page_makes_one_job(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        on.server.faults.add(on="POST /interactions/*/*/callback", fault="not_json")
        reply = await on.ada.command("imagine", FOX, channel=on.general)
        job = await on.ended(reply)
        assert on.message(job, "card") is reply.message
        assert len(results(on)) == 1


async def test_an_acknowledgement_that_is_never_answered_is_sent_again_while_it_may_be_in_time(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path) as on:
        on.server.faults.add(on="POST /interactions/*/*/callback", fault="hang")
        reply = await on.ada.command("imagine", FOX, channel=on.general)
        assert reply.ack == 4
        await on.ended(reply)


async def test_a_silent_discord_keeps_no_worker_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rest, "SLOWEST", 0.5)
    async with stage(tmp_path) as on:
        on.server.faults.add(on="POST /channels/*/messages/*/threads", fault="hang")
        await on.run("imagine", FOX)
        assert len(results(on)) == 1


@pytest.mark.parametrize("fault", ["drop_before", "close_before"])
async def test_an_acknowledgement_that_was_not_taken_is_sent_again(tmp_path: Path, fault: Any) -> None:
    async with stage(tmp_path) as on:
        on.server.faults.add(on="POST /interactions/*/*/callback", fault=fault)
        reply = await on.ada.command("imagine", FOX, channel=on.general)
        assert reply.ack == 4
        await on.ended(reply)


@pytest.mark.long
async def test_what_is_replayed_after_its_three_seconds_is_not_made(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        on.server.gateway.hold()
        on.server.gateway.cut()
        await on.server.until(lambda: not list(on.server.gateway.live()))
        reply = await on.ada.command("imagine", FOX, channel=on.general, wait=False)
        on.server.clock.advance(4)
        on.server.gateway.release()
        await reply.until(lambda r: bool(r.attempts), within=40)
        assert [attempt.code for attempt in reply.attempts] == [10062]
        later = await on.ada.command("imagine", {"prompt": "another"}, channel=on.general)
        await on.ended(later)
        assert sum((await on.studio.store.counts()).values()) == 1


async def test_a_refusal_takes_the_card_back_and_tells_one_person(tmp_path: Path) -> None:
    async with stage(tmp_path, sandbox_options={"boot_seconds": 30}) as on:
        on.studio.core._rules = replace(
            on.studio.core._rules, limits=replace_limits(on, per_day_per_person=1)
        )
        await on.job_of(await on.ada.command("imagine", FOX, channel=on.general))
        reply = await on.ada.command("imagine", FOX, channel=on.general)
        await reply.until(lambda r: bool(r.followups))
        assert reply.message is None
        assert "Your 1 jobs of today are used up" in reply.followups[0].text
        assert reply.followups[0].ephemeral


def replace_limits(on: Stage, **changes: Any) -> Any:
    return on.studio.limits.model_copy(update=changes)


async def test_an_order_that_was_written_although_that_failed_is_one_job_and_nobody_is_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(tmp_path) as on:
        accept = on.studio.store.accept

        async def lost(*given: Any, **more: Any) -> Any:
            monkeypatch.setattr(on.studio.store, "accept", accept)
            await accept(*given, **more)
            await _locked()

        monkeypatch.setattr(on.studio.store, "accept", lost)
        reply = await on.ada.command("imagine", FOX, channel=on.general)
        job = await on.ended(reply)
        assert on.message(job, "card") is reply.message
        assert reply.followups == []


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "rate_limit", "html"])
async def test_a_result_that_somebody_removes_goes_in_spite_of_a_fault(tmp_path: Path, fault: Any) -> None:
    async with stage(tmp_path) as on:
        job = await on.run("imagine", FOX)
        on.server.faults.add(on="DELETE /channels/*/messages/*", fault=fault, delay=0.05)
        reply = await on.ada.press(on.message(job), label="Delete")
        await reply.until(lambda r: bool(r.followups))
        assert results(on) == []


async def test_a_store_that_fails_is_told_and_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(tmp_path) as on:
        monkeypatch.setattr(on.studio.store, "accept", _locked)
        reply = await on.ada.command("imagine", FOX, channel=on.general)
        await reply.until(lambda r: bool(r.followups), 20)
        assert "Nothing was started" in reply.followups[0].text
        assert reply.message is None
        assert await no_jobs(on)


async def _locked(*_: Any) -> Any:
    raise OperationalError("INSERT", {}, sqlite3.OperationalError("database is locked"))


# -- attachments


async def test_an_attachment_is_copied_when_the_command_is_used(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        job = await on.run("cutout", {"image": ("fox.png", samples.still("PNG"))})
        on.server.clock.advance(30 * 86_400)
        for file in on.server.files:
            file.gone = True
        again = await on.ended(await on.ada.press(on.message(job), label="Again"))
        assert again.outcome is Outcome.READY


async def test_an_attachment_that_is_no_picture_is_refused_in_words(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        reply = await on.ada.command("cutout", {"image": ("fox.png", b"no picture")}, channel=on.general)
        await reply.until(lambda r: bool(r.followups))
        assert "no picture, film or sound" in reply.followups[0].text
        assert await no_jobs(on)


# -- posting


@pytest.mark.parametrize("fault", ["drop_after", "close_after", "status_after", "not_json"])
async def test_a_result_that_was_taken_but_whose_answer_was_lost_stands_once(
    tmp_path: Path, fault: Any
) -> None:
    async with stage(tmp_path) as on:
        on.server.faults.add(on=RESULTS, fault=fault)
        await on.run("imagine", FOX)
        assert len(results(on)) == 1


@pytest.mark.parametrize("fault", ["drop_before", "close_before", "html", "rate_limit", "shared_rate_limit"])
async def test_a_result_that_was_not_taken_is_sent_again(tmp_path: Path, fault: Any) -> None:
    async with stage(tmp_path) as on:
        on.server.faults.add(on=RESULTS, fault=fault, delay=0.05)
        await on.run("imagine", FOX)
        assert len(results(on)) == 1


@pytest.mark.parametrize("fault", ["drop_after", "drop_before", "rate_limit"])
@pytest.mark.parametrize("on_what", ["POST /channels/*/messages/*/threads", "PATCH /channels/*/messages/*"])
async def test_a_thread_and_a_card_survive_faults(tmp_path: Path, fault: Any, on_what: str) -> None:
    async with stage(tmp_path) as on:
        on.server.faults.add(on=on_what, fault=fault, delay=0.05)
        job = await on.run("imagine", FOX)
        assert on.message(job).channel is on.message(job, "card").thread
        assert len(results(on)) == 1


async def _crash_after_posting(on: Stage) -> Job:
    """Kill the process when the result stands there and nobody has written that down."""
    on.server.faults.add(on=RESULTS, fault="slow_after", delay=30)
    job = await on.job_of(await on.ada.command("imagine", FOX, channel=on.general))
    await on.server.until(lambda: len(results(on)) == 1, within=15)
    await on.studio.crash()
    on.server.faults.clear()
    return job


async def test_a_crash_right_after_posting_posts_nothing_twice(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        job = await _crash_after_posting(on)
        await on.studio.build()
        on.studio.start()
        ended = await on.studio.ended(job)
        assert len(results(on)) == 1
        assert on.message(ended) is results(on)[0]


async def test_a_crash_that_lasts_longer_than_any_nonce_is_looked_up(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        job = await _crash_after_posting(on)
        on.server.world.nonces.clear()
        await on.studio.build()
        on.studio.start()
        ended = await on.studio.ended(job)
        assert len(results(on)) == 1
        assert on.message(ended) is results(on)[0]


async def test_a_crash_before_posting_is_made_good(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        on.server.faults.add(on=RESULTS, fault="slow_before", delay=30)
        job = await on.job_of(await on.ada.command("imagine", FOX, channel=on.general))
        await on.server.until(lambda: bool(on.server.requests_to("POST /channels/*/messages/*/threads")))

        async def trying() -> bool:
            return "trying" in ((await on.job(job)).posted or {})

        await eventually(trying, "it is about to be sent")
        await on.studio.crash()
        on.server.faults.clear()
        on.server.world.nonces.clear()
        await on.studio.build()
        on.studio.start()
        await on.studio.ended(job)
        assert len(results(on)) == 1


async def test_where_nobody_can_look_it_is_not_posted_again_but_offered(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        thread = on.general.thread("talk", on.ada)
        on.server.faults.add(on=RESULTS, fault="slow_after", delay=30)
        job = await on.job_of(await on.ada.command("imagine", FOX, channel=thread))
        await on.server.until(lambda: len(results(on)) == 1, within=15)
        await on.studio.crash()
        on.server.faults.clear()
        on.server.world.nonces.clear()
        on.general.deny(on.server.bot, P.READ_MESSAGE_HISTORY)
        await on.studio.build()
        posted = dict((await on.job(job)).posted or {})
        await on.studio.store.posted(job.id, {**posted, "trying": time.time() - 600})
        on.studio.start()
        ended = await on.studio.ended(job)
        assert (ended.state, ended.code) == (State.UNDELIVERED, "maybe_posted")
        assert len(results(on)) == 1
        await on.server.connected()
        listed = await (await on.ada.command("jobs", channel=thread)).answered()
        assert listed.message is not None
        await on.ada.press(listed.message, label="Post again")
        await on.server.until(lambda: len(results(on)) == 2)
        await on.studio.ended(job)


async def test_a_restart_at_any_moment_ends_the_job_once(tmp_path: Path) -> None:
    async with stage(tmp_path, sandbox_options=SLOW) as on:
        job = await on.job_of(await on.ada.command("imagine", FOX, channel=on.general))
        for _ in range(12):
            await on.studio.restart()
            await asyncio.sleep(0.03)
        await on.studio.ended(job)
        assert len(results(on)) == 1


# -- too large


def big_picture() -> bytes:
    return samples.still("PNG", 1200, 900, noise=120)


async def test_a_result_too_large_for_its_place_is_made_smaller(tmp_path: Path) -> None:
    async with stage(tmp_path, make=_echo) as on:
        on.server.limits.upload = 2 * 2**20
        on.server.limits.upload_by_tier = {}
        job = await _run(on)
        assert job.media[0].size > 2 * 2**20
        (result,) = results(on)
        assert result.files[0].size <= 2 * 2**20
        refused = len([r for r in on.server.requests_to(RESULTS) if r.status == 413])
        again = await on.ended(await on.ada.press(result, label="Again"), within=40)
        assert again.state is State.DONE
        assert len([r for r in on.server.requests_to(RESULTS) if r.status == 413]) == refused


async def _run(on: Stage) -> Job:
    return await on.ended(await on.ada.command("imagine", FOX, channel=on.general), within=40)


def _echo(work: Any, report: Any) -> Any:
    report("done\n")
    yield Piece("image", "out.png", big_picture(), "image/png")


@pytest.mark.long
async def test_what_fits_nowhere_is_a_preview_with_a_link(tmp_path: Path) -> None:
    async with stage(tmp_path, make=_film, public_url="https://studio.example") as on:
        on.server.limits.upload = 30_000
        on.server.limits.upload_by_tier = {}
        job = await _run(on)
        assert job.state is State.DONE
        (result,) = results(on)
        assert "https://studio.example/files/" in result.text
        assert result.files[0].filename.endswith((".jpg", ".webp"))


@pytest.mark.long
async def test_what_fits_nowhere_is_words_where_nobody_can_reach_us(tmp_path: Path) -> None:
    async with stage(tmp_path, make=_film) as on:
        on.server.limits.upload = 30_000
        on.server.limits.upload_by_tier = {}
        job = await _run(on)
        assert (job.state, job.code) == (State.UNDELIVERED, "too_large")
        assert results(on) == []
        card = on.message(job, "card")
        assert "too large for this place" in card.text


def _film(work: Any, report: Any) -> Any:
    report("done\n")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        samples.film(path, seconds=60, noise=40)
        yield Piece("image", "out.mp4", path.read_bytes(), "video/mp4")


# -- rate limits and progress


async def test_many_at_once_are_all_delivered_within_discords_limits(tmp_path: Path) -> None:
    rules = replace(QUICK, workers=8)
    async with stage(tmp_path, rules=rules) as on:
        on.server.limits = Limits(pace=0.05)
        replies = [
            await on.ada.command("imagine", {"prompt": f"fox {n}"}, channel=on.general) for n in range(12)
        ]
        for reply in replies:
            await on.ended(reply, within=40)
        assert len(results(on)) == 12
        assert all(request.status != 401 for request in on.server.requests)


async def test_progress_is_shown_and_never_after_the_end(tmp_path: Path) -> None:
    async with stage(tmp_path, sandbox_options={"boot_seconds": 0.3}) as on:
        reply = await on.ada.command("imagine", FOX, channel=on.general)
        job = await on.ended(reply)
        card = on.message(job, "card")
        said = [edit.text for edit in card.edits] + [card.text]
        assert "Taking it in" in said[0]
        assert any("Working" in text for text in said)
        assert "Ready" in said[-1]
        assert [b.label for b in card.buttons] == ["Open"]
