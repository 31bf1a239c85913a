"""How Slack writes down what people type: mentions, links, entities."""

from __future__ import annotations

import re

from tests.slack_server.limits import JSON
from tests.slack_server.state import Team

AT = re.compile(r"@([\w.-]+)")
HASH = re.compile(r"#([\w-]+)")
URL = re.compile(r"https?://[^\s<>]+")
READY = re.compile(r"(<[@#!][^>]+>|<https?://[^>]+>)")


def entities(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def escaped(team: Team, text: str, *, should_escape: bool) -> str:
    """The text of a command. Without `should_escape`, mentions stay as they were typed."""
    parts = READY.split(text)
    return "".join(
        part if READY.fullmatch(part) else _escaped_part(team, part, links=should_escape) for part in parts
    )


def as_typed(team: Team, text: str) -> str:
    """The text of a message, as it is stored."""
    return escaped(team, text, should_escape=True)


def _escaped_part(team: Team, text: str, *, links: bool) -> str:
    plain = entities(text)
    if not links:
        return plain
    plain = URL.sub(lambda found: f"<{found[0]}>", plain)
    plain = AT.sub(lambda found: _mention(team, found), plain)
    return HASH.sub(lambda found: _channel(team, found), plain)


def _mention(team: Team, found: re.Match[str]) -> str:
    for user in team.users.values():
        if user.name.lower() == found[1].lower() and not user.deleted:
            return f"<@{user.id}>"
    return found[0]


def _channel(team: Team, found: re.Match[str]) -> str:
    channel = team.world.named(team, found[1])
    if channel is None:
        return found[0]
    return f"<#{channel.id}|{channel.name if channel.kind == 'public' else ''}>"


def with_smart_quotes(text: str) -> str:
    """As macOS and iOS type: curly quotes, and a dash for two hyphens."""
    text = re.sub(r'(^|[\s:=(])"', "\\1\N{LEFT DOUBLE QUOTATION MARK}", text)
    text = text.replace('"', "\N{RIGHT DOUBLE QUOTATION MARK}")
    text = re.sub(r"(^|[\s:=(])'", "\\1\N{LEFT SINGLE QUOTATION MARK}", text)
    text = text.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}")
    return text.replace("--", "\N{EM DASH}")


def rich_text(stored: str, block_id: str) -> JSON:
    """The rich_text block that a client makes of a message."""
    elements: list[JSON] = []
    for part in READY.split(stored):
        if part.startswith("<@"):
            elements.append({"type": "user", "user_id": part[2:-1].partition("|")[0]})
        elif part.startswith("<#"):
            elements.append({"type": "channel", "channel_id": part[2:-1].partition("|")[0]})
        elif part.startswith("<!"):
            elements.append({"type": "broadcast", "range": part[2:-1]})
        elif part.startswith("<http"):
            elements.append({"type": "link", "url": part[1:-1].partition("|")[0]})
        elif part:
            text = part.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
            elements.append({"type": "text", "text": text})
    section = {"type": "rich_text_section", "elements": elements}
    return {"type": "rich_text", "block_id": block_id, "elements": [section]}
