"""A notice -> a progress bar or lines; jobs -> a table. Nothing but cleaned text is printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from adapters import words
from bot.ports import Look, Notice, Ready, Waiting, Working

COMMAND_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Screen:
    """Where to write: words for people, and results, a path a line, for what reads them."""

    console: Console
    results: Console
    language: str = "en"

    def tell(self, text: str) -> None:
        """A sentence as it is: markup in it is text, and no line is broken at the terminal's width."""
        self.console.print(Text(text), soft_wrap=True)

    def give(self, path: Path) -> None:
        self.results.print(Text(str(path)), soft_wrap=True)


class Follower:
    """Shows how a job goes: a bar on a terminal, plain lines elsewhere."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._said: str | None = None
        self._bar: Progress | None = None
        if screen.console.is_terminal and not screen.console.is_dumb_terminal:
            text = TextColumn("{task.description}", markup=False)
            self._bar = Progress(SpinnerColumn(), BarColumn(), text, console=screen.console, transient=True)

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
            self._task = self._bar.add_task("", total=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def show(self, notice: Notice) -> None:
        fraction = notice.fraction if isinstance(notice, Working) else None
        if self._bar:
            total = 1.0 if fraction is not None else None
            text = words.notice(notice, self._screen.language)
            self._bar.update(self._task, description=text, total=total, completed=fraction or 0.0)
        elif (line := _line(notice, self._screen.language)) != self._said:
            self._said = line
            self._screen.tell(line)


def _line(notice: Notice, language: str) -> str:
    """For readers of lines: without what changes at every look, and no more than a line each quarter."""
    match notice:
        case Waiting(ahead, _, reason):
            return words.notice(Waiting(ahead, None, reason), language)
        case Working(fraction, _):
            quarter = int(fraction * 4) / 4 if fraction is not None else None
            return words.notice(Working(quarter or None), language)
        case _:
            return words.notice(notice, language)


def jobs_table(looks: Sequence[Look], *, now: float, language: str = "en", people: bool = False) -> Table:
    """The jobs, in the order given. `now` in seconds since the epoch; with `people`, whose each is."""
    heads = ("job", "age", *(("person", "name") if people else ()), "state", "cost", "command")
    table = Table(*heads, box=None, pad_edge=False)
    for look in looks:
        actor = look.card.actor
        cost = words.money(look.job.cost, language) if isinstance(look.notice, Ready) else ""
        table.add_row(
            Text(look.job.id),
            Text(words.lasting(max(now - look.card.created_at, 0), language)),
            *((Text(actor.id), Text(words.clean(actor.name, 40))) if people else ()),
            Text(words.state(look.notice, language)),
            Text(cost),
            Text(words.clean(look.card.text, COMMAND_WIDTH), overflow="fold"),
        )
    return table
