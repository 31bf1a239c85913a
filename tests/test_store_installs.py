"""Where a platform's app is installed: one install a server, changed by one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.store import Install, Installs, Store

NOW = 1_700_000_000.0


@pytest.fixture
async def installs(tmp_path: Path) -> AsyncIterator[Installs]:
    async with await Store.open(f"sqlite:///{tmp_path / 'threadreel.db'}") as store:
        yield store.installs


async def put(installs: Installs, server: str = "T1", **more: Any) -> Install:
    values = {"parent": "", "sealed": "sealed", "details": {"name": "Acme"}, "expires_at": None, "now": NOW}
    return await installs.put("slack", server, **{**values, **more})


async def test_an_install_reads_back(installs: Installs) -> None:
    made = await put(installs, parent="E1", expires_at=NOW + 5)
    assert await installs.get("slack", "T1") == made
    assert (made.parent, made.sealed, made.details, made.expires_at) == (
        "E1",
        "sealed",
        {"name": "Acme"},
        NOW + 5,
    )
    assert await installs.get("slack", "T2") is None
    assert await installs.get("discord", "T1") is None


async def test_installing_again_replaces_what_was_given_before(installs: Installs) -> None:
    first = await put(installs)
    assert await installs.hold(first, NOW + 60, NOW)
    second = await put(installs, sealed="other", now=NOW + 1)
    assert (second.sealed, second.revision, second.held_until) == ("other", 2, None)
    assert await installs.renew(first, sealed="late", expires_at=None, now=NOW) is None
    assert await installs.all() == [second]


async def test_after_a_removal_nobody_changes_what_comes_next(installs: Installs) -> None:
    first = await put(installs)
    assert await installs.remove("slack", "T1")
    assert not await installs.remove("slack", "T1")
    assert await installs.renew(first, sealed="late", expires_at=None, now=NOW) is None
    second = await put(installs, sealed="other", now=NOW + 1)
    assert await installs.renew(first, sealed="late", expires_at=None, now=NOW + 2) is None
    assert not await installs.remove_exactly(first)
    assert await installs.get("slack", "T1") == second


async def test_one_of_many_may_change_the_secrets(installs: Installs) -> None:
    install = await put(installs)
    held = await asyncio.gather(*(installs.hold(install, NOW + 60, NOW) for _ in range(10)))
    assert sorted(held) == [False] * 9 + [True]
    assert await installs.hold(install, NOW + 120, NOW + 60), "whoever held it is gone"
    await installs.release(install)
    assert await installs.hold(install, NOW + 60, NOW)
    renewed = await installs.renew(install, sealed="new", expires_at=NOW + 9, now=NOW + 1)
    assert renewed is not None
    assert (renewed.sealed, renewed.revision, renewed.held_until) == ("new", 2, None)
    assert renewed.created_at == NOW
    assert not await installs.hold(install, NOW + 60, NOW), "what was looked at is no more"


async def test_a_server_may_be_let_in_by_its_parent(installs: Installs) -> None:
    await put(installs, "E1")
    await installs.cover("slack", "T1", "E1", NOW)
    await installs.cover("slack", "T1", "E1", NOW)
    covered = await installs.get("slack", "T1")
    assert covered is not None
    assert (covered.parent, covered.sealed) == ("E1", None)
    own = await put(installs, "T2", parent="E1")
    await installs.cover("slack", "T2", "E1", NOW + 1)
    assert await installs.get("slack", "T2") == own, "an install of its own stays"
    assert await installs.remove("slack", "E1")
    assert await installs.all() == [own]


async def test_only_what_was_looked_at_is_removed(installs: Installs) -> None:
    first = await put(installs)
    second = await put(installs, sealed="other")
    assert not await installs.remove_exactly(first)
    assert await installs.remove_exactly(second)


async def test_sealing_anew_is_all_or_nothing(installs: Installs) -> None:
    await put(installs, "T1", sealed="one")
    await put(installs, "T2", sealed="two")
    await installs.cover("slack", "T3", "E1", NOW)

    def fails(sealed: str) -> str:
        if sealed == "two":
            raise ValueError(sealed)
        return sealed.upper()

    with pytest.raises(ValueError, match="two"):
        await installs.reseal(fails)
    assert [install.sealed for install in await installs.all()] == ["one", "two", None]
    assert await installs.reseal(lambda sealed: sealed.upper() if sealed == "two" else None) == 1
    assert [install.sealed for install in await installs.all()] == ["one", "TWO", None]


async def test_a_state_is_good_once_and_for_its_platform(installs: Installs) -> None:
    await installs.add_state("slack", "hash", NOW, NOW + 600)
    assert not await installs.redeem_state("discord", "hash", NOW)
    redeemed = await asyncio.gather(*(installs.redeem_state("slack", "hash", NOW) for _ in range(5)))
    assert sorted(redeemed) == [False] * 4 + [True]


async def test_a_state_is_over_after_its_time(installs: Installs) -> None:
    await installs.add_state("slack", "hash", NOW, NOW + 600)
    assert not await installs.redeem_state("slack", "hash", NOW + 600)
    await installs.add_state("slack", "other", NOW + 600, NOW + 1200)
    assert not await installs.redeem_state("slack", "hash", NOW), "it was forgotten"
