"""The known name that a misspelt one was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The closest of `known` in any case, None where none is at least `cutoff` (0..1) close.

    Closeness is difflib's ratio. Letters in the wrong order after a right first one count as almost the same:
    difflib finds "fsp" and "fps" only two thirds alike.
    """
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(folded := word.casefold()[:200])
    best, best_closeness = None, 0.0
    for name in known:
        closeness = _closeness(matcher, folded, name.casefold(), cutoff)
        if closeness > best_closeness:
            best, best_closeness = name, closeness
    return best


def _closeness(matcher: SequenceMatcher[str], word: str, name: str, cutoff: float) -> float:
    if word[:1] == name[:1] and sorted(word) == sorted(name):
        return 1.0 if word == name else 0.95
    matcher.set_seq1(name)
    if matcher.real_quick_ratio() < cutoff or matcher.quick_ratio() < cutoff:
        return 0.0
    return ratio if (ratio := matcher.ratio()) >= cutoff else 0.0
