"""Settings in words: what each is for, where its value comes from, and the value itself."""

from __future__ import annotations

from adapters.words.templates import words_of
from adapters.words.text import clean
from bot.jobs import Json

LONGEST = 1000
"""Characters of a value that are told."""


def setting(key: str, language: str = "en") -> str:
    """What a setting is for: "limit.person.per_day" has the code limit_person_per_day."""
    if key.startswith("inputs.") and len(parts := key.split(".")) == 4:
        _, command, name, rule = parts
        return _said("setting", f"inputs_{rule}", language, command=command, input=name) or key
    return _said("setting", key.replace(".", "_"), language) or key


def origin(origin: str, language: str = "en") -> str:
    """Where a value comes from: "built-in", "installation", "server", "channel:ID" or "role:ID"."""
    kind, _, id_ = origin.partition(":")
    return _said("origin", kind.replace("-", "_"), language, id=id_) or clean(origin)


def setting_value(value: Json, language: str = "en") -> str:
    """A value as it was set, on one line."""
    match value:
        case None:
            return words_of(language).sentence("web_admin", "unset", {}) or "-"
        case bool():
            return words_of(language).sentence("command", "yes" if value else "no", {}) or str(value)
        case list() | tuple():
            return clean(", ".join(str(one) for one in value), LONGEST) or "[]"
        case float():
            return f"{value:g}"
        case _:
            return clean(str(value), LONGEST)


def _said(section: str, code: str, language: str, **facts: str) -> str | None:
    return words_of(language).sentence(section, code, facts)
