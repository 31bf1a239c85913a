"""Typed commands: taken apart, written, and there and back again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.catalogue import Input, Model, Type, check, load
from bot.errors import BadOrder, Problem
from bot.grammar import attach, parse, without_slack_escapes, write
from bot.jobs import FileRef, Option

CATALOGUE = load()
PICTURE = "https://example.com/a.png"


def options(text: str) -> tuple[Option, ...]:
    return parse(text, CATALOGUE).options


def inputs(text: str) -> dict[str, Any]:
    typed = parse(text, CATALOGUE)
    return check(typed.model, typed.options)


def mistakes(text: str) -> list[tuple[str, str | None]]:
    with pytest.raises(BadOrder) as caught:
        inputs(text)
    return [(problem.code, problem.option) for problem in caught.value.problems]


# -- the command


@pytest.mark.parametrize(
    "text",
    [
        "/animate start:a end:b",
        "animate start:a end:b",
        "  /Animate\nstart:a\nend:b ",
        "/andreasjansson/stable-diffusion-animation start:a end:b",
    ],
)
def test_the_slash_and_the_case_of_a_command_do_not_matter(text: str) -> None:
    typed = parse(text, CATALOGUE)
    assert typed.command == typed.model.command == "animate"
    assert typed.options == (("start", "a"), ("end", "b"))


@pytest.mark.parametrize("text", ["", "  \n", "/", "hello there", "🦊"])
def test_what_names_no_command_is_none(text: str) -> None:
    with pytest.raises(BadOrder) as caught:
        parse(text, CATALOGUE)
    assert caught.value.problems[0].code in ("not_a_command", "unknown_command")


def test_an_unknown_command_names_the_nearest() -> None:
    for text in ("/animte a fox", "animte a fox"):
        with pytest.raises(BadOrder) as caught:
            parse(text, CATALOGUE)
        assert caught.value.problems[0].facts["nearest"] == "/animate"


@pytest.mark.parametrize("model", list(CATALOGUE), ids=lambda model: model.command)
def test_the_example_of_every_command_is_a_good_order(model: Model) -> None:
    typed = parse(model.example, CATALOGUE)
    assert typed.model is model
    assert check(model, typed.options)


# -- keys and values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '/animate start:a red fox end:"a blue whale: deep" fps:12 pingpong',
            (("start", "a red fox"), ("end", "a blue whale: deep"), ("fps", "12"), ("pingpong", True)),
        ),
        ("/animate START: a fox prompt-end:b", (("START", "a fox"), ("prompt-end", "b"))),
        ("/animate start：a fox end：b", (("start", "a fox"), ("end", "b"))),
        ("/animate start:a\n  b end:c", (("start", "a\n  b"), ("end", "c"))),
        ("/animate start: end:c", (("start", ""), ("end", "c"))),
        ("/imagine a red fox steps:20", (("prompt", "a red fox"), ("steps", "20"))),
        ("/imagine", ()),
        ('/imagine "steps:20 is a sign" steps:30', (("prompt", "steps:20 is a sign"), ("steps", "30"))),
        ("/imagine a prompt:b", (("prompt", "a"), ("prompt", "b"))),
    ],
)
def test_a_value_runs_to_the_next_known_key(text: str, expected: tuple[Option, ...]) -> None:
    assert options(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a clock at 12:30",
        "a 16:9 film",
        "the sign https://example.com/seed:5?end:x",
        "http://example.com",
        ":seedling: grows :smile:",
        "note: a fox",
        "Title:deep",
        "(seed:5)",
        "don't stop",
        "the dogs' day",
        "'tis the season",
        'a 6" plank',
        'she said "hi" and left',
        '"hello" she said',
        '"never closed',
        "«never closed",
        "“a” and “b”",
        "back\\slash \\n",
        "a | b | c",
        "pingpong with friends",
        "—long dash— and – short",
        "a=b",
        "--seed 5",
        "<3 & co",
        "日本語：狐",
    ],
)
def test_text_survives_as_it_is(text: str) -> None:
    assert inputs(f"/animate start:{text} end:b") == {"prompt_start": text, "prompt_end": "b"}
    assert inputs(f"/animate start:a end:{text}") == {"prompt_start": "a", "prompt_end": text}


def test_the_prompts_of_an_animation_keep_their_bars() -> None:
    assert inputs("/animate a end:b|c | d")["prompt_end"] == "b|c | d"


@pytest.mark.parametrize(
    ("text", "wrong", "nearest"),
    [
        ("/animate strat:a fox end:b", "strat", "start"),
        ("/animate a fox edn:b", "edn", "end"),
        ("/animate a end:b fsp:12", "fsp", "fps"),
        ("/animate a end:b hieght:512", "hieght", "height"),
        ("/animate a end:b num-anmation-frames:3", "num-anmation-frames", "num_animation_frames"),
        ('/animate a end:b PingPng:"yes"', "PingPng", "pingpong"),
    ],
)
def test_a_misspelt_key_is_reported_with_the_nearest(text: str, wrong: str, nearest: str) -> None:
    with pytest.raises(BadOrder) as caught:
        inputs(text)
    problem = next(p for p in caught.value.problems if p.code == "unknown_option")
    assert (problem.option, problem.facts["nearest"]) == (wrong, nearest)


def test_a_misspelt_key_does_not_hide_other_mistakes() -> None:
    assert mistakes("/animate strat:a fox fps:99") == [
        ("unknown_option", "strat"),
        ("missing", "end"),
        ("out_of_range", "fps"),
    ]


def test_quotes_protect_what_looks_like_a_misspelt_key() -> None:
    assert inputs('/animate start:"strat: a game" end:b')["prompt_start"] == "strat: a game"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("/flux a fox size:1024 width:512", ["size", "width"]),
        ("/imagine a fox fps:12", ["fps"]),
        ("/motion a fox frames:32", ["frames"]),
        ("/flux a robot shape:1:1", ["shape"]),
        ("/flux a robot Negative-Prompt:blurry hands", ["Negative-Prompt"]),
        ('/imagine a fox quality:"the best"', ["quality"]),
        ("/animate start:a fox end:b model：flux", ["model"]),
    ],
)
def test_another_commands_key_or_a_common_one_is_no_prompt(text: str, wrong: list[str]) -> None:
    assert mistakes(text) == [("unknown_option", key) for key in wrong]


def test_another_commands_key_does_not_hide_other_mistakes() -> None:
    assert mistakes("/imagine a fox fps:12 steps:9999") == [
        ("unknown_option", "fps"),
        ("out_of_range", "steps"),
    ]


@pytest.mark.parametrize(
    "text",
    ["quality: the best", "a model: tall", "frames:", "size://", "(fps:12)", "the fps : 12", ":model:"],
)
def test_another_commands_key_without_a_value_behind_it_is_prose(text: str) -> None:
    assert inputs(f"/imagine {text}") == {"prompt": text}


@pytest.mark.parametrize("text", ["a sign that says fps:12", "shape:1:1", 'model:"x" size:3', "ratio:“x”"])
def test_quotes_protect_another_commands_key_there_and_back(text: str) -> None:
    written = write(CATALOGUE.find("imagine"), {"prompt": text})
    assert written.startswith('/imagine prompt:"')
    assert inputs(written) == {"prompt": text}


# -- quotes


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ('"', '"'),
        ("“", "”"),
        ("„", "“"),
        ("„", "”"),
        ("”", "”"),
        ("«", "»"),
        ("»", "«"),
        ("‘", "’"),
        ("'", "'"),
    ],
)
def test_quotes_of_every_keyboard_protect_keys(opening: str, closing: str) -> None:
    text = f"/animate start:{opening}a fox: end:x fps:3{closing} end: {opening}b{closing}"
    assert inputs(text) == {"prompt_start": "a fox: end:x fps:3", "prompt_end": "b"}


def test_escaped_quotes_and_apostrophes_stay_within_quotes() -> None:
    assert (
        inputs(r'/animate start:"say \"end:x\" \\ now" end:‘don’t’')["prompt_start"] == r'say "end:x" \ now'
    )
    assert inputs("/animate start:‘don’t panic’ end:'it's'") == {
        "prompt_start": "don’t panic",
        "prompt_end": "it's",
    }


def test_an_unclosed_quote_swallows_no_key() -> None:
    assert inputs('/animate start:"a fox end:"b"') == {"prompt_start": '"a fox', "prompt_end": "b"}
    assert inputs("/animate start:'tis snow end:'b'") == {"prompt_start": "'tis snow", "prompt_end": "b"}


def test_an_empty_pair_of_quotes_is_an_empty_value() -> None:
    assert options('/draw avoid:"" steps:5') == (("avoid", ""), ("steps", "5"))


# -- yes and no


@pytest.mark.parametrize(
    "text",
    [
        "/animate pingpong a fox end:b",
        "/animate a fox pingpong end:b",
        "/animate a fox end:b pingpong",
        "/animate a fox end:b GIF-PING-PONG",
        "/animate a fox eachframe pingpong end:b",
        '/animate "a fox" pingpong end:b',
        '/animate "a fox" end:"b" pingpong fps:12',
        "/animate a fox fps:12 pingpong end:b",
        "/animate a fox format:gif pingpong end:b",
        "/animate pingpong:yes start:a fox end:b",
        "/animate fps:12 pingpong a fox end:b",
    ],
)
def test_a_bare_flag_is_yes(text: str) -> None:
    found = inputs(text)
    assert (found["prompt_start"], found["prompt_end"], found["gif_ping_pong"]) == ("a fox", "b", True)


def test_a_flag_within_a_text_is_text() -> None:
    found = inputs("/animate start:foxes who play pingpong at night end:pingpong pingpong:no")
    assert found == {
        "prompt_start": "foxes who play pingpong at night",
        "prompt_end": "pingpong",
        "gif_ping_pong": False,
    }


def test_a_flag_said_twice_is_a_mistake() -> None:
    assert mistakes("/animate a end:b pingpong pingpong:no") == [("twice", "pingpong")]


# -- text behind a value that can't hold it


@pytest.mark.parametrize(
    "text",
    [
        "/imagine steps:20 a red fox",
        "/imagine steps: 20, a red fox",
        "/imagine steps:20 a red fox sampler:ddim",
        "/imagine sampler:k euler a red fox",
        f"/imagine image:{PICTURE} a red fox",
        "/imagine addwatermark:no a red fox",
    ],
)
def test_text_behind_a_number_is_the_main_prompt(text: str) -> None:
    assert inputs(text)["prompt"] == "a red fox"


def test_text_that_belongs_nowhere_is_reported() -> None:
    assert mistakes("/imagine a fox steps:20 in snow") == [("stray_text", None)]
    assert mistakes("/imagine steps:20 a fox seed:5 in snow") == [("stray_text", None)]
    assert mistakes("/cutout remove it") == [("stray_text", None), ("missing", "image")]


def test_a_link_is_the_file_of_a_command_without_a_prompt() -> None:
    assert inputs(f"/cutout {PICTURE}") == {"image": PICTURE}


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("/video a size:832 x 480", "size", "832*480"),
        ("/video a speed:extra juiced frames:5", "speed_mode", "Extra Juiced 🚀 (even more speed)"),
        ("/video a speed:Juiced 🔥 (more speed) frames:5", "speed_mode", "Juiced 🔥 (more speed)"),
        ("/flux a aspect:16:9", "aspect_ratio", "16:9"),
        (
            f"/erase potted plant, Dining table image:{PICTURE}",
            "objects_to_remove",
            "potted plant,dining table",
        ),
    ],
)
def test_choices_of_several_words_are_read_whole(text: str, name: str, value: str) -> None:
    assert inputs(text)[name] == value


# -- lists


@pytest.mark.parametrize(
    "refs",
    [
        "refs:https://a.example/1|https://b.example/2",
        "refs:https://a.example/1 | https://b.example/2",
        "refs:https://a.example/1 refs:https://b.example/2",
        "src_ref_images:https://a.example/1 refs:https://b.example/2",
        "refs:<https://a.example/1|one> | <https://b.example/2>",
    ],
)
def test_lists_are_parted_or_repeated(refs: str) -> None:
    assert inputs(f"/video {refs} a boat") == {
        "prompt": "a boat",
        "src_ref_images": ["https://a.example/1", "https://b.example/2"],
        "size": "832*480",
    }


# -- Slack


@pytest.mark.parametrize(
    ("slack", "plain"),
    [
        ("a &amp; b &lt;3 &gt;", "a & b <3 >"),
        ("&amp;lt;", "&lt;"),
        ("<https://a.example/?x=1&amp;y=2|a.example>", "https://a.example/?x=1&y=2"),
        ("<http://a.example>", "http://a.example"),
        ("<mailto:ann@a.example|ann@a.example>", "ann@a.example"),
        ("<@U123> and <@U123|ann>", "@U123 and @ann"),
        ("<#C1|general> <#C2|> <#C3>", "#general #C2 #C3"),
        ("<!here> <!subteam^S1|@team>", "@here @team"),
        ("&lt;https://a.example&gt;", "<https://a.example>"),
        ("a < b > c <b> &copy; <3", "a < b > c <b> &copy; <3"),
    ],
)
def test_slacks_escapes_are_undone_once(slack: str, plain: str) -> None:
    assert without_slack_escapes(slack) == plain
    assert inputs(f"/draw {slack}")["prompt"] == plain


# -- attached files


def file(name: str) -> FileRef:
    return FileRef(f"digest of {name}", name)


@pytest.mark.parametrize(
    ("text", "names", "expected"),
    [
        ("/cutout", ["a.png"], {"image": "a.png"}),
        ("/inpaint a cat", ["a.png", "m.png"], {"image": "a.png", "mask": "m.png"}),
        ("/inpaint a cat image:m.png", ["a.png", "m.png"], {"image": "m.png", "mask": "a.png"}),
        (
            "/inpaint a cat mask:My Mask.PNG",
            ["my mask.png", "b.png"],
            {"image": "b.png", "mask": "my mask.png"},
        ),
        ("/video a", ["a.png", "b.JPG"], {"src_ref_images": ["a.png", "b.JPG"]}),
        ("/video a", ["f.mp4", "a.png"], {"src_video": "f.mp4", "src_ref_images": ["a.png"]}),
        ("/video a", ["f.mp4", "m.mov"], {"src_video": "f.mp4", "src_mask": "m.mov"}),
        ("/video a refs:a.png | b.png", ["b.png", "a.png"], {"src_ref_images": ["a.png", "b.png"]}),
        ("/edit make it red", ["unknown.xyz"], {"input_image": "unknown.xyz"}),
        ("/cutout", ["song.mp3"], {"image": "song.mp3"}),
    ],
)
def test_attached_files_find_their_inputs(text: str, names: list[str], expected: dict[str, Any]) -> None:
    typed = parse(text, CATALOGUE)
    found = check(typed.model, attach(typed.model, typed.options, [file(name) for name in names]))
    wanted = {k: [file(n) for n in v] if isinstance(v, list) else file(v) for k, v in expected.items()}
    assert {k: v for k, v in found.items() if k in wanted} == wanted


@pytest.mark.parametrize(
    ("text", "names", "limit"),
    [
        ("/cutout", ["a.png", "b.png"], 1),
        (f"/cutout {PICTURE}", ["a.png"], 1),
        ("/draw a fox", ["a.png"], 0),
        ("/video a", [f"{n}.png" for n in range(7)], 6),
    ],
)
def test_files_that_fit_nowhere_are_refused(text: str, names: list[str], limit: int) -> None:
    typed = parse(text, CATALOGUE)
    with pytest.raises(BadOrder) as caught:
        attach(typed.model, typed.options, [file(name) for name in names])
    assert caught.value.problems == (Problem("too_many_files", None, {"limit": limit}),)


# -- there and back again


@pytest.mark.parametrize(
    ("command", "given", "written"),
    [
        (
            "animate",
            {"prompt_start": "a fox", "prompt_end": "a whale: deep", "gif_frames_per_second": 12},
            '/animate start:a fox end:"a whale: deep" fps:12',
        ),
        ("draw", {"guidance_scale": 7.0, "negative_prompt": ""}, '/draw avoid:"" guidance:7'),
        (
            "animate",
            {"prompt_start": "12:30 pingpong", "gif_ping_pong": True},
            '/animate start:"12:30 pingpong" pingpong:yes',
        ),
        ("cutout", {"image": {"file": "0" * 64, "name": "my cat.png"}}, '/cutout image:"my cat.png"'),
        ("cutout", {"image": PICTURE}, f"/cutout image:{PICTURE}"),
        ("draw", {"prompt": "AT&T <3 &amp; <@U1>"}, "/draw prompt:AT&amp;T &lt;3 &amp;amp; &lt;@U1&gt;"),
        (
            "video",
            {
                "prompt": "x",
                "src_ref_images": [PICTURE, {"file": "0" * 64, "name": "b.png"}],
                "size": "832*480",
            },
            f"/video prompt:x refs:{PICTURE} refs:b.png size:832*480",
        ),
    ],
)
def test_a_command_is_written_with_aliases_and_as_few_quotes_as_can_be(
    command: str, given: dict[str, Any], written: str
) -> None:
    assert write(CATALOGUE.find(command), given) == written


PIECES = [
    "a fox", "pingpong", "gofast", "start:", "end:", "end：", "steps:20", "strat:", "prompt:", "refs:",
    "shape:", "fps:12", "size:“", "model：x",
    "https://x.example/a", '"', "'", "“", "”", "«", "»", "‘", "’", "„", "\\", "|", ",", ";", ":", "：", " ",
    "\n", "\u00a0", "12:30", "&amp;", "&lt;", "&", "<", ">", "<@", "<https://x.example|", "—", "🦊", "a", "/",
    "-", "_", "=",
]  # fmt: skip

scraps = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=12).map("".join)
texts = scraps.map(lambda text: text.replace("\0", "").encode("utf-8", "ignore").decode()[:4000])
links = st.builds(
    "https://x.example/{}".format, st.text("abc|,;:\"'?&=<>", max_size=8).map(lambda s: s.replace("|", ""))
)
files = st.builds(FileRef, st.text("0123456789abcdef", min_size=8, max_size=8), texts)


def values(entry: Input) -> st.SearchStrategy[Any]:
    if entry.choices:
        return st.sampled_from(entry.choices)
    if entry.words:
        return st.lists(st.sampled_from(entry.words), min_size=1, unique=True).map(",".join)
    one_file = st.one_of(links, files)
    by_type: dict[Type, Callable[[], st.SearchStrategy[Any]]] = {
        Type.TEXT: lambda: texts.filter(str.strip) if entry.required else texts,
        Type.INTEGER: lambda: integers(entry),
        Type.NUMBER: lambda: st.floats(float(entry.minimum or 0), float(entry.maximum or 1)),
        Type.BOOLEAN: st.booleans,
        Type.FILE: lambda: one_file,
        Type.FILES: lambda: st.lists(one_file, min_size=1, max_size=entry.max_items),
    }
    return by_type[entry.type]()


def integers(entry: Input) -> st.SearchStrategy[int]:
    assert entry.minimum is not None
    assert entry.maximum is not None
    step = entry.steps_of or 1
    first = -((entry.steps_from - int(entry.minimum)) // step)
    last = (int(entry.maximum) - entry.steps_from) // step
    return st.integers(first, last).map(lambda n: entry.steps_from + n * step)


@st.composite
def orders(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    model = CATALOGUE.find(draw(st.sampled_from(CATALOGUE.commands())))
    needed = [e for e in model.inputs if e.required or e.always]
    others = draw(st.lists(st.sampled_from(list(model.inputs)), max_size=6))
    chosen = [e for e in model.inputs if e in needed or e in others]
    return model.command, {entry.name: draw(values(entry)) for entry in chosen}


def stored(value: Any) -> Any:
    """As the store holds an input: plain JSON."""
    if isinstance(value, list):
        return [stored(item) for item in value]
    return {"file": value.digest, "name": value.name} if isinstance(value, FileRef) else value


def attached(inputs: dict[str, Any]) -> list[FileRef]:
    items = [item for value in inputs.values() for item in (value if isinstance(value, list) else [value])]
    return [item for item in items if isinstance(item, FileRef)]


@settings(max_examples=300, deadline=None)
@given(orders())
def test_what_is_written_reads_back_as_the_same_inputs(order: tuple[str, dict[str, Any]]) -> None:
    model, wanted = CATALOGUE.find(order[0]), order[1]
    text = write(model, {name: stored(value) for name, value in wanted.items()})
    typed = parse(text, CATALOGUE)
    assert typed.model is model
    found = check(model, attach(model, typed.options, attached(wanted)))
    assert found == wanted
    assert [type(value) for value in found.values()] == [type(value) for value in wanted.values()]


@settings(deadline=None)
@given(orders())
def test_writing_is_canonical(order: tuple[str, dict[str, Any]]) -> None:
    model, wanted = CATALOGUE.find(order[0]), order[1]
    backwards = dict(reversed(wanted.items()))
    assert write(model, backwards) == write(model, wanted)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        scraps, st.sampled_from(CATALOGUE.commands()).flatmap(lambda c: scraps.map(lambda s: f"/{c} {s}"))
    )
)
def test_any_text_is_an_order_or_a_bad_one(text: str) -> None:
    try:
        typed = parse(text, CATALOGUE)
        written = write(typed.model, check(typed.model, typed.options))
    except BadOrder as error:
        assert error.problems  # noqa: PT017
    else:
        again = parse(written, CATALOGUE)
        assert check(again.model, again.options) == check(typed.model, typed.options)


@pytest.mark.parametrize(
    "scrap",
    [
        "a fox ", "x", "pingpong ", "start:", "start:a ", 'start:"', 'start:"a ', 'start:"a" ', "start:« ",
        "« ", '"', "' ", "start:'\\ ", "start: » « ", "\\", 'start:"\\',
        "<https://", "<@a|", "&amp;", "strat:a ", "|", "fps:1 ", "end:'b ", "\n", "q:",
        "shape:1 ", 'shape:"a ',
    ],
)  # fmt: skip
def test_long_texts_take_time_in_proportion_to_their_length(scrap: str) -> None:
    def took(size: int) -> float:
        text = "/animate " + scrap * (size // len(scrap))
        start = time.process_time()
        parse(text, CATALOGUE)
        return time.process_time() - start

    # Quadratic time would be minutes; this many seconds of CPU no machine needs for linear.
    assert took(100_000) < 15


def test_a_long_text_of_ever_new_words_with_colons_is_read_in_time() -> None:
    words = (
        f"{a}{b}{c}ra{d}: "
        for a in "start"
        for b in "eframs"
        for c in "abcdefghij"
        for d in "abcdefghijklmnopqrs"
    )
    text = "/animate " + "".join(words)
    start = time.process_time()
    parse(text, CATALOGUE)
    assert time.process_time() - start < 30
