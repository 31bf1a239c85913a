"""Looking after a workspace in Slack: typed, on the Home, in modals; and what others get who try."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.jobs import Actor, Job, Outcome
from bot.ports import Telling
from tests.governed import DEAR
from tests.rig import eventually
from tests.slack.rig import Rig, slack_rig
from tests.slack_server import Person, Upload
from tests.slack_server.messages import Message
from tests.slack_server.views import View
from tests.test_isolation import NEVER, foreign

KEY = "r8_0123456789abcdefghijklmnop"


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Rig]:
    async with slack_rig(tmp_path) as rig:
        yield rig


def boss_of(studio: Rig) -> Person:
    """An admin of the workspace."""
    return studio.server.person("boss", studio.team, studio.general, is_admin=True)


async def ask(studio: Rig, who: Person, text: str) -> Message:
    """What somebody alone is answered to /threadreel settings ..."""
    reply = await (await who.command("/threadreel", f"settings {text}", channel=studio.general)).answered(20)
    message = max([*reply.answers, *reply.ephemerals], key=lambda one: one.ts)
    assert message.ephemeral
    return message


async def press(who: Person, place: Message | View, **which: Any) -> View:
    """A button that opens a modal."""
    return await (await who.press(place, **which)).opened(20)


async def submit(studio: Rig, who: Person, values: dict[str, Any]) -> View:
    """Fill in the modal on top; returns it once it says what came of it."""
    view = who.view
    updates = view.updates
    await who.submit_view(values)
    await eventually(lambda: view.updates > updates + 1 and view.text, "it says what came of it")
    return view


async def refused(studio: Rig, who: Person | None = None) -> str:
    """What is said of an order that makes no job."""
    before = len(await studio.jobs())
    reply = await (await (who or studio.anna).command("/imagine", "a fox", channel=studio.general)).answered(
        20
    )
    assert len(await studio.jobs()) == before
    return reply.text


async def made(studio: Rig) -> Job:
    before = len(await studio.jobs())
    await studio.anna.command("/imagine", "a fox", channel=studio.general)

    async def another() -> list[Job]:
        return (await studio.jobs())[: -before or None]

    job = await studio.ended((await eventually(another, "there is another job"))[0])
    assert job.outcome is Outcome.READY
    return job


# -- settings


async def test_a_model_that_is_switched_off_is_refused_in_words(studio: Rig) -> None:
    boss = boss_of(studio)
    said = await ask(studio, boss, "set models_off imagine")
    assert "imagine" in said.text
    assert "/imagine" in await refused(studio)

    await ask(studio, boss, "unset models_off")

    await made(studio)


async def test_what_holds_is_shown_with_where_it_comes_from(studio: Rig) -> None:
    boss = boss_of(studio)
    await ask(studio, boss, "set limit.person.per_day 3")

    assert "3" in (await ask(studio, boss, "show limit.person.per_day")).text
    everything = await ask(studio, boss, "show")
    assert "models" in everything.text
    await boss.press(await ask(studio, boss, ""), label="Settings")
    await eventually(lambda: any("models_off" in one.text for one in boss.ephemerals), "the page is shown")


async def test_a_channel_and_a_user_group_may_have_their_own(studio: Rig) -> None:
    boss = boss_of(studio)
    art = studio.team.channel("art", studio.anna, boss, bot=True)
    foxes = studio.team.usergroup("foxes", studio.anna)
    await ask(studio, boss, "set models_off imagine in #general")
    await ask(studio, boss, f"set limit.person.per_day 7 for <!subteam^{foxes['id']}>")

    assert "/imagine" in await refused(studio)
    await studio.anna.command("/imagine", "a fox", channel=art)
    await studio.ended()
    assert "imagine" in (await ask(studio, boss, "show models_off in #general")).text
    assert f"<#{studio.general.id}>" in (await ask(studio, boss, "show in #general")).text
    usage = await (await studio.anna.command("/threadreel", "usage", channel=art)).answered(20)
    assert "7" in usage.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("set modls draw", "models"),
        ("set budget.server.day -3", "budget.server.day"),
        ("set budget.server.day 1,000", "budget.server.day"),
        ("set timezone Mars/Olympus", "Mars/Olympus"),
        ("set patterns (a+)+$(", "patterns"),
        ("set results nowhere", "thread"),
        ("show modls", "models"),
        ("block", ""),
        ("what is this", "settings show"),
    ],
)
async def test_a_mistake_is_told_and_the_old_setting_stays(studio: Rig, text: str, said: str) -> None:
    boss = boss_of(studio)
    await ask(studio, boss, "set models_off draw")

    assert said in (await ask(studio, boss, text)).text

    house = await studio.store.servers.load("slack", studio.team.id)
    assert [(one.key, one.value) for one in house.entries] == [("models_off", ["draw"])]


async def test_the_home_leads_to_every_page_of_who_looks_after_it_and_of_nobody_else(studio: Rig) -> None:
    boss = boss_of(studio)
    await boss.open_home()
    home = await eventually(boss.home, "it is published")
    pages = [one for one in home.buttons if one.action_id.startswith("admin.page.")]
    assert len(pages) == 7
    for button in pages:
        view = await press(boss, home, which=button.action_id)
        assert view.blocks
        await boss.close_view(everything=True)

    await studio.anna.open_home()
    theirs = await eventually(studio.anna.home, "it is published")
    assert not [one for one in theirs.buttons if one.action_id.startswith("admin.")]


async def test_in_modals_a_setting_is_changed_with_the_fitting_control(studio: Rig) -> None:
    boss = boss_of(studio)
    await boss.open_home()
    home = await eventually(boss.home, "it is published")
    page = await press(boss, home, which="admin.page.settings")
    await boss.select(page, "admin.page.group", "settings where server")
    await eventually(lambda: "channels_off" in page.text, "the other group is shown")

    await press(boss, page, value="channels_off server")
    saved = await submit(studio, boss, {"value": [studio.general]})
    assert f"<#{studio.general.id}>" in saved.text or studio.general.id in saved.text
    assert "channel" in await refused(studio)

    await boss.close_view()
    again = await press(boss, page, value="channels_off server")
    assert again.blocks[1]["element"]["initial_conversations"] == [studio.general.id]
    await submit(studio, boss, {"value": []})
    await made(studio)


async def test_a_mistake_in_a_form_is_told_there(studio: Rig) -> None:
    boss = boss_of(studio)
    await press(boss, await ask(studio, boss, "show ask_above"), which="admin.edit")

    said = await submit(studio, boss, {"value": "a lot"})

    assert "a lot" in said.text
    assert (await studio.store.servers.load("slack", studio.team.id)).entries == ()


async def test_what_fits_into_no_field_is_not_lost_by_a_form(studio: Rig) -> None:
    boss = boss_of(studio)
    words = ", ".join(f"word number {number} of very many" for number in range(200))
    text = f"words = {json.dumps(words.split(', '))}\n"
    await import_file(studio, boss, text)

    view = await press(boss, await ask(studio, boss, "show words"), which="admin.edit")

    assert view.submit is None
    assert "too long" in view.text


# -- files


async def import_file(studio: Rig, boss: Person, text: str) -> View:
    """Up to the end: a file is brought, compared, and applied."""
    await press(boss, await ask(studio, boss, "import"), which="admin.import")
    await submit(studio, boss, {"file": [Upload("settings.toml", text.encode())]})
    return await submit(studio, boss, {})


async def test_a_file_is_compared_then_applied_and_gives_the_same_back(studio: Rig) -> None:
    boss = boss_of(studio)
    await ask(studio, boss, "set models_off imagine")
    await press(boss, await ask(studio, boss, "import"), which="admin.import")
    text = 'models_off = ["draw"]\nlimit.person.per_day = 3\n'
    proposed = await submit(studio, boss, {"text": text})
    assert "limit.person.per_day" in proposed.text
    assert "/imagine" in await refused(studio)

    await submit(studio, boss, {})
    await ask(studio, boss, "export")

    (file,) = await exported(studio, boss)
    assert b'models_off = ["draw"]' in file
    await made(studio)


async def exported(studio: Rig, boss: Person) -> list[bytes]:
    def files() -> list[bytes]:
        return [file.data or b"" for one in studio.server.messages(boss.dm()) for file in one.files]

    found: list[bytes] = await eventually(files, "the file is there")
    return found


async def test_a_file_larger_than_a_field_comes_in_as_a_file(studio: Rig) -> None:
    boss = boss_of(studio)
    text = "\n".join(f'[channel.C{n}]\nwords = ["{"x" * 150}{n}"]' for n in range(60))
    assert len(text) > 3000

    await import_file(studio, boss, text)

    assert len((await studio.store.servers.load("slack", studio.team.id)).entries) == 60


@pytest.mark.parametrize(
    "content", [b"modls = 3\nbudget.server.day = -3\n", b"\xff\xfe\x00", b"x = 1\n" * 60_000]
)
async def test_a_file_with_mistakes_changes_nothing(studio: Rig, content: bytes) -> None:
    boss = boss_of(studio)
    await press(boss, await ask(studio, boss, "import"), which="admin.import")

    said = await submit(studio, boss, {"file": [Upload("settings.toml", content)]})

    assert said.submit is None
    assert said.text
    assert (await studio.store.servers.load("slack", studio.team.id)).entries == ()


async def test_nobody_applies_what_another_has_brought(studio: Rig) -> None:
    boss = boss_of(studio)
    other = studio.server.person("other", studio.team, studio.general, is_admin=True)
    await press(boss, await ask(studio, boss, "import"), which="admin.import")
    proposed = await submit(studio, boss, {"text": 'models_off = ["draw"]\n'})
    await press(other, await ask(studio, other, "import"), which="admin.import")
    other.view.data["private_metadata"] = proposed.private_metadata

    said = await submit(studio, other, {})

    assert "out of date" in said.text
    assert (await studio.store.servers.load("slack", studio.team.id)).entries == ()


# -- who may


@pytest.mark.parametrize(
    "text", ["", "show", "set models_off draw", "people", "audit", "money", "export", "import"]
)
async def test_who_does_not_look_after_the_workspace_is_refused(studio: Rig, text: str) -> None:
    assert "look after" in (await ask(studio, studio.anna, text)).text
    assert (await studio.store.servers.load("slack", studio.team.id)).entries == ()


async def test_whom_the_setting_names_looks_after_it_too(studio: Rig) -> None:
    await ask(studio, boss_of(studio), f"set admins {studio.anna.mention}")

    await ask(studio, studio.anna, "set models_off imagine")

    assert "/imagine" in await refused(studio)


FORGED = [
    ("admin.page.settings", "settings what server"),
    ("admin.page.people", "people"),
    ("admin.page.jobs", "jobs"),
    ("admin.page.audit", "audit"),
    ("admin.page.older", "audit 9"),
    ("admin.page.money", "money"),
    ("admin.page.keys", "keys"),
    ("admin.page.files", "files"),
    ("admin.edit", "words server"),
    ("admin.clear", "U1"),
    ("admin.stand", "new"),
    ("admin.block", "U1"),
    ("admin.cancel", "JOB"),
    ("admin.remove", "JOB"),
    ("admin.csv", "csv"),
    ("admin.key", "box"),
    ("admin.drop", "box"),
    ("admin.settle", "JOB"),
    ("admin.export", "export"),
    ("admin.import", "import"),
]


async def test_forged_buttons_and_forms_do_nothing(studio: Rig) -> None:
    """As a client that was tampered with sends them: by somebody who doesn't look after the workspace."""
    job = await made(studio)
    card = await studio.card()
    for name, value in FORGED:
        action = {"type": "button", "action_id": name, "block_id": "b", "value": value.replace("JOB", job.id)}
        reply = await studio.anna._block_action(card, action, times=1, wait=True)
        await reply.answered(20)
        assert "look after" in reply.text, name
        assert reply.view is None, name
    for about in (
        {"do": "set", "key": "models_off", "scope": "server"},
        {"do": "stand"},
        {"do": "key", "provider": "box"},
        {"do": "settle", "job": job.id},
        {"do": "import"},
        {"do": "apply", "token": "0011223344556677"},
    ):
        said = await forged_form(studio, studio.anna, about)
        assert "look after" in said.text or "out of date" in said.text, about
    assert (await studio.store.get(job.id)) == job
    assert (await studio.store.servers.load("slack", studio.team.id)).entries == ()


async def forged_form(studio: Rig, who: Person, about: dict[str, str]) -> View:
    """A form that the person may open, with another's metadata in it and everything filled in."""
    await press(who, await studio.card(), which="admin.report")
    view = who.view
    view.data["private_metadata"] = json.dumps(about)
    fields = ("value", "person", "standing", "until", "reason", "key", "cost", "text")
    view.data["blocks"] = [
        {
            "type": "input",
            "block_id": name,
            "label": {"type": "plain_text", "text": name},
            "element": {"type": "plain_text_input", "action_id": "value"},
        }
        for name in fields
    ]
    said = await submit(studio, who, {**dict.fromkeys(fields, "1"), "until": "7d"})
    await who.close_view()
    return said


async def test_another_workspaces_ids_in_forms_are_as_unknown_as_any(studio: Rig) -> None:
    """An admin here, and a job of elsewhere in the metadata of a form."""
    theirs = await foreign(studio.store, Actor("slack", "U77", "Bee", "T78"))
    await made(studio)
    boss = boss_of(studio)
    said = {
        (do, id_): (await forged_form(studio, boss, {"do": do, "job": id_})).text.replace(id_, "ID")
        for do in ("settle", "report")
        for id_ in (theirs.id, NEVER)
    }

    assert said["settle", theirs.id] == said["settle", NEVER]
    assert said["report", theirs.id] == said["report", NEVER]
    assert await studio.store.get(theirs.id) == theirs


# -- people, jobs, audit


async def test_who_is_blocked_starts_nothing_until_it_is_taken_back(studio: Rig) -> None:
    boss = boss_of(studio)
    said = await ask(studio, boss, f"block {studio.anna.mention} 7d spam")
    assert "spam" in said.text
    assert "spam" in await refused(studio)

    await boss.press(said, label="Unblock")
    await eventually(lambda: "Nobody" in boss.ephemerals[-1].text, "nobody is blocked")

    await made(studio)


async def test_in_a_form_too_and_a_strange_end_is_told(studio: Rig) -> None:
    boss = boss_of(studio)
    await press(boss, await ask(studio, boss, "people"), which="admin.stand")
    who = {"person": studio.anna, "standing": "block"}
    assert "soon" in (await submit(studio, boss, {**who, "until": "soon"})).text
    await boss.close_view()
    await press(boss, await ask(studio, boss, "people"), which="admin.stand")
    listed = await submit(studio, boss, {**who, "until": "12h", "reason": "too many"})

    assert "too many" in listed.text
    assert "too many" in await refused(studio)


async def test_a_result_is_deleted_with_its_prompt_and_message(studio: Rig) -> None:
    job = await made(studio)
    boss = boss_of(studio)
    listed = await ask(studio, boss, "jobs")
    assert "a fox" in listed.text

    await boss.press(listed, "admin.remove", value=job.id)

    async def gone() -> bool:
        kept = await studio.store.get(job.id)
        return kept is not None and (kept.media, dict(kept.inputs)) == ((), {})

    await eventually(gone, "it is gone")
    await eventually(
        lambda: all(not one.files for one in studio.server.messages(studio.general)), "taken down"
    )


async def test_the_audit_tells_and_comes_as_a_file(studio: Rig) -> None:
    boss = boss_of(studio)
    await ask(studio, boss, "set models_off draw")
    told = await ask(studio, boss, "audit")
    assert "models_off" in told.text

    await boss.press(told, "admin.csv")

    (file,) = await exported(studio, boss)
    assert b"models_off" in file


async def test_a_report_reaches_those_who_look_after_the_workspace(studio: Rig) -> None:
    boss = boss_of(studio)
    office = studio.team.channel("office", boss, bot=True)
    await ask(studio, boss, "set review_channel #office")
    job = await made(studio)
    ben = studio.server.person("ben", studio.team, studio.general)
    await press(ben, await studio.card(), which="admin.report")
    assert "Thank" in (await submit(studio, ben, {"reason": "not nice"})).text

    (news,) = await studio.store.notices.due(studio.server.clock(), 9)
    telling = Telling(news.key, news.server, news.code, dict(news.facts), office.id)
    for _ in range(2):
        await studio.slack.tell(telling)

    (told,) = studio.server.messages(office)
    assert "not nice" in told.text
    await boss.press(told, "admin.remove")
    await eventually(
        lambda: all(not one.files for one in studio.server.messages(studio.general)), "taken down"
    )
    kept = await studio.store.get(job.id)
    assert kept is not None
    assert kept.media == ()


# -- keys and money


async def test_a_key_is_checked_kept_and_never_shown(tmp_path: Path) -> None:
    async with slack_rig(tmp_path, own_keys=True, sandbox_options={"more_tokens": [KEY]}) as studio:
        boss = boss_of(studio)
        await press(boss, await ask(studio, boss, "keys"), which="admin.key")
        assert "take this key" in (await submit(studio, boss, {"key": "r8_wrong"})).text
        await boss.close_view()
        await press(boss, await ask(studio, boss, "keys"), which="admin.key")
        saved = await submit(studio, boss, {"key": KEY})
        listed = await ask(studio, boss, "keys")
        job = await made(studio)

        assert job.provider == f"box@slack:{studio.team.id}"
        assert KEY not in json.dumps([saved.blocks, listed.blocks])
        assert KEY.encode() not in (tmp_path / "jobs.db").read_bytes()
        await boss.press(listed, "admin.drop")
        await eventually(lambda: "not set" in boss.ephemerals[-1].text, "it is dropped")
        assert (await made(studio)).provider == "box"


async def test_a_budget_holds_and_money_tells_what_is_used(tmp_path: Path) -> None:
    async with slack_rig(tmp_path, prices=DEAR) as studio:
        boss = boss_of(studio)
        await ask(studio, boss, "set budget.server.day 0.50")
        await made(studio)

        assert "0.50" in await refused(studio)
        assert "0.40" in (await ask(studio, boss, "money")).text


async def test_an_expensive_job_waits_for_a_yes(tmp_path: Path) -> None:
    async with slack_rig(tmp_path, prices=DEAR) as studio:
        await ask(studio, boss_of(studio), "set ask_above 0.10")
        reply = await (await studio.anna.command("/imagine", "a fox", channel=studio.general)).answered(20)
        question = max([*reply.answers, *reply.ephemerals], key=lambda one: one.ts)
        assert "$0.40" in question.text
        assert await studio.jobs() == []

        for _ in range(2):
            await studio.anna.press(question, "admin.go")

        job = await studio.ended()
        assert (job.outcome, job.cost) == (Outcome.READY, Decimal("0.40"))
        assert len(await studio.jobs()) == 1


# -- what everybody may


async def test_one_gets_all_that_is_kept_and_is_forgotten(studio: Rig) -> None:
    job = await made(studio)
    await studio.anna.command("/threadreel", "my-data", channel=studio.general)
    (file,) = await exported(studio, studio.anna)
    assert json.loads(file)["jobs"][0]["inputs"]["prompt"] == "a fox"

    reply = await (await studio.anna.command("/threadreel", "forget-me", channel=studio.general)).answered(20)
    question = max([*reply.answers, *reply.ephemerals], key=lambda one: one.ts)
    await studio.anna.press(question, "admin.forget")

    async def gone() -> bool:
        return await studio.store.get(job.id) is None

    await eventually(gone, "it is forgotten")
    await eventually(
        lambda: all(not one.files for one in studio.server.messages(studio.general)), "taken down"
    )
    assert (await studio.core.my_data(job.actor))["jobs"] == []
