"""`make bench-discord`: how soon commands are acknowledged beside a bare handler, and what memory stays.

The played Discord, which makes the load, and the bot run in processes of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from benchmarks.box import box
from tests.discord_server.remote import RemoteServer

Kind = Literal["ours", "bare"]

DEADLINE = 3.0
SERVERS, CHANNELS, PEOPLE = 4, 5, 10
"""Channels and people a server; everybody uses all channels of their server in turn."""

NEVER_ENDS = (3000.0, 3500.0)
AT_ONCE_ENDED = (0.0, 0.01)


@dataclass(frozen=True, slots=True)
class Load:
    """So many commands at a rate, or (0) all at once."""

    commands: int
    per_second: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.per_second:g}/s" if self.per_second else f"{self.commands:,} at once"


LOADS: tuple[Load, ...] = (Load(500, 50), Load(2000, 200), Load(2500, 500), Load(2000))
QUICK_LOADS: tuple[Load, ...] = (Load(20, 100), Load(20))


# -- the processes


@dataclass
class Bot:
    """The process that is measured."""

    process: asyncio.subprocess.Process

    async def line(self) -> str:
        assert self.process.stdout is not None
        return (await self.process.stdout.readline()).decode().strip()

    async def look(self) -> dict[str, Any]:
        """CPU seconds, bytes in memory, and jobs by state."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        await self.process.stdin.drain()
        found: dict[str, Any] = json.loads(await self.line())
        return found

    async def until(self, state: str, count: int) -> None:
        """Wait until so many jobs are in that state, or in any."""
        while True:
            jobs = (await self.look())["jobs"]
            if (sum(jobs.values()) if state == "any" else jobs[state]) >= count:
                return
            await asyncio.sleep(0.2)


@contextlib.asynccontextmanager
async def started(*command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def played(pace: float) -> AsyncIterator[RemoteServer]:
    """A Discord without anybody in it. `pace`: 1.0 for windows of rate limits as long as the real ones."""
    async with started("tests.discord_server", "--pace", str(pace)) as process:
        assert process.stdout is not None
        url = json.loads(await process.stdout.readline())["url"]
        async with RemoteServer(url) as server:
            yield server


@contextlib.asynccontextmanager
async def listening(kind: Kind, server: RemoteServer, sandbox: str, at_once: int) -> AsyncIterator[Bot]:
    """One bot that listens and has its commands registered, with an empty folder of its own."""
    url = server.api_base.removesuffix("/api/v10")
    with tempfile.TemporaryDirectory() as folder:
        more = ["--ours", folder, "--sandbox", sandbox, "--at-once", str(at_once)] if kind == "ours" else []
        async with started("benchmarks.discord_bot", url, *more) as process:
            bot = Bot(process)
            await bot.line()
            await server.do("connected", within=30)
            while "imagine" not in (await server.do("state"))["commands"]:
                await asyncio.sleep(0.1)
            yield bot
        while (await server.do("state"))["live"]:
            await asyncio.sleep(0.1)


async def crowd(server: RemoteServer) -> list[tuple[str, int]]:
    """People and the channels in which they use commands."""
    places = []
    for number in range(SERVERS):
        guild = await server.do("guild", name=f"Server {number}")
        people = [f"Person {number}.{one}" for one in range(PEOPLE)]
        for name in people:
            await server.person(name, guild)
        channels = [await server.do("channel", guild=guild, name=f"channel-{one}") for one in range(CHANNELS)]
        places += [(name, channel) for channel in channels for name in people]
    # Neighbours in turn are on different servers.
    return [place for first in range(PEOPLE * CHANNELS) for place in places[first :: PEOPLE * CHANNELS]]


async def put(server: RemoteServer, places: list[tuple[str, int]], load: Load) -> list[float | None]:
    options = {"prompt": "a fox in the snow, early morning"}
    seconds: list[float | None] = await server.do(
        "load",
        places=places,
        name="imagine",
        count=load.commands,
        per_second=load.per_second,
        options=options,
    )
    return seconds


# -- acknowledgements


async def quiet(patience: float) -> None:
    """Wait until this machine has little else to do, but no more than so many seconds."""
    seen = 0
    for _ in range(int(patience * 10)):
        running = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[0])
        seen = seen + 1 if running <= 2 else 0  # this process is one of them
        if seen >= 5:
            return
        await asyncio.sleep(0.1)


async def acknowledged(kind: Kind, load: Load, pace: float, patience: float = 0.0) -> dict[str, Any]:
    """One fresh bot under one load, after a few commands to warm it up. No job of it ever ends."""
    async with (
        box(*NEVER_ENDS) as sandbox,
        played(pace) as server,
    ):
        busy = os.getloadavg()[0]
        places = await crowd(server)
        async with listening(kind, server, sandbox, at_once=2) as bot:
            warm = Load(min(100, load.commands), 100)
            await put(server, places, warm)
            before = (await bot.look())["cpu"]
            await quiet(patience)
            seconds = await put(server, places, load)
            at_acks = (await bot.look())["cpu"]
            if kind == "ours":
                answered = sum(one is not None for one in seconds)
                await bot.until("any", warm.commands + answered)
            return {**_figures(seconds, at_acks - before), "busy": busy}


def _figures(seconds: list[float | None], cpu: float) -> dict[str, Any]:
    """Those that came too late count as having taken all of the time there was."""
    taken = sorted(DEADLINE if one is None else one for one in seconds)
    return {
        "p50": statistics.median(taken),
        "p99": taken[min(int(len(taken) * 0.99), len(taken) - 1)],
        "max": taken[-1],
        "late": sum(one is None or one > DEADLINE for one in seconds) / len(seconds),
        "cpu_ms": 1000 * cpu / len(seconds),
    }


async def acknowledgements(
    loads: tuple[Load, ...], rounds: int, pace: float, patience: float
) -> list[dict[str, Any]]:
    """Both bots by turns, so that what else this machine does hits both."""
    found = []
    for load in loads:
        pairs: list[dict[Kind, Any]] = []
        for number in range(rounds):
            kinds: tuple[Kind, ...] = ("bare", "ours") if number % 2 else ("ours", "bare")
            pairs.append({kind: await acknowledged(kind, load, pace, patience) for kind in kinds})
        found.append({"load": asdict(load), "name": load.name, "rounds": pairs, **_middle(pairs)})
    return found


def _middle(pairs: list[dict[Kind, Any]]) -> dict[str, Any]:
    """The median of the rounds; of the worst and of the late, the worst."""

    def of(kind: Kind) -> dict[str, float]:
        keys = pairs[0][kind]
        return {
            key: (max if key in ("max", "late") else statistics.median)(pair[kind][key] for pair in pairs)
            for key in keys
        }

    ratios = statistics.median(pair["ours"]["p99"] / pair["bare"]["p99"] for pair in pairs)
    return {"ours": of("ours"), "bare": of("bare"), "p99_ratio": ratios}


# -- memory


async def memory(few: int, many: int) -> dict[str, Any]:
    """What the bot holds after `few` commands and after `many`, all of them delivered."""
    async with (
        box(*AT_ONCE_ENDED) as sandbox,
        played(0.01) as server,
    ):
        places = await crowd(server)
        async with listening("ours", server, sandbox, at_once=50) as bot:
            held = {count: await _held_after(count, bot, server, places) for count in _steps(few, many)}
    return {"few": few, "many": many, "rss": held, "ratio": held[many] / held[few]}


def _steps(few: int, many: int) -> list[int]:
    return [few, *range(few + (many - few) // 4, many, (many - few) // 4), many]


async def _held_after(count: int, bot: Bot, server: RemoteServer, places: list[tuple[str, int]]) -> int:
    done = sum((await bot.look())["jobs"].values())
    while done < count:
        batch = Load(min(200, count - done), 100)
        late = sum(one is None for one in await put(server, places, batch))
        done += batch.commands - late
        await bot.until("done", done)
    await server.do("forget")
    await asyncio.sleep(2)
    held = int((await bot.look())["rss"])
    print(f"{held / 2**20:.1f} MiB after {count}", file=sys.stderr, flush=True)
    return held


# -- telling


def show(found: dict[str, Any], console: Console) -> None:
    if "acknowledgements" in found:
        table = Table("load", "figure", "ours", "bare handler", "ratio", box=None)
        for row in found["acknowledgements"]:
            _show_load(row, table)
        console.print(table)
    if "memory" in found:
        kept = found["memory"]
        steps = ", ".join(f"{size / 2**20:.1f} MiB after {count}" for count, size in kept["rss"].items())
        console.print(f"\nmemory: {steps}; ratio {kept['ratio']:.3f} (goal: 1.05)")


def _show_load(row: dict[str, Any], table: Table) -> None:
    name = row["name"]
    for key, label, factor in (
        ("p50", "ms to acknowledge, median", 1000),
        ("p99", "ms to acknowledge, p99", 1000),
        ("max", "ms to acknowledge, longest", 1000),
        ("late", "% over three seconds", 100),
        ("cpu_ms", "CPU ms a command", 1),
        ("busy", "load average before it", 1),
    ):
        mine, theirs = row["ours"][key], row["bare"][key]
        ratio = f"{mine / theirs:.2f}" if theirs else ""
        if key == "p99":
            ratio = f"{row['p99_ratio']:.2f}"
        table.add_row(name, label, f"{mine * factor:.2f}", f"{theirs * factor:.2f}", ratio)
        name = ""


async def measure(given: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {"machine": {"python": platform.python_version(), "system": platform.platform()}}
    if given.only in (None, "acks"):
        loads = QUICK_LOADS if given.quick else LOADS
        loads = tuple(load for load in loads if load.name in (given.loads or (load.name,)))
        found["acknowledgements"] = await acknowledgements(loads, given.rounds, given.pace, given.patience)
    if given.only in (None, "memory"):
        found["memory"] = await memory(
            *((20, 40) if given.quick else (1000, 10_000) if given.long else (1000, 3000))
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small numbers, to see that it runs")
    parser.add_argument("--only", choices=("acks", "memory"), help="just this part")
    parser.add_argument("--long", action="store_true", help="memory after 10,000 commands instead of 3,000")
    parser.add_argument("--rounds", type=int, default=3, help="how often each load is put on both")
    parser.add_argument(
        "--pace",
        type=float,
        default=0.01,
        help="1.0: Discord's own windows of rate limits, for the edits of cards",
    )
    parser.add_argument(
        "--patience", type=float, default=20, help="seconds to wait for a quiet moment before each load"
    )
    parser.add_argument("--loads", nargs="*", help="just these, as the table names them: 200/s")
    given = parser.parse_args()
    found = asyncio.run(measure(given))
    show(found, Console(width=110))
    folder = Path("benchmarks/results")
    folder.mkdir(exist_ok=True)
    result = folder / f"discord-{time.strftime('%Y%m%d-%H%M%S')}.json"
    result.write_text(json.dumps(found, indent=2))
    print(f"\nAs JSON: {result}")


if __name__ == "__main__":
    main()
