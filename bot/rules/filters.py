"""What may not be asked for, however it is written. Pure.

A blocked word is found in any case, with any accents, with look-alike letters of other scripts, digits or
signs in place of letters, with letters doubled, and with blanks, points or invisible characters between its
letters: what Unicode's security mechanisms (UTS 39) call a skeleton, of the letters that matter for that. It
stands for itself and no part of a longer word: "ass" is not found in "classic", but in "a.s s" it is. In
scripts that put no blanks between words it is found anywhere. Patterns are regular expressions of RE2, whose
time grows with the length of a text and nothing else, so that none can be made to hang.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable

import re2

LONGEST_PATTERN = 200

LOOK_ALIKES = str.maketrans(
    {
        # Cyrillic and Greek letters that look like Latin ones, after case folding
        **dict(zip("авекмнорстухіјѕԁԛԝһӏ", "abekmhopctyxijsdqwhl", strict=True)),
        **dict(zip("αβεηικμνορτυχω", "abenikuvoptyxw", strict=True)),
        **dict(zip("013457892", "oleastbgz", strict=True)),
        # Small capitals, letters of phonetic alphabets, Armenian ones
        **dict(zip("ɑʙᴄᴅᴇꜰɡɢʜɪɩᴊᴋʟᴍɴᴏᴘʀꭇꜱᴛᴜᴠᴡʏᴢօսհցո", "abcdefgghiijklmnoprrstuvwyzouhgn", strict=True)),
        "ı": "i",
        "ł": "l",
        "ø": "o",
        "đ": "d",
        "ß": "ss",
        "æ": "ae",
        "œ": "oe",
    }
)

SIGNS = str.maketrans(dict(zip("$@!|+€", "saiite", strict=True)))
"""Signs in place of letters, where they are not what they are: both are looked at."""

ONE_FOR_ANOTHER = str.maketrans({"l": "i", "v": "u", "z": "s", "q": "g"})
"""Letters that stand for one another in such writing: 1 is i or l, 5 and 2 are s or z."""

UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Thai, Lao, Burmese, Khmer, Kana and Han: scripts without blanks between words."""

_IS_UNSPACED = re.compile(f"[{UNSPACED}]")


INVISIBLE = frozenset({"Mn", "Me", "Cf", "Co", "Cs"})
"""Unicode's categories of combining marks, format characters such as the zero-width ones, private use, and
halves of characters."""

FILLERS = "\u115f\u1160\u3164\uffa0"
"""Letters that show nothing: fillers of Hangul."""

AT_ONCE = 50
"""Words that one automaton looks for: it must fit RE2's memory."""


class BadPattern(ValueError):
    """No pattern that can be used; the message says why."""


def skeleton(text: str, *, signs: bool = False) -> str:
    """What the text looks like: folded letters in words, one blank wherever anything else stood.

    With `signs`, those that can stand for a letter do.
    """
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    shown = "".join(one for one in plain if unicodedata.category(one) not in INVISIBLE and one not in FILLERS)
    letters = (shown.translate(SIGNS) if signs else shown).translate(LOOK_ALIKES).translate(ONE_FOR_ANOTHER)
    return " ".join(re.sub(r"[\W_]+", " ", letters).split())


def check_word(text: str) -> bool:
    """Whether anything is left of it to look for."""
    return len(skeleton(text).replace(" ", "")) >= 2 or bool(_IS_UNSPACED.search(text))


def check_pattern(text: str) -> None:
    """BadPattern where it can't be used."""
    if len(text) > LONGEST_PATTERN:
        raise BadPattern(f"longer than {LONGEST_PATTERN} characters")
    try:
        pattern = _compiled(text)
    except UnicodeEncodeError:
        raise BadPattern("it holds half a character") from None
    except re2.error as error:
        reason = error.args[0] if error.args else "not understood"
        raise BadPattern(reason.decode() if isinstance(reason, bytes) else str(reason)) from None
    if pattern.search("") is not None:
        raise BadPattern("it fits every text")


def _compiled(text: str) -> re2._Regexp:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = 1 << 20
    return re2.compile(text, options)


class Filter:
    """The blocked words and patterns of one place, compiled once."""

    __slots__ = ("_patterns", "_words")

    def __init__(self, words: Iterable[str], patterns: Iterable[str]) -> None:
        """Both as they were checked before."""
        forms = sorted({form for word in words if (form := _form(word))})
        groups = [forms[first : first + AT_ONCE] for first in range(0, len(forms), AT_ONCE)]
        self._words = [_compiled("|".join(group)) for group in groups]
        self._patterns = [_compiled(pattern) for pattern in patterns]

    def finds(self, text: str) -> bool:
        """Whether any of them is in it."""
        if self._words:
            looks = {skeleton(text), skeleton(text, signs=True)}
            if any(one.search(look) is not None for one in self._words for look in looks):
                return True
        plain = unicodedata.normalize("NFKC", text).encode("utf-8", "replace").decode()
        return any(one.search(plain) is not None for one in self._patterns)


def _form(word: str) -> str:
    """What its skeleton looks like wherever it stands: each letter at least as often, blanks between any."""
    letters = (skeleton(word) or skeleton(word, signs=True)).replace(" ", "")
    runs = [(letter, len(list(run))) for letter, run in itertools.groupby(letters)]
    spelled = " ?".join(f"{one}(?: ?{one}){{{count - 1},}}" for one, count in runs)
    return spelled if not spelled or _IS_UNSPACED.search(letters) else f"(?:^| )(?:{spelled})(?:$| )"
