"""Imports discord.py, and points it at the played Discord for the length of a `with`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import yarl

with warnings.catch_warnings():
    # Before Python 3.13 discord.py imports the standard library's deprecated audioop, for voice.
    warnings.filterwarnings("ignore", message="'audioop' is deprecated", category=DeprecationWarning)
    import discord
    from discord.gateway import DiscordWebSocket
    from discord.http import Route

__all__ = ["discord", "discord_py_at"]


@contextmanager
def discord_py_at(api_base: str, gateway_url: str) -> Iterator[None]:
    """REST base and gateway are class attributes of discord.py; they are put back at the end."""
    base, gateway = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = api_base, yarl.URL(gateway_url)
    try:
        yield
    finally:
        Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = base, gateway
