"""Small real files for tests, made on the spot: pictures, films, sounds and broken ones."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from fractions import Fraction
from math import pi
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image, ImageDraw

HTML = b"<!doctype html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect/></svg>'
PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1/secret.ts\n#EXT-X-ENDLIST\n"

_SAMPLE_RATE = 44_100


def picture(
    width: int = 96, height: int = 64, *, shift: int = 0, noise: int = 0, mode: str = "RGB"
) -> Image.Image:
    """A gradient with a disc that `shift` moves; `noise` (0-255) makes it hard to compress."""
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    grain = np.random.default_rng(shift).integers(-noise, noise + 1, (height, width, 3))
    pixels = np.stack([across, down, 255 - across], axis=2) + grain
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8), "RGB")
    left = (shift * 7) % width
    ImageDraw.Draw(image).ellipse((left, 8, left + 24, 32), fill=(250, 240, 20))
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize((width, height)))
    return image.convert(mode)


def still(
    format: str, width: int = 96, height: int = 64, *, noise: int = 0, mode: str = "RGB", **how: Any
) -> bytes:
    data = io.BytesIO()
    picture(width, height, noise=noise, mode=mode).save(data, format, **how)
    return data.getvalue()


def animation(
    format: str = "GIF",
    *,
    frames: int = 6,
    milliseconds: int = 100,
    width: int = 96,
    height: int = 64,
    noise: int = 0,
) -> bytes:
    pictures = [picture(width, height, shift=index, noise=noise) for index in range(frames)]
    data = io.BytesIO()
    pictures[0].save(data, format, save_all=True, append_images=pictures[1:], duration=milliseconds, loop=0)
    return data.getvalue()


def film(
    path: Path,
    *,
    seconds: float = 1.0,
    fps: int = 12,
    width: int = 96,
    height: int = 64,
    noise: int = 0,
    sound: bool = True,
    rotation: int = 0,
    format: str = "mp4",
    codec: str = "libx264",
    sound_codec: str = "aac",
) -> bytes:
    """An MP4 (or another container) with H.264 and a 440 Hz tone; `rotation` is only noted in it."""
    with av.open(path, "w", format=format) as output:
        options = {"crf": "12", "preset": "ultrafast"} if codec == "libx264" else {}
        video = output.add_stream(codec, rate=fps, options=options)
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        if rotation:
            video.set_display_rotation(rotation)
        audio = _audio_stream(output, sound_codec) if sound else None
        for index in range(round(seconds * fps)):
            frame = _frame(picture(width, height, shift=index, noise=noise))
            frame.pts, frame.time_base = index, Fraction(1, fps)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        if audio:
            _write_tone(output, audio, seconds)
    return path.read_bytes()


def _frame(image: Image.Image) -> VideoFrame:
    return VideoFrame.from_ndarray(np.asarray(image), format="rgb24")


def tone(path: Path, format: str, codec: str, *, seconds: float = 1.0, cover: bool = False) -> bytes:
    """A 440 Hz tone; `cover` adds a picture as songs carry one."""
    with av.open(path, "w", format=format) as output:
        audio = _audio_stream(output, codec)
        if cover:
            art = output.add_stream("mjpeg", rate=1)
            art.width, art.height, art.pix_fmt = 96, 64, "yuvj420p"
            art.disposition = av.stream.Disposition.attached_pic
            output.mux(art.encode(_frame(picture()).reformat(format="yuvj420p")))
            output.mux(art.encode(None))
        _write_tone(output, audio, seconds)
    return path.read_bytes()


def _audio_stream(output: OutputContainer, codec: str) -> AudioStream:
    rate = 48_000 if "opus" in codec else _SAMPLE_RATE
    stream = output.add_stream(codec, rate=rate, layout="stereo")
    assert isinstance(stream, AudioStream)
    return stream


def _write_tone(output: OutputContainer, stream: AudioStream, seconds: float) -> None:
    for frame in _tone_frames(seconds):
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


def _tone_frames(seconds: float) -> Iterator[AudioFrame]:
    total = round(seconds * _SAMPLE_RATE)
    for start in range(0, total, 1024):
        count = min(1024, total - start)
        wave = np.sin(np.arange(start, start + count) * (2 * pi * 440 / _SAMPLE_RATE)) * 12_000
        frame = AudioFrame.from_ndarray(
            np.repeat(wave, 2)[None].astype(np.int16), format="s16", layout="stereo"
        )
        frame.sample_rate, frame.pts, frame.time_base = _SAMPLE_RATE, start, Fraction(1, _SAMPLE_RATE)
        yield frame


def garbage(size: int = 5000) -> bytes:
    return random.Random(7).randbytes(size)
