"""The driver over HTTP, `POST /_admin/<verb>` with JSON, for a played Slack in a process of its own.

Things are named by their ids, messages by channel and ts, people by their names, files as `{"name": ...,
"base64": ...}`. What a client would refuse is 409, what isn't there 404; both say why in `error`. `remote.py`
is the other end.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.slack_server.files import File, Upload
from tests.slack_server.forms import ClientRefused, fields_of
from tests.slack_server.limits import JSON, SlackError
from tests.slack_server.messages import Message
from tests.slack_server.people import Person, Place
from tests.slack_server.replies import Reply
from tests.slack_server.state import Channel, Team
from tests.slack_server.views import View
from tests.slack_server.webapi import answer

if TYPE_CHECKING:
    from tests.slack_server.server import SlackServer

LONGEST_WAIT = 30.0


def describe_file(file: File) -> JSON:
    return {
        "id": file.id,
        "name": file.name,
        "title": file.title,
        "size": file.size,
        "sha256": file.sha256,
        "url_private": file.url_private,
        "completed": file.completed,
        "deleted": file.deleted,
        "shares": [[share.channel.id, share.ts, share.thread_ts] for share in file.shares],
    }


def describe_message(message: Message) -> JSON:
    """A message as people see it."""
    return {
        "channel": message.channel.id,
        "ts": message.ts,
        "thread_ts": message.thread_ts,
        "author": message.author.name,
        "text": message.text,
        "fallback": message.fallback,
        "buttons": [
            {"label": one.label, "action_id": one.action_id, "value": one.value} for one in message.buttons
        ],
        "files": [describe_file(file) for file in message.files],
        "ephemeral": message.ephemeral,
        "metadata": message.metadata,
        "pings": sorted(message.pings),
        "unfurled": message.unfurled,
        "edits": [edit.text for edit in message.edits],
    }


def describe_view(view: View) -> JSON:
    return {
        "id": view.id,
        "kind": view.kind,
        "title": view.title,
        "callback_id": view.callback_id,
        "private_metadata": view.private_metadata,
        "text": view.text,
        "errors": view.errors,
        "buttons": [{"label": one.label, "action_id": one.action_id} for one in view.buttons],
        "fields": [
            {
                "label": field.label,
                "block_id": field.block_id,
                "action_id": field.action_id,
                "kind": field.kind,
                "required": field.required,
                "options": field.options,
                "value": field.value(view.filled.get(field.key) or field.initial()),
            }
            for field in fields_of(view.blocks)
        ],
    }


def describe_reply(reply: Reply) -> JSON:
    return {
        "id": reply.id,
        "ack": reply.ack,
        "seconds": reply.seconds,
        "error": reply.error,
        "errors": reply.errors,
        "attempts": reply.attempts,
        "text": reply.text,
        "options": reply.options,
        "view": describe_view(reply.view) if reply.view else None,
        "answers": [describe_message(one) for one in reply.answers],
        "ephemerals": [describe_message(one) for one in reply.ephemerals],
        "said": describe_message(reply.said) if reply.said else None,
    }


def read_value(value: Any) -> Any:
    """Values of fields; files inside become uploads."""
    if isinstance(value, list):
        return [read_value(one) for one in value]
    if isinstance(value, dict) and "base64" in value:
        return Upload(value["name"], base64.b64decode(value["base64"]))
    return value


class Admin:
    """One method per verb."""

    def __init__(self, server: SlackServer) -> None:
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
        except (LookupError, AttributeError, TimeoutError, SlackError, ValueError) as error:
            return answer({"error": f"{type(error).__name__}: {error}"}, 404)

    # -- making --------------------------------------------------------------------------------------

    def do_manifest(self, manifest: JSON) -> None:
        self._server.app.change_manifest(manifest)

    def do_app(self) -> JSON:
        """The app's secrets."""
        app = self._server.app
        return {
            "id": app.id,
            "client_id": app.client_id,
            "client_secret": app.client_secret,
            "signing_secret": app.signing_secret,
            "app_token": app.app_token,
        }

    def do_team(self, name: str = "Foxes", **more: Any) -> JSON:
        """A workspace; with the app in it, its bot's id and token."""
        team = self._server.team(name, **more)
        if not team.installed():
            return {"id": team.id, "bot": None, "token": None}
        return {"id": team.id, "bot": team.bot.id, "token": team.installation().token}

    def do_channel(
        self, team: str, name: str, people: list[str] | None = None, private: bool = False, bot: bool = False
    ) -> str:
        members = [self._person(one) for one in people or []]
        return self._team(team).channel(name, *members, private=private, bot=bot).id

    def do_person(self, name: str, team: str, channels: list[str] | None = None, **more: Any) -> str:
        places = [self._channel(one) for one in channels or []]
        return self._server.person(name, self._team(team), *places, **more).id

    def do_dm(self, person: str) -> str:
        return self._person(person).dm().id

    # -- acting --------------------------------------------------------------------------------------

    async def do_say(
        self, person: str, channel: str, text: str = "", files: list[JSON] | None = None, **more: Any
    ) -> JSON:
        uploads = [read_value(file) for file in files or []]
        return self._keep(await self._person(person).say(self._channel(channel), text, files=uploads, **more))

    async def do_command(self, person: str, command: str, channel: str, text: str = "", **more: Any) -> JSON:
        place = self._channel(channel)
        return self._keep(await self._person(person).command(command, text, channel=place, **more))

    async def do_global_shortcut(self, person: str, callback_id: str, **more: Any) -> JSON:
        return self._keep(await self._person(person).global_shortcut(callback_id, **more))

    async def do_message_shortcut(
        self, person: str, callback_id: str, channel: str, ts: str, **more: Any
    ) -> JSON:
        message = self._message(channel, ts)
        return self._keep(await self._person(person).message_shortcut(callback_id, message, **more))

    async def do_press(self, person: str, place: JSON, **more: Any) -> JSON:
        return self._keep(await self._person(person).press(self._place(place), **more))

    async def do_select(self, person: str, place: JSON, which: str, value: Any, **more: Any) -> JSON:
        who = self._person(person)
        return self._keep(await who.select(self._place(place), which, read_value(value), **more))

    def do_fill_view(self, person: str, values: JSON) -> JSON:
        filled = {name: read_value(value) for name, value in values.items()}
        return describe_view(self._person(person).fill_view(filled))

    async def do_submit_view(self, person: str, values: JSON | None = None, **more: Any) -> JSON:
        filled = {name: read_value(value) for name, value in (values or {}).items()}
        return self._keep(await self._person(person).submit_view(filled, **more))

    async def do_close_view(self, person: str, everything: bool = False) -> JSON:
        return self._keep(await self._person(person).close_view(everything=everything))

    async def do_open_home(self, person: str, **more: Any) -> JSON:
        return self._keep(await self._person(person).open_home(**more))

    async def do_install(self, person: str, url: str, **more: Any) -> JSON:
        return asdict(await self._person(person).install(url, **more))

    async def do_uninstall(self, person: str) -> JSON:
        return self._keep(await self._person(person).uninstall())

    async def do_reply(self, key: int, wait_for: str | None = None, within: float = 5.0) -> JSON:
        """What a reply looks like now; `wait_for` "acknowledged", "answered" or "opened"."""
        reply = self._replies[key]
        if wait_for == "acknowledged":
            await reply.acknowledged()
        elif wait_for is not None:
            await getattr(reply, wait_for)(min(within, LONGEST_WAIT))
        return describe_reply(reply) | {"key": key}

    async def do_load(
        self, person: str, command: str, channel: str, count: int, per_second: float = 0.0, text: str = ""
    ) -> list[float | None]:
        """Use a command `count` times, at a rate or (0) all at once; the seconds to each acknowledgement."""
        who, place = self._person(person), self._channel(channel)
        begun, running = time.monotonic(), []
        for number in range(count):
            if per_second:
                await asyncio.sleep(max(0.0, begun + number / per_second - time.monotonic()))
            running.append(asyncio.create_task(who.command(command, text, channel=place)))
        return [reply.seconds for reply in await asyncio.gather(*running)]

    # -- changing and troubling ----------------------------------------------------------------------

    def do_fault(self, **rule: Any) -> None:
        self._server.faults.add(**rule)

    def do_clear_faults(self) -> None:
        self._server.faults.clear()

    async def do_sockets(self, act: str, **more: Any) -> None:
        """One of Socket Mode's: refresh, cut, zombie, ping."""
        result = getattr(self._server.sockets, act)(**more)
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

    def do_forget(self) -> None:
        """Let go of what is over, and of the log: for long measurements."""
        self._server.interactions.forget_expired()
        self._server.deliverer.forget()
        self._replies.clear()
        self._server.api.requests.clear()

    # -- looking -------------------------------------------------------------------------------------

    async def do_connected(self, connections: int = 1, within: float = 10.0) -> None:
        await self._server.connected(connections, min(within, LONGEST_WAIT))

    def do_messages(self, channel: str, thread: str | None = None, viewer: str | None = None) -> list[JSON]:
        seen_by = self._person(viewer) if viewer else None
        found = self._server.messages(self._channel(channel), thread=thread, viewer=seen_by)
        return [describe_message(one) for one in found]

    async def do_posted(self, channel: str, count: int = 1, within: float = 5.0) -> list[JSON]:
        """Wait until so many messages stand in a channel."""
        place = self._channel(channel)
        await self._server.until(
            lambda: len(self._server.messages(place)) >= count, min(within, LONGEST_WAIT)
        )
        return self.do_messages(channel)

    def do_views(self, person: str) -> list[JSON]:
        return [describe_view(view) for view in self._person(person).views]

    def do_home(self, person: str) -> JSON | None:
        home = self._person(person).home()
        return describe_view(home) if home else None

    def do_requests(self, on: str = "*") -> list[JSON]:
        return [asdict(request) for request in self._server.requests_to(on)]

    def do_duplicates(self) -> list[list[JSON]]:
        return [[describe_message(one) for one in group] for group in self._server.duplicates()]

    def do_file(self, id: str) -> str:
        return base64.b64encode(self._server.world.files[id].data or b"").decode()

    def do_state(self) -> JSON:
        server = self._server
        return {
            "live": len(list(server.sockets.live())),
            "opened": server.sockets.opened,
            "refused_by_limits": server.api.rate_limits.refused,
            "unplayed": [request.method or request.path for request in server.unplayed],
            "withheld": [[one.event, one.reason] for one in server.withheld],
            "misplaced": [describe_message(one) for one in server.misplaced],
            "files": [describe_file(file) for file in server.files],
        }

    # -- finding -------------------------------------------------------------------------------------

    def _keep(self, reply: Reply) -> JSON:
        key = len(self._replies) + 1
        self._replies[key] = reply
        return describe_reply(reply) | {"key": key}

    def _team(self, id_: str) -> Team:
        return self._server.world.teams[id_]

    def _channel(self, id_: str) -> Channel:
        return self._server.world.channels[id_]

    def _person(self, name: str) -> Person:
        return self._server.people[name]

    def _message(self, channel: str, ts: str) -> Message:
        for one in self._server.world.ephemerals:
            if one.channel.id == channel and one.ts == ts:
                return one
        return self._channel(channel).messages[ts]

    def _place(self, place: JSON) -> Place:
        """`{"view": id}`, or `{"channel": id, "ts": ts}`."""
        if "view" in place:
            return self._server.world.views[place["view"]]
        return self._message(place["channel"], place["ts"])
