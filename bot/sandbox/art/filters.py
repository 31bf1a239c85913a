"""Whole-picture treatments: styles that a prompt can name, light and colour, and the caption."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

from bot.sandbox.art.brush import Array, Colour
from bot.sandbox.art.palette import shaded


def grey(picture: Image.Image) -> Image.Image:
    return ImageOps.autocontrast(picture.convert("L"), cutoff=1).convert("RGB")


def sepia(picture: Image.Image) -> Image.Image:
    return ImageOps.colorize(picture.convert("L"), (46, 28, 18), (255, 240, 208), mid=(166, 122, 82))


def sketch(picture: Image.Image) -> Image.Image:
    """Pencil on paper: the picture divided by its blurred negative."""
    tone = picture.convert("L")
    soft = ImageOps.invert(tone).filter(ImageFilter.GaussianBlur(max(picture.size) / 110))
    dodge = np.asarray(tone, np.float32) * 255 / np.maximum(255 - np.asarray(soft, np.float32), 1)
    line = np.clip(dodge, 0, 255) / 255
    shade = np.asarray(tone, np.float32) / 255 * 0.3 + 0.7
    return ImageOps.colorize(
        Image.fromarray((line**1.7 * shade * 255).astype(np.uint8)), (48, 44, 58), (252, 248, 238)
    )


def paint(picture: Image.Image) -> Image.Image:
    """Patches of flat colour with the grain of paper."""
    flat = picture.filter(ImageFilter.MedianFilter(5)).filter(ImageFilter.ModeFilter(5))
    bump = flat.convert("L").filter(ImageFilter.EMBOSS).convert("RGB")
    return ImageEnhance.Color(Image.blend(flat, ImageChops.overlay(flat, bump), 0.55)).enhance(1.2)


def pixel(picture: Image.Image) -> Image.Image:
    block = max(2, min(picture.size) // 80)
    small = picture.resize(
        (max(1, picture.width // block), max(1, picture.height // block)), Image.Resampling.BOX
    )
    few = small.quantize(24, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert("RGB")
    return few.resize(picture.size, Image.Resampling.NEAREST)


def neon(picture: Image.Image) -> Image.Image:
    dark = ImageOps.colorize(picture.convert("L"), (14, 6, 44), (250, 240, 255), mid=(190, 40, 170))
    tone = Image.blend(ImageEnhance.Color(picture).enhance(1.7), dark, 0.55)
    edges = picture.convert("L").filter(ImageFilter.FIND_EDGES).filter(ImageFilter.GaussianBlur(1.2))
    glow = ImageOps.colorize(edges, (0, 0, 0), (90, 255, 250))
    return ImageChops.screen(tone, glow)


def soft(picture: Image.Image) -> Image.Image:
    glow = picture.filter(ImageFilter.GaussianBlur(max(picture.size) / 70))
    return Image.blend(picture, ImageChops.screen(picture, glow), 0.4)


def emboss(picture: Image.Image) -> Image.Image:
    """A relief lit from the upper left, as if moulded."""
    height = np.asarray(
        picture.convert("L").filter(ImageFilter.GaussianBlur(max(picture.size) / 260)), np.float32
    )
    slope = (height - np.roll(height, (3, 3), (0, 1))) * 2.4
    lit = np.asarray(ImageEnhance.Color(picture).enhance(1.15), np.float32) + slope[..., None]
    return Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8))


STYLES: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "grey": grey,
    "sepia": sepia,
    "sketch": sketch,
    "paint": paint,
    "pixel": pixel,
    "neon": neon,
    "soft": soft,
}


def styled(picture: Image.Image, styles: tuple[str, ...]) -> Image.Image:
    for style in styles:
        picture = STYLES[style](picture)
    return picture


def tinted(picture: Image.Image, colour: Colour, share: float) -> Image.Image:
    """Its shadows and lights kept, its hue moved towards `colour`."""
    wash = ImageOps.colorize(picture.convert("L"), (10, 8, 20), (255, 252, 248), mid=colour)
    return Image.blend(picture, wash, share)


def grained(picture: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Film grain; `strength` is its standard deviation in steps of 255."""
    if strength <= 0:
        return picture
    noise = rng.normal(0, strength, (picture.height, picture.width, 1)).astype(np.float32)
    return Image.fromarray(np.clip(np.asarray(picture, np.float32) + noise, 0, 255).astype(np.uint8))


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
    bands = [
        band.point([i * shade[n] // 255 for i in range(256)]) for n, band in enumerate(picture.split()[:3])
    ]
    return Image.merge("RGBA", (*bands, picture.getchannel("A")))


def vignette(picture: Image.Image, strength: float) -> Image.Image:
    """The corners a little darker, as a lens does; keeps an alpha channel as it is."""
    y, x = np.mgrid[-1:1:96j, -1:1:96j]
    fall = np.clip((x**2 + y**2) ** 2 * strength * 17, 0, 200).astype(np.uint8)
    mask = Image.fromarray(fall).resize(picture.size, Image.Resampling.BICUBIC)
    out = Image.composite(Image.new("RGB", picture.size, (28, 20, 52)), picture.convert("RGB"), mask)
    if picture.mode == "RGBA":
        out.putalpha(picture.getchannel("A"))
    return out


def luminance(picture: Image.Image) -> Array:
    return np.asarray(picture.convert("L"), np.float32)


# -- the caption


def caption(text: str, width: int, height: int) -> Image.Image:
    """The line that says where a picture comes from, as an RGBA sprite that fits a picture of that size."""
    size = max(9, round(min(width, height) * 0.02))
    font = ImageFont.load_default(size)
    if font.getlength(text) > width * 0.6:
        text = text.partition(" ")[0]
    pad = round(size * 0.5)
    box = (round(font.getlength(text)) + 2 * pad, round(size * 1.75))
    sprite = Image.new("RGBA", box, (0, 0, 0, 0))
    pen = ImageDraw.Draw(sprite)
    pen.rounded_rectangle((0, 0, box[0] - 1, box[1] - 1), box[1] / 2, fill=(22, 18, 40, 84))
    pen.text((pad, box[1] / 2), text, font=font, fill=(255, 255, 255, 224), anchor="lm")
    return sprite


def captioned(picture: Image.Image, text: str) -> Image.Image:
    """`picture` with its caption in the lower left corner."""
    sprite = caption(text, *picture.size)
    margin = round(min(picture.size) * 0.018)
    out = picture.copy()
    out.paste(sprite, (margin, picture.height - sprite.height - margin), sprite)
    return out
