"""One job's way, and everything that may go wrong on it: each job ends exactly once, in media or in words."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from bot.engine import steps
from bot.engine.fates import Again
from bot.errors import Busy, Denied, Gone, Refused, TooLarge
from bot.jobs import Job, Outcome, Place, State
from bot.ports import Cancelled, Failed, Ready, Unknown, Waiting, Working
from tests import media_samples as samples
from tests.rig import ANNA, QUICK, Board, Rig, eventually, rig


async def test_a_job_goes_from_the_command_to_its_place(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        job = await studio.ended(await studio.order())
        assert (job.state, job.outcome) == (State.DONE, Outcome.READY)
        notice = studio.board.last(job)
        assert isinstance(notice, Ready)
        assert notice.media[0].path.read_bytes().startswith(b"\x89PNG")
        assert notice.cost == 0
        assert job.took is not None


async def test_the_card_stands_before_the_result_and_is_edited_not_repeated(tmp_path: Path) -> None:
    async with rig(tmp_path, sandbox_options={"boot_seconds": 0.2}) as studio:
        job = await studio.ended(await studio.order())
        said = [post for post in studio.board.shown if post.card.job == job.id]
        assert isinstance(said[0].notice, Waiting | Working)
        assert said[0].posted is None
        assert all(post.posted == {"key": f"job-{job.id}"} for post in said[1:])


async def test_the_same_interaction_twice_makes_one_job(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        first, second = await asyncio.gather(studio.order(key="board:x"), studio.order(key="board:x"))
        assert first.id == second.id
        await studio.ended(first)
        assert len(studio.board.finals(first)) == 1


async def test_what_is_over_the_limit_at_once_waits_its_turn(tmp_path: Path) -> None:
    rules = replace(QUICK, at_once=2)
    async with rig(tmp_path, rules=rules, sandbox_options={"boot_seconds": 0.2, "workers": 8}) as studio:
        jobs = [await studio.order() for _ in range(5)]
        most = 0
        while any([await studio.state(job) is not State.DONE for job in jobs]):
            counts = await studio.store.counts()
            most = max(most, counts.get(State.RUNNING, 0) + counts.get(State.SUBMITTING, 0))
            await asyncio.sleep(0.01)
        assert most == 2


async def test_a_waiting_job_says_how_many_are_ahead(tmp_path: Path) -> None:
    rules = replace(QUICK, at_once=1)
    async with rig(tmp_path, rules=rules, sandbox_options={"boot_seconds": 0.5}) as studio:
        _first, _second, third = [await studio.order() for _ in range(3)]
        await eventually(
            lambda: studio.board.last(third) == Waiting(1, None, None), "one is ahead of the third"
        )


# -- the provider's refusals


@pytest.mark.parametrize("fault", [{"code": 429}, {"code": 503}])
async def test_a_certain_refusal_is_tried_again(tmp_path: Path, fault: dict[str, Any]) -> None:
    async with rig(tmp_path) as studio:
        await studio.misbehave(on="create", fault="status", times=1, headers={"retry-after": "0"}, **fault)
        job = await studio.ended(await studio.order())
        assert job.outcome is Outcome.READY


async def test_a_job_says_that_it_waits_for_its_provider(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        await studio.misbehave(on="create", fault="status", code=429, headers={"retry-after": "1"}, times=1)
        job = await studio.order()
        await eventually(
            lambda: getattr(studio.board.last(job), "reason", None) == "provider_busy", "the card says why"
        )
        assert (await studio.ended(job)).outcome is Outcome.READY


async def test_a_running_job_says_that_its_provider_is_out_of_reach(tmp_path: Path) -> None:
    async with rig(tmp_path, sandbox_options={"boot_seconds": 1}) as studio:
        await studio.misbehave(on="get", fault="status", code=503, times=None)
        job = await studio.order()
        down = Waiting(reason="provider_down")
        await eventually(lambda: studio.board.last(job) == down, "the card says why")
        await studio.behave()
        await eventually(lambda: studio.board.last(job) != down, "the card says that it goes on")
        assert (await studio.ended(job)).outcome is Outcome.READY


@pytest.mark.parametrize(
    ("status", "code"), [(401, "unauthenticated"), (402, "no_credit"), (404, "not_found"), (422, "bad_input")]
)
async def test_a_refusal_for_good_ends_the_job_free_of_cost(tmp_path: Path, status: int, code: str) -> None:
    async with rig(tmp_path) as studio:
        body = {"detail": "no", "status": status}
        await studio.misbehave(on="create", fault="status", code=status, body=body, times=1)
        job = await studio.ended(await studio.order())
        assert (job.outcome, job.code, job.cost) == (Outcome.FAILED, code, Decimal(0))
        assert isinstance(studio.board.last(job), Failed)


# -- writes that fail


@pytest.mark.parametrize("verb", ["submitted", "succeeded", "fetched", "delivered"])
@pytest.mark.parametrize("written", [False, True])
async def test_a_fate_that_could_not_be_written_is_written_soon_and_not_when_its_lease_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str, written: bool
) -> None:
    async with rig(tmp_path) as studio:
        write = getattr(studio.store, verb)
        failed: list[str] = []

        async def fails_once(*given: Any, **more: Any) -> Any:
            if failed:
                return await write(*given, **more)
            failed.append(verb)
            if written:
                await write(*given, **more)
            raise OperationalError("", {}, sqlite3.OperationalError("disk I/O error"))

        monkeypatch.setattr(studio.store, verb, fails_once)
        job = await studio.ended(await studio.order())
        assert failed == [verb]
        assert job.outcome is Outcome.READY
        assert len(studio.board.messages) == 1
        assert await _predictions(studio) == 1


# -- answers that are lost


async def test_a_prediction_whose_answer_was_lost_is_found_and_not_paid_twice(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        await studio.misbehave(on="create", fault="drop_after", times=1)
        job = await studio.ended(await studio.order())
        assert job.outcome is Outcome.READY
        assert await _predictions(studio) == 1


async def test_two_equal_jobs_with_lost_answers_find_a_prediction_each(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        await studio.misbehave(on="create", fault="drop_after", times=2)
        options = (("prompt", "the same"), ("seed", 5))
        jobs = [await studio.order("imagine", *options) for _ in range(2)]
        ended = [await studio.ended(job) for job in jobs]
        assert [job.outcome for job in ended] == [Outcome.READY, Outcome.READY]
        assert len({job.prediction for job in ended}) == 2
        assert await _predictions(studio) == 2


async def test_a_request_that_never_arrived_is_sent_again_once_the_list_says_so(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        await studio.misbehave(on="create", fault="drop_before", times=1)
        job = await studio.ended(await studio.order())
        assert job.outcome is Outcome.READY
        assert await _predictions(studio) == 1


async def test_a_page_of_nonsense_does_not_keep_a_lost_prediction_from_being_found(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        await studio.misbehave(on="create", fault="drop_after", times=1)
        await studio.misbehave(on="list", fault="garbage", form="html", times=1)
        job = await studio.ended(await studio.order())
        assert job.outcome is Outcome.READY
        assert await _predictions(studio) == 1


async def test_a_list_that_never_makes_sense_ends_the_job_as_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "backoff", lambda *_, **__: 0.01)
    async with rig(tmp_path) as studio:
        await studio.misbehave(on="create", fault="drop_after", times=1)
        await studio.misbehave(on="list", fault="garbage", form="html", times=None)
        job = await studio.ended(await studio.order())
        assert (job.outcome, job.code) == (Outcome.UNKNOWN, "lost_answer")


async def test_a_search_that_takes_long_is_not_put_off_for_minutes_by_one_more_hiccup(tmp_path: Path) -> None:
    async with rig(tmp_path, start=False) as studio:
        job = replace(await studio.order(), state=State.SUBMITTING, tries=12)
        await studio.misbehave(on="list", fault="status", code=502, times=1)
        fate = await studio.engine._steps.recover(job)
        assert isinstance(fate, Again)
        assert fate.after < 20


async def test_where_nobody_can_know_the_job_ends_as_unknown(tmp_path: Path) -> None:
    async with rig(tmp_path, kind="gateway") as studio:
        await studio.misbehave(on="create", fault="drop_after", times=1)
        job = await studio.ended(await studio.order())
        assert (job.outcome, job.code, job.cost) == (Outcome.UNKNOWN, "lost_answer", None)
        assert isinstance(studio.board.last(job), Unknown)


@pytest.mark.parametrize("garbage", ["html", "empty", "images", "half"])
async def test_an_answer_that_is_no_prediction_fails_the_job_where_there_is_no_list(
    tmp_path: Path, garbage: str
) -> None:
    async with rig(tmp_path, kind="gateway") as studio:
        await studio.misbehave(on="create", fault="garbage", form=garbage, times=1)
        job = await studio.ended(await studio.order())
        assert (job.outcome, job.code) == (Outcome.FAILED, "bad_answer")


async def test_garbage_instead_of_a_look_is_looked_at_again(tmp_path: Path) -> None:
    async with rig(tmp_path, kind="gateway") as studio:
        await studio.misbehave(on="get", fault="garbage", form="html", times=2)
        assert (await studio.ended(await studio.order())).outcome is Outcome.READY


async def test_nothing_but_garbage_fails_the_job(tmp_path: Path) -> None:
    async with rig(tmp_path, kind="gateway") as studio:
        await studio.misbehave(on="get", fault="garbage", form="empty", times=None)
        job = await studio.ended(await studio.order())
        assert (job.outcome, job.code) == (Outcome.FAILED, "bad_answer")


# -- what becomes of a prediction


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("fail", "model_failed"),
        ("flag", "flagged"),
        ("out_of_memory", "out_of_memory"),
        ("forget", "vanished"),
    ],
)
async def test_a_prediction_that_comes_to_nothing_is_told(tmp_path: Path, fault: str, code: str) -> None:
    async with rig(tmp_path) as studio:
        on = "get" if fault == "forget" else "create"
        await studio.misbehave(on=on, fault=fault, model="edit", times=None)
        attached = await studio.library.keep("a.png", _png())
        job = await studio.ended(await studio.order("edit", ("prompt", "x"), ("input_image", attached)))
        assert job.code == code
        assert len(studio.board.finals(job)) == 1


async def test_an_endless_prediction_is_stopped_at_the_deadline(tmp_path: Path) -> None:
    async with rig(tmp_path, rules=replace(QUICK, deadline=0.3)) as studio:
        await studio.misbehave(on="create", fault="never_finish", times=None)
        job = await studio.ended(await studio.order())
        assert (job.outcome, job.code) == (Outcome.FAILED, "deadline")


async def test_an_expired_output_is_told(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        await studio.misbehave(on="download", fault="expired_output", times=None)
        job = await studio.ended(await studio.order())
        assert (job.outcome, job.code) == (Outcome.FAILED, "expired")


async def test_a_proxy_s_page_in_place_of_a_result_that_is_paid_for_is_fetched_again(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        await studio.misbehave(on="download", fault="garbage", form="html", times=1)
        job = await studio.ended(await studio.order())
        assert job.outcome is Outcome.READY
        assert len(job.media) == 1


async def test_a_result_that_never_is_a_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "backoff", lambda *_, **__: 0.01)
    async with rig(tmp_path) as studio:
        await studio.misbehave(on="download", fault="garbage", form="html", times=None)
        job = await studio.ended(await studio.order())
        assert (job.outcome, job.code) == (Outcome.FAILED, "not_media")


async def test_an_upload_that_is_answered_with_nonsense_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "DATA_URI_LIMIT", 10)
    async with rig(tmp_path) as studio:
        await studio.misbehave(on="files", fault="garbage", form="html", times=1)
        file = await studio.core.keep("fox.png", _chunks(samples.still("PNG")))
        job = await studio.ended(await studio.order("cutout", ("image", file)))
        assert job.outcome is Outcome.READY


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def test_a_cut_download_is_fetched_again(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        await studio.misbehave(on="download", fault="cut_download", times=1)
        assert (await studio.ended(await studio.order())).outcome is Outcome.READY


# -- cancelling


async def test_a_queued_job_is_cancelled_at_once_and_never_sent(tmp_path: Path) -> None:
    async with rig(
        tmp_path, rules=replace(QUICK, at_once=1), sandbox_options={"boot_seconds": 0.5}
    ) as studio:
        await studio.order()
        second = await studio.order()
        await studio.core.cancel(second.id, ANNA)
        job = await studio.ended(second)
        assert (job.outcome, job.cost) == (Outcome.CANCELLED, Decimal(0))
        assert studio.board.last(job) == Cancelled("Anna", job.cost)
        assert await _predictions(studio) == 1


async def test_a_running_job_is_cancelled_at_the_provider(tmp_path: Path) -> None:
    async with rig(tmp_path, sandbox_options={"boot_seconds": 30}) as studio:
        job = await studio.order()
        await eventually(lambda: is_in(studio, job, State.RUNNING), "it runs")
        await studio.core.cancel(job.id, ANNA)
        assert (await studio.ended(job)).outcome is Outcome.CANCELLED


async def test_a_cancel_that_another_process_asked_for_reaches_the_provider(tmp_path: Path) -> None:
    async with rig(tmp_path, sandbox_options={"boot_seconds": 30}) as studio:
        job = await studio.order()
        await eventually(lambda: is_in(studio, job, State.RUNNING), "it runs")
        other = Rig(tmp_path, studio.base_url, studio.kind, studio.rules, Board())
        await other.build(engine=False)
        await other.core.cancel(job.id, ANNA)
        assert (await studio.ended(job)).outcome is Outcome.CANCELLED
        await other.crash()


async def test_what_is_over_can_not_be_cancelled(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        job = await studio.ended(await studio.order())
        with pytest.raises(Refused, match="too_late"):
            await studio.core.cancel(job.id, ANNA)


async def test_only_its_owner_cancels_a_job_and_strangers_do_not_see_it(tmp_path: Path) -> None:
    async with rig(tmp_path, sandbox_options={"boot_seconds": 30}) as studio:
        job = await studio.order()
        with pytest.raises(Refused, match="not_yours"):
            await studio.core.cancel(job.id, replace(ANNA, id="ben"))
        with pytest.raises(Refused, match="not_found"):
            await studio.core.cancel(job.id, replace(ANNA, server="elsewhere"))


# -- delivering


async def test_a_busy_place_is_tried_again(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        studio.board.faults_at_the_end = [Busy(retry_after=0.01), RuntimeError("a stumble")]
        job = await studio.ended(await studio.order())
        assert job.state is State.DONE
        assert len(studio.board.finals(job)) == 1


async def test_a_place_that_is_gone_is_replaced_by_the_next_best(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        studio.board.second_best = Place("board:letterbox")
        studio.board.faults_at_the_end = [Gone()]
        job = await studio.ended(await studio.order())
        assert (job.state, job.place) == (State.DONE, "board:letterbox")


async def test_where_no_place_takes_it_the_media_are_kept(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        studio.board.faults_at_the_end = [Denied()]
        job = await studio.ended(await studio.order())
        assert job.state is State.UNDELIVERED
        assert studio.library.path(job.media[0].digest) is not None


async def test_a_file_too_large_for_the_place_is_made_smaller(tmp_path: Path) -> None:
    async with rig(tmp_path, make=_noise) as studio:
        studio.board.faults_at_the_end = [TooLarge(40_000)]
        job = await studio.ended(await studio.order(), within=30)
        notice = studio.board.last(job)
        assert isinstance(notice, Ready)
        assert notice.media[0].path.stat().st_size <= 40_000 < job.media[0].size


async def test_a_card_that_can_not_be_shown_does_not_disturb_the_job(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        studio.board.faults = [RuntimeError("no")] * 100
        assert (await studio.ended(await studio.order())).state is State.DONE


# -- crashes


@pytest.mark.parametrize(
    "state", [State.QUEUED, State.SUBMITTING, State.RUNNING, State.FETCHING, State.DELIVERING]
)
async def test_a_crash_in_any_state_loses_nothing_and_repeats_nothing(tmp_path: Path, state: State) -> None:
    async with rig(tmp_path, start=False) as studio:
        await halt_in(studio, state)
        job = await studio.order()
        if state is not State.QUEUED:
            studio.start()
            await eventually(lambda: is_in(studio, job, state), f"it is {state}")
        await studio.crash()
        await studio.behave()
        studio.board.faults_at_the_end = []
        await studio.build()
        studio.start()
        ended = await studio.ended(job)
        assert (ended.state, ended.outcome) == (State.DONE, Outcome.READY)
        assert await _predictions(studio) == 1
        assert len(studio.board.finals(ended)) == 1


async def test_many_crashes_later_every_job_has_arrived_once(tmp_path: Path) -> None:
    async with rig(tmp_path, sandbox_options={"boot_seconds": 0.05, "workers": 4}) as studio:
        jobs: list[Job] = []
        for _ in range(6):
            jobs += [await studio.order() for _ in range(4)]
            await asyncio.sleep(0.05)
            await studio.restart()
        ended = [await studio.ended(job, within=20) for job in jobs]
        assert {job.outcome for job in ended} == {Outcome.READY}
        assert await _predictions(studio) == len(jobs)


# -- helpers


async def halt_in(studio: Rig, state: State) -> None:
    """Have the provider or the platform hold every job up in that state."""
    match state:
        case State.SUBMITTING:
            await studio.misbehave(on="create", fault="slow", seconds=30, times=None)
        case State.RUNNING:
            await studio.misbehave(on="get", fault="status", code=503, times=None)
            await studio.misbehave(on="list", fault="status", code=503, times=None)
        case State.FETCHING:
            await studio.misbehave(on="download", fault="status", code=503, times=None)
        case State.DELIVERING:
            studio.board.faults_at_the_end = [Busy(retry_after=1)] * 100
        case _:
            pass


async def is_in(studio: Rig, job: Job, state: State) -> bool:
    return await studio.state(job) is state


async def _predictions(studio: Rig) -> int:
    """How many predictions the provider has been paid for."""
    return len((await studio.stats())["completed_at"])


async def _png() -> Any:
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(out, "PNG")
    yield out.getvalue()


def _noise(work: Any, report: Any) -> Any:
    import io

    import numpy as np
    from PIL import Image

    from bot.sandbox.work import Piece

    pixels = np.random.default_rng(1).integers(0, 255, (256, 256, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    yield Piece("image", "out.png", out.getvalue(), "image/png")
