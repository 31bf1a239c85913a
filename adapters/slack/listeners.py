"""What slack-bolt hands us, acknowledged first of all; then the work begins, in a task of its own."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack import forms
from adapters.slack.clients import Clients
from adapters.slack.commands import Commands
from adapters.slack.people import People
from adapters.slack.places import NAME, Spot
from adapters.slack.presence import Presence
from adapters.slack.settings import SettingsCommands
from adapters.slack.whispers import Origin
from bot.errors import ForPerson, ThreadreelError
from bot.jobs import JobId, Json

SEEN = 10_000
"""Events that are remembered, to do nothing twice that makes no job. Jobs have keys of their own."""

AT_ONCE = 4
A_MOMENT = 0.02
"""Seconds. Of what is to be done, so many things begin at once, and the next when they are done or a moment
is over: whoever waits for an acknowledgement goes first."""

ANY = re.compile("")

log = structlog.get_logger(__name__)

Work = Callable[[], Awaitable[None]]


def bolt_app(client: AsyncWebClient) -> AsyncApp:
    """An app that asks nobody before it acknowledges, and takes nothing from the environment that counts.

    Signatures are checked by our own route: see `adapters.slack.http`.
    """

    async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id)

    return AsyncApp(
        name="threadreel",
        client=client,
        signing_secret="",
        authorize=authorize,
        request_verification_enabled=False,
        ignoring_self_events_enabled=False,
    )


class Listeners:
    """Turns payloads into Origins and calls of Commands; each event once, as far as this process knows."""

    def __init__(
        self,
        commands: Commands,
        settings: SettingsCommands,
        people: People,
        clients: Clients,
        presence: Presence,
    ) -> None:
        self._commands = commands
        self._settings = settings
        self._people = people
        self._clients = clients
        self._presence = presence
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._waiting: deque[tuple[Origin, Work]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._starting: asyncio.Task[None] | None = None

    def listen(self, app: AsyncApp) -> None:
        app.command(ANY)(self._command)
        app.shortcut(ANY)(self._shortcut)
        app.action(ANY)(self._action)
        app.view(ANY)(self._submission)
        app.event("app_mention")(self._mention)
        app.event("message")(self._message)
        app.event("app_home_opened")(self._home)
        app.event(re.compile("app_uninstalled|tokens_revoked"))(self._removed)

    async def finish(self, within: float) -> None:
        """Let what was begun come to its end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                while self._starting is not None or self._tasks:
                    await asyncio.wait({*self._tasks, *filter(None, [self._starting])})
        left = {*self._tasks, *filter(None, [self._starting])}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    # -- one method for each kind of payload

    async def _command(self, ack: AsyncAck, body: Json, context: AsyncBoltContext) -> None:
        await ack()
        origin = self._origin(
            body,
            context,
            "trigger",
            body["trigger_id"],
            spot=Spot(_team(context, body), body["channel_id"]),
        )
        self._begin(origin, lambda: self._commands.slash(origin, body["command"], body.get("text") or ""))

    async def _shortcut(self, ack: AsyncAck, body: Json, context: AsyncBoltContext) -> None:
        await ack()
        key = body["trigger_id"]
        if body["type"] == "shortcut":
            origin = self._origin(body, context, "trigger", key)
            self._begin(origin, lambda: self._commands.create(origin))
            return
        message = body["message"]
        thread = message.get("thread_ts") or message["ts"]
        spot = Spot(_team(context, body), body["channel"]["id"], thread)
        aside = thread if thread != message["ts"] else ""
        at = self._origin(body, context, "trigger", key, spot=spot, aside=aside)
        self._begin(at, lambda: self._commands.message_shortcut(at, body["callback_id"], message))

    async def _submission(self, ack: AsyncAck, body: Json, context: AsyncBoltContext) -> None:
        view = body["view"]
        origin = self._origin(body, context, "view", view["id"])
        try:
            answer = self._commands.answer_form(origin, view)
        except Exception:
            await ack()
            log.exception("A form was not understood", action="form_failed")
            return
        await ack(**answer.ack)
        if answer.work is not None:
            self._begin(origin, answer.work, once=f"{origin.key}:{body['trigger_id']}")

    async def _action(self, ack: AsyncAck, body: Json, context: AsyncBoltContext) -> None:
        await ack()
        action, container = body["actions"][0], body["container"]
        name, value = action["action_id"], action.get("value") or ""
        if container["type"] == "view":
            at, below, spot, aside = container["view_id"], "", None, ""
        else:
            at, aside = container["message_ts"], container.get("thread_ts") or ""
            aside = "" if aside == at else aside
            below = aside if aside or container.get("is_ephemeral") else at
            spot = Spot(_team(context, body), container["channel_id"], aside)
        key = f"{at}:{action['action_ts']}:{body['user']['id']}"
        origin = self._origin(body, context, "action", key, spot=spot, aside=aside)
        self._begin(origin, lambda: self._act(origin, body, name, value, below))

    async def _act(self, origin: Origin, body: Json, name: str, value: str, below: str) -> None:
        match name:
            case forms.MORE:
                await self._commands.more(origin, body["view"])
            case forms.CHOOSE:
                chosen = body["actions"][0]["selected_option"]["value"]
                await self._commands.choose(origin, body["view"], chosen)
            case "draft.edit":
                await self._commands.mend(origin, value)
            case _ if name.startswith(("job.", "step.")):
                await self._commands.press(origin, name, JobId(value), below)
            case "admin.go":
                await self._commands.go(origin, value)
            case _ if name.startswith("admin."):
                action = body["actions"][0]
                chosen = (action.get("selected_option") or {}).get("value", value)
                view = body.get("view") or {}
                await self._settings.press(origin, name.removeprefix("admin."), chosen, view)
                return
        if (body.get("view") or {}).get("type") == "home":
            await self._commands.home(origin)

    async def _mention(self, body: Json, event: Json, context: AsyncBoltContext) -> None:
        if event.get("bot_id") or not event.get("user"):
            return
        spot = Spot(_team(context, body), event["channel"], event.get("thread_ts") or event["ts"])
        self._said(body, event, context, spot)

    async def _message(self, body: Json, event: Json, context: AsyncBoltContext) -> None:
        """Only what people write to us alone."""
        is_said = event.get("subtype") in (None, "file_share") and event.get("user")
        if event.get("channel_type") != "im" or not is_said or event.get("bot_id"):
            return
        self._said(
            body, event, context, Spot(_team(context, body), event["channel"], event.get("thread_ts") or "")
        )

    def _said(self, body: Json, event: Json, context: AsyncBoltContext, spot: Spot) -> None:
        actor = self._people.known(_team(context, body), event["user"])
        key = f"{NAME}:{_team(context, body)}:event:{body['event_id']}"
        aside = event.get("thread_ts") or ""
        origin = Origin(actor, key, spot, aside=aside, enterprise=context.enterprise_id)
        files = event.get("files") or []
        self._begin(origin, lambda: self._commands.said(origin, event.get("text") or "", files))

    async def _home(self, body: Json, event: Json, context: AsyncBoltContext) -> None:
        if event.get("tab") != "home":
            return
        actor = self._people.known(_team(context, body), event["user"])
        key = f"{NAME}:{_team(context, body)}:event:{body['event_id']}"
        origin = Origin(actor, key, enterprise=context.enterprise_id)
        self._begin(origin, lambda: self._commands.home(origin))

    async def _removed(self, body: Json, event: Json, context: AsyncBoltContext) -> None:
        if event["type"] == "tokens_revoked" and not (event.get("tokens") or {}).get("bot"):
            return  # those of people, of which we have none
        await self._presence.removed(context.team_id or body.get("team_id"), context.enterprise_id)

    # -- from payload to work

    def _origin(
        self,
        body: Json,
        context: AsyncBoltContext,
        kind: str,
        id_: str,
        *,
        spot: Spot | None = None,
        aside: str = "",
    ) -> Origin:
        team = _team(context, body)
        user = body.get("user") or {"id": body.get("user_id"), "name": body.get("user_name")}
        actor = self._people.known(team, user["id"], user.get("name") or user.get("username") or "")
        return Origin(
            actor,
            f"{NAME}:{team}:{kind}:{id_}",
            spot,
            body.get("trigger_id", ""),
            body.get("response_url"),
            aside,
            context.enterprise_id,
        )

    def _begin(self, origin: Origin, work: Work, *, once: str | None = None) -> None:
        """Not within the listener: what it raises there would replace the acknowledgement by nothing."""
        key = once or origin.key
        if key in self._seen:
            return
        self._seen[key] = None
        if len(self._seen) > SEEN:
            self._seen.popitem(last=False)
        self._waiting.append((origin, work))
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())

    async def _start(self) -> None:
        """Begin what waits, a few at a time."""
        try:
            while self._waiting:
                begun = [
                    self._started(*self._waiting.popleft()) for _ in range(min(AT_ONCE, len(self._waiting)))
                ]
                await asyncio.wait(begun, timeout=A_MOMENT)
        finally:
            self._starting = None

    def _started(self, origin: Origin, work: Work) -> asyncio.Task[None]:
        task = asyncio.create_task(self._carry(origin, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _carry(self, origin: Origin, work: Work) -> None:
        try:
            if origin.enterprise is not None:
                # Now it is told; whoever delivers the result knows the workspace only.
                await self._clients.of(origin.team, origin.enterprise)
            await work()
            await self._presence.used(origin.team)
        except ForPerson as error:
            await self._commands.apologise(origin, error)
        except ThreadreelError as error:
            log.warning("Not now", action="not_now", why=str(error), key=origin.key)
            await self._commands.apologise(origin, error)
        except Exception as error:
            log.exception("What somebody did failed", action="failed", key=origin.key)
            await self._commands.apologise(origin, error)


def _team(context: AsyncBoltContext, body: Json) -> str:
    """Events of an organisation's installation name their workspace where bolt doesn't look for it."""
    return context.team_id or body.get("team_id") or context.enterprise_id or ""
