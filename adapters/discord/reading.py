"""What an interaction says: who, where, in which language, with which options. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import discord

from adapters.discord import permissions, schema
from adapters.discord.places import NAME, Spot
from bot.jobs import Actor, FileRef, Json

Interaction: TypeAlias = "discord.Interaction[Any]"

TEXT_CHANNELS = (discord.ChannelType.text, discord.ChannelType.news)
"""Where a thread can hang from a message."""


def language_of(interaction: Interaction) -> str:
    return schema.LOCALES.get(interaction.locale.value, "en")


def actor_of(interaction: Interaction) -> Actor:
    """Whoever did it. Whether they look after the server is Discord's word in this very interaction."""
    user = interaction.user
    may = interaction.permissions
    in_server = interaction.guild_id is not None
    return Actor(
        NAME,
        str(user.id),
        user.display_name,
        str(interaction.guild_id or f"@{user.id}"),
        language_of(interaction),
        # discord.py's `roles` leaves out those of servers that it keeps no copy of: the ids are there.
        roles=frozenset(str(role) for role in getattr(user, "_roles", ())),
        manages=in_server and (may.administrator or may.manage_guild),
    )


def spot_of(interaction: Interaction) -> Spot:
    channel = interaction.channel
    threads = interaction.guild_id is not None and channel is not None and channel.type in TEXT_CHANNELS
    return Spot(interaction.guild_id, interaction.channel_id or 0, threads)


def channel_of(interaction: Interaction) -> str:
    """The channel, of a thread the one that it hangs from."""
    if interaction.guild_id is None:
        return ""
    channel = interaction.channel
    return str(channel.parent_id if isinstance(channel, discord.Thread) else interaction.channel_id or "")


def key_of(interaction: Interaction) -> str:
    return f"{NAME}:{interaction.id}"


def for_adults(interaction: Interaction) -> bool:
    """Whether the channel is age-restricted; a thread is as its parent is, a private talk is not."""
    is_nsfw = getattr(interaction.channel, "is_nsfw", None)
    return bool(is_nsfw and is_nsfw())


def missing_permissions(interaction: Interaction) -> list[str]:
    """What the bot lacks to post here; none in private talks."""
    if interaction.guild_id is None:
        return []
    needed = permissions.needed(in_thread=isinstance(interaction.channel, discord.Thread))
    return list(permissions.lacking(interaction.app_permissions, needed))


def given_in(data: Mapping[str, Json]) -> dict[str, Json]:
    """The options of a command by name."""
    return {one["name"]: one.get("value") for one in data.get("options") or []}


def attachments_in(data: Mapping[str, Json]) -> dict[str, FileRef]:
    """What was attached, by id: the link to it and its name."""
    found = (data.get("resolved") or {}).get("attachments") or {}
    return {id_: FileRef(str(one["url"]), str(one["filename"])) for id_, one in found.items()}
