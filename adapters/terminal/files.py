"""Files on this machine: read for an order, written for a result."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import BinaryIO

from bot.ports import MediaFile

CHUNK = 256 * 1024


async def chunks_of(path: Path) -> AsyncIterator[bytes]:
    """The bytes of a file. Raises OSError where it can't be read."""
    file = await asyncio.to_thread(path.open, "rb")
    try:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk
    finally:
        await asyncio.to_thread(file.close)


def save(media: Sequence[MediaFile], out: Path | None, folder: Path) -> list[Path]:
    """Copy a result: to `out` where it names a file, else into a folder under free names. OSError."""
    if out is None or out.is_dir():
        return [_save_free(file, out or folder) for file in media]
    return [_save_as(file.path, _named(file, number, media[0], out)) for number, file in enumerate(media, 1)]


def _named(file: MediaFile, number: int, first: MediaFile, out: Path) -> Path:
    """The given name for the first file; the others have their part, or their number, behind it."""
    if number == 1:
        return out
    suffix = file.media.part if file.media.part != first.media.part else str(number)
    return out.with_name(f"{out.stem}-{suffix}{Path(file.name).suffix}")


def _save_as(source: Path, target: Path) -> Path:
    """Never half a file under the name: copied beside it, then moved over it."""
    beside = target.with_name(f".{target.name}.part")
    try:
        shutil.copyfile(source, beside)
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)
    return target


def _save_free(file: MediaFile, folder: Path) -> Path:
    name = Path(file.name)
    number = 1
    while True:
        target = folder / (name if number == 1 else f"{name.stem}-{number}{name.suffix}")
        try:
            with target.open("xb") as copy:
                return _fill(file.path, copy, target)
        except FileExistsError:
            number += 1


def _fill(source: Path, copy: BinaryIO, target: Path) -> Path:
    try:
        with source.open("rb") as original:
            shutil.copyfileobj(original, copy)
    except OSError:
        target.unlink(missing_ok=True)
        raise
    return target
