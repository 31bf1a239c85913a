"""The command line: `threadreel`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
import webbrowser
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from adapters import logs, terminal
from adapters.compose import Installation, demo_settings, installation
from adapters.doctor import examine, report
from adapters.web import make_login
from bot import config
from bot.catalogue import docs, load
from bot.config import Settings
from bot.errors import BadOrder, CannotStart, ConfigError
from bot.sandbox.__main__ import run as run_sandbox

BAD_CONFIGURATION = 2
CANNOT_START = 7
DEMO_FOLDER = Path("threadreel-data")

T = TypeVar("T")

app = typer.Typer(
    name="threadreel",
    help="A self-hosted studio for generated media in the threads of your chat.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
web_app = typer.Typer(help="The page.", no_args_is_help=True)
app.add_typer(web_app, name="web")

ConfigFile = Annotated[
    Path | None,
    typer.Option("-c", "--config", help="The configuration; config.toml here where it isn't given."),
]


# -- serving


@app.command()
def run(config_file: ConfigFile = None) -> None:
    """Serve what is configured, until Ctrl-C or SIGTERM."""
    settings = _settings(config_file, need=True)
    _guarded(_serve(settings, after_start=None))


@app.command()
def demo(
    data: Annotated[Path, typer.Option(help="The one folder that everything is kept in.")] = DEMO_FOLDER,
    port: Annotated[int, typer.Option(help="Port of the page; another one where it is taken.")] = 8080,
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = True,
) -> None:
    """Try it without an account: the page, and a sandbox that draws with this machine's CPU."""
    settings = demo_settings(data, port)

    async def greet(running: Installation, address: str) -> None:
        code = await make_login(running.store, name="you", now=time.time())
        login = f"{address}/login?code={code}"
        print(f"\nThreadreel is running at {address}")  # noqa: T201
        print(f"Open this link to enter (it works once): {login}")  # noqa: T201
        print(f"Everything is kept in {data.resolve()}. Ctrl-C ends it.\n", flush=True)  # noqa: T201
        if open_page and _has_screen():
            await asyncio.to_thread(webbrowser.open, login)

    _guarded(_serve(settings, after_start=greet, any_port=True))
