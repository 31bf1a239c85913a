"""The media library: fetch what a link points at, keep it by its content, say what it is, make it fit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import unquote

import httpx

from bot.catalogue import Kind
from bot.errors import BadMedia, TooLarge, TryLater
from bot.jobs import FileRef
from bot.media.disk import Folder
from bot.media.fetch import Fetcher, Resolve, TokenFor, decode_data_uri, resolve
from bot.media.formats import Probed, tidy_name
from bot.media.pool import Pool, WorkerDied

_BATCH = 1 << 20


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each thing may take, in seconds. `idle`: how long a server may stay silent."""

    fetch: float = 300
    idle: float = 30
    probe: float = 30
    fit: float = 300


class Library:
    """Kept files, under the SHA-256 of their bytes (hex), in one folder.

    An async context manager: entering it opens the folder (CannotStart where it can't be written or has less
    than `min_free` bytes of room), leaving it ends the worker processes, also those of a `pool` it was given.
    `max_bytes`: the most one file may have.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int,
        min_free: int = 16 * 2**20,
        private_hosts: Collection[str] = (),
        pool: Pool | None = None,
        patience: Patience | None = None,
        now: Callable[[], float] = time.time,
        resolve: Resolve = resolve,
    ) -> None:
        self._folder = Folder(folder, now)
        self._max_bytes = max_bytes
        self._min_free = min_free
        self._patience = patience or Patience()
        self._pool = pool or Pool()
        self._fetcher = Fetcher(private_hosts, self._patience.idle, resolve)

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._folder.open, self._min_free)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.aclose()
        await self._fetcher.aclose()

    # -- in

    async def keep(self, name: str, chunks: AsyncIterable[bytes]) -> FileRef:
        """Keep a stream of bytes. BadMedia("file_too_large", limit=…); TryLater where the disk is full."""
        draft = self._folder.draft()
        try:
            async for batch in _batches(self._capped(chunks)):
                await asyncio.to_thread(draft.write, batch)
            return FileRef(await asyncio.to_thread(draft.keep), tidy_name(name))
        finally:
            await asyncio.shield(asyncio.to_thread(draft.drop))

    async def _capped(self, chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        total = 0
        async for chunk in chunks:
            total += len(chunk)
            if total > self._max_bytes:
                raise BadMedia("file_too_large", limit=self._max_bytes)
            yield chunk

    async def fetch(self, url: str, *, name: str = "", token_for: TokenFor | None = None) -> FileRef:
        """Keep what an http(s) or data: URL holds; `name` is taken from the URL where it isn't given.

        `token_for` says which URLs may have which Authorization, once they have answered 401 or 403 without.
        BadMedia: bad_link, forbidden_address(host), dead_link(status or reason), file_too_large(limit).
        TryLater for what may work later: time-outs, 5xx, 429, bodies cut short, a full disk.
        """
        if url[:5].lower() == "data:":
            data = await asyncio.to_thread(decode_data_uri, url, self._max_bytes)
            return await self.keep(name, _once(data))
        try:
            async with (
                asyncio.timeout(self._patience.fetch),
                self._fetcher.open(url, max_bytes=self._max_bytes, token_for=token_for) as body,
            ):
                return await self.keep(name or _name_in(url), body)
        except TimeoutError as error:
            raise TryLater(f"{httpx.URL(url).host} took more than {self._patience.fetch:g} s") from error

    # -- what is there

    def path(self, digest: str) -> Path | None:
        """Where a kept file lies; None where it isn't kept (any more) or `digest` is none."""
        return self._folder.path(digest)

    def size(self, digest: str) -> int | None:
        """In bytes; None where it isn't kept."""
        path = self._folder.path(digest)
        return path.stat().st_size if path else None

    async def remove_older_than(self, time: float, keep: Collection[str]) -> int:
        """Remove files that were last kept before `time`, save the digests in `keep`; how many went."""
        return await asyncio.to_thread(self._folder.remove_older_than, time, keep)

    async def remove(self, digests: Collection[str], before: float) -> int:
        """Remove these files, and their renditions, where they were last kept before then; how many went."""
        return await asyncio.to_thread(self._folder.remove, digests, before)

    # -- in a worker process

    async def probe(self, digest: str) -> Probed:
        """What a kept file is. BadMedia: not_media, or expired where it isn't kept."""
        path = self._kept(digest)
        try:
            found = await self._pool.run("probe", str(path), seconds=self._patience.probe)
        except (WorkerDied, TimeoutError) as error:
            raise BadMedia("not_media", reason=type(error).__name__) from error
        return Probed(**{**found, "kind": Kind(found["kind"])})

    async def fit(self, digest: str, limit: int, *, kind: Kind | str) -> str:
        """The digest of a rendition of at most `limit` bytes: of the file itself where it is small enough.

        `kind` is what `probe` calls it. Animated pictures become films: probe the rendition. What was made
        once is made no second time. TooLarge(limit) where it can't be done, BadMedia as `probe`.
        """
        path = self._kept(digest)
        if path.stat().st_size <= limit:
            return digest
        return await self._rendition(digest, f"{Kind(kind)}-{limit}", "fit", path, limit, Kind(kind))

    async def preview(self, digest: str, limit: int) -> str:
        """The digest of one picture that stands for a picture or film, of at most `limit` bytes.

        TooLarge(limit) where there is none to show, as of a sound.
        """
        return await self._rendition(digest, f"preview-{limit}", "preview", self._kept(digest), limit)

    async def _rendition(
        self, digest: str, variant: str, task: str, path: Path, limit: int, *more: str
    ) -> str:
        made = await asyncio.to_thread(self._folder.rendition, digest, variant)
        if made is None:
            made = await self._make_rendition(task, path, limit, *more)
            await asyncio.to_thread(self._folder.remember_rendition, digest, variant, made)
        return made

    async def _make_rendition(self, task: str, path: Path, limit: int, *more: str) -> str:
        draft = self._folder.new_draft()
        try:
            await self._pool.run(task, str(path), str(draft), limit, *more, seconds=self._patience.fit)
            return await asyncio.to_thread(self._folder.adopt, draft)
        except (WorkerDied, TimeoutError) as error:
            raise TooLarge(limit) from error
        finally:
            await asyncio.to_thread(draft.unlink, missing_ok=True)

    def _kept(self, digest: str) -> Path:
        path = self._folder.path(digest)
        if path is None:
            raise BadMedia("expired")
        return path


async def _batches(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytearray]:
    """The same bytes in pieces worth a thread's while."""
    batch = bytearray()
    async for chunk in chunks:
        batch += chunk
        if len(batch) >= _BATCH:
            yield batch
            batch = bytearray()
    if batch:
        yield batch


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _name_in(url: str) -> str:
    return unquote(httpx.URL(url).path)
