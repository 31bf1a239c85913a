"""`threadreel doctor`: what only the outside world can tell of an installation, and how to mend it."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

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
from bot.store import migrations

AT_ONCE = 4
"""Models looked up at the same time, of one provider."""

NOBODYS = "threadreel-doctor"
"""The id of no prediction: asking for it tries an API that has nothing cheaper."""


async def examine(
    settings: Settings,
    *,
    catalogue: Catalogue,
    client_for: Callable[[str, ProviderSettings], Client],
    free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
) -> list[Finding]:
    """Look at everything; nothing is changed and nothing is ordered.

    `client_for` makes a client of each provider that has an address. `free_bytes`: room on a folder's disk.
    """
    database = Path(settings.store.url.removeprefix("sqlite:///"))
    findings = [ok(f"configuration: {len(settings.providers)} provider(s), {len(catalogue)} commands")]
    findings += await asyncio.to_thread(
        _folder, "[media] folder", settings.media.folder, settings, free_bytes
    )
    stored = await asyncio.to_thread(_store, database, settings, free_bytes)
    findings += [*stored, *_addresses(settings), *_private_addresses(settings)]
    for name, provider in settings.providers.items():
        findings += await _provider(name, provider, _models_of(name, settings, catalogue), client_for)
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


def _store(database: Path, settings: Settings, free_bytes: Callable[[Path], int]) -> list[Finding]:
    findings = list(_folder("[store] folder", database.parent, settings, free_bytes))
    can_be_made = all(finding.level is not Level.BAD for finding in findings)
    return [*findings, _database(database)] if can_be_made or database.exists() else findings


def _database(path: Path) -> Finding:
    """Its version, without touching it: where an upgrade is due it would have to write, and mustn't."""
    if not path.exists():
        return ok(f"database: {path} will be made at the first start")
    try:
        with closing(
            sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, check_same_thread=False)
        ) as file:
            file.execute("PRAGMA query_only=ON")
            engine = create_engine("sqlite://", creator=lambda: file, poolclass=StaticPool)
            with engine.connect() as connection:
                migrations.upgrade(connection)
    except migrations.NotOurs as error:
        return bad(f"database: {path} {error}", "")
    except (DBAPIError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if getattr(cause, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY:
            return ok(f"database: {path} is of an older version; the next start brings it up to date")
        return bad(
            f"database: {path} can't be used: {cause}", "Restore a backup, or give [store] url another file"
        )
    return ok(f"database: {path} is up to date")


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
) -> list[Finding]:
    if provider.base_url is None:
        return [ok(f"{name}: a sandbox that is started with the bot")]
    async with client_for(name, provider) as client:
        reached = await _reach(name, client)
        if reached.level is Level.BAD or not client.can.schema:
            return [reached]
        turns = asyncio.Semaphore(AT_ONCE)

        async def look(model: Model) -> Finding:
            async with turns:
                return await _model(name, client, model)

        return [reached, *await asyncio.gather(*map(look, models))]


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
