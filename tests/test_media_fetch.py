"""Guarded downloads, from servers that we play."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import pytest
from aiohttp import web

from bot.errors import BadMedia, TryLater
from bot.media import Library, Patience, TokenFor

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

LIMIT = 2_500_000
BODY = bytes(range(256)) * 8000  # more than one batch
QUICK = Patience(fetch=10, idle=5)
UNROUTED = "3ffe::1"  # public by its number, handed back in 2006


class Site:
    """A server on loopback: `paths` maps a path to what it does; `seen` holds its requests."""

    def __init__(self) -> None:
        self.paths: dict[str, Handler] = {}
        self.seen: list[web.Request] = []
        self.host = ""

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    @property
    def port(self) -> int:
        return int(self.host.rpartition(":")[2])

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        handler = self.paths.get(request.path)
        return await handler(request) if handler else web.Response(status=404)


@asynccontextmanager
async def _serve(site: Site) -> AsyncIterator[Site]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", site.answer)
    runner = web.AppRunner(app, shutdown_timeout=0, handler_cancellation=True)
    await runner.setup()
    listener = web.TCPSite(runner, "127.0.0.1", 0)
    await listener.start()
    site.host = f"127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield site
    finally:
        await runner.cleanup()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with _serve(Site()) as site:
        yield site


@pytest.fixture
async def other() -> AsyncIterator[Site]:
    async with _serve(Site()) as site:
        yield site


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "media"


def _library(folder: Path, *sites: Site, names: Sequence[str] = (), patience: Patience = QUICK) -> Library:
    """May fetch from these sites; `names` are further hosts, which stand for the first site's address."""
    hosts = [site.host for site in sites]
    hosts += [f"{name}:{site.port}" for name in names for site in sites]
    return Library(folder, max_bytes=LIMIT, private_hosts=hosts, patience=patience, resolve=_Names().resolve)


class _Names:
    """A name server: every name is 127.0.0.1 unless `answers` says otherwise, answer by answer."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if host.replace(".", "").isdigit() or ":" in host:
            return [host]
        left = self.answers.get(host.partition(".")[0])
        return left.pop(0) if left else ["127.0.0.1"]


def _gives(body: bytes = BODY, **how: object) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, **how)  # type: ignore[arg-type]

    return answer


def _redirects(location: str, status: int = 302) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": location})

    return answer


def _asks_for(token: str) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        granted = request.headers.get("Authorization") == token
        return web.Response(body=BODY) if granted else web.Response(status=401)

    return answer


async def _hangs(request: web.Request) -> web.StreamResponse:
    """Sends a little, then nothing more."""
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"a little")
    await asyncio.Event().wait()
    return response


async def _refused(library: Library, url: str, token_for: TokenFor | None = None) -> BadMedia:
    with pytest.raises(BadMedia) as caught:
        await library.fetch(url, token_for=token_for)
    return caught.value


def _drafts(folder: Path) -> list[Path]:
    return list((folder / "tmp").iterdir())


# -- the plain way


async def test_what_a_link_holds_is_kept_by_its_content_under_its_name(site: Site, folder: Path) -> None:
    site.paths["/my%20fox.png"] = site.paths["/my fox.png"] = _gives()
    async with _library(folder, site) as library:
        file = await library.fetch(site.url("/my%20fox.png?signature=s3cret"))
        path = library.path(file.digest)
        assert path is not None
        assert path.read_bytes() == BODY
        assert path == folder / file.digest[:2] / file.digest[2:4] / file.digest
    assert file.digest == hashlib.sha256(BODY).hexdigest()
    assert file.name == "my fox.png"
    assert not _drafts(folder)


async def test_a_body_of_unknown_length_is_kept_whole(site: Site, folder: Path) -> None:
    async def chunked(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        for start in range(0, len(BODY), 100_000):
            await response.write(BODY[start : start + 100_000])
        return response

    site.paths["/a"] = chunked
    async with _library(folder, site) as library:
        file = await library.fetch(site.url("/a"), name="given.mp4")
    assert file.digest == hashlib.sha256(BODY).hexdigest()
    assert file.name == "given.mp4"


async def test_a_packed_body_is_kept_unpacked_though_none_was_asked_for(site: Site, folder: Path) -> None:
    site.paths["/a"] = _gives(gzip.compress(BODY), headers={"Content-Encoding": "gzip"})
    async with _library(folder, site) as library:
        file = await library.fetch(site.url("/a"))
    assert file.digest == hashlib.sha256(BODY).hexdigest()
    assert site.seen[0].headers["Accept-Encoding"] == "identity"


async def test_neither_cookies_nor_a_proxy_come_into_it(
    site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    site.paths["/a"] = _gives(headers={"Set-Cookie": "who=you; Path=/"})
    async with _library(folder, site) as library:
        await library.fetch(site.url("/a"))
        await library.fetch(site.url("/a"))
    assert [request.headers.get("Cookie") for request in site.seen] == [None, None]


# -- data: URIs


@pytest.mark.parametrize(
    "uri",
    [
        "data:image/png;base64," + base64.b64encode(b"\x00\xff pixels").decode(),
        "data:image/png;base64," + base64.b64encode(b"\x00\xff pixels").decode().rstrip("="),
        "data:image/png;base64,AP8gcGl4\nZWxz",
        "DATA:image/png;BASE64,AP8gcGl4ZWxz",
        "data:;base64,AP8gcGl4ZWxz",
        "data:image/png;name=x;base64,AP8gcGl4ZWxz%0A",
        "data:image/png,%00%FF%20pixels",
    ],
)
async def test_a_data_uri_is_kept(folder: Path, uri: str) -> None:
    async with _library(folder) as library:
        file = await library.fetch(uri, name="dot.png")
    assert file.digest == hashlib.sha256(b"\x00\xff pixels").hexdigest()
    assert file.name == "dot.png"


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        ("data:image/png;base64", "bad_link"),
        ("data:image/png;base64,%%%", "bad_link"),
        ("data:image/png;base64,AAAAA", "bad_link"),
        ("data:image/png;base64,<script>", "bad_link"),
        ("data:image/png;base64," + "A" * (LIMIT * 4 // 3 + 8), "file_too_large"),
        ("data:image/png;base64,%41" + "A" * (LIMIT * 4 // 3 + 8), "file_too_large"),
        ("data:image/png," + "A" * (LIMIT + 1), "file_too_large"),
        ("data:image/png," + "A" * (3 * LIMIT + 1), "file_too_large"),
    ],
    ids=lambda value: value[:40],
)
async def test_a_bad_data_uri_is_refused(folder: Path, uri: str, code: str) -> None:
    async with _library(folder) as library:
        assert (await _refused(library, uri)).code == code


async def test_a_data_uri_of_just_the_limit_is_kept(folder: Path) -> None:
    data = b"x" * LIMIT
    async with _library(folder) as library:
        file = await library.fetch("data:video/mp4;base64," + base64.b64encode(data).decode())
        assert library.size(file.digest) == LIMIT


# -- links that are none


@pytest.mark.parametrize(
    "url",
    [
        "",
        "fox.png",
        "ftp://example.org/fox.png",
        "file:///etc/passwd",
        "gopher://example.org",
        "http://",
        "https:///fox.png",
        "http://exa mple.org/",
        "http://example.org:99999/",
        "http://someone:word@example.org/",
        "http://someone@example.org/",
        "http://[::1/",
        "http://example.org/" + "a" * 70_000,
    ],
    ids=lambda url: url[:40] or "empty",
)
async def test_what_is_no_http_link_is_refused(folder: Path, url: str) -> None:
    async with _library(folder) as library:
        error = await _refused(library, url)
    assert error.code == "bad_link"
    assert "word" not in str(error)


# -- addresses


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "localhost",
        "localhost.",
        "LOCALHOST",
    ],
)
async def test_our_own_machine_is_not_asked_however_it_is_written(
    site: Site, folder: Path, host: str
) -> None:
    """With the system's own resolver, which knows all these spellings."""
    site.paths["/a"] = _gives()
    async with Library(folder, max_bytes=LIMIT, patience=QUICK) as library:
        error = await _refused(library, site.url("/a", host))
    assert error.code == "forbidden_address" or error.facts == {"reason": "no_such_host"}
    assert not site.seen


async def test_a_private_host_is_private_on_its_port_only(site: Site, other: Site, folder: Path) -> None:
    other.paths["/a"] = _gives()
    async with _library(folder, site) as library:
        error = await _refused(library, other.url("/a"))
    assert error.code == "forbidden_address"
    assert error.facts == {"host": "127.0.0.1"}
    assert not other.seen


@pytest.mark.parametrize("port", [22, 25, 443 + 1, 1023])
async def test_ports_of_other_services_are_not_knocked_at(folder: Path, port: int) -> None:
    async with _library(folder) as library:
        error = await _refused(library, f"http://8.8.8.8:{port}/")
    assert error.code == "forbidden_address"


@pytest.mark.parametrize("public", [1, 9])
async def test_one_private_address_among_public_ones_is_enough(site: Site, folder: Path, public: int) -> None:
    names = _Names(mixed=[[*(f"3ffe::{number}" for number in range(public)), "127.0.0.1"]])
    async with Library(folder, max_bytes=LIMIT, resolve=names.resolve) as library:
        error = await _refused(library, site.url("/a", "mixed.test"))
    assert error.code == "forbidden_address"
    assert not site.seen


async def test_a_name_that_turns_private_after_the_check_gains_nothing(site: Site, folder: Path) -> None:
    """DNS rebinding: what was checked is what is connected to, and nobody asks a second time."""
    site.paths["/a"] = _gives()
    names = _Names(rebinding=[[UNROUTED], ["127.0.0.1"]])
    patience = Patience(fetch=5, idle=0.3)
    async with Library(folder, max_bytes=LIMIT, patience=patience, resolve=names.resolve) as library:
        with pytest.raises(TryLater):
            await library.fetch(site.url("/a", "rebinding.test"))
    assert names.asked == ["rebinding.test"]
    assert not site.seen


async def test_the_checked_address_is_asked_in_the_name_of_the_host(site: Site, folder: Path) -> None:
    site.paths["/a"] = _gives()
    names = _Names(fox=[["127.0.0.1"], ["127.0.0.2"]])
    hosts = [f"fox.test:{site.port}"]
    async with Library(folder, max_bytes=LIMIT, private_hosts=hosts, resolve=names.resolve) as library:
        await library.fetch(site.url("/a", "FOX.test"))
    assert [request.host for request in site.seen] == [f"fox.test:{site.port}"]
    assert names.asked == ["fox.test"]


async def test_a_host_with_a_dead_address_is_asked_at_its_next_one(site: Site, folder: Path) -> None:
    site.paths["/a"] = _gives()
    names = _Names(fox=[["127.0.0.9", "127.0.0.1"]])
    hosts = [f"fox.test:{site.port}"]
    async with Library(folder, max_bytes=LIMIT, private_hosts=hosts, resolve=names.resolve) as library:
        await library.fetch(site.url("/a", "fox.test"))
    assert len(site.seen) == 1


async def test_an_address_that_breaks_off_is_not_taken_for_a_dead_one(site: Site, folder: Path) -> None:
    async def slam(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    site.paths["/a"] = slam
    names = _Names(fox=[["127.0.0.1", "127.0.0.9"]])
    hosts = [f"fox.test:{site.port}"]
    async with Library(folder, max_bytes=LIMIT, private_hosts=hosts, resolve=names.resolve) as library:
        with pytest.raises(TryLater, match=r"^fox\.test broke the connection off$"):
            await library.fetch(site.url("/a", "fox.test"))
    assert len(site.seen) == 1


async def test_tls_is_spoken_in_the_name_of_the_host(folder: Path) -> None:
    """The name stands in the clear in the first packet; what follows is nobody's certificate."""
    hello: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello.set_result(await reader.read(4096))
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    host = f"fox.test:{server.sockets[0].getsockname()[1]}"
    async with (
        server,
        Library(folder, max_bytes=LIMIT, private_hosts=[host], resolve=_Names().resolve) as library,
    ):
        with pytest.raises(TryLater):
            await library.fetch(f"https://{host}/a")
        assert b"fox.test" in await hello


async def test_a_name_that_does_not_exist_is_a_dead_link(folder: Path) -> None:
    async def unknown(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async with Library(folder, max_bytes=LIMIT, resolve=unknown) as library:
        error = await _refused(library, "http://nowhere.test/")
    assert (error.code, error.facts) == ("dead_link", {"reason": "no_such_host"})


async def test_a_silent_name_server_is_a_matter_for_later(folder: Path) -> None:
    async def silent(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    async with Library(folder, max_bytes=LIMIT, resolve=silent) as library:
        with pytest.raises(TryLater, match="name server"):
            await library.fetch("http://somewhere.test/")


# -- redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_followed(site: Site, other: Site, folder: Path, status: int) -> None:
    site.paths["/a"] = _redirects("/b/c", status)
    site.paths["/b/c"] = _redirects(other.url("/d"), status)
    other.paths["/d"] = _gives()
    async with _library(folder, site, other) as library:
        file = await library.fetch(site.url("/a"))
    assert file.digest == hashlib.sha256(BODY).hexdigest()
    assert file.name == "a"


async def test_a_redirect_to_a_private_address_is_refused(site: Site, other: Site, folder: Path) -> None:
    site.paths["/a"] = _redirects(other.url("/secret"))
    other.paths["/secret"] = _gives()
    async with _library(folder, site) as library:
        assert (await _refused(library, site.url("/a"))).code == "forbidden_address"
    assert not other.seen


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "data:text/plain,x", "http://me:word@127.0.0.1/", "http://[::1/"]
)
async def test_a_redirect_to_what_is_no_link_is_a_dead_link(site: Site, folder: Path, location: str) -> None:
    site.paths["/a"] = _redirects(location)
    async with _library(folder, site) as library:
        error = await _refused(library, site.url("/a"))
    assert (error.code, error.facts) == ("dead_link", {"reason": "bad_redirect"})


async def test_a_circle_ends_after_five_redirects(site: Site, folder: Path) -> None:
    site.paths["/a"] = _redirects("/a")
    async with _library(folder, site) as library:
        error = await _refused(library, site.url("/a"))
    assert error.facts == {"reason": "too_many_redirects"}
    assert len(site.seen) == 6


# -- what servers say


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451, 304])
async def test_a_link_to_nothing_is_dead(site: Site, folder: Path, status: int) -> None:
    site.paths["/a"] = _gives(b"", status=status)
    async with _library(folder, site) as library:
        error = await _refused(library, site.url("/a"))
    assert (error.code, error.facts) == ("dead_link", {"status": status})


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_a_server_in_trouble_may_work_later(site: Site, folder: Path, status: int) -> None:
    site.paths["/a"] = _gives(b"", status=status, headers={"Retry-After": "7"})
    async with _library(folder, site) as library:
        with pytest.raises(TryLater, match=str(status)) as caught:
            await library.fetch(site.url("/a?key=s3cret"))
    assert caught.value.retry_after == 7
    assert "s3cret" not in str(caught.value)


async def test_nobody_there_may_be_somebody_later(site: Site, folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        async with Library(folder, max_bytes=LIMIT, private_hosts=[host]) as library:
            with pytest.raises(TryLater, match=r"^127\.0\.0\.1 can't be reached$"):
                await library.fetch(f"http://{host}/a?key=s3cret")


async def test_a_download_that_is_cut_off_is_not_kept(site: Site, folder: Path) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(BODY))})
        await response.prepare(request)
        await response.write(BODY[:1_500_000])
        assert request.transport is not None
        request.transport.close()
        return response

    site.paths["/a"] = cut
    async with _library(folder, site) as library:
        with pytest.raises(TryLater, match="broke the connection off"):
            await library.fetch(site.url("/a"))
    assert not _drafts(folder)
    assert not list(folder.glob("??/??/*"))


async def test_a_file_said_to_be_too_large_is_not_read(site: Site, folder: Path) -> None:
    async def boast(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(LIMIT + 1)})
        await response.prepare(request)
        await asyncio.Event().wait()
        return response

    site.paths["/a"] = boast
    async with _library(folder, site) as library:
        error = await _refused(library, site.url("/a"))
    assert (error.code, error.facts) == ("file_too_large", {"limit": LIMIT})


async def test_a_file_that_turns_out_too_large_is_dropped(site: Site, folder: Path) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(65536))

    site.paths["/a"] = endless
    async with _library(folder, site) as library:
        error = await _refused(library, site.url("/a"))
    assert (error.code, error.facts) == ("file_too_large", {"limit": LIMIT})
    assert not _drafts(folder)


@pytest.mark.parametrize("patience", [Patience(fetch=0.3, idle=5), Patience(fetch=5, idle=0.3)])
async def test_a_server_that_falls_silent_is_left(site: Site, folder: Path, patience: Patience) -> None:
    site.paths["/a"] = _hangs
    async with _library(folder, site, patience=patience) as library:
        with pytest.raises(TryLater, match=r"^127\.0\.0\.1 (doesn't answer in time|took more than 0\.3 s)$"):
            await library.fetch(site.url("/a?key=s3cret"))
    assert not _drafts(folder)


async def test_a_fetch_that_is_cancelled_leaves_nothing(site: Site, folder: Path) -> None:
    started = asyncio.Event()

    async def hang(request: web.Request) -> web.StreamResponse:
        started.set()
        return await _hangs(request)

    site.paths["/a"] = hang
    async with _library(folder, site) as library:
        task = asyncio.create_task(library.fetch(site.url("/a")))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not _drafts(folder)


# -- tokens


async def test_a_token_goes_only_to_a_link_that_demands_one(site: Site, folder: Path) -> None:
    site.paths["/open"] = _gives()
    site.paths["/closed"] = _asks_for("Bearer t")
    async with _library(folder, site) as library:
        await library.fetch(site.url("/open"), token_for=lambda url: "Bearer t")
        await library.fetch(site.url("/closed"), token_for=lambda url: "Bearer t")
    sent = [(request.path, request.headers.get("Authorization")) for request in site.seen]
    assert sent == [("/open", None), ("/closed", None), ("/closed", "Bearer t")]


async def test_a_wrong_token_is_tried_once(site: Site, folder: Path) -> None:
    site.paths["/closed"] = _asks_for("Bearer right")
    async with _library(folder, site) as library:
        error = await _refused(library, site.url("/closed"), lambda url: "Bearer wrong")
    assert error.facts == {"status": 401}
    assert len(site.seen) == 2


async def test_a_token_does_not_follow_a_redirect_to_another_origin(
    site: Site, other: Site, folder: Path
) -> None:
    async def closed_redirect(request: web.Request) -> web.StreamResponse:
        granted = request.headers.get("Authorization") == "Bearer t"
        return web.Response(status=302 if granted else 403, headers={"Location": other.url("/closed")})

    site.paths["/a"] = closed_redirect
    other.paths["/closed"] = _asks_for("Bearer t")
    async with _library(folder, site, other) as library:
        error = await _refused(
            library, site.url("/a"), lambda url: "Bearer t" if url.startswith(site.url("/")) else None
        )
        assert error.facts == {"status": 401}
        assert [request.headers.get("Authorization") for request in other.seen] == [None]

        await library.fetch(site.url("/a"), token_for=lambda url: "Bearer t")
    assert other.seen[-1].headers["Authorization"] == "Bearer t"
