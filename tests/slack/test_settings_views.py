"""Whatever a workspace has set, done and called itself, Slack takes the pages and forms that show it."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.slack import settings_views as views
from bot.jobs import Actor, Job, JobId, Json, Place, State
from bot.ports import (
    Action,
    Card,
    Failed,
    KeyInfo,
    Look,
    Money,
    OpenCharge,
    Person,
    Record,
    Standing,
    Statement,
    Working,
)
from bot.rules import GROUPS, KEYS, SERVER, Changed, Scope, ScopeKind, Shown, all_names, find_key
from bot.rules.values import text_of
from tests.slack.rig import CATALOGUE
from tests.slack_server.blockkit import check_blocks, check_view
from tests.slack_server.messages import BROADCAST, MENTION, texts_of

LANGUAGES = ("en", "zh")
SCOPES = (SERVER, Scope(ScopeKind.CHANNEL, "C0123456789"), Scope(ScopeKind.ROLE, "S0123456789"))
NASTY = "<!channel> <@U1> & *x* `y` " * 20
MANY = [f"{NASTY[:180]}{number}" for number in range(500)]
BOB = Actor("slack", "U0123456789", NASTY, "T1")


def as_message(blocks: list[Json]) -> list[Any]:
    numbers = itertools.count()
    return check_blocks(blocks[:50], "message", new_id=lambda: f"new{next(numbers)}")


def as_view(view: Json, kind: str = "modal") -> Any:
    numbers = itertools.count()
    return check_view(view, kind=kind, image_known=lambda _: False, new_id=lambda: f"new{next(numbers)}")


def is_taken(blocks: list[Json], language: str) -> None:
    """By a message and by a modal; nobody's name or reason calls anybody."""
    shown = as_message(blocks)
    as_view(views.page(blocks, language))
    said = "\n".join(texts_of(shown))
    assert not BROADCAST.search(said)
    assert all(one.startswith(("U0", "W0")) for one in MENTION.findall(said))


def shown(name: str, value: Json) -> Shown:
    return Shown(name, value, text_of(name, value), "server")


def value_of(name: str) -> Json:
    """A long one of its kind."""
    key = find_key(name, CATALOGUE)
    if key.kind in views.PICKERS:
        ids = [f"{views.PICKERS[key.kind][2][0]}0123456{number:03}" for number in range(60)]
        return ids if key.is_list else ids[0]
    if key.is_list:
        return MANY
    return key.choices[0] if key.choices else "1000000"


def look(runs: bool) -> Look:
    job = Job(
        JobId("abcdefghijkl"), "k", BOB, Place("slack:T1/C1"), "imagine", "box", {}, State.DONE, 1.0, 1.0
    )
    card = Card(job.id, BOB, "imagine", NASTY, {}, 1, 1.7e9)
    return Look(job, card, Working(0.5, 3.0) if runs else Failed("model_failed", {"message": NASTY}, None))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("scope", SCOPES, ids=str)
def test_every_group_of_settings_is_shown(group: str, scope: Scope, language: str) -> None:
    names = [key.name for key in KEYS if "COMMAND" not in key.name]
    everything = [shown(name, value_of(name)) for name in names]
    blocks = views.settings(everything, scope, group, CATALOGUE, language)
    is_taken(blocks, language)
    assert len(blocks) < 50, "all of it fits into a message"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", all_names(CATALOGUE))
def test_every_setting_has_its_form_empty_and_full(name: str, language: str) -> None:
    key = find_key(name, CATALOGUE)
    for value in (None, value_of(name)):
        view = as_view(views.setting_form(shown(name, value), key, SERVER, language))
        assert view["blocks"]
    as_message(views.setting(shown(name, value_of(name)), SERVER, language))


def test_a_picker_stands_only_where_it_can_hold_all_that_is_set() -> None:
    key = find_key("admins", CATALOGUE)

    def element(value: Json) -> Json:
        form = views.setting_form(shown("admins", value), key, SERVER, "en")
        return next(block["element"] for block in form["blocks"] if block["type"] == "input")

    assert element(["U1", "W2"])["initial_users"] == ["U1", "W2"]
    assert "initial_users" not in element([])
    assert element(["U1", "S2"])["initial_value"] == "U1, S2"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("count", [0, 1, 300])
def test_every_other_page_is_shown_with_nothing_little_and_much(count: int, language: str) -> None:
    people = [
        Person(f"U0{n:09}", NASTY, list(Standing)[n % 2], NASTY, 1.8e9 if n % 3 else None, NASTY, 1.7e9)
        for n in range(count)
    ]
    records = [
        Record(n, 1.7e9, "U1", NASTY, list(Action)[n % len(Action)], NASTY, MANY, MANY) for n in range(count)
    ]
    charges = tuple(
        OpenCharge(JobId("abcdefghijkl"), "imagine", "box", 1.7e9, Decimal("0.4")) for _ in range(count)
    )
    budgets = tuple(
        Money(code, "server", "2026-11", Decimal(10**9), Decimal(1), 1.8e9)
        for code in ("budget_server_day", "budget_server_month", "own_keys_month")
    )
    offered = [f"provider-{n}" for n in range(count)]
    for blocks in (
        views.menu(language),
        views.people(people, language),
        views.jobs([look(bool(n % 2)) for n in range(count)], language),
        views.audit(records, language),
        views.money(Statement(budgets, charges, "America/Argentina/ComodRivadavia"), language),
        views.keys([KeyInfo(one, NASTY, 1.7e9) for one in offered[::2]], offered, language),
        views.files(language),
    ):
        is_taken(blocks, language)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("count", [0, 1, 89, 90, 400])
def test_a_proposal_is_shown_however_much_it_changes(count: int, language: str) -> None:
    changes = [Changed(Scope(ScopeKind.CHANNEL, f"C{n}"), "words", MANY, None) for n in range(count)]
    view = as_view(views.proposal(changes, "0123456789abcdef", language))
    assert ("submit" in view) == bool(count)
    assert count < 91 or any(str(count - 90) in text for text in texts_of(view["blocks"])), (
        "what is not shown is counted"
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_form_is_one_that_slack_takes(language: str) -> None:
    for view in (
        views.stand_form("", language),
        views.stand_form("U0123456789", language),
        views.key_form("provider", language),
        views.settle_form("abcdefghijkl", language),
        views.import_form(language),
        views.report_form("abcdefghijkl", language),
    ):
        as_view(view)
    as_message(views.question("x" * 3000, "0123456789abcdef", language)["blocks"])
    as_message(views.forget(language)["blocks"])


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=4000), st.text(max_size=4000), st.sampled_from(LANGUAGES))
def test_news_call_nobody_whatever_was_written(reason: str, name: str, language: str) -> None:
    facts = {"job": "abcdefghijkl", "model": "imagine", "owner": name, "owner_id": "U2", "by": name}
    facts["reason"] = reason
    for link in (None, "https://t.slack.com/archives/C1/p1"):
        said = views.telling("report", facts, link, language)
        found = "\n".join(texts_of(as_message(said["blocks"])))
        assert not BROADCAST.search(found)
        assert not MENTION.search(found)
