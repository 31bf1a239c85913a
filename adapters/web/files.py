"""Uploads in; kept media and the page's own files out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from aiohttp import web
from aiohttp.typedefs import Handler

from adapters import words
from adapters.web.render import file_of
from adapters.web.sessions import ACTOR
from bot.errors import BadMedia, TryLater
from bot.ports import Core

STATIC = Path(__file__).parent / "static"

TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "avif": "image/avif",
    "bmp": "image/bmp",
    "mp4": "video/mp4",
    "m4v": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "ogv": "video/ogg",
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
    "wav": "audio/wav",
    "ogg": "audio/ogg",
    "oga": "audio/ogg",
    "opus": "audio/ogg",
    "flac": "audio/flac",
    "aac": "audio/aac",
}
"""What a browser may show in the page, by extension; nothing that could hold a script, such as SVG."""

PIECE = 256 * 1024


class Uploads:
    """Takes files in, not too many at a time: `most` in `per` seconds for a person."""

    def __init__(self, core: Core, now: Callable[[], float], *, most: int = 60, per: float = 600) -> None:
        self._core = core
        self._most = most
        self._per = per
        self._now = now
        self._recent: dict[str, deque[float]] = {}

    async def take(self, request: web.Request) -> web.Response:
        """POST /api/files?name=...: the body is the file."""
        actor = request[ACTOR]
        if not self._may(actor.id):
            return _refused("That were many files at once; wait a few minutes.", 429)
        try:
            file = await self._core.keep(
                request.query.get("name", "file"), request.content.iter_chunked(PIECE)
            )
        except BadMedia as error:
            facts = {**error.facts, "option": words.clean(request.query.get("name", "file"))}
            return _refused(words.say(f"problem.{error.code}", facts, actor.language), 413)
        except TryLater:
            return _refused(words.say("refused.try_later", {}, actor.language), 503)
        return web.json_response(file_of(file), status=201)

    def _may(self, person: str) -> bool:
        now = self._now()
        recent = self._recent.setdefault(person, deque())
        while recent and recent[0] <= now - self._per:
            recent.popleft()
        if len(recent) >= self._most:
            return False
        recent.append(now)
        return True


def _refused(why: str, status: int) -> web.Response:
    response = web.json_response({"error": why}, status=status)
    response.force_close()  # the rest of the body is not waited for
    return response


def media(path_of: Callable[[str], Path | None]) -> Handler:
    """GET /media/{digest}/{name}: a kept file, in ranges where asked for; ?download to save it."""

    async def handler(request: web.Request) -> web.StreamResponse:
        path = path_of(request.match_info["digest"])
        if path is None:
            raise web.HTTPNotFound(text="This file is no longer kept.")
        name = request.match_info["name"]
        kind = TYPES.get(PurePosixPath(name).suffix.removeprefix(".").lower())
        manner = "inline" if kind and "download" not in request.query else "attachment"
        headers = {
            "Content-Type": kind or "application/octet-stream",
            "Content-Disposition": f"{manner}; filename*=UTF-8''{quote(name, safe='')}",
            "Cache-Control": "private, max-age=31536000, immutable",
        }
        return web.FileResponse(path, headers=headers)

    return handler


# -- the page's own files


def page(name: str) -> web.FileResponse:
    """A file of the page. Asked for anew each time, mostly to hear that nothing has changed."""
    return web.FileResponse(STATIC / name, headers={"Cache-Control": "no-cache"})


def static_routes() -> list[web.RouteDef]:
    """Exactly the files that are there."""

    async def serve(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in names:
            raise web.HTTPNotFound
        return page(name)

    names = frozenset(file.name for file in STATIC.iterdir() if file.suffix != ".html")
    return [web.get("/static/{name}", serve)]
