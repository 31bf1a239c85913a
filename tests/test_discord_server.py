"""The played Discord, seen by the real discord.py: what the tests of the adapter will rest on."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiohttp import ClientSession, ServerDisconnectedError

from tests.discord_server import ClientRefused, DiscordServer, Limits, P, Person, Upload
from tests.discord_server.client import discord, discord_py_at
from tests.discord_server.interactions import MESSAGE_NOW, MODAL, THINKING, UPDATE_NOW
from tests.discord_server.remote import RemoteServer
from tests.discord_server.state import Channel, Guild

app_commands = discord.app_commands
ui = discord.ui

PNG = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x02\x00\x00\x00\x03\x08\x02\x00\x00\x00\x36\x88\x49\xd6"
    b"\x00\x00\x00\x00IEND\xaeB`\x82"
)


class Card(ui.LayoutView):
    """A message of Components V2 with one button that outlives restarts."""

    def __init__(self, text: str, job: str = "7", files: tuple[discord.File, ...] = ()) -> None:
        super().__init__(timeout=None)
        box: ui.Container[Any] = ui.Container(ui.TextDisplay(text))
        if files:
            box.add_item(ui.MediaGallery(*[discord.MediaGalleryItem(f, description="alt") for f in files]))
        box.add_item(ui.ActionRow(Cancel(job)))
        self.add_item(box)


class Cancel(ui.DynamicItem[ui.Button[Any]], template=r"job:(?P<id>[0-9]+):cancel"):
    def __init__(self, job: str) -> None:
        super().__init__(ui.Button(label="Cancel", custom_id=f"job:{job}:cancel"))
        self.job = job

    @classmethod
    async def from_custom_id(cls, interaction: Any, item: Any, match: Any, /) -> Cancel:
        return cls(match["id"])

    async def callback(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message(f"cancelled {self.job}", ephemeral=True)


class Form(ui.Modal):
    prompt: ui.Label[Any] = ui.Label(
        text="Prompt", component=ui.TextInput(custom_id="prompt", default="a fox", max_length=100)
    )
    start: ui.Label[Any] = ui.Label(
        text="Start", component=ui.FileUpload(custom_id="start", required=False, min_values=0)
    )

    def __init__(self, unique: str) -> None:
        super().__init__(title="Edit", custom_id=f"form:{unique}")

    async def on_submit(self, interaction: discord.Interaction) -> None:
        prompt: Any = self.prompt.component
        start: Any = self.start.component
        names = [attachment.filename for attachment in start.values]
        await interaction.response.send_message(f"{interaction.user.display_name}: {prompt.value} {names}")


class Bot(discord.Client):
    """A small bot that does one of everything. It doesn't sleep five seconds before it identifies again."""

    def __init__(self, **more: Any) -> None:
        super().__init__(intents=discord.Intents(guilds=True), guild_ready_timeout=0.05, **more)
        self.seen: list[discord.Interaction] = []
        self.tree = set_up(self)

    async def setup_hook(self) -> None:
        self.add_dynamic_items(Cancel)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        return None

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        self.seen.append(interaction)


class ShardedBot(discord.AutoShardedClient):
    def __init__(self, **more: Any) -> None:
        super().__init__(intents=discord.Intents(guilds=True), guild_ready_timeout=0.05, **more)
        self.tree = set_up(self)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        return None


def set_up(client: discord.Client) -> app_commands.CommandTree[Any]:
    tree: app_commands.CommandTree[Any] = app_commands.CommandTree(client)

    @tree.command(description="Make a film of a sentence")
    @app_commands.describe(start="What to begin with", picture="A picture", steps="How many", model="Which")
    async def animate(
        interaction: discord.Interaction,
        start: str,
        picture: discord.Attachment | None = None,
        steps: app_commands.Range[int, 1, 50] = 20,
        model: str = "any",
    ) -> None:
        await interaction.response.defer(thinking=True)
        read = len(await picture.read()) if picture else 0
        await interaction.edit_original_response(view=Card(f"{start} {steps} {model} {read}"))

    @animate.autocomplete("model")
    async def complete(_: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return [
            app_commands.Choice(name=name, value=name) for name in ("flux", "fast") if name.startswith(typed)
        ]

    @tree.command(description="Opens a form")
    async def form(interaction: discord.Interaction) -> None:
        await interaction.response.send_modal(Form(str(interaction.id)))

    @tree.command(description="Says nothing")
    async def silence(interaction: discord.Interaction) -> None:
        return None

    @tree.context_menu(name="Animate this")
    async def animate_this(interaction: discord.Interaction, message: discord.Message) -> None:
        names = [one.filename for one in message.attachments]
        await interaction.response.send_message(f"{message.content} {names}", ephemeral=True)

    return tree


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as server:
        with discord_py_at(server.api_base, server.gateway_url):
            yield server
        assert server.unplayed == []


@pytest.fixture
def guild(server: DiscordServer) -> Guild:
    return server.guild("Foxes")


@pytest.fixture
def general(guild: Guild) -> Channel:
    return guild.text("general")


@pytest.fixture
def ada(server: DiscordServer, guild: Guild) -> Person:
    return server.person("Ada", guild)


@contextlib.asynccontextmanager
async def running(
    server: DiscordServer, client: Any, *, sync: bool = True, shards: int = 1
) -> AsyncIterator[Any]:
    task = asyncio.create_task(client.start(server.token))
    try:
        waiting = asyncio.create_task(server.connected(shards))
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            waiting.cancel()
            task.result()
        await waiting
        if sync:
            await client.tree.sync()
        yield client
    finally:
        await client.close()
        with contextlib.suppress(asyncio.CancelledError, discord.DiscordException, KeyError):
            await task


@pytest.fixture
async def bot(server: DiscordServer, general: Channel, ada: Person) -> AsyncIterator[Bot]:
    async with running(server, Bot()) as client:
        yield client


# -- logging in --------------------------------------------------------------------------------------------


async def test_the_bot_logs_in_and_knows_its_servers(
    server: DiscordServer, general: Channel, bot: Bot
) -> None:
    await asyncio.wait_for(bot.wait_until_ready(), 5)
    found = bot.get_channel(general.id)
    assert isinstance(found, discord.TextChannel)
    assert found.guild.me.guild_permissions.attach_files
    assert server.gateway.identified[0].compressed
    assert server.gateway.start_limit["remaining"] == 999


async def test_a_wrong_token_is_refused_before_the_gateway(server: DiscordServer) -> None:
    client = Bot()
    with pytest.raises(discord.LoginFailure):
        await client.start("another-token")
    await client.close()
    assert not server.gateway.identified


async def test_shards_get_their_own_servers_and_direct_messages_go_to_shard_0(
    server: DiscordServer, guild: Guild, general: Channel, ada: Person
) -> None:
    others = [server.guild(f"Den {n}") for n in range(3)]
    server.gateway.shards = 2
    server.limits.max_concurrency = 2
    async with running(server, ShardedBot(), shards=2) as client:
        await asyncio.wait_for(client.wait_until_ready(), 5)
        assert {shard: s.shard_count for shard, s in client.shards.items()} == {0: 2, 1: 2}
        assert {g.id for g in client.guilds} == {guild.id, *(one.id for one in others)}
        assert {g.shard_id for g in client.guilds} == {0, 1}
        assert (await ada.command("animate", {"start": "x"}, channel=general)).ack == THINKING
        assert (await ada.command("animate", {"start": "x"}, channel=ada.dm())).ack == THINKING


@pytest.mark.parametrize("code", [4004, 4013])
async def test_a_final_close_code_ends_the_client(server: DiscordServer, general: Channel, code: int) -> None:
    client = Bot()
    task = asyncio.create_task(client.start(server.token))
    await server.connected()
    await server.gateway.close(code)
    with pytest.raises(discord.ConnectionClosed) as ended:
        await asyncio.wait_for(task, 5)
    assert ended.value.code == code
    await client.close()


async def test_privileged_intents_must_be_allowed(server: DiscordServer) -> None:
    client = discord.Client(intents=discord.Intents(guilds=True, message_content=True))
    with pytest.raises(discord.PrivilegedIntentsRequired):
        await client.start(server.token)
    await client.close()


async def test_the_day_has_a_budget_of_identifies(server: DiscordServer) -> None:
    server.gateway.remaining = 0
    client = Bot()
    with pytest.raises(discord.ConnectionClosed):
        await client.start(server.token)
    await client.close()
    assert server.gateway.budget_broken


async def test_two_identifies_in_the_same_five_seconds_are_one_too_many(server: DiscordServer) -> None:
    server.limits.pace = 1.0
    async with running(server, Bot(), sync=False):
        second = Bot()
        task = asyncio.create_task(second.start(server.token))
        await server.until(lambda: any(not one.accepted for one in server.gateway.identified))
        server.clock.advance(6)
        await server.until(lambda: len(list(server.gateway.live())) == 2)
        await second.close()
        await task


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ('{"op": 3, "d": {}}', 4003),
        ("not json", 4002),
        ('{"op": 2, "d": {"token": "wrong", "intents": 1}}', 4004),
        ('{"op": 2, "d": {"token": "a-bot-token", "intents": 1, "shard": [2, 2]}}', 4010),
        ('{"op": 2, "d": {"token": "a-bot-token"}}', 4013),
        ('{"op": 2, "d": {"token": "a-bot-token", "intents": 2}}', 4014),
    ],
)
async def test_a_plain_websocket_is_closed_for_what_it_does_wrong(
    server: DiscordServer, sent: str, code: int
) -> None:
    async with (
        ClientSession() as session,
        session.ws_connect(f"{server.gateway_url}?v=10&encoding=json") as ws,
    ):
        assert (await ws.receive_json())["op"] == 10
        await ws.send_str(sent)
        await ws.receive()
        assert ws.close_code == code


async def test_a_session_knows_its_intents(server: DiscordServer, general: Channel, ada: Person) -> None:
    async with (
        ClientSession() as session,
        session.ws_connect(f"{server.gateway_url}?v=10&encoding=json") as ws,
    ):
        await ws.receive_json()
        await ws.send_json({"op": 2, "d": {"token": server.token, "intents": 1 << 9}})
        ready = await ws.receive_json()
        assert (ready["t"], ready["d"]["shard"]) == ("READY", [0, 1])
        general.update(topic="needs the guilds intent")
        ada.say(general, "hidden without the content intent")
        message = await ws.receive_json()
        assert (message["t"], message["s"], message["d"]["content"]) == ("MESSAGE_CREATE", 2, "")


# -- the gateway's bad days --------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["cut", "reconnect", "invalidate", "close"])
async def test_after_a_break_the_session_resumes_and_misses_nothing(
    server: DiscordServer, general: Channel, ada: Person, bot: Bot, trouble: str
) -> None:
    server.gateway.hold()
    if trouble == "cut":
        server.gateway.cut()
    elif trouble == "close":
        await server.gateway.close(4000)
    elif trouble == "reconnect":
        server.gateway.reconnect()
    else:
        server.gateway.invalidate(resumable=True)
    if trouble in ("cut", "close"):
        await server.until(lambda: not list(server.gateway.live()))
    reply = await ada.command("animate", {"start": "a fox"}, channel=general, wait=False)
    server.gateway.release()
    await reply.answered()
    assert reply.text == "a fox 20 any 0"
    await server.until(lambda: server.gateway.resumed == 1)
    assert len(server.gateway.identified) == 1


async def test_an_invalid_session_must_identify_anew(
    server: DiscordServer, general: Channel, ada: Person, bot: Bot
) -> None:
    server.gateway.invalidate()
    await server.until(lambda: len(server.gateway.identified) == 2)
    await server.connected()
    assert (await ada.command("animate", {"start": "a fox"}, channel=general)).ack == THINKING


async def test_a_session_that_was_away_too_long_is_not_resumed(server: DiscordServer, bot: Bot) -> None:
    server.gateway.hold()
    server.gateway.cut()
    await server.until(lambda: not list(server.gateway.live()))
    server.clock.advance(200)
    server.gateway.release()
    await server.until(lambda: server.gateway.refused_resumes == 1 and len(server.gateway.identified) == 2)


async def test_an_interaction_replayed_after_its_three_seconds_is_unknown(
    server: DiscordServer, general: Channel, ada: Person, bot: Bot
) -> None:
    server.gateway.hold()
    server.gateway.cut()
    await server.until(lambda: not list(server.gateway.live()))
    reply = await ada.command("animate", {"start": "a fox"}, channel=general, wait=False)
    server.clock.advance(4)
    server.gateway.release()
    await reply.until(lambda r: bool(r.attempts))
    assert [attempt.code for attempt in reply.attempts] == [10062]
    assert reply.ack is None
    assert server.messages(general) == []


async def test_an_interaction_delivered_twice_is_acknowledged_once(
    server: DiscordServer, general: Channel, ada: Person, bot: Bot
) -> None:
    reply = await ada.command("animate", {"start": "a fox"}, channel=general, times=2)
    await reply.until(lambda r: len(r.attempts) == 2)
    assert sorted(attempt.code for attempt in reply.attempts) == [0, 40060]
    assert len(server.messages(general)) == 1


async def test_a_connection_that_answers_nothing_is_left_by_the_client(
    server: DiscordServer, general: Channel, ada: Person
) -> None:
    server.gateway.heartbeat_interval = 0.05
    async with running(server, Bot(heartbeat_timeout=0.3)) as client:
        await server.until(lambda: client.latency < 1)  # infinite until a heartbeat was acknowledged
        server.gateway.zombie()
        await server.until(lambda: server.gateway.resumed == 1)
        assert (await ada.command("animate", {"start": "a fox"}, channel=general)).ack == THINKING


async def test_a_malformed_event_ends_discord_py(server: DiscordServer, general: Channel) -> None:
    client = Bot()
    task = asyncio.create_task(client.start(server.token))
    await server.connected()
    server.gateway.malformed()
    with pytest.raises(KeyError):
        await asyncio.wait_for(task, 5)
    await client.close()


async def test_the_gateway_can_refuse_the_websocket(server: DiscordServer) -> None:
    server.faults.add(on="GET /ws", fault="status_before", status=503)
    client = Bot()
    # The first connection fails: discord.py then trips over its own missing websocket and ends.
    with pytest.raises(AttributeError):
        await client.start(server.token)
    await client.close()


# -- commands ----------------------------------------------------------------------------------------------


async def test_a_command_is_acknowledged_and_its_card_edited(
    server: DiscordServer, general: Channel, ada: Person, bot: Bot
) -> None:
    given = {"start": "a fox", "steps": 4}
    picture = Upload("in put.png", PNG)
    reply = await ada.command(
        "animate", given, channel=general, attachments={"picture": picture}, locale="zh-CN"
    )
    assert reply.ack == THINKING
    assert reply.seconds is not None
    assert reply.seconds < 3
    await reply.answered()
    assert reply.text == f"a fox 4 any {len(PNG)}"
    [card] = server.messages(general)
    assert [button.label for button in card.buttons] == ["Cancel"]
    interaction = bot.seen[-1]
    assert interaction.locale is discord.Locale.chinese
    assert interaction.filesize_limit == server.limits.upload
    assert interaction.app_permissions.attach_files
    assert interaction.is_guild_integration()


async def test_clients_refuse_what_a_command_does_not_take(general: Channel, ada: Person, bot: Bot) -> None:
    with pytest.raises(ClientRefused, match="no command"):
        await ada.command("paint", channel=general)
    with pytest.raises(ClientRefused, match="needs"):
        await ada.command("animate", channel=general)
    with pytest.raises(ClientRefused, match="between 1 and 50"):
        await ada.command("animate", {"start": "x", "steps": 99}, channel=general)
    with pytest.raises(ClientRefused, match="no option"):
        await ada.command("animate", {"start": "x", "seed": 1}, channel=general)


async def test_typing_brings_suggestions(general: Channel, ada: Person, bot: Bot) -> None:
    reply = await ada.autocomplete("animate", "model", "fl", {"start": "x"}, channel=general)
    assert [choice["value"] for choice in reply.choices] == ["flux"]


async def test_a_bot_that_stays_silent_did_not_respond(
    server: DiscordServer, general: Channel, ada: Person, bot: Bot
) -> None:
    server.limits.first_response = 0.1
    reply = await ada.command("silence", channel=general)
    assert reply.ack is None
    assert reply.delivered == 1


async def test_a_context_menu_carries_its_message_without_the_content_intent(
    general: Channel, ada: Person, bot: Bot
) -> None:
    message = ada.say(general, "my picture", files=[("fox.png", PNG)])
    assert message.attachments[0].width == 2
    reply = await ada.context_menu("Animate this", message)
    assert reply.ack == MESSAGE_NOW
    assert reply.ephemeral
    assert reply.text == "my picture ['fox.png']"


async def test_what_is_ephemeral_is_seen_by_one_person_and_by_no_bot_token(
    server: DiscordServer, guild: Guild, general: Channel, ada: Person, bot: Bot
) -> None:
    bob = server.person("Bob", guild)
    reply = await ada.context_menu("Animate this", ada.say(general, "hello"))
    assert reply.message is not None
    assert reply.message in server.messages(general, viewer=ada)
    assert reply.message not in server.messages(general, viewer=bob)
    with pytest.raises(discord.NotFound):
        await bot.get_partial_messageable(general.id).fetch_message(reply.message.id)


async def test_direct_messages_and_user_installs_tell_who_installed_the_application(
    server: DiscordServer, guild: Guild, ada: Person, bot: Bot
) -> None:
    tree = bot.tree

    @tree.command(description="Everywhere")
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    async def anywhere(interaction: discord.Interaction) -> None:
        for n in range(7):
            say = interaction.followup.send if n else interaction.response.send_message
            await say(f"part {n}")

    await tree.sync()
    den = server.guild("Without the bot", has_bot=False)
    place = den.text("general")
    zoe = server.person("Zoe", den, has_app=True)
    reply = await zoe.command("anywhere", channel=place)
    await server.until(lambda: bool([one for one in server.requests if one.code == 40094]))
    assert len(reply.followups) == 5
    assert reply.interaction.owners == {"1": str(zoe.id)}
    assert (await zoe.command("anywhere", channel=zoe.dm())).interaction.context == 1
    assert (await zoe.command("anywhere", channel=server.between(zoe, ada))).interaction.context == 2
    den.everyone.set(den.everyone.permissions & ~P.USE_EXTERNAL_APPS)
    assert (await zoe.command("anywhere", channel=place)).ephemeral
    with pytest.raises(ClientRefused):
        await ada.command("anywhere", channel=place)


async def test_subcommands_with_people_roles_and_channels_are_resolved(
    guild: Guild, general: Channel, ada: Person, bot: Bot
) -> None:
    group: app_commands.Group = app_commands.Group(name="rules", description="Rules")

    @group.command(description="Allow")
    async def allow(
        interaction: discord.Interaction, who: discord.Member, role: discord.Role, where: discord.TextChannel
    ) -> None:
        await interaction.response.send_message(f"{who.display_name} {role.name} {where.name}")

    bot.tree.add_command(group)
    await bot.tree.sync()
    given = {"who": ada, "role": guild.role("Makers"), "where": general}
    assert (await ada.command("rules allow", given, channel=general)).text == "Ada Makers general"


async def test_commands_are_offered_to_those_who_may_and_where_they_may(
    server: DiscordServer, guild: Guild, general: Channel, ada: Person, bot: Bot
) -> None:
    @bot.tree.command(description="Settings")
    @app_commands.default_permissions(manage_guild=True)
    async def settings(interaction: discord.Interaction) -> None:
        await interaction.response.send_message(str(interaction.permissions.manage_guild))

    @bot.tree.command(description="Daring", nsfw=True)
    async def daring(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("ok")

    await bot.tree.sync()
    with pytest.raises(ClientRefused, match="isn't offered"):
        await ada.command("settings", channel=general)
    boss = server.person("Boss", guild, roles=[guild.role("Boss", P.MANAGE_GUILD)])
    assert (await boss.command("settings", channel=general)).text == "True"
    with pytest.raises(ClientRefused, match="age-restricted"):
        await ada.command("daring", channel=general)
    general.update(nsfw=True)
    assert (await ada.command("daring", channel=general)).text == "ok"


# -- buttons and modals ------------------------------------------------------------------------------------


async def test_a_button_works_after_a_restart(
    server: DiscordServer, general: Channel, ada: Person, bot: Bot
) -> None:
    message = await bot.get_partial_messageable(general.id).send(view=Card("working", "12"))
    await bot.close()
    async with running(server, Bot(), sync=False):
        [card] = server.messages(general)
        assert card.id == message.id
        reply = await ada.press(card, label="Cancel")
        assert (reply.ack, reply.text, reply.ephemeral) == (MESSAGE_NOW, "cancelled 12", True)


async def test_several_people_fill_in_the_same_modal(
    server: DiscordServer, guild: Guild, general: Channel, ada: Person, bot: Bot
) -> None:
    bob = server.person("Bob", guild)
    for person in (ada, bob):
        assert (await person.command("form", channel=general)).ack == MODAL
    assert ada.modals[-1].field("Prompt").value == "a fox"
    first = await ada.fill_modal({"Prompt": "a wolf", "start": [("w.png", PNG)]})
    second = await bob.fill_modal()
    assert (first.text, second.text) == ("Ada: a wolf ['w.png']", "Bob: a fox []")
    assert ada.modals == []
    await ada.command("form", channel=general)
    with pytest.raises(ClientRefused):
        await ada.fill_modal({"Prompt": "x" * 101})


async def test_an_update_changes_the_message_of_the_button(
    server: DiscordServer, general: Channel, ada: Person, bot: Bot
) -> None:
    class Once(ui.View):
        @ui.button(label="Go", custom_id="go")
        async def go(self, interaction: discord.Interaction, _: ui.Button[Any]) -> None:
            await interaction.response.edit_message(content="gone", view=None)

        @ui.button(label="Later", custom_id="later", disabled=True)
        async def later(self, interaction: discord.Interaction, _: ui.Button[Any]) -> None:
            return None

    await bot.get_partial_messageable(general.id).send("ready", view=Once(timeout=None))
    [message] = server.messages(general)
    with pytest.raises(ClientRefused, match="disabled"):
        await ada.press(message, label="Later")
    reply = await ada.press(message, "go")
    assert reply.ack == UPDATE_NOW
    assert message.text == "gone"
    assert message.buttons == []
    assert [edit.text for edit in message.edits] == ["ready"]


async def test_choosing_in_a_menu_is_an_interaction_too(
    server: DiscordServer, general: Channel, ada: Person, bot: Bot
) -> None:
    class Pick(ui.View):
        @ui.select(custom_id="pick", options=[discord.SelectOption(label=x, value=x) for x in "ab"])
        async def pick(self, interaction: discord.Interaction, select: ui.Select[Any]) -> None:
            await interaction.response.send_message(f"picked {select.values}")

    await bot.get_partial_messageable(general.id).send("which?", view=Pick(timeout=None))
    [message] = server.messages(general)
    assert (await ada.select(message, "pick", ["b"])).text == "picked ['b']"
    with pytest.raises(ClientRefused):
        await ada.select(message, "pick", ["c"])


async def test_a_token_dies_after_fifteen_minutes(
    server: DiscordServer, general: Channel, ada: Person, bot: Bot
) -> None:
    reply = await ada.command("animate", {"start": "a fox"}, channel=general)
    await reply.answered()
    interaction = bot.seen[-1]
    server.clock.advance(901)
    with pytest.raises(discord.HTTPException) as late:
        await interaction.edit_original_response(content="late", view=None)
    assert (late.value.status, late.value.code) == (401, 50027)
    assert reply.message is not None
    edited = bot.get_partial_messageable(general.id).get_partial_message(reply.message.id)
    await edited.edit(view=Card("by the bot's token"))
    assert reply.text == "by the bot's token"


async def test_the_first_followup_of_a_deferral_takes_its_place(
    server: DiscordServer, general: Channel, ada: Person, bot: Bot
) -> None:
    tree = bot.tree

    @tree.command(description="Defers")
    async def late(interaction: discord.Interaction) -> None:
        await interaction.response.defer(ephemeral=True)
        await interaction.followup.send("one")
        await interaction.followup.send("two")

    await tree.sync()
    reply = await ada.command("late", channel=general)
    await reply.until(lambda r: len(r.followups) == 1)
    assert [one.text for one in server.messages(general, viewer=ada)] == ["one", "two"]
    assert [one.ephemeral for one in server.messages(general, viewer=ada)] == [True, False]


# -- messages ----------------------------------------------------------------------------------------------


async def test_the_same_nonce_posts_once(server: DiscordServer, general: Channel, bot: Bot) -> None:
    place = bot.get_partial_messageable(general.id)
    first = await place.send("done", nonce="job-1", file=discord.File(io.BytesIO(PNG), "a.png"))
    again = await place.send("done", nonce="job-1", file=discord.File(io.BytesIO(PNG), "a.png"))
    assert first.id == again.id
    server.clock.advance(server.limits.nonce_window + 1)
    await place.send("done", nonce="job-1", file=discord.File(io.BytesIO(PNG), "a.png"))
    assert len(server.messages(general)) == 2
    assert len(server.duplicates()) == 1


async def test_a_send_that_was_taken_but_answered_500_posts_once(
    server: DiscordServer, general: Channel, bot: Bot
) -> None:
    server.faults.add(on="POST /channels/*/messages", fault="status_after", status=500)
    await bot.get_partial_messageable(general.id).send("done")
    assert [message.text for message in server.messages(general)] == ["done"]
    assert [one.fault for one in server.requests_to("POST /channels/*/messages")] == ["status_after", None]


@pytest.mark.parametrize(("fault", "taken"), [("drop_before", 0), ("drop_after", 1)])
async def test_a_reset_connection_is_an_error_whether_or_not_it_was_taken(
    server: DiscordServer, general: Channel, bot: Bot, fault: Any, taken: int
) -> None:
    server.faults.add(on="POST /channels/*/messages", fault=fault)
    with pytest.raises(OSError, match=r"reset|disconnected"):
        await bot.get_partial_messageable(general.id).send("done")
    assert len(server.messages(general)) == taken


async def test_a_rate_limit_is_waited_for_and_a_ban_is_raised(
    server: DiscordServer, general: Channel, bot: Bot
) -> None:
    place = bot.get_partial_messageable(general.id)
    server.faults.add(on="POST /channels/*/messages", fault="rate_limit", delay=0.1)
    await place.send("after the limit")
    server.faults.add(on="POST /channels/*/messages", fault="cloudflare", delay=10)
    with pytest.raises(discord.HTTPException) as banned:
        await place.send("never")
    assert banned.value.status == 429
    assert [message.text for message in server.messages(general)] == ["after the limit"]


async def test_buckets_are_enforced_and_discord_py_keeps_to_them(
    server: DiscordServer, general: Channel, bot: Bot
) -> None:
    place = bot.get_partial_messageable(general.id)
    await asyncio.gather(*[place.send(f"{n}") for n in range(17)])
    assert len(server.messages(general)) == 17
    assert server.rest.rate_limits.refused == 0
    server.limits.global_per_second = 0
    server.limits.pace = 0.1
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(place.send("never"), 0.3)
    assert server.rest.rate_limits.refused > 0


async def test_who_keeps_to_no_limit_meets_429_with_all_its_headers(
    server: DiscordServer, general: Channel
) -> None:
    server.limits.pace = 1.0
    url = f"{server.api_base}/channels/{general.id}/messages"
    async with ClientSession(headers={"Authorization": f"Bot {server.token}"}) as session:
        for remaining in (4, 3, 2, 1, 0):
            async with session.post(url, json={"content": "x"}) as taken:
                assert taken.status == 200
                assert taken.headers["Content-Type"] == "application/json"
                assert taken.headers["X-RateLimit-Remaining"] == str(remaining)
        async with session.post(url, json={"content": "x"}) as refused:
            assert refused.status == 429
            assert refused.headers["Via"]
            assert refused.headers["X-RateLimit-Scope"] == "user"
            assert 4 < (await refused.json())["retry_after"] <= 5
        server.clock.advance(5)
        async with session.post(url, json={"content": "x"}) as taken:
            assert taken.status == 200


async def test_a_file_too_large_is_413_and_each_file_counts_alone(
    server: DiscordServer, general: Channel, bot: Bot
) -> None:
    server.limits.upload = 1000
    place = bot.get_partial_messageable(general.id)
    await place.send(files=[discord.File(io.BytesIO(b"x" * 900), f"{n}.bin") for n in range(3)])
    with pytest.raises(discord.HTTPException) as refused:
        await place.send(file=discord.File(io.BytesIO(b"x" * 1001), "big.bin"))
    assert (refused.value.status, refused.value.code) == (413, 40005)
    assert [one.size for one in server.files] == [900] * 3


async def test_uploads_are_shown_by_components_and_served_until_their_link_expires(
    server: DiscordServer, general: Channel, bot: Bot
) -> None:
    files = (discord.File(io.BytesIO(PNG), "a.png"), discord.File(io.BytesIO(b"b"), "b.mp4"))
    sent = await bot.get_partial_messageable(general.id).send(
        view=Card("done", "1", files[:1]), files=list(files)
    )
    [message] = server.messages(general)
    assert [one.filename for one in message.files] == ["a.png"]
    assert [one.filename for one in message.hidden_files] == ["b.mp4"]
    assert message.alt_texts == ["alt"]
    assert await sent.attachments[0].read() == PNG
    server.clock.advance(server.limits.cdn_life + 1)
    with pytest.raises(discord.NotFound):
        await sent.attachments[0].read()
    fresh = await bot.get_partial_messageable(general.id).fetch_message(sent.id)
    assert await fresh.attachments[0].read() == PNG


async def test_components_are_held_to_their_limits(general: Channel, bot: Bot) -> None:
    place = bot.get_partial_messageable(general.id)

    async def refused(view: ui.LayoutView, **more: Any) -> str:
        with pytest.raises(discord.HTTPException) as error:
            await place.send(view=view, **more)
        assert (error.value.status, error.value.code) == (400, 50035)
        return error.value.text

    def holding(*items: ui.Item[Any]) -> ui.LayoutView:
        view = ui.LayoutView()
        for item in items:
            view.add_item(item)
        return view

    long: list[ui.Item[Any]] = [ui.TextDisplay("x" * 2001), ui.TextDisplay("x" * 2000)]
    assert "4000 characters" in await refused(holding(*long))
    missing: ui.File[Any] = ui.File("attachment://gone.wav")
    assert "not found" in await refused(holding(missing))
    outside: ui.File[Any] = ui.File("https://example.org/a.wav")
    assert "Scheme" in await refused(holding(outside))
    label: ui.ActionRow[Any] = ui.ActionRow(ui.Button(label="x" * 81, custom_id="a"))
    assert "Must be between 0 and 80" in await refused(holding(label))
    custom_id: ui.ActionRow[Any] = ui.ActionRow(ui.Button(label="x", custom_id="a" * 101))
    assert "Must be between 1 and 100" in await refused(holding(custom_id))
    twins: ui.ActionRow[Any] = ui.ActionRow(*[ui.Button(label=t, custom_id="a") for t in "xy"])
    assert "duplicated" in await refused(holding(twins))
    urls = [discord.MediaGalleryItem("https://example.org/a.png") for _ in range(10)]
    gallery: ui.MediaGallery[Any] = ui.MediaGallery(*urls)
    gallery._underlying.items.append(urls[0]._underlying if hasattr(urls[0], "_underlying") else urls[0])
    assert "between 1 and 10" in await refused(holding(gallery))
    too_many = {"type": 17, "components": [{"type": 10, "content": "x"}] * 40}
    with pytest.raises(discord.HTTPException, match="cannot exceed 40"):
        await _post(bot, general, {"flags": 1 << 15, "components": [too_many]})
    with pytest.raises(discord.HTTPException, match="IS_COMPONENTS_V2"):
        await _post(
            bot, general, {"flags": 1 << 15, "content": "x", "components": [{"type": 10, "content": "x"}]}
        )
    with pytest.raises(discord.HTTPException, match="empty message"):
        await _post(bot, general, {})


async def _post(bot: Bot, channel: Channel, body: dict[str, Any]) -> Any:
    route = discord.http.Route("POST", "/channels/{channel_id}/messages", channel_id=channel.id)
    return await bot.http.request(route, json=body)


async def test_a_legacy_message_becomes_a_card_only_when_its_content_goes(
    server: DiscordServer, general: Channel, bot: Bot
) -> None:
    message = await bot.get_partial_messageable(general.id).send("plain")
    with pytest.raises(discord.HTTPException):
        await message.edit(view=Card("card"))
    await message.edit(content=None, view=Card("card"))
    assert server.messages(general)[0].text == "card"
    with pytest.raises(discord.HTTPException):
        await message.edit(content="plain again")


async def test_pings_are_those_that_allowed_mentions_let_through(
    server: DiscordServer, guild: Guild, general: Channel, ada: Person, bot: Bot
) -> None:
    bob = server.person("Bob", guild)
    role = guild.role("Makers", mentionable=True)
    words = f"{ada.mention} {bob.mention} <@&{role.id}> @everyone"
    place = bot.get_partial_messageable(general.id)
    await place.send(words)
    await place.send(words, allowed_mentions=discord.AllowedMentions.none())
    only_ada = discord.AllowedMentions(users=[discord.Object(ada.id)], roles=False, everyone=False)
    await place.send(words, allowed_mentions=only_ada)
    loud, quiet, one = (message.pings for message in server.messages(general))
    assert (loud.users, loud.roles) == (frozenset({ada.id, bob.id}), frozenset({role.id}))
    assert not loud.everyone  # the bot isn't allowed to
    assert not quiet
    assert (one.users, one.roles, one.everyone) == (frozenset({ada.id}), frozenset(), False)


async def test_replies_need_their_message_and_the_right_to_read_history(
    server: DiscordServer, general: Channel, ada: Person, bot: Bot
) -> None:
    said = ada.say(general, "hello")
    place = bot.get_partial_messageable(general.id)
    reply = await place.send("hi", reference=place.get_partial_message(said.id))
    assert reply.reference is not None
    assert reply.reference.message_id == said.id
    said.delete()
    with pytest.raises(discord.HTTPException, match="Unknown message"):
        await place.send("hi", reference=place.get_partial_message(said.id))
    general.deny(server.bot, P.READ_MESSAGE_HISTORY)
    with pytest.raises(discord.HTTPException) as refused:
        await place.send("hi", reference=place.get_partial_message(reply.id))
    assert refused.value.code == 160002


async def test_history_shows_the_bots_own_words_and_hides_others(
    general: Channel, ada: Person, bot: Bot
) -> None:
    ada.say(general, "secret")
    place = bot.get_partial_messageable(general.id)
    await place.send("mine", nonce="job-9")
    found = [message async for message in place.history(limit=10)]
    assert [(one.content, one.nonce) for one in found] == [("mine", "job-9"), ("", None)]


# -- threads, permissions, places that vanish --------------------------------------------------------------


async def test_a_thread_hangs_from_a_message_once(
    server: DiscordServer, guild: Guild, general: Channel, ada: Person, bot: Bot
) -> None:
    reply = await ada.command("animate", {"start": "a fox"}, channel=general)
    await reply.answered()
    card = reply.message
    assert card is not None
    place = bot.get_partial_messageable(general.id, guild_id=guild.id)
    message = place.get_partial_message(card.id)
    thread = await message.create_thread(name="a fox")
    assert thread.id == card.id
    await thread.send("here")
    assert card.thread is not None
    assert [one.text for one in server.messages(card.thread)] == ["here"]
    with pytest.raises(discord.HTTPException) as twice:
        await message.create_thread(name="again")
    assert twice.value.code == 160004
    assert (await ada.command("animate", {"start": "in it"}, channel=card.thread)).ack == THINKING
    assert isinstance(bot.seen[-1].channel, discord.Thread)


async def test_threads_that_are_archived_locked_or_too_many(
    server: DiscordServer, general: Channel, ada: Person, bot: Bot
) -> None:
    thread = general.thread("talk", ada)
    place = bot.get_partial_messageable(thread.id)
    first = await place.send("one")
    thread.update(archived=True)
    with pytest.raises(discord.HTTPException, match="50083"):
        await first.edit(content="changed")
    await place.send("this wakes it up")
    assert not thread.archived
    thread.update(locked=True)
    with pytest.raises(discord.HTTPException, match="160005"):
        await place.send("never")
    server.limits.active_threads = 1
    said = ada.say(general, "x")
    channel = bot.get_channel(general.id)
    assert isinstance(channel, discord.TextChannel)
    with pytest.raises(discord.HTTPException, match="160006"):
        await channel.get_partial_message(said.id).create_thread(name="x")


async def test_forums_take_posts_only_and_may_want_a_tag(
    server: DiscordServer, guild: Guild, general: Channel, bot: Bot
) -> None:
    forum = guild.forum("ideas", tags=["film"], tag_required=True)
    await server.until(lambda: bot.get_channel(forum.id))
    channel = bot.get_channel(forum.id)
    assert isinstance(channel, discord.ForumChannel)
    with pytest.raises(discord.HTTPException, match="40058"):
        await bot.get_partial_messageable(forum.id).send("x")
    with pytest.raises(discord.HTTPException, match="40067"):
        await channel.create_thread(name="a fox", content="x")
    made = await channel.create_thread(
        name="a fox", view=Card("x"), applied_tags=list(channel.available_tags)
    )
    assert made.thread.parent_id == forum.id
    assert made.message.id in server.world.channels[made.thread.id].messages


@pytest.mark.parametrize(
    ("missing", "code"),
    [(P.VIEW_CHANNEL, 50001), (P.SEND_MESSAGES, 50013), (P.ATTACH_FILES, 50013)],
)
async def test_missing_permissions_are_named_beforehand_and_enforced(
    server: DiscordServer, general: Channel, ada: Person, bot: Bot, missing: P, code: int
) -> None:
    general.deny(server.bot, missing)
    reply = await ada.command("animate", {"start": "x"}, channel=general)
    assert not reply.interaction.app_permissions & (missing | P.ATTACH_FILES)
    with pytest.raises(discord.Forbidden) as refused:
        await bot.get_partial_messageable(general.id).send(file=discord.File(io.BytesIO(b"x"), "x.txt"))
    assert refused.value.code == code


async def test_a_closed_direct_message_is_refused(server: DiscordServer, guild: Guild, bot: Bot) -> None:
    shy = server.person("Shy", guild, takes_dms=False)
    channel = await bot.create_dm(discord.Object(shy.id))
    with pytest.raises(discord.Forbidden) as refused:
        await channel.send("hello")
    assert refused.value.code == 50007


@pytest.mark.parametrize("gone", ["message", "channel", "guild", "kicked", "role"])
async def test_places_that_vanish_say_so(
    server: DiscordServer, guild: Guild, general: Channel, bot: Bot, gone: str
) -> None:
    place = bot.get_partial_messageable(general.id)
    message = await place.send("working")
    role = next(role for role in guild.roles.values() if role.managed)
    acts = {
        "message": server.messages(general)[0].delete,
        "channel": general.delete,
        "guild": guild.delete,
        "kicked": guild.kick_bot,
        "role": role.delete,
    }
    guild.everyone.set(P.VIEW_CHANNEL)
    acts[gone]()
    codes = {"message": 10008, "channel": 10003, "guild": 10003, "kicked": 50001, "role": 50013}
    with pytest.raises(discord.HTTPException) as refused:
        await (message.edit(content="done") if gone == "message" else place.send("done"))
    assert refused.value.code == codes[gone]
    if gone in ("guild", "kicked"):
        await server.until(lambda: bot.get_guild(guild.id) is None)


async def test_age_restriction_is_inherited_by_threads(
    server: DiscordServer, guild: Guild, ada: Person, bot: Bot
) -> None:
    adult = guild.text("adult", nsfw=True)
    thread = adult.thread("talk", ada)
    await server.until(lambda: guild.id and bot.get_channel(thread.id))
    await ada.command("animate", {"start": "x"}, channel=thread)
    channel: Any = bot.seen[-1].channel
    assert channel.is_nsfw()


async def test_private_threads_and_voice_need_more_than_a_look(
    server: DiscordServer, guild: Guild, general: Channel, ada: Person, bot: Bot
) -> None:
    hidden = general.thread("hidden", ada, private=True)
    with pytest.raises(discord.Forbidden, match="50001"):
        await bot.get_partial_messageable(hidden.id).send("x")
    voice = guild.voice("talk")
    await bot.get_partial_messageable(voice.id).send("x")
    voice.deny(server.bot, P.CONNECT)
    with pytest.raises(discord.Forbidden, match="50001"):
        await bot.get_partial_messageable(voice.id).send("x")
    with pytest.raises(discord.HTTPException, match="50008"):
        await bot.get_partial_messageable(guild.channel("Group", 4).id).send("x")


async def test_edits_of_an_old_message_run_out(server: DiscordServer, general: Channel, bot: Bot) -> None:
    server.limits.old_message_edits = 2
    message = await bot.get_partial_messageable(general.id).send("0")
    server.clock.advance(3601)
    for n in (1, 2):
        await message.edit(content=str(n))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(message.edit(content="3"), 0.3)
    assert server.messages(general)[0].text == "2"
    assert server.requests_to("PATCH /channels/*/messages/*")[-1].code == 30046


# -- registering commands ----------------------------------------------------------------------------------


def command(**more: Any) -> dict[str, Any]:
    return {"name": "run", "description": "Runs", "type": 1, **more}


def option(**more: Any) -> dict[str, Any]:
    return {"name": "start", "description": "What", "type": 3, **more}


def choices(count: int, name: str = "c{}", value: str = "v{}") -> list[dict[str, Any]]:
    return [{"name": name.format(n), "value": value.format(n)} for n in range(count)]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (command(name="Run"), "name is invalid"),
        (command(name="a b"), "name is invalid"),
        (command(name="x" * 33), "between 1 and 32"),
        (command(description=""), "between 1 and 100"),
        (command(description="x" * 101), "between 1 and 100"),
        (command(name_localizations={"zh": "跑"}), "no locale"),
        (command(name_localizations={"zh-CN": "跑 步"}), "name is invalid"),
        (command(description_localizations={"zh-CN": "跑" * 101}), "between 1 and 100"),
        (command(options=[option(name=f"o{n}") for n in range(26)]), "25 or fewer"),
        (command(options=[option(), option()]), "Option names must be unique"),
        (command(options=[option(), option(name="end", required=True)]), "Required options"),
        (command(options=[option(choices=choices(26))]), "25 or fewer"),
        (command(options=[option(choices=choices(2, name="c"))]), "Choice names must be unique"),
        (command(options=[option(choices=choices(1, value="x" * 101))]), "between 1 and 100"),
        (command(options=[option(choices=choices(1), autocomplete=True)]), "exclude each other"),
        (command(options=[option(type=4, choices=choices(1))]), "not of the option's type"),
        (command(options=[option(type=4, max_value=2**53)]), "Value must be between"),
        (command(options=[option(type=4, min_value=1.5)]), "is not int"),
        (command(options=[option(type=4, min_value=5, max_value=4)]), "is below"),
        (command(options=[option(max_length=6001)]), "between 1 and 6000"),
        (command(options=[option(min_value=1)]), "for numbers only"),
        (command(options=[option(type=5, choices=choices(1))]), "strings and numbers"),
        (command(options=[option(type=1), option(name="b")]), "mutually exclusive"),
        (
            command(options=[option(name=f"o{n}", choices=choices(25, "n" * 9 + "{}")) for n in range(25)]),
            "8000",
        ),
        (command(name="跑", name_localizations={"en-US": "Run"}), "name is invalid"),
        (command(contexts=[3]), "must be one of"),
        (command(default_member_permissions="all"), "snowflake"),
        (command(type=3, name="Animate this", description="no"), "no description"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_command_beyond_a_limit_is_an_invalid_form(bot: Bot, bad: dict[str, Any], why: str) -> None:
    assert bot.application_id is not None
    with pytest.raises(discord.HTTPException, match=why) as refused:
        await bot.http.bulk_upsert_global_commands(bot.application_id, payload=[bad])
    assert (refused.value.status, refused.value.code) == (400, 50035)


async def test_too_many_commands_or_two_of_one_name_are_refused(bot: Bot) -> None:
    assert bot.application_id is not None
    for bad, code in (
        ([command(name=f"c{n}") for n in range(101)], 30032),
        ([command(type=3, name=f"c{n}", description="") for n in range(16)], 30032),
        ([command(), command()], 50035),
    ):
        with pytest.raises(discord.HTTPException) as refused:
            await bot.http.bulk_upsert_global_commands(bot.application_id, payload=bad)
        assert refused.value.code == code


async def test_a_command_at_all_its_limits_is_taken(server: DiscordServer, bot: Bot) -> None:
    most = [
        option(
            name=f"o{n}",
            required=n < 3,
            choices=[{"name": f"名{m}", "value": "v" * 3 + str(m)} for m in range(25)],
        )
        for n in range(25)
    ]
    good = command(
        name="跑-步_1", options=most, description="x" * 100, contexts=[0, 1, 2], integration_types=[0, 1]
    )
    seed = command(name="seed", options=[option(type=4, min_value=-(2**53) + 1, max_value=2**53 - 1)])
    assert bot.application_id is not None
    kept = await bot.http.bulk_upsert_global_commands(bot.application_id, payload=[good, seed])
    again = await bot.http.bulk_upsert_global_commands(bot.application_id, payload=[good, seed])
    assert [(one["id"], one["version"]) for one in kept] == [(one["id"], one["version"]) for one in again]
    assert server.registry.overwrites == 3


async def test_new_commands_have_a_daily_budget(server: DiscordServer, bot: Bot) -> None:
    server.limits.daily_command_creates = 5
    assert bot.application_id is not None
    with pytest.raises(discord.HTTPException) as refused:
        await bot.http.bulk_upsert_global_commands(bot.application_id, payload=[command(), command(name="b")])
    assert refused.value.code == 30034
    server.clock.advance(24 * 3600 + 1)
    await bot.http.bulk_upsert_global_commands(bot.application_id, payload=[command(), command(name="b")])


async def test_commands_of_one_server_are_its_own(
    server: DiscordServer, guild: Guild, general: Channel, ada: Person, bot: Bot
) -> None:
    bot.tree.copy_global_to(guild=discord.Object(guild.id))
    bot.tree.clear_commands(guild=None)
    await bot.tree.sync()
    await bot.tree.sync(guild=discord.Object(guild.id))
    assert (await ada.command("animate", {"start": "x"}, channel=general)).ack == THINKING
    elsewhere = server.guild("Elsewhere")
    elsewhere.join(ada)
    other = elsewhere.text("general")
    with pytest.raises(ClientRefused):
        await ada.command("animate", {"start": "x"}, channel=other)
    fetched = await bot.tree.fetch_commands(guild=discord.Object(guild.id))
    assert {one.name for one in fetched} == {"animate", "form", "silence", "Animate this"}


# -- on demand ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "raised", "taken"),
    [
        ({"fault": "close_after"}, ServerDisconnectedError, 1),
        ({"fault": "status_before", "status": 503}, discord.DiscordServerError, 0),
        ({"fault": "status_after", "status": 503}, discord.DiscordServerError, 1),
        ({"fault": "html", "status": 503}, discord.DiscordServerError, 0),
        ({"fault": "error", "code": 50013}, discord.Forbidden, 0),
        ({"fault": "hang"}, TimeoutError, 0),
        ({"fault": "slow_before", "delay": 5}, TimeoutError, 0),
        ({"fault": "slow_after", "delay": 5}, TimeoutError, 1),
        ({"fault": "not_json"}, TypeError, 1),
    ],
    ids=lambda value: value["fault"] if isinstance(value, dict) else "",
)
async def test_a_fault_goes_wrong_as_it_says_and_once(
    server: DiscordServer,
    general: Channel,
    bot: Bot,
    fault: dict[str, Any],
    raised: type[Exception],
    taken: int,
) -> None:
    place = bot.get_partial_messageable(general.id)
    server.faults.add(on="POST /channels/*/messages", **fault)
    with pytest.raises(raised):
        await asyncio.wait_for(place.send("one"), 0.4)
    await place.send("two")
    assert [message.text for message in server.messages(general)] == ["one"] * taken + ["two"]


async def test_a_fault_may_wait_its_turn_and_keep_to_its_route(
    server: DiscordServer, general: Channel, bot: Bot
) -> None:
    place = bot.get_partial_messageable(general.id)
    rule = server.faults.add(on="POST /channels/*/messages", fault="error", code=50001, times=None, skip=1)
    message = await place.send("one")
    for _ in range(2):
        with pytest.raises(discord.Forbidden):
            await place.send("never")
    await message.edit(content="edited")
    server.faults.clear()
    await place.send("two")
    assert rule.hits == 2


async def test_it_runs_as_its_own_process_driven_over_http() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.discord_server", "--port", "0", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        started = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
        async with RemoteServer(started["url"]) as remote:
            with discord_py_at(started["api_base"], started["gateway_url"]):
                await _drive(remote)
    finally:
        process.terminate()
        assert await process.wait() == 0


async def _drive(remote: RemoteServer) -> None:
    guild = await remote.do("guild")
    general = await remote.do("channel", guild=guild, name="general")
    ada = await remote.person("Ada", guild)
    client = Bot()
    task = asyncio.create_task(client.start("a-bot-token"))
    await remote.do("connected")
    await client.tree.sync()
    reply = await ada.command(
        "animate", {"start": "a fox"}, channel=general, attachments={"picture": ("a.png", PNG)}
    )
    await reply.answered()
    assert reply.text == f"a fox 20 any {len(PNG)}"
    [card] = await remote.messages(general)
    assert (await ada.press(card.id, label="Cancel")).text == "cancelled 7"
    with pytest.raises(ClientRefused, match="no command"):
        await ada.command("paint", channel=general)
    assert (await ada.command("form", channel=general)).modal is not None
    assert (
        await ada.fill_modal({"Prompt": "a wolf", "Start": [("b.png", PNG)]})
    ).text == "Ada: a wolf ['b.png']"
    await remote.do("fault", on="POST /channels/*/messages", fault="error", code=50013)
    with pytest.raises(discord.Forbidden):
        await client.get_partial_messageable(general).send("x")
    assert (await remote.do("requests", on="POST /channels/*/messages"))[0]["fault"] == "error"
    load = await remote.do("load", places=[("Ada", general)], name="form", count=20, per_second=200)
    assert all(seconds < 3 for seconds in load)
    await remote.do("gateway", act="cut")
    await ada.say(general, "meanwhile")
    assert (await (await ada.command("form", channel=general, wait=False)).acknowledged()).ack == MODAL
    await client.close()
    await task


# -- the limits of a test ----------------------------------------------------------------------------------


async def test_an_acknowledgement_that_was_taken_but_answered_500_is_known_as_taken(
    server: DiscordServer, general: Channel, ada: Person, bot: Bot
) -> None:
    server.faults.add(on="POST /interactions/*/*/callback", fault="status_after", status=500)
    reply = await ada.command("animate", {"start": "x"}, channel=general)
    assert reply.ack == THINKING
    await reply.until(lambda r: len(r.attempts) == 2)  # discord.py tries again after a second
    assert [attempt.code for attempt in reply.attempts] == [0, 40060]


async def test_requests_without_the_token_are_counted_as_invalid(server: DiscordServer) -> None:
    server.limits.invalid_requests = 3
    for _ in range(3):
        with pytest.raises(discord.LoginFailure):
            async with Bot() as client:
                await client.login("wrong")
    with pytest.raises(discord.HTTPException) as banned:
        async with Bot() as client:
            await client.login(server.token)
    assert banned.value.status == 429


def test_pace_is_the_only_thing_that_makes_limits_softer() -> None:
    assert Limits().pace < 1
    assert Limits(pace=1.0).first_response == Limits().first_response == 3.0


@pytest.fixture(autouse=True)
def quiet_loggers(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level("CRITICAL", logger="discord"):
        yield
