"""Each rule at each way in: the table of docs/gates.md, tried with the real adapters."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from adapters.discord.customs import Custom, Verb
from bot.catalogue import load
from bot.core import Studio
from bot.jobs import Actor
from bot.ports import Standing
from bot.prices import Price, Prices
from bot.rules import Change, Scope
from bot.sandbox.server import Sandbox, serve
from bot.store import Store
from tests.discord.rig import Stage, stage
from tests.discord_server.messages import Message as DiscordMessage
from tests.rig import eventually, tiny
from tests.slack.rig import Rig, slack_rig
from tests.test_web_api import Page, open_page
from tests.typed import threadreel

ROOT = Path(__file__).parents[1]
PRICES = Prices({"imagine": Price(Decimal("0.40"), Decimal(0), None, True, "a bill")}, {})
"""What /imagine costs is known, what /draw costs is not."""

RULES: dict[str, tuple[str, dict[str, Any]]] = {
    "no rule": ("imagine", {}),
    "`models_off` names it": ("imagine", {"models_off": "imagine"}),
    "`models` doesn't list it": ("imagine", {"models": "draw"}),
    "`channels` doesn't list the channel": ("imagine", {"channels": "elsewhere"}),
    "`roles` that the person lacks": ("imagine", {"roles": "artists"}),
    "`adults` is `age_restricted`, and the place isn't": ("imagine", {"adults": "age_restricted"}),
    "`adults` is `never`": ("imagine", {"adults": "never"}),
    "the person is blocked": ("imagine", {"blocked": True}),
    "`words` has one of the prompt's": ("imagine", {"words": "fox"}),
    "`patterns` matches the prompt": ("imagine", {"patterns": "f.x in"}),
    "an input is not among `only`": ("imagine", {"inputs.imagine.prompt.only": ["a cat"]}),
    "`limit.person.at_once` is used up": ("imagine", {"limit.person.at_once": 0}),
    "`limit.person.per_minute` is used up": ("imagine", {"limit.person.per_minute": 0}),
    "`limit.person.per_day` is used up": ("imagine", {"limit.person.per_day": 0}),
    "`limit.person.per_month` is used up": ("imagine", {"limit.person.per_month": 0}),
    "`limit.channel.per_day` is used up": ("imagine", {"limit.channel.per_day": 0}),
    "`limit.server.per_day` is used up": ("imagine", {"limit.server.per_day": 0}),
    "`budget.person.day` has no room": ("imagine", {"budget.person.day": "0.10"}),
    "`budget.channel.day` has no room": ("imagine", {"budget.channel.day": "0.10"}),
    "`budget.server.day` has no room": ("imagine", {"budget.server.day": "0.10"}),
    "`budget.server.month` has no room": ("imagine", {"budget.server.month": "0.10"}),
    "its price is unknown, beside a budget": ("draw", {"budget.server.day": "5"}),
    "its price is unknown, and `unknown_price` is `refuse`": ("draw", {"unknown_price": "refuse"}),
    "it may cost more than `ask_above`": ("imagine", {"ask_above": "0.10"}),
}
"""The rows of the table: a command, and what is set before somebody orders it."""

ASKED, ALLOWED = "asked first", "allowed"
PROMPT = "a fox in snow"


# -- the table


def table() -> dict[str, dict[str, str]]:
    """By rule and way in: what happens."""
    lines = [line for line in (ROOT / "docs" / "gates.md").read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    heads, rows = cells[0][1:], cells[2:]
    return {row[0]: dict(zip(heads, (cell.strip("`") for cell in row[1:]), strict=True)) for row in rows}


def test_the_table_has_every_rule_and_every_way_in() -> None:
    found = table()
    assert list(found) == list(RULES)
    assert all(list(row) == list(WAYS) for row in found.values())


# -- what somebody reads


def sentences() -> dict[str, re.Pattern[str]]:
    """What each code is told as, with anything in the place of its facts."""
    said = tomllib.loads((ROOT / "adapters" / "words" / "en.toml").read_text())
    codes = {**said["problem"], **said["refused"], ASKED: said["confirm"]["ask"]}
    codes.pop("generic")
    found = {}
    for code, given in codes.items():
        variants = given if isinstance(given, list) else [given]
        patterns = (".+?".join(map(re.escape, re.split(r"\{[^}]*\}", one))) for one in variants)
        found[code] = re.compile("|".join(f"(?:{one})" for one in patterns), re.DOTALL)
    return found


SENTENCES = sentences()


def code_of(text: str) -> str | None:
    """Whose sentence it is: of several that fit, the longest."""
    plain = text.replace("\\", "").replace("&amp;", "&").replace("*", "")
    fits = [(len(match[0]), code) for code, one in SENTENCES.items() if (match := one.search(plain))]
    return max(fits)[1] if fits else None


async def outcome(told: Callable[[], str], has_job: Callable[[], Awaitable[bool]]) -> str:
    """What came of an order: a job, or a sentence's code."""

    async def found() -> str | None:
        return ALLOWED if await has_job() else code_of(told())

    result: str = await eventually(found, "it is allowed or refused")
    return result


# -- setting rules


@dataclass
class There:
    """A server on a platform, and how its rules are set."""

    core: Studio
    store: Store
    boss: Actor
    person: str

    async def rule(self, given: dict[str, Any]) -> None:
        """These rules and no others."""
        settings = {key: value for key, value in given.items() if key != "blocked"}
        proposal = await self.core.admin.propose(self.boss, "")
        await self.core.admin.apply(self.boss, proposal)
        await self.core.admin.change(self.boss, [Change(Scope(), key, one) for key, one in settings.items()])
        for one in await self.core.admin.people(self.boss):
            if one.standing is Standing.BLOCKED:
                await self.core.admin.clear(self.boss, one.id)
        if "blocked" in given:
            await self.core.admin.block(self.boss, self.person, "Somebody", reason="spam")

    async def count(self) -> int:
        return len(await self.store.of_server(self.boss.platform, self.boss.server, limit=1000))


# -- Discord


async def discord_slash(on: Stage, command: str) -> Any:
    return await on.ada.command(command, {"prompt": PROMPT}, channel=on.general)


async def discord_form(on: Stage, command: str) -> Any:
    await on.ada.command("run", {"model": command}, channel=on.general)
    return await on.ada.fill_modal({"prompt": PROMPT})


async def discord_run(on: Stage, command: str) -> Any:
    options = {"model": command, "options": f'prompt:"{PROMPT}"'}
    return await on.ada.command("run", options, channel=on.general)


async def discord_button(on: Stage, command: str) -> Any:
    job = on.made[command]  # type: ignore[attr-defined]
    return await on.ada.press(on.message(job), str(Custom(Verb.AGAIN, job.id)))


@contextlib.asynccontextmanager
async def discord_way(folder: Path, act: Callable[..., Awaitable[Any]]) -> AsyncIterator[tuple[There, Any]]:
    async with stage(folder, prices=PRICES) as on:
        made = {command: await on.run(command, {"prompt": PROMPT}) for command in ("imagine", "draw")}
        on.made = made  # type: ignore[attr-defined]
        boss = Actor("discord", "1", "Boss", str(on.guild.id), manages=True)
        there = There(on.studio.core, on.studio.store, boss, str(on.ada.user.id))

        async def order(command: str) -> str:
            before = await there.count()
            reply = await act(on, command)

            def told() -> str:
                messages: list[DiscordMessage] = [*reply.followups, *filter(None, [reply.message])]
                return "\n".join(one.text for one in messages if one.ephemeral)

            async def has_job() -> bool:
                return await there.count() > before

            return await outcome(told, has_job)

        yield there, order


# -- Slack


async def slack_text(studio: Rig, command: str) -> Any:
    return await studio.anna.command(f"/{command}", PROMPT, channel=studio.general)


async def slack_form(studio: Rig, command: str) -> Any:
    view = await (await studio.anna.command("/threadreel", "run", channel=studio.general)).opened()
    return await _chosen(studio, view, command, {})


async def slack_shortcut(studio: Rig, command: str) -> Any:
    view = await (await studio.anna.global_shortcut("create")).opened()
    return await _chosen(studio, view, command, {"where": studio.general.id})


async def _chosen(studio: Rig, view: Any, command: str, more: dict[str, Any]) -> Any:
    await studio.anna.select(view, "form.choose", command)
    await studio.server.until(lambda: studio.anna.view.title == f"/{command}")
    return await studio.anna.submit_view({"prompt": PROMPT, **more})


async def slack_mention(studio: Rig, command: str) -> Any:
    return await studio.anna.say(studio.general, f"@threadreel {command} {PROMPT}")


async def slack_button(studio: Rig, command: str) -> Any:
    card = next(card for card in studio.cards() if command in card.text)
    return await studio.anna.press(card, "job.again")


@contextlib.asynccontextmanager
async def slack_way(folder: Path, act: Callable[..., Awaitable[Any]]) -> AsyncIterator[tuple[There, Any]]:
    async with slack_rig(folder, prices=PRICES) as studio:
        for command in ("imagine", "draw"):
            await studio.anna.command(f"/{command}", PROMPT, channel=studio.general)
            await eventually(partial(_has, studio, command), "it is made", 20)
        boss = Actor("slack", "UBOSS", "Boss", studio.team.id, manages=True)
        there = There(studio.core, studio.store, boss, studio.anna.id)

        async def order(command: str) -> str:
            before, seen = await there.count(), len(studio.server.world.ephemerals)
            reply = await act(studio, command)

            def told() -> str:
                whispers = [one.text for one in studio.server.world.ephemerals[seen:] if one.shown]
                shown = [json.dumps(view.blocks, ensure_ascii=False) for view in studio.anna.views]
                return "\n".join([reply.text, *whispers, *reply.errors.values(), *shown])

            async def has_job() -> bool:
                return await there.count() > before

            found = await outcome(told, has_job)
            while studio.anna.views:
                await studio.anna.close_view()
            return found

        yield there, order


async def _has(studio: Rig, command: str) -> bool:
    return any(job.model == command and job.ended_at for job in await studio.jobs())


# -- the page, the command line


async def page_text(page: Page, command: str, key: str) -> Any:
    return await page.send(f"/{command} {PROMPT}", key=key)


async def page_form(page: Page, command: str, key: str) -> Any:
    return await page.send(order={"command": command, "options": [["prompt", PROMPT]]}, key=key)


@contextlib.asynccontextmanager
async def page_way(folder: Path, act: Callable[..., Awaitable[Any]]) -> AsyncIterator[tuple[There, Any]]:
    async with open_page(folder, prices=PRICES) as page:
        async with page.ann.get("/api/state") as state:
            ann = (await state.json())["me"]["id"]
        boss = Actor("web", "the-owner", "Owner", "web", manages=True)
        there = There(page.core, page.store, boss, ann)
        tries = iter(range(1, 1000))

        async def order(command: str) -> str:
            before = await there.count()
            answer = await act(page, command, f"{next(tries):032x}")

            async def has_job() -> bool:
                return await there.count() > before

            return await outcome(lambda: json.dumps(answer.body, ensure_ascii=False), has_job)

        yield there, order


@contextlib.asynccontextmanager
async def typed_way(folder: Path, _act: object) -> AsyncIterator[tuple[There, Any]]:
    """`threadreel ask` and `threadreel settings`, each a process; nothing of it is ours."""
    async with serve(Sandbox(load(), tiny)) as url:
        folder.joinpath("config.toml").write_text(
            f'[providers.box]\nkind = "gateway"\nbase_url = "{url}"\ntoken = "sandbox"\n'
            f'[media]\nprivate_hosts = ["{url.removeprefix("http://").partition("/")[0]}"]\n'
            "[prices.imagine]\nper_run = 0.40\n"
        )
        env = {"PATH": "", "PYTHONPATH": str(ROOT), "COLUMNS": "200", "USER": "ann", "LOGNAME": "ann"}

        async def run(*arguments: str) -> Any:
            return await asyncio.to_thread(threadreel, *arguments, "-c", "config.toml", cwd=folder, env=env)

        class Typed(There):
            async def rule(self, given: dict[str, Any]) -> None:
                folder.joinpath("none.toml").write_text("")
                cleared = await run("settings", "import", "none.toml", "--yes", "--server", "terminal")
                assert cleared.returncode == 0, cleared
                await run("settings", "unblock", "ann", "--server", "terminal")
                for key, value in given.items():
                    typed = ", ".join(value) if isinstance(value, list) else str(value)
                    what = ("block", "ann", "--reason", "spam") if key == "blocked" else ("set", key, typed)
                    done = await run("settings", *what, "--server", "terminal")
                    assert done.returncode == 0, done

        async def order(command: str) -> str:
            done = await run("ask", f"/{command} {PROMPT}")
            return ALLOWED if done.returncode == 0 else code_of(done.stderr) or str(done.stderr)

        yield Typed(None, None, None, "ann"), order  # type: ignore[arg-type]


Way: TypeAlias = tuple[Callable[..., Any], Callable[..., Any] | None]
WAYS: dict[str, Way] = {
    "Discord: slash": (discord_way, discord_slash),
    "Discord: typed": (discord_way, discord_run),
    "Discord: form": (discord_way, discord_form),
    "Discord: button": (discord_way, discord_button),
    "Slack: typed": (slack_way, slack_text),
    "Slack: form": (slack_way, slack_form),
    "Slack: button": (slack_way, slack_button),
    "Slack: shortcut": (slack_way, slack_shortcut),
    "Slack: mention": (slack_way, slack_mention),
    "page: typed": (page_way, page_text),
    "page: form": (page_way, page_form),
    "command line": (typed_way, None),
}


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=pytest.mark.long if way == "command line" else ()) for way in WAYS]
)
async def test_each_rule_does_there_what_the_table_says(tmp_path: Path, way: str) -> None:
    expected = {rule: row[way] for rule, row in table().items()}
    opened, act = WAYS[way]
    found = {}
    async with opened(tmp_path, act) as (there, order):
        for rule, (command, settings) in RULES.items():
            await there.rule(settings)
            found[rule] = await order(command)
    assert found == expected
