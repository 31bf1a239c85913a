"""Long tables of cases: a sample of each is tried by `make test`, all of it by `make test-long`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def a_sample(cases: Iterable[Any], every: int) -> list[Any]:
    """The cases as parameters; all but each `every`-th are marked `long`."""
    return [
        case
        if number % every == 0
        else pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.long)
        for number, case in enumerate(cases)
    ]
