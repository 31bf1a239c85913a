"""A studio in a played Slack: real slack-bolt, store, engine and sandbox; in Socket or HTTP mode."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import random
import time
import wave
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from pydantic import SecretStr

from adapters.slack import Clients, Slack, manifest
from adapters.slack.delivery import Manners
from adapters.slack.sockets import Patience
from bot import policy
from bot.catalogue import load
from bot.config import Limits, SlackSettings
from bot.core import Studio
from bot.engine import Engine, Rules
from bot.http import Site, make_app, serve
from bot.jobs import Actor, Job, JobId, State
from bot.media import Library
from bot.prices import Prices
from bot.providers import Client, connect
from bot.sandbox.server import Sandbox
from bot.sandbox.server import serve as serve_sandbox
from bot.sandbox.work import Piece, Report, Work
from bot.store import Store
from tests.governed import FREE, governed, roster
from tests.rig import AMPLE, QUICK, eventually, tiny
from tests.slack_server import Limits as SlackLimits
from tests.slack_server import Person, SlackServer, Upload
from tests.slack_server.messages import Message
from tests.slack_server.state import Channel, Team

Mode = Literal["socket", "http"]

BRISK = Manners(
    updates_per_minute=6000,
    updates_at_once=10,
    between_posts=0.02,
    settled=0.3,
    shown=3.0,
    doubted=0.5,
    looks=(0.05, 0.2, 0.5),
)
"""For tests that are about something else."""

CATALOGUE = load()
SCOPES = tuple(manifest.SCOPES)


def manifest_of(url: str | None = None, *, scopes: tuple[str, ...] = SCOPES) -> dict[str, Any]:
    """Ours, as it is pasted into Slack, for HTTP mode at this address, else for Socket Mode."""
    mode: manifest.Mode = "http" if url else "socket"
    made: dict[str, Any] = manifest.manifest(CATALOGUE, mode=mode, public_url=url)
    made["oauth_config"]["scopes"]["bot"] = list(scopes)
    return made


class Gate:
    """Lets the models finish, or not yet."""

    def __init__(self) -> None:
        self.open = True

    def make(self, work: Work, report: Report) -> Iterator[Piece]:
        for percent in itertools.count(1):
            report(f"{min(percent, 99)}%|#####     | 1/2 [00:00<00:00, 1.0it/s]\n")
            if self.open:
                break
            time.sleep(0.05)
        if work.command == "music":
            yield Piece("audio", "out.wav", sound(), "audio/wav")
        else:
            yield from tiny(work, report)


def sound() -> bytes:
    """A moment of silence."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(1600))
    return out.getvalue()


def picture(colour: str = "brown", *, size: int = 32) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (size, size), colour).save(out, "PNG")
    return out.getvalue()


FOX = Upload("fox.png", picture())


@dataclass
class Rig:
    """One process' worth of parts, and the Slack that it is in."""

    folder: Path
    base_url: str
    server: SlackServer
    mode: Mode
    team: Team
    general: Channel
    anna: Person
    gate: Gate
    rules: Rules = QUICK
    limits: Limits = AMPLE
    prices: Prices = FREE
    token: str | None = None
    manners: Manners = BRISK
    answer: float = 20.0
    patience: Patience | None = None
    own_keys: bool = False
    """Whether workspaces may bring keys of their own for "box"."""
    store: Store = field(init=False)
    library: Library = field(init=False)
    client: Client = field(init=False)
    engine: Engine = field(init=False)
    core: Studio = field(init=False)
    slack: Slack = field(init=False)
    site: Site | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    async def build(self) -> None:
        self._stack = contextlib.AsyncExitStack()
        url = f"sqlite:///{self.folder}/jobs.db"
        self.store = await self._stack.enter_async_context(await Store.open(url))
        host = self.base_url.removeprefix("http://").partition("/")[0]
        self.library = await self._stack.enter_async_context(
            Library(self.folder / "media", max_bytes=50_000_000, private_hosts=(host,))
        )
        self.client = await self._stack.enter_async_context(
            connect("sandbox", "box", self.base_url, "sandbox")
        )
        settings = self._settings()
        clients = Clients(settings.api_base, settings.bot_token, answer=self.answer)
        self.slack = await self._stack.enter_async_context(
            Slack(
                CATALOGUE,
                settings=settings,
                clients=clients,
                now=self.server.clock,
                manners=self.manners,
                patience=self.patience,
            )
        )
        governed_by = governed(
            self.store,
            CATALOGUE,
            prices=self.prices,
            addresses={"box": self.base_url} if self.own_keys else None,
            now=self.server.clock,
        )
        there = roster({"box": self.client}, governed_by)
        self._stack.push_async_callback(there.aclose)
        self.engine = Engine(
            self.store,
            self.library,
            CATALOGUE,
            there,
            {"slack": self.slack},
            rules=self.rules,
            prices=self.prices,
            link=None,
            now=self.server.clock,
            rng=random.Random(7),
        )
        self.core = Studio(
            self.store,
            self.library,
            CATALOGUE,
            self.engine,
            rules=policy.Rules(self.limits, ("slack:*",)),
            routes={"default": "box"},
            providers={"box": self.client.can},
            public=False,
            now=self.server.clock,
            rng=random.Random(),
            **governed_by,
        )

    def _settings(self) -> SlackSettings:
        is_socket = self.mode == "socket"
        return SlackSettings(
            bot_token=SecretStr(self.token or self.server.token),
            app_token=SecretStr(self.server.app_token) if is_socket else None,
            signing_secret=None if is_socket else SecretStr(self.server.app.signing_secret),
            api_base=self.server.api_base,
        )

    async def start(self, *, engine: bool = True) -> None:
        if self.mode == "http":
            routes = self.slack.routes(self.core)
            app = make_app(routes, host="127.0.0.1", public_url=None, ready=_ready)
            self.site = await self._stack.enter_async_context(await serve(app, "127.0.0.1", 0))
            self.server.app.change_manifest(manifest_of(self.site.address))
        self.tasks = [asyncio.create_task(self.slack.run(self.core))]
        if engine:
            self.start_engine()
        if self.mode == "socket":
            await self.server.connected(2)

    def start_engine(self) -> None:
        self.tasks.append(asyncio.create_task(self.engine.run()))

    async def crash(self) -> None:
        """End it wherever it is, as a kill does, and close the files."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks = []
        await self._stack.aclose()

    async def restart(self) -> None:
        await self.crash()
        await self.build()
        await self.start()

    # -- looking

    def cards(self, channel: Channel | None = None) -> list[Message]:
        """The cards of jobs in a channel, threads included."""
        found = self.server.messages(channel or self.general)
        return [one for one in found if one.metadata and one.metadata["event_type"] == "threadreel_job"]

    async def card(self, channel: Channel | None = None, number: int = 0) -> Message:
        found: Message = await eventually(lambda: self.cards(channel)[number:], "there is a card")
        return found[0] if isinstance(found, list) else found

    def results(self, channel: Channel | None = None) -> list[Message]:
        """The bot's messages that bring files."""
        return [
            one for one in self.server.messages(channel or self.general) if one.files and one.installation
        ]

    async def result(self, channel: Channel | None = None, number: int = 0) -> Message:
        found = await eventually(lambda: self.results(channel)[number:], "there is a result", 20)
        message: Message = found[0]
        return message

    async def jobs(self) -> list[Job]:
        actor = Actor("slack", self.anna.id, "anna", self.team.id)
        return await self.store.of_person(actor, 100)

    async def job(self, number: int = 0) -> Job:
        """A job by its number, the newest first."""
        found: list[Job] = await eventually(self.jobs, "there is a job")
        return found[number]

    async def ended(self, job: Job | JobId | None = None, within: float = 20.0) -> Job:
        id_ = job.id if isinstance(job, Job) else job or (await self.job()).id

        async def over() -> Job | None:
            found = await self.store.get(id_)
            return found if found and found.state in (State.DONE, State.UNDELIVERED) else None

        found: Job = await eventually(over, f"{id_} is over", within)
        return found

    def is_tidy(self) -> bool:
        """Nothing stands twice, nothing stands where nobody finds it, nothing was asked that isn't played."""
        assert not self.server.duplicates()
        assert not self.server.misplaced
        assert not self.server.unplayed, self.server.unplayed
        return True


async def _ready() -> None:
    return None


def _quicker(speed: float) -> Callable[[], float]:
    """The wall clock, and from now on a quicker one."""
    start = time.time()
    return lambda: start + (time.time() - start) * speed


@contextlib.asynccontextmanager
async def slack_rig(
    folder: Path,
    mode: Mode = "socket",
    *,
    start: bool = True,
    slack_limits: SlackLimits | None = None,
    scopes: tuple[str, ...] = SCOPES,
    make: Callable[[Work, Report], Iterator[Piece]] | None = None,
    sandbox_workers: int = 2,
    sandbox_options: dict[str, Any] | None = None,
    speed: float = 1.0,
    **changes: Any,
) -> AsyncIterator[Rig]:
    gate = Gate()
    limits = slack_limits or SlackLimits()
    sandbox = Sandbox(
        CATALOGUE, make or gate.make, kind="replicate", workers=sandbox_workers, **(sandbox_options or {})
    )
    async with (
        SlackServer(manifest_of(scopes=scopes), limits=limits, now=_quicker(speed)) as server,
        serve_sandbox(sandbox, "127.0.0.1", 0) as base_url,
    ):
        team = server.team("Foxes")
        anna = server.person("anna", team)
        general = team.channel("general", anna, bot=True)
        rig = replace(Rig(folder, base_url, server, mode, team, general, anna, gate), **changes)
        await rig.build()
        if start:
            await rig.start()
        try:
            yield rig
        finally:
            gate.open = True
            await rig.crash()
