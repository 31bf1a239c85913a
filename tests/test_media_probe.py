"""What files are said to be, from real bytes."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bot.catalogue import Kind
from bot.errors import BadMedia
from bot.media import EXTENSIONS, Probed, safe_name
from bot.media.formats import tidy_name
from bot.media.probe import probe
from bot.media.worker import _answer
from tests import media_samples as samples


def _probe(tmp_path: Path, data: bytes) -> Probed:
    path = tmp_path / "no-extension"
    path.write_bytes(data)
    found = Probed(**probe(str(path)))
    assert found.size == len(data)
    assert found.extension == EXTENSIONS[found.mime]
    return found


@pytest.mark.parametrize(
    ("format", "how", "mime"),
    [
        ("PNG", {}, "image/png"),
        ("PNG", {"mode": "RGBA"}, "image/png"),
        ("PNG", {"mode": "P"}, "image/png"),
        ("JPEG", {}, "image/jpeg"),
        ("JPEG", {"mode": "CMYK"}, "image/jpeg"),
        ("MPO", {"save_all": True, "append_images": [samples.picture()]}, "image/jpeg"),
        ("WEBP", {}, "image/webp"),
        ("GIF", {"mode": "P"}, "image/gif"),
        ("AVIF", {}, "image/avif"),
        ("BMP", {}, "image/bmp"),
    ],
)
def test_a_picture_is_a_picture(tmp_path: Path, format: str, how: dict[str, Any], mime: str) -> None:
    found = _probe(tmp_path, samples.still(format, **how))
    assert (found.kind, found.mime, found.width, found.height) == (Kind.IMAGE, mime, 96, 64)
    assert found.duration is None


@pytest.mark.parametrize(
    ("format", "mime"), [("GIF", "image/gif"), ("WEBP", "image/webp"), ("PNG", "image/png")]
)
def test_an_animated_picture_is_a_picture_that_lasts(tmp_path: Path, format: str, mime: str) -> None:
    found = _probe(tmp_path, samples.animation(format, frames=6, milliseconds=100))
    assert (found.kind, found.mime, found.width, found.height) == (Kind.IMAGE, mime, 96, 64)
    assert found.duration == pytest.approx(0.6)


def test_frames_without_a_time_last_as_long_as_browsers_show_them(tmp_path: Path) -> None:
    assert _probe(tmp_path, samples.animation(frames=5, milliseconds=0)).duration == pytest.approx(0.5)


def test_a_photo_that_lies_on_its_side_is_measured_as_it_is_shown(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    found = _probe(tmp_path, samples.still("JPEG", exif=exif))
    assert (found.width, found.height) == (64, 96)


@pytest.mark.parametrize(
    ("how", "mime"),
    [
        ({}, "video/mp4"),
        ({"sound": False}, "video/mp4"),
        ({"format": "mov"}, "video/quicktime"),
        ({"format": "webm", "codec": "libvpx-vp9", "sound_codec": "libopus"}, "video/webm"),
        ({"format": "matroska"}, "video/x-matroska"),
        ({"format": "avi", "sound_codec": "libmp3lame"}, "video/x-msvideo"),
    ],
)
def test_a_film_is_a_film(tmp_path: Path, how: dict[str, Any], mime: str) -> None:
    found = _probe(tmp_path, samples.film(tmp_path / "film", **how))
    assert (found.kind, found.mime, found.width, found.height) == (Kind.VIDEO, mime, 96, 64)
    assert found.duration == pytest.approx(1, abs=0.1)


def test_a_film_that_is_to_be_turned_is_measured_as_it_is_shown(tmp_path: Path) -> None:
    found = _probe(tmp_path, samples.film(tmp_path / "film", rotation=90))
    assert (found.width, found.height) == (64, 96)


def test_a_film_whose_header_does_not_say_how_long_it_is_is_measured(tmp_path: Path) -> None:
    data = samples.film(tmp_path / "film", format="webm", codec="libvpx-vp9", sound_codec="libopus")
    duration = data.index(b"\x44\x89\x88")  # the element Duration, of eight bytes
    found = _probe(tmp_path, data[:duration] + b"\xec\x89" + bytes(9) + data[duration + 11 :])
    assert found.duration == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("format", "codec", "cover", "mime"),
    [
        ("wav", "pcm_s16le", False, "audio/wav"),
        ("mp3", "libmp3lame", False, "audio/mpeg"),
        ("mp3", "libmp3lame", True, "audio/mpeg"),
        ("ipod", "aac", False, "audio/mp4"),
        ("adts", "aac", False, "audio/aac"),
        ("ogg", "libopus", False, "audio/ogg"),
        ("flac", "flac", False, "audio/flac"),
        ("aiff", "pcm_s16be", False, "audio/aiff"),
        ("webm", "libopus", False, "audio/webm"),
        ("matroska", "flac", False, "audio/x-matroska"),
    ],
)
def test_a_sound_is_a_sound_even_with_a_cover(
    tmp_path: Path, format: str, codec: str, cover: bool, mime: str
) -> None:
    found = _probe(tmp_path, samples.tone(tmp_path / "tone", format, codec, cover=cover))
    assert (found.kind, found.mime) == (Kind.AUDIO, mime)
    assert (found.width, found.height) == (None, None)
    assert found.duration == pytest.approx(1, abs=0.1)


def _png_header(width: int, height: int) -> bytes:
    """A PNG that says it is huge and holds next to nothing."""
    header = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((8, 2, 0, 0, 0))
    data = b"IDAT" + zlib.compress(bytes(1000))
    chunks = (
        (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
        for chunk in (header, data, b"IEND")
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _broken() -> dict[str, bytes]:
    gif = samples.animation()
    return {
        "nothing": b"",
        "a byte": b"\xff",
        "noise": samples.garbage(),
        "a login page": samples.HTML,
        "SVG": samples.SVG,
        "a playlist": samples.PLAYLIST,
        "a list of files": b"ffconcat version 1.0\nfile /etc/passwd\n",
        "JSON": b'{"detail": "gone"}',
        "text in UTF-16": "hello, this is only text ".encode("utf-16") * 100,
        "PDF": b"%PDF-1.7\n1 0 obj\n",
        "ZIP": b"PK\x03\x04" + bytes(100),
        "TIFF": samples.still("TIFF"),
        "a PNG cut short": samples.still("PNG", noise=60)[:2000],
        "a JPEG cut short": samples.still("JPEG", noise=60)[:1500],
        "a GIF cut short": gif[: len(gif) // 2],
        "a bomb": _png_header(20_000, 20_000),
        "an HEIC": b"\x00\x00\x00\x18ftypheic" + bytes(100),
        "an MP4's first box": b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom",
        "an empty RIFF": b"RIFF\x04\x00\x00\x00WAVE",
    }


_BROKEN = _broken()


@pytest.mark.parametrize("data", _BROKEN.values(), ids=_BROKEN.keys())
def test_what_can_not_be_played_is_no_media(tmp_path: Path, data: bytes) -> None:
    """Asked as a worker is asked: whatever a parser raises, the answer is the same."""
    path = tmp_path / "file"
    path.write_bytes(data)
    answer = _answer("probe", [str(path)])
    assert answer["bad_media"] == "not_media"


def test_an_mp4_without_its_index_is_no_media(tmp_path: Path) -> None:
    data = samples.film(tmp_path / "film")
    with pytest.raises(BadMedia, match="not_media"):
        _probe(tmp_path, data[: len(data) // 2])


def test_what_a_worker_answers_tells_refusals_from_results(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(samples.still("PNG", noise=60))
    assert _answer("probe", [str(path)])["result"]["mime"] == "image/png"
    assert _answer("fit", [str(path), str(tmp_path / "out"), 9, "image"]) == {"too_large": 9}
    assert _answer("fit", [str(path), str(tmp_path / "out"), 3000, "image"]) == {"result": {}}


# -- names


@pytest.mark.parametrize(
    ("text", "extension", "name"),
    [
        ("a fox in snow", "mp4", "a-fox-in-snow.mp4"),
        ("a fox", ".mp4", "a-fox.mp4"),
        ("../../etc/passwd", "png", "etc-passwd.png"),
        ("fox.png.exe", "gif", "fox-png-exe.gif"),
        ("Füchse im Schnee – heute!", "webp", "Fuchse-im-Schnee-heute.webp"),
        ("狐", "wav", "file.wav"),
        ("", "png", "file.png"),
        ("--_--", "png", "file.png"),
        ("\x00\x1b[31mred\x07", "png", "31mred.png"),
        ("x" * 200, "mp4", "x" * 56 + ".mp4"),
    ],
)
def test_a_safe_name_is_safe_everywhere(text: str, extension: str, name: str) -> None:
    assert safe_name(text, extension) == name


@pytest.mark.parametrize(
    ("name", "tidy"),
    [
        ("fox.png", "fox.png"),
        ("Füchse im Schnee.png", "Füchse im Schnee.png"),
        ("C:\\Users\\me\\fox.png", "fox.png"),
        ("../../fox.png", "fox.png"),
        ("fox\n\x1b\u202egnp.exe", "foxgnp.exe"),
        ("a/", "file"),
        ("", "file"),
        ("x" * 500 + ".png", "x" * 116 + ".png"),
    ],
)
def test_a_files_name_is_what_its_owner_called_it_without_tricks(name: str, tidy: str) -> None:
    assert tidy_name(name) == tidy


def test_every_extension_is_known_to_pillow_or_ffmpeg() -> None:
    pictures = {mime for mime in EXTENSIONS if mime.startswith("image/")}
    Image.init()
    assert pictures <= set(Image.MIME.values())
