"""The composition root: builds an installation from its settings, in plain calls, and takes it down again."""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from adapters.discord import Discord
from adapters.sandbox_process import TOKEN as SANDBOX_TOKEN
from adapters.sandbox_process import running_sandbox
from adapters.terminal import Terminal
from adapters.web import Web
from bot import policy
from bot.catalogue import Catalogue, load
from bot.config import Http, Limits, Log, MediaSettings, ProviderSettings, Settings, StoreSettings
from bot.core import Idle, Studio
from bot.engine import Engine, Rules
from bot.errors import CannotStart
from bot.jobs import State
from bot.links import Links
from bot.media import Library, Pool
from bot.ports import Platform
from bot.providers import Client, connect, manners_of
from bot.routes import Routes
from bot.store import Store

NOWHERE = "http://127.0.0.1:9"
"""Stands for the address of a sandbox that another process has started: nothing is asked of it here."""

PORTS = {"http": 80, "https": 443}

DAY = 86_400
OUTBOX = DAY
"""Seconds that a result is offered to a place which stumbles, if it is kept so long: after a day without a
post nobody waits there any more, and the next best place is better than none."""

MEDIA_WORKERS = 2
"""Processes that probe and fit: a long fit must not hold up everybody's probes."""


@dataclass(frozen=True, slots=True)
class Installation:
    """Everything that one process runs. `engine` is None where another process runs it."""

    settings: Settings
    catalogue: Catalogue
    store: Store
    library: Library
    clients: Mapping[str, Client]
    platforms: Mapping[str, Platform]
    web: Web
    core: Studio
    engine: Engine | None
    links: Links | None
    now: Callable[[], float]

    @property
    def address_note(self) -> Path:
        """Where a serving process writes the address of its page."""
        return address_note(self.settings)


@contextlib.asynccontextmanager
async def installation(
    settings: Settings,
    *,
    needs_engine: bool,
    works: bool = True,
    serves: bool = False,
    now: Callable[[], float] = time.time,
    rng: random.Random | None = None,
) -> AsyncIterator[Installation]:
    """Build it all. Raises CannotStart where something is not usable.

    With `needs_engine`, another process that runs the engine already is a reason not to start. What does not
    work has no engine: it reads, and orders what another process carries on. Only what serves HTTP, or leaves
    the work to a process that does, may promise links to files.
    """
    rng = rng or random.SystemRandom()
    async with AsyncExitStack() as stack:
        catalogue = load()
        store = await stack.enter_async_context(await Store.open(settings.store.url))
        has_engine = works and store.try_lock()
        if needs_engine and not has_engine:
            raise CannotStart(
                f"Another process is using the database {settings.store.url}. "
                "Stop it first, or give this one another [store] url."
            )
        providers = await _with_addresses(settings, stack, store, start=has_engine)
        library = await stack.enter_async_context(
            Library(
                settings.media.folder,
                max_bytes=settings.media.max_bytes,
                private_hosts=(*settings.media.private_hosts, *_sandbox_hosts(providers)),
                pool=Pool(MEDIA_WORKERS),
            )
        )
        clients = {
            name: await stack.enter_async_context(client_of(name, one)) for name, one in providers.items()
        }
        links = _links(settings, now) if serves or not has_engine else None
        web = Web(
            store, catalogue, library, settings=settings.web, public_url=settings.http.public_url, now=now
        )
        platforms: dict[str, Platform] = {"web": web, "terminal": Terminal()}
        if settings.discord.token is not None:
            discord = Discord(settings.discord, catalogue, folder=settings.media.folder, now=now)
            stack.push_async_callback(discord.aclose)
            platforms[discord.name] = discord
        engine = None
        if has_engine:
            engine = Engine(
                store,
                library,
                catalogue,
                clients,
                platforms,
                rules=_rules(settings),
                free=frozenset(name for name, one in providers.items() if one.kind == "sandbox"),
                link=links.url_of if links else None,
                routes=_routes(settings),
                now=now,
                rng=rng,
            )
        core = Studio(
            store,
            library,
            catalogue,
            engine or Idle(),
            rules=policy.Rules(settings.limits, settings.access.servers),
            routes=_routes(settings),
            providers={name: client.can for name, client in clients.items()},
            public=links is not None,
            now=now,
            rng=rng,
        )
        yield Installation(
            settings, catalogue, store, library, clients, platforms, web, core, engine, links, now
        )


def address_note(settings: Settings) -> Path:
    """In the media folder, which is the one that surely may be written to."""
    return settings.media.folder / ".page.address"


def demo_settings(folder: Path, *, port: int = 8080) -> Settings:
    """What `threadreel demo` runs on: one folder for all, and a sandbox with a worker a processor."""
    return Settings(
        http=Http(port=port),
        limits=Limits(at_once=2, at_once_per_person=2, per_day=100_000, per_day_per_person=100_000),
        store=StoreSettings(url=f"sqlite:///{folder}/threadreel.db"),
        media=MediaSettings(folder=folder / "media"),
        providers={"sandbox": ProviderSettings(kind="sandbox")},
        log=Log(level="warning"),
    )


def _rules(settings: Settings) -> Rules:
    limits = settings.limits
    return Rules(
        at_once=limits.at_once,
        at_once_per_person=limits.at_once_per_person,
        deadline=limits.deadline_minutes * 60,
        outbox=min(OUTBOX, settings.media.retention_days * DAY),
    )


def _routes(settings: Settings) -> Routes:
    """The configured routes; the first provider takes what no route names."""
    first = next(iter(settings.providers), None)
    return {"default": first, **settings.routes} if first else settings.routes


def client_of(name: str, provider: ProviderSettings) -> Client:
    """The client of a provider that has an address."""
    token = provider.token.get_secret_value() if provider.token else SANDBOX_TOKEN
    manners = manners_of(
        provider.kind,
        name,
        creates_per_minute=provider.creates_per_minute,
        requests_per_minute=provider.requests_per_minute,
    )
    return connect(provider.kind, name, provider.base_url, token, manners=manners)


def _links(settings: Settings, now: Callable[[], float]) -> Links | None:
    if settings.http.public_url is None:
        return None
    return Links(settings.http.public_url, link_key(settings.media.folder), now)


def link_key(folder: Path) -> bytes:
    """The key that signs links to kept files: made once, whole or not at all, readable by the owner only."""
    path = folder / ".link-key"
    if not path.exists():
        draft = folder / f".link-key.{secrets.token_hex(8)}"
        draft.touch(mode=0o600)
        draft.write_bytes(secrets.token_bytes(32))
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_bytes()


# -- sandboxes


def _sandbox_hosts(providers: Mapping[str, ProviderSettings]) -> tuple[str, ...]:
    """Sandboxes serve their results from this machine: the private addresses that are meant."""
    sandboxes = [
        urlsplit(one.base_url) for one in providers.values() if one.kind == "sandbox" and one.base_url
    ]
    return tuple(f"{at.hostname}:{at.port or PORTS[at.scheme]}" for at in sandboxes)


async def _with_addresses(
    settings: Settings, stack: AsyncExitStack, store: Store, *, start: bool
) -> dict[str, ProviderSettings]:
    """The providers, each with an address: a sandbox without one is started, or found running from before."""

    async def is_needed() -> bool:
        counts = await store.counts()
        return any(counts[state] for state in (State.SUBMITTING, State.RUNNING, State.FETCHING))

    providers: dict[str, ProviderSettings] = {}
    for name, provider in settings.providers.items():
        address = provider.base_url
        if address is None and provider.kind == "sandbox":
            folder = settings.media.folder
            address = (
                await stack.enter_async_context(running_sandbox(folder, is_needed)) if start else NOWHERE
            )
        providers[name] = provider.model_copy(update={"base_url": address})
    return providers
