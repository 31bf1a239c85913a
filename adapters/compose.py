"""The composition root: builds an installation from its settings, in plain calls, and takes it down again."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from adapters import words
from adapters.discord import Discord
from adapters.sandbox_process import TOKEN as SANDBOX_TOKEN
from adapters.sandbox_process import running_sandbox
from adapters.slack import ManyClients, Slack, clients_for, install_routes
from adapters.terminal import Terminal
from adapters.web import Web
from bot import policy, prices, rules
from bot.catalogue import Catalogue, load
from bot.config import Http, Limits, Log, MediaSettings, ProviderSettings, Settings, StoreSettings
from bot.core import Idle, Studio
from bot.engine import Engine, Rules
from bot.errors import BadOrder, CannotStart, ConfigError, Mistake
from bot.jobs import Actor, Json, State
from bot.keys import Keys
from bot.links import Links
from bot.media import Library, Pool
from bot.ports import Platform
from bot.prices import Prices
from bot.providers import Client, Roster, connect, manners_of
from bot.routes import Routes, base_of
from bot.rulebooks import Rulebooks
from bot.secrets import Vault, kept_file, kept_keys
from bot.store import Store
from bot.webhooks import Webhooks

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
    clients: Roster
    books: Rulebooks
    platforms: Mapping[str, Platform]
    web: Web
    slack: Slack | None
    core: Studio
    engine: Engine | None
    links: Links | None
    webhooks: Webhooks | None
    now: Callable[[], float]

    async def place_of(self, platform: str, server: str, code: str) -> str | None:
        """Where a server wants news of a kind: reports in its review channel, where it has one."""
        book = (await self.books.of(platform, server)).book
        kinds = ("review_channel", "notices_channel") if code == "report" else ("notices_channel",)
        return next((place for kind in kinds if (place := book.value(kind)[0])), None)

    async def days_of(self, platform: str, server: str) -> tuple[float | None, float | None]:
        """How long a server keeps media, and prompts; None: as long as the installation."""
        book = (await self.books.of(platform, server)).book
        return book.value("keep_media_days")[0], book.value("keep_prompts_days")[0]

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
        store = await stack.enter_async_context(await open_store(settings, works=works))
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
        fixed = {
            name: await stack.enter_async_context(client_of(name, one)) for name, one in providers.items()
        }
        keys = _keys(settings, providers, store, now)
        clients = Roster(fixed, keys)
        stack.push_async_callback(clients.aclose)
        price_list = _prices(settings)
        books = Rulebooks(store, catalogue, _defaults(settings, catalogue))
        links = _links(settings, now) if serves or not has_engine else None
        web = Web(
            store, catalogue, library, settings=settings.web, public_url=settings.http.public_url, now=now
        )
        platforms: dict[str, Platform] = {"web": web, "terminal": Terminal()}
        if settings.discord.token is not None:
            discord = Discord(settings.discord, catalogue, folder=settings.media.folder, now=now)
            stack.push_async_callback(discord.aclose)
            platforms[discord.name] = discord
        slack = await _slack(settings, catalogue, store, stack, now)
        if slack is not None:
            platforms["slack"] = slack
        engine = webhooks = None
        hooked = [name for name in fixed if links and settings.has_webhooks(name)]
        if has_engine:
            engine = Engine(
                store,
                library,
                catalogue,
                clients,
                platforms,
                rules=_rules(settings),
                prices=price_list,
                link=links.url_of if links else None,
                routes=_routes(settings),
                now=now,
                rng=rng,
                hooks={name: partial(links.hook_of, name) for name in hooked} if links else {},
            )
            if links and hooked:
                webhooks = Webhooks({name: clients[name] for name in hooked}, links, engine, now=now)
        core = Studio(
            store,
            library,
            catalogue,
            engine or Idle(),
            books,
            keys,
            price_list,
            rules=policy.Rules(settings.limits, settings.access.servers),
            routes=_routes(settings),
            providers={name: client.can for name, client in fixed.items()},
            public=links is not None,
            pseudonym=_pseudonym(settings.media.folder),
            now=now,
            rng=rng,
        )
        yield Installation(
            settings=settings,
            catalogue=catalogue,
            store=store,
            library=library,
            clients=clients,
            books=books,
            platforms=platforms,
            web=web,
            slack=slack,
            core=core,
            engine=engine,
            links=links,
            webhooks=webhooks,
            now=now,
        )


async def open_store(settings: Settings, *, works: bool) -> Store:
    return await Store.open(settings.store.url, works=works, backup_folder=settings.store.backup_folder)


async def _slack(
    settings: Settings, catalogue: Catalogue, store: Store, stack: AsyncExitStack, now: Callable[[], float]
) -> Slack | None:
    """Slack, where there is a token to speak with, or a way to come by one."""
    slack = settings.slack
    if slack.bot_token is None and slack.client_id is None:
        return None
    clients = clients_for(slack, store.installs, lambda: vault(settings), now)
    joined = partial(store.servers.joined, Slack.name)
    pages = (
        install_routes(settings, clients, store.installs, now, joined)
        if isinstance(clients, ManyClients)
        else []
    )
    return await stack.enter_async_context(
        Slack(catalogue, settings=slack, clients=clients, pages=pages, now=now)
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


def _keys(
    settings: Settings, providers: Mapping[str, ProviderSettings], store: Store, now: Callable[[], float]
) -> Keys:
    """Keys that servers bring: of every provider that has keys, unless the owner says otherwise."""
    open_to = [
        name
        for name, one in providers.items()
        if (one.kind != "sandbox" if one.own_keys is None else one.own_keys)
    ]

    def connect_with(name: str, key: str) -> Client:
        base = providers[base_of(name)]
        return client_of(name, base.model_copy(update={"token": SecretStr(key)}))

    return Keys(store, lambda: vault(settings), connect_with, open_to, now=now)


def _prices(settings: Settings) -> Prices:
    """The owner's prices before the list, which holds for Replicate."""
    listed, anything_else = prices.listed()
    own = {name: prices.price_of(one.model_dump(exclude_none=True)) for name, one in settings.prices.items()}
    providers = settings.providers
    return Prices(
        own,
        listed,
        free=[name for name, one in providers.items() if one.kind == "sandbox" or one.free],
        by_list=[name for name, one in providers.items() if one.kind == "replicate"],
        anything_else=anything_else,
    )


def _defaults(settings: Settings, catalogue: Catalogue) -> Mapping[str, Json]:
    """Settings that hold in every server. ConfigError with every mistake."""
    try:
        return rules.defaults(settings.defaults, catalogue)
    except BadOrder as error:
        mistakes = [
            Mistake(f"configuration: defaults.{one.option}", words.problem(one), "See docs/settings.md")
            for one in error.problems
        ]
        raise ConfigError(mistakes) from None


def _pseudonym(folder: Path) -> Callable[[Actor], str]:
    """What stands for a person where amounts are kept: nobody gets from it to them without the key."""
    key = kept_file(folder / ".people-key", lambda: secrets.token_bytes(32))

    def pseudonym(actor: Actor) -> str:
        who = "\0".join((actor.platform, actor.server, actor.id))
        return hmac.new(key, who.encode(), hashlib.sha256).hexdigest()[:32]

    return pseudonym


def _links(settings: Settings, now: Callable[[], float]) -> Links | None:
    if settings.http.public_url is None:
        return None
    return Links(settings.http.public_url, link_key(settings.media.folder), now)


def link_key(folder: Path) -> bytes:
    """The key that signs links to kept files."""
    return kept_file(folder / ".link-key", lambda: secrets.token_bytes(32))


def vault(settings: Settings, *, make: bool = True) -> Vault:
    """What seals the secrets in the database, with the configured keys or one of its own.

    Without `make` no key is made where there is none: for who only looks.
    """
    configured = (key.get_secret_value() for key in settings.secrets.keys)
    return Vault(kept_keys(configured, settings.media.folder, make=make))


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
