"""Models as modals, within Discord's limits; and what is filled in comes back as the same options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters import words
from adapters.discord import forms
from adapters.discord.customs import Custom, Verb
from adapters.discord.forms import FILE_UPLOAD, LONGEST, MORE, Filled
from bot.catalogue import Model, Type, check, load
from bot.errors import BadOrder
from bot.jobs import FileRef, JobId
from tests.discord_server.components import check_modal
from tests.discord_server.limits import DiscordError
from tests.test_grammar import stored, values

CATALOGUE = load()
CUSTOM = Custom(Verb.FORM, JobId("abcdefghijkl"), "animate", 1, "1f" * 8)
LINK = "https://cdn.example.org/attachments/1/2/fox.png?ex=65d903de&is=65c68ede&hm=" + "0" * 64
every_model = pytest.mark.parametrize("model", list(CATALOGUE), ids=lambda model: model.command)
every_language = pytest.mark.parametrize("language", words.languages())


def fields_of(modal: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The fields of a modal by id."""
    return {one["component"]["custom_id"]: one["component"] for one in modal["components"]}


def submitted(
    modal: Mapping[str, Any],
    texts: Mapping[str, str] | None = None,
    uploads: Mapping[str, list[str]] | None = None,
) -> dict[str, Any]:
    """What Discord sends of a modal that was sent off with these changes; uploads are links by field."""
    attachments: dict[str, Any] = {}
    components: list[dict[str, Any]] = []
    for id_, field in fields_of(modal).items():
        if field["type"] == FILE_UPLOAD:
            mine = (uploads or {}).get(id_, [])
            ids = [str(1000 + len(attachments) + n) for n in range(len(mine))]
            attachments |= {
                key: {"id": key, "url": url, "filename": "fox.png"}
                for key, url in zip(ids, mine, strict=True)
            }
            answer: dict[str, Any] = {"type": FILE_UPLOAD, "custom_id": id_, "values": ids}
        else:
            text = {id_: field.get("value", ""), **(texts or {})}[id_]
            answer = {"type": field["type"], "custom_id": id_, "value": text}
        components.append({"type": 18, "component": answer})
    return {
        "custom_id": modal["custom_id"],
        "components": components,
        "resolved": {"attachments": attachments},
    }


def read(model: Model, data: Mapping[str, Any], kept: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    return check(model, forms.read(CATALOGUE, model, data, kept or {}))


def needed_of(model: Model) -> dict[str, Any]:
    """What the model can't do without, as the store holds it."""
    inputs: dict[str, Any] = {}
    for entry in model.inputs:
        if entry.required and entry.is_file:
            file = {"file": f"{len(inputs):064x}", "name": "fox.png"}
            inputs[entry.name] = [file] if entry.type is Type.FILES else file
        elif entry.required:
            inputs[entry.name] = "a fox"
    return inputs


def longest_of(model: Model) -> dict[str, Any]:
    """Every input as long as it may be."""
    inputs = needed_of(model)
    for entry in model.inputs:
        if entry.is_file:
            file = {"file": f"{len(inputs):064x}", "name": "f" * 250 + ".png"}
            inputs[entry.name] = [file] * entry.max_items if entry.type is Type.FILES else file
        elif entry.is_free_text:
            inputs[entry.name] = "`" * entry.max_length
        elif entry.words:
            inputs[entry.name] = ",".join(entry.words)
        elif entry.choices:
            inputs[entry.name] = max(entry.choices, key=lambda one: len(str(one)))
        elif entry.type is Type.BOOLEAN:
            inputs[entry.name] = True
        else:
            inputs[entry.name] = entry.maximum
    return inputs


# -- limits


@every_model
@every_language
def test_an_empty_form_is_within_discords_limits(model: Model, language: str) -> None:
    check_modal(forms.modal(model, CUSTOM, language))


@every_model
@every_language
def test_a_form_full_of_the_longest_values_is_within_discords_limits(model: Model, language: str) -> None:
    check_modal(forms.modal(model, CUSTOM, language, Filled(longest_of(model))))


@every_model
@every_language
def test_a_form_with_links_is_within_discords_limits(model: Model, language: str) -> None:
    links = {entry.name: LINK for entry in model.inputs if entry.is_file}
    check_modal(forms.modal(model, CUSTOM, language, Filled(links=links)))


@every_model
def test_what_is_needed_has_a_field_of_its_own_and_the_rest_one_together(model: Model) -> None:
    fields = fields_of(forms.modal(model, CUSTOM, "en"))
    assert len(fields) <= 5
    for entry in model.inputs:
        if entry.required:
            assert fields[entry.alias]["required"] is True
    own = {entry.alias for entry in model.inputs} & set(fields)
    assert (MORE in fields) is (len(own) < len(model.inputs))


def test_the_checker_would_notice() -> None:
    modal = forms.modal(CATALOGUE.find("animate"), CUSTOM, "en")
    with pytest.raises(DiscordError):
        check_modal({**modal, "title": "t" * 46})


# -- there and back


@st.composite
def filled(draw: st.DrawFn) -> tuple[Model, dict[str, Any]]:
    """A model and inputs of it as the store holds them; files are kept ones."""
    model = CATALOGUE.find(draw(st.sampled_from(CATALOGUE.commands())))
    others = draw(st.lists(st.sampled_from(list(model.inputs)), max_size=8))
    inputs: dict[str, Any] = needed_of(model)
    for entry in model.inputs:
        if entry.is_file:
            if entry in others:
                file = {"file": "f" * 64, "name": "fox.png"}
                inputs[entry.name] = [file] * entry.max_items if entry.type is Type.FILES else file
        elif entry in others or entry.required or entry.always:
            inputs[entry.name] = stored(draw(values(entry)))
    return model, {entry.name: inputs[entry.name] for entry in model.inputs if entry.name in inputs}


def said(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Without texts in which nothing stands: a field that is left empty says nothing."""
    return {
        name: value for name, value in inputs.items() if not (isinstance(value, str) and not value.strip())
    }


def as_stored(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: stored(value) for name, value in inputs.items()}


@settings(max_examples=400, deadline=None)
@given(filled())
def test_a_form_that_is_sent_off_as_it_was_filled_gives_the_same_inputs(
    given: tuple[Model, dict[str, Any]],
) -> None:
    model, inputs = given
    modal = forms.modal(model, CUSTOM, "en", Filled(inputs))
    check_modal(modal)
    found = as_stored(read(model, submitted(modal), kept=inputs))
    assert said(found) == said(inputs)


@every_model
def test_a_form_that_holds_more_than_fits_loses_nothing_unseen(model: Model) -> None:
    """What can't stand in the field stays as it was; half an option would be another one."""
    inputs = longest_of(model)
    modal = forms.modal(model, CUSTOM, "en", Filled(inputs))
    assert as_stored(read(model, submitted(modal), kept=inputs)) == inputs


def test_what_was_too_long_to_stand_in_a_form_is_named_and_may_be_given_anew() -> None:
    model = CATALOGUE.find("draw")
    inputs = {"prompt": "a fox", "negative_prompt": "x" * 4000, "width": 512}
    modal = forms.modal(model, CUSTOM, "en", Filled(inputs))
    more = next(one for one in modal["components"] if one["component"]["custom_id"] == MORE)
    assert "stays as it was: avoid" in more["description"]
    assert "avoid" not in more["component"]["value"]
    anew = read(model, submitted(modal, {MORE: "avoid:ugly"}), kept=inputs)
    assert anew == {"prompt": "a fox", "negative_prompt": "ugly"}


@every_model
def test_an_empty_form_says_what_is_missing(model: Model) -> None:
    if not any(entry.required for entry in model.inputs):
        return
    with pytest.raises(BadOrder) as caught:
        read(model, submitted(forms.modal(model, CUSTOM, "en")))
    assert {one.code for one in caught.value.problems} == {"missing"}


# -- files


def files(inputs: Mapping[str, Any], name: str) -> list[str]:
    value = as_stored(inputs).get(name)
    items = value if isinstance(value, list) else [value]
    return [str(item["file"] if isinstance(item, dict) else item) for item in items]


def test_a_kept_file_stays_where_no_other_is_given_and_is_named() -> None:
    model = CATALOGUE.find("edit")
    entry = next(entry for entry in model.inputs if entry.is_file)
    inputs = {**needed_of(model), entry.name: {"file": "a" * 64, "name": "fox.png"}}
    modal = forms.modal(model, CUSTOM, "en", Filled(inputs))
    label = next(one for one in modal["components"] if one["component"]["custom_id"] == entry.alias)
    assert "fox.png" in label["description"]
    assert label["component"]["required"] is False
    assert files(read(model, submitted(modal), kept=inputs), entry.name) == ["a" * 64]
    replaced = read(model, submitted(modal, uploads={entry.alias: [LINK]}), kept=inputs)
    assert files(replaced, entry.name) == [LINK]


def test_a_list_of_kept_files_stays_whole_or_is_replaced() -> None:
    model = CATALOGUE.find("video")
    entry = next(entry for entry in model.inputs if entry.type is Type.FILES)
    kept = [{"file": digit * 64, "name": f"{digit}.png"} for digit in "ab"]
    inputs = {"prompt": "a boat", entry.name: kept}
    modal = forms.modal(model, CUSTOM, "en", Filled(inputs))
    assert files(read(model, submitted(modal), kept=inputs), entry.name) == ["a" * 64, "b" * 64]
    others = [LINK, f"{LINK}1", f"{LINK}2"]
    replaced = read(model, submitted(modal, uploads={entry.alias: others}), kept=inputs)
    assert files(replaced, entry.name) == others


def test_a_link_stands_in_a_field_and_may_be_replaced() -> None:
    model = CATALOGUE.find("edit")
    entry = next(entry for entry in model.inputs if entry.is_file)
    modal = forms.modal(model, CUSTOM, "en", Filled(links={entry.name: LINK}))
    prompt = {model.main_input.alias: "make it snow"} if model.main_input else {}
    assert fields_of(modal)[entry.alias]["value"] == LINK
    assert files(read(model, submitted(modal, prompt)), entry.name) == [LINK]
    other = {**prompt, entry.alias: "https://example.org/owl.png"}
    assert files(read(model, submitted(modal, other)), entry.name) == ["https://example.org/owl.png"]


def test_an_upload_that_discord_didnt_resolve_is_none() -> None:
    model = CATALOGUE.find("cutout")
    data = submitted(forms.modal(model, CUSTOM, "en"), uploads={model.inputs[0].alias: [LINK]})
    data["resolved"] = {}
    with pytest.raises(BadOrder):
        read(model, data)


# -- what somebody wrote


def test_more_options_are_typed_as_in_a_command() -> None:
    model = CATALOGUE.find("animate")
    modal = forms.modal(model, CUSTOM, "en")
    typed = {"start": "a fox", "end": "an owl: in flight", MORE: "fps:12 pingpong steps:30"}
    found = read(model, submitted(modal, typed))
    assert found["prompt_end"] == "an owl: in flight"
    assert (found["gif_frames_per_second"], found["gif_ping_pong"]) == (12, True)


def test_a_mistake_under_more_options_is_told_and_what_was_written_can_be_copied() -> None:
    model = CATALOGUE.find("animate")
    data = submitted(forms.modal(model, CUSTOM, "en"), {"start": "a fox", "end": "an owl", MORE: "fsp:12"})
    with pytest.raises(BadOrder) as caught:
        read(model, data)
    assert [one.code for one in caught.value.problems] == ["unknown_option"]
    assert forms.written(data) == "start:a fox end:an owl fsp:12"


def test_a_text_field_takes_what_a_modal_can_hold() -> None:
    for model in CATALOGUE:
        for field in fields_of(forms.modal(model, CUSTOM, "en")).values():
            assert field.get("max_length", LONGEST) <= LONGEST


def test_files_of_a_stored_input() -> None:
    file = {"file": "a" * 64, "name": "fox.png"}
    assert (
        forms.files_in(file) == forms.files_in([file, "https://x.example"]) == [FileRef("a" * 64, "fox.png")]
    )
    assert forms.files_in(None) == forms.files_in("https://x.example") == []
