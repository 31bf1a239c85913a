"""What stands of a job on Discord: within Discord's limits, and whatever was typed stays text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters import words
from adapters.discord import render
from adapters.discord.customs import Custom, Verb
from adapters.discord.render import Sending
from adapters.discord.schema import Payload
from bot import grammar
from bot.catalogue import Model, load
from bot.jobs import Actor, Job, JobId, Media, Place, State
from bot.ports import (
    Cancelled,
    Card,
    Failed,
    Limit,
    Look,
    MediaFile,
    Notice,
    Ready,
    Unknown,
    Waiting,
    Working,
)
from tests.discord_server.components import check_message, walk
from tests.discord_server.messages import clean_name

CATALOGUE = load()
JOB = JobId("abcdefghijkl")
ADA = "100000000000000001"
LINK = "https://discord.com/channels/111111111111111111/222222222222222222/333333333333333333"
PUBLIC = "https://studio.example.org/files/" + "f" * 64 + "?until=1767225600&signature=" + "0" * 64
LONGEST = "a red fox in snow, " * 220

KINDS = {"image": ("image/png", "png"), "video": ("video/mp4", "mp4"), "audio": ("audio/wav", "wav")}


def media(kind: str, number: int = 1, *, link: str | None = None) -> MediaFile:
    mime, extension = KINDS[kind]
    lasts = None if kind == "image" else 3.0
    made = Media(f"{number:064x}", f"{kind} {number}", kind, mime, 2**20, 512, 512, lasts)
    return MediaFile(made, Path("nowhere"), f"threadreel-{number}.{extension}", link)


def ready(*kinds: str, **more: Any) -> Ready:
    return Ready(tuple(media(kind, n, **more) for n, kind in enumerate(kinds, 1)), 83.0, Decimal("0.0123"))


WORDY = {"detail": "nothing but trouble, " * 30, "message": "CUDA error, " * 60, "minutes": 60}
NOTICES: dict[str, Notice] = {
    "waiting": Waiting(),
    "waiting for a long time": Waiting(12, 7200.0, "provider_down"),
    "working": Working(),
    "half done": Working(0.5, 30.0),
    "failed": Failed("model_failed", WORDY, None),
    "refused": Failed("bad_input", {"fields": {f"input_{n}": "must be less" for n in range(40)}}, Decimal(0)),
    "failed for an unheard-of reason": Failed("nobody_knows", WORDY, Decimal(1)),
    "cancelled": Cancelled("Ada", Decimal(0)),
    "cancelled by a long name": Cancelled("A" * 500, None),
    "unknown": Unknown("lost_answer", {}, None),
    "a picture": ready("image"),
    "eight pictures": ready(*["image"] * 8),
    "a film": ready("video"),
    "a sound": ready("audio"),
    "a sound and a picture": ready("audio", "image"),
    "previews with links": ready(*["image"] * 8, link=PUBLIC),
    "a sound's preview with a link": ready("audio", link=PUBLIC),
    "free": Ready((media("image"),), None, Decimal(0)),
    "of unknown cost": Ready((media("image"),), 4000.0, None),
}
PROMPTS = {
    "short": "a fox",
    "empty": "",
    "long": LONGEST[:4000],
    "backticks": "a `fox` in ``snow``",
    "a fence": "``` @everyone ```",
    "nothing but backticks": "`" * 4000,
    "mentions": "@everyone @here <@1> <@&2> </animate:3>",
    "lines": "a fox\n# big\n> quoted\n-# small",
    "hidden": "a\u202efox\u200b\u2066",
}
every_model = pytest.mark.parametrize("model", list(CATALOGUE), ids=lambda model: model.command)
every_notice = pytest.mark.parametrize("notice", NOTICES.values(), ids=NOTICES)
every_prompt = pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
every_language = pytest.mark.parametrize("language", words.languages())


def card_of(model: Model, prompt: str = "a fox in snow", *, language: str = "en") -> Card:
    text = next((entry for entry in model.inputs if entry.main), None)
    inputs = {text.name: prompt} if text else {}
    return Card(
        job=JOB,
        actor=Actor("discord", ADA, "Ada", "1", language),
        model=model.command,
        text=grammar.write(model, inputs),
        inputs=inputs,
        seed=17,
        created_at=1_767_000_000.0,
    )


ANIMATE = CATALOGUE.find("animate")


def texts(body: Payload) -> list[str]:
    return [one["content"] for one in walk(body["components"]) if one["type"] == render.TEXT]


def buttons(body: Payload) -> list[Mapping[str, Any]]:
    return [one for one in walk(body["components"]) if one["type"] == render.BUTTON]


def verbs(body: Payload) -> list[Verb]:
    customs = [Custom.read(one["custom_id"]) for one in buttons(body) if "custom_id" in one]
    assert all(custom and custom.job == JOB for custom in customs)
    return [custom.verb for custom in customs if custom]


def check(body: Payload, files: Sequence[MediaFile] = ()) -> None:
    """By Discord's rules; and nobody is pinged who didn't ask for it."""
    assert body["flags"] & render.V2
    check_message(dict(body), [file.name for file in files], v2=True)
    assert body["allowed_mentions"]["parse"] == []
    assert body["allowed_mentions"].get("users", [ADA]) == [ADA]


def shown(about: Card, notice: Notice, *, moved: bool = False) -> Sending:
    """What stands in the end: a result, or words."""
    if isinstance(notice, Ready):
        return render.result(about, notice, CATALOGUE, moved=moved)
    return Sending(render.outcome(about, notice, CATALOGUE, moved=moved))


# -- limits


@every_model
@every_language
def test_every_notice_of_every_model_is_within_discords_limits(model: Model, language: str) -> None:
    for notice in NOTICES.values():
        about = card_of(model, language=language)
        check(render.card(about, notice, CATALOGUE, link=LINK))
        sending = shown(about, notice, moved=True)
        check(sending.body, sending.files)


@every_prompt
@every_notice
def test_every_notice_of_every_prompt_is_within_discords_limits(prompt: str, notice: Notice) -> None:
    about = card_of(ANIMATE, prompt)
    check(render.card(about, notice, CATALOGUE, link=LINK))
    sending = shown(about, notice, moved=True)
    check(sending.body, sending.files)


@every_prompt
@every_language
def test_the_card_before_anything_is_committed_is_within_discords_limits(prompt: str, language: str) -> None:
    body = render.taking("Animation between two pictures", f"/animate start:{prompt}", ADA, language)
    check(body)
    assert buttons(body) == []
    check(render.taking("Again", None, ADA, language))


@every_notice
@every_language
def test_a_list_of_ten_jobs_is_within_discords_limits(notice: Notice, language: str) -> None:
    for prompt in PROMPTS.values():
        looks = [look(notice, prompt, language, number) for number in range(20)]
        body = render.jobs(looks, language, ANIMATE.example)
        check(body)
        assert body["flags"] & render.EPHEMERAL
        assert len(buttons(body)) == render.LISTED_JOBS


def look(notice: Notice, prompt: str, language: str = "en", number: int = 0) -> Look:
    """One of several jobs; every second one was not delivered."""
    about = replace(card_of(ANIMATE, prompt, language=language), job=JobId(f"job{number:0>9}"))
    job = Job(
        about.job,
        f"discord:{number}",
        about.actor,
        Place("discord:111111111111111111/222222222222222222/threads"),
        "animate",
        "box",
        about.inputs,
        State.UNDELIVERED if number % 2 else State.DONE,
        about.created_at,
        about.created_at,
        posted={"card": 3, "result": 333333333333333333, "in": 333333333333333333},
    )
    return Look(job, about, notice)


@every_language
def test_help_and_usage_are_within_discords_limits(language: str) -> None:
    ids = {model.command: 10**19 for model in CATALOGUE}
    for body in (
        render.help_on_all(CATALOGUE, ids, language),
        *(render.help_on(model, ids, language) for model in CATALOGUE),
        *(render.help_on(model, {}, language) for model in CATALOGUE),
        render.usage([Limit("limit_per_day", 500, 3, 1_767_000_000.0), Limit("odd", 1, 1)], language),
        render.usage([], language),
        render.jobs([], language, ANIMATE.example),
    ):
        check(body)
        assert body["flags"] & render.EPHEMERAL
        assert len("".join(texts(body))) < 3900, "nothing was cut off"


@every_language
@pytest.mark.parametrize("source", ["https://cdn.example/a.png", PUBLIC * 2])
def test_the_choice_of_a_command_is_within_discords_limits_and_holds_the_link(
    source: str, language: str
) -> None:
    body = render.choose(list(CATALOGUE), source, language)
    check(body)
    assert render.links_in(body["components"]) == [source]


def test_words_that_are_too_many_are_cut() -> None:
    check(render.whisper("x" * 5000))
    check(render.whisper(""))


# -- whatever was typed stays text


def block_of(text: str) -> str:
    """What stands within the code block of a text, which is nothing else."""
    assert text.startswith("```\n")
    inside, fence, after = text[4:].partition("```")
    assert (fence, after) == ("```", ""), "the first fence is the last"
    return inside.rstrip("\n")


def plain(text: str) -> str:
    return text.replace("\u200b", "")


@every_prompt
@every_notice
def test_the_command_stands_in_a_block_that_it_cant_break_out_of(prompt: str, notice: Notice) -> None:
    about = card_of(ANIMATE, prompt)
    for body in (render.card(about, notice, CATALOGUE), shown(about, notice).body):
        (block,) = [text for text in texts(body) if text.startswith("```")]
        assert plain(block_of(block)).startswith("/animate start:")
        assert "@everyone" not in "".join(text for text in texts(body) if text != block)


@settings(max_examples=500, deadline=None)
@given(st.text("`a \n\u200b", max_size=30) | st.text(max_size=60))
def test_no_text_gets_out_of_its_block(prompt: str) -> None:
    body = render.taking("A title", prompt, ADA, "en") if prompt else None
    if body is not None:
        (block,) = [text for text in texts(body) if text.startswith("```")]
        assert plain(block_of(block)).rstrip() == plain(prompt.replace("\r", "")).rstrip()


@settings(max_examples=300, deadline=None)
@given(st.text("`a *_~|<>@#", max_size=200))
def test_no_text_gets_out_of_its_line_in_the_list_of_jobs(prompt: str) -> None:
    body = render.jobs([look(Cancelled("", None), prompt)], "en", "/animate")
    line = texts(body)[1].splitlines()[1]
    assert line[0] == line[-1] == "`"
    assert "`" not in line[1:-1]


def test_a_common_prompt_can_be_copied_exactly() -> None:
    about = card_of(ANIMATE, 'a fox: "red" | in snow')
    (block,) = [text for text in texts(render.card(about, Waiting(), CATALOGUE)) if text.startswith("```")]
    assert block_of(block) == about.text
    assert grammar.parse(block_of(block), CATALOGUE).options[0][1] == 'a fox: "red" | in snow'


def test_pings_reach_who_asked_and_nobody_else() -> None:
    about = card_of(ANIMATE, "@everyone <@2> <@&3>")
    assert render.card(about, Waiting(), CATALOGUE)["allowed_mentions"] == {"parse": []}, "not for progress"
    assert shown(about, NOTICES["a film"]).body["allowed_mentions"] == {"parse": [], "users": [ADA]}


# -- what stands there


def test_pictures_and_films_are_seen_in_reading_order_and_sounds_are_files() -> None:
    sending = shown(card_of(CATALOGUE.find("music")), ready("audio", "image", "video"))
    kinds = [one["type"] for one in sending.body["components"]]
    assert kinds.index(render.GALLERY) < kinds.index(render.FILE)
    gallery = sending.body["components"][kinds.index(render.GALLERY)]
    names = [item["media"]["url"] for item in gallery["items"]]
    assert names == ["attachment://threadreel-2.png", "attachment://threadreel-3.mp4"]
    assert all(0 < len(item["description"]) <= 1024 for item in gallery["items"])
    assert all(clean_name(file.name) == file.name for file in sending.files), "Discord renames nothing"


@pytest.mark.parametrize("link", [PUBLIC, f"https://{'studio.' * 20}example.org/files/1"])
def test_the_link_to_the_whole_of_a_preview_is_whole(link: str) -> None:
    body = shown(card_of(ANIMATE), ready("video", link=link)).body
    assert render.links_in(body["components"]) == [link]


@every_language
def test_a_result_says_how_long_it_took_and_what_it_cost(language: str) -> None:
    def said(notice: Notice) -> str:
        return "\n".join(texts(shown(card_of(ANIMATE, language=language), notice).body))

    assert "$0.0123" in said(NOTICES["a film"])
    assert words.money(None, language) in said(NOTICES["of unknown cost"])
    assert words.money(Decimal(0), language) in said(NOTICES["free"])


def test_buttons_fit_how_it_stands() -> None:
    about = card_of(ANIMATE)
    assert verbs(render.card(about, Waiting(), CATALOGUE)) == [Verb.CANCEL]
    assert verbs(render.card(about, Working(0.2), CATALOGUE)) == [Verb.CANCEL]
    for name in ("failed", "cancelled", "unknown"):
        assert verbs(render.card(about, NOTICES[name], CATALOGUE)) == [Verb.AGAIN, Verb.EDIT, Verb.REMOVE]
    (opening,) = buttons(render.card(about, NOTICES["a film"], CATALOGUE, link=LINK))
    assert (opening["style"], opening["url"]) == (render.LINK, LINK)
    under = verbs(shown(about, NOTICES["a picture"]).body)
    assert under[:5] == [Verb.AGAIN, Verb.RESEED, Verb.EDIT, Verb.REMOVE, Verb.REPORT]
    assert set(under[5:]) == {Verb.STEP}
    assert Verb.RESEED not in verbs(shown(replace(about, seed=None), NOTICES["a picture"]).body)


def test_a_next_step_is_offered_for_the_first_file_that_it_fits() -> None:
    body = shown(card_of(CATALOGUE.find("music")), ready("audio", "image")).body
    steps = [Custom.read(one["custom_id"]) for one in buttons(body)]
    numbers = {one.number for one in steps if one and one.verb is Verb.STEP}
    assert numbers == {1}, "the picture, not the sound"


@every_language
@pytest.mark.parametrize("notice", [NOTICES["a picture"], NOTICES["failed"], Waiting()])
def test_every_button_has_words_of_its_own(notice: Notice, language: str) -> None:
    about = card_of(ANIMATE, language=language)
    labels = [one["label"] for one in buttons(shown(about, notice).body)]
    assert all(label and len(label) <= 34 for label in labels), "more is cut off on small screens"
    assert len(labels) == len(set(labels))


@pytest.mark.parametrize(
    ("fraction", "cells"),
    [(0, "▱" * 12), (0.5, "▰" * 6 + "▱" * 6), (1, "▰" * 12), (7, "▰" * 12), (-1, "▱" * 12)],
)
def test_a_bar_is_always_twelve_cells(fraction: float, cells: str) -> None:
    assert render.bar(fraction) == cells


def test_a_lost_result_is_told_from_its_card_and_from_other_jobs() -> None:
    about = card_of(ANIMATE)
    result = shown(about, NOTICES["a film"]).body["components"]
    assert render.names_job(result, JOB)
    assert not render.names_job(result, JobId("zzzzzzzzzzzz"))
    assert not render.names_job(render.card(about, Working(), CATALOGUE)["components"], JOB)
    opened = render.card(about, NOTICES["a film"], CATALOGUE, link=LINK)
    assert not render.names_job(opened["components"], JOB)
    assert not render.names_job(None, JOB)


@every_prompt
def test_a_thread_has_a_name_that_discord_takes(prompt: str) -> None:
    for most in (1, 90, 100):
        assert 1 <= len(render.thread_name(card_of(ANIMATE, prompt), CATALOGUE, most)) <= max(most, 40)


def test_a_model_that_is_gone_is_called_by_its_command() -> None:
    assert render.title_of("gone", CATALOGUE, "en") == "/gone"
    check(shown(replace(card_of(ANIMATE), model="gone"), NOTICES["a film"]).body, ready("video").media)
