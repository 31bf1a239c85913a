"""Block Kit as Slack checks it: which blocks and elements there are, and how long things may be.

https://docs.slack.dev/reference/block-kit
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from tests.slack_server.limits import JSON, SlackError
from tests.slack_server.messages import walk

SELECTS = ("static_select", "external_select", "users_select", "conversations_select", "channels_select")
MULTI_SELECTS = tuple(f"multi_{kind}" for kind in SELECTS)
PICKERS = ("datepicker", "timepicker", "datetimepicker")
CHOICES = ("checkboxes", "radio_buttons")
TEXTS = ("plain_text_input", "email_text_input", "url_text_input", "number_input", "rich_text_input")
INPUTS = (*TEXTS, *SELECTS, *MULTI_SELECTS, *PICKERS, *CHOICES, "file_input")
IN_ACTIONS = ("button", "overflow", *SELECTS, *MULTI_SELECTS, *PICKERS, *CHOICES, "rich_text_input")
IN_SECTION = (
    "button", "image", "overflow", *SELECTS, *MULTI_SELECTS, "datepicker", "timepicker", *CHOICES
)  # fmt: skip
MODAL_ONLY = ("file_input", "email_text_input", "url_text_input", "number_input", "datetimepicker")
# What else stands in the documentation. It is taken as it is, and not looked into.
UNCHECKED = (
    "rich_text",
    "table",
    "task_card",
    "plan",
    "card",
    "carousel",
    "container",
    "context_actions",
    "file",
)
BLOCKS = (
    "section",
    "divider",
    "image",
    "actions",
    "context",
    "input",
    "header",
    "markdown",
    "video",
    "alert",
)
IMAGE_KNOWN = Callable[[str], bool]


class Problems:
    """Collects what is wrong with blocks, in Slack's words."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, what: str, pointer: str) -> None:
        self.found.append(f"{what} [json-pointer:{pointer}]")

    def length(self, value: object, most: int, pointer: str, *, least: int = 1) -> None:
        if not isinstance(value, str):
            self.add("must be a string", pointer)
        elif len(value) > most:
            self.add(f"must be less than {most + 1} characters", pointer)
        elif len(value) < least:
            self.add(f"must be more than {least - 1} characters", pointer)

    def text(self, value: object, most: int, pointer: str, *, plain: bool = False) -> None:
        """A text object."""
        if not isinstance(value, dict) or value.get("type") not in ("plain_text", "mrkdwn"):
            self.add("must be a text object", pointer)
            return
        if plain and value["type"] != "plain_text":
            self.add("unsupported type: mrkdwn", f"{pointer}/type")
        self.length(value.get("text"), most, f"{pointer}/text")

    def count(self, value: object, least: int, most: int, pointer: str) -> list[Any]:
        """A list, whose items are looked at even when there are too many of them."""
        if not isinstance(value, list):
            self.add("must be an array", pointer)
            return []
        if len(value) > most:
            self.add(f"no more than {most} items allowed", pointer)
        if len(value) < least:
            self.add(f"no less than {least} items allowed", pointer)
        return value


def check_blocks(
    blocks: object,
    surface: str,
    *,
    most: int = 50,
    image_known: IMAGE_KNOWN = lambda _: True,
    new_id: Callable[[], str],
    error: str = "invalid_blocks",
) -> list[JSON]:
    """The blocks with an id for everything that hadn't one.

    Raises:
        SlackError: `error` with everything that is wrong with them.
    """
    checker = _Checker(surface, image_known)
    for number, block in enumerate(checker.problems.count(blocks, 0, most, "/blocks")):
        checker.block(block, f"/blocks/{number}")
    if checker.problems.found:
        raise SlackError(error, *checker.problems.found)
    assert isinstance(blocks, list)
    named = copy.deepcopy(blocks)
    for block in named:
        block.setdefault("block_id", new_id())
        for _, element in walk([block]):
            if element.get("type") in ("button", "overflow", *INPUTS):
                element.setdefault("action_id", new_id())
    return named


def check_view(view: object, *, kind: str, image_known: IMAGE_KNOWN, new_id: Callable[[], str]) -> JSON:
    """The view with checked blocks.

    Raises:
        SlackError: invalid_arguments.
    """
    if not isinstance(view, dict):
        raise SlackError("invalid_arguments", "must provide an object [json-pointer:/view]")
    problems = Problems()
    if view.get("type") != kind:
        problems.add(f"unsupported type: {view.get('type')}", "/view/type")
    if kind == "modal":
        problems.text(view.get("title"), 24, "/view/title", plain=True)
        for name in ("submit", "close"):
            if name in view:
                problems.text(view[name], 24, f"/view/{name}", plain=True)
        inputs = any(isinstance(b, dict) and b.get("type") == "input" for b in view.get("blocks") or [])
        if inputs and "submit" not in view:
            problems.add("submit is required when an input block is within the blocks array", "/view")
    elif "title" in view or "submit" in view or "close" in view:
        problems.add("title, submit and close are of modals only", "/view")
    for name, most in (("private_metadata", 3000), ("callback_id", 255), ("external_id", 255)):
        if view.get(name) is not None:
            problems.length(view[name], most, f"/view/{name}", least=0)
    if len(str(view)) > 250 * 1024:
        raise SlackError("view_too_large")
    if problems.found:
        raise SlackError("invalid_arguments", *problems.found)
    blocks = check_blocks(
        view.get("blocks"),
        kind,
        most=100,
        image_known=image_known,
        new_id=new_id,
        error="invalid_arguments",
    )
    return {**view, "blocks": blocks}


class _Checker:
    """Looks through blocks of one surface: "message", "modal" or "home"."""

    def __init__(self, surface: str, image_known: IMAGE_KNOWN) -> None:
        self.surface = surface
        self.image_known = image_known
        self.problems = Problems()
        self.block_ids: set[str] = set()

    def block(self, block: object, at: str) -> None:
        kind = block.get("type") if isinstance(block, dict) else None
        if not isinstance(block, dict) or kind not in (*BLOCKS, *UNCHECKED):
            self.problems.add(f"unsupported type: {kind}", f"{at}/type")
            return
        if block.get("block_id") is not None:
            self.problems.length(block["block_id"], 255, f"{at}/block_id")
            if block["block_id"] in self.block_ids:
                self.problems.add("duplicate block_id", f"{at}/block_id")
            self.block_ids.add(str(block["block_id"]))
        if kind in BLOCKS:
            getattr(self, f"_{kind}")(block, at)
        self._unique_actions(block, at)

    def _unique_actions(self, block: JSON, at: str) -> None:
        ids = [str(e["action_id"]) for _, e in walk([block]) if e.get("action_id")]
        for one in {one for one in ids if ids.count(one) > 1}:
            self.problems.add(f"`action_id` {one} already exists in this block", f"{at}/elements")

    def _section(self, block: JSON, at: str) -> None:
        if "text" not in block and not block.get("fields"):
            self.problems.add("missing required field: text or fields", at)
        if "text" in block:
            self.problems.text(block["text"], 3000, f"{at}/text")
        if "fields" in block:
            for number, one in enumerate(self.problems.count(block["fields"], 1, 10, f"{at}/fields")):
                self.problems.text(one, 2000, f"{at}/fields/{number}")
        if block.get("accessory") is not None:
            self.element(block["accessory"], IN_SECTION, f"{at}/accessory")

    def _divider(self, block: JSON, at: str) -> None:
        return None

    def _image(self, block: JSON, at: str) -> None:
        if "title" in block:
            self.problems.text(block["title"], 2000, f"{at}/title", plain=True)
        self._picture(block, at)

    def _picture(self, block: JSON, at: str) -> None:
        self.problems.length(block.get("alt_text"), 2000, f"{at}/alt_text", least=0)
        file = block.get("slack_file")
        if file is None:
            self.problems.length(block.get("image_url"), 3000, f"{at}/image_url")
        elif not self.image_known(str(file.get("id") or file.get("url"))):
            self.problems.add("invalid slack file", f"{at}/slack_file")

    def _actions(self, block: JSON, at: str) -> None:
        for number, one in enumerate(self.problems.count(block.get("elements"), 1, 25, f"{at}/elements")):
            self.element(one, IN_ACTIONS, f"{at}/elements/{number}")

    def _context(self, block: JSON, at: str) -> None:
        for number, one in enumerate(self.problems.count(block.get("elements"), 1, 10, f"{at}/elements")):
            if isinstance(one, dict) and one.get("type") == "image":
                self._picture(one, f"{at}/elements/{number}")
            else:
                self.problems.text(one, 3000, f"{at}/elements/{number}")

    def _input(self, block: JSON, at: str) -> None:
        self.problems.text(block.get("label"), 2000, f"{at}/label", plain=True)
        if "hint" in block:
            self.problems.text(block["hint"], 2000, f"{at}/hint", plain=True)
        self.element(block.get("element"), INPUTS, f"{at}/element")

    def _header(self, block: JSON, at: str) -> None:
        self.problems.text(block.get("text"), 150, f"{at}/text", plain=True)

    def _markdown(self, block: JSON, at: str) -> None:
        self.problems.length(block.get("text"), 12_000, f"{at}/text")
        if self.surface != "message":
            self.problems.add("unsupported type: markdown", f"{at}/type")

    def _video(self, block: JSON, at: str) -> None:
        self.problems.text(block.get("title"), 199, f"{at}/title", plain=True)
        self.problems.length(block.get("alt_text"), 2000, f"{at}/alt_text")
        for name in ("video_url", "thumbnail_url"):
            self.problems.length(block.get(name), 3000, f"{at}/{name}")

    def _alert(self, block: JSON, at: str) -> None:
        if self.surface != "modal":
            self.problems.add("unsupported type: alert", f"{at}/type")

    # -- elements ------------------------------------------------------------------------------------

    def element(self, element: object, allowed: tuple[str, ...], at: str) -> None:
        kind = element.get("type") if isinstance(element, dict) else None
        only_in_modals = kind in MODAL_ONLY and self.surface == "message" and kind != "datetimepicker"
        if not isinstance(element, dict) or kind not in allowed or only_in_modals:
            self.problems.add(f"unsupported type: {kind}", f"{at}/type")
            return
        if kind == "file_input" and self.surface != "modal":
            self.problems.add("unsupported type: file_input", f"{at}/type")
        if element.get("action_id") is not None:
            self.problems.length(element["action_id"], 255, f"{at}/action_id")
        if element.get("placeholder") is not None:
            self.problems.text(element["placeholder"], 150, f"{at}/placeholder", plain=True)
        if "confirm" in element:
            self._confirm(element["confirm"], f"{at}/confirm")
        if kind == "button":
            self._button(element, at)
        elif kind == "image":
            self._picture(element, at)
        elif kind == "file_input":
            self._range(element.get("max_files", 10), 1, 10, f"{at}/max_files")
        elif kind in TEXTS:
            self._text_input(element, at)
        elif "static" in kind or kind in (*CHOICES, "overflow"):
            self._options(kind, element, at)

    def _confirm(self, confirm: JSON, at: str) -> None:
        for name, most in (("title", 100), ("confirm", 30), ("deny", 30)):
            if name in confirm:
                self.problems.text(confirm[name], most, f"{at}/{name}", plain=True)
        self.problems.text(confirm.get("text"), 300, f"{at}/text")

    def _button(self, element: JSON, at: str) -> None:
        self.problems.text(element.get("text"), 75, f"{at}/text", plain=True)
        for name, most in (("value", 2000), ("url", 3000), ("accessibility_label", 75)):
            if element.get(name) is not None:
                self.problems.length(element[name], most, f"{at}/{name}", least=0)
        if element.get("style") not in (None, "primary", "danger"):
            self.problems.add(f"unsupported style: {element['style']}", f"{at}/style")

    def _text_input(self, element: JSON, at: str) -> None:
        if element["type"] == "number_input" and not isinstance(element.get("is_decimal_allowed"), bool):
            self.problems.add("missing required field: is_decimal_allowed", at)
        if element["type"] == "number_input":
            for name in ("min_value", "max_value", "initial_value"):
                if name in element and not _is_number(element[name]):
                    self.problems.add("must be a string of a number", f"{at}/{name}")
            return
        for name in ("min_length", "max_length"):
            if name in element:
                self._range(element[name], 0 if name == "min_length" else 1, 3000, f"{at}/{name}")
        initial, most = element.get("initial_value"), element.get("max_length") or 3000
        if initial is not None and element["type"] != "rich_text_input":
            self.problems.length(initial, most, f"{at}/initial_value", least=0)

    def _range(self, value: object, low: int, high: int, at: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.problems.add(f"must be between {low} and {high}", at)

    def _options(self, kind: str, element: JSON, at: str) -> None:
        most = {"overflow": 5, "checkboxes": 10, "radio_buttons": 10}.get(kind, 100)
        if kind not in ("overflow", *CHOICES) and ("options" in element) == ("option_groups" in element):
            self.problems.add("must have options or option_groups, and not both", at)
            return
        if "option_groups" in element:
            groups = self.problems.count(element["option_groups"], 1, 100, f"{at}/option_groups")
            for number, group in enumerate(groups):
                here = f"{at}/option_groups/{number}"
                self.problems.text(group.get("label"), 75, f"{here}/label", plain=True)
                self._option_list(kind, group.get("options"), 100, f"{here}/options")
        else:
            self._option_list(kind, element.get("options"), most, f"{at}/options")
        self._initial(element, at)

    def _option_list(self, kind: str, options: object, most: int, at: str) -> None:
        for number, option in enumerate(self.problems.count(options, 1, most, at)):
            self.problems.text(option.get("text"), 75, f"{at}/{number}/text", plain=kind not in CHOICES)
            self.problems.length(option.get("value"), 150, f"{at}/{number}/value", least=0)
            if "description" in option:
                self.problems.text(option["description"], 75, f"{at}/{number}/description")

    def _initial(self, element: JSON, at: str) -> None:
        """What is chosen at first must be one of the options, letter by letter."""
        chosen = element.get("initial_options") or []
        if element.get("initial_option") is not None:
            chosen = [element["initial_option"]]
        offered = [(o.get("value"), _words(o)) for o in options_of(element)]
        for option in chosen:
            if (option.get("value"), _words(option)) not in offered:
                self.problems.add("must be one of the options", f"{at}/initial_option")


def options_of(element: JSON) -> list[JSON]:
    """The options of an element, those of its groups with it."""
    grouped = [
        option for group in element.get("option_groups") or [] for option in group.get("options") or []
    ]
    return [*(element.get("options") or []), *grouped]


def _words(option: JSON) -> str:
    return str((option.get("text") or {}).get("text"))


def _is_number(value: object) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return isinstance(value, str)
