"""The HTTP server: health, signed links, the checks on every request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from bot.http import Site, make_app, serve, signed_files
from bot.links import Links

NOW = 1_800_000_000.0
DIGEST = "a" * 64


class Readiness:
    why_not: str | None = None

    async def __call__(self) -> str | None:
        return self.why_not


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
def links() -> Links:
    return Links("https://reel.example", b"key", lambda: NOW)


@pytest.fixture
async def site(readiness: Readiness, links: Links, tmp_path: Path) -> AsyncIterator[Site]:
    kept = tmp_path / DIGEST
    kept.write_bytes(b"pixels")

    async def echo(request: web.Request) -> web.Response:
        return web.Response(text=await request.text())

    async def fall(_: web.Request) -> web.Response:
        raise RuntimeError

    routes = [
        web.post("/echo", echo),
        web.get("/fall", fall),
        *signed_files(links, lambda digest: kept if digest == DIGEST else None),
    ]
    app = make_app(routes, host="127.0.0.1", public_url="https://reel.example", ready=readiness)
    async with await serve(app, "127.0.0.1", 0) as running:
        yield running


@pytest.fixture
async def client(site: Site) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(site.address) as session:
        yield session


async def test_health_answers_without_a_session(client: aiohttp.ClientSession) -> None:
    async with client.get("/healthz") as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "ok"})


async def test_readiness_says_why_not(client: aiohttp.ClientSession, readiness: Readiness) -> None:
    async with client.get("/readyz") as answer:
        assert answer.status == 200
    readiness.why_not = "It is shutting down."
    async with client.get("/readyz") as answer:
        assert answer.status == 503
        assert (await answer.json())["why"] == "It is shutting down."


@pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/fall"])
async def test_every_answer_carries_the_security_headers(client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(path) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.parametrize(
    "host", ["localhost:80", "127.0.0.1", "[::1]:8080", "reel.example", "REEL.example:443"]
)
async def test_our_own_names_are_answered(client: aiohttp.ClientSession, host: str) -> None:
    async with client.get("/nothing", headers={"Host": host}) as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:80", "192.168.1.9", "localhost.evil.example", "a b", "user@localhost"],
)
async def test_a_strangers_name_that_leads_here_is_refused(client: aiohttp.ClientSession, host: str) -> None:
    async with client.get("/nothing", headers={"Host": host}) as answer:
        assert answer.status == 421


async def test_health_is_told_under_any_name(client: aiohttp.ClientSession) -> None:
    async with client.get("/healthz", headers={"Host": "threadreel.internal"}) as answer:
        assert answer.status == 200


async def test_bare_addresses_are_answered_where_every_address_is_listened_on(readiness: Readiness) -> None:
    app = make_app([], host="0.0.0.0", public_url=None, ready=readiness)
    async with await serve(app, "0.0.0.0", 0) as site, aiohttp.ClientSession(site.address) as client:
        for host, status in [("192.168.1.9:8080", 404), ("evil.example", 421)]:
            async with client.get("/nothing", headers={"Host": host}) as answer:
                assert answer.status == status


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
        {"Origin": "https://reel.example"},
    ],
)
async def test_requests_of_our_own_page_pass(client: aiohttp.ClientSession, headers: dict[str, str]) -> None:
    async with client.post("/echo", data="hello", headers=headers) as answer:
        assert await answer.text() == "hello"


async def test_our_own_address_is_an_origin(client: aiohttp.ClientSession, site: Site) -> None:
    async with client.post("/echo", headers={"Origin": site.address}) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://reel.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://reel.example"},
    ],
)
async def test_requests_of_another_sites_page_are_refused(
    client: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    async with client.post("/echo", headers=headers) as answer:
        assert answer.status == 403


async def test_a_body_of_more_than_256_kb_is_refused(client: aiohttp.ClientSession) -> None:
    async with client.post("/echo", data=b"x" * 300_000) as answer:
        assert answer.status == 413


async def test_a_signed_link_gives_the_file_and_an_altered_one_nothing(
    client: aiohttp.ClientSession, links: Links
) -> None:
    link = links.url_of(DIGEST).removeprefix("https://reel.example")
    async with client.get(link) as answer:
        assert await answer.read() == b"pixels"
        assert answer.headers["Content-Disposition"] == "attachment"
    for wrong in (link.replace("until=1", "until=2"), link[:-1], link.replace(DIGEST, "b" * 64)):
        async with client.get(wrong) as answer:
            assert answer.status == 404


async def test_a_port_that_is_taken_is_an_os_error(site: Site, readiness: Readiness) -> None:
    app = make_app([], host="127.0.0.1", public_url=None, ready=readiness)
    with pytest.raises(OSError, match="address already in use"):
        await serve(app, "127.0.0.1", site.port)
