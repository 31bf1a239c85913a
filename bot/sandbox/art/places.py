"""Every kind of place: countryside, forest, desert, sea, beach, underwater, space, city."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from bot.sandbox.art.animals import WHITE, Look
from bot.sandbox.art.brush import (
    Array,
    Canvas,
    Colour,
    Gradient,
    darker,
    ellipse,
    lighter,
    mix,
    ribbon,
    stamp,
)
from bot.sandbox.art.figures import sprite
from bot.sandbox.art.filters import hazy, lit
from bot.sandbox.art.ground import ground
from bot.sandbox.art.land import Land, box, haze, lights, mountains, ridge, sky, trees
from bot.sandbox.art.palette import shaded
from bot.sandbox.art.progress import Tick


def paint(land: Land, tick: Tick) -> None:
    """Draw the whole landscape."""
    sky(land)
    tick(0.2)
    lights(land)
    tick(0.35)
    PLACES.get(land.idea.place, _countryside)(land)
    tick(0.8)
    haze(land)
    tick(0.9)


def _countryside(land: Land) -> None:
    mountains(land)
    crowd = land.width / land.unit
    far = ridge(land, land.horizon + 0.03 * land.unit, 0.025 * land.unit, jagged=False)
    land.back.fill(far, Gradient((mix(land.palette.near, land.palette.sky[2], 0.35), land.palette.near)))
    trees(land, far, 0.11 * land.unit, int(16 * crowd), 0.42)
    hill = ridge(land, land.horizon + 0.085 * land.unit, 0.03 * land.unit, jagged=False)
    land.back.fill(
        hill, Gradient((mix(land.palette.near, land.palette.ground[0], 0.5), land.palette.ground[1]))
    )
    trees(land, hill, 0.24 * land.unit, int(7 * crowd), 0.16)
    ground(land, 0.145)


def _forest(land: Land) -> None:
    unit, mist = land.unit, land.palette.sky[2]
    for depth in range(3):
        air = 0.62 - 0.26 * depth
        bark = mix(shaded((104, 78, 66), land.idea.time), mist, air)
        for _ in range(int((11 - 3 * depth) * land.width / unit)):
            x = land.rng.uniform(0, land.width)
            thick = unit * (0.012 + 0.013 * depth) * land.rng.uniform(0.7, 1.3)
            if depth < 2 or abs(x - land.width / 2) > 0.3 * unit:
                foot = land.horizon + (0.06 + 0.07 * depth) * unit
                lean = land.rng.uniform(-0.03, 0.03) * unit
                trunk = ribbon(
                    [(x, foot), (x + lean / 2, foot * 0.5), (x + lean, -20)],
                    [thick, thick * 0.7, thick * 0.55],
                )
                land.back.fill(trunk, Gradient((lighter(bark, 0.08), darker(bark, 0.16)), across=True))
        if depth < 2:
            crest = ridge(land, land.horizon + (0.04 + 0.06 * depth) * unit, 0.02 * unit, jagged=False)
            land.back.fill(crest, Gradient((mix(land.palette.near, mist, air * 0.8), land.palette.ground[1])))
            trees(land, crest, (0.14 + 0.12 * depth) * unit, 8, air * 0.7)
    _canopy(land)
    ground(land, 0.16)


def _canopy(land: Land) -> None:
    kind_colour = {"autumn": (220, 126, 56), "bloom": (250, 178, 200), "winter": (236, 242, 250)}.get(
        land.idea.season, (72, 132, 84)
    )
    leaf = shaded(kind_colour, land.idea.time)
    for row in range(3):
        tone = mix(leaf, land.palette.sky[2], 0.4 - 0.2 * row)
        for x in np.arange(-0.05, land.width / land.unit + 0.1, 0.085):
            r = land.unit * land.rng.uniform(0.05, 0.1)
            y = land.unit * (0.075 - 0.035 * row) + land.rng.normal(0, 0.015) * land.unit
            land.back.fill(ellipse(x * land.unit, y, r, r * 0.7), tone)


def _desert(land: Land) -> None:
    mountains(land)
    for i, drop in enumerate((0.02, 0.07, 0.13)):
        dune = ridge(land, land.horizon + drop * land.unit, (0.03 + 0.006 * i) * land.unit, jagged=False)
        sand = mix(land.palette.near, land.palette.ground[0], i / 2)
        land.back.fill(dune, Gradient((lighter(sand, 0.2), sand, land.palette.ground[1])))
    for _ in range(4):
        x = land.width * land.rng.choice([land.rng.uniform(0.04, 0.24), land.rng.uniform(0.76, 0.96)])
        plant = hazy(
            lit(sprite("cactus", land.unit * land.rng.uniform(0.1, 0.22), Look()), land.idea.time),
            land.palette.near,
            0.18,
        )
        stamp(
            land.back.image, plant, x - plant.width / 2, land.horizon + 0.2 * land.unit - plant.height * 0.9
        )
    for _ in range(9):
        y = land.rng.uniform(land.horizon + 0.2 * land.unit, land.height)
        x, wide = land.rng.uniform(0, land.width), land.rng.uniform(0.08, 0.26) * land.unit
        land.back.fill(
            ellipse(x, y, wide, wide * 0.035),
            darker(land.palette.ground[1], 0.1),
            opacity=0.3,
            blur=land.unit * 0.004,
        )


def _sea(land: Land) -> None:
    unit = land.unit
    land.back.fill(
        box(0, land.horizon, land.width, land.height),
        Gradient((mix(land.palette.sky[2], land.palette.ground[0], 0.45), *land.palette.ground)),
    )
    _glitter(land, land.horizon, land.height)
    rows = 6
    for i in range(rows):
        y = land.horizon + (land.floor - land.horizon) * (i + 0.6) / rows
        _wave(land, land.back, y, unit * (0.004 + 0.0022 * i), mix(*land.palette.ground, 0.2 + 0.1 * i), 0.55)
    _wave(land, land.front, land.floor - 0.004 * unit, unit * 0.014, mix(*land.palette.ground, 0.62), 0.94)
    _wave(land, land.front, land.floor + 0.07 * unit, unit * 0.02, mix(*land.palette.ground, 0.85), 0.95)
    _wave(land, land.front, land.floor + 0.14 * unit, unit * 0.024, land.palette.ground[1], 1.0)


def _wave(land: Land, onto: Canvas, y: float, swing: float, colour: Colour, opacity: float) -> None:
    x = np.linspace(-0.02, 1.02, 220) * land.width
    phase = land.rng.uniform(0, 6)
    top = y - swing * (
        np.abs(np.sin(x / land.unit * 9 + phase)) * 1.2 + 0.4 * np.sin(x / land.unit * 23 + phase * 2)
    )
    line = np.stack([x, top], axis=1)
    onto.fill(
        np.concatenate([line, [[x[-1], land.height + 9], [x[0], land.height + 9]]]),
        Gradient((lighter(colour, 0.12), colour)),
        opacity=opacity,
    )
    foam = np.concatenate([line, (line + np.array([0, swing * 0.28]))[::-1]])
    onto.fill(foam, lighter(land.palette.ground[0], 0.6), opacity=0.5)


def _glitter(land: Land, top: float, bottom: float) -> None:
    for _ in range(70):
        y = land.rng.uniform(top, bottom)
        near = (y - top) / (bottom - top)
        wide = land.unit * (0.01 + 0.04 * near) * land.rng.uniform(0.4, 1)
        x = land.rng.uniform(0, land.width)
        land.back.fill(
            ellipse(x, y, wide, land.unit * (0.001 + 0.002 * near)), land.palette.light, opacity=0.45
        )


def _beach(land: Land) -> None:
    unit = land.unit
    water = (mix(land.palette.near, land.palette.sky[2], 0.3), land.palette.near)
    land.back.fill(
        box(0, land.horizon, land.width, land.height), Gradient((*water, lighter(land.palette.near, 0.3)))
    )
    _glitter(land, land.horizon, land.horizon + 0.14 * unit)
    sand = ridge(land, land.horizon + 0.13 * unit, 0.012 * unit, jagged=False)
    land.back.fill(sand - np.array([0, 0.014 * unit]), WHITE, opacity=0.85)
    land.back.fill(sand, Gradient(land.palette.ground))
    for x, size in ((0.1, 0.62), (0.9, 0.5)):
        plant = lit(sprite("palm", unit * size, Look(), flip=x > 0.5), land.idea.time)
        stamp(
            land.back.image,
            plant,
            land.width * x - plant.width / 2,
            land.horizon + 0.24 * unit - plant.height * 0.9,
        )
    for _ in range(40):
        x, y = land.rng.uniform(0, land.width), land.rng.uniform(land.horizon + 0.18 * unit, land.height)
        r = unit * land.rng.uniform(0.002, 0.005)
        land.back.fill(ellipse(x, y, r * 1.4, r), darker(land.palette.ground[1], 0.15), opacity=0.6)


def _underwater(land: Land) -> None:
    unit = land.unit
    for depth in range(3):
        crest = ridge(land, land.horizon + (0.04 + 0.09 * depth) * unit, 0.05 * unit, jagged=False)
        tone = mix(land.palette.far, land.palette.ground[0], 0.1 + 0.32 * depth)
        land.back.fill(crest, Gradient((lighter(tone, 0.12), land.palette.ground[1])))
    corals: tuple[Colour, ...] = ((240, 116, 130), (250, 168, 96), (176, 122, 214), (250, 210, 110))
    for i in range(int(16 * land.width / unit)):
        x = land.rng.uniform(0, land.width)
        front = i % 3 == 0
        y = land.height + 0.02 * unit if front else land.horizon + land.rng.uniform(0.22, 0.34) * unit
        _weed(land, land.front if front else land.back, x, y, corals[i % 4] if i % 2 else (66, 150, 110))


def _weed(land: Land, onto: Canvas, x: float, y: float, colour: Colour) -> None:
    tall = land.unit * land.rng.uniform(0.08, 0.19)
    for lean in (-0.32, 0.0, 0.34):
        sway = land.rng.uniform(-0.1, 0.1)
        line = [
            (x, y),
            (x + lean * tall * 0.5, y - tall * 0.45),
            (x + (lean + sway) * tall, y - tall * (1 - abs(lean) * 0.5)),
        ]
        onto.fill(
            ribbon(line, [land.unit * 0.011, land.unit * 0.013, land.unit * 0.006]),
            Gradient((lighter(colour, 0.2), darker(colour, 0.25))),
            opacity=0.95,
        )


def _space(land: Land) -> None:
    unit = land.unit
    for drop, swing, tone in ((0.1, 0.03, land.palette.near), (0.16, 0.012, land.palette.ground[0])):
        crest = ridge(land, land.horizon + drop * unit, swing * unit, jagged=False)
        land.back.fill(crest, Gradient((lighter(tone, 0.1), land.palette.ground[1])))
    for _ in range(int(13 * land.width / unit)):
        y = land.rng.uniform(land.horizon + 0.22 * unit, land.height)
        r = unit * land.rng.uniform(0.012, 0.05) * (0.5 + (y - land.horizon) / (land.height - land.horizon))
        x = land.rng.uniform(0, land.width)
        land.back.fill(
            ellipse(x, y + r * 0.06, r, r * 0.34), lighter(land.palette.ground[0], 0.25), opacity=0.7
        )
        land.back.fill(ellipse(x, y, r * 0.92, r * 0.28), darker(land.palette.ground[1], 0.25), opacity=0.75)


def _city(land: Land) -> None:
    unit, rng = land.unit, land.rng
    window = (255, 226, 140) if land.idea.time in ("night", "sunset") else (226, 240, 250)
    for depth in range(3):
        tone = mix(land.palette.near, land.palette.sky[2], 0.6 - 0.25 * depth)
        x = -0.05 * unit
        while x < land.width:
            wide, tall = unit * rng.uniform(0.06, 0.14), unit * rng.uniform(0.18, 0.46) * (1 - 0.2 * depth)
            foot = land.horizon + 0.18 * unit
            _block(
                land,
                box(x, foot - tall, x + wide * 0.94, foot),
                mix(tone, (90, 70, 110), rng.uniform(0, 0.3)),
                window,
                depth,
            )
            x += wide
    land.back.fill(box(0, land.horizon + 0.16 * unit, land.width, land.height), Gradient(land.palette.ground))
    road = land.palette.ground[1]
    land.back.fill(
        box(0, land.horizon + 0.2 * unit, land.width, land.height),
        Gradient((darker(road, 0.1), darker(road, 0.3))),
    )
    land.back.fill(
        box(0, land.horizon + 0.16 * unit, land.width, land.horizon + 0.2 * unit),
        lighter(land.palette.ground[0], 0.2),
    )
    for x in np.arange(0.04, land.width / unit, 0.26):
        y = land.height - 0.07 * unit
        land.back.fill(box(x * unit, y, (x + 0.13) * unit, y + 0.012 * unit), (250, 236, 190), opacity=0.8)


def _block(land: Land, wall: Array, tone: Colour, window: Colour, depth: int) -> None:
    land.back.fill(wall, Gradient((tone, mix(tone, land.palette.sky[2], 0.35))))
    step = land.unit * 0.024
    lit_share = 0.55 if land.idea.time in ("night", "sunset") else 0.8
    for x in np.arange(wall[0, 0] + step * 0.5, wall[1, 0] - step * 0.6, step):
        for y in np.arange(wall[0, 1] + step * 0.6, wall[2, 1] - step, step * 1.25):
            if land.rng.random() < lit_share:
                pane = box(x, y, x + step * 0.5, y + step * 0.65)
                land.back.fill(pane, window, opacity=0.3 + 0.22 * depth)


PLACES: Mapping[str, Callable[[Land], None]] = {
    "forest": _forest,
    "desert": _desert,
    "sea": _sea,
    "beach": _beach,
    "underwater": _underwater,
    "space": _space,
    "city": _city,
}
