"""The catalogue as Discord's commands: what is registered, and what comes back of it. Pure.

Limits: https://discord.com/developers/docs/interactions/application-commands
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from adapters import words
from bot.catalogue import Catalogue, Input, Model, Type
from bot.jobs import Json

Payload: TypeAlias = dict[str, Json]

LOCALES: Mapping[str, str] = {"zh-CN": "zh"}
"""Discord's locales that there are words in, besides English, and the language of the words."""

CHAT, MESSAGE = 1, 3
SUBCOMMAND, TEXT, INTEGER, BOOLEAN, PERSON, CHANNEL, ROLE, NUMBER, ATTACHMENT = 1, 3, 4, 5, 6, 7, 8, 10, 11
MANAGE_SERVER = str(1 << 5)
"""Discord's permission by which a server's members see /settings, until it says otherwise itself."""
IN_SERVERS, WITH_THE_BOT = 0, 1

MOST_OPTIONS = 25
MOST_CHOICES = 25
DESCRIPTION = 100
CHOICE = 100
LONGEST_TEXT = 6000
LARGEST_INTEGER = 2**53 - 1
"""What is larger goes as text: JavaScript counts no further."""

MORE = "more"
"""The option that opens a form with the rest, where a model has more inputs than a command has options."""

RUN, JOBS, USAGE, HELP = "run", "jobs", "usage", "help"
SETTINGS, MY_DATA, FORGET_ME = "settings", "my-data", "forget-me"
MENUS: Mapping[str, str] = {"video": "video", "edit": "edit", "cutout": "cutout", "use": ""}
"""The code of a message menu's words -> the command it runs; none where it is to be chosen."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One option of a command: the input that it is for."""

    name: str
    entry: Input


def slots(model: Model) -> list[Slot]:
    """The options of a model's command, the required ones first. A list of files has one for each."""
    every = [
        Slot(entry.alias if number == 1 else f"{entry.alias}{number}", entry)
        for entry in model.inputs
        for number in range(1, (entry.max_items if entry.type is Type.FILES else 1) + 1)
    ]
    every.sort(key=lambda slot: not _is_needed(slot))
    return every if len(every) <= MOST_OPTIONS else every[: MOST_OPTIONS - 1]


def has_more(model: Model) -> bool:
    """Whether there are inputs that have no option."""
    return sum(entry.max_items if entry.type is Type.FILES else 1 for entry in model.inputs) > MOST_OPTIONS


def _is_needed(slot: Slot) -> bool:
    return slot.entry.required and slot.name == slot.entry.alias


# -- what is registered


def commands(catalogue: Catalogue, *, adults_apart: bool = False) -> list[Payload]:
    """Every command and menu. `adults_apart`: what may be for adults only in age-restricted channels."""
    return [
        *(_of_model(model, nsfw=adults_apart and model.may_be_adult) for model in catalogue),
        _chat(
            RUN,
            _texts("command.run"),
            [
                _completed(_option("model", TEXT, _texts("command.run_model"), required=True)),
                _option("options", TEXT, _texts("command.run_options"), max_length=LONGEST_TEXT),
                *(
                    _option(name, ATTACHMENT, _texts("command.run_file"))
                    for name in ("file", "file2", "file3", "file4")
                ),
            ],
        ),
        _chat(JOBS, _texts("command.jobs"), []),
        _chat(USAGE, _texts("command.usage"), []),
        _chat(
            HELP,
            _texts("command.help"),
            [_completed(_option("command", TEXT, _texts("command.help_command")))],
        ),
        settings_command(),
        _chat(MY_DATA, _texts("command.my_data"), []),
        _chat(FORGET_ME, _texts("command.forget_me"), []),
        *(_menu(code) for code in MENUS),
    ]


def settings_command() -> Payload:
    """/settings, for those who look after a server."""
    key = _completed(_option("key", TEXT, _texts("discord_admin.key"), required=True))
    value = _completed(_option("value", TEXT, _texts("discord_admin.value"), max_length=LONGEST_TEXT))
    where = (
        _option("channel", CHANNEL, _texts("discord_admin.channel")),
        _option("role", ROLE, _texts("discord_admin.role")),
    )
    person = _option("person", PERSON, _texts("discord_admin.person"), required=True)
    terms = (
        _option("until", TEXT, _texts("discord_admin.until"), max_length=30),
        _option("reason", TEXT, _texts("discord_admin.reason"), max_length=500),
    )
    provider = _completed(_option("provider", TEXT, _texts("discord_admin.provider"), required=True))
    parts: Sequence[tuple[str, Sequence[Payload]]] = (
        ("show", where),
        ("set", (key, value, *where)),
        ("unset", (key, *where)),
        ("people", ()),
        ("block", (person, *terms)),
        ("unblock", (person,)),
        ("trust", (person, *terms)),
        ("jobs", (_option("person", PERSON, _texts("discord_admin.person")),)),
        ("audit", ()),
        ("money", ()),
        ("keys", ()),
        ("key", (provider,)),
        ("drop-key", (provider,)),
        ("export", ()),
        ("import", (_option("file", ATTACHMENT, _texts("discord_admin.file"), required=True),)),
    )
    options = [
        {
            "type": SUBCOMMAND,
            "name": name,
            **_described("description", _texts(f"discord_admin.do_{name.replace('-', '_')}"), DESCRIPTION),
            "options": list(options),
        }
        for name, options in parts
    ]
    return {
        **_chat(SETTINGS, _texts("command.settings"), options),
        "contexts": [IN_SERVERS],
        "default_member_permissions": MANAGE_SERVER,
    }


def _of_model(model: Model, *, nsfw: bool) -> Payload:
    options = [_of_slot(model, slot) for slot in slots(model)]
    if has_more(model):
        options.append(_option(MORE, BOOLEAN, _texts("command.more")))
    return _chat(model.command, lambda language: words.model_summary(model, language), options, nsfw=nsfw)


def _of_slot(model: Model, slot: Slot) -> Payload:
    entry = slot.entry

    def text(language: str) -> str:
        return _with_default(words.input_help(model, entry, language), entry, language)

    option = _option(slot.name, kind_of(entry), text, required=_is_needed(slot))
    if is_completed(entry):
        return _completed(option)
    if entry.choices:
        return {**option, "choices": [{"name": str(one)[:CHOICE], "value": one} for one in entry.choices]}
    if option["type"] in (INTEGER, NUMBER):
        bounds = {"min_value": entry.minimum, "max_value": entry.maximum}
        return {**option, **{name: bound for name, bound in bounds.items() if bound is not None}}
    if entry.is_free_text:
        return {**option, "max_length": min(entry.max_length, LONGEST_TEXT)}
    return option


def kind_of(entry: Input) -> int:
    """The type of option that an input needs."""
    match entry.type:
        case Type.FILE | Type.FILES:
            return ATTACHMENT
        case Type.BOOLEAN:
            return BOOLEAN
        case Type.INTEGER if abs(entry.maximum or 0) <= LARGEST_INTEGER >= abs(entry.minimum or 0):
            return INTEGER
        case Type.NUMBER:
            return NUMBER
        case _:
            return TEXT


def is_completed(entry: Input) -> bool:
    """Whether its values are suggested while somebody types: too many for a list, or several at once."""
    return len(entry.choices) > MOST_CHOICES or bool(entry.words)


def _with_default(text: str, entry: Input, language: str) -> str:
    if entry.default is None or entry.default == "" or entry.is_free_text:
        return text
    shown = words.value(entry.default, language)
    return words.say("command.default", {"help": text.rstrip(".。"), "default": shown}, language)


# -- Discord's forms of it

Texts: TypeAlias = Callable[[str], str]
"""What something is called, by language."""


def _texts(code: str) -> Texts:
    return lambda language: words.say(code, {}, language)


def _described(key: str, text: Texts, most: int) -> Payload:
    local = {locale: words.clean(text(language), most) for locale, language in LOCALES.items()}
    return {key: words.clean(text("en"), most), f"{key}_localizations": local}


def _option(name: str, kind: int, text: Texts, *, required: bool = False, **more: Json) -> Payload:
    return {
        "type": kind,
        "name": name,
        **_described("description", text, DESCRIPTION),
        "required": required,
        **more,
    }


def _completed(option: Payload) -> Payload:
    return {**option, "autocomplete": True}


def _chat(name: str, text: Texts, options: Sequence[Payload], *, nsfw: bool = False) -> Payload:
    return {
        "type": CHAT,
        "name": name,
        **_described("description", text, DESCRIPTION),
        "options": list(options),
        **_where(nsfw),
    }


def _menu(code: str) -> Payload:
    return {"type": MESSAGE, **_described("name", _texts(f"shortcut.{code}"), 32), **_where(nsfw=False)}


def _where(nsfw: bool) -> Payload:
    return {"nsfw": nsfw, "contexts": [IN_SERVERS, WITH_THE_BOT], "integration_types": [0]}


def menu_code(name: str) -> str | None:
    """Which menu this is; Discord sends the English name, whatever the person sees."""
    return next((code for code in MENUS if words.say(f"shortcut.{code}", {}) == name), None)


# -- is it what stands there already?

IGNORED = frozenset(
    {"id", "application_id", "version", "default_member_permissions", "dm_permission", "guild_id"}
)

NOTHING: tuple[Json, ...] = (None, [], {}, "")


def same(wanted: Iterable[Payload], there: Iterable[Payload]) -> bool:
    """Whether Discord has these very commands; what it adds of its own doesn't count."""
    wanted = list(wanted)
    if not any("contexts" in one for one in wanted):
        there = for_one_server(there)
    return _by_name(wanted) == _by_name(there)


def _by_name(payloads: Iterable[Payload]) -> dict[tuple[int, str], Json]:
    return {(one.get("type", CHAT), one["name"]): _told(one) for one in payloads}


def _told(thing: Json) -> Json:
    """Without what is empty or not ours, in an order of its own where Discord keeps none."""
    if isinstance(thing, dict):
        told = {key: _told(value) for key, value in thing.items() if key not in IGNORED}
        # By identity: a bound of 0 equals False, and is something.
        return {key: value for key, value in told.items() if value is not False and value not in NOTHING}
    if isinstance(thing, list):
        if thing and all(isinstance(one, int) for one in thing):
            return sorted(thing)
        return [_told(one) for one in thing]
    if isinstance(thing, float) and thing.is_integer():
        return int(thing)
    return thing


def for_one_server(payloads: Iterable[Payload]) -> list[Payload]:
    """The same commands as a single server has them: where they are offered is not asked there."""
    return [
        {key: value for key, value in payload.items() if key not in ("contexts", "integration_types")}
        for payload in payloads
    ]


# -- suggestions


def suggestions(entry: Input, typed: str) -> list[str]:
    """Values that fit what has been typed; of several, the last is completed."""
    if entry.words:
        done, comma, last = typed.rpartition(",")
        before = f"{done}{comma}" if comma else ""
        taken = {one.strip() for one in done.split(",")}
        fitting = _fitting([one for one in entry.words if one not in taken], last)
        return [text for one in fitting if len(text := f"{before}{one}") <= CHOICE][:MOST_CHOICES]
    return _fitting([str(choice) for choice in entry.choices], typed)[:MOST_CHOICES]


def models(catalogue: Catalogue, typed: str, language: str) -> list[tuple[str, str]]:
    """The name and the command of the models that fit, by command, name or title."""
    every = {f"/{m.command} · {words.model_title(m, language)} · {m.full_name}": m.command for m in catalogue}
    return [(name[:CHOICE], every[name]) for name in _fitting(list(every), typed)][:MOST_CHOICES]


def _fitting(every: Sequence[str], typed: str) -> list[str]:
    """Those that begin with it first, then those in which it stands."""
    wanted = typed.strip().casefold()
    holding = [one for one in every if wanted in one.casefold()]
    return sorted(holding, key=lambda one: not one.casefold().startswith(wanted))
