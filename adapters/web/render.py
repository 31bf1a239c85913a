"""Posts, models and mistakes -> what the page is told. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import assert_never
from urllib.parse import quote

from adapters import words
from bot.catalogue import Catalogue, Input, Model
from bot.errors import BadOrder, Confirm, ForPerson, Problem
from bot.jobs import Actor, FileRef, Json
from bot.ports import Cancelled, Card, Failed, MediaFile, Notice, Ready, Unknown, Waiting, Working

BOT: Json = {"id": "threadreel", "name": "Threadreel", "bot": True}
"""Who posts results."""

CHOICE = ("yes", "no", "declined")
"""What somebody may answer who is asked whether a cost is agreed to, and what is said where it isn't."""


# -- messages


def author(actor: Actor) -> Json:
    return {"id": actor.id, "name": words.clean(actor.name, 60)}


def card(about: Card, notice: Notice, title: str) -> Json:
    """A job's message: the command, and how it stands. `title` is the model's."""
    return {
        **_about(about, title),
        "state": _state(notice),
        "word": words.state(notice, about.actor.language),
        "sentence": words.notice(notice, about.actor.language),
        **_figures(notice),
        "media": _media(notice, about) if isinstance(notice, Ready) else [],
    }


def result(about: Card, ready: Ready, title: str) -> Json:
    """The message that brings a job's files."""
    return {
        **_about(about, title),
        "media": _media(ready, about),
        "took": words.lasting(ready.took, about.actor.language) if ready.took is not None else None,
        "cost": words.money(ready.cost, about.actor.language),
    }


def said(text: str, files: tuple[FileRef, ...]) -> Json:
    """What somebody wrote, with what they attached."""
    return {"text": text, "files": [file_of(file) for file in files]}


def file_of(file: FileRef) -> Json:
    return {"digest": file.digest, "name": file.name, "url": _url(file.digest, file.name)}


def _about(about: Card, title: str) -> Json:
    return {
        "job": about.job,
        "model": about.model,
        "title": title,
        "text": about.text,
        "seed": None if about.seed is None else str(about.seed),  # may be more than a browser counts to
        "asked_by": about.actor.id,
        "asked_at": about.created_at,
        "files": [file_of(file) for file in _files_in(about.inputs)],
    }


def _files_in(inputs: Mapping[str, Json]) -> list[FileRef]:
    items = [item for value in inputs.values() for item in (value if isinstance(value, list) else [value])]
    return [FileRef(item["file"], item["name"]) for item in items if isinstance(item, Mapping)]


def _state(notice: Notice) -> str:
    match notice:
        case Waiting():
            return "waiting"
        case Working():
            return "working"
        case Ready():
            return "ready"
        case Failed():
            return "failed"
        case Cancelled():
            return "cancelled"
        case Unknown():
            return "unknown"
        case _:
            assert_never(notice)


def _figures(notice: Notice) -> Json:
    match notice:
        case Waiting(ahead, eta):
            return {"ahead": ahead, "eta": eta}
        case Working(fraction, eta):
            return {"fraction": fraction, "eta": eta}
        case _:
            return {}


def _media(ready: Ready, about: Card) -> list[Json]:
    return [_one_medium(file, about) for file in ready.media]


def _one_medium(file: MediaFile, about: Card) -> Json:
    shown = {name: value for name, value in asdict(file.media).items() if value is not None}
    return {**shown, "name": file.name, "url": _url(file.media.digest, file.name), "alt": _alt(file, about)}


def _alt(file: MediaFile, about: Card) -> str:
    """What a picture shows, as far as anybody knows: what was asked for."""
    return words.clean(f"{file.media.part}: {about.text}", 500)


def _url(digest: str, name: str) -> str:
    return f"/media/{digest}/{quote(name, safe='')}"


def gone(why: str, language: str, **facts: Json) -> Json:
    """What stands in the place of a message that was taken down: `why` is "removed" or "forgotten"."""
    return {"text": words.say(f"web_admin.{why}", facts, language)}


def somebody(language: str) -> Json:
    """Who said it, once they are forgotten."""
    return {"id": "", "name": words.say("web_admin.somebody", {}, language)}


def news(code: str, facts: Mapping[str, Json], language: str) -> Json:
    """What those who look after the page are told, as a message."""
    return {"text": words.say(f"telling.{code}", facts, language), "files": []}


# -- the catalogue


def catalogue(catalogue: Catalogue) -> Json:
    return [_model(model) for model in catalogue]


def _model(model: Model) -> Json:
    return {
        "command": model.command,
        "name": model.full_name,
        "title": model.title,
        "summary": model.summary,
        "notes": model.notes,
        "kind": model.kind.value,
        "formats": model.formats,
        "example": model.example,
        "inputs": [_input(entry) for entry in model.inputs],
    }


def _input(entry: Input) -> Json:
    """Without what is empty: the page takes absent for that."""
    every = {
        "name": entry.name,
        "alias": entry.alias,
        "type": entry.type.value,
        "help": entry.help,
        "required": entry.required,
        "default": entry.default,
        "minimum": entry.minimum,
        "maximum": entry.maximum,
        "step": entry.steps_of,
        "step_from": entry.steps_from if entry.steps_of else None,
        "choices": entry.choices or None,
        "words": entry.words or None,
        "accepts": [kind.value for kind in entry.accepts] or None,
        "max_length": entry.max_length if entry.is_free_text else None,
        "max_items": entry.max_items if entry.is_file else None,
        "main": entry.main,
        "advanced": entry.advanced,
    }
    return {name: value for name, value in every.items() if value is not None and value is not False}


# -- mistakes


def mistakes(error: ForPerson, model: Model | None, language: str) -> Json:
    """What was wrong, as lines, each with the field that it belongs to; or what the person is asked."""
    if isinstance(error, Confirm):
        return {"error": words.question(error, language), "problems": [], "confirm": _choice(error, language)}
    problems = error.problems if isinstance(error, BadOrder) else ()
    return {
        "error": words.refusal(error, language, model),
        "problems": [_problem(problem, model, language) for problem in problems],
    }


def _choice(error: Confirm, language: str) -> Json:
    said = {name: words.say(f"confirm.{name}", {}, language) for name in CHOICE}
    return {"token": error.token, **said}


def page_words(language: str) -> Json:
    """The words of the page's newer parts, in the language that everybody here reads."""
    return words.section("web_admin", language)


def _problem(problem: Problem, model: Model | None, language: str) -> Json:
    entry = model.input(problem.option) if model and problem.option else None
    return {
        "code": problem.code,
        "option": entry.alias if entry else problem.option,
        "text": words.problem(problem, language, model),
    }
