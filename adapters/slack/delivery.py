"""Puts what becomes of a job into Slack: its card, the files in the card's thread, edits; each of it once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import aiohttp
import structlog

from adapters.slack import render
from adapters.slack.budget import Turns
from adapters.slack.calls import Calls, Declined, refused_place
from adapters.slack.places import Spot
from bot.catalogue import Catalogue
from bot.errors import Busy, Denied, LostAnswer, MaybePosted, TooLarge, Undeliverable
from bot.jobs import JobId, Json, Posted
from bot.ports import Card, MediaFile, Notice, Post, Ready, Save, Telling, Waiting, Working

SKEW = 90.0
"""Seconds that Slack's clock may differ from ours, and that a post may take to arrive."""
PAGES = 5
"""Pages of a history that are looked through for a lost message."""
ROUNDS = 2
"""Times that files are uploaded which Slack takes and never shows."""
NEWEST = 50
"""Messages in which news that may have been told is looked for."""

UPLOAD = aiohttp.ClientTimeout(total=900, sock_connect=10, sock_read=120)
CHANNELS = 1000
"""Channels whose last post is remembered."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How much is asked of Slack, and for how long it is waited.

    Calls of chat.update, for a workspace, stay under the 50 a minute of rate-limit tier 3; `for_ends` of them
    are kept free of progress. One message a channel in `between_posts` seconds. What was not answered has
    happened after `settled` seconds, or never will; a file that was taken is shown within `shown`, and within
    `doubted` one of which nobody knows whether it was. It is looked at after each of `looks`, and later by
    later tries.
    Turns are waited for on the spot where they come in `a_while`. (https://docs.slack.dev/apis/web-api/rate-limits)
    """

    updates_per_minute: float = 43
    updates_at_once: int = 6
    for_ends: int = 3
    between_posts: float = 1.0
    settled: float = 5.0
    shown: float = 180.0
    doubted: float = 30.0
    looks: tuple[float, ...] = (0.5, 1.5)
    a_while: float = 1.0


TOO_LARGE = frozenset({"file_upload_size_restricted", "file_too_large"})
NO_FILES = frozenset(
    {
        "file_type_not_allowed",
        "file_uploads_disabled",
        "file_uploads_except_images_disabled",
        "posting_to_channel_denied",
        "storage_limit_reached",
        "team_quota_exceeded",
    }
)
"""The workspace's own rules on files."""
NOT_IN = frozenset({"not_in_channel"})
NO_CARD = frozenset({"cant_update_message", "edit_window_closed", "message_not_found", "is_inactive"})
"""Somebody deleted the card, or it can be edited no more."""
NO_FILE = frozenset({"file_deleted", "file_not_found"})

log = structlog.get_logger(__name__)


class _NoFiles(Exception):
    """The workspace won't show the file; `code` is Slack's, or "never_shown"."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Standing:
    """What stands of a job in its place; noted down before and after whatever can't be repeated.

    channel, ts     the card
    asking          since when (epoch) a card was asked for whose answer we don't have
    refused         the place would not have it: no more news on the way, the end is tried all the same
    lost            that card can't be looked for: it may stand there, nobody knows where
    files           ids of uploads, in the order of the result's files
    sharing         since when they were asked to be shared; from here on only files.info knows
    answered        Slack said that it would
    rounds          how often Slack said that all was well and it was not
    shared          they are to be seen
    shows           the kind of the last words on the card, once it has ended
    restored        as in `bot.jobs.Posted`
    """

    def __init__(self, posted: Posted | None, save: Save) -> None:
        self.fields: dict[str, Json] = dict(posted or {})
        self._save = save

    def __getitem__(self, name: str) -> Json:
        return self.fields.get(name)

    async def note(self, **changes: Json) -> None:
        merged = {**self.fields, **changes}
        self.fields = {name: value for name, value in merged.items() if value is not None}
        await self._save(self.fields)


class Delivery:
    """Shows notices; works from the store's word alone, in whichever process."""

    def __init__(
        self,
        calls: Calls,
        catalogue: Catalogue,
        *,
        now: Callable[[], float],
        manners: Manners | None = None,
    ) -> None:
        self._calls = calls
        self._catalogue = catalogue
        self._now = now
        self._manners = manners or Manners()
        self._updates: dict[str, Turns] = {}
        self._posts: OrderedDict[tuple[str, str], Turns] = OrderedDict()

    async def show(self, post: Post, save: Save) -> Posted:
        """As `bot.ports.Platform.show`. News on the way is shown when there is room for it, else Busy."""
        spot = Spot.read(post.place)
        standing = Standing(post.posted, save)
        try:
            if isinstance(post.notice, Waiting | Working):
                await self._show_progress(spot, post, standing)
            else:
                await self._show_end(spot, post, standing)
        except LostAnswer as error:
            raise Busy(str(error), retry_after=self._manners.settled) from error
        return standing.fields

    async def _show_progress(self, spot: Spot, post: Post, standing: Standing) -> None:
        if standing["refused"]:
            raise Denied("it would not stand here before")
        if standing["restored"]:
            return  # it may show its end already
        if standing["ts"] is None:
            await self._put_card(spot, post, standing)
            return
        if wait := self._updates_of(spot.team).take_idle(self._now(), spare=self._manners.for_ends):
            raise Busy("no room for progress", retry_after=wait)
        await self._edit(spot, post.card, post.notice, standing)

    async def _show_end(self, spot: Spot, post: Post, standing: Standing) -> None:
        if standing["restored"]:
            await self._look_again(spot, post.notice, standing)
        if standing["shared"] and not isinstance(post.notice, Ready):
            return  # a result stands there: no words may say that there is none
        if standing["ts"] is None and not standing["lost"]:
            try:
                await self._put_card(spot, post, standing)
            except MaybePosted:
                if not isinstance(post.notice, Ready):
                    raise
                await standing.note(lost=True)  # the files are posted once all the same: they have ids
        if isinstance(post.notice, Ready) and not standing["shared"]:
            try:
                await self._put_files(spot, post.card, post.notice, standing)
            except _NoFiles as error:
                await self._say_no_files(spot, post, standing, error.code)
        await self._end_card(spot, post, standing)

    async def _look_again(self, spot: Spot, notice: Notice, standing: Standing) -> None:
        """What came since the backup is looked for below the card. MaybePosted where nobody can tell."""
        if standing["ts"] is None:
            raise MaybePosted("its card may have been posted since the backup")
        if not spot.thread:
            if await self._has_files_below(spot, standing["ts"]):
                await standing.note(shared=True)
        elif isinstance(notice, Ready):
            raise MaybePosted("its thread is not its own: nothing tells whose files stand there")
        await standing.note(restored=None)

    async def _has_files_below(self, spot: Spot, ts: str) -> bool:
        """Whether a bot's files stand in the thread that is a card's own."""
        cursor: str | None = None
        for _ in range(PAGES):
            more = {"cursor": cursor} if cursor else {}
            try:
                answer = await self._in_channel(
                    spot, "conversations.replies", channel=spot.channel, ts=ts, limit=200, **more
                )
            except Declined as error:
                raise MaybePosted(str(error)) from error
            if any(said.get("files") and said.get("bot_id") for said in answer["messages"]):
                return True
            cursor = (answer.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return False
        raise MaybePosted("too much was said there")

    # -- the card

    async def _put_card(self, spot: Spot, post: Post, standing: Standing) -> None:
        """Post the card, or find the one that an earlier try has posted."""
        if standing["asking"] is not None and await self._found_card(spot, post.card.job, standing):
            return
        is_end = _end_of(post.notice) is not None
        await self._turn(self._posts_in(spot), "", post.card.job, here=is_end)
        await standing.note(asking=self._now(), channel=spot.channel)
        shown = self._shown(spot, post.card, post.notice)
        try:
            answer = await self._in_channel(
                spot,
                "chat.postMessage",
                channel=spot.channel,
                **({"thread_ts": spot.thread} if spot.thread else {}),
                **shown,
                metadata=render.metadata(post),
                unfurl_links=False,
                unfurl_media=False,
            )
        except Declined as error:
            await standing.note(asking=None, refused=True)
            raise refused_place(error) from error
        except (Busy, Undeliverable):
            await standing.note(asking=None)
            raise
        await standing.note(ts=answer["ts"], asking=None, shows=_end_of(post.notice))

    async def _found_card(self, spot: Spot, job: JobId, standing: Standing) -> bool:
        """Whether the card stands there after all. Raises MaybePosted where nobody lets us look."""
        since = float(standing["asking"])
        if (wait := since + self._manners.settled - self._now()) > 0:
            raise Busy("the last try may still arrive", retry_after=wait)
        try:
            ts = await self._search(spot, job, since)
        except Declined as error:
            raise MaybePosted(str(error)) from error
        if ts is not None:
            await standing.note(ts=ts, asking=None)
        return ts is not None

    async def _search(self, spot: Spot, job: JobId, asked: float) -> str | None:
        """The ts of the card that was asked for then. MaybePosted where there is too much to look at."""
        method = "conversations.replies" if spot.thread else "conversations.history"
        where = {"channel": spot.channel, **({"ts": spot.thread} if spot.thread else {})}
        cursor: str | None = None
        for _ in range(PAGES):
            answer = await self._in_channel(
                spot,
                method,
                **where,
                oldest=f"{asked - SKEW:.6f}",
                latest=f"{asked + SKEW:.6f}",
                limit=200,
                include_all_metadata=True,
                **({"cursor": cursor} if cursor else {}),
            )
            for message in answer["messages"]:
                if render.job_in(message) == job:
                    return str(message["ts"])
            cursor = (answer.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return None
        raise MaybePosted("too much was said there")

    async def _end_card(self, spot: Spot, post: Post, standing: Standing) -> None:
        """The last words on it: these go before all progress."""
        if standing["ts"] is None or standing["shows"] == _end_of(post.notice):
            return
        await self._turn(self._updates_of(spot.team), spot.channel, post.card.job)
        await self._edit(spot, post.card, post.notice, standing)
        await standing.note(shows=_end_of(post.notice))

    async def _edit(self, spot: Spot, card: Card, notice: Notice, standing: Standing) -> None:
        """An edit may be repeated. What stood there may be gone: then there is nothing to say any more."""
        shown = self._shown(spot, card, notice)
        try:
            await self._calls.call(spot.team, "chat.update", channel=spot.channel, ts=standing["ts"], **shown)
        except Declined as error:
            if error.code not in NO_CARD and not standing["shared"]:
                raise refused_place(error) from error
            log.info("A card can't be edited", action="card_gone", why=str(error), job=card.job)

    def _shown(self, spot: Spot, card: Card, notice: Notice) -> dict[str, Json]:
        return render.card(card, notice, self._catalogue, instead_of=spot.instead_of)

    # -- the files

    async def _put_files(self, spot: Spot, card: Card, ready: Ready, standing: Standing) -> None:
        """Upload, note the ids, share, and see that they are to be seen.

        Sharing can't be done twice with the same ids, and others are made only once the first are deleted.
        """
        if standing["files"] is None:
            ids = [await self._upload(spot.team, file) for file in ready.media]
            await standing.note(files=ids)
        elif standing["sharing"] is not None and await self._is_shared(spot, standing["files"]):
            await standing.note(shared=True)
            return
        if standing["sharing"] is None:
            await self._turn(self._posts_in(spot), "", card.job)
            await self._share(spot, card, ready, standing)
        await self._until_shared(spot, standing)

    async def _upload(self, team: str, file: MediaFile) -> str:
        """The id of an upload, which nobody sees before it is completed and which else is discarded."""
        size = file.path.stat().st_size
        try:
            slot = await self._calls.call(team, "files.getUploadURLExternal", filename=file.name, length=size)
        except Declined as error:
            raise _refused_file(error, size) from error
        source = await asyncio.to_thread(file.path.open, "rb")
        with source:
            try:
                async with self._calls.clients.session.post(
                    slot["upload_url"],
                    data=source,
                    headers={"Content-Type": "application/octet-stream"},
                    timeout=UPLOAD,
                ) as answer:
                    status = answer.status
            except (TimeoutError, aiohttp.ClientError) as error:
                raise Busy(f"upload: {type(error).__name__}") from error
        if status == 413:
            raise TooLarge(size // 2)
        if status != 200:
            raise Busy(f"upload: {status}")
        return str(slot["file_id"])

    async def hand_over(self, team: str, user: str, name: str, content: bytes) -> None:
        """A file to one person alone, in their conversation with us."""
        slot = await self._calls.call(team, "files.getUploadURLExternal", filename=name, length=len(content))
        headers = {"Content-Type": "application/octet-stream"}
        try:
            async with self._calls.clients.session.post(
                slot["upload_url"], data=content, headers=headers, timeout=UPLOAD
            ) as answer:
                status = answer.status
        except (TimeoutError, aiohttp.ClientError) as error:
            raise Busy(f"upload: {type(error).__name__}") from error
        if status != 200:
            raise Busy(f"upload: {status}")
        own = await self._calls.call(team, "conversations.open", users=user)
        await self._calls.call(
            team,
            "files.completeUploadExternal",
            files=[{"id": slot["file_id"], "title": name}],
            channel_id=own["channel"]["id"],
        )

    async def tell(self, telling: Telling, channel: str, shown: Mapping[str, Json]) -> None:
        """News in a channel, once: what an earlier try has posted is found by its key."""
        spot = Spot(telling.server, channel)
        if await self._told(spot, telling.key):
            return
        metadata = {"event_type": render.NEWS, "event_payload": {"key": telling.key}}
        await self._in_channel(spot, "chat.postMessage", channel=channel, metadata=metadata, **shown)

    async def _told(self, spot: Spot, key: str) -> bool:
        """Whether it stands among the newest messages there; where nobody may look, it is not believed."""
        try:
            answer = await self._calls.call(
                spot.team,
                "conversations.history",
                channel=spot.channel,
                limit=NEWEST,
                include_all_metadata=True,
            )
        except Declined:
            return False
        found = (message.get("metadata") or {} for message in answer.get("messages") or [])
        return any((one.get("event_payload") or {}).get("key") == key for one in found)

    async def _share(self, spot: Spot, card: Card, ready: Ready, standing: Standing) -> None:
        thread = spot.thread or (None if spot.manner == "channel" else standing["ts"])
        await standing.note(sharing=self._now())
        try:
            await self._in_channel(
                spot,
                "files.completeUploadExternal",
                files=_titled(standing["files"], ready.media),
                channel_id=spot.channel,
                initial_comment=render.handed_over(card, ready, alone=spot.channel.startswith("D")),
                **({"thread_ts": thread} if thread else {}),
            )
        except Busy:
            await standing.note(sharing=None)
            raise
        except Declined as error:
            await standing.note(sharing=None, files=None)
            raise _refused_file(error, max(file.media.size for file in ready.media)) from error
        await standing.note(answered=True)

    async def _until_shared(self, spot: Spot, standing: Standing) -> None:
        for pause in self._manners.looks:
            await asyncio.sleep(pause)
            if await self._is_shared(spot, standing["files"]):
                await standing.note(shared=True)
                return
        waited = self._now() - float(standing["sharing"])
        if waited < (self._manners.shown if standing["answered"] else self._manners.doubted):
            raise Busy("not to be seen yet", retry_after=min(max(1.0, waited / 2), 20.0))
        await self._take_back(spot, standing)

    async def _is_shared(self, spot: Spot, files: Sequence[str]) -> bool:
        """What is shared together appears in one message: the first tells for all."""
        try:
            answer = await self._calls.call(spot.team, "files.info", file=files[0])
        except Declined as error:
            if error.code in NO_FILE:
                return False
            raise refused_place(error) from error
        shares = answer["file"].get("shares") or {}
        return any(spot.channel in places for places in shares.values())

    async def _take_back(self, spot: Spot, standing: Standing) -> None:
        """It never appeared. Deleted, it never will, and may be uploaded anew."""
        for file in standing["files"]:
            await self.delete_file(spot.team, file)
        rounds = (standing["rounds"] or 0) + (1 if standing["answered"] else 0)
        await standing.note(files=None, sharing=None, answered=None, rounds=rounds)
        if rounds >= ROUNDS:
            raise _NoFiles("never_shown")
        raise Busy("its files never appeared", retry_after=1.0)

    async def delete_file(self, team: str, file: str) -> None:
        try:
            await self._calls.call(team, "files.delete", file=file)
        except Declined as error:
            if error.code not in NO_FILE:
                raise refused_place(error) from error

    async def _say_no_files(self, spot: Spot, post: Post, standing: Standing, code: str) -> None:
        """The workspace takes no such file: words on the card, and the result is kept for another place."""
        if standing["ts"] is not None:
            await self._turn(self._updates_of(spot.team), spot.channel, post.card.job)
            await self._edit(spot, post.card, render.no_files(post.notice, code), standing)
        raise Denied(code)

    # -- afterwards

    async def remove(self, place: Spot, card: Card, notice: Notice, posted: Posted | None) -> None:
        """Delete the files of a result and say on its card that it is gone; may be repeated."""

        async def forget(_: Posted) -> None:
            """The job is over: nothing is noted any more."""

        standing = Standing(posted, forget)
        for file in standing["files"] or ():
            await self.delete_file(place.team, file)
        if standing["ts"] is not None:
            await self._edit(place, card, notice, standing)

    # -- manners

    async def _in_channel(self, spot: Spot, method: str, **arguments: Json) -> Json:
        """A call for which one must be in the channel: joined where it is public."""
        try:
            return await self._calls.call(spot.team, method, **arguments)
        except Declined as error:
            if error.code not in NOT_IN or not await self._joined(spot):
                raise
        return await self._calls.call(spot.team, method, **arguments)

    async def _joined(self, spot: Spot) -> bool:
        try:
            await self._calls.call(spot.team, "conversations.join", channel=spot.channel)
        except Declined:
            return False
        return True

    async def _turn(self, turns: Turns, group: str, key: str, *, here: bool = True) -> None:
        """Wait for one's turn: here where it is soon, else elsewhere."""
        while wait := turns.take(group, key, self._now()):
            if not here or wait > self._manners.a_while:
                raise Busy("not its turn yet", retry_after=wait)
            await asyncio.sleep(wait)

    def _updates_of(self, team: str) -> Turns:
        manners = self._manners
        turns = Turns(60 / manners.updates_per_minute, manners.updates_at_once)
        return self._updates.setdefault(team, turns)

    def _posts_in(self, spot: Spot) -> Turns:
        key = (spot.team, spot.channel)
        turns = self._posts.setdefault(key, Turns(self._manners.between_posts))
        self._posts.move_to_end(key)
        if len(self._posts) > CHANNELS:
            self._posts.popitem(last=False)
        return turns


def _end_of(notice: Notice) -> str | None:
    return None if isinstance(notice, Waiting | Working) else type(notice).__name__.lower()


def _titled(files: Sequence[str], media: Sequence[MediaFile]) -> list[Json]:
    """Without alt_txt: with it Slack says that all is well and shows nothing (python-slack-sdk#1818)."""
    return [{"id": id_, "title": file.name} for id_, file in zip(files, media, strict=True)]


def _refused_file(error: Declined, size: int) -> Exception:
    if error.code in TOO_LARGE:
        return TooLarge(size // 2)
    if error.code in NO_FILES:
        return _NoFiles(error.code)
    return refused_place(error)
