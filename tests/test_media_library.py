"""The library: kept by content, looked at and made to fit in worker processes, removed in time."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.catalogue import Kind
from bot.errors import BadMedia, CannotStart, TooLarge, TryLater
from bot.media import Library, Patience, Pool
from tests import media_samples as samples

resource = pytest.importorskip("resource")

LIMIT = 3_000_000
ABSENT = "0" * 64


class Clock:
    def __init__(self) -> None:
        self.time = 1_000_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "media"


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    async with Pool() as pool:
        yield pool


@pytest.fixture
async def library(folder: Path, clock: Clock, pool: Pool) -> AsyncIterator[Library]:
    async with Library(folder, max_bytes=LIMIT, pool=pool, now=clock) as library:
        yield library


async def _chunks(data: bytes, size: int = 65_536) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def _keep(library: Library, data: bytes, name: str = "file") -> str:
    return (await library.keep(name, _chunks(data))).digest


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*/*/*") if path.is_file())


def _drafts(folder: Path) -> list[Path]:
    return list((folder / "tmp").iterdir())


@contextmanager
def _no_file_may_exceed(size: int) -> Iterator[None]:
    """What the system does to a process over its quota; Python turns the signal into an OSError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def _until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - another process does it, which sets no event
            await asyncio.sleep(0.002)


# -- keeping


async def test_bytes_are_kept_under_their_hash(library: Library, folder: Path) -> None:
    data = samples.garbage(2_500_000)
    file = await library.keep("a fox.png", _chunks(data))
    assert file.digest == hashlib.sha256(data).hexdigest()
    assert file.name == "a fox.png"
    path = library.path(file.digest)
    assert path == folder / file.digest[:2] / file.digest[2:4] / file.digest
    assert path.read_bytes() == data
    assert library.size(file.digest) == len(data)
    assert not _drafts(folder)


async def test_the_same_bytes_are_kept_once_however_many_bring_them(library: Library, folder: Path) -> None:
    data = samples.garbage(1_500_000)
    digests = await asyncio.gather(*(_keep(library, data, f"{n}.png") for n in range(12)))
    assert len(set(digests)) == 1
    assert len(_files(folder)) == 1
    assert _files(folder)[0].read_bytes() == data
    assert not _drafts(folder)


async def test_one_byte_too_many_is_too_many(library: Library, folder: Path) -> None:
    assert library.size(await _keep(library, bytes(LIMIT))) == LIMIT
    with pytest.raises(BadMedia) as caught:
        await _keep(library, bytes(LIMIT + 1))
    assert (caught.value.code, caught.value.facts) == ("file_too_large", {"limit": LIMIT})
    assert len(_files(folder)) == 1
    assert not _drafts(folder)


async def test_a_source_that_fails_half_way_leaves_nothing(library: Library, folder: Path) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield bytes(1_500_000)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await library.keep("a.png", failing())
    assert not _files(folder)
    assert not _drafts(folder)


async def test_a_cancel_in_the_middle_of_opening_leaves_no_file_open(
    library: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that opens the draft goes on when its task is cancelled: nobody closed what it opened."""
    opening, go_on = threading.Event(), threading.Event()
    open_file = Path.open

    def slowly(path: Path, *how: Any, **more: Any) -> Any:
        if path.parent.name == "tmp":
            opening.set()
            go_on.wait(5)
        return open_file(path, *how, **more)

    monkeypatch.setattr(Path, "open", slowly)
    task = asyncio.create_task(library.keep("file", _chunks(b"some bytes")))
    await asyncio.to_thread(opening.wait, 5)
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    gc.collect()
    assert _drafts(folder) == []


async def test_a_disk_that_takes_no_more_is_a_matter_for_later(library: Library, folder: Path) -> None:
    with _no_file_may_exceed(100_000), pytest.raises(TryLater, match="media folder can't be written"):
        await _keep(library, bytes(2_000_000))
    assert not _drafts(folder)
    await _keep(library, bytes(2_000_000))


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n", ABSENT])
async def test_what_is_not_kept_is_nowhere(library: Library, digest: str) -> None:
    assert library.path(digest) is None
    assert library.size(digest) is None
    with pytest.raises(BadMedia, match="expired"):
        await library.probe(digest)
    with pytest.raises(BadMedia, match="expired"):
        await library.fit(digest, 1000, kind=Kind.IMAGE)


# -- opening


async def test_a_folder_that_can_not_be_written_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(CannotStart, match=r"can't be written.*Not a directory.*\[media\] folder"):
        async with Library(tmp_path / "file" / "media", max_bytes=LIMIT):
            pass


async def test_a_full_disk_is_refused_at_the_start(folder: Path) -> None:
    with pytest.raises(CannotStart, match=r"is full \(\d+ MB left\)\. Make room.*\[media\] folder"):
        async with Library(folder, max_bytes=LIMIT, min_free=2**62):
            pass


async def test_drafts_of_an_earlier_run_go_after_an_hour(folder: Path, clock: Clock) -> None:
    async with Library(folder, max_bytes=LIMIT, now=clock):
        pass
    for name, age in (("old", 3601), ("young", 3599)):
        (folder / "tmp" / name).write_bytes(b"half a film")
        os.utime(folder / "tmp" / name, (clock.time - age, clock.time - age))
    async with Library(folder, max_bytes=LIMIT, now=clock):
        assert [path.name for path in _drafts(folder)] == ["young"]


async def test_what_was_kept_is_there_after_a_restart(folder: Path) -> None:
    async with Library(folder, max_bytes=LIMIT) as library:
        digest = await _keep(library, b"a fox")
    async with Library(folder, max_bytes=LIMIT) as library:
        path = library.path(digest)
        assert path is not None
        assert path.read_bytes() == b"a fox"


# -- removing


async def test_old_files_go_unless_somebody_needs_them(library: Library, clock: Clock) -> None:
    old, needed = await _keep(library, b"old"), await _keep(library, b"needed")
    clock.time += 100
    young = await _keep(library, b"young")
    assert await library.remove_older_than(clock.time - 50, [needed]) == 1
    assert [bool(library.path(digest)) for digest in (old, needed, young)] == [False, True, True]


async def test_a_file_that_is_kept_again_is_young_again(library: Library, clock: Clock) -> None:
    digest = await _keep(library, b"a fox")
    clock.time += 100
    await _keep(library, b"a fox")
    assert await library.remove_older_than(clock.time - 50, ()) == 0
    assert library.path(digest)


async def test_notes_on_renditions_go_with_them(library: Library, folder: Path, clock: Clock) -> None:
    data = samples.still("PNG", 300, 200, noise=60)
    source = await _keep(library, data)
    await library.fit(source, len(data) // 4, kind=Kind.IMAGE)
    assert len(list((folder / "fit").iterdir())) == 1
    clock.time += 100
    assert await library.remove_older_than(clock.time - 50, [source]) == 1
    assert not list((folder / "fit").iterdir())


# -- looking and fitting, in a worker


async def test_a_kept_file_is_probed(library: Library) -> None:
    data = samples.animation(frames=5)
    found = await library.probe(await _keep(library, data, "fox.mp4"))
    assert found.kind is Kind.IMAGE
    assert (found.mime, found.extension, found.size) == ("image/gif", "gif", len(data))
    assert (found.width, found.height) == (96, 64)
    assert found.duration == pytest.approx(0.5)


async def test_a_login_page_is_kept_and_known_for_what_it_is(library: Library) -> None:
    """Slack answers so, with status 200, where a token is missing."""
    digest = await _keep(library, samples.HTML, "film.mp4")
    with pytest.raises(BadMedia, match="not_media"):
        await library.probe(digest)


async def test_a_probe_survives_the_death_of_its_worker(library: Library, pool: Pool) -> None:
    digest = await _keep(library, samples.still("PNG"))
    await library.probe(digest)
    (pid,) = pool.pids
    os.kill(pid, signal.SIGSTOP)
    probing = asyncio.create_task(library.probe(digest))
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)
    assert (await probing).mime == "image/png"


async def test_bytes_that_bring_every_worker_down_are_no_media(library: Library, pool: Pool) -> None:
    digest = await _keep(library, samples.still("PNG"))
    probing = asyncio.create_task(library.probe(digest))
    for _ in range(2):
        await _until(lambda: pool.pids)
        (pid,) = pool.pids
        os.kill(pid, signal.SIGKILL)
        await _until(lambda pid=pid: pid not in pool.pids)  # type: ignore[misc]
    with pytest.raises(BadMedia, match="not_media"):
        await probing


async def test_bytes_that_take_for_ever_are_no_media_and_fit_nowhere(folder: Path) -> None:
    data = samples.animation(frames=20, width=300, height=200, noise=40)
    patience = Patience(probe=0.001, fit=0.001)
    async with Library(folder, max_bytes=len(data), patience=patience) as library:
        digest = await _keep(library, data)
        with pytest.raises(BadMedia, match="not_media"):
            await library.probe(digest)
        with pytest.raises(TooLarge):
            await library.fit(digest, len(data) // 2, kind=Kind.IMAGE)
    assert not _drafts(folder)


async def test_what_is_small_enough_is_left_alone(library: Library, pool: Pool) -> None:
    data = samples.still("PNG")
    digest = await _keep(library, data)
    assert await library.fit(digest, len(data), kind=Kind.IMAGE) == digest
    assert not pool.pids


async def test_each_kind_is_fitted_and_can_be_played(library: Library, tmp_path: Path) -> None:
    for kind, data, mime in (
        (Kind.IMAGE, samples.still("PNG", 300, 200, noise=60), "image/jpeg"),
        (Kind.IMAGE, samples.animation(width=300, height=200, noise=40), "video/mp4"),
        (Kind.VIDEO, samples.film(tmp_path / "film", width=320, height=240, noise=40), "video/mp4"),
        (Kind.AUDIO, samples.tone(tmp_path / "tone", "wav", "pcm_s16le"), "audio/mpeg"),
    ):
        limit = len(data) // 3
        made = await library.fit(await _keep(library, data), limit, kind=kind)
        found = await library.probe(made)
        assert found.mime == mime
        assert found.size <= limit


async def test_a_rendition_is_made_once_even_over_a_restart(folder: Path) -> None:
    data = samples.still("PNG", 300, 200, noise=60)
    async with Library(folder, max_bytes=LIMIT) as library:
        source = await _keep(library, data)
        made = await library.fit(source, len(data) // 4, kind=Kind.IMAGE)
        assert made != source
        assert library.size(made)
    async with Pool() as pool, Library(folder, max_bytes=LIMIT, pool=pool) as library:
        assert await library.fit(source, len(data) // 4, kind="image") == made
        assert not pool.pids
        other = await library.fit(source, len(data) // 8, kind=Kind.IMAGE)
        assert other != made
    assert not _drafts(folder)


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b"null", json.dumps({"rendition": ABSENT}).encode()])
async def test_a_broken_note_or_a_lost_rendition_is_made_again(
    library: Library, folder: Path, note: bytes
) -> None:
    data = samples.still("PNG", 300, 200, noise=60)
    source = await _keep(library, data)
    (folder / "fit" / f"{source}-image-{len(data) // 4}.json").write_bytes(note)
    made = await library.fit(source, len(data) // 4, kind=Kind.IMAGE)
    assert library.path(made)


async def test_what_can_not_be_that_small_says_so_and_leaves_nothing(library: Library, folder: Path) -> None:
    digest = await _keep(library, samples.still("PNG", 300, 200, noise=60))
    with pytest.raises(TooLarge) as caught:
        await library.fit(digest, 300, kind=Kind.IMAGE)
    assert caught.value.limit == 300
    assert not _drafts(folder)
