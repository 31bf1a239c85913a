"""The clients by name: those of the configuration, and one for each key that a server has brought."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TypeAlias

from bot.providers.client import Client

Make: TypeAlias = Callable[[str], Awaitable[Client | None]]


class Roster(Mapping[str, Client]):
    """What is in use. A key's client is made when it is first needed: ask `ensure` before looking it up."""

    def __init__(self, fixed: Mapping[str, Client], make: Make | None = None) -> None:
        """`make`: the client of a server's own key by name, None where there is no such key (any more)."""
        self._clients = dict(fixed)
        self._make = make
        self._retired: list[Client] = []
        self._own: list[str] = []
        self._making = asyncio.Lock()

    def __getitem__(self, name: str) -> Client:
        return self._clients[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._clients)

    def __len__(self) -> int:
        return len(self._clients)

    async def ensure(self, name: str) -> Client | None:
        """The client of this name, made where there is a key for it; None where nothing is known of it."""
        async with self._making:
            if name not in self._clients and self._make is not None:
                made = await self._make(name)
                if made is not None:
                    self._clients[name] = made
                    self._own.append(name)
            return self._clients.get(name)

    def retire(self, name: str) -> None:
        """The key was replaced: the next to ask gets a new client; who has the old one may go on with it."""
        if name in self._own:
            self._own.remove(name)
            self._retired.append(self._clients.pop(name))

    async def aclose(self) -> None:
        """Close what was made here; the fixed ones belong to who made them."""
        for client in (*self._retired, *(self._clients[name] for name in self._own)):
            await client.aclose()
