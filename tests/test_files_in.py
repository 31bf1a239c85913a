"""Files that people give: attached or linked, small or large, for every kind of provider."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bot.engine.steps import DATA_URI_LIMIT
from bot.errors import BadOrder, Problem
from bot.http import make_app, serve, signed_files
from bot.jobs import FileRef, Job, Order, Outcome
from bot.links import Links
from tests.rig import ANNA, WALL, Rig, rig


async def test_a_small_file_travels_inside_the_request(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        job = await studio.ended(await cut_out(studio, await attached(studio, 16)))
        assert job.outcome is Outcome.READY
        assert (await studio.stats())["requests"].get("files", 0) == 0


async def test_a_large_file_is_uploaded_where_the_provider_takes_files(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        job = await studio.ended(await cut_out(studio, await attached(studio, 400)))
        assert job.outcome is Outcome.READY
        assert (await studio.stats())["requests"]["files"] >= 1


async def test_a_large_file_is_linked_where_the_provider_takes_none(tmp_path: Path) -> None:
    asked: list[str] = []
    async with (
        our_server(tmp_path / "media", asked) as address,
        rig(tmp_path, kind="gateway", public_url=address) as studio,
    ):
        file = await attached(studio, 400)
        job = await studio.ended(await cut_out(studio, file))
        assert job.outcome is Outcome.READY
        assert asked == [file.digest]


async def test_a_large_file_is_refused_in_words_where_nothing_can_carry_it(tmp_path: Path) -> None:
    async with rig(tmp_path, kind="gateway") as studio:
        with pytest.raises(BadOrder) as refused:
            await cut_out(studio, await attached(studio, 400))
        facts = {"limit": DATA_URI_LIMIT, "name": "picture.png"}
        assert refused.value.problems == (Problem("file_needs_public_url", "image", facts),)
        assert await studio.store.counts() == dict.fromkeys(await studio.store.counts(), 0)


async def test_a_signed_link_can_not_be_changed_to_another_file(tmp_path: Path) -> None:
    now = 1000.0
    links = Links("http://bot.example", b"key", lambda: now)
    url = links.url_of("a" * 64)
    until, signature = (part.partition("=")[2] for part in url.partition("?")[2].split("&"))
    assert links.allows("a" * 64, until, signature)
    assert not links.allows("b" * 64, until, signature)
    assert not links.allows("a" * 64, str(int(until) + 1), signature)
    now += 25 * 3600
    assert not links.allows("a" * 64, until, signature)


@pytest.mark.parametrize(
    ("link", "code"),
    [
        ("http://127.0.0.1:9/private.png", "forbidden_address"),
        ("http://169.254.169.254/latest/meta-data", "forbidden_address"),
        ("http://[::1]/x.png", "forbidden_address"),
    ],
)
async def test_a_link_into_our_own_network_is_refused(tmp_path: Path, link: str, code: str) -> None:
    async with rig(tmp_path) as studio:
        with pytest.raises(BadOrder) as mistakes:
            await studio.order("cutout", ("image", link))
        assert [problem.code for problem in mistakes.value.problems] == [code]


async def test_dead_links_and_wrong_kinds_are_told_together_and_cost_nothing(tmp_path: Path) -> None:
    async with rig(tmp_path) as studio:
        host = studio.base_url
        sound = await studio.core.keep("not-a-picture.txt", _one(b"hello"))
        options = (("image", f"{host}/out/nothing/here.png"), ("mask", sound))
        with pytest.raises(BadOrder) as mistakes:
            await studio.order("inpaint", *options)
        found = {(problem.option, problem.code) for problem in mistakes.value.problems}
        assert found == {("image", "dead_link"), ("mask", "not_media")}
        assert (await studio.stats())["requests"].get("create", 0) == 0


@contextlib.asynccontextmanager
async def our_server(media: Path, asked: list[str]) -> AsyncIterator[str]:
    """The address of the server behind our links; what is asked of it goes into `asked`."""

    def path(digest: str) -> Path:
        asked.append(digest)
        return media / digest[:2] / digest[2:4] / digest

    async def ready() -> str | None:
        return None

    links = Links("http://unused", b"key", time.time)
    app = make_app(signed_files(links, path), host="127.0.0.1", public_url=None, ready=ready)
    async with await serve(app, "127.0.0.1", 0) as site:
        yield site.address


async def cut_out(studio: Rig, file: FileRef) -> Job:
    order = Order(ANNA, WALL, "cutout", (("image", file),), f"board:{file.digest}")
    return (await studio.core.submit(order)).job


async def attached(studio: Rig, side: int) -> FileRef:
    """A kept picture of noise: about side * side * 3 bytes."""
    pixels = np.random.default_rng(1).integers(0, 255, (side, side, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return await studio.core.keep("picture.png", _one(out.getvalue()))


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data
