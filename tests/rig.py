"""A studio on loopback: real store, real client, real sandbox server, and a platform that takes notes."""

from __future__ import annotations

import asyncio
import contextlib
import io
import random
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from bot import policy
from bot.catalogue import load
from bot.config import Limits
from bot.core import Idle, Studio
from bot.engine import Engine, Rules
from bot.http import Site, make_app
from bot.http import serve as serve_app
from bot.jobs import Actor, Job, JobId, Option, Order, Place, Posted, State
from bot.links import Links
from bot.media import Library
from bot.pacing import Pace
from bot.ports import Core, Notice, Platform, Post, Ready, Save, Telling
from bot.prices import Prices
from bot.providers import Client, Patience, connect, manners_of
from bot.sandbox.server import Sandbox, serve
from bot.sandbox.work import Piece, Report, Work
from bot.store import Store
from bot.webhooks import Webhooks
from tests.governed import FREE, governed, roster

ANNA = Actor("board", "anna", "Anna", "home")
WALL = Place("board:wall")
QUICK = Rules(
    at_once=50,
    at_once_per_person=50,
    deadline=60,
    settled=1.0,
    tick=0.05,
    pace=Pace(shortest=0.02, longest=0.1, price=0.001),
    card_every=0.02,
    heads_up=0.2,
)
IMPATIENT = Patience(failures=3, apart=0.05, first=0.1, most=0.5)
AMPLE = Limits(per_day=10_000, per_day_per_person=10_000, waiting_per_person=10_000)


async def eventually(check: Callable[[], Any], what: str, within: float = 10.0) -> Any:
    """Wait until `check` (plain or async) gives something true, and return it."""
    deadline = time.monotonic() + within
    while True:
        found = check()
        if isinstance(found, Awaitable):
            found = await found
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {what}")
        await asyncio.sleep(0.01)


def tiny(work: Work, report: Report) -> Iterator[Piece]:
    """A picture of one colour: what a model makes where a test is about something else."""
    report("100%|##########| 1/1 [00:00<00:00, 1.0it/s]\n")
    colour = random.Random(work.seed).randbytes(3)
    out = io.BytesIO()
    Image.new("RGB", (8, 8), tuple(colour)).save(out, "PNG")
    yield Piece("image", "out.png", out.getvalue(), "image/png")


@dataclass
class Board:
    """A platform that keeps what it is shown, one message a key; `faults` are raised first, in turn."""

    name: str = "board"
    every: float = 0.0
    shown: list[Post] = field(default_factory=list)
    messages: dict[str, Notice] = field(default_factory=dict)
    arrivals: dict[str, float] = field(default_factory=dict)
    faults: list[Exception] = field(default_factory=list)
    faults_at_the_end: list[Exception] = field(default_factory=list)
    second_best: Place | None = None
    told: list[Telling] = field(default_factory=list)

    async def run(self, core: Core) -> None:
        await asyncio.Event().wait()

    async def tell(self, telling: Telling) -> None:
        self.told.append(telling)

    async def show(self, post: Post, save: Save) -> Posted:
        final = not type(post.notice).__name__.startswith(("Waiting", "Working"))
        faults = self.faults_at_the_end if final else self.faults
        if faults:
            raise faults.pop(0)
        self.shown.append(post)
        self.messages[post.key] = post.notice
        if isinstance(post.notice, Ready):
            self.arrivals.setdefault(post.card.job, time.time())
        return {"key": post.key}

    async def fallback(self, place: Place, actor: Actor) -> Place | None:
        return self.second_best

    def last(self, job: Job | JobId) -> Notice | None:
        return self.messages.get(f"job-{job.id if isinstance(job, Job) else job}")

    def finals(self, job: Job) -> list[Notice]:
        """Every outcome that was shown of a job: exactly one, if all is well."""
        said = [post.notice for post in self.shown if post.card.job == job.id]
        return [notice for notice in said if type(notice).__name__ not in ("Waiting", "Working")]


@dataclass
class Rig:
    """One process' worth of parts; `engine_task` is what a crash ends."""

    folder: Path
    base_url: str
    kind: str
    rules: Rules
    board: Board
    limits: Limits = AMPLE
    public_url: str | None = None
    also: Callable[[Rig], Any] | None = None
    """Makes one more platform at each start; it listens while the engine runs, and is closed with it."""
    private_hosts: tuple[str, ...] = ()
    webhooks: bool = False
    """Whether the provider is to tell of jobs by itself, at an address on loopback that outlives crashes."""
    manners: dict[str, Any] = field(default_factory=dict)
    """What is said of the providers' limits; all are impatient."""
    second: tuple[str, str] | None = None
    """Kind and base URL of a provider beside "box", called "spare", that costs money."""
    routes: dict[str, Any] = field(default_factory=lambda: {"default": "box"})
    prices: Prices = FREE
    defaults: dict[str, Any] = field(default_factory=dict)
    own_keys: bool = False
    """Whether servers may bring keys of their own for "box"."""
    store: Store = field(init=False)
    library: Library = field(init=False)
    client: Client = field(init=False)
    clients: dict[str, Client] = field(init=False)
    engine: Engine = field(init=False)
    core: Studio = field(init=False)
    site: Site | None = None
    platform: Any = None
    engine_task: asyncio.Task[None] | None = None
    platform_task: asyncio.Task[None] | None = None
    _stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)
    _orders: int = 0

    async def build(self, *, engine: bool = True) -> None:
        """Open everything, as a start of the process does."""
        catalogue = load()
        self._stack = contextlib.AsyncExitStack()
        self.store = await self._stack.enter_async_context(
            await Store.open(f"sqlite:///{self.folder}/jobs.db")
        )
        host = self.base_url.removeprefix("http://").partition("/")[0]
        self.library = await self._stack.enter_async_context(
            Library(self.folder / "media", max_bytes=50_000_000, private_hosts=(host, *self.private_hosts))
        )
        kind: Any = self.kind
        self.client = await self._connect("box", kind, self.base_url)
        self.clients = {"box": self.client}
        if self.second is not None:
            other: Any = self.second[0]
            self.clients["spare"] = await self._connect("spare", other, self.second[1])
        platforms: dict[str, Platform] = {"board": self.board}
        if self.also is not None:
            self.platform = self.also(self)
            self._stack.push_async_callback(self.platform.aclose)
            platforms[self.platform.name] = self.platform
        links = Links(self.public_url, b"key", time.time) if self.public_url else None
        hooks = {"box": partial(links.hook_of, "box")} if links and self.webhooks else None
        governed_by = governed(
            self.store,
            catalogue,
            prices=self.prices,
            defaults=self.defaults,
            addresses={"box": self.base_url} if self.own_keys else None,
        )
        self.roster = roster(self.clients, governed_by)
        self._stack.push_async_callback(self.roster.aclose)
        self.engine = Engine(
            self.store,
            self.library,
            catalogue,
            self.roster,
            platforms,
            rules=self.rules,
            prices=self.prices,
            link=links.url_of if links else None,
            routes=self.routes,
            now=time.time,
            rng=random.Random(7),
            hooks=hooks,
        )
        if links and hooks:
            receiver = Webhooks({"box": self.client}, links, self.engine, now=time.time)
            self.site = await self._stack.enter_async_context(await self._served(receiver))
        self.core = Studio(
            self.store,
            self.library,
            catalogue,
            self.engine if engine else Idle(),
            rules=policy.Rules(self.limits, tuple(platforms)),
            routes=self.routes,
            providers={name: client.can for name, client in self.clients.items()},
            public=links is not None,
            now=time.time,
            rng=random.Random(),
            **governed_by,
        )

    async def _served(self, receiver: Webhooks) -> Site:
        async def ready() -> str | None:
            return None

        app = make_app(receiver.routes(), host="127.0.0.1", public_url=self.public_url, ready=ready)
        assert self.public_url is not None
        return await serve_app(app, "127.0.0.1", int(self.public_url.rpartition(":")[2]))

    async def _connect(self, name: str, kind: Any, base_url: str) -> Client:
        manners = manners_of(kind, name, **({"patience": IMPATIENT} | self.manners))
        return await self._stack.enter_async_context(
            connect(kind, name, base_url, "sandbox", manners=manners)
        )

    def start(self) -> None:
        self.engine_task = asyncio.create_task(self.engine.run())
        if self.platform is not None:
            self.platform_task = asyncio.create_task(self.platform.run(self.core))

    async def crash(self) -> None:
        """End the engine wherever it is, as a kill does, and close the files."""
        for task in filter(None, (self.engine_task, self.platform_task)):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self.engine_task = self.platform_task = None
        await self._stack.aclose()

    async def restart(self) -> None:
        await self.crash()
        await self.build()
        self.start()

    async def order(self, command: str = "imagine", *options: Option, key: str | None = None) -> Job:
        """Submit an order as a person on the board does."""
        self._orders += 1
        key = key or f"board:{self._orders}"
        given = options or (("prompt", f"picture {self._orders}"),)
        return (await self.core.submit(Order(ANNA, WALL, command, given, key))).job

    async def state(self, job: Job) -> State:
        found = await self.store.get(job.id)
        assert found is not None
        return found.state

    async def ended(self, job: Job, within: float = 10.0) -> Job:
        """The job once it is over."""

        async def over() -> Job | None:
            found = await self.store.get(job.id)
            return found if found and found.state in (State.DONE, State.UNDELIVERED) else None

        found: Job = await eventually(over, f"{job.id} is over", within)
        return found

    async def misbehave(self, **rule: Any) -> None:
        """Tell the sandbox to."""
        await self._admin("POST", "misbehave", rule)

    async def behave(self) -> None:
        await self._admin("DELETE", "misbehave")

    async def stats(self) -> dict[str, Any]:
        found: dict[str, Any] = await self._admin("GET", "stats")
        return found

    async def _admin(self, method: str, path: str, body: Any = None) -> Any:
        root = self.base_url.removesuffix("/replicate")
        headers = {"Authorization": "Bearer sandbox"}
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.request(method, f"{root}/sandbox/{path}", json=body, headers=headers)
            answer.raise_for_status()
            return answer.json() if answer.content else None


@contextlib.asynccontextmanager
async def rig(
    folder: Path,
    *,
    kind: str = "sandbox",
    rules: Rules = QUICK,
    start: bool = True,
    make: Callable[[Work, Report], Iterator[Piece]] = tiny,
    sandbox_options: dict[str, Any] | None = None,
    **changes: Any,
) -> AsyncIterator[Rig]:
    """A running studio; `changes` go to the Rig."""
    box = Sandbox(
        load(), make, kind="gateway" if kind == "gateway" else "replicate", **(sandbox_options or {})
    )
    async with serve(box, "127.0.0.1", 0) as base_url:
        made = replace(Rig(folder, base_url, kind, rules, Board()), **changes)
        if made.webhooks:
            made.public_url = f"http://127.0.0.1:{_free_port()}"
        await made.build()
        if start:
            made.start()
        try:
            yield made
        finally:
            await made.crash()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
