"""Landscapes: sky, distance and ground behind a scene's figures, and what grows in front of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from bot.sandbox.art.animals import WHITE, Look, blossom
from bot.sandbox.art.brush import Array, Canvas, Colour, Gradient, Pen, darker, ellipse, lighter, mix, ribbon, stamp
from bot.sandbox.art.figures import ABOVE, sprite
from bot.sandbox.art.palette import Palette, shaded
from bot.sandbox.art.words import Idea, rng_of

Tick = Callable[[float], None]
"""Told how far a drawing has come, 0..1; may raise to stop it."""


@dataclass(slots=True)
class Land:
    """A landscape in the making. `back` lies behind the figures and `front` before them.

    `unit` is the shorter side in pixels, `horizon` where the sky ends, `floor` where figures stand, both in pixels.
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


def paint(land: Land, tick: Tick) -> None:
    """Draw the whole landscape."""
    _sky(land)
    tick(0.2)
    _lights(land)
    tick(0.35)
    PLACES.get(land.idea.place, _countryside)(land)
    tick(0.8)
    _haze(land)
    tick(0.9)


# -- the sky


def _sky(land: Land) -> None:
    land.back.fill(_box(0, 0, land.width, land.height), land.palette.sky[2])
    reach = land.height if land.idea.place in ("underwater", "space") else land.horizon * 1.02
    land.back.fill(_box(0, 0, land.width, reach), Gradient(land.palette.sky))
    if land.idea.place == "space":
        _nebula(land)
    if land.is_night:
        _stars(land)
    elif land.idea.place != "underwater":
        _clouds(land)


def _box(left: float, top: float, right: float, bottom: float) -> Array:
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
        line = [(float(px), float(land.height * (y + 0.06 * math.sin(i * 1.7 + y * 30)))) for i, px in enumerate(x)]
        land.back.fill(ribbon(line, [0.05 * land.unit]), colour, opacity=0.4, blur=0.035 * land.unit)


def _clouds(land: Land) -> None:
    rng, unit = land.rng, land.unit
    tone = mix(land.palette.sky[1], WHITE, 0.72)
    for _ in range(max(2, round(3 * land.width / unit))):
        x, y = rng.uniform(0, land.width), rng.uniform(0.06, 0.62) * land.horizon
        size = unit * rng.uniform(0.05, 0.1)
        for _ in range(6):
            dx, dy, r = rng.normal(0, 1.2) * size, rng.uniform(-0.35, 0.1) * size, size * rng.uniform(0.35, 0.7)
            puff = ellipse(x + dx, y + dy, r * 1.25, r * 0.62)
            land.back.fill(puff, tone, opacity=0.4, blur=unit * 0.006)
        land.back.fill(ellipse(x, y + size * 0.2, size * 2.2, size * 0.3), tone, opacity=0.4, blur=unit * 0.008)


def _lights(land: Land) -> None:
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
        beam = np.array([[x, -5], [x + wide, -5], [x + wide * 2.2 + lean, land.height * 0.8], [x + lean, land.height * 0.8]])
        land.back.fill(beam, (220, 255, 250), opacity=0.14, blur=land.unit * 0.012)


def _rainbow(land: Land) -> None:
    hues: tuple[Colour, ...] = ((232, 76, 84), (246, 150, 70), (250, 220, 90), (110, 196, 120), (90, 150, 226), (150, 110, 214))
    arc = np.linspace(math.pi, 2 * math.pi, 24)
    for i, hue in enumerate(hues):
        r = land.unit * (0.6 - 0.021 * i)
        line = [(land.width / 2 + r * math.cos(a), land.horizon + land.unit * 0.08 + r * math.sin(a)) for a in arc]
        land.back.fill(ribbon(line, [land.unit * 0.0125]), hue, opacity=0.6, blur=land.unit * 0.003)


# -- the distance


def _ridge(land: Land, y: float, swing: float, *, jagged: bool) -> Array:
    """The outline of a range of hills or peaks, down to the lower edge. `swing` in pixels."""
    rng = land.rng
    x = np.linspace(-0.02, 1.02, 160) * land.width
    along = x / land.unit
    height = np.zeros_like(x)
    for octave in range(5 if jagged else 2):
        wave = 1.6 * 2**octave
        phase, tilt = rng.uniform(0, 7), rng.uniform(0.8, 1.2)
        bump = np.abs(((along * wave * tilt + phase) % 2) - 1) * 2 - 1 if jagged else np.sin(along * wave * 2 * tilt + phase)
        height += bump * 0.52**octave
    top = y - swing * height / (1.6 if jagged else 1.4)
    return np.concatenate([np.stack([x, top], axis=1), [[x[-1], land.height + 9], [x[0], land.height + 9]]])


def _mountains(land: Land) -> None:
    tall = 1.9 if land.idea.place == "mountains" else 1.0
    mist = land.palette.sky[2]
    for depth, (lift, swing) in enumerate(((0.1, 0.1), (0.055, 0.075))):
        ridge = _ridge(land, land.horizon - lift * tall * land.unit, swing * tall * land.unit, jagged=True)
        rock = mix(land.palette.far, mist, 0.42 - 0.26 * depth)
        land.back.fill(ridge, Gradient((rock, mix(rock, mist, 0.25), mist)))
        if land.idea.season == "winter" or tall > 1:
            _snowcap(land, ridge[:-2], mix(shaded(WHITE, land.idea.time), mist, 0.3 - 0.2 * depth))


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


def hazy(picture: Image.Image, colour: Colour, share: float) -> Image.Image:
    """An RGBA picture seen through the air of that colour."""
    veil = Image.new("RGB", picture.size, colour)
    out = Image.blend(picture.convert("RGB"), veil, share)
    out.putalpha(picture.getchannel("A"))
    return out


def lit(picture: Image.Image, time: str) -> Image.Image:
    """An RGBA picture in the light of that hour; figures stay a little brighter than the land."""
    if not time:
        return picture
    shade = [v for c in shaded((255, 255, 255), time) for v in [c + (255 - c) * 2 // 5]]
    bands = [band.point([i * shade[n] // 255 for i in range(256)]) for n, band in enumerate(picture.split()[:3])]
    return Image.merge("RGBA", (*bands, picture.getchannel("A")))


def _trees(land: Land, ridge: Array, size: float, count: int, haze: float) -> None:
    """A row of trees with their feet on `ridge`; `size` in pixels."""
    kind, look = _tree_kind(land)
    models = [
        hazy(lit(sprite(kind, size * s, Look(look.colour, look.wears, i)), land.idea.time), land.palette.sky[2], haze)
        for i, s in enumerate((0.7, 0.85, 1.0))
    ]
    top = ridge[:-2]
    for x in np.sort(land.rng.uniform(0, land.width, count)):
        model = models[int(land.rng.integers(3))]
        foot = float(np.interp(x, top[:, 0], top[:, 1])) + size * 0.03
        # The middle of the picture stays free for the figures.
        if abs(x - land.width / 2) > size * 0.7 or haze > 0.3:
            stamp(land.back.image, model, x - model.width / 2, foot - model.height * ABOVE / (ABOVE + 0.16))


# -- places


def _countryside(land: Land) -> None:
    _mountains(land)
    crowd = land.width / land.unit
    far = _ridge(land, land.horizon + 0.03 * land.unit, 0.025 * land.unit, jagged=False)
    land.back.fill(far, Gradient((mix(land.palette.near, land.palette.sky[2], 0.35), land.palette.near)))
    _trees(land, far, 0.11 * land.unit, int(16 * crowd), 0.42)
    hill = _ridge(land, land.horizon + 0.085 * land.unit, 0.03 * land.unit, jagged=False)
    land.back.fill(hill, Gradient((mix(land.palette.near, land.palette.ground[0], 0.5), land.palette.ground[1])))
    _trees(land, hill, 0.24 * land.unit, int(7 * crowd), 0.16)
    _ground(land, 0.145)


def _ground(land: Land, drop: float) -> None:
    """The hill that the figures stand on, `drop` units under the horizon, and what covers it."""
    unit, top = land.unit, land.palette.ground[0]
    hill = _ridge(land, land.horizon + drop * unit, 0.014 * unit, jagged=False)
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
    bank = _ridge(land, land.floor + 0.055 * unit, 0.017 * unit, jagged=False)
    land.front.fill(bank, Gradient((lighter(land.palette.ground[0], 0.5), land.palette.ground[1])), blur=unit * 0.003)
    for _ in range(3):
        x = land.width * land.rng.choice([land.rng.uniform(0.02, 0.25), land.rng.uniform(0.75, 0.98)])
        _twig(land, x, land.height - land.rng.uniform(0.02, 0.08) * unit)


def _twig(land: Land, x: float, y: float) -> None:
    """A dry stalk with red berries, sticking out of the snow."""
    unit, rng = land.unit, land.rng
    brown = shaded((110, 78, 72), land.idea.time)
    for lean in (-0.05, 0.015, 0.07):
        tip = (x + lean * unit, y - rng.uniform(0.08, 0.14) * unit)
        land.front.fill(ribbon([(x, y), ((x + tip[0]) / 2 + lean * unit * 0.1, (y + tip[1]) / 2), tip], [unit * 0.0035, unit * 0.0015]), brown)
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
        _tuft(land.front if y > land.floor + 0.03 * unit else land.back, land, rng.uniform(0, land.width), y, unit * 0.045 * near)


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
    colours: tuple[Colour, ...] = (
        (chosen, lighter(chosen, 0.35), mix(chosen, WHITE, 0.7), darker(chosen, 0.12))
        if chosen
        else ((244, 84, 96), (255, 250, 244), (250, 196, 70), (232, 128, 198), (150, 124, 226), (255, 160, 120))
    )
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


def _forest(land: Land) -> None:
    unit, mist = land.unit, land.palette.sky[2]
    for depth in range(3):
        haze = 0.62 - 0.26 * depth
        bark = mix(shaded((104, 78, 66), land.idea.time), mist, haze)
        for _ in range(int((11 - 3 * depth) * land.width / unit)):
            x = land.rng.uniform(0, land.width)
            thick = unit * (0.012 + 0.013 * depth) * land.rng.uniform(0.7, 1.3)
            if depth < 2 or abs(x - land.width / 2) > 0.3 * unit:
                foot = land.horizon + (0.06 + 0.07 * depth) * unit
                lean = land.rng.uniform(-0.03, 0.03) * unit
                trunk = ribbon([(x, foot), (x + lean / 2, foot * 0.5), (x + lean, -20)], [thick, thick * 0.7, thick * 0.55])
                land.back.fill(trunk, Gradient((lighter(bark, 0.08), darker(bark, 0.16)), across=True))
        if depth < 2:
            ridge = _ridge(land, land.horizon + (0.04 + 0.06 * depth) * unit, 0.02 * unit, jagged=False)
            land.back.fill(ridge, Gradient((mix(land.palette.near, mist, haze * 0.8), land.palette.ground[1])))
            _trees(land, ridge, (0.14 + 0.12 * depth) * unit, 8, haze * 0.7)
    _canopy(land)
    _ground(land, 0.16)


def _canopy(land: Land) -> None:
    kind_colour = {"autumn": (220, 126, 56), "bloom": (250, 178, 200), "winter": (236, 242, 250)}.get(land.idea.season, (72, 132, 84))
    leaf = shaded(kind_colour, land.idea.time)
    for row in range(3):
        tone = mix(leaf, land.palette.sky[2], 0.4 - 0.2 * row)
        for x in np.arange(-0.05, land.width / land.unit + 0.1, 0.085):
            r = land.unit * land.rng.uniform(0.05, 0.1)
            y = land.unit * (0.075 - 0.035 * row) + land.rng.normal(0, 0.015) * land.unit
            land.back.fill(ellipse(x * land.unit, y, r, r * 0.7), tone)


def _desert(land: Land) -> None:
    _mountains(land)
    for i, drop in enumerate((0.02, 0.07, 0.13)):
        dune = _ridge(land, land.horizon + drop * land.unit, (0.03 + 0.006 * i) * land.unit, jagged=False)
        sand = mix(land.palette.near, land.palette.ground[0], i / 2)
        land.back.fill(dune, Gradient((lighter(sand, 0.2), sand, land.palette.ground[1])))
    for _ in range(4):
        x = land.width * land.rng.choice([land.rng.uniform(0.04, 0.24), land.rng.uniform(0.76, 0.96)])
        plant = hazy(lit(sprite("cactus", land.unit * land.rng.uniform(0.1, 0.22), Look()), land.idea.time), land.palette.near, 0.18)
        stamp(land.back.image, plant, x - plant.width / 2, land.horizon + 0.2 * land.unit - plant.height * 0.9)
    for _ in range(9):
        y = land.rng.uniform(land.horizon + 0.2 * land.unit, land.height)
        x, wide = land.rng.uniform(0, land.width), land.rng.uniform(0.08, 0.26) * land.unit
        land.back.fill(ellipse(x, y, wide, wide * 0.035), darker(land.palette.ground[1], 0.1), opacity=0.3, blur=land.unit * 0.004)


def _sea(land: Land) -> None:
    unit = land.unit
    land.back.fill(_box(0, land.horizon, land.width, land.height), Gradient((mix(land.palette.sky[2], land.palette.ground[0], 0.45), *land.palette.ground)))
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
    top = y - swing * (np.abs(np.sin(x / land.unit * 9 + phase)) * 1.2 + 0.4 * np.sin(x / land.unit * 23 + phase * 2))
    line = np.stack([x, top], axis=1)
    onto.fill(np.concatenate([line, [[x[-1], land.height + 9], [x[0], land.height + 9]]]), Gradient((lighter(colour, 0.12), colour)), opacity=opacity)
    foam = np.concatenate([line, (line + np.array([0, swing * 0.28]))[::-1]])
    onto.fill(foam, lighter(land.palette.ground[0], 0.6), opacity=0.5)


def _glitter(land: Land, top: float, bottom: float) -> None:
    for _ in range(70):
        y = land.rng.uniform(top, bottom)
        near = (y - top) / (bottom - top)
        wide = land.unit * (0.01 + 0.04 * near) * land.rng.uniform(0.4, 1)
        x = land.rng.uniform(0, land.width)
        land.back.fill(ellipse(x, y, wide, land.unit * (0.001 + 0.002 * near)), land.palette.light, opacity=0.45)


def _beach(land: Land) -> None:
    unit = land.unit
    water = (mix(land.palette.near, land.palette.sky[2], 0.3), land.palette.near)
    land.back.fill(_box(0, land.horizon, land.width, land.height), Gradient((*water, lighter(land.palette.near, 0.3))))
    _glitter(land, land.horizon, land.horizon + 0.14 * unit)
    sand = _ridge(land, land.horizon + 0.13 * unit, 0.012 * unit, jagged=False)
    land.back.fill(sand - np.array([0, 0.014 * unit]), WHITE, opacity=0.85)
    land.back.fill(sand, Gradient(land.palette.ground))
    for x, size in ((0.1, 0.62), (0.9, 0.5)):
        plant = lit(sprite("palm", unit * size, Look(), flip=x > 0.5), land.idea.time)
        stamp(land.back.image, plant, land.width * x - plant.width / 2, land.horizon + 0.24 * unit - plant.height * 0.9)
    for _ in range(40):
        x, y = land.rng.uniform(0, land.width), land.rng.uniform(land.horizon + 0.18 * unit, land.height)
        r = unit * land.rng.uniform(0.002, 0.005)
        land.back.fill(ellipse(x, y, r * 1.4, r), darker(land.palette.ground[1], 0.15), opacity=0.6)


def _underwater(land: Land) -> None:
    unit = land.unit
    for depth in range(3):
        ridge = _ridge(land, land.horizon + (0.04 + 0.09 * depth) * unit, 0.05 * unit, jagged=False)
        tone = mix(land.palette.far, land.palette.ground[0], 0.1 + 0.32 * depth)
        land.back.fill(ridge, Gradient((lighter(tone, 0.12), land.palette.ground[1])))
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
        line = [(x, y), (x + lean * tall * 0.5, y - tall * 0.45), (x + (lean + sway) * tall, y - tall * (1 - abs(lean) * 0.5))]
        onto.fill(ribbon(line, [land.unit * 0.011, land.unit * 0.013, land.unit * 0.006]), Gradient((lighter(colour, 0.2), darker(colour, 0.25))), opacity=0.95)


def _space(land: Land) -> None:
    unit = land.unit
    for drop, swing, tone in ((0.1, 0.03, land.palette.near), (0.16, 0.012, land.palette.ground[0])):
        ridge = _ridge(land, land.horizon + drop * unit, swing * unit, jagged=False)
        land.back.fill(ridge, Gradient((lighter(tone, 0.1), land.palette.ground[1])))
    for _ in range(int(13 * land.width / unit)):
        y = land.rng.uniform(land.horizon + 0.22 * unit, land.height)
        r = unit * land.rng.uniform(0.012, 0.05) * (0.5 + (y - land.horizon) / (land.height - land.horizon))
        x = land.rng.uniform(0, land.width)
        land.back.fill(ellipse(x, y + r * 0.06, r, r * 0.34), lighter(land.palette.ground[0], 0.25), opacity=0.7)
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
            _block(land, _box(x, foot - tall, x + wide * 0.94, foot), mix(tone, (90, 70, 110), rng.uniform(0, 0.3)), window, depth)
            x += wide
    land.back.fill(_box(0, land.horizon + 0.16 * unit, land.width, land.height), Gradient(land.palette.ground))
    road = land.palette.ground[1]
    land.back.fill(_box(0, land.horizon + 0.2 * unit, land.width, land.height), Gradient((darker(road, 0.1), darker(road, 0.3))))
    land.back.fill(_box(0, land.horizon + 0.16 * unit, land.width, land.horizon + 0.2 * unit), lighter(land.palette.ground[0], 0.2))
    for x in np.arange(0.04, land.width / unit, 0.26):
        y = land.height - 0.07 * unit
        land.back.fill(_box(x * unit, y, (x + 0.13) * unit, y + 0.012 * unit), (250, 236, 190), opacity=0.8)


def _block(land: Land, wall: Array, tone: Colour, window: Colour, depth: int) -> None:
    land.back.fill(wall, Gradient((tone, mix(tone, land.palette.sky[2], 0.35))))
    step = land.unit * 0.024
    lit_share = 0.55 if land.idea.time in ("night", "sunset") else 0.8
    for x in np.arange(wall[0, 0] + step * 0.5, wall[1, 0] - step * 0.6, step):
        for y in np.arange(wall[0, 1] + step * 0.6, wall[2, 1] - step, step * 1.25):
            if land.rng.random() < lit_share:
                pane = _box(x, y, x + step * 0.5, y + step * 0.65)
                land.back.fill(pane, window, opacity=0.3 + 0.22 * depth)


PLACES: Mapping[str, Callable[[Land], None]] = {
    "forest": _forest, "desert": _desert, "sea": _sea, "beach": _beach, "underwater": _underwater, "space": _space, "city": _city,
}  # fmt: skip


def _haze(land: Land) -> None:
    """Air over the distance, denser in fog."""
    if land.idea.place in ("space", "underwater"):
        return
    dense = 0.75 if land.idea.weather == "fog" else 0.3
    y = land.horizon + 0.05 * land.unit
    band = ellipse(land.width / 2, y, land.width * 0.8, land.unit * (0.16 if dense > 0.5 else 0.05))
    land.back.fill(band, land.palette.sky[2], opacity=dense, blur=land.unit * 0.05)


def vignette(picture: Image.Image, strength: float) -> Image.Image:
    """The corners a little darker, as a lens does; keeps an alpha channel as it is."""
    y, x = np.mgrid[-1 : 1 : 96j, -1 : 1 : 96j]
    fall = np.clip((x**2 + y**2) ** 2 * strength * 17, 0, 200).astype(np.uint8)
    mask = Image.fromarray(fall).resize(picture.size, Image.Resampling.BICUBIC)
    out = Image.composite(Image.new("RGB", picture.size, (28, 20, 52)), picture.convert("RGB"), mask)
    if picture.mode == "RGBA":
        out.putalpha(picture.getchannel("A"))
    return out
