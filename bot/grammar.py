"""Typed text -> command and options, and back. Pure.

    /animate start:a red fox end:"a blue whale: deep" fps:12 pingpong

A value runs to the next known key: a key of the model's at the start of a word, with a colon right behind it.
Text in front of the first key is the main prompt. Any other `word:` is text, unless it looks like a misspelt
key, or is another command's with a value right behind it; then it is passed on as one, so that `check` names
it along with every other mistake. A value in quotes protects what it holds. A yes-or-no option may stand
bare. Lists are parted by | or made by repeating the key.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import PurePosixPath

from bot.catalogue import Catalogue, Input, Kind, Model, Type
from bot.catalogue.checking import LIST_SEPARATOR
from bot.catalogue.nearest import nearest
from bot.catalogue.values import is_link, match_choice
from bot.errors import BadOrder, Problem
from bot.jobs import FileRef, Json, Option

MISSPELT = 0.8
"""How close (0..1) an unknown `word:` must come to a known key to be taken for it."""

COMMON_KEYS = ("duration", "model", "negative", "quality", "ratio", "resolution", "shape")
"""What people try as keys, whether or not any model has them."""

LONGEST_KEY = 40
WORDS_OF_A_CHOICE = 8
ONE_WORD = (Type.INTEGER, Type.NUMBER, Type.BOOLEAN)

CLOSING = {
    '"': '"',
    "'": "'",
    "“": "”",
    "”": "”",
    "„": "“”",
    "«": "»",
    "»": "«",
    "‘": "’",
    "’": "’",
    "‚": "‘’",
}
"""Opening quotes and what may close each. German opens „so“, Swedish ”so”, Danish »so«."""

_KEY = re.compile(r"(?<!\S)([A-Za-z][A-Za-z0-9_-]*+)[:：](?!//)")
_WORD = re.compile(r"\S+")
_BLANKS = re.compile(r"\s*")
_ESCAPED = re.compile(r"\\([\\\"'“”„«»‘’‚])")
# Up to the first closing quote at a word's end, over escaped ones; possessive, so that it takes linear time.
_QUOTED = {
    opening: re.compile(rf"(?s)((?:[^\\{closing}]|\\.|[{closing}](?!\s|\Z))*+)[{closing}]")
    for opening, closing in CLOSING.items()
}


@dataclass(frozen=True, slots=True)
class Typed:
    """A command as somebody typed it. Options are under the keys they wrote; values are text, bare ones True.

    Text that belongs to no option stands under an empty key, which `bot.catalogue.check` refuses.
    """

    command: str
    model: Model
    options: tuple[Option, ...]


def parse(text: str, catalogue: Catalogue) -> Typed:
    """Take a typed command apart. BadOrder(not_a_command | unknown_command) where it names no model."""
    plain = without_slack_escapes(text)
    first = re.match(r"\s*(/?)(\S+)", plain)
    if not first:
        raise BadOrder([Problem("not_a_command")])
    try:
        model = catalogue.find(first[2])
    except BadOrder as error:
        if first[1] or error.problems[0].facts["nearest"]:
            raise
        raise BadOrder([Problem("not_a_command")]) from error
    pieces = tuple(_Reader(model, plain[first.end() :], _keys_of_any(catalogue)).pieces())
    return Typed(model.command, model, tuple(_claimed(model, pieces)))


def _keys_of_any(catalogue: Catalogue) -> frozenset[str]:
    return frozenset(COMMON_KEYS).union(*(map(str.lower, model.keys()) for model in catalogue))


# -- Slack's escapes: https://docs.slack.dev/messaging/formatting-message-text

_SLACK = re.compile(
    r"&(?P<entity>amp|lt|gt);"
    r"|<(?P<link>(?:https?://|mailto:|tel:)[^\s<>|]+)(?:\|[^<>]*)?>"
    r"|<(?P<sigil>[@#!])(?P<id>[^\s<>|]+)(?:\|(?P<label>[^<>]*))?>"
)
_LOOKS_ESCAPED = re.compile(r"&(?:amp|lt|gt);|<(?:[@#!]|https?://|mailto:|tel:)")
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">"}


def without_slack_escapes(text: str) -> str:
    """`&amp;` as `&`, `<https://a.example|label>` as the address, `<@U1|ann>` and `<#C1>` as @ann and #C1."""
    return _SLACK.sub(_plain, text)


def _plain(match: re.Match[str]) -> str:
    if match["entity"]:
        return _ENTITIES[match["entity"]]
    if match["link"]:
        return without_slack_escapes(match["link"].removeprefix("mailto:").removeprefix("tel:"))
    sigil = "#" if match["sigil"] == "#" else "@"
    return sigil + without_slack_escapes(match["label"] or match["id"]).lstrip("@#")


def _escaped_for_slack(text: str) -> str:
    if not _LOOKS_ESCAPED.search(text):
        return text
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


# -- reading


@dataclass(frozen=True, slots=True)
class _Piece:
    """A key as written and its value; text without a key has "". `leads`: it comes before all keys."""

    key: str
    value: str | bool
    leads: bool = False


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where a key stands in the text, and where its value begins."""

    start: int
    end: int
    key: str


class _Reader:
    """Cuts the text behind the command into pieces, in time linear in its length."""

    def __init__(self, model: Model, text: str, keys_of_any: Set[str]) -> None:
        self.model = model
        self.text = text
        self.flags = _flags(model)
        self.marks = list(_marks(model, text, keys_of_any))
        self.starts = [mark.start for mark in self.marks]
        self.quoted_starts = self._starts_by_quote()
        self.hopeless: dict[str, int] = {}

    def pieces(self) -> Iterator[_Piece]:
        key, at = "", 0
        while True:
            value, after = self._quoted(at)
            following = bisect.bisect_left(self.starts, after)
            end = self.starts[following] if following < len(self.starts) else len(self.text)
            yield from self._section(key, value, self.text[after:end], leads=at == 0)
            if end == len(self.text):
                return
            key, at = self.marks[following].key, self.marks[following].end

    def _section(self, key: str, quoted: str | None, raw: str, *, leads: bool) -> Iterator[_Piece]:
        if quoted is not None:
            yield _Piece(key, quoted, leads)
        elif key:
            entry = self.model.input(key)
            value, raw = self._split(entry, raw)
            yield from (_Piece(key, item) for item in _items(entry, value))
        yield from self._loose(raw, leads=leads and quoted is None)

    def _split(self, entry: Input | None, raw: str) -> tuple[str, str]:
        """The value of a key, and what stands behind it in its section."""
        words = list(_WORD.finditer(raw))
        if not words:
            return "", ""
        count = self._length(entry, raw, words)
        value = raw[words[0].start() : words[count - 1].end()]
        if entry and (entry.type in ONE_WORD or (entry.is_file and is_link(value))):
            value = value.rstrip(",;")
        return value, raw[words[count - 1].end() :]

    def _length(self, entry: Input | None, raw: str, words: Sequence[re.Match[str]]) -> int:
        """How many words belong to the value; at least one."""
        if entry and entry.type in ONE_WORD:
            return 1
        if entry and entry.is_file and is_link(words[0][0]):
            return _length_of_links(words)
        if entry and entry.choices and (count := _length_of_choice(entry, raw, words)):
            return count
        return max(1, len(words) - self._flags_at_end(words))

    def _loose(self, raw: str, *, leads: bool) -> Iterator[_Piece]:
        """What stands under no key: bare flags in front, text, bare flags at its end."""
        words = list(_WORD.finditer(raw))
        front = next((i for i, word in enumerate(words) if not self._is_flag(word[0])), len(words))
        back = len(words) - self._flags_at_end(words[front:])
        yield from (_Piece(word[0], True) for word in words[:front])
        if front < back:
            yield _Piece("", raw[words[front].start() : words[back - 1].end()], leads)
        yield from (_Piece(word[0], True) for word in words[back:])

    def _flags_at_end(self, words: Sequence[re.Match[str]]) -> int:
        others = (i for i, word in enumerate(reversed(words)) if not self._is_flag(word[0]))
        return next(others, len(words))

    def _is_flag(self, word: str) -> bool:
        return len(word) <= LONGEST_KEY and word.lower().replace("-", "_") in self.flags

    def _quoted(self, at: int) -> tuple[str | None, int]:
        """A value in quotes and where it ends. None where it isn't one: the quotes are text then.

        The closing quote is the first at a word's end; behind it comes a key, a bare flag or nothing. What
        closes only within the next key's quotes was never closed.
        """
        start = _blanks_end(self.text, at)
        opening = self.text[start : start + 1]
        if opening not in _QUOTED or start < self.hopeless.get(opening, 0):
            return None, at
        rivals = self.quoted_starts.get(opening, [])
        rival = bisect.bisect_left(rivals, start)
        limit = rivals[rival] if rival < len(rivals) else len(self.text)
        match = _QUOTED[opening].match(self.text, start + 1, limit)
        if match and self._may_end_at(match.end()):
            return _ESCAPED.sub(r"\1", match[1]), match.end()
        # Any such quote up to there would find the same end; without this, many of them take quadratic time.
        self.hopeless[opening] = match.end() if match else limit
        return None, at

    def _may_end_at(self, position: int) -> bool:
        word = _WORD.match(self.text, behind := _blanks_end(self.text, position))
        if word is None or self._is_flag(word[0]):
            return True
        mark = bisect.bisect_left(self.starts, behind)
        return mark < len(self.starts) and self.starts[mark] == behind

    def _starts_by_quote(self) -> dict[str, list[int]]:
        """Where keys stand whose values begin with a quote that can't be a closing one."""
        starts: dict[str, list[int]] = {}
        for mark in self.marks:
            at = _blanks_end(self.text, mark.end)
            pair = self.text[at : at + 2]
            if pair[:1] in _QUOTED and pair[1:].strip():
                starts.setdefault(pair[0], []).append(mark.start)
        return starts


def _marks(model: Model, text: str, keys_of_any: Set[str]) -> Iterator[_Mark]:
    """The keys in a text, misspelt ones and other models' too, whether in quotes or not.

    Other models' only with a value right behind the colon: "quality: the best" is prose.
    """
    keys = tuple(model.keys())
    judged: dict[str, bool] = {}
    for match in _KEY.finditer(text):
        word = match[1].lower().replace("-", "_")
        if len(word) > LONGEST_KEY:
            continue
        if word not in judged:
            judged[word] = model.input(word) is not None or nearest(word, keys, cutoff=MISSPELT) is not None
        if judged[word] or (word in keys_of_any and text[match.end() : match.end() + 1].strip()):
            yield _Mark(match.start(), match.end(), match[1])


def _flags(model: Model) -> frozenset[str]:
    booleans = (entry for entry in model.inputs if entry.type is Type.BOOLEAN)
    return frozenset(key for entry in booleans for key in (entry.alias, entry.name.lower()))


def _blanks_end(text: str, at: int) -> int:
    match = _BLANKS.match(text, at)
    return match.end() if match else at


def _length_of_choice(entry: Input, raw: str, words: Sequence[re.Match[str]]) -> int:
    """All words if they mean a choice; else as many as are one in full; else as many as begin one; else 0."""
    if match_choice(raw, entry.choices) is not None:
        return len(words)
    for in_full in (True, False):
        for count in range(min(len(words), WORDS_OF_A_CHOICE), 0, -1):
            beginning = raw[words[0].start() : words[count - 1].end()]
            if match_choice(beginning, entry.choices, in_full=in_full) is not None:
                return count
    return 0


def _length_of_links(words: Sequence[re.Match[str]]) -> int:
    """One link, or several with | between them, with or without spaces."""
    count = 1
    while count < len(words) and (
        words[count - 1][0].endswith(LIST_SEPARATOR) or words[count][0].startswith(LIST_SEPARATOR)
    ):
        count += 1
    return count


def _items(entry: Input | None, value: str) -> Iterable[str]:
    if entry is None or entry.type is not Type.FILES:
        return [value]
    return [item.strip() for item in value.split(LIST_SEPARATOR) if item.strip()]


def _claimed(model: Model, pieces: Sequence[_Piece]) -> Iterator[Option]:
    """The pieces as options. Text without a key is the main prompt; where there is none, a link is the file.

    Text in front of all keys is so always, text behind a value that can't hold it ("steps:20 a fox") only
    where nothing else is.
    """
    given = {entry.name for piece in pieces if (entry := model.input(piece.key))}
    for piece in pieces:
        if piece.key:
            yield piece.key, piece.value
        elif (entry := _taker(model, piece, given)) is not None:
            given.add(entry.name)
            yield entry.alias, piece.value
        else:
            yield "", piece.value


def _taker(model: Model, piece: _Piece, given: set[str]) -> Input | None:
    if (main := model.main_input) is not None:
        return main if piece.leads or main.name not in given else None
    if not _is_one_link(piece.value):
        return None
    return next((e for e in model.inputs if e.is_file and e.required and e.name not in given), None)


def _is_one_link(value: str | bool) -> bool:
    return isinstance(value, str) and is_link(value) and len(value.split()) == 1


# -- attached files

_EXTENSIONS: Mapping[str, Kind] = {
    extension: kind
    for kind, extensions in {
        Kind.IMAGE: "png jpg jpeg jpe jfif webp gif bmp tif tiff heic heif avif",
        Kind.VIDEO: "mp4 m4v mov webm mkv avi mpg mpeg ogv 3gp",
        Kind.AUDIO: "wav mp3 m4a aac ogg oga opus flac",
    }.items()
    for extension in extensions.split()
}


def attach(model: Model, options: Sequence[Option], files: Sequence[FileRef]) -> tuple[Option, ...]:
    """The options with the attached files in them.

    A typed value that is a file's name becomes that file. The rest go to file inputs not given yet, required
    first, in the model's order, where the name's extension fits; a list takes as many as it holds. What fits
    nowhere goes to the first free input all the same, to be refused as what it is. BadOrder(too_many_files)
    where none is free.
    """
    left = list(files)
    named = [(key, _named(model, key, value, left)) for key, value in options]
    given = {entry.name for key, _ in named if (entry := model.input(key))}
    places = [e for e in model.inputs if e.is_file for _ in range(e.max_items) if e.name not in given]
    places.sort(key=lambda entry: not entry.required)
    for file in left:
        if not places:
            limit = sum(entry.max_items for entry in model.inputs if entry.is_file)
            raise BadOrder([Problem("too_many_files", None, {"limit": limit})])
        place = next((entry for entry in places if _fits(entry, file)), places[0])
        places.remove(place)
        named.append((place.alias, file))
    return tuple(named)


def _named(model: Model, key: str, value: Json, left: list[FileRef]) -> Json:
    entry = model.input(key)
    if entry is None or not entry.is_file or not isinstance(value, str):
        return value
    wanted = value.strip()
    alike = [file for file in left if file.name.strip().casefold() == wanted.casefold()]
    if not alike:
        return value
    file = next((file for file in alike if file.name.strip() == wanted), alike[0])
    left.remove(file)
    return file


def _fits(entry: Input, file: FileRef) -> bool:
    kind = _EXTENSIONS.get(PurePosixPath(file.name).suffix.removeprefix(".").lower())
    return kind is None or kind in entry.accepts


# -- writing


def write(model: Model, inputs: Mapping[str, Json]) -> str:
    """The command for these inputs, to be typed again: `parse`, `attach` and `check` give the inputs back.

    Aliases, in the model's order, quoted only where needed. A file, {"file": ..., "name": ...}, is its name.
    """
    words = [f"/{model.command}"]
    for entry in model.inputs:
        value = inputs.get(entry.name)
        items = value if isinstance(value, list | tuple) else [] if value is None else [value]
        words.extend(f"{entry.alias}:{_quoted_if_needed(model, entry, _text(item))}" for item in items)
    return " ".join(words)


def _text(value: Json) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return repr(value).removesuffix(".0")
        case FileRef():
            return value.name
        case Mapping():
            return str(value["name"])
        case _:
            return str(value)


def _quoted_if_needed(model: Model, entry: Input, text: str) -> str:
    safe = _escaped_for_slack(text)
    if not _needs_quotes(model, entry, text):
        return safe
    return '"' + safe.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _needs_quotes(model: Model, entry: Input, text: str) -> bool:
    flags = _flags(model)
    return (
        not text
        or text != text.strip()
        or text[0] in CLOSING
        or text.startswith("//")  # behind a key's colon it would look like an address
        or _KEY.search(text) is not None
        or any(word.lower().replace("-", "_") in flags for word in text.split())
        or (entry.is_file and (text[-1] in ",;" or LIST_SEPARATOR in text or len(text.split()) > 1))
    )
