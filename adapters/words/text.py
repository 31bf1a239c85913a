"""Somebody's text and figures, as they may stand in a sentence. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

SHORT = 80
"""Characters of somebody's text within a sentence."""
LONG = 300

# Control characters, lone surrogates, and what turns the direction of text or hides in it.
_UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, the cursor
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC and other strings
    r"|\x1b[ -/]*[0-~]?"
)
"""Terminals' control sequences (ECMA-48)."""


def clean(text: object, limit: int = SHORT) -> str:
    """Somebody's text on one line, without what could steer a terminal or hide in a sentence."""
    plain = _ESCAPES.sub("", str(text)[: limit * 8])
    line = " ".join(_UNSEEN.sub(_blank, plain).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def _blank(match: re.Match[str]) -> str:
    return " " if unicodedata.category(match[0]) in ("Cc", "Zl", "Zp") else ""


def span(seconds: float) -> Mapping[str, int | str]:
    """The parts of a time that are told: {"s": "0.4"}, {"min": 3, "s": 20}, {"h": 1, "min": 5}, {"h": 1}."""
    if seconds < 9.95:
        return {"s": f"{max(seconds, 0):.1f}".removesuffix(".0")}
    whole = round(seconds)
    if whole < 60:
        return {"s": whole}
    parts = {"min": whole // 60, "s": whole % 60}
    if whole >= 3600:
        parts = {"h": whole // 3600, "min": whole % 3600 // 60}
    return {unit: count for unit, count in parts.items() if count}


def size(count: float) -> str:
    """Bytes as 512 B, 256 kB, 1.5 MB; a kB is 1024 bytes."""
    units = ["GB", "MB", "kB", "B"]
    while count >= 1024 and len(units) > 1:
        count /= 1024
        units.pop()
    return f"{count:.0f} {units[-1]}" if count >= 10 or count == int(count) else f"{count:.1f} {units[-1]}"


def dollars(amount: Decimal) -> str:
    """$12.50; what is less than a dollar is told to a hundredth of a cent."""
    cents = amount.quantize(Decimal("0.01"), ROUND_HALF_UP)
    if cents == amount or amount >= 1:
        return f"${cents}"
    return f"${amount.quantize(Decimal('0.0001'), ROUND_HALF_UP).normalize():f}"
