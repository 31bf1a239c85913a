"""Results, by addresses that work without a token."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from bot.sandbox.files import File
from bot.sandbox.refusals import Problem
from bot.sandbox.workshop import Workshop


class Delivery:
    """Results at /out/{key}/{filename}, for whoever knows the key."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop

    def routes(self) -> Sequence[web.RouteDef]:
        return [web.get("/out/{key}/{filename}", self.output, name="download")]

    async def output(self, request: web.Request) -> web.Response:
        file = self._workshop.outputs.get(request.match_info["key"])
        if file is None or file.name != request.match_info["filename"]:
            raise Problem(404, "File not found")
        return send(request, file)


def send(request: web.Request, file: File) -> web.Response:
    """The whole of it, or the range that was asked for (RFC 9110, section 14)."""
    headers = {"Accept-Ranges": "bytes", "Content-Type": file.mime, "X-Content-Type-Options": "nosniff"}
    size = len(file.data)
    try:
        wanted = request.http_range
    except ValueError:
        wanted = slice(size, size)
    if wanted.start is None and wanted.stop is None:
        return web.Response(body=file.data, headers=headers)
    start, stop, _ = wanted.indices(size)
    if start >= stop:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return web.Response(body=file.data[start:stop], status=206, headers=headers)
