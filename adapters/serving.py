"""Serves an installation: its HTTP server, its engine and its platforms, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import structlog

from adapters.compose import Installation, installation
from bot.config import Settings
from bot.errors import CannotStart
from bot.housekeeping import keep_backed_up, keep_dropped_gone, keep_tidy
from bot.http import Site, make_app, serve, signed_files
from bot.notices import Teller
from bot.ports import Core, Platform
from bot.store import Store

Greet = Callable[[Installation, str], Awaitable[None]]

log = structlog.get_logger(__name__)


async def serve_until_stopped(
    settings: Settings, *, greet: Greet | None = None, any_port: bool = False
) -> None:
    """Serve until SIGINT or SIGTERM. `greet` is called with the address once it is up.

    With `any_port`, another port is taken where the configured one is in use. Raises CannotStart.
    """
    with _signals() as stop:
        async with (
            installation(settings, needs_engine=True, serves=True) as running,
            await _listen(running, any_port=any_port) as site,
            working(running) as engine,
        ):
            settle()
            _note_address(running, site)
            log.info("Serving", action="serving", address=site.address)
            if greet is not None:
                await greet(running, site.address)
            await _first_of(stop, engine, running.store)
            log.info("Stopping", action="stopping")


def settle() -> None:
    """What the start has made stays for good: looking through it in each collection of garbage would hold up
    everybody for a tenth of a second."""
    gc.collect()
    gc.freeze()


async def _first_of(stop: asyncio.Event, engine: asyncio.Task[None], store: Store) -> None:
    """Until it is told to stop; an engine or a store that ends before has failed, and its error is ours."""
    waiting, lasting = asyncio.create_task(stop.wait()), asyncio.create_task(store.last())
    await asyncio.wait({waiting, engine, lasting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    for essential in (lasting, engine):
        if essential.done():
            essential.result()
    lasting.cancel()


@contextlib.asynccontextmanager
async def working(running: Installation) -> AsyncIterator[asyncio.Task[None]]:
    """The engine at work, and the platforms listening; at the end, what is in hand may finish."""
    if running.engine is None:
        raise CannotStart("Another process runs the engine.")
    engine = asyncio.create_task(running.engine.run())
    others = [
        *(asyncio.create_task(_listening(one, running.core)) for one in running.platforms.values()),
        asyncio.create_task(
            keep_tidy(
                running.store,
                running.library,
                days=running.settings.media.retention_days,
                now=running.now,
                days_of=running.days_of,
            )
        ),
        asyncio.create_task(keep_dropped_gone(running.store, running.library, now=running.now)),
        asyncio.create_task(
            Teller(
                running.store,
                running.platforms,
                running.place_of,
                now=running.now,
                rng=random.SystemRandom(),
            ).run()
        ),
        asyncio.create_task(
            keep_backed_up(running.store, keep=running.settings.store.backups, now=running.now)
        ),
    ]
    if running.webhooks is not None:
        others.append(asyncio.create_task(running.webhooks.prepare()))
    try:
        yield engine
        running.core.close()
        if not engine.done():
            await running.engine.stop(running.settings.limits.stop_seconds)
    finally:
        for task in (engine, *others):
            task.cancel()
        await asyncio.gather(engine, *others, return_exceptions=True)


async def _listening(platform: Platform, core: Core) -> None:
    """One platform that fails must not be missed for ever, and must not take the others with it."""
    while True:
        try:
            return await platform.run(core)
        except Exception:
            log.exception("A platform failed and is started anew", action="platform_failed", of=platform.name)
            await asyncio.sleep(5)


async def _listen(running: Installation, *, any_port: bool) -> Site:
    http = running.settings.http

    async def ready() -> str | None:
        await running.store.counts()
        return None if running.core.open else "It is shutting down."

    routes = list(running.web.routes(running.core))
    if running.slack is not None:
        routes += running.slack.routes(running.core)
    if running.links is not None:
        routes += signed_files(running.links, running.library.path)
    if running.webhooks is not None:
        routes += running.webhooks.routes()
    app = make_app(routes, host=http.host, public_url=http.public_url, ready=ready)
    try:
        return await serve(app, http.host, http.port)
    except OSError as error:
        if not any_port:
            raise CannotStart(
                f"Port {http.port} of {http.host} can't be used ({error.strerror}). "
                "Free it, or choose another one with [http] port."
            ) from error
    again = make_app(routes, host=http.host, public_url=http.public_url, ready=ready)
    return await serve(again, http.host, 0)


def _note_address(running: Installation, site: Site) -> None:
    """For `threadreel web login`, which runs beside it."""
    running.address_note.write_text(running.settings.http.public_url or site.address)


@contextlib.contextmanager
def _signals() -> Iterator[asyncio.Event]:
    """Set once SIGINT or SIGTERM arrives; a second one has its usual effect."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)

    def told() -> None:
        stop.set()
        for number in numbers:
            loop.remove_signal_handler(number)

    for number in numbers:
        loop.add_signal_handler(number, told)
    try:
        yield stop
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
