"""What is said to one person alone, in whichever way is open to us."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import aiohttp
import structlog

from adapters import words
from adapters.slack import render
from adapters.slack.calls import Calls, Declined
from adapters.slack.places import Spot
from bot.errors import LostAnswer, TryLater, Undeliverable
from bot.jobs import Actor, JobId, Json

REMEMBERED = 1000
"""Jobs under way of which is still known how to speak to who asked."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Origin:
    """What somebody did: who, where, and what it may be answered by.

    `key` is the interaction's own id: the same event, delivered twice, has the same. `spot` is where the
    results of it go. `aside` is the thread that they stand in while they do it. `enterprise`: the
    organisation that their workspace is part of.
    """

    actor: Actor
    key: str
    spot: Spot | None = None
    trigger: str = ""
    response_url: str | None = None
    aside: str = ""
    enterprise: str | None = None

    @property
    def team(self) -> str:
        return self.actor.server

    @property
    def language(self) -> str:
        return self.actor.language


class Whispers:
    """Never raises: whoever can't be told has lost words, but no job."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._asked: OrderedDict[JobId, Origin] = OrderedDict()

    def remember(self, job: JobId, origin: Origin) -> None:
        """Who asked for it and how they can be spoken to, for as long as this process lives."""
        self._asked[job] = origin
        if len(self._asked) > REMEMBERED:
            self._asked.popitem(last=False)

    def forget(self, job: JobId) -> None:
        """It is over, and what came of it stands in its place."""
        self._asked.pop(job, None)

    async def say_refused(self, job: JobId) -> None:
        """Its card can't stand where it was asked for: how to let us in, said once."""
        if origin := self._asked.pop(job, None):
            await self.say(origin, words.say("slack.not_here", {}, origin.language))

    async def say(self, origin: Origin, text: str, *, draft: Json = None) -> None:
        await self.show(origin, render.said(text, draft=draft, language=origin.language))

    async def show(self, origin: Origin, shown: Json) -> None:
        """`shown`: text and blocks."""
        try:
            if not await self._respond(origin, shown) and not await self._whisper(origin, shown):
                await self._write(origin, shown)
        except (Declined, TryLater, LostAnswer, Undeliverable) as error:
            log.warning("Words did not arrive", action="not_told", why=str(error), person=origin.actor.id)

    async def _respond(self, origin: Origin, shown: Json) -> bool:
        """By the interaction's own URL: where it works, we need not be in the channel."""
        if origin.response_url is None:
            return False
        payload = {"response_type": "ephemeral", "replace_original": False, **shown}
        if origin.aside:
            payload["thread_ts"] = origin.aside
        try:
            async with self._calls.clients.session.post(origin.response_url, json=payload) as answer:
                return answer.status == 200
        except (TimeoutError, aiohttp.ClientError):
            return False

    async def _whisper(self, origin: Origin, shown: Json) -> bool:
        spot = origin.spot
        if spot is None or spot.channel.startswith("D"):
            return False
        thread = {"thread_ts": origin.aside} if origin.aside else {}
        try:
            await self._calls.call(
                origin.team,
                "chat.postEphemeral",
                channel=spot.channel,
                user=origin.actor.id,
                **thread,
                **shown,
            )
        except Declined:
            return False
        return True

    async def _write(self, origin: Origin, shown: Json) -> None:
        """Into their conversation with us."""
        spot = origin.spot
        thread = {"thread_ts": origin.aside} if origin.aside and spot and spot.channel.startswith("D") else {}
        await self._calls.call(
            origin.team,
            "chat.postMessage",
            channel=spot.channel if thread and spot else origin.actor.id,
            unfurl_links=False,
            unfurl_media=False,
            **thread,
            **shown,
        )
