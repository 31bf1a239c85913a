"""One value of one input: read in the ways people write it, or refused with what would be right."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from typing import Any, NoReturn, TypeAlias, TypeVar
from urllib.parse import urlsplit

from bot.catalogue.nearest import nearest
from bot.catalogue.schema import Input, Scalar, Type
from bot.errors import BadOrder, Problem
from bot.jobs import FileRef

Value: TypeAlias = "str | int | float | bool | FileRef | list[str | FileRef]"

S = TypeVar("S", bound=Scalar)

YES = frozenset({"yes", "y", "true", "t", "on", "1", "是", "✓", "✔", "✅", "☑", ":white_check_mark:"})
NO = frozenset({"no", "n", "false", "f", "off", "0", "否", "✗", "✘", "❌", "❎", ":x:"})

MINUS_SIGNS = str.maketrans("\u2212\u2013\u2014", "---")
"""Phones and Slack make dashes of a typed minus."""

SAME_CHOICE = {"jpeg": "jpg"}
"""Two names of one thing: either is taken for the other."""

LONGEST_CHOICE = 200
LONGEST_URL = 2048
SHOWN = 80
"""Characters of a wrong value that are repeated to the person."""


def read(entry: Input, key: str, value: object) -> Value:
    """The value as the model wants it; BadOrder with every mistake, under `key` as the person wrote it."""
    match entry.type:
        case Type.TEXT:
            return _read_text(entry, key, value)
        case Type.INTEGER:
            return _within(entry, key, _read_integer(entry, key, value))
        case Type.NUMBER:
            return _within(entry, key, _read_number(entry, key, value))
        case Type.BOOLEAN:
            return _read_boolean(entry, key, value)
        case Type.FILE | Type.FILES:
            return read_file(entry, key, value)


def is_link(text: str) -> bool:
    """Whether it begins as a web address does."""
    return text[:8].lower().startswith(("http://", "https://"))


def shown(value: object) -> object:
    """A value as it may be repeated to the person: not too long."""
    if isinstance(value, FileRef):
        return value.name
    if not isinstance(value, str):
        return value
    text = _storable(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _refuse(code: str, key: str, **facts: Any) -> NoReturn:
    raise BadOrder([Problem(code, key, facts)])


def _refuse_type(entry: Input, key: str, value: object) -> NoReturn:
    _refuse("wrong_type", key, expected=entry.type.value, value=shown(value))


# -- text


def _read_text(entry: Input, key: str, value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        _refuse_type(entry, key, value)
    text = _storable(value)
    if entry.required and not text.strip():
        _refuse("missing", key, help=entry.help)
    if len(text) > entry.max_length:
        _refuse("too_long", key, limit=entry.max_length, length=len(text))
    if entry.words:
        return _read_words(entry, key, text)
    if entry.choices:
        return _read_choice(entry, key, text)
    return text


def _storable(text: str) -> str:
    """Without NUL, which PostgreSQL's text can't hold, and lone surrogates, which are no text at all."""
    return text.replace("\0", "").encode("utf-8", "ignore").decode("utf-8")


def _read_choice(entry: Input, key: str, text: str) -> str:
    choices = [str(choice) for choice in entry.choices]
    if (choice := match_choice(text, choices)) is not None:
        return choice
    _refuse("not_a_choice", key, choices=tuple(choices), nearest=_near(text, choices), value=shown(text))


def _read_words(entry: Input, key: str, text: str) -> str:
    found: list[str] = []
    problems: list[Problem] = []
    for item in [item.strip() for item in re.split("[,;|\n]", text) if item.strip()] or [""]:
        if (word := match_choice(item, entry.words)) is None:
            facts = {"words": entry.words, "nearest": _near(item, entry.words), "value": shown(item)}
            problems.append(Problem("not_a_word", key, facts))
        elif word not in found:
            found.append(word)
    if problems:
        raise BadOrder(problems)
    return ",".join(found)


def match_choice(text: str, choices: Iterable[S], *, in_full: bool = False) -> S | None:
    """The choice that was meant.

    Case, punctuation and emoji don't count, and 832x480, 832×480 and 832*480 are one ("16/9" and "16:9" too,
    and what SAME_CHOICE holds).
    The beginning of a choice will do where no other begins so, unless it is a mere number or ends within one:
    "extra juiced" is enough, but "9:1" is not "9:16" and "480" is not "480*832". `in_full`: no beginnings.
    """
    if len(text) > LONGEST_CHOICE or not (wanted := _bare(text)):
        return None
    beginning: list[S] = []
    for choice in choices:
        bare = _bare(str(choice))
        if bare == wanted:
            return choice
        if bare.startswith(wanted) and not (wanted[-1].isdigit() and bare[len(wanted)].isdigit()):
            beginning.append(choice)
    if in_full or wanted.isdigit() or len(beginning) != 1:
        return None
    return beginning[0]


def _bare(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    bare = "".join(filter(str.isalnum, re.sub(r"(?<=\d)\s*[x×*:/]\s*(?=\d)", "by", folded)))
    return SAME_CHOICE.get(bare, bare)


def _near(text: str, choices: Iterable[str]) -> str | None:
    by_bare = {_bare(choice): choice for choice in choices}
    close = nearest(_bare(text[:LONGEST_CHOICE]), by_bare, cutoff=0.5)
    return by_bare[close] if close else None


# -- numbers


def _read_integer(entry: Input, key: str, value: object) -> int:
    """ "12" and "12.0", not "12.5" nor "1e3"."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 128:
        return value
    if isinstance(value, str) and (match := re.fullmatch(r"([+-]?[0-9]{1,38})(\.0*)?", _numeric(value))):
        return int(match[1])
    _refuse_type(entry, key, value)


def _read_number(entry: Input, key: str, value: object) -> float:
    """ "7.5", "7,5", ".5" and "1e3"; no infinity, nothing that is no number."""
    if isinstance(value, str):
        text = _numeric(value)
        if not re.fullmatch(r"[+-]?([0-9]{1,38}(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]{1,4})?", text):
            _refuse_type(entry, key, value)
        value = float(text)
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 128:
        value = float(value)
    if isinstance(value, float) and math.isfinite(value):
        return value
    _refuse_type(entry, key, value)


def _numeric(text: str) -> str:
    """In the form that Python reads; a comma is a decimal one unless it could part thousands ("1,000")."""
    plain = unicodedata.normalize("NFKC", text[:LONGEST_CHOICE]).translate(MINUS_SIGNS).strip().lower()
    return plain.replace(",", ".") if re.fullmatch(r"[+-]?[0-9]+,([0-9]{1,2}|[0-9]{4,})", plain) else plain


N = TypeVar("N", int, float)


def _within(entry: Input, key: str, number: N) -> N:
    if entry.choices:
        if number not in entry.choices:
            close = min(entry.choices, key=lambda choice: abs(float(choice) - number))
            _refuse("not_a_choice", key, choices=entry.choices, nearest=close, value=number)
        return number
    low, high = entry.minimum, entry.maximum
    if (low is not None and number < low) or (high is not None and number > high):
        _refuse("out_of_range", key, minimum=low, maximum=high, value=number)
    if entry.steps_of and (number - entry.steps_from) % entry.steps_of:
        near = _nearest_step(entry, number)
        _refuse("not_a_step", key, step=entry.steps_of, offset=entry.steps_from, nearest=near, value=number)
    return number


def _nearest_step(entry: Input, number: float) -> int:
    step, offset = entry.steps_of or 1, entry.steps_from
    near = offset + step * round((number - offset) / step)
    if entry.minimum is not None and near < entry.minimum:
        near += step
    if entry.maximum is not None and near > entry.maximum:
        near -= step
    return near


# -- yes and no, files


def _read_boolean(entry: Input, key: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).replace("\ufe0f", "").strip().casefold() if isinstance(value, str | int) else ""
    if word in YES or word in NO:
        return word in YES
    _refuse_type(entry, key, value)


def read_file(entry: Input, key: str, value: object) -> str | FileRef:
    """An attached file, or a link to one; where it leads is for those to judge who fetch it."""
    if isinstance(value, FileRef):
        return value
    if not isinstance(value, str):
        _refuse_type(entry, key, value)
    if not _is_web_address(text := value.strip()):
        _refuse("bad_link", key, value=shown(text))
    return text


def _is_web_address(text: str) -> bool:
    if len(text) > LONGEST_URL or not is_link(text) or re.search(r"[\s\0-\x1f\x7f\ud800-\udfff]", text):
        return False
    try:
        parts = urlsplit(text)
        return bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
