"""How soon a slash command of Slack is acknowledged, beside a bare slack-bolt handler that does nothing else.

    python -m benchmarks.slack

Slack is played by this process, the app runs in another: Threadreel as `serve` runs it, every command an
order that is committed, or bolt alone. What is measured is the time from a command's going out to its
acknowledgement, by the played Slack's clock.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import logging
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import structlog
from aiohttp import web
from aiohttp.test_utils import unused_port
from pydantic import SecretStr
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from adapters.compose import installation
from adapters.serving import _listen, settle, working
from adapters.slack.manifest import EVENTS_PATH, manifest
from bot.catalogue import load
from bot.config import (
    Access,
    Http,
    Limits,
    MediaSettings,
    ProviderSettings,
    Settings,
    SlackSettings,
    StoreSettings,
)
from tests.slack_server import Person, SlackServer
from tests.slack_server.delivery import Delivery
from tests.slack_server.state import Channel

RATES = (50, 200, 500)
"""Commands a second."""
LASTS = 5.0
"""Seconds of each rate."""
BURST = 1000
CHANNELS = 20
NOWHERE = "http://127.0.0.1:9"
"""No provider answers: orders are committed and wait, so that only taking them in is measured."""


# -- the driver


async def measure(kind: str, mode: str) -> list[str]:
    """A line of the table for each load."""
    async with running(kind, mode) as (person, channels):
        loads = {f"{rate}/s": partial(sent_at, person, channels, rate) for rate in RATES}
        loads[f"burst {BURST}"] = partial(sent_at_once, person, channels)
        return [told(kind, mode, load, await send()) for load, send in loads.items()]


@contextlib.asynccontextmanager
async def running(kind: str, mode: str) -> AsyncIterator[tuple[Person, list[Channel]]]:
    """The app in a process of its own, and a person with channels to type in."""
    port = unused_port()
    url = f"http://127.0.0.1:{port}" if mode == "http" else None
    catalogue = load()
    async with SlackServer(manifest(catalogue, mode="http" if url else "socket", public_url=url)) as server:
        team = server.team()
        person = server.person("anna", team)
        channels = [team.channel(f"room-{n}", person, bot=True) for n in range(CHANNELS)]
        secrets = {
            "kind": kind,
            "mode": mode,
            "port": port,
            "api_base": server.api_base,
            "token": server.token,
            "app_token": server.app_token,
            "signing_secret": server.app.signing_secret,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "benchmarks.slack",
            "--app",
            json.dumps(secrets),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        try:
            await process.stdout.readline()
            if mode == "socket":
                await server.connected(2)
            await sent_at(person, channels, 20, lasts=1.0)  # so that nothing is measured that is done once
            yield person, channels
        finally:
            process.send_signal(signal.SIGTERM)
            await process.wait()


async def sent_at(person: Person, channels: list[Channel], rate: int, lasts: float = LASTS) -> list[Delivery]:
    loop = asyncio.get_running_loop()
    begun, sent = loop.time(), []
    for number in range(int(rate * lasts)):
        await asyncio.sleep(max(0.0, begun + number / rate - loop.time()))
        sent.append(await send(person, channels, number))
    return await settled(sent)


async def sent_at_once(person: Person, channels: list[Channel]) -> list[Delivery]:
    return await settled([await send(person, channels, number) for number in range(BURST)])


async def send(person: Person, channels: list[Channel], number: int) -> Delivery:
    channel = channels[number % len(channels)]
    reply = await person.command("/imagine", f"a fox {number}", channel=channel, wait=False)
    return reply.deliveries[0]


async def settled(sent: list[Delivery]) -> list[Delivery]:
    await asyncio.gather(*(one.settled.wait() for one in sent))
    return sent


def told(kind: str, mode: str, load: str, sent: list[Delivery]) -> str:
    took = sorted(one.seconds for one in sent if one.seconds is not None)
    lost = len(sent) - len(took)
    shares = [1000 * took[min(int(len(took) * share), len(took) - 1)] for share in (0.5, 0.99, 1.0)]
    figures = " ".join(f"{value:9.1f}" for value in shares)
    return f"{mode:7} {load:11} {kind:11} {figures} {lost:5}"


# -- the apps


async def bare(given: dict[str, str]) -> None:
    """Bolt with a handler that acknowledges."""
    client = AsyncWebClient(given["token"], base_url=given["api_base"])
    client.proxy = None
    app = AsyncApp(client=client, signing_secret=given["signing_secret"])

    @app.command("/imagine")
    async def ack(ack: AsyncAck) -> None:
        await ack()

    if given["mode"] == "http":
        runner = web.AppRunner(app.server(path=EVENTS_PATH).web_app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", int(given["port"])).start()
        await until_stopped()
        return
    handlers = [AsyncSocketModeHandler(app, given["app_token"]) for _ in range(2)]
    for handler in handlers:
        handler.client.proxy = None
        await handler.connect_async()  # type: ignore[no-untyped-call]
    await until_stopped()


async def threadreel(given: dict[str, str]) -> None:
    """As `threadreel serve` runs it."""
    is_socket = given["mode"] == "socket"
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            http=Http(port=int(given["port"])),
            access=Access(servers=("slack:*",)),
            limits=Limits(waiting_per_person=1_000_000, per_day=1_000_000, per_day_per_person=1_000_000),
            store=StoreSettings(url=f"sqlite:///{folder}/jobs.db"),
            media=MediaSettings(folder=Path(folder) / "media"),
            providers={"box": ProviderSettings(kind="sandbox", base_url=NOWHERE, token=SecretStr("sandbox"))},
            slack=SlackSettings(
                bot_token=SecretStr(given["token"]),
                app_token=SecretStr(given["app_token"]) if is_socket else None,
                signing_secret=SecretStr(given["signing_secret"]),
                api_base=given["api_base"],
            ),
        )
        async with (
            installation(settings, needs_engine=True, serves=True) as served,
            await _listen(served, any_port=False),
            working(served),
        ):
            settle()
            await until_stopped()


async def until_stopped() -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    print("ready", flush=True)
    await stopped.wait()


APPS: dict[str, Callable[[dict[str, str]], Awaitable[None]]] = {"bolt alone": bare, "threadreel": threadreel}


async def table() -> None:
    print(f"{'mode':7} {'load':11} {'app':11} {'p50 ms':>9} {'p99 ms':>9} {'max ms':>9} {'late':>5}")
    for mode in ("socket", "http"):
        for kind in APPS:
            for line in await measure(kind, mode):
                print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slack", description=__doc__)
    parser.add_argument("--app", help="run as the app, with these secrets in JSON")
    arguments = parser.parse_args()
    if arguments.app is None:
        gc.disable()  # the played Slack remembers all, and its pauses are not the app's
        asyncio.run(table())
        return
    logging.getLogger().setLevel(logging.ERROR)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
    given = json.loads(arguments.app)
    asyncio.run(APPS[given["kind"]](given))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
