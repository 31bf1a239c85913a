"""The clients by name: those of the configuration, and one for each key that a server has brought."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Protocol

from bot.providers.client import Client


class OwnKeys(Protocol):
    """The keys of servers. Any process may change them at any time."""

    def is_own(self, name: str) -> bool:
        """Whether a client of this name runs on a server's key."""
        ...

    async def sealed(self, name: str) -> str | None:
        """The key as it is stored; None where there is none (any more)."""
        ...

    def client(self, name: str, sealed: str) -> Client | None:
        """A client with this key; None where nobody can open it."""
        ...


class Roster(Mapping[str, Client]):
    """What is in use. A key's client is made when it is first needed: ask `ensure` before looking it up."""

    def __init__(self, fixed: Mapping[str, Client], keys: OwnKeys | None = None) -> None:
        self._clients = dict(fixed)
        self._keys = keys
        self._sealed: dict[str, str] = {}
        self._retired: list[Client] = []
        self._making = asyncio.Lock()

    def __getitem__(self, name: str) -> Client:
        return self._clients[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._clients)

    def __len__(self) -> int:
        return len(self._clients)

    async def ensure(self, name: str) -> Client | None:
        """The client of this name, by the key that is stored now; None where nothing is known of it.

        A client whose key was replaced or taken away is retired: whoever has it may go on with it.
        """
        if self._keys is None or not self._keys.is_own(name):
            return self._clients.get(name)
        async with self._making:
            sealed = await self._keys.sealed(name)
            if sealed != self._sealed.get(name):
                self._retire(name)
                made = None if sealed is None else self._keys.client(name, sealed)
                if sealed is not None and made is not None:
                    self._clients[name], self._sealed[name] = made, sealed
            return self._clients.get(name)

    def _retire(self, name: str) -> None:
        if self._sealed.pop(name, None) is not None:
            self._retired.append(self._clients.pop(name))

    async def aclose(self) -> None:
        """Close what was made here; the fixed ones belong to who made them."""
        for client in (*self._retired, *(self._clients[name] for name in self._sealed)):
            await client.aclose()
