"""`threadreel doctor`: what only the outside world can tell of an installation, and how to mend it."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
from rich.console import Console
from rich.text import Text
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from adapters import words
from adapters.findings import Finding, Level, bad, ok, warn
from bot.catalogue import Catalogue, Input, Model
from bot.config import ProviderSettings, Settings
from bot.errors import LostAnswer, NotAPrediction, ProviderRefused, TryLater
from bot.jobs import Json
from bot.media.addresses import is_public
from bot.providers import Client
from bot.routes import providers_of
from bot.store import Backups, ledger_faults, migrations

AT_ONCE = 4
"""Models looked up at the same time, of one provider."""

OLD_BACKUP = 3
"""Days after which a newest backup is worth a warning: nothing may have run for a while."""

NOBODYS = "threadreel-doctor"
"""The id of no prediction: asking for it tries an API that has nothing cheaper."""


async def health_at(address: str) -> str:
    """What is found at our public address, seen from here. Raises httpx.HTTPError."""
    async with httpx.AsyncClient(timeout=10) as http:
        return (await http.get(f"{address}/healthz")).text[:100]


async def examine(
    settings: Settings,
    *,
    catalogue: Catalogue,
    client_for: Callable[[str, ProviderSettings], Client],
    free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    platforms: Iterable[Callable[[], Awaitable[Sequence[Finding]]]] = (),
    health: Callable[[str], Awaitable[str]] = health_at,
) -> list[Finding]:
    """Look at everything; nothing is changed and nothing is ordered.

    `client_for` makes a client of each provider that has an address. `free_bytes`: room on a folder's disk.
    `platforms`: what each of them finds of itself. `health`: what is found at our public address.
    """
    database = Path(settings.store.url.removeprefix("sqlite:///"))
    backups = Backups(database, settings.store.backup_folder)
    findings = [ok(f"configuration: {len(settings.providers)} provider(s), {len(catalogue)} commands")]
    findings += await asyncio.to_thread(
        _folder, "[media] folder", settings.media.folder, settings, free_bytes
    )
    stored = await asyncio.to_thread(_store, database, backups, settings, free_bytes)
    findings += [*stored, *_addresses(settings), *_private_addresses(settings)]
    if settings.http.public_url is not None:
        findings.append(await _public_address(settings.http.public_url, health))
    for name, provider in settings.providers.items():
        hooked = settings.has_webhooks(name)
        findings += await _provider(
            name, provider, _models_of(name, settings, catalogue), client_for, hooked=hooked
        )
    for look in platforms:
        findings += await look()
    return findings


def report(findings: Sequence[Finding], console: Console) -> int:
    """Print them; 1 where anything is bad, else 0."""
    colours = {Level.OK: "green", Level.WARN: "yellow", Level.BAD: "bold red"}
    for finding in findings:
        line = Text.assemble(
            (f"{finding.level.value:<5}", colours[finding.level]), words.clean(finding.what, 300)
        )
        console.print(line, soft_wrap=True)
        if finding.remedy:
            console.print(Text(f"      {finding.remedy}"), soft_wrap=True)
    return 1 if any(finding.level is Level.BAD for finding in findings) else 0


# -- this machine


def _folder(
    what: str, folder: Path, settings: Settings, free_bytes: Callable[[Path], int]
) -> Iterator[Finding]:
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            free = free_bytes(there)
    except OSError as error:
        yield bad(
            f"{what}: {folder} can't be written: {error.strerror}", f"Make {there} writable, or change {what}"
        )
        return
    left = f"{words.size(free)} free"
    if free < settings.media.max_bytes:
        yield bad(
            f"{what}: the disk of {folder} is nearly full, {left}", "Make room, or move it to another disk"
        )
    elif free < 10 * settings.media.max_bytes:
        yield warn(f"{what}: {folder} is writable, but there is little room: {left}", "Make room soon")
    else:
        yield ok(f"{what}: {folder} is writable, {left}")


def _store(
    database: Path, backups: Backups, settings: Settings, free_bytes: Callable[[Path], int]
) -> list[Finding]:
    findings = list(_folder("[store] folder", database.parent, settings, free_bytes))
    can_be_made = all(finding.level is not Level.BAD for finding in findings)
    if can_be_made or database.exists():
        findings += _database(database, backups)
    return [*findings, _backups(backups, settings.store.backups, now=time.time())]


def _backups(backups: Backups, keep: int, *, now: float) -> Finding:
    found = backups.all()
    if not keep:
        return warn("backups: switched off", "Set [store] backups, or make them yourself: threadreel backup")
    if not found:
        return ok(f"backups: the first one in {backups.folder} is made while it runs")
    days = (now - backups.made_at(found[0])) / 86_400
    what = f"backups: {len(found)} in {backups.folder}, the newest {days:.0f} day(s) old"
    return ok(what) if days < OLD_BACKUP else warn(what, "Look into the log for backup_failed")


def _database(path: Path, backups: Backups) -> Iterator[Finding]:
    """Its version and sums, without touching it: where an upgrade is due it would write, and mustn't."""
    if not path.exists():
        yield ok(f"database: {path} will be made at the first start")
        return
    try:
        with closing(
            sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, check_same_thread=False)
        ) as file:
            file.execute("PRAGMA query_only=ON")
            engine = create_engine("sqlite://", creator=lambda: file, poolclass=StaticPool)
            with engine.connect() as connection:
                migrations.upgrade(connection)
                connection.exec_driver_sql("BEGIN")  # one moment, while others write
                faults = ledger_faults(connection)
    except migrations.NotOurs as error:
        yield bad(f"database: {path} {error}", "")
    except (DBAPIError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if getattr(cause, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY:
            yield ok(f"database: {path} is of an older version; the next start brings it up to date")
            return
        good = backups.newest_good()
        remedy = f"threadreel restore {good}" if good else "Restore a backup from elsewhere"
        yield bad(f"database: {path} can't be used: {cause}", f"{remedy}, or give [store] url another file")
    else:
        yield ok(f"database: {path} is up to date")
        yield _ledger(faults)


def _ledger(faults: Sequence[str]) -> Finding:
    if not faults:
        return ok("ledger: adds up")
    more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
    return bad(f"ledger: {faults[0]}{more}", "Report it, with a copy of the database; budgets may be off")


def _addresses(settings: Settings) -> Iterator[Finding]:
    public = settings.http.public_url
    gateways = [name for name, provider in settings.providers.items() if provider.kind == "gateway"]
    if public is None and gateways:
        yield warn(
            f"[http] public_url is not set: {', '.join(gateways)} can't be given files over 256 kB",
            "Set it to the address that the world reaches this installation by",
        )
    elif public and urlsplit(public).scheme != "https":
        yield warn(f"[http] public_url {public} is not encrypted", "Put a proxy with HTTPS before it")


async def _public_address(address: str, health: Callable[[str], Awaitable[str]]) -> Finding:
    """From here, which is not the world: some networks don't lead back to themselves."""
    remedy = (
        "Start Threadreel and look again; if it runs, check the name and the proxy. Where this network just "
        "doesn't lead back to itself, all is well"
    )
    try:
        said = await health(address)
    except httpx.HTTPError as error:
        why = str(error) or type(error).__name__
        return warn(f"[http] public_url {address} can't be reached from here: {why}", remedy)
    if '"ok"' not in said:
        return warn(f"[http] public_url {address}: something else answers there: {said[:60]}", remedy)
    return ok(f"[http] public_url {address} leads here")


def _private_addresses(settings: Settings) -> Iterator[Finding]:
    """Providers on private addresses: they keep results there, which may be fetched only where it is said."""
    allowed = {host.lower() for host in settings.media.private_hosts}
    for name, provider in settings.providers.items():
        if provider.kind == "sandbox" or provider.base_url is None:
            continue
        host = _private_host(provider.base_url)
        if host and host not in allowed:
            yield warn(
                f"{name}: {host} is a private address, which files are not fetched from",
                f'If it keeps its results there, add "{host}" to [media] private_hosts',
            )


def _private_host(address: str) -> str | None:
    """As [media] private_hosts writes it; None for a public address and for a name, which isn't looked up."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    port = parts.port or {"http": 80}.get(parts.scheme, 443)
    try:
        private = not is_public(str(ip_address(host)))
    except ValueError:
        private = host == "localhost" or host.endswith(".localhost")
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return shown if private else None


# -- providers


def _models_of(name: str, settings: Settings, catalogue: Catalogue) -> list[Model]:
    """The models that this provider runs, be it in another one's place."""
    routes = {"default": next(iter(settings.providers)), **settings.routes}
    return [model for model in catalogue if name in providers_of(routes, model.command)]


async def _provider(
    name: str,
    provider: ProviderSettings,
    models: Sequence[Model],
    client_for: Callable[[str, ProviderSettings], Client],
    *,
    hooked: bool,
) -> list[Finding]:
    if provider.base_url is None:
        return [ok(f"{name}: a sandbox that is started with the bot")]
    async with client_for(name, provider) as client:
        reached = [await _reach(name, client)]
        if reached[0].level is Level.BAD:
            return reached
        reached.append(await _webhooks(name, client, hooked=hooked))
        if not client.can.schema:
            return reached
        turns = asyncio.Semaphore(AT_ONCE)

        async def look(model: Model) -> Finding:
            async with turns:
                return await _model(name, client, model)

        return [*reached, *await asyncio.gather(*map(look, models))]


async def _reach(name: str, client: Client) -> Finding:
    try:
        if client.can.account:
            account = await client.account()
            return ok(f"{name}: reached, as {words.clean(account.get('username', 'somebody'))}")
        await client.get(NOBODYS)
    except ProviderRefused as error:
        if error.code == "not_found":
            # As it should: nobody's prediction. Its words tell people whether it is the API that says so.
            return ok(f"{name}: reached at {client.base_url}, which says: {error.detail}")
        return _refused(name, error)
    except (TryLater, LostAnswer) as error:
        return bad(
            f"{name}: {client.base_url} can't be reached: {error}", "Check base_url, the network and a proxy"
        )
    except NotAPrediction as error:
        remedy = "Check base_url: everything of the address before /v1"
        return bad(f"{name}: {client.base_url} answers, but not as this API does: {error.detail}", remedy)
    return ok(f"{name}: reached at {client.base_url}")


async def _webhooks(name: str, client: Client, *, hooked: bool) -> Finding:
    if not hooked:
        return ok(f"{name}: webhooks are off; what has ended is found by looking")
    if not client.can.webhooks:
        return ok(f"{name}: webhooks are on, unsigned: each makes us look")
    try:
        await client.webhook_secret()
    except (ProviderRefused, TryLater, NotAPrediction) as error:
        what = f"{name}: webhooks are on, but the secret that they are signed with is not to be had: {error}"
        return warn(what, "Give the token the right to read it; until then each makes us look")
    return ok(f"{name}: webhooks are on, and signed")


def _refused(name: str, error: ProviderRefused) -> Finding:
    match error.code:
        case "unauthenticated":
            return bad(f"{name}: doesn't accept the token", f"Put a new one under providers.{name}.token")
        case "forbidden":
            return bad(
                f"{name}: the token isn't allowed to: {error.detail}", "Give it the rights, or take another"
            )
        case "no_credit":
            return bad(f"{name}: the account has no credit left", "Top it up")
        case _:
            return warn(f"{name}: refused to tell: {error}", "Check base_url and the provider's status page")


# -- pinned versions


async def _model(name: str, client: Client, model: Model) -> Finding:
    what = f"{name}: /{model.command} ({model.full_name})"
    try:
        document = await client.schema(model)
    except ProviderRefused as error:
        if error.code != "not_found":
            return warn(f"{what}: refused to tell: {error}", "Try again later")
        version = f"version {model.version[:12]}" if model.version else "the model"
        return bad(
            f"{what}: {version} isn't there",
            f"Route {model.command} to another provider, or update Threadreel",
        )
    except (TryLater, LostAnswer, NotAPrediction) as error:
        return warn(f"{what}: could not be looked at: {error}", "Try again later")
    inputs = _input_schema(document)
    if not inputs:
        return warn(f"{what}: shows no schema to compare with", "Nothing to do; an order will tell")
    differences = list(_differences(model, document, inputs))
    if differences:
        return warn(f"{what}: differs from the catalogue: {'; '.join(differences)}", "Update Threadreel")
    return ok(f"{what}: as in the catalogue")


def _input_schema(document: Mapping[str, Json]) -> Mapping[str, Json]:
    found = _at(document, "components", "schemas", "Input")
    return found if isinstance(found, dict) and isinstance(found.get("properties"), dict) else {}


def _differences(model: Model, document: Mapping[str, Json], schema: Mapping[str, Json]) -> Iterator[str]:
    deployed = schema["properties"]
    required = schema.get("required") or []
    for entry in model.inputs:
        if entry.name not in deployed:
            yield f"{entry.name} is gone"
        elif isinstance(deployed[entry.name], dict):
            yield from _input_differences(entry, deployed[entry.name], document)
    known = {entry.name for entry in model.inputs}
    yield from (
        f"{name} is new" + " and required" * (name in required) for name in deployed if name not in known
    )


def _input_differences(
    entry: Input, deployed: Mapping[str, Json], document: Mapping[str, Json]
) -> Iterator[str]:
    """Bounds and choices that the catalogue took from the model's own schema."""
    for bound in ("minimum", "maximum"):
        ours = getattr(entry, bound)
        if bound not in entry.ours and not entry.choices and bound in deployed and deployed[bound] != ours:
            yield f"{entry.name} has the {bound} {deployed[bound]}, not {ours}"
    choices = _choices(deployed, document)
    if choices and entry.choices and (gone := [choice for choice in entry.choices if choice not in choices]):
        yield f"{entry.name} can no longer be {', '.join(map(str, gone))}"


def _choices(deployed: Mapping[str, Json], document: Mapping[str, Json]) -> Sequence[Json]:
    """Cog writes an enumeration as a reference: {"allOf": [{"$ref": "#/components/schemas/width"}]}."""
    references = [one.get("$ref", "") for one in deployed.get("allOf", []) if isinstance(one, dict)]
    named = _at(document, *str(references[0]).removeprefix("#/").split("/")) if references else deployed
    found = named.get("enum") if isinstance(named, dict) else None
    return found if isinstance(found, list) else []


def _at(document: Any, *keys: str) -> Json:
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document
