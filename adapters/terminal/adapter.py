"""The terminal as a platform: whoever asked reads the store, so there is nothing to post."""

from __future__ import annotations

import asyncio

from bot.jobs import Actor, Place, Posted
from bot.ports import Core, Post, Save

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
