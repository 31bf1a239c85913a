"""What is kept, for how long, and that its files go too: also those that a dying process left."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from bot.housekeeping import DAY, remove_dropped, tidy
from bot.jobs import Actor, FileRef, Job, Media, Outcome, State
from bot.media import Library, Pool
from bot.ports import Action, Record
from bot.store import Store
from tests.store_rig import FILM, LEASE, NOW, job

ANN = Actor("discord", "ann", "Ann", "1")
BEN = Actor("discord", "ben", "Ben", "2")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await Store.open(f"sqlite:///{tmp_path / 'threadreel.db'}") as store:
        yield store


@pytest.fixture
async def library(tmp_path: Path) -> AsyncIterator[Library]:
    async with Library(tmp_path / "media", max_bytes=10**6, pool=Pool(1), now=lambda: NOW - 1) as library:
        yield library


def large_picture() -> bytes:
    out = io.BytesIO()
    Image.effect_noise((600, 400), 90).save(out, "PNG")
    return out.getvalue()


async def _bytes(text: str) -> AsyncIterator[bytes]:
    yield text.encode()


async def kept(library: Library, text: str) -> FileRef:
    return await library.keep(f"{text}.png", _bytes(text))


async def done(store: Store, name: str, actor: Actor, made: FileRef, given: FileRef | None = None) -> Job:
    """An ended job with its files."""
    inputs = {
        "prompt": f"a fox called {name}",
        "image": {"file": given.digest, "name": "in.png"} if given else None,
    }
    await store.accept(replace(job(name, actor), inputs=inputs), (), NOW)
    (current,) = await store.start(now=NOW, lease=LEASE, at_once=99, at_once_per_person=99, limit=1)
    current = await store.submitted(current, f"p-{name}", now=NOW)
    current = await store.succeeded(current, [FILM], now=NOW, took=1.0, cost=None, finished_at=NOW)
    media = [Media(made.digest, "image", "image", "image/png", 10, 8, 8)]
    current = await store.fetched(current, media, now=NOW)
    current = await store.delivered(current, {}, now=NOW)
    assert (current.state, current.outcome) == (State.DONE, Outcome.READY)
    return current


def there(library: Library, *files: FileRef) -> list[bool]:
    return [library.path(file.digest) is not None for file in files]


async def test_the_files_of_a_removed_result_go_at_once(store: Store, library: Library) -> None:
    made, given, others = (
        await kept(library, "made"),
        await kept(library, "given"),
        await kept(library, "other"),
    )
    one = await done(store, "one", ANN, made, given)
    await done(store, "two", ANN, others)
    await store.remove_media(one.id, by="Ann", now=NOW)
    assert await remove_dropped(store, library) == 1
    assert there(library, made, given, others) == [False, True, True]
    assert await store.dropped.some(10) == {}


async def test_what_another_job_needs_stays(store: Store, library: Library) -> None:
    """The result of one is what another began with; and two have the very same picture."""
    made, same = await kept(library, "made"), await kept(library, "same")
    one = await done(store, "one", ANN, made)
    await done(store, "two", BEN, same, given=made)
    three = await done(store, "three", ANN, same)
    for gone in (one, three):
        await store.remove_media(gone.id, by="Ann", prompt=True, now=NOW)
    assert await remove_dropped(store, library) == 0
    assert there(library, made, same) == [True, True]
    assert await store.dropped.some(10) == {}, "they are no longer asked about"


async def test_what_was_kept_again_since_stays(store: Store, tmp_path: Path) -> None:
    clock = [NOW - 1]
    async with Library(tmp_path / "media", max_bytes=10**6, pool=Pool(1), now=lambda: clock[0]) as library:
        made = await kept(library, "made")
        one = await done(store, "one", ANN, made)
        await store.remove_media(one.id, by="Ann", now=NOW)
        clock[0] = NOW + 1
        await kept(library, "made")
        assert await remove_dropped(store, library) == 0
        assert there(library, made) == [True]


async def test_a_process_that_dies_in_between_leaves_nothing_behind(tmp_path: Path, library: Library) -> None:
    url = f"sqlite:///{tmp_path / 'threadreel.db'}"
    made = await kept(library, "made")
    async with await Store.open(url) as store:
        await done(store, "one", ANN, made)
        await store.privacy.forget("discord", "1", "ann", now=NOW)
    async with await Store.open(url) as store:
        assert await remove_dropped(store, library) == 1
    assert there(library, made) == [False]


async def test_renditions_go_with_what_they_were_made_of(store: Store, tmp_path: Path) -> None:
    async with Library(tmp_path / "media", max_bytes=10**8, pool=Pool(1), now=lambda: NOW - 1) as library:

        async def large() -> AsyncIterator[bytes]:
            yield large_picture()

        made = await library.keep("large.png", large())
        smaller = await library.fit(made.digest, 20_000, kind="image")
        assert smaller != made.digest
        one = await done(store, "one", ANN, made)
        await store.remove_media(one.id, by="Ann", now=NOW)
        assert await remove_dropped(store, library) == 2
        assert library.path(smaller) is None


async def test_a_server_keeps_less_long_and_the_installations_days_hold_for_all(
    store: Store, library: Library
) -> None:
    """Server 2 has set nothing: the installation's [defaults] are told to be its days."""
    made, given, others = (
        await kept(library, "made"),
        await kept(library, "given"),
        await kept(library, "other"),
    )
    await done(store, "one", ANN, made, given)
    await done(store, "two", BEN, others)

    async def days(_platform: str, server: str) -> tuple[float | None, float | None]:
        return {"1": (None, 2.0), "2": (3.0, None)}[server]

    await tidy(store, library, days=30, now=NOW + 2.5 * DAY, days_of=days)
    await remove_dropped(store, library)
    one, two = [await store.get(id) for id in ("one", "two")]  # type: ignore[arg-type]
    assert one is not None
    assert two is not None
    assert (one.inputs, len(one.media), len(two.media)) == ({}, 1, 1)
    assert there(library, made, given, others) == [True, False, True]

    await tidy(store, library, days=30, now=NOW + 3.5 * DAY, days_of=days)
    await remove_dropped(store, library)
    assert there(library, made, given, others) == [True, False, False]
    two = await store.get(two.id)
    assert two is not None
    assert (two.code, two.inputs["prompt"]) == ("kept_no_longer", "a fox called two")


async def test_many_jobs_are_forgotten_in_small_steps(store: Store) -> None:
    """Others write in between: no transaction changes more than five hundred."""
    for number in range(1200):
        await store.accept(job(f"j{number:04}", ANN), (), NOW)
    for number in range(1200):
        await store.request_cancel(f"j{number:04}", "ann", NOW)  # type: ignore[arg-type]
    claimed = await store.claim(State.DELIVERING, now=NOW, lease=LEASE, limit=None)
    for one in claimed:
        await store.delivered(one, {}, now=NOW)
    steps = 0
    write = store._database.write

    async def counting(function):  # type: ignore[no-untyped-def]
        nonlocal steps
        steps += 1
        return await write(function)

    store.privacy._database.write = counting  # type: ignore[method-assign]
    await store.privacy.forget("discord", "1", "ann", now=NOW)
    assert await store.privacy.jobs_of("discord", "1", "ann") == []
    assert steps >= 4


async def test_a_server_that_was_left_is_deleted_after_its_days_with_its_files(
    store: Store, library: Library
) -> None:
    made, others = await kept(library, "made"), await kept(library, "other")
    await done(store, "one", ANN, made)
    await done(store, "two", BEN, others)
    left = Record(0, NOW, "", "", Action.LEFT, "server", None, None)
    await store.servers.leaving("discord", "1", NOW + 7 * DAY, left)
    await tidy(store, library, days=365, now=NOW + 6 * DAY)
    assert await store.get("one") is not None  # type: ignore[arg-type]
    await tidy(store, library, days=365, now=NOW + 7 * DAY)
    await remove_dropped(store, library)
    assert await store.get("one") is None  # type: ignore[arg-type]
    assert await store.get("two") is not None  # type: ignore[arg-type]
    assert there(library, made, others) == [False, True]
