"""The sandbox's models: real media, computed from the inputs with the CPU. No neural network is involved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from bot.sandbox.art.edit import cutout, erase, inpaint, pictures, restyle
from bot.sandbox.art.instruct import edit
from bot.sandbox.art.motion import animate, motion, video
from bot.sandbox.art.sound import music
from bot.sandbox.work import ModelError, Piece, Report, Work

MODELS: Mapping[str, Callable[[Work, Report], Iterator[Piece]]] = {
    "animate": animate,
    "motion": motion,
    "video": video,
    "music": music,
    "imagine": pictures,
    "draw": pictures,
    "flux": pictures,
    "fluxdev": pictures,
    "inpaint": inpaint,
    "restyle": restyle,
    "edit": edit,
    "erase": erase,
    "cutout": cutout,
}


def make(work: Work, report: Report) -> Iterator[Piece]:
    """Compute the pieces of `work` one by one, logging through `report`.

    The same work gives the same bytes. Raises ModelError where the model fails on its inputs, and whatever
    `report` raises to stop it: it is called several times a second.
    """
    model = MODELS.get(work.command)
    if model is None:
        raise ModelError(f"The sandbox has no model for {work.command!r}")
    yield from model(work, report)
