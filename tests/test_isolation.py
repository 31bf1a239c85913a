"""Nobody of one server sees or touches anything of another's; a forged id is refused like an unknown one."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, is_dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from sqlalchemy import Connection, update

from adapters.discord.customs import OF_A_JOB, Custom, Verb
from bot.caps import Quota, Reserve, Whose
from bot.core import Studio
from bot.errors import ForPerson, Refused
from bot.jobs import Actor, Job, JobId, Media, Outcome, Output, Place, State
from bot.ports import Action, Admin, Core, Record
from bot.rules import Change, Scope
from bot.store import Store
from bot.store.tables import job_row, jobs
from tests.discord.rig import stage
from tests.rig import Rig, eventually, rig
from tests.slack.rig import slack_rig
from tests.store_rig import job
from tests.test_web_api import Page, get, person, post
from tests.test_web_api import page as page  # a fixture

SECRET = "beesonly"
UNKNOWN = JobId("zzzzzzzzzzzz")
MEDIA = Media("ab" * 32, "image", "image", "image/png", 10, 8, 8)


async def made_elsewhere(store: Store, actor: Actor, place: str, *, now: float) -> Job:
    """A job of another server with a result, an open charge's money, and their word all over it."""
    new = replace(
        job(f"{actor.platform[:2]}bees000001", actor),
        place=Place(place),
        provider="box",
        model="imagine",
        inputs={"prompt": SECRET, "seed": 1},
        created_at=now,
        due_at=now + 10**9,  # an engine that runs leaves it alone
    )
    quota = Quota("budget_server_day", "money", 10**9, Whose.SERVER, "2026-11-27", now + 60)
    reserve = Reserve(400_000, f"someone-{actor.id}", "installation", "2026-11-27", "2026-11", (quota,))
    record = Record(0, now, actor.id, SECRET, Action.RAN, f"job {new.id}", None, {"model": SECRET})
    await store.accept(new, (), now, reserve=reserve, record=record)
    done = replace(
        new,
        state=State.DONE,
        outcome=Outcome.READY,
        ended_at=now,
        prediction=f"p-{new.id}",
        outputs=(Output("https://files.example/out.png", "image"),),
        media=(MEDIA,),
        posted={"card": "1", "result": "2"},
    )

    def end(connection: Connection) -> None:
        connection.execute(update(jobs).where(jobs.c.id == new.id).values(job_row(done)))

    await store._database.write(end)
    return done


# -- the core: every call that takes a job's id, every call that tells something

ADA = Actor("board", "ada", "Ada", "foxes", manages=True)
BEE = Actor("board", "bee", SECRET, "bees", manages=True)
WALL = Place("board:wall")

Call: TypeAlias = Callable[[Studio, JobId], Awaitable[Any]]
BY_ID: dict[str, Call] = {
    "Core.cancel": lambda core, id: core.cancel(id, ADA),
    "Core.again": lambda core, id: core.again(id, ADA, WALL, "a key"),
    "Core.post_again": lambda core, id: core.post_again(id, ADA, WALL),
    "Core.remove": lambda core, id: core.remove(id, ADA, moderates=True),
    "Core.look": lambda core, id: core.look(id, ADA),
    "Core.report": lambda core, id: core.report(id, ADA, "a reason"),
    "Admin.cancel": lambda core, id: core.admin.cancel(id, ADA),
    "Admin.remove": lambda core, id: core.admin.remove(id, ADA),
    "Admin.settle": lambda core, id: core.admin.settle(ADA, id, Decimal(1)),
}
TELLING: dict[str, Callable[[Studio], Awaitable[Any]]] = {
    "Core.results": lambda core: core.results(ADA, "wall"),
    "Core.language": lambda core: core.language(ADA),
    "Core.jobs": lambda core: core.jobs(ADA, limit=100),
    "Core.usage": lambda core: core.usage(ADA, "wall"),
    "Core.my_data": lambda core: core.my_data(ADA),
    "Core.forget_me": lambda core: core.forget_me(ADA),
    "Admin.settings": lambda core: core.admin.settings(ADA),
    "Admin.set_scopes": lambda core: core.admin.set_scopes(ADA),
    "Admin.export": lambda core: core.admin.export(ADA),
    "Admin.people": lambda core: core.admin.people(ADA),
    "Admin.jobs": lambda core: core.admin.jobs(ADA, limit=100),
    "Admin.jobs of one": lambda core: core.admin.jobs(ADA, person="bee", limit=100),
    "Admin.audit": lambda core: core.admin.audit(ADA, limit=100),
    "Admin.audit before": lambda core: core.admin.audit(ADA, limit=100, before=10**9),
    "Admin.audit_csv": lambda core: core.admin.audit_csv(ADA),
    "Admin.keys": lambda core: core.admin.keys(ADA),
    "Admin.key_providers": lambda core: core.admin.key_providers(ADA),
    "Admin.money": lambda core: core.admin.money(ADA),
}
OF_ONES_OWN = {
    "Core.submit",
    "Core.confirm",
    "Core.keep",
    "Core.media_path",
    "Admin.may",
    "Admin.change",
    "Admin.propose",
    "Admin.apply",
    "Admin.block",
    "Admin.trust",
    "Admin.clear",
    "Admin.set_key",
    "Admin.drop_key",
    "Admin.left",
    "Admin.joined",
}
"""Calls that change something of the caller's own server (see `test_what_one_decides_…`), or name none."""


def test_every_call_of_the_ports_is_tried() -> None:
    found = {
        f"{port.__name__}.{name}"
        for port in (Core, Admin)
        for name, _ in inspect.getmembers(port, inspect.isfunction)
        if not name.startswith("_")
    }
    assert found == {name.partition(" ")[0] for name in (*BY_ID, *TELLING)} | OF_ONES_OWN


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Rig]:
    """Two servers; the bees have set, blocked, ordered and written down what nobody else may read."""
    async with rig(tmp_path, start=False, own_keys=True) as studio:
        await made_elsewhere(studio.store, BEE, "board:hive", now=1_800_000_000.0)
        admin = studio.core.admin
        await admin.change(BEE, [Change(Scope(), "words", SECRET), Change(Scope(), "language", "zh")])
        await admin.block(BEE, f"{SECRET}-eve", SECRET, reason=SECRET)
        yield studio


async def everything(store: Store) -> str:
    """All that the database holds, but for what was done where Ada is."""

    def dump(connection: Any) -> list[str]:
        raw = connection.connection.dbapi_connection
        return [line for line in raw.iterdump() if "foxes" not in line and 'INSERT INTO "sqlite_' not in line]

    return "\n".join(sorted(await store._database.write(dump)))


async def refusal(call: Awaitable[Any]) -> tuple[str, str]:
    with pytest.raises(ForPerson) as caught:
        await call
    assert isinstance(caught.value, Refused), caught.value
    return caught.value.code, json.dumps(caught.value.facts, default=str)


@pytest.mark.parametrize("name", BY_ID)
async def test_anothers_id_is_refused_like_an_unknown_one(studio: Rig, name: str) -> None:
    """Also to whoever looks after another server."""
    before = await everything(studio.store)
    theirs = await refusal(BY_ID[name](studio.core, JobId("bobees000001")))
    unknown = await refusal(BY_ID[name](studio.core, UNKNOWN))
    assert theirs == unknown
    assert theirs[0] in ("not_found", "not_open")
    assert await everything(studio.store) == before


def _plain(one: Any) -> Any:
    return asdict(one) if is_dataclass(one) and not isinstance(one, type) else str(one)


@pytest.mark.parametrize("name", TELLING)
async def test_nothing_of_another_server_is_told(studio: Rig, name: str) -> None:
    before = await everything(studio.store)
    told = await TELLING[name](studio.core)
    shown = json.dumps(
        told, default=lambda one: asdict(one) if hasattr(one, "__dataclass_fields__") else str(one)
    )
    assert SECRET not in shown
    assert "bees" not in shown
    assert '"zh"' not in shown
    assert await everything(studio.store) == before


async def test_what_one_decides_changes_nothing_elsewhere(studio: Rig) -> None:
    before, admin = await everything(studio.store), studio.core.admin
    await admin.change(ADA, [Change(Scope(), "models", "imagine")])
    await admin.apply(ADA, await admin.propose(ADA, 'words = ["gore"]'))
    await admin.block(ADA, "bee", "Bee")
    await admin.trust(ADA, f"{SECRET}-eve", "Eve")
    await admin.clear(ADA, f"{SECRET}-eve")
    await admin.left("board", "foxes")
    await studio.core.forget_me(ADA)
    assert await everything(studio.store) == before


async def test_a_question_is_answered_by_whom_it_was_put_to(studio: Rig) -> None:
    """The token of another person's expensive job is of no use, in their server or elsewhere."""
    for who in (ADA, replace(ADA, server="bees")):
        assert (await refusal(studio.core.confirm("0" * 32, who)))[0] == "confirm_expired"


# -- the page


async def test_the_page_knows_no_job_of_another_platform(page: Page) -> None:
    """Every address that takes a job's id answers as to an unknown one; to Ann, and to the page's owner."""
    bee = Actor("discord", "1", SECRET, "77")
    theirs = await made_elsewhere(page.store, bee, "discord:77/1", now=page.clock())
    routes = [one for one in page.web.routes(page.core) if "{job" in getattr(one, "path", "")]
    assert len(routes) >= 5
    async with person(page.site, page.store, page.clock, "Owner", manages=True) as owner:
        for route in routes:
            before, after = re.split(r"\{job.*?\}", str(getattr(route, "path", "")))
            for who in (page.ann, owner):
                addresses = [f"{before}{id}{after}" for id in (theirs.id, UNKNOWN)]
                forged, unknown = [await post(who, one, {"key": "a" * 32}) for one in addresses]
                assert (forged.status, forged.body) == (unknown.status, unknown.body), route
                assert forged.status >= 400, route
        charges = [{"job": id, "cost": "1"} for id in (theirs.id, UNKNOWN)]
        settled = [await post(owner, "/api/admin/money/settle", one) for one in charges]
        assert settled[0].body == settled[1].body
        for path in ("state", "jobs", "audit", "audit.csv", "money", "people", "settings", "export"):
            answer = await get(owner, f"/api/admin/{path}")
            assert answer.status == 200
            assert SECRET not in json.dumps(answer.body)
    assert await page.store.get(theirs.id) == theirs


# -- buttons


async def test_no_button_of_discord_reaches_into_another_server(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        mine = await on.run("imagine", {"prompt": "a fox"})
        bee = Actor("discord", "77", SECRET, "78")
        theirs = await made_elsewhere(on.studio.store, bee, "discord:78/79", now=mine.created_at)
        for verb in sorted(OF_A_JOB):
            said = [await _forged(on, mine, verb, id) for id in (theirs.id, UNKNOWN)]
            assert said[0] == said[1] != "", verb
            assert SECRET not in said[0]
        assert await on.job(theirs) == theirs
        assert len(await on.studio.store.of_server("discord", str(on.guild.id), limit=99)) == 1


async def _forged(on: Any, mine: Job, verb: Verb, id: JobId) -> str:
    """What a client that was tampered with is told."""
    custom = str(Custom(verb, id, "edit" if verb is Verb.STEP else ""))
    data = {"custom_id": custom, "component_type": 2}
    reply = await on.ada._use(on.message(mine), data, None, times=1, wait=True)

    def told() -> str:
        own = reply.message.text if reply.message is not None and reply.message.ephemeral else ""
        return own + " ".join(one.text for one in reply.followups)

    said: str = await eventually(lambda: told() or (reply.modal and "a form"), f"an answer to {verb}")
    return said


async def test_no_button_of_slack_reaches_into_another_workspace(tmp_path: Path) -> None:
    async with slack_rig(tmp_path) as studio:
        await studio.anna.command("/imagine", "a fox", channel=studio.general)
        await studio.ended()
        bee = Actor("slack", "U77", SECRET, "T78")
        theirs = await made_elsewhere(studio.store, bee, "slack:T78/C79", now=studio.server.clock())
        card = await studio.card()
        names = [*(button.action_id for button in card.buttons), "job.cancel", "job.post"]
        assert len(names) >= 8
        for name in names:
            said = []
            for id in (theirs.id, UNKNOWN):
                action = {"type": "button", "action_id": name, "block_id": "b", "value": id}
                reply = await studio.anna._block_action(card, action, times=1, wait=True)
                await eventually(partial(_answer, reply), f"an answer to {name}")
                said.append(_answer(reply))
            assert said[0].replace(theirs.id, UNKNOWN) == said[1], name
            assert SECRET not in said[0]
            while studio.anna.views:
                await studio.anna.close_view()
        assert await studio.store.get(theirs.id) == theirs
        assert len(await studio.jobs()) == 1


def _answer(reply: Any) -> str:
    return reply.text or (json.dumps(reply.view.blocks) if reply.view else "")
