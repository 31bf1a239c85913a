"""What belongs to another server is refused like what never was, and nothing of it is shown or changed."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters import words
from bot.caps import Reserve
from bot.core import Studio
from bot.errors import ForPerson
from bot.jobs import Actor, Job, JobId, Order, Outcome, Place
from bot.office import Office
from bot.ports import Admin, Core
from bot.rules import SERVER, Change
from bot.store import Store
from bot.store.pending import Pending
from tests.rig import ANNA, WALL, Rig, rig
from tests.store_rig import KEPT, NOW, job, succeed
from tests.test_web_admin import owner as owner  # a fixture
from tests.test_web_api import Page, get, post
from tests.test_web_api import page as page  # a fixture

EVE = Actor("board", "eve", "Eve Elsewhere", "elsewhere", manages=True)
BOSS = replace(ANNA, id="boss", name="Boss", manages=True)
NEVER = JobId("neverwas2345")
SECRET = "a secret of elsewhere"

Case = Callable[[Core, JobId, Actor], Awaitable[Any]]


FAR = 4_000_000_000.0
"""When it all happens there: an engine that runs beside it finds nothing due, and no lease that is over."""


async def foreign(store: Store, actor: Actor = EVE, name: str = "foreign23456", open_: bool = False) -> Job:
    """A job of another server: done, with a result, or `open_`: failed at a cost that nobody knows."""
    one = job(
        name,
        actor,
        key=f"{actor.platform}:{name}",
        place=Place(f"{actor.platform}:there"),
        inputs={"prompt_start": SECRET},
        due_at=FAR,
    )
    await store.accept(
        one, (), NOW, reserve=Reserve(7, "someone-eve", "installation", "2023-11-14", "2023-11")
    )
    (begun,) = await store.start(now=FAR, lease=60, at_once=100, at_once_per_person=100, limit=100)
    running = await store.submitted(begun, f"p-{name}", now=FAR)
    if open_:
        ended = await store.ended(running, Outcome.FAILED, now=FAR, code="x", cost=None)
    else:
        ended = await store.fetched(await succeed(store, running), [KEPT], now=FAR)
    return await store.delivered(ended, {}, now=FAR)


# -- the core: every method that takes the id of a job

JOB_CASES: dict[str, Case] = {
    "again": lambda core, id_, actor: core.again(id_, actor, WALL, f"board:again-{id_}"),
    "cancel": lambda core, id_, actor: core.cancel(id_, actor),
    "look": lambda core, id_, actor: core.look(id_, actor),
    "post_again": lambda core, id_, actor: core.post_again(id_, actor, WALL),
    "remove": lambda core, id_, actor: core.remove(id_, actor, moderates=True),
    "report": lambda core, id_, actor: core.report(id_, actor, "x"),
    "admin.cancel": lambda core, id_, actor: core.admin.cancel(id_, actor),
    "admin.remove": lambda core, id_, actor: core.admin.remove(id_, actor),
    "admin.settle": lambda core, id_, actor: core.admin.settle(actor, id_, Decimal("0.01")),
}


def _taking_jobs(protocol: type, prefix: str = "") -> set[str]:
    return {
        f"{prefix}{name}"
        for name, method in inspect.getmembers(protocol, inspect.isfunction)
        if not name.startswith("_") and "JobId" in str(inspect.signature(method))
    }


def test_every_method_of_the_core_that_takes_a_job_has_a_case() -> None:
    assert _taking_jobs(Core) | _taking_jobs(Admin, "admin.") == set(JOB_CASES)


async def said(work: Awaitable[Any]) -> str:
    """The words of a refusal; it must be one."""
    try:
        await work
    except ForPerson as error:
        return words.refusal(error)
    raise AssertionError("it was not refused")


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path, start=False) as studio:
        yield studio


@pytest.mark.parametrize("case", JOB_CASES)
@pytest.mark.parametrize(
    "actor", [ANNA, BOSS, replace(ANNA, server="@anna")], ids=["person", "admin", "alone"]
)
@pytest.mark.parametrize("open_", [False, True], ids=["done", "open"])
async def test_a_job_of_another_server_is_refused_like_one_that_never_was(
    studio: Rig, case: str, actor: Actor, open_: bool
) -> None:
    theirs = await foreign(studio.store, open_=open_)
    before = (await studio.store.get(theirs.id), await studio.store.ledger.charge(theirs.id))

    told = [await said(JOB_CASES[case](studio.core, id_, actor)) for id_ in (theirs.id, NEVER)]

    assert told[0] == told[1]
    assert (await studio.store.get(theirs.id), await studio.store.ledger.charge(theirs.id)) == before


async def test_no_list_and_no_file_shows_anything_of_another_server(studio: Rig) -> None:
    admin = studio.core.admin
    await foreign(studio.store, open_=True)
    await admin.change(EVE, [Change(SERVER, "words", SECRET)])
    await admin.block(EVE, "anna", "Anna", reason="of their own: whoever is blocked may read it")

    shown = [
        await studio.core.jobs(ANNA),
        await studio.core.my_data(ANNA),
        await studio.core.my_data(replace(ANNA, server="@anna")),
        await admin.jobs(BOSS),
        await admin.jobs(BOSS, person=EVE.id),
        await admin.audit(BOSS),
        await admin.audit_csv(BOSS),
        await admin.settings(BOSS),
        await admin.export(BOSS),
        await admin.people(BOSS),
        await admin.money(BOSS),
        await admin.keys(BOSS),
    ]

    assert [one for one in shown if SECRET in repr(one) or "foreign23456" in repr(one)] == []
    assert (await studio.core.submit(_order())).fresh, "who is blocked there is not blocked here"


def _order() -> Order:
    return Order(ANNA, WALL, "imagine", (("prompt", "a fox"),), "board:mine")


async def test_a_question_of_another_server_is_as_unknown_as_any(studio: Rig) -> None:
    order = replace(_order(), actor=replace(ANNA, server="elsewhere"), key="board:theirs")
    await studio.store.pending.put("token2345678", Pending(order), expires_at=2e9)

    told = [await said(studio.core.confirm(token, ANNA)) for token in ("token2345678", "never")]

    assert told[0] == told[1]
    assert await studio.store.by_key("board:theirs") is None


# -- the web page: every route that names a job, and every other that shows something

WEB_BODIES: dict[str, dict[str, Any]] = {
    "/api/jobs/{job}/cancel": {},
    "/api/jobs/{job}/again": {"key": "key-3333333333", "channel": "studio"},
    "/api/jobs/{job}/report": {"reason": "x"},
    "/api/admin/jobs/{job}/cancel": {},
    "/api/admin/jobs/{job}/remove": {},
}


def _paths(page: Page) -> dict[str, str]:
    """Paths of the page's routes, the patterns of their parts left out, and their methods."""
    routes = [one for one in page.web.routes(page.core) if hasattr(one, "path")]
    return {re.sub(r"\{(\w+):[^/]*\}", r"{\1}", one.path): one.method for one in routes}


async def test_every_route_of_a_job_has_a_case(page: Page) -> None:
    assert {path for path in _paths(page) if "{job}" in path} == set(WEB_BODIES)


async def test_the_page_knows_no_jobs_of_other_servers(page: Page, owner: Any) -> None:
    theirs = await foreign(page.store, replace(EVE, platform="discord"), open_=True)
    before = await page.store.get(theirs.id)
    for path, body in WEB_BODIES.items():
        for who in (page.ann, owner):
            told = [await post(who, path.replace("{job}", id_), body) for id_ in (theirs.id, NEVER)]
            assert told[0].status >= 400, path
            assert (told[0].status, told[0].body) == (told[1].status, told[1].body), path
    settled = [
        await post(owner, "/api/admin/money/settle", {"job": id_, "cost": "1"}) for id_ in (theirs.id, NEVER)
    ]
    assert (settled[0].status, settled[0].body) == (settled[1].status, settled[1].body)
    for path, method in _paths(page).items():
        if method == "GET" and path.startswith("/api/") and "{" not in path and path != "/api/events":
            seen = await get(owner, path)
            assert seen.status == 200, path
            shown = json.dumps(seen.body, default=str)
            assert SECRET not in shown, path
            assert theirs.id not in shown, path
    assert await page.store.get(theirs.id) == before


async def test_what_one_server_decides_changes_nothing_elsewhere(studio: Rig) -> None:
    await foreign(studio.store)
    admin = studio.core.admin
    await admin.change(EVE, [Change(SERVER, "words", SECRET)])
    await admin.block(EVE, "mallory", SECRET, reason=SECRET)

    async def elsewhere() -> list[str]:
        """All that the database holds, but for lines about the server where the boss is."""

        def dump(connection: Any) -> list[str]:
            lines = connection.connection.dbapi_connection.iterdump()
            return sorted(one for one in lines if f"'{BOSS.server}'" not in one and "sqlite_seq" not in one)

        return await studio.store._database.write(dump)

    before = await elsewhere()
    assert any(SECRET in line for line in before)
    await admin.change(BOSS, [Change(SERVER, "models", "imagine")])
    await admin.apply(BOSS, await admin.propose(BOSS, 'words = ["gore"]'))
    await admin.block(BOSS, EVE.id, "Eve")
    await admin.trust(BOSS, "mallory", "Mallory")
    await admin.clear(BOSS, "mallory")
    await admin.left(BOSS.platform, BOSS.server)
    await studio.core.forget_me(BOSS)
    assert await elsewhere() == before


def test_protocols_are_what_the_core_implements() -> None:
    """So that nothing of the core is without a line in the protocol that the cases are counted by."""
    for protocol, made in ((Core, Studio), (Admin, Office)):
        there = {n for n, _ in inspect.getmembers(protocol, inspect.isfunction) if not n.startswith("_")}
        assert there <= set(dir(made)), made.__name__
