"""Bodies of requests, strictly read, and refusals as the page takes them."""

from __future__ import annotations

from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from adapters.web import render
from bot.catalogue import Model
from bot.errors import ForPerson
from bot.jobs import Actor


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


B = TypeVar("B", bound=Body)


async def body_of(request: web.Request, kind: type[B]) -> B:
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType
    try:
        return kind.model_validate_json(await request.read())
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, one["loc"])) or "body" for one in error.errors()}))
        raise web.HTTPBadRequest(text=f"Not understood: {fields}") from error


def sorry(error: ForPerson, model: Model | None, actor: Actor, status: int = 422) -> web.Response:
    return web.json_response(render.mistakes(error, model, actor.language), status=status)
