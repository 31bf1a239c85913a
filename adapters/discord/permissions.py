"""What the bot may have to be allowed in a server, under Discord's own names: in the link that invites it, in
what is asked for before a command is taken, and in what `threadreel doctor` looks at. Pure.

https://discord.com/developers/docs/topics/permissions
"""

from __future__ import annotations

from collections.abc import Iterator

import discord

SEEING = "view_channel"
"""Without it a channel is not there for the bot: no card, no result."""

SPEAKING = "send_messages"
"""The result, and a card that a lost one is replaced by; the card itself answers the interaction."""

SPEAKING_IN_THREADS = "send_messages_in_threads"
"""In a thread it takes the place of Send Messages, which means nothing there: most results stand in one."""

OPENING_THREADS = "create_public_threads"
"""A thread hangs from the card. Without it the result answers the card."""

ATTACHING = "attach_files"
"""Pictures, films and sounds are uploaded."""

SHOWING_LINKS = "embed_links"
"""Discord doesn't tell whether galleries of media need it; everybody has it in a new server."""

READING_BACK = "read_message_history"
"""To answer a card with a reply; and to look, after a crash, whether a result was posted already."""

ALL = (
    SEEING,
    SPEAKING,
    SPEAKING_IN_THREADS,
    OPENING_THREADS,
    ATTACHING,
    SHOWING_LINKS,
    READING_BACK,
)


def needed(*, in_thread: bool) -> tuple[str, ...]:
    """Without these nothing can be posted in a place; the others have a next best way."""
    return (SEEING, SPEAKING_IN_THREADS if in_thread else SPEAKING, ATTACHING)


def lacking(have: discord.Permissions, wanted: tuple[str, ...] = ALL) -> Iterator[str]:
    """The names of what is wanted and not there. Administrators may everything."""
    if not have.administrator:
        yield from (name for name in wanted if not getattr(have, name))


def everything() -> discord.Permissions:
    """All of them, as the link that invites the bot asks for them."""
    return discord.Permissions(**dict.fromkeys(ALL, True))
