"""Commands from the catalogue, against every limit that Discord documents; and whether Discord has them."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.discord import schema
from adapters.discord.schema import ATTACHMENT, BOOLEAN, INTEGER, MESSAGE, NUMBER, TEXT, Payload
from bot.catalogue import Catalogue, Input, Kind, Model, Type, load
from tests.discord_server import DiscordServer
from tests.discord_server.commands import LARGEST_COMMAND, check_commands, size_of

CATALOGUE = load()
CHAT_NAME = re.compile(r"[-_'\w]{1,32}")
LARGEST = 2**53 - 1


def registered(*, everywhere: bool = True, **more: Any) -> list[Payload]:
    every = schema.commands(CATALOGUE, **more)
    return every if everywhere else schema.for_one_server(every)


EVERY = registered()
IDS = [f"{one['type']}-{one['name']}" for one in EVERY]


def model_with(*inputs: Input, **more: Any) -> Model:
    """A model of the catalogue with other inputs."""
    return replace(CATALOGUE.find("animate"), command="made", order=99, inputs=inputs, **more)


def command_of(model: Model) -> Payload:
    (found,) = [one for one in schema.commands(Catalogue((model,))) if one["name"] == model.command]
    check_commands([found], in_guild=False)
    return found


def text_input(number: int, **more: Any) -> Input:
    return Input(f"input_{number}", f"in{number}", Type.TEXT, f"What number {number} is for", **more)


def texts_of(thing: Payload, field: str) -> Iterator[str]:
    if field in thing:
        yield thing[field]
        yield from (thing.get(f"{field}_localizations") or {}).values()


# -- limits


@pytest.mark.parametrize("more", [{}, {"adults_apart": True}])
def test_discord_takes_them_everywhere(more: dict[str, Any]) -> None:
    check_commands(registered(**more), in_guild=False)


def test_discord_takes_them_in_one_server() -> None:
    check_commands(registered(everywhere=False), in_guild=True)


def test_there_are_as_many_as_may_be_and_each_name_once() -> None:
    chats = [one["name"] for one in EVERY if one["type"] == schema.CHAT]
    menus = [one["name"] for one in EVERY if one["type"] == MESSAGE]
    assert len(chats) + len(menus) == len(EVERY)
    assert len(chats) == len(set(chats)) <= 100
    assert len(menus) == len(set(menus)) <= 5, "discord.py takes five a type, though it isn't asked here"
    assert set(chats) == {
        *CATALOGUE.commands(),
        *("run", "jobs", "usage", "help", "settings", "my-data", "forget-me"),
    }


@pytest.mark.parametrize("command", EVERY, ids=IDS)
def test_names_and_descriptions_keep_their_lengths_in_all_languages(command: Payload) -> None:
    menu = command["type"] == MESSAGE
    for thing in (command, *command.get("options", [])):
        for name in texts_of(thing, "name"):
            assert 1 <= len(name) <= 32
            assert menu or (CHAT_NAME.fullmatch(name) and name == name.lower())
        for text in texts_of(thing, "description"):
            assert 1 <= len(text) <= 100
            assert not text.endswith("…"), "a sentence that had to be cut tells only half"
        if not menu:
            assert set(thing["description_localizations"]) == set(schema.LOCALES)
    assert ("description" in command) is not menu


@pytest.mark.parametrize("command", EVERY, ids=IDS)
def test_a_command_holds_no_more_than_8000_characters(command: Payload) -> None:
    assert size_of(command) <= LARGEST_COMMAND


@pytest.mark.parametrize("command", EVERY, ids=IDS)
def test_options_are_few_distinct_and_the_required_come_first(command: Payload) -> None:
    inner = (one.get("options", []) for one in command.get("options", []))
    for options in (command.get("options", []), *inner):
        assert len(options) <= 25
        assert len({one["name"] for one in options}) == len(options)
        needed = [one.get("required", False) for one in options]
        assert needed == sorted(needed, reverse=True)


@pytest.mark.parametrize("command", EVERY, ids=IDS)
def test_choices_and_bounds_fit_their_options(command: Payload) -> None:
    for option in command.get("options", []):
        choices = option.get("choices", [])
        assert len(choices) <= 25
        assert len({one["name"] for one in choices}) == len(choices)
        assert len({one["value"] for one in choices}) == len(choices)
        assert not (choices and option.get("autocomplete"))
        for bound in ("min_value", "max_value"):
            if bound in option:
                assert option["type"] in (INTEGER, NUMBER)
                assert -LARGEST <= option[bound] <= LARGEST
        if option["type"] == INTEGER:
            assert all(isinstance(one["value"], int) for one in choices)
        if "max_length" in option:
            assert option["type"] == TEXT
            assert 1 <= option["max_length"] <= 6000


@pytest.mark.parametrize("command", EVERY, ids=IDS)
def test_they_are_for_servers_and_for_talks_with_the_bot_alone(command: Payload) -> None:
    assert command["contexts"] == ([0] if command["name"] == "settings" else [0, 1])
    assert command["integration_types"] == [0], "only where the bot is a member can it post"
    assert command["nsfw"] is False


def test_only_models_that_may_be_adult_are_kept_apart() -> None:
    apart = {one["name"] for one in registered(adults_apart=True) if one["nsfw"]}
    assert apart == {model.command for model in CATALOGUE if model.may_be_adult}


def test_every_menu_is_recognised_by_the_name_that_discord_sends() -> None:
    menus = [one["name"] for one in EVERY if one["type"] == MESSAGE]
    assert [schema.menu_code(name) for name in menus] == list(schema.MENUS)
    assert all(not command or CATALOGUE.find(command) for command in schema.MENUS.values())
    assert schema.menu_code("Something else") is None


# -- options from inputs


@pytest.mark.parametrize("model", list(CATALOGUE), ids=lambda model: model.command)
def test_every_input_of_every_model_has_its_option(model: Model) -> None:
    assert not schema.has_more(model)
    assert {slot.entry.name for slot in schema.slots(model)} == {entry.name for entry in model.inputs}


def test_of_forty_inputs_24_have_an_option_and_the_rest_a_form() -> None:
    needed = (text_input(37, required=True), text_input(39, required=True))
    model = model_with(*(text_input(n) for n in range(36)), *needed, text_input(38), text_input(40))
    assert len(model.inputs) == 40
    options = command_of(model)["options"]
    assert len(options) == 25
    assert [one["name"] for one in options[:3]] == ["in37", "in39", "in0"], "what is required has an option"
    assert (options[-1]["name"], options[-1]["type"], options[-1]["required"]) == ("more", BOOLEAN, False)
    assert schema.has_more(model)
    assert [slot.name for slot in schema.slots(model)] == [one["name"] for one in options[:-1]]


def test_of_25_inputs_each_has_an_option() -> None:
    model = model_with(*(text_input(n) for n in range(25)))
    assert [one["name"] for one in command_of(model)["options"]] == [f"in{n}" for n in range(25)]
    assert not schema.has_more(model)


def test_a_list_of_files_has_an_option_for_each_of_which_the_first_may_be_required() -> None:
    files = Input("pictures", "pictures", Type.FILES, "Pictures", accepts=(Kind.IMAGE,), max_items=4)
    options = command_of(model_with(text_input(1), replace(files, required=True)))["options"]
    assert [(one["name"], one["type"], one["required"]) for one in options] == [
        ("pictures", ATTACHMENT, True),
        ("in1", TEXT, False),
        ("pictures2", ATTACHMENT, False),
        ("pictures3", ATTACHMENT, False),
        ("pictures4", ATTACHMENT, False),
    ]


def test_files_past_the_25th_option_go_into_the_form() -> None:
    files = Input("pictures", "pictures", Type.FILES, "Pictures", accepts=(Kind.IMAGE,), max_items=30)
    options = command_of(model_with(files))["options"]
    assert [one["name"] for one in options[22:]] == ["pictures23", "pictures24", "more"]


@pytest.mark.parametrize(
    ("minimum", "maximum", "kind"),
    [
        (0, 2**63 - 1, TEXT),
        (-1, 2**53, TEXT),
        (-(2**53), 0, TEXT),
        (-LARGEST, LARGEST, INTEGER),
        (1, None, INTEGER),
        (None, None, INTEGER),
    ],
)
def test_a_number_that_discord_cant_count_to_is_a_text(
    minimum: int | None, maximum: int | None, kind: int
) -> None:
    entry = Input("seed", "seed", Type.INTEGER, "A number", minimum=minimum, maximum=maximum)
    (option,) = command_of(model_with(entry))["options"]
    assert option["type"] == kind
    bounds = {name: option[name] for name in ("min_value", "max_value") if name in option}
    wanted = {"min_value": minimum, "max_value": maximum} if kind == INTEGER else {}
    assert bounds == {name: bound for name, bound in wanted.items() if bound is not None}


@pytest.mark.parametrize("model", list(CATALOGUE), ids=lambda model: model.command)
def test_the_real_seeds_are_texts_where_they_go_further(model: Model) -> None:
    command = next(one for one in EVERY if one["name"] == model.command)
    kinds = {one["name"]: one["type"] for one in command["options"]}
    for entry in model.inputs:
        if entry.type is Type.INTEGER:
            assert (kinds[entry.alias] == TEXT) is ((entry.maximum or 0) > LARGEST), entry.name


def test_a_bound_of_0_is_said() -> None:
    option = option_of(next(one for one in EVERY if one["name"] == "animate"), "strength")
    assert (option["min_value"], option["max_value"]) == (0, 1)


def test_25_choices_are_a_list_and_26_are_suggested() -> None:
    def option_with(count: int) -> Payload:
        entry = Input("style", "style", Type.TEXT, "A style", choices=tuple(f"s{n}" for n in range(count)))
        (option,) = command_of(model_with(entry))["options"]
        return dict(option)

    assert len(option_with(25)["choices"]) == 25
    assert "autocomplete" not in option_with(25)
    assert option_with(26)["autocomplete"] is True
    assert "choices" not in option_with(26)


def test_a_localised_description_counts_where_it_is_longer() -> None:
    # 24 inputs of a hundred characters of help, each with the longest name: still far from 8,000.
    inputs = [replace(text_input(n), alias=f"{n:0>32}", help="x" * 150) for n in range(24)]
    assert size_of(command_of(model_with(*inputs))) <= LARGEST_COMMAND


# -- suggestions

CHOICES = tuple(f"style {n}" for n in range(60))


def test_of_many_choices_those_come_first_that_begin_with_it() -> None:
    entry = Input("style", "style", Type.TEXT, "A style", choices=("sunny", "a sun", "moon", "Sun"))
    assert schema.suggestions(entry, " SUN") == ["sunny", "Sun", "a sun"]
    assert schema.suggestions(entry, "zzz") == []
    many = replace(entry, choices=CHOICES)
    assert schema.suggestions(many, "") == list(CHOICES[:25])


def test_of_several_words_the_last_is_completed_and_none_comes_twice() -> None:
    entry = Input("parts", "parts", Type.TEXT, "Parts", words=("person", "car", "carpet", "dog"))
    assert schema.suggestions(entry, "") == ["person", "car", "carpet", "dog"]
    assert schema.suggestions(entry, "dog,ca") == ["dog,car", "dog,carpet"]
    assert schema.suggestions(entry, "dog,car,ca") == ["dog,car,carpet"]
    assert schema.suggestions(entry, "dog,") == ["dog,person", "dog,car", "dog,carpet"]


@given(st.text(max_size=120), st.sampled_from(["erase", "flux", "animate"]))
def test_whatever_is_typed_suggestions_are_within_discords_limits(typed: str, command: str) -> None:
    for entry in CATALOGUE.find(command).inputs:
        found = schema.suggestions(entry, typed)
        assert len(found) <= 25
        assert all(1 <= len(one) <= 100 for one in found)
    models = schema.models(CATALOGUE, typed, "zh")
    assert len(models) <= 25
    assert all(1 <= len(name) <= 100 and value in CATALOGUE.commands() for name, value in models)


@pytest.mark.parametrize("typed", ["animate", "/anim", "andreasjansson", "STABLE-diffusion-animation"])
def test_a_model_is_found_by_command_and_by_name(typed: str) -> None:
    assert "animate" in [value for _, value in schema.models(CATALOGUE, typed, "en")]


# -- is it what stands there already?


@pytest.mark.parametrize("everywhere", [True, False])
async def test_what_discord_gives_back_is_the_same(everywhere: bool) -> None:
    async with DiscordServer() as server:
        scope = None if everywhere else server.guild("Workshop").id
        wanted = registered(everywhere=everywhere)
        there = server.registry.overwrite(scope, copy.deepcopy(wanted))
        assert schema.same(wanted, there)
        assert schema.same(wanted, reversed(there))


def test_what_discord_adds_or_leaves_out_doesnt_count() -> None:
    def as_discord_says(thing: Any) -> Any:
        """With nulls where nothing is, floats for numbers, and without what is false."""
        if isinstance(thing, list):
            return [as_discord_says(one) for one in thing]
        if not isinstance(thing, dict):
            return thing
        said = {key: as_discord_says(value) for key, value in thing.items() if value is not False}
        bounds = {key: float(said[key]) for key in ("min_value", "max_value") if key in said}
        return {**said, **bounds, "name_localizations": said.get("name_localizations")}

    there = [
        {
            **as_discord_says(one),
            "id": "1",
            "version": "2",
            "application_id": "3",
            "default_member_permissions": None,
            "dm_permission": True,
            "contexts": [*reversed(one["contexts"])],
        }
        for one in EVERY
    ]
    assert schema.same(EVERY, there)


def test_discord_may_say_of_one_servers_commands_where_they_are_for() -> None:
    wanted = registered(everywhere=False)
    there = [{**one, "guild_id": "5", "contexts": None, "integration_types": [0]} for one in wanted]
    assert schema.same(wanted, there)


CHANGES: dict[str, Any] = {
    "a description": lambda one: one.update(description="Another"),
    "a translation": lambda one: one["description_localizations"].update({"zh-CN": "别的"}),
    "a translation less": lambda one: one["description_localizations"].clear(),
    "an option less": lambda one: one["options"].pop(),
    "the order of options": lambda one: one["options"].reverse(),
    "an option's name": lambda one: one["options"][-1].update(name="other"),
    "a required option": lambda one: one["options"][0].update(required=False),
    "a choice less": lambda one: choices_of(one).pop(),
    "the order of choices": lambda one: choices_of(one).reverse(),
    "a bound": lambda one: option_of(one, "strength").update(max_value=2),
    "a bound of 0 less": lambda one: option_of(one, "strength").pop("min_value"),
    "where it may be used": lambda one: one.update(contexts=[0]),
    "for adults only": lambda one: one.update(nsfw=True),
}


def option_of(command: Payload, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in command["options"] if one["name"] == name)
    return found


def choices_of(command: Payload) -> list[Any]:
    found: list[Any] = option_of(command, "width")["choices"]
    return found


@pytest.mark.parametrize("change", CHANGES)
def test_a_real_change_is_one(change: str) -> None:
    there = copy.deepcopy(EVERY)
    CHANGES[change](next(one for one in there if one["name"] == "animate"))
    assert not schema.same(EVERY, there)


def test_a_command_more_or_less_is_a_change() -> None:
    assert not schema.same(EVERY, EVERY[1:])
    assert not schema.same(EVERY, [*EVERY, {"type": 1, "name": "weather", "description": "Rain"}])
    assert not schema.same(EVERY, [])
