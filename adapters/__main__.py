"""The command line: `threadreel`."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import json
import os
import secrets
import sys
import time
import webbrowser
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console

from adapters import doctor as doctor_checks
from adapters import logs, words
from adapters.compose import (
    Installation,
    address_note,
    client_of,
    demo_settings,
    installation,
    open_store,
    vault,
)
from adapters.discord import doctor as discord_doctor
from adapters.findings import Finding
from adapters.serving import serve_until_stopped, working
from adapters.slack import checks as slack_checks
from adapters.slack.manifest import manifest as slack_manifest
from adapters.terminal import Screen, jobs_table, misread
from adapters.terminal import ask as ask_core
from adapters.terminal import get as get_from_core
from adapters.web import make_login
from bot import config
from bot.catalogue import docs, load
from bot.config import Settings
from bot.errors import BadOrder, CannotStart, ConfigError, ForOwner
from bot.jobs import Actor, JobId
from bot.sandbox.__main__ import run as run_sandbox
from bot.secrets import new_key
from bot.store import NotBackedUp, Restored, Store, peek
from bot.store import restore as put_back

MISTAKES = 2
CANNOT_START = 7
DEMO_FOLDER = Path("threadreel-data")
DEFAULT_CONFIG = Path("config.toml")

LOGIN_LASTS = 15 * 60
"""Seconds that a login link is good for."""

T = TypeVar("T")

app = typer.Typer(
    help="A self-hosted studio for generated media in the threads of your chat.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
web_app = typer.Typer(help="The page.", no_args_is_help=True)
app.add_typer(web_app, name="web")
discord_app = typer.Typer(help="Discord.", no_args_is_help=True)
app.add_typer(discord_app, name="discord")
slack_app = typer.Typer(help="Slack.", no_args_is_help=True)
app.add_typer(slack_app, name="slack")
secrets_app = typer.Typer(help="What is encrypted in the database.", no_args_is_help=True)
app.add_typer(secrets_app, name="secrets")

ConfigFile = Annotated[
    Path | None,
    typer.Option("-c", "--config", help="The configuration; without it ./config.toml, else the demo's."),
]
Out = Annotated[Path | None, typer.Option("--out", help="Where to save the result.")]


# -- serving


@app.command()
def run(config_file: ConfigFile = None) -> None:
    """Serve what is configured, until Ctrl-C or SIGTERM."""
    path = config_file or _default_config()
    if path is None and not _is_configured_by_variables():
        _stop(
            "There is no config.toml here; copy config.example.toml, or try: threadreel demo",
            MISTAKES,
        )
    settings = _load(path)

    async def greet(running: Installation, address: str) -> None:
        print(f"Threadreel is running at {settings.http.public_url or address}", flush=True)  # noqa: T201
        print("A link that opens the page: threadreel web login", flush=True)  # noqa: T201

    _run(settings, serve_until_stopped(settings, greet=greet))


@app.command()
def demo(
    data: Annotated[Path, typer.Option(help="The one folder that everything is kept in.")] = DEMO_FOLDER,
    port: Annotated[int, typer.Option(help="The page's port; another one where it is taken.")] = 8080,
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = True,
) -> None:
    """Try it without an account: the page, and a sandbox that draws with this machine's CPU."""
    settings = demo_settings(data, port=port)

    async def greet(running: Installation, address: str) -> None:
        link = await _login_link(running.store, address, "you")
        print(  # noqa: T201
            f"Threadreel is running at {address}",
            f"This link opens the page, once:  {link}",
            f"Everything is kept in {data.resolve()}",
            "Ctrl-C ends it.",
            sep="\n",
            flush=True,
        )
        if open_page and _has_screen():
            await asyncio.to_thread(webbrowser.open, link)

    _run(settings, serve_until_stopped(settings, greet=greet, any_port=True))


@app.command()
def sandbox(
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 8090,
    plays: Annotated[str, typer.Option("--as", help="replicate or gateway.")] = "replicate",
    boot_seconds: Annotated[float, typer.Option(help="How long a model takes to boot.")] = 1.0,
    workers: Annotated[int, typer.Option(help="Predictions computed at once.")] = 2,
    allow_webhooks: Annotated[bool, typer.Option(help="Send webhooks to other machines too.")] = False,
    idle_exit: Annotated[
        float | None, typer.Option(help="End after so many seconds without a request.")
    ] = None,
    address_file: Annotated[Path | None, typer.Option(help="Write process id and address there.")] = None,
) -> None:
    """A local server that speaks Replicate's API and draws with the CPU."""
    if plays not in ("replicate", "gateway"):
        raise typer.BadParameter("replicate or gateway", param_hint="--as")
    try:
        run_sandbox(
            host,
            port,
            plays == "gateway",
            boot_seconds=boot_seconds,
            workers=workers,
            allow_webhooks=allow_webhooks,
            idle_exit=idle_exit,
            address_file=address_file,
        )
    except OSError as error:
        _stop(f"{host}:{port} can't be used: {error.strerror}. Choose another --port.", CANNOT_START)


# -- asking


@app.command()
def ask(
    command: Annotated[str, typer.Argument(help="The command, as one would type it in a chat.")],
    out: Out = None,
    file: Annotated[
        list[str] | None, typer.Option(help="A file to attach: ./fox.png or image=./fox.png.")
    ] = None,
    config_file: ConfigFile = None,
) -> None:
    """Run one command, follow it and save what it makes.

    Exit codes: 0 saved, 1 made but not saved, 2 mistakes in the command, 3 refused, 4 failed, 5 cancelled,
    6 nobody can know, 7 could not start.
    """
    if mistakes := misread(load(), command):
        _stop(words.refusal(mistakes), MISTAKES)
    settings = _settings(config_file)

    async def asking() -> int:
        async with _at_work(settings) as running:
            return await ask_core(
                running.core,
                command,
                actor=_me(),
                key=f"terminal:{secrets.token_hex(16)}",
                screen=_screen(),
                out=out,
                files=file or (),
            )

    raise typer.Exit(_run(settings, asking()))


@app.command()
def jobs(config_file: ConfigFile = None) -> None:
    """Your jobs in this terminal, newest first."""
    settings = _settings(config_file)

    async def listing() -> None:
        async with installation(settings, needs_engine=False, works=False) as running:
            _screen().results.print(jobs_table(await running.core.jobs(_me()), now=time.time()))

    _run(settings, listing())


@app.command()
def get(
    job: Annotated[str, typer.Argument(help="The job's id, as `threadreel jobs` shows it.")],
    out: Out = None,
    config_file: ConfigFile = None,
) -> None:
    """Save the files of a job that has ended."""
    settings = _settings(config_file)

    async def getting() -> int:
        async with installation(settings, needs_engine=False, works=False) as running:
            return await get_from_core(running.core, JobId(job), actor=_me(), screen=_screen(), out=out)

    raise typer.Exit(_run(settings, getting()))


@app.command()
def models(command: Annotated[str | None, typer.Argument(help="Tell all about this one.")] = None) -> None:
    """The commands, and what each takes."""
    catalogue = load()
    try:
        text = docs.detail(catalogue.find(command)) if command else docs.listing(catalogue)
    except BadOrder as error:
        _stop(words.refusal(error), MISTAKES)
    print(text)  # noqa: T201


# -- looking after it


@app.command()
def doctor(config_file: ConfigFile = None) -> None:
    """Check configuration, folders, tokens and model versions, and say how to mend what is wrong."""
    settings, catalogue = _settings(config_file), load()

    async def slack() -> list[Finding]:
        installs = await asyncio.to_thread(peek, _database(settings)) if settings.slack.client_id else []
        keys = vault(settings, make=False)
        return await slack_checks.examine(settings, commands=len(catalogue), installs=installs, vault=keys)

    async def discord() -> list[Finding]:
        return await discord_doctor.examine(settings, catalogue)

    findings = _run(
        settings,
        doctor_checks.examine(
            settings, catalogue=catalogue, client_for=client_of, platforms=(discord, slack)
        ),
    )
    raise typer.Exit(doctor_checks.report(findings, Console()))


def _database(settings: Settings) -> Path:
    return Path(settings.store.url.removeprefix("sqlite:///"))


@slack_app.command()
def manifest(
    mode: Annotated[
        str | None, typer.Option(help="socket or http; without it, what the configuration is for.")
    ] = None,
    rotation: Annotated[
        bool, typer.Option("--rotation", help="Tokens end after twelve hours. It can't be taken back.")
    ] = False,
    config_file: ConfigFile = None,
) -> None:
    """Print the app's manifest, to be pasted into Slack: From a manifest, JSON."""
    settings = _settings(config_file)
    slack, public_url = settings.slack, settings.http.public_url
    mode = mode or ("http" if slack.signing_secret and not slack.app_token else "socket")
    if mode not in ("socket", "http"):
        raise typer.BadParameter("socket or http", param_hint="--mode")
    if mode == "http" and public_url is None:
        _stop(
            "HTTP mode needs the address that Slack reaches this installation by: [http] public_url.",
            MISTAKES,
        )
    made = slack_manifest(
        load(), mode="http" if mode == "http" else "socket", public_url=public_url, rotation=rotation
    )
    print(json.dumps(made, indent=2, ensure_ascii=False))  # noqa: T201


@secrets_app.command()
def key() -> None:
    """Print a new key for [secrets] keys."""
    print(new_key())  # noqa: T201


@secrets_app.command()
def rotate(config_file: ConfigFile = None) -> None:
    """Seal every secret in the database with the newest key, so that the others can be taken out."""
    settings = _settings(config_file)

    async def rotating() -> tuple[int, str]:
        async with await open_store(settings, works=False) as store:
            keys = vault(settings)
            count = await store.installs.reseal(keys.seal_anew) + await store.keys.reseal(keys.seal_anew)
            return count, keys.newest

    count, newest = _run(settings, rotating())
    print(f"{count} secrets sealed anew; all of them are sealed with the key {newest}.")  # noqa: T201


@app.command()
def backup(config_file: ConfigFile = None) -> None:
    """Make a backup of the database now, also while it is in use."""
    settings = _settings(config_file)

    async def backing_up() -> Path:
        async with await open_store(settings, works=False) as store:
            try:
                return await store.back_up(now=time.time(), keep=settings.store.backups)
            except NotBackedUp as error:
                raise CannotStart(f"Not backed up: {error}.") from error

    print(_run(settings, backing_up()))  # noqa: T201


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="The backup.")], config_file: ConfigFile = None
) -> None:
    """Put a backup in the place of the database, which is kept beside it. Stop Threadreel first.

    What was accepted after the backup was made is not known any more.
    """
    settings = _settings(config_file)

    async def restoring() -> Restored:
        return await asyncio.to_thread(put_back, settings.store.url, file, time.time())

    restored = _run(settings, restoring())
    print(f"Restored {file}: {restored.jobs} job(s), {restored.doubted} of which may have been sent since.")  # noqa: T201
    if restored.aside:
        print(f"What was there before is kept as {restored.aside}")  # noqa: T201


@web_app.command()
def login(
    name: Annotated[str, typer.Option(help="The name that the others see.")] = "",
    config_file: ConfigFile = None,
) -> None:
    """Print a link that opens the page, once, within a quarter of an hour."""
    settings = _settings(config_file)

    async def linking() -> str:
        async with await open_store(settings, works=False) as store:
            note = address_note(settings)
            here = f"http://{settings.http.host}:{settings.http.port}"
            address = settings.http.public_url or (note.read_text() if note.exists() else here)
            return await _login_link(store, address, name or getpass.getuser())

    print(_run(settings, linking()))  # noqa: T201


async def _login_link(store: Store, address: str, name: str) -> str:
    return f"{address}/login?code={await make_login(store, name=name, now=time.time(), lasts=LOGIN_LASTS)}"


@discord_app.command()
def invite(config_file: ConfigFile = None) -> None:
    """Print the link that adds the bot to a server, with exactly the permissions that it needs."""
    settings = _settings(config_file)
    if settings.discord.token is None:
        _stop(
            f"There is no discord.token yet: make a bot at {discord_doctor.PORTAL} and put its token there; "
            "docs/discord.md goes through it.",
            MISTAKES,
        )
    print(_run(settings, discord_doctor.invitation(settings.discord)))  # noqa: T201


# -- what the commands share


@contextlib.asynccontextmanager
async def _at_work(settings: Settings) -> AsyncIterator[Installation]:
    """An installation whose jobs are carried on: by us, or by the process that does so already."""
    async with installation(settings, needs_engine=False) as running:
        if running.engine is None:
            yield running
            return
        async with working(running):
            yield running


def _settings(path: Path | None) -> Settings:
    """The given configuration, else ./config.toml, else what variables say, else the demo's."""
    path = path or _default_config()
    if path is None and not _is_configured_by_variables():
        return demo_settings(DEMO_FOLDER)
    return _load(path)


def _default_config() -> Path | None:
    named = os.environ.get("THREADREEL_CONFIG")
    if named:
        return Path(named)
    return DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None


def _is_configured_by_variables() -> bool:
    """In a container there may be no file at all."""
    return any(name.startswith("THREADREEL_") and "__" in name for name in os.environ)


def _load(path: Path | None) -> Settings:
    try:
        return config.load(path, os.environ, commands=load().commands())
    except ConfigError as error:
        _stop(str(error), MISTAKES)


def _run(settings: Settings, work: Coroutine[Any, Any, T]) -> T:
    """Run it; what the owner must mend is told in words, without a traceback."""
    logs.configure(settings.log)
    try:
        return asyncio.run(work)
    except ConfigError as error:
        _stop(str(error), MISTAKES)
    except ForOwner as error:
        _stop(str(error), CANNOT_START)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _stop(message: str, code: int) -> NoReturn:
    print(message, file=sys.stderr)  # noqa: T201
    raise typer.Exit(code)


def _me() -> Actor:
    """Whoever sits at this terminal."""
    user = getpass.getuser()
    return Actor("terminal", user, user, "here")


def _screen() -> Screen:
    return Screen(Console(stderr=True), Console())


def _has_screen() -> bool:
    return sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


def main() -> None:
    app()


if __name__ == "__main__":
    main()
