"""A server's rules: what can be set, what holds where, who may run what, and what no trick gets past."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import words
from bot.caps import Whose
from bot.catalogue import check, load
from bot.errors import BadOrder, Refused
from bot.jobs import Actor, Json
from bot.rules import (
    Change,
    Entry,
    Rulebook,
    Scope,
    ScopeKind,
    apply,
    day_of,
    defaults,
    differences,
    month_of,
    read_toml,
    write_toml,
)
from bot.rules.decide import Ask, Block
from bot.rules.filters import BadPattern, Filter, check_pattern
from bot.rules.keys import KEYS, complete
from bot.rules.values import read

CATALOGUE = load()
NOW = 1_800_000_000.0
SERVER = Scope()
STUDIO = Scope(ScopeKind.CHANNEL, "studio")
ARTISTS, NEWCOMERS = Scope(ScopeKind.ROLE, "artists"), Scope(ScopeKind.ROLE, "newcomers")
ADA = Actor("discord", "ada", "Ada", "1", roles=frozenset({"artists"}))
BOB = Actor("discord", "bob", "Bob", "1")


def mistakes(raise_it: Any) -> list[str]:
    with pytest.raises(BadOrder) as caught:
        raise_it()
    for problem in caught.value.problems:
        for language in ("en", "zh"):
            assert f"({problem.code})" not in words.problem(problem, language), "no fallback"
    return [problem.code for problem in caught.value.problems]


# -- values


@pytest.mark.parametrize(
    ("key", "typed", "kept"),
    [
        ("models", "/Imagine, animate imagine", None),
        ("models", "imagine; stability-ai/sdxl\nanimate", ["animate", "imagine"]),
        ("models", "*, imagine", ["*"]),
        ("channels", "<#12>, <#C3|general>", ["12", "C3"]),
        ("roles", "<@&7> <!subteam^S1>", ["7", "S1"]),
        ("results", "Thread", "thread"),
        ("timezone", "europe/zurich", "Europe/Zurich"),
        ("limit.person.per_day", " 20 ", 20),
        ("budget.server.day", "$2,5", "2.50"),
        ("budget.server.day", "7 USD", "7.00"),
        ("budget.server.day", 0.1, "0.10"),
        ("unknown_price", "Refuse", "refuse"),
        ("keep_media_days", "1.5", 1.5),
        ("inputs.animate.frames.max", "16", 16),
        ("inputs.imagine.seed.default", 3, 3),
        ("words", "Gore,  two   words", ["Gore", "two words"]),
        ("patterns", "b+c\na{3}", ["b+c", "a{3}"]),
    ],
)
def test_what_is_typed_is_kept(key: str, typed: object, kept: Json) -> None:
    if kept is None:
        mistakes(lambda: read(key, typed, CATALOGUE))
    else:
        assert read(key, typed, CATALOGUE) == kept


@pytest.mark.parametrize(
    ("key", "typed", "code"),
    [
        ("models", "imagin", "no_such_command"),
        ("models", 1, "setting_list"),
        ("limit.person.per_day", "many", "bad_count"),
        ("limit.person.per_day", "9" * 5000, "bad_count"),
        pytest.param("limit.person.per_day", 10**5000, "bad_count", id="huge count"),
        ("limit.person.per_day", -1, "bad_count"),
        ("limit.person.per_day", True, "bad_count"),
        ("budget.server.day", "1,000", "bad_money"),
        ("budget.server.day", "1_000", "bad_money"),
        ("budget.server.day", "1e3", "bad_money"),
        ("budget.server.day", "NaN", "bad_money"),
        ("budget.server.day", float("inf"), "bad_money"),
        ("budget.server.day", "0.0000001", "bad_money"),
        pytest.param("budget.server.day", 10**5000, "bad_money", id="huge amount"),
        ("budget.server.day", "-1", "bad_money"),
        ("unknown_price", "never", "bad_money"),
        ("keep_media_days", "0", "bad_days"),
        ("keep_media_days", "٣", "bad_days"),
        ("keep_media_days", 1e300, "bad_days"),
        ("timezone", "Mars/Olympus", "no_such_zone"),
        ("timezone", "", "no_such_zone"),
        ("timezone", "\ud800", "no_such_zone"),
        ("words", "\u200b", "bad_word"),
        ("words", "\ud800\ud800", "bad_word"),
        ("words", "x" * 300, "setting_too_long"),
        ("words", [str(n) * 3 for n in range(501)], "too_many_in_list"),
        ("patterns", "[", "bad_pattern"),
        ("patterns", "a*", "bad_pattern"),
        ("patterns", "(?=a)", "bad_pattern"),
        ("patterns", "\ud800", "bad_pattern"),
        ("patterns", "((a{1,1000}){1,1000}){1,1000}", "bad_pattern"),
        ("adults", "nowhere", "not_a_choice"),
        ("roles", "@here!", "bad_id_roles"),
        ("inputs.animate.frames.max", "99999", "too_high"),
        ("inputs.animate.nonsense.max", "1", "unknown_setting"),
        ("inputs.imagine.prompt.max", "1", "no_bound"),
        ("modells", "imagine", "unknown_setting"),
    ],
)
def test_what_makes_no_sense_gets_one_clear_message(key: str, typed: object, code: str) -> None:
    if code == "too_high":
        assert len(mistakes(lambda: read(key, typed, CATALOGUE))) == 1
    else:
        assert mistakes(lambda: read(key, typed, CATALOGUE)) == [code]


@given(st.sampled_from([key.name for key in KEYS if "COMMAND" not in key.name]), st.text() | st.integers())
def test_nothing_that_is_typed_is_more_than_a_mistake(key: str, typed: object) -> None:
    try:
        kept = read(key, typed, CATALOGUE)
    except BadOrder:
        mistakes(lambda: read(key, typed, CATALOGUE))
    else:
        assert read(key, kept, CATALOGUE) == kept


def test_names_are_completed() -> None:
    assert complete("limit.per", CATALOGUE)[0] == "limit.person.at_once"
    assert "inputs.animate.frames.max" in complete("animate.frames", CATALOGUE)


# -- changes and files


def test_one_mistake_is_enough_for_nothing_to_change() -> None:
    changes = [Change(SERVER, "models", "imagine"), Change(SERVER, "timezone", "Mars")]
    assert mistakes(lambda: apply((), changes, CATALOGUE)) == ["no_such_zone"]


def test_each_setting_has_its_places() -> None:
    assert mistakes(lambda: apply((), [Change(STUDIO, "timezone", "UTC")], CATALOGUE)) == ["wrong_scope"]
    nowhere = Scope(ScopeKind.CHANNEL, "not an id")
    assert mistakes(lambda: apply((), [Change(nowhere, "models", "draw")], CATALOGUE)) == ["bad_id_channels"]


def test_bounds_that_nothing_is_within_are_refused() -> None:
    changes = [
        Change(SERVER, f"inputs.animate.frames.{bound}", value) for bound, value in (("min", 20), ("max", 10))
    ]
    assert mistakes(lambda: apply((), changes, CATALOGUE)) == ["bounds_crossed"]


VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "models": st.lists(st.sampled_from(["animate", "imagine", "draw"])),
    "words": st.lists(
        st.text("abc\"'\\ü语", min_size=2, max_size=9).filter(lambda word: word.strip(" \"'\\"))
    ),
    "limit.person.per_day": st.integers(0, 10**6),
    "budget.person.day": st.decimals(0, 1000, places=2).map(str),
    "ask_above": st.decimals(0, 10, places=6).map(lambda amount: f"{amount:f}"),
    "inputs.animate.frames.max": st.integers(10, 16),
}
PLACES = {"models": [SERVER, STUDIO, ARTISTS], "words": [SERVER, STUDIO], "ask_above": [STUDIO, ARTISTS]}


@st.composite
def entries(draw: st.DrawFn) -> tuple[Entry, ...]:
    places = [(scope, key) for key in VALUES for scope in PLACES.get(key, [SERVER])]
    changes = [Change(scope, key, draw(VALUES[key])) for scope, key in places if draw(st.booleans())]
    try:
        return apply((), changes, CATALOGUE)[0]
    except BadOrder:
        return ()


@given(entries(), entries())
def test_a_file_says_all_that_is_set(before: tuple[Entry, ...], after: tuple[Entry, ...]) -> None:
    assert read_toml(write_toml(after, CATALOGUE), CATALOGUE) == after
    changed = differences(before, after)
    changes = [Change(one.scope, one.key, one.after) for one in changed]
    assert apply(before, changes, CATALOGUE)[0] == after
    assert not differences(after, after)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("x", ["bad_toml"]),
        ("limit.person.per_day = " + "9" * 5000, ["bad_toml"]),
        ('[channel."\x00"]', ["bad_toml"]),
        ("[" * 5000, ["bad_toml"]),
        ("a" * 300_000, ["too_long_file"]),
        ("channel = 3", ["unknown_setting"]),
        ("[[channel]]", ["unknown_setting"]),
        ('[channel.""]\nmodels = ["draw"]', ["unknown_setting"]),
        ('[channel."a b"]\nmodels = ["draw"]', ["bad_id_channels"]),
        ("limit = 3", ["unknown_setting"]),
        ("a.b.c.d.e.f.g = 1", ["unknown_setting"]),
        ('[role."7"]\ntimezone = "UTC"\nmodels = ["x"]', ["wrong_scope", "no_such_command"]),
        ("limit.person.per_day = 1979-05-27", ["bad_count"]),
        ("budget.server.day = inf", ["bad_money"]),
    ],
)
def test_a_file_that_makes_no_sense_says_why(text: str, codes: list[str]) -> None:
    assert sorted(mistakes(lambda: read_toml(text, CATALOGUE))) == sorted(codes)


# -- which value holds


def book(*changes: Change, installation: Mapping[str, Json] | None = None) -> Rulebook:
    return Rulebook(apply((), changes, CATALOGUE)[0], defaults(installation or {}, CATALOGUE), CATALOGUE)


def test_the_nearest_holds_and_says_where_it_comes_from() -> None:
    rules = book(
        Change(STUDIO, "ask_above", "1"),
        Change(ARTISTS, "ask_above", "2"),
        Change(SERVER, "ask_above", "3"),
        installation={"ask_above": 4, "language": "zh"},
    )
    roles = frozenset({"artists"})
    assert rules.value("ask_above", channel="studio", roles=roles) == ("1.00", "channel:studio")
    assert rules.value("ask_above", channel="other", roles=roles) == ("2.00", "role:artists")
    assert rules.value("ask_above") == ("3.00", "server")
    assert rules.value("language") == ("zh", "installation")
    assert rules.value("timezone") == ("UTC", "built-in")
    shown = {one.key: one for one in rules.shown(STUDIO)}
    assert (shown["ask_above"].text, shown["ask_above"].origin) == ("1.00", "channel:studio")
    assert {key.name for key in KEYS if "COMMAND" not in key.name} <= shown.keys()


def test_of_several_roles_the_most_generous_counts() -> None:
    rules = book(
        Change(SERVER, "limit.person.per_day", 5),
        Change(ARTISTS, "limit.person.per_day", 50),
        Change(NEWCOMERS, "limit.person.per_day", 2),
    )
    both = frozenset({"artists", "newcomers"})
    assert rules.value("limit.person.per_day", roles=both) == (50, "role:artists")
    assert rules.value("limit.person.per_day", roles={"newcomers"}) == (2, "role:newcomers")


def models(rules: Rulebook, *, channel: str = "", roles: tuple[str, ...] = ()) -> set[str]:
    return set(rules.models(channel=channel, roles=roles))


def test_only_a_role_opens_what_the_server_does_not_list() -> None:
    rules = book(
        Change(SERVER, "models", "imagine, draw"),
        Change(STUDIO, "models", "draw, animate"),
        Change(ARTISTS, "models", "animate"),
    )
    assert models(rules) == {"imagine", "draw"}
    assert models(rules, roles=("artists",)) == {"imagine", "draw", "animate"}
    assert models(rules, channel="studio") == {"draw"}
    assert models(rules, channel="studio", roles=("artists",)) == {"draw", "animate"}


def test_nothing_opens_what_is_off() -> None:
    rules = book(
        Change(SERVER, "models_off", "animate"),
        Change(ARTISTS, "models", "*"),
        Change(NEWCOMERS, "models_off", "*"),
        installation={"models_off": ["video"]},
    )
    everything = {model.command for model in CATALOGUE}
    assert models(rules, roles=("artists",)) == everything - {"animate", "video"}
    assert models(rules, roles=("artists", "newcomers")) == set()


# -- may it run


def ask(actor: Actor = BOB, channel: str = "studio", command: str = "imagine", **changes: Any) -> Ask:
    model = CATALOGUE.find(command)
    options = changes.pop("options", (("prompt", "a fox"),))
    inputs = check(model, options)
    given: dict[str, Any] = {"for_adults": False, "now": NOW, **changes}
    return Ask(actor, channel, model, inputs, **given)


def refusal(rules: Rulebook, question: Ask) -> str:
    with pytest.raises(Refused) as caught:
        rules.judge(question)
    said = words.say(f"refused.{caught.value.code}", caught.value.facts)
    assert f"({caught.value.code})" not in said, "no fallback"
    return caught.value.code


def test_without_rules_everybody_may_everything() -> None:
    found = book().judge(ask())
    assert (found.caps, found.quotas, found.ask_above, found.zone) == ((), (), None, "UTC")


def test_gates_refuse() -> None:
    assert refusal(book(), ask(blocked=Block("spam", None))) == "blocked"
    assert refusal(book(Change(SERVER, "channels", "elsewhere")), ask()) == "channel_off"
    assert refusal(book(Change(SERVER, "channels_off", "studio")), ask()) == "channel_off"
    assert refusal(book(Change(SERVER, "roles", "artists")), ask()) == "role_needed"
    assert refusal(book(Change(SERVER, "models_off", "imagine")), ask()) == "model_off"
    book(Change(SERVER, "roles", "artists")).judge(ask(ADA))
    book(Change(SERVER, "channels", "studio")).judge(ask())


def test_a_channel_can_only_be_stricter() -> None:
    rules = book(Change(SERVER, "adults", "never"), Change(STUDIO, "adults", "anywhere"))
    adult = next(model for model in CATALOGUE if model.may_be_adult)
    options = tuple((entry.alias, "a fox") for entry in adult.inputs if entry.required and not entry.is_file)
    question = ask(command=adult.command, options=options, for_adults=True)
    assert refusal(rules, question) == "adults_never_model"


@pytest.mark.parametrize("prompt", ["a fox and GORE", "a fox and g.o.r.e", "some b+c here, bbc"])
def test_words_and_patterns_are_found_but_not_of_whom_the_server_trusts(prompt: str) -> None:
    rules = book(Change(SERVER, "words", "gore"), Change(STUDIO, "patterns", "b{2}c"))
    options = (("prompt", prompt),)
    assert mistakes(lambda: rules.judge(ask(options=options))) == ["blocked_words"]
    rules.judge(ask(options=options, trusted=True))


def test_inputs_have_bounds_defaults_and_choices() -> None:
    rules = book(
        Change(SERVER, "inputs.imagine.steps.max", 30),
        Change(SERVER, "inputs.imagine.steps.default", 20),
        Change(ARTISTS, "inputs.imagine.steps.max", 60),
    )
    options = (("prompt", "a fox"), ("steps", 50))
    assert mistakes(lambda: rules.judge(ask(options=options))) == ["out_of_bounds"]
    rules.judge(ask(ADA, options=options))
    model = CATALOGUE.find("imagine")
    filled = rules.with_defaults(model, (("prompt", "a fox"),), channel="studio", roles=())
    assert dict(filled) == {"prompt": "a fox", "steps": 20}
    assert dict(rules.with_defaults(model, options, channel="", roles=()))["steps"] == 50


def test_limits_and_budgets_are_those_of_person_channel_and_server() -> None:
    rules = book(
        Change(SERVER, "limit.person.at_once", 1),
        Change(SERVER, "limit.channel.per_day", 10),
        Change(SERVER, "budget.server.month", "50"),
        Change(SERVER, "budget.person.day", "1"),
        Change(ARTISTS, "budget.person.day", "2"),
        Change(SERVER, "timezone", "Asia/Tokyo"),
    )
    found = rules.judge(ask(ADA))
    assert [(cap.code, cap.limit, cap.whose) for cap in found.caps] == [
        ("limit_person_at_once", 1, Whose.PERSON)
    ]
    quotas = {quota.code: quota for quota in found.quotas}
    assert quotas["budget_person_day"].limit == 2_000_000
    assert quotas["budget_server_month"].limit == 50_000_000
    assert quotas["limit_channel_per_day"].period == day_of(NOW, "Asia/Tokyo")[0] == found.day
    trusted = rules.judge(ask(ADA, trusted=True))
    assert trusted.caps == ()
    assert {quota.code for quota in trusted.quotas} == set(quotas), "budgets hold for whoever is trusted"


def test_what_is_unknown_is_refused_reserved_or_left_to_budgets() -> None:
    assert not book().judge(ask()).refuses_unknown
    assert book(Change(SERVER, "unknown_price", "refuse")).judge(ask()).refuses_unknown
    assert book(Change(SERVER, "unknown_price", "0.5")).judge(ask()).unknown_price == Decimal("0.5")


# -- filters

EVASIONS = (
    "GORE",
    "g0re",
    "g o r e",
    "g\u200bo\u2060r\u00ade",
    "gòŕé",
    "gоrе",
    "goooorrre",
    "g.o-r_e",
    "ｇｏｒｅ",
    "𝕘𝕠𝕣𝕖",
    "g⓪re",
    "ɡᴏʀᴇ",
    "gor€",
    "g\u3164o\u115fre",
    "g\ud800ore",
    "go\u034fre",
    "a (gore) b",
)


@pytest.mark.parametrize("text", EVASIONS)
def test_a_word_is_found_however_it_is_written(text: str) -> None:
    assert Filter(["gore"], []).finds(f"a fox {text} in snow")
    assert Filter(["Göre"], []).finds(text)


@pytest.mark.parametrize("text", ["gorey", "categore", "ago redo", "ego rest", "", "\ud800"])
def test_what_only_looks_a_little_like_it_is_not(text: str) -> None:
    assert not Filter(["gore"], []).finds(text)


def test_part_of_a_word_is_not_the_word_but_without_blanks_anything_is() -> None:
    assert not Filter(["ass"], []).finds("a classic assassin passes")
    assert Filter(["ass"], []).finds("a.s s")
    assert Filter(["血腥"], []).finds("很血 腥的狐狸")


@given(st.text(max_size=200))
def test_no_text_breaks_a_filter(text: str) -> None:
    Filter(["gore", "血腥"], ["g.*re$", "[^a]{3}"]).finds(text)


def test_no_pattern_takes_for_ever() -> None:
    """Both take a backtracking engine longer than the universe has been there."""
    for pattern, text in (("(a+)+$", "a" * 50_000 + "b"), ("(a|aa)+c", "a" * 50_000)):
        check_pattern(pattern)
        Filter([], [pattern]).finds(text)
    with pytest.raises(BadPattern):
        check_pattern("x" * 201)


# -- days and months


@pytest.mark.parametrize(
    "zone",
    [
        "UTC",
        "Europe/Zurich",
        "America/Sao_Paulo",
        "Africa/Cairo",
        "Asia/Beirut",
        "America/Havana",
        "Pacific/Apia",
    ],
)
@given(at=st.floats(1_200_000_000, 2_000_000_000))
def test_a_day_ends_when_the_next_one_begins(zone: str, at: float) -> None:
    """Also where clocks are put forward at midnight, back over it, or a day is left out."""
    for period_of in (day_of, month_of):
        period, until = period_of(at, zone)
        assert until > at
        assert period_of(until - 0.5, zone)[0] == period, "until the very end"
        assert period_of(until, zone)[0] > period
