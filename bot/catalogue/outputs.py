"""What a model gave back -> the files in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bot.catalogue.schema import Model, Part, Shape
from bot.errors import NotAPrediction
from bot.jobs import Json, Output

SHOWN = 120
FILE_SCHEMES = ("https://", "http://", "data:")


@dataclass(frozen=True, slots=True)
class Outputs:
    """The files of a result, and the failure that the model itself wrote into it, where it did."""

    files: tuple[Output, ...]
    error: str | None = None


def read_output(model: Model, output: Json) -> Outputs:
    """The files in a prediction's `output`; none where it is empty.

    A string will do where a list is due and the other way round: Cog servers give lists of one. Of a growing
    list the last item counts. Raises NotAPrediction for what has none of these shapes.
    """
    shape = model.output
    if shape.shape is Shape.OBJECT and isinstance(output, Mapping):
        files = [file for part in shape.parts for file in _files(part, output.get(part.key))]
        return Outputs(tuple(files), _error(output.get(shape.error_key)))
    files = list(_files(shape.parts[0], output))
    return Outputs(tuple(files[-1:] if shape.shape is Shape.GROWING_LIST else files))


def _files(part: Part, value: Json) -> Iterator[Output]:
    for item in value if isinstance(value, list) else [value]:
        if item is None or item == "":
            continue
        if not isinstance(item, str) or not item.lower().startswith(FILE_SCHEMES):
            raise NotAPrediction(f"{part.name} is no file: {_shortened(item)}")
        yield Output(url=item, part=part.name)


def _error(value: Json) -> str | None:
    return str(value) if value else None


def _shortened(value: Json) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
