"""Download what a link points at, and never from an address that isn't public.

A host is resolved once per hop, every address of it is checked, and the request goes to a checked address:
a name that answers differently the second time gains nothing. Redirects are followed by hand and checked.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

import httpx

from bot.errors import BadMedia, TryLater
from bot.media.addresses import is_public
from bot.tls import certificates

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port -> its addresses, best first. Raises OSError as `socket.getaddrinfo` does."""

TokenFor: TypeAlias = Callable[[str], "str | None"]
"""URL -> the Authorization header for it, None where it gets none."""

_MAX_REDIRECTS = 5
_CONNECT_SECONDS = 10.0
_ADDRESSES_TRIED = 4
_DEFAULT_PORTS = {"http": 80, "https": 443}
_FIRST_USER_PORT = 1024
_HOST = re.compile(rb"[a-z0-9._-]+|[0-9a-f:.]+", re.IGNORECASE)
_HEADERS = {"User-Agent": "Threadreel", "Accept": "*/*", "Accept-Encoding": "identity"}
_BUSY = (408, 425, 429)


async def resolve(host: str, port: int) -> Sequence[str]:
    """The system's own answer."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class Fetcher:
    """Guarded GET requests. `private_hosts` ("127.0.0.1:9000") are allowed whatever their address is.

    `idle_seconds`: how long a server may stay silent.
    """

    def __init__(
        self, private_hosts: Collection[str], idle_seconds: float, resolve: Resolve = resolve
    ) -> None:
        self._private_hosts = frozenset(host.lower() for host in private_hosts)
        self._resolve = resolve
        self._timeout = httpx.Timeout(idle_seconds, connect=min(idle_seconds, _CONNECT_SECONDS), pool=None)
        # Without httpx's client, which has cookies and proxies and opinions on redirects.
        # A connection kept open would be found by its address and serve another host at the same one.
        self._transport = httpx.AsyncHTTPTransport(
            verify=certificates(by_environment=False),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            trust_env=False,
        )

    async def aclose(self) -> None:
        await self._transport.aclose()

    @asynccontextmanager
    async def open(
        self, url: str, *, max_bytes: int, token_for: TokenFor | None = None
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The body of an http(s) URL, in chunks.

        BadMedia: bad_link, forbidden_address(host), dead_link(status or reason), file_too_large(limit) where
        the server announces more than `max_bytes`. TryLater for what may work later, while reading too.
        """
        response = await self._follow(_parse(url), token_for)
        try:
            if int(response.headers.get("Content-Length") or 0) > max_bytes:
                raise BadMedia("file_too_large", limit=max_bytes)
            yield _body(response, url)
        finally:
            await response.aclose()

    async def _follow(self, url: httpx.URL, token_for: TokenFor | None) -> httpx.Response:
        for _ in range(_MAX_REDIRECTS + 1):
            response = await self._get_with_token_if_due(url, token_for)
            if response.is_success:
                return response
            await response.aclose()
            if not response.has_redirect_location:
                raise _refusal(url, response)
            url = _next_hop(url, response.headers["Location"])
        raise BadMedia("dead_link", reason="too_many_redirects")

    async def _get_with_token_if_due(self, url: httpx.URL, token_for: TokenFor | None) -> httpx.Response:
        """Without a token first: only a URL that demands one, and that is to have one, gets it."""
        addresses = await self._checked_addresses(url)
        response = await self._get(url, addresses, {})
        if response.status_code not in (401, 403):
            return response
        token = token_for(str(url)) if token_for else None
        if token is None:
            return response
        await response.aclose()
        return await self._get(url, addresses, {"Authorization": token})

    async def _checked_addresses(self, url: httpx.URL) -> Sequence[str]:
        host, port = _origin(url)
        known = _shown(host, port) in self._private_hosts
        if not known and port <= _FIRST_USER_PORT and port not in _DEFAULT_PORTS.values():
            raise BadMedia("forbidden_address", host=host)
        addresses = await self._addresses(host, port)
        if not known and not all(is_public(address) for address in addresses):
            raise BadMedia("forbidden_address", host=host)
        return addresses[:_ADDRESSES_TRIED]

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            addresses = await self._resolve(host, port)
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                raise TryLater(f"the name server doesn't answer for {host}") from error
            raise BadMedia("dead_link", reason="no_such_host") from error
        except (OSError, UnicodeError) as error:
            raise BadMedia("dead_link", reason="no_such_host") from error
        if not addresses:
            raise BadMedia("dead_link", reason="no_such_host")
        return list(dict.fromkeys(addresses))

    async def _get(self, url: httpx.URL, addresses: Sequence[str], headers: dict[str, str]) -> httpx.Response:
        """Ask the first address that takes a connection."""
        trouble: Exception = httpx.ConnectError("no address")
        for address in addresses:
            try:
                return await self._get_at(url, address, headers)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                trouble = error
            except httpx.TransportError as error:
                raise _later(url, error) from error
        raise _later(url, trouble) from trouble

    async def _get_at(self, url: httpx.URL, address: str, headers: dict[str, str]) -> httpx.Response:
        """Ask this address for the URL, in the name of its host."""
        host = url.raw_host.decode("ascii")
        request = httpx.Request(
            "GET",
            url.copy_with(host=address, fragment=None),
            headers={"Host": url.netloc.decode("ascii"), **_HEADERS, **headers},
            extensions={"sni_hostname": host, "timeout": self._timeout.as_dict()},
        )
        return await self._transport.handle_async_request(request)


def decode_data_uri(uri: str, max_bytes: int) -> bytes:
    """The bytes of a data: URI (RFC 2397). BadMedia: bad_link, file_too_large(limit). Blocking."""
    head, comma, data = uri.partition(",")
    if not comma:
        raise BadMedia("bad_link")
    is_base64 = head.rstrip().lower().endswith(";base64")
    # Three bytes take four characters of base64; a byte takes up to three when it is percent-encoded.
    if len(data) > 3 * max_bytes or (
        is_base64 and len(data.rstrip("=")) * 3 // 4 > max_bytes and "%" not in data
    ):
        raise BadMedia("file_too_large", limit=max_bytes)
    decoded = unquote_to_bytes(data)
    if is_base64:
        decoded = _decode_base64(decoded)
    if len(decoded) > max_bytes:
        raise BadMedia("file_too_large", limit=max_bytes)
    return decoded


def _decode_base64(data: bytes) -> bytes:
    """Padding may be missing and white space may stand in it, as browsers allow."""
    packed = b"".join(data.split()).rstrip(b"=")
    try:
        return base64.b64decode(packed + b"=" * (-len(packed) % 4), validate=True)
    except binascii.Error as error:
        raise BadMedia("bad_link") from error


def _parse(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise BadMedia("bad_link") from error
    good_host = _HOST.fullmatch(parsed.raw_host) and (parsed.port or 0) < 65_536
    if parsed.scheme not in _DEFAULT_PORTS or parsed.userinfo or not good_host:
        raise BadMedia("bad_link")
    return parsed


def _origin(url: httpx.URL) -> tuple[str, int]:
    return url.raw_host.decode("ascii").lower(), url.port or _DEFAULT_PORTS[url.scheme]


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _next_hop(url: httpx.URL, location: str) -> httpx.URL:
    try:
        target = _parse(str(url.join(location)))
    except (BadMedia, httpx.InvalidURL) as error:
        raise BadMedia("dead_link", reason="bad_redirect") from error
    if url.scheme == "https" and target.scheme == "http":
        raise BadMedia("dead_link", reason="insecure_redirect")
    return target


def _refusal(url: httpx.URL, response: httpx.Response) -> Exception:
    status = response.status_code
    if status < 500 and status not in _BUSY:
        return BadMedia("dead_link", status=status)
    patience = response.headers.get("Retry-After", "")
    return TryLater(
        f"{url.host} answered {status}",
        retry_after=float(patience) if patience.isascii() and patience.isdigit() else None,
    )


def _later(url: httpx.URL, error: Exception) -> TryLater:
    """Without the error's own text, in which the address may stand with its secrets."""
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout():
            what = "can't be reached"
        case httpx.TimeoutException():
            what = "doesn't answer in time"
        case httpx.DecodingError():
            what = "sent something that can't be unpacked"
        case _:
            what = "broke the connection off"
    return TryLater(f"{url.host} {what}")


async def _body(response: httpx.Response, url: str) -> AsyncIterator[bytes]:
    """A body shorter than announced ends in RemoteProtocolError, which is a TransportError."""
    try:
        async for chunk in response.aiter_bytes():
            yield chunk
    except (httpx.TransportError, httpx.DecodingError) as error:
        raise _later(httpx.URL(url), error) from error
