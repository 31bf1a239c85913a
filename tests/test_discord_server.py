"""The played Discord, seen by the real discord.py: what the tests of the adapter will rest on."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.discord_server import ClientRefused, DiscordServer, Limits, P, Person, Upload
from tests.discord_server.client import discord, discord_py_at
from tests.discord_server.interactions import MESSAGE_NOW, MODAL, THINKING, UPDATE_NOW
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
        set_up(self)

    async def setup_hook(self) -> None:
        self.add_dynamic_items(Cancel)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        return None

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        self.seen.append(interaction)


class ShardedBot(discord.AutoShardedClient):
    def __init__(self, **more: Any) -> None:
        super().__init__(intents=discord.Intents(guilds=True), guild_ready_timeout=0.05, **more)
        set_up(self)

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        return None


def set_up(client: discord.Client) -> app_commands.CommandTree:
    tree = app_commands.CommandTree(client)

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

    client.tree = tree  # type: ignore[attr-defined]
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
    async with running(server, Bot(heartbeat_timeout=0.3)):
        await server.until(lambda: server.gateway.heartbeats > 2)
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
    tree: Any = bot.tree  # type: ignore[attr-defined]

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

    await bot.get_partial_messageable(general.id).send("ready", view=Once(timeout=None))
    [message] = server.messages(general)
    reply = await ada.press(message, "go")
    assert reply.ack == UPDATE_NOW
    assert message.text == "gone"
    assert message.buttons == []
    assert [edit.text for edit in message.edits] == ["ready"]


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
    tree: Any = bot.tree  # type: ignore[attr-defined]

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
    assert (loud.users, loud.roles) == ({ada.id, bob.id}, {role.id})
    assert not loud.everyone  # the bot isn't allowed to
    assert not quiet
    assert (one.users, one.roles, one.everyone) == ({ada.id}, set(), False)


async def test_replies_need_their_message_and_the_right_to_read_history(
    general: Channel, ada: Person, bot: Bot
) -> None:
    said = ada.say(general, "hello")
    place = bot.get_partial_messageable(general.id)
    reply = await place.send("hi", reference=place.get_partial_message(said.id))
    assert reply.reference is not None
    assert reply.reference.message_id == said.id
    said.delete()
    with pytest.raises(discord.HTTPException, match="Unknown message"):
        await place.send("hi", reference=place.get_partial_message(said.id))
    general.deny(bot.user, P.READ_MESSAGE_HISTORY)  # type: ignore[arg-type]
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
    server: DiscordServer, general: Channel, ada: Person, bot: Bot
) -> None:
    reply = await ada.command("animate", {"start": "a fox"}, channel=general)
    await reply.answered()
    card = reply.message
    assert card is not None
    message = bot.get_partial_messageable(general.id, guild_id=general.guild.id).get_partial_message(card.id)  # type: ignore[union-attr]
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
    assert not reply.interaction.app_permissions & missing
    with pytest.raises(discord.Forbidden) as refused:
        await bot.get_partial_messageable(general.id).send(file=discord.File(io.BytesIO(b"x"), "x.txt"))
    assert refused.value.code == code


async def test_a_closed_direct_message_is_refused(server: DiscordServer, guild: Guild, bot: Bot) -> None:
    shy = server.person("Shy", guild, takes_dms=False)
    channel = await bot.create_dm(discord.Object(shy.id))  # type: ignore[arg-type]
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


# -- registering commands ----------------------------------------------------------------------------------


def command(**more: Any) -> dict[str, Any]:
    return {"name": "run", "description": "Runs", "type": 1, **more}


def option(**more: Any) -> dict[str, Any]:
    return {"name": "start", "description": "What", "type": 3, **more}


@pytest.mark.parametrize(
    "bad",
    [
        command(name="Run"),
        command(name="a b"),
        command(name="x" * 33),
        command(description=""),
        command(description="x" * 101),
        command(name_localizations={"zh": "跑"}),
        command(name_localizations={"zh-CN": "跑 步"}),
        command(description_localizations={"zh-CN": "跑" * 101}),
        command(options=[option(name=f"o{n}") for n in range(26)]),
        command(options=[option(), option()]),
        command(options=[option(), option(name="end", required=True)]),
        command(options=[option(choices=[{"name": f"c{n}", "value": f"c{n}"} for n in range(26)])]),
        command(options=[option(choices=[{"name": "x", "value": "x" * 101}])]),
        command(options=[option(choices=[{"name": "x", "value": "x"}], autocomplete=True)]),
        command(options=[option(type=4, max_value=2**53)]),
        command(options=[option(type=4, min_value=1.5)]),
        command(options=[option(max_length=6001)]),
        command(options=[option(min_value=1)]),
        command(options=[option(name=f"o{n}", description="x" * 100, choices=[]) for n in range(25)] * 4),
        command(
            options=[
                option(
                    name=f"o{n}", choices=[{"name": f"{m}" * 9, "value": f"{m:02}" * 9} for m in range(25)]
                )
                for n in range(25)
            ]
        ),
        command(contexts=[3]),
        command(type=3, name="Animate this", description="no"),
    ],
)
async def test_a_command_beyond_a_limit_is_an_invalid_form(bot: Bot, bad: dict[str, Any]) -> None:
    assert bot.application_id is not None
    with pytest.raises(discord.HTTPException) as refused:
        await bot.http.bulk_upsert_global_commands(bot.application_id, payload=[bad])
    assert (refused.value.status, refused.value.code) == (400, 50035)
    assert refused.value._errors is not None


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
    kept = await bot.http.bulk_upsert_global_commands(bot.application_id, payload=[good, seed])  # type: ignore[list-item]
    again = await bot.http.bulk_upsert_global_commands(bot.application_id, payload=[good, seed])  # type: ignore[list-item]
    assert [(one["id"], one["version"]) for one in kept] == [(one["id"], one["version"]) for one in again]
    assert server.registry.overwrites == 3


async def test_new_commands_have_a_daily_budget(server: DiscordServer, bot: Bot) -> None:
    server.limits.daily_command_creates = 5
    assert bot.application_id is not None
    with pytest.raises(discord.HTTPException) as refused:
        await bot.http.bulk_upsert_global_commands(bot.application_id, payload=[command(), command(name="b")])  # type: ignore[list-item]
    assert refused.value.code == 30034
    server.clock.advance(24 * 3600 + 1)
    await bot.http.bulk_upsert_global_commands(bot.application_id, payload=[command(), command(name="b")])  # type: ignore[list-item]


async def test_commands_of_one_server_are_its_own(
    server: DiscordServer, guild: Guild, general: Channel, ada: Person, bot: Bot
) -> None:
    bot.tree.copy_global_to(guild=discord.Object(guild.id))  # type: ignore[attr-defined]
    bot.tree.clear_commands(guild=None)  # type: ignore[attr-defined]
    await bot.tree.sync()  # type: ignore[attr-defined]
    await bot.tree.sync(guild=discord.Object(guild.id))  # type: ignore[attr-defined]
    assert (await ada.command("animate", {"start": "x"}, channel=general)).ack == THINKING
    other = server.guild("Elsewhere").text("general")
    other.guild.join(ada)  # type: ignore[union-attr]
    with pytest.raises(ClientRefused):
        await ada.command("animate", {"start": "x"}, channel=other)
    fetched = await bot.tree.fetch_commands(guild=discord.Object(guild.id))  # type: ignore[attr-defined]
    assert {one.name for one in fetched} == {"animate", "form", "silence", "Animate this"}


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
