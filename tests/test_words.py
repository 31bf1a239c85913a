"""The words: every code has a sentence, and nobody's text gets out of its place in one."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import words
from adapters.words.templates import words_of
from adapters.words.translated import translations
from bot.catalogue import check, load
from bot.catalogue.schema import Kind, Type
from bot.errors import BadOrder, ForPerson, Problem, Refused
from bot.grammar import parse
from bot.ports import Cancelled, Failed, Notice, Ready, Unknown, Waiting, Working
from bot.rules.keys import KEYS

ROOT = Path(__file__).parent.parent

PROBLEMS: Mapping[str, Mapping[str, Any]] = {
    "unknown_command": {"nearest": "/animate"},
    "unknown_option": {"nearest": "frames", "known": ("start", "end")},
    "missing": {"help": "What the animation starts from"},
    "twice": {},
    "wrong_type": {"expected": "integer", "value": "ten"},
    "out_of_range": {"minimum": 1, "maximum": 50, "value": 99},
    "not_a_choice": {"choices": (128, 256, 512), "nearest": 256, "value": 200},
    "not_a_step": {"step": 8, "offset": 0, "nearest": 512, "value": 510},
    "too_long": {"limit": 4000, "length": 4001},
    "not_a_word": {"words": ("person", "car"), "nearest": "car", "value": "cra"},
    "too_many_items": {"limit": 4, "count": 5},
    "bad_link": {"value": "fox.png"},
    "wrong_kind": {"accepts": ["image", "video"], "kind": "audio"},
    "dead_link": {"status": 404},
    "file_too_large": {"limit": 200 * 1024 * 1024},
    "not_media": {},
    "forbidden_address": {"host": "127.0.0.1"},
    "too_many_files": {"limit": 2},
    "not_a_command": {},
    "stray_text": {"text": "a fox"},
    "expired": {},
}
CODES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "refused": {
        "not_found": {},
        "not_yours": {},
        "too_late": {"state": "fetching"},
        "cannot_cancel": {},
        "limit_waiting": {"limit": 20, "used": 20},
        "limit_per_day": {"limit": 500, "used": 500, "resets_at": 86400.0},
        "limit_per_day_per_person": {"limit": 50, "used": 50, "resets_at": 86400.0},
        "server_not_allowed": {"server": "1234"},
        "no_provider": {"model": "animate"},
        "file_needs_public_url": {"limit": 262144, "name": "fox.png"},
        "file_gone": {"name": "fox.png"},
        "not_now": {},
        "not_signed_in": {},
    },
    "failed": {
        "unauthenticated": {},
        "forbidden": {},
        "no_credit": {},
        "not_found": {},
        "no_channel": {},
        "bad_input": {"detail": "invalid", "fields": {"fps": "must be less than 50"}},
        "too_large": {},
        "refused": {"detail": "no"},
        "model_failed": {"message": "CUDA error"},
        "flagged": {"message": "NSFW"},
        "out_of_memory": {"message": "E1001"},
        "no_output": {},
        "bad_answer": {"detail": "HTML"},
        "expired": {},
        "deadline": {"minutes": 60},
        "aborted": {},
        "fetch_failed": {"detail": "timeout"},
        "not_media": {},
        "too_many_tries": {},
    },
    "unknown": {"lost_answer": {}, "vanished": {}, "no_provider": {}},
    "waiting": {"provider_down": {}, "provider_busy": {}, "your_turn": {}, "crowded": {}},
}


def is_a_sentence(text: str) -> bool:
    return text[-1] in ".?" and "{" not in text and "}" not in text and "  " not in text and "\n" not in text


# -- every code has words


@pytest.mark.parametrize("code", PROBLEMS)
def test_every_mistake_has_words_with_and_without_its_facts(code: str) -> None:
    generic = words.problem(Problem("nobody_knows", "fps", {}))
    assert "nobody_knows" in generic
    for facts in (PROBLEMS[code], {"value": 1} if code == "out_of_range" else {}):
        said = words.problem(Problem(code, "fps", facts))
        assert is_a_sentence(said), said
    assert f"({code})" not in words.problem(Problem(code, "fps", PROBLEMS[code])), "no fallback"


@pytest.mark.parametrize(("section", "code"), [(s, code) for s, known in CODES.items() for code in known])
def test_every_code_has_words_that_need_its_facts_only(section: str, code: str) -> None:
    facts = {**CODES[section][code], "paid": "It cost nothing."}
    said = words.say(f"{section}.{code}", facts)
    assert is_a_sentence(said), said
    assert f"({code})" not in said, "no fallback"


def test_every_code_that_the_core_raises_has_words() -> None:
    missing = {code for code in raised_codes() if code not in known_codes()}
    assert not missing


def known_codes() -> frozenset[str]:
    made_by_words = {"problem.out_of_range", "failed.cancelled"}
    return words_of("en").codes() | made_by_words


def raised_codes() -> Iterator[str]:
    """The codes that stand in the source as string literals, with their section."""
    sections: dict[str, tuple[str, ...]] = {
        "Problem": ("problem",),
        "_refuse": ("problem",),
        "Refused": ("refused",),
    }
    sections |= {"Nowhere": ("undelivered",), "BadMedia": ("problem", "failed")}
    for path in (ROOT / "bot").rglob("*.py"):
        if "sandbox" in path.parts:
            continue
        for call in ast.walk(ast.parse(path.read_text())):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
                continue
            literals = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
            if literals and isinstance(literals[0], str):
                yield from (f"{section}.{literals[0]}" for section in sections.get(call.func.id, ()))
                if call.func.id == "GiveUp" and isinstance(call.args[0], ast.Attribute):
                    yield f"{call.args[0].attr.lower()}.{literals[0]}".replace("cancelled.", "failed.")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("section", ["refused", "usage"])
def test_every_limit_and_budget_is_told(section: str, language: str) -> None:
    for key in KEYS:
        kind, _, rest = key.name.partition(".")
        if kind not in ("limit", "budget"):
            continue
        amount = Decimal("1.25") if kind == "budget" else 7
        facts = {
            "used": amount,
            "limit": amount,
            "needed": amount,
            "resets_at": 86400.0,
            "period": "1970-01-02",
        }
        code = f"{kind}_{rest.replace('.', '_')}"
        said = words.say(f"{section}.{code}", facts, language)
        assert ("$1.25" if kind == "budget" else "7") in said
        assert "{" not in said
        assert code not in said, "no fallback"


def test_the_source_is_really_searched() -> None:
    found = set(raised_codes())
    assert {"problem.missing", "problem.out_of_range", "refused.not_yours", "failed.deadline"} <= found
    assert {"unknown.lost_answer", "undelivered.place_gone", "problem.not_media"} <= found


def test_every_type_and_kind_of_the_catalogue_has_a_name() -> None:
    known = words_of("en").codes()
    assert {f"type.{one.value}" for one in Type} | {f"kind.{one.value}" for one in Kind} <= known


@pytest.mark.parametrize("language", words.languages())
def test_every_language_says_the_same_codes_with_facts_that_english_knows(language: str) -> None:
    assert words_of(language).codes() == words_of("en").codes()


@pytest.mark.parametrize("language", words.languages())
def test_every_language_tells_the_same_facts_written_in_the_same_way(language: str) -> None:
    english, other = words_of("en").sections, words_of(language).sections
    for section, known in english.items():
        for code, templates in known.items():
            told = [facts_of(template) for template in other[section][code]]
            assert told == [facts_of(template) for template in templates], f"{section}.{code}"


def facts_of(template: str) -> set[tuple[str, str | None]]:
    """The facts of a template, each with how it is written."""
    return {(name, spec) for _, name, spec, _ in string.Formatter().parse(template) if name}


def test_a_language_that_nobody_translated_is_english() -> None:
    assert words.say("refused.not_yours", {}, "tlh-KL") == words.say("refused.not_yours", {}, "en")
    assert words.say("refused.not_yours", {}, "../en") == words.say("refused.not_yours", {}, "en")


# -- what is said


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("/animate end:x", "start is missing: what the animation starts from."),
        ("/animate start:a end:b fps:99", "fps: 99 is too high; it can be 1 to 50."),
        ("/animate start:a end:b fps:0", "fps: 0 is too low; it can be 1 to 50."),
        ("/animate start:a end:b framse:9", "“framse” is not an option here; did you mean frames?"),
        ("/animate start:a end:b fps:ten", "fps: “ten” doesn't fit; it takes a whole number."),
        (
            "/animate start:a end:b width:500",
            "width: “500” can't be chosen; did you mean 512? It can be 128, 256, 512, 768 or 1024.",
        ),
        ("/animate start:a end:b fps:9 fps:9", "fps is given twice; keep one."),
        ("/animte start:a", "There is no command “animte”; did you mean /animate?"),
        ("hello", "This is no command; it begins with a slash, such as /animate."),
    ],
)
def test_mistakes_are_told_in_the_persons_words(typed: str, said: str) -> None:
    with pytest.raises(BadOrder) as caught:
        checked(typed)
    assert words.refusal(caught.value) == said


def checked(typed: str) -> Mapping[str, Any]:
    order = parse(typed, load())
    return check(order.model, order.options)


def test_each_mistake_has_its_line() -> None:
    error = BadOrder([Problem("twice", "fps"), Problem("missing", "end", {"help": "What it ends on"})])
    assert words.refusal(error) == "fps is given twice; keep one.\nend is missing: what it ends on."


@pytest.mark.parametrize(
    ("notice", "said"),
    [
        (Waiting(), "Waiting."),
        (Waiting(0), "Next in the queue."),
        (Waiting(1, 12), "One job is before it. About 12 s left."),
        (
            Waiting(3, None, "provider_down"),
            "The provider can't be reached; it goes on by itself. 3 jobs are before it.",
        ),
        (Waiting(0, None, "no_such_reason"), "Next in the queue."),
        (Working(), "Working."),
        (Working(0.424, 200.2), "Working: 42%. About 3 min 20 s left."),
        (Ready((), 12.3, Decimal("0.0123")), "Ready in 12 s. It cost $0.0123."),
        (Ready((), None, None), "Ready."),
        (
            Failed("expired", {}, Decimal(0)),
            "The result was gone before it could be fetched. It cost nothing. Run it again.",
        ),
        (
            Failed("model_failed", {"message": "bad\x1b[31m luck."}, None),
            "The model failed: bad luck. It may have cost something; nobody can tell yet. "
            "Try again, or with other options.",
        ),
        (
            Failed("never_heard_of", {}, Decimal(0)),
            "It failed (never_heard_of). It cost nothing. Run it again.",
        ),
        (Cancelled("Anna", Decimal("0.02")), "Cancelled by Anna. It cost $0.02."),
        (Cancelled("", Decimal(0)), "Cancelled. It cost nothing."),
        (
            Unknown("vanished", {}, None),
            "The provider no longer knows this job, so nobody can tell how it ended. "
            "It may have cost something; nobody can tell yet. "
            "It is not sent again by itself; run it again if you want it.",
        ),
    ],
)
def test_each_notice_says_what_happened_and_what_it_cost(notice: Notice, said: str) -> None:
    assert words.notice(notice) == said


def test_each_kind_of_notice_has_a_word_for_its_state() -> None:
    assert {f"state.{kind.__name__.lower()}" for kind in get_args(Notice)} <= words_of("en").codes()
    assert words.state(Waiting()) == "waiting"


def test_refusals_tell_when_there_is_more() -> None:
    refused = Refused("limit_per_day", limit=5, used=5, resets_at=1_700_006_400.0)
    assert words.refusal(refused) == (
        "Today's 5 jobs for everybody are used up; there are more from 00:00 UTC. Nothing was started."
    )
    assert words.refusal(Refused("too_late", state="done")) == "It has ended already."
    assert "on its way" in words.refusal(Refused("too_late", state="fetching"))
    assert is_a_sentence(words.refusal(ForPerson()))


def test_the_reason_of_a_dead_link_is_told() -> None:
    said = words.problem(Problem("dead_link", "image", {"reason": "no_such_host"}))
    assert said == "image: the link's host doesn't exist; check it or attach the file."
    assert "404" in words.problem(Problem("dead_link", "image", {"status": 404}))


# -- in Chinese


SENTENCES = (
    "problem",
    "refused",
    "failed",
    "unknown",
    "undelivered",
    "waiting",
    "terminal",
    "notice",
    "paid",
)


def test_chinese_sentences_end_as_such_and_are_joined_without_blanks() -> None:
    for section in SENTENCES:
        for code, templates in words_of("zh").sections[section].items():
            for template in templates:
                assert template.endswith(("。", "？", "。{paid}")), f"{section}.{code}"
                assert not re.search("[，。；：？（）、] | [，。；：？（）、]", template), f"{section}.{code}"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("/animate end:x", "缺少 start：动画开始时的画面。"),
        ("/animate prompt_start: end:x", "缺少 prompt_start：动画开始时的画面。"),
        ("/animate start:a end:b fps:99", "fps：99 太大；可以是 1 到 50。"),
        ("/animate start:a end:b fps:ten", "fps：“ten”不合适；应填：整数。"),
        (
            "/animate start:a end:b width:500",
            "width：不能选“500”；是不是想选 512？可以选 128、256、512、768 或 1024。",
        ),
        ("/erase", "缺少 image：要清理的图片，最好是正方形。"),
    ],
)
def test_mistakes_are_told_in_chinese(typed: str, said: str) -> None:
    order = parse(typed, load())
    with pytest.raises(BadOrder) as caught:
        check(order.model, order.options)
    assert words.refusal(caught.value, "zh-CN", order.model) == said


def test_help_is_left_out_where_it_is_known_in_english_only() -> None:
    missing = Problem("missing", "start", {"help": "What the animation starts from"})
    assert words.problem(missing, "zh") == "缺少 start。"
    assert (
        words.problem(Problem("missing", "nobody", missing.facts), "zh", load().find("draw"))
        == "缺少 nobody。"
    )


@pytest.mark.parametrize(
    ("notice", "said"),
    [
        (
            Waiting(3, 12, "provider_down"),
            "连接不上服务商；恢复后会自动继续。前面还有 3 个任务。大约还要 12 秒。",
        ),
        (Working(0.424, 200.2), "正在生成：42%。大约还要 3 分 20 秒。"),
        (Ready((), 3900, Decimal("0.0123")), "已完成，用时 1 小时 5 分钟。费用：$0.0123。"),
        (Failed("expired", {}, Decimal(0)), "还没来得及取回，结果就已经不在了。没有产生费用。请重新运行。"),
        (
            Failed("model_failed", {"message": "显存不足。"}, None),
            "模型出错了：显存不足。可能产生了费用，目前还无法确定。请再试一次，或换一些选项。",
        ),
        (Cancelled("小安", Decimal("0.02")), "已取消（操作者：小安）。费用：$0.02。"),
    ],
)
def test_notices_in_chinese(notice: Notice, said: str) -> None:
    assert words.notice(notice, "zh") == said


def test_lists_in_chinese() -> None:
    accepts = Problem("wrong_kind", "refs", {"accepts": ["image", "video"], "kind": "audio"})
    assert words.problem(accepts, "zh") == "refs 需要图片或视频；这是音频。"
    many = Problem("unknown_option", "x", {"known": tuple("abcdefghijklmnopqrst")})
    assert words.problem(many, "zh").endswith("m、n、o、p 等。")


# -- the catalogue

TRANSLATED = [language for language in words.languages() if language != "en"]


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_language_has_all_that_the_catalogue_says_and_nothing_else(language: str) -> None:
    said = translations(language)
    assert list(said) == list(load().commands())
    for model in load():
        texts = {"title", "summary", "inputs"} | ({"notes"} if model.notes else set())
        assert said[model.command].keys() == texts, model.command
        assert list(said[model.command]["inputs"]) == [entry.alias for entry in model.inputs], model.command


@pytest.mark.parametrize("language", words.languages())
def test_what_is_said_of_a_model_fits_into_a_description(language: str) -> None:
    for model in load():
        assert 0 < len(words.model_title(model, language)) <= 100
        assert 0 < len(words.model_summary(model, language)) <= 100
        for entry in model.inputs:
            assert 0 < len(words.input_help(model, entry, language)) <= 100
            assert not words.input_help(model, entry, language).endswith((".", "。"))


def test_a_model_that_nobody_translated_is_told_in_english() -> None:
    model = replace(load().find("animate"), command="own")
    for language in ("zh", "en", "tlh", "../en"):
        assert words.model_title(model, language) == model.title
        assert words.model_summary(model, language) == model.summary
        assert words.model_notes(model, language) == model.notes
        assert words.input_help(model, model.inputs[0], language) == "What the animation starts from"


# -- other people's text


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[2J\x1b[31mred",
        "\x1b]0;title\x07x",
        "a\nb",
        "\u202egnp.exe",
        "\x9b31mx",
        "\x1b]8;;http://x\x1b\\y",
        "\ud800",
    ],
)
def test_text_of_people_and_providers_can_steer_nothing(text: str) -> None:
    for said in (
        words.problem(Problem("unknown_option", text, {"known": (text,)})),
        words.notice(Failed("model_failed", {"message": text}, None)),
        words.notice(Failed("bad_input", {"fields": {text: text}}, None)),
        words.notice(Cancelled(text, None)),
    ):
        assert all(ord(c) >= 32 and not 0x7F <= ord(c) <= 0x9F for c in said)
        assert "\u202e" not in said
        assert "31m" not in said
        assert said.encode()


def test_text_is_shortened_and_its_braces_are_no_templates() -> None:
    assert words.clean("a" * 200) == "a" * 79 + "…"
    assert "{paid}" in words.problem(Problem("stray_text", None, {"text": "{paid} {0.__class__}"}))


@given(st.text())
def test_clean_text_stays_clean(text: str) -> None:
    once = words.clean(text)
    assert words.clean(once) == once
    assert len(once) <= 80


@given(
    st.sampled_from(sorted(words_of("en").codes())),
    st.dictionaries(st.sampled_from(["option", "value", "nearest", "help", "detail", "name"]), st.text()),
)
def test_saying_something_never_raises(code: str, facts: dict[str, str]) -> None:
    assert isinstance(words.say(code, facts), str)


# -- figures


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.44, "0.4 s"),
        (12.3, "12 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (3900, "1 h 5 min"),
    ],
)
def test_how_long_it_lasts(seconds: float, said: str) -> None:
    assert words.lasting(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 秒"),
        (0.44, "0.4 秒"),
        (59.6, "1 分钟"),
        (200, "3 分 20 秒"),
        (3600, "1 小时"),
        (3900, "1 小时 5 分钟"),
    ],
)
def test_how_long_it_lasts_in_chinese(seconds: float, said: str) -> None:
    assert words.lasting(seconds, "zh") == said


@pytest.mark.parametrize(
    ("cost", "said"),
    [
        (None, "cost unknown"),
        (Decimal(0), "free"),
        (Decimal("0.0123"), "$0.0123"),
        (Decimal("0.02"), "$0.02"),
        (Decimal("1.5"), "$1.50"),
        (Decimal("10"), "$10.00"),
        (Decimal("0.00001"), "under $0.0001"),
    ],
)
def test_what_it_costs(cost: Decimal | None, said: str) -> None:
    assert words.money(cost) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (262144, "256 kB"),
        (1572864, "1.5 MB"),
        (209715200, "200 MB"),
        (5 * 2**30, "5 GB"),
    ],
)
def test_how_large_it_is(count: int, said: str) -> None:
    assert words.size(count) == said
