"""A picture changed as its instruction says: turned, recoloured, in other weather, lettered, and more."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

from bot.sandbox.art import filters
from bot.sandbox.art.animals import Look
from bot.sandbox.art.brush import Canvas, Colour, Pen, darker, ellipse, lighter, stamp
from bot.sandbox.art.edit import ASPECTS, image_piece, needed
from bot.sandbox.art.figures import ABOVE, BELOW, FIGURES, sprite
from bot.sandbox.art.hole import spread
from bot.sandbox.art.matte import matte
from bot.sandbox.art.progress import Bar
from bot.sandbox.art.scene import stage
from bot.sandbox.art.weather import Weather
from bot.sandbox.art.words import COLOURS, Idea, Subject, rng_of, understand, words_of
from bot.sandbox.work import Piece, Report, Work

MEGAPIXEL = 1024 * 1024


def edit(work: Work, report: Report) -> Iterator[Piece]:
    """The input picture at about a megapixel, changed by every part of the instruction that we understand."""
    put = work.inputs
    bar = Bar(report, int(put["num_inference_steps"]))
    source = needed(work, "input_image")
    picture = ImageOps.fit(source, _size(source, str(put["aspect_ratio"])), Image.Resampling.LANCZOS)
    change = Change(picture, str(put["prompt"]), work.seed)
    for i, part in enumerate(PARTS):
        part(change)
        bar.reach((i + 1) / len(PARTS))
    if not change.done:
        _add(change, understand(change.prompt).subjects or (Subject("totem"),))
    guidance = min(1.0, 0.6 + 0.16 * float(put["guidance"]))
    picture = Image.blend(change.before, change.picture, guidance)
    if not put.get("go_fast", True):
        picture = picture.filter(ImageFilter.UnsharpMask(1.5, 40, 2))
    bar.reach(1.0)
    yield image_piece(work, filters.captioned(picture, f"sandbox · seed {work.seed}"), "output")


def _size(source: Image.Image, aspect: str) -> tuple[int, int]:
    if aspect in ASPECTS:
        return ASPECTS[aspect]
    factor = math.sqrt(MEGAPIXEL / (source.width * source.height))
    width, height = (min(2048, max(256, round(side * factor / 16) * 16)) for side in source.size)
    return width, height


@dataclass(slots=True)
class Change:
    """A picture under way. `before` is what weak guidance falls back to; `done` lists what was understood."""

    picture: Image.Image
    prompt: str
    seed: int
    words: set[str] = field(init=False)
    idea: Idea = field(init=False)
    before: Image.Image = field(init=False)
    done: list[str] = field(default_factory=list)
    _matte: Image.Image | None = None

    def __post_init__(self) -> None:
        self.words = set(words_of(self.prompt))
        self.idea = understand(re.sub(r"[\"“][^\"”]+[\"”]", " ", self.prompt))
        self.before = self.picture

    def says(self, *words: str) -> bool:
        return bool(self.words & set(words))

    @property
    def foreground(self) -> Image.Image:
        if self._matte is None:
            self._matte = matte(self.before)
        return self._matte

    @property
    def background(self) -> Image.Image:
        return ImageChops.invert(self.foreground)

    @property
    def colour(self) -> Colour | None:
        named = [COLOURS[word] for word in words_of(self.prompt) if word in COLOURS]
        return named[-1] if named else None

    def becomes(self, picture: Image.Image, what: str, mask: Image.Image | None = None) -> None:
        self.picture = Image.composite(picture, self.picture, mask) if mask else picture
        self.done.append(what)


# -- the parts of an instruction, in the order in which they are carried out


def _turn(change: Change) -> None:
    picture = change.picture
    if change.says("flip", "mirror", "mirrored"):
        picture = ImageOps.mirror(picture)
    if change.says("upside"):
        picture = ImageOps.flip(picture)
    if change.says("rotate", "tilt"):
        picture = ImageOps.fit(
            picture.rotate(12, Image.Resampling.BICUBIC).crop(_inner(picture.size)), picture.size
        )
    if change.says("zoom", "closer", "closeup"):
        w, h = picture.size
        picture = picture.resize(
            (w, h), Image.Resampling.BICUBIC, box=(w * 0.18, h * 0.18, w * 0.82, h * 0.82)
        )
    if picture is not change.picture:
        change.becomes(picture, "turned")
        change.before = picture


def _inner(size: tuple[int, int]) -> tuple[int, int, int, int]:
    return round(size[0] * 0.14), round(size[1] * 0.14), round(size[0] * 0.86), round(size[1] * 0.86)


def _reground(change: Change) -> None:
    """Another background, a blurred one or none."""
    about = change.says("background", "backdrop", "behind")
    if about and change.says("remove", "delete", "erase", "without", "white") and not change.idea.place:
        change.becomes(
            Image.new("RGB", change.picture.size, (255, 255, 255)), "background", change.background
        )
    elif about and change.says("blur", "blurred", "blurry", "bokeh"):
        # Without the foreground, so that its colours don't bleed into the blur around it.
        bare = spread(
            change.picture,
            change.foreground.filter(ImageFilter.MaxFilter(9)).point(lambda v: 0 if v > 20 else 255),
        )
        soft = bare.filter(ImageFilter.GaussianBlur(max(bare.size) / 60))
        change.becomes(soft, "background", change.background)
    elif change.idea.place or (about and (change.idea.season or change.idea.time)):
        words = " ".join(w for w in words_of(change.prompt) if not understand(w).subjects)
        land = stage(words if change.idea.place else f"{words} field", *change.picture.size, change.seed)
        change.becomes(land.back, "background", change.background)


def _recolour(change: Change) -> None:
    colour = change.colour
    if colour is None or _quoted(change) or "background" in change.done:
        return
    about = change.says("background", "backdrop", "sky", "wall")
    whole = change.says(
        "everything", "whole", "entire", "image", "photo", "picture", "tint", "tone", "light", "lighting"
    )
    painted = filters.tinted(change.picture, colour, 0.85)
    change.becomes(painted, "colour", None if whole else change.background if about else change.foreground)


def _light(change: Change) -> None:
    """The hour and the weather, as light over the picture and as what falls through it."""
    idea = change.idea
    if "background" in change.done or not (idea.time or idea.season or idea.weather):
        return
    picture = change.picture
    for name in (idea.time, idea.season, idea.weather):
        if name in LIGHTS:
            picture = LIGHTS[name](picture)
    if idea.time == "night":
        picture = _starred(picture, change)
    if idea.season == "bloom":
        stamp(picture := picture.copy(), stage("flowers", *picture.size, change.seed).front, 0, 0)
    if idea.season in ("winter", "bloom", "autumn") or idea.weather == "rain":
        air = Weather(replace(idea, place=""), *picture.size, rng_of("weather", change.seed))
        picture = picture.copy()
        air.draw(picture, 0.0, near=False)
        air.draw(picture, 0.0, near=True)
    change.becomes(picture, "light")


def _multiplied(picture: Image.Image, top: Colour, bottom: Colour, share: float) -> Image.Image:
    ramp = np.linspace(0, 1, picture.height)[:, None, None]
    veil = np.array(top) * (1 - ramp) + np.array(bottom) * ramp
    shade = Image.fromarray(np.broadcast_to(veil, (picture.height, picture.width, 3)).astype(np.uint8))
    return Image.blend(picture, ImageChops.multiply(picture, shade), share)


def _snowy(picture: Image.Image) -> Image.Image:
    pale = Image.blend(
        ImageEnhance.Color(picture).enhance(0.7), Image.new("RGB", picture.size, (232, 240, 252)), 0.16
    )
    fall = np.clip((np.linspace(0, 1, picture.height) - 0.62) * 560, 0, 215)[:, None]
    edge = rng_of("drifts").normal(0, 1, 24)
    drift = np.interp(np.linspace(0, 23, picture.width), np.arange(24), edge)[None] * 14
    mask = Image.fromarray(np.clip(fall + np.where(fall > 0, drift, 0), 0, 235).astype(np.uint8))
    return Image.composite(Image.new("RGB", picture.size, (246, 249, 255)), pale, mask)


def _autumnal(picture: Image.Image) -> Image.Image:
    pixels = np.asarray(picture, np.float32)
    green = np.clip((pixels[..., 1] - pixels[..., 2]) / 70, 0, 1)[..., None]
    rusty = pixels[..., 1:2] * np.array([1.25, 0.72, 0.3], np.float32) + np.array([30, 10, 0], np.float32)
    mixed = pixels + (rusty - pixels) * green * 0.8
    return Image.fromarray(np.clip(mixed * (1.05, 0.98, 0.9), 0, 255).astype(np.uint8))


def _foggy(picture: Image.Image) -> Image.Image:
    deep = np.interp(np.linspace(0, 1, picture.height), [0, 0.55, 1], [150, 170, 60])[:, None]
    mask = Image.fromarray(np.broadcast_to(deep, (picture.height, picture.width)).astype(np.uint8))
    return Image.composite(Image.new("RGB", picture.size, (222, 226, 232)), picture, mask)


LIGHTS: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "night": lambda p: _multiplied(p, (46, 58, 128), (96, 108, 170), 0.82),
    "sunset": lambda p: ImageEnhance.Brightness(
        _multiplied(p, (214, 128, 170), (255, 176, 104), 0.85)
    ).enhance(1.12),
    "dawn": lambda p: ImageEnhance.Brightness(_multiplied(p, (206, 186, 240), (255, 222, 206), 0.9)).enhance(
        1.1
    ),
    "winter": _snowy,
    "autumn": _autumnal,
    "rain": lambda p: _multiplied(ImageEnhance.Color(p).enhance(0.6), (140, 152, 176), (170, 180, 196), 0.8),
    "fog": _foggy,
}


def _starred(picture: Image.Image, change: Change) -> Image.Image:
    """Stars and a moon in the upper part, behind the foreground."""
    canvas, rng, unit = Canvas(*picture.size), rng_of("stars", change.seed), min(picture.size)
    for _ in range(90):
        r = unit * rng.choice([0.0012, 0.002, 0.003])
        at = ellipse(rng.uniform(0, picture.width), rng.uniform(0, 0.42) * picture.height, r, r)
        canvas.fill(at, (255, 250, 232), opacity=float(rng.uniform(0.4, 1)))
    x, y, r = picture.width * 0.82, picture.height * 0.15, unit * 0.05
    canvas.fill(ellipse(x, y, r * 2.4, r * 2.4), (236, 238, 255), opacity=0.3, blur=r)
    canvas.fill(ellipse(x, y, r, r), (240, 242, 255))
    canvas.image.putalpha(ImageChops.multiply(canvas.image.getchannel("A"), change.background))
    out = picture.copy()
    stamp(out, canvas.image, 0, 0)
    return out


def _filter(change: Change) -> None:
    picture = change.picture
    if re.search(r"black[- ]and[- ]white|gr[ae]y ?scale|monochrome", change.prompt, re.IGNORECASE):
        picture = filters.grey(picture)
    picture = filters.styled(
        picture, tuple(s for s in change.idea.styles if s != "grey" or picture is change.picture)
    )
    for words, treat in TREATMENTS:
        if change.says(*words.split()) and not (_quoted(change) or "background" in change.done):
            picture = treat(picture)
    if picture is not change.picture:
        change.becomes(picture, "filter")


TREATMENTS: tuple[tuple[str, Callable[[Image.Image], Image.Image]], ...] = (
    ("3d clay plastic sculpture lego emboss embossed relief", filters.emboss),
    ("cartoon anime comic illustration ghibli", lambda p: ImageOps.posterize(filters.paint(p), 4)),
    ("blur blurry blurred", lambda p: p.filter(ImageFilter.GaussianBlur(max(p.size) / 90))),
    ("sharp sharpen sharper crisp", lambda p: p.filter(ImageFilter.UnsharpMask(3, 160, 2))),
    ("bright brighten brighter", lambda p: ImageEnhance.Brightness(p).enhance(1.35)),
    ("darken darker dim", lambda p: ImageEnhance.Brightness(p).enhance(0.62)),
    ("contrast dramatic", lambda p: ImageEnhance.Contrast(p).enhance(1.5)),
    ("vivid vibrant saturated colorful colourful", lambda p: ImageEnhance.Color(p).enhance(1.8)),
    ("invert inverted negative", ImageOps.invert),
)


def _populate(change: Change) -> None:
    """New figures: in the place of what stands out, or beside it."""
    subjects = change.idea.subjects
    if not subjects:
        return
    if change.says("replace", "into", "swap", "transform", "instead") or (
        change.says("turn") and len(subjects) > 1
    ):
        _swap(change, subjects[-1])
    elif change.says("add", "put", "place", "insert", "include", "draw", "with"):
        _add(change, subjects)


def _swap(change: Change, subject: Subject) -> None:
    wide = change.foreground.filter(ImageFilter.MaxFilter(9)).point(lambda v: 0 if v > 20 else 255)
    box = change.foreground.point([0] * 100 + [255] * 156).getbbox() or (0, 0, *change.picture.size)
    ground = spread(change.picture, wide)
    size = min((box[3] - box[1]) / 1.05, (box[2] - box[0]) / FIGURES[subject.figure].half / 1.6)
    _stand(change, ground, subject, (box[0] + box[2]) / 2, box[3], max(size, 24))


def _add(change: Change, subjects: tuple[Subject, ...]) -> None:
    width, height = change.picture.size
    for i, subject in enumerate(subjects):
        size = 0.34 * min(width, height)
        x = width * (0.78 if i == 0 else 0.22) if len(subjects) < 3 else width * (i + 0.5) / len(subjects)
        floating = FIGURES[subject.figure].stance == "sky"
        _stand(change, change.picture.copy(), subject, x, height * (0.42 if floating else 0.93), size)


def _stand(change: Change, ground: Image.Image, subject: Subject, x: float, y: float, size: float) -> None:
    look = Look(subject.colour, "", int(rng_of("figure", change.seed, subject.figure).integers(1000)))
    drawn = sprite(subject.figure, size, look, flip=x > ground.width / 2)
    canvas = Canvas(*drawn.size)
    foot = drawn.height * ABOVE / (ABOVE + BELOW)
    if FIGURES[subject.figure].stance == "ground":
        half = FIGURES[subject.figure].half * 0.8
        Pen(canvas, drawn.width / 2, foot, size).oval(0, 0, half, 0.045, (20, 16, 36), blur=0.02, opacity=0.4)
    canvas.image.alpha_composite(drawn)
    stamp(ground, canvas.image, x - drawn.width / 2, y - foot)
    change.becomes(ground, f"figure {subject.figure}")


def _quoted(change: Change) -> str:
    """The last text in quotation marks."""
    found = re.findall(r"[\"“]([^\"”]+)[\"”]|(?<!\w)['‘]([^'’]+)['’](?!\w)", change.prompt)
    return next((a or b for a, b in reversed(found)), "")


def _letter(change: Change) -> None:
    """Text in quotation marks stands in the picture in letters with some depth."""
    text = _quoted(change)[:60]
    if not text:
        return
    picture = change.picture.copy()
    pen = ImageDraw.Draw(picture)
    size = min(
        picture.height * 0.2,
        picture.width * 0.82 / max(ImageFont.load_default(100).getlength(text) / 100, 0.1),
    )
    font = ImageFont.load_default(max(12, round(size)))
    colour = change.colour or (250, 206, 92)
    x, y = picture.width / 2, picture.height * 0.2
    depth = max(2, round(size * 0.09))
    for i in range(depth, 0, -1):
        pen.text(
            (x + i, y + i),
            text,
            font=font,
            fill=darker(colour, 0.35 + 0.3 * i / depth),
            anchor="mm",
            stroke_width=depth // 5,
        )
    pen.text((x, y), text, font=font, fill=lighter(colour, 0.15), anchor="mm", stroke_width=depth // 5)
    change.becomes(picture, "letters")


PARTS: tuple[Callable[[Change], None], ...] = (
    _turn,
    _reground,
    _recolour,
    _populate,
    _light,
    _filter,
    _letter,
)
