"""`threadreel settings`: what /admin and /settings do, for the owner, on any server and by script."""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapters import words
from adapters.cli import MISTAKES, ConfigFile, run_through, settings_of, stop
from adapters.compose import Installation, installation
from adapters.moments import moment
from adapters.terminal import jobs_table
from bot.jobs import Actor, JobId
from bot.ports import Admin, Standing
from bot.rules.scope import SERVER, Change, Changed, Scope, ScopeKind

app = typer.Typer(
    help="The rules of a server: who may run what, where, and for how much.", no_args_is_help=True
)
key_app = typer.Typer(help="A provider's key of the server's own.", no_args_is_help=True)
app.add_typer(key_app, name="key")

HERE = {"web": "web", "terminal": "here"}
"""Platforms with one server, and what that is called."""

PLATFORMS = ("web", "terminal", "discord", "slack")

T = TypeVar("T")

OnServer = Annotated[str, typer.Option("--server", help="web, terminal, discord:SERVER or slack:WORKSPACE.")]
InChannel = Annotated[str | None, typer.Option("--channel", help="Only for this channel, by its id.")]
OfRole = Annotated[str | None, typer.Option("--role", help="Only for this role (user group), by its id.")]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask first.")]
PersonId = Annotated[str, typer.Argument(help="The person's id on that platform.")]
Named = Annotated[str, typer.Option("--name", help="Their name, for the list only.")]
Because = Annotated[str, typer.Option("--reason", help="Why; those who look after the server see it.")]
Until = Annotated[
    str | None, typer.Option("--until", help="When it ends: 30m, 12h, 7d, 2w or 2027-01-31; else never.")
]
JobArg = Annotated[str, typer.Argument(help="The job's id.")]


@dataclass(frozen=True, slots=True)
class Desk:
    """A server, and the owner who speaks for it."""

    running: Installation
    actor: Actor

    @property
    def admin(self) -> Admin:
        return self.running.core.admin


# -- settings


@app.command()
def show(
    key: Annotated[str | None, typer.Argument(help="Only this one, and what it is for.")] = None,
    server: OnServer = "web",
    channel: InChannel = None,
    role: OfRole = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")] = False,
    config_file: ConfigFile = None,
) -> None:
    """The settings in force, and where each comes from."""
    scope = _scope(channel, role)

    async def showing(desk: Desk) -> None:
        found = [one for one in await desk.admin.settings(desk.actor, scope) if key is None or one.key == key]
        if key is not None and not found:
            await desk.admin.change(desk.actor, [Change(scope, key, None)])  # says what is wrong with the key
            found = []
        if as_json:
            _print(
                json.dumps({one.key: {"value": one.value, "origin": one.origin} for one in found}, indent=2)
            )
        elif key is not None and found:
            one = found[0]
            _print(
                f"{one.text or words.setting_value(None)}\n{words.origin(one.origin)}\n{words.setting(key)}"
            )
        elif found:
            _print_table(
                ("setting", "value", "from"),
                ((one.key, one.text or "-", words.origin(one.origin)) for one in found),
            )
        else:
            _print(words.setting_value(None))

    _at(server, config_file, showing)


@app.command(name="set")
def set_one(
    key: Annotated[str, typer.Argument(help="The setting, such as models or budget.server.month.")],
    value: Annotated[str, typer.Argument(help="Its value; a list with commas between.")],
    server: OnServer = "web",
    channel: InChannel = None,
    role: OfRole = None,
    config_file: ConfigFile = None,
) -> None:
    """Set one. It holds from the next command on."""
    _change(Change(_scope(channel, role), key, value), server, config_file)


@app.command()
def unset(
    key: Annotated[str, typer.Argument(help="The setting.")],
    server: OnServer = "web",
    channel: InChannel = None,
    role: OfRole = None,
    config_file: ConfigFile = None,
) -> None:
    """Take one back: what holds without it holds again."""
    _change(Change(_scope(channel, role), key, None), server, config_file)


def _change(change: Change, server: str, config_file: Path | None) -> None:
    async def changing(desk: Desk) -> None:
        _print(difference(await desk.admin.change(desk.actor, [change])) or "Nothing changes.")

    _at(server, config_file, changing)


@app.command()
def export(
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Into this file.")] = None,
    server: OnServer = "web",
    config_file: ConfigFile = None,
) -> None:
    """All that the server has set, as TOML. Keys of providers are not in it."""

    async def exporting(desk: Desk) -> None:
        text = await desk.admin.export(desk.actor)
        if out is None:
            sys.stdout.write(text)
        else:
            await _write(out, text)

    _at(server, config_file, exporting)


@app.command(name="import")
def take_in(
    file: Annotated[Path, typer.Argument(help="The TOML file; - for what is piped in.")],
    yes: Yes = False,
    server: OnServer = "web",
    config_file: ConfigFile = None,
) -> None:
    """Put a file's settings in the place of all that is set. Prints what changes, and asks first."""
    text = _read(file)

    async def importing(desk: Desk) -> None:
        proposal = await desk.admin.propose(desk.actor, text)
        if not proposal.changes:
            _print("Nothing changes.")
            return
        _print(difference(proposal.changes))
        if not yes:
            await _agree(f"Apply {_count(len(proposal.changes), 'change')}?", piped=str(file) == "-")
        await desk.admin.apply(desk.actor, proposal)

    _at(server, config_file, importing)


def difference(changes: Iterable[Changed]) -> str:
    """What was and what is to be, two lines a setting."""
    lines: list[str] = []
    for one in changes:
        lines.append(f"{one.scope} {one.key}")
        lines += [
            f"{sign} {words.setting_value(value)}"
            for sign, value in (("-", one.before), ("+", one.after))
            if value is not None
        ]
    return "\n".join(lines)


# -- the audit


@app.command()
def audit(
    csv: Annotated[Path | None, typer.Option("--csv", help="All of it into this file; - prints it.")] = None,
    server: OnServer = "web",
    config_file: ConfigFile = None,
) -> None:
    """What was changed and done there, newest first."""

    async def telling(desk: Desk) -> None:
        if csv is not None:
            text = await desk.admin.audit_csv(desk.actor)
            if str(csv) == "-":
                sys.stdout.write(text)
            else:
                await _write(csv, text)
            return
        _print_table(
            ("at", "by", "did", "what", "before", "after"),
            (
                (
                    _when(one.at),
                    one.by_name or one.by_id,
                    one.action.value,
                    one.subject,
                    "" if one.before is None else words.setting_value(one.before),
                    "" if one.after is None else words.setting_value(one.after),
                )
                for one in await desk.admin.audit(desk.actor)
            ),
        )

    _at(server, config_file, telling)


# -- people


@app.command()
def people(server: OnServer = "web", config_file: ConfigFile = None) -> None:
    """Who is blocked, who is trusted."""

    async def listing(desk: Desk) -> None:
        _print_table(
            ("person", "name", "standing", "until", "by", "reason"),
            (
                (one.id, one.name, one.standing.value, _when(one.until), one.by, one.reason)
                for one in await desk.admin.people(desk.actor)
            ),
        )

    _at(server, config_file, listing)


@app.command()
def block(
    person: PersonId,
    name: Named = "",
    reason: Because = "",
    until: Until = None,
    server: OnServer = "web",
    config_file: ConfigFile = None,
) -> None:
    """They may start nothing there any more."""
    _stand(Standing.BLOCKED, person, name, reason, until, server, config_file)


@app.command()
def trust(
    person: PersonId,
    name: Named = "",
    reason: Because = "",
    until: Until = None,
    server: OnServer = "web",
    config_file: ConfigFile = None,
) -> None:
    """Word filters and personal limits don't hold for them; budgets do."""
    _stand(Standing.TRUSTED, person, name, reason, until, server, config_file)


def _stand(
    standing: Standing,
    person: str,
    name: str,
    reason: str,
    until: str | None,
    server: str,
    config_file: Path | None,
) -> None:
    end = None if until is None else moment(until, time.time())
    if until is not None and end is None:
        stop(f"--until: {until} is no time; write 30m, 12h, 7d, 2w or 2027-01-31.", MISTAKES)

    async def standing_so(desk: Desk) -> None:
        act = desk.admin.block if standing is Standing.BLOCKED else desk.admin.trust
        await act(desk.actor, person, name or person, reason=reason, until=end)

    _at(server, config_file, standing_so)


@app.command()
def unblock(person: PersonId, server: OnServer = "web", config_file: ConfigFile = None) -> None:
    """Neither blocked nor trusted any more."""
    _at(server, config_file, lambda desk: desk.admin.clear(desk.actor, person))


# -- jobs


@app.command()
def jobs(
    person: Annotated[str | None, typer.Option("--person", help="Only theirs, by their id.")] = None,
    server: OnServer = "web",
    config_file: ConfigFile = None,
) -> None:
    """The newest of everybody there."""

    async def listing(desk: Desk) -> None:
        looks = await desk.admin.jobs(desk.actor, person=person)
        Console().print(jobs_table(looks, now=time.time(), people=True))

    _at(server, config_file, listing)


@app.command()
def cancel(job: JobArg, server: OnServer = "web", config_file: ConfigFile = None) -> None:
    """Stop it, whoever asked for it."""
    _at(server, config_file, lambda desk: desk.admin.cancel(JobId(job), desk.actor))


@app.command()
def remove(job: JobArg, server: OnServer = "web", config_file: ConfigFile = None) -> None:
    """Forget its result and its prompt, for good. On the page its messages go too; elsewhere they stay."""

    async def removing(desk: Desk) -> None:
        look = await desk.admin.remove(JobId(job), desk.actor)
        if desk.actor.platform == "web":
            await desk.running.web.take_down([look], "removed", "en", by=desk.actor.name)
        elif look.job.posted:
            _print(f"Its message on {desk.actor.platform} still stands there; delete it there.")

    _at(server, config_file, removing)


# -- money and keys


@app.command()
def money(server: OnServer = "web", config_file: ConfigFile = None) -> None:
    """What was spent there, of which budgets, and the charges that nobody knows yet."""

    async def telling(desk: Desk) -> None:
        statement = await desk.admin.money(desk.actor)
        _print_table(
            ("budget", "period", "spent", "of"),
            (
                (
                    one.code,
                    one.period,
                    words.dollars(one.used),
                    words.dollars(one.limit) if one.limit is not None else "-",
                )
                for one in statement.budgets
            ),
        )
        if statement.open:
            _print("\nNobody knows what the provider took for these; say it with: settings settle JOB AMOUNT")
            _print_table(
                ("job", "model", "provider", "at", "reserved"),
                (
                    (one.job, one.model, one.provider, _when(one.at), words.dollars(one.reserved))
                    for one in statement.open
                ),
            )

    _at(server, config_file, telling)


@app.command()
def settle(
    job: JobArg,
    amount: Annotated[str, typer.Argument(help="What it has cost by the provider's bill, in US dollars.")],
    server: OnServer = "web",
    config_file: ConfigFile = None,
) -> None:
    """Say what an open charge has cost."""
    try:
        cost = Decimal(amount.removeprefix("$"))
    except InvalidOperation:
        stop(f"{amount} is no amount of US dollars, such as 0.25.", MISTAKES)
    _at(server, config_file, lambda desk: desk.admin.settle(desk.actor, JobId(job), cost))


@app.command()
def keys(server: OnServer = "web", config_file: ConfigFile = None) -> None:
    """The providers that it has brought a key of its own for."""

    async def listing(desk: Desk) -> None:
        set_by = {one.provider: one for one in await desk.admin.keys(desk.actor)}
        offered = await desk.admin.key_providers(desk.actor)
        _print_table(
            ("provider", "key", "by", "at"),
            (
                (name, "set", set_by[name].by, _when(set_by[name].set_at))
                if name in set_by
                else (name, "-", "", "")
                for name in dict.fromkeys([*offered, *set_by])
            ),
        )

    _at(server, config_file, listing)


@key_app.command(name="set")
def set_key(
    provider: Annotated[str, typer.Argument(help="The provider, by its name in the configuration.")],
    server: OnServer = "web",
    config_file: ConfigFile = None,
) -> None:
    """Set a key, asked for without an echo or read from what is piped in: never an argument."""
    key = (getpass.getpass("Key: ") if sys.stdin.isatty() else sys.stdin.readline()).strip()
    if not key:
        stop("There is no key; nothing was changed.", MISTAKES)
    _at(server, config_file, lambda desk: desk.admin.set_key(desk.actor, provider, key))


@key_app.command(name="drop")
def drop_key(
    provider: Annotated[str, typer.Argument(help="The provider.")],
    server: OnServer = "web",
    config_file: ConfigFile = None,
) -> None:
    """Forget a key: jobs run on the installation's own account again."""
    _at(server, config_file, lambda desk: desk.admin.drop_key(desk.actor, provider))


# -- what they share


def _at(server: str, config_file: Path | None, work: Callable[[Desk], Awaitable[T]]) -> T:
    """Do it at a server, also while another process serves."""
    actor = owner(server)
    if actor is None:
        stop(f"--server: {server} is none; write web, terminal, discord:SERVER or slack:WORKSPACE.", MISTAKES)
    settings = settings_of(config_file)

    async def working() -> T:
        async with installation(settings, needs_engine=False, works=False) as running:
            return await work(Desk(running, actor))

    try:
        return run_through(settings, working())
    except OSError as error:
        stop(f"{error.filename}: {error.strerror}.", MISTAKES)


def owner(server: str) -> Actor | None:
    """Whoever runs the installation, as one who looks after a server; None where that is no server's name."""
    platform, _, id_ = server.partition(":")
    id_ = id_ or HERE.get(platform, "")
    if platform not in PLATFORMS or not id_ or id_.startswith("@") or HERE.get(platform, id_) != id_:
        return None
    return Actor(platform, "owner", getpass.getuser(), id_, manages=True)


def _scope(channel: str | None, role: str | None) -> Scope:
    if channel and role:
        stop("Either --channel or --role, not both.", MISTAKES)
    if channel:
        return Scope(ScopeKind.CHANNEL, channel)
    return Scope(ScopeKind.ROLE, role) if role else SERVER


def _read(file: Path) -> str:
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
    except OSError as error:
        stop(f"{file} can't be read: {error.strerror}.", MISTAKES)
    except UnicodeDecodeError:
        stop(f"{file} is no text in UTF-8.", MISTAKES)


async def _write(out: Path, text: str) -> None:
    try:
        await asyncio.to_thread(out.write_text, text, "utf-8")
    except OSError as error:
        stop(f"{out} can't be written: {error.strerror}.", MISTAKES)


async def _agree(question: str, *, piped: bool) -> None:
    """Ends the command where they don't, or where there is nobody to ask."""
    if piped or not sys.stdin.isatty():
        stop("Nothing was changed: there is nobody to ask. Add --yes to apply it.", MISTAKES)
    if not await asyncio.to_thread(typer.confirm, question):
        stop("Nothing was changed.", MISTAKES)


def _print(text: str) -> None:
    print(text)  # noqa: T201


def _print_table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    table = Table(*heads, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(words.clean(cell, 300), overflow="fold") for cell in row))
    Console().print(table)


def _when(at: float | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
