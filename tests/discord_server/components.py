"""Checks messages, components and modals against Discord's limits, and reads what people would see in them.

https://docs.discord.com/developers/components/reference
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.discord_server.limits import COMPONENTS_V2, EPHEMERAL, JSON, DiscordError, Problems

ROW, BUTTON, STRING_SELECT, TEXT_INPUT = 1, 2, 3, 4
SELECTS = {3, 5, 6, 7, 8}
SECTION, TEXT, THUMBNAIL, GALLERY, FILE, SEPARATOR, CONTAINER = 9, 10, 11, 12, 13, 14, 17
LABEL, FILE_UPLOAD, RADIO, CHECKBOXES, CHECKBOX = 18, 19, 21, 22, 23
TOP_LEVEL = {ROW, SECTION, TEXT, GALLERY, FILE, SEPARATOR, CONTAINER}
IN_CONTAINER = TOP_LEVEL - {CONTAINER}
IN_LABEL = SELECTS | {TEXT_INPUT, FILE_UPLOAD, RADIO, CHECKBOXES, CHECKBOX}
LINK, PREMIUM = 5, 6

Path = tuple[str | int, ...]


def walk(components: list[JSON]) -> Iterator[JSON]:
    """Every component, nested ones and accessories included, in reading order."""
    for component in components:
        yield component
        yield from walk(component.get("components") or [])
        for nested in ("accessory", "component"):
            if isinstance(component.get(nested), dict):
                yield from walk([component[nested]])


def media_of(component: JSON) -> list[JSON]:
    """The entries of a component that hold media, each with `media` or `file`."""
    kind = component.get("type")
    if kind == GALLERY:
        return list(component.get("items") or [])
    return [component] if kind in (THUMBNAIL, FILE) else []


def medium_in(entry: JSON) -> JSON:
    """The unfurled media item of one entry of `media_of`."""
    medium = entry.get("media") or entry.get("file") or {}
    return medium if isinstance(medium, dict) else {}


def check_message(
    body: JSON,
    uploads: list[str],
    *,
    kept: set[str] = frozenset(),  # type: ignore[assignment]
    v2: bool,
    editing: bool = False,
) -> None:
    """Raise what is wrong with a message; `uploads` and `kept` are the names that attachment:// may mean."""
    problems = Problems()
    components = body.get("components") or []
    if v2:
        _check_v2(body, components, problems, {*uploads, *kept})
    else:
        _check_legacy(components, problems)
        _check_embeds(body.get("embeds") or [], problems)
    if body.get("content"):
        problems.length(("content",), str(body["content"]), 1, 2000)
    if body.get("nonce") is not None and len(str(body["nonce"])) > 25:
        problems.add(("nonce",), "NONCE_TYPE_TOO_LONG", "Must be 25 or fewer in length.")
    _check_mentions(body.get("allowed_mentions"), problems)
    _check_attachments(body.get("attachments") or [], problems)
    problems.raise_if_any()
    if len(uploads) + len(kept) > 10:
        raise DiscordError(30015)
    says = ("components",) if v2 else ("content", "embeds", "components", "sticker_ids", "poll")
    if not editing and not any(body.get(field) for field in says) and (v2 or not uploads):
        raise DiscordError(50006)


def _check_v2(body: JSON, components: list[JSON], problems: Problems, names: set[str]) -> None:
    for field in ("content", "embeds", "sticker_ids", "poll"):
        if body.get(field):
            message = f"The '{field}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
            problems.add((field,), "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2", message)
    everything = list(walk(components))
    if len(everything) > 40:
        message = "Total number of components cannot exceed 40"
        problems.add(("components",), "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED", message)
    if sum(len(c.get("content") or "") for c in everything if c.get("type") == TEXT) > 4000:
        message = "Total displayable text size of all components cannot exceed 4000 characters"
        problems.add(("components",), "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED", message)
    for index, component in enumerate(components):
        _check_placed(component, TOP_LEVEL, problems, ("components", index), names)
    _check_unique(everything, problems)


def _check_legacy(components: list[JSON], problems: Problems) -> None:
    if len(components) > 5:
        problems.add(("components",), "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")
    for index, component in enumerate(components):
        _check_placed(component, {ROW}, problems, ("components", index), set())
    _check_unique(list(walk(components)), problems)


def _check_unique(everything: list[JSON], problems: Problems) -> None:
    custom_ids = [c["custom_id"] for c in everything if c.get("custom_id")]
    if len(custom_ids) != len(set(custom_ids)):
        message = "Component custom id cannot be duplicated"
        problems.add(("components",), "COMPONENT_CUSTOM_ID_DUPLICATED", message)
    ids = [c["id"] for c in everything if c.get("id")]
    if len(ids) != len(set(ids)):
        problems.add(("components",), "COMPONENT_ID_DUPLICATED", "Component id cannot be duplicated")


def _check_placed(
    component: JSON, allowed: set[int], problems: Problems, path: Path, names: set[str]
) -> None:
    kind = component.get("type")
    if kind not in allowed:
        message = f"Value of field 'type' must be one of {sorted(allowed)}."
        problems.add((*path, "type"), "UNION_TYPE_CHOICES", message)
        return
    checks = {
        ROW: _check_row,
        SECTION: _check_section,
        TEXT: _check_text,
        THUMBNAIL: _check_media,
        GALLERY: _check_gallery,
        FILE: _check_media,
        SEPARATOR: _check_separator,
        CONTAINER: _check_container,
        BUTTON: _check_button,
    }
    check = _check_select if kind in SELECTS else checks[kind]
    check(component, problems, path, names)


def _check_row(row: JSON, problems: Problems, path: Path, names: set[str]) -> None:
    children = row.get("components") or []
    selects = [child for child in children if child.get("type") in SELECTS]
    if not 1 <= len(children) <= 5 or (selects and len(children) > 1):
        message = "Must be between 1 and 5 in length; a select stands alone."
        problems.add((*path, "components"), "COMPONENT_LAYOUT_WIDTH_EXCEEDED", message)
    for index, child in enumerate(children):
        _check_placed(child, SELECTS | {BUTTON}, problems, (*path, "components", index), names)


def _check_section(section: JSON, problems: Problems, path: Path, names: set[str]) -> None:
    children = section.get("components") or []
    if not 1 <= len(children) <= 3:
        problems.add((*path, "components"), "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 3 in length.")
    for index, child in enumerate(children):
        _check_placed(child, {TEXT}, problems, (*path, "components", index), names)
    if not isinstance(section.get("accessory"), dict):
        problems.add((*path, "accessory"), "BASE_TYPE_REQUIRED", "This field is required")
    else:
        _check_placed(section["accessory"], {BUTTON, THUMBNAIL}, problems, (*path, "accessory"), names)


def _check_container(container: JSON, problems: Problems, path: Path, names: set[str]) -> None:
    children = container.get("components") or []
    if not children:
        problems.add((*path, "components"), "BASE_TYPE_REQUIRED", "This field is required")
    problems.number((*path, "accent_color"), container.get("accent_color"), 0, 0xFFFFFF)
    for index, child in enumerate(children):
        _check_placed(child, IN_CONTAINER, problems, (*path, "components", index), names)


def _check_text(text: JSON, problems: Problems, path: Path, _names: set[str]) -> None:
    problems.length((*path, "content"), text.get("content"), 1, 4000)


def _check_separator(separator: JSON, problems: Problems, path: Path, _names: set[str]) -> None:
    if separator.get("spacing") not in (None, 1, 2):
        problems.add((*path, "spacing"), "BASE_TYPE_CHOICES", "Value must be one of (1, 2).")


def _check_gallery(gallery: JSON, problems: Problems, path: Path, names: set[str]) -> None:
    items = gallery.get("items") or []
    if not 1 <= len(items) <= 10:
        problems.add((*path, "items"), "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 10 in length.")
    for index, item in enumerate(items):
        _check_medium(item, "media", problems, (*path, "items", index), names)


def _check_media(component: JSON, problems: Problems, path: Path, names: set[str]) -> None:
    _check_medium(component, "file" if component["type"] == FILE else "media", problems, path, names)


def _check_medium(entry: JSON, field: str, problems: Problems, path: Path, names: set[str]) -> None:
    if entry.get("description") is not None:
        problems.length((*path, "description"), entry["description"], 1, 1024)
    url = str((entry.get(field) or {}).get("url") or "")
    place = (*path, field, "url")
    scheme, _, name = url.partition("://")
    if scheme == "attachment":
        if name not in names:
            message = f'Referenced attachment "{name}" not found'
            problems.add(place, "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND", message)
    elif field == "file":
        problems.add(place, "URL_TYPE_INVALID_SCHEME", "Scheme must be one of ('attachment').")
    elif scheme not in ("http", "https"):
        message = "Scheme must be one of ('http', 'https', 'attachment')."
        problems.add(place, "URL_TYPE_INVALID_SCHEME", message)


def _check_button(button: JSON, problems: Problems, path: Path, _names: set[str]) -> None:
    style = button.get("style")
    if style not in range(1, PREMIUM + 1):
        problems.add((*path, "style"), "BASE_TYPE_CHOICES", "Value must be one of (1, 2, 3, 4, 5, 6).")
    if button.get("label") is not None:
        problems.length((*path, "label"), button["label"], 0, 80)
    if style != PREMIUM and not button.get("label") and not button.get("emoji"):
        problems.add(path, "BUTTON_COMPONENT_LABEL_REQUIRED", "A button needs a label or an emoji")
    if style == LINK:
        problems.length((*path, "url"), button.get("url"), 1, 512)
        if button.get("custom_id"):
            problems.add(path, "BUTTON_COMPONENT_INVALID", "A link has no custom id")
    elif style != PREMIUM:
        problems.length((*path, "custom_id"), button.get("custom_id"), 1, 100)
        if button.get("url"):
            problems.add(path, "BUTTON_COMPONENT_INVALID", "A custom id and url cannot both be specified")


def _check_select(select: JSON, problems: Problems, path: Path, _names: set[str]) -> None:
    problems.length((*path, "custom_id"), select.get("custom_id"), 1, 100)
    if select.get("placeholder"):
        problems.length((*path, "placeholder"), select["placeholder"], 1, 150)
    problems.number((*path, "min_values"), select.get("min_values"), 0, 25)
    problems.number((*path, "max_values"), select.get("max_values"), 1, 25)
    if select["type"] == STRING_SELECT:
        check_picks(select.get("options") or [], problems, (*path, "options"), 1, 25)


def check_picks(options: list[JSON], problems: Problems, path: Path, least: int, most: int) -> None:
    """Options of a select, a radio group or a group of checkboxes."""
    if not least <= len(options) <= most:
        problems.add(path, "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length.")
    values = [option.get("value") for option in options]
    if len(values) != len(set(values)):
        problems.add(path, "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", "The specified value is duplicated")
    for index, option in enumerate(options):
        problems.length((*path, index, "label"), option.get("label"), 1, 100)
        problems.length((*path, index, "value"), option.get("value"), 1, 100)
        if option.get("description"):
            problems.length((*path, index, "description"), option["description"], 1, 100)


def _check_embeds(embeds: list[JSON], problems: Problems) -> None:
    if len(embeds) > 10:
        problems.add(("embeds",), "BASE_TYPE_BAD_LENGTH", "Must be 10 or fewer in length.")
    total = 0
    for index, embed in enumerate(embeds):
        fields = embed.get("fields") or []
        texts: list[tuple[Path, Any, int]] = [
            (("title",), embed.get("title"), 256),
            (("description",), embed.get("description"), 4096),
            (("footer", "text"), (embed.get("footer") or {}).get("text"), 2048),
            (("author", "name"), (embed.get("author") or {}).get("name"), 256),
        ]
        for number, entry in enumerate(fields):
            texts.append((("fields", number, "name"), entry.get("name") or "", 256))
            texts.append((("fields", number, "value"), entry.get("value") or "", 1024))
        for path, text, most in texts:
            if text is not None:
                problems.length(("embeds", index, *path), text, 0, most)
                total += len(text)
        if len(fields) > 25:
            problems.add(("embeds", index, "fields"), "BASE_TYPE_BAD_LENGTH", "Must be 25 or fewer.")
    if total > 6000:
        problems.add(("embeds",), "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of 6000")


def _check_mentions(allowed: JSON | None, problems: Problems) -> None:
    if not allowed:
        return
    parse = allowed.get("parse") or []
    if not set(parse) <= {"users", "roles", "everyone"}:
        problems.add(("allowed_mentions", "parse"), "BASE_TYPE_CHOICES", "Value must be a mention type.")
    for field in ("users", "roles"):
        if field in parse and allowed.get(field):
            message = f'parse:["{field}"] and {field}: [ids...] are mutually exclusive.'
            problems.add(("allowed_mentions",), "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", message)
        if len(allowed.get(field) or []) > 100:
            problems.add(("allowed_mentions", field), "BASE_TYPE_MAX_LENGTH", "Must be 100 or fewer.")


def _check_attachments(attachments: list[JSON], problems: Problems) -> None:
    for index, attachment in enumerate(attachments):
        if attachment.get("description"):
            problems.length(("attachments", index, "description"), attachment["description"], 1, 1024)


def check_deferral(data: JSON) -> None:
    """With a deferred answer the only flag is EPHEMERAL."""
    if int(data.get("flags") or 0) & ~EPHEMERAL:
        problems = Problems()
        message = "Only EPHEMERAL may be set with a deferred response."
        problems.add(("data", "flags"), "MESSAGE_FLAGS_INVALID", message)
        problems.raise_if_any()


def is_v2(flags: int) -> bool:
    return bool(flags & COMPONENTS_V2)


def check_modal(data: JSON) -> None:
    """Raise 50035 with all mistakes of a modal."""
    problems = Problems()
    problems.length(("data", "custom_id"), data.get("custom_id"), 1, 100)
    problems.length(("data", "title"), data.get("title"), 1, 45)
    components = data.get("components") or []
    if not 1 <= len(components) <= 5:
        problems.add(("data", "components"), "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.")
    for index, component in enumerate(components):
        _check_in_modal(component, problems, ("data", "components", index))
    _check_unique(list(walk(components)), problems)
    problems.raise_if_any()


def _check_in_modal(component: JSON, problems: Problems, path: Path) -> None:
    kind = component.get("type")
    if kind == TEXT:
        _check_text(component, problems, path, set())
    elif kind == ROW:
        children = component.get("components") or []
        if [child.get("type") for child in children] != [TEXT_INPUT]:
            problems.add((*path, "components"), "UNION_TYPE_CHOICES", "A row in a modal holds one text input")
        for index, child in enumerate(children):
            problems.length((*path, "components", index, "label"), child.get("label"), 1, 45)
            _check_answerable(child, problems, (*path, "components", index))
    elif kind == LABEL:
        _check_label(component, problems, path)
    else:
        problems.add(
            (*path, "type"), "UNION_TYPE_CHOICES", "Value of field 'type' must be one of (1, 10, 18)."
        )


def _check_label(label: JSON, problems: Problems, path: Path) -> None:
    problems.length((*path, "label"), label.get("label"), 1, 45)
    if label.get("description"):
        problems.length((*path, "description"), label["description"], 1, 100)
    inner = label.get("component") or {}
    place = (*path, "component")
    if inner.get("type") not in IN_LABEL:
        problems.add((*place, "type"), "UNION_TYPE_CHOICES", f"Must be one of {sorted(IN_LABEL)}.")
        return
    if inner.get("label") is not None:
        problems.add((*place, "label"), "COMPONENT_LABEL_TWICE", "The label stands on the Label component")
    _check_answerable(inner, problems, place)


def _check_answerable(component: JSON, problems: Problems, path: Path) -> None:
    """A component of a modal that people fill in."""
    kind = component.get("type")
    problems.length((*path, "custom_id"), component.get("custom_id"), 1, 100)
    if component.get("disabled"):
        problems.add((*path, "disabled"), "COMPONENT_DISABLED_IN_MODAL", "Nothing is disabled in a modal")
    if kind == TEXT_INPUT:
        _check_text_input(component, problems, path)
    elif kind in SELECTS:
        _check_select(component, problems, path, set())
    elif kind == RADIO:
        check_picks(component.get("options") or [], problems, (*path, "options"), 2, 10)
    elif kind in (CHECKBOXES, FILE_UPLOAD):
        problems.number((*path, "min_values"), component.get("min_values"), 0, 10)
        problems.number((*path, "max_values"), component.get("max_values"), 1, 10)
        if kind == CHECKBOXES:
            check_picks(component.get("options") or [], problems, (*path, "options"), 1, 10)
    if component.get("required", True) and component.get("min_values") == 0:
        message = "min_values is omitted or at least 1 where an answer is required"
        problems.add((*path, "min_values"), "COMPONENT_REQUIRED_MIN_VALUES", message)


def _check_text_input(text: JSON, problems: Problems, path: Path) -> None:
    if text.get("style") not in (1, 2):
        problems.add((*path, "style"), "BASE_TYPE_CHOICES", "Value must be one of (1, 2).")
    problems.number((*path, "min_length"), text.get("min_length"), 0, 4000)
    problems.number((*path, "max_length"), text.get("max_length"), 1, 4000)
    if text.get("value"):
        most = min(4000, text.get("max_length") or 4000)
        problems.length((*path, "value"), text["value"], min(text.get("min_length") or 0, most), most)
    if text.get("placeholder"):
        problems.length((*path, "placeholder"), text["placeholder"], 1, 100)


def text_of(components: list[JSON]) -> str:
    """All that stands to be read in components: texts, in reading order, one per line."""
    return "\n".join(c["content"] for c in walk(components) if c.get("type") == TEXT)
