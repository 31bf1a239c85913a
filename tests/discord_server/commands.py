"""Checks application commands against every limit that Discord documents for them.

https://docs.discord.com/developers/interactions/application-commands
"""

from __future__ import annotations

import unicodedata
from typing import Any

from tests.discord_server.limits import JSON, LOCALES, DiscordError, Problems

CHAT_INPUT, USER, MESSAGE = 1, 2, 3
SUBCOMMAND, GROUP, STRING, INTEGER, BOOLEAN, USER_OPTION = 1, 2, 3, 4, 5, 6
CHANNEL, ROLE, MENTIONABLE, NUMBER, ATTACHMENT = 7, 8, 9, 10, 11
MOST_BY_TYPE = {CHAT_INPUT: 100, USER: 15, MESSAGE: 15}
LARGEST_INTEGER = 2**53 - 1
LARGEST_COMMAND = 8000

Path = tuple[str | int, ...]


def check_commands(commands: object, *, in_guild: bool) -> None:
    """Raise 50035 with all mistakes of a bulk overwrite, or 30032 when there are too many commands."""
    if not isinstance(commands, list):
        raise DiscordError(
            50035, errors={"_errors": [{"code": "LIST_TYPE_CONVERT", "message": "Only lists"}]}
        )
    problems = Problems()
    for index, command in enumerate(commands):
        check_command(command, problems, (index,), in_guild=in_guild)
    seen: set[tuple[int, str]] = set()
    for index, command in enumerate(commands):
        key = (command.get("type") or CHAT_INPUT, str(command.get("name")))
        if key in seen:
            message = "Application command names must be unique"
            problems.add((index,), "APPLICATION_COMMANDS_DUPLICATE_NAME", message)
        seen.add(key)
    problems.raise_if_any()
    for kind, most in MOST_BY_TYPE.items():
        if sum(1 for command in commands if (command.get("type") or CHAT_INPUT) == kind) > most:
            raise DiscordError(30032)


def check_command(command: JSON, problems: Problems, path: Path = (), *, in_guild: bool) -> None:
    kind = command.get("type") or CHAT_INPUT
    if kind not in MOST_BY_TYPE:
        problems.add((*path, "type"), "BASE_TYPE_CHOICES", "Value must be one of (1, 2, 3).")
        return
    _check_name(command, problems, path, chat_input=kind == CHAT_INPUT)
    _check_placement(command, problems, path, in_guild=in_guild)
    if kind == CHAT_INPUT:
        _check_described(command, problems, path)
        _check_options(command.get("options") or [], problems, (*path, "options"), depth=0)
    elif command.get("description") or command.get("options"):
        problems.add(path, "APPLICATION_COMMAND_TYPE", "Context menu commands have no description or options")
    if size_of(command) > LARGEST_COMMAND:
        message = f"Command exceeds maximum size ({LARGEST_COMMAND})"
        problems.add(path, "APPLICATION_COMMAND_TOO_LARGE", message)


def size_of(command: JSON) -> int:
    """Characters of names, descriptions and values; the longest localisation of each field counts."""
    total = _longest(command, "name") + _longest(command, "description")
    for choice in command.get("choices") or []:
        value = choice.get("value")
        total += _longest(choice, "name") + (len(value) if isinstance(value, str) else 0)
    return total + sum(size_of(option) for option in command.get("options") or [])


def _longest(thing: JSON, name: str) -> int:
    texts = [thing.get(name) or "", *(thing.get(f"{name}_localizations") or {}).values()]
    return max(len(text) for text in texts)


def _check_placement(command: JSON, problems: Problems, path: Path, *, in_guild: bool) -> None:
    for field, allowed in (("contexts", {0, 1, 2}), ("integration_types", {0, 1})):
        values = command.get(field)
        if values is None:
            continue
        if in_guild:
            problems.add((*path, field), "APPLICATION_COMMAND_GLOBAL_ONLY", f"{field} is for global commands")
        elif not values or len(set(values)) != len(values) or not set(values) <= allowed:
            problems.add((*path, field), "BASE_TYPE_CHOICES", f"Value must be one of {sorted(allowed)}.")
    permissions = command.get("default_member_permissions")
    if permissions is not None and not str(permissions).isdigit():
        path = (*path, "default_member_permissions")
        problems.add(path, "NUMBER_TYPE_COERCE", f"Value {permissions!r} is not snowflake.")


def _check_name(thing: JSON, problems: Problems, path: Path, *, chat_input: bool = True) -> None:
    names = [((*path, "name"), thing.get("name"))]
    names += [
        ((*path, "name_localizations", at), text) for at, text in _localised(thing, "name", problems, path)
    ]
    for place, name in names:
        if not problems.length(place, name, 1, 32) or not chat_input:
            continue
        assert isinstance(name, str)
        if not all(map(_may_stand_in_a_name, name)) or name != name.lower():
            message = "Command name is invalid"
            problems.add(place, "APPLICATION_COMMAND_INVALID_NAME", message)


def _may_stand_in_a_name(character: str) -> bool:
    devanagari_or_thai = "\u0900" <= character <= "\u097f" or "\u0e00" <= character <= "\u0e7f"
    return character in "-_'" or unicodedata.category(character)[0] in "LN" or devanagari_or_thai


def _check_described(thing: JSON, problems: Problems, path: Path) -> None:
    problems.length((*path, "description"), thing.get("description"), 1, 100)
    for locale, text in _localised(thing, "description", problems, path):
        problems.length((*path, "description_localizations", locale), text, 1, 100)


def _localised(thing: JSON, field: str, problems: Problems, path: Path) -> list[tuple[str, Any]]:
    texts = thing.get(f"{field}_localizations") or {}
    for locale in texts.keys() - LOCALES:
        problems.add((*path, f"{field}_localizations"), "ENUM_TYPE_COERCE", f"Value {locale!r} is no locale")
    return list(texts.items())


def _check_options(options: list[JSON], problems: Problems, path: Path, *, depth: int) -> None:
    if len(options) > 25:
        problems.add(path, "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
    names = [option.get("name") for option in options]
    optional_seen = False
    for index, option in enumerate(options):
        place = (*path, index)
        if names.index(option.get("name")) != index:
            message = "Option names must be unique"
            problems.add(place, "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS", message)
        if option.get("required") and optional_seen:
            message = "Required options must be placed before non-required options"
            problems.add(place, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", message)
        optional_seen = optional_seen or not option.get("required")
        _check_option(option, problems, place, depth=depth)
    nested = [option.get("type") in (SUBCOMMAND, GROUP) for option in options]
    if any(nested) and not all(nested):
        message = "Sub-command and sub-command group option types are mutually exclusive to all other types"
        problems.add(path, "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", message)


def _check_option(option: JSON, problems: Problems, path: Path, *, depth: int) -> None:
    kind = option.get("type")
    _check_name(option, problems, path)
    _check_described(option, problems, path)
    if kind in (SUBCOMMAND, GROUP):
        _check_nesting(option, problems, path, depth=depth)
    elif kind not in range(STRING, ATTACHMENT + 1):
        problems.add((*path, "type"), "BASE_TYPE_CHOICES", "Value must be an option type.")
    else:
        _check_bounds(option, problems, path)
        _check_choices(option, problems, path)


def _check_nesting(option: JSON, problems: Problems, path: Path, *, depth: int) -> None:
    kind, children = option["type"], option.get("options") or []
    if option.get("required"):
        problems.add((*path, "required"), "APPLICATION_COMMAND_OPTION", "A subcommand is never required")
    deepest = 0 if kind == GROUP else 1
    wrong = [
        c for c in children if c.get("type") == GROUP or (kind == SUBCOMMAND and c.get("type") == SUBCOMMAND)
    ]
    if depth > deepest or wrong or (kind == GROUP and any(c.get("type") != SUBCOMMAND for c in children)):
        problems.add((*path, "type"), "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", "Nested too deep")
    _check_options(children, problems, (*path, "options"), depth=depth + 1)


def _check_bounds(option: JSON, problems: Problems, path: Path) -> None:
    kind = option["type"]
    for field in ("min_value", "max_value"):
        if option.get(field) is None:
            continue
        if kind not in (INTEGER, NUMBER):
            problems.add((*path, field), "APPLICATION_COMMAND_OPTION", f"{field} is for numbers only")
        elif kind == INTEGER and not isinstance(option[field], int):
            problems.add((*path, field), "NUMBER_TYPE_COERCE", f"Value {option[field]!r} is not int.")
        largest = LARGEST_INTEGER if kind == INTEGER else 2**53
        problems.number((*path, field), option[field], -largest, largest)
    for field, low in (("min_length", 0), ("max_length", 1)):
        if option.get(field) is not None and kind != STRING:
            problems.add((*path, field), "APPLICATION_COMMAND_OPTION", f"{field} is for strings only")
        problems.number((*path, field), option.get(field), low, 6000)
    for low_field, high_field in (("min_value", "max_value"), ("min_length", "max_length")):
        least, most = option.get(low_field), option.get(high_field)
        if least is not None and most is not None and least > most:
            problems.add(
                (*path, high_field), "APPLICATION_COMMAND_OPTION", f"{high_field} is below {low_field}"
            )


def _check_choices(option: JSON, problems: Problems, path: Path) -> None:
    choices, kind = option.get("choices") or [], option["type"]
    if (choices or option.get("autocomplete")) and kind not in (STRING, INTEGER, NUMBER):
        problems.add((*path, "choices"), "APPLICATION_COMMAND_OPTION", "Choices are for strings and numbers")
    if choices and option.get("autocomplete"):
        message = "Autocomplete and choices exclude each other"
        problems.add((*path, "autocomplete"), "APPLICATION_COMMAND_OPTION_AUTOCOMPLETE", message)
    if option.get("autocomplete") and "choices" in option and option["choices"] is not None and not choices:
        option = {key: value for key, value in option.items() if key != "choices"}
    check_choices(choices, kind, problems, (*path, "choices"))


def check_choices(choices: list[JSON], kind: int, problems: Problems, path: Path) -> None:
    """The choices of an option or of an autocompletion: at most 25, names and strings of 1 to 100."""
    if len(choices) > 25:
        problems.add(path, "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
    names = [choice.get("name") for choice in choices]
    for index, choice in enumerate(choices):
        place = (*path, index)
        problems.length((*place, "name"), choice.get("name"), 1, 100)
        if names.index(choice.get("name")) != index:
            message = "Choice names must be unique"
            problems.add(place, "APPLICATION_COMMAND_OPTIONS_CHOICE_NAME_ALREADY_EXISTS", message)
        for locale, text in _localised(choice, "name", problems, place):
            problems.length((*place, "name_localizations", locale), text, 1, 100)
        _check_choice_value(choice.get("value"), kind, problems, (*place, "value"))


def _check_choice_value(value: object, kind: int, problems: Problems, path: Path) -> None:
    if kind == STRING:
        problems.length(path, value, 1, 100)
    elif isinstance(value, bool) or not isinstance(value, int if kind == INTEGER else int | float):
        problems.add(path, "NUMBER_TYPE_COERCE", f"Value {value!r} is not of the option's type.")
    else:
        problems.number(path, value, -LARGEST_INTEGER, LARGEST_INTEGER)
