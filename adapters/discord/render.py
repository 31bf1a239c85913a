"""A post -> what Discord is sent: Components V2, and the files that go with them. Pure.

Limits: https://discord.com/developers/docs/components/reference
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from adapters import words
from adapters.discord.customs import Custom, Verb
from adapters.discord.places import Spot
from adapters.discord.schema import Payload
from bot.catalogue import Catalogue, Kind, Model
from bot.errors import BadOrder, Confirm
from bot.jobs import JobId, Json, Place, State
from bot.ports import (
    Cancelled,
    Card,
    Failed,
    Limit,
    Look,
    MediaFile,
    Notice,
    Ready,
    Telling,
    Unknown,
    Waiting,
    Working,
)

V2 = 1 << 15
EPHEMERAL = 1 << 6

ROW, BUTTON, SELECT, SECTION, TEXT, GALLERY, FILE, CONTAINER = 1, 2, 3, 9, 10, 12, 13, 17
PLAIN, RED, LINK = 2, 4, 5

MOST_TEXT = 3900
"""Characters of all texts of a message together; Discord takes 4000."""

LONGEST_COMMAND = 2500
LONGEST_ALT = 1000
MOST_BUTTONS = 5
CELLS = 12
LISTED_JOBS = 10

COLOURS = {"wait": 0x8A8F98, "work": 0x4F7CFF, "good": 0x3BA55D, "bad": 0xD83C3E}

NOBODY: Payload = {"parse": []}
"""Mentions that ping nobody: prompts are other people's text."""


@dataclass(frozen=True, slots=True)
class Sending:
    """The body of a message and its files, which it names as attachment://NAME."""

    body: Payload
    files: tuple[MediaFile, ...] = ()


# -- the card


def taking(title: str, text: str | None, asked_by: str, language: str) -> Payload:
    """The card before anything is committed: it says that, and has no buttons."""
    quoted = [_quoted(text)] if text else []
    said = _text(words.say("card.taking", {}, language))
    return _message(_container("wait", [_heading(title, asked_by), *quoted, said]))


def card(about: Card, notice: Notice, catalogue: Catalogue, *, link: str | None = None) -> Payload:
    """How a job stands. `link` opens its result, where that stands elsewhere."""
    language = about.actor.language
    parts = [
        _heading(title_of(about.model, catalogue, language), about.actor.id),
        _quoted(about.text),
        _text(_standing(notice, language)),
    ]
    return _message(_container(_mood(notice), [*parts, *_row(_card_buttons(about, notice, link))]))


def outcome(about: Card, notice: Notice, catalogue: Catalogue, *, moved: bool) -> Payload:
    """A message of its own about a job that has no media, told to who asked."""
    body = card(about, notice, catalogue)
    return _told_to(about, [*_moved(moved, about.actor.language), *body["components"]])


def _standing(notice: Notice, language: str) -> str:
    sentence = words.notice(notice, language)
    if isinstance(notice, Working) and notice.fraction is not None:
        return f"`{bar(notice.fraction)}` {sentence}"
    return sentence


def bar(fraction: float) -> str:
    full = min(CELLS, max(0, int(fraction * CELLS)))
    return "▰" * full + "▱" * (CELLS - full)


def _mood(notice: Notice) -> str:
    match notice:
        case Waiting():
            return "wait"
        case Working():
            return "work"
        case Ready():
            return "good"
        case Failed() | Cancelled() | Unknown():
            return "bad"
        case _:
            assert_never(notice)


def _card_buttons(about: Card, notice: Notice, link: str | None) -> list[Payload]:
    language = about.actor.language
    match notice:
        case Waiting() | Working():
            return [button(Custom(Verb.CANCEL, about.job), "button.cancel", language, RED)]
        case Ready():
            label = words.say("button.open", {}, language)
            return [{"type": BUTTON, "style": LINK, "label": label, "url": link}] if link else []
        case Failed() | Cancelled() | Unknown():
            verbs = (Verb.AGAIN, Verb.EDIT, Verb.REMOVE)
            return [button(Custom(verb, about.job), f"button.{verb}", language) for verb in verbs]
        case _:
            assert_never(notice)


# -- the result


def result(about: Card, ready: Ready, catalogue: Catalogue, *, moved: bool = False) -> Sending:
    """The message that brings a job's files: pictures and films in a gallery, all else as files."""
    language = about.actor.language
    seen = [file for file in ready.media if file.media.kind in (Kind.IMAGE, Kind.VIDEO)]
    heard = [file for file in ready.media if file not in seen]
    told = [
        *(_whole(file, language) for file in ready.media if file.link),
        _text(f"<@{about.actor.id}> {_figures(about, ready, catalogue)}"),
    ]
    before = _moved(moved, language)
    room = MOST_TEXT - sum(len(one["content"]) for one in (*before, *told)) - len(_quoted("")["content"])
    parts = [
        *before,
        *([{"type": GALLERY, "items": [_item(file, about) for file in seen]}] if seen else []),
        *({"type": FILE, "file": {"url": f"attachment://{file.name}"}} for file in heard),
        *told,
        _quoted(about.text, min(LONGEST_COMMAND, room)),
        *_row(_result_buttons(about)),
        *_row(_steps(about, ready, catalogue)),
    ]
    return Sending(_told_to(about, parts), ready.media)


def _item(file: MediaFile, about: Card) -> Payload:
    alt = words.clean(f"{file.media.part}: {about.text}", LONGEST_ALT)
    return {"media": {"url": f"attachment://{file.name}"}, "description": alt}


def _whole(file: MediaFile, language: str) -> Payload:
    return _text(words.say("card.whole", {"link": f"<{file.link}>"}, language))


def _figures(about: Card, ready: Ready, catalogue: Catalogue) -> str:
    """What it is, the time it took and what it cost."""
    language = about.actor.language
    took = [words.lasting(ready.took, language)] if ready.took is not None else []
    figures = [*took, words.money(ready.cost, language)]
    return f"**{title_of(about.model, catalogue, language)}**\n-# {' · '.join(figures)}"


def _result_buttons(about: Card) -> list[Payload]:
    seeded = (Verb.RESEED,) if about.seed is not None else ()
    verbs = (Verb.AGAIN, *seeded, Verb.EDIT, Verb.REMOVE, Verb.REPORT)
    return [button(Custom(verb, about.job), f"button.{verb}", about.actor.language) for verb in verbs]


def _steps(about: Card, ready: Ready, catalogue: Catalogue) -> list[Payload]:
    """A button for each fitting next step, on the first still picture or film."""
    for number, file in enumerate(ready.media):
        moves = file.media.kind == Kind.IMAGE and file.media.duration is not None
        if not moves and (models := catalogue.next_steps(Kind(file.media.kind))):
            return [
                button(
                    Custom(Verb.STEP, about.job, model.command, number),
                    f"step.{model.command}",
                    about.actor.language,
                )
                for model in models[:MOST_BUTTONS]
            ]
    return []


# -- what one person sees


def jobs(looks: Sequence[Look], language: str, example: str) -> Payload:
    """Somebody's newest jobs, each with what can be done."""
    if not looks:
        return whisper(words.say("jobs.none", {"example": f"`{example}`"}, language))
    shown = looks[:LISTED_JOBS]
    heading = words.say("jobs.newest", {"count": len(shown)}, language)
    title = _text(f"**{words.say('jobs.title', {}, language)}**\n-# {heading}")
    room = (MOST_TEXT - len(title["content"])) // len(shown)
    parts = [title, *(_job(look, language, room) for look in shown)]
    return {**_message(*parts), "flags": V2 | EPHEMERAL}


def _job(look: Look, language: str, room: int) -> Payload:
    """In at most `room` characters: ten long stories together are more than a message takes."""
    line = _job_line(look, language)
    standing = words.clean(_standing(look.notice, language), max(1, room - len(line) - len("\n-# ")))
    text = _text(f"{line}\n-# {standing}")
    button = _jobbutton(look, language)
    return {"type": SECTION, "components": [text], "accessory": button} if button else text


def _job_line(look: Look, language: str) -> str:
    asked = f"<t:{int(look.job.created_at)}:R>"
    link = link_of(look)
    jump = f" · [{words.say('button.open', {}, language)}]({link})" if link else ""
    return (
        f"**{words.state(look.notice, language)}** · {asked}{jump}\n{_code(words.clean(look.card.text, 120))}"
    )


def _jobbutton(look: Look, language: str) -> Payload | None:
    if isinstance(look.notice, Waiting | Working):
        return button(Custom(Verb.CANCEL, look.job.id), "button.cancel", language, RED)
    if look.job.state is State.UNDELIVERED:
        return button(Custom(Verb.POST, look.job.id), "button.post", language)
    return button(Custom(Verb.AGAIN, look.job.id), "button.again", language)


def link_of(look: Look) -> str | None:
    """What opens the job's result, or else its card."""
    posted = look.job.posted or {}
    message = posted.get("result") or posted.get("card")
    if message is None:
        return None
    return Spot.read(look.job.place).link(int(message), posted.get("in"))


def usage(limits: Iterable[Limit], language: str) -> Payload:
    lines = [
        words.say(
            f"usage.{one.code}",
            {"used": one.used, "limit": one.limit, "resets_at": one.resets_at, "code": one.code},
            language,
        )
        for one in limits
    ]
    return whisper(
        f"**{words.say('usage.title', {}, language)}**\n" + "\n".join(f"- {line}" for line in lines)
    )


def help_on_all(catalogue: Catalogue, ids: Mapping[str, int], language: str) -> Payload:
    """Every command with what it does; a tap on one begins it."""
    lines = [f"{_mention(model.command, ids)} {words.model_summary(model, language)}" for model in catalogue]
    first = next(iter(catalogue))
    how = words.say("help.how", {"example": f"`{first.example}`"}, language)
    parts = [f"**{words.say('help.title', {}, language)}**", *lines, how, words.say("help.run", {}, language)]
    return whisper("\n".join(parts))


def help_on(model: Model, ids: Mapping[str, int], language: str) -> Payload:
    """Every option of one command."""
    title = words.model_title(model, language)
    lines = [f"{_mention(model.command, ids)} **{title}**", words.model_summary(model, language)]
    for entry in model.inputs:
        facts = {"name": f"`{entry.alias}`", "help": words.input_help(model, entry, language)}
        if entry.required:
            lines.append(f"- {words.say('help.option_required', facts, language)}")
        elif entry.default in (None, "") or entry.is_free_text:
            lines.append(f"- {words.say('help.option', facts, language)}")
        else:
            default = words.value(entry.default, language)
            lines.append(f"- {words.say('help.option_default', {**facts, 'default': default}, language)}")
    lines += [words.model_notes(model, language), f"`{model.example}`"]
    return whisper("\n".join(line for line in lines if line))


def _mention(command: str, ids: Mapping[str, int]) -> str:
    return f"</{command}:{ids[command]}>" if command in ids else f"`/{command}`"


def choose(models: Sequence[Model], source: str, language: str) -> Payload:
    """Asks which command shall work on a file; the link to it stands in the message itself."""
    options = [
        {
            "label": words.clean(f"/{model.command}", 100),
            "value": model.command,
            "description": words.clean(words.model_summary(model, language), 100),
        }
        for model in models[:25]
    ]
    placeholder = words.say("form.choose", {}, language)
    select = {
        "type": SELECT,
        "custom_id": str(Custom(Verb.USE)),
        "options": options,
        "placeholder": placeholder,
    }
    text = words.say("form.source", {"link": f"<{source}>"}, language)
    return {
        **_message(_text(text), {"type": ROW, "components": [select]}),
        "flags": V2 | EPHEMERAL,
    }


def whisper(text: str, *buttons: Payload) -> Payload:
    """Words that one person sees, and what they can do about it."""
    return {**_message(_text(text), *_row(buttons)), "flags": V2 | EPHEMERAL}


def ask(error: Confirm, language: str) -> Payload:
    """Whether somebody agrees to what a job may cost."""
    go = Custom(Verb.GO, JobId(error.token))
    return whisper(words.question(error, language), button(go, "confirm.yes", language))


def telling(about: Telling, language: str) -> Payload:
    """News for those who look after a server; of a report, with what they can do."""
    parts = [_text(words.say(f"telling.{about.code}", about.facts, language))]
    if about.code == "report":
        facts = about.facts
        owner = str(facts.get("owner_id", ""))
        link = _link_to(facts)
        buttons = [
            button(Custom(Verb.ADMIN, JobId(facts["job"]), "remove"), "button.remove", language, RED),
            button(Custom(Verb.ADMIN, JobId(owner), "block"), "web_admin.block_who", language),
            *(
                [{"type": BUTTON, "style": LINK, "label": _label("button.open", language), "url": link}]
                if link
                else []
            ),
        ]
        parts += _row(buttons)
    return _message(_container("bad" if about.code != "budget_80" else "wait", parts))


def _link_to(facts: Mapping[str, Json]) -> str | None:
    posted = facts.get("posted") or {}
    message = posted.get("result") or posted.get("card")
    if message is None:
        return None
    return Spot.read(Place(facts["place"])).link(int(message), posted.get("in"))


def _label(code: str, language: str) -> str:
    return words.clean(words.say(code, {}, language), 80)


# -- parts


def title_of(command: str, catalogue: Catalogue, language: str) -> str:
    try:
        return words.model_title(catalogue.find(command), language)
    except BadOrder:
        return f"/{command}"


def _message(*components: Payload) -> Payload:
    return {"flags": V2, "components": list(components), "allowed_mentions": NOBODY}


def _told_to(about: Card, components: Sequence[Payload]) -> Payload:
    """A message of which the person who asked is told, and nobody else."""
    return {**_message(*components), "allowed_mentions": {"parse": [], "users": [about.actor.id]}}


def _moved(moved: bool, language: str) -> list[Payload]:
    return [_text(f"-# {words.say('card.moved', {}, language)}")] if moved else []


def _container(mood: str, components: Sequence[Payload]) -> Payload:
    return {"type": CONTAINER, "accent_color": COLOURS[mood], "components": list(components)}


def _heading(title: str, asked_by: str) -> Payload:
    return _text(f"**{title}** · <@{asked_by}>")


def _text(content: str) -> Payload:
    return {"type": TEXT, "content": content[:MOST_TEXT] or "\u200b"}


def _quoted(text: str, most: int = LONGEST_COMMAND) -> Payload:
    """The exact command, in a box that copies it with one tap."""
    shown = _unfenced(text)
    if len(shown) > most:
        shown = shown[: max(0, most - 1)] + "…"
    return _text(f"```\n{shown}\n```")


def _code(text: str) -> str:
    return f"`{_unfenced(text).replace('`', 'ˋ')}`"


def _unfenced(text: str) -> str:
    """What can't end the box that it stands in: no three backticks in a row."""
    return re.sub("`{3,}", lambda run: "\u200b".join(run[0]), text.replace("\r", ""))


def button(custom: Custom, code: str, language: str, style: int = PLAIN) -> Payload:
    return {
        "type": BUTTON,
        "style": style,
        "label": words.clean(words.say(code, {}, language), 80),
        "custom_id": str(custom),
    }


def _row(buttons: Sequence[Payload]) -> list[Payload]:
    return [{"type": ROW, "components": list(buttons[:MOST_BUTTONS])}] if buttons else []


def names_job(components: Json, job: JobId) -> bool:
    """Whether a message's buttons are a result's of this job: how a lost post is found again."""
    if isinstance(components, list):
        return any(names_job(one, job) for one in components)
    if not isinstance(components, Mapping):
        return False
    custom = Custom.read(str(components.get("custom_id", "")))
    if custom is not None and custom.job == job and custom.verb is not Verb.CANCEL:
        return True
    return names_job(components.get("components"), job)


def links_in(components: Json) -> list[str]:
    """The links that stand alone in a message's texts."""
    if isinstance(components, list):
        return [link for one in components for link in links_in(one)]
    if not isinstance(components, Mapping):
        return []
    content = str(components.get("content", ""))
    found = [part.split(">")[0] for part in content.split("<")[1:] if part.startswith("http")]
    return [*found, *links_in(components.get("components"))]


def thread_name(about: Card, catalogue: Catalogue, most: int) -> str:
    """What a thread is called: the words of the main prompt, or else the model's title."""
    said = next(
        (str(value) for value in about.inputs.values() if isinstance(value, str) and value.strip()), ""
    )
    return words.clean(said, most) or title_of(about.model, catalogue, about.actor.language)
