"""What the commands share: the configuration, and failures told in words."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from adapters import logs, words
from adapters.compose import demo_settings
from bot import config
from bot.catalogue import load
from bot.config import Settings
from bot.errors import ConfigError, ForOwner, ForPerson, Refused, TryLater
from bot.jobs import Actor

MISTAKES = 2
CANNOT_START = 7
DEMO_FOLDER = Path("threadreel-data")
DEFAULT_CONFIG = Path("config.toml")

T = TypeVar("T")

ConfigFile = Annotated[
    Path | None,
    typer.Option("-c", "--config", help="The configuration; without it ./config.toml, else the demo's."),
]


def settings_of(path: Path | None) -> Settings:
    """The given configuration, else ./config.toml, else what variables say, else the demo's."""
    path = path or default_config()
    if path is None and not is_configured_by_variables():
        return demo_settings(DEMO_FOLDER)
    return load_settings(path)


def default_config() -> Path | None:
    named = os.environ.get("THREADREEL_CONFIG")
    if named:
        return Path(named)
    return DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None


def is_configured_by_variables() -> bool:
    """In a container there may be no file at all."""
    return any(name.startswith("THREADREEL_") and "__" in name for name in os.environ)


def load_settings(path: Path | None) -> Settings:
    try:
        return config.load(path, os.environ, commands=load().commands())
    except ConfigError as error:
        stop(str(error), MISTAKES)


def run_through(settings: Settings, work: Coroutine[Any, Any, T]) -> T:
    """Run it; what is refused, and what the owner must mend, is told in words, without a traceback."""
    logs.configure(settings.log)
    try:
        return asyncio.run(work)
    except ConfigError as error:
        stop(str(error), MISTAKES)
    except ForPerson as error:
        stop(words.refusal(error), MISTAKES)
    except TryLater:
        stop(words.refusal(Refused("try_later")), MISTAKES)
    except ForOwner as error:
        stop(str(error), CANNOT_START)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def stop(message: str, code: int) -> NoReturn:
    print(message, file=sys.stderr)  # noqa: T201
    raise typer.Exit(code)


def me() -> Actor:
    """Whoever sits at this terminal."""
    user = getpass.getuser()
    return Actor("terminal", user, user, "here")
