"""What each kind of API can do, and how each wants a prediction to be asked for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import quote

from bot.catalogue.schema import Model
from bot.jobs import Json

Kind: TypeAlias = Literal["replicate", "gateway", "sandbox"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an API has besides create and get.

    `files`: uploads. `schema`: a model's OpenAPI document. `version_in_model_body`: requests to
    /models/{owner}/{name}/predictions name the version, which Replicate forbids there. `deadline`: a create
    may say when the provider stops it by itself.
    """

    list: bool
    cancel: bool
    files: bool
    schema: bool
    account: bool
    webhooks: bool
    version_in_model_body: bool
    deadline: bool


_REPLICATE = Capabilities(
    list=True,
    cancel=True,
    files=True,
    schema=True,
    account=True,
    webhooks=True,
    version_in_model_body=False,
    deadline=True,
)
_GATEWAY = Capabilities(
    list=False,
    cancel=False,
    files=False,
    schema=False,
    account=False,
    webhooks=False,
    version_in_model_body=True,
    deadline=False,
)
CAPABILITIES: Mapping[Kind, Capabilities] = {
    "replicate": _REPLICATE,
    "sandbox": _REPLICATE,
    "gateway": _GATEWAY,
}


def create_request(
    kind: Kind, model: Model, inputs: Mapping[str, Json], *, webhook: str | None = None
) -> tuple[str, dict[str, Json]]:
    """The path after /v1 and the body that ask for a prediction.

    `version` has three forms: 64 hex digits, "owner/name:" with those digits, and, for official models only,
    "owner/name" (https://replicate.com/changelog/2025-08-05-run-all-models-with-the-same-api-endpoint). The
    webhook is left out where the API has none.
    """
    can = CAPABILITIES[kind]
    body: dict[str, Json] = {"input": dict(inputs)}
    if webhook is not None and can.webhooks:
        body |= {"webhook": webhook, "webhook_events_filter": ["completed"]}
    endpoint = model.gateway_endpoint if kind == "gateway" else model.endpoint
    if endpoint == "model":
        if model.version and can.version_in_model_body:
            body["version"] = model.version
        return f"{model_path(model)}/predictions", body
    body["version"] = _version(kind, model)
    return "/predictions", body


def model_path(model: Model) -> str:
    return f"/models/{quote(model.owner, safe='')}/{quote(model.name, safe='')}"


def _version(kind: Kind, model: Model) -> str:
    if not model.version:
        return model.full_name
    return f"{model.full_name}:{model.version}" if kind == "gateway" else model.version
