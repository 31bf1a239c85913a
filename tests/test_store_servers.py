"""What a server decides is kept for it alone, whole or not at all, with a record of who did it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.errors import Stale
from bot.jobs import Actor, FileRef, JobId, Order, Place
from bot.ports import Action, Person, Record, Standing
from bot.rules import SERVER, Entry, Scope, ScopeKind
from bot.store import Pending, Store
from tests.store_rig import ANN, NOW, accepted, job

BLOCKED = Person("ben", "Ben", Standing.BLOCKED, "spam", NOW + 100, "Ann", NOW)
MODELS = Entry(SERVER, "models", ["animate"])
QUIET = Entry(Scope(ScopeKind.CHANNEL, "7"), "models", [])


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with await Store.open(f"sqlite:///{tmp_path / 'threadreel.db'}") as store:
        yield store


def record(subject: str = "server models", action: Action = Action.SET) -> Record:
    return Record(0, NOW, "ann", "Ann", action, subject, None, ["animate"])


async def test_what_is_saved_is_loaded_and_told_of(store: Store) -> None:
    revision = await store.servers.save("discord", "1", [MODELS, QUIET], [record()], revision=0)

    kept = await store.servers.load("discord", "1")
    assert (kept.revision, kept.entries) == (revision, (QUIET, MODELS))
    (told,) = await store.audit.page("discord", "1", limit=10)
    assert replace(told, id=0) == record()


async def test_who_comes_too_late_changes_nothing(store: Store) -> None:
    await store.servers.save("discord", "1", [MODELS], [record()], revision=0)

    with pytest.raises(Stale):
        await store.servers.save("discord", "1", [QUIET], [record()], revision=0)

    assert (await store.servers.load("discord", "1")).entries == (MODELS,)
    assert len(await store.audit.page("discord", "1", limit=10)) == 1


async def test_people_are_blocked_and_cleared(store: Store) -> None:
    await store.servers.set_person("discord", "1", BLOCKED, record("person ben", Action.BLOCKED))
    await store.servers.set_person(
        "discord", "1", replace(BLOCKED, standing=Standing.TRUSTED), record("person ben", Action.TRUSTED)
    )
    first = await store.servers.load("discord", "1")
    await store.servers.clear_person("discord", "1", "ben", record("person ben", Action.CLEARED))

    assert [one.standing for one in first.people] == [Standing.TRUSTED]
    assert (await store.servers.load("discord", "1")).people == ()
    assert await store.servers.revision("discord", "1") == first.revision + 1


@pytest.mark.parametrize("where", [("discord", "2"), ("slack", "1"), ("discord", "@1")])
async def test_no_other_server_sees_any_of_it(store: Store, where: tuple[str, str]) -> None:
    await store.servers.save("discord", "1", [MODELS], [record()], revision=0)
    await store.servers.set_person("discord", "1", BLOCKED, record("person ben", Action.BLOCKED))
    await store.notices.add("k", "discord", "1", "budget_80", {}, now=NOW)
    await accepted(store, actor=Actor("discord", "ann", "Ann", "1"))

    kept = await store.servers.load(*where)

    assert (kept.revision, kept.entries, kept.people) == (0, (), ())
    assert await store.audit.page(*where, limit=10) == []
    assert [one async for one in store.audit.all(*where)] == []
    assert await store.notices.recent(*where) == []
    assert await store.of_server(*where, limit=10) == []
    assert await store.of_server(*where, person="ann", limit=10) == []


async def test_deleting_a_server_leaves_the_others(store: Store) -> None:
    for server in ("1", "2"):
        await store.servers.save("discord", server, [MODELS], [record()], revision=0)
        await accepted(store, server, actor=Actor("discord", "ann", "Ann", server))
    await store.servers.leaving("discord", "1", NOW + 10, record("server", Action.LEFT))
    early = await store.servers.to_delete(NOW)
    due = await store.servers.to_delete(NOW + 10)

    gone = await store.servers.delete("discord", "1", now=NOW)

    assert (early, due, gone) == ([], [("discord", "1")], False)
    assert (await store.servers.load("discord", "1")).entries == ()
    assert [one.id for one in await store.servers.open_jobs("discord", "1")] == [JobId("1")]
    assert (await store.servers.load("discord", "2")).entries == (MODELS,)
    assert len(await store.audit.page("discord", "2", limit=10)) == 1


async def test_who_comes_back_in_time_keeps_everything(store: Store) -> None:
    await store.servers.leaving("discord", "1", NOW + 10, record("server", Action.LEFT))

    await store.servers.joined("discord", "1")

    assert await store.servers.to_delete(NOW + 100) == []


async def test_a_run_is_recorded_once_with_its_job(store: Store) -> None:
    ran = record("job one", Action.RAN)

    await store.accept(job("one"), (), NOW, record=ran)
    await store.accept(job("one"), (), NOW, record=ran)

    told = await store.audit.page(ANN.platform, ANN.server, limit=10)
    assert [(one.action, one.subject) for one in told] == [(Action.RAN, "job one")]


async def test_pages_of_the_audit_follow_one_another(store: Store) -> None:
    for number in range(5):
        await store.servers.save("web", "web", [], [record(f"n{number}")], revision=number)

    newest = await store.audit.page("web", "web", limit=2)
    older = await store.audit.page("web", "web", limit=2, before=newest[-1].id)

    assert [one.subject for one in (*newest, *older)] == ["n4", "n3", "n2", "n1"]
    assert [one.subject async for one in store.audit.all("web", "web")] == [f"n{n}" for n in range(5)]


async def test_an_order_waits_for_its_own_person_only(store: Store) -> None:
    options = (("start", "a fox"), ("image", FileRef("ab" * 32, "fox.png")), ("frames", 12))
    order = Order(ANN, Place("web:studio"), "animate", options, "web:1", channel="studio")
    await store.pending.put("token", Pending(order, new_seed=True), expires_at=NOW + 10)

    assert await store.pending.get("token", ANN, now=NOW) == Pending(order, new_seed=True)
    assert await store.pending.get("token", replace(ANN, id="ben"), now=NOW) is None
    assert await store.pending.get("token", replace(ANN, server="other"), now=NOW) is None
    assert await store.pending.get("token", ANN, now=NOW + 10) is None
    await store.pending.forget_expired(NOW + 10)
    assert await store.pending.get("token", ANN, now=NOW) is None


async def test_news_is_told_once_a_key(store: Store) -> None:
    first = await store.notices.add("k", "discord", "1", "budget_80", {"used": "8"}, now=NOW)
    second = await store.notices.add("k", "discord", "1", "budget_80", {"used": "9"}, now=NOW)
    (news,) = await store.notices.due(NOW, 10)

    await store.notices.later(news.id, NOW + 5, 1)
    waiting = await store.notices.due(NOW, 10)
    (again,) = await store.notices.due(NOW + 5, 10)
    await store.notices.told(again.id, NOW + 6)

    assert (first, second, news.facts) == (True, False, {"used": "8"})
    assert (waiting, again.tries) == ([], 1)
    assert await store.notices.due(NOW + 100, 10) == []
    assert [one.key for one in await store.notices.recent("discord", "1")] == ["k"]
