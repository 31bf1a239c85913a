"""A model as data: what it takes and makes. Checks, commands, forms, help and docs are made from this."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

Scalar: TypeAlias = str | int | float | bool


class Kind(StrEnum):
    """What a file is, as far as people care."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"


class Type(StrEnum):
    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    FILE = "file"
    FILES = "files"


class Shape(StrEnum):
    """How a model's `output` looks on the wire."""

    URL = "url"
    LIST = "list"
    GROWING_LIST = "growing_list"
    """A list that grows while the model runs; its last item is the result."""
    OBJECT = "object"
    """Named parts, each a URL."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing in a model's output. `key` is its name in an object, empty for the other shapes."""

    name: str
    kind: Kind
    key: str = ""


@dataclass(frozen=True, slots=True)
class OutputShape:
    """`error_key` names the entry of an object in which the model writes its own failure."""

    shape: Shape
    parts: tuple[Part, ...]
    error_key: str = ""


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a model.

    `name` is the model's own, `alias` the short plain one. `minimum` and `maximum` are inclusive.
    `steps_of` and `steps_from`: an integer must be steps_from + n * steps_of. `max_length` in characters,
    `max_items` in files. `accepts` holds the kinds that a file may be. `words`: the text is a list of these,
    separated by commas, exactly so (a model that does not trim). `always` sends the default even when nobody
    gave a value. `main` marks the one that takes text typed without a key. `advanced` puts it behind "more
    options". `adults`: with "yes" the result may be what only adults may see.
    `ours` names the bounds that the model's own schema does not set: we do, so that nobody orders a monster.
    `unverified`: what facts about it nobody could check.
    """

    name: str
    alias: str
    type: Type
    help: str
    required: bool = False
    default: Scalar | None = None
    minimum: int | float | None = None
    maximum: int | float | None = None
    steps_of: int | None = None
    steps_from: int = 0
    choices: tuple[Scalar, ...] = ()
    words: tuple[str, ...] = ()
    accepts: tuple[Kind, ...] = ()
    max_length: int = 4000
    max_items: int = 1
    always: bool = False
    main: bool = False
    advanced: bool = False
    adults: bool = False
    ours: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()

    @property
    def is_file(self) -> bool:
        return self.type in (Type.FILE, Type.FILES)

    @property
    def is_free_text(self) -> bool:
        """Text in which anything may stand."""
        return self.type is Type.TEXT and not self.choices and not self.words


@dataclass(frozen=True, slots=True)
class Model:
    """One model. `version` is 64 hex digits, empty for an official model that has none.

    `endpoint` and `gateway_endpoint`: "version" posts to /predictions, "model" to
    /models/{owner}/{name}/predictions.
    `order` is its place in lists, smallest first; `step` its place among the next steps that are offered
    under a result, 0 where it is none. `sources` are the public pages that its facts come from.
    """

    command: str
    owner: str
    name: str
    version: str
    title: str
    summary: str
    endpoint: str
    gateway_endpoint: str
    kind: Kind
    formats: tuple[str, ...]
    output: OutputShape
    inputs: tuple[Input, ...]
    example: str
    may_be_adult: bool = False
    notes: str = ""
    unverified: str = ""
    order: int = 0
    step: int = 0
    sources: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"

    def input(self, key: str) -> Input | None:
        """The input with this alias or own name, in any case, with - or _."""
        wanted = key.lower().replace("-", "_")
        for entry in self.inputs:
            if wanted in (entry.alias, entry.name.lower()):
                return entry
        return None

    def keys(self) -> Iterator[str]:
        """Every key that this model's inputs answer to, aliases first."""
        yield from (entry.alias for entry in self.inputs)
        yield from (entry.name for entry in self.inputs if entry.name != entry.alias)

    def input_for(self, kind: Kind) -> Input | None:
        """What takes a file of this kind, where no other file is needed: a required input, else the first."""
        needed = [entry for entry in self.inputs if entry.is_file and entry.required]
        fitting = [entry for entry in self.inputs if entry.is_file and kind in entry.accepts]
        if len(needed) > 1 or not set(needed) <= set(fitting):
            return None
        return next(iter(needed or fitting), None)

    @property
    def main_input(self) -> Input | None:
        return next((entry for entry in self.inputs if entry.main), None)

    @property
    def seed_input(self) -> Input | None:
        return next((entry for entry in self.inputs if entry.name == "seed"), None)
