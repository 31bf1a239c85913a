"""One API over HTTP: requests go to its configured address and nowhere else, and none is ever repeated."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TypeVar

import httpx

from bot.errors import ConfigError, Mistake, NotAPrediction
from bot.jobs import Json
from bot.providers.answers import Answer, decode, read_answer
from bot.providers.errors import scrub, translate
from bot.providers.manners import Manners
from bot.providers.upload import Upload
from bot.tls import certificates

IDLE = 5.0
"""Seconds after which an unused connection is dropped: well before servers drop theirs, as a request that
meets a closing connection can't be told from one that was taken."""

_HOST = re.compile(rb"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_LARGE = 256 * 1024
_LONGEST_ERROR = 64 * 1024

T = TypeVar("T")
Origin = tuple[str, str, int | None]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `whole` bounds a request from start to end; `upload` takes its place for a file."""

    connect: float = 5
    read: float = 30
    write: float = 30
    pool: float = 5
    whole: float = 90
    upload: float = 900


class Wire:
    """The connections to one API. `base_url` is everything before /v1, `token` the bearer token.

    The environment's proxies are used, but not for an API on this machine. Cookies are not kept. What costs
    nothing is held back as `manners` say; of what is paid they only hear.
    """

    def __init__(
        self,
        base_url: httpx.URL,
        token: str | None,
        *,
        transport: httpx.AsyncBaseTransport | None,
        timeouts: Timeouts,
        max_connections: int,
        longest_answer: int,
        now: Callable[[], float],
        manners: Manners,
    ) -> None:
        self.base_url = str(base_url).rstrip("/")
        self._token = token
        self._timeouts = timeouts
        self._longest_answer = longest_answer
        self._now = now
        self._manners = manners
        self._http = httpx.AsyncClient(
            headers=_headers(token),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            transport=transport,
            trust_env=not is_loopback(base_url.host),
            verify=certificates(by_environment=True),
            follow_redirects=False,
            limits=httpx.Limits(max_connections=max_connections, keepalive_expiry=IDLE),
        )

    async def aclose(self) -> None:
        await self._http.aclose()

    async def get(self, parse: Callable[[Json], T], path: str, params: Mapping[str, str] | None = None) -> T:
        request = self._http.build_request(
            "GET", self._url(path), params=params, timeout=self._timeout(self._timeouts.read)
        )
        return await self._ask(parse, request, self._timeouts.whole)

    async def post(
        self,
        parse: Callable[[Json], T],
        path: str,
        body: Json = None,
        *,
        headers: Mapping[str, str] | None = None,
        paid: bool = False,
    ) -> T:
        """`paid`: without a clear answer LostAnswer is raised, as the request may have been taken."""
        request = self._http.build_request(
            "POST",
            self._url(path),
            headers=({"Content-Type": "application/json"} if body is not None else {}) | dict(headers or {}),
            content=json.dumps(body, allow_nan=False).encode() if body is not None else None,
            timeout=self._timeout(self._timeouts.read),
        )
        return await self._ask(parse, request, self._timeouts.whole, paid=paid)

    async def post_file(self, parse: Callable[[Json], T], path: str, upload: Upload) -> T:
        """The answer comes once the server has stored the file, so that reading it may take as long too."""
        async with aclosing(upload.body()) as body:
            request = self._http.build_request(
                "POST",
                self._url(path),
                headers=upload.headers,
                content=body,
                timeout=self._timeout(self._timeouts.upload),
            )
            return await self._ask(parse, request, self._timeouts.upload)

    def _url(self, path: str) -> str:
        return f"{self.base_url}/v1{path}"

    def _timeout(self, read: float) -> httpx.Timeout:
        times = self._timeouts
        return httpx.Timeout(connect=times.connect, read=read, write=times.write, pool=times.pool)

    async def _ask(
        self, parse: Callable[[Json], T], request: httpx.Request, seconds: float, *, paid: bool = False
    ) -> T:
        answer = await self._answer(request, seconds, paid=paid)
        if len(answer.body) > self._longest_answer:
            raise NotAPrediction(f"an answer of more than {self._longest_answer} bytes")
        with suppress(NotAPrediction):
            return parse(await _decoded(answer.body))
        # The error quotes the answer: raise it from one in which the token doesn't stand.
        return parse(await _decoded(scrub(answer.body, self._token)))

    async def _answer(self, request: httpx.Request, seconds: float, *, paid: bool) -> Answer:
        """The answer to a request that succeeded; the error for everything else."""
        if not paid and (wait := self._manners.admit(self._now())):
            await asyncio.sleep(wait)
        lane = self._manners.creates if paid else self._manners.others
        try:
            async with asyncio.timeout(seconds):
                answer = await self._exchange(request)
        except (httpx.HTTPError, TimeoutError) as error:
            meant = translate(error, paid=paid, token=self._token, now=self._now())
            self._manners.heard(lane, meant, None, self._now())
            raise meant from error
        failure = None if answer.ok else translate(answer, paid=paid, token=self._token, now=self._now())
        self._manners.heard(lane, failure, answer.headers, self._now())
        if failure is not None:
            raise failure
        return answer

    async def _exchange(self, request: httpx.Request) -> Answer:
        response = await self._http.send(request, stream=True)
        try:
            limit = self._longest_answer if response.is_success else _LONGEST_ERROR
            return await read_answer(response, limit)
        except httpx.HTTPError:
            if response.is_success:
                raise
            return Answer(response.status_code, response.headers, b"")  # a refusal without its reason
        finally:
            await response.aclose()


async def _decoded(body: bytes) -> Json:
    return await asyncio.to_thread(decode, body) if len(body) > _LARGE else decode(body)


def _headers(token: str | None) -> dict[str, str]:
    headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "threadreel"}
    return headers | {"Authorization": f"Bearer {token}"} if token else headers


# -- addresses and tokens


def origin(url: httpx.URL) -> Origin:
    port = url.port or {"https": 443, "http": 80}.get(url.scheme)
    return url.scheme, url.raw_host.decode("ascii"), port


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def checked_url(name: str, base_url: str) -> httpx.URL:
    """The base URL without the /v1 that people copy along with it; no user, query or fragment."""
    try:
        url = httpx.URL(base_url.strip().rstrip("/").removesuffix("/v1"))
        url.host.encode("idna")  # a label of a name may be too long for the resolver
        is_address = url.scheme in ("http", "https") and _HOST.fullmatch(url.raw_host)
        good = is_address and not (url.userinfo or url.query or url.fragment)
    except (httpx.InvalidURL, UnicodeError):
        good = False
    if not good:
        where = f"providers.{name}.base_url"
        remedy = "Give everything before /v1, such as https://api.replicate.com."
        raise ConfigError([Mistake(where, "is not the address of an API", remedy)])
    return url


def checked_token(name: str, token: str | None) -> str | None:
    """The token without spaces around it. One that can't stand in a header is refused, and not shown."""
    if token is None or not (token := token.strip()):
        return None
    if not (token.isascii() and token.isprintable() and " " not in token):
        where, remedy = f"providers.{name}.token", "Copy the token again, alone and whole."
        raise ConfigError([Mistake(where, "holds characters that no token has", remedy)])
    return token
