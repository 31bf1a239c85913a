"""The whole studio with a provider that is short of patience, goes, comes back, or must hand its jobs on."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.catalogue import load
from bot.errors import Refused
from bot.jobs import Job, Outcome, State
from bot.ports import Cancelled, Ready, Waiting, Working
from bot.sandbox.misbehaviour import Rule
from bot.sandbox.server import Sandbox, serve
from tests.rig import ANNA, QUICK, Rig, eventually, rig, tiny

DOWN = Waiting(reason="provider_down")
SLOW = {"boot_seconds": 30}


# -- budgets


async def test_all_jobs_share_one_budget_and_what_finds_none_waits_in_the_queue(tmp_path: Path) -> None:
    async with rig(tmp_path, manners={"creates_per_minute": 20}) as studio:
        jobs = [await studio.order() for _ in range(6)]
        await eventually(lambda: _ended(studio, jobs, 2), "two are done")
        await asyncio.sleep(0.5)
        states = [await studio.state(job) for job in jobs]
        assert states.count(State.QUEUED) == 4, "no worker is held"
        assert await _asked(studio, "create") == 2
        last = studio.board.last(jobs[-1])
        assert isinstance(last, Waiting)
        assert last.reason == "provider_busy"
        waiting = await studio.store.get(jobs[-1].id)
        assert waiting
        assert (waiting.attempt, waiting.tries) == (0, 0), "it was left alone"


async def test_a_limit_that_only_the_provider_knows_is_learned_from_its_headers(tmp_path: Path) -> None:
    async with rig(tmp_path, sandbox_options={"creates_per_minute": 3}) as studio:
        for _ in range(3):
            await studio.ended(await studio.order())
        jobs = [await studio.order() for _ in range(5)]
        await asyncio.sleep(0.5)
        assert {await studio.state(job) for job in jobs} == {State.QUEUED}
        assert await _asked(studio, "create") == 3, "none was sent to be refused"


async def test_low_credit_is_learned_from_one_refusal_for_all_jobs(tmp_path: Path) -> None:
    said = {
        "detail": "Request was throttled. Your rate limit for creating predictions is reduced to 6 requests "
        "per minute with a burst of 1 requests while you have less than $5.0 in credit. Your rate limit "
        "resets in ~1s.",
        "status": 429,
        "retry_after": 1,
    }
    async with rig(tmp_path) as studio:
        await studio.misbehave(on="create", fault="status", code=429, body=said, times=1)
        first = await studio.order()
        await eventually(lambda: _reason(studio, first), "the card says why")
        jobs = [first, *[await studio.order() for _ in range(4)]]
        await asyncio.sleep(2)
        assert await _asked(studio, "create") <= 2
        assert sum([await studio.state(job) is State.QUEUED for job in jobs]) >= 4


async def test_the_spending_of_looks_leaves_creates_alone(tmp_path: Path) -> None:
    limits = {"requests_per_minute": 20}
    async with rig(tmp_path, manners=limits, sandbox_options=SLOW) as studio:
        await studio.order()
        await eventually(lambda: _has_looked(studio, 2), "the looks are spent")
        second = await studio.order()
        await eventually(lambda: _is(studio, second, State.RUNNING), "it runs")
        assert await _asked(studio, "get") < 5


# -- it goes, and is back


@pytest.mark.parametrize("fault", [{"fault": "status", "code": 503}, {"fault": "drop_before"}])
async def test_one_line_and_one_notice_when_it_goes_and_one_when_it_is_back(
    tmp_path: Path, fault: dict[str, Any]
) -> None:
    async with rig(tmp_path, sandbox_options={"boot_seconds": 1.5}) as studio:
        running = [await studio.order() for _ in range(3)]
        await eventually(lambda: _all(studio, running, State.RUNNING), "they run")
        with capture_logs() as logs:
            for on in ("get", "list", "create"):
                await studio.misbehave(on=on, times=None, **fault)
            await eventually(lambda: all(studio.board.last(job) == DOWN for job in running), "it is told")
            waiting = await studio.order()
            await eventually(lambda: _reason(studio, waiting) == "provider_down", "the queue says why too")
            before = await _asked(studio, "get", "list", "create")
            await asyncio.sleep(2)
            assert await _asked(studio, "get", "list", "create") - before < 12, "it is left in peace"
            await studio.behave()
            ended = [await studio.ended(job) for job in (*running, waiting)]
        assert {job.outcome for job in ended} == {Outcome.READY}
        assert [line["action"] for line in logs if str(line.get("action")).startswith("provider_")] == [
            "provider_down",
            "provider_up",
        ]
        for job in running:
            said = [post.notice for post in studio.board.shown if post.card.job == job.id]
            assert said.count(DOWN) == 1


async def test_orders_alone_find_out_that_nobody_is_there_and_are_not_lost(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        await studio.misbehave(on="create", fault="status", code=503, times=None)
        jobs = [await studio.order() for _ in range(30)]
        await eventually(lambda: studio.client.manners.creates.down, "it is noticed")
        before = await _asked(studio, "create")
        await asyncio.sleep(1)
        assert await _asked(studio, "create") - before <= 8, "one at a time, ever more seldom"
        await studio.behave()
        assert {(await studio.ended(job, within=30)).outcome for job in jobs} == {Outcome.READY}
        assert await _predictions(studio) == 30


# -- it ends by itself


async def test_the_provider_is_told_when_to_stop_by_itself(tmp_path: Path) -> None:
    async with rig(tmp_path, rules=replace(QUICK, deadline=6), sandbox_options=SLOW) as studio:
        job = await studio.order()
        await eventually(lambda: _is(studio, job, State.RUNNING), "it runs")
        running = await studio.store.get(job.id)
        assert running
        await studio.crash()  # nobody is left who could stop it
        await asyncio.sleep(6.2)
        await studio.build()
        assert (await studio.client.get(str(running.prediction))).status == "aborted"
        studio.start()
        ended = await studio.ended(job)
        assert (ended.outcome, ended.code, ended.cost) == (Outcome.FAILED, "deadline", Decimal(0))


# -- cancels that race


async def test_a_cancel_before_the_create_is_answered_reaches_the_provider(tmp_path: Path) -> None:
    async with rig(tmp_path, sandbox_options=SLOW) as studio:
        await studio.misbehave(on="create", fault="slow", seconds=0.5)
        job = await studio.order()
        await eventually(lambda: _is(studio, job, State.SUBMITTING), "it is being sent")
        await studio.core.cancel(job.id, ANNA)
        ended = await studio.ended(job)
        assert ended.outcome is Outcome.CANCELLED
        assert await _asked(studio, "cancel") == 1


async def test_a_cancel_while_a_create_is_refused_for_now_ends_it_free_of_cost(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        await studio.misbehave(on="create", fault="slow", seconds=0.3)
        await studio.misbehave(on="create", fault="status", code=503)
        job = await studio.order()
        await eventually(lambda: _is(studio, job, State.SUBMITTING), "it is being sent")
        await studio.core.cancel(job.id, ANNA)
        ended = await studio.ended(job)
        assert (ended.outcome, ended.cost) == (Outcome.CANCELLED, Decimal(0))
        assert await _asked(studio, "create") == 1


async def test_a_cancel_while_the_answer_to_a_create_is_lost_reaches_the_prediction(tmp_path: Path) -> None:
    async with rig(tmp_path, sandbox_options=SLOW) as studio:
        await studio.misbehave(on="create", fault="slow", seconds=0.3)
        await studio.misbehave(on="create", fault="drop_after")
        job = await studio.order()
        await eventually(lambda: _is(studio, job, State.SUBMITTING), "it is being sent")
        await studio.core.cancel(job.id, ANNA)
        assert (await studio.ended(job)).outcome is Outcome.CANCELLED
        assert await _asked(studio, "cancel") == 1


async def test_a_cancel_is_repeated_until_the_provider_has_heard_it(tmp_path: Path) -> None:
    async with rig(tmp_path, sandbox_options=SLOW) as studio:
        job = await studio.order()
        await eventually(lambda: _is(studio, job, State.RUNNING), "it runs")
        await studio.misbehave(on="cancel", fault="status", code=503, times=2)
        await studio.core.cancel(job.id, ANNA)
        assert (await studio.ended(job)).outcome is Outcome.CANCELLED


async def test_a_cancel_that_comes_as_it_completes_gives_the_result_that_was_paid(tmp_path: Path) -> None:
    async with rig(
        tmp_path, rules=replace(QUICK, pace=replace(QUICK.pace, shortest=0.6, longest=0.8))
    ) as studio:
        job = await studio.order()
        await eventually(lambda: _predictions(studio), "it is made, though nobody has looked yet")
        await studio.core.cancel(job.id, ANNA)
        ended = await studio.ended(job)
        assert (ended.outcome, ended.cancel_requested) == (Outcome.READY, "Anna")
        assert isinstance(studio.board.last(job), Ready)
        assert len(studio.board.finals(job)) == 1


async def test_a_cancel_after_completion_is_too_late_whatever_still_has_to_be_fetched(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        await studio.misbehave(on="download", fault="slow", seconds=0.5)
        job = await studio.order()
        await eventually(lambda: _is(studio, job, State.FETCHING), "it is being fetched")
        with pytest.raises(Refused, match="too_late"):
            await studio.core.cancel(job.id, ANNA)
        assert (await studio.ended(job)).outcome is Outcome.READY


@pytest.mark.parametrize("after", [0, 0.01, 0.03, 0.06, 0.1, 0.15, 0.2])
async def test_whenever_a_cancel_comes_the_job_ends_once(tmp_path: Path, after: float) -> None:
    async with rig(tmp_path, sandbox_options={"boot_seconds": 0.05}) as studio:
        job = await studio.order()
        await asyncio.sleep(after)
        with contextlib.suppress(Refused):
            await studio.core.cancel(job.id, ANNA)
        ended = await studio.ended(job)
        assert ended.outcome in (Outcome.READY, Outcome.CANCELLED)
        assert len(studio.board.finals(job)) == 1
        assert isinstance(studio.board.last(job), Ready if ended.outcome is Outcome.READY else Cancelled)


# -- another provider


@contextlib.asynccontextmanager
async def pair(folder: Path, *faults: Rule, **changes: Any) -> AsyncIterator[tuple[Rig, Sandbox]]:
    """A studio whose first provider is free, and a second one that costs."""
    spare = Sandbox(load(), tiny, misbehaviour=faults)
    async with serve(spare) as address:
        routes = {"default": "box", "imagine": ["box", "spare"]}
        host = address.removeprefix("http://")
        async with rig(
            folder, second=("replicate", address), routes=routes, private_hosts=(host,), **changes
        ) as studio:
            yield studio, spare


@pytest.mark.parametrize("status", [401, 402, 404])
async def test_what_the_first_provider_refuses_for_good_the_second_takes(tmp_path: Path, status: int) -> None:
    async with pair(tmp_path) as (studio, spare):
        await studio.misbehave(on="create", fault="status", code=status, times=None)
        job = await studio.ended(await studio.order())
        assert (job.outcome, job.provider, job.cost) == (Outcome.READY, "spare", None)
        assert spare.workshop.requests["create"] == 1


async def test_the_person_is_told_where_it_may_cost_now(tmp_path: Path) -> None:
    async with pair(tmp_path) as (studio, _):
        await studio.misbehave(on="create", fault="status", code=402)
        job = await studio.ended(await studio.order())
        said = [post.notice for post in studio.board.shown if post.card.job == job.id]
        assert "other_provider" in [getattr(notice, "reason", None) for notice in said]


async def test_who_is_told_may_stop_it_before_it_costs(tmp_path: Path) -> None:
    async with pair(tmp_path, rules=replace(QUICK, heads_up=30)) as (studio, spare):
        await studio.misbehave(on="create", fault="status", code=402)
        job = await studio.order()
        await eventually(lambda: _reason(studio, job) == "other_provider", "it is told")
        await studio.core.cancel(job.id, ANNA)
        ended = await studio.ended(job)
        assert (ended.outcome, ended.cost) == (Outcome.CANCELLED, Decimal(0))
        assert not spare.workshop.requests["create"]


async def test_mistakes_in_the_order_are_nobody_elses_matter(tmp_path: Path) -> None:
    async with pair(tmp_path) as (studio, spare):
        await studio.misbehave(on="create", fault="status", code=422, body={"detail": "no", "status": 422})
        job = await studio.ended(await studio.order())
        assert (job.code, job.provider) == ("bad_input", "box")
        assert not spare.workshop.requests["create"]


async def test_what_may_have_been_taken_never_goes_to_another_provider(tmp_path: Path) -> None:
    async with pair(tmp_path, kind="gateway") as (studio, spare):
        await studio.misbehave(on="create", fault="drop_after")
        job = await studio.ended(await studio.order())
        assert (job.outcome, job.code, job.provider) == (Outcome.UNKNOWN, "lost_answer", "box")
        assert not spare.workshop.requests["create"]


async def test_jobs_that_wait_for_a_provider_that_is_gone_are_handed_on(tmp_path: Path) -> None:
    async with pair(tmp_path) as (studio, spare):
        await studio.misbehave(on="create", fault="status", code=503, times=None)
        jobs = [await studio.order() for _ in range(10)]
        ended = [await studio.ended(job, within=20) for job in jobs]
        assert {(job.outcome, job.provider) for job in ended} == {(Outcome.READY, "spare")}
        assert spare.workshop.requests["create"] == 10


async def test_a_command_with_one_provider_waits_for_it(tmp_path: Path) -> None:
    async with pair(tmp_path) as (studio, spare):
        await studio.misbehave(on="create", fault="status", code=402)
        job = await studio.ended(await studio.order("video", ("prompt", "a fox")))
        assert (job.outcome, job.code, job.provider) == (Outcome.FAILED, "no_credit", "box")
        assert not spare.workshop.requests["create"]


async def test_where_the_second_refuses_too_that_is_told(tmp_path: Path) -> None:
    async with pair(tmp_path, Rule("create", "status", code=401)) as (studio, _):
        await studio.misbehave(on="create", fault="status", code=402)
        job = await studio.ended(await studio.order())
        assert (job.outcome, job.code, job.cost) == (Outcome.FAILED, "unauthenticated", Decimal(0))


# -- words


async def test_a_refused_option_is_named_as_people_know_it(tmp_path: Path) -> None:
    body = {
        "title": "Input validation failed",
        "detail": "- input.num_inference_steps: num_inference_steps must be at most 50\n",
        "status": 422,
        "invalid_fields": [
            {
                "type": "number_lte",
                "field": "input.num_inference_steps",
                "description": "num_inference_steps must be at most 50",
            }
        ],
    }
    async with rig(tmp_path) as studio:
        await studio.misbehave(on="create", fault="status", code=422, body=body)
        job = await studio.ended(await studio.order())
        assert job.facts["fields"] == {"steps": "steps must be at most 50"}


async def test_a_version_that_was_taken_away_is_told_as_that(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        await studio.misbehave(on="create", fault="status", code=422)
        job = await studio.ended(await studio.order())
        assert (job.outcome, job.code, job.cost) == (Outcome.FAILED, "not_found", Decimal(0))


# -- progress


async def test_a_second_bar_is_not_taken_for_the_first(tmp_path: Path) -> None:
    def two_bars(work: Any, report: Any) -> Any:
        for bar in (" 40%|####      | 4/10 [00:01]\n", "100%|##########| 10/10 [00:02]\n"):
            report(bar)
            time.sleep(0.3)
        for bar in ("\r 10%|#         | 1/10 [00:01]", "\r 60%|######    | 6/10 [00:01]"):
            report(bar)
            time.sleep(0.3)
        yield from tiny(work, lambda _: None)

    async with rig(tmp_path, make=two_bars) as studio:
        job = await studio.order()
        await studio.ended(job)
        said = [post.notice for post in studio.board.shown if post.card.job == job.id]
        shares = [notice.fraction for notice in said if isinstance(notice, Working)]
        assert [share for share in shares if share is not None] in ([0.4, 1.0], [1.0], [0.4])
        assert shares[-1] is None, "nobody knows how many bars will come"


async def test_progress_does_not_go_back_over_a_restart(tmp_path: Path) -> None:
    def slowly(work: Any, report: Any) -> Any:
        report(" 70%|#######   | 7/10 [00:01]\n")
        time.sleep(1.5)
        yield from tiny(work, lambda _: None)

    async with rig(tmp_path, make=slowly) as studio:
        job = await studio.order()
        await eventually(lambda: _progress(studio, job), "it is written down")
        studio.board.shown.clear()
        await studio.restart()
        await studio.ended(job)
        said = [post.notice for post in studio.board.shown if post.card.job == job.id]
        assert {notice.fraction for notice in said if isinstance(notice, Working)} <= {0.7}


# -- helpers


async def _progress(studio: Rig, job: Job) -> float | None:
    found = await studio.store.get(job.id)
    return found.progress if found else None


async def _is(studio: Rig, job: Job, state: State) -> bool:
    return await studio.state(job) is state


async def _all(studio: Rig, jobs: list[Job], state: State) -> bool:
    return all([await studio.state(job) is state for job in jobs])


async def _ended(studio: Rig, jobs: list[Job], count: int) -> bool:
    return sum([await studio.state(job) is State.DONE for job in jobs]) >= count


def _reason(studio: Rig, job: Job) -> str | None:
    return getattr(studio.board.last(job), "reason", None)


async def _asked(studio: Rig, *endpoints: str) -> int:
    """How often the provider was asked."""
    requests = (await studio.stats())["requests"]
    return sum(requests.get(endpoint, 0) for endpoint in endpoints)


async def _has_looked(studio: Rig, times: int) -> bool:
    return await _asked(studio, "get") >= times


async def _predictions(studio: Rig) -> int:
    return len((await studio.stats())["completed_at"])
