"""A model's OpenAPI document, as Cog would write it (https://github.com/replicate/cog)."""

from __future__ import annotations

import hashlib

from bot.catalogue.schema import Input, Model, OutputShape, Shape, Type
from bot.sandbox.inputs import EVENTS, TYPES
from bot.sandbox.work import Json

COG_VERSION = "0.8.6"
CREATED_AT = "2023-11-06T23:13:07.906314Z"
"""Models of the sandbox are as old as this; the catalogue doesn't know their real age."""


def version_id(model: Model) -> str:
    """64 hex digits; made up for official models, whose catalogue entry has none."""
    return model.version or hashlib.sha256(model.full_name.encode()).hexdigest()


def version_json(model: Model) -> Json:
    return {
        "id": version_id(model),
        "created_at": CREATED_AT,
        "cog_version": COG_VERSION,
        "openapi_schema": openapi(model),
    }


def model_json(model: Model, runs: int) -> Json:
    return {
        "url": f"https://replicate.com/{model.full_name}",
        "owner": model.owner,
        "name": model.name,
        "description": model.summary,
        "visibility": "public",
        "is_official": not model.version,
        "github_url": None,
        "paper_url": None,
        "license_url": None,
        "run_count": runs,
        "cover_image_url": None,
        "default_example": None,
        "latest_version": version_json(model),
    }


def openapi(model: Model) -> Json:
    return {
        "openapi": "3.0.2",
        "info": {"title": "Cog", "version": "0.1.0"},
        "paths": {"/predictions": {"post": _predict()}},
        "components": {
            "schemas": {"Input": _input(model), **_enums(model), **_output(model.output), **_envelope()}
        },
    }


def _input(model: Model) -> Json:
    required = [entry.name for entry in model.inputs if entry.required]
    properties = {entry.name: _property(entry, order) for order, entry in enumerate(model.inputs)}
    head = {"type": "object", "title": "Input", "properties": properties}
    return {**head, "required": required} if required else head


def _property(entry: Input, order: int) -> Json:
    found: dict[str, Json] = {}
    if entry.choices:
        found["allOf"] = [{"$ref": f"#/components/schemas/{entry.name}"}]
    else:
        found |= {"type": TYPES[entry.type], "title": _title(entry.name)}
        if entry.type is Type.FILE:
            found["format"] = "uri"
        if entry.type is Type.FILES:
            found["items"] = {"type": "string", "format": "uri"}
    if entry.default is not None:
        found["default"] = entry.default
    for bound in ("minimum", "maximum"):
        if bound not in entry.ours and getattr(entry, bound) is not None and not entry.choices:
            found[bound] = getattr(entry, bound)
    return {**found, "x-order": order, "description": entry.help}


def _enums(model: Model) -> dict[str, Json]:
    return {
        entry.name: {
            "enum": list(entry.choices),
            "type": TYPES[entry.type],
            "title": entry.name,
            "description": "An enumeration.",
        }
        for entry in model.inputs
        if entry.choices
    }


def _output(output: OutputShape) -> dict[str, Json]:
    file = {"type": "string", "format": "uri"}
    match output.shape:
        case Shape.URL:
            return {"Output": {**file, "title": "Output"}}
        case Shape.LIST:
            return {"Output": {"type": "array", "items": file, "title": "Output"}}
        case Shape.GROWING_LIST:
            growing = {"type": "array", "items": file, "title": "Output", "x-cog-array-type": "iterator"}
            return {"Output": growing}
        case Shape.OBJECT:
            properties: dict[str, Json] = {
                part.key: {**file, "title": _title(part.key)} for part in output.parts
            }
            if output.error_key:
                properties[output.error_key] = {"type": "string", "title": _title(output.error_key)}
            parts = {"type": "object", "title": "ModelOutput", "properties": properties}
            return {"Output": {"$ref": "#/components/schemas/ModelOutput"}, "ModelOutput": parts}


def _envelope() -> dict[str, Json]:
    text = {"type": "string"}
    status = ["starting", "processing", "succeeded", "canceled", "failed"]
    request = {
        "input": {"$ref": "#/components/schemas/Input"},
        "webhook": {"type": "string", "title": "Webhook", "format": "uri"},
        "webhook_events_filter": {"type": "array", "items": {"$ref": "#/components/schemas/WebhookEvent"}},
    }
    response = {
        "input": {"$ref": "#/components/schemas/Input"},
        "output": {"$ref": "#/components/schemas/Output"},
        "status": {"$ref": "#/components/schemas/Status"},
        "error": text,
        "logs": {"type": "string", "default": ""},
        "metrics": {"type": "object"},
    }
    return {
        "Status": {"enum": status, "type": "string", "title": "Status", "description": "An enumeration."},
        "WebhookEvent": {"enum": list(EVENTS), "type": "string", "title": "WebhookEvent"},
        "PredictionRequest": {"type": "object", "title": "PredictionRequest", "properties": request},
        "PredictionResponse": {"type": "object", "title": "PredictionResponse", "properties": response},
    }


def _predict() -> Json:
    def content(name: str) -> Json:
        return {"content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}}

    return {
        "summary": "Predict",
        "description": "Run a single prediction on the model",
        "operationId": "predict_predictions_post",
        "requestBody": content("PredictionRequest"),
        "responses": {"200": {**content("PredictionResponse"), "description": "Successful Response"}},
    }


def _title(name: str) -> str:
    return name.replace("_", " ").title()
