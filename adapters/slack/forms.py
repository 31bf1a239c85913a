"""Models -> modals, and modals -> orders. Pure.

A field's block is named after its command and alias, its element "value", so that what was filled in stays
when the view is updated. A link given for a file has a field of its own ("…/link"); files given otherwise
stand in the view's metadata, for Slack has no way to put them into a field.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from adapters import words
from adapters.slack.render import escaped, plain
from bot.catalogue import Catalogue, Input, Kind, Model, Type
from bot.catalogue.values import YES, match_choice
from bot.catalogue.values import read as read_value
from bot.errors import BadOrder, Problem, Refused
from bot.jobs import FileRef, Json, Option

FORM, CHOOSER = "form", "chooser"
"""Callback ids of our views."""
MORE, CHOOSE = "form.more", "form.choose"
"""Action ids in them."""
WHERE = "where"

TEXT = 3000
"""Characters of a text field."""
METADATA = 3000
OPTIONS = 100
"""Choices of a menu."""
FILES = 10
EXACT = 2**53
"""Whole numbers beyond this are typed as text: clients count with doubles."""

FILETYPES: Mapping[Kind, tuple[str, ...]] = {
    Kind.IMAGE: ("png", "jpg", "jpeg", "gif", "webp", "bmp", "tiff", "heic"),
    Kind.VIDEO: ("mp4", "mov", "webm", "mkv", "avi", "mpg"),
    Kind.AUDIO: ("wav", "mp3", "m4a", "aac", "ogg", "flac"),
}


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that comes with a form: one of Slack's by its id, or one that we keep by its digest."""

    slack: str = ""
    digest: str = ""
    name: str = ""


Given: TypeAlias = Mapping[str, Sequence[Attachment]]


@dataclass(frozen=True, slots=True)
class Form:
    """What a form is for: the model, the place of the result ("" where the form asks), what is given already.

    `given`: files by the alias of their input. `more`: advanced fields are shown.
    """

    model: Model
    place: str = ""
    options: tuple[Option, ...] = ()
    given: Given = field(default_factory=dict)
    more: bool = False


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as it was sent: files put into it now stand over those given before.

    `channel` and `response_url` are those of the conversation that was chosen in it.
    """

    form: Form
    channel: str | None = None
    response_url: str | None = None

    @property
    def options(self) -> tuple[Option, ...]:
        """With stand-ins for files that are not here yet."""
        stand_ins = [
            (alias, FileRef(one.digest, one.name))
            for alias, files in self.form.given.items()
            for one in files
        ]
        return (*self.form.options, *stand_ins)

    @property
    def is_slow(self) -> bool:
        """Whether something must be fetched before it can be accepted."""
        links = (
            isinstance(value, str) and (entry := self.form.model.input(key)) is not None and entry.is_file
            for key, value in self.form.options
        )
        return any(links) or any(not one.digest for files in self.form.given.values() for one in files)


# -- a form


def form(of: Form, language: str, problems: Sequence[Problem] = ()) -> Json:
    """The modal of a model, filled; each mistake under its field, those without one on top."""
    model = of.model
    fields = {entry.alias for entry in model.inputs}
    by_field: dict[str, list[str]] = {}
    for problem in problems:
        entry = model.input(problem.option) if problem.option else None
        by_field.setdefault(entry.alias if entry else "", []).append(words.problem(problem, language))
    blocks: list[Json] = [_text(escaped(model.summary))]
    blocks += [_mistake(line) for key, lines in by_field.items() if key not in fields for line in lines]
    if not of.place:
        blocks.append(_where(language))
    has_more = False
    for entry in model.inputs:
        if not _is_shown(entry, of, by_field):
            has_more = True
            continue
        blocks += _field(entry, of, language)
        blocks += [_mistake(line) for line in by_field.get(entry.alias, ())]
    if has_more:
        blocks.append(_more(language))
    return {
        "type": "modal",
        "callback_id": FORM,
        "title": plain(f"/{model.command}", 24),
        "submit": plain(words.say("slack.submit", {}, language), 24),
        "close": plain(words.say("slack.close", {}, language), 24),
        "private_metadata": _metadata(of),
        "blocks": blocks[:100],
    }


def _is_shown(entry: Input, of: Form, by_field: Mapping[str, object]) -> bool:
    return (
        of.more
        or not entry.advanced
        or entry.alias in by_field
        or entry.alias in of.given
        or any(of.model.input(key) is entry for key, _ in of.options)
    )


def _field(entry: Input, of: Form, language: str) -> list[Json]:
    values = [value for key, value in of.options if of.model.input(key) is entry]
    if entry.is_file:
        return _file_fields(entry, of, [value for value in values if isinstance(value, str)], language)
    value = values[-1] if values else None
    field = _input(of.model, entry, _element(entry, value, language))
    is_cut = isinstance(value, str) and len(value) > TEXT
    return [field, _note(words.say("slack.cut", {"limit": TEXT}, language))] if is_cut else [field]


def _input(model: Model, entry: Input, element: Json, *, link: bool = False, language: str = "en") -> Json:
    label = words.say("slack.link", {"name": entry.alias}, language) if link else entry.alias
    block: Json = {
        "type": "input",
        "block_id": _block_id(model, entry, link=link),
        "label": plain(label, 150),
        "optional": not entry.required or entry.is_file,
        "element": {**element, "action_id": "value"},
    }
    if entry.help and not link:
        block["hint"] = plain(entry.help, 150)
    return block


def _block_id(model: Model, entry: Input, *, link: bool = False) -> str:
    return f"{model.command}.{entry.alias}" + ("/link" if link else "")


def _element(entry: Input, value: Json, language: str) -> Json:
    if entry.type is Type.BOOLEAN:
        return _checkbox(entry, value, language)
    if entry.words and len(entry.words) <= OPTIONS:
        return _several(entry, value)
    if entry.choices and len(entry.choices) <= OPTIONS and _is_choice(entry, value):
        return _menu(entry, value)
    if entry.type in (Type.INTEGER, Type.NUMBER) and _counts(entry) and _fits(entry, value):
        return _number(entry, value)
    return _line(entry, value)


def _line(entry: Input, value: Json) -> Json:
    element: Json = {"type": "plain_text_input", "multiline": entry.is_free_text and entry.max_length > 1000}
    if entry.is_free_text:
        element["max_length"] = min(entry.max_length, TEXT)
    if value not in (None, ""):
        element["initial_value"] = str(value)[:TEXT]
    return _with_default(element, entry)


def _number(entry: Input, value: Json) -> Json:
    element: Json = {"type": "number_input", "is_decimal_allowed": entry.type is Type.NUMBER}
    for name, bound in (("min_value", entry.minimum), ("max_value", entry.maximum)):
        if bound is not None:
            element[name] = _written(bound)
    if value is not None:
        element["initial_value"] = _written(read_value(entry, entry.alias, value))
    return _with_default(element, entry)


def _menu(entry: Input, value: Json) -> Json:
    options = [_option(choice) for choice in entry.choices]
    element: Json = {"type": "static_select", "options": options}
    chosen = match_choice(str(value), entry.choices) if value is not None else None
    if chosen is not None:
        element["initial_option"] = _option(chosen)
    return _with_default(element, entry)


def _several(entry: Input, value: Json) -> Json:
    element: Json = {"type": "multi_static_select", "options": [_option(word) for word in entry.words]}
    given = [match_choice(item, entry.words) for item in str(value or "").split(",")]
    if chosen := [_option(word) for word in dict.fromkeys(given) if word is not None]:
        element["initial_options"] = chosen
    return _with_default(element, entry)


def _checkbox(entry: Input, value: Json, language: str) -> Json:
    option = {"text": plain(words.say("slack.yes", {}, language), 75), "value": "yes"}
    element: Json = {"type": "checkboxes", "options": [option]}
    if _is_yes(entry.default if value is None else value):
        element["initial_options"] = [option]
    return element


def _file_fields(entry: Input, of: Form, links: Sequence[str], language: str) -> list[Json]:
    kinds = [filetype for kind in entry.accepts for filetype in FILETYPES[kind]]
    files = {"type": "file_input", "filetypes": kinds, "max_files": min(entry.max_items, FILES)}
    blocks = [_input(of.model, entry, files)]
    if attached := of.given.get(entry.alias):
        names = ", ".join(one.name for one in attached)
        blocks.append(_note(words.say("slack.attached", {"names": names}, language)))
    if links:
        element = {"type": "plain_text_input", "initial_value": " | ".join(links)[:TEXT]}
        blocks.append(_input(of.model, entry, element, link=True, language=language))
    return blocks


def _with_default(element: Json, entry: Input) -> Json:
    if entry.default not in (None, ""):
        return {**element, "placeholder": plain(str(_written(entry.default)), 150)}
    return element


def _option(value: object) -> Json:
    return {"text": plain(str(value), 75), "value": str(value)[:150]}


def _where(language: str) -> Json:
    return {
        "type": "input",
        "block_id": WHERE,
        "label": plain(words.say("slack.where", {}, language), 150),
        "element": {
            "type": "conversations_select",
            "action_id": "value",
            "default_to_current_conversation": True,
            "response_url_enabled": True,
        },
    }


def _more(language: str) -> Json:
    label = plain(words.say("button.more", {}, language), 75)
    return {
        "type": "actions",
        "elements": [{"type": "button", "action_id": MORE, "text": label, "value": MORE}],
    }


def _text(text: str) -> Json:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:TEXT]}}


def _mistake(text: str) -> Json:
    return _note(f":warning: {text}")


def _note(text: str) -> Json:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": escaped(text)[:TEXT]}]}


# -- other views


def chooser(
    models: Iterable[Model], language: str, *, place: str = "", spare: Attachment | None = None
) -> Json:
    """Choose a model; its form follows in the same view."""
    kinds: dict[str, list[Json]] = {}
    for model in models:
        kinds.setdefault(model.kind.value, []).append(
            {"text": plain(f"/{model.command} · {model.title}", 75), "value": model.command}
        )
    groups = [
        {"label": plain(words.say(f"kind.{kind}", {}, language), 75), "options": options}
        for kind, options in kinds.items()
    ]
    menu = {"type": "static_select", "action_id": CHOOSE, "option_groups": groups}
    label = words.say("slack.choose", {}, language)
    return {
        "type": "modal",
        "callback_id": CHOOSER,
        "title": plain(words.say("shortcut.create", {}, language), 24),
        "close": plain(words.say("slack.close", {}, language), 24),
        "private_metadata": json.dumps({"place": place, "spare": _packed(spare) if spare else None}),
        "blocks": [
            {
                "type": "section",
                "text": {"type": "mrkdwn", "text": escaped(label)},
                "accessory": {**menu, "placeholder": plain(label, 150)},
            }
        ],
    }


def words_view(text: str, language: str) -> Json:
    """A view that only says something."""
    return {
        "type": "modal",
        "callback_id": "words",
        "title": plain("Threadreel", 24),
        "close": plain(words.say("slack.close", {}, language), 24),
        "blocks": [_text(escaped(text))],
    }


# -- reading


def read(view: Json, catalogue: Catalogue) -> Filled:
    """A form as it stands filled in a payload. Refused where the catalogue has its model no more."""
    of = _unpacked_form(view["private_metadata"], catalogue)
    state = view["state"]["values"]
    options: list[Option] = []
    given = dict(of.given)
    for entry in of.model.inputs:
        values = state.get(_block_id(of.model, entry))
        options += _read_link(of.model, entry, state)
        if values is None:
            continue
        value = values["value"]
        if entry.is_file:
            if files := value.get("files"):
                given[entry.alias] = [
                    Attachment(slack=one["id"], name=one.get("name") or one["id"]) for one in files
                ]
            continue
        options += _read_field(entry, value)
    where = (state.get(WHERE) or {}).get("value") or {}
    urls = view.get("response_urls") or [{}]
    filled = replace(of, options=tuple(options), given=given)
    return Filled(filled, where.get("selected_conversation"), urls[0].get("response_url"))


def _read_link(model: Model, entry: Input, state: Json) -> Iterator[Option]:
    values = state.get(_block_id(model, entry, link=True))
    text = (values or {}).get("value", {}).get("value") or ""
    items = text.split("|") if entry.type is Type.FILES else [text]
    yield from ((entry.alias, item.strip()) for item in items if item.strip())


def _read_field(entry: Input, value: Json) -> Iterator[Option]:
    """What was filled in. A checkbox that stands as the model has it is as good as untouched."""
    match value["type"]:
        case "checkboxes":
            checked = bool(value.get("selected_options"))
            if checked != _is_yes(entry.default):
                yield entry.alias, checked
        case "multi_static_select":
            if chosen := value.get("selected_options"):
                yield entry.alias, ",".join(one["value"] for one in chosen)
        case "static_select":
            if chosen := value.get("selected_option"):
                yield entry.alias, chosen["value"]
        case _:
            if text := value.get("value"):
                yield entry.alias, text


def errors(problems: Sequence[Problem], of: Form, view: Json, language: str) -> dict[str, str]:
    """Each mistake by the block of its field; on the first field where it has none here."""
    there = [block["block_id"] for block in view["blocks"] if block["type"] == "input"]
    found: dict[str, list[str]] = {}
    for problem in problems:
        entry = of.model.input(problem.option) if problem.option else None
        names = [_block_id(of.model, entry, link=True), _block_id(of.model, entry)] if entry else []
        at = next((name for name in names if name in there), there[0])
        found.setdefault(at, []).append(words.problem(problem, language))
    return {block: " ".join(lines) for block, lines in found.items()}


# -- what travels in a view's metadata


def _metadata(of: Form) -> str:
    """Cut to what Slack takes: of many files the last are left out."""
    packed = [[alias, _packed(one)] for alias, files in of.given.items() for one in files]
    while True:
        text = json.dumps({"model": of.model.command, "place": of.place, "files": packed, "more": of.more})
        if len(text) <= METADATA or not packed:
            return text
        packed.pop()


def _packed(one: Attachment) -> Json:
    return [one.slack, one.digest, one.name[:80]]


def _unpacked_form(metadata: str, catalogue: Catalogue) -> Form:
    held = json.loads(metadata)
    try:
        model = catalogue.find(held["model"])
    except BadOrder as error:
        raise Refused("no_provider", model=held["model"]) from error
    given: dict[str, list[Attachment]] = {}
    for alias, packed in held["files"]:
        given.setdefault(alias, []).append(Attachment(*packed))
    return Form(model, held["place"], given=given, more=held["more"])


def chosen(view: Json) -> tuple[str, Attachment | None]:
    """The place and the file that a chooser holds."""
    held = json.loads(view["private_metadata"])
    return held["place"], Attachment(*held["spare"]) if held["spare"] else None


# -- small readings


def _is_yes(value: Json) -> bool:
    return value is True or (isinstance(value, str) and value.strip().casefold() in YES)


def _is_choice(entry: Input, value: Json) -> bool:
    """What can't be chosen is shown as it was typed, to be mended."""
    return value is None or match_choice(str(value), entry.choices) is not None


def _counts(entry: Input) -> bool:
    bounds = [bound for bound in (entry.minimum, entry.maximum) if bound is not None]
    return len(bounds) == 2 and all(abs(bound) < EXACT for bound in bounds)


def _fits(entry: Input, value: Json) -> bool:
    """Whether a field for numbers can hold it. Of what can't, Slack would refuse the whole view: that is
    shown as it was typed, to be mended."""
    try:
        return value is None or read_value(entry, entry.alias, value) is not None
    except BadOrder:
        return False


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
