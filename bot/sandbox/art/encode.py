"""Bytes from pictures, films and sounds, and back; the same pixels always give the same bytes."""

from __future__ import annotations

import io
import struct
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image, ImageChops, ImageOps, PngImagePlugin

from bot.sandbox.art.brush import Array
from bot.sandbox.work import ModelError

MAX_PIXELS = 40_000_000
MAKER = "Threadreel sandbox"


# -- pictures


def read_picture(data: bytes, what: str) -> Image.Image:
    """The first picture in `data`, upright, RGB or RGBA. ModelError names `what` where it is none."""
    try:
        with Image.open(io.BytesIO(data)) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise ModelError(f"{what}: {opened.width}x{opened.height} pixels are too many")
            upright = ImageOps.exif_transpose(opened)
            return upright.convert("RGBA" if _has_alpha(upright) else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ModelError(f"{what}: cannot identify image file") from error


def _has_alpha(picture: Image.Image) -> bool:
    return picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info


def on_white(picture: Image.Image) -> Image.Image:
    """RGB; what was transparent becomes white."""
    if picture.mode == "RGB":
        return picture
    ground = Image.new("RGBA", picture.size, (255, 255, 255, 255))
    ground.alpha_composite(picture.convert("RGBA"))
    return ground.convert("RGB")


def png(picture: Image.Image, note: str, *, level: int = 4) -> bytes:
    out, info = io.BytesIO(), PngImagePlugin.PngInfo()
    info.add_text("Software", MAKER)
    info.add_text("Comment", note)
    picture.save(out, "PNG", pnginfo=info, compress_level=level)
    return out.getvalue()


def still(picture: Image.Image, form: str, quality: int, note: str) -> tuple[bytes, str]:
    """`picture` as png, jpg or webp, and its MIME type."""
    if form == "png":
        return png(picture, note), "image/png"
    out = io.BytesIO()
    if form == "webp":
        exif = Image.Exif()
        exif[0x0131] = MAKER
        exif[0x010E] = note
        picture.save(out, "WEBP", quality=quality, method=2, exif=exif)
        return out.getvalue(), "image/webp"
    picture.save(out, "JPEG", quality=max(1, quality), comment=f"{MAKER}: {note}")
    return out.getvalue(), "image/jpeg"


# -- films


class Film(Protocol):
    """Takes RGB frames one by one; `finish` gives the bytes of the whole. Close it in any case."""

    def add(self, frame: Image.Image) -> None: ...

    def finish(self) -> bytes: ...

    def close(self) -> None: ...


class Mp4:
    """H.264, yuv420p, in a file with its index at the front, so that it plays while it loads."""

    def __init__(self, width: int, height: int, fps: int, note: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="sandbox-")
        self._path = Path(self._folder.name, "film.mp4")
        self._box = av.open(str(self._path), "w", options={"movflags": "+faststart"})
        self._box.metadata["comment"] = f"{MAKER}: {note}"
        # With its macroblock tree x264 gives other bytes each time for small frames.
        options = {"preset": "veryfast", "crf": "20", "threads": "1", "x264-params": "mbtree=0"}
        stream = self._box.add_stream("libx264", rate=fps, options=options)
        assert isinstance(stream, VideoStream)  # noqa: S101  # narrows for the type checker
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        self._stream = stream
        self._count = 0

    def add(self, frame: Image.Image) -> None:
        picture = VideoFrame.from_ndarray(np.asarray(frame.convert("RGB")), format="rgb24")
        picture.pts = self._count
        picture.time_base = Fraction(1, int(self._stream.average_rate or 1))
        self._count += 1
        self._box.mux(self._stream.encode(picture))

    def finish(self) -> bytes:
        self._box.mux(self._stream.encode(None))
        self._box.close()
        return self._path.read_bytes()

    def close(self) -> None:
        self._box.close()
        self._folder.cleanup()


class Gif:
    """A looping GIF, dithered in a pattern that stands still, so that what doesn't move costs nothing."""

    def __init__(self, width: int, height: int, fps: int) -> None:
        self._out = io.BytesIO()
        self._box = av.open(self._out, "w", format="gif", options={"loop": "0"})
        stream = self._box.add_stream("gif", rate=fps)
        assert isinstance(stream, VideoStream)  # noqa: S101  # narrows for the type checker
        stream.width, stream.height, stream.pix_fmt = width, height, "pal8"
        self._stream, self._fps, self._count = stream, fps, 0
        self._dither = _bayer(width, height)
        self._palette: Array = np.zeros((256, 4), np.uint8)
        self._nearest: Array = np.zeros(32768, np.uint8)

    def use_palette_of(self, samples: Sequence[Image.Image]) -> None:
        """From now on, take the colours that serve these pictures best."""
        self._palette, self._nearest = _palette(samples)

    def add(self, frame: Image.Image) -> None:
        if not self._palette.any():
            self.use_palette_of([frame])
        pixels = np.asarray(ImageChops.add(frame, self._dither, 1, -DITHER // 2)) >> 3
        cell = (
            (pixels[..., 0].astype(np.uint16) << 10)
            | (pixels[..., 1].astype(np.uint16) << 5)
            | pixels[..., 2]
        )
        picture = VideoFrame.from_ndarray((self._nearest[cell], self._palette), format="pal8")  # type: ignore[arg-type]
        picture.pts, picture.time_base = self._count, Fraction(1, self._fps)
        self._count += 1
        self._box.mux(self._stream.encode(picture))

    def finish(self) -> bytes:
        self._box.mux(self._stream.encode(None))
        self._box.close()
        return self._out.getvalue()

    def close(self) -> None:
        self._box.close()


DITHER = 10
"""How many steps of 255 the dither pattern spans."""


def _bayer(width: int, height: int) -> Image.Image:
    tile = np.array([[0, 2], [3, 1]])
    for _ in range(2):
        tile = np.block([[4 * tile, 4 * tile + 2], [4 * tile + 3, 4 * tile + 1]])
    pattern = np.tile(tile * DITHER // 64, (height // 8 + 1, width // 8 + 1))[:height, :width].astype(
        np.uint8
    )
    return Image.merge("RGB", [Image.fromarray(pattern)] * 3)


def _palette(samples: Sequence[Image.Image]) -> tuple[Array, Array]:
    """255 colours and a transparent one as ARGB (256, 4), and the nearest of them for each 15-bit colour."""
    small = [s.resize((128, max(1, 128 * s.height // s.width)), Image.Resampling.NEAREST) for s in samples]
    sheet = Image.new("RGB", (128, sum(s.height for s in small)))
    top = 0
    for picture in small:
        sheet.paste(picture, (0, top))
        top += picture.height
    found = np.array(sheet.quantize(255, Image.Quantize.MEDIANCUT).getpalette() or [], np.float32).reshape(
        -1, 3
    )
    levels = np.arange(32, dtype=np.float32) * 8 + 4
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    weigh = np.array([0.9, 1.2, 0.7], np.float32)
    distance = ((found * weigh) ** 2).sum(1)[None] - 2 * (grid * weigh) @ (found * weigh).T
    palette = np.zeros((256, 4), np.uint8)
    palette[: len(found), 1:] = found.astype(np.uint8)
    palette[: len(found), 0] = 255
    return palette, distance.argmin(axis=1).astype(np.uint8)


def read_film(data: bytes, what: str, fps: int) -> Iterator[Image.Image]:
    """The film's frames as RGB at `fps`, again from its start when it ends, for ever; a picture stands still.

    Raises ModelError where there is nothing to see.
    """
    while True:
        seen = False
        for frame in _frames_at(data, what, fps):
            seen = True
            yield frame
        if not seen:
            raise ModelError(f"{what}: no frames could be read")


def _frames_at(data: bytes, what: str, fps: int) -> Iterator[Image.Image]:
    try:
        with av.open(io.BytesIO(data), "r") as box:
            if not box.streams.video:
                raise ModelError(f"{what}: no video stream in the file")
            stream = box.streams.video[0]
            if stream.width * stream.height > MAX_PIXELS:
                raise ModelError(f"{what}: {stream.width}x{stream.height} pixels are too many")
            due, zero, spent = 0.0, None, 1 / float(stream.average_rate or fps)
            for frame in box.decode(stream):
                start = due if frame.pts is None else float(frame.pts * (stream.time_base or 0))
                zero = start if zero is None else zero
                start -= zero
                if start + spent > due + 1e-6:
                    picture = Image.fromarray(frame.to_ndarray(format="rgb24"))
                while start + spent > due + 1e-6:
                    yield picture
                    due += 1 / fps
    except (av.FFmpegError, OSError, ValueError) as error:
        raise ModelError(f"{what}: the file could not be read as video") from error


# -- sound


def wav(samples: Array, rate: int, note: str) -> bytes:
    """16-bit mono from samples in -1..1, with a note in its INFO chunk."""
    data = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    fields = b"".join(_chunk(tag, text.encode() + b"\0") for tag, text in ((b"ISFT", MAKER), (b"ICMT", note)))
    header = struct.pack("<HHIIHH", 1, 1, rate, rate * 2, 2, 16)
    body = b"WAVE" + _chunk(b"fmt ", header) + _chunk(b"LIST", b"INFO" + fields) + _chunk(b"data", data)
    return _chunk(b"RIFF", body)


def _chunk(tag: bytes, data: bytes) -> bytes:
    return tag + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
