"""What the core may rely on, of every platform alike: shown once, edited, found again after a crash."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import get_args

import pytest

from bot.errors import Busy, Gone
from bot.jobs import JobId, Json, Media, Place, Posted, platform_of
from bot.ports import Cancelled, Card, Failed, MediaFile, Notice, Post, Ready, Unknown, Waiting, Working
from tests import media_samples as samples
from tests.contract_kits import KITS, Kit

PICTURE = samples.still("PNG")
DIGEST = hashlib.sha256(PICTURE).hexdigest()

NOTICES: dict[str, tuple[Notice, str]] = {
    "waiting": (Waiting(3, 12.0), "3 jobs are before it"),
    "working": (Working(0.4, 10.0), "40%"),
    "failed": (Failed("model_failed", {"message": "no luck"}, Decimal("0.01")), "no luck"),
    "cancelled": (Cancelled("Ann", Decimal(0)), "Cancelled by Ann"),
    "unknown": (Unknown("lost_answer", {}, None), "got lost"),
}


@pytest.fixture(params=KITS)
async def kit(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kit]:
    async with KITS[request.param](tmp_path) as made:
        yield made


@pytest.fixture
def ready(tmp_path: Path) -> Ready:
    path = tmp_path / "picture.png"
    path.write_bytes(PICTURE)
    media = Media(DIGEST, "picture", "image", "image/png", len(PICTURE), 96, 64)
    return Ready((MediaFile(media, path, "a-fox.png"),), 2.5, Decimal(0))


def post(kit: Kit, notice: Notice, posted: Posted | None = None, text: str = "a fox") -> Post:
    command = f"/imagine prompt:{text}"
    card = Card(JobId("abcdefghijkm"), kit.actor, "imagine", command, {"prompt": text}, 7, 1_800_000_000.0)
    return Post("job-abcdefghijkm", kit.place, card, notice, posted)


async def show(kit: Kit, what: Post) -> Posted:
    """As the core does: a platform that asks for patience is asked again."""
    for _ in range(20):
        try:
            return await kit.platform.show(what, _forget)
        except Busy:
            await asyncio.sleep(0.02)
    raise AssertionError("it never came through")


async def _forget(_: Posted) -> None:
    return None


def test_every_notice_is_tried() -> None:
    tried = {type(notice) for notice, _ in NOTICES.values()} | {Ready}
    assert tried == set(get_args(Notice))


async def test_a_place_begins_with_the_name_of_its_platform(kit: Kit) -> None:
    assert platform_of(kit.place) == kit.platform.name
    assert kit.platform.every >= 0


@pytest.mark.parametrize("name", NOTICES)
async def test_each_notice_is_shown_in_words(kit: Kit, name: str) -> None:
    notice, words = NOTICES[name]
    card = replace(post(kit, notice).card, created_at=time.time())
    posted = await show(kit, replace(post(kit, notice), card=card))
    assert posted
    if kit.posts:
        (message,) = await kit.standing()
        assert words in message.text
        assert "a fox" in message.text


async def test_a_card_is_posted_once_and_then_edited(kit: Kit) -> None:
    posted: Posted | None = None
    for notice in (Waiting(1), Working(0.1), Working(0.9), NOTICES["failed"][0]):
        what = post(kit, notice, posted)
        posted = await show(kit, replace(what, card=replace(what.card, created_at=time.time())))
    if kit.posts:
        (message,) = await kit.standing()
        assert "no luck" in message.text


async def test_a_result_stands_once_however_often_it_is_shown(kit: Kit, ready: Ready) -> None:
    posted = await show(kit, post(kit, Waiting()))
    for _ in range(3):
        posted = await show(kit, post(kit, ready, posted))
    if kit.posts:
        assert [message.files for message in await kit.standing() if message.files] == [(DIGEST,)]


async def test_after_a_crash_at_any_step_the_result_stands_once(kit: Kit, ready: Ready) -> None:
    """`save` is where the process dies: the next try knows what was saved, and no more."""
    known: Posted | None = await show(kit, post(kit, Waiting()))
    for steps in range(6):
        saved: list[Json] = []

        async def save(posted: Posted, saved: list[Json] = saved, steps: int = steps) -> None:
            saved.append(dict(posted))
            if len(saved) > steps:
                raise _Killed

        try:
            known = await kit.platform.show(post(kit, ready, known), save)
            break
        except _Killed:
            known = saved[-1]
    if kit.posts:
        assert [message.files for message in await kit.standing() if message.files] == [(DIGEST,)]


class _Killed(Exception):
    pass


async def test_a_result_without_a_card_stands_on_its_own(kit: Kit, ready: Ready) -> None:
    await show(kit, post(kit, ready))
    if kit.posts:
        shown = [message for message in await kit.standing() if message.files]
        assert len(shown) == 1
        assert "a fox" in shown[0].text


async def test_trouble_that_passes_is_waited_for(kit: Kit, ready: Ready) -> None:
    if kit.trouble is None:
        return
    posted = None
    for notice in (Waiting(), ready):
        kit.trouble()
        posted = await show(kit, post(kit, notice, posted))
    assert len([message for message in await kit.standing() if message.files]) == 1


async def test_a_foreign_place_is_gone(kit: Kit) -> None:
    for place in kit.foreign:
        with pytest.raises(Gone):
            await kit.platform.show(replace(post(kit, Waiting()), place=place), _forget)


async def test_a_fallback_is_another_place_of_the_same_platform_and_comes_to_an_end(kit: Kit) -> None:
    place: Place | None = kit.place
    seen: list[Place] = []
    while place is not None and len(seen) < 5:
        seen.append(place)
        place = await kit.platform.fallback(place, kit.actor)
        assert place is None or platform_of(place) == kit.platform.name
        assert place not in seen
    assert len(seen) < 5


@pytest.mark.parametrize(
    "prompt",
    [
        "@everyone @here <!channel> <!here> <@U123>",
        "\x1b[31mred\x1b[0m <script>alert(1)</script> ```x``` *bold* `code`",
        "a" * 6000,
        "ぬいぐるみ 🦊 \u202eoverride",
    ],
)
async def test_whatever_is_in_a_prompt_does_no_harm(kit: Kit, ready: Ready, prompt: str) -> None:
    posted = await show(kit, post(kit, Waiting(), None, prompt))
    await show(kit, post(kit, ready, posted, prompt))
    standing = await kit.standing()
    assert not any(message.pings for message in standing)
    if kit.posts:
        assert [message.files for message in standing if message.files] == [(DIGEST,)]
