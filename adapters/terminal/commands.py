"""What is typed in a terminal -> calls of the core, and the job followed to its end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any, TypeAlias, assert_never

from adapters import words
from adapters.terminal.adapter import place_of
from adapters.terminal.files import chunks_of, save
from adapters.terminal.render import Follower, Screen
from bot import grammar
from bot.catalogue import Catalogue, Model, Type, check
from bot.catalogue.checking import LIST_SEPARATOR
from bot.catalogue.values import is_link
from bot.errors import BadMedia, BadOrder, Confirm, ForPerson, Problem, Refused, TryLater
from bot.jobs import OPEN, Actor, FileRef, JobId, Json, Option, Order
from bot.ports import Cancelled, Core, Failed, Look, MediaFile, Ready, Unknown, Waiting, Working

DELIVERY = 5.0
"""Seconds to wait for a finished job to be marked as delivered before leaving."""


Agrees: TypeAlias = Callable[[str], Awaitable[bool]]
"""Asks somebody a question, to be answered with yes or no."""


class Exit(IntEnum):
    """What the exit code says."""

    DELIVERED = 0
    NOT_SAVED = 1
    """The result is made and kept, but its file could not be written: `threadreel get JOB` tries again."""
    MISTAKES = 2
    REFUSED = 3
    FAILED = 4
    CANCELLED = 5
    UNKNOWN = 6


async def ask(
    core: Core,
    line: str,
    *,
    actor: Actor,
    key: str,
    screen: Screen,
    out: Path | None = None,
    files: Sequence[str] = (),
    folder: Path = Path(),
    poll: float = 0.2,
    agrees: Agrees | None = None,
) -> Exit:
    """Order what the line says, follow it and save the result.

    `files`: "./fox.png" or "image=./fox.png". `key`: a new one for every order. Without `out` the result is
    saved into `folder`, over nothing that is there. Ctrl-C asks for a cancel; the second one leaves.
    `poll`: seconds between two looks. `agrees` is asked where somebody must agree to the cost first; without
    it nobody does.
    """
    try:
        _check_out(out)
        command, options = await _read(core, line, files)
        order = Order(actor, place_of(actor), command, options, key)
        job = await _submit(core, order, agrees, screen)
        if job is None:
            return Exit.REFUSED
    except (ForPerson, TryLater) as error:
        return _refused(error, screen)
    look = await _follow(core, job, actor, screen, poll)
    if look is None:
        screen.tell(words.say("terminal.left", {"job": job}, screen.language))
        return Exit.CANCELLED
    return await _end(look, screen, out, folder)


async def _submit(core: Core, order: Order, agrees: Agrees | None, screen: Screen) -> JobId | None:
    """The job; None where nobody has agreed to its cost."""
    try:
        return (await core.submit(order)).job.id
    except Confirm as question:
        asked = words.question(question, screen.language)
        if agrees is None:
            screen.tell(f"{asked} {words.say('terminal.say_yes', {}, screen.language)}")
            return None
        if not await agrees(asked):
            screen.tell(words.say("confirm.declined", {}, screen.language))
            return None
        return (await core.confirm(question.token, order.actor)).job.id


async def get(
    core: Core,
    job: JobId,
    *,
    actor: Actor,
    screen: Screen,
    out: Path | None = None,
    folder: Path = Path(),
) -> Exit:
    """Save the files of a job that has ended, as often as wanted."""
    try:
        _check_out(out)
        look = await core.look(job, actor)
    except ForPerson as error:
        return _refused(error, screen)
    return await _end(look, screen, out, folder)


def _refused(error: ForPerson | TryLater, screen: Screen) -> Exit:
    if isinstance(error, TryLater):
        error = Refused("try_later")
    screen.tell(words.refusal(error, screen.language))
    return Exit.MISTAKES if isinstance(error, BadOrder) else Exit.REFUSED


# -- what was typed


def misread(catalogue: Catalogue, line: str) -> BadOrder | None:
    """Mistakes that can be told before anything is started; None where there are none, or only files'."""
    try:
        typed = grammar.parse(line, catalogue)
    except BadOrder as error:
        return error
    options, problems = _with_local_files(typed.model, typed.options)
    try:
        check(typed.model, options)
    except BadOrder as error:
        if not all(_is_of_file(typed.model, problem) for problem in error.problems):
            told = (p for p in error.problems if p.code != "missing" or not _is_of_file(typed.model, p))
            return BadOrder([*problems, *told])  # a missing file may still come with --file
    return None


def _with_local_files(model: Model, options: Sequence[Option]) -> tuple[list[Option], list[Problem]]:
    """The options with a stand-in for each file of this machine, and the problems of those not there."""
    stand_ins: list[Option] = []
    problems: list[Problem] = []
    for name, value in options:
        if (paths := _paths(model, name, value)) is None:
            stand_ins.append((name, value))
            continue
        stand_ins.extend((name, path if is_link(path) else FileRef("", Path(path).name)) for path in paths)
        gone = (path for path in paths if not is_link(path) and not _exists(Path(path)))
        problems.extend(Problem("no_such_file", name, {"value": path}) for path in gone)
    return stand_ins, problems


def _paths(model: Model, name: str, value: Json) -> list[str] | None:
    """The paths and links that a file option names; None for any other option."""
    entry = model.input(name)
    if entry is None or not entry.is_file or not isinstance(value, str):
        return None
    items = value.split(LIST_SEPARATOR) if entry.type is Type.FILES else [value]
    return [item.strip() for item in items if item.strip()]


def _exists(path: Path) -> bool:
    try:
        return path.expanduser().exists()
    except (OSError, RuntimeError):  # a name too long, or ~ of nobody
        return False


def _is_of_file(model: Model, problem: Problem) -> bool:
    entry = model.input(problem.option or "")
    return entry is not None and entry.is_file


def _check_out(out: Path | None) -> None:
    """Before anything is ordered: a result that can't be saved is money lost."""
    if out is not None and not (out if out.is_dir() else out.parent).is_dir():
        raise BadOrder([Problem("no_such_folder", "--out", {"value": str(out.parent)})])


async def _read(core: Core, line: str, files: Sequence[str]) -> tuple[str, tuple[Option, ...]]:
    """The command and its options, files of this machine kept. BadOrder holds every mistake."""
    typed = grammar.parse(line, core.catalogue)
    local = _LocalFiles(core)
    options = [option for typed_one in typed.options for option in await local.kept(typed.model, typed_one)]
    loose: list[FileRef] = []
    for text in files:
        name, path = _named_file(text)
        file = await local.keep(name or "--file", path)
        if name:
            options.append((name, file))
        else:
            loose.append(file)
    problems = local.problems
    try:
        options = list(grammar.attach(typed.model, options, loose))
    except BadOrder as error:
        problems.extend(error.problems)
    try:
        check(typed.model, options)
    except BadOrder as error:
        problems.extend(error.problems)
    if problems:
        raise BadOrder(problems)
    return typed.command, tuple(options)


def _named_file(text: str) -> tuple[str, Path]:
    """ "image=./fox.png" as its option and path; "./fox.png" has no option."""
    name, equals, path = text.partition("=")
    if equals and name.replace("-", "_").isidentifier() and not Path(text).exists():
        return name, Path(path)
    return "", Path(text)


class _LocalFiles:
    """Keeps files of this machine; `problems` are those of files that can't be kept."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.problems: list[Problem] = []

    async def kept(self, model: Model, option: Option) -> list[Option]:
        """The option as it is, or with the files that it names kept."""
        name, value = option
        if (paths := _paths(model, name, value)) is None:
            return [option]
        return [(name, path if is_link(path) else await self.keep(name, Path(path))) for path in paths]

    async def keep(self, name: str, path: Path) -> FileRef:
        """A kept file; what can't be kept stands as a reference to nothing, for the checks that follow."""
        if not _exists(path):
            return self._refuse(name, "no_such_file", path)
        path = path.expanduser()
        if not path.is_file():
            return self._refuse(name, "unreadable_file", path, detail="it is no file")
        try:
            return await self._core.keep(path.name, chunks_of(path))
        except OSError as error:
            return self._refuse(name, "unreadable_file", path, detail=error.strerror)
        except BadMedia as error:
            return self._refuse(name, error.code, path, **error.facts)

    def _refuse(self, name: str, code: str, path: Path, **facts: Any) -> FileRef:
        self.problems.append(Problem(code, name, {"value": str(path), **facts}))
        return FileRef("", path.name)


# -- following it


async def _follow(core: Core, job: JobId, actor: Actor, screen: Screen, poll: float) -> Look | None:
    """The job at its end; None where the person would not wait for it."""
    with _interrupts() as interrupts, Follower(screen) as follower:
        while True:
            look = await core.look(job, actor)
            if not isinstance(look.notice, Waiting | Working):
                await _until_delivered(core, look, actor, poll)
                return look
            follower.show(look.notice)
            match await interrupts.within(poll):
                case 0:
                    pass
                case 1:
                    await _cancel(core, job, actor, screen)
                case _:
                    return None


async def _cancel(core: Core, job: JobId, actor: Actor, screen: Screen) -> None:
    try:
        await core.cancel(job, actor)
        screen.tell(words.say("terminal.cancelling", {}, screen.language))
    except ForPerson as error:
        screen.tell(words.refusal(error, screen.language))


async def _until_delivered(core: Core, look: Look, actor: Actor, poll: float) -> None:
    """Leave nothing to be delivered at the next start, where this process runs the engine."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DELIVERY):
            while look.job.state in OPEN:
                await asyncio.sleep(poll)
                look = await core.look(look.job.id, actor)


class _Interrupts:
    """Counts Ctrl-C."""

    def __init__(self) -> None:
        self._count = 0
        self._come = asyncio.Event()

    def add(self) -> None:
        self._count += 1
        self._come.set()

    async def within(self, seconds: float) -> int:
        """How many there are, at once when a new one comes; 0 where none has come in this time."""
        try:
            async with asyncio.timeout(seconds):
                await self._come.wait()
        except TimeoutError:
            return 0
        self._come.clear()
        return self._count


@contextlib.contextmanager
def _interrupts() -> Iterator[_Interrupts]:
    interrupts = _Interrupts()
    loop = asyncio.get_running_loop()
    earlier = signal.getsignal(signal.SIGINT)
    loop.add_signal_handler(signal.SIGINT, interrupts.add)
    try:
        yield interrupts
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, earlier)


# -- its end


async def _end(look: Look, screen: Screen, out: Path | None, folder: Path) -> Exit:
    """Say how it ended, and save what there is."""
    screen.tell(words.notice(look.notice, screen.language))
    match look.notice:
        case Ready(media):
            return await _save(look, media, screen, out, folder)
        case Failed():
            return Exit.FAILED
        case Cancelled():
            return Exit.CANCELLED
        case Unknown():
            return Exit.UNKNOWN
        case Waiting() | Working():
            return Exit.REFUSED
        case _:
            assert_never(look.notice)


async def _save(
    look: Look, media: Sequence[MediaFile], screen: Screen, out: Path | None, folder: Path
) -> Exit:
    try:
        paths = await asyncio.to_thread(save, media, out, folder)
    except OSError as error:
        facts = {"detail": error.strerror or str(error), "job": look.job.id}
        screen.tell(words.say("terminal.not_saved", facts, screen.language))
        return Exit.NOT_SAVED
    for path, file in zip(paths, media, strict=True):
        if path.suffix.lower() != (right := Path(file.name).suffix):
            facts = {"name": path.name, "format": right.removeprefix(".")}
            screen.tell(words.say("terminal.other_format", facts, screen.language))
        screen.give(path)
    return Exit.DELIVERED
