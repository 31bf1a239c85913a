"""Pictures from words and pictures: drawn, started from a picture, inpainted, erased, cut out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from PIL import Image, ImageFilter

from bot.sandbox.art.brush import Array
from bot.sandbox.art.encode import on_white, png, read_picture, still
from bot.sandbox.art.filters import captioned, luminance
from bot.sandbox.art.hole import Hole, closed, hole_of
from bot.sandbox.art.manner import manner_of
from bot.sandbox.art.matte import matte
from bot.sandbox.art.progress import Bar, Tick
from bot.sandbox.art.scene import Scene, stage
from bot.sandbox.art.words import rng_of
from bot.sandbox.work import ModelError, Piece, Report, Work

MAX_PICTURE = 2048 * 2048
MAX_SIDE = 1024
ASPECTS: Mapping[str, tuple[int, int]] = {
    "1:1": (1024, 1024),
    "16:9": (1344, 768),
    "21:9": (1536, 640),
    "3:2": (1216, 832),
    "2:3": (832, 1216),
    "4:5": (896, 1088),
    "5:4": (1088, 896),
    "3:4": (896, 1152),
    "4:3": (1152, 896),
    "9:16": (768, 1344),
    "9:21": (640, 1536),
}
"""The sizes of about a megapixel that the flux models draw."""


def pictures(work: Work, report: Report) -> Iterator[Piece]:
    """The pictures of a prompt, started from the given picture, or within its mask, where there are such."""
    put = work.inputs
    start, mask = _file(work, "image"), _file(work, "mask")
    size = _size(work, start, mask)
    count = int(put.get("num_outputs", 1))
    base_steps, refine_steps = _steps(work)
    bar = Bar(report, base_steps)
    drawn = [_drawn(work, size, i, start, mask, bar.part(i / count, (i + 1) / count)) for i in range(count)]
    if refine_steps:
        bar = Bar(report, refine_steps)
        for i, picture in enumerate(drawn):
            drawn[i] = picture.filter(ImageFilter.UnsharpMask(2, round(30 + 1.2 * min(refine_steps, 100)), 2))
            bar.reach((i + 1) / count)
    for i, picture in enumerate(drawn):
        if mask and start:
            picture = _kept_outside(picture, start, mask, size)
        yield image_piece(work, picture, f"out-{i}", work.seed + i)


def _file(work: Work, name: str) -> Image.Image | None:
    found = work.files.get(name, ())
    return read_picture(found[0], name) if found else None


def _size(work: Work, start: Image.Image | None, mask: Image.Image | None) -> tuple[int, int]:
    """By aspect ratio, or width and height; a picture started from another takes its shape."""
    put = work.inputs
    if start and not mask:
        return shape_of(start)
    if "aspect_ratio" in put:
        return ASPECTS[str(put["aspect_ratio"])]
    width, height = int(put["width"]), int(put["height"])
    if width % 8 or height % 8:
        raise ModelError(f"`height` and `width` have to be divisible by 8 but are {height} and {width}.")
    if min(width, height) < 8 or width * height > MAX_PICTURE:
        raise ModelError(f"The sandbox draws pictures of at most {MAX_PICTURE} pixels, not {width}x{height}.")
    return width, height


def shape_of(picture: Image.Image) -> tuple[int, int]:
    """The picture's own size in multiples of 8, its longer side at most 1024 pixels."""
    factor = min(1.0, MAX_SIDE / max(picture.size))
    return max(8, round(picture.width * factor) // 8 * 8), max(8, round(picture.height * factor) // 8 * 8)


def _steps(work: Work) -> tuple[int, int]:
    """The steps of the base model and of the refiner (0: none)."""
    put = work.inputs
    steps = int(put.get("num_inference_steps", 50))
    match put.get("refine"):
        case "expert_ensemble_refiner":
            base = max(1, round(steps * float(put.get("high_noise_frac", 0.8))))
            return base, max(1, steps - base)
        case "base_image_refiner":
            return steps, int(put.get("refine_steps") or steps)
    return steps, 0


def _drawn(
    work: Work,
    size: tuple[int, int],
    index: int,
    start: Image.Image | None,
    mask: Image.Image | None,
    tick: Tick,
) -> Image.Image:
    put, seed = work.inputs, work.seed + index
    mark = f"sandbox · seed {seed}" if put.get("apply_watermark", True) else "sandbox"
    hole = hole_of(mask, size) if mask else None
    scene = stage(str(put["prompt"]), *(hole.size if hole else size), seed,
        negative=str(put.get("negative_prompt") or ""), manner=manner_of(put),
        dwellers=start is None or hole is not None, tick=tick)  # fmt: skip
    if start is None:
        return captioned(scene.picture(), mark)
    ground = on_white(start).resize(size, Image.Resampling.LANCZOS)
    if mask is None:
        return captioned(repainted(ground, scene, float(put.get("prompt_strength", 0.8))), mark)
    if hole is None:
        return ground
    painting = inside(hole, ground, scene)
    strength = float(put.get("prompt_strength", 1.0))
    if strength < 0.75:
        painting = blended(ground.crop(hole.box), painting, strength)
    return hole.filled(ground, painting, mark)


def inside(hole: Hole, ground: Image.Image, scene: Scene, moment: float = 0.0) -> Image.Image:
    """What comes into the hole: the scene, or, where it has no place, its figures before what is around."""
    if not scene.rootless:
        return scene.picture(moment)
    return scene.upon(hole.mended(ground).resize(scene.size, Image.Resampling.BILINEAR), moment)


def repainted(start: Image.Image, scene: Scene, strength: float) -> Image.Image:
    """`start` as a picture of the scene; what stands out in it stays if the scene has no figures."""
    kept = None if scene.figures else matte(start)
    return blended(start, scene.picture(), strength, kept)


def _kept_outside(
    picture: Image.Image, start: Image.Image, mask: Image.Image, size: tuple[int, int]
) -> Image.Image:
    """What a refiner did to the kept part is undone."""
    white = mask.convert("L").resize(size, Image.Resampling.BILINEAR).point([0] * 128 + [255] * 128)
    return Image.composite(picture, on_white(start).resize(size, Image.Resampling.LANCZOS), white)


def image_piece(work: Work, picture: Image.Image, name: str, seed: int | None = None) -> Piece:
    """`picture` in the format and quality that were asked for."""
    form = str(work.inputs.get("output_format", "png"))
    quality = int(work.inputs.get("output_quality", 80))
    data, mime = still(picture, form, quality, f"seed {work.seed if seed is None else seed}")
    return Piece("image", f"{name}.{form}", data, mime)


def blended(
    start: Image.Image, painting: Image.Image, strength: float, kept: Image.Image | None = None
) -> Image.Image:
    """`start` repainted as `painting`: 0 leaves it, 1 ignores it.

    Between, its outlines stay under the new colours.     Where `kept` is white, more of `start` stays.
    """
    strength = min(max(strength, 0.0), 1.0)
    share: float | Array = strength**1.6
    if kept is not None:
        share = share * (1 - np.asarray(kept, np.float32)[..., None] / 255 * (1 - strength**6))
    old, new = np.asarray(start, np.float32), np.asarray(painting, np.float32)
    recoloured = old + (_recoloured(old, new) - old) * strength
    light = luminance(start)
    soft = luminance(start.filter(ImageFilter.GaussianBlur(max(start.size) / 60)))
    lines = (light - soft)[..., None] * share * (1 - strength) ** 0.5
    return Image.fromarray(
        np.clip(recoloured * (1 - share) + new * share + lines, 0, 255).round().astype(np.uint8)
    )


def _recoloured(old: Array, new: Array) -> Array:
    """`old` with the mean and spread of each of `new`'s channels."""
    mean_old, mean_new = old.mean(axis=(0, 1)), new.mean(axis=(0, 1))
    ratio = np.clip(new.std(axis=(0, 1)) / np.maximum(old.std(axis=(0, 1)), 4), 0.5, 2)
    result: Array = (old - mean_old) * ratio + mean_new
    return result


# -- without a prompt

OBJECTS = frozenset({
    "Background", "Aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "dining table", "dog", "horse", "motorbike", "person", "potted plant", "sheep", "sofa", "train",
    "tv/monitor",
})  # fmt: skip
"""The names that the object-removal model knows, letter by letter."""


def erase(work: Work, report: Report) -> Iterator[Piece]:
    """What stands out goes, at 256x256. Names are looked up as the model does: not trimmed, case as it is."""
    names = str(work.inputs["objects_to_remove"]).split(",")
    for name in names:
        if name not in OBJECTS:
            raise ModelError(f"KeyError: {name!r}")
    picture = needed(work, "image_path").resize((256, 256), Image.Resampling.LANCZOS)
    report("Segmenting\n")
    found = matte(picture)
    if "Background" in names:
        found = found.point([255 - v for v in range(256)])
    report("Inpainting\n")
    wider = found.filter(ImageFilter.MaxFilter(13)).filter(ImageFilter.GaussianBlur(1.5))
    picture = closed(picture, wider, rng_of("erase", ",".join(names)))
    report("")
    yield Piece("image", "out.png", png(captioned(picture, "sandbox"), ",".join(names)), "image/png")


def cutout(work: Work, report: Report) -> Iterator[Piece]:
    """The foreground on transparency, as large as the picture."""
    found = work.files.get("image", ())
    if not found:
        raise ModelError("image is missing")
    original = read_picture(found[0], "image")
    report("Looking for the foreground\n")
    out = on_white(original)
    out.putalpha(matte(original))
    report("")
    yield Piece("image", "out.png", png(out, "background removed"), "image/png")


def needed(work: Work, name: str) -> Image.Image:
    """The file input `name` as RGB; ModelError where it was left out or is no picture."""
    picture = _file(work, name)
    if picture is None:
        raise ModelError(f"{name} is missing")
    return on_white(picture)


def inpaint(work: Work, report: Report) -> Iterator[Piece]:
    needed(work, "image")
    needed(work, "mask")
    yield from pictures(work, report)


def restyle(work: Work, report: Report) -> Iterator[Piece]:
    needed(work, "image")
    yield from pictures(work, report)
