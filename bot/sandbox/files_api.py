"""Replicate's Files API (https://replicate.com/docs/topics/predictions/input-files)."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Sequence

from aiohttp import BodyPartReader, web

from bot.sandbox.delivery import send
from bot.sandbox.files import LARGEST_FILE, File, checksums
from bot.sandbox.predictions import new_id
from bot.sandbox.refusals import Problem, answer, no_such, too_large
from bot.sandbox.wire import moment, only_page
from bot.sandbox.work import Json
from bot.sandbox.workshop import Workshop

OWNER = "sandbox"


class FilesApi:
    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop

    def routes(self) -> Sequence[web.RouteDef]:
        return [
            web.post("/v1/files", self.upload, name="files"),
            web.get("/v1/files", self.list_files, name="files.list"),
            web.get("/v1/files/{file}", self.get_file, name="files.get"),
            web.delete("/v1/files/{file}", self.delete_file, name="files.delete"),
            web.get("/v1/files/{file}/download", self.download, name="download.upload"),
        ]

    async def upload(self, request: web.Request) -> web.Response:
        if not request.content_type.startswith("multipart/"):
            raise Problem(400, "Files are uploaded as multipart/form-data")
        name, mime, data, metadata = await _read_upload(request)
        now = self._workshop.now()
        file = File(
            id=new_id(),
            name=name,
            mime=mime,
            data=data,
            created_at=now,
            expires_at=now + self._workshop.output_ttl,
            metadata=metadata,
            checksums=await asyncio.to_thread(checksums, data),
        )
        self._workshop.uploads.put(file)
        return answer(self._file_json(request, file), status=201)

    async def list_files(self, request: web.Request) -> web.Response:
        files = self._workshop.uploads.newest_first()
        return answer(only_page([self._file_json(request, file) for file in files]))

    async def get_file(self, request: web.Request) -> web.Response:
        file = self._workshop.uploads.get(request.match_info["file"])
        if file is None:
            raise no_such("file")
        return answer(self._file_json(request, file))

    async def delete_file(self, request: web.Request) -> web.Response:
        if not self._workshop.uploads.drop(request.match_info["file"]):
            raise no_such("file")
        return web.Response(status=204)

    async def download(self, request: web.Request) -> web.Response:
        """For whoever has a signed address."""
        key, query = request.match_info["file"], request.query
        owner, expiry, signature = (query.get(name, "") for name in ("owner", "expiry", "signature"))
        file = self._workshop.uploads.get(key)
        if file is None or not self._workshop.signatures.is_good(owner, key, expiry, signature):
            raise Problem(404, "File not found")
        return send(request, file)

    def _file_json(self, request: web.Request, file: File) -> Json:
        """`urls.download` is the sandbox's own: on Replicate only its own machines know that address."""
        address = request.url.origin() / "v1" / "files" / file.id
        expiry = math.ceil(file.expires_at or 0)
        signature = self._workshop.signatures.sign(OWNER, file.id, expiry)
        signed = (address / "download").with_query(owner=OWNER, expiry=expiry, signature=signature)
        return {
            "id": file.id,
            "name": file.name,
            "content_type": file.mime,
            "size": len(file.data),
            "etag": file.checksums["md5"],
            "checksums": file.checksums,
            "metadata": file.metadata,
            "created_at": moment(file.created_at),
            "expires_at": moment(file.expires_at),
            "urls": {"get": str(address), "download": str(signed)},
        }


async def _read_upload(request: web.Request) -> tuple[str, str, bytes, dict[str, Json]]:
    """Name, type, bytes and metadata. Raises a 413 or a 400."""
    content: bytes | None = None
    texts = {"type": "", "filename": "", "metadata": "{}"}
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            raise Problem(400, "A part must not have parts itself")
        if part.name == "content":
            texts["filename"] = texts["filename"] or part.filename or ""
            texts["type"] = texts["type"] or part.headers.get("Content-Type", "")
            content = await _read_part(part, LARGEST_FILE)
        elif part.name in texts:
            texts[part.name] = (await _read_part(part, 64 * 1024)).decode("utf-8", "replace")
    if content is None:
        raise Problem(400, "Missing content")
    if not texts["filename"] or len(texts["filename"].encode()) > 255:
        raise Problem(400, "filename must have 1 to 255 bytes")
    return (
        texts["filename"],
        texts["type"] or "application/octet-stream",
        content,
        _metadata(texts["metadata"]),
    )


async def _read_part(part: BodyPartReader, limit: int) -> bytes:
    data = bytearray()
    while chunk := await part.read_chunk(256 * 1024):
        data += chunk
        if len(data) > limit:
            raise too_large()
    return bytes(data)


def _metadata(text: str) -> dict[str, Json]:
    try:
        metadata = json.loads(text)
    except ValueError:
        metadata = None
    if not isinstance(metadata, dict):
        raise Problem(400, "metadata must be a JSON object")
    return metadata
