"""The catalogue against public pages, and what it does with what people ask of it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.catalogue import Catalogue, Input, Kind, Model, Outputs, Shape, Type, check, load, read_output
from bot.catalogue.loading import read_folder, read_model
from bot.errors import BadOrder, NotAPrediction, Problem
from bot.jobs import FileRef, Option, Output

PUBLIC: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "data" / "models.toml").read_text("utf-8")
)["model"]
CATALOGUE = load()
SHAPES = {
    ("iterator_of_urls", "last"): Shape.GROWING_LIST,
    ("list_of_urls", "all"): Shape.LIST,
    ("url", "only"): Shape.URL,
    ("object", "audio"): Shape.OBJECT,
}
BOUNDS = {"min": "minimum", "max": "maximum"}


def model(command: str) -> Model:
    return CATALOGUE.find(command)


def entry(command: str, key: str) -> Input:
    found = model(command).input(key)
    assert found is not None
    return found


def problems(command: str, *options: Option) -> list[Problem]:
    with pytest.raises(BadOrder) as caught:
        check(model(command), options)
    return list(caught.value.problems)


def only_problem(command: str, *options: Option) -> Problem:
    [problem] = problems(command, *options)
    return problem


def read(command: str, key: str, value: Any) -> Any:
    """The value that a model without required inputs gets for one option."""
    inputs = check(model(command), [(key, value)])
    return inputs[entry(command, key).name]


# -- the facts


def test_the_thirteen_commands_stand_in_a_sensible_order() -> None:
    assert CATALOGUE.commands() == (
        "animate", "motion", "video", "music", "imagine", "draw", "flux", "fluxdev",
        "inpaint", "restyle", "edit", "erase", "cutout",
    )  # fmt: skip
    assert len(CATALOGUE) == len(list(CATALOGUE)) == 13


def test_every_public_model_is_in_the_catalogue_and_no_other() -> None:
    assert {m.full_name for m in CATALOGUE} == {f"{p['owner']}/{p['name']}" for p in PUBLIC}


@pytest.mark.parametrize("public", PUBLIC, ids=lambda public: public["name"])
def test_a_model_is_what_its_public_pages_say(public: dict[str, Any]) -> None:
    ours = model(f"{public['owner']}/{public['name']}")
    assert ours.version == public["version"]
    assert ours.endpoint == public["endpoint"]
    assert ours.gateway_endpoint == public["gateway_endpoint"]
    assert list(ours.formats) == public["formats"]
    assert ours.output.shape is SHAPES[public["output"], public["pick"]]
    assert bool(ours.unverified) == public["unverified"]
    assert list(ours.sources) == public["sources"]
    assert {e.name for e in ours.inputs} == {p["name"] for p in public["inputs"]}


@pytest.mark.parametrize(
    ("public", "said"),
    [pytest.param(p, i, id=f"{p['name']}-{i['name']}") for p in PUBLIC for i in p["inputs"]],
)
def test_an_input_is_what_its_public_pages_say(public: dict[str, Any], said: dict[str, Any]) -> None:
    ours = next(e for e in model(f"{public['owner']}/{public['name']}").inputs if e.name == said["name"])
    assert ours.type == said["type"]
    assert ours.required == said.get("required", False)
    assert (ours.default, type(ours.default)) == (said.get("default"), type(said.get("default")))
    assert list(ours.choices) == said.get("choices", [])
    assert list(ours.words) == said.get("words", [])
    assert list(ours.unverified) == said.get("unverified", [])
    for word, bound in BOUNDS.items():
        if bound in ours.ours:
            assert word not in said, f"{bound} is the model's own"
        else:
            assert getattr(ours, bound) == said.get(word)
    if "steps_of" not in ours.ours:
        assert (ours.steps_of, ours.steps_from) == (said.get("steps_of"), said.get("steps_from", 0))


def test_the_growing_list_the_object_and_the_size_that_is_always_sent() -> None:
    parts = [(part.key, part.kind) for part in model("music").output.parts]
    assert parts == [("audio", Kind.AUDIO), ("spectrogram", Kind.IMAGE)]
    assert model("music").output.error_key == "error"
    assert [m.command for m in CATALOGUE if m.output.shape is Shape.GROWING_LIST] == ["animate"]
    assert [(m.command, e.name) for m in CATALOGUE for e in m.inputs if e.always] == [("video", "size")]


# -- the words


def test_the_same_input_has_the_same_alias_everywhere() -> None:
    aliases: dict[str, set[str]] = {}
    for each in CATALOGUE:
        for e in each.inputs:
            aliases.setdefault(e.name, set()).add(e.alias)
    assert {name: found for name, found in aliases.items() if len(found) > 1} == {}


def test_every_number_that_costs_has_bounds() -> None:
    unbounded = [
        (m.command, e.name)
        for m in CATALOGUE
        for e in m.inputs
        if e.type in (Type.INTEGER, Type.NUMBER) and not e.choices and None in (e.minimum, e.maximum)
    ]
    assert unbounded == []


def test_help_fits_where_platforms_show_it() -> None:
    for each in CATALOGUE:
        assert 0 < len(each.summary) <= 100
        assert len(each.inputs) <= 25
        assert all(0 < len(e.help) <= 100 for e in each.inputs)


@pytest.mark.parametrize("each", list(CATALOGUE), ids=lambda each: each.command)
def test_every_input_answers_to_its_alias_and_its_own_name_in_any_case(each: Model) -> None:
    for e in each.inputs:
        for key in (e.alias, e.name, e.alias.upper(), e.name.title(), e.name.replace("_", "-")):
            assert each.input(key) is e


@pytest.mark.parametrize(
    "word", ["animate", "/animate", "/ANIMATE", "AndreasJansson/Stable-Diffusion-Animation"]
)
def test_a_model_is_found_by_command_and_by_full_name(word: str) -> None:
    assert CATALOGUE.find(word).command == "animate"


def test_an_unknown_command_names_the_nearest() -> None:
    with pytest.raises(BadOrder) as caught:
        CATALOGUE.find("/animte")
    assert caught.value.problems == (Problem("unknown_command", "/animte", {"nearest": "/animate"}),)
    with pytest.raises(BadOrder) as caught:
        CATALOGUE.find("/zzzzz")
    assert caught.value.problems[0].facts == {"nearest": None}


# -- checks


def test_a_good_order_comes_back_by_the_models_names_in_its_order() -> None:
    inputs = check(
        model("animate"), [("fps", "12"), ("END", "a whale"), ("prompt-start", "a fox"), ("pingpong", True)]
    )
    assert list(inputs.items()) == [
        ("prompt_start", "a fox"),
        ("prompt_end", "a whale"),
        ("gif_frames_per_second", 12),
        ("gif_ping_pong", True),
    ]


def test_every_mistake_is_reported_at_once_in_the_persons_words() -> None:
    found = problems(
        "animate", ("start", "  "), ("Width", 500), ("fps", "fast"), ("seeed", 1), ("steps", 0), ("", "x")
    )
    assert [(p.code, p.option) for p in found] == [
        ("unknown_option", "seeed"),
        ("stray_text", None),
        ("missing", "start"),
        ("missing", "end"),
        ("not_a_choice", "Width"),
        ("out_of_range", "steps"),
        ("wrong_type", "fps"),
    ]
    assert found[0].facts["nearest"] == "seed"
    assert "fps" in found[0].facts["known"]
    assert found[4].facts == {"choices": (128, 256, 512, 768, 1024), "nearest": 512, "value": 500}
    assert found[5].facts == {"minimum": 1, "maximum": 500, "value": 0}
    assert found[6].facts == {"expected": "integer", "value": "fast"}


def test_a_misspelt_required_option_is_not_reported_missing_as_well() -> None:
    assert [p.code for p in problems("animate", ("strat", "a"), ("end", "b"))] == ["unknown_option"]


@pytest.mark.parametrize(
    ("typed", "meant"), [("fsp", "fps"), ("hieght", "height"), ("gif-pingpong", "gif_ping_pong")]
)
def test_the_nearest_known_option_is_offered(typed: str, meant: str) -> None:
    problem = only_problem("animate", ("start", "a"), ("end", "b"), (typed, "1"))
    assert problem.facts["nearest"] == meant


def test_an_option_said_twice_is_a_mistake_under_its_own_name_too() -> None:
    assert only_problem("draw", ("avoid", "a"), ("negative_prompt", "b")) == Problem(
        "twice", "negative_prompt"
    )


def test_a_list_may_be_repeated_parted_or_both() -> None:
    a, b, c = (f"https://example.com/{name}.png" for name in "abc")
    options: list[Option] = [("prompt", "x"), ("refs", f"{a} | {b}"), ("src_ref_images", c)]
    assert check(model("video"), options)["src_ref_images"] == [a, b, c]


def test_too_many_items_and_a_bad_one_are_both_named() -> None:
    links = "|".join(["https://example.com/a.png"] * 4 + ["nonsense"])
    found = problems("video", ("prompt", "x"), ("refs", links))
    assert [(p.code, p.option) for p in found] == [("bad_link", "refs"), ("too_many_items", "refs")]
    assert found[1].facts == {"limit": 4, "count": 5}


def test_the_size_of_a_film_is_always_sent() -> None:
    assert check(model("video"), [("prompt", "x")]) == {"prompt": "x", "size": "832*480"}


@pytest.mark.parametrize("text", ["12", " 12 ", "+12", "12.0", "１２", 12, 12.0])
def test_integers_are_read_as_people_write_them(text: Any) -> None:
    assert read("draw", "steps", text) == 12
    assert type(read("draw", "steps", text)) is int


@pytest.mark.parametrize("text", ["12.5", "1e3", "1,000", "twelve", "", "1_0", "0x10", 12.5, True, "9" * 500])
def test_what_is_no_integer_is_refused(text: Any) -> None:
    assert only_problem("draw", ("steps", text)).code == "wrong_type"


@pytest.mark.parametrize(
    ("text", "number"), [("7.5", 7.5), ("7,5", 7.5), ("8", 8.0), ("1e1", 10.0), (7, 7.0), ("+3.", 3.0)]
)
def test_numbers_are_read_as_people_write_them(text: Any, number: float) -> None:
    assert read("draw", "guidance", text) == number
    assert type(read("draw", "guidance", text)) is float


@pytest.mark.parametrize(
    "text", ["nan", "inf", "-inf", "1e999", "1,500", "1.2.3", False, float("nan"), float("inf"), "-"]
)
def test_what_is_no_number_is_refused(text: Any) -> None:
    assert only_problem("draw", ("guidance", text)).code == "wrong_type"


def test_a_typed_minus_may_have_become_a_dash() -> None:
    options: list[Option] = [("prompt", "x"), ("seed", "—1")]
    assert check(model("video"), options)["seed"] == -1


def test_a_seed_of_64_bits_is_kept_exactly() -> None:
    assert read("draw", "seed", "9223372036854775807") == 2**63 - 1
    assert only_problem("draw", ("seed", "9223372036854775808")).facts["maximum"] == 2**63 - 1


@pytest.mark.parametrize(("frames", "near"), [(80, 81), (82, 81), (160, 161), (2, 1)])
def test_frames_of_a_film_must_be_4n_plus_1(frames: int, near: int) -> None:
    problem = only_problem("video", ("prompt", "x"), ("frames", frames))
    assert problem == Problem(
        "not_a_step", "frames", {"step": 4, "offset": 1, "nearest": near, "value": frames}
    )


def test_the_size_of_a_picture_must_be_a_multiple_of_8() -> None:
    assert read("imagine", "width", 1032) == 1032
    assert only_problem("imagine", ("width", 1030)).facts["nearest"] == 1032
    assert only_problem("imagine", ("width", 4096)).code == "out_of_range"


@pytest.mark.parametrize("word", ["yes", "Y", "true", "ON", "1", "✓", "✔️", "✅", True, 1])
def test_yes_is_said_in_many_ways(word: Any) -> None:
    assert read("imagine", "addwatermark", word) is True


@pytest.mark.parametrize("word", ["no", "N", "False", "off", "0", "❌", False, 0])
def test_no_is_said_in_many_ways(word: Any) -> None:
    assert read("imagine", "addwatermark", word) is False


@pytest.mark.parametrize("word", ["maybe", "", 2, 1.0])
def test_what_is_neither_yes_nor_no_is_refused(word: Any) -> None:
    assert only_problem("imagine", ("addwatermark", word)).facts["expected"] == "boolean"


@pytest.mark.parametrize(
    ("command", "key", "typed", "meant"),
    [
        ("video", "size", "1280x720", "1280*720"),
        ("video", "size", "480 × 832", "480*832"),
        ("video", "size", "1280*720", "1280*720"),
        ("flux", "aspect", "16/9", "16:9"),
        ("flux", "aspect", "9X16", "9:16"),
        ("flux", "format", "PNG", "png"),
        ("flux", "format", "jpeg", "jpg"),
        ("flux", "format", ".JPEG", "jpg"),
        ("video", "speed", "juiced", "Juiced 🔥 (more speed)"),
        ("video", "speed", "Extra Juiced 🚀", "Extra Juiced 🚀 (even more speed)"),
        ("video", "speed", "lightly", "Lightly Juiced 🍊 (more consistent)"),
        ("video", "sampler", "DPM", "dpm++"),
        ("draw", "sampler", "k euler", "K_EULER"),
        ("motion", "style", "toonyou", "toonyou_beta3.safetensors"),
        ("motion", "motion", "MM-SD-v15", "mm_sd_v15"),
    ],
)
def test_a_choice_is_understood_without_its_trimmings(command: str, key: str, typed: str, meant: str) -> None:
    options: list[Option] = [("prompt", "x"), (key, typed)]
    assert check(model(command), options)[entry(command, key).name] == meant


@pytest.mark.parametrize(
    ("command", "key", "typed", "near"),
    [
        ("flux", "aspect", "9:1", "9:16"),
        ("flux", "format", "jpgg", "jpg"),
        ("video", "size", "480", None),
        ("draw", "sampler", "K", None),
        ("flux", "format", "🎉", None),
        ("flux", "format", "x" * 300, None),
    ],
)
def test_what_could_mean_two_choices_or_none_is_refused(
    command: str, key: str, typed: str, near: str | None
) -> None:
    problem = only_problem(command, ("prompt", "x"), (key, typed))
    assert problem.code == "not_a_choice"
    assert len(problem.facts["value"]) <= 80
    assert near is None or problem.facts["nearest"] == near


@pytest.mark.parametrize("typed", ["\0", " \0 ", "\ud800"])
def test_a_required_text_of_nothing_that_can_be_stored_is_missing(typed: str) -> None:
    assert only_problem("video", ("prompt", typed)).code == "missing"


@pytest.mark.parametrize("typed", ["car, cat", "Car,CAT", "cat|car", " car ;cat; car", "car,\ncat,"])
def test_objects_to_erase_reach_the_model_in_its_own_spelling(typed: str) -> None:
    inputs = check(model("erase"), [("image", "https://example.com/a.png"), ("objects", typed)])
    assert sorted(str(inputs["objects_to_remove"]).split(",")) == ["car", "cat"]


def test_the_odd_spellings_of_the_model_are_kept() -> None:
    options: list[Option] = [
        ("image", "https://example.com/a.png"),
        ("objects", "aeroplane, TV, Dining Table"),
    ]
    assert check(model("erase"), options)["objects_to_remove"] == "Aeroplane,tv/monitor,dining table"


def test_every_object_that_the_model_does_not_know_is_named_with_the_nearest() -> None:
    found = problems("erase", ("image", "https://example.com/a.png"), ("objects", "cats, car, tree"))
    assert [(p.code, p.facts["value"], p.facts["nearest"]) for p in found] == [
        ("not_a_word", "cats", "cat"),
        ("not_a_word", "tree", found[1].facts["nearest"]),
    ]
    assert len(found[0].facts["words"]) == 21


def test_a_text_has_its_length() -> None:
    assert read("draw", "avoid", "x" * 4000) == "x" * 4000
    assert only_problem("draw", ("avoid", "x" * 4001)) == Problem(
        "too_long", "avoid", {"limit": 4000, "length": 4001}
    )


def test_an_optional_text_may_be_empty() -> None:
    assert read("draw", "avoid", "") == ""


def test_what_no_database_can_hold_is_left_out_of_a_text() -> None:
    assert read("draw", "avoid", "a\0b\ud800c") == "abc"


def test_a_file_is_an_attachment_or_a_link() -> None:
    file = FileRef("0" * 64, "a.png")
    assert check(model("cutout"), [("image", file)]) == {"image": file}
    assert check(model("cutout"), [("image", " HTTPS://example.com/a.png ")]) == {
        "image": "HTTPS://example.com/a.png"
    }
    assert only_problem("cutout").code == "missing"


@pytest.mark.parametrize(
    "link",
    [
        "a.png", "ftp://example.com/a", "https://", "http:///a.png", "data:image/png;base64,AA", "file:///etc/passwd",
        "https://a b.example/", "https://example.com:99999/", "https://[::1/", "javascript:alert(1)",
        "https://example.com/" + "a" * 3000, "https://example.com/\n.png",
    ],
)  # fmt: skip
def test_what_is_no_web_address_is_refused(link: str) -> None:
    assert only_problem("cutout", ("image", link)).code == "bad_link"


def test_a_file_where_a_number_is_due_is_named_by_its_name() -> None:
    assert only_problem("draw", ("steps", FileRef("0" * 64, "a.png"))).facts["value"] == "a.png"


def test_what_was_not_asked_for_is_left_to_the_model() -> None:
    assert check(model("draw"), []) == {}


anything = st.one_of(
    st.text(), st.integers(), st.floats(), st.booleans(), st.builds(FileRef, st.just("0" * 64), st.text())
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(CATALOGUE.commands()), st.data())
def test_a_check_gives_inputs_or_bad_order_and_nothing_else(command: str, data: st.DataObject) -> None:
    each = model(command)
    keys = st.one_of(st.sampled_from(list(each.keys())), st.text(max_size=10))
    options = data.draw(st.lists(st.tuples(keys, anything), max_size=6))
    try:
        inputs = check(each, options)
    except BadOrder as error:
        assert error.problems  # noqa: PT017
    else:
        assert check(each, list(_as_options(inputs))) == inputs


def _as_options(inputs: dict[str, Any]) -> list[Option]:
    return [(k, item) for k, v in inputs.items() for item in (v if isinstance(v, list) else [v])]


# -- outputs

URL = "https://replicate.delivery/out"


def outputs(*urls: str, part: str) -> Outputs:
    return Outputs(tuple(Output(url, part) for url in urls))


@pytest.mark.parametrize(
    ("command", "wire", "expected"),
    [
        ("motion", URL, outputs(URL, part="film")),
        ("motion", [URL], outputs(URL, part="film")),
        ("draw", [URL + "1", None, URL + "2", ""], outputs(URL + "1", URL + "2", part="picture")),
        ("draw", URL, outputs(URL, part="picture")),
        ("draw", [], Outputs(())),
        ("draw", None, Outputs(())),
        ("draw", "data:image/png;base64,AA", outputs("data:image/png;base64,AA", part="picture")),
        (
            "animate",
            [URL + "1.png", URL + "2.png", URL + ".mp4", None],
            outputs(URL + ".mp4", part="animation"),
        ),
        ("animate", URL, outputs(URL, part="animation")),
        ("animate", None, Outputs(())),
        ("music", {"error": "no such seed image"}, Outputs((), "no such seed image")),
        ("music", {}, Outputs(())),
        ("music", None, Outputs(())),
        ("music", {"audio": [URL], "spectrogram": None, "extra": 1}, outputs(URL, part="sound")),
    ],
)
def test_outputs_are_read_by_their_shape_and_tolerantly(command: str, wire: Any, expected: Outputs) -> None:
    assert read_output(model(command), wire) == expected


def test_the_parts_of_an_object_keep_their_names() -> None:
    wire = {"spectrogram": URL + ".jpg", "audio": URL + ".wav", "error": None}
    expected = (Output(URL + ".wav", "sound"), Output(URL + ".jpg", "spectrogram"))
    assert read_output(model("music"), wire) == Outputs(expected)


@pytest.mark.parametrize(
    "wire", [{"created": 1, "data": [{"url": URL}]}, 12, True, ["hello"], [[URL]], "file:///etc/x"]
)
def test_what_is_no_output_at_all_is_said(wire: Any) -> None:
    with pytest.raises(NotAPrediction, match="picture is no file"):
        read_output(model("draw"), wire)


# -- the loader

GOOD = """
owner = "someone"
name = "a-model"
version = ""
title = "Title"
summary = "Summary"
endpoint = "model"
gateway_endpoint = "model"
kind = "image"
formats = ["png"]
example = "/thing a fox"
[output]
shape = "list"
parts = [{ name = "picture", kind = "image" }]
[[inputs]]
name = "prompt"
alias = "prompt"
type = "text"
help = "What to draw"
main = true
[[inputs]]
name = "num_steps"
alias = "steps"
type = "integer"
help = "How many"
default = 5
minimum = 1
maximum = 9
"""


def test_a_good_file_is_a_model() -> None:
    assert read_model("thing", GOOD).input("num-steps") is not None


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('title = "Title"', 'title = "Title"\ncolour = "red"', "colour"),
        ('title = "Title"', "", "title"),
        ('title = "Title"', "title = 5", "title"),
        ('title = "Title"', 'title = "Title"\ncommand = "x"', "command"),
        ('version = ""', 'version = "abc"', "version"),
        ('endpoint = "model"\ng', 'endpoint = "versions"\ng', "endpoint"),
        ('endpoint = "model"\ng', 'endpoint = "version"\ng', "endpoint"),
        ('kind = "image"\nf', 'kind = "picture"\nf', "kind"),
        ('shape = "list"', 'shape = "object"', "output.parts"),
        ("default = 5", 'default = "5"', "input num_steps: default"),
        ("default = 5", "default = 12", "input num_steps: default"),
        ("default = 5", "default = true", "input num_steps: default"),
        ("default = 5", "defualt = 5", "input num_steps: defualt"),
        ("default = 5", "default = 5\nchoices = [1, 2]", "input num_steps: default"),
        ("default = 5", 'choices = ["a"]', "input num_steps: choices"),
        ("default = 5", "always = true", "input num_steps: always"),
        ("default = 5", 'accepts = ["image"]', "input num_steps: accepts"),
        ("default = 5", "main = true", "main"),
        ("default = 5", 'ours = ["maximun"]', "input num_steps: ours"),
        ("default = 5", "steps_of = 0", "input num_steps: steps_of"),
        ("maximum = 9", "maximum = 0", "input num_steps: maximum"),
        ("maximum = 9", 'maximum = "9"', "input num_steps: maximum"),
        ('type = "text"', 'type = "string"', "input prompt: type"),
        ('type = "text"', 'type = "file"', "input prompt: accepts"),
        ('alias = "steps"', 'alias = "prompt"', "input num_steps: alias"),
        ('alias = "steps"', 'alias = "num_steps"', "input num_steps: alias"),
        ("[output]", "[output", "thing.toml"),
    ],
)
def test_a_broken_file_names_itself_and_the_key(old: str, new: str, named: str) -> None:
    assert old in GOOD
    with pytest.raises(ValueError, match=r"^thing\.toml: ") as caught:
        read_model("thing", GOOD.replace(old, new))
    assert named in str(caught.value)


def test_two_files_for_one_model_are_refused(tmp_path: Path) -> None:
    for command in ("thing", "other"):
        (tmp_path / f"{command}.toml").write_text(GOOD)
    with pytest.raises(ValueError, match=r"someone/a-model has the command other already"):
        read_folder(tmp_path)


def test_the_order_of_lists_is_in_the_files(tmp_path: Path) -> None:
    (tmp_path / "last.toml").write_text("order = 2\n" + GOOD)
    (tmp_path / "first.toml").write_text("order = 1\n" + GOOD.replace("a-model", "b-model"))
    (tmp_path / "readme.md").write_text("not a model")
    assert read_folder(tmp_path).commands() == ("first", "last")


def test_facts_of_problems_can_be_stored() -> None:
    with pytest.raises(BadOrder) as caught:
        check(model("animate"), [("steps", "\ud800"), ("strength", "x"), ("nonsense", "y"), ("width", 3)])
    for problem in caught.value.problems:
        json.dumps(dict(problem.facts)).encode()


def test_an_empty_catalogue_knows_no_command() -> None:
    with pytest.raises(BadOrder):
        Catalogue(()).find("animate")
