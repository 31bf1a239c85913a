"""Checks of a request's body and inputs, in the words that Replicate uses, and the defaults."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from bot.catalogue.schema import Input, Model, Type
from bot.sandbox.misbehaviour import OUT_OF_MEMORY
from bot.sandbox.refusals import Invalid, invalid_input
from bot.sandbox.work import Json, ModelError

EVENTS = ("start", "output", "logs", "completed")
BODY: Mapping[str, str] = {
    "input": "object",
    "version": "string",
    "webhook": "string",
    "webhook_events_filter": "array",
    "stream": "boolean",
}
"""The properties of a request for a prediction (schemas version_prediction_request, prediction_request of
Replicate's OpenAPI document, https://api.replicate.com/openapi.json)."""

TYPES: Mapping[Type, str] = {
    Type.TEXT: "string",
    Type.INTEGER: "integer",
    Type.NUMBER: "number",
    Type.BOOLEAN: "boolean",
    Type.FILE: "string",
    Type.FILES: "array",
}


def check_body(body: Json, *, required: tuple[str, ...], allowed: tuple[str, ...]) -> Mapping[str, Json]:
    """The body. Raises a 422 that names each property that is missing, not allowed or of the wrong type."""
    if not isinstance(body, dict):
        raise invalid_input([_wrong_type("", "object", body)])
    faults = [Invalid("required", "", f"{name} is required") for name in required if name not in body]
    faults += [
        Invalid("additional_property_not_allowed", "", f"Additional property {name} is not allowed")
        for name in body
        if name not in allowed
    ]
    for name, kind in BODY.items():
        if name in body and name in allowed and not _is_a(kind, body[name]):
            faults.append(_wrong_type(name, kind, body[name]))
    if not faults:
        events = body.get("webhook_events_filter", [])
        faults = [
            _not_a_choice(f"webhook_events_filter.{n}", EVENTS)
            for n, e in enumerate(events)
            if e not in EVENTS
        ]
    if faults:
        raise invalid_input(faults)
    return body


def check_inputs(model: Model, given: Mapping[str, Json]) -> None:
    """Raises a 422 that names every fault. What the model doesn't know is ignored, as Cog does."""
    faults = [
        Invalid("required", "input", f"{entry.name} is required")
        for entry in model.inputs
        if entry.required and entry.name not in given
    ]
    for entry in model.inputs:
        if entry.name in given:
            faults += _faults(entry, f"input.{entry.name}", given[entry.name])
    if faults:
        raise invalid_input(faults)


def fill(model: Model, given: Mapping[str, Json], rng: random.Random) -> dict[str, Json]:
    """All inputs but files, by name: what was given, else the default; a seed where the model takes one.

    Raises ModelError where more is asked than a machine could bear: bounds that the model's schema doesn't
    state, but we do.
    """
    inputs: dict[str, Json] = {}
    for entry in model.inputs:
        value = given.get(entry.name, entry.default)
        if value is not None and not entry.is_file:
            inputs[entry.name] = int(value) if entry.type is Type.INTEGER else value
            if _is_too_much(entry, value):
                raise ModelError(OUT_OF_MEMORY)
    if model.seed_input and inputs.get("seed", -1) < 0:
        inputs["seed"] = rng.randrange(2**32)
    return inputs


def seed_of(inputs: Mapping[str, Json], files: Mapping[str, tuple[bytes, ...]]) -> int:
    """The seed, or for a model without one a number that depends on nothing but what it was given."""
    if isinstance(seed := inputs.get("seed"), int):
        return seed
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode())
    for name in sorted(files):
        for data in files[name]:
            digest.update(hashlib.sha256(data).digest())
    return int.from_bytes(digest.digest()[:4], "big")


def _is_too_much(entry: Input, value: Json) -> bool:
    if "maximum" in entry.ours and entry.maximum is not None and entry.name != "seed":
        return bool(value > entry.maximum)
    return False


def _faults(entry: Input, field: str, value: Json) -> Iterator[Invalid]:
    kind = TYPES[entry.type]
    if not _is_a(kind, value):
        yield _wrong_type(field, kind, value)
    elif entry.type is Type.FILES:
        for place, item in enumerate(value):
            yield from _file_faults(f"{field}.{place}", item)
    elif entry.type is Type.FILE:
        yield from _file_faults(field, value)
    elif entry.choices and value not in entry.choices:
        yield _not_a_choice(field, entry.choices)
    elif entry.type in (Type.INTEGER, Type.NUMBER):
        yield from _range_faults(entry, field, value)


def _file_faults(field: str, value: Json) -> Iterator[Invalid]:
    if not isinstance(value, str):
        yield _wrong_type(field, "string", value)
    elif not _is_uri(value):
        yield Invalid("format", field, "Does not match format 'uri'")


def _range_faults(entry: Input, field: str, value: Json) -> Iterator[Invalid]:
    low = None if "minimum" in entry.ours else entry.minimum
    high = None if "maximum" in entry.ours else entry.maximum
    if low is not None and value < low:
        yield Invalid("number_gte", field, f"Must be greater than or equal to {low}")
    if high is not None and value > high:
        yield Invalid("number_lte", field, f"Must be less than or equal to {high}")


def _wrong_type(field: str, expected: str, value: Json) -> Invalid:
    return Invalid("invalid_type", field, f"Invalid type. Expected: {expected}, given: {_type_of(value)}")


def _not_a_choice(field: str, choices: tuple[Json, ...]) -> Invalid:
    listed = ", ".join(json.dumps(choice, ensure_ascii=False) for choice in choices)
    name = field.rpartition(".")[2]
    return Invalid("enum", field, f"{name} must be one of the following: {listed}")


def _is_a(kind: str, value: Json) -> bool:
    given = _type_of(value)
    return given == kind or (kind == "number" and given == "integer")


def _type_of(value: Json) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    names = {str: "string", int: "integer", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _is_uri(value: str) -> bool:
    if value[:5].lower() == "data:":
        return "," in value
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return bool(parts.scheme and (parts.netloc or parts.path)) and not any(map(str.isspace, value))
