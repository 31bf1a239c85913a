"""The bytes of file inputs: from data URIs, from our own uploads, from the network."""

from __future__ import annotations

import asyncio
import base64
import binascii
import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes, urlsplit, urlunsplit

import httpx

from bot.catalogue.schema import Model
from bot.sandbox.files import LARGEST_FILE, Shelf
from bot.sandbox.work import Json, ModelError

TIMEOUT = 30.0
LONG = 256 * 1024
UPLOAD = re.compile(r"/v1/files/([^/]+)/?$")


class Outside:
    """Clients for other hosts. The environment's proxies are for others, not for this machine."""

    def __init__(self) -> None:
        self._clients: dict[bool, httpx.AsyncClient] = {}

    def client(self, url: str) -> httpx.AsyncClient:
        near = is_loopback(urlsplit(url).hostname or "")
        if near not in self._clients:
            self._clients[near] = httpx.AsyncClient(trust_env=not near)
        return self._clients[near]

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()


async def fetch_files(
    model: Model, given: Mapping[str, Json], uploads: Shelf, outside: Outside
) -> dict[str, tuple[bytes, ...]]:
    """The bytes of each file input that was given. Raises ModelError where a file is not to be had."""
    files = {}
    for entry in model.inputs:
        if entry.is_file and entry.name in given:
            value = given[entry.name]
            urls = value if isinstance(value, list) else [value]
            files[entry.name] = tuple([await _fetch(url, uploads, outside) for url in urls])
    return files


async def _fetch(url: str, uploads: Shelf, outside: Outside) -> bytes:
    if url[:5].lower() == "data:":
        return await asyncio.to_thread(_decoded, url) if len(url) > LONG else _decoded(url)
    parts = urlsplit(url)
    if parts.scheme.lower() not in ("http", "https"):
        raise ModelError(f"Input validation error: {parts.scheme} is no scheme that files are fetched by")
    if (match := UPLOAD.search(parts.path)) and (file := uploads.get(match[1])):
        return file.data
    try:
        return await _download(url, outside)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ModelError(f"Input validation error: {type(error).__name__} for url: {_shown(url)}") from error


async def _download(url: str, outside: Outside) -> bytes:
    data = bytearray()
    request = outside.client(url).stream("GET", url, timeout=TIMEOUT, follow_redirects=True)
    async with request as answer:
        if not answer.is_success:
            who = "Client" if answer.status_code < 500 else "Server"
            said = f"{answer.status_code} {who} Error: {answer.reason_phrase}"
            raise ModelError(f"Input validation error: {said} for url: {_shown(url)}")
        async for chunk in answer.aiter_bytes():
            data += chunk
            if len(data) > LARGEST_FILE:
                raise ModelError(f"Input validation error: more than 100MB at url: {_shown(url)}")
    return bytes(data)


def _decoded(uri: str) -> bytes:
    """RFC 2397."""
    head, _, body = uri.partition(",")
    if not head.lower().endswith(";base64"):
        return unquote_to_bytes(body)
    try:
        return base64.b64decode(unquote_to_bytes(body) if "%" in body else body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ModelError("Input validation error: a data URI that is no base64") from error


def _shown(url: str) -> str:
    """Without its query, in which a signature may stand."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))[:200]


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
