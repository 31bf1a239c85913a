"""Renditions: small enough, and still what they were."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from bot.errors import BadMedia, TooLarge
from bot.media.fit import fit
from bot.media.probe import probe
from tests import media_samples as samples


def _fit(tmp_path: Path, data: bytes, limit: int, kind: str) -> bytes:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(data)
    fit(str(source), str(target), limit, kind)
    made = target.read_bytes()
    assert len(made) <= limit
    return made


def _probe(tmp_path: Path, data: bytes) -> dict[str, Any]:
    path = tmp_path / "made"
    path.write_bytes(data)
    return probe(str(path))


def _frames(data: bytes) -> list[np.ndarray[Any, Any]]:
    """Every frame of a film, decoded."""
    with av.open(io.BytesIO(data), "r") as container:
        return [np.asarray(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def _sound(data: bytes) -> tuple[np.ndarray[Any, Any], int]:
    """The first channel of a sound and its samples a second."""
    with av.open(io.BytesIO(data), "r") as container:
        rate = container.streams.audio[0].rate
        frames = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    return np.concatenate(frames), rate


def _pitch(data: bytes) -> float:
    """Its strongest frequency, in hertz."""
    wave, rate = _sound(data)
    strongest = int(np.abs(np.fft.rfft(wave.astype(float))).argmax())
    return strongest * rate / len(wave)


def _unlike(one: np.ndarray[Any, Any], other: Image.Image) -> float:
    """The mean difference of two pictures of a size, 0 to 255."""
    return float(np.abs(one.astype(int) - np.asarray(other).astype(int)).mean())


# -- pictures


@pytest.mark.parametrize("share", [2, 10, 60])
def test_a_picture_becomes_a_jpeg_that_all_can_show(tmp_path: Path, share: int) -> None:
    data = samples.still("PNG", 600, 400, noise=60)
    made = _fit(tmp_path, data, len(data) // share, "image")
    found = _probe(tmp_path, made)
    assert found["mime"] == "image/jpeg"
    assert found["width"] / found["height"] == pytest.approx(1.5, abs=0.02)
    with Image.open(io.BytesIO(made)) as image:
        assert _unlike(np.asarray(image.resize((600, 400))), samples.picture(600, 400)) < 30


def test_quality_falls_before_size_does(tmp_path: Path) -> None:
    data = samples.still("PNG", 600, 400, noise=60)
    assert _probe(tmp_path, _fit(tmp_path, data, len(data) // 4, "image"))["width"] == 600
    assert _probe(tmp_path, _fit(tmp_path, data, len(data) // 60, "image"))["width"] < 600


def test_what_shines_through_goes_on_shining_through(tmp_path: Path) -> None:
    data = samples.still("PNG", 600, 400, noise=60, mode="RGBA")
    made = _fit(tmp_path, data, len(data) // 20, "image")
    with Image.open(io.BytesIO(made)) as image:
        assert image.format == "WEBP"
        assert image.mode == "RGBA"
        assert np.asarray(image.getchannel("A")).min() < 20


def test_a_photo_that_lies_on_its_side_is_turned_and_tells_nothing_else(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "the camera's maker"
    data = samples.still("JPEG", 600, 400, noise=60, exif=exif, quality=95)
    made = _fit(tmp_path, data, len(data) // 4, "image")
    found = _probe(tmp_path, made)
    assert found["width"] < found["height"]
    assert b"maker" not in made


@pytest.mark.parametrize("mode", ["CMYK", "L", "P"])
def test_a_picture_in_other_colours_becomes_one_in_ours(tmp_path: Path, mode: str) -> None:
    format = "JPEG" if mode == "CMYK" else "PNG"
    data = samples.still(format, 600, 400, noise=60, mode=mode)
    made = _fit(tmp_path, data, len(data) // 6, "image")
    with Image.open(io.BytesIO(made)) as image:
        assert image.mode == "RGB"


def test_a_picture_is_not_shrunk_to_nothing(tmp_path: Path) -> None:
    data = samples.still("PNG", 600, 400, noise=60)
    with pytest.raises(TooLarge, match="more than 500 bytes"):
        _fit(tmp_path, data, 500, "image")


# -- films


@pytest.mark.parametrize("share", [2, 8, 40])
def test_a_film_becomes_h264_that_starts_at_once(tmp_path: Path, share: int) -> None:
    data = samples.film(tmp_path / "film", seconds=2, width=320, height=240, noise=40)
    made = _fit(tmp_path, data, len(data) // share, "video")
    found = _probe(tmp_path, made)
    assert found["mime"] == "video/mp4"
    assert found["duration"] == pytest.approx(2, abs=0.1)
    assert made.index(b"moov") < made.index(b"mdat")
    with av.open(io.BytesIO(made)) as container:
        picture, sound = container.streams.video[0], container.streams.audio[0]
        assert (picture.codec.name, picture.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert sound.codec.name == "aac"
    assert len(_frames(made)) == 24
    assert _pitch(made) == pytest.approx(440, abs=5)


def test_a_film_shows_the_same_as_before(tmp_path: Path) -> None:
    data = samples.film(tmp_path / "film", width=320, height=240, noise=10)
    made = _frames(_fit(tmp_path, data, len(data) // 2, "video"))
    assert _unlike(made[0], samples.picture(320, 240)) < 8
    assert _unlike(made[-1], samples.picture(320, 240, shift=11)) < 8


def test_a_film_that_is_to_be_turned_is_turned(tmp_path: Path) -> None:
    for degrees in (90, 180, 270):
        data = samples.film(tmp_path / "film", seconds=0.5, width=320, height=240, noise=10, rotation=degrees)
        made = _fit(tmp_path, data, len(data) // 2, "video")
        upright = samples.picture(320, 240).rotate(degrees, expand=True)
        assert _unlike(_frames(made)[0], upright) < 8


def test_a_film_is_scaled_down_where_bits_are_few(tmp_path: Path) -> None:
    data = samples.film(tmp_path / "film", seconds=2, width=640, height=480, noise=40, sound=False)
    found = _probe(tmp_path, _fit(tmp_path, data, 40_000, "video"))
    assert found["width"] < 640
    assert found["width"] / found["height"] == pytest.approx(4 / 3, abs=0.02)


def test_a_film_of_odd_sides_in_another_container_is_fitted(tmp_path: Path) -> None:
    data = samples.film(
        tmp_path / "film",
        width=322,
        height=242,
        noise=40,
        format="webm",
        codec="libvpx-vp9",
        sound_codec="libopus",
    )
    made = _fit(tmp_path, data, max(len(data) // 2, 30_000), "video")
    assert _probe(tmp_path, made)["mime"] == "video/mp4"


@pytest.mark.parametrize("format", ["GIF", "WEBP"])
def test_an_animated_picture_becomes_a_film_of_the_same_length(tmp_path: Path, format: str) -> None:
    data = samples.animation(format, frames=10, milliseconds=80, width=301, height=201, noise=20)
    made = _fit(tmp_path, data, len(data) // 2, "image")
    found = _probe(tmp_path, made)
    assert found["mime"] == "video/mp4"
    assert found["duration"] == pytest.approx(0.8, abs=0.05)
    frames = _frames(made)
    assert len(frames) == 10
    assert _unlike(frames[0], samples.picture(300, 200)) < 20


def test_what_shines_through_an_animation_is_white(tmp_path: Path) -> None:
    clear, disc = Image.new("RGBA", (320, 240)), samples.picture(320, 240, noise=80).convert("RGBA")
    disc.paste(clear.crop((0, 0, 160, 240)), (0, 0))
    data = io.BytesIO()
    disc.save(data, "WEBP", save_all=True, append_images=[clear, disc], duration=100, lossless=True)
    made = _frames(_fit(tmp_path, data.getvalue(), len(data.getvalue()) // 3, "image"))
    assert made[0][:, :150].mean() > 245


@pytest.mark.parametrize("limit", [0, 500, 5000])
def test_a_film_that_can_not_be_that_small_is_refused(tmp_path: Path, limit: int) -> None:
    data = samples.film(tmp_path / "film", seconds=2, width=320, height=240, noise=40)
    with pytest.raises(TooLarge):
        _fit(tmp_path, data, limit, "video")


# -- sounds


@pytest.mark.parametrize(
    ("limit", "mime"), [(400_000, "audio/mpeg"), (90_000, "audio/mpeg"), (30_000, "audio/ogg")]
)
def test_a_sound_becomes_mp3_or_if_it_must_opus(tmp_path: Path, limit: int, mime: str) -> None:
    data = samples.tone(tmp_path / "tone", "wav", "pcm_s16le", seconds=8)
    made = _fit(tmp_path, data, limit, "audio")
    found = _probe(tmp_path, made)
    assert (found["kind"], found["mime"]) == ("audio", mime)
    assert found["duration"] == pytest.approx(8, abs=0.1)
    assert _pitch(made) == pytest.approx(440, abs=5)


def test_a_song_loses_its_cover_before_its_sound(tmp_path: Path) -> None:
    data = samples.tone(tmp_path / "tone", "mp3", "libmp3lame", seconds=4, cover=True)
    made = _fit(tmp_path, data, len(data) * 2 // 3, "audio")
    with av.open(io.BytesIO(made)) as container:
        assert [stream.type for stream in container.streams] == ["audio"]


def test_a_sound_below_speech_is_refused(tmp_path: Path) -> None:
    data = samples.tone(tmp_path / "tone", "wav", "pcm_s16le", seconds=8)
    with pytest.raises(TooLarge):
        _fit(tmp_path, data, 5_000, "audio")


# -- what is not what it is called


@pytest.mark.parametrize(("kind", "format"), [("image", "film"), ("video", "tone")])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, kind: str, format: str) -> None:
    if format == "film":
        data = samples.film(tmp_path / "sample")
    else:
        data = samples.tone(tmp_path / "sample", "wav", "pcm_s16le")
    with pytest.raises(BadMedia, match="wrong_kind"):
        _fit(tmp_path, data, len(data) // 2, kind)
