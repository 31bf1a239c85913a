"""Whether a database file is whole. Blocking; nothing here writes."""

from __future__ import annotations

import sqlite3
import sys
from array import array
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from struct import Struct
from typing import BinaryIO
from urllib.parse import quote

DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def is_damage(error: BaseException | None) -> bool:
    """Whether SQLite says that the file itself is damaged, whatever was asked of it."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGED


def fault_of(path: Path) -> str | None:
    """What is wrong with a database file, by reading all of it; None where it is whole.

    sqlite3.Error where it can't be read for another reason.
    """
    try:
        with closing(connect(path)) as connection:
            (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        said = str(error)
    return None if said == "ok" else " ".join(said.split())


def connect(path: Path) -> sqlite3.Connection:
    """To read only; what isn't there is not made."""
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None)


# -- the write-ahead log: https://www.sqlite.org/fileformat2.html#walformat

HEADER = Struct(">8I")  # magic, version, page size, checkpoints, two salts, two sums
FRAME = Struct(">6I")  # page, pages after the commit (0: none), two salts, two sums
MAGIC = 0x377F0682  # the last bit says that sums are of big-endian words
WORD = 2**32 - 1


def log_fault_of(path: Path) -> str | None:
    """What is wrong with the write-ahead log of a database that isn't open yet; None where it is whole.

    SQLite itself takes the first broken frame for the end, as after a lost power it is. But each commit waits
    for the disk: where two of them follow the broken frame, what it held was committed, and would be lost.
    """
    log = path.with_name(path.name + "-wal")
    fault = _log_fault(log)
    return fault and _log_fault(log)  # a writer at work may have changed it under our eyes: look twice


def _log_fault(log: Path) -> str | None:
    try:
        with log.open("rb") as file:
            head = file.read(HEADER.size)
            fault = _fault_in(file, head) if len(head) == HEADER.size else None
            file.seek(0)
            return fault if file.read(HEADER.size) == head else None
    except FileNotFoundError:
        return None


def _fault_in(file: BinaryIO, head: bytes) -> str | None:
    magic, _, page_size, _, *salts, one, two = HEADER.unpack(head)
    swapped = (magic & 1 == 1) is not (sys.byteorder == "big")
    if magic & ~1 != MAGIC or _sums(head[:24], (0, 0), swapped) != (one, two):
        return "the head of its write-ahead log is garbage"
    sums, frames = (one, two), _frames(file, page_size)
    for number, (frame, page) in enumerate(frames):
        _, _, *found, one, two = FRAME.unpack(frame)
        sums = _sums(frame[:8] + page, sums, swapped)
        if found != salts or sums != (one, two):
            commits = sum(_commits(frame, salts) for frame, _ in frames)
            return f"its write-ahead log is garbage from frame {number} on" if commits > 1 else None
    return None


def _frames(file: BinaryIO, page_size: int) -> Iterator[tuple[bytes, bytes]]:
    """Each frame's head and page."""
    while len(frame := file.read(FRAME.size + page_size)) == FRAME.size + page_size:
        yield frame[: FRAME.size], frame[FRAME.size :]


def _commits(frame: bytes, salts: list[int]) -> bool:
    """Whether it ends a transaction of this log; what is left of earlier ones has other salts."""
    _, pages, *found, _, _ = FRAME.unpack(frame)
    return pages > 0 and found == salts


def _sums(data: bytes, sums: tuple[int, int], swapped: bool) -> tuple[int, int]:
    words = array("I", data)
    if swapped:
        words.byteswap()
    one, two = sums
    pairs = iter(words)
    for first, second in zip(pairs, pairs, strict=True):
        one = (one + first + two) & WORD
        two = (two + second + one) & WORD
    return one, two
