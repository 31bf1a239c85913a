"""Holes in pictures: what a mask allows to repaint, and how to close a hole from its surroundings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from bot.sandbox.art.brush import Array, stamp
from bot.sandbox.art.filters import caption


@dataclass(frozen=True, slots=True)
class Hole:
    """The white part of a mask. `soft` fades towards its rim and is black wherever the mask was black."""

    soft: Image.Image
    box: tuple[int, int, int, int]

    @property
    def size(self) -> tuple[int, int]:
        return self.box[2] - self.box[0], self.box[3] - self.box[1]

    def mended(self, picture: Image.Image) -> Image.Image:
        """The box of the hole, what is in it replaced by the colours around it."""
        margin = 16
        left, top = max(0, self.box[0] - margin), max(0, self.box[1] - margin)
        around = picture.crop((left, top, self.box[2] + margin, self.box[3] + margin))
        white = self.soft.crop((left, top, self.box[2] + margin, self.box[3] + margin)).point(
            lambda v: 0 if v else 255
        )
        x, y = self.box[0] - left, self.box[1] - top
        return membrane(around, white).crop((x, y, x + self.size[0], y + self.size[1]))

    def filled(self, picture: Image.Image, painting: Image.Image, mark: str = "") -> Image.Image:
        """`picture` with `painting`, stretched over the hole's box, showing through the hole."""
        over = (
            painting.resize(self.size, Image.Resampling.BILINEAR)
            if painting.size != self.size
            else painting.copy()
        )
        if mark:
            line = caption(mark, *self.size)
            stamp(over, line, (over.width - line.width) / 2, over.height - line.height - over.height * 0.04)
        out = picture.copy()
        out.paste(over, self.box[:2], self.soft.crop(self.box))
        return out


def hole_of(mask: Image.Image, size: tuple[int, int]) -> Hole | None:
    """The hole that a black and white mask makes in a picture of `size`; None where nothing is white."""
    white = mask.convert("L").resize(size, Image.Resampling.BILINEAR).point([0] * 128 + [255] * 128)
    box = white.getbbox()
    if box is None:
        return None
    reach = max(1, min(box[2] - box[0], box[3] - box[1], 80) // 20)
    shrunk = white.filter(ImageFilter.MinFilter(2 * reach + 1)).filter(ImageFilter.BoxBlur(reach))
    # A hole thinner than the fade would vanish: then its edge stays hard.
    soft = ImageChops.darker(shrunk, white) if shrunk.getbbox() else white
    return Hole(soft, box)


def spread(picture: Image.Image, known: Image.Image) -> Image.Image:
    """RGB: the colours where `known` is white, carried on into where it is black, nearest first."""
    if max(picture.size) > SPREAD:
        small = spread(picture.reduce(2), known.reduce(2))
        return Image.composite(
            picture.convert("RGB"), small.resize(picture.size, Image.Resampling.BILINEAR), known
        )
    weight = np.asarray(known, np.float32)[..., None] / 255
    colours = np.asarray(picture.convert("RGB"), np.float32) * weight
    radius = 2
    while radius < 2 * max(picture.size) and weight.min() < 0.999:
        soft = Image.fromarray(np.concatenate([colours, weight * 255], axis=2).round().astype(np.uint8))
        wide = np.asarray(soft.filter(ImageFilter.BoxBlur(radius)), np.float32)
        found = wide[..., 3:] / 255
        room = (1 - weight) * np.clip(found * 12, 0, 1)
        colours = colours + wide[..., :3] / np.maximum(found, 1e-3) * room
        weight = weight + room
        radius *= 3
    return Image.fromarray(np.clip(colours / np.maximum(weight, 1e-3), 0, 255).astype(np.uint8))


SPREAD = 400
"""The longer side, in pixels, up to which colours are carried on at full size."""

GRID = 64
"""The longer side of the grid on which a hole is closed smoothly."""


def membrane(picture: Image.Image, known: Image.Image) -> Image.Image:
    """RGB: where `known` is black, the colours are stretched over the hole like a skin, without edges."""
    factor = min(1.0, GRID / max(picture.size))
    size = (max(4, round(picture.width * factor)), max(4, round(picture.height * factor)))
    weight = known.resize(size, Image.Resampling.BOX)
    black = Image.new("RGB", picture.size)
    visible = Image.composite(picture.convert("RGB"), black, known).resize(size, Image.Resampling.BOX)
    share = np.asarray(weight, np.float32)[..., None] / 255
    colours = np.clip(np.asarray(visible, np.float32) / np.maximum(share, 0.02), 0, 255).astype(np.uint8)
    start = spread(Image.fromarray(colours), weight.point([0] * 128 + [255] * 128))
    skin = _relaxed(np.asarray(start, np.float32), share <= 0.5, 2 * GRID)
    wide = Image.fromarray(np.clip(skin, 0, 255).astype(np.uint8)).resize(
        picture.size, Image.Resampling.BICUBIC
    )
    return Image.composite(picture.convert("RGB"), wide, known)


def _relaxed(values: Array, free: Array, rounds: int) -> Array:
    """Each free value becomes the mean of its neighbours, again and again."""
    now = values
    for _ in range(rounds):
        padded = np.pad(now, ((1, 1), (1, 1), (0, 0)), mode="edge")
        mean = (padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]) / 4
        now = np.where(free, mean, values)
    return now


def closed(picture: Image.Image, hole: Image.Image, rng: np.random.Generator) -> Image.Image:
    """`picture` with the white of `hole` filled by diffusion from around it, as grainy as the rest."""
    inside = np.asarray(hole, np.float32)[..., None] / 255
    solid = inside > 0.03
    start = membrane(picture, hole.point(lambda v: 0 if v > 8 else 255))
    now = _relaxed(np.asarray(start, np.float32), solid, 40)
    source = np.asarray(picture.convert("RGB"), np.float32)
    soft = np.asarray(picture.convert("RGB").filter(ImageFilter.GaussianBlur(1)), np.float32)
    rest = (source - soft)[~solid[..., 0]]
    grain = rng.normal(0, min(float(rest.std()) if rest.size else 0.0, 3.0), (*now.shape[:2], 1))
    blended = source * (1 - inside) + (now + grain) * inside
    return Image.fromarray(np.clip(blended, 0, 255).round().astype(np.uint8))
