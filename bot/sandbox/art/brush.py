"""Vector-like drawing on Pillow: smooth outlines, gradients, clipping and soft edges, all anti-aliased."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

Array: TypeAlias = NDArray[Any]
Colour: TypeAlias = tuple[int, int, int]
Box: TypeAlias = tuple[int, int, int, int]
Points: TypeAlias = Sequence[tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Gradient:
    """Colours from one side of a shape to the other: from top to bottom, or from left to right."""

    colours: tuple[Colour, ...]
    across: bool = False


Paint: TypeAlias = Colour | Gradient


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """`a` moved towards `b` by `share` (0..1)."""
    return (
        round(a[0] + (b[0] - a[0]) * share),
        round(a[1] + (b[1] - a[1]) * share),
        round(a[2] + (b[2] - a[2]) * share),
    )


def darker(colour: Colour, share: float = 0.2) -> Colour:
    """A shadow of `colour`, a little bluer, as shadows are."""
    return mix(colour, (24, 18, 48), share)


def lighter(colour: Colour, share: float = 0.2) -> Colour:
    return mix(colour, (255, 252, 244), share)


# -- outlines: arrays of points (n, 2)


def smooth(points: Points, *, closed: bool = True, density: int = 10) -> Array:
    """A Catmull-Rom curve through `points`; a point with a third element is a corner."""
    corner = [len(p) > 2 for p in points]
    p = np.array([q[:2] for q in points], dtype=float)
    count = len(p)
    steps = np.linspace(0, 1, density, endpoint=False)[:, None]
    out = []
    for i in range(count if closed else count - 1):
        a, b = p[i], p[(i + 1) % count]
        before = p[i - 1] if closed or i > 0 else a
        after = p[(i + 2) % count] if closed or i + 2 < count else b
        leave = (b - a) * 0.5 if corner[i] else (b - before) * 0.5
        arrive = (b - a) * 0.5 if corner[(i + 1) % count] else (after - a) * 0.5
        s2, s3 = steps**2, steps**3
        out.append(
            (2 * s3 - 3 * s2 + 1) * a
            + (s3 - 2 * s2 + steps) * leave
            + (3 * s2 - 2 * s3) * b
            + (s3 - s2) * arrive
        )
    if not closed:
        out.append(p[-1:])
    return np.concatenate(out)


def ellipse(x: float, y: float, rx: float, ry: float, turn: float = 0.0) -> Array:
    """`turn` in degrees, clockwise on the screen."""
    a = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    px, py = rx * np.cos(a), ry * np.sin(a)
    c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    return np.stack([x + px * c - py * s, y + px * s + py * c], axis=1)


def ribbon(points: Points, widths: Sequence[float]) -> Array:
    """A smooth band along `points` whose half-widths go through `widths`; its ends are round."""
    middle = smooth(points, closed=False)
    along = np.gradient(middle, axis=0)
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1])[:, None], 1e-9)
    half = np.interp(np.linspace(0, 1, len(middle)), np.linspace(0, 1, len(widths)), widths)[:, None]
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1)
    head = _round_end(middle[-1], along[-1], float(half[-1, 0]))
    tail = _round_end(middle[0], -along[0], float(half[0, 0]))
    return np.concatenate([middle - normal * half, head, (middle + normal * half)[::-1], tail])


def _round_end(at: Array, towards: Array, radius: float) -> Array:
    a = np.linspace(-math.pi / 2, math.pi / 2, 9)[:, None]
    normal = np.array([-towards[1], towards[0]])
    return np.asarray(at + radius * (np.cos(a) * towards + np.sin(a) * normal))


# -- the canvas


class Canvas:
    """An RGBA picture that outlines in pixels are filled on."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.image = Image.new("RGBA", (width, height), (0, 0, 0, 0))

    def fill(
        self,
        outline: Array,
        paint: Paint,
        *,
        within: Array | None = None,
        opacity: float = 1.0,
        blur: float = 0.0,
    ) -> None:
        """Fill `outline`, only inside of `within` if given, its edge softened by `blur` pixels."""
        box = self._box(outline if within is None or blur else _common(outline, within), blur)
        if box is None:
            return
        mask = _mask(outline, box, blur, opacity)
        if within is not None:
            mask = ImageChops.multiply(mask, _mask(within, box))
        patch = _painted(paint, outline, box)
        patch.putalpha(mask)
        self.image.alpha_composite(patch, dest=box[:2])

    def stamp(self, sprite: Image.Image, x: float, y: float) -> None:
        """Lay an RGBA sprite with its middle at (x, y), in pixels; what lies outside is cut off."""
        stamp(self.image, sprite, x - sprite.width / 2, y - sprite.height / 2)

    def _box(self, outline: Array, blur: float) -> Box | None:
        if len(outline) == 0:
            return None
        margin = math.ceil(blur * 2.5) + 1
        low, high = outline.min(axis=0) - margin, outline.max(axis=0) + margin
        left, top = max(0, math.floor(low[0])), max(0, math.floor(low[1]))
        right, bottom = min(self.width, math.ceil(high[0])), min(self.height, math.ceil(high[1]))
        return (left, top, right, bottom) if right > left and bottom > top else None


def stamp(onto: Image.Image, sprite: Image.Image, left: float, top: float) -> None:
    """Lay an RGBA `sprite` over an RGB or RGBA picture; what lies outside of it is cut off."""
    x, y = round(left), round(top)
    cut = (max(0, -x), max(0, -y), min(sprite.width, onto.width - x), min(sprite.height, onto.height - y))
    if cut[2] <= cut[0] or cut[3] <= cut[1]:
        return
    if cut != (0, 0, sprite.width, sprite.height):
        sprite = sprite.crop(cut)
    at = (x + cut[0], y + cut[1])
    if onto.mode == "RGBA":
        onto.alpha_composite(sprite, dest=at)
    else:
        onto.paste(sprite, at, sprite)


def _common(outline: Array, within: Array) -> Array:
    """The corners of the box that both outlines share; empty where they don't meet."""
    low = np.maximum(outline.min(axis=0), within.min(axis=0))
    high = np.minimum(outline.max(axis=0), within.max(axis=0))
    return np.stack([low, high]) if (high > low).all() else np.empty((0, 2))


def _mask(outline: Array, box: Box, blur: float = 0.0, opacity: float = 1.0) -> Image.Image:
    width, height = box[2] - box[0], box[3] - box[1]
    # A blurred edge needs no fine sampling; a large shape shows its steps less than a small one.
    scale = 1 if blur > 2 else 4 if width * height < 500_000 else 2
    mask = Image.new("L", (width * scale, height * scale), 0)
    corners = (outline - np.array(box[:2])) * scale - 0.5
    ImageDraw.Draw(mask).polygon(corners.ravel().tolist(), fill=round(255 * opacity))
    if scale > 1:
        mask = mask.reduce(scale)
    return mask.filter(ImageFilter.GaussianBlur(blur)) if blur else mask


def _painted(paint: Paint, outline: Array, box: Box) -> Image.Image:
    size = (box[2] - box[0], box[3] - box[1])
    if not isinstance(paint, Gradient):
        return Image.new("RGBA", size, (*paint, 255))
    axis = 0 if paint.across else 1
    low, high = outline[:, axis].min(), outline[:, axis].max()
    where = (np.arange(size[axis]) + box[axis] - low) / max(high - low, 1e-6)
    stops = np.linspace(0, 1, len(paint.colours))
    line = np.stack([np.interp(where, stops, [c[i] for c in paint.colours]) for i in range(3)], axis=-1)
    line = (
        np.rint(line).astype(np.uint8)[None, :] if paint.across else np.rint(line).astype(np.uint8)[:, None]
    )
    return Image.fromarray(np.ascontiguousarray(line)).resize(size).convert("RGBA")


# -- drawing in a figure's own units


@dataclass(slots=True)
class Pen:
    """Draws in the units of a figure: its feet stand at (0, 0), its height is about 1, y points down."""

    canvas: Canvas
    x: float
    y: float
    size: float
    flip: bool = False
    turn: float = 0.0

    def place(self, outline: Array) -> Array:
        sign = -1.0 if self.flip else 1.0
        x, y = outline[:, 0] * sign, outline[:, 1]
        c, s = math.cos(math.radians(self.turn)), math.sin(math.radians(self.turn))
        return np.stack([self.x + self.size * (x * c - y * s), self.y + self.size * (x * s + y * c)], axis=1)

    def fill(
        self,
        outline: Array,
        paint: Paint,
        *,
        within: Array | None = None,
        opacity: float = 1.0,
        blur: float = 0.0,
    ) -> Array:
        clip = None if within is None else self.place(within)
        self.canvas.fill(self.place(outline), paint, within=clip, opacity=opacity, blur=blur * self.size)
        return outline

    def blob(self, points: Points, paint: Paint, **how: Any) -> Array:
        return self.fill(smooth(points), paint, **how)

    def polygon(self, points: Points, paint: Paint, **how: Any) -> Array:
        return self.fill(np.array([p[:2] for p in points], dtype=float), paint, **how)

    def oval(
        self, x: float, y: float, rx: float, ry: float, paint: Paint, turn: float = 0.0, **how: Any
    ) -> Array:
        return self.fill(ellipse(x, y, rx, ry, turn), paint, **how)

    def line(self, points: Points, widths: Sequence[float] | float, paint: Paint, **how: Any) -> Array:
        return self.fill(ribbon(points, widths if isinstance(widths, Sequence) else [widths]), paint, **how)
