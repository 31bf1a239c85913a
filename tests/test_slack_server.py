"""The played Slack, seen by the real slack-bolt and slack-sdk: what the tests of the adapter will rest on."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, ServerDisconnectedError, web
from slack_sdk.errors import SlackApiError

from tests.slack_server import ClientRefused, Limits, Person, SlackServer, Upload, make_manifest
from tests.slack_server.client import AsyncApp, AsyncWebClient, bolt_at, socket_mode, web_client_at
from tests.slack_server.limits import JSON
from tests.slack_server.messages import Message
from tests.slack_server.state import Channel, Team

PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x02\x00\x00\x00\x03\x08\x02\x00\x00\x00\x36\x88\x49\xd6"
    b"\x00\x00\x00\x00IEND\xaeB`\x82"
)
COMMANDS = ("/animate", "/form", "/silence", "/whisper", "/late")


def plain(text: str) -> JSON:
    return {"type": "plain_text", "text": text}


def section(text: str) -> JSON:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def button(label: str, action_id: str, **more: Any) -> JSON:
    return {"type": "button", "text": plain(label), "action_id": action_id, **more}


def card(text: str, job: str = "7") -> list[JSON]:
    buttons = [button("Cancel", "cancel", value=job), button("Again", "again", value=job)]
    return [section(text), {"type": "actions", "block_id": "buttons", "elements": buttons}]


def option(value: str) -> JSON:
    return {"text": plain(value.title()), "value": value}


def field(label: str, element: JSON, **more: Any) -> JSON:
    name = label.lower()
    return {
        "type": "input",
        "block_id": name,
        "label": plain(label),
        "element": {"action_id": f"{name}_in", **element},
        **more,
    }


def form(title: str = "Animate") -> JSON:
    return {
        "type": "modal",
        "callback_id": "form",
        "private_metadata": "draft-1",
        "notify_on_close": True,
        "title": plain(title),
        "submit": plain("Go"),
        "close": plain("Cancel"),
        "blocks": [
            field("Prompt", {"type": "plain_text_input", "max_length": 20, "initial_value": "a fox"}),
            field(
                "Steps",
                {"type": "number_input", "is_decimal_allowed": False, "min_value": "1", "max_value": "50"},
            ),
            field(
                "Model",
                {"type": "static_select", "options": [option("flux"), option("fast")]},
                optional=True,
            ),
            field("Picture", {"type": "file_input", "max_files": 2}, optional=True),
            {"type": "actions", "elements": [button("More", "more")]},
        ],
    }


class Bot:
    """A small bot that does one of everything, and remembers what it saw."""

    def __init__(self, app: AsyncApp) -> None:
        self.app = app
        self.seen: list[JSON] = []
        self.events: list[JSON] = []
        self.retries: list[str] = []
        self.answer_to_submission: JSON | None = None
        self._listen()

    def _listen(self) -> None:
        app = self.app

        @app.use
        async def remember(body: JSON, request: Any, next: Any) -> None:
            (self.events if "event" in body else self.seen).append(body)
            self.retries += request.headers.get("x-slack-retry-num", [])
            await next()

        @app.command("/animate")
        async def animate(ack: Any, command: JSON, client: AsyncWebClient) -> None:
            await ack()
            await client.chat_postMessage(
                channel=command["channel_id"], text=command["text"], blocks=card(command["text"])
            )

        @app.command("/form")
        @app.shortcut("create")
        async def open_form(ack: Any, body: JSON, client: AsyncWebClient) -> None:
            await ack()
            await client.views_open(trigger_id=body["trigger_id"], view=form())

        @app.command("/whisper")
        async def whisper(ack: Any, respond: Any) -> None:
            await ack("by ack")
            await respond("by url")
            await respond("for all", response_type="in_channel")

        @app.command("/silence")
        async def silence() -> None:
            return None

        @app.shortcut("animate_message")
        async def of_message(ack: Any, shortcut: JSON, client: AsyncWebClient) -> None:
            await ack()
            message = shortcut["message"]
            names = [file["name"] for file in message.get("files", [])]
            await client.chat_postMessage(
                channel=shortcut["channel"]["id"],
                text=f"{message['text']} {names}",
                thread_ts=message.get("thread_ts") or message["ts"],
            )

        @app.action("cancel")
        async def cancel(ack: Any, body: JSON, respond: Any) -> None:
            await ack()
            await respond(f"cancelled {body['actions'][0]['value']}")

        @app.action("more")
        async def more(ack: Any, body: JSON, client: AsyncWebClient) -> None:
            await ack()
            await client.views_push(trigger_id=body["trigger_id"], view=form("More"))

        @app.action("pick")
        async def pick(ack: Any) -> None:
            await ack()

        @app.options("pick")
        async def options(ack: Any, payload: JSON) -> None:
            await ack(options=[option(f"{payload['value']}-1"), option(f"{payload['value']}-2")])

        @app.view("form")
        async def submitted(ack: Any) -> None:
            answer = self.answer_to_submission
            await (ack() if answer is None else ack(**answer))

        @app.view_closed("form")
        async def closed(ack: Any) -> None:
            await ack()

        @app.event("app_mention")
        async def mentioned(event: JSON, say: Any) -> None:
            await say(f"yes? {event['text']}", thread_ts=event.get("thread_ts") or event["ts"])

        @app.event("app_home_opened")
        async def home(event: JSON, client: AsyncWebClient) -> None:
            view = {"type": "home", "blocks": [section(f"jobs of <@{event['user']}>"), *card("a job")[1:]]}
            await client.views_publish(user_id=event["user"], view=view)

        for name in ("message", "file_shared", "member_joined_channel", "app_uninstalled", "tokens_revoked"):
            app.event(name)(_nothing)


async def _nothing() -> None:
    return None


def manifest(**more: Any) -> JSON:
    return make_manifest(
        commands=COMMANDS,
        global_shortcuts=["create"],
        message_shortcuts=["animate_message"],
        **more,
    )


@pytest.fixture
async def server() -> AsyncIterator[SlackServer]:
    async with SlackServer(manifest()) as server:
        yield server


@pytest.fixture
def team(server: SlackServer) -> Team:
    return server.team("Foxes")


@pytest.fixture
def general(team: Team) -> Channel:
    return team.channel("general", bot=True)


@pytest.fixture
def ann(server: SlackServer, team: Team, general: Channel) -> Person:
    return server.person("Ann", team, general, is_admin=True)


@pytest.fixture
async def bot(server: SlackServer, team: Team) -> AsyncIterator[Bot]:
    bolt = bolt_at(server)
    async with socket_mode(server, bolt):
        yield Bot(bolt)


@pytest.fixture
def client(server: SlackServer, team: Team) -> AsyncWebClient:
    return web_client_at(server)


@contextlib.asynccontextmanager
async def refused(code: str) -> AsyncIterator[list[Any]]:
    """What is in here is refused with this code; the list then holds the answer."""
    found: list[Any] = []
    with pytest.raises(SlackApiError) as caught:
        yield found
    found.append(caught.value.response)
    assert caught.value.response["error"] == code


async def posted(server: SlackServer, channel: Channel, count: int = 1) -> list[Message]:
    """Wait until so many messages stand in a channel."""
    await server.until(lambda: len(server.messages(channel)) >= count)
    return server.messages(channel)


# -- commands, shortcuts, buttons --------------------------------------------------------------------


async def test_a_command_is_acknowledged_and_answered_with_a_card(
    server: SlackServer, bot: Bot, ann: Person, general: Channel
) -> None:
    reply = await ann.command("/animate", "start:fox & <hound> @Ann #general https://a.org/x", channel=general)
    assert reply.ack == {}
    assert reply.error is None
    assert reply.seconds is not None
    assert reply.seconds < 3
    [message] = await posted(server, general)
    wanted = f"start:fox &amp; &lt;hound&gt; {ann.mention} <#{general.id}|general> <https://a.org/x>"
    assert message.text == wanted
    assert message.pings == {ann.id}
    assert [one.label for one in message.buttons] == ["Cancel", "Again"]
    assert bot.seen[0]["is_enterprise_install"] == "false"
    assert not server.unplayed


async def test_without_escaping_mentions_stay_as_typed_and_macs_type_curly_quotes(
    server: SlackServer, ann: Person, general: Channel, bot: Bot
) -> None:
    server.app.change_manifest(manifest(should_escape=False))
    await ann.command("/animate", '@Ann said "it\'s" --fast', channel=general, smart_quotes=True)
    assert bot.seen[0]["text"] == "@Ann said “it’s” —fast"


async def test_a_client_refuses_what_no_person_can_do(
    server: SlackServer, ann: Person, general: Channel, team: Team, bot: Bot
) -> None:
    secret = team.channel("secret", private=True)
    guest = server.person("Guest", team, general, is_guest=True)
    message = (await ann.say(general, "hello")).said
    with pytest.raises(ClientRefused, match="not a valid command"):
        await ann.command("/nothing", channel=general)
    with pytest.raises(ClientRefused, match="not supported in threads"):
        await ann.command("/animate", channel=general, thread=message)
    with pytest.raises(ClientRefused, match="isn't in secret"):
        await ann.command("/animate", channel=secret)
    with pytest.raises(ClientRefused, match="guests"):
        await guest.global_shortcut("create")
    with pytest.raises(ClientRefused, match="no message shortcut"):
        assert message is not None
        await ann.message_shortcut("other", message)
    assert bot.seen == []


async def test_a_command_that_nobody_acknowledges_times_out(
    server: SlackServer, bot: Bot, ann: Person, general: Channel
) -> None:
    server.limits.ack = 0.2
    reply = await ann.command("/silence", channel=general)
    assert reply.error == "operation_timeout"
    assert reply.ack is None


async def test_without_a_connection_a_command_fails_at_once(
    server: SlackServer, ann: Person, general: Channel
) -> None:
    reply = await ann.command("/animate", channel=general)
    assert reply.error == "dispatch_failed"


async def test_answers_by_acknowledgement_and_response_url(
    server: SlackServer, bot: Bot, ann: Person, general: Channel
) -> None:
    reply = await ann.command("/whisper", channel=general)
    await reply.until(lambda reply: len(reply.answers) == 3)
    # Which of both comes first is bolt's affair: `ack()` only notes what is written later.
    assert {one.text for one in reply.ephemerals} == {"by ack", "by url"}
    assert [one.text for one in server.messages(general)] == ["for all"]
    assert len(server.messages(general, viewer=ann)) == 3


async def test_a_response_url_is_good_for_five_uses_in_half_an_hour(
    server: SlackServer, bot: Bot, ann: Person, general: Channel
) -> None:
    await ann.command("/animate", "fox", channel=general)
    await ann.command("/animate", "hound", channel=general)
    first, second = (body["response_url"] for body in bot.seen)
    async with ClientSession() as session:

        async def respond(url: str, **payload: Any) -> str:
            async with session.post(url, json=payload) as response:
                return await response.text() if response.status == 200 else (await response.json())["error"]

        assert [await respond(first, text="x") for _ in range(6)] == ["ok"] * 5 + ["used_url"]
        assert await respond(second, text="one") == "ok"
        assert await respond(second, text="two", replace_original=True) == "ok"
        assert await respond(second) == "no_text"
        server.clock.advance(1801)
        assert await respond(second, text="x") == "expired_url"
    assert ann.ephemerals[-1].text == "two"


async def test_buttons_and_shortcuts_inside_a_thread(
    server: SlackServer, bot: Bot, ann: Person, general: Channel
) -> None:
    await ann.command("/animate", "fox", channel=general)
    [message] = await posted(server, general)
    reply = await ann.press(message, label="Cancel")
    assert (await reply.answered()).text == "cancelled 7"
    payload = bot.seen[-1]
    assert payload["message"]["ts"] == payload["container"]["message_ts"] == message.ts
    assert payload["actions"][0]["value"] == "7"

    said = (await ann.say(general, "look", thread=message, files=[("fox.png", PNG)])).said
    assert said is not None
    await ann.message_shortcut("animate_message", said)
    await server.until(lambda: len(message.replies) == 2)
    assert message.replies[-1].text == "look ['fox.png']"
    with pytest.raises(ClientRefused, match="no button"):
        await ann.press(message, "nothing")


async def test_menus_of_messages_and_overflows(
    server: SlackServer, bot: Bot, client: AsyncWebClient, ann: Person, general: Channel
) -> None:
    elements = [
        {"type": "external_select", "action_id": "pick", "min_query_length": 1},
        {"type": "overflow", "action_id": "again", "options": [option("twice"), option("thrice")]},
    ]
    bot.app.action("again")(_acks)
    await client.chat_postMessage(
        channel=general.id, text="x", blocks=[{"type": "actions", "elements": elements}]
    )
    [message] = server.messages(general)
    assert [one["value"] for one in (await ann.suggest(message, "pick", "fox")).options] == ["fox-1", "fox-2"]
    reply = await ann.select(message, "again", "Thrice")
    assert reply.ack == {}
    assert bot.seen[-1]["actions"][0]["selected_option"]["value"] == "thrice"


async def _acks(ack: Any) -> None:
    await ack()
