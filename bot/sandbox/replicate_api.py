"""Replicate's endpoints (https://replicate.com/docs/reference/http)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from aiohttp import web

from bot.catalogue.schema import Model
from bot.sandbox import creation
from bot.sandbox.files_api import OWNER, FilesApi
from bot.sandbox.inputs import check_body
from bot.sandbox.predictions import Cursor, Prediction
from bot.sandbox.refusals import (
    Problem,
    Refusal,
    answer,
    invalid_version,
    no_such,
    no_such_resource,
    problem_for,
    unauthenticated,
)
from bot.sandbox.schema import model_json, version_id, version_json
from bot.sandbox.wire import as_json, only_page
from bot.sandbox.work import Json
from bot.sandbox.workshop import Workshop

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
            web.get("/v1/account", self.account, name="account"),
            web.get("/v1/webhooks/default/secret", self.webhook_secret, name="webhook_secret"),
            *FilesApi(self._workshop).routes(),
        ]

    # -- how it refuses

    def unauthenticated(self, *, token_sent: bool) -> Refusal:
        return unauthenticated(token_sent=token_sent)

    def no_such_endpoint(self, request: web.Request) -> Refusal:
        return no_such_resource()

    def refusal_for(self, status: int) -> Refusal:
        return problem_for(status)

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
        return answer(only_page([self._model_json(model) for model in self._workshop.models]))

    async def get_model(self, request: web.Request) -> web.Response:
        return answer(self._model_json(self._model(request)))

    async def list_versions(self, request: web.Request) -> web.Response:
        """Official models have no list of versions."""
        model = self._model(request)
        if not model.version:
            raise no_such_resource()
        return answer(only_page([version_json(model)]))

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

    # -- the rest

    async def account(self, request: web.Request) -> web.Response:
        github = "https://github.com/replicate"
        return answer({"type": "user", "username": OWNER, "name": "Sandbox", "github_url": github})

    async def webhook_secret(self, request: web.Request) -> web.Response:
        return answer({"key": self._workshop.webhooks.secret})


# -- pages


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
