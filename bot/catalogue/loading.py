"""The files of the catalogue, read strictly: a mistake stops the start and names the file and the key."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from bot.catalogue import values
from bot.catalogue.nearest import nearest
from bot.catalogue.schema import Input, Kind, Model, Shape, Type
from bot.errors import BadOrder, Problem

ENDPOINTS = ("version", "model")
BOUNDS = ("minimum", "maximum", "steps_of", "max_length", "max_items")
NUMERIC = (Type.INTEGER, Type.NUMBER)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every model, in the order of lists."""

    models: tuple[Model, ...]

    def __iter__(self) -> Iterator[Model]:
        return iter(self.models)

    def __len__(self) -> int:
        return len(self.models)

    def commands(self) -> tuple[str, ...]:
        """The commands without their slash."""
        return tuple(model.command for model in self.models)

    def taking(self, kind: Kind) -> list[Model]:
        """The models that work on a single file of this kind."""
        return [model for model in self.models if model.input_for(kind) is not None]

    def next_steps(self, kind: Kind) -> list[Model]:
        """The few of them that are offered under a result of this kind, in the order of offering."""
        return sorted((model for model in self.taking(kind) if model.step), key=lambda model: model.step)

    def find(self, word: str) -> Model:
        """The model of "animate", "/animate" or "owner/name", in any case; else BadOrder(unknown_command)."""
        wanted = word.strip().removeprefix("/").casefold()
        for model in self.models:
            if wanted in (model.command, model.full_name.casefold()):
                return model
        close = nearest(wanted, self.commands())
        raise BadOrder([Problem("unknown_command", word, {"nearest": f"/{close}" if close else None})])


@cache
def load() -> Catalogue:
    """The catalogue that comes with the project. ValueError names the file and the key of a mistake."""
    return read_folder(resources.files("bot.catalogue") / "models")


def read_folder(folder: Traversable) -> Catalogue:
    """The models of a folder's *.toml files, each named after its command."""
    files = (file for file in folder.iterdir() if file.name.endswith(".toml"))
    models = [read_model(file.name.removesuffix(".toml"), file.read_text("utf-8")) for file in files]
    models.sort(key=lambda model: (model.order, model.command))
    _refuse_twins(models)
    return Catalogue(tuple(models))


def read_model(command: str, text: str) -> Model:
    """One model from the text of its file, `command`.toml."""
    file = f"{command}.toml"
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file}: {error}") from error
    if "command" in data:
        raise ValueError(f"{file}: command: the file's name is the command; leave it out")
    model = _typed(file, {**data, "command": command})
    for key, what in _faults(model):
        raise ValueError(f"{file}: {key}: {what}")
    return model


def _typed(file: str, data: dict[str, object]) -> Model:
    # As JSON, because only there pydantic's strict mode takes lists for tuples and words for enums.
    try:
        return _MODEL.validate_json(json.dumps(data, default=str), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{file}: {_key(data, first['loc'])}: {first['msg']}") from error


def _key(data: dict[str, object], location: tuple[int | str, ...]) -> str:
    """A place in the file in words that find it: "input prompt_start: default"."""
    if len(location) > 1 and location[0] == "inputs" and isinstance(location[1], int):
        entries = data.get("inputs")
        entry = entries[location[1]] if isinstance(entries, list) else None
        name = entry.get("name", location[1] + 1) if isinstance(entry, dict) else location[1] + 1
        return f"input {name}: {'.'.join(str(part) for part in location[2:])}"
    return ".".join(str(part) for part in location)


_MODEL: TypeAdapter[Model] = TypeAdapter(with_config(ConfigDict(extra="forbid"))(Model))


# -- what types alone don't catch


def _refuse_twins(models: list[Model]) -> None:
    seen: dict[str, str] = {}
    for model in models:
        if other := seen.get(model.full_name.casefold()):
            raise ValueError(f"{model.command}.toml: name: {model.full_name} has the command {other} already")
        seen[model.full_name.casefold()] = model.command


def _faults(model: Model) -> Iterator[tuple[str, str]]:
    """Pairs of key and mistake."""
    if not re.fullmatch("[a-z]+", model.command):
        yield "command", "the file's name must be lower-case letters"
    if not re.fullmatch("([0-9a-f]{64})?", model.version):
        yield "version", "must be 64 hex digits, or empty"
    for key in ("endpoint", "gateway_endpoint"):
        if getattr(model, key) not in ENDPOINTS:
            yield key, f"must be one of {', '.join(ENDPOINTS)}"
    if not model.version and "version" in (model.endpoint, model.gateway_endpoint):
        yield "endpoint", "without a version it must be model"
    yield from _output_faults(model)
    yield from _key_faults(model.inputs)
    if sum(entry.main for entry in model.inputs) > 1:
        yield "main", "one input at most takes text typed without a key"
    for entry in model.inputs:
        for key, what in _input_faults(entry):
            yield f"input {entry.name}: {key}", what


def _output_faults(model: Model) -> Iterator[tuple[str, str]]:
    parts = model.output.parts
    if model.output.shape is Shape.OBJECT:
        if not parts or not all(part.key for part in parts):
            yield "output.parts", "each part of an object needs its key"
    elif len(parts) != 1 or parts[0].key or model.output.error_key:
        yield "output.parts", "this shape has one part, without a key"


def _key_faults(inputs: Iterable[Input]) -> Iterator[tuple[str, str]]:
    owners: dict[str, str] = {}
    for entry in inputs:
        if not re.fullmatch("[a-z]+", entry.alias):
            yield f"input {entry.name}: alias", "must be lower-case letters"
        for key in {entry.alias, entry.name.lower()}:
            if key in owners:
                yield f"input {entry.name}: alias", f"{key} means {owners[key]} already"
            owners[key] = entry.name


def _input_faults(entry: Input) -> Iterator[tuple[str, str]]:
    if bool(entry.accepts) != entry.is_file:
        yield "accepts", "files need the kinds they may be, and only files have them"
    if entry.main and entry.type is not Type.TEXT:
        yield "main", "must be text"
    if entry.words and entry.type is not Type.TEXT:
        yield "words", "only text is made of words"
    if (entry.minimum, entry.maximum) != (None, None) and entry.type not in NUMERIC:
        yield "minimum", "only numbers have bounds"
    if entry.minimum is not None and entry.maximum is not None and entry.minimum > entry.maximum:
        yield "maximum", "is below the minimum"
    if entry.steps_of is not None and (entry.type is not Type.INTEGER or entry.steps_of < 1):
        yield "steps_of", "must be above 0, and only integers have steps"
    if unknown := set(entry.ours) - set(BOUNDS):
        yield "ours", f"{', '.join(sorted(unknown))}: no bound of that name"
    if not all(_has_type(entry, choice) for choice in entry.choices):
        yield "choices", f"must be of type {entry.type}"
    if entry.adults and entry.type is not Type.BOOLEAN:
        yield "adults", "must be yes or no"
    if entry.always and entry.default is None:
        yield "always", "needs a default to send"
    if entry.default is not None and not _is_valid(entry, entry.default):
        yield "default", f"{entry.default!r} is not among what the input itself accepts"


def _has_type(entry: Input, value: object) -> bool:
    match entry.type:
        case Type.TEXT:
            return isinstance(value, str)
        case Type.INTEGER:
            return isinstance(value, int) and not isinstance(value, bool)
        case Type.NUMBER:
            return isinstance(value, int | float) and not isinstance(value, bool)
        case Type.BOOLEAN:
            return isinstance(value, bool)
        case Type.FILE | Type.FILES:
            return False


def _is_valid(entry: Input, default: str | int | float | bool) -> bool:
    """A default must come through the checks as it is."""
    if not _has_type(entry, default):
        return False
    try:
        return values.read(entry, entry.alias, default) == default
    except BadOrder:
        return False
