"""Make a file small enough for a place: films become H.264, pictures JPEG or WebP, sounds MP3 or Opus.

Blocking. Each way tries a few times, smaller each time, and gives up with TooLarge.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from math import sqrt
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.filter import Graph
from av.packet import Packet
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream
from PIL import Image, ImageOps

from bot.catalogue import Kind
from bot.errors import BadMedia, TooLarge
from bot.media.probe import (
    film_of,
    frame_seconds,
    is_animated,
    length_of,
    open_container,
    open_picture,
    sound_of,
)

_SoundCodec: TypeAlias = Literal["aac", "libmp3lame", "libopus"]

_PASSES = 3
_ROOM = 0.94  # of the limit, for what an encoder overshoots


def fit(path: str, target: str, limit: int, kind: str) -> dict[str, Any]:
    """Write a rendition of at most `limit` bytes to `target`. TooLarge where that can't be done."""
    with open_picture(path) as picture:
        if picture is not None and not is_animated(picture):
            _fit_picture(picture, target, limit)
        elif picture is not None or kind == Kind.VIDEO:
            _fit_film(path, target, limit)
        elif kind == Kind.AUDIO:
            _fit_sound(path, target, limit)
        else:
            raise BadMedia("wrong_kind", kind=kind)
    return {}


def preview(path: str, target: str, limit: int) -> dict[str, Any]:
    """Write one picture of a picture or film, of at most `limit` bytes. TooLarge where there is none."""
    with open_picture(path) as picture:
        if picture is not None:
            _fit_picture(picture, target, limit)
            return {}
    with open_container(path) as container:
        stream = film_of(container)
        frame = next(container.decode(stream), None) if stream else None
        if frame is None:
            raise TooLarge(limit)
        _fit_picture(Image.fromarray(frame.to_ndarray(format="rgb24")), target, limit)
    return {}


# -- pictures

_SCALES = (1.0, 0.75, 0.5, 0.35, 0.25, 0.15, 0.1)
_QUALITIES = (90, 80, 65, 50)
_SMALLEST_SIDE = 64


def _fit_picture(picture: Image.Image, target: str, limit: int) -> None:
    """Falling quality, then falling size. WebP where something shines through, else JPEG: all show it."""
    upright = ImageOps.exif_transpose(picture)
    encoding = "WEBP" if upright.has_transparency_data else "JPEG"
    plain = upright.convert("RGBA" if encoding == "WEBP" else "RGB")
    for scale in _SCALES:
        scaled = _scaled(plain, scale)
        if scale < 1 and max(scaled.size) < _SMALLEST_SIDE:
            break
        for quality in _QUALITIES:
            data = _encoded(scaled, encoding, quality)
            if len(data) <= limit:
                Path(target).write_bytes(data)
                return
    raise TooLarge(limit)


def _scaled(picture: Image.Image, scale: float) -> Image.Image:
    if scale == 1:
        return picture
    width, height = picture.size
    return picture.resize(
        (max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.LANCZOS
    )


def _encoded(picture: Image.Image, encoding: str, quality: int) -> bytes:
    data = io.BytesIO()
    picture.save(data, encoding, quality=quality)
    return data.getvalue()


# -- films

_LOWEST_PICTURE_RATE = 40_000
_SOUND_RATES = (32_000, 128_000)
_SOUND_SHARE = 0.2
_BITS_PER_PIXEL = 0.05  # H.264 of fewer looks better when it is scaled down
_SMALLEST_FILM_SIDE = 128
_LARGEST_FILM_SIDE = 3840
_USUAL_FPS = 25
_MOST_FPS = 60  # files with uneven frames claim thousands
_FRAME_OVERHEAD = 24  # bytes of MP4 index per frame
_FILE_OVERHEAD = 4096
_CLOCK = Fraction(1, 90_000)
_COLOURS = ("colorspace", "color_primaries", "color_trc", "color_range")


@dataclass(frozen=True, slots=True)
class _Film:
    """A film before it is encoded. `rotation`: degrees counter-clockwise that players turn it by."""

    width: int
    height: int
    fps: float
    duration: float
    rotation: int = 0
    has_sound: bool = False


@dataclass(frozen=True, slots=True)
class _Plan:
    """Bits per second of each part, and the size of the frames before they are turned."""

    picture_rate: int
    sound_rate: int
    width: int
    height: int


def _fit_film(path: str, target: str, limit: int) -> None:
    film = _look_at_film(path)
    for bytes_wanted in _shrinking(target, limit):
        _encode_film(path, target, film, _plan(film, bytes_wanted, limit))


def _shrinking(target: str, limit: int) -> Iterator[float]:
    """How many bytes to aim at, pass by pass, until what was written to `target` is small enough."""
    bytes_wanted = limit * _ROOM
    for _ in range(_PASSES):
        yield bytes_wanted
        size = Path(target).stat().st_size
        if size <= limit:
            return
        bytes_wanted *= limit / size * _ROOM
    raise TooLarge(limit)


def _look_at_film(path: str) -> _Film:
    with open_picture(path) as picture:
        if picture is not None:
            seconds = tuple(frame_seconds(picture))
            return _Film(*picture.size, fps=len(seconds) / sum(seconds), duration=sum(seconds))
    with open_container(path) as container:
        stream = film_of(container)
        frame = next(container.decode(stream), None) if stream else None
        if stream is None or frame is None:
            raise BadMedia("wrong_kind", kind=Kind.AUDIO)
        fps = min(float(stream.average_rate or _USUAL_FPS), _MOST_FPS)
        has_sound = sound_of(container) is not None
        duration = max(length_of(container) or 0, 1 / fps)
    return _Film(frame.width, frame.height, fps, duration, frame.rotation, has_sound)


def _plan(film: _Film, bytes_wanted: float, limit: int) -> _Plan:
    """Divide the bits over sound and picture; scale so that each pixel gets enough. TooLarge for too few."""
    payload = bytes_wanted - _FILE_OVERHEAD - film.duration * film.fps * _FRAME_OVERHEAD
    rate = payload * 8 / film.duration
    lowest, highest = _SOUND_RATES
    sound_rate = round(min(max(rate * _SOUND_SHARE, lowest), highest)) if film.has_sound else 0
    picture_rate = round(rate - sound_rate)
    if picture_rate < _LOWEST_PICTURE_RATE:
        raise TooLarge(limit)
    longest = max(film.width, film.height)
    scale = sqrt(picture_rate / _BITS_PER_PIXEL / film.fps / (film.width * film.height))
    scale = min(max(scale, _SMALLEST_FILM_SIDE / longest), _LARGEST_FILM_SIDE / longest, 1)
    return _Plan(picture_rate, sound_rate, _even(film.width * scale), _even(film.height * scale))


def _even(length: float) -> int:
    """yuv420p halves both sides."""
    return max(2, round(length / 2) * 2)


def _encode_film(path: str, target: str, film: _Film, plan: _Plan) -> None:
    with (
        av.open(target, "w", format="mp4", options={"movflags": "+faststart"}) as output,
        _frames(path) as frames,
    ):
        picture = _picture_stream(output, film, plan)
        sound = _sound_stream(output, "aac", 48_000, "stereo", plan.sound_rate) if film.has_sound else None
        reshape = _Reshaper(film, plan)
        for frame in frames:
            if isinstance(frame, VideoFrame):
                output.mux(_encode_picture(picture, reshape(frame)))
            elif sound:
                output.mux(sound.encode(frame))
        output.mux(picture.encode(None))
        if sound:
            output.mux(sound.encode(None))


def _picture_stream(output: OutputContainer, film: _Film, plan: _Plan) -> VideoStream:
    """H.264 as good as CRF 20, and never more bits than planned."""
    options = {
        "preset": "veryfast",
        "crf": "20",
        "maxrate": str(plan.picture_rate),
        "bufsize": str(plan.picture_rate // 2),
    }
    stream = output.add_stream("libx264", rate=Fraction(film.fps).limit_denominator(1001), options=options)
    lies = film.rotation % 180 != 0
    stream.width, stream.height = (plan.height, plan.width) if lies else (plan.width, plan.height)
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = _CLOCK
    return stream


def _sound_stream(
    output: OutputContainer, codec: _SoundCodec, rate: int, layout: str, bits: int, **options: str
) -> AudioStream:
    stream = output.add_stream(codec, rate=rate, layout=layout, options=options)
    stream.bit_rate = bits
    return stream


def _encode_picture(stream: VideoStream, frame: VideoFrame) -> list[Packet[VideoStream]]:
    if not stream.codec_context.is_open:
        for name in _COLOURS:
            setattr(stream.codec_context, name, getattr(frame, name))
    return stream.encode(frame)


class _Reshaper:
    """Brings each frame to the size planned, upright, in the colours that H.264 players expect."""

    def __init__(self, film: _Film, plan: _Plan) -> None:
        self._plan = plan
        self._turn = _turning(film.rotation, plan)

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        colours = Colorspace.ITU709 if frame.format.is_rgb else None
        shaped = frame.reformat(self._plan.width, self._plan.height, "yuv420p", dst_colorspace=colours)
        if self._turn is None:
            return shaped
        self._turn.vpush(shaped)
        return self._turn.vpull()


def _turning(rotation: int, plan: _Plan) -> Graph | None:
    steps = {90: ("cclock",), 180: ("clock", "clock"), 270: ("clock",)}.get(rotation % 360)
    if steps is None:
        return None
    graph = Graph()
    source = graph.add_buffer(
        width=plan.width, height=plan.height, format=VideoFormat("yuv420p"), time_base=_CLOCK
    )
    graph.link_nodes(source, *(graph.add("transpose", step) for step in steps), graph.add("buffersink"))
    graph.configure()
    return graph


@contextmanager
def _frames(path: str) -> Iterator[Iterator[VideoFrame | AudioFrame]]:
    """Every frame of a film with its sound, or of an animated picture."""
    with open_picture(path) as picture:
        if picture is not None:
            yield _picture_frames(picture)
            return
    with open_container(path) as container:
        streams = filter(None, (film_of(container), sound_of(container)))
        yield cast("Iterator[VideoFrame | AudioFrame]", container.decode(*streams))


def _picture_frames(picture: Image.Image) -> Iterator[VideoFrame]:
    """On white, for films know no transparency."""
    time = 0.0
    for seconds in frame_seconds(picture):
        shown = picture.convert("RGBA")
        ground = Image.new("RGBA", shown.size, "white")
        opaque = Image.alpha_composite(ground, shown).convert("RGB")
        frame = VideoFrame.from_ndarray(np.asarray(opaque), format="rgb24")
        frame.pts, frame.time_base = round(time / _CLOCK), _CLOCK
        yield frame
        time += seconds


# -- sounds

_MP3_RATES = (192_000, 160_000, 128_000, 112_000, 96_000, 80_000, 64_000)
_OPUS_RATES = (6_000, 48_000)
_HEADERS = 2048


def _fit_sound(path: str, target: str, limit: int) -> None:
    with open_container(path) as container:
        duration = length_of(container)
    if not duration:
        raise BadMedia("not_media", reason="no_length")
    for bytes_wanted in _shrinking(target, limit):
        _encode_sound(path, target, (bytes_wanted - _HEADERS) * 8 / duration, limit)


def _encode_sound(path: str, target: str, rate: float, limit: int) -> None:
    """MP3, which everything plays; Opus, one channel, where that would sound poor. TooLarge below speech."""
    mp3_rate = next((fixed for fixed in _MP3_RATES if fixed <= rate), None)
    lowest, highest = _OPUS_RATES
    if rate < lowest:
        raise TooLarge(limit)
    with (
        open_container(path) as container,
        av.open(target, "w", format="mp3" if mp3_rate else "ogg") as output,
    ):
        if mp3_rate:
            stream = _sound_stream(output, "libmp3lame", 44_100, "stereo", mp3_rate)
        else:
            stream = _sound_stream(output, "libopus", 48_000, "mono", int(min(rate, highest)), vbr="off")
        for frame in container.decode(audio=0):
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
