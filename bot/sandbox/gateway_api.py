"""The endpoints of gateways: create and get, before which a key of their own is asked for.

Played after the one-api family, which resells Replicate under /replicate/v1. They take a version in the body
of /models/.../predictions, answer creates with 200, leave `urls` that lead to Replicate, and know the models
of an allow-list. Faults of the inputs come in Replicate's form, their own in theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiohttp import web

from bot.catalogue.schema import Model
from bot.sandbox import creation
from bot.sandbox.inputs import check_body
from bot.sandbox.refusals import (
    GatewayError,
    Refusal,
    answer,
    gateway_error_for,
    no_channel,
    no_such,
    no_such_path,
    no_token,
)
from bot.sandbox.wire import as_json
from bot.sandbox.work import Json
from bot.sandbox.workshop import Workshop

REPLICATE = "https://api.replicate.com"
ALLOWED = ("version", "input", "webhook", "webhook_events_filter", "stream")


class GatewayApi:
    prefix = "/replicate"

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop

    def routes(self) -> Sequence[web.RouteDef]:
        return [
            web.post("/replicate/v1/predictions", self.create, name="create"),
            web.post(
                "/replicate/v1/models/{owner}/{name}/predictions", self.create_by_name, name="create.by_name"
            ),
            web.get("/replicate/v1/predictions/{id}", self.get_prediction, name="get"),
        ]

    # -- how it refuses

    def unauthenticated(self, *, token_sent: bool) -> Refusal:
        return GatewayError(401, "无效的令牌", "") if token_sent else no_token()

    def no_such_endpoint(self, request: web.Request) -> Refusal:
        return no_such_path(request.method, request.path)

    def refusal_for(self, status: int) -> Refusal:
        return gateway_error_for(status)

    # -- predictions

    async def create(self, request: web.Request) -> web.Response:
        body = check_body(await creation.read_body(request), required=("version", "input"), allowed=ALLOWED)
        model = self._workshop.models.of_version(body["version"])
        if model is None:
            raise no_channel(body["version"])
        return await self._take(request, model, body)

    async def create_by_name(self, request: web.Request) -> web.Response:
        name = "{owner}/{name}".format(**request.match_info)
        model = self._workshop.models.named(name)
        body = check_body(await creation.read_body(request), required=("input",), allowed=ALLOWED)
        is_other = "version" in body and self._workshop.models.of_version(body["version"]) is not model
        if model is None or is_other:
            raise no_channel(name)
        return await self._take(request, model, body)

    async def _take(self, request: web.Request, model: Model, body: Mapping[str, Json]) -> web.Response:
        """Webhooks are not passed on."""
        passed_on = {key: body[key] for key in body if not key.startswith("webhook")}
        order = creation.read_order(request, model, passed_on, api=REPLICATE, any_webhook=False)
        prediction = self._workshop.take(order)
        return await creation.answer_created(self._workshop, prediction, status=200, waiting_status=200)

    async def get_prediction(self, request: web.Request) -> web.Response:
        prediction = self._workshop.book.find(request.match_info["id"])
        if prediction is None:
            raise no_such("prediction")
        return answer(as_json(prediction))
