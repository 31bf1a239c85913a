"""One scene becomes another: the land in a ragged wave from the figures outward, figures into each other."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from bot.sandbox.art.brush import Array, stamp
from bot.sandbox.art.figures import ABOVE, BELOW
from bot.sandbox.art.filters import styled
from bot.sandbox.art.hole import spread
from bot.sandbox.art.scene import Placed, Scene, alive
from bot.sandbox.art.words import rng_of


def eased(t: float) -> float:
    return t * t * (3 - 2 * t)


class Morph:
    """The way from scene `a` to scene `b`, both of one size. `strength` 0..1: from soft to sharp."""

    def __init__(self, a: Scene, b: Scene, seed: int, strength: float) -> None:
        self.a, self.b = a, b
        self.softness = 0.6 - 0.48 * min(max(strength, 0.0), 1.0)
        self._wave = _wave(a, b, seed)
        self._melts = [
            Melt(old.sprite, new.sprite) if old.name != new.name else None
            for old, new in zip(a.figures, b.figures, strict=False)
        ]
        self._speckle = _ranked(_clouds(rng_of("speckle", seed), 256, 256, 7))

    def frame(self, t: float, moment: float) -> Image.Image:
        """RGB, `t` of the way (0: all of `a`, 1: all of `b`), weather and figures `moment` seconds on."""
        if t <= 0 or t >= 1:
            return self._still(self.a if t <= 0 else self.b, moment)
        mask = self._wave.point(_threshold(t, self.softness))
        out = Image.composite(self.b.back, self.a.back, mask)
        for scene, share in ((self.a, (t, 1.0)), (self.b, (0.0, t))):
            scene.weather.draw(out, moment, near=False, share=share)
        for i in range(max(len(self.a.figures), len(self.b.figures))):
            self._figure(out, i, t, moment)
        _dissolve(out, self.a.front, self.b.front, mask, 0, 0)
        for scene, share in ((self.a, (t, 1.0)), (self.b, (0.0, t))):
            scene.weather.draw(out, moment, near=True, share=share)
        return styled(out, (self.a if t < 0.5 else self.b).styles)

    def _still(self, scene: Scene, moment: float) -> Image.Image:
        out = scene.back.copy()
        scene.weather.draw(out, moment, near=False)
        for figure in scene.figures:
            stamp(out, *alive(figure, moment))
        stamp(out, scene.front, 0, 0)
        scene.weather.draw(out, moment, near=True)
        return styled(out, scene.styles)

    def _figure(self, out: Image.Image, index: int, t: float, moment: float) -> None:
        before = self.a.figures[index] if index < len(self.a.figures) else None
        after = self.b.figures[index] if index < len(self.b.figures) else None
        if before is None or after is None:
            self._come_or_go(out, before or after, t if before is None else 1 - t, moment)
            return
        old, x0, y0 = alive(before, moment)
        new, x1, y1 = alive(after, moment)
        w = eased(min(max((t - 0.2) / 0.6, 0), 1))
        size = (
            round(old.width + (new.width - old.width) * w),
            round(old.height + (new.height - old.height) * w),
        )
        left, top = x0 + (x1 - x0) * w, y0 + (y1 - y0) * w
        melt = self._melts[index]
        if melt is None or w in (0.0, 1.0):
            mask = self._speckle.resize(size, Image.Resampling.BILINEAR).point(_threshold(w, self.softness))
            _dissolve(out, _sized(old, size), _sized(new, size), mask, left, top)
        else:
            hop = 0.1 * math.sin(math.pi * w) * before.size
            stamp(out, melt.at(w, size), left, top - hop)

    def _come_or_go(self, out: Image.Image, figure: Placed | None, share: float, moment: float) -> None:
        if figure is None or share <= 0.02:
            return
        sprite, left, top = alive(figure, moment)
        foot = sprite.height * ABOVE / (ABOVE + BELOW)
        size = (max(1, round(sprite.width * share)), max(1, round(sprite.height * share)))
        stamp(out, _sized(sprite, size), left + (sprite.width - size[0]) / 2, top + foot * (1 - share))


class Melt:
    """Two sprites of different shape: outlines turn into each other by distances, colours by blending."""

    GRID = 112

    def __init__(self, old: Image.Image, new: Image.Image) -> None:
        self._colours = [spread(sprite, sprite.getchannel("A")) for sprite in (old, new)]
        self._alphas = [sprite.getchannel("A") for sprite in (old, new)]
        self._depths = [
            _depth(alpha.resize((self.GRID, self.GRID), Image.Resampling.BOX)) for alpha in self._alphas
        ]

    def at(self, w: float, size: tuple[int, int]) -> Image.Image:
        """The RGBA sprite of that size, `w` of the way."""
        depth = self._depths[0] * (1 - w) + self._depths[1] * w
        field = Image.fromarray(np.clip(128 + depth * 24, 0, 255).astype(np.uint8))
        field = field.filter(ImageFilter.GaussianBlur(1.3)).resize(size, Image.Resampling.BICUBIC)
        steep = 24 * self.GRID / min(size)
        outline = field.point([round(min(max(128 + (v - 128) * 160 / steep, 0), 255)) for v in range(256)])
        # The grid loses whiskers and other fine things: near both ends the sprites' own outlines come in.
        for alpha, share in ((self._alphas[0], 1 - w / 0.22), (self._alphas[1], 1 - (1 - w) / 0.22)):
            if share > 0:
                outline = Image.blend(outline, _sized(alpha, size), share)
        old, new = (_sized(colour, size) for colour in self._colours)
        out = Image.blend(old, new, eased(w))
        out.putalpha(outline)
        return out


def _depth(alpha: Image.Image) -> Array:
    """For each cell how far it lies inside (positive) or outside of the shape, in cells."""
    inside = np.asarray(alpha) > 127
    return np.sqrt(_squares(inside)) - np.sqrt(_squares(~inside))


def _squares(shape: Array) -> Array:
    """The squared distance of each cell within `shape` to the nearest cell outside of it."""
    away = np.where(shape, 1e4, 0.0).astype(np.float32)
    for _ in range(2):
        index = np.arange(away.shape[1], dtype=np.float32)
        cost = (index[:, None] - index[None, :]) ** 2
        away = (away[:, None, :] + cost[None]).min(axis=2).T
    return away


def _sized(sprite: Image.Image, size: tuple[int, int]) -> Image.Image:
    return sprite if sprite.size == size else sprite.resize(size, Image.Resampling.BILINEAR)


def _dissolve(
    out: Image.Image, old: Image.Image, new: Image.Image, mask: Image.Image, left: float, top: float
) -> None:
    """Lay `old` over `out`, and `new` where `mask` is white; where both are opaque nothing shines through."""
    x, y = round(left), round(top)
    opaque, fresh = old.getchannel("A"), new.getchannel("A")
    leaving = ImageChops.multiply(mask, ImageChops.invert(fresh))
    out.paste(old.convert("RGB"), (x, y), ImageChops.multiply(opaque, ImageChops.invert(leaving)))
    out.paste(new.convert("RGB"), (x, y), ImageChops.multiply(fresh, mask))


def _threshold(t: float, softness: float) -> list[int]:
    """For `Image.point`: which ranks (0 first, 255 last) have changed at `t`, with a soft edge between."""
    edge = t * (1 + softness)
    return [round(255 * min(max((edge - rank / 255) / softness, 0.0), 1.0)) for rank in range(256)]


def _wave(a: Scene, b: Scene, seed: int) -> Image.Image:
    """When each pixel changes: near the figures first, with a ragged edge."""
    width, height = a.size
    x, y = np.meshgrid(np.linspace(0, width, 128), np.linspace(0, height, 128))
    figures: Sequence[Placed] = a.figures or b.figures
    at = (figures[0].x, figures[0].y - 0.2 * figures[0].size) if figures else (width / 2, height)
    far = np.hypot((x - at[0]) / width, (y - at[1]) / height)
    noise = _clouds(rng_of("wave", seed), 128, 128, 9)
    return _ranked(far / far.max() + 0.55 * noise).resize((width, height), Image.Resampling.BICUBIC)


def _clouds(rng: np.random.Generator, width: int, height: int, cells: int) -> Array:
    total = np.zeros((height, width), np.float32)
    for octave in range(3):
        grid = rng.random((cells * 2**octave, cells * 2**octave), dtype=np.float32)
        total += (
            np.asarray(Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)) * 0.5**octave
        )
    return total


def _ranked(values: Array) -> Image.Image:
    """Each value replaced by its rank, 0..255, so that change keeps an even pace."""
    order = values.ravel().argsort(kind="stable").argsort(kind="stable")
    return Image.fromarray((order * 255.99 / order.size).astype(np.uint8).reshape(values.shape))
