"""What is said of files: what `probe` finds, MIME types, extensions, names that are safe everywhere."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from bot.catalogue import Kind

EXTENSIONS: Mapping[str, str] = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/avif": "avif",
    "image/bmp": "bmp",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-matroska": "mkv",
    "video/x-msvideo": "avi",
    "video/ogg": "ogv",
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/wav": "wav",
    "audio/ogg": "ogg",
    "audio/flac": "flac",
    "audio/aac": "aac",
    "audio/aiff": "aiff",
    "audio/webm": "weba",
    "audio/x-matroska": "mka",
}
"""MIME type -> extension without its dot, for everything that `probe` knows."""

_MAX_SAFE = 60
_MAX_NAME = 120


@dataclass(frozen=True, slots=True)
class Probed:
    """What a file is. `size` in bytes, `width` and `height` in pixels as shown, `duration` in seconds.

    An animated GIF or WebP is an image with a duration. `extension` is without its dot.
    """

    kind: Kind
    mime: str
    size: int
    width: int | None
    height: int | None
    duration: float | None
    extension: str


def safe_name(text: str, extension: str) -> str:
    """A file name of ASCII letters, digits, "_" and "-" with the extension, at most 60 characters.

    Discord's `attachment://` takes no other characters.
    """
    ending = "." + extension.lstrip(".")
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    stem = re.sub(r"[^A-Za-z0-9_]+", "-", plain).strip("-_")[: _MAX_SAFE - len(ending)].strip("-_")
    return (stem or "file") + ending


def tidy_name(name: str) -> str:
    """What a file's owner called it, without folders and control characters, at most 120 characters."""
    last = re.split(r"[/\\]", name)[-1]
    shown = "".join(char for char in last if unicodedata.category(char)[0] != "C").strip()
    return shown[-_MAX_NAME:] or "file"
