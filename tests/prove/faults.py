"""Tries a line of `faults.toml`: real clients and adapters, a request that goes wrong, what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sqlite3
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import aiohttp
import httpx
from aiohttp import web
from sqlalchemy.exc import OperationalError

import bot.media.library
import bot.providers.client
from adapters.discord import listener
from adapters.slack import delivery as slack_delivery
from bot.jobs import Job, State
from bot.providers import Timeouts
from bot.store.sqlite import Sqlite
from tests import media_samples as samples
from tests.discord.rig import Stage, stage
from tests.discord_server import Reply
from tests.discord_server.messages import Message
from tests.prove import fault_line, fuse
from tests.prove.fault_line import Fault, FaultLine
from tests.rig import eventually
from tests.slack.rig import Rig as SlackRig
from tests.slack.rig import slack_rig

TABLE = Path(__file__).with_name("faults.toml")
WITHIN = 40.0
FOX = {"prompt": "a fox"}

PATIENCE = 1.0
"""Seconds after which a silent server has timed out: in use they are 30 and more."""


def table() -> dict[str, Any]:
    return tomllib.loads(TABLE.read_text())


@dataclass(frozen=True)
class Found:
    """How one try ended: the job's outcome and code, and how much there is of everything.

    `made`: predictions; `stands`: messages with the result; `calls`: requests of the kind that went wrong;
    `told`: one person was told something besides; `open_cards`: cards that still say that it is at work.
    """

    ends: str
    made: int
    stands: int
    calls: int
    told: bool = False
    open_cards: int = 0

    def differs(self, expected: Mapping[str, Any]) -> dict[str, Any]:
        """What is not as expected; `calls` may be left open. No card may ever be left at work."""
        found = asdict(self)
        return {
            name: f"{found[name]}, not {wanted}"
            for name, wanted in {"told": False, **expected, "open_cards": 0}.items()
            if name in found and found[name] != wanted
        }


Try = Callable[["Bench", Callable[[], None]], Awaitable[Reply]]


class Bench:
    """A studio on a played Discord with a line on which things go wrong."""

    def __init__(self, on: Stage, line: FaultLine) -> None:
        self.on = on
        self.line = line

    async def attempt(self, work: Try, arm: Callable[[], None], counted: Callable[[], int]) -> Found:
        """`work` makes a job or does something to one, and arms the fault when it is about to happen."""
        before = await self._counts()
        reply = await work(self, arm)
        job = await self._job(reply)
        ended = await self.on.studio.ended(job, WITHIN) if job else None
        after = await self._counts()
        return Found(
            ends=_ending(ended),
            made=after[0] - before[0],
            stands=after[1] - before[1],
            calls=counted(),
            told=bool(reply.followups),
            open_cards=len([m for m in self._messages() if any(_is_cancel(b) for b in m.buttons)]),
        )

    async def _job(self, reply: Reply) -> Job | None:
        """The job of what somebody did; None where they are told that there is none, or nobody answers."""

        async def known() -> Job | bool:
            found = await self.on.studio.store.by_key(f"discord:{reply.id}")
            return found or reply.ack is None or bool(reply.followups)

        found = await eventually(known, f"{reply!r} came to something", WITHIN)
        return found if isinstance(found, Job) else None

    async def _counts(self) -> tuple[int, int]:
        stats = await self.on.studio.stats()
        return len(stats["completed_at"]), len([m for m in self._messages() if m.files])

    def _messages(self) -> list[Message]:
        mine = self.on.server.bot.id
        places = self.on.server.world.channels.values()
        return [m for place in places for m in place.visible() if m.author.id == mine]


def _ending(job: Job | None) -> str:
    if job is None:
        return "nothing"
    words = [str(job.outcome), *([job.code] if job.code and job.code != job.outcome else [])]
    return ": ".join(words) + ("" if job.state is State.DONE else f" ({job.state})")


def _is_cancel(button: Any) -> bool:
    return (button.custom_id or "").startswith("tr:cancel:")


@contextlib.asynccontextmanager
async def bench(folder: Path, protocol: str, **more: Any) -> AsyncIterator[Bench]:
    throttled = {
        "provider": fault_line.throttled_by_provider,
        "discord": fault_line.throttled_by_discord,
        "slack": fault_line.throttled_by_slack,
    }
    with _impatient(), fuse.named_verbs():
        async with FaultLine(throttled.get(protocol, web.Response)) as line, stage(folder, **more) as on:
            yield Bench(on, line)


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    """What is waited for a silent server, and between two tries, is not what these tests are about."""
    quick = functools.partial(Timeouts, read=PATIENCE, write=PATIENCE, upload=PATIENCE)
    patience = functools.partial(bot.media.library.Patience, idle=PATIENCE)
    with ExitStack() as stack:
        stack.enter_context(patch.object(bot.providers.client, "Timeouts", quick))
        stack.enter_context(patch.object(bot.media.library, "Patience", patience))
        stack.enter_context(patch.object(aiohttp.client, "DEFAULT_TIMEOUT", aiohttp.ClientTimeout(PATIENCE)))
        stack.enter_context(patch.object(listener, "FIRST_PAUSE", 0.05))
        stack.enter_context(patch.object(slack_delivery, "UPLOAD", aiohttp.ClientTimeout(PATIENCE)))
        yield


class SlackBench:
    """The same in Slack."""

    def __init__(self, on: SlackRig, line: FaultLine) -> None:
        self.on = on
        self.line = line

    async def attempt(self, work: SlackTry, arm: Callable[[], None], counted: Callable[[], int]) -> Found:
        known, before = len(await self.on.jobs()), await self._counts()
        await work(self, arm)

        async def newest() -> Job | None:
            jobs = await self.on.jobs()
            return jobs[0] if len(jobs) > known else None

        job: Job = await eventually(newest, "it is accepted", WITHIN)
        ended = await self.on.ended(job, WITHIN)
        after = await self._counts()
        return Found(
            ends=_ending(ended),
            made=after[0] - before[0],
            stands=after[1] - before[1],
            calls=counted(),
            open_cards=len(
                [card for card in self.on.cards() if any(b.action_id == "job.cancel" for b in card.buttons)]
            ),
        )

    async def _counts(self) -> tuple[int, int]:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(
                f"{self.on.base_url.removesuffix('/replicate')}/sandbox/stats",
                headers={"Authorization": "Bearer sandbox"},
            )
        return len(answer.json()["completed_at"]), len(self.on.results())


SlackTry = Callable[[SlackBench, Callable[[], None]], Awaitable[None]]


async def slack_imagine(bench: SlackBench, arm: Callable[[], None]) -> None:
    arm()
    await bench.on.anna.command("/imagine", "a fox", channel=bench.on.general)


async def slack_restart(bench: SlackBench, arm: Callable[[], None]) -> None:
    """It starts anew, and asks where to connect to."""
    await bench.on.crash()
    arm()
    await bench.on.build()
    await bench.on.start()
    await eventually(lambda: bench.line.met, "it has met it", WITHIN)
    await bench.on.server.connected(1)
    await bench.on.anna.command("/imagine", "a fox", channel=bench.on.general)


SLACK_TRIES: dict[str, SlackTry] = {
    "slack.post": slack_imagine,
    "slack.update": slack_imagine,
    "slack.reserve": slack_imagine,
    "slack.upload": slack_imagine,
    "slack.complete": slack_imagine,
    "slack.info": slack_imagine,
    "slack.connect": slack_restart,
}


async def _try_slack(folder: Path, name: str, request: str, faults: Iterable[Fault]) -> dict[str, Found]:
    found: dict[str, Found] = {}
    with _impatient():
        async with (
            FaultLine(fault_line.throttled_by_slack) as line,
            slack_rig(folder, answer=PATIENCE) as on,
        ):
            there = SlackBench(on, line)
            for fault in faults:
                arm = functools.partial(line.arm, request, fault)
                found[fault] = await there.attempt(SLACK_TRIES[name], arm, lambda: line.calls[request])
                assert line.met, f"{name}, {fault}: no such request was made"
                assert on.is_tidy()
    return found


# -- what people do, so that a request of each kind is made


async def imagine(bench: Bench, arm: Callable[[], None]) -> Reply:
    arm()
    return await bench.on.ada.command("imagine", FOX, channel=bench.on.general)


async def lost_create(bench: Bench, arm: Callable[[], None]) -> Reply:
    """The answer to the create is lost as well, so that the list is asked for."""
    arm()
    bench.line.also("POST /v1/predictions", "reset_after")
    return await bench.on.ada.command("imagine", FOX, channel=bench.on.general)


async def upload(bench: Bench, arm: Callable[[], None]) -> Reply:
    """A picture that is too large to travel within the request."""
    arm()
    large = ("fox.png", samples.still("PNG", 400, 300, noise=120))
    return await bench.on.ada.command("cutout", {"image": large}, channel=bench.on.general)


async def cancel(bench: Bench, arm: Callable[[], None]) -> Reply:
    await bench.on.studio.misbehave(on="create", fault="never_finish")
    reply = await bench.on.ada.command("imagine", FOX, channel=bench.on.general)
    job = await bench.on.job_of(reply)

    async def runs() -> bool:
        return (await bench.on.job(job)).state is State.RUNNING

    await eventually(runs, "it runs")
    card = await reply.until(lambda r: bool(r.message and any(_is_cancel(b) for b in r.message.buttons)))
    assert card.message is not None
    arm()
    await bench.on.ada.press(card.message, f"tr:cancel:{job.id}")
    return reply


async def removal(bench: Bench, arm: Callable[[], None]) -> Reply:
    """A result that stands is taken away."""
    job = await bench.on.run("imagine", FOX)
    result = bench.on.message(job)
    arm()
    reply = await bench.on.ada.press(result, f"tr:remove:{job.id}")
    await reply.until(lambda r: bool(r.followups), WITHIN)
    return reply


async def restart(bench: Bench, arm: Callable[[], None]) -> Reply:
    """It starts anew, and Discord has forgotten our commands."""
    await bench.on.studio.crash()
    bench.on.server.registry.overwrite(None, [])
    bench.on.server.limits.daily_command_creates = 10**6
    arm()
    await bench.on.studio.build()
    bench.on.studio.start()
    await bench.on.server.until(lambda: bench.line.met, WITHIN)
    await bench.on.server.connected(within=WITHIN)
    there = bench.on.server.registry.find
    await bench.on.server.until(lambda: bool(there(1, "imagine", bench.on.guild)), WITHIN)
    return await bench.on.ada.command("imagine", FOX, channel=bench.on.general)


async def private(bench: Bench, arm: Callable[[], None]) -> Reply:
    """The channel is deleted while it is made: the result goes to whoever asked."""
    place = bench.on.guild.text("passing")
    arm()
    reply = await bench.on.ada.command("imagine", FOX, channel=place)
    await bench.on.job_of(reply)
    place.delete()
    return reply


TRIES: dict[str, Try] = {
    "provider.create": imagine,
    "provider.get": imagine,
    "provider.list": lost_create,
    "provider.cancel": cancel,
    "provider.upload": upload,
    "provider.download": imagine,
    "discord.callback": imagine,
    "discord.edit": imagine,
    "discord.send": imagine,
    "discord.thread": imagine,
    "discord.private": private,
    "discord.delete": removal,
    "discord.registration": restart,
    "discord.gateway": restart,
    "discord.socket": restart,
}
"""What people do so that each call is made; whatever is not named here is made by asking for a picture."""


async def try_all(folder: Path, name: str) -> dict[str, Found]:
    """Each of its faults in turn, on one bench."""
    protocol, _, call = name.partition(".")
    row = table()[protocol][call]
    faults = [fault for fault in row if fault != "request"]
    if protocol == "slack":
        return await _try_slack(folder, name, row["request"], faults)
    async with bench(folder, protocol, sandbox_options={"boot_seconds": 0.2}) as there:
        if protocol == "store":
            return {fault: await _try_write(there, name, fault) for fault in faults}
        return {fault: await _try_request(there, name, row["request"], fault) for fault in faults}


def calls_of(protocol: str) -> list[str]:
    """The names of its lines in the table."""
    return [f"{protocol}.{call}" for call in table()[protocol]]


async def unlike_the_table(folder: Path, name: str) -> dict[str, Any]:
    """Try a line; what came out differently, by fault."""
    known = table()
    protocol, _, call = name.partition(".")
    found = await try_all(folder, name)
    differs = {
        fault: one.differs(known["outcomes"][known[protocol][call][fault]]) for fault, one in found.items()
    }
    return {fault: one for fault, one in differs.items() if one}


async def _try_request(there: Bench, name: str, request: str, fault: Fault) -> Found:
    found = await there.attempt(
        TRIES[name], functools.partial(there.line.arm, request, fault), lambda: there.line.calls[request]
    )
    assert there.line.met, f"{name}, {fault}: no such request was made"
    await there.on.studio.behave()
    return found


async def _try_write(there: Bench, verb: str, fault: str) -> Found:
    """One write of this verb goes wrong: refused by SQLite, or done and its answer lost."""
    left = [fault]

    def around(write: Any) -> Any:
        async def wrapped(*arguments: Any) -> Any:
            meant = fuse.verb() == verb and left
            if meant and left.pop() != "answer_lost":
                raise _sqlite(fault)
            answer = await write(*arguments)
            if meant:
                raise _sqlite("io")
            return answer

        return wrapped

    with ExitStack() as planted:
        planted.enter_context(patch.object(Sqlite, "write", around(Sqlite.write)))
        found = await there.attempt(imagine, lambda: None, lambda: 1 - len(left))
        await eventually(lambda: not left, f"{verb} is written", 15)
    assert not left, f"{verb} was never written"
    return found


def _sqlite(fault: str) -> OperationalError:
    says = {
        "locked": "database is locked",
        "disk_full": "database or disk is full",
        "io": "disk I/O error",
    }
    return OperationalError("", {}, sqlite3.OperationalError(says[fault]))


if __name__ == "__main__":
    import logging
    import sys
    import tempfile

    logging.disable()
    for wanted in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as temporary:
            seen = asyncio.run(try_all(Path(temporary), wanted))
        for kind, one in seen.items():
            print(f"{wanted:20} {kind:14} {one}")
