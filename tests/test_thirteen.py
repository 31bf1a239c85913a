"""Each of the thirteen commands makes media that play, at Replicate and at a gateway, from typed text."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path

import av
import pytest
from PIL import Image, ImageDraw

from bot import grammar
from bot.catalogue import load
from bot.jobs import Order, Outcome
from bot.ports import Ready
from bot.sandbox.art import make
from tests.media_samples import film as film_of
from tests.rig import ANNA, WALL, rig

TYPED = {
    "animate": "/animate start:a fox in snow end:a fox in flowers width:128 height:128 frames:2 between:2",
    "motion": "/motion a boat at sunset steps:2",
    "video": "/video a whale in the sea frames:9 size:480x832",
    "music": "/music funky synth solo steps:5",
    "imagine": "/imagine a lighthouse width:128 height:128 steps:3",
    "draw": "/draw a red house width:128 height:128 steps:3 count:2",
    "flux": "/flux a robot aspect:1:1 format:jpg",
    "fluxdev": "/fluxdev an owl steps:2 format:png",
    "inpaint": "/inpaint a cat width:128 height:128 image:picture.png mask:mask.png steps:2",
    "restyle": "/restyle in winter image:picture.png steps:2",
    "edit": "/edit make it night image:picture.png steps:4",
    "erase": "/erase image:picture.png objects:person",
    "cutout": "/cutout image:picture.png",
}
MAKES = {
    "animate": ["image"],
    "motion": ["video"],
    "video": ["video"],
    "music": ["audio", "image"],
    "draw": ["image"] * 2,
}


def test_every_command_is_tried() -> None:
    assert list(TYPED) == list(load().commands())


@pytest.mark.parametrize("kind", ["sandbox", "gateway"])
@pytest.mark.parametrize("command", TYPED)
async def test_a_command_delivers_what_plays(tmp_path: Path, kind: str, command: str) -> None:
    async with rig(tmp_path, kind=kind, make=make) as studio:
        typed = grammar.parse(TYPED[command], studio.core.catalogue)
        names = [str(value) for _, value in typed.options if str(value).endswith(".png")]
        files = [await studio.core.keep(name, _bytes(picture(name))) for name in names]
        options = grammar.attach(typed.model, typed.options, files)
        order = Order(ANNA, WALL, typed.command, options, f"board:{command}")
        job = await studio.ended((await studio.core.submit(order)).job, within=50)
        assert job.outcome is Outcome.READY, job
        notice = studio.board.last(job)
        assert isinstance(notice, Ready)
        assert [file.media.kind for file in notice.media] == MAKES.get(command, ["image"])
        for file in notice.media:
            play(file.path, file.media.kind)


async def test_a_film_is_edited_under_its_mask(tmp_path: Path) -> None:
    async with rig(tmp_path, make=make) as studio:
        film = await studio.core.keep("film.mp4", _bytes(film_of(tmp_path / "film.mp4")))
        options = (("prompt", "a whale"), ("frames", 5), ("src_video", film))
        order = Order(ANNA, WALL, "video", options, "board:film")
        job = await studio.ended((await studio.core.submit(order)).job, within=50)
        assert job.outcome is Outcome.READY
        assert job.media[0].kind == "video"


def play(path: Path, kind: str) -> None:
    """Decode it all: it isn't media because of its name."""
    if kind == "image":
        with Image.open(path) as picture:
            picture.load()
        return
    with av.open(str(path)) as container:
        stream = container.streams.video[0] if kind == "video" else container.streams.audio[0]
        assert sum(1 for _ in container.decode(stream)) > 1


def picture(name: str) -> bytes:
    picture = Image.new("RGB", (128, 128), "black" if name == "mask.png" else "skyblue")
    fill = "white" if name == "mask.png" else "brown"
    ImageDraw.Draw(picture).ellipse((40, 40, 90, 90), fill=fill)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


async def _bytes(data: bytes) -> AsyncIterator[bytes]:
    yield data
