"""Which control of /admin fits a setting, and which group it stands in. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from bot.jobs import Json

GROUPS: Mapping[str, tuple[str, ...]] = {
    "models": ("models", "models_off", "channels", "channels_off"),
    "results": ("results", "language", "notices_channel", "review_channel"),
    "content": ("adults", "words", "patterns"),
    "limits": ("limit.",),
    "money": ("budget.", "ask_above", "unknown_price"),
    "inputs": ("inputs.",),
    "rest": ("admins", "timezone", "keep_media_days", "keep_prompts_days"),
}
"""The groups in the order in which they stand, and the settings of each; a last "." stands for all below."""

NOT_HERE = frozenset({"roles"})
"""Nobody on the page has a role: a list of those who may use it would lock out everybody."""

CONTROLS: Mapping[str, Json] = {
    "models": {"kind": "models", "all": True},
    "models_off": {"kind": "models"},
    "channels": {"kind": "channels"},
    "channels_off": {"kind": "channels"},
    "results": {"kind": "choice", "choices": ["thread", "reply", "channel"]},
    "language": {"kind": "choice", "choices": ["en", "zh"]},
    "adults": {"kind": "choice", "choices": ["anywhere", "age_restricted", "never"]},
    "words": {"kind": "lines"},
    "patterns": {"kind": "lines"},
    "admins": {"kind": "lines"},
    "notices_channel": {"kind": "channel"},
    "review_channel": {"kind": "channel"},
    "keep_media_days": {"kind": "number", "least": 1, "unit": "days"},
    "keep_prompts_days": {"kind": "number", "least": 1, "unit": "days"},
    "timezone": {"kind": "text", "example": "Europe/Zurich"},
    "ask_above": {"kind": "money"},
    "unknown_price": {"kind": "money", "words": True},
}


def control_of(key: str) -> Json:
    """What /admin is to make of it: the kind of control, and what that needs to know."""
    if key.startswith("limit."):
        return {"kind": "number", "unit": "jobs"}
    if key.startswith("budget."):
        return {"kind": "money"}
    return CONTROLS.get(key, {"kind": "text"})


def group_of(key: str) -> str:
    for group, members in GROUPS.items():
        if any(key == member or (member[-1] == "." and key.startswith(member)) for member in members):
            return group
    return "rest"
