"""Files that people attached in Slack -> kept files. The token goes to Slack's own hosts and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from urllib.parse import urljoin, urlsplit

import aiohttp

from adapters.slack.calls import Calls, Declined
from adapters.slack.clients import LOOPBACK
from bot.errors import BadMedia, TryLater
from bot.jobs import FileRef, Json
from bot.ports import Core

HOSTS = ("slack.com", "slack-edge.com", "slack-files.com", "slack-gov.com")
"""With all names under them: https://docs.slack.dev/reference/objects/file-object"""

HOPS = 5
PIECE = 256 * 1024
DOWNLOAD = aiohttp.ClientTimeout(total=600, sock_connect=10, sock_read=60)


class PrivateFiles:
    """Fetches by the bot's token what only members see."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def keep(self, core: Core, team: str, id_: str, name: str) -> FileRef:
        """The file of this id in our media folder.

        BadMedia: not_handed_out, file_too_large. TryLater where Slack can't be reached.
        """
        file = await self._file(team, id_, name)
        try:
            return await core.keep(file.get("name") or name, self._bytes(team, file))
        except (TimeoutError, aiohttp.ClientError) as error:
            raise TryLater(f"{name}: {type(error).__name__}") from error

    async def read(self, team: str, id_: str, name: str, *, limit: int) -> bytes:
        """A small file, which is kept nowhere. Raises as `keep` does; `limit` in bytes."""
        file, content = await self._file(team, id_, name), bytearray()
        try:
            async with aclosing(self._bytes(team, file)) as pieces:
                async for piece in pieces:
                    content += piece
                    if len(content) > limit:
                        raise BadMedia("file_too_large", name=name, limit=limit)
        except (TimeoutError, aiohttp.ClientError) as error:
            raise TryLater(f"{name}: {type(error).__name__}") from error
        return bytes(content)

    async def _file(self, team: str, id_: str, name: str) -> Json:
        try:
            file = (await self._calls.call(team, "files.info", file=id_))["file"]
        except Declined as error:
            raise BadMedia("not_handed_out", name=name) from error
        if not _address(file):
            raise BadMedia("not_handed_out", name=name)
        return file

    async def _bytes(self, team: str, file: Json) -> AsyncGenerator[bytes, None]:
        url = _address(file)
        token = (await self._calls.clients.of(team)).token
        for _ in range(HOPS):
            if not self._is_slacks(url):
                raise BadMedia("not_handed_out", name=file.get("name"))
            async with self._calls.clients.session.get(
                url,
                headers={"Authorization": f"Bearer {token}"},
                allow_redirects=False,
                timeout=DOWNLOAD,
            ) as answer:
                if answer.status in (301, 302, 303, 307, 308):
                    url = urljoin(url, answer.headers.get("Location", ""))
                    continue
                _check(answer, file)
                async for piece in answer.content.iter_chunked(PIECE):
                    yield piece
                return
        raise BadMedia("not_handed_out", name=file.get("name"))

    def _is_slacks(self, url: str) -> bool:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            return False
        host = (parts.hostname or "").lower()
        if (played := self._calls.clients.played) is not None:
            return host in LOOPBACK and port == played
        known = any(host == name or host.endswith(f".{name}") for name in HOSTS)
        return parts.scheme == "https" and known and port in (None, 443)


def _address(file: Json) -> str:
    return str(file.get("url_private_download") or file.get("url_private") or "")


def _check(answer: aiohttp.ClientResponse, file: Json) -> None:
    """Whom Slack doesn't know is shown a page to sign in, with status 200."""
    if answer.status == 429 or answer.status >= 500:
        raise TryLater(f"{file.get('name')}: {answer.status}")
    is_page = answer.content_type == "text/html" and file.get("mimetype") != "text/html"
    if answer.status != 200 or is_page:
        raise BadMedia("not_handed_out", name=file.get("name"))
