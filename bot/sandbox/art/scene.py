"""A prompt becomes a scene: a landscape, figures in it, and weather, in layers that can move."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from PIL import Image, ImageEnhance

from bot.sandbox.art.animals import COATS, Look
from bot.sandbox.art.brush import Canvas, Colour, Gradient, Pen, darker, lighter, stamp
from bot.sandbox.art.figures import ABOVE, BELOW, FIGURES, sprite
from bot.sandbox.art.filters import captioned, grained, hazy, lit, styled, tinted, vignette
from bot.sandbox.art.land import Land
from bot.sandbox.art.palette import palette_of
from bot.sandbox.art.places import paint
from bot.sandbox.art.progress import Tick
from bot.sandbox.art.weather import Weather
from bot.sandbox.art.words import Idea, Subject, rng_of, understand

HOMES: Mapping[str, tuple[str, str]] = {
    "whale": ("place", "sea"),
    "boat": ("place", "sea"),
    "fish": ("place", "underwater"),
    "turtle": ("place", "beach"),
    "rocket": ("place", "space"),
    "astronaut": ("place", "space"),
    "planet": ("place", "space"),
    "monolith": ("place", "desert"),
    "cactus": ("place", "desert"),
    "palm": ("place", "beach"),
    "penguin": ("season", "winter"),
    "snowman": ("season", "winter"),
    "cherry": ("season", "bloom"),
    "flower": ("season", "bloom"),
    "butterfly": ("season", "bloom"),
    "deer": ("place", "forest"),
    "owl": ("place", "forest"),
    "mushroom": ("place", "forest"),
    "lighthouse": ("place", "sea"),
    "car": ("place", "city"),
}
"""Where a figure is at home when the prompt doesn't say: which trait it decides, and how."""

DWELLERS: Mapping[str, str] = {
    "forest": "deer",
    "desert": "cactus",
    "sea": "boat",
    "underwater": "fish",
    "beach": "turtle",
    "space": "rocket",
    "city": "car",
    "mountains": "balloon",
    "winter": "snowman",
    "bloom": "butterfly",
    "autumn": "mushroom",
    "summer": "tree",
}
"""Who is found in a landscape that a prompt left empty, by its place or else its season."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a scene is finished. `contrast` 1 is plain; `grain` in steps of 255; `tint` with its share."""

    contrast: float = 1.0
    grain: float = 1.5
    tint: Colour | None = None
    tint_share: float = 0.0
    styles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Placed:
    """A figure in the scene: its sprite, where its feet stand (x, y), the `size` of one unit; in pixels."""

    name: str
    sprite: Image.Image
    x: float
    y: float
    size: float
    floats: bool = False

    @property
    def corner(self) -> tuple[float, float]:
        foot = self.sprite.height * ABOVE / (ABOVE + BELOW)
        return self.x - self.sprite.width / 2, self.y - foot


@dataclass(frozen=True, slots=True)
class Scene:
    """All layers, finished: `back` is RGB, `front` RGBA; figures stand between, weather falls through."""

    idea: Idea
    back: Image.Image
    front: Image.Image
    figures: tuple[Placed, ...]
    weather: Weather
    styles: tuple[str, ...]
    size: tuple[int, int]
    rootless: bool
    """The prompt names figures and says nothing of where they are."""

    def picture(self, moment: float = 0.0) -> Image.Image:
        """The scene as it looks `moment` seconds after its start, without a caption."""
        out = self.back.copy()
        self.weather.draw(out, moment, near=False)
        for figure in self.figures:
            stamp(out, figure.sprite, *figure.corner)
        stamp(out, self.front, 0, 0)
        self.weather.draw(out, moment, near=True)
        return styled(out, self.styles)

    def upon(self, ground: Image.Image, moment: float = 0.0) -> Image.Image:
        """Only the figures, on a picture of the scene's size, a little in its colour."""
        out = ground.copy()
        air = ground.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
        for figure in self.figures:
            sprite, left, top = alive(figure, moment)
            stamp(out, hazy(sprite, air, 0.1), left, top)  # type: ignore[arg-type]
        return styled(out, self.styles)


def alive(figure: Placed, moment: float) -> tuple[Image.Image, float, float]:
    """The figure's sprite as it breathes, bobs or rocks at `moment` seconds, and its left and top edge."""
    swing = math.sin(moment * 2.6 + figure.x)
    stance = FIGURES[figure.name].stance if figure.name in FIGURES else "ground"
    sprite, (left, top) = figure.sprite, figure.corner
    if figure.name == "butterfly":
        wide = max(2, round(sprite.width * (0.62 + 0.38 * abs(math.cos(moment * 4)))))
        sprite = sprite.resize((wide, sprite.height), Image.Resampling.BILINEAR)
        return sprite, figure.x - wide / 2, top + 0.05 * figure.size * swing
    if figure.floats:
        return sprite, left, top + 0.035 * figure.size * swing
    if stance == "water":
        rocked = sprite.rotate(1.8 * swing, Image.Resampling.BILINEAR)
        return rocked, left, top + 0.015 * figure.size * swing
    foot = sprite.height * ABOVE / (ABOVE + BELOW)
    tall = sprite.height * (1 + 0.007 * swing)
    sprite = sprite.resize((sprite.width, max(2, round(tall))), Image.Resampling.BILINEAR)
    return sprite, left, figure.y - foot * sprite.height / figure.sprite.height


def stage(
    prompt: str,
    width: int,
    height: int,
    seed: int,
    *,
    negative: str = "",
    manner: Manner | None = None,
    guests: Sequence[Image.Image] = (),
    dwellers: bool = True,
    tick: Tick = lambda done: None,
) -> Scene:
    """Set up the scene that `prompt` asks for, `width` by `height` pixels.

    `guests` are RGBA pictures that stand in for its figures. Without `dwellers` a prompt that names no figure
    gets none.
    """
    manner = manner or Manner()
    asked = understand(prompt, negative)
    idea = _at_home(asked, dwellers)
    land = Land(
        width,
        height,
        idea,
        palette_of(idea, seed),
        rng_of("land", seed, idea.place, idea.season, idea.essence),
        seed,
    )
    paint(land, lambda done: tick(done * 0.75))
    figures = _guests(land, guests) if guests else _figures(land, seed)
    tick(0.85)
    weather = Weather(idea, width, height, rng_of("weather", seed))
    back = _finished(vignette(land.back.image.convert("RGB"), 1.0), manner)
    back = grained(back, manner.grain, rng_of("grain", seed))
    front = _finished(vignette(land.front.image, 1.0), manner)
    finished = tuple(replace(f, sprite=_finished(f.sprite, manner)) for f in figures)
    tick(1.0)
    rootless = bool(asked.subjects or guests) and not (
        asked.place or asked.season or asked.weather or asked.time
    )
    return Scene(
        idea, back, front, finished, weather, (*idea.styles, *manner.styles), (width, height), rootless
    )


def scene(prompt: str, width: int, height: int, seed: int, negative: str = "") -> Image.Image:
    """The picture of a prompt with its caption, RGB."""
    return captioned(
        stage(prompt, width, height, seed, negative=negative).picture(), f"sandbox · seed {seed}"
    )


def _at_home(idea: Idea, dwellers: bool) -> Idea:
    """Fill what the prompt leaves open: a place to suit its subject, or somebody to suit its place."""
    if "neon" in idea.styles and not idea.time:
        idea = replace(idea, time="night")
    if not idea.subjects:
        if not dwellers:
            return idea
        dweller = DWELLERS.get(idea.place or idea.season, "owl" if idea.time == "night" else "totem")
        return replace(idea, subjects=(Subject(dweller),))
    place, value = HOMES.get(idea.subjects[0].figure, ("", ""))
    if place == "place" and not (idea.place or idea.season):
        idea = replace(idea, place=value)
    elif place == "season" and not (idea.place or idea.season):
        idea = replace(idea, season=value)
    return idea


def _finished(layer: Image.Image, manner: Manner) -> Image.Image:
    colours = layer.convert("RGB")
    if manner.contrast != 1:
        colours = ImageEnhance.Color(ImageEnhance.Contrast(colours).enhance(manner.contrast)).enhance(
            manner.contrast
        )
    if manner.tint and manner.tint_share:
        colours = tinted(colours, manner.tint, manner.tint_share)
    if layer.mode == "RGBA":
        colours.putalpha(layer.getchannel("A"))
    return colours


# -- figures


def _figures(land: Land, seed: int) -> tuple[Placed, ...]:
    idea = land.idea
    subjects = idea.subjects
    if not subjects:
        return ()
    if idea.riding and len(subjects) > 1:
        return _riders(land, subjects, seed)
    # The place in the picture depends on the seed alone, so that two prompts of one seed can share a figure.
    rng = rng_of("layout", seed)
    shift = float(rng.uniform(-0.04, 0.04)) * land.width
    room = land.width / (len(subjects) + 0.2)
    placed = []
    for i, subject in enumerate(subjects):
        x = land.width * (i + 0.5) / len(subjects) + (shift if len(subjects) == 1 else 0)
        placed.append(_placed(land, subject, x, room, i, seed))
    return tuple(placed)


def _placed(land: Land, subject: Subject, x: float, room: float, index: int, seed: int) -> Placed:
    figure = FIGURES[subject.figure]
    scale = 0.5 if index == 0 else 0.43
    size = min(
        scale * land.unit * figure.size, room / (figure.half * 2.05), (land.floor - 0.04 * land.height) / 1.1
    )
    floats = figure.stance == "sky" or (figure.stance == "water" and land.idea.place not in ("sea", "beach"))
    y = land.floor - (0.012 * land.unit * (index % 2))
    if floats:
        y = land.height * 0.5 + size * 0.5 + land.unit * (0.0, -0.13, 0.1, -0.05, 0.14)[index]
    elif subject.figure == "whale":
        y += 0.1 * size
    elif land.idea.place == "sea" and figure.stance == "ground":
        y -= 0.05 * land.unit
    rng = rng_of(
        "figure", seed, subject.figure, index, land.idea.essence if subject.figure == "totem" else ""
    )
    look = Look(subject.colour, _wears(land, subject.figure), int(rng.integers(1000)))
    flip = index % 2 == 1 or (index == 0 and bool(rng_of("flip", seed, index).random() < 0.3))
    drawn = _with_shadow(land, subject.figure, size, look, flip, floats=floats)
    return Placed(subject.figure, lit(drawn, land.idea.time), x, y, size, floats)


def _wears(land: Land, figure: str) -> str:
    dressed = figure in COATS or figure in ("person", "girl", "penguin")
    if land.idea.season == "winter":
        return "scarf" if dressed else "snow" if figure == "pine" else ""
    return "wreath" if dressed and land.idea.season == "bloom" else ""


def _with_shadow(land: Land, name: str, size: float, look: Look, flip: bool, *, floats: bool) -> Image.Image:
    drawn = sprite(name, size, look, flip=flip)
    if floats or land.idea.place == "sea":
        return drawn if floats or FIGURES[name].stance == "water" else _on_rock(land, drawn, size)
    canvas = Canvas(*drawn.size)
    shade = darker(land.palette.ground[1], 0.45)
    foot = 1 + size * ABOVE
    half = FIGURES[name].half * 0.8
    Pen(canvas, drawn.width / 2, foot, size).oval(0.02, 0.0, half, 0.045, shade, blur=0.022, opacity=0.5)
    canvas.image.alpha_composite(drawn)
    return canvas.image


def _on_rock(land: Land, drawn: Image.Image, size: float) -> Image.Image:
    """At sea, what can't swim stands on a rock."""
    canvas = Canvas(*drawn.size)
    pen = Pen(canvas, drawn.width / 2, 1 + size * ABOVE, size)
    stone = darker(land.palette.far, 0.4)
    half = max(0.34, drawn.width / size * 0.42)
    pen.blob([(-half, 0.2), (-half * 0.8, 0.03), (-half * 0.3, -0.04), (half * 0.4, -0.03),
        (half * 0.8, 0.04), (half, 0.2)], Gradient((lighter(stone, 0.12), stone)))  # fmt: skip
    canvas.image.alpha_composite(drawn)
    return canvas.image


def _riders(land: Land, subjects: Sequence[Subject], seed: int) -> tuple[Placed, ...]:
    """The first subject on the back of the second."""
    rider, mount = subjects[0], subjects[1]
    below = _placed(land, mount, land.width * 0.5, land.width * 0.9, 0, seed)
    back = {"horse": 0.63, "unicorn": 0.63, "deer": 0.63, "elephant": 0.84, "whale": 0.8, "dragon": 0.68}.get(
        mount.figure, 0.72
    )
    above = _placed(land, rider, land.width * 0.46, land.width * 0.5, 1, seed)
    lifted = replace(above, y=below.y - back * below.size + 0.13 * above.size)
    return (
        (lifted, below)
        if FIGURES[mount.figure].stance == "ground" and mount.figure != "elephant"
        else (below, lifted)
    )


def _guests(land: Land, guests: Sequence[Image.Image]) -> tuple[Placed, ...]:
    placed = []
    for i, guest in enumerate(guests):
        size = 0.62 * land.unit
        factor = min(size / guest.height, land.width / len(guests) * 0.9 / guest.width)
        small = guest.resize(
            (max(1, round(guest.width * factor)), max(1, round(guest.height * factor))),
            Image.Resampling.LANCZOS,
        )
        tall = round(small.height * (ABOVE + BELOW))
        frame = Image.new("RGBA", (small.width, tall), (0, 0, 0, 0))
        frame.paste(small, (0, round(tall * ABOVE / (ABOVE + BELOW)) - small.height))
        x = land.width * (i + 0.5) / len(guests)
        placed.append(Placed("guest", frame, x, land.floor, float(small.height)))
    return tuple(placed)
