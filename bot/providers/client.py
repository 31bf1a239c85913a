"""The client of one prediction API: nothing is repeated here, and the token goes to the configured API only."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import time
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Self, TypeVar
from urllib.parse import quote

import httpx

from bot.catalogue.schema import Model
from bot.errors import ConfigError, Mistake, NotAPrediction
from bot.jobs import Json
from bot.providers.answers import Answer, decode, describe, read_answer
from bot.providers.dialect import CAPABILITIES, Kind, create_request, model_path
from bot.providers.errors import scrub, translate
from bot.providers.predictions import Page, Prediction, parse_page, parse_prediction
from bot.providers.upload import Upload

REPLICATE_URL = "https://api.replicate.com"
LONGEST_ANSWER = 16 * 2**20
"""Bytes. A page of the list holds a hundred predictions with their inputs."""

_LARGE = 256 * 1024
_LONGEST_ERROR = 64 * 1024

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `whole` bounds a request from its start to the end of its answer, `upload` that of a file's upload."""

    connect: float = 5
    read: float = 30
    write: float = 30
    pool: float = 5
    whole: float = 90
    upload: float = 900


class Client:
    """One prediction API. `base_url` is everything before /v1.

    Every call may raise ProviderBusy or ProviderDown (not taken, or harmless to repeat), ProviderRefused and
    NotAPrediction; only `create` raises LostAnswer. Nothing is retried and no redirect is followed. All URLs are
    built from `base_url`: `urls`, `next` and `Location` in answers are never requested. A call that `can` rules out
    raises NotImplementedError.

    Proxies of the environment are used, but not for an API on this machine. A connection that has been idle for
    five seconds is not used again, so that a server that closes it cannot swallow a request.
    """

    def __init__(
        self,
        kind: Kind,
        name: str,
        base_url: str,
        token: str | None,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        timeouts: Timeouts | None = None,
        max_connections: int = 50,
        longest_answer: int = LONGEST_ANSWER,
        now: Callable[[], float] = time.time,
    ) -> None:
        base = _checked_url(name, base_url)
        self.name = name
        self.can = CAPABILITIES[kind]
        self.base_url = str(base).rstrip("/")
        self._kind = kind
        self._origin = _origin(base)
        self._token = _checked_token(name, token)
        self._now = now
        self._timeouts = timeouts or Timeouts()
        self._longest_answer = longest_answer
        self._http = httpx.AsyncClient(
            headers=self._headers(),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            transport=transport,
            trust_env=not _is_loopback(base.host),
            follow_redirects=False,
            limits=httpx.Limits(max_connections=max_connections, keepalive_expiry=5),
        )

    def __repr__(self) -> str:
        return f"<Client {self.name} {self.base_url}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    # -- the calls

    async def create(
        self, model: Model, inputs: Mapping[str, Json], *, webhook: str | None = None
    ) -> Prediction:
        """Ask for a prediction: `inputs` by the model's own names, files as URLs.

        Raises LostAnswer where the request may have been taken. The API knows no idempotency key: whoever repeats a
        lost one may pay twice.
        """
        path, body = create_request(self._kind, model, inputs, webhook=webhook)
        return await self._ask(parse_prediction, "POST", path, body=body, paid=True)

    async def get(self, id: str) -> Prediction:
        return await self._ask(_only(id), "GET", _path_of(id))

    async def list(
        self,
        *,
        created_after: float | None = None,
        created_before: float | None = None,
        cursor: str | None = None,
    ) -> Page:
        """A page of up to 100 predictions, newest first; times are seconds since the epoch."""
        self._demand(self.can.list, "list")
        wanted = {
            "created_after": _iso(created_after),
            "created_before": _iso(created_before),
            "cursor": cursor,
        }
        params = {key: value for key, value in wanted.items() if value is not None}
        page = await self._ask(parse_page, "GET", "/predictions", params=params)
        return (
            page if page.next != cursor else Page(page.predictions)
        )  # a page that follows itself never ends

    async def cancel(self, id: str) -> Prediction:
        """May be repeated: what has ended stays as it is."""
        self._demand(self.can.cancel, "cancel")
        return await self._ask(_only(id), "POST", f"{_path_of(id)}/cancel")

    async def upload(self, path: Path, name: str, mime: str) -> str:
        """The URL to give as an input. The file is streamed from the disk; what is uploaded twice costs nothing."""
        self._demand(self.can.files, "files")
        size = (await asyncio.to_thread(path.stat)).st_size
        upload = Upload(path, name, mime, size)
        return await self._ask(
            _file_url,
            "POST",
            "/files",
            content=upload.body(),
            headers=upload.headers,
            timeout=self._timeouts.upload,
        )

    async def schema(self, model: Model) -> Mapping[str, Json]:
        """The OpenAPI document of the model's version, else of its latest one; empty where the API shows none.

        ProviderRefused("not_found") where the version does not exist.
        """
        self._demand(self.can.schema, "schema")
        if model.version:
            version = await self._ask(_mapping, "GET", f"{model_path(model)}/versions/{model.version}")
        else:
            version = (await self._ask(_mapping, "GET", model_path(model))).get("latest_version")
        document = version.get("openapi_schema") if isinstance(version, dict) else None
        return document if isinstance(document, dict) else {}

    async def account(self) -> Mapping[str, Json]:
        """Whose token it is: the cheapest way to try it."""
        self._demand(self.can.account, "account")
        return await self._ask(_mapping, "GET", "/account")

    def token_for(self, url: str) -> str | None:
        """The Authorization header's value for a file that demands one, None for every host but the API's own.

        Replicate serves files from *.replicate.delivery and may ask for the token there (its OpenAPI document,
        `predictions.get`); a gateway's key is never sent there.
        """
        try:
            target = httpx.URL(url)
        except (httpx.InvalidURL, TypeError):
            return None
        if self._token is None or target.userinfo or "\\" in url:
            return None
        ours = _origin(target) == self._origin
        return f"Bearer {self._token}" if ours or self._is_delivery(target) else None

    # -- how they are made

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "threadreel"}
        return headers | {"Authorization": f"Bearer {self._token}"} if self._token else headers

    async def _ask(
        self,
        parse: Callable[[Json], T],
        method: str,
        path: str,
        *,
        body: Json = None,
        content: AsyncIterable[bytes] | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        paid: bool = False,
    ) -> T:
        request = self._http.build_request(
            method,
            f"{self.base_url}/v1{path}",
            params=params,
            headers={"Content-Type": "application/json"} if body is not None else headers,
            content=json.dumps(body, allow_nan=False).encode() if body is not None else content,
            timeout=self._timeout(timeout),
        )
        answer = await self._send(request, timeout or self._timeouts.whole, paid=paid)
        try:
            if len(answer.body) > self._longest_answer:
                raise NotAPrediction(f"an answer of more than {self._longest_answer} bytes")  # noqa: TRY301
            return parse(await _decoded(answer.body))
        except NotAPrediction as error:
            raise NotAPrediction(scrub(error.detail, self._token)) from None

    async def _send(self, request: httpx.Request, timeout: float, *, paid: bool) -> Answer:
        try:
            async with asyncio.timeout(timeout):
                answer = await self._exchange(request)
        except (httpx.HTTPError, TimeoutError) as error:
            raise translate(error, paid=paid, token=self._token, now=self._now()) from error
        if not answer.ok:
            raise translate(answer, paid=paid, token=self._token, now=self._now())
        return answer

    async def _exchange(self, request: httpx.Request) -> Answer:
        response = await self._http.send(request, stream=True)
        try:
            return await read_answer(
                response, self._longest_answer if response.is_success else _LONGEST_ERROR
            )
        finally:
            await response.aclose()

    def _timeout(self, write: float | None) -> httpx.Timeout:
        """An upload's answer comes after the server has stored the file: it may take as long as the upload."""
        times = self._timeouts
        return httpx.Timeout(
            connect=times.connect, read=write or times.read, write=write or times.write, pool=times.pool
        )

    def _demand(self, capable: bool, what: str) -> None:
        if not capable:
            raise NotImplementedError(f"{self.name} has no {what}")

    def _is_delivery(self, url: httpx.URL) -> bool:
        scheme, host, port = _origin(url)
        return (
            self._kind == "replicate"
            and self.base_url == REPLICATE_URL
            and (scheme, port) == ("https", 443)
            and (host == "replicate.delivery" or host.endswith(".replicate.delivery"))
        )


def connect(kind: Kind, name: str, base_url: str | None, token: str | None) -> Client:
    """The client of a configured provider. Raises ConfigError for a base URL or a token that can't be one."""
    if base_url is None and kind != "replicate":
        raise ConfigError(
            [Mistake(f"providers.{name}.base_url", "is missing", "Give the address of the API, without /v1.")]
        )
    return Client(kind, name, base_url or REPLICATE_URL, token)


def replicate(
    name: str,
    base_url: str,
    token: str | None,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    timeouts: Timeouts | None = None,
) -> Client:
    return Client("replicate", name, base_url, token, transport=transport, timeouts=timeouts)


def gateway(
    name: str,
    base_url: str,
    token: str | None,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    timeouts: Timeouts | None = None,
) -> Client:
    return Client("gateway", name, base_url, token, transport=transport, timeouts=timeouts)


# -- what answers are made into


def _only(id: str) -> Callable[[Json], Prediction]:
    """The prediction with this id: somebody else's picture must never be taken for ours."""

    def parse(value: Json) -> Prediction:
        prediction = parse_prediction(value)
        if prediction.id != id:
            raise NotAPrediction(f"the prediction {prediction.id} where {id} was asked for")
        return prediction

    return parse


def _mapping(value: Json) -> Mapping[str, Json]:
    if not isinstance(value, dict):
        raise NotAPrediction(describe(value))
    return value


def _file_url(value: Json) -> str:
    urls = value.get("urls") if isinstance(value, dict) else None
    url = urls.get("get") if isinstance(urls, dict) else None
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise NotAPrediction(describe(value))
    return url


async def _decoded(body: bytes) -> Json:
    return await asyncio.to_thread(decode, body) if len(body) > _LARGE else decode(body)


# -- addresses


def _path_of(id: str) -> str:
    if id.strip(".") == "":
        raise ValueError(f"not the id of a prediction: {id!r}")
    return f"/predictions/{quote(id, safe='')}"


def _iso(time: float | None) -> str | None:
    return None if time is None else datetime.fromtimestamp(time, UTC).isoformat().replace("+00:00", "Z")


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.raw_host.decode("ascii"), url.port or {"https": 443, "http": 80}.get(url.scheme)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _checked_url(name: str, base_url: str) -> httpx.URL:
    """Without the /v1 that people copy along with it. No user, query or fragment: they would not survive."""
    try:
        url = httpx.URL(base_url.strip().rstrip("/").removesuffix("/v1"))
        url.host.encode("idna")
        good = (
            url.scheme in ("http", "https") and url.host and not (url.userinfo or url.query or url.fragment)
        )
    except (httpx.InvalidURL, UnicodeError):
        good = False
    if not good:
        where = f"providers.{name}.base_url"
        remedy = f"Give the address of the API, everything before /v1, such as {REPLICATE_URL}."
        raise ConfigError([Mistake(where, "is not an http(s) address", remedy)])
    return url


def _checked_token(name: str, token: str | None) -> str | None:
    """A token with a line break or an accent can't stand in a header; the error must not show it."""
    if token is None or not (token := token.strip()):
        return None
    if not (token.isascii() and token.isprintable() and " " not in token):
        where, remedy = f"providers.{name}.token", "Copy the token again, alone and whole."
        raise ConfigError([Mistake(where, "holds characters that no token has", remedy)])
    return token
