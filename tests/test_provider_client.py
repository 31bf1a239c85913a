"""The client against servers on loopback: what it sends, what it makes of answers, faults and silence."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import socket
import struct
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from multidict import CIMultiDict

from bot.catalogue.schema import Kind, Model, OutputShape, Part, Shape
from bot.errors import (
    ConfigError,
    LostAnswer,
    NotAPrediction,
    ProviderBusy,
    ProviderDown,
    ProviderRefused,
    ThreadreelError,
    TryLater,
)
from bot.providers import Client, Prediction, Status, Timeouts, connect, gateway, replicate
from bot.providers.dialect import Kind as ApiKind

HASH = "ca1f5e306e5721e19c473e0d094e6603f0456fe759c10715fcd6c1b79242d4a5"
NAME = "andreasjansson/stable-diffusion-animation"
TOKEN = "r8_abcdefghijklmnopqrstuvwxyz0123456789"
ID = "8qnr2j4kynrj00crapbtfewwdg"
INPUTS = {"prompt_start": "a fox in snow 🦊", "prompt_end": "a fox in flowers", "width": 512}
QUICK = Timeouts(connect=0.5, read=0.15, write=0.15, pool=0.15, whole=2)

MODEL = Model(
    command="animate",
    owner="andreasjansson",
    name="stable-diffusion-animation",
    version=HASH,
    title="Animate",
    summary="",
    endpoint="version",
    gateway_endpoint="version",
    kind=Kind.VIDEO,
    formats=("mp4",),
    output=OutputShape(Shape.GROWING_LIST, (Part("animation", Kind.VIDEO),)),
    inputs=(),
    example="",
)


def prediction(**fields: Any) -> dict[str, Any]:
    """As Replicate gives it, with `urls` at a host that is not the one asked."""
    foreign = f"https://api.replicate.com/v1/predictions/{ID}"
    return {
        "id": ID,
        "model": NAME,
        "version": HASH,
        "input": INPUTS,
        "logs": "",
        "output": None,
        "error": None,
        "status": "starting",
        "created_at": "2025-07-29T09:50:53.941Z",
        "urls": {"get": foreign, "cancel": f"{foreign}/cancel"},
    } | fields


# -- servers that we play


@dataclass
class Seen:
    method: str
    path: str
    headers: CIMultiDict[str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Api:
    """An API that gives the same answer to everything, and remembers what it was asked."""

    status: int = 200
    body: Any = field(default_factory=prediction)
    headers: dict[str, str] = field(default_factory=dict)
    before: Callable[[], Awaitable[object]] | None = None
    seen: list[Seen] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, request: web.Request) -> web.Response:
        self.seen.append(
            Seen(request.method, request.raw_path, CIMultiDict(request.headers), await request.read())
        )
        if self.before is not None:
            await self.before()
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        return web.Response(status=self.status, body=body, headers=self.headers)


@asynccontextmanager
async def served(api: Api) -> AsyncIterator[Api]:
    app = web.Application(client_max_size=64 * 2**20)
    app.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        api.port = runner.addresses[0][1]
        yield api
    finally:
        await runner.cleanup()


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with served(Api()) as api:
        yield api


@pytest.fixture
async def client(api: Api) -> AsyncIterator[Client]:
    async with replicate("main", api.url, TOKEN) as client:
        yield client


Fault = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class RawServer:
    """A server below HTTP: `requests` counts the requests that arrived in full."""

    fault: Fault
    requests: int = 0
    closed: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def has_closed(self, connections: int) -> bool:
        return self.closed >= connections

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self.fault(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            self.closed += 1

    async def read_request(self, reader: asyncio.StreamReader) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0"
        )
        await reader.readexactly(int(length.split(b":")[1]))
        self.requests += 1


@asynccontextmanager
async def raw(behave: Callable[[RawServer], Fault]) -> AsyncIterator[RawServer]:
    async def unset(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        raise AssertionError

    played = RawServer(unset)
    played.fault = behave(played)
    server = await asyncio.start_server(played.handle, "127.0.0.1", 0)
    played.port = server.sockets[0].getsockname()[1]
    try:
        yield played
    finally:
        server.close()
        await server.wait_closed()


@contextmanager
def measured() -> Iterator[list[int]]:
    """The most memory held at once, in bytes, on leaving."""
    peak: list[int] = []
    tracemalloc.start()
    try:
        yield peak
        peak.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


# -- what is sent


async def test_a_create_sends_the_model_and_its_inputs_once(api: Api, client: Client) -> None:
    api.status = 201
    made = await client.create(MODEL, INPUTS, webhook="https://bot.example/hook?job=1")
    assert (made.id, made.status) == (ID, Status.STARTING)
    (seen,) = api.seen
    assert (seen.method, seen.path) == ("POST", "/v1/predictions")
    assert seen.headers["Authorization"] == f"Bearer {TOKEN}"
    assert seen.headers["Content-Type"] == "application/json"
    assert seen.json == {
        "version": HASH,
        "input": INPUTS,
        "webhook": "https://bot.example/hook?job=1",
        "webhook_events_filter": ["completed"],
    }


@pytest.mark.parametrize(
    ("seconds", "header"), [(3600, "3600s"), (90.2, "91s"), (0.5, "5s"), (10**9, "86400s"), (None, None)]
)
async def test_a_create_says_when_it_is_to_be_stopped_in_what_bounds_the_api_takes(
    api: Api, client: Client, seconds: float | None, header: str | None
) -> None:
    await client.create(MODEL, INPUTS, cancel_after=seconds)
    assert api.seen[-1].headers.get("cancel-after") == header


async def test_a_gateway_is_not_told_when_to_stop(api: Api) -> None:
    async with gateway("cheap", api.url, TOKEN) as client:
        await client.create(MODEL, INPUTS, cancel_after=60)
    assert "cancel-after" not in api.seen[-1].headers


async def test_a_gateway_is_asked_under_its_own_path_though_urls_point_elsewhere(api: Api) -> None:
    async with gateway("cheap", f"{api.url}/replicate/", TOKEN) as client:
        made = await client.create(MODEL, INPUTS)
        await client.get(made.id)
    create, get = api.seen
    assert (create.path, create.json["version"]) == ("/replicate/v1/predictions", f"{NAME}:{HASH}")
    assert (get.method, get.path) == ("GET", f"/replicate/v1/predictions/{ID}")


async def test_what_a_gateway_has_not_is_never_asked_for(api: Api, tmp_path: Path) -> None:
    async with gateway("cheap", api.url, TOKEN) as client:
        assert not any([client.can.list, client.can.cancel, client.can.files, client.can.webhooks])
        assert client.can.version_in_model_body
        calls = [
            client.list(),
            client.cancel(ID),
            client.upload(tmp_path / "a.png", "a.png", "image/png"),
            client.schema(MODEL),
            client.account(),
        ]
        for call in calls:
            with pytest.raises(NotImplementedError):
                await call
    assert api.seen == []


async def test_a_list_asks_for_a_span_of_time_and_goes_on_by_the_cursor(api: Api, client: Client) -> None:
    api.body = {
        "next": "https://elsewhere.example/v1/predictions?cursor=cD0y%3D",
        "results": [prediction(status="succeeded")],
    }
    page = await client.list(created_after=1753782653.25, created_before=1753790000)
    assert [p.status for p in page.predictions] == [Status.SUCCEEDED]
    assert page.next == "cD0y="
    page = await client.list(cursor=page.next)
    assert page.next is None, "a page that names itself as the next one would never end"
    first, second = (seen.path for seen in api.seen)
    assert first == (
        "/v1/predictions?created_after=2025-07-29T09%3A50%3A53.250000Z&created_before=2025-07-29T11%3A53%3A20Z"
    )
    assert second == "/v1/predictions?cursor=cD0y%3D"


async def test_a_cancel_is_a_post_to_the_prediction(api: Api, client: Client) -> None:
    api.body = prediction(status="canceled")
    assert (await client.cancel(ID)).status is Status.CANCELED
    assert (api.seen[0].method, api.seen[0].path, api.seen[0].body) == (
        "POST",
        f"/v1/predictions/{ID}/cancel",
        b"",
    )


async def test_a_schema_is_that_of_the_pinned_version(api: Api, client: Client) -> None:
    document = {"openapi": "3.0.2", "components": {"schemas": {"Input": {}}}}
    api.body = {"id": HASH, "cog_version": "0.3.9", "openapi_schema": document}
    assert await client.schema(MODEL) == document
    assert api.seen[0].path == f"/v1/models/{NAME}/versions/{HASH}"


async def test_a_schema_of_an_official_model_is_its_latest_if_it_shows_one(api: Api, client: Client) -> None:
    official = Model(**{name: getattr(MODEL, name) for name in MODEL.__slots__} | {"version": ""})
    api.body = {"owner": "andreasjansson", "latest_version": {"openapi_schema": {"openapi": "3.0.2"}}}
    assert await client.schema(official) == {"openapi": "3.0.2"}
    api.body = {"owner": "andreasjansson", "latest_version": None}
    assert await client.schema(official) == {}
    assert api.seen[0].path == f"/v1/models/{NAME}"


async def test_an_account_tells_whose_token_it_is(api: Api, client: Client) -> None:
    api.body = {"type": "organization", "username": "acme"}
    assert (await client.account())["username"] == "acme"
    api.body = []
    with pytest.raises(NotAPrediction):
        await client.account()


async def test_ids_are_quoted_in_paths_and_those_that_leave_the_path_are_refused(
    api: Api, client: Client
) -> None:
    for id in ("../account", "a?b=c", "a#b", "a b"):
        with pytest.raises(NotAPrediction):
            await client.get(id)
    assert [seen.path for seen in api.seen] == [
        "/v1/predictions/..%2Faccount",
        "/v1/predictions/a%3Fb%3Dc",
        "/v1/predictions/a%23b",
        "/v1/predictions/a%20b",
    ]
    for id in ("", ".", ".."):
        with pytest.raises(ValueError, match="not the id"):
            await client.get(id)


async def test_an_answer_about_another_prediction_is_refused(api: Api, client: Client) -> None:
    api.body = prediction(id="another")
    with pytest.raises(NotAPrediction, match="the prediction another where"):
        await client.get(ID)


# -- uploads


async def test_an_upload_arrives_whole_under_its_name_and_gives_its_url(
    api: Api, client: Client, tmp_path: Path
) -> None:
    content = bytes(range(256)) * 4096 * 3
    (tmp_path / "digest").write_bytes(content)
    api.status, api.body = 201, {"id": "f1", "urls": {"get": "https://api.replicate.com/v1/files/f1"}}
    url = await client.upload(tmp_path / "digest", 'fox "1".png', "image/png")
    assert url == "https://api.replicate.com/v1/files/f1"
    (seen,) = api.seen
    assert (seen.method, seen.path) == ("POST", "/v1/files")
    assert int(seen.headers["Content-Length"]) == len(seen.body)
    boundary = seen.headers["Content-Type"].partition("boundary=")[2].encode()
    head, _, rest = seen.body.partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"--" + boundary,
        b'Content-Disposition: form-data; name="content"; filename="fox _1_.png"',
        b"Content-Type: image/png",
    ]
    assert rest == content + b"\r\n--" + boundary + b"--\r\n"


async def test_an_upload_is_never_whole_in_memory(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(48 * 2**20)

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        left = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while left:
            left -= len(await reader.read(min(left, 65536)))
        body = json.dumps({"urls": {"get": "https://files.example/1"}}).encode()
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()

    async with raw(lambda _server: swallow) as server, replicate("main", server.url, TOKEN) as client:
        with measured() as peak:
            url = await client.upload(tmp_path / "big", "big.mp4", "video/mp4")
    assert url == "https://files.example/1"
    assert peak[0] < 8 * 2**20


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (413, {"detail": "File too large"}, ProviderRefused),
        (429, {"retry_after": 2}, ProviderBusy),
        (500, b"", ProviderDown),
        (201, {"id": "f1"}, NotAPrediction),
        (201, {"urls": {"get": "file:///etc/passwd"}}, NotAPrediction),
        (201, [], NotAPrediction),
    ],
)
async def test_an_upload_that_fails_says_how(
    api: Api, client: Client, tmp_path: Path, status: int, body: Any, error: type[ThreadreelError]
) -> None:
    (tmp_path / "a").write_bytes(b"x")
    api.status, api.body = status, body
    with pytest.raises(error):
        await client.upload(tmp_path / "a", "a.png", "image/png")
    assert len(api.seen) == 1


# -- answers

IMAGE_LIST = {"created": 1589478378, "data": [{"url": "https://..."}, {"url": "https://..."}]}
THROTTLED = {
    "detail": "Request was throttled. Your rate limit resets in ~7s.",
    "status": 429,
    "retry_after": 7,
}
UNAVAILABLE = {"error": {"message": "无可用渠道", "type": "new_api_error", "code": "model_not_found"}}
INVALID = {"title": "Invalid version or not permitted", "detail": "No such version", "status": 422}


@pytest.mark.parametrize(
    ("status", "body", "create", "get"),
    [
        (200, {}, NotAPrediction, NotAPrediction),
        (201, IMAGE_LIST, NotAPrediction, NotAPrediction),
        (200, b"<html><title>Welcome</title></html>", NotAPrediction, NotAPrediction),
        (201, json.dumps(prediction()).encode()[:200], NotAPrediction, NotAPrediction),
        (200, b"", NotAPrediction, NotAPrediction),
        (200, b"\xff\xfe\x00", NotAPrediction, NotAPrediction),
        (200, b"[" * 50_000, NotAPrediction, NotAPrediction),
        (204, b"", NotAPrediction, NotAPrediction),
        (200, {"error": {"message": "quota"}}, NotAPrediction, NotAPrediction),
        (302, b"", ProviderRefused, ProviderRefused),
        (400, b"", ProviderRefused, ProviderRefused),
        (401, {"title": "Unauthenticated"}, ProviderRefused, ProviderRefused),
        (402, {"title": "Insufficient credit"}, ProviderRefused, ProviderRefused),
        (403, b"<html>", ProviderRefused, ProviderRefused),
        (404, {"detail": "does not exist"}, ProviderRefused, ProviderRefused),
        (422, INVALID, ProviderRefused, ProviderRefused),
        (429, THROTTLED, ProviderBusy, ProviderBusy),
        (408, b"", LostAnswer, ProviderDown),
        (500, b"", LostAnswer, ProviderDown),
        (502, b"<html><title>502 Bad Gateway</title>", LostAnswer, ProviderDown),
        (503, UNAVAILABLE, ProviderRefused, ProviderDown),
        (503, b"", ProviderDown, ProviderDown),
        (504, b"", LostAnswer, ProviderDown),
    ],
)
async def test_every_answer_has_its_error_and_is_asked_for_once(
    api: Api,
    client: Client,
    status: int,
    body: Any,
    create: type[ThreadreelError],
    get: type[ThreadreelError],
) -> None:
    api.status, api.body = status, body
    with pytest.raises(create) as caught:
        await client.create(MODEL, INPUTS)
    assert type(caught.value) is create
    assert [seen.method for seen in api.seen] == ["POST"]
    with pytest.raises(get) as caught:
        await client.get(ID)
    assert type(caught.value) is get
    assert [seen.method for seen in api.seen] == ["POST", "GET"]


@pytest.mark.parametrize("status", [200, 201, 202])
async def test_any_success_may_carry_a_prediction(api: Api, client: Client, status: int) -> None:
    api.status = status
    assert (await client.create(MODEL, INPUTS)).id == ID


async def test_a_throttled_create_says_how_long_to_wait(api: Api, client: Client) -> None:
    api.status, api.body = 429, THROTTLED
    with pytest.raises(ProviderBusy) as caught:
        await client.create(MODEL, INPUTS)
    assert caught.value.retry_after == 7
    api.headers = {"Retry-After": "3"}
    with pytest.raises(ProviderBusy) as caught:
        await client.create(MODEL, INPUTS)
    assert caught.value.retry_after == 3


async def test_a_date_to_come_back_at_is_counted_from_the_clock_that_was_given(api: Api) -> None:
    api.status, api.headers = 503, {"Retry-After": "Tue, 29 Jul 2025 09:51:03 GMT"}
    async with Client("replicate", "main", api.url, TOKEN, now=lambda: 1753782653) as client:
        with pytest.raises(ProviderDown) as caught:
            await client.get(ID)
    assert caught.value.retry_after == 10


async def test_a_packed_answer_is_unpacked(api: Api, client: Client) -> None:
    api.body = gzip.compress(json.dumps(prediction(status="processing")).encode())
    api.headers = {"Content-Encoding": "gzip"}
    assert (await client.get(ID)).status is Status.PROCESSING
    api.body = api.body[:40] + b"\0" * 40
    with pytest.raises(NotAPrediction):
        await client.get(ID)


@pytest.mark.parametrize("packed", [True, False])
async def test_an_endless_answer_is_cut_off_in_memory(packed: bool) -> None:
    bomb = gzip.compress(b"x" * 40 * 2**20)

    def behave(server: RawServer) -> Fault:
        async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.read_request(reader)
            encoding = b"gzip" if packed else b"identity"
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\n\r\n" % encoding)
            while True:
                writer.write(bomb if packed else b"x" * 65536)
                await writer.drain()

        return endless

    async with (
        raw(behave) as server,
        Client("replicate", "main", server.url, TOKEN, longest_answer=2**20) as client,
    ):
        with measured() as peak, pytest.raises(NotAPrediction, match="more than 1048576 bytes"):
            await client.get(ID)
    assert peak[0] < 8 * 2**20


async def test_a_large_page_is_read(api: Api, client: Client) -> None:
    api.body = {"results": [prediction(id=f"p{n}", logs="x" * 20_000) for n in range(100)], "next": None}
    page = await client.list()
    assert len(page.predictions) == 100


# -- faults below HTTP


def _closed_at_once(_server: RawServer) -> Fault:
    async def fault(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        return

    return fault


def _answers(payload: bytes, *, then_silence: bool = False) -> Callable[[RawServer], Fault]:
    """Read the request, write this, then close, or say nothing more."""

    def behave(server: RawServer) -> Fault:
        async def fault(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.read_request(reader)
            writer.write(payload)
            await writer.drain()
            if then_silence:
                await reader.read()

        return fault

    return behave


def _reset_after_the_request(server: RawServer) -> Fault:
    async def fault(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read_request(reader)
        plain: socket.socket = writer.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    return fault


def _drips(server: RawServer) -> Fault:
    async def fault(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    return fault


HALF = json.dumps(prediction()).encode()[:150]
PROMISED = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n"


@pytest.mark.parametrize(
    "behave",
    [
        pytest.param(_closed_at_once, id="closed at once"),
        pytest.param(_answers(b""), id="closed after the request"),
        pytest.param(_reset_after_the_request, id="reset after the request"),
        pytest.param(_answers(b"", then_silence=True), id="silence"),
        pytest.param(_answers(b"HTTP/1.1 201 Cre"), id="half a status line"),
        pytest.param(_answers(PROMISED + HALF), id="half an answer"),
        pytest.param(_answers(PROMISED + HALF, then_silence=True), id="half an answer, then silence"),
        pytest.param(_answers(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), id="another protocol"),
        pytest.param(
            _answers(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"), id="bad head"
        ),
        pytest.param(
            _answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), id="bad chunks"
        ),
        pytest.param(_drips, id="drips for ever"),
    ],
)
async def test_a_create_without_an_answer_is_lost_and_a_get_may_be_repeated(
    behave: Callable[[RawServer], Fault],
) -> None:
    timeouts = Timeouts(connect=0.5, read=0.15, write=0.15, pool=0.15, whole=0.4)
    async with (
        raw(behave) as server,
        replicate("main", server.url, TOKEN, timeouts=timeouts) as client,
    ):
        with pytest.raises(LostAnswer) as lost:
            await client.create(MODEL, INPUTS)
        assert server.requests <= 1, "no POST may arrive twice"
        with pytest.raises(ProviderDown):
            await client.get(ID)
    assert str(lost.value)
    assert TOKEN not in repr(lost.value)


async def test_a_refusal_counts_though_its_reason_is_cut_off() -> None:
    head = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 4\r\nContent-Length: 4000\r\n\r\n"
    async with raw(_answers(head + b'{"det')) as server, replicate("main", server.url, TOKEN) as client:
        with pytest.raises(ProviderBusy) as caught:
            await client.create(MODEL, INPUTS)
    assert caught.value.retry_after == 4


async def test_where_nothing_listens_nothing_was_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with replicate("main", f"http://127.0.0.1:{taken.getsockname()[1]}", TOKEN) as nobody:
            for call in (nobody.create(MODEL, INPUTS), nobody.get(ID), nobody.list(), nobody.cancel(ID)):
                with pytest.raises(ProviderDown):
                    await call


async def test_a_failed_tls_handshake_took_nothing(api: Api) -> None:
    async with replicate("main", f"https://127.0.0.1:{api.port}", TOKEN, timeouts=QUICK) as client:
        with pytest.raises(ProviderDown):
            await client.create(MODEL, INPUTS)
    assert api.seen == []


async def test_a_server_that_accepts_nobody_took_nothing() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        async with AsyncExitStack() as waiting:
            for _ in range(3):
                knocking = socket.socket()
                waiting.callback(knocking.close)
                knocking.setblocking(False)
                knocking.connect_ex(full.getsockname())
            url = f"http://127.0.0.1:{full.getsockname()[1]}"
            async with replicate("main", url, TOKEN, timeouts=Timeouts(connect=0.2)) as client:
                with pytest.raises(ProviderDown, match="ConnectTimeout"):
                    await client.create(MODEL, INPUTS)


async def test_a_request_that_got_no_connection_was_not_sent(api: Api) -> None:
    release = asyncio.Event()
    api.before = release.wait
    slow = Timeouts(pool=0.1)
    async with Client("replicate", "main", api.url, TOKEN, timeouts=slow, max_connections=1) as client:
        first = asyncio.create_task(client.create(MODEL, INPUTS))
        try:
            await until(lambda: api.seen)
            with pytest.raises(ProviderDown, match="PoolTimeout"):
                await client.create(MODEL, INPUTS)
            assert len(api.seen) == 1
        finally:
            release.set()
            made = await first
        assert made.id == ID


async def test_a_file_that_does_not_get_through_may_be_sent_again(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 2**20)
    for behave in (_closed_at_once, _answers(b""), _reset_after_the_request):
        async with (
            raw(behave) as server,
            replicate("main", server.url, TOKEN, timeouts=QUICK) as client,
        ):
            with pytest.raises(ProviderDown):
                await client.upload(tmp_path / "a", "a.png", "image/png")
            assert server.requests <= 1


async def test_a_connection_closed_while_idle_costs_no_create() -> None:
    """Its end is seen before anything is sent on it."""
    body = json.dumps(prediction()).encode()
    payload = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    async with raw(_answers(payload)) as server, replicate("main", server.url, TOKEN) as client:
        for n in range(5):
            assert (await client.create(MODEL, INPUTS)).id == ID
            await until(partial(server.has_closed, n + 1))
    assert server.requests == 5


# -- the token


async def test_the_token_reaches_no_other_host_whatever_answers_say(api: Api, client: Client) -> None:
    async with served(Api()) as other:
        elsewhere = {"get": f"{other.url}/get", "cancel": f"{other.url}/cancel", "stream": f"{other.url}/s"}
        api.headers = {"Location": f"{other.url}/v1/predictions/{ID}", "Link": f"<{other.url}>; rel=next"}
        api.body = prediction(urls=elsewhere)
        await client.create(MODEL, INPUTS)
        await client.get(ID)
        await client.cancel(ID)
        api.body = {"results": [api.body], "next": f"{other.url}/v1/predictions?cursor=2"}
        await client.list(cursor=(await client.list()).next)
        for status in (301, 302, 303, 307, 308):
            api.status = status
            with pytest.raises(ProviderRefused):
                await client.create(MODEL, INPUTS)
            with pytest.raises(ProviderRefused):
                await client.get(ID)
        assert other.seen == []
        assert len(api.seen) == 15
        assert all(seen.headers["Authorization"] == f"Bearer {TOKEN}" for seen in api.seen)


async def test_a_token_that_is_sent_back_stands_in_no_error_and_no_log(
    api: Api, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    texts = []
    for status in (200, 401, 429, 500, 503):
        for body in (
            TOKEN.encode(),
            {"error": {"message": f"key {TOKEN}"}},
            {TOKEN: 1},
            f"<title>{TOKEN}".encode(),
        ):
            api.status, api.body = status, body
            for call in (client.create(MODEL, INPUTS), client.get(ID)):
                with pytest.raises(ThreadreelError) as caught:
                    await call
                error: BaseException | None = caught.value
                while error is not None:
                    texts.append(f"{error!r} {error} {vars(error)}")
                    error = error.__cause__ or error.__context__
    texts += [caplog.text, repr(client), str(client)]
    assert not [text for text in texts if TOKEN[:8] in text]


async def test_without_a_token_none_is_sent(api: Api) -> None:
    async with connect("sandbox", "sandbox", api.url, "  ") as client:
        await client.get(ID)
        assert client.token_for(f"{api.url}/file") is None
    assert "Authorization" not in api.seen[0].headers


async def test_cookies_are_not_kept(api: Api, client: Client) -> None:
    api.headers = {"Set-Cookie": "a=b; Path=/"}
    await client.get(ID)
    await client.get(ID)
    assert "Cookie" not in api.seen[1].headers


@pytest.mark.parametrize(
    ("kind", "base", "url", "gets_it"),
    [
        ("replicate", "https://api.replicate.com", "https://api.replicate.com/v1/files/x/download", True),
        ("replicate", "https://api.replicate.com", "https://API.replicate.com:443/v1/files/x", True),
        ("replicate", "https://api.replicate.com", "https://replicate.delivery/pbxt/a.png", True),
        ("replicate", "https://api.replicate.com", "https://pbxt.replicate.delivery/a.png", True),
        ("replicate", "https://api.replicate.com", "http://pbxt.replicate.delivery/a.png", False),
        ("replicate", "https://api.replicate.com", "https://replicate.delivery:8443/a.png", False),
        ("replicate", "https://api.replicate.com", "https://evilreplicate.delivery/a.png", False),
        ("replicate", "https://api.replicate.com", "https://replicate.delivery.evil.example/a.png", False),
        ("replicate", "https://api.replicate.com", "https://api.replicate.com.evil.example/", False),
        ("replicate", "https://api.replicate.com", "https://api.replicate.com@evil.example/", False),
        ("replicate", "https://api.replicate.com", "https://evil.example\\@api.replicate.com/", False),
        ("replicate", "https://api.replicate.com", "https://user:pass@api.replicate.com/", False),
        ("replicate", "https://api.replicate.com", "http://api.replicate.com/", False),
        ("replicate", "https://api.replicate.com", "data:image/png;base64,AAAA", False),
        ("replicate", "https://api.replicate.com", "/v1/files/x", False),
        ("replicate", "https://api.replicate.com", "https://[", False),
        ("replicate", "https://api.replicate.com", "", False),
        ("replicate", "https://mirror.example", "https://mirror.example/f", True),
        ("replicate", "https://mirror.example", "https://replicate.delivery/a.png", False),
        ("gateway", "https://gw.example/replicate", "https://gw.example/replicate/v1/files/1", True),
        ("gateway", "https://gw.example/replicate", "https://gw.example/replicate/files/1?a=b", True),
        ("gateway", "https://gw.example/replicate", "https://gw.example/files/1", False),
        ("gateway", "https://gw.example/replicate", "https://gw.example/replicate", False),
        ("gateway", "https://gw.example/replicate", "https://gw.example/replicates/1", False),
        ("gateway", "https://gw.example/replicate", "https://gw.example/?/replicate/", False),
        ("gateway", "https://gw.example/replicate", "https://gw.example/replicate/../files/1", False),
        ("gateway", "https://gw.example/replicate", "https://gw.example/replicate/%2e%2e/files/1", False),
        ("gateway", "https://gw.example/replicate", "https://gw.example/replicate/..%2ffiles/1", False),
        ("gateway", "https://gw.example/replicate/v1/", "https://gw.example/replicate/files/1", True),
        ("gateway", "https://gw.example/replicate", "https://replicate.delivery/a.png", False),
        ("gateway", "https://gw.example/replicate", "https://api.replicate.com/v1/files/1", False),
        ("sandbox", "http://127.0.0.1:8090", "http://127.0.0.1:8090/out/a.png", True),
        ("sandbox", "http://127.0.0.1:8090", "http://127.0.0.1:8091/out/a.png", False),
        ("sandbox", "http://127.0.0.1:8090", "http://localhost:8090/out/a.png", False),
    ],
)
async def test_files_get_the_token_where_the_api_keeps_them_and_nowhere_else(
    kind: ApiKind, base: str, url: str, gets_it: bool
) -> None:
    async with connect(kind, "main", base, TOKEN) as client:
        assert client.token_for(url) == (f"Bearer {TOKEN}" if gets_it else None)


# -- what it is made of


@pytest.mark.parametrize(
    "base",
    [
        "https://gw.example/replicate/v1",
        "https://gw.example/replicate/v1/",
        " https://gw.example/replicate/ ",
    ],
)
async def test_a_base_url_may_be_given_with_its_v1(base: str) -> None:
    async with connect("gateway", "cheap", base, TOKEN) as client:
        assert client.base_url == "https://gw.example/replicate"


@pytest.mark.parametrize(
    "base",
    [
        "",
        "api.replicate.com",
        "ftp://api.replicate.com",
        "https://",
        "https://user:pass@api.replicate.com",
        "https://api.replicate.com?x=1",
        "https://[",
        "https://" + "a" * 70 + ".example",
    ],
)
def test_a_base_url_that_is_none_is_a_mistake_in_the_configuration(base: str) -> None:
    with pytest.raises(ConfigError, match=r"providers\.main\.base_url"):
        connect("replicate", "main", base, TOKEN)


def test_a_gateway_needs_a_base_url() -> None:
    with pytest.raises(ConfigError, match=r"providers\.cheap\.base_url: is missing"):
        connect("gateway", "cheap", None, TOKEN)


async def test_replicates_own_address_is_known() -> None:
    async with connect("replicate", "main", None, TOKEN) as client:
        assert client.base_url == "https://api.replicate.com"
        assert repr(client) == "<Client main https://api.replicate.com>"


@pytest.mark.parametrize("token", ["r8_abc\ndef", "r8 abc", "r8_ключ", "r8_\x00"])
def test_a_token_that_can_be_none_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(ConfigError) as caught:
        connect("replicate", "main", None, token)
    assert "providers.main.token" in str(caught.value)
    assert token[:4] not in str(caught.value)


async def test_an_api_on_this_machine_is_asked_directly_whatever_proxy_is_set(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(Api(status=502)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        async with connect("sandbox", "sandbox", api.url, TOKEN) as client:
            assert (await client.get(ID)).id == ID
        assert proxy.seen == []
        async with connect("gateway", "cheap", "http://gw.example/replicate", TOKEN) as client:
            with pytest.raises(TryLater):
                await client.get(ID)
        assert [seen.path for seen in proxy.seen] == [f"http://gw.example/replicate/v1/predictions/{ID}"]


async def test_many_requests_share_the_connections(api: Api, client: Client) -> None:
    made = await asyncio.gather(*(client.create(MODEL, {"n": n}) for n in range(200)))
    assert all(isinstance(entry, Prediction) for entry in made)
    assert sorted(seen.json["input"]["n"] for seen in api.seen) == list(range(200))
