"""A lock that the operating system frees when its process dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import weakref
from contextlib import suppress
from pathlib import Path


class FileLock:
    """An exclusive lock on a file of its own. Two of them exclude each other, in one process or in two.

    `was_left`: whether its last holder died with it, or freed it otherwise than `cleanly`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self.was_left = False

    def take(self) -> bool:
        """Whether this lock is held now; never waits."""
        if self._file is not None:
            return True
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(file)
            if isinstance(error, BlockingIOError):
                return False
            raise
        self._file = file
        self._leave_out_of_forks()
        self.was_left = os.fstat(file).st_size > 0
        self._mark(b"held")
        return True

    def free(self, *, cleanly: bool = True) -> None:
        if cleanly:
            self._mark(b"")
        self._close()

    def _mark(self, text: bytes) -> None:
        """What the next holder finds; a full disk is no reason not to hold a lock."""
        if self._file is None:
            return
        with suppress(OSError):
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, text, 0)
            os.fsync(self._file)

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _leave_out_of_forks(self) -> None:
        """A forked worker that outlives its parent must not hold the lock for it."""
        close = weakref.WeakMethod(self._close)

        def in_child() -> None:
            if method := close():
                method()

        os.register_at_fork(after_in_child=in_child)
