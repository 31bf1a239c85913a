"""What moves through the air of a scene: snow, petals, rain, leaves, bubbles, fireflies, motes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from bot.sandbox.art.brush import Array, Canvas, Colour, Pen, stamp
from bot.sandbox.art.palette import shaded
from bot.sandbox.art.words import Idea


@dataclass(frozen=True, slots=True)
class Kind:
    """`size` in units of the picture's shorter side, `fall` and `sway` in units a second (negative rises)."""

    count: int
    size: tuple[float, float]
    fall: float
    sway: float
    colours: tuple[Colour, ...]
    draw: Callable[[Pen, Colour, int], None]


def _dot(pen: Pen, colour: Colour, variant: int) -> None:
    pen.oval(
        0, 0, 0.36, 0.36, colour, blur=0.02 + 0.05 * (variant % 3), opacity=(0.95, 0.85, 0.65)[variant % 3]
    )


def _petal(pen: Pen, colour: Colour, variant: int) -> None:
    pen.turn = variant * 47.0
    pen.blob(
        [(-0.45, 0, 1), (-0.1, -0.24), (0.34, -0.16), (0.3, 0.0), (0.34, 0.16), (-0.1, 0.24)],
        colour,
        opacity=0.95,
    )


def _streak(pen: Pen, colour: Colour, variant: int) -> None:
    pen.line([(0.1, -0.5), (-0.1, 0.5)], [0.012, 0.03], colour, opacity=0.55 + 0.1 * (variant % 3))


def _leaf(pen: Pen, colour: Colour, variant: int) -> None:
    pen.turn = variant * 61.0
    pen.blob([(-0.48, 0, 1), (-0.1, -0.26), (0.45, 0, 1), (-0.1, 0.26)], colour)
    pen.line([(-0.5, 0), (0.35, 0)], 0.025, (120, 70, 40), opacity=0.6)


def _bubble(pen: Pen, colour: Colour, variant: int) -> None:
    pen.oval(0, 0, 0.42, 0.42, colour, opacity=0.25)
    pen.oval(-0.14, -0.15, 0.1, 0.08, (255, 255, 255), -40, opacity=0.9)


def _glow(pen: Pen, colour: Colour, variant: int) -> None:
    pen.oval(0, 0, 0.26, 0.26, colour, blur=0.12, opacity=0.7)
    pen.oval(0, 0, 0.08, 0.08, (255, 255, 230))


KINDS: Mapping[str, Kind] = {
    "snow": Kind(150, (0.008, 0.03), 0.16, 0.025, ((255, 255, 255), (240, 246, 255)), _dot),
    "petals": Kind(
        46, (0.016, 0.034), 0.1, 0.06, ((255, 176, 200), (255, 206, 218), (250, 150, 182)), _petal
    ),
    "rain": Kind(170, (0.03, 0.07), 1.4, 0.0, ((222, 234, 250),), _streak),
    "leaves": Kind(34, (0.022, 0.042), 0.13, 0.08, ((226, 104, 46), (242, 178, 66), (190, 66, 48)), _leaf),
    "bubbles": Kind(46, (0.01, 0.034), -0.14, 0.02, ((220, 250, 255),), _bubble),
    "fireflies": Kind(34, (0.02, 0.045), -0.02, 0.05, ((255, 236, 140), (220, 255, 170)), _glow),
    "motes": Kind(26, (0.006, 0.014), -0.03, 0.04, ((255, 255, 240),), _dot),
}


def kind_of(idea: Idea) -> str:
    if idea.place == "underwater":
        return "bubbles"
    if idea.weather == "rain":
        return "rain"
    if idea.season == "winter" and idea.place != "space":
        return "snow"
    if idea.season == "bloom":
        return "petals"
    if idea.season == "autumn":
        return "leaves"
    if idea.place not in ("", "forest", "mountains"):
        return ""
    return "fireflies" if idea.time == "night" else "motes"


class Weather:
    """A shower that never ends: each particle comes in again. Positions depend on the moment only."""

    def __init__(self, idea: Idea, width: int, height: int, rng: np.random.Generator) -> None:
        self.width, self.height, self.unit = width, height, float(min(width, height))
        self.kind = KINDS.get(kind_of(idea))
        self.sprites: list[Image.Image] = []
        if self.kind is None:
            return
        count = int(self.kind.count * min(width / self.unit * height / self.unit, 2.4))
        self.depth: Array = np.sort(rng.random(count) ** 1.6)
        self.start: Array = rng.random((count, 2))
        self.phase: Array = rng.uniform(0, 2 * math.pi, count)
        self.which: Array = rng.integers(0, 9, count)
        self._draw_sprites(idea)

    def _draw_sprites(self, idea: Idea) -> None:
        assert self.kind is not None  # noqa: S101  # narrows for the type checker
        low, high = self.kind.size
        colours = [
            (*idea.flowers,) for _ in range(1) if idea.flowers and self.kind.draw is _petal
        ] or self.kind.colours
        for step in range(8):
            size = self.unit * (low + (high - low) * (step / 7) ** 2)
            for variant in range(9):
                side = max(3, math.ceil(size * 1.1) + 2)
                canvas = Canvas(side, side)
                colour = colours[variant % len(colours)]
                tone = shaded(colour, idea.time) if self.kind.draw in (_petal, _leaf) else colour
                self.kind.draw(Pen(canvas, side / 2, side / 2, max(size, 2.0)), tone, variant)
                self.sprites.append(canvas.image)

    def draw(
        self, onto: Image.Image, moment: float, *, near: bool, share: tuple[float, float] = (0.0, 1.0)
    ) -> None:
        """Let it fall through `onto` at `moment` seconds, behind the figures or (`near`) before them.

        Only particles whose place in the crowd lies within `share` are drawn, so that a shower can thin out.
        """
        if self.kind is None:
            return
        order = (self.phase / (2 * math.pi) >= share[0]) & (self.phase / (2 * math.pi) < share[1])
        chosen = np.nonzero(order & ((self.depth > 0.45) == near))[0]
        margin = 0.06 * self.unit
        speed = (0.5 + self.depth) * self.unit * moment
        span = self.height + 2 * margin
        y = (self.start[:, 1] * span + speed * self.kind.fall) % span - margin
        sway = np.sin(self.phase + moment * (1.1 + self.depth)) * self.kind.sway * self.unit
        x = (self.start[:, 0] * (self.width + 2 * margin) + sway - speed * self.kind.fall * 0.18) % (
            self.width + 2 * margin
        ) - margin
        for i in chosen:
            sprite = self.sprites[int(self.depth[i] * 7.99) * 9 + int(self.which[i])]
            stamp(onto, sprite, x[i] - sprite.width / 2, y[i] - sprite.height / 2)
