"""Codes and facts -> sentences, shared by all adapters.

text.py        somebody's text and figures, as they may stand in a sentence
settings.py    what a server may set, and where a value comes from
templates.py   the sentences of one language, read from its TOML file
translated.py  the catalogue's titles, summaries and help in one language, read from catalogue/
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, assert_never

from adapters.words.settings import origin, setting, setting_value
from adapters.words.templates import known_language, languages, words_of
from adapters.words.text import clean, dollars, size
from adapters.words.translated import input_help, model_notes, model_summary, model_title
from bot.catalogue import Model
from bot.errors import BadOrder, Confirm, ForPerson, Problem, Refused
from bot.ports import Cancelled, Failed, Notice, Ready, Unknown, Waiting, Working

__all__ = [
    "clean",
    "dollars",
    "input_help",
    "languages",
    "lasting",
    "model_notes",
    "model_summary",
    "model_title",
    "money",
    "notice",
    "origin",
    "paid",
    "problem",
    "question",
    "refusal",
    "say",
    "section",
    "setting",
    "setting_value",
    "size",
    "state",
    "value",
]

SECTIONS = ("problem", "refused", "failed", "unknown", "undelivered", "waiting", "notice", "state")
"""Where a code without its section is looked for, in this order."""


# -- sentences


def say(code: str, facts: Mapping[str, Any], language: str = "en") -> str:
    """The sentence of a code, "failed.expired" or "expired". Never raises: an unknown code has words too."""
    section, _, name = code.rpartition(".")
    words = words_of(language)
    for place in (section,) if section else SECTIONS:
        if sentence := words.sentence(place, name, facts):
            return sentence
    fallback = words.sentence(section or "refused", "generic", {**facts, "code": name})
    return fallback or clean(name)


def section(name: str, language: str = "en") -> Mapping[str, str]:
    """The sentences of a section, the first of each, with their facts still in braces."""
    return {code: said[0] for code, said in words_of(language).sections.get(name, {}).items()}


def problem(problem: Problem, language: str = "en", model: Model | None = None) -> str:
    """One mistake in an order, on one line. `model` is what was ordered: its help is told in the language."""
    facts = dict(problem.facts)
    if "help" in facts:
        facts["help"] = _help(problem, language, model)
    if problem.option is not None:
        facts["option"] = problem.option
    return say(f"problem.{_precisely(problem.code, facts)}", facts, language)


def refusal(error: ForPerson, language: str = "en", model: Model | None = None) -> str:
    """What is wrong with what was asked: one line, or one for each mistake of a BadOrder."""
    match error:
        case BadOrder():
            return "\n".join(problem(one, language, model) for one in error.problems)
        case Refused(code="too_late", facts={"state": "done" | "undelivered"}):
            return say("refused.too_late_done", error.facts, language)
        case Refused():
            return say(f"refused.{error.code}", error.facts, language)
        case _:
            return say("refused.try_later", {}, language)


def question(error: Confirm, language: str = "en") -> str:
    """Whether somebody agrees to what a job may cost."""
    cost = None if error.cost is None else money(error.cost, language)
    return say("confirm.ask", {"model": error.model, "cost": cost}, language)


def notice(notice: Notice, language: str = "en") -> str:
    """How a job stands: what happened, whether it cost anything, what to do next."""
    match notice:
        case Waiting():
            return _waiting(notice, language)
        case Working(fraction, eta):
            working = say("notice.working", {"fraction": fraction}, language)
            return words_of(language).together(working, _left(eta, language))
        case Ready():
            return _ready(notice, language)
        case Failed(code, facts, cost):
            return say(f"failed.{code}", {**facts, "paid": paid(cost, language)}, language)
        case Cancelled(by, cost):
            return say("notice.cancelled", {"by": by or None, "paid": paid(cost, language)}, language)
        case Unknown(code, facts, cost):
            return say(f"unknown.{code}", {**facts, "paid": paid(cost, language)}, language)
        case _:
            assert_never(notice)


def state(notice: Notice, language: str = "en") -> str:
    """How a job stands, in one word."""
    return say(f"state.{type(notice).__name__.lower()}", {}, language)


def _help(problem: Problem, language: str, model: Model | None) -> str | None:
    """What the option is; None where that is known in another language only."""
    entry = model.input(problem.option) if model and problem.option else None
    if model and entry:
        return input_help(model, entry, language)
    return problem.facts["help"] if known_language(language) == "en" else None


def _precisely(code: str, facts: Mapping[str, Any]) -> str:
    match code:
        case "out_of_range":
            maximum = facts.get("maximum")
            return "too_high" if maximum is not None and facts["value"] > maximum else "too_low"
        case "wrong_scope" if facts.get("scope") in ("channel", "role"):
            return f"wrong_scope_{facts['scope']}"
        case "too_many_files" if facts.get("limit") == 0:
            return "too_many_files_0"
        case _:
            return code


def _waiting(notice: Waiting, language: str) -> str:
    sentences = []
    if notice.reason and f"waiting.{notice.reason}" in words_of(language).codes():
        sentences.append(say(f"waiting.{notice.reason}", {}, language))
    match notice.ahead:
        case None:
            sentences += [] if sentences else [say("notice.waiting", {}, language)]
        case 0:
            sentences += [] if sentences else [say("notice.next", {}, language)]
        case 1:
            sentences.append(say("notice.ahead_1", {}, language))
        case ahead:
            sentences.append(say("notice.ahead", {"ahead": ahead}, language))
    return words_of(language).together(*sentences, _left(notice.eta, language))


def _left(eta: float | None, language: str) -> str:
    return say("notice.left", {"eta": max(1, round(eta))}, language) if eta is not None else ""


def _ready(notice: Ready, language: str) -> str:
    ready = say("notice.ready", {"took": notice.took}, language)
    if not notice.cost:
        return ready
    cost = say("notice.ready_cost", {"cost": money(notice.cost, language)}, language)
    return words_of(language).together(ready, cost)


# -- figures


def lasting(seconds: float, language: str = "en") -> str:
    """12 s, 3 min 20 s, 1 h 5 min."""
    return words_of(language).lasting(seconds)


def value(given: object, language: str = "en") -> str:
    """The value of an option, as somebody would type it."""
    if isinstance(given, bool):
        return say(f"command.{'yes' if given else 'no'}", {}, language)
    return f"{given:g}" if isinstance(given, float) else clean(given)


# -- money


def money(cost: Decimal | None, language: str = "en") -> str:
    """$0.0123, or in words where it is free or not known. US dollars."""
    if cost is None:
        return say("money.unknown", {}, language)
    if not cost:
        return say("money.free", {}, language)
    if cost < Decimal("0.0001"):
        return say("money.less", {}, language)
    exact = f"{cost:.2f}" if cost >= 1 else f"{cost:.4f}"
    whole, _, fraction = exact.partition(".")
    return f"${whole}.{fraction.rstrip('0'):0<2}"


def paid(cost: Decimal | None, language: str = "en") -> str:
    """Whether it cost anything, as a sentence."""
    if cost is None:
        return say("paid.unknown", {}, language)
    return (
        say("paid.something", {"cost": money(cost, language)}, language)
        if cost
        else say("paid.nothing", {}, language)
    )
