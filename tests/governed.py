"""What a studio needs to know of rules, keys and prices, for tests that are about something else."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from bot.catalogue import Catalogue
from bot.jobs import Actor, Json
from bot.keys import Keys
from bot.prices import Price, Prices
from bot.providers import Client, Roster, connect
from bot.rulebooks import Rulebooks
from bot.secrets import Vault, new_key
from bot.store import Store

FREE = Prices({}, {}, free=("box",))
DEAR = Prices({"imagine": Price(Decimal("0.40"), Decimal(0), None, True, "a bill")}, {})


def pseudonym(actor: Actor) -> str:
    return f"someone-{actor.id}"


def governed(
    store: Store,
    catalogue: Catalogue,
    *,
    prices: Prices = FREE,
    defaults: Mapping[str, Json] | None = None,
    addresses: Mapping[str, str] | None = None,
    kind: Any = "replicate",
    now: Callable[[], float] = time.time,
) -> dict[str, Any]:
    """The arguments of a Studio. `addresses`: of the providers that servers may bring a key for."""
    there, vault = addresses or {}, Vault([new_key()])

    def client(name: str, key: str) -> Client:
        return connect(kind, name, there[name.partition("@")[0]], key)

    return {
        "books": Rulebooks(store, catalogue, defaults or {}),
        "keys": Keys(store, lambda: vault, client, there, now=now),
        "prices": prices,
        "pseudonym": pseudonym,
    }


def roster(clients: Mapping[str, Client], governed: Mapping[str, Any]) -> Roster:
    """The clients, with those of keys that servers bring."""
    return Roster(clients, governed["keys"])
