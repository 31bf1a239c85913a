"""What stands of a job on Discord: its card, and its result where it belongs. Each of them once.

`posted` says what stands there: `card` and `result` are ids of messages, `in` the channel of the result where
that is not the card's, `trying` when a result was sent of which nobody knows yet whether it arrived,
`taken_away` that somebody deleted the card: then there is no other one; `no_thread` that its thread is closed
to us; `restored` as in `bot.jobs.Posted`.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, TypeAlias

from adapters.discord import render
from adapters.discord.places import Spot
from adapters.discord.render import Sending
from adapters.discord.rest import PAGE, NoMessage, NoThreads, Rest
from adapters.discord.schema import Payload
from bot.catalogue import Catalogue
from bot.errors import Busy, Denied, Gone, MaybePosted, TooLarge
from bot.jobs import Json, Posted
from bot.ports import Look, Post, Ready, Save, Telling, Waiting, Working

Manner: TypeAlias = Literal["thread", "reply", "channel"]

EPOCH = 1_420_070_400
"""Discord's ids count milliseconds from here: https://discord.com/developers/docs/reference#snowflakes"""

NONCE_LASTS = 90.0
"""Seconds in which the same nonce surely is the same message; Discord says "the past few minutes"."""

OLD = 3300.0
"""Seconds after which a card's progress is left alone: edits of messages older than an hour are rationed."""

PAUSES = (0.3, 2.0)
"""Seconds before a delete is tried again. Somebody is waiting for it."""

PAGES_LOOKED_AT = 30
"""Pages of a channel's history in which a result is looked for; what comes after them nobody knows."""

LONGEST_NAME = 90
LIMITS_KEPT = 5000


class Delivery:
    """Shows posts. `manner`: where a result goes that could stand in the channel."""

    def __init__(self, rest: Rest, catalogue: Catalogue, manner: Manner, now: Callable[[], float]) -> None:
        self._rest = rest
        self._catalogue = catalogue
        self._manner = manner
        self._now = now
        self._takes: dict[int, int] = {}

    async def show(self, post: Post, save: Save) -> Posted:
        spot = Spot.read(post.place)
        posted = dict(post.posted or {})
        match post.notice:
            case Waiting() | Working():
                return await self._show_progress(post, spot, posted)
            case Ready():
                return await self._show_result(post, post.notice, spot, posted, save)
            case _:
                return await self._show_words(post, spot, posted)

    # -- the card

    async def _show_progress(self, post: Post, spot: Spot, posted: dict[str, Json]) -> Posted:
        if self._now() - post.card.created_at > OLD or posted.get("restored"):
            return posted  # a restored one may show its end already
        body = render.card(post.card, post.notice, self._catalogue)
        if "card" in posted:
            await self._edit_card(spot, posted, body)
        elif not posted.get("taken_away"):
            posted["card"] = await self._rest.send(spot.channel, Sending(body), nonce=_nonce(post, "card"))
        return posted

    async def _show_words(self, post: Post, spot: Spot, posted: dict[str, Json]) -> Posted:
        """On the card; where that is gone, in a message of their own."""
        if posted.get("restored"):
            if await self._result_stands(post, spot, posted):
                return posted
            if "card" not in posted:
                raise MaybePosted(post.place)
        body = render.card(post.card, post.notice, self._catalogue)
        if "card" in posted and await self._edit_card(spot, posted, body):
            return posted
        said = Sending(
            render.outcome(post.card, post.notice, self._catalogue, moved=_is_moved(post, spot)),
        )
        posted["result"] = await self._rest.send(spot.channel, said, nonce=_nonce(post, "words"))
        return posted

    async def _result_stands(self, post: Post, spot: Spot, posted: dict[str, Json]) -> bool:
        """Whether the result was posted after the backup: then no words may say that there is none."""
        thread = posted.get("card")  # one that hangs from a message has its id
        for channel in filter(None, (thread, spot.channel)):
            with suppress(Gone, Denied, MaybePosted):
                if await self._found(post, spot, posted, channel, post.card.created_at):
                    return True
        return False

    async def _edit_card(self, spot: Spot, posted: dict[str, Json], body: Payload) -> bool:
        """Whether it still stands there."""
        try:
            await self._rest.edit(spot.channel, posted["card"], body)
        except NoMessage:
            _lose_card(posted)
            return False
        return True

    # -- the result

    async def _show_result(
        self, post: Post, ready: Ready, spot: Spot, posted: dict[str, Json], save: Save
    ) -> Posted:
        if "result" not in posted:
            await self._post_result(post, ready, spot, posted, save)
            await save(posted)
        if "card" in posted:
            link = spot.link(posted["result"], posted.get("in"))
            body = render.card(post.card, ready, self._catalogue, link=link)
            await self._edit_card(spot, posted, body)
        return posted

    async def _post_result(
        self, post: Post, ready: Ready, spot: Spot, posted: dict[str, Json], save: Save
    ) -> None:
        sending = render.result(post.card, ready, self._catalogue, moved=_is_moved(post, spot))
        self._check_sizes(spot, sending)
        channel, reply_to = await self._where(post, spot, posted)
        tries = {channel: posted["trying"]} if "trying" in posted else {}
        if posted.get("restored"):
            tries = dict.fromkeys((channel, spot.channel), post.card.created_at)
        for there, tried_at in tries.items():
            if await self._found(post, spot, posted, there, tried_at):
                break
        else:
            if not tries:
                posted["trying"] = self._now()
                await save(posted)
            try:
                posted["result"] = await self._send(spot, channel, sending, post, reply_to)
            except Denied:
                if "in" not in posted:
                    raise
                posted["result"] = await self._beside_the_thread(post, spot, posted, sending, save)
        posted.pop("trying", None)

    async def _beside_the_thread(
        self, post: Post, spot: Spot, posted: dict[str, Json], sending: Sending, save: Save
    ) -> int:
        """A result whose thread is closed to us answers the card: the channel may well be open."""
        del posted["in"]
        posted["no_thread"] = True
        await save(posted)
        return await self._send(spot, spot.channel, sending, post, posted.get("card"))

    async def _where(self, post: Post, spot: Spot, posted: dict[str, Json]) -> tuple[int, int | None]:
        """The channel of the result, and what it replies to: a thread below the card, where one can hang."""
        card = posted.get("card")
        if card is None:
            return spot.channel, None
        manner = spot.manner or self._manner
        if spot.threads and manner == "thread" and not posted.get("no_thread"):
            try:
                name = render.thread_name(post.card, self._catalogue, LONGEST_NAME)
                posted["in"] = await self._rest.thread(spot.channel, card, name)
                return posted["in"], None
            except NoThreads:
                pass
            except NoMessage:
                _lose_card(posted)
                return spot.channel, None
        return spot.channel, None if manner == "channel" else card

    async def _send(
        self, spot: Spot, channel: int, sending: Sending, post: Post, reply_to: int | None
    ) -> int:
        try:
            return await self._rest.send(channel, sending, nonce=_nonce(post, "result"), reply_to=reply_to)
        except TooLarge as error:
            self._learn(spot, error.limit)
            raise

    async def _found(
        self, post: Post, spot: Spot, posted: dict[str, Json], channel: int, tried_at: float
    ) -> bool:
        """Whether the result stands in a channel, which is noted then."""
        found = await self._look_for(post, spot, posted, channel, tried_at)
        if found is None:
            return False
        posted["result"] = found
        posted.pop("in", None)
        if channel != spot.channel:
            posted["in"] = channel
        return True

    async def _look_for(
        self, post: Post, spot: Spot, posted: dict[str, Json], channel: int, tried_at: float
    ) -> int | None:
        """The result that an earlier try may have posted; None where it surely is safe to send it.

        MaybePosted where that can't be known: who may not read the history is shown an empty one.
        """
        me, after = str(await self._rest.me()), _moment(tried_at - 60)
        for _ in range(PAGES_LOOKED_AT):
            messages = await self._rest.after(channel, after)
            for message in messages:
                is_ours = message["author"]["id"] == me and int(message["id"]) != posted.get("card")
                if is_ours and _is_result(message, post):
                    return int(message["id"])
            if len(messages) < PAGE:
                break
            after = max(int(message["id"]) for message in messages)
        else:
            raise MaybePosted(post.place)
        if self._now() - tried_at < NONCE_LASTS or await self._may_read(spot, posted):
            return None
        raise MaybePosted(post.place)

    async def _may_read(self, spot: Spot, posted: dict[str, Json]) -> bool:
        if "card" not in posted:
            return False
        try:
            await self._rest.message(spot.channel, posted["card"])
        except Denied:
            return False
        except NoMessage:
            return True
        return True

    # -- what a place takes

    def _check_sizes(self, spot: Spot, sending: Sending) -> None:
        """Don't upload what was refused before."""
        limit = self._takes.get(spot.guild or 0)
        if limit is not None and any(file.media.size > limit for file in sending.files):
            raise TooLarge(limit)

    def _learn(self, spot: Spot, limit: int) -> None:
        if len(self._takes) > LIMITS_KEPT:
            self._takes.clear()
        self._takes[spot.guild or 0] = limit

    # -- news for those who look after a server

    async def tell(self, telling: Telling, language: str) -> None:
        """In the channel that the server has set for it, else in its system channel, else to its owner."""
        body = render.telling(telling, language)
        nonce = hashlib.sha256(telling.key.encode()).hexdigest()[:24]
        if telling.place is not None:
            channel = await self._channel_of(telling.server, telling.place)
            await self._rest.send(channel, Sending(body), nonce=nonce)
            return
        guild = await self._rest.guild(telling.server)
        if (channel := guild.get("system_channel_id")) is not None:
            with suppress(Denied, Gone):
                await self._rest.send(int(channel), Sending(body), nonce=nonce)
                return
        owner = await self._rest.private(str(guild["owner_id"]))
        await self._rest.send(owner, Sending(body), nonce=nonce)

    async def _channel_of(self, server: str, channel: str) -> int:
        """A channel of this very server. Gone where it is none: what is said of a server stays in it."""
        if not re.fullmatch(r"[0-9]{1,20}", channel):
            raise Gone(f"{channel} is no channel of Discord")
        found = await self._rest.channel(int(channel))
        if str(found.get("guild_id")) != server:
            raise Gone(f"Channel {channel} isn't one of server {server}")
        return int(channel)

    # -- taking away

    async def remove(self, look: Look) -> None:
        """Delete what stands of a job: its result, and its card. What is gone already is no mistake."""
        spot = Spot.read(look.job.place)
        stands = look.job.posted or {}
        for channel, message in (
            (stands.get("in") or spot.channel, stands.get("result")),
            (spot.channel, stands.get("card")),
        ):
            if message is not None:
                with suppress(NoMessage, Gone, Denied):
                    await self._delete(channel, message)

    async def _delete(self, channel: int, message: int) -> None:
        """What somebody wants gone goes: a hiccup is no reason to leave it there. May be repeated."""
        for pause in PAUSES:
            try:
                return await self._rest.delete(channel, message)
            except Busy as error:
                await asyncio.sleep(
                    pause if error.retry_after is None else min(error.retry_after, PAUSES[-1])
                )
        return await self._rest.delete(channel, message)


def _lose_card(posted: dict[str, Json]) -> None:
    del posted["card"]
    posted["taken_away"] = True


def _is_result(message: Json, post: Post) -> bool:
    return render.names_job(message.get("components") or [], post.card.job)


def _is_moved(post: Post, spot: Spot) -> bool:
    """Whether it stands in a private talk although it was asked for in a server."""
    return spot.guild is None and not post.card.actor.is_alone


def _nonce(post: Post, what: str) -> str:
    """At most 25 characters, the same over all tries at one place."""
    return hashlib.sha256(f"{post.key} {post.place} {what}".encode()).hexdigest()[:24]


def _moment(time: float) -> int:
    """The id that a message of this moment would have."""
    return max(0, int((time - EPOCH) * 1000)) << 22
