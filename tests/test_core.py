"""What adapters may ask of the core: whose jobs, which places, what is taken away or posted again."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.errors import BadOrder, Denied, MaybePosted, Refused, TooLarge
from bot.jobs import JobId, Order, Outcome, Place, State
from bot.ports import Failed, Ready
from bot.sandbox.work import Piece, Report, Work
from tests import media_samples as samples
from tests.rig import ANNA, WALL, Rig, eventually, rig

BEN = replace(ANNA, id="ben", name="Ben")
EVE = replace(ANNA, id="eve", name="Eve", server="elsewhere")
ANNA_ALONE = replace(ANNA, server="@anna")
EVE_ALONE = replace(EVE, server="@eve")


async def _bytes(data: bytes) -> AsyncIterator[bytes]:
    yield data


# -- whose


async def test_a_job_is_seen_in_its_own_server_and_by_its_owner_alone(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        job = await studio.ended(await studio.order())
        for actor in (ANNA, BEN, ANNA_ALONE):
            assert (await studio.core.look(job.id, actor)).job.id == job.id
        for actor in (EVE, EVE_ALONE):
            with pytest.raises(Refused, match="not_found"):
                await studio.core.look(job.id, actor)


async def test_again_counts_for_who_asks_and_comes_once_however_often_it_is_sent(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        job = await studio.ended(await studio.order())
        first = await studio.core.again(job.id, BEN, WALL, "board:again", posted={"card": 7})
        second = await studio.core.again(job.id, BEN, WALL, "board:again", posted={"card": 8})
        assert (first.fresh, second.fresh) == (True, False)
        assert first.job.id == second.job.id
        assert (first.job.actor, first.job.posted) == (BEN, {"card": 7})


# -- adults


@pytest.mark.parametrize("given", [True, "yes"])
async def test_switching_a_models_check_off_needs_a_place_for_adults(
    tmp_path: Path, given: str | bool
) -> None:
    async with rig(tmp_path) as studio:
        options = (("prompt", "a fox"), ("nosafety", given))
        order = Order(ANNA, WALL, "imagine", options, "board:adults", for_adults=False)
        with pytest.raises(BadOrder) as refused:
            await studio.core.submit(order)
        assert [(p.code, p.option) for p in refused.value.problems] == [("adults_only", "nosafety")]
        accepted = await studio.core.submit(replace(order, for_adults=True))
        await studio.ended(accepted.job)
        with pytest.raises(BadOrder):
            await studio.core.again(accepted.job.id, ANNA, WALL, "board:a2", for_adults=False)
        off = Order(ANNA, WALL, "imagine", (("nosafety", "no"),), "board:off", for_adults=False)
        assert (await studio.core.submit(off)).fresh


# -- taking away


async def test_a_result_is_removed_by_its_owner_or_by_who_moderates(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        job = await studio.ended(await studio.order())
        with pytest.raises(Refused, match="not_yours"):
            await studio.core.remove(job.id, BEN)
        with pytest.raises(Refused, match="not_found"):
            await studio.core.remove(job.id, EVE, moderates=True)
        before = await studio.core.remove(job.id, BEN, moderates=True)
        assert isinstance(before.notice, Ready)
        after = await studio.core.look(job.id, ANNA)
        assert after.notice == Failed("removed", {"by": "Ben"}, job.cost)
        assert after.job.media == ()
        assert await studio.store.media_in_use(0) == set()
        assert (await studio.core.remove(job.id, ANNA)).notice == after.notice


async def test_what_still_runs_is_not_removed(tmp_path: Path) -> None:
    async with rig(tmp_path, sandbox_options={"boot_seconds": 30}) as studio:
        job = await studio.order()
        with pytest.raises(Refused, match="still_running"):
            await studio.core.remove(job.id, ANNA)


async def test_a_failure_that_is_removed_keeps_its_reason(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        await studio.misbehave(on="create", fault="fail", message="no luck", times=1)
        job = await studio.ended(await studio.order())
        await studio.core.remove(job.id, ANNA)
        assert (await studio.core.look(job.id, ANNA)).job.code == "model_failed"


# -- posting again


async def test_what_no_place_took_is_posted_again_where_its_owner_wants_it(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        studio.board.faults_at_the_end = [Denied("no")]
        job = await studio.ended(await studio.order())
        assert (job.state, job.code) == (State.UNDELIVERED, "place_gone")
        with pytest.raises(Refused, match="not_yours"):
            await studio.core.post_again(job.id, BEN, WALL)
        await studio.core.post_again(job.id, ANNA, Place("board:door"))
        await eventually(lambda: _state_is(studio, job.id, State.DONE), "it is posted")
        assert studio.board.shown[-1].place == "board:door"
        with pytest.raises(Refused, match="not_lost"):
            await studio.core.post_again(job.id, ANNA, WALL)


async def _state_is(studio: Rig, job: JobId, state: State) -> bool:
    found = await studio.store.get(job)
    return found is not None and found.state is state


async def test_what_may_stand_there_already_is_not_posted_again_by_itself(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        studio.board.faults_at_the_end = [MaybePosted("who knows")]
        job = await studio.ended(await studio.order())
        assert (job.state, job.code, job.outcome) == (State.UNDELIVERED, "maybe_posted", Outcome.READY)
        assert studio.board.finals(job) == []


# -- what a place takes


async def test_a_place_that_finds_its_limit_step_by_step_gets_smaller_and_smaller_files(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path, make=_large) as studio:
        studio.board.faults_at_the_end = [TooLarge(400_000), TooLarge(100_000)]
        job = await studio.ended(await studio.order(), within=30)
        notice = studio.board.last(job)
        assert isinstance(notice, Ready)
        assert notice.media[0].media.size <= 100_000
        assert notice.media[0].link is None


async def test_what_fits_nowhere_comes_as_a_preview_with_a_link(tmp_path: Path) -> None:
    async with rig(tmp_path, make=_long, public_url="https://studio.example") as studio:
        studio.board.faults_at_the_end = [TooLarge(20_000)]
        job = await studio.ended(await studio.order(), within=30)
        notice = studio.board.last(job)
        assert isinstance(notice, Ready)
        (file,) = notice.media
        assert file.media.kind == "image"
        assert file.media.size <= 20_000
        assert file.link is not None
        assert f"/files/{job.media[0].digest}" in file.link


async def test_what_fits_nowhere_and_can_t_be_linked_to_is_told_in_words(tmp_path: Path) -> None:
    async with rig(tmp_path, make=_long) as studio:
        studio.board.faults_at_the_end = [TooLarge(20_000)]
        job = await studio.ended(await studio.order(), within=30)
        assert (job.state, job.code) == (State.UNDELIVERED, "too_large")
        assert studio.board.last(job) == Failed("too_large_here", {}, job.cost)
        await studio.core.post_again(job.id, ANNA, Place("board:door"))
        await eventually(lambda: isinstance(studio.board.last(job), Ready), "a larger place takes it")


async def test_a_sound_has_no_preview(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        tone = samples.tone(tmp_path / "a.wav", "wav", "pcm_s16le")
        kept = await studio.library.keep("a.wav", _bytes(tone))
        with pytest.raises(TooLarge):
            await studio.library.preview(kept.digest, 1000)


def _large(work: Work, report: Report) -> Iterator[Piece]:
    report("done\n")
    yield Piece("image", "out.png", samples.still("PNG", 800, 600, noise=120), "image/png")


def _long(work: Work, report: Report) -> Iterator[Piece]:
    """A film too long for any small place."""
    report("done\n")
    with tempfile.TemporaryDirectory() as folder:
        film = samples.film(Path(folder) / "film.mp4", seconds=60, noise=20)
    yield Piece("image", "out.mp4", film, "video/mp4")
