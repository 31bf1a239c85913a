"""What stands out: a soft mask of the foreground, from how its colours differ from the picture's border."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from bot.sandbox.art.brush import Array
from bot.sandbox.art.encode import on_white

COARSE, FINE = 176, 640
"""The longer side, in pixels, at which the foreground is found, and at which its edge is drawn."""


def matte(picture: Image.Image) -> Image.Image:
    """L, as large as `picture`: 255 is foreground, 0 background. Never empty, never everything."""
    rgb = on_white(picture)
    small = _shrunk(rgb, COARSE)
    likely = _foreground(np.asarray(small, np.float32))
    fine = _shrunk(rgb, FINE)
    guide = np.asarray(fine.convert("L"), np.float32) / 255
    wide = np.asarray(Image.fromarray(likely).resize(fine.size, Image.Resampling.BICUBIC))
    edge = _guided(guide, wide, max(2, round(max(fine.size) / 160)), 1e-4)
    alpha = np.clip((edge - 0.5) * 2.6 + 0.5, 0, 1)
    return Image.fromarray((alpha * 255).round().astype(np.uint8)).resize(
        picture.size, Image.Resampling.BICUBIC
    )


def cut_out(picture: Image.Image) -> Image.Image:
    """The foreground as RGBA, cropped to where it stands."""
    alpha = matte(picture)
    out = on_white(picture)
    out.putalpha(alpha)
    return out.crop(alpha.point([0] * 20 + [255] * 236).getbbox() or (0, 0, *picture.size))


def _shrunk(picture: Image.Image, side: int) -> Image.Image:
    factor = min(1.0, side / max(picture.size))
    size = (max(8, round(picture.width * factor)), max(8, round(picture.height * factor)))
    return picture.resize(size, Image.Resampling.BOX if factor < 1 else Image.Resampling.BICUBIC)


def _foreground(rgb: Array) -> Array:
    """0..1 for each pixel: unlike the border, compared with what was found so far, and in one piece."""
    height, width = rgb.shape[:2]
    features = _features(rgb)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    middle = np.exp(-(x**2 * 1.1 + (y - 0.1) ** 2 * 0.9)).astype(np.float32)
    border = _border(height, width)
    strange = _stretched(_distance_to_border(features, border))
    likely = strange * middle
    before = (0.35 + middle) * (0.3 + 2.2 * strange)
    cells = _cells(features)
    guide = features[..., 0] / 255
    for _ in range(4):
        likely = _compared(likely, cells, border, before)
        likely = _guided(guide, likely, 4, 2e-3)
    return _whole(likely, middle)


def _features(rgb: Array) -> Array:
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    light = 0.3 * red + 0.59 * green + 0.11 * blue
    return np.stack([light, red - green, (red + green) / 2 - blue], axis=-1)


def _border(height: int, width: int) -> Array:
    rim = np.ones((height, width), bool)
    deep = max(2, round(min(height, width) * 0.06))
    rim[deep : height - max(1, deep // 2), deep : width - deep] = False
    return rim


def _distance_to_border(features: Array, border: Array) -> Array:
    """How far each pixel's colour and height are from those that the border has."""
    height, width = features.shape[:2]
    level = np.broadcast_to(np.linspace(0, 90, height)[:, None], (height, width))
    described = np.concatenate([features * (0.6, 1.0, 1.0), level[..., None]], axis=-1).astype(np.float32)
    centres = _clusters(described[border], 14)
    gaps = ((described.reshape(-1, 1, 4) - centres[None]) ** 2).sum(axis=2)
    return np.asarray(np.sqrt(gaps.min(axis=1)).reshape(height, width))


def _clusters(points: Array, count: int) -> Array:
    """k-means from evenly picked starts: no chance in it."""
    order = np.argsort(points @ np.array([1.0, 0.5, 0.5, 2.0], np.float32), kind="stable")
    centres = points[order[np.linspace(0, len(points) - 1, count).astype(int)]]
    for _ in range(8):
        nearest = ((points[:, None] - centres[None]) ** 2).sum(axis=2).argmin(axis=1)
        for i in range(count):
            mine = points[nearest == i]
            if len(mine):
                centres[i] = mine.mean(axis=0)
    return np.asarray(centres)


def _stretched(values: Array) -> Array:
    low, high = np.percentile(values, 40), np.percentile(values, 96)
    return np.asarray(np.clip((values - low) / max(float(high - low), 1e-3), 0, 1), np.float32)


def _cells(features: Array) -> Array:
    """The number of each pixel's cell in a coarse grid of colours."""
    bins = np.clip((features + np.array([0, 128, 128])) / (20, 16, 16), 0, 15).astype(np.int64)
    return np.asarray(bins @ np.array([256, 16, 1]))


def _compared(likely: Array, cells: Array, border: Array, before: Array) -> Array:
    """Each pixel by how common its colour is in what was found against the rest; `before` weighs its odds."""
    found = np.where(border, 0, likely)
    share = np.clip(found.mean(), 0.04, 0.5)
    odds = _histogram(cells, found)[cells] * share * before
    return np.asarray(odds / (odds + _histogram(cells, 1 - found)[cells] * (1 - share) + 1e-9))


def _histogram(cells: Array, weights: Array) -> Array:
    counts = np.bincount(cells.ravel(), weights.ravel(), 4096).reshape(16, 16, 16)
    for axis in range(3):
        counts = 0.5 * counts + 0.25 * (np.roll(counts, 1, axis) + np.roll(counts, -1, axis))
    return counts.ravel() / max(float(counts.sum()), 1e-9)


def _whole(likely: Array, middle: Array) -> Array:
    """The pieces that matter, their holes filled; the picture's middle where nothing stands out."""
    solid = likely > 0.5
    kept = np.zeros_like(solid)
    left = solid & (likely * middle > 0.2)
    best = 0.0
    for _ in range(12):
        if not left.any():
            break
        peak = np.unravel_index(np.argmax(np.where(left, likely * middle, 0)), left.shape)
        seed = np.zeros_like(solid)
        seed[peak] = True
        piece = _reached(seed, solid)
        weight = float((piece * middle).sum())
        best = max(best, weight)
        if weight > 0.12 * best:
            kept |= piece
        left &= ~piece
    share = kept.mean()
    if not 0.004 < share < 0.93:
        return np.clip((middle - 0.55) * 4, 0, 1).astype(np.float32)
    kept = _closed(kept)
    rim = np.zeros_like(kept)
    rim[[0, -1], :] = rim[:, [0, -1]] = True
    filled = ~_reached(rim & ~kept, ~kept)
    return np.where(filled, np.maximum(likely, 0.9), np.minimum(likely, 0.1)).astype(np.float32)


def _closed(shape: Array) -> Array:
    """Bays that are narrower than a fifth of the shape belong to it: a white bib before white snow."""
    reach = max(1, round(float(np.sqrt(shape.sum())) / 9)) * 2 + 1
    picture = ImageOps.expand(Image.fromarray((shape * 255).astype(np.uint8)), reach)
    picture = picture.filter(ImageFilter.MaxFilter(reach)).filter(ImageFilter.MinFilter(reach))
    return np.asarray(ImageOps.crop(picture, reach)) > 0


def _reached(seed: Array, within: Array) -> Array:
    """All of `within` that hangs together with `seed`, by going along its rows and columns in turn."""
    rows, columns = _runs(within), _runs(within.T)
    now, before = seed & within, -1
    while int(now.sum()) != before:
        before = int(now.sum())
        now = _along(_along(now, rows).T, columns).T & within
    return now


def _runs(within: Array) -> Array:
    """The number of the unbroken run, within its row, that each pixel belongs to."""
    starts = within.copy()
    starts[:, 1:] &= ~within[:, :-1]
    return np.where(within, starts.ravel().cumsum().reshape(within.shape), 0)


def _along(now: Array, runs: Array) -> Array:
    """Every run that `now` touches, whole."""
    touched = np.bincount(runs[now], minlength=int(runs.max()) + 1) > 0
    touched[0] = False
    return np.asarray(touched[runs])


def _guided(guide: Array, values: Array, radius: int, strict: float) -> Array:
    """A guided filter: `values` smoothed, save across the edges of `guide` (both 0..1)."""
    mean_g, mean_v = _boxed(guide, radius), _boxed(values, radius)
    spread = _boxed(guide * guide, radius) - mean_g**2
    slope = (_boxed(guide * values, radius) - mean_g * mean_v) / (spread + strict)
    level = mean_v - slope * mean_g
    return np.asarray(np.clip(_boxed(slope, radius) * guide + _boxed(level, radius), 0, 1))


def _boxed(values: Array, radius: int) -> Array:
    """The mean of the square of 2 * `radius` + 1 around each value."""
    for axis in (0, 1):
        padded = np.pad(
            values.astype(np.float64), [(radius + 1, radius) if a == axis else (0, 0) for a in (0, 1)], "edge"
        )
        total = np.cumsum(padded, axis=axis)
        width = 2 * radius + 1
        values = (
            np.take(total, range(width, total.shape[axis]), axis)
            - np.take(total, range(total.shape[axis] - width), axis)
        ) / width
    return values
