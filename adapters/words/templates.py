"""The sentences of one language: templates with facts in them, read from a TOML file."""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any, TypeAlias

from adapters.words.text import LONG, clean, lasting, size

LISTED = 16
"""Entries of a list that are told."""

Templates: TypeAlias = "tuple[str, ...]"


@dataclass(frozen=True, slots=True)
class Words:
    """One language: section -> code -> its sentences, the most precise first."""

    sections: Mapping[str, Mapping[str, Templates]]

    def codes(self) -> frozenset[str]:
        """Every code that has words, with its section: "failed.expired"."""
        return frozenset(f"{section}.{code}" for section, known in self.sections.items() for code in known)

    def sentence(self, section: str, code: str, facts: Mapping[str, Any]) -> str | None:
        """The first sentence whose facts are all there; None where there is none."""
        known = self.sections.get(section, {})
        there = {"paid": "", **{name: value for name, value in facts.items() if not _is_empty(value)}}
        for template in known.get(f"{code}_{facts.get('reason')}") or known.get(code, ()):
            if _facts_of(template) <= there.keys():
                return " ".join(_Formatter(self).vformat(template, (), there).split())
        return None


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str | Sequence | Mapping) and not value)


@cache
def _facts_of(template: str) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in string.Formatter().parse(template) if name)


class _Formatter(string.Formatter):
    """Writes facts as their spec says; what people wrote is cleaned and shortened."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def format_field(self, value: Any, spec: str) -> str:
        return FORMATS[spec](self._words, value)


def _number(_: Words, value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return clean(value)


def _quoted(_: Words, value: Any) -> str:
    return f"“{clean(value)}”"


def _long(_: Words, value: Any) -> str:
    return clean(value, LONG).rstrip(".")


def _lower(_: Words, value: Any) -> str:
    text = clean(value).rstrip(".")
    return text[:1].lower() + text[1:]


def _listed(joint: str) -> Callable[[Words, Any], str]:
    def write(words: Words, value: Any) -> str:
        items = [_number(words, item) for item in value]
        if len(items) > LISTED:
            return ", ".join(items[:LISTED]) + " …"
        last = f" {words.sections['list'][joint][0]} "
        return last.join(filter(None, (", ".join(items[:-1]), items[-1])))

    return write


def _type(words: Words, value: Any) -> str:
    return words.sentence("type", str(value), {}) or clean(value)


def _kinds(words: Words, value: Any) -> str:
    kinds = [value] if isinstance(value, str) else list(value)
    return _listed("or")(words, [words.sentence("kind", str(kind), {}) or clean(kind) for kind in kinds])


def _fields(_: Words, value: Any) -> str:
    """What a provider says of each input, by its name."""
    return clean("; ".join(f"{name}: {said}" for name, said in value.items()), LONG).rstrip(".")


def _clock(_: Words, value: Any) -> str:
    return f"{datetime.fromtimestamp(value, UTC):%H:%M} UTC"


FORMATS: Mapping[str, Callable[[Words, Any], str]] = {
    "": _number,
    "quoted": _quoted,
    "long": _long,
    "lower": _lower,
    "or": _listed("or"),
    "and": _listed("and"),
    "type": _type,
    "kinds": _kinds,
    "fields": _fields,
    "clock": _clock,
    "size": lambda _, value: size(value),
    "lasting": lambda _, value: lasting(value),
    "percent": lambda _, value: f"{value:.0%}",
}


# -- languages


@cache
def languages() -> tuple[str, ...]:
    """The languages that there are words in."""
    files = (file.name for file in resources.files(__package__).iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in files if name.endswith(".toml")))


def words_of(language: str) -> Words:
    """A language's words: "de-AT" is taken for "de"; English for what nobody has translated."""
    name = re.split("[-_]", language.lower())[0]
    return _read(name if name in languages() else "en")


@cache
def _read(language: str) -> Words:
    text = (resources.files(__package__) / f"{language}.toml").read_text("utf-8")
    return Words({section: _templates(known) for section, known in tomllib.loads(text).items()})


def _templates(known: Mapping[str, str | list[str]]) -> Mapping[str, Templates]:
    return {code: (said,) if isinstance(said, str) else tuple(said) for code, said in known.items()}
