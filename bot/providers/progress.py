"""How far a prediction is, from what its model writes to its log."""

from __future__ import annotations

import re

TAIL = 8192
"""Characters looked at: a log of a megabyte costs no more than its end."""

_BAR = re.compile(r"\s*([0-9]{1,3})%\s*\|.+?\|\s*[0-9]+/[0-9]+")
_LINE_END = re.compile(r"[\r\n]+")


def parse_progress(logs: str) -> float | None:
    """The share done, 0..1, by the last tqdm bar; None where there is none.

    The rule is that of Replicate's own clients (`Progress.parse` in replicate-python), but "\\r" ends a line
    too: tqdm redraws its bar in place, and the first of such a line would count instead of the last. With a
    model that runs several bars one after another it falls back to 0.
    """
    lines = _LINE_END.split(logs[-TAIL:])
    if len(logs) > TAIL:
        del lines[0]  # cut in two: "33%|" may stand there as "3%|"
    for line in reversed(lines):
        if bar := _BAR.match(line):
            return min(int(bar[1]) / 100, 1.0)
    return None
