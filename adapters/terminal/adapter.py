"""The terminal as a platform: whoever asked reads the store, so there is nothing to post."""

from __future__ import annotations

import asyncio

import structlog

from adapters import words
from bot.jobs import Actor, Place, Posted
from bot.ports import Core, Post, Save, Telling

log = structlog.get_logger(__name__)

NAME = "terminal"


def place_of(actor: Actor) -> Place:
    return Place(f"{NAME}:{actor.id}")


class Terminal:
    """Implements `bot.ports.Platform`. A result is taken by `ask`, now, or by `get`, later."""

    name = NAME
    every = 1.0

    async def run(self, core: Core) -> None:
        await asyncio.Event().wait()

    async def show(self, post: Post, save: Save) -> Posted:
        return {"shown": type(post.notice).__name__.lower()}

    async def fallback(self, place: Place, actor: Actor) -> Place | None:
        return None

    async def tell(self, telling: Telling) -> None:
        """In the log: whoever looks after the terminal's server runs the installation."""
        said = words.say(f"telling.{telling.code}", telling.facts)
        log.warning(said, action="tell_admins", server=telling.server, code=telling.code)
