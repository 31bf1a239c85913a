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
        return [app_commands.Choice(name=name, value=name) for name in ("flux", "fast") if name.startswith(typed)]

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
async def running(server: DiscordServer, client: Any, *, sync: bool = True, shards: int = 1) -> AsyncIterator[Any]:
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


async def test_the_bot_logs_in_and_knows_its_servers(server: DiscordServer, general: Channel, bot: Bot) -> None:
    await asyncio.wait_for(bot.wait_until_ready(), 5)
    found = bot.get_channel(general.id)
    assert isinstance(found, discord.TextChannel)
    assert found.guild.me.guild_permissions.attach_files
    assert server.gateway.identified[0].compressed
    assert server.gateway.start_limit["remaining"] == 999
