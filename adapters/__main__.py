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
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from adapters import doctor as doctor_checks
from adapters import words
from adapters.cli import (
    CANNOT_START,
    DEMO_FOLDER,
    MISTAKES,
    ConfigFile,
    default_config,
    is_configured_by_variables,
    load_settings,
    me,
    run_through,
    settings_of,
    stop,
)
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
from adapters.settings_commands import app as settings_app
from adapters.slack import checks as slack_checks
from adapters.slack.manifest import manifest as slack_manifest
from adapters.terminal import Screen, jobs_table, misread
from adapters.terminal import ask as ask_core
from adapters.terminal import get as get_from_core
from adapters.web import make_login
from bot.catalogue import docs, load
from bot.config import Settings
from bot.errors import BadOrder, CannotStart
from bot.jobs import JobId
from bot.sandbox.__main__ import run as run_sandbox
from bot.secrets import new_key
from bot.store import NotBackedUp, Restored, Store, peek
from bot.store import restore as put_back

LOGIN_LASTS = 15 * 60
"""Seconds that a login link is good for."""

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
app.add_typer(settings_app, name="settings")

Out = Annotated[Path | None, typer.Option("--out", help="Where to save the result.")]


# -- serving


@app.command()
def run(config_file: ConfigFile = None) -> None:
    """Serve what is configured, until Ctrl-C or SIGTERM."""
    path = config_file or default_config()
    if path is None and not is_configured_by_variables():
        stop(
            "There is no config.toml here; copy config.example.toml, or try: threadreel demo",
            MISTAKES,
        )
    settings = load_settings(path)

    async def greet(running: Installation, address: str) -> None:
        print(f"Threadreel is running at {settings.http.public_url or address}", flush=True)  # noqa: T201
        print("A link that opens the page: threadreel web login", flush=True)  # noqa: T201

    run_through(settings, serve_until_stopped(settings, greet=greet))


@app.command()
def demo(
    data: Annotated[Path, typer.Option(help="The one folder that everything is kept in.")] = DEMO_FOLDER,
    port: Annotated[int, typer.Option(help="The page's port; another one where it is taken.")] = 8080,
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = True,
) -> None:
    """Try it without an account: the page, and a sandbox that draws with this machine's CPU."""
    settings = demo_settings(data, port=port)

    async def greet(running: Installation, address: str) -> None:
        link = await _login_link(running.store, address, "you", manages=True)
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

    run_through(settings, serve_until_stopped(settings, greet=greet, any_port=True))


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
        stop(f"{host}:{port} can't be used: {error.strerror}. Choose another --port.", CANNOT_START)


# -- asking


@app.command()
def ask(
    command: Annotated[str, typer.Argument(help="The command, as one would type it in a chat.")],
    out: Out = None,
    file: Annotated[
        list[str] | None, typer.Option(help="A file to attach: ./fox.png or image=./fox.png.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Agree to what it may cost.")] = False,
    config_file: ConfigFile = None,
) -> None:
    """Run one command, follow it and save what it makes.

    Exit codes: 0 saved, 1 made but not saved, 2 mistakes in the command, 3 refused, 4 failed, 5 cancelled,
    6 nobody can know, 7 could not start.
    """
    if mistakes := misread(load(), command):
        stop(words.refusal(mistakes), MISTAKES)
    settings = settings_of(config_file)

    async def asking() -> int:
        async with _at_work(settings) as running:
            return await ask_core(
                running.core,
                command,
                actor=me(),
                key=f"terminal:{secrets.token_hex(16)}",
                screen=_screen(),
                out=out,
                files=file or (),
                agrees=_agrees(yes),
            )

    raise typer.Exit(run_through(settings, asking()))


@app.command()
def jobs(config_file: ConfigFile = None) -> None:
    """Your jobs in this terminal, newest first."""
    settings = settings_of(config_file)

    async def listing() -> None:
        async with installation(settings, needs_engine=False, works=False) as running:
            _screen().results.print(jobs_table(await running.core.jobs(me()), now=time.time()))

    run_through(settings, listing())


@app.command()
def get(
    job: Annotated[str, typer.Argument(help="The job's id, as `threadreel jobs` shows it.")],
    out: Out = None,
    config_file: ConfigFile = None,
) -> None:
    """Save the files of a job that has ended."""
    settings = settings_of(config_file)

    async def getting() -> int:
        async with installation(settings, needs_engine=False, works=False) as running:
            return await get_from_core(running.core, JobId(job), actor=me(), screen=_screen(), out=out)

    raise typer.Exit(run_through(settings, getting()))


@app.command(name="my-data")
def my_data(
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Into this file.")] = None,
    config_file: ConfigFile = None,
) -> None:
    """All that is kept of you in this terminal, as JSON."""
    settings = settings_of(config_file)

    async def gathering() -> str:
        async with installation(settings, needs_engine=False, works=False) as running:
            kept = await running.core.my_data(me())
            return json.dumps(kept, ensure_ascii=False, indent=2, default=str)

    text = run_through(settings, gathering())
    if out is None:
        print(text)  # noqa: T201
        return
    try:
        out.write_text(text + "\n", "utf-8")
    except OSError as error:
        stop(f"{out} can't be written: {error.strerror}.", MISTAKES)


@app.command(name="forget-me")
def forget_me(
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask first.")] = False,
    config_file: ConfigFile = None,
) -> None:
    """Forget your jobs in the terminal, their results and prompts, for good; what was spent stays counted."""
    settings = settings_of(config_file)
    if not yes:
        if not sys.stdin.isatty():
            stop("Nothing was forgotten: there is nobody to ask. Add --yes to go on.", MISTAKES)
        if not typer.confirm("Forget your jobs here, their results and prompts, for good?"):
            stop("Nothing was forgotten.", MISTAKES)

    async def forgetting() -> int:
        async with installation(settings, needs_engine=False, works=False) as running:
            return len(await running.core.forget_me(me()))

    print(f"Forgotten; that were {run_through(settings, forgetting())} job(s).")  # noqa: T201


@app.command()
def models(command: Annotated[str | None, typer.Argument(help="Tell all about this one.")] = None) -> None:
    """The commands, and what each takes."""
    catalogue = load()
    try:
        text = docs.detail(catalogue.find(command)) if command else docs.listing(catalogue)
    except BadOrder as error:
        stop(words.refusal(error), MISTAKES)
    print(text)  # noqa: T201


# -- looking after it


@app.command()
def doctor(config_file: ConfigFile = None) -> None:
    """Check configuration, folders, tokens and model versions, and say how to mend what is wrong."""
    settings, catalogue = settings_of(config_file), load()

    async def slack() -> list[Finding]:
        installs = await asyncio.to_thread(peek, _database(settings)) if settings.slack.client_id else []
        keys = vault(settings, make=False)
        return await slack_checks.examine(settings, commands=len(catalogue), installs=installs, vault=keys)

    async def discord() -> list[Finding]:
        return await discord_doctor.examine(settings, catalogue)

    findings = run_through(
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
    settings = settings_of(config_file)
    slack, public_url = settings.slack, settings.http.public_url
    mode = mode or ("http" if slack.signing_secret and not slack.app_token else "socket")
    if mode not in ("socket", "http"):
        raise typer.BadParameter("socket or http", param_hint="--mode")
    if mode == "http" and public_url is None:
        stop(
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
    settings = settings_of(config_file)

    async def rotating() -> tuple[int, str]:
        async with await open_store(settings, works=False) as store:
            keys = vault(settings)
            count = await store.installs.reseal(keys.seal_anew) + await store.keys.reseal(keys.seal_anew)
            return count, keys.newest

    count, newest = run_through(settings, rotating())
    print(f"{count} secrets sealed anew; all of them are sealed with the key {newest}.")  # noqa: T201


@app.command()
def backup(config_file: ConfigFile = None) -> None:
    """Make a backup of the database now, also while it is in use."""
    settings = settings_of(config_file)

    async def backing_up() -> Path:
        async with await open_store(settings, works=False) as store:
            try:
                return await store.back_up(now=time.time(), keep=settings.store.backups)
            except NotBackedUp as error:
                raise CannotStart(f"Not backed up: {error}.") from error

    print(run_through(settings, backing_up()))  # noqa: T201


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="The backup.")], config_file: ConfigFile = None
) -> None:
    """Put a backup in the place of the database, which is kept beside it. Stop Threadreel first.

    What was accepted after the backup was made is not known any more.
    """
    settings = settings_of(config_file)

    async def restoring() -> Restored:
        return await asyncio.to_thread(put_back, settings.store.url, file, time.time())

    restored = run_through(settings, restoring())
    print(f"Restored {file}: {restored.jobs} job(s), {restored.doubted} of which may have been sent since.")  # noqa: T201
    if restored.aside:
        print(f"What was there before is kept as {restored.aside}")  # noqa: T201


@web_app.command()
def login(
    who: Annotated[str, typer.Argument(metavar="[NAME]", help="The name that the others see.")] = "",
    name: Annotated[str, typer.Option(help="The same.")] = "",
    admin: Annotated[
        bool, typer.Option("--admin", help="Who enters by it looks after the page: /admin.")
    ] = False,
    config_file: ConfigFile = None,
) -> None:
    """Print a link that opens the page, once, within a quarter of an hour."""
    settings = settings_of(config_file)

    async def linking() -> str:
        async with await open_store(settings, works=False) as store:
            note = address_note(settings)
            here = f"http://{settings.http.host}:{settings.http.port}"
            address = settings.http.public_url or (note.read_text() if note.exists() else here)
            return await _login_link(store, address, who or name or getpass.getuser(), manages=admin)

    print(run_through(settings, linking()))  # noqa: T201


async def _login_link(store: Store, address: str, name: str, *, manages: bool) -> str:
    code = await make_login(store, name=name, now=time.time(), lasts=LOGIN_LASTS, manages=manages)
    return f"{address}/login?code={code}"


@discord_app.command()
def invite(config_file: ConfigFile = None) -> None:
    """Print the link that adds the bot to a server, with exactly the permissions that it needs."""
    settings = settings_of(config_file)
    if settings.discord.token is None:
        stop(
            f"There is no discord.token yet: make a bot at {discord_doctor.PORTAL} and put its token there; "
            "docs/discord.md goes through it.",
            MISTAKES,
        )
    print(run_through(settings, discord_doctor.invitation(settings.discord)))  # noqa: T201


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


def _agrees(yes: bool) -> Callable[[str], Awaitable[bool]] | None:
    """Who is asked whether a cost is agreed to: whoever sits here, if anybody does."""

    async def ask(question: str) -> bool:
        return yes or await asyncio.to_thread(typer.confirm, question, err=True)

    return ask if yes or sys.stdin.isatty() else None


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
