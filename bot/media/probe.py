"""What a file is, from its bytes alone: Pillow reads pictures, FFmpeg's libraries the rest. Blocking."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream
from PIL import Image, UnidentifiedImageError

from bot.catalogue import Kind
from bot.errors import BadMedia
from bot.media.formats import EXTENSIONS, Probed

MAX_PIXELS = 100_000_000
"""More than this in one picture or frame is taken for a bomb."""

_PICTURES = ("PNG", "JPEG", "WEBP", "GIF", "AVIF", "BMP")
_ANIMATED = ("PNG", "WEBP", "GIF", "AVIF")
_PICTURE_MIME = {"MPO": "image/jpeg"}  # what phones call a JPEG with a second picture
_ORIENTATION = 0x0112
_LYING = (5, 6, 7, 8)  # EXIF orientations that swap width and height
_HEAD_BYTES = 64


def probe(path: str) -> dict[str, Any]:
    """The fields of `Probed`. BadMedia("not_media") where the bytes are no medium that can be decoded."""
    return asdict(_probe(path))


def _probe(path: str) -> Probed:
    with open_picture(path) as picture:
        if picture is not None:
            return _probed_picture(path, picture)
    with open_container(path) as container:
        return _probed_container(path, container)


# -- pictures


@contextmanager
def open_picture(path: str) -> Iterator[Image.Image | None]:
    """The picture, not decoded yet; None where it is none. BadMedia for one with too many pixels."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        Image.MAX_IMAGE_PIXELS = MAX_PIXELS
        try:
            picture = Image.open(path, formats=_PICTURES)
        except UnidentifiedImageError:
            yield None
            return
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise BadMedia("not_media", reason="too_many_pixels") from error
    with picture:
        yield picture


def is_animated(picture: Image.Image) -> bool:
    return picture.format in _ANIMATED and getattr(picture, "n_frames", 1) > 1


def _probed_picture(path: str, picture: Image.Image) -> Probed:
    picture.load()
    duration = sum(frame_seconds(picture)) if is_animated(picture) else None
    width, height = picture.size
    if picture.getexif().get(_ORIENTATION) in _LYING:
        width, height = height, width
    mime = _PICTURE_MIME.get(str(picture.format)) or Image.MIME[str(picture.format)]
    return _probed(path, Kind.IMAGE, mime, width, height, duration)


def frame_seconds(picture: Image.Image) -> Iterator[float]:
    """How long each frame stands, while the picture moves through its frames."""
    for index in range(getattr(picture, "n_frames", 1)):
        picture.seek(index)
        picture.load()
        milliseconds = picture.info.get("duration") or 0
        # Browsers show frames that claim 10 ms or less for 100 ms.
        yield milliseconds / 1000 if milliseconds > 10 else 0.1


# -- films and sounds


@contextmanager
def open_container(path: str) -> Iterator[InputContainer]:
    """The film or sound. The first bytes name its demuxer: others can be talked into opening URLs."""
    with Path(path).open("rb") as file:
        demuxer = _demuxer(file.read(_HEAD_BYTES))
    if demuxer is None:
        raise BadMedia("not_media")
    try:
        with av.open(path, format=demuxer) as container:
            yield container
    except av.FFmpegError as error:
        raise BadMedia("not_media", reason=type(error).__name__) from error


def film_of(container: InputContainer) -> VideoStream | None:
    """The moving picture: the cover of a song is none."""
    streams = (
        stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic
    )
    return next(streams, None)


def sound_of(container: InputContainer) -> AudioStream | None:
    return next(iter(container.streams.audio), None)


def length_of(container: InputContainer) -> float | None:
    """Seconds; measured packet by packet, which uses the container up, where its header doesn't say."""
    if container.duration:
        return float(Fraction(container.duration, av.time_base))
    ends = (
        float((packet.pts + (packet.duration or 0)) * packet.time_base)
        for packet in container.demux()
        if packet.pts is not None and packet.time_base is not None
    )
    return max(ends, default=None)


def _demuxer(head: bytes) -> str | None:
    match head[:4], head[4:8], head[8:12]:
        case _, b"ftyp", b"heic" | b"heix" | b"mif1" | b"msf1" | b"avif" | b"avis":
            return None  # pictures in a film's clothes; those that Pillow reads never come here
        case _, b"ftyp" | b"moov" | b"mdat" | b"wide", _:
            return "mov"
        case b"\x1a\x45\xdf\xa3", _, _:
            return "matroska"
        case b"RIFF", _, b"WAVE":
            return "wav"
        case b"RIFF", _, b"AVI ":
            return "avi"
        case b"OggS", _, _:
            return "ogg"
        case b"fLaC", _, _:
            return "flac"
        case b"FORM", _, b"AIFF" | b"AIFC":
            return "aiff"
    return _mpeg_audio_demuxer(head)


def _mpeg_audio_demuxer(head: bytes) -> str | None:
    if head[:3] == b"ID3":
        return "mp3"
    if len(head) < 2 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    has_layer = head[1] & 0x06  # ADTS, which carries AAC, has none
    return "mp3" if has_layer else "aac"


def _probed_container(path: str, container: InputContainer) -> Probed:
    film, sound = film_of(container), sound_of(container)
    main = film or sound
    if main is None:
        raise BadMedia("not_media", reason="no_stream")
    width, height = _decoded_size(container, main)
    if film is None:
        width = height = None
    kind = Kind.VIDEO if film else Kind.AUDIO
    return _probed(path, kind, _container_mime(path, container, kind), width, height, length_of(container))


def _decoded_size(
    container: InputContainer, stream: VideoStream | AudioStream
) -> tuple[int | None, int | None]:
    """Decode one frame, for a header alone may promise anything; its size as shown, None for sound."""
    if isinstance(stream, VideoStream) and stream.width * stream.height > MAX_PIXELS:
        raise BadMedia("not_media", reason="too_many_pixels")
    frame = next(iter(container.decode(stream)), None)
    if frame is None:
        raise BadMedia("not_media", reason="no_frame")
    if not isinstance(frame, av.VideoFrame):
        return None, None
    return (frame.height, frame.width) if frame.rotation % 180 else (frame.width, frame.height)


def _container_mime(path: str, container: InputContainer, kind: Kind) -> str:
    with Path(path).open("rb") as file:
        head = file.read(_HEAD_BYTES)
    family = container.format.name.partition(",")[0]
    if family == "mov" and kind is Kind.VIDEO:
        return "video/quicktime" if head[8:12] == b"qt  " or head[4:8] != b"ftyp" else "video/mp4"
    subtype = {
        "mov": "mp4",
        "mp3": "mpeg",
        "matroska": "webm" if b"webm" in head else "x-matroska",
        "avi": "x-msvideo",
    }.get(family, family)
    return f"{kind}/{subtype}"


def _probed(
    path: str, kind: Kind, mime: str, width: int | None, height: int | None, duration: float | None
) -> Probed:
    size = Path(path).stat().st_size
    return Probed(kind, mime, size, width, height, duration, EXTENSIONS[mime])
