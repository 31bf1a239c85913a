"""The media folder: files under the SHA-256 of their bytes, drafts, and what was made from what. Blocking."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import threading
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bot.errors import CannotStart, TryLater

_LEFTOVER_AGE = 3600.0


class Folder:
    """`<root>/ab/cd/<digest>` holds the files, `tmp` drafts, `fit` notes on renditions.

    The time of a file's last change is when its content was last kept; `now` says it.
    """

    def __init__(self, root: Path, now: Callable[[], float]) -> None:
        self.root = root.absolute()
        self._drafts = self.root / "tmp"
        self._notes = self.root / "fit"
        self._now = now
        self._placing = threading.Lock()

    def open(self, min_free: int) -> None:
        """Make the folder ready. CannotStart where it can't be written, or has less than `min_free` bytes."""
        try:
            for folder in (self.root, self._drafts, self._notes):
                folder.mkdir(parents=True, exist_ok=True)
            self._demand_room(min_free)
            trial = self.new_draft()
            trial.write_bytes(b"trial")
            trial.unlink()
            self._remove_leftovers()
        except OSError as error:
            raise CannotStart(
                f"The media folder {self.root} can't be written: {error.strerror or error}. "
                "Make it writable, or name another one under [media] folder."
            ) from error

    def _demand_room(self, min_free: int) -> None:
        free = shutil.disk_usage(self.root).free
        if free < min_free:
            raise CannotStart(
                f"The disk of the media folder {self.root} is full ({free // 2**20} MB left). "
                "Make room, or name another folder under [media] folder."
            )

    def _remove_leftovers(self) -> None:
        for draft in self._drafts.iterdir():
            if draft.stat().st_mtime < self._now() - _LEFTOVER_AGE:
                draft.unlink()

    def path(self, digest: str) -> Path | None:
        """Where the content lies; None where it isn't kept or `digest` is no SHA-256 in hex."""
        if not is_digest(digest):
            return None
        path = self._place(digest)
        return path if path.is_file() else None

    def _place(self, digest: str) -> Path:
        return self.root / digest[:2] / digest[2:4] / digest

    def new_draft(self) -> Path:
        """A fresh path for something that is being written."""
        return self._drafts / uuid.uuid4().hex

    def draft(self) -> Draft:
        return Draft(self, self.new_draft())

    def adopt(self, draft: Path) -> str:
        """Take in a file that somebody else wrote at a `new_draft` path; its digest."""
        with _disk_errors():
            with draft.open("rb+") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                os.fsync(file.fileno())
            self.place(draft, digest)
        return digest

    def place(self, draft: Path, digest: str) -> None:
        """Move a draft, flushed to the disk, to where its content belongs."""
        target = self._place(digest)
        now = self._now()
        with self._placing:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.utime(draft, (now, now))
            draft.replace(target)
        _flush_folder(target.parent)

    def remove_older_than(self, time: float, keep: Collection[str]) -> int:
        """Remove what was last kept before `time` and isn't in `keep`; how many files went."""
        kept = frozenset(keep)
        removed = 0
        for path in self.root.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/*"):
            if path.name not in kept and self._remove_if_older(path, time):
                removed += 1
        for note in self._notes.iterdir():
            if self._read_note(note) is None:
                note.unlink(missing_ok=True)
        return removed

    def remove(self, digests: Collection[str], time: float) -> int:
        """Remove these, and what was made of them, where they were last kept before `time`; how many went."""
        return sum(self._remove_with_renditions(digest, time) for digest in digests if is_digest(digest))

    def _remove_with_renditions(self, digest: str, time: float) -> int:
        removed = int(self._remove_if_older(self._place(digest), time))
        for note in self._notes.glob(f"{digest}-*.json") if removed else ():
            if rendition := self._read_note(note):
                removed += self._remove_if_older(self._place(rendition), time)
            note.unlink(missing_ok=True)
        return removed

    def _remove_if_older(self, path: Path, time: float) -> bool:
        with self._placing, contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < time:
                path.unlink()
                return True
        return False

    def rendition(self, digest: str, variant: str) -> str | None:
        """The digest of the rendition that was made of this content before, where it is still kept."""
        return self._read_note(self._note(digest, variant))

    def remember_rendition(self, digest: str, variant: str, rendition: str) -> None:
        with _disk_errors():
            draft = self.new_draft()
            draft.write_text(json.dumps({"rendition": rendition}), encoding="utf-8")
            draft.replace(self._note(digest, variant))

    def _note(self, digest: str, variant: str) -> Path:
        return self._notes / f"{digest}-{variant}.json"

    def _read_note(self, note: Path) -> str | None:
        try:
            rendition = str(json.loads(note.read_text(encoding="utf-8"))["rendition"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return rendition if self.path(rendition) else None


class Draft:
    """A file on its way in: `write` its bytes, then `keep` or `drop` it.

    Each of these runs in a thread, which goes on when whoever waits for it is cancelled: so they take turns,
    and what comes after `drop` does nothing.
    """

    def __init__(self, folder: Folder, path: Path) -> None:
        self._folder = folder
        self._path = path
        self._file: BinaryIO | None = None
        self._hash = hashlib.sha256()
        self._dropped = False
        self._turn = threading.Lock()

    def write(self, data: bytes | bytearray) -> None:
        with self._turn, _disk_errors():
            if self._dropped:
                return
            self._opened().write(data)
            self._hash.update(data)

    def keep(self) -> str:
        """Flush it to the disk and put it in its place; its digest."""
        with self._turn, _disk_errors():
            digest = self._hash.hexdigest()
            if self._dropped:
                return digest
            file = self._opened()
            file.flush()
            os.fsync(file.fileno())
            file.close()
            self._folder.place(self._path, digest)
            return digest

    def drop(self) -> None:
        """Forget what is not kept; harmless after `keep`."""
        with self._turn:
            self._dropped = True
            if self._file is not None:
                with contextlib.suppress(OSError):
                    self._file.close()
            self._path.unlink(missing_ok=True)

    def _opened(self) -> BinaryIO:
        if self._file is None:
            self._file = self._path.open("xb")
        return self._file


def is_digest(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{64}", text) is not None


@contextmanager
def _disk_errors() -> Iterator[None]:
    """A full or failing disk gets better, or its owner hears of it: the same thing may work later."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full" if full else error.strerror or str(error)
        raise TryLater(f"the media folder can't be written: {reason}") from error


def _flush_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
