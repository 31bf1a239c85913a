"""Models as data: load them, find one, check what somebody asks of it, read what it makes.

schema.py     what a model's entry may say
models/       one TOML file a command
loading.py    files -> Catalogue
checking.py   options as people give them -> inputs as the model wants them
values.py     one value of one input
nearest.py    the name that a misspelt one was meant to be
outputs.py    what a model gave back -> files
docs.py       the catalogue as a page and as a listing
"""

from __future__ import annotations

from bot.catalogue.checking import check
from bot.catalogue.loading import Catalogue, load
from bot.catalogue.outputs import Outputs, read_output
from bot.catalogue.schema import Input, Kind, Model, OutputShape, Part, Scalar, Shape, Type
from bot.catalogue.values import Value

__all__ = [
    "Catalogue",
    "Input",
    "Kind",
    "Model",
    "OutputShape",
    "Outputs",
    "Part",
    "Scalar",
    "Shape",
    "Type",
    "Value",
    "check",
    "load",
    "read_output",
]
