"""A provider's key of a server's own: checked, sealed, used, replaced and taken away, by any process."""

from __future__ import annotations

import io
import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import structlog

from bot.catalogue import load
from bot.errors import Refused
from bot.jobs import Actor
from bot.keys import Keys
from bot.ports import Action, Record
from bot.providers import Client, Roster, connect
from bot.routes import own_name
from bot.sandbox.server import Sandbox, serve
from bot.secrets import Vault, new_key
from bot.store import Store
from tests.rig import tiny

ADA = Actor("discord", "ada", "Ada", "1", manages=True)
RIGHT, OTHER, WRONG = "r8_right_key_of_ada", "r8_other_key_of_ada", "r8_key_of_nobody"
SET = Record(0, 0.0, "ada", "Ada", Action.KEY_SET, "provider box", None, None)
DROPPED = Record(0, 0.0, "ada", "Ada", Action.KEY_DROPPED, "provider box", None, None)
BOX = own_name("box", "discord", "1")


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """A provider that takes two keys."""
    async with serve(Sandbox(load(), tiny, more_tokens=[RIGHT, OTHER])) as address:
        yield address


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await Store.open(f"sqlite:///{tmp_path}/keys.db") as store:
        yield store


VAULT = Vault([new_key()])


def keys_of(store: Store, url: str, vault: Vault = VAULT) -> Keys:
    def client(name: str, key: str) -> Client:
        return connect("replicate", name, url, key)

    return Keys(store, lambda: vault, client, ["box"], now=lambda: 1_800_000_000.0)


async def asked_with(client: Client | None) -> str:
    assert client is not None
    return str((await client.account()).get("username", "somebody"))


async def test_a_key_is_kept_once_the_provider_has_taken_it(store: Store, url: str, tmp_path: Path) -> None:
    keys = keys_of(store, url)
    await keys.set(ADA, "box", f"  {RIGHT}\n", SET)
    (info,) = await keys.all("discord", "1")
    assert (info.provider, info.by) == ("box", "Ada")
    assert await keys.all("discord", "2") == []
    sealed = await keys.sealed(BOX)
    assert sealed is not None
    assert RIGHT not in sealed
    assert VAULT.open(sealed) == RIGHT
    with closing(sqlite3.connect(tmp_path / "keys.db")) as file:
        everything = "\n".join(file.iterdump())
    assert RIGHT not in everything


@pytest.mark.parametrize(
    "key", [WRONG, "", "short", "with blanks in it, so no key", "schlüssel-mit-ü", "x" * 600]
)
async def test_a_key_that_is_not_taken_is_refused_and_the_old_one_stays(
    store: Store, url: str, key: str
) -> None:
    keys = keys_of(store, url)
    await keys.set(ADA, "box", RIGHT, SET)
    with pytest.raises(Refused, match="key_refused"):
        await keys.set(ADA, "box", key, SET)
    sealed = await keys.sealed(BOX)
    assert sealed is not None
    assert VAULT.open(sealed) == RIGHT


async def test_a_provider_that_cannot_be_asked_keeps_no_key(store: Store) -> None:
    keys = keys_of(store, "http://127.0.0.1:9")
    with pytest.raises(Refused, match="key_unchecked"):
        await keys.set(ADA, "box", RIGHT, SET)
    assert await keys.all("discord", "1") == []


async def test_only_providers_that_take_keys_do(store: Store, url: str) -> None:
    keys = keys_of(store, url)
    with pytest.raises(Refused, match="no_such_provider"):
        await keys.set(ADA, "elsewhere", RIGHT, SET)
    with pytest.raises(Refused, match="no_key"):
        await keys.drop(ADA, "box", DROPPED)


async def test_a_key_is_in_no_log(store: Store, url: str, caplog: pytest.LogCaptureFixture) -> None:
    said = io.StringIO()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(said))
    try:
        with caplog.at_level(logging.DEBUG):
            keys = keys_of(store, url)
            await keys.set(ADA, "box", RIGHT, SET)
            with pytest.raises(Refused):
                await keys.set(ADA, "box", WRONG, SET)
            roster = Roster({}, keys_of(store, url, Vault([new_key()])))
            assert await roster.ensure(BOX) is None, "nobody can open it"
    finally:
        structlog.reset_defaults()
    assert "key_missing" in said.getvalue()
    assert not any(key in said.getvalue() + caplog.text for key in (RIGHT, WRONG))


# -- another process changes them


async def test_what_another_process_sets_replaces_and_drops_holds_at_once(
    store: Store, url: str, tmp_path: Path
) -> None:
    roster = Roster({}, keys_of(store, url))
    assert await roster.ensure(BOX) is None
    async with await Store.open(f"sqlite:///{tmp_path}/keys.db") as elsewhere:
        others = keys_of(elsewhere, url)
        await others.set(ADA, "box", RIGHT, SET)
        first = await roster.ensure(BOX)
        assert await asked_with(first)
        assert await roster.ensure(BOX) is first, "while it stays, so does its client"

        await others.set(ADA, "box", OTHER, SET)
        second = await roster.ensure(BOX)
        assert second is not first
        assert await asked_with(first), "who has the old client goes on with it"
        assert await asked_with(second)

        await others.drop(ADA, "box", DROPPED)
        assert await roster.ensure(BOX) is None
        assert BOX not in roster
    await roster.aclose()


async def test_the_installations_own_clients_are_asked_nothing(store: Store, url: str) -> None:
    async with connect("sandbox", "box", url, "sandbox") as client:
        roster = Roster({"box": client}, keys_of(store, url))
        assert await roster.ensure("box") is client
        assert await roster.ensure("nowhere") is None
        assert list(roster) == ["box"]


async def test_keys_are_sealed_anew_by_rotation(store: Store, url: str) -> None:
    old, new = new_key(), new_key()
    await keys_of(store, url, Vault([old])).set(ADA, "box", RIGHT, SET)
    both = Vault([new, old])
    assert await store.keys.reseal(both.seal_anew) == 1
    assert await store.keys.reseal(both.seal_anew) == 0, "what is sealed with the newest stays"
    sealed = await keys_of(store, url).sealed(BOX)
    assert sealed is not None
    assert Vault([new]).open(sealed) == RIGHT
