"""A model as a modal, and a filled one as options. Pure.

A modal holds five parts: what a model can't do without, and a field for all the rest, typed as in a command.
https://discord.com/developers/docs/components/reference
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adapters import words
from adapters.discord.customs import Custom
from adapters.discord.schema import Payload
from bot import grammar
from bot.catalogue import Catalogue, Input, Model, Type
from bot.jobs import FileRef, Json, Option

LABEL, TEXT_INPUT, FILE_UPLOAD = 18, 4, 19
SHORT, PARAGRAPH = 1, 2

MOST_TEXTS = 2
MOST_FILES = 2
LONGEST = 4000
MORE = "more"


@dataclass(frozen=True, slots=True)
class Filled:
    """What a form opens with, by the model's own names. `links`: files that somebody else's message holds."""

    inputs: Mapping[str, Json] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)


def modal(model: Model, custom: Custom, language: str, filled: Filled | None = None) -> Payload:
    """The form of a model. What has a field is needed, or main; the rest is typed under "more options"."""
    filled = filled or Filled()
    own = own_fields(model, filled)
    parts = [_field(model, entry, filled, language) for entry in own]
    rest = [entry for entry in model.inputs if entry not in own]
    if rest:
        parts.append(_more(model, rest, filled, language))
    return {
        "custom_id": str(custom),
        "title": words.clean(words.model_title(model, language), 45),
        "components": parts,
    }


def own_fields(model: Model, filled: Filled) -> list[Input]:
    """The inputs that have a field of their own."""
    files = [e for e in model.inputs if e.is_file and (e.required or e.name in filled.links)]
    given = [e for e in model.inputs if e.is_file and e.name in filled.inputs and e not in files]
    optional = [e for e in model.inputs if e.is_file and e not in files and e not in given]
    return [*_own_texts(model), *[*files, *given, *optional][:MOST_FILES]]


def _own_texts(model: Model) -> list[Input]:
    return [e for e in model.inputs if e.type is Type.TEXT and (e.required or e.main)][:MOST_TEXTS]


def _field(model: Model, entry: Input, filled: Filled, language: str) -> Payload:
    hint = words.input_help(model, entry, language)
    if entry.name in filled.links:
        link = _text(entry.alias, SHORT, filled.links[entry.name], required=entry.required)
        return _label(entry.alias, words.say("form.link", {}, language), link)
    if entry.is_file:
        return _label(entry.alias, *_upload(entry, filled, hint, language))
    most = min(entry.max_length, LONGEST)
    value = str(filled.inputs.get(entry.name, ""))[:most]
    text = _text(entry.alias, PARAGRAPH, value, required=entry.required, max_length=most)
    return _label(entry.alias, hint, text)


def _upload(entry: Input, filled: Filled, hint: str, language: str) -> tuple[str, Payload]:
    there = files_in(filled.inputs.get(entry.name))
    upload = {"type": FILE_UPLOAD, "custom_id": entry.alias, "max_values": min(entry.max_items, 10)}
    if there:
        names = ", ".join(words.clean(file.name, 40) for file in there)
        return words.say("form.keep", {"name": names}, language), {**upload, "required": False}
    return hint, {**upload, "required": entry.required}


def _more(model: Model, rest: Sequence[Input], filled: Filled, language: str) -> Payload:
    """Everything else, typed as it would be in a command."""
    value, left_out = _typed(model, filled.inputs)
    if left_out:
        hint = words.say("form.more_keeps", {"names": [e.alias for e in left_out]}, language)
    else:
        example = " ".join(f"{e.alias}:{words.value(e.default)}" for e in rest if _is_short(e))[:60]
        hint = words.say("form.more_help", {"example": example or model.example}, language)
    text = _text(MORE, PARAGRAPH, value, required=False, max_length=LONGEST)
    return _label(words.say("form.more", {}, language), hint, text)


def _typed(model: Model, inputs: Mapping[str, Json]) -> tuple[str, list[Input]]:
    """What stands under "more options", and what is too long to stand there with the rest, the longest first.

    Half an option would be another one.
    """
    own = _own_texts(model)
    typed = [e for e in model.inputs if not e.is_file and e not in own and e.name in inputs]
    left_out: list[Input] = []
    while len(text := _written(model, {e.name: inputs[e.name] for e in typed})) > LONGEST:
        left_out.append(max(typed, key=lambda e: len(str(inputs[e.name]))))
        typed.remove(left_out[-1])
    return text, left_out


def _written(model: Model, inputs: Mapping[str, Json]) -> str:
    return grammar.write(model, inputs).removeprefix(f"/{model.command}").strip()


def _is_short(entry: Input) -> bool:
    return entry.default not in (None, "") and len(str(entry.default)) < 12 and not entry.is_free_text


def _label(label: str, description: str, component: Payload) -> Payload:
    return {
        "type": LABEL,
        "label": words.clean(label, 45),
        "description": words.clean(description, 100),
        "component": component,
    }


def _text(custom_id: str, style: int, value: str, **more: Json) -> Payload:
    prefilled = {"value": value} if value else {}
    return {"type": TEXT_INPUT, "custom_id": custom_id, "style": style, **prefilled, **more}


# -- back


def read(
    catalogue: Catalogue, model: Model, data: Mapping[str, Json], kept: Mapping[str, Json]
) -> tuple[Option, ...]:
    """The options of a filled form. `kept`, by own names: what stays where no other was given, that is files
    and what was too long to stand in the form.

    BadOrder where what stands under "more options" can't be read.
    """
    answers = dict(answers_in(data))
    attachments = (data.get("resolved") or {}).get("attachments") or {}
    options: list[Option] = []
    for key, answer in answers.items():
        if isinstance(answer, list):
            options += [(key, str(attachments[id_]["url"])) for id_ in answer if id_ in attachments]
        elif key == MORE and str(answer).strip():
            options += grammar.parse(f"/{model.command} {answer}", catalogue).options
        elif key != MORE and str(answer).strip():
            options.append((key, str(answer)))
    given = {entry.name for key, _ in options if (entry := model.input(key))}
    stay = [
        (entry.alias, file)
        for entry in model.inputs
        if entry.is_file and entry.name not in given
        for file in files_in(kept.get(entry.name))
    ]
    too_long = _typed(model, kept)[1]
    return (*options, *stay, *((e.alias, kept[e.name]) for e in too_long if e.name not in given))


def answers_in(data: Mapping[str, Json]) -> list[tuple[str, Json]]:
    """Each field's id with its text, or with the ids of what was uploaded."""
    inner: list[Mapping[str, Json]] = [
        one.get("component") or next(iter(one.get("components") or []), {})
        for one in data.get("components") or []
    ]
    return [
        (one["custom_id"], one["values"] if "values" in one else one.get("value") or "")
        for one in inner
        if "custom_id" in one
    ]


def files_in(value: Json) -> list[FileRef]:
    """The files of a stored input."""
    items = value if isinstance(value, list) else [value]
    return [FileRef(item["file"], item["name"]) for item in items if isinstance(item, Mapping)]


def written(data: Mapping[str, Json]) -> str:
    """What somebody wrote into a form, so that it isn't lost where the form is."""
    texts = [(key, answer) for key, answer in answers_in(data) if isinstance(answer, str)]
    return " ".join(answer if key == MORE else f"{key}:{answer}" for key, answer in texts if answer.strip())
