"""The played Slack, seen by the real slack-bolt and slack-sdk: what the tests of the adapter will rest on."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientConnectionError, ClientPayloadError, ClientSession, WSServerHandshakeError, web
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_sdk.errors import SlackApiError
from slack_sdk.oauth.installation_store import Installation
from slack_sdk.oauth.installation_store.async_installation_store import AsyncInstallationStore

from tests.slack_server import ClientRefused, Person, SlackServer, Upload, make_manifest
from tests.slack_server.client import (
    AsyncApp,
    AsyncSocketModeHandler,
    AsyncWebClient,
    bolt_at,
    socket_mode,
    web_client_at,
)
from tests.slack_server.limits import JSON
from tests.slack_server.messages import Message
from tests.slack_server.remote import RemoteServer
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
            text = command["text"] or "anything"
            await client.chat_postMessage(channel=command["channel_id"], text=text, blocks=card(text))

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
            if "response_url" in body:
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
    reply = await ann.command(
        "/animate", "start:fox & <hound> @Ann #general https://a.org/x", channel=general
    )
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
    assert message is not None
    with pytest.raises(ClientRefused, match="no message shortcut"):
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


# -- modals and App Home -----------------------------------------------------------------------------


async def test_a_modal_is_filled_in_and_submitted(
    server: SlackServer, bot: Bot, ann: Person, general: Channel, client: AsyncWebClient
) -> None:
    view = await (await ann.command("/form", channel=general)).opened()
    assert view.title == "Animate"
    ann.fill_view({"Steps": 12, "Model": "Fast", "picture": [("fox.png", PNG)]})
    reply = await ann.submit_view({"Prompt": "a hound"})
    assert reply.ack == {}
    assert ann.views == []

    sent = bot.seen[-1]["view"]
    values = sent["state"]["values"]
    assert sent["private_metadata"] == "draft-1"
    assert values["prompt"]["prompt_in"] == {"type": "plain_text_input", "value": "a hound"}
    assert values["steps"]["steps_in"]["value"] == "12"
    assert values["model"]["model_in"]["selected_option"]["value"] == "fast"
    [file] = values["picture"]["picture_in"]["files"]
    assert (await client.files_info(file=file["id"]))["file"]["original_w"] == 2
    assert await download(file["url_private"], server.token) == ("image/png", PNG)


async def test_a_client_checks_a_modal_before_it_sends_it(
    server: SlackServer, bot: Bot, ann: Person, general: Channel
) -> None:
    await (await ann.command("/form", channel=general)).opened()
    with pytest.raises(ClientRefused, match="Steps: please complete"):
        await ann.submit_view()
    with pytest.raises(ClientRefused, match="Steps: at most 50"):
        await ann.submit_view({"Steps": 51})
    with pytest.raises(ClientRefused, match="whole number"):
        await ann.submit_view({"Steps": "1.5"})
    with pytest.raises(ClientRefused, match="at most 20 characters"):
        ann.fill_view({"Prompt": "x" * 21})
    with pytest.raises(ClientRefused, match="not among"):
        ann.fill_view({"Model": "slow"})
    with pytest.raises(ClientRefused, match="no field"):
        ann.fill_view({"Colour": "red"})
    with pytest.raises(ClientRefused, match="at most 2 files"):
        ann.fill_view({"Picture": [("a.png", PNG)] * 3})
    with pytest.raises(ClientRefused, match="larger than 10 MB"):
        ann.fill_view({"Picture": Upload("a.png", b"x" * (10 * 1024 * 1024 + 1))})
    assert len(bot.seen) == 1


async def test_what_a_submission_is_answered_happens_to_the_modal(
    server: SlackServer, bot: Bot, ann: Person, general: Channel
) -> None:
    await (await ann.command("/form", channel=general)).opened()
    bot.answer_to_submission = {"response_action": "errors", "errors": {"prompt": "too dull"}}
    reply = await ann.submit_view({"Steps": 1})
    assert reply.errors == ann.view.errors == {"prompt": "too dull"}

    bot.answer_to_submission = {"response_action": "errors", "errors": {"nothing": "?"}}
    assert "invalid_errors" in str((await ann.submit_view()).error)

    bot.answer_to_submission = {"response_action": "update", "view": form("Second")}
    await ann.submit_view()
    assert [view.title for view in ann.views] == ["Second"]

    bot.answer_to_submission = {"response_action": "push", "view": form("Third")}
    assert (await ann.submit_view()).view is ann.view
    assert [view.title for view in ann.views] == ["Second", "Third"]
    assert ann.view.payload()["previous_view_id"] == ann.views[0].id

    bot.answer_to_submission = {"response_action": "push", "view": {**form("x" * 25)}}
    assert "invalid_arguments" in str((await ann.submit_view({"Steps": 2})).error)

    bot.answer_to_submission = {"response_action": "clear"}
    await ann.submit_view()
    assert ann.views == []


async def test_a_modal_that_isnt_acknowledged_stays_open(
    server: SlackServer, bot: Bot, ann: Person, general: Channel
) -> None:
    await (await ann.command("/form", channel=general)).opened()
    server.limits.ack, server.sockets.lose_acks = 0.2, 1
    assert (await ann.submit_view({"Steps": 1})).error == "operation_timeout"
    assert [view.title for view in ann.views] == ["Animate"]


async def test_modals_stack_to_three_and_closing_is_told(
    server: SlackServer, bot: Bot, ann: Person, client: AsyncWebClient
) -> None:
    await (await ann.global_shortcut("create")).opened()
    for _ in range(2):
        await (await ann.press(ann.view, "more")).opened()
    reply = await ann.press(ann.view, "more", wait=False)
    await server.until(lambda: server.calls("views.push")[-1].error == "push_limit_reached")
    assert reply.view is None
    await ann.close_view()
    assert bot.seen[-1]["type"] == "view_closed"
    assert [view.title for view in ann.views] == ["Animate", "More"]
    with pytest.raises(ClientRefused, match="on top"):
        await ann.press(ann.views[0], "more")
    await ann.close_view(everything=True)
    assert ann.views == []
    assert bot.seen[-1]["is_cleared"] is True


async def test_a_trigger_is_good_once_and_for_three_seconds(
    server: SlackServer, bot: Bot, ann: Person, general: Channel, client: AsyncWebClient
) -> None:
    first, second = [await ann.command("/animate", channel=general) for _ in range(2)]
    view = (await client.views_open(trigger_id=first.id, view=form()))["view"]
    async with refused("exchanged_trigger_id"):
        await client.views_open(trigger_id=first.id, view=form())
    server.clock.advance(3.1)
    async with refused("expired_trigger_id"):
        await client.views_open(trigger_id=second.id, view=form())
    async with refused("invalid_trigger_id"):
        await client.views_open(trigger_id="1.2.3", view=form())
    async with refused("hash_conflict"):
        await client.views_update(view_id=view["id"], hash="old", view=form())
    ann.fill_view({"Prompt": "kept"})
    await client.views_update(view_id=view["id"], hash=view["hash"], view=form("Better"))
    assert ann.view.title == "Better"
    await ann.submit_view({"Steps": 3})
    assert bot.seen[-1]["view"]["state"]["values"]["prompt"]["prompt_in"]["value"] == "kept"
    async with refused("not_found"):
        await client.views_update(view_id=view["id"], view=form())


async def test_an_external_id_is_unique(
    bot: Bot, ann: Person, general: Channel, client: AsyncWebClient, server: SlackServer
) -> None:
    replies = [await ann.command("/animate", channel=general) for _ in range(2)]
    await client.views_open(trigger_id=replies[0].id, view={**form(), "external_id": "draft-7"})
    await client.views_update(external_id="draft-7", view={**form("Two"), "external_id": "draft-7"})
    assert ann.view.title == "Two"
    async with refused("duplicate_external_id"):
        await client.views_open(trigger_id=replies[1].id, view={**form(), "external_id": "draft-7"})


async def test_the_app_home_is_published_for_each_person(
    server: SlackServer, bot: Bot, ann: Person, client: AsyncWebClient
) -> None:
    await ann.open_home()
    await server.until(ann.home)
    home = ann.home()
    assert home is not None
    assert home.text == f"jobs of {ann.mention}"
    await ann.press(home, "cancel")
    assert bot.seen[-1]["container"] == {"type": "view", "view_id": home.id}
    await ann.open_home()
    assert bot.events[-1]["event"]["view"]["id"] == home.id
    async with refused("invalid_arguments"):
        await client.views_publish(user_id=ann.id, view=form())


# -- messages ----------------------------------------------------------------------------------------


async def test_an_update_with_text_alone_takes_the_blocks_away(
    server: SlackServer, client: AsyncWebClient, general: Channel
) -> None:
    posted = await client.chat_postMessage(channel=general.id, text="x", blocks=card("one"))
    await client.chat_update(channel=general.id, ts=posted["ts"], text="x", blocks=card("two"))
    [message] = server.messages(general)
    assert message.text == "two"
    assert message.buttons
    await client.chat_update(channel=general.id, ts=posted["ts"], text="three")
    assert message.text == "three"
    assert not message.buttons
    assert len(message.edits) == 2
    assert len(server.calls("chat.update")) == 2
    await client.chat_delete(channel=general.id, ts=posted["ts"])
    assert server.messages(general) == []
    async with refused("message_not_found"):
        await client.chat_update(channel=general.id, ts=posted["ts"], text="four")


async def test_metadata_is_found_again_in_the_thread_only_when_asked_for(
    server: SlackServer, client: AsyncWebClient, general: Channel, ann: Person
) -> None:
    root = await client.chat_postMessage(channel=general.id, text="root")
    metadata = {"event_type": "job_result", "event_payload": {"job_id": 7}}
    await client.chat_postMessage(channel=general.id, text="r", thread_ts=root["ts"], metadata=metadata)
    replies = await client.conversations_replies(channel=general.id, ts=root["ts"])
    assert ["metadata" in one for one in replies["messages"]] == [False, False]
    replies = await client.conversations_replies(
        channel=general.id, ts=root["ts"], include_all_metadata=True, limit=1
    )
    assert replies["has_more"]
    pages = [page async for page in replies]
    assert pages[-1]["messages"][0]["metadata"] == metadata
    history = await client.conversations_history(channel=general.id)
    assert [one["text"] for one in history["messages"]] == ["root"]
    assert history["messages"][0]["reply_count"] == 1
    link = await client.chat_getPermalink(channel=general.id, message_ts=root["ts"])
    assert link["permalink"].startswith("https://foxes.slack.com/archives/")


async def test_where_the_bot_may_post(
    server: SlackServer, client: AsyncWebClient, team: Team, ann: Person
) -> None:
    bob = server.person("Bob", team)
    public, private = team.channel("public"), team.channel("private", private=True)
    old = team.channel("old", bot=True)
    old.archive()
    await client.chat_postMessage(channel=public.id, text="chat:write.public is enough")
    await client.chat_postMessage(channel="#public", text="by name")
    await client.chat_postMessage(channel=ann.id, text="to a person")
    assert [one.text for one in server.messages(ann.dm())] == ["to a person"]
    async with refused("channel_not_found"):
        await client.chat_postMessage(channel=private.id, text="x")
    async with refused("channel_not_found"):
        await client.chat_postMessage(channel=server.between(ann, bob).id, text="x")
    async with refused("is_archived"):
        await client.chat_postMessage(channel=old.id, text="x")
    async with refused("no_text"):
        await client.api_call("chat.postMessage", json={"channel": public.id})
    server.app.installations[0].scopes = ("chat:write",)
    async with refused("not_in_channel"):
        await client.chat_postMessage(channel=public.id, text="x")


async def test_joining_opening_and_looking(
    server: SlackServer, client: AsyncWebClient, team: Team, ann: Person
) -> None:
    public, private = team.channel("public", ann), team.channel("private", private=True, bot=True)
    assert (await client.conversations_info(channel=public.id))["channel"]["is_member"] is False
    async with refused("not_in_channel"):
        await client.conversations_history(channel=public.id)
    await client.conversations_join(channel=public.id)
    assert (await client.conversations_join(channel=public.id))["warning"] == "already_in_channel"
    async with refused("method_not_supported_for_channel_type"):
        await client.conversations_join(channel=private.id)
    members = await client.conversations_members(channel=public.id)
    assert members["members"] == [ann.id, team.bot.id]
    opened = await client.conversations_open(users=ann.id)
    assert opened["channel"]["id"] == ann.dm().id
    team.usergroup("makers", ann)
    groups = await client.usergroups_list(include_users=True)
    assert groups["usergroups"][0]["users"] == [ann.id]
    user = (await client.users_info(user=ann.id, include_locale=True))["user"]
    assert (user["is_admin"], user["locale"]) == (True, "en-US")
    assert (await client.users_lookupByEmail(email="ann@example.org"))["user"]["id"] == ann.id
    assert (await client.team_info())["team"]["domain"] == "foxes"


async def test_a_reply_to_a_reply_is_seen_by_nobody_and_pings_are_counted(
    server: SlackServer, client: AsyncWebClient, general: Channel
) -> None:
    root = await client.chat_postMessage(channel=general.id, text="root <!channel> https://a.org")
    reply = await client.chat_postMessage(channel=general.id, text="&lt;!here&gt;", thread_ts=root["ts"])
    await client.chat_postMessage(channel=general.id, text="lost", thread_ts=reply["ts"])
    assert [one.text for one in server.misplaced] == ["lost"]
    first, second = server.messages(general)
    assert (first.pings, second.pings) == ({"channel"}, set())
    assert first.unfurled == ["https://a.org"]
    await client.chat_postMessage(
        channel=general.id, text="https://a.org", unfurl_links=False, unfurl_media=False
    )
    assert server.messages(general)[-1].unfurled == []


async def test_ephemeral_messages_are_for_one_person(
    server: SlackServer, client: AsyncWebClient, general: Channel, ann: Person, team: Team
) -> None:
    bob = server.person("Bob", team)
    await client.chat_postEphemeral(channel=general.id, user=ann.id, text="psst")
    assert [one.text for one in ann.ephemerals] == ["psst"]
    assert server.messages(general) == server.messages(general, viewer=bob) == []
    async with refused("user_not_in_channel"):
        await client.chat_postEphemeral(channel=general.id, user=bob.id, text="psst")
    with pytest.raises(ClientRefused, match="only one person"):
        await ann.message_shortcut("animate_message", ann.ephemerals[0])


@pytest.mark.parametrize(
    ("blocks", "problem"),
    [
        ([{"type": "divider"}] * 51, "no more than 50 items"),
        ([{"type": "nothing"}], "unsupported type: nothing"),
        ([section("x" * 3001)], "less than 3001"),
        ([section("")], "more than 0 characters"),
        ([{"type": "header", "text": plain("x" * 151)}], "less than 151"),
        ([{"type": "section", "fields": [plain("x")] * 11}], "no more than 10 items"),
        ([{"type": "actions", "elements": [button("x", f"{n}") for n in range(26)]}], "no more than 25"),
        ([{"type": "actions", "elements": [button("x", "a"), button("y", "a")]}], "already exists"),
        ([{"type": "actions", "elements": [button("x" * 76, "a")]}], "less than 76"),
        ([{"type": "actions", "elements": [button("x", "a", value="v" * 2001)]}], "less than 2001"),
        ([{"type": "actions", "elements": [button("x", "a" * 256)]}], "less than 256"),
        ([{"type": "actions", "elements": [{"type": "file_input"}]}], "unsupported type: file_input"),
        ([{"type": "divider", "block_id": "a"}] * 2, "duplicate block_id"),
        ([field("P", {"type": "static_select", "options": []})], "no less than 1"),
        ([field("P", {"type": "static_select", "options": [option(f"{n}") for n in range(101)]})], "100"),
        ([field("P", {"type": "static_select", "options": [option("x" * 76)]})], "less than 76"),
        ([field("P", {"type": "file_input"})], "unsupported type: file_input"),
        ([{"type": "image", "slack_file": {"id": "F0"}, "alt_text": "x"}], "invalid slack file"),
    ],
)
async def test_blocks_that_slack_refuses(
    client: AsyncWebClient, general: Channel, blocks: list[JSON], problem: str
) -> None:
    async with refused("invalid_blocks") as found:
        await client.chat_postMessage(channel=general.id, text="x", blocks=blocks)
    assert problem in str(found[0]["response_metadata"]["messages"])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"title": plain("x" * 25)}, "less than 25"),
        ({"private_metadata": "x" * 3001}, "less than 3001"),
        ({"submit": plain("x" * 25)}, "less than 25"),
        ({"blocks": [{"type": "divider"}] * 101}, "no more than 100"),
        ({"type": "home"}, "unsupported type: home"),
    ],
)
async def test_views_that_slack_refuses(
    bot: Bot, client: AsyncWebClient, ann: Person, general: Channel, change: JSON, problem: str
) -> None:
    reply = await ann.command("/animate", channel=general)
    async with refused("invalid_arguments") as found:
        await client.views_open(trigger_id=reply.id, view={**form(), **change})
    assert problem in str(found[0]["response_metadata"]["messages"])


# -- tokens, scopes, manifest ------------------------------------------------------------------------


async def test_tokens_that_are_no_good(server: SlackServer, client: AsyncWebClient, general: Channel) -> None:
    who = await client.auth_test()
    assert (who["user_id"], who["team"]) == (server.app.installations[0].bot.id, "Foxes")
    async with refused("invalid_auth"):
        await web_client_at(server, "xoxb-wrong").auth_test()
    async with refused("not_allowed_token_type"):
        await web_client_at(server, server.app_token).chat_postMessage(channel=general.id, text="x")
    async with refused("not_allowed_token_type"):
        await client.apps_connections_open(app_token=server.token)
    server.revoke(server.app.installations[0])
    async with refused("token_revoked"):
        await client.auth_test()
    server.uninstall(server.app.installations[0])
    async with refused("account_inactive"):
        await client.auth_test()


async def test_calls_are_refused_where_the_manifest_lacks_the_scope() -> None:
    async with SlackServer(make_manifest(scopes=["chat:write", "im:history"])) as server:
        team = server.team()
        general = team.channel("general", bot=True)
        async with refused("missing_scope") as found:
            await web_client_at(server).files_getUploadURLExternal(filename="a", length=1)
        assert found[0]["needed"] == "files:write"
        assert found[0]["provided"] == "chat:write,im:history"
        async with refused("missing_scope") as found:
            await web_client_at(server).conversations_replies(channel=general.id, ts="1.0")
        assert found[0]["needed"] == "channels:history"


async def test_what_isnt_played_is_told(server: SlackServer, client: AsyncWebClient) -> None:
    async with refused("unknown_method"):
        await client.api_call("reminders.add")
    assert [one.method for one in server.unplayed] == ["reminders.add"]


def test_a_manifest_that_slack_wouldnt_take() -> None:
    with pytest.raises(ValueError, match="at most 50 slash commands"):
        SlackServer(make_manifest(commands=[f"/{n}" for n in range(51)]))
    with pytest.raises(ValueError, match="needs a url"):
        SlackServer({**make_manifest(commands=["/a"]), "settings": {}})
    with pytest.raises(ValueError, match="need the scope commands"):
        SlackServer(make_manifest(commands=["/a"], scopes=["chat:write"]))


# -- events ------------------------------------------------------------------------------------------


async def test_a_mention_and_a_dm_are_told(
    server: SlackServer, bot: Bot, ann: Person, general: Channel
) -> None:
    reply = await ann.say(general, "hey @threadreel animate start:x", files=[("a.png", PNG)])
    assert reply.ack == {}
    kinds = {body["event"]["type"] for body in bot.events}
    assert {"message", "app_mention"} <= kinds
    mention = next(body["event"] for body in bot.events if body["event"]["type"] == "app_mention")
    assert mention["files"][0]["name"] == "a.png"
    assert "subtype" not in mention
    assert reply.said is not None
    said = reply.said
    await server.until(lambda: said.replies)
    assert said.replies[0].text.startswith("yes?")

    bot.events.clear()
    await ann.say(ann.dm(), "animate @threadreel")
    assert [body["event"]["channel_type"] for body in bot.events] == ["im"]


async def test_events_that_the_manifest_lacks_are_withheld(
    server: SlackServer, bot: Bot, ann: Person, general: Channel, team: Team
) -> None:
    elsewhere = team.channel("elsewhere", ann)
    await ann.say(elsewhere, "@threadreel?")
    assert {(one.event, one.reason) for one in server.withheld} == {
        ("message.channels", "not_in_channel"),
        ("app_mention", "not_in_channel"),
    }
    server.withheld.clear()
    server.app.change_manifest(manifest(events=["app_mention"]))
    server.app.installations[0].scopes = ("commands",)
    reply = await ann.say(general, "@threadreel?")
    assert reply.deliveries == []
    assert {(one.event, one.reason) for one in server.withheld} == {
        ("message.channels", "not_subscribed"),
        ("app_mention", "missing_scope"),
    }
    assert bot.events == []


async def test_events_that_arent_acknowledged_come_again(server: SlackServer, bot: Bot, ann: Person) -> None:
    server.limits.ack, server.sockets.lose_acks = 0.1, 2
    reply = await ann.say(ann.dm(), "hello")
    assert reply.attempts == 3
    assert reply.ack == {}
    assert bot.retries == ["0", "1", "2"]
    assert len({body["event_id"] for body in bot.events}) == 1


async def test_the_same_envelope_twice(server: SlackServer, bot: Bot, ann: Person, general: Channel) -> None:
    await ann.command("/animate", "fox", channel=general, times=2)
    await posted(server, general, 2)
    assert bot.seen[0]["trigger_id"] == bot.seen[1]["trigger_id"]
    assert len(server.duplicates()) == 1
    reply = await ann.say(ann.dm(), "hello", times=2)
    assert reply.attempts == 2
    reply = await ann.say(general, "@threadreel", times=2)
    assert [one.attempts for one in reply.deliveries] == [2, 2]


# -- files -------------------------------------------------------------------------------------------


async def download(url: str, token: str | None, **more: Any) -> tuple[str, bytes]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with ClientSession() as session, session.get(url, headers=headers, **more) as response:
        assert response.status == 200
        return response.content_type, await response.read()


async def draft(client: AsyncWebClient, data: bytes = PNG, *, form: bool = False, **more: Any) -> str:
    """The id of a file whose bytes are up, and which isn't completed."""
    url = await client.files_getUploadURLExternal(filename="fox.png", length=len(data), **more)
    async with ClientSession() as session:
        body = {"filename": io.BytesIO(data)} if form else data
        async with session.post(url["upload_url"], data=body) as response:
            assert (response.status, await response.text()) == (200, f"OK - {len(data)}")
    return str(url["file_id"])


async def test_a_file_is_uploaded_in_three_steps_and_shared_later(
    server: SlackServer, client: AsyncWebClient, general: Channel, bot: Bot
) -> None:
    server.limits.share_delay = 0.1
    root = await client.chat_postMessage(channel=general.id, text="root")
    file_id = await draft(client)
    answer = await client.files_completeUploadExternal(
        files=[{"id": file_id, "title": "A fox"}],
        channel_id=general.id,
        thread_ts=root["ts"],
        initial_comment="here",
    )
    assert answer["files"] == [{"id": file_id, "title": "A fox"}]
    assert (await client.files_info(file=file_id))["file"]["shares"] == {}
    await server.until(lambda: len(server.messages(general, thread=root["ts"])) == 2)
    shares = (await client.files_info(file=file_id))["file"]["shares"]["public"][general.id]
    assert shares[0]["thread_ts"] == root["ts"]
    [_, reply] = server.messages(general, thread=root["ts"])
    assert reply.text == "here"
    assert (reply.files[0].data, reply.files[0].title) == (PNG, "A fox")
    async with refused("file_not_found"):
        await client.files_completeUploadExternal(files=[{"id": file_id}], channel_id=general.id)
    assert server.duplicates() == []
    await client.files_delete(file=file_id)
    async with refused("file_deleted"):
        await client.files_info(file=file_id)


async def test_the_sdks_own_upload_works_and_twice_is_a_duplicate(
    server: SlackServer, client: AsyncWebClient, general: Channel, bot: Bot
) -> None:
    for _ in range(2):
        await client.files_upload_v2(channel=general.id, filename="a.png", content=PNG)
    await posted(server, general, 2)
    assert len(server.duplicates()) == 1
    # Slack tells an app of its own messages and files as well; it is bolt that doesn't pass them on.
    told = [one.payload["event"]["type"] for one in server.deliveries]
    assert told == ["message", "file_shared"] * 2
    assert bot.events == []


async def test_files_need_membership_and_alt_txt_loses_them(
    server: SlackServer, client: AsyncWebClient, general: Channel, team: Team, ann: Person
) -> None:
    public = team.channel("public")
    file_id = await draft(client, form=True)
    async with refused("not_in_channel"):
        await client.files_completeUploadExternal(files=[{"id": file_id}], channel_id=public.id)
    async with refused("channel_not_found"):
        await client.files_completeUploadExternal(files=[{"id": file_id}], channel_id=ann.id)
    async with refused("internal_error"):
        await client.files_completeUploadExternal(
            files=[{"id": file_id}],
            channel_id=general.id,
            blocks=json.dumps([{"type": "markdown", "text": "x"}]),
        )
    await client.files_completeUploadExternal(files=[{"id": file_id}], channel_id=general.id)
    lost = await draft(client, alt_txt="a fox")
    await client.files_completeUploadExternal(files=[{"id": lost}], channel_id=general.id)
    await server.until(lambda: server.world.files[lost].processed)
    assert (await client.files_info(file=lost))["file"]["shares"] == {}
    assert [one.files[0].id for one in await posted(server, general)] == [file_id]


async def test_a_file_in_an_image_block_has_to_be_ready(
    server: SlackServer, client: AsyncWebClient, general: Channel
) -> None:
    file_id = await draft(client)
    blocks = [{"type": "image", "slack_file": {"id": file_id}, "alt_text": "a fox"}]
    async with refused("invalid_blocks"):
        await client.chat_postMessage(channel=general.id, text="x", blocks=blocks)
    await client.files_completeUploadExternal(files=[{"id": file_id}])
    await server.until(lambda: server.world.files[file_id].processed)
    await client.chat_postMessage(channel=general.id, text="x", blocks=blocks)


async def test_a_workspace_may_forbid_files(client: AsyncWebClient, team: Team, server: SlackServer) -> None:
    server.limits.upload = 5
    async with refused("file_upload_size_restricted"):
        await client.files_getUploadURLExternal(filename="a", length=6)
    team.upload_error = "file_uploads_disabled"
    async with refused("file_uploads_disabled"):
        await client.files_getUploadURLExternal(filename="a", length=1)


async def test_private_files_want_the_token_and_redirects_want_it_again(
    server: SlackServer, client: AsyncWebClient, general: Channel, ann: Person
) -> None:
    said = (await ann.say(general, files=[("fox.png", PNG)], wait=False)).said
    assert said is not None
    url = said.files[0].url_private
    assert await download(url, server.token) == ("image/png", PNG)
    assert (await download(url, None))[0] == "text/html"
    assert (await download(url, "xoxb-wrong"))[0] == "text/html"
    server.limits.redirect_downloads = True
    async with ClientSession() as session:
        headers = {"Authorization": f"Bearer {server.token}"}
        async with session.get(url, headers=headers, allow_redirects=False) as response:
            assert response.status == 302
            onward = response.headers["Location"]
    assert "localhost" in onward
    assert (await download(url, server.token))[0] == "text/html"
    assert await download(onward.replace("localhost", "127.0.0.1"), server.token) == ("image/png", PNG)
    assert [one.method for one in server.requests_to("download")] == ["download"] * 7


async def test_an_event_may_tell_only_that_there_is_a_file(
    server: SlackServer, bot: Bot, client: AsyncWebClient, ann: Person
) -> None:
    server.limits.file_stubs = True
    await ann.say(ann.dm(), "look", files=[("fox.png", PNG)])
    message = next(body["event"] for body in bot.events if body["event"]["type"] == "message")
    [file] = message["files"]
    assert file["file_access"] == "check_file_info"
    assert (await client.files_info(file=file["id"]))["file"]["name"] == "fox.png"


# -- rate limits and faults --------------------------------------------------------------------------


async def test_calls_are_counted_and_refused_when_limits_are_on(
    server: SlackServer, client: AsyncWebClient, general: Channel
) -> None:
    server.limits.rate_limits, server.limits.pace = True, 1.0
    post = await client.chat_postMessage(channel=general.id, text="x")
    for _ in range(50):
        await client.chat_update(channel=general.id, ts=post["ts"], text="y")
    with pytest.raises(SlackApiError) as caught:
        await client.chat_update(channel=general.id, ts=post["ts"], text="y")
    assert caught.value.response.status_code == 429
    assert caught.value.response["error"] == "ratelimited"
    assert 50 < int(caught.value.response.headers["Retry-After"]) <= 60
    assert len(server.calls("chat.update")) == 51
    assert server.api.rate_limits.refused == 1
    server.clock.advance(61)
    await client.chat_update(channel=general.id, ts=post["ts"], text="z")


async def test_a_channel_takes_a_message_a_second_after_a_burst(
    server: SlackServer, client: AsyncWebClient, general: Channel, team: Team
) -> None:
    server.limits.rate_limits, server.limits.pace = True, 1.0
    other = team.channel("other", bot=True)
    for _ in range(4):
        await client.chat_postMessage(channel=general.id, text="x")
    async with refused("ratelimited"):
        await client.chat_postMessage(channel=general.id, text="x")
    await client.chat_postMessage(channel=other.id, text="x")
    server.clock.advance(1)
    await client.chat_postMessage(channel=general.id, text="x")


async def test_faults_lose_answers_as_networks_do(
    server: SlackServer, client: AsyncWebClient, general: Channel
) -> None:
    client.retry_handlers.clear()
    server.faults.add(on="chat.postMessage", fault="drop_after")
    with pytest.raises(ClientConnectionError):
        await client.chat_postMessage(channel=general.id, text="taken")
    server.faults.add(on="POST /api/chat.*", fault="drop_before")
    with pytest.raises(ClientConnectionError):
        await client.chat_postMessage(channel=general.id, text="not taken")
    assert [one.text for one in server.messages(general)] == ["taken"]
    assert [one.fault for one in server.calls("chat.postMessage")] == ["drop_after", "drop_before"]


async def test_the_sdks_retry_after_a_lost_answer_is_a_duplicate(
    server: SlackServer, client: AsyncWebClient, general: Channel
) -> None:
    server.faults.add(on="chat.postMessage", fault="drop_after")
    await client.chat_postMessage(channel=general.id, text="twice")
    assert len(server.duplicates()) == 1


@pytest.mark.parametrize(
    ("fault", "status", "taken"),
    [
        ("error", 200, False),
        ("error_after", 200, True),
        ("status_before", 500, False),
        ("status_after", 500, True),
        ("html", 502, False),
        ("rate_limit", 429, False),
        ("not_json", 200, True),
    ],
)
async def test_faults_answer_wrongly(
    server: SlackServer, client: AsyncWebClient, general: Channel, fault: Any, status: int, taken: bool
) -> None:
    server.faults.add(on="chat.postMessage", fault=fault, code="fatal_error", delay=7)
    async with ClientSession() as session:
        headers = {"Authorization": f"Bearer {server.token}"}
        form = {"channel": general.id, "text": "x"}
        async with session.post(f"{server.api_base}chat.postMessage", data=form, headers=headers) as response:
            assert response.status == status
            assert response.headers.get("Retry-After") == ("7" if fault == "rate_limit" else None)
    assert bool(server.messages(general)) is taken


async def test_uploads_and_downloads_can_be_cut(
    server: SlackServer, client: AsyncWebClient, general: Channel
) -> None:
    url = await client.files_getUploadURLExternal(filename="a.png", length=len(PNG))
    server.faults.add(on="upload", fault="drop_before")
    server.faults.add(on="download", fault="truncated")
    server.faults.add(on="files.info", fault="hang")
    async with ClientSession() as session:
        with pytest.raises(ClientConnectionError):
            await session.post(url["upload_url"], data=PNG)
        async with session.post(url["upload_url"], data=PNG) as response:
            assert response.status == 200
        async with session.post(url["upload_url"], data=PNG[:-1]) as response:
            assert response.status == 400
    file = server.world.files[url["file_id"]]
    await client.files_completeUploadExternal(files=[{"id": file.id}], channel_id=general.id)
    with pytest.raises(ClientPayloadError):
        await download(file.url_private, server.token)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await client.files_info(file=file.id)
    await posted(server, general)
    assert file.sha256 == server.files[0].sha256


# -- Socket Mode -------------------------------------------------------------------------------------


async def test_envelopes_go_round_all_connections(
    server: SlackServer, team: Team, ann: Person, general: Channel
) -> None:
    bolt = bolt_at(server)
    Bot(bolt)
    async with socket_mode(server, bolt, connections=2):
        for _ in range(4):
            await ann.command("/animate", "x", channel=general)
        await posted(server, general, 4)
        first, second = await server.connected(2)
        assert len(first.sent) == len(second.sent) >= 2
        await server.sockets.ping()
        await server.until(lambda: all(one.pongs and one.pings for one in server.sockets.live()))
    await server.until(lambda: not list(server.sockets.live()))


async def test_a_ticket_is_good_for_one_connection_and_ten_are_the_most(
    server: SlackServer, client: AsyncWebClient
) -> None:
    server.limits.connections = 1
    url = (await client.apps_connections_open(app_token=server.app_token))["url"]
    other = (await client.apps_connections_open(app_token=server.app_token))["url"]
    async with ClientSession() as session, session.ws_connect(url) as ws:
        assert (await ws.receive_json())["type"] == "hello"
        with pytest.raises(WSServerHandshakeError):
            await session.ws_connect(url)
        async with session.ws_connect(other) as second:
            assert (await second.receive_json())["reason"] == "too_many_websockets"


async def test_a_refresh_and_a_cut_are_survived(
    server: SlackServer, team: Team, ann: Person, general: Channel
) -> None:
    bolt = bolt_at(server)
    Bot(bolt)
    async with socket_mode(server, bolt, ping_interval=0.1):
        await server.sockets.refresh("refresh_requested", grace=0.05)
        await server.until(lambda: server.sockets.opened == 2)
        await server.connected()
        assert (await ann.command("/animate", "x", channel=general)).ack == {}
        server.sockets.cut()
        await server.until(lambda: server.sockets.opened == 3)
        await server.connected()
        assert (await ann.command("/animate", "x", channel=general)).ack == {}
        server.sockets.zombie()
        await server.until(lambda: server.sockets.opened >= 4)
        await server.until(lambda: any(not one.zombie for one in server.sockets.live()))


async def test_turning_socket_mode_off_disables_the_link(server: SlackServer, client: AsyncWebClient) -> None:
    server.app.change_manifest(make_manifest(url="http://127.0.0.1:1/slack/events"))
    url = (await client.apps_connections_open(app_token=server.app_token))["url"]
    async with ClientSession() as session, session.ws_connect(url) as ws:
        assert (await ws.receive_json())["reason"] == "link_disabled"


# -- HTTP mode ---------------------------------------------------------------------------------------


class Web:
    """A bolt app behind HTTP, and the played Slack that knows its address."""

    def __init__(self, server: SlackServer, bot: Bot, url: str) -> None:
        self.server, self.bot, self.url = server, bot, url


@contextlib.asynccontextmanager
async def serving(application: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def over_http(server: SlackServer, team: Team) -> AsyncIterator[Web]:
    bolt = bolt_at(server)
    async with serving(bolt.web_app(path="/slack/events")) as base:
        url = f"{base}/slack/events"
        server.app.change_manifest(manifest(url=url))
        yield Web(server, Bot(bolt), url)


async def test_http_mode_is_signed_and_answered(
    server: SlackServer, over_http: Web, ann: Person, general: Channel
) -> None:
    assert await server.verify_url()
    assert await server.ssl_check("/animate") == 200
    reply = await ann.command("/animate", "fox", channel=general)
    assert (reply.ack, reply.error) == ({}, None)
    [message] = await posted(server, general)
    assert (await (await ann.press(message, "cancel")).answered()).text == "cancelled 7"
    view = await (await ann.global_shortcut("create")).opened()
    assert (await ann.submit_view({"Steps": 2}, view=view)).ack == {}
    assert (await ann.command("/whisper", channel=general)).ack == {"text": "by ack"}
    assert (await ann.say(ann.dm(), "hello")).ack is not None
    assert over_http.bot.events[-1]["event"]["text"] == "hello"


async def test_http_mode_shows_what_the_person_sees(
    server: SlackServer, over_http: Web, ann: Person, general: Channel
) -> None:
    # bolt 1.30 takes a form with the word "payload" anywhere in it for something else.
    reply = await ann.command("/animate", "payload", channel=general)
    assert (reply.error, reply.deliveries[0].statuses) == ("dispatch_failed", [404])
    server.deliverer.corrupt_signatures = True
    reply = await ann.command("/animate", "fox", channel=general)
    assert (reply.error, reply.deliveries[0].statuses) == ("dispatch_failed", [401])
    server.deliverer.corrupt_signatures = False
    server.limits.ack = 0.1
    assert (await ann.command("/silence", channel=general)).error == "operation_timeout"
    server.app.change_manifest(manifest(url="http://127.0.0.1:1/slack/events"))
    assert (await ann.command("/animate", channel=general)).error == "dispatch_failed"


async def test_events_over_http_come_again_until_told_not_to(
    server: SlackServer, team: Team, ann: Person
) -> None:
    seen: list[tuple[str | None, str | None]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.headers.get("x-slack-retry-num"), request.headers.get("x-slack-retry-reason")))
        return web.Response(status=500, headers={"x-slack-no-retry": "1"} if len(seen) > 1 else {})

    application = web.Application()
    application.router.add_post("/slack/events", answer)
    async with serving(application) as base:
        server.app.change_manifest(manifest(url=f"{base}/slack/events"))
        reply = await ann.say(ann.dm(), "hello")
    assert reply.ack is None
    assert seen == [(None, None), ("1", "http_error")]


# -- OAuth -------------------------------------------------------------------------------------------


# The SDK still makes its header with what aiohttp 4 will not have.
ignores_basic_auth = pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")


class Store(AsyncInstallationStore):
    """Installations in memory."""

    def __init__(self) -> None:
        self.saved: list[Installation] = []
        self.deleted: list[tuple[str | None, str | None]] = []

    async def async_save(self, installation: Installation) -> None:
        self.saved.append(installation)

    async def async_find_installation(
        self,
        *,
        enterprise_id: str | None,
        team_id: str | None,
        user_id: str | None = None,
        is_enterprise_install: bool | None = False,
    ) -> Installation | None:
        for one in reversed(self.saved):
            if is_enterprise_install and one.enterprise_id == enterprise_id:
                return one
            if not is_enterprise_install and one.team_id == team_id:
                return one
        return None

    async def async_delete_bot(self, *, enterprise_id: str | None, team_id: str | None) -> None:
        self.deleted.append((enterprise_id, team_id))

    async def async_delete_installation(
        self, *, enterprise_id: str | None, team_id: str | None, user_id: str | None = None
    ) -> None:
        self.deleted.append((enterprise_id, team_id))


class States:
    """States of OAuth in memory."""

    async def async_issue(self, *_: Any, **__: Any) -> str:
        return "a-state"

    async def async_consume(self, state: str) -> bool:
        return state == "a-state"


@contextlib.asynccontextmanager
async def many_workspaces(server: SlackServer, store: Store) -> AsyncIterator[str]:
    """A bolt app that anybody can install, connected by Socket Mode; the URL of its install page."""
    settings = AsyncOAuthSettings(
        client_id=server.app.client_id,
        client_secret=server.app.client_secret,
        scopes=["commands", "chat:write", "im:history"],
        installation_store=store,
        state_store=States(),  # type: ignore[arg-type]
        authorization_url=server.authorize_url,
    )
    bolt = AsyncApp(
        signing_secret=server.app.signing_secret,
        client=AsyncWebClient(base_url=server.api_base),
        oauth_settings=settings,
    )
    bolt.enable_token_revocation_listeners()
    Bot(bolt)
    async with serving(bolt.web_app()) as base, socket_mode(server, bolt):
        server.app.manifest.data["oauth_config"]["redirect_urls"] = [f"{base}/slack/oauth_redirect"]
        yield f"{base}/slack/install"


@ignores_basic_auth
async def test_workspaces_install_use_and_remove_the_app(server: SlackServer) -> None:
    server.app.change_manifest(manifest(token_rotation_enabled=True))
    store = Store()
    foxes, bears = server.team("Foxes", installed=False), server.team("Bears", installed=False)
    ann, bob = server.person("Ann", foxes, is_owner=True), server.person("Bob", bears, is_admin=True)
    with pytest.raises(LookupError):
        foxes.installation()
    async with many_workspaces(server, store) as url:
        page = await ann.install(url, deny=True)
        assert store.saved == []
        for person in (ann, bob):
            page = await person.install(url)
            assert page.status == 200
        assert page.scopes == ("commands", "chat:write", "im:history")
        assert [one.team_id for one in store.saved] == [foxes.id, bears.id]
        assert store.saved[0].bot_refresh_token
        general = bears.channel("general", bob, bot=True)
        await bob.command("/animate", "in another workspace", channel=general)
        await posted(server, general)
        await bob.uninstall()
        await server.until(lambda: store.deleted)
        assert store.deleted[0] == (None, bears.id)
    async with refused("account_inactive"):
        await web_client_at(server, store.saved[1].bot_token).auth_test()
    with pytest.raises(ClientRefused, match="not a valid command"):
        await bob.command("/animate", channel=general)


@ignores_basic_auth
async def test_an_organisation_installs_for_all_its_workspaces(server: SlackServer) -> None:
    server.app.change_manifest(manifest(org_deploy_enabled=True))
    store, animals = Store(), server.enterprise("Animals")
    foxes = server.team("Foxes", installed=False, enterprise=animals)
    bears = server.team("Bears", installed=False, enterprise=animals)
    boss = server.person("Boss", foxes, is_org_admin=True)
    bob = server.person("Bob", bears)
    async with many_workspaces(server, store) as url:
        with pytest.raises(ClientRefused, match="org-wide"):
            await bob.install(url, org_wide=True)
        await boss.install(url, org_wide=True)
        assert (store.saved[0].team_id, store.saved[0].enterprise_id) == (None, animals.id)
        general = bears.channel("general", bob, bot=True)
        await bob.command("/animate", "fox", channel=general)
        [message] = await posted(server, general)
        reply = await bob.press(message, "cancel")
        assert (await reply.answered()).text == "cancelled 7"
        assert reply.deliveries[0].payload["team"] is None
    client = web_client_at(server, store.saved[0].bot_token)
    assert (await client.auth_test())["is_enterprise_install"] is True
    async with refused("missing_scope"):
        await client.usergroups_list(team_id=bears.id)


@ignores_basic_auth
async def test_tokens_rotate_and_expire(server: SlackServer) -> None:
    server.app.change_manifest(manifest(token_rotation_enabled=True))
    team = server.team()
    client = AsyncWebClient(base_url=server.api_base)
    installation = team.installation()
    secrets = {"client_id": server.app.client_id, "client_secret": server.app.client_secret}
    first, refresh = installation.token, installation.new_refresh_token()
    again = {**secrets, "grant_type": "refresh_token"}
    answer = await client.oauth_v2_access(**again, refresh_token=refresh)
    assert (answer["expires_in"], answer["token_type"]) == (43200, "bot")
    async with refused("invalid_refresh_token"):
        await client.oauth_v2_access(**again, refresh_token=refresh)
    await client.auth_test(token=first)
    third = await client.oauth_v2_access(**again, refresh_token=answer["refresh_token"])
    async with refused("token_revoked"):
        await client.auth_test(token=first)
    server.clock.advance(43201)
    async with refused("token_expired"):
        await client.auth_test(token=third["access_token"])
    async with refused("bad_client_secret"):
        await client.oauth_v2_access(client_id=server.app.client_id, client_secret="wrong", code="x")
    async with refused("invalid_code"):
        await client.oauth_v2_access(**secrets, code="x")


async def test_revoking_its_own_token_uninstalls_the_app(
    server: SlackServer, bot: Bot, client: AsyncWebClient
) -> None:
    await client.auth_revoke()
    told = [one.payload["event"]["type"] for one in server.deliveries]
    assert told == ["tokens_revoked", "app_uninstalled"]
    async with refused("token_revoked"):
        await client.auth_test()


# -- as a process of its own -------------------------------------------------------------------------


async def test_it_is_driven_from_another_process(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(manifest()))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.slack_server", "--manifest", str(path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        told = json.loads(await process.stdout.readline())
        async with RemoteServer(told["url"]) as server:
            await drive(server, told)
    finally:
        process.terminate()
        await process.wait()


async def drive(server: RemoteServer, told: JSON) -> None:
    team = await server.do("team", name="Foxes")
    general = await server.do("channel", team=team["id"], name="general", bot=True)
    ann = await server.person("Ann", team["id"], general)
    client = AsyncWebClient(token=team["token"], base_url=told["api_base"])
    bolt = AsyncApp(client=client, signing_secret=told["signing_secret"])
    Bot(bolt)
    handler = AsyncSocketModeHandler(bolt, told["app_token"])
    await handler.connect_async()  # type: ignore[no-untyped-call]
    try:
        await server.do("connected")
        reply = await ann.command("/animate", "fox", channel=general)
        assert reply.ack == {}
        await server.do("posted", channel=general)
        reply = await (await ann.global_shortcut("create")).opened()
        assert reply.view is not None
        assert reply.view["fields"][0]["value"] == "a fox"
        reply = await ann.submit_view({"Steps": 3, "Picture": [("fox.png", PNG)]})
        assert (reply.ack, await server.do("views", person="Ann")) == ({}, [])
        await ann.say(general, "look", files=[("fox.png", PNG)])
        [message, *_] = await server.messages(general)
        place = {"channel": general, "ts": message.ts}
        reply = await (await ann.press(place, "cancel")).answered()
        assert reply.text == "cancelled 7"
        with pytest.raises(ClientRefused):
            await ann.press(place, "nothing")
        with pytest.raises(LookupError):
            await server.do("nothing")
        seconds = await server.do("load", person="Ann", command="/animate", channel=general, count=20)
        assert all(one is not None for one in seconds)
        assert (await server.do("state"))["unplayed"] == []
    finally:
        await handler.close_async()  # type: ignore[no-untyped-call]
