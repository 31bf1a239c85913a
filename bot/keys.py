"""Keys of a server's own: checked at the provider, sealed, and opened for their client only."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, TypeAlias

import structlog

from bot.errors import KeyMissing, LostAnswer, NotAPrediction, ProviderRefused, Refused, TryLater
from bot.jobs import Actor
from bot.ports import KeyInfo, Record
from bot.providers import Client
from bot.routes import base_of, owner_of

if TYPE_CHECKING:
    from bot.secrets import Vault
    from bot.store import Store

Connect: TypeAlias = Callable[[str, str], Client]
"""The client of a provider under a name, with a key: `connect("replicate@discord:123", key)`."""

NOBODYS = "nobodysprediction0000000000"
"""No prediction has this id: who is asked for it says whether it takes the key, and spends nothing."""

TURNED_DOWN = frozenset({"unauthenticated", "forbidden"})
log = structlog.get_logger(__name__)


class Keys:
    """`providers`: those that a server may bring a key for."""

    def __init__(
        self,
        store: Store,
        vault: Callable[[], Vault],
        connect: Connect,
        providers: Collection[str],
        *,
        now: Callable[[], float],
    ) -> None:
        self._store = store
        self._vault = vault
        self._connect = connect
        self._providers = tuple(providers)
        self._now = now

    def providers(self) -> Sequence[str]:
        return self._providers

    async def all(self, platform: str, server: str) -> Sequence[KeyInfo]:
        return await self._store.keys.all(platform, server)

    async def set(self, actor: Actor, provider: str, key: str, record: Record) -> None:
        """Keep it, once the provider has taken it. Refused says why not; nothing is kept then."""
        self._check_known(provider)
        key = key.strip()
        await self._check(provider, key)
        await self._store.keys.put(
            actor.platform,
            actor.server,
            provider,
            sealed=self._vault().seal(key),
            by=actor.name,
            now=self._now(),
            record=record,
        )

    async def drop(self, actor: Actor, provider: str, record: Record) -> None:
        self._check_known(provider)
        if not await self._store.keys.drop(actor.platform, actor.server, provider, record):
            raise Refused("no_key", provider=provider)

    # -- for who runs jobs on them

    def is_own(self, name: str) -> bool:
        return owner_of(name) is not None

    async def sealed(self, name: str) -> str | None:
        owner = owner_of(name)
        if owner is None or base_of(name) not in self._providers:
            return None
        return await self._store.keys.sealed(*owner, base_of(name))

    def client(self, name: str, sealed: str) -> Client | None:
        try:
            return self._connect(name, self._vault().open(sealed))
        except KeyMissing as error:
            log.error("A server's key can't be opened", action="key_missing", of=name, why=str(error))  # noqa: TRY400
            return None

    def _check_known(self, provider: str) -> None:
        if provider not in self._providers:
            raise Refused("no_such_provider", provider=provider[:100], known=list(self._providers))

    async def _check(self, provider: str, key: str) -> None:
        """Ask the provider something that costs nothing."""
        if not re.fullmatch(r"[!-~]{8,500}", key):
            raise Refused("key_refused", provider=provider)
        client = self._connect(provider, key)
        try:
            await _look(client)
        except ProviderRefused as error:
            if error.code in TURNED_DOWN:
                raise Refused("key_refused", provider=provider) from None
            if error.code != "not_found":
                raise Refused("key_unchecked", provider=provider) from None
        except (TryLater, LostAnswer, NotAPrediction):
            raise Refused("key_unchecked", provider=provider) from None
        finally:
            await client.aclose()


async def _look(client: Client) -> None:
    if client.can.account:
        await client.account()
    else:
        await client.get(NOBODYS)
