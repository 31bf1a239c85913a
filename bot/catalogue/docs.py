"""The catalogue as a page and as text for the terminal: `python -m bot.catalogue.docs > docs/models.md`."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterable, Iterator

from bot.catalogue.loading import Catalogue, load
from bot.catalogue.schema import Input, Kind, Model, Scalar, Type

WIDTH = 96

INTRODUCTION = """\
# Models

Each model is a command. This page is made from [the catalogue](../bot/catalogue/models) by
`python -m bot.catalogue.docs > docs/models.md`, and a test keeps it current.

An option goes by its short name or by the model's own, in any case, with `-` or `_`. Text in front of the
first option is the main prompt. A bound marked as ours is not the model's: it keeps an order from growing
beyond measure. What nobody could check is said with each model."""

KIND_NAMES = {Kind.IMAGE: "picture", Kind.VIDEO: "film", Kind.AUDIO: "sound"}


def markdown(catalogue: Catalogue) -> str:
    """The page docs/models.md."""
    rows = [(f"[`/{m.command}`](#{m.command})", m.full_name, m.summary, _makes(m)) for m in catalogue]
    overview = _table(("Command", "Model", "What it does", "Files"), rows)
    return "\n\n".join([INTRODUCTION, overview, *map(_chapter, catalogue)]) + "\n"


def listing(catalogue: Catalogue) -> str:
    """One line a model: command, files, what it does."""
    rows = [(f"/{model.command}", _makes(model), model.summary) for model in catalogue]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def detail(model: Model) -> str:
    """Everything about one model, for a terminal."""
    facts = [
        f"/{model.command}: {model.title}",
        f"{model.summary}. {model.notes}".rstrip(),
        f"Example: {model.example}",
        f"Makes:   {_makes(model)}",
        f"Model:   {model.full_name}",
        f"Version: {model.version or 'always the current one'}",
        f"Not verified: {model.unverified}" if model.unverified else "",
    ]
    lines = [_wrapped(fact) for fact in facts if fact]
    return "\n".join([*lines, "", *map(_option, model.inputs)])


# -- the page


def _chapter(model: Model) -> str:
    rows = [
        (f"`{e.alias}`", f"`{e.name}`", _limits(e), _shown_default(e), ". ".join(_remarks(e)))
        for e in model.inputs
    ]
    paragraphs = [
        f"## {model.command}",
        f"**{model.title}.** {model.summary}. {model.notes}".rstrip(),
        f"```\n{model.example}\n```",
        "\n".join(_facts(model)),
        _table(("Option", "Model's own name", "Takes", "Default", "What it is"), rows),
    ]
    if model.unverified:
        paragraphs.append(f"*Not verified:* {model.unverified}")
    return "\n\n".join(paragraphs)


def _facts(model: Model) -> Iterator[str]:
    yield f"- Model: [{model.full_name}](https://replicate.com/{model.full_name})"
    yield (
        f"- Version: `{model.version}`"
        if model.version
        else "- Version: an official model, always the current one"
    )
    yield f"- Makes: {_makes(model)}"
    yield "- Source: " + ", ".join(f"<{source}>" for source in model.sources)
    if model.may_be_adult:
        yield "- What it makes may be for adults"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(re.sub(r"([|*])", r"\\\1", cell) for cell in cells) + " |"

    head = list(head)
    return "\n".join([line(head), line("---" for _ in head), *map(line, rows)])


# -- the terminal


def _option(entry: Input) -> str:
    names = f"{entry.alias}:" if entry.name == entry.alias else f"{entry.alias}:  ({entry.name})"
    default = _shown_default(entry)
    takes = _limits(entry) + (f"; {default}" if entry.required else f"; default {default}" if default else "")
    return "\n".join([f"  {names}", _wrapped(". ".join(_remarks(entry)), 6), _wrapped(takes, 6)])


def _wrapped(text: str, indent: int = 0) -> str:
    blanks = " " * indent
    lines = textwrap.wrap(
        text, WIDTH, initial_indent=blanks, subsequent_indent=blanks, break_on_hyphens=False
    )
    return "\n".join(lines)


# -- one option in words


def _makes(model: Model) -> str:
    others = "".join(f" and {part.name}" for part in model.output.parts[1:])
    return f"{KIND_NAMES[model.kind]}{others} ({', '.join(model.formats)})"


def _limits(entry: Input) -> str:
    """ "integer, 1 to 500" and the like."""
    words = [_type(entry)]
    if entry.minimum is not None or entry.maximum is not None:
        words.append(_range(entry))
    if entry.steps_of:
        start = f" from {entry.steps_from}" if entry.steps_from else ""
        words.append(f"in steps of {entry.steps_of}{start}")
    if entry.type is Type.FILES:
        words.append(f"{entry.max_items} at most")
    if entry.ours:
        words[-1] += f" (ours: {', '.join(entry.ours).replace('_', ' ')})"
    return ", ".join(words)


def _type(entry: Input) -> str:
    if entry.choices:
        return "one of " + ", ".join(str(choice) for choice in entry.choices)
    if entry.words:
        return "some of " + ", ".join(entry.words)
    match entry.type:
        case Type.BOOLEAN:
            return "yes or no"
        case Type.FILE:
            return f"{_kinds(entry)}: a file or a link"
        case Type.FILES:
            return f"{_kinds(entry)}: files or links"
        case _:
            return entry.type.value


def _kinds(entry: Input) -> str:
    return " or ".join(KIND_NAMES[kind] for kind in entry.accepts)


def _range(entry: Input) -> str:
    if entry.minimum is None:
        return f"up to {entry.maximum}"
    return f"from {entry.minimum}" if entry.maximum is None else f"{entry.minimum} to {entry.maximum}"


def _shown_default(entry: Input) -> str:
    if entry.required:
        return "required"
    return "" if entry.default is None else _scalar(entry.default)


def _scalar(value: Scalar) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) or "empty"


def _remarks(entry: Input) -> Iterator[str]:
    """The help, and what else is worth knowing."""
    yield entry.help
    if entry.main:
        yield "The main prompt"
    if entry.always:
        yield "Always sent"
    if entry.unverified:
        yield f"Not verified: {', '.join(entry.unverified)}"


if __name__ == "__main__":
    sys.stdout.write(markdown(load()))
