"""/settings and what goes with it, as those who look after a server use it, and as others try to."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.discord import settings_render as show
from adapters.discord.customs import Custom, Verb
from bot.errors import Gone
from bot.jobs import Outcome, State
from bot.ports import Telling
from tests.discord.rig import Stage, stage
from tests.discord_server import ClientRefused, P, Person, Reply
from tests.discord_server.messages import Message
from tests.governed import DEAR
from tests.rig import eventually

FOX = {"prompt": "a fox", "width": 128, "height": 128, "steps": 2}
KEY = "r8_0123456789abcdefghijklmnop"


@pytest.fixture
async def on(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as on:
        yield on


def boss_of(on: Stage) -> Person:
    return on.server.person("Boss", on.guild, roles=[on.guild.role("mods", P.MANAGE_GUILD)])


async def ask(on: Stage, who: Person, part: str, options: dict[str, Any] | None = None) -> Reply:
    reply = await who.command(f"settings {part}", options, channel=on.general)
    assert reply.ephemeral
    return await reply.answered()


async def choose(on: Stage, who: Person, message: Message, custom: Custom, value: str, until: str) -> None:
    """Choose in a menu, and wait until the message says something."""
    await who.select(message, str(custom), [value])
    await eventually(lambda: until in json.dumps(message.components), f"it says {until}")


async def says(message: Message, text: str) -> None:
    await eventually(lambda: text in message.text, f"it says {text}")


async def refused(on: Stage, who: Person, options: dict[str, Any] | None = None) -> str:
    """What is said of an order that makes no job."""
    reply = await who.command("imagine", options or FOX, channel=on.general)
    (said,) = await eventually(lambda: reply.followups, "the refusal")
    assert reply.message is None or reply.message.deleted
    return str(said.text)


# -- settings


async def test_a_model_that_is_switched_off_is_refused_in_words(on: Stage) -> None:
    boss = boss_of(on)
    reply = await ask(on, boss, "set", {"key": "models_off", "value": "imagine"})

    assert "models_off" in reply.text
    assert "/imagine" in await refused(on, on.ada)
    assert (await on.studio.store.audit.page("discord", str(on.guild.id), limit=9))[0].by_name == "Boss"


async def test_names_and_values_are_completed(on: Stage) -> None:
    boss = boss_of(on)
    keys = await boss.autocomplete("settings set", "key", "limit.per", channel=on.general)
    values = await boss.autocomplete("settings set", "value", "euro", {"key": "timezone"}, channel=on.general)

    assert "limit.person.per_day" in [one["value"] for one in keys.choices]
    assert all("Europe" in one["value"] for one in values.choices)


async def test_a_mistake_is_told_and_the_old_setting_stays(on: Stage) -> None:
    boss = boss_of(on)
    await ask(on, boss, "set", {"key": "timezone", "value": "Europe/Zurich"})
    reply = await ask(on, boss, "set", {"key": "timezone", "value": "Europe/Zurick"})

    assert "Europe/Zurich" in reply.text
    kept = await on.studio.store.servers.load("discord", str(on.guild.id))
    assert [(one.key, one.value) for one in kept.entries] == [("timezone", "Europe/Zurich")]


async def test_by_menus_a_choice_is_made_and_taken_back(on: Stage) -> None:
    boss = boss_of(on)
    panel = (await ask(on, boss, "show")).message
    assert panel is not None
    await choose(on, boss, panel, show.admin("group"), "where", "results")
    await choose(on, boss, panel, show.admin("key"), "results", "tr:admin::choose::results")
    await choose(on, boss, panel, show.admin("choose", arg="results"), "channel", "tr:admin::reset::results")
    job = await on.run("imagine", FOX)
    assert job.place.endswith("/channel")
    assert on.message(job).channel is on.general

    await boss.press(panel, str(show.admin("reset", arg="results")))
    await eventually(lambda: "admin::reset" not in json.dumps(panel.components), "it is taken back")

    assert (await on.studio.store.servers.load("discord", str(on.guild.id))).entries == ()


async def test_channels_are_chosen_from_those_that_there_are(on: Stage) -> None:
    boss, other = boss_of(on), on.guild.text("quiet")
    panel = (await ask(on, boss, "show")).message
    assert panel is not None
    await choose(on, boss, panel, show.admin("group"), "where", "channels")
    await choose(on, boss, panel, show.admin("key"), "channels", "tr:admin::choose::channels")
    await choose(
        on, boss, panel, show.admin("choose", arg="channels"), str(other.id), "tr:admin::reset::channels"
    )

    assert "channel" in await refused(on, on.ada)
    job = await on.run("imagine", FOX, channel=other)
    assert job.channel == str(other.id)


async def test_without_a_value_a_form_opens_with_the_present_one(on: Stage) -> None:
    boss = boss_of(on)
    await ask(on, boss, "set", {"key": "words", "value": "naked, gore"})
    opened = await boss.command("settings set", {"key": "words"}, channel=on.general)
    assert opened.modal is not None
    assert opened.modal.field("value").value == "gore, naked"

    await (await boss.fill_modal({"value": "whale"})).answered()

    assert "prompt" in await refused(on, on.ada, {**FOX, "prompt": "a W h a l e"})
    assert (await on.run("imagine", {**FOX, "prompt": "naked truth"})).outcome is Outcome.READY


async def test_a_channel_and_a_role_may_have_their_own(on: Stage) -> None:
    boss, artists = boss_of(on), on.guild.role("artists")
    ben = on.server.person("Ben", on.guild, roles=[artists])
    await ask(on, boss, "set", {"key": "models", "value": "draw"})
    await ask(on, boss, "set", {"key": "models", "value": "*", "role": artists})

    assert "/imagine" in await refused(on, on.ada)
    reply = await ben.command("imagine", FOX, channel=on.general)
    assert (await on.ended(reply)).outcome is Outcome.READY


async def test_a_file_is_compared_then_applied_and_gives_the_same_back(on: Stage) -> None:
    boss = boss_of(on)
    await ask(on, boss, "set", {"key": "models_off", "value": "imagine"})
    text = b'models_off = ["draw"]\nlimit.person.per_day = 3\n'
    reply = await ask(on, boss, "import", {"file": ("settings.toml", text)})
    assert "models_off" in reply.text
    assert "limit.person.per_day" in reply.text
    assert reply.message is not None
    assert "/imagine" in await refused(on, on.ada)

    proposal = reply.message
    await boss.press(proposal, label="Apply")
    await eventually(lambda: "Apply" not in json.dumps(proposal.components), "it is applied")
    exported = await ask(on, boss, "export")

    assert exported.message is not None
    (file,) = exported.message.attachments
    assert b'models_off = ["draw"]' in file.data
    assert (await on.run("imagine", FOX)).outcome is Outcome.READY


async def test_a_file_with_mistakes_changes_nothing(on: Stage) -> None:
    boss = boss_of(on)
    text = b'modls = ["draw"]\nbudget.server.day = -3\n'
    reply = await ask(on, boss, "import", {"file": ("settings.toml", text)})

    assert "modls" in reply.text
    assert "budget.server.day" in reply.text
    assert (await on.studio.store.servers.load("discord", str(on.guild.id))).entries == ()


# -- who may


async def test_who_may_not_manage_the_server_is_not_offered_it(on: Stage) -> None:
    with pytest.raises(ClientRefused):
        await on.ada.command("settings show", channel=on.general)


@pytest.mark.parametrize(
    ("action", "about", "arg"),
    [
        ("group", "", "what"),
        ("key", "", ""),
        ("choose", "", "results"),
        ("reset", "", "results"),
        ("apply", "0011223344556677", ""),
        ("clear", "1", ""),
        ("cancel", "abcdefghijkl", ""),
        ("remove", "abcdefghijkl", ""),
        ("audit", "", ""),
        ("csv", "", ""),
        ("drop", "", "box"),
        ("edit", "", "words"),
        ("block", "1", ""),
        ("key_form", "", "box"),
        ("settle", "abcdefghijkl", ""),
    ],
)
async def test_a_forged_button_does_nothing(on: Stage, action: str, about: str, arg: str) -> None:
    """As a client that was tampered with sends it: by somebody who doesn't look after the server."""
    job = await on.run("imagine", FOX)
    message = on.message(job)
    custom = str(show.admin(action, about, arg))
    data = {"custom_id": custom, "component_type": 3, "values": ["results"]}

    reply = await on.ada._use(message, data, None, times=1, wait=True)

    said = await eventually(
        lambda: (
            (reply.message.text if reply.message and reply.message.ephemeral else "")
            or " ".join(one.text for one in reply.followups)
        ),
        "an answer",
    )
    assert "look after" in said or "out of date" in said or "manage" in said, said
    assert reply.modal is None
    assert (await on.job(job)).media != ()


async def test_another_servers_jobs_are_not_there(on: Stage) -> None:
    job = await on.run("imagine", FOX)
    elsewhere = on.server.guild("Owls")
    channel = elsewhere.text("general")
    boss = on.server.person("Eve", elsewhere, roles=[elsewhere.role("mods", P.MANAGE_GUILD)])
    reply = await boss.command("settings jobs", channel=channel)
    await reply.answered()
    assert str(job.id) not in json.dumps(reply.message.components if reply.message else [])

    assert reply.message is not None
    for action in ("remove", "cancel"):
        data = {"custom_id": str(show.admin(action, str(job.id))), "component_type": 2}
        forged = await boss._use(reply.message, data, None, times=1, wait=True)
        await forged.answered()
    assert (await on.job(job)).media != ()


# -- people, jobs, keys, money


async def test_who_is_blocked_starts_nothing_until_it_is_taken_back(on: Stage) -> None:
    boss = boss_of(on)
    reply = await ask(on, boss, "block", {"person": on.ada, "until": "7d", "reason": "spam"})
    assert "spam" in reply.text
    assert "spam" in await refused(on, on.ada)

    assert reply.message is not None
    people = reply.message
    await boss.press(people, label="Unblock")
    await eventually(lambda: "Unblock" not in json.dumps(people.components), "it is taken back")

    assert (await on.run("imagine", FOX)).outcome is Outcome.READY


async def test_a_strange_end_is_told(on: Stage) -> None:
    reply = await ask(on, boss_of(on), "block", {"person": on.ada, "until": "soon"})

    assert "soon" in reply.text
    assert (await on.run("imagine", FOX)).outcome is Outcome.READY


async def test_a_result_is_deleted_with_its_prompt_and_message(on: Stage) -> None:
    job = await on.run("imagine", FOX)
    boss = boss_of(on)
    reply = await ask(on, boss, "jobs")
    assert reply.message is not None

    await (await boss.press(reply.message, str(show.admin("remove", str(job.id))))).answered()

    kept = await on.job(job)
    assert (kept.media, dict(kept.inputs)) == ((), {})
    assert on.message(job).deleted


async def test_the_audit_tells_and_comes_as_a_file(on: Stage) -> None:
    boss = boss_of(on)
    await ask(on, boss, "set", {"key": "models_off", "value": "draw"})
    reply = await ask(on, boss, "audit")
    assert "models_off" in reply.text
    assert reply.message is not None

    saved = await boss.press(reply.message, str(show.admin("csv")))
    await saved.answered()

    assert saved.message is not None
    (file,) = saved.message.attachments
    assert b"models_off" in file.data


async def test_a_report_reaches_those_who_look_after_the_server(on: Stage) -> None:
    boss, office = boss_of(on), on.guild.text("office")
    await ask(on, boss, "set", {"key": "review_channel", "value": f"<#{office.id}>"})
    job = await on.run("imagine", FOX)
    ben = on.server.person("Ben", on.guild)
    await ben.press(on.message(job), str(Custom(Verb.REPORT, job.id)))
    thanks = await (await ben.fill_modal({"reason": "not nice"})).answered()
    assert thanks.ephemeral

    (news,) = await on.studio.store.notices.due(time.time(), 9)
    telling = Telling(news.key, news.server, news.code, dict(news.facts), str(office.id))
    for _ in range(2):
        await on.studio.platform.tell(telling)

    (told,) = office.messages.values()
    assert "not nice" in told.text
    await (await boss.press(told, str(show.admin("remove", str(job.id))))).answered()
    assert on.message(job).deleted


async def test_news_without_a_channel_goes_to_the_owner(on: Stage) -> None:
    facts = {"used": "4", "limit": "5", "budget": "budget_server_day", "resets_at": 0.0}

    await on.studio.platform.tell(Telling("k", str(on.guild.id), "budget_80", facts, None))

    told = [m for c in on.server.world.channels.values() for m in c.messages.values() if "80" in m.text]
    assert len(told) == 1


async def test_a_key_is_checked_kept_and_never_shown(tmp_path: Path) -> None:
    async with stage(tmp_path, own_keys=True, sandbox_options={"more_tokens": [KEY]}) as on:
        boss = boss_of(on)
        opened = await boss.command("settings key", {"provider": "box"}, channel=on.general)
        assert opened.modal is not None
        saved = await (await boss.fill_modal({"key": KEY})).answered()
        listed = await ask(on, boss, "keys")
        job = await on.run("imagine", FOX)

        assert "set" in saved.text
        assert job.provider == f"box@discord:{on.guild.id}"
        assert job.outcome is Outcome.READY
        said = json.dumps([saved.message.components if saved.message else [], listed.text])
        assert KEY not in said
        assert KEY.encode() not in (tmp_path / "jobs.db").read_bytes()
        assert listed.message is not None
        there = listed.message
        await boss.press(there, str(show.admin("drop", arg="box")))
        await eventually(lambda: "dropped" in json.dumps(there.components), "it is dropped")
        assert (await on.run("imagine", FOX)).provider == "box"


async def test_what_is_open_is_settled(tmp_path: Path) -> None:
    async with stage(tmp_path, prices=DEAR) as on:
        boss = boss_of(on)
        await ask(on, boss, "set", {"key": "budget.server.day", "value": "0.50"})
        first = await on.run("imagine", FOX)
        assert first.state is State.DONE

        assert "0.50" in await refused(on, on.ada)
        statement = await ask(on, boss, "money")
        assert "0.40" in statement.text


# -- estimates, and being forgotten


async def test_an_expensive_job_waits_for_a_yes(tmp_path: Path) -> None:
    async with stage(tmp_path, prices=DEAR) as on:
        await ask(on, boss_of(on), "set", {"key": "ask_above", "value": "0.10"})
        reply = await on.ada.command("imagine", FOX, channel=on.general)
        (question,) = await eventually(lambda: reply.followups, "the question")
        assert "$0.40" in question.text
        assert question.ephemeral
        assert await on.studio.store.by_key(f"discord:{reply.id}") is None
        eve = on.server.person("Eve", on.guild)
        with pytest.raises(ClientRefused):
            await eve.press(question, label="Run it")

        for _ in range(2):
            await on.ada.press(question, label="Run it")

        job = await on.ended(reply)
        assert (job.outcome, job.cost) == (Outcome.READY, Decimal("0.40"))
        assert len(await on.studio.store.of_server("discord", str(on.guild.id), limit=9)) == 1


async def test_one_gets_all_that_is_kept_and_is_forgotten(on: Stage) -> None:
    job = await on.run("imagine", FOX)
    reply = await (await on.ada.command("my-data", channel=on.general)).answered()
    assert reply.message is not None
    (file,) = reply.message.attachments
    assert json.loads(file.data)["jobs"][0]["inputs"]["prompt"] == "a fox"

    asked = await on.ada.command("forget-me", channel=on.general)
    assert asked.message is not None
    question = asked.message
    await on.ada.press(question, str(Custom(Verb.FORGET)))
    await eventually(lambda: "forgotten" in json.dumps(question.components), "it is said")

    assert await on.studio.store.get(job.id) is None
    await eventually(lambda: on.message(job).deleted, "the result is taken down")
    assert (await on.studio.core.my_data(job.actor))["jobs"] == []


async def test_who_removes_the_bot_is_forgotten_in_the_end(on: Stage) -> None:
    on.guild.emit("GUILD_DELETE", {"id": str(on.guild.id)})

    async def leaves() -> Any:
        return await on.studio.store.servers.to_delete(time.time() + 8 * 86_400)

    assert await eventually(leaves, "it is noted") == [("discord", str(on.guild.id))]


# -- nothing is lost on the way


def big_file(rules: int = 12, of_words: int = 400) -> bytes:
    """Settings of many channels: far more than one read of a connection gives."""
    blocked = ", ".join(f'"word {number:04} of many"' for number in range(of_words))
    return "\n".join(f'[channel."{n + 1}"]\nwords = [{blocked}]' for n in range(rules)).encode()


async def test_a_large_file_is_read_to_its_end(on: Stage) -> None:
    boss, text = boss_of(on), big_file()
    assert len(text) > 100_000
    reply = await ask(on, boss, "import", {"file": ("settings.toml", text)})
    assert reply.message is not None
    proposal = reply.message

    await boss.press(proposal, label="Apply")
    await eventually(lambda: "Apply" not in json.dumps(proposal.components), "it is applied")

    kept = await on.studio.store.servers.load("discord", str(on.guild.id))
    assert sorted(int(one.scope.id) for one in kept.entries) == list(range(1, 13))
    assert all(len(one.value) == 400 for one in kept.entries)


async def test_all_that_a_file_would_change_can_be_looked_at(on: Stage) -> None:
    boss = boss_of(on)
    text = "\n".join(f'[channel."{n}"]\nresults = "reply"' for n in range(1, 101)).encode()
    reply = await ask(on, boss, "import", {"file": ("settings.toml", text)})
    assert reply.message is not None
    seen, proposal = reply.text, reply.message
    for number in range(2, 6):
        await boss.press(proposal, label="Next")
        await says(proposal, f"Page {number} of 5")
        seen += proposal.text
    assert all(f"<#{n}>" in seen for n in range(1, 101))

    saved = await (await boss.press(proposal, label="All of it as a file")).answered()

    assert saved.message is not None
    assert saved.message.attachments[0].data.count(b"results") == 100


async def test_pressed_twice_it_is_applied_once_and_said_twice(on: Stage) -> None:
    boss = boss_of(on)
    reply = await ask(on, boss, "import", {"file": ("settings.toml", b'models_off = ["draw"]\n')})
    assert reply.message is not None
    proposal = reply.message

    for one in [await boss.press(proposal, label="Apply", wait=False) for _ in range(2)]:
        await one.acknowledged()
    await eventually(lambda: "Apply" not in json.dumps(proposal.components), "it is applied")

    assert "Saved" in proposal.text
    assert len(await on.studio.store.audit.page("discord", str(on.guild.id), limit=9)) == 1


async def test_nobody_applies_what_another_has_brought(on: Stage) -> None:
    boss = boss_of(on)
    other = on.server.person("Other", on.guild, roles=[on.guild.role("more", P.MANAGE_GUILD)])
    reply = await ask(on, boss, "import", {"file": ("settings.toml", b'models_off = ["draw"]\n')})
    assert reply.message is not None
    (button,) = [one for one in reply.message.buttons if one.label == "Apply"]
    elsewhere = (await ask(on, other, "people")).message
    assert elsewhere is not None
    data = {"custom_id": str(button.custom_id), "component_type": 2}

    await other._use(elsewhere, data, None, times=1, wait=True)
    await eventually(lambda: "out of date" in elsewhere.text, "it is refused")
    assert (await on.studio.store.servers.load("discord", str(on.guild.id))).entries == ()
    proposal = reply.message
    await boss.press(proposal, label="Apply")

    await eventually(lambda: "Saved" in proposal.text, "it still is there for who brought it")


async def test_of_very_many_mistakes_it_says_how_many(on: Stage) -> None:
    text = "\n".join(f"nothing_{n} = 1" for n in range(500)).encode()
    reply = await ask(on, boss_of(on), "import", {"file": ("settings.toml", text)})

    told, more = reply.text.rsplit("\n", 1)
    assert more == f"… and {500 - len(told.splitlines())} more."


async def test_what_is_said_of_a_server_stays_in_it(on: Stage) -> None:
    """Somebody who looks after one server names a channel of another."""
    elsewhere = on.server.guild("Owls")
    spied = elsewhere.text("general")
    facts = {"used": "4", "limit": "5", "budget": "budget_server_day", "resets_at": 0.0}
    for place in (str(spied.id), "no channel", "1"):
        with pytest.raises(Gone):
            await on.studio.platform.tell(Telling("k", str(on.guild.id), "budget_80", facts, place))

    assert spied.messages == {}
