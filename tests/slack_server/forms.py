"""What a person can fill in in a view: its fields, and the state that goes to the app."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.slack_server.blockkit import INPUTS, options_of
from tests.slack_server.files import AnyFile, File, as_upload
from tests.slack_server.limits import JSON
from tests.slack_server.messages import walk
from tests.slack_server.views import Key, View


class ClientRefused(Exception):
    """A real client wouldn't let a person do this."""


# Where the state of a kind of element has what was put in.
PLACE = {
    "plain_text_input": "value",
    "email_text_input": "value",
    "url_text_input": "value",
    "number_input": "value",
    "rich_text_input": "rich_text_value",
    "static_select": "selected_option",
    "external_select": "selected_option",
    "radio_buttons": "selected_option",
    "multi_static_select": "selected_options",
    "multi_external_select": "selected_options",
    "checkboxes": "selected_options",
    "users_select": "selected_user",
    "multi_users_select": "selected_users",
    "conversations_select": "selected_conversation",
    "multi_conversations_select": "selected_conversations",
    "channels_select": "selected_channel",
    "multi_channels_select": "selected_channels",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
    "file_input": "files",
}
INITIAL = {
    "value": "initial_value",
    "rich_text_value": "initial_value",
    "selected_option": "initial_option",
    "selected_options": "initial_options",
    "selected_user": "initial_user",
    "selected_users": "initial_users",
    "selected_conversation": "initial_conversation",
    "selected_conversations": "initial_conversations",
    "selected_channel": "initial_channel",
    "selected_channels": "initial_channels",
    "selected_date": "initial_date",
    "selected_time": "initial_time",
    "selected_date_time": "initial_date_time",
    "files": "",
}


@dataclass(frozen=True)
class Field:
    """One element that has a state, as it stands in a view or message."""

    block_id: str
    action_id: str
    label: str
    kind: str
    required: bool
    dispatches: bool  # choosing tells the app at once
    element: JSON

    @property
    def key(self) -> Key:
        return self.block_id, self.action_id

    @property
    def options(self) -> list[str]:
        """The values of its options."""
        return [str(option.get("value")) for option in options_of(self.element)]

    def initial(self) -> JSON:
        """Its state before anybody touches it."""
        place = PLACE[self.kind]
        empty: Any = [] if place.endswith("s") else None
        value = self.element.get(INITIAL[place], empty)
        if self.kind == "number_input" and value is not None:
            value = str(value)
        return {"type": self.kind, place: value}

    def value(self, state: JSON) -> Any:
        """What a state holds, in short: a text, an option's value, a list of them."""
        held = state.get(PLACE[self.kind])
        if isinstance(held, dict):
            return held.get("value", held)
        if isinstance(held, list):
            return [one.get("value", one.get("name")) if isinstance(one, dict) else one for one in held]
        return held


def fields_of(blocks: Iterable[JSON]) -> list[Field]:
    found = []
    for block, element in walk(blocks):
        if element.get("type") in INPUTS:
            of_input = block["type"] == "input"
            label = (block.get("label") or block.get("text") or {}).get("text", "")
            found.append(
                Field(
                    block["block_id"],
                    element["action_id"],
                    label,
                    element["type"],
                    of_input and not block.get("optional"),
                    not of_input or bool(block.get("dispatch_action")),
                    element,
                )
            )
    return found


def find_field(blocks: Iterable[JSON], name: str) -> Field:
    """By label, block_id, action_id, or both as "block_id/action_id"."""
    fields = fields_of(blocks)
    for field in fields:
        if name in (field.label, f"{field.block_id}/{field.action_id}", field.block_id, field.action_id):
            return field
    raise ClientRefused(f"there is no field {name!r}, only {[field.label for field in fields]}")


def state_of(view: View) -> JSON:
    """`state.values` of a view, with what stands in it by now."""
    return state_values(fields_of(view.blocks), view.filled)


def state_values(fields: Iterable[Field], filled: dict[Key, JSON]) -> JSON:
    values: JSON = {}
    for field in fields:
        state = filled.get(field.key)
        if state is None or state["type"] != field.kind:
            state = field.initial()
        values.setdefault(field.block_id, {})[field.action_id] = state
    return values


# -- putting something in ----------------------------------------------------------------------------


def put_in(
    field: Field, value: Any, upload: Callable[[AnyFile], File], offered: list[JSON] | None = None
) -> JSON:
    """The state of a field with `value` in it.

    Raises:
        ClientRefused: a client wouldn't take it.
    """
    place, kind = PLACE[field.kind], field.kind
    if kind == "file_input":
        return {"type": kind, place: _uploaded(field, value, upload)}
    if value is None:
        return {"type": kind, place: [] if place.endswith("s") else None}
    if place == "value":
        return {"type": kind, place: _typed(field, str(value)) or None}
    if kind == "rich_text_input":
        section = {"type": "rich_text_section", "elements": [{"type": "text", "text": str(value)}]}
        return {"type": kind, place: {"type": "rich_text", "elements": [section]}}
    if place == "selected_option":
        return {"type": kind, place: _option(field, str(value), offered)}
    if place == "selected_options":
        chosen = [value] if isinstance(value, str) else list(value)
        most = field.element.get("max_selected_items")
        if most is not None and len(chosen) > most:
            raise ClientRefused(f"{field.label}: at most {most} can be chosen")
        return {"type": kind, place: [_option(field, one, offered) for one in chosen]}
    if place.endswith("s"):
        return {"type": kind, place: [str(getattr(one, "id", one)) for one in value]}
    return {"type": kind, place: value if kind == "datetimepicker" else str(getattr(value, "id", value))}


def _typed(field: Field, text: str) -> str:
    most = field.element.get("max_length") or (3000 if field.kind == "plain_text_input" else None)
    if most is not None and len(text) > most:
        raise ClientRefused(f"{field.label}: at most {most} characters")
    if "\n" in text and not field.element.get("multiline"):
        raise ClientRefused(f"{field.label}: it has one line")
    return text


def _option(field: Field, value: str, offered: list[JSON] | None) -> JSON:
    options = options_of(field.element) if offered is None else offered
    for option in options:
        if value in (option.get("value"), (option.get("text") or {}).get("text")):
            return option
    known = [option.get("value") for option in options]
    raise ClientRefused(f"{field.label}: {value!r} is not among {known}")


def _uploaded(field: Field, value: Any, upload: Callable[[AnyFile], File]) -> list[JSON]:
    many = value if isinstance(value, list) else [] if value is None else [value]
    most = field.element.get("max_files", 10)
    if len(many) > most:
        raise ClientRefused(f"{field.label}: at most {most} files")
    allowed = field.element.get("filetypes") or []
    for one in [as_upload(file) for file in many]:
        suffix = one.filename.rpartition(".")[2].lower()
        if allowed and suffix not in allowed:
            raise ClientRefused(f"{field.label}: files may be {', '.join(allowed)}")
    return [upload(one).payload() for one in many]


# -- before it is sent -------------------------------------------------------------------------------


def check_before_submit(view: View) -> None:
    """What a client checks when a modal is submitted.

    Raises:
        ClientRefused: with everything that is wrong.
    """
    problems = []
    for field in fields_of(view.blocks):
        state = view.filled.get(field.key) or field.initial()
        value = state.get(PLACE[field.kind])
        if value in (None, "", []):
            if field.required:
                problems.append(f"{field.label}: please complete this required field")
            continue
        problem = _wrong(field, value)
        if problem is not None:
            problems.append(f"{field.label}: {problem}")
    if problems:
        raise ClientRefused("; ".join(problems))


def _wrong(field: Field, value: Any) -> str | None:
    least = field.element.get("min_length")
    if least is not None and isinstance(value, str) and len(value) < least:
        return f"at least {least} characters"
    if field.kind == "number_input":
        return _wrong_number(field.element, str(value))
    if field.kind == "email_text_input" and "@" not in str(value):
        return "not an email address"
    if field.kind == "url_text_input" and urlsplit(str(value)).scheme not in ("http", "https"):
        return "not a URL"
    return None


def _wrong_number(element: JSON, text: str) -> str | None:
    try:
        number = float(text)
    except ValueError:
        return "not a number"
    if not element.get("is_decimal_allowed") and not number.is_integer():
        return "a whole number is wanted"
    low, high = element.get("min_value"), element.get("max_value")
    if low is not None and number < float(low):
        return f"at least {low}"
    if high is not None and number > float(high):
        return f"at most {high}"
    return None
