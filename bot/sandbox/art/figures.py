"""Every figure that can be drawn, by the name the prompt's words lead to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image

from bot.sandbox.art import animals, things
from bot.sandbox.art.animals import Draw, Look
from bot.sandbox.art.brush import Canvas, Pen


@dataclass(frozen=True, slots=True)
class Figure:
    """`size` is its height (1: a sitting fox's), `half` its half-width in its own units.

    `stance`: ground stands, sky hovers, water floats on or swims in it.
    """

    draw: Draw
    size: float = 1.0
    half: float = 0.5
    stance: str = "ground"


FIGURES: Mapping[str, Figure] = {
    **{name: Figure(animals.sitting(name), half=0.62) for name in animals.COATS},
    "rabbit": Figure(animals.sitting("rabbit"), 0.85, 0.45),
    "mouse": Figure(animals.sitting("mouse"), 0.7, 0.6),
    "bird": Figure(animals.bird, 0.55, 0.62),
    "owl": Figure(animals.owl, 0.85, 0.48),
    "penguin": Figure(animals.penguin, 0.95, 0.46),
    "fish": Figure(animals.fish, 0.8, 0.82, "water"),
    "whale": Figure(animals.whale, 0.95, 1.22, "water"),
    "horse": Figure(animals.horse, 1.12, 0.8),
    "unicorn": Figure(animals.unicorn, 1.12, 0.8),
    "deer": Figure(animals.deer, 1.1, 0.8),
    "elephant": Figure(animals.elephant, 1.2, 0.95),
    "turtle": Figure(animals.turtle, 0.6, 0.9),
    "butterfly": Figure(animals.butterfly, 0.6, 0.66, "sky"),
    "dragon": Figure(animals.dragon, 1.2, 0.85),
    "person": Figure(things.person, 1.15, 0.32),
    "girl": Figure(things.girl, 1.15, 0.32),
    "astronaut": Figure(things.astronaut, 1.1, 0.38),
    "robot": Figure(things.robot, 1.1, 0.42),
    "car": Figure(things.car, 0.85, 0.8),
    "boat": Figure(things.boat, 1.05, 0.68, "water"),
    "train": Figure(things.train, 0.95, 0.74),
    "rocket": Figure(things.rocket, 1.25, 0.38, "sky"),
    "balloon": Figure(things.balloon, 0.95, 0.42, "sky"),
    "house": Figure(things.house, 1.2, 0.5),
    "castle": Figure(things.castle, 1.15, 0.56),
    "lighthouse": Figure(things.lighthouse, 1.45, 0.95),
    "tower": Figure(things.tower, 1.4, 0.28),
    "monolith": Figure(things.monolith, 1.2, 0.28),
    "tree": Figure(things.tree, 1.35, 0.46),
    "cherry": Figure(things.cherry, 1.35, 0.46),
    "pine": Figure(things.pine, 1.35, 0.38),
    "palm": Figure(things.palm, 1.35, 0.5),
    "flower": Figure(things.flower, 1.05, 0.38),
    "mushroom": Figure(things.mushroom, 0.85, 0.5),
    "cactus": Figure(things.cactus, 1.1, 0.38),
    "cup": Figure(things.cup, 0.8, 0.58),
    "snowman": Figure(things.snowman, 1.05, 0.44),
    "planet": Figure(things.planet, 1.0, 0.72, "sky"),
    "totem": Figure(things.totem, 1.1, 0.36),
}

ABOVE, BELOW = 1.36, 0.16
"""How far a sprite reaches over the figure's head line and under its feet, in its own units."""


def sprite(name: str, height: float, look: Look, *, flip: bool = False) -> Image.Image:
    """The figure alone on transparency; `height` is that of one unit, in pixels."""
    figure = FIGURES[name]
    width, tall = math.ceil(height * figure.half * 2.1) + 2, math.ceil(height * (ABOVE + BELOW)) + 2
    canvas = Canvas(width, tall)
    figure.draw(Pen(canvas, width / 2, 1 + height * ABOVE, height, flip), look)
    return canvas.image
