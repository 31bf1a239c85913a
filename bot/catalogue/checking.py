"""Options as people give them -> inputs as the model wants them, or every mistake at once."""

from __future__ import annotations

from collections.abc import Sequence

from bot.catalogue import values
from bot.catalogue.nearest import nearest
from bot.catalogue.schema import Input, Model, Type
from bot.catalogue.values import Value
from bot.errors import BadOrder, Problem
from bot.jobs import FileRef, Option

LIST_SEPARATOR = "|"


def check(model: Model, options: Sequence[Option]) -> dict[str, Value]:
    """The inputs by the model's own names, in the model's order: what was given, and `always` defaults.

    An option with an empty key is text that belongs to no option. Raises BadOrder with every problem.
    """
    given, problems = _sort(model, options)
    meant = {problem.facts.get("nearest") for problem in problems}
    inputs: dict[str, Value] = {}
    for entry in model.inputs:
        answers = given[entry.name]
        if not _is_empty(entry, answers):
            try:
                inputs[entry.name] = _read(entry, answers)
            except BadOrder as error:
                problems.extend(error.problems)
        elif entry.always and entry.default is not None:
            inputs[entry.name] = entry.default
        elif entry.required and meant.isdisjoint((entry.alias, entry.name)):
            key = answers[0][0] if answers else entry.alias
            problems.append(Problem("missing", key, {"help": entry.help}))
    if problems:
        raise BadOrder(problems)
    return inputs


def _sort(model: Model, options: Sequence[Option]) -> tuple[dict[str, list[Option]], list[Problem]]:
    """The options by the input they are for, and the problems of those that are for none."""
    given: dict[str, list[Option]] = {entry.name: [] for entry in model.inputs}
    problems: list[Problem] = []
    for key, value in options:
        if entry := model.input(key):
            given[entry.name].append((key, value))
        elif key:
            problems.append(_unknown(model, key))
        else:
            problems.append(Problem("stray_text", None, {"text": values.shown(value)}))
    return given, problems


def _unknown(model: Model, key: str) -> Problem:
    close = nearest(key.replace("-", "_"), model.keys())
    known = tuple(entry.alias for entry in model.inputs)
    return Problem("unknown_option", str(values.shown(key)), {"nearest": close, "known": known})


def _is_empty(entry: Input, answers: Sequence[Option]) -> bool:
    """Nothing was given, or nothing but blanks for a list or for what must be given."""
    if entry.type is Type.FILES:
        return not any(_items(value) for _, value in answers)
    if entry.required:
        return all(isinstance(value, str) and not value.strip() for _, value in answers)
    return not answers


def _read(entry: Input, answers: Sequence[Option]) -> Value:
    if entry.type is Type.FILES:
        return _read_files(entry, answers)
    problems = [Problem("twice", key) for key, _ in answers[1:2]]
    read: Value | None = None
    for key, value in answers:
        try:
            read = values.read(entry, key, value)
        except BadOrder as error:
            problems.extend(error.problems)
    if problems or read is None:
        raise BadOrder(problems)
    return read


def _read_files(entry: Input, answers: Sequence[Option]) -> list[str | FileRef]:
    items = [(key, item) for key, value in answers for item in _items(value)]
    problems: list[Problem] = []
    files: list[str | FileRef] = []
    for key, item in items:
        try:
            files.append(values.read_file(entry, key, item))
        except BadOrder as error:
            problems.extend(error.problems)
    if len(items) > entry.max_items:
        facts = {"limit": entry.max_items, "count": len(items)}
        problems.append(Problem("too_many_items", answers[0][0], facts))
    if problems:
        raise BadOrder(problems)
    return files


def _items(value: object) -> list[object]:
    """One value of a list input as the items it holds: links hold no bare |."""
    if not isinstance(value, str):
        return [value]
    return [item.strip() for item in value.split(LIST_SEPARATOR) if item.strip()]
