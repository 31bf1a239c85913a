"""Places, cards and lists: whatever is in them, Slack takes them, and nobody is called by a prompt."""

from __future__ import annotations

import itertools
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.slack import forms, render
from adapters.slack.forms import Form
from adapters.slack.places import Spot
from bot.jobs import Actor, Job, JobId, Media, Place, State
from bot.ports import (
    Cancelled,
    Card,
    Failed,
    Limit,
    Look,
    MediaFile,
    Notice,
    Post,
    Ready,
    Unknown,
    Waiting,
    Working,
)
from tests.slack.rig import CATALOGUE
from tests.slack_server.blockkit import check_blocks, check_view
from tests.slack_server.messages import BROADCAST, MENTION, texts_of

ANNA = Actor("slack", "U1", "Anna <!here>", "T1")
FILE = MediaFile(
    Media("ab" * 32, "image", "image", "image/png", 9), Path("x"), "x.png", "https://a.example/x?a=1&b=2"
)
NOTICES: list[Notice] = [
    Waiting(),
    Waiting(3, 12.0, "provider_busy"),
    Working(),
    Working(0.4, 3.0),
    Working(1.7),
    Ready((FILE,), 3.2, Decimal("0.01")),
    Failed("model_failed", {"message": "<!channel> & x"}, None),
    Cancelled("<!everyone>", Decimal(0)),
    Unknown("lost_answer", {}, None),
]


def card(text: str = "/imagine prompt:a fox", model: str = "imagine", **changes: Any) -> Card:
    return Card(JobId("j1"), ANNA, model, text, {}, 2**62, 1.7e9, **changes)


def checked(blocks: Any) -> list[Any]:
    numbers = itertools.count()
    return check_blocks(blocks, "message", new_id=lambda: f"new{next(numbers)}")


@pytest.mark.parametrize(
    "spot",
    [
        Spot("T1", "C1"),
        Spot("T1", "C1", "1700000000.000100"),
        Spot("T1", "D1", instead_of="C1"),
        Spot("T1", "D1", "1700000000.000100", "C1"),
    ],
)
def test_a_place_outlives_the_process(spot: Spot) -> None:
    assert Spot.read(spot.place) == spot
    assert spot.place.startswith("slack:T1/")
    assert Spot.read(Place(str(spot.place))) == spot


@pytest.mark.parametrize("notice", NOTICES, ids=lambda notice: type(notice).__name__)
@settings(max_examples=40, deadline=None)
@given(text=st.text(max_size=5000))
def test_any_card_is_one_that_slack_takes(notice: Notice, text: str) -> None:
    shown = render.card(card(f"/imagine prompt:{text}"), notice, CATALOGUE, instead_of="C1")
    blocks = checked(shown["blocks"])
    assert 0 < len(shown["text"]) <= 4000
    for words in [shown["text"], *texts_of(blocks)]:
        assert not BROADCAST.search(words)
        assert not MENTION.search(words)


@pytest.mark.parametrize("text", ["&" * 4000, "<" * 4000, "`" * 4000, "```" * 900, "\n" * 4000])
def test_what_grows_when_it_is_escaped_still_fits(text: str) -> None:
    checked(render.card(card(text), NOTICES[0], CATALOGUE)["blocks"])
    checked(render.said(text, draft="x")["blocks"])


def test_a_card_of_a_model_that_is_no_more_has_no_buttons() -> None:
    shown = render.card(card(model="gone"), NOTICES[5], CATALOGUE)
    assert not [block for block in checked(shown["blocks"]) if block["type"] == "actions"]


def test_a_preview_has_its_link_whole() -> None:
    shown = render.card(card(), NOTICES[5], CATALOGUE)
    assert "https://a.example/x?a=1&amp;b=2" in "\n".join(texts_of(shown["blocks"]))


def test_the_job_of_a_card_is_found_by_its_metadata() -> None:
    post = Post("job-j1", Place("slack:T1/C1"), card(), NOTICES[0], None)
    assert render.job_in({"metadata": render.metadata(post)}) == "j1"
    assert render.job_in({"metadata": {"event_type": "another", "event_payload": {"job": "j1"}}}) is None
    assert render.job_in({}) is None
    assert "fox" not in str(render.metadata(post))


def test_a_long_list_and_the_home_fit() -> None:
    job = Job(JobId("j1"), "k", ANNA, Place("slack:T1/C1"), "imagine", "box", {}, State.UNDELIVERED, 1.0, 1.0)
    looks = [Look(job, card("x" * 3000), NOTICES[5])] * 30
    checked(render.jobs(looks, "en", "/imagine a fox"))
    numbers = itertools.count()
    limits = [Limit("limit_per_day", 5, 1, 1.7e9), Limit("another", 3, 2)]
    home = render.home(looks, limits, "en", "/imagine a fox")
    check_view(home, kind="home", image_known=lambda _: True, new_id=lambda: f"new{next(numbers)}")


@pytest.mark.parametrize("model", list(CATALOGUE), ids=lambda model: model.command)
def test_help_fits(model: Any) -> None:
    checked(render.help_one(model, "en"))
    checked(render.help_all(CATALOGUE, "en"))


def test_what_a_form_does_not_hold_is_said() -> None:
    view = forms.form(Form(CATALOGUE.find("imagine"), "slack:T1/C1", (("prompt", "x" * 3500),)), "en")
    assert "cut to 3000" in str(view["blocks"])
