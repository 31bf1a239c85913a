"""Replicate's endpoints (https://replicate.com/docs/reference/http)."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from aiohttp import BodyPartReader, web

from bot.catalogue.schema import Model
from bot.sandbox import creation
from bot.sandbox.files import LARGEST_FILE, File, checksums
from bot.sandbox.inputs import check_body
from bot.sandbox.predictions import Cursor, Prediction, as_json, moment, new_id
from bot.sandbox.refusals import (
    Problem,
    Refusal,
    answer,
    invalid_version,
    no_such,
    no_such_resource,
    problem_for,
    too_large,
    unauthenticated,
)
from bot.sandbox.schema import model_json, version_id, version_json
from bot.sandbox.work import Json
from bot.sandbox.workshop import Workshop

OWNER = "sandbox"
OPTIONAL = ("input", "webhook", "webhook_events_filter", "stream")


class ReplicateApi:
    """`any_webhook`: webhooks may lead to other machines."""

    prefix = ""

    def __init__(self, workshop: Workshop, *, any_webhook: bool) -> None:
        self._workshop = workshop
        self._any_webhook = any_webhook

    def routes(self) -> Sequence[web.RouteDef]:
        model = "/v1/models/{owner}/{name}"
        return [
            web.post("/v1/predictions", self.create, name="create"),
            web.post(f"{model}/predictions", self.create_official, name="create.official"),
            web.get("/v1/predictions", self.list_predictions, name="list"),
            web.get("/v1/predictions/{id}", self.get_prediction, name="get"),
            web.post("/v1/predictions/{id}/cancel", self.cancel, name="cancel"),
            web.get("/v1/models", self.list_models, name="models"),
            web.get(model, self.get_model, name="models.get"),
            web.get(f"{model}/versions", self.list_versions, name="models.versions"),
            web.get(f"{model}/versions/{{id}}", self.get_version, name="models.version"),
            web.post("/v1/files", self.upload, name="files"),
            web.get("/v1/files", self.list_files, name="files.list"),
            web.get("/v1/files/{file}", self.get_file, name="files.get"),
            web.delete("/v1/files/{file}", self.delete_file, name="files.delete"),
            web.get("/v1/account", self.account, name="account"),
            web.get("/v1/webhooks/default/secret", self.webhook_secret, name="webhook_secret"),
        ]

    # -- how it refuses

    def unauthenticated(self, *, token_sent: bool) -> Refusal:
        return unauthenticated(token_sent=token_sent)

    def no_such_endpoint(self, request: web.Request) -> Refusal:
        return no_such_resource()

    def refusal_for(self, status: int) -> Refusal:
        return problem_for(status)

    async def model_of(self, request: web.Request) -> Model | None:
        return await model_of(request, self._workshop)

    # -- predictions

    async def create(self, request: web.Request) -> web.Response:
        body = check_body(
            await creation.read_body(request), required=("version", "input"), allowed=("version", *OPTIONAL)
        )
        model = self._workshop.models.of_version(body["version"])
        if model is None:
            raise invalid_version()
        return await self._take(request, model, body)

    async def create_official(self, request: web.Request) -> web.Response:
        model = self._model(request)
        if model.version:
            raise no_such_resource()
        body = check_body(await creation.read_body(request), required=("input",), allowed=OPTIONAL)
        return await self._take(request, model, body)

    async def _take(self, request: web.Request, model: Model, body: Json) -> web.Response:
        api = str(request.url.origin())
        order = creation.read_order(request, model, body, api=api, any_webhook=self._any_webhook)
        prediction = self._workshop.take(order)
        return await creation.answer_created(self._workshop, prediction, status=201, waiting_status=202)

    async def get_prediction(self, request: web.Request) -> web.Response:
        return answer(as_json(self._prediction(request)))

    async def cancel(self, request: web.Request) -> web.Response:
        prediction = self._prediction(request)
        self._workshop.cancel(prediction)
        return answer(as_json(prediction))

    async def list_predictions(self, request: web.Request) -> web.Response:
        """100 a page, newest first. All are made through the API, so that source=web gives none."""
        query = request.query
        if query.get("source", "web") != "web":
            raise Problem(422, "source must be web", title="Invalid query")
        if "source" in query:
            return answer({"next": None, "previous": None, "results": []})
        page = self._workshop.book.page(
            _read_cursor(query.get("cursor")),
            after=_read_moment(query, "created_after"),
            before=_read_moment(query, "created_before"),
        )
        links = {"next": _page_url(request, page.next), "previous": _page_url(request, page.previous)}
        return answer({**links, "results": [as_json(one, logs=False) for one in page.predictions]})

    def _prediction(self, request: web.Request) -> Prediction:
        prediction = self._workshop.book.find(request.match_info["id"])
        if prediction is None:
            raise no_such("prediction")
        return prediction

    # -- models

    async def list_models(self, request: web.Request) -> web.Response:
        return answer(_only_page([self._model_json(model) for model in self._workshop.models]))

    async def get_model(self, request: web.Request) -> web.Response:
        return answer(self._model_json(self._model(request)))

    async def list_versions(self, request: web.Request) -> web.Response:
        """Official models have no list of versions."""
        model = self._model(request)
        if not model.version:
            raise no_such_resource()
        return answer(_only_page([version_json(model)]))

    async def get_version(self, request: web.Request) -> web.Response:
        model = self._model(request)
        if request.match_info["id"] != version_id(model):
            raise no_such("version")
        return answer(version_json(model))

    def _model(self, request: web.Request) -> Model:
        model = self._workshop.models.named("{owner}/{name}".format(**request.match_info))
        if model is None:
            raise no_such_resource()
        return model

    def _model_json(self, model: Model) -> Json:
        return model_json(model, self._workshop.runs[model.command])

    # -- files

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
        return answer(_only_page([self._file_json(request, file) for file in files]))

    async def get_file(self, request: web.Request) -> web.Response:
        file = self._workshop.uploads.get(request.match_info["file"])
        if file is None:
            raise no_such("file")
        return answer(self._file_json(request, file))

    async def delete_file(self, request: web.Request) -> web.Response:
        if not self._workshop.uploads.drop(request.match_info["file"]):
            raise no_such("file")
        return web.Response(status=204)

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

    # -- the rest

    async def account(self, request: web.Request) -> web.Response:
        github = "https://github.com/replicate"
        return answer({"type": "user", "username": OWNER, "name": "Sandbox", "github_url": github})

    async def webhook_secret(self, request: web.Request) -> web.Response:
        return answer({"key": self._workshop.webhooks.secret})


async def model_of(request: web.Request, workshop: Workshop) -> Model | None:
    """The model that a request is about, where it can be told."""
    about = request.match_info
    if "owner" in about:
        return workshop.models.named("{owner}/{name}".format(**about))
    if "key" in about and (file := workshop.outputs.get(about["key"])):
        return next((model for model in workshop.models if model.command == file.model), None)
    if "id" in about:
        prediction = workshop.book.find(about["id"])
        return prediction.order.model if prediction else None
    if request.method == "POST" and request.path.endswith("/v1/predictions"):
        body = await creation.read_body(request)
        version = body.get("version") if isinstance(body, dict) else None
        return workshop.models.of_version(version) if isinstance(version, str) else None
    return None


# -- pages


def _only_page(results: list[Json]) -> Json:
    return {"next": None, "previous": None, "results": results}


def _page_url(request: web.Request, cursor: Cursor | None) -> str | None:
    if cursor is None:
        return None
    text = base64.urlsafe_b64encode(f"{cursor[0]}={cursor[1]}".encode()).decode()
    return str(request.url.update_query(cursor=text))


def _read_cursor(text: str | None) -> Cursor | None:
    if text is None:
        return None
    try:
        direction, _, number = base64.urlsafe_b64decode(text).decode().partition("=")
        if direction == "older":
            return "older", int(number)
        if direction == "newer":
            return "newer", int(number)
    except (binascii.Error, ValueError):
        pass
    raise Problem(404, "Invalid cursor")


def _read_moment(query: Mapping[str, str], name: str) -> float | None:
    """ISO 8601; without an offset it is UTC."""
    if name not in query:
        return None
    try:
        when = datetime.fromisoformat(query[name])
    except ValueError as error:
        raise Problem(422, f"{name} must be a date and time in ISO 8601", title="Invalid query") from error
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


# -- uploads


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
