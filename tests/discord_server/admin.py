"""The driver over HTTP, `POST /_admin/<verb>` with JSON, for a played Discord in a process of its own.

Things are named by their ids, people by their names, files as `{"name": ..., "base64": ...}`. What a client
would refuse is 409, what isn't there 404; both say why in `error`. `remote.py` is the other end.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import inspect
import itertools
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.discord_server.limits import JSON, P
from tests.discord_server.messages import Attachment, Message
from tests.discord_server.people import ClientRefused, Reply
from tests.discord_server.posting import Upload
from tests.discord_server.rest import answer
from tests.discord_server.state import Channel, Guild, Role

if TYPE_CHECKING:
    from tests.discord_server.server import DiscordServer

LONGEST_WAIT = 30.0


def describe_file(attachment: Attachment) -> JSON:
    return {
        "id": attachment.id,
        "name": attachment.filename,
        "size": attachment.size,
        "sha256": attachment.sha256,
        "url": attachment.url,
    }


def describe_message(message: Message) -> JSON:
    """A message as people see it."""
    return {
        "id": message.id,
        "channel": message.channel.id,
        "author": message.author.name,
        "text": message.text,
        "buttons": [asdict(button) for button in message.buttons],
        "files": [describe_file(one) for one in message.files],
        "hidden_files": [describe_file(one) for one in message.hidden_files],
        "alt_texts": message.alt_texts,
        "ephemeral": message.ephemeral,
        "thinking": message.thinking,
        "nonce": message.nonce,
        "replies_to": message.replied_to.id if message.replied_to else None,
        "thread": message.thread.id if message.thread else None,
        "pings": sorted(message.pings.users | message.pings.roles),
        "edits": [edit.text for edit in message.edits],
    }


def describe_reply(reply: Reply) -> JSON:
    modal = reply.modal
    fields = (
        [{"custom_id": f.custom_id, "label": f.label, "value": f.value} for f in modal.fields]
        if modal
        else []
    )
    return {
        "id": reply.id,
        "ack": reply.ack,
        "seconds": reply.seconds,
        "delivered": reply.delivered,
        "attempts": [attempt.code for attempt in reply.attempts],
        "message": describe_message(reply.message) if reply.message else None,
        "followups": [describe_message(message) for message in reply.followups],
        "choices": reply.choices,
        "modal": {"title": modal.title, "custom_id": modal.custom_id, "fields": fields} if modal else None,
    }


def read_file(data: JSON) -> Upload:
    return Upload(data["name"], base64.b64decode(data["base64"]))


def read_values(values: JSON | None) -> JSON:
    """Values of options and fields; files inside become uploads."""

    def read(value: Any) -> Any:
        if isinstance(value, list):
            return [read(one) for one in value]
        return read_file(value) if isinstance(value, dict) and "base64" in value else value

    return {key: read(value) for key, value in (values or {}).items()}


class Admin:
    """One method per verb."""

    def __init__(self, server: DiscordServer) -> None:
        self._server = server
        self._replies: dict[int, Reply] = {}

    def add_to(self, app: web.Application) -> None:
        app.router.add_post("/_admin/{verb}", self._handle)

    async def _handle(self, request: web.Request) -> web.Response:
        method: Callable[..., Any] | None = getattr(self, f"do_{request.match_info['verb']}", None)
        if method is None:
            return answer({"error": "no such verb"}, 404)
        try:
            result = method(**(await request.json() if request.body_exists else {}))
            return answer({"result": await result if inspect.isawaitable(result) else result})
        except ClientRefused as refused:
            return answer({"error": str(refused)}, 409)
        except (LookupError, AttributeError, TimeoutError) as error:
            return answer({"error": f"{type(error).__name__}: {error}"}, 404)

    # -- making --------------------------------------------------------------------------------------

    def do_guild(self, name: str = "Foxes", **more: Any) -> int:
        return self._server.guild(name, **more).id

    def do_channel(self, guild: int, name: str, kind: int = 0, **more: Any) -> int:
        return self._guild(guild).channel(name, kind, **more).id

    def do_role(self, guild: int, name: str, permissions: list[str] | None = None) -> int:
        return self._guild(guild).role(name, _bits(permissions or [])).id

    def do_person(self, name: str, guilds: list[int] | None = None, **more: Any) -> int:
        return self._server.person(name, *[self._guild(one) for one in guilds or []], **more).id

    def do_dm(self, person: str) -> int:
        return self._server.people[person].dm().id

    def do_thread(self, channel: int, name: str, person: str) -> int:
        return self._channel(channel).thread(name, self._server.people[person]).id

    # -- acting --------------------------------------------------------------------------------------

    def do_say(self, person: str, channel: int, content: str = "", files: list[JSON] | None = None) -> JSON:
        uploads = [read_file(file) for file in files or []]
        return describe_message(
            self._server.people[person].say(self._channel(channel), content, files=uploads)
        )

    async def do_command(
        self, person: str, name: str, channel: int, options: JSON | None = None, **more: Any
    ) -> JSON:
        who, place = self._server.people[person], self._channel(channel)
        return self._keep(await who.command(name, read_values(options), channel=place, **more))

    async def do_autocomplete(
        self,
        person: str,
        name: str,
        option: str,
        typed: str,
        channel: int,
        others: JSON | None = None,
        **more: Any,
    ) -> JSON:
        who, place = self._server.people[person], self._channel(channel)
        return self._keep(await who.autocomplete(name, option, typed, others, channel=place, **more))

    async def do_context_menu(self, person: str, name: str, message: int, **more: Any) -> JSON:
        return self._keep(
            await self._server.people[person].context_menu(name, self._message(message), **more)
        )

    async def do_press(self, person: str, message: int, **more: Any) -> JSON:
        return self._keep(await self._server.people[person].press(self._message(message), **more))

    async def do_select(
        self, person: str, message: int, custom_id: str, values: list[str], **more: Any
    ) -> JSON:
        who = self._server.people[person]
        return self._keep(await who.select(self._message(message), custom_id, values, **more))

    async def do_fill_modal(self, person: str, values: JSON | None = None, **more: Any) -> JSON:
        return self._keep(await self._server.people[person].fill_modal(read_values(values), **more))

    async def do_reply(self, id: int, wait_for: str | None = None, within: float = 5.0) -> JSON:
        """What a reply looks like now; `wait_for` "acknowledged" or "answered"."""
        reply = self._replies[id]
        if wait_for is not None:
            await getattr(reply, wait_for)(min(within, LONGEST_WAIT))
        return describe_reply(reply)

    async def do_load(
        self,
        places: list[tuple[str, int]],
        name: str,
        count: int,
        per_second: float = 0.0,
        options: JSON | None = None,
    ) -> list[float | None]:
        """Use a command `count` times at a rate, or (0) all at once; the seconds to each acknowledgement.

        The people in `places`, each with their channel, take turns. What comes after the deadline is None.
        Everything is prepared beforehand, so that this process has little to do while it measures.
        """
        uses = [
            (self._server.people[person], self._channel(channel))
            for person, channel in itertools.islice(itertools.cycle(places), count)
        ]
        prepared = [who.about_to(name, read_values(options), channel=place) for who, place in uses]
        texts = [json.dumps(one.payload()) for one in prepared]
        begun = time.monotonic()
        for number, (interaction, text) in enumerate(zip(prepared, texts, strict=True)):
            if per_second and (ahead := begun + number / per_second - time.monotonic()) > 0:
                await asyncio.sleep(ahead)
            interaction.created = self._server.clock()
            self._server.interactions.open(interaction)
            self._server.gateway.deliver_interaction(text, interaction.guild)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._server.limits.first_response):
                for interaction in prepared:
                    await interaction.acknowledged.wait()
        return [Reply(self._server, interaction, 1).seconds for interaction in prepared]

    # -- changing and troubling ----------------------------------------------------------------------

    def do_permissions(
        self, channel: int, whom: int, allow: list[str] | None = None, deny: list[str] | None = None
    ) -> None:
        place = self._channel(channel)
        known: dict[int, Role] = place.guild.roles if place.guild else {}
        target = known.get(whom) or self._server.world.users[whom]
        if allow:
            place.allow(target, _bits(allow))
        if deny:
            place.deny(target, _bits(deny))

    def do_update(self, channel: int, **fields: Any) -> None:
        self._channel(channel).update(**fields)

    def do_delete(self, what: str, id: int, guild: int = 0) -> None:
        if what == "role":
            self._guild(guild).roles[id].delete()
        elif what == "guild":
            self._guild(id).delete()
        elif what == "channel":
            self._channel(id).delete()
        else:
            self._message(id).delete()

    def do_fault(self, **rule: Any) -> None:
        self._server.faults.add(**rule)

    def do_clear_faults(self) -> None:
        self._server.faults.clear()

    async def do_gateway(self, act: str, **more: Any) -> None:
        """One of the gateway's: reconnect, invalidate, close, cut, zombie, hold, release, malformed."""
        result = getattr(self._server.gateway, act)(**more)
        if asyncio.iscoroutine(result):
            await result

    def do_advance(self, seconds: float) -> float:
        self._server.clock.advance(seconds)
        return self._server.clock()

    def do_limits(self, **limits: Any) -> None:
        for name, value in limits.items():
            if not hasattr(self._server.limits, name):
                raise AttributeError(name)
            setattr(self._server.limits, name, value)
        if "identifies_per_day" in limits:
            self._server.gateway.remaining = limits["identifies_per_day"]

    def do_forget(self) -> None:
        """Let go of interactions that can't be answered any more, and of the log: for long measurements."""
        self._server.interactions.forget_expired()
        known = self._server.interactions.all
        self._replies = {id_: reply for id_, reply in self._replies.items() if id_ in known}
        self._server.rest.requests.clear()

    # -- looking -------------------------------------------------------------------------------------

    async def do_connected(self, shards: int = 1, within: float = 10.0) -> None:
        await self._server.connected(shards, min(within, LONGEST_WAIT))

    def do_messages(self, channel: int, viewer: str | None = None) -> list[JSON]:
        seen_by = self._server.people[viewer] if viewer else None
        return [describe_message(one) for one in self._server.messages(self._channel(channel), seen_by)]

    def do_everything(self) -> list[JSON]:
        """Every message of every channel, whoever may see it."""
        channels = self._server.world.channels.values()
        return [
            {**describe_message(one), "author_id": one.author.id}
            for place in channels
            for one in place.visible()
        ]

    def do_requests(self, on: str = "*") -> list[JSON]:
        return [asdict(request) for request in self._server.requests_to(on)]

    def do_duplicates(self) -> list[list[JSON]]:
        return [[describe_message(one) for one in group] for group in self._server.duplicates()]

    def do_file(self, id: int) -> str:
        return base64.b64encode(self._server.world.files[id].data).decode()

    def do_state(self) -> JSON:
        gateway = self._server.gateway
        return {
            "bot": self._server.bot.id,
            "identified": len(gateway.identified),
            "resumed": gateway.resumed,
            "live": len(list(gateway.live())),
            "overwrites": self._server.registry.overwrites,
            "commands": [command["name"] for command in self._server.registry.all()],
            "refused_by_limits": self._server.rest.rate_limits.refused,
            "unplayed": [request.path for request in self._server.unplayed],
        }

    # -- finding -------------------------------------------------------------------------------------

    def _keep(self, reply: Reply) -> JSON:
        self._replies[reply.id] = reply
        return describe_reply(reply)

    def _guild(self, id_: int) -> Guild:
        return self._server.world.guilds[id_]

    def _channel(self, id_: int) -> Channel:
        return self._server.world.channels[id_]

    def _message(self, id_: int) -> Message:
        for channel in self._server.world.channels.values():
            if id_ in channel.messages:
                return channel.messages[id_]
        raise LookupError(f"no message {id_}")


def _bits(names: list[str]) -> P:
    bits = P(0)
    for name in names:
        bits |= P[name.upper()]
    return bits
