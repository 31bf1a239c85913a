"""An installation for many workspaces, and the Slack that it is installed in."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp.test_utils import unused_port
from pydantic import SecretStr

from adapters.slack.manifest import manifest
from adapters.slack.pages import install_routes
from adapters.slack.tokens import ManyClients
from bot.catalogue import load
from bot.config import Access, Http, Settings, SlackSettings
from bot.http import make_app, serve
from bot.secrets import Vault, new_key
from bot.store import Install, Store
from tests.slack_server import Person, SlackServer
from tests.slack_server.browser import Page, install
from tests.slack_server.state import Team

HOUR = 3600.0


@dataclass
class InstallRig:
    """`database`: its file. All clocks are the server's: `slack.clock.advance(…)` moves them."""

    slack: SlackServer
    store: Store
    vault: Vault
    clients: ManyClients
    database: Path
    public_url: str

    @property
    def now(self) -> float:
        return self.slack.clock()

    def team(self, name: str = "Foxes", **more: Any) -> Team:
        return self.slack.team(name, installed=False, **more)

    def admin(self, team: Team, name: str = "ann", **more: Any) -> Person:
        return self.slack.person(name, team, is_admin=True, **more)

    async def install(self, person: Person, *, org_wide: bool = False, deny: bool = False) -> Page:
        """As a person does it, from our page over Slack's."""
        url = f"{self.public_url}/slack/install"
        return await install(self.slack, person.user, url, org_wide=org_wide, deny=deny)

    async def installed(self, name: str = "Foxes", **more: Any) -> Team:
        team = self.team(name, **more)
        page = await self.install(self.admin(team, f"admin-of-{name}"))
        assert page.status == 200, page.text
        return team

    async def kept(self, server: str) -> Install | None:
        return await self.store.installs.get("slack", server)

    def more_clients(self, **more: Any) -> ManyClients:
        """Those of another process on the same database."""
        return clients_of(self.slack, self.store, self.vault, **more)


def clients_of(slack: SlackServer, store: Store, vault: Vault, **more: Any) -> ManyClients:
    return ManyClients(
        slack.api_base,
        store.installs,
        vault,
        client_id=slack.app.client_id,
        client_secret=SecretStr(slack.app.client_secret),
        now=slack.clock,
        pause=0.01,
        recheck=0.01,
        **more,
    )


@contextlib.asynccontextmanager
async def install_rig(
    folder: Path, *, rotation: bool = False, servers: Iterable[str] = ("slack:*",), keys: Iterable[str] = ()
) -> AsyncIterator[InstallRig]:
    public_url = f"http://127.0.0.1:{unused_port()}"
    data = manifest(load(), mode="socket", public_url=public_url, rotation=rotation)
    vault = Vault(list(keys) or [new_key()])
    database = folder / "threadreel.db"
    async with contextlib.AsyncExitStack() as stack:
        slack = await stack.enter_async_context(SlackServer(data))
        store = await stack.enter_async_context(await Store.open(f"sqlite:///{database}"))
        clients = await stack.enter_async_context(clients_of(slack, store, vault))
        settings = Settings(
            slack=SlackSettings(
                client_id=slack.app.client_id,
                client_secret=SecretStr(slack.app.client_secret),
                api_base=slack.api_base,
            ),
            access=Access(servers=tuple(servers)),
            http=Http(public_url=public_url),
        )
        routes = install_routes(
            settings, clients, store.installs, slack.clock, partial(store.servers.joined, "slack")
        )
        app = make_app(routes, host="127.0.0.1", public_url=public_url, ready=_ready)
        port = int(public_url.rpartition(":")[2])
        await stack.enter_async_context(await serve(app, "127.0.0.1", port))
        yield InstallRig(slack, store, vault, clients, database, public_url)
        assert slack.unplayed == []


async def _ready() -> None:
    return None
