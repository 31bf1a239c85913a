"""What the sandbox's server hands to its drawing, and what it gets back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Json: TypeAlias = Any

Report: TypeAlias = Callable[[str], None]
"""Appends text to the prediction's logs; raises Stopped once the prediction is cancelled."""


class Stopped(Exception):
    """The prediction was cancelled."""


class ModelError(Exception):
    """The model failed; the message becomes the prediction's error."""


@dataclass(frozen=True, slots=True)
class Work:
    """One prediction to compute.

    `inputs` are by the model's own names with defaults filled in, `files` the bytes of its file inputs.
    """

    command: str
    inputs: Mapping[str, Json]
    files: Mapping[str, tuple[bytes, ...]]
    seed: int


@dataclass(frozen=True, slots=True)
class Piece:
    """One file of the result; `part` is film, frame, image, audio or spectrogram."""

    part: str
    filename: str
    data: bytes
    mime: str
