"""Posts, lists and words -> Block Kit. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from adapters import words
from bot.catalogue import Catalogue, Kind, Model
from bot.errors import BadOrder
from bot.jobs import Json, State
from bot.ports import Card, Failed, Limit, Look, MediaFile, Notice, Post, Ready, Waiting, Working

NEWS = "threadreel_news"
EVENT = "threadreel_job"
"""The type of our messages' metadata."""

SECTION = 2900
"""Characters of a section's text; Slack takes 3000."""
FALLBACK = 300
CELLS = 12
LISTED = 12
"""Jobs in a list: with four blocks each, they fit a message's 50."""


def escaped(text: object) -> str:
    """Somebody's text where Slack reads mrkdwn: without mentions, channels and links of its own making."""
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


# -- the card


def card(about: Card, notice: Notice, catalogue: Catalogue, *, instead_of: str = "") -> dict[str, Json]:
    """`text` and `blocks` of a job's message. `instead_of`: the channel in whose stead it stands here."""
    language = about.actor.language
    said = words.notice(notice, language)
    model = _model(about.model, catalogue)
    blocks = [
        section(f"*{escaped(model.title if model else about.model)}*\n{_code(about.text)}"),
        *_moved(instead_of, language),
        section(_bar(notice) + escaped(said)),
        *_previews(notice, language),
        context(_asked(about, language)),
        *_buttons(about, notice, model, catalogue),
    ]
    return {"text": f"{escaped(words.clean(about.text, FALLBACK))}\n{escaped(said)}", "blocks": blocks}


def metadata(post: Post) -> Json:
    """What a lost message is found by. Everybody in the workspace may read it: no words of anybody's."""
    return {"event_type": EVENT, "event_payload": {"job": post.card.job, "key": post.key}}


def job_in(message: Json) -> str | None:
    """The job that a message is the card of."""
    found = message.get("metadata") or {}
    return (found.get("event_payload") or {}).get("job") if found.get("event_type") == EVENT else None


def handed_over(about: Card, ready: Ready, *, alone: bool) -> str:
    """What stands above the files; it calls the person who asked, unless they are `alone` with us."""
    said = escaped(words.notice(ready, about.actor.language))
    return said if alone else f"<@{about.actor.id}> {said}"


def no_files(notice: Notice, code: str) -> Notice:
    """The words that take the place of a result whose files the workspace doesn't take."""
    cost: Decimal | None = getattr(notice, "cost", None)
    return Failed("files_not_taken", {"detail": code}, cost)


def _model(command: str, catalogue: Catalogue) -> Model | None:
    try:
        return catalogue.find(command)
    except BadOrder:
        return None


def _code(text: str) -> str:
    """As it was typed, to be copied; three backticks would end it."""
    shown = text if len(text) <= SECTION // 2 else text[: SECTION // 2] + "…"
    return f"```{_fitting(escaped(shown.replace('```', '`​``')), SECTION - 200)}```"


def _fitting(text: str, limit: int) -> str:
    """Cut, but never within an entity."""
    if len(text) <= limit:
        return text
    cut = text[:limit]
    start = cut.rfind("&")
    return (cut[:start] if start > limit - 5 else cut) + "…"


def _bar(notice: Notice) -> str:
    if not isinstance(notice, Working) or notice.fraction is None:
        return ""
    full = round(max(0.0, min(notice.fraction, 1.0)) * CELLS)
    return "▰" * full + "▱" * (CELLS - full) + "  "


def _moved(instead_of: str, language: str) -> list[Json]:
    if not instead_of:
        return []
    moved = escaped(words.say("card.moved", {}, language))
    return [section(f"{moved} {escaped(words.say('slack.invite', {}, language))} (<#{instead_of}>)")]


def _previews(notice: Notice, language: str) -> list[Json]:
    media = notice.media if isinstance(notice, Ready) else ()
    return [
        section(escaped(words.say("card.whole", {"link": file.link}, language)))
        for file in media
        if file.link is not None
    ]


def _asked(about: Card, language: str) -> str:
    parts = [words.say("card.asked", {"name": about.actor.name}, language)]
    if about.seed is not None:
        parts.append(words.say("card.seed", {"seed": str(about.seed)}, language))
    return escaped(" · ".join(parts))


def _buttons(about: Card, notice: Notice, model: Model | None, catalogue: Catalogue) -> list[Json]:
    language = about.actor.language
    if isinstance(notice, Waiting | Working):
        return [actions([_job_button("cancel", about.job, language)])]
    if model is None:
        return []
    names = ["again", *(["reseed"] if model.seed_input else []), "edit"]
    row = [_job_button(name, about.job, language) for name in names]
    if isinstance(notice, Ready):
        report = button("admin.report", words.say("button.report", {}, language), about.job)
        row += [_job_button("remove", about.job, language), report]
    rows = [actions(row)]
    if isinstance(notice, Ready) and (steps := _steps(notice, catalogue)):
        rows.append(
            actions(
                [button(f"step.{step.command}", _step_label(step, language), about.job) for step in steps]
            )
        )
    return rows


def _steps(ready: Ready, catalogue: Catalogue) -> list[Model]:
    """What can be done next with any of the files, each once."""
    kinds = dict.fromkeys(Kind(file.media.kind) for file in ready.media)
    steps = {model.command: model for kind in kinds for model in catalogue.next_steps(kind)}
    return list(steps.values())[:5]


def _step_label(step: Model, language: str) -> str:
    return words.say(f"step.{step.command}", {}, language)


# -- lists


def jobs(looks: Sequence[Look], language: str, example: str) -> list[Json]:
    """Somebody's jobs, newest first, each with what can be done with it."""
    blocks: list[Json] = [header(words.say("jobs.title", {}, language))]
    if not looks:
        return [*blocks, section(escaped(words.say("jobs.none", {"example": example}, language)))]
    for look in looks[:LISTED]:
        state = words.state(look.notice, language)
        lost = look.job.state is State.UNDELIVERED
        said = words.say(f"undelivered.{look.job.code}", {}, language) if lost else ""
        text = f"*{escaped(state)}* · {escaped(words.clean(look.card.text, FALLBACK))}"
        blocks.append(section(f"{text}\n{escaped(said)}" if said else text))
        blocks.append(actions([_job_button(name, look.job.id, language) for name in _offers(look)]))
    if len(looks) > LISTED:
        blocks.append(context(escaped(words.say("jobs.newest", {"count": LISTED}, language))))
    return blocks


def _offers(look: Look) -> list[str]:
    if isinstance(look.notice, Waiting | Working):
        return ["cancel"]
    return (["post"] if look.job.state is State.UNDELIVERED else []) + ["again", "edit"]


def usage(limits: Iterable[Limit], language: str) -> list[Json]:
    lines = [_used(limit, language) for limit in limits]
    return [header(words.say("usage.title", {}, language)), section("\n".join(map(escaped, lines)))]


def _used(limit: Limit, language: str) -> str:
    facts = {
        "used": limit.used,
        "limit": limit.limit,
        "code": limit.code,
        "resets_at": limit.resets_at,
    }
    return words.say(f"usage.{limit.code}", facts, language)


def help_all(catalogue: Catalogue, language: str) -> list[Json]:
    """Every command in a line."""
    example = next(iter(catalogue)).example
    lines = [f"`/{model.command}` {escaped(model.title)}: {escaped(model.summary)}" for model in catalogue]
    return [
        header(words.say("help.title", {}, language)),
        *_sections(lines),
        section(escaped(words.say("help.how", {"example": example}, language))),
        context(escaped(words.say("slack.more", {}, language))),
    ]


def help_one(model: Model, language: str) -> list[Json]:
    """One command with all of its options."""
    lines = [escaped(model.summary), _code(model.example)]
    for entry in model.inputs:
        facts = {"name": entry.alias, "help": entry.help, "default": entry.default}
        code = (
            "option_required"
            if entry.required
            else "option_default"
            if entry.default not in (None, "")
            else "option"
        )
        lines.append("• " + escaped(words.say(f"help.{code}", facts, language)))
    return [header(f"/{model.command}"), *_sections(lines)]


def home(
    looks: Sequence[Look],
    limits: Iterable[Limit],
    language: str,
    example: str,
    admin: Sequence[Json] = (),
) -> Json:
    """The App Home: what somebody may look after, their jobs and what they have used."""
    return {"type": "home", "blocks": [*admin, *usage(limits, language), *jobs(looks, language, example)]}


def said(text: str, *, draft: Json = None, language: str = "en") -> dict[str, Json]:
    """A sentence to one person. `draft`: what they typed, to be mended in a form."""
    blocks = [section(_fitting(escaped(line), SECTION)) for line in text.split("\n")[:20] if line]
    if draft is not None:
        blocks.append(actions([button("draft.edit", words.say("button.edit", {}, language), draft)]))
    return {"text": _fitting(escaped(text), SECTION), "blocks": blocks}


# -- blocks


def _sections(lines: Sequence[str]) -> list[Json]:
    """Lines in as few sections as hold them."""
    texts = [""]
    for line in lines:
        if len(texts[-1]) + len(line) + 1 > SECTION:
            texts.append("")
        texts[-1] += f"{line}\n"
    return [section(text) for text in texts if text.strip()]


def section(text: str) -> Json:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:3000]}}


def header(text: str) -> Json:
    return {"type": "header", "text": plain(text, 150)}


def context(text: str) -> Json:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text}]}


def actions(elements: list[Json]) -> Json:
    return {"type": "actions", "elements": elements}


def _job_button(name: str, job: str, language: str) -> Json:
    made = button(f"job.{name}", words.say(f"button.{name}", {}, language), job)
    return {**made, "style": "danger"} if name == "remove" else made


def button(action: str, label: str, value: str) -> Json:
    return {"type": "button", "action_id": action, "text": plain(label, 75), "value": value}


def plain(text: str, limit: int) -> Json:
    return {"type": "plain_text", "text": text if len(text) <= limit else text[: limit - 1] + "…"}


def files_of(look: Look) -> Sequence[MediaFile]:
    return look.notice.media if isinstance(look.notice, Ready) else ()
