"""The colours of a landscape by place, season, time of day and weather."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from bot.sandbox.art.brush import Colour, mix
from bot.sandbox.art.words import Idea, rng_of


@dataclass(frozen=True, slots=True)
class Palette:
    """`sky` goes from the top to the horizon, `ground` on to the lower edge; `light` is the sun or moon."""

    sky: tuple[Colour, Colour, Colour]
    far: Colour
    near: Colour
    ground: tuple[Colour, Colour]
    light: Colour = (255, 246, 214)

    def each(self, change: Callable[[Colour], Colour]) -> Palette:
        """Every colour but the light's, changed."""
        sky, ground = [change(c) for c in self.sky], [change(c) for c in self.ground]
        return replace(
            self,
            sky=(sky[0], sky[1], sky[2]),
            far=change(self.far),
            near=change(self.near),
            ground=(ground[0], ground[1]),
        )


BASE: Mapping[str, Palette] = {
    "summer": Palette(
        ((92, 164, 220), (178, 218, 238), (252, 240, 214)),
        (142, 176, 202),
        (112, 168, 126),
        ((156, 200, 100), (78, 144, 82)),
    ),
    "winter": Palette(
        ((112, 152, 204), (186, 206, 232), (252, 230, 222)),
        (164, 184, 216),
        (208, 221, 238),
        ((253, 253, 255), (198, 214, 240)),
    ),
    "bloom": Palette(
        ((126, 186, 232), (206, 228, 246), (255, 230, 224)),
        (166, 182, 222),
        (150, 194, 146),
        ((166, 210, 114), (86, 156, 90)),
    ),
    "autumn": Palette(
        ((120, 166, 200), (236, 216, 192), (255, 222, 172)),
        (188, 164, 166),
        (206, 142, 82),
        ((224, 168, 86), (148, 92, 60)),
    ),
    "desert": Palette(
        ((98, 172, 214), (238, 222, 192), (255, 230, 192)),
        (216, 162, 132),
        (234, 182, 122),
        ((246, 206, 142), (204, 144, 88)),
    ),
    "sea": Palette(
        ((104, 174, 222), (190, 226, 240), (255, 240, 216)),
        (138, 176, 206),
        (92, 160, 196),
        ((92, 170, 206), (22, 78, 136)),
    ),
    "beach": Palette(
        ((92, 178, 224), (184, 228, 240), (255, 242, 218)),
        (132, 182, 204),
        (84, 178, 200),
        ((252, 232, 188), (226, 188, 134)),
    ),
    "underwater": Palette(
        ((120, 220, 224), (40, 146, 190), (14, 72, 128)),
        (24, 96, 150),
        (18, 78, 128),
        ((126, 158, 158), (40, 78, 108)),
    ),
    "space": Palette(
        ((10, 10, 30), (30, 22, 66), (82, 50, 112)),
        (66, 56, 104),
        (96, 90, 128),
        ((172, 168, 190), (84, 80, 110)),
        (236, 236, 255),
    ),
    "forest": Palette(
        ((170, 212, 190), (220, 238, 210), (250, 250, 222)),
        (150, 190, 160),
        (84, 136, 100),
        ((132, 176, 96), (50, 98, 64)),
    ),
    "city": Palette(
        ((120, 168, 218), (198, 216, 234), (255, 232, 210)),
        (164, 178, 204),
        (116, 128, 160),
        ((150, 152, 166), (86, 88, 106)),
    ),
}

SKIES: Mapping[str, tuple[Colour, Colour, Colour]] = {
    "night": ((10, 16, 48), (28, 44, 98), (88, 100, 158)),
    "sunset": ((62, 58, 122), (222, 108, 116), (255, 196, 118)),
    "dawn": ((120, 140, 202), (244, 186, 198), (255, 230, 188)),
}
SHADES: Mapping[str, Colour] = {"night": (104, 120, 190), "sunset": (255, 178, 142), "dawn": (255, 226, 224)}
"""What the light of an hour multiplies colours by, of 255."""


def palette_of(idea: Idea, seed: int) -> Palette:
    """The palette an idea asks for; words that mean nothing to us shift its hues."""
    season, place = idea.season or "summer", idea.place
    found = BASE.get(place) or BASE[season]
    if place in ("forest", "city", "sea", "beach") and season != "summer":
        found = _in_season(found, BASE[season], ground=place in ("forest", "city"))
    if idea.time and place not in ("space", "underwater"):
        found = _at_hour(found, idea.time)
    elif idea.time == "night":
        found = found.each(lambda c: mix(c, (8, 10, 40), 0.35))
    if idea.weather in ("rain", "fog"):
        grey: Colour = (132, 142, 160) if idea.weather == "rain" else (214, 218, 224)
        found = found.each(lambda c: mix(c, grey if idea.time != "night" else (48, 56, 84), 0.42))
    if idea.tint:
        tint = idea.tint
        found = found.each(lambda c: mix(c, tint, 0.3))
    return _shifted(found, idea.essence, seed)


def _in_season(place: Palette, season: Palette, *, ground: bool) -> Palette:
    return replace(
        place,
        sky=season.sky,
        far=mix(place.far, season.far, 0.5),
        near=mix(place.near, season.near, 0.6),
        ground=season.ground if ground else place.ground,
    )


def _at_hour(palette: Palette, time: str) -> Palette:
    lit = palette.each(lambda c: shaded(c, time))
    light: Colour = {"night": (238, 240, 255), "sunset": (255, 206, 128)}.get(time, palette.light)
    return replace(lit, sky=SKIES[time], light=light)


def shaded(colour: Colour, time: str) -> Colour:
    """`colour` as it looks at that hour."""
    shade = SHADES.get(time, (255, 255, 255))
    return (colour[0] * shade[0] // 255, colour[1] * shade[1] // 255, colour[2] * shade[2] // 255)


def _shifted(palette: Palette, essence: str, seed: int) -> Palette:
    rng = rng_of("hue", essence, seed if essence else 0)
    reach = min(0.05 * len(essence.split()), 0.16) + 0.02
    pull: Colour = tuple(int(v) for v in rng.integers(40, 240, 3))  # type: ignore[assignment]
    return palette.each(lambda c: mix(c, pull, float(np.clip(reach * rng.uniform(0.4, 1.0), 0, 0.3))))
