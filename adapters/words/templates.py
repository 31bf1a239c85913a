"""The sentences of one language: templates with facts in them, read from a TOML file."""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any, TypeAlias

from adapters.words.text import LONG, clean, dollars, size, span

LISTED = 16
"""Entries of a list that are told."""

WHOLE = 3000
"""Characters of what must stay whole."""

STOPS = ".。"
"""Ends of somebody's sentence, which the sentence round it brings itself."""

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

    def lasting(self, seconds: float) -> str:
        """12 s, 3 min 20 s, 1 h 5 min."""
        return self.sentence("time", "lasting", span(seconds)) or ""

    def together(self, *sentences: str) -> str:
        """Sentences one after the other, without the empty ones."""
        return self.joint("sentences").join(filter(None, sentences))

    def joint(self, name: str) -> str:
        """What stands between the parts of a list or between sentences, with its blanks."""
        return self.sections["list"][name][0]


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
    return clean(value, LONG).rstrip(STOPS)


def _whole(_: Words, value: Any) -> str:
    """An address, or what somebody is to copy: half of either is good for nothing."""
    return clean(value, WHOLE)


def _lower(_: Words, value: Any) -> str:
    text = clean(value).rstrip(STOPS)
    first = text.partition(" ")[0]
    # "LoRA" and "FILM" are written so wherever they stand.
    return text if any(letter.isupper() for letter in first[1:]) else text[:1].lower() + text[1:]


def _listed(joint: str) -> Callable[[Words, Any], str]:
    def write(words: Words, value: Any) -> str:
        items = [_number(words, item) for item in value]
        comma = words.joint("comma")
        if len(items) > LISTED:
            return comma.join(items[:LISTED]) + words.joint("more")
        return words.joint(joint).join(filter(None, (comma.join(items[:-1]), items[-1])))

    return write


def _type(words: Words, value: Any) -> str:
    return words.sentence("type", str(value), {}) or clean(value)


def _kinds(words: Words, value: Any) -> str:
    kinds = [value] if isinstance(value, str) else list(value)
    return _listed("kinds")(words, [words.sentence("kind", str(kind), {}) or clean(kind) for kind in kinds])


def _fields(_: Words, value: Any) -> str:
    """What a provider says of each input, by its name."""
    return clean("; ".join(f"{name}: {said}" for name, said in value.items()), LONG).rstrip(STOPS)


def _clock(_: Words, value: Any) -> str:
    return f"{datetime.fromtimestamp(value, UTC):%H:%M} UTC"


def _moment(_: Words, value: Any) -> str:
    """A day and the time on it: for what may be weeks away."""
    return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M} UTC"


def _dollars(_: Words, value: Any) -> str:
    return dollars(Decimal(str(value)))


def _budget(words: Words, value: Any) -> str:
    return words.sentence("budget", str(value), {}) or clean(value)


FORMATS: Mapping[str, Callable[[Words, Any], str]] = {
    "": _number,
    "quoted": _quoted,
    "long": _long,
    "whole": _whole,
    "lower": _lower,
    "or": _listed("or"),
    "and": _listed("and"),
    "type": _type,
    "kinds": _kinds,
    "fields": _fields,
    "clock": _clock,
    "moment": _moment,
    "dollars": _dollars,
    "budget": _budget,
    "size": lambda _, value: size(value),
    "lasting": Words.lasting,
    "percent": lambda _, value: f"{value:.0%}",
}


# -- languages


@cache
def languages() -> tuple[str, ...]:
    """The languages that there are words in."""
    files = (file.name for file in resources.files(__package__).iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in files if name.endswith(".toml")))


def known_language(language: str) -> str:
    """One that there are words in: "zh-CN" is taken for "zh"; English for what nobody has translated."""
    name = re.split("[-_]", language.lower())[0]
    return name if name in languages() else "en"


def words_of(language: str) -> Words:
    return _read(known_language(language))


@cache
def _read(language: str) -> Words:
    text = (resources.files(__package__) / f"{language}.toml").read_text("utf-8")
    return Words({section: _templates(known) for section, known in tomllib.loads(text).items()})


def _templates(known: Mapping[str, str | list[str]]) -> Mapping[str, Templates]:
    return {code: (said,) if isinstance(said, str) else tuple(said) for code, said in known.items()}
