"""The ground that figures stand on, and what grows or lies on it: snow, grass, flowers, leaves."""

from __future__ import annotations

import numpy as np
from PIL import Image

from bot.sandbox.art.animals import WHITE, blossom
from bot.sandbox.art.brush import Canvas, Colour, Gradient, Pen, darker, ellipse, lighter, mix, ribbon, stamp
from bot.sandbox.art.land import Land, ridge
from bot.sandbox.art.palette import shaded


def ground(land: Land, drop: float) -> None:
    """The hill that the figures stand on, `drop` units under the horizon, and what covers it."""
    unit, top = land.unit, land.palette.ground[0]
    hill = ridge(land, land.horizon + drop * unit, 0.014 * unit, jagged=False)
    land.back.fill(hill - np.array([0, 0.006 * unit]), lighter(top, 0.35), opacity=0.7)
    land.back.fill(hill, Gradient((top, mix(*land.palette.ground, 0.45), land.palette.ground[1])))
    if land.idea.season == "winter":
        _snowdrifts(land)
    elif land.idea.season == "bloom":
        _grass(land, 40)
        _flowers(land)
    elif land.idea.season == "autumn":
        _grass(land, 30)
        _fallen_leaves(land)
    else:
        _grass(land, 70)
        _flowers(land, share=0.16)


def _snowdrifts(land: Land) -> None:
    unit, shadow = land.unit, mix(land.palette.ground[1], (120, 150, 214), 0.25)
    for _ in range(7):
        x, y = land.rng.uniform(0, land.width), land.rng.uniform(land.horizon + 0.2 * unit, land.height)
        wide = land.rng.uniform(0.12, 0.3) * unit
        land.back.fill(ellipse(x, y, wide, wide * 0.09), shadow, opacity=0.4, blur=unit * 0.012)
    for _ in range(60):
        x, y = land.rng.uniform(0, land.width), land.rng.uniform(land.horizon + 0.18 * unit, land.height)
        r = unit * land.rng.uniform(0.0012, 0.003)
        land.back.fill(ellipse(x, y, r, r), WHITE, opacity=0.9)
    bank = ridge(land, land.floor + 0.055 * unit, 0.017 * unit, jagged=False)
    land.front.fill(
        bank, Gradient((lighter(land.palette.ground[0], 0.5), land.palette.ground[1])), blur=unit * 0.003
    )
    for _ in range(3):
        x = land.width * land.rng.choice([land.rng.uniform(0.02, 0.25), land.rng.uniform(0.75, 0.98)])
        _twig(land, x, land.height - land.rng.uniform(0.02, 0.08) * unit)


def _twig(land: Land, x: float, y: float) -> None:
    """A dry stalk with red berries, sticking out of the snow."""
    unit, rng = land.unit, land.rng
    brown = shaded((110, 78, 72), land.idea.time)
    for lean in (-0.05, 0.015, 0.07):
        tip = (x + lean * unit, y - rng.uniform(0.08, 0.14) * unit)
        land.front.fill(
            ribbon(
                [(x, y), ((x + tip[0]) / 2 + lean * unit * 0.1, (y + tip[1]) / 2), tip],
                [unit * 0.0035, unit * 0.0015],
            ),
            brown,
        )
        for k in (0.55, 0.8, 1.0):
            berry = (x + (tip[0] - x) * k, y + (tip[1] - y) * k)
            r = unit * 0.0085
            land.front.fill(ellipse(berry[0], berry[1], r, r), shaded((206, 50, 58), land.idea.time))
            land.front.fill(ellipse(berry[0], berry[1] - r * 0.55, r * 0.8, r * 0.4), WHITE)


def _grass(land: Land, count: int) -> None:
    unit, rng = land.unit, land.rng
    for _ in range(int(count * land.width / unit)):
        y = rng.uniform(land.horizon + 0.17 * unit, land.height + 0.02 * unit)
        near = (y - land.horizon) / (land.height - land.horizon)
        _tuft(
            land.front if y > land.floor + 0.03 * unit else land.back,
            land,
            rng.uniform(0, land.width),
            y,
            unit * 0.045 * near,
        )


def _tuft(onto: Canvas, land: Land, x: float, y: float, size: float) -> None:
    tone = mix(land.palette.ground[0], land.palette.ground[1], float(land.rng.uniform(0.25, 1)))
    for lean in land.rng.uniform(-0.5, 0.5, 3):
        tip = (x + lean * size, y - size * land.rng.uniform(0.6, 1.1))
        onto.fill(np.array([[x - size * 0.07, y], [tip[0], tip[1]], [x + size * 0.07, y]]), tone)


def _flowers(land: Land, share: float = 1.0) -> None:
    """A meadow of flowers, the farther the smaller; those below the figures' feet stand before them."""
    unit, rng = land.unit, land.rng
    heads = _flower_models(land, unit * 0.1)
    for y in np.sort(rng.uniform(0.0, 1.0, int(share * 230 * land.width / unit)) ** 0.8):
        foot = land.horizon + 0.17 * unit + y * (land.height + 0.05 * unit - land.horizon - 0.17 * unit)
        scale = 0.22 + 0.78 * y
        head = heads[int(rng.integers(len(heads)))]
        size = max(3, round(head.width * scale * rng.uniform(0.75, 1.1)))
        small = head.resize((size, size * head.height // head.width), Image.Resampling.LANCZOS)
        onto = land.front if foot > land.floor + 0.02 * unit else land.back
        stamp(onto.image, small, rng.uniform(-0.02, 1.02) * land.width - size / 2, foot - small.height)


def _flower_models(land: Land, size: float) -> list[Image.Image]:
    """A dozen flowers on their stems, `size` pixels wide."""
    chosen = land.idea.flowers
    colours: tuple[Colour, ...] = ((chosen, lighter(chosen, 0.35), mix(chosen, WHITE, 0.7),
        darker(chosen, 0.12)) if chosen else ((244, 84, 96), (255, 250, 244), (250, 196, 70),
        (232, 128, 198), (150, 124, 226), (255, 160, 120)))  # fmt: skip
    models = []
    for i in range(12):
        canvas = Canvas(max(8, round(size)), max(12, round(size * 1.7)))
        pen = Pen(canvas, canvas.width / 2, canvas.height - 1, canvas.height * 0.98)
        colour = shaded(colours[i % len(colours)], land.idea.time)
        green = darker(land.palette.ground[1], 0.06 * (i % 4))
        bend = 0.06 * (i % 3 - 1)
        pen.line([(0, 0), (bend, -0.35), (0, -0.68)], [0.014, 0.011], green)
        pen.blob([(0, -0.1, 1), (0.1, -0.27), (0.22, -0.33, 1), (0.14, -0.17)], lighter(green, 0.1))
        pen.blob([(0, -0.06, 1), (-0.1, -0.2), (-0.2, -0.24, 1), (-0.12, -0.1)], green)
        _head_of_flower(pen, i, colour)
        models.append(canvas.image)
    return models


def _head_of_flower(pen: Pen, kind: int, colour: Colour) -> None:
    match kind % 3:
        case 0:
            blossom(pen, 0, -0.76, 0.2, colour, 5)
        case 1:
            blossom(pen, 0, -0.76, 0.19, colour, 9)
        case _:
            for x, turn in ((-0.08, -16), (0.08, 16)):
                pen.oval(x, -0.76, 0.085, 0.15, darker(colour, 0.12), turn)
            pen.oval(0, -0.745, 0.085, 0.15, Gradient((lighter(colour, 0.25), colour)))


def _fallen_leaves(land: Land) -> None:
    for _ in range(int(130 * land.width / land.unit)):
        y = land.rng.uniform(land.horizon + 0.18 * land.unit, land.height)
        size = land.unit * 0.014 * (0.4 + (y - land.horizon) / (land.height - land.horizon))
        onto = land.front if y > land.floor + 0.04 * land.unit else land.back
        leaf = ellipse(land.rng.uniform(0, land.width), y, size, size * 0.45, land.rng.uniform(0, 180))
        tone = ((226, 110, 50), (240, 178, 70), (196, 72, 52), (150, 90, 56))[int(land.rng.integers(4))]
        onto.fill(leaf, shaded(tone, land.idea.time))
