"""A landscape in the making: its sky, its distance and the air between."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from bot.sandbox.art.animals import WHITE, Look
from bot.sandbox.art.brush import Array, Canvas, Colour, Gradient, ellipse, mix, ribbon, stamp
from bot.sandbox.art.figures import ABOVE, sprite
from bot.sandbox.art.filters import hazy, lit
from bot.sandbox.art.palette import Palette, shaded
from bot.sandbox.art.words import Idea, rng_of


@dataclass(slots=True)
class Land:
    """A landscape in the making. `back` lies behind the figures and `front` before them.

    All in pixels: `unit` is the shorter side, `horizon` where the sky ends, `floor` where figures stand.
    """

    width: int
    height: int
    idea: Idea
    palette: Palette
    rng: np.random.Generator
    seed: int
    back: Canvas = field(init=False)
    front: Canvas = field(init=False)

    def __post_init__(self) -> None:
        self.back = Canvas(self.width, self.height)
        self.front = Canvas(self.width, self.height)

    @property
    def unit(self) -> float:
        return float(min(self.width, self.height))

    @property
    def horizon(self) -> float:
        return self.height * (0.6 if self.idea.place not in ("sea", "beach") else 0.56)

    @property
    def floor(self) -> float:
        return self.height - 0.15 * self.unit if self.idea.place != "sea" else self.height * 0.78

    @property
    def is_night(self) -> bool:
        return self.idea.time == "night" or self.idea.place == "space"


# -- the sky


def sky(land: Land) -> None:
    land.back.fill(box(0, 0, land.width, land.height), land.palette.sky[2])
    reach = land.height if land.idea.place in ("underwater", "space") else land.horizon * 1.02
    land.back.fill(box(0, 0, land.width, reach), Gradient(land.palette.sky))
    if land.idea.place == "space":
        _nebula(land)
    if land.is_night:
        _stars(land)
    elif land.idea.place != "underwater":
        _clouds(land)


def box(left: float, top: float, right: float, bottom: float) -> Array:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=float)


def _nebula(land: Land) -> None:
    for colour in ((206, 92, 172), (74, 132, 220), (250, 160, 120)):
        noise = _noise(land.rng, land.width, land.height, (5, 9, 19))
        mask = Image.fromarray((np.clip(noise - 0.52, 0, 1) * 300).clip(0, 150).astype(np.uint8))
        veil = Image.new("RGBA", (land.width, land.height), (*colour, 0))
        veil.putalpha(mask)
        land.back.image.alpha_composite(veil)


def _noise(rng: np.random.Generator, width: int, height: int, grids: tuple[int, ...]) -> Array:
    """Soft clouds of noise, 0..1; each grid adds detail of half the strength."""
    total, weight = np.zeros((height, width), np.float32), 0.0
    for i, grid in enumerate(grids):
        cells = rng.random((max(2, grid * height // max(width, 1)), grid), dtype=np.float32)
        layer = Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(layer) * 0.5**i
        weight += 0.5**i
    return total / weight


def _stars(land: Land) -> None:
    rng, unit = land.rng, land.unit
    for _ in range(int(110 * land.width / unit)):
        x, y = rng.uniform(0, land.width), rng.uniform(0, land.horizon * 0.95)
        radius = unit * rng.choice([0.0011, 0.0016, 0.0026], p=[0.6, 0.3, 0.1])
        land.back.fill(ellipse(x, y, radius, radius), (255, 250, 236), opacity=float(rng.uniform(0.4, 1)))
    if land.idea.stars and land.idea.season == "winter":
        _aurora(land)


def _aurora(land: Land) -> None:
    for y, colour in ((0.2, (96, 240, 180)), (0.28, (90, 190, 236)), (0.14, (170, 120, 236))):
        x = np.linspace(-0.1, 1.1, 7) * land.width
        line = [
            (float(px), float(land.height * (y + 0.06 * math.sin(i * 1.7 + y * 30))))
            for i, px in enumerate(x)
        ]
        land.back.fill(ribbon(line, [0.05 * land.unit]), colour, opacity=0.4, blur=0.035 * land.unit)


def _clouds(land: Land) -> None:
    rng, unit = land.rng, land.unit
    tone = mix(land.palette.sky[1], WHITE, 0.72)
    for _ in range(max(2, round(3 * land.width / unit))):
        x, y = rng.uniform(0, land.width), rng.uniform(0.06, 0.62) * land.horizon
        size = unit * rng.uniform(0.05, 0.1)
        for _ in range(6):
            dx, dy, r = (
                rng.normal(0, 1.2) * size,
                rng.uniform(-0.35, 0.1) * size,
                size * rng.uniform(0.35, 0.7),
            )
            puff = ellipse(x + dx, y + dy, r * 1.25, r * 0.62)
            land.back.fill(puff, tone, opacity=0.4, blur=unit * 0.006)
        land.back.fill(
            ellipse(x, y + size * 0.2, size * 2.2, size * 0.3), tone, opacity=0.4, blur=unit * 0.008
        )


def lights(land: Land) -> None:
    idea, unit = land.idea, land.unit
    if idea.place == "underwater":
        return _rays(land)
    # The same seed has its sun in the same place whatever the prompt, so that it stays there through a morph.
    side = 1 if rng_of("sun", land.seed).random() < 0.5 else -1
    x, y = land.width / 2 + side * land.width * 0.27, land.height * (0.2 if idea.time != "sunset" else 0.44)
    if idea.weather == "rainbow":
        _rainbow(land)
    if idea.place == "space":
        world = sprite("planet", unit * 0.42, Look(whim=int(land.rng.integers(4))))
        return land.back.stamp(world, x, y + unit * 0.12)
    radius = unit * (0.085 if idea.time == "sunset" else 0.062)
    for spread, strength in ((5.0, 0.16), (2.6, 0.26), (1.5, 0.4)):
        glow = ellipse(x, y, radius * spread, radius * spread)
        land.back.fill(glow, land.palette.light, opacity=strength, blur=radius * spread * 0.34)
    if idea.weather not in ("rain", "fog"):
        disk = ellipse(x, y, radius, radius)
        land.back.fill(disk, land.palette.light)
        if land.is_night:
            for dx, dy, r in ((-0.3, -0.2, 0.22), (0.3, 0.25, 0.3), (0.2, -0.4, 0.14)):
                crater = ellipse(x + dx * radius, y + dy * radius, r * radius, r * radius)
                land.back.fill(crater, (206, 210, 232), within=disk, opacity=0.7)
    return None


def _rays(land: Land) -> None:
    for _ in range(6):
        x, lean = land.rng.uniform(-0.1, 1.0) * land.width, land.rng.uniform(0.05, 0.16) * land.width
        wide = land.rng.uniform(0.02, 0.06) * land.width
        beam = np.array(
            [
                [x, -5],
                [x + wide, -5],
                [x + wide * 2.2 + lean, land.height * 0.8],
                [x + lean, land.height * 0.8],
            ]
        )
        land.back.fill(beam, (220, 255, 250), opacity=0.14, blur=land.unit * 0.012)


def _rainbow(land: Land) -> None:
    hues: tuple[Colour, ...] = ((232, 76, 84), (246, 150, 70), (250, 220, 90), (110, 196, 120),
        (90, 150, 226), (150, 110, 214))  # fmt: skip
    arc = np.linspace(math.pi, 2 * math.pi, 24)
    for i, hue in enumerate(hues):
        r = land.unit * (0.6 - 0.021 * i)
        line = [
            (land.width / 2 + r * math.cos(a), land.horizon + land.unit * 0.08 + r * math.sin(a)) for a in arc
        ]
        land.back.fill(ribbon(line, [land.unit * 0.0125]), hue, opacity=0.6, blur=land.unit * 0.003)


# -- the distance


def ridge(land: Land, y: float, swing: float, *, jagged: bool) -> Array:
    """The outline of a range of hills or peaks, down to the lower edge. `swing` in pixels."""
    rng = land.rng
    x = np.linspace(-0.02, 1.02, 160) * land.width
    along = x / land.unit
    height = np.zeros_like(x)
    for octave in range(5 if jagged else 2):
        wave = 1.6 * 2**octave
        phase, tilt = rng.uniform(0, 7), rng.uniform(0.8, 1.2)
        bump = (
            np.abs(((along * wave * tilt + phase) % 2) - 1) * 2 - 1
            if jagged
            else np.sin(along * wave * 2 * tilt + phase)
        )
        height += bump * 0.52**octave
    top = y - swing * height / (1.6 if jagged else 1.4)
    return np.concatenate([np.stack([x, top], axis=1), [[x[-1], land.height + 9], [x[0], land.height + 9]]])


def mountains(land: Land) -> None:
    tall = 1.9 if land.idea.place == "mountains" else 1.0
    mist = land.palette.sky[2]
    for depth, (lift, swing) in enumerate(((0.1, 0.1), (0.055, 0.075))):
        crest = ridge(land, land.horizon - lift * tall * land.unit, swing * tall * land.unit, jagged=True)
        rock = mix(land.palette.far, mist, 0.42 - 0.26 * depth)
        land.back.fill(crest, Gradient((rock, mix(rock, mist, 0.25), mist)))
        if land.idea.season == "winter" or tall > 1:
            _snowcap(land, crest[:-2], mix(shaded(WHITE, land.idea.time), mist, 0.3 - 0.2 * depth))


def _snowcap(land: Land, crest: Array, colour: Colour) -> None:
    """Snow from the crest down, the deeper the higher the peak, with a ragged lower edge."""
    foot = crest[:, 1].max()
    ragged = np.where(np.arange(len(crest)) % 4 < 2, 0.5, 0.32) + land.rng.uniform(-0.08, 0.08, len(crest))
    lower = crest[:, 1] + (foot - crest[:, 1]) * ragged
    land.back.fill(np.concatenate([crest, np.stack([crest[:, 0], lower], axis=1)[::-1]]), colour, opacity=0.9)


def _tree_kind(land: Land) -> tuple[str, Look]:
    match land.idea.season:
        case "winter":
            return "pine", Look((74, 112, 116), "snow")
        case "bloom":
            return "cherry", Look(land.idea.flowers if land.idea.flowers else None)
        case "autumn":
            return "tree", Look((220, 126, 56))
        case _:
            return ("pine", Look()) if land.idea.place in ("mountains", "forest") else ("tree", Look())


def trees(land: Land, crest: Array, size: float, count: int, air: float) -> None:
    """A row of trees with their feet on `crest`, seen through `air` (0..1); `size` in pixels."""
    kind, look = _tree_kind(land)
    models = [
        hazy(
            lit(sprite(kind, size * s, Look(look.colour, look.wears, i)), land.idea.time),
            land.palette.sky[2],
            air,
        )
        for i, s in enumerate((0.7, 0.85, 1.0))
    ]
    top = crest[:-2]
    for x in np.sort(land.rng.uniform(0, land.width, count)):
        model = models[int(land.rng.integers(3))]
        foot = float(np.interp(x, top[:, 0], top[:, 1])) + size * 0.03
        # The middle of the picture stays free for the figures.
        if abs(x - land.width / 2) > size * 0.7 or air > 0.3:
            stamp(land.back.image, model, x - model.width / 2, foot - model.height * ABOVE / (ABOVE + 0.16))


def haze(land: Land) -> None:
    """Air over the distance, denser in fog."""
    if land.idea.place in ("space", "underwater"):
        return
    dense = 0.75 if land.idea.weather == "fog" else 0.3
    y = land.horizon + 0.05 * land.unit
    band = ellipse(land.width / 2, y, land.width * 0.8, land.unit * (0.16 if dense > 0.5 else 0.05))
    land.back.fill(band, land.palette.sky[2], opacity=dense, blur=land.unit * 0.05)
