"""Every button, menu and form with the id of another server's job: answered as for one that never was."""

from __future__ import annotations

import asyncio
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from adapters.discord import settings_render as show
from adapters.discord.customs import OF_A_JOB, Custom, Verb
from adapters.discord.settings import SettingsCommands
from bot.jobs import Actor, JobId
from tests.discord.rig import Stage, stage
from tests.discord_server import P, Person, Reply
from tests.discord_server.interactions import MODAL_SUBMIT
from tests.test_isolation import NEVER, SECRET, foreign

EVE = Actor("discord", "99", "Eve Elsewhere", "999")


def actions(handler: Any) -> list[str]:
    """What the handler knows to do, as it stands in its source."""
    return re.findall(r'case "(\w+)"', inspect.getsource(handler))


def customs(job: JobId) -> list[str]:
    of_jobs = [str(Custom(verb, job, "cutout" if verb is Verb.STEP else "")) for verb in sorted(OF_A_JOB)]
    return of_jobs + [str(show.admin(action, str(job))) for action in actions(SettingsCommands.pressed)]


def forms(job: JobId) -> list[str]:
    """Of all but the one that is about a person: whom a server blocks need not be there."""
    ours = [str(Custom(Verb.FORM, job, "restyle")), str(Custom(Verb.REPORT, job))]
    return ours + [
        str(show.admin(action, str(job)))
        for action in actions(SettingsCommands.submitted)
        if action != "blocked"
    ]


def test_there_is_something_to_try() -> None:
    assert {"cancel", "remove", "settle"} <= set(actions(SettingsCommands.pressed))
    assert {"blocked", "settled"} <= set(actions(SettingsCommands.submitted))


async def heard(reply: Reply, id_: JobId) -> tuple[Any, ...]:
    """All that came of it by the time that nothing more comes."""
    before: tuple[Any, ...] = ()
    for _ in range(40):
        await asyncio.sleep(0.05)
        own = reply.message.text if reply.message and reply.message.ephemeral else ""
        followups = tuple(one.text for one in reply.followups)
        title = reply.modal.title if reply.modal else None
        now = (reply.ack, own.replace(id_, "ID"), tuple(one.replace(id_, "ID") for one in followups), title)
        if now == before and (own or followups or title):
            return now
        before = now
    return before


async def submit(on: Stage, who: Person, custom: str) -> Reply:
    """A form as a client that was tampered with sends it."""
    texts = {"prompt": "a fox", "reason": "x", "cost": "1", "until": "", "key": "k", "value": "x"}
    parts = [
        {"type": 18, "id": n, "component": {"type": 4, "id": n + 50, "custom_id": key, "value": value}}
        for n, (key, value) in enumerate(texts.items(), 1)
    ]
    data = {"custom_id": custom, "components": parts, "resolved": {}}
    return await who._act(MODAL_SUBMIT, on.general, data, None, "", None)


@pytest.mark.parametrize("manages", [False, True], ids=["person", "admin"])
async def test_another_servers_job_is_as_unknown_as_any(tmp_path: Path, manages: bool) -> None:
    async with stage(tmp_path) as on:
        who = on.ada
        if manages:
            roles = [on.guild.role("mods", P.MANAGE_GUILD | P.MANAGE_MESSAGES)]
            who = on.server.person("Boss", on.guild, roles=roles)
        mine = await on.run("imagine", {"prompt": "a fox", "width": 128, "height": 128, "steps": 2})
        theirs = await foreign(on.studio.store, EVE, open_=True)
        charge = await on.studio.store.ledger.charge(theirs.id)
        message = on.message(mine)

        async def press(custom: str, id_: JobId) -> tuple[Any, ...]:
            data = {"custom_id": custom, "component_type": 3, "values": ["results"]}
            return await heard(await who._use(message, data, None, times=1, wait=True), id_)

        for known, unknown in zip(customs(theirs.id), customs(NEVER), strict=True):
            told = [await press(known, theirs.id), await press(unknown, NEVER)]
            assert told[0] == told[1], known
            assert SECRET not in repr(told), known
        for known, unknown in zip(forms(theirs.id), forms(NEVER), strict=True):
            told = [
                await heard(await submit(on, who, custom), id_)
                for custom, id_ in ((known, theirs.id), (unknown, NEVER))
            ]
            assert told[0] == told[1], known
            assert SECRET not in repr(told), known

        assert await on.job(theirs) == theirs
        assert await on.studio.store.ledger.charge(theirs.id) == charge
        assert await on.studio.store.of_server("discord", str(on.guild.id), limit=9) == [await on.job(mine)]
