"""`threadreel ask`: a command typed in a terminal, followed to its end, its result saved."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console

from adapters import logs
from adapters.terminal import Exit, Screen, Terminal, ask, get, jobs_table, misread, place_of
from adapters.terminal.files import save
from adapters.terminal.render import Follower
from bot import policy
from bot.catalogue import load
from bot.config import Limits, Log
from bot.core import Studio
from bot.engine import Engine
from bot.jobs import Actor, Job, JobId, Media, Outcome, State
from bot.ports import Card, Core, Look, MediaFile, Post, Ready, Waiting, Working
from tests.governed import FREE, governed, roster
from tests.rig import QUICK, Rig, eventually, rig

ANNA = Actor("terminal", "anna", "anna", "here")
AMPLE = Limits(per_day=10_000, per_day_per_person=10_000)


@dataclass
class Typed:
    """A terminal: what `ask` is given, and what it wrote."""

    core: Core
    folder: Path
    tty: bool = False
    orders: Iterator[int] = field(default_factory=lambda: iter(range(1000)))

    def __post_init__(self) -> None:
        self.words, self.results = io.StringIO(), io.StringIO()
        console = Console(file=self.words, force_terminal=self.tty, width=80, _environ={"TERM": "xterm"})
        self.screen = Screen(console, Console(file=self.results, force_terminal=False, width=40))

    async def ask(self, line: str, **more: Any) -> Exit:
        more.setdefault("key", f"terminal:{next(self.orders)}")
        return await ask(
            self.core, line, actor=ANNA, screen=self.screen, folder=self.folder, poll=0.01, **more
        )

    @property
    def said(self) -> str:
        return self.words.getvalue()

    @property
    def saved(self) -> list[Path]:
        return [Path(line) for line in self.results.getvalue().splitlines()]


@contextlib.asynccontextmanager
async def terminal(
    tmp_path: Path, *, limits: Limits = AMPLE, tty: bool = False, engine: bool = True, **options: Any
) -> AsyncIterator[tuple[Typed, Rig]]:
    """A studio with the terminal for a platform, and someone at it."""
    async with rig(tmp_path, start=False, sandbox_options=options) as studio:
        parts: Any = {"now": time.time, "rng": random.Random(7)}
        store, library, catalogue = studio.store, studio.library, load()
        governed_by = governed(store, catalogue)
        worker = Engine(
            store,
            library,
            catalogue,
            roster({"box": studio.client}, governed_by),
            {"terminal": Terminal()},
            rules=QUICK,
            prices=FREE,
            link=None,
            **parts,
        )
        core = Studio(
            store,
            library,
            catalogue,
            worker,
            rules=policy.Rules(limits, ("terminal",)),
            routes={"default": "box"},
            providers={"box": studio.client.can},
            public=False,
            **governed_by,
            **parts,
        )
        folder = tmp_path / "here"
        folder.mkdir()
        running = asyncio.create_task(worker.run()) if engine else None
        try:
            yield Typed(core, folder, tty), studio
        finally:
            if running:
                running.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await running


# -- from the command to the file


async def test_a_command_becomes_a_file_in_this_folder(tmp_path: Path) -> None:
    async with terminal(tmp_path) as (typed, _):
        assert await typed.ask("/imagine a red fox") is Exit.DELIVERED
        (path,) = typed.saved
        assert path.parent == typed.folder
        assert path.name == "a-red-fox.png"
        assert path.read_bytes().startswith(b"\x89PNG")
        assert "Ready in " in typed.said


async def test_no_file_that_is_there_is_written_over_unless_it_was_named(tmp_path: Path) -> None:
    async with terminal(tmp_path) as (typed, _):
        mine = typed.folder / "fox.png"
        mine.write_text("mine")
        await typed.ask("/imagine fox")
        await typed.ask("/imagine fox")
        assert mine.read_text() == "mine"
        assert [path.name for path in typed.saved] == ["fox-2.png", "fox-3.png"]
        await typed.ask("/imagine fox", out=mine)
        assert mine.read_bytes().startswith(b"\x89PNG")


async def test_out_may_be_a_folder_or_a_file_and_a_wrong_ending_is_told(tmp_path: Path) -> None:
    async with terminal(tmp_path) as (typed, _):
        (typed.folder / "in").mkdir()
        assert await typed.ask("/imagine fox", out=typed.folder / "in") is Exit.DELIVERED
        assert await typed.ask("/imagine fox", out=typed.folder / "b.gif") is Exit.DELIVERED
        assert typed.saved == [typed.folder / "in/fox.png", typed.folder / "b.gif"]
        assert "b.gif holds png, whatever its name says." in typed.said


async def test_an_out_that_cant_be_is_refused_before_anything_is_ordered(tmp_path: Path) -> None:
    async with terminal(tmp_path) as (typed, studio):
        assert await typed.ask("/imagine fox", out=typed.folder / "no/fox.png") is Exit.MISTAKES
        assert "there is no folder" in typed.said
        assert sum((await studio.store.counts()).values()) == 0


async def test_several_files_keep_the_given_name_with_their_part_or_number_behind(tmp_path: Path) -> None:
    def file(part: str, name: str) -> MediaFile:
        (tmp_path / name).write_text(name)
        return MediaFile(Media(name, part, "image", "image/png", 1), tmp_path / name, name)

    tune = [file("sound", "a.wav"), file("spectrogram", "a-spectrogram.jpg")]
    out = tmp_path / "out"
    out.mkdir()
    assert [p.name for p in save(tune, out / "tune.wav", tmp_path)] == ["tune.wav", "tune-spectrogram.jpg"]
    pictures = [file("picture", f"b-{n}.png") for n in (1, 2, 3)]
    assert [p.name for p in save(pictures, out / "fox.png", out)] == ["fox.png", "fox-2.png", "fox-3.png"]
    assert [p.name for p in save(pictures, None, out)] == ["b-1.png", "b-2.png", "b-3.png"]
    assert (out / "fox-3.png").read_text() == "b-3.png"
    assert not list(out.glob(".*")), "nothing half done is left"


async def test_a_result_that_cant_be_saved_is_kept_and_can_be_had_later(tmp_path: Path) -> None:
    async with terminal(tmp_path) as (typed, _):
        gone = typed.folder
        ordered = asyncio.create_task(typed.ask("/imagine fox"))
        gone.rmdir()
        assert await ordered is Exit.NOT_SAVED
        (job,) = await typed.core.jobs(ANNA)
        assert f"`threadreel get {job.job.id}` tries again" in typed.said
        out = tmp_path / "later.png"
        assert await get(typed.core, job.job.id, actor=ANNA, screen=typed.screen, out=out) is Exit.DELIVERED
        assert out.read_bytes().startswith(b"\x89PNG")


# -- files of this machine


async def test_a_path_in_a_file_option_is_the_file_there(tmp_path: Path) -> None:
    async with terminal(tmp_path) as (typed, studio):
        picture = typed.folder / "my fox.png"
        Image.new("RGB", (16, 16), "red").save(picture)
        assert await typed.ask(f'/cutout image:"{picture}"') is Exit.DELIVERED
        assert await typed.ask("/cutout", files=[f"image={picture}"]) is Exit.DELIVERED
        assert await typed.ask("/cutout", files=[str(picture)]) is Exit.DELIVERED
        for look in await typed.core.jobs(ANNA):
            assert look.job.inputs["image"]["name"] == "my fox.png"
            kept = studio.library.path(look.job.inputs["image"]["file"])
            assert kept is not None
            assert kept.read_bytes() == picture.read_bytes()


async def test_every_mistake_is_told_at_once_with_those_about_files(tmp_path: Path) -> None:
    async with terminal(tmp_path) as (typed, studio):
        code = await typed.ask(
            "/inpaint image:./nowhere.png steps:9999 sede:4", files=[f"mask={typed.folder}", "x.png"]
        )
        assert code is Exit.MISTAKES
        lines = typed.said.splitlines()
        assert "image: there is no file “nowhere.png” here." in lines
        assert "--file: there is no file “x.png” here." in lines
        assert any(line.startswith("mask: the file") and "it is no file" in line for line in lines)
        assert any(line.startswith("steps: 9999 is too high") for line in lines)
        assert any("did you mean seed?" in line for line in lines)
        assert sum((await studio.store.counts()).values()) == 0


def test_mistakes_told_before_the_start_know_the_files_of_this_machine(tmp_path: Path) -> None:
    here = tmp_path / "ok.png"
    here.touch()

    def told(line: str) -> list[tuple[str, str | None]]:
        mistakes = misread(load(), line)
        return [(problem.code, problem.option) for problem in mistakes.problems] if mistakes else []

    assert told(f"/edit make it blue image:{here} format:bmp") == [("not_a_choice", "format")]
    assert told(f"/edit make it blue image:{here}.gone format:bmp") == [
        ("no_such_file", "image"),
        ("not_a_choice", "format"),
    ]
    assert told(f"/video a boat refs:{here}|https://a.example/b.png frames:0") == [("out_of_range", "frames")]
    assert told(f"/edit make it blue image:{'x' * 5000} steps:999")[0] == ("no_such_file", "image")
    assert told("/edit make it blue format:bmp") == [("not_a_choice", "format")], "--file may bring it"
    assert told(f"/edit make it blue image:{here}") == []


async def test_what_is_no_medium_is_refused_in_words(tmp_path: Path) -> None:
    async with terminal(tmp_path) as (typed, _):
        (typed.folder / "note.txt").write_text("hello")
        assert await typed.ask(f"/cutout image:{typed.folder}/note.txt") is Exit.MISTAKES
        assert typed.said == "image: this is no picture, film or sound that can be read.\n"


# -- how it may end


@pytest.mark.parametrize("line", ["hello", "/animte start:a", "/animate end:a whale"])
async def test_a_line_with_mistakes_costs_nothing(tmp_path: Path, line: str) -> None:
    async with terminal(tmp_path, engine=False) as (typed, studio):
        assert await typed.ask(line) is Exit.MISTAKES
        assert typed.said.strip()
        assert sum((await studio.store.counts()).values()) == 0


async def test_a_limit_is_told_with_its_own_exit_code(tmp_path: Path) -> None:
    async with terminal(tmp_path, limits=Limits(per_day=0)) as (typed, _):
        assert await typed.ask("/imagine fox") is Exit.REFUSED
        assert "there are more from 00:00 UTC. Nothing was started." in typed.said


async def test_a_failure_is_told_with_what_it_cost(tmp_path: Path) -> None:
    async with terminal(tmp_path) as (typed, studio):
        await studio.misbehave(on="create", fault="fail", message="no \x1b]0;evil\x07[bold]luck")
        assert await typed.ask("/imagine fox") is Exit.FAILED
        assert "The model failed: no [bold]luck. It cost nothing." in typed.said
        assert not typed.saved


async def test_an_outcome_that_nobody_knows_has_its_own_exit_code(tmp_path: Path) -> None:
    async with terminal(tmp_path) as (typed, studio):
        await studio.misbehave(on="get", fault="forget", times=None)
        await studio.misbehave(on="list", fault="status", code=404, times=None)
        code = await typed.ask("/imagine fox")
        assert (code, typed.said.count("run it again if you want it")) == (Exit.UNKNOWN, 1)


async def test_ctrl_c_cancels_the_job_before_it_leaves(tmp_path: Path) -> None:
    async with terminal(tmp_path) as (typed, studio):
        await studio.misbehave(on="create", fault="never_finish", times=None)
        asked = asyncio.create_task(typed.ask("/imagine fox"))
        await eventually(lambda: "Working" in typed.said, "it runs")
        os.kill(os.getpid(), signal.SIGINT)
        assert await asked is Exit.CANCELLED
        assert "Stopping it." in typed.said
        assert "Cancelled by anna. It cost nothing." in typed.said
        (look,) = await typed.core.jobs(ANNA)
        assert look.job.outcome is Outcome.CANCELLED


async def test_a_second_ctrl_c_leaves_without_waiting_for_the_provider(tmp_path: Path) -> None:
    earlier = signal.getsignal(signal.SIGINT)
    async with terminal(tmp_path) as (typed, studio):
        await studio.misbehave(on="create", fault="never_finish", times=None)
        await studio.misbehave(on="cancel", fault="status", code=503, times=None)
        asked = asyncio.create_task(typed.ask("/imagine fox"))
        await eventually(lambda: "Working" in typed.said, "it runs")
        os.kill(os.getpid(), signal.SIGINT)
        await eventually(lambda: "Stopping it." in typed.said, "the cancel is asked for")
        os.kill(os.getpid(), signal.SIGINT)
        assert await asked is Exit.CANCELLED
        (found,) = await typed.core.jobs(ANNA)
        assert typed.said.endswith(
            f"Left. The job may go on; `threadreel get {found.job.id}` saves what it makes.\n"
        )
        assert found.job.outcome is None
    assert signal.getsignal(signal.SIGINT) is earlier


# -- what is shown


async def test_without_a_terminal_there_are_lines_without_escape_codes(tmp_path: Path) -> None:
    async with terminal(tmp_path, boot_seconds=0.2) as (typed, _):
        await typed.ask("/imagine \x1b]0;evil\x07 [red]fox\x1b[2J")
        assert "\x1b" not in typed.said
        lines = typed.said.splitlines()
        assert lines[0] in ("Next in the queue.", "Working.")
        assert len(lines) == len(set(lines)), "nothing is said twice"


async def test_on_a_terminal_there_is_a_bar_and_no_code_of_the_prompts(tmp_path: Path) -> None:
    async with terminal(tmp_path, tty=True, boot_seconds=0.3) as (typed, _):
        assert await typed.ask("/imagine \x1b]0;evil\x07fox") is Exit.DELIVERED
        assert "━" in typed.said
        assert "\x1b[" in typed.said
        assert "\x1b]0;evil" not in typed.said
        assert "Ready in" in typed.said.splitlines()[-1]


def test_lines_tell_each_state_once_and_progress_by_quarters() -> None:
    said = io.StringIO()
    console = Console(file=said, force_terminal=False)
    with Follower(Screen(console, console)) as follower:
        for ahead, eta in ((2, None), (2, 30), (1, 20)):
            follower.show(Waiting(ahead, eta))
        for fraction in (None, *(n / 100 for n in range(100))):
            follower.show(Working(fraction, 9))
    assert said.getvalue().splitlines() == [
        "2 jobs are before it.",
        "One job is before it.",
        "Working.",
        "Working: 25%.",
        "Working: 50%.",
        "Working: 75%.",
    ]


def test_the_bar_is_honest_about_what_it_doesnt_know() -> None:
    said = io.StringIO()
    console = Console(file=said, force_terminal=True, _environ={"TERM": "xterm"})
    with Follower(Screen(console, console)) as follower:
        assert follower._bar is not None
        (task,) = follower._bar.tasks
        follower.show(Working(None))
        assert task.total is None
        follower.show(Working(0.4, 8))
        assert task.percentage == 40
        assert task.description == "Working: 40%. About 8 s left."


def look(text: str) -> Look:
    job = Job(
        JobId("abc"),
        "k",
        ANNA,
        place_of(ANNA),
        "imagine",
        "box",
        {},
        State.DONE,
        100.0,
        100.0,
        cost=Decimal("0.02"),
    )
    return Look(
        job, Card(JobId("abc"), ANNA, "imagine", text, {}, None, 100.0), Ready((), 1, Decimal("0.02"))
    )


def test_jobs_are_a_table_of_clean_text() -> None:
    said = io.StringIO()
    Console(file=said, force_terminal=False, width=100).print(
        jobs_table([look("/imagine \x1b[2J[red]fox")], now=160.0)
    )
    assert said.getvalue().splitlines()[1].split() == [
        "abc",
        "1",
        "min",
        "ready",
        "$0.02",
        "/imagine",
        "[red]fox",
    ]


async def test_a_job_that_is_not_ready_or_not_there_gives_nothing(tmp_path: Path) -> None:
    async with terminal(tmp_path, engine=False) as (typed, _):
        code = await get(typed.core, JobId("none"), actor=ANNA, screen=typed.screen)
        assert (code, typed.said) == (Exit.REFUSED, "There is no such job here.\n")


# -- the platform's side


async def test_the_terminal_has_nothing_to_post() -> None:
    platform = Terminal()
    assert platform.name == place_of(ANNA).partition(":")[0]
    assert await platform.fallback(place_of(ANNA), ANNA) is None
    post = Post("job-abc", place_of(ANNA), look("/imagine fox").card, Working(), None)

    async def never(posted: Any) -> None:
        raise AssertionError("nothing to save")

    assert await platform.show(post, never) == {"shown": "working"}


# -- logs


@pytest.fixture
def kept_logging() -> Iterator[None]:
    import logging

    import structlog

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("form", ["console", "json"])
def test_logs_steer_no_terminal_and_keep_an_event_to_its_line(form: Any, kept_logging: None) -> None:
    import logging

    import structlog

    stream = io.StringIO()
    logs.configure(Log(format=form), stream)
    structlog.get_logger("x").warning("Not delivered", action="delivery_failed", why="a\x1b[31m\nforged line")
    structlog.get_logger("x").debug("too much")
    logging.getLogger("library").warning("from a \x1b[31mlibrary")
    logging.getLogger("library").info("too much")
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert "\x1b" not in stream.getvalue()
    assert "delivery_failed" in lines[0]
    assert "library" in lines[1]
