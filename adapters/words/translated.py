"""What the catalogue says of a model and its inputs, in a language; in English where nobody translated it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from adapters.words.templates import known_language
from bot.catalogue import Input, Model


def model_title(model: Model, language: str = "en") -> str:
    return str(_said_of(model, language).get("title", model.title))


def model_summary(model: Model, language: str = "en") -> str:
    """At most 100 characters, for Discord."""
    return str(_said_of(model, language).get("summary", model.summary))


def model_notes(model: Model, language: str = "en") -> str:
    return str(_said_of(model, language).get("notes", model.notes))


def input_help(model: Model, entry: Input, language: str = "en") -> str:
    """At most 100 characters, for Discord."""
    return str(_said_of(model, language).get("inputs", {}).get(entry.alias, entry.help))


def translations(language: str) -> Mapping[str, Mapping[str, Any]]:
    """What the catalogue says in a language, by command; empty for English and what nobody has translated."""
    return _read(known_language(language))


def _said_of(model: Model, language: str) -> Mapping[str, Any]:
    return translations(language).get(model.command, {})


@cache
def _read(language: str) -> Mapping[str, Mapping[str, Any]]:
    file = resources.files(__package__) / "catalogue" / f"{language}.toml"
    return tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}
