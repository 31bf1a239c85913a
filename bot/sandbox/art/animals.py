"""Animals, drawn in their own units: feet at (0, 0), about 1 high, y pointing down."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from bot.sandbox.art.brush import Array, Colour, Gradient, Pen, Points, darker, lighter, mix, smooth

INK: Colour = (42, 32, 44)
WHITE: Colour = (255, 252, 245)
BLUSH: Colour = (240, 128, 122)


@dataclass(frozen=True, slots=True)
class Look:
    """What a prompt says of a figure: its colour and what it wears (scarf, wreath or nothing)."""

    colour: Colour | None = None
    wears: str = ""
    whim: int = 0

    def or_else(self, colour: Colour) -> Colour:
        return self.colour or colour


Draw = Callable[[Pen, Look], None]


# -- animals that sit and look at us: one body, many coats


@dataclass(frozen=True, slots=True)
class Coat:
    """How a sitting animal differs from the others."""

    fur: Colour
    bib: Colour = WHITE
    socks: Colour | None = None
    ears: str = "pointed"
    ear_inside: Colour = (90, 50, 50)
    ear_tips: Colour | None = None
    face: str = "muzzle"
    tail: str = "thin"
    tail_tip: Colour | None = None
    mane: Colour | None = None
    stripes: Colour | None = None
    eye_ring: Colour | None = None
    nose: Colour = INK
    cheeks: float = 0.24
    whiskers: bool = False


COATS: Mapping[str, Coat] = {
    "fox": Coat(
        (232, 112, 44),
        socks=(74, 42, 44),
        ear_tips=(74, 42, 44),
        face="mask",
        tail="brush",
        tail_tip=WHITE,
        cheeks=0.3,
    ),
    "wolf": Coat(
        (124, 132, 148),
        (228, 230, 236),
        ear_tips=(80, 86, 102),
        face="mask",
        tail="brush",
        tail_tip=(220, 224, 232),
        cheeks=0.29,
    ),
    "cat": Coat(
        (150, 140, 150), ear_inside=(236, 168, 168), nose=(226, 130, 136), tail="thin", whiskers=True
    ),
    "dog": Coat(
        (196, 142, 88), (250, 236, 214), ears="floppy", ear_inside=(130, 84, 52), tail="thin", cheeks=0.23
    ),
    "bear": Coat(
        (132, 88, 62), (206, 164, 122), ears="round", ear_inside=(190, 140, 110), tail="none", cheeks=0.26
    ),
    "panda": Coat(
        (248, 246, 242),
        (248, 246, 242),
        (48, 46, 54),
        ears="round",
        ear_inside=(48, 46, 54),
        ear_tips=(48, 46, 54),
        tail="none",
        eye_ring=(48, 46, 54),
        cheeks=0.27,
    ),
    "rabbit": Coat(
        (206, 188, 176), ears="long", ear_inside=(240, 176, 178), nose=(230, 140, 146), tail="puff"
    ),
    "lion": Coat(
        (232, 176, 88), (250, 226, 176), ears="round", tail="tuft", tail_tip=(150, 84, 40), mane=(176, 98, 44)
    ),
    "tiger": Coat(
        (240, 146, 54),
        ears="round",
        tail="thin",
        stripes=(58, 40, 42),
        tail_tip=(58, 40, 42),
        nose=(226, 130, 126),
        whiskers=True,
        cheeks=0.26,
    ),
    "mouse": Coat(
        (172, 170, 182), ears="dish", ear_inside=(240, 180, 184), nose=(232, 130, 140), whiskers=True
    ),
}


BREEDS: Mapping[str, tuple[Colour, ...]] = {
    "cat": ((150, 140, 150), (230, 154, 84), (78, 74, 86), (236, 214, 182)),
    "dog": ((196, 142, 88), (150, 96, 64), (226, 190, 134), (120, 116, 124)),
    "rabbit": ((206, 188, 176), (244, 240, 236), (160, 128, 106)),
}


def sitting(name: str) -> Draw:
    coat = COATS[name]

    def draw(pen: Pen, look: Look) -> None:
        if look.colour:
            worn = replace(coat, fur=look.colour, bib=mix(look.colour, WHITE, 0.86))
        else:
            furs = BREEDS.get(name, (coat.fur,))
            worn = replace(coat, fur=furs[look.whim % len(furs)])
        _tail(pen, worn)
        body = _body(pen, worn)
        _legs(pen, worn)
        pen.oval(0.0, -0.45, 0.2, 0.06, darker(worn.fur, 0.5), within=body, opacity=0.28, blur=0.02)
        _head(pen, worn)
        if look.wears == "scarf":
            _scarf(pen)
        elif look.wears == "wreath":
            _wreath(pen, look.whim)

    return draw


def _mirrored(points: Points, side: int) -> list[tuple[float, ...]]:
    return [(p[0] * side, *p[1:]) for p in points]


def _tail(pen: Pen, coat: Coat) -> None:
    shade = Gradient((coat.fur, darker(coat.fur, 0.22)))
    if coat.tail == "brush":
        brush = smooth([(0.08, -0.12), (0.24, -0.14), (0.34, -0.22), (0.36, -0.33), (0.35, -0.44),
            (0.44, -0.57, 1), (0.53, -0.48), (0.62, -0.36), (0.645, -0.2), (0.58, -0.06), (0.44, 0.012),
            (0.26, 0.02), (0.08, -0.01)])  # fmt: skip
        pen.fill(brush, shade)
        tip = [(0.3, -0.36, 1), (0.37, -0.35, 1), (0.42, -0.42), (0.48, -0.37), (0.56, -0.4),
            (0.68, -0.33, 1), (0.6, -0.7, 1), (0.3, -0.66, 1)]  # fmt: skip
        pen.fill(brush, coat.tail_tip or coat.fur, within=smooth(tip))
    elif coat.tail in ("thin", "tuft"):
        path = [(0.12, -0.06), (0.34, -0.04), (0.46, -0.14), (0.42, -0.3), (0.47, -0.4)]
        pen.line(path, [0.035, 0.036, 0.034, 0.03, 0.026], shade)
        if coat.tail_tip:
            pen.oval(0.47, -0.42, 0.05, 0.075, coat.tail_tip, 20)
    elif coat.tail == "puff":
        pen.oval(0.26, -0.1, 0.085, 0.08, WHITE)


def _body(pen: Pen, coat: Coat) -> Array:
    half = [(0.12, -0.56), (0.17, -0.4), (0.24, -0.22), (0.265, -0.09), (0.2, -0.005)]
    body = smooth([*half, (0.0, 0.0), *_mirrored(half[::-1], -1)])
    pen.fill(body, Gradient((darker(coat.fur, 0.1), coat.fur, coat.fur)))
    for side in (-1, 1):
        pen.oval(0.17 * side, -0.11, 0.1, 0.125, darker(coat.fur, 0.1), within=body)
        pen.oval(0.185 * side, -0.1, 0.092, 0.115, coat.fur, within=body)
    if coat.stripes:
        for y in (-0.36, -0.27, -0.18):
            for side in (-1, 1):
                pen.line(
                    [(0.3 * side, y), (0.13 * side, y + 0.03)], [0.016, 0.002], coat.stripes, within=body
                )
    tufts: Points = [(-0.12, -0.56), (0.12, -0.56), (0.14, -0.44), (0.1, -0.33, 1), (0.075, -0.36),
        (0.045, -0.24, 1), (0.02, -0.3), (0.0, -0.2, 1), (-0.02, -0.3), (-0.045, -0.24, 1), (-0.075, -0.36),
        (-0.1, -0.33, 1), (-0.14, -0.44)]  # fmt: skip
    pen.fill(smooth(tufts), Gradient((darker(coat.bib, 0.12), coat.bib)), within=body)
    return body


def _legs(pen: Pen, coat: Coat) -> None:
    for side in (-1, 1):
        x = 0.072 * side
        leg = smooth([(x - 0.055, -0.32), (x + 0.055, -0.32), (x + 0.05, -0.1), (x + 0.062, -0.01),
            (x, 0.012), (x - 0.062, -0.01), (x - 0.05, -0.1)])  # fmt: skip
        pen.fill(leg, Gradient((coat.fur, coat.fur, darker(coat.fur, 0.08))), opacity=1.0)
        if coat.socks:
            sock = smooth(
                [(x - 0.09, -0.15), (x, -0.18), (x + 0.09, -0.15), (x + 0.09, 0.05), (x - 0.09, 0.05)]
            )
            pen.fill(leg, coat.socks, within=sock)
        toe = lighter(coat.socks, 0.25) if coat.socks else darker(coat.fur, 0.35)
        for dx in (-0.02, 0.02):
            pen.line([(x + dx, -0.03), (x + dx, -0.004)], 0.005, toe)
    pen.line([(0.0, -0.2), (0.0, -0.02)], [0.002, 0.009], darker(coat.socks or coat.fur, 0.45), opacity=0.7)


def _head(pen: Pen, coat: Coat) -> None:
    if coat.mane:
        rays = [
            (0.36 * math.cos(a) * (1 if i % 2 else 0.86), -0.68 + 0.34 * math.sin(a) * (1 if i % 2 else 0.88))
            for i, a in enumerate(np.linspace(0, 2 * math.pi, 36, endpoint=False))
        ]
        pen.blob(rays, Gradient((coat.mane, darker(coat.mane, 0.2))))
    for side in (-1, 1):
        _ear(pen, coat, side)
    cheek = coat.cheeks
    half = [(0.1, -0.868), (0.205, -0.79), (0.235, -0.69), (cheek, -0.575, 1), (0.15, -0.505), (0.07, -0.455)]
    head = smooth([(0.0, -0.875), *half, (0.0, -0.44), *_mirrored(half[::-1], -1)])
    pen.fill(head, Gradient((lighter(coat.fur, 0.12), coat.fur, coat.fur)))
    FACES[coat.face](pen, coat, head)
    _eyes(pen)
    for side in (-1, 1):
        pen.oval(0.165 * side, -0.585, 0.042, 0.026, BLUSH, within=head, opacity=0.5, blur=0.01)


EARS: Mapping[str, Points] = {
    "pointed": [(0.045, -0.83), (0.13, -0.95), (0.205, -1.05, 1), (0.245, -0.9), (0.235, -0.7)],
    "round": [(0.08, -0.82), (0.1, -0.93), (0.19, -0.96), (0.25, -0.88), (0.22, -0.76)],
    "dish": [(0.06, -0.82), (0.11, -0.98), (0.26, -1.01), (0.34, -0.87), (0.22, -0.75)],
    "long": [(0.03, -0.84), (0.04, -1.1), (0.11, -1.24), (0.17, -1.12), (0.15, -0.8)],
    "floppy": [(0.12, -0.86), (0.24, -0.85), (0.32, -0.7), (0.315, -0.56), (0.255, -0.54), (0.215, -0.66)],
}
"""The right ear's outline."""


def _ear(pen: Pen, coat: Coat, side: int) -> None:
    outline = smooth(_mirrored(EARS[coat.ears], side))
    middle = outline.mean(axis=0)
    floppy = coat.ears == "floppy"
    pen.fill(outline, coat.ear_inside if floppy else Gradient((darker(coat.fur, 0.05), coat.fur)))
    if coat.ear_tips:
        top = (
            np.array([[-0.5, -1.3], [0.5, -1.3], [0.5, -0.965], [-0.5, -0.965]])
            if coat.ears == "pointed"
            else outline
        )
        pen.fill(outline, coat.ear_tips, within=top)
    if not floppy:
        inner = middle + (outline - middle) * np.array([0.56, 0.68]) + np.array([0.004 * side, 0.022])
        pen.fill(inner, coat.ear_inside, opacity=0.85)


def _mask_face(pen: Pen, coat: Coat, head: Array) -> None:
    for side in (-1, 1):
        leaf: Points = [(0.0, -0.56), (0.06, -0.62), (0.15, -0.655), (0.26, -0.6), (0.34, -0.56),
            (0.2, -0.46), (0.0, -0.42)]  # fmt: skip
        pen.fill(smooth(_mirrored(leaf, side)), coat.bib, within=head)
    pen.blob(
        [(0.0, -0.64), (0.05, -0.55), (0.034, -0.5), (0.0, -0.485), (-0.034, -0.5), (-0.05, -0.55)], coat.fur
    )
    for side in (-1, 1):
        pen.oval(0.085 * side, -0.765, 0.03, 0.02, coat.bib, -18 * side, opacity=0.8)
    _nose(pen, coat, -0.505, 0.036)


def _muzzle_face(pen: Pen, coat: Coat, head: Array) -> None:
    if coat.stripes:
        for x, y, length in ((0.0, -0.86, 0.09), (-0.07, -0.85, 0.07), (0.07, -0.85, 0.07)):
            pen.line([(x, y), (x * 0.8, y + length)], [0.015, 0.002], coat.stripes, within=head)
        for side in (-1, 1):
            for y in (-0.64, -0.58):
                pen.line(
                    [(0.27 * side, y), (0.17 * side, y + 0.01)], [0.014, 0.002], coat.stripes, within=head
                )
    if coat.eye_ring:
        for side in (-1, 1):
            pen.oval(0.105 * side, -0.675, 0.06, 0.075, coat.eye_ring, 28 * side)
    pen.blob([(0.0, -0.62), (0.075, -0.6), (0.12, -0.53), (0.08, -0.465), (0.0, -0.45), (-0.08, -0.465),
              (-0.12, -0.53), (-0.075, -0.6)], mix(coat.bib, WHITE, 0.2), within=head)  # fmt: skip
    _nose(pen, coat, -0.575, 0.034)
    if coat.whiskers:
        for side in (-1, 1):
            for y in (-0.55, -0.525, -0.5):
                pen.line([(0.1 * side, y), (0.3 * side, y * 1.06 + 0.03)], 0.0035, WHITE, opacity=0.85)


FACES: Mapping[str, Callable[[Pen, Coat, Array], None]] = {"mask": _mask_face, "muzzle": _muzzle_face}


def _nose(pen: Pen, coat: Coat, y: float, size: float) -> None:
    for side in (-1, 1):
        pen.line(
            [(0.0, y + size), (0.022 * side, y + size * 1.75), (0.05 * side, y + size * 1.5)], 0.0055, INK
        )
    pen.line([(0.0, y), (0.0, y + size * 1.2)], 0.0055, INK)
    pen.blob(
        [(-size, y - size * 0.5), (0, y - size * 0.75), (size, y - size * 0.5), (0, y + size * 0.6)],
        coat.nose,
    )
    pen.oval(-size * 0.3, y - size * 0.35, size * 0.3, size * 0.15, WHITE, opacity=0.55)


def _eyes(pen: Pen) -> None:
    for side in (-1, 1):
        x, y = 0.1 * side, -0.665
        pen.oval(x, y, 0.029, 0.038, INK)
        pen.oval(x + 0.009, y - 0.014, 0.011, 0.012, WHITE)
        pen.oval(x - 0.008, y + 0.015, 0.006, 0.006, WHITE, opacity=0.7)


def _scarf(pen: Pen) -> None:
    wool: Colour = (206, 52, 62)
    pen.line([(0.1, -0.44), (0.15, -0.3), (0.13, -0.17)], [0.045, 0.055, 0.06], darker(wool, 0.16))
    for i in range(4):
        x = 0.088 + i * 0.027
        pen.line([(x, -0.13), (x - 0.003, -0.085)], 0.008, darker(wool, 0.16))
    for y in (-0.27, -0.21):
        pen.line([(0.085, y), (0.19, y + 0.008)], 0.011, WHITE, opacity=0.9)
    pen.line([(-0.17, -0.45), (-0.08, -0.4), (0.08, -0.4), (0.17, -0.45)], [0.036, 0.05, 0.05, 0.036],
             Gradient((lighter(wool, 0.12), wool, darker(wool, 0.15))))  # fmt: skip
    pen.oval(0.105, -0.4, 0.042, 0.047, lighter(wool, 0.1))


def _wreath(pen: Pen, whim: int) -> None:
    colours: tuple[Colour, ...] = ((255, 246, 240), (255, 190, 208), (255, 214, 102), (196, 160, 240))
    for i in range(13):
        x = -0.17 + i * 0.34 / 12
        y = -0.855 + 0.32 * x * x * 4 - 0.01 * (i % 2)
        pen.oval(x, y + 0.012, 0.03, 0.016, (104, 158, 92), 30 if i % 2 else -30)
    for i in range(7):
        x = -0.155 + i * 0.31 / 6
        blossom(pen, x, -0.865 + 1.2 * x * x, 0.042 if i % 2 else 0.034, colours[(i + whim) % 4])


def blossom(pen: Pen, x: float, y: float, radius: float, colour: Colour, petals: int = 5) -> None:
    """An open flower seen from the front."""
    for i in range(petals):
        a = 2 * math.pi * i / petals - 1.57
        pen.oval(x + radius * 0.55 * math.cos(a), y + radius * 0.55 * math.sin(a), radius * 0.56,
            radius * 0.42, colour, math.degrees(a))  # fmt: skip
    pen.oval(
        x,
        y,
        radius * 0.3,
        radius * 0.3,
        (255, 200, 70) if min(colour) > 120 or colour[1] < 190 else (150, 90, 40),
    )


# -- animals seen from the side


def bird(pen: Pen, look: Look) -> None:
    feather = look.or_else((72, 132, 204))
    for x in (-0.02, 0.08):
        pen.line([(x, -0.22), (x, -0.02)], 0.014, (214, 134, 60))
        pen.line([(x - 0.05, -0.005), (x + 0.05, -0.005)], 0.012, (214, 134, 60))
    pen.line([(-0.2, -0.42), (-0.55, -0.3)], [0.09, 0.05], darker(feather, 0.25))
    body = smooth([(0.3, -0.72), (0.36, -0.5), (0.2, -0.24), (-0.08, -0.18), (-0.32, -0.36), (-0.2, -0.56),
        (0.02, -0.74)])  # fmt: skip
    pen.fill(body, Gradient((lighter(feather, 0.12), feather, darker(feather, 0.1))))
    pen.oval(0.24, -0.34, 0.2, 0.26, mix((250, 176, 110), WHITE, 0.25), within=body)
    pen.polygon([(0.34, -0.8), (0.52, -0.74), (0.35, -0.68)], (240, 168, 60))
    head = pen.oval(0.18, -0.76, 0.2, 0.19, Gradient((lighter(feather, 0.16), feather)))
    pen.oval(0.26, -0.68, 0.12, 0.1, WHITE, within=head, opacity=0.85)
    pen.blob(
        [(0.12, -0.56), (0.14, -0.4), (-0.1, -0.28), (-0.42, -0.32, 1), (-0.2, -0.5)], darker(feather, 0.22)
    )
    pen.oval(0.25, -0.79, 0.034, 0.04, INK)
    pen.oval(0.262, -0.803, 0.012, 0.013, WHITE)


def owl(pen: Pen, look: Look) -> None:
    plume = look.or_else((142, 104, 78))
    for side in (-1, 1):
        pen.blob([(0.1 * side, -0.82), (0.28 * side, -0.98, 1), (0.3 * side, -0.76)], darker(plume, 0.1))
    body = smooth([(0, -0.92), (0.28, -0.82), (0.36, -0.5), (0.3, -0.14), (0, -0.02), (-0.3, -0.14),
        (-0.36, -0.5), (-0.28, -0.82)])  # fmt: skip
    pen.fill(body, Gradient((plume, darker(plume, 0.12))))
    belly = pen.oval(0, -0.28, 0.23, 0.26, mix(plume, WHITE, 0.62), within=body)
    for row in range(3):
        for i in range(4 - row % 2):
            x = (i - (3 - row % 2) / 2) * 0.11
            pen.line([(x - 0.03, -0.4 + row * 0.11), (x, -0.37 + row * 0.11),
                (x + 0.03, -0.4 + row * 0.11)], 0.01, plume, within=belly)  # fmt: skip
    for side in (-1, 1):
        pen.blob(
            [(0.3 * side, -0.6), (0.4 * side, -0.4), (0.3 * side, -0.14, 1), (0.24 * side, -0.4)],
            darker(plume, 0.25),
        )
        pen.oval(0.135 * side, -0.69, 0.145, 0.145, mix(plume, WHITE, 0.75))
        pen.oval(0.125 * side, -0.685, 0.085, 0.085, (250, 196, 70))
        pen.oval(0.122 * side, -0.685, 0.056, 0.056, INK)
        pen.oval(0.122 * side + 0.02, -0.71, 0.019, 0.019, WHITE)
        for dx in (-0.04, 0.0, 0.04):
            pen.oval(0.1 * side + dx, -0.012, 0.02, 0.03, (232, 160, 62))
    pen.polygon([(-0.045, -0.64), (0.045, -0.64), (0, -0.54)], (232, 160, 62))


def penguin(pen: Pen, look: Look) -> None:
    coat = look.or_else((44, 52, 72))
    for side in (-1, 1):
        pen.oval(0.12 * side, -0.015, 0.1, 0.035, (246, 166, 56))
        pen.blob(
            [(0.24 * side, -0.62), (0.4 * side, -0.36), (0.37 * side, -0.24), (0.22 * side, -0.4)],
            darker(coat, 0.2),
        )
    body = smooth([(0, -1.0), (0.19, -0.93), (0.22, -0.76), (0.3, -0.4), (0.24, -0.06), (0, -0.02),
        (-0.24, -0.06), (-0.3, -0.4), (-0.22, -0.76), (-0.19, -0.93)])  # fmt: skip
    pen.fill(body, coat)
    pen.blob([(0, -0.72), (0.15, -0.66), (0.22, -0.36), (0.16, -0.08), (0, -0.05), (-0.16, -0.08),
        (-0.22, -0.36), (-0.15, -0.66)], WHITE)  # fmt: skip
    for side in (-1, 1):
        pen.oval(0.085 * side, -0.8, 0.105, 0.11, WHITE, within=body)
        pen.oval(0.085 * side, -0.82, 0.026, 0.032, INK)
        pen.oval(0.085 * side + 0.009, -0.832, 0.01, 0.01, WHITE)
        pen.oval(0.15 * side, -0.755, 0.03, 0.02, BLUSH, opacity=0.6)
    pen.polygon([(-0.055, -0.785), (0.055, -0.785), (0, -0.72)], (246, 166, 56))
    if look.wears == "scarf":
        _scarf_band(pen, -0.66, 0.22)


def _scarf_band(pen: Pen, y: float, half: float) -> None:
    wool: Colour = (206, 52, 62)
    pen.line([(half * 0.5, y + 0.02), (half * 0.75, y + 0.22)], [0.04, 0.055], darker(wool, 0.15))
    pen.line([(-half, y), (0, y + 0.05), (half, y)], [0.035, 0.05, 0.035], wool)


def fish(pen: Pen, look: Look) -> None:
    scale = look.or_else((248, 140, 56))
    pen.blob(
        [(-0.42, -0.5), (-0.78, -0.76, 1), (-0.68, -0.5), (-0.78, -0.22, 1)],
        Gradient((scale, darker(scale, 0.2))),
    )
    pen.blob([(-0.2, -0.7), (0.02, -0.95), (0.22, -0.74)], darker(scale, 0.15))
    body = smooth([(0.55, -0.5), (0.36, -0.72), (0.0, -0.79), (-0.34, -0.62), (-0.5, -0.5), (-0.34, -0.38),
        (0.0, -0.21), (0.36, -0.28)])  # fmt: skip
    pen.fill(body, Gradient((lighter(scale, 0.2), scale, lighter(scale, 0.1))))
    for x in (0.18, -0.14):
        pen.line([(x, -0.85), (x - 0.05, -0.5), (x, -0.15)], 0.05, WHITE, within=body)
    pen.blob([(0.06, -0.46), (-0.16, -0.36), (-0.12, -0.24), (0.04, -0.34)], darker(scale, 0.22))
    pen.oval(0.37, -0.56, 0.062, 0.062, WHITE)
    pen.oval(0.385, -0.56, 0.036, 0.038, INK)
    pen.line([(0.5, -0.42), (0.42, -0.4)], 0.008, darker(scale, 0.5))


def whale(pen: Pen, look: Look) -> None:
    skin = look.or_else((66, 112, 172))
    pen.blob(
        [(-0.72, -0.52), (-0.86, -0.78), (-1.1, -0.86, 1), (-1.02, -0.66), (-1.16, -0.5, 1), (-0.86, -0.46)],
        darker(skin, 0.1),
    )
    body = smooth([(0.78, -0.42), (0.66, -0.72), (0.2, -0.85), (-0.34, -0.68), (-0.82, -0.56),
        (-0.8, -0.48), (-0.4, -0.22), (0.1, -0.04), (0.6, -0.12)])  # fmt: skip
    pen.fill(body, Gradient((lighter(skin, 0.16), skin, darker(skin, 0.1))))
    belly = smooth([(0.9, -0.3), (0.5, -0.3), (0.1, -0.24), (-0.45, -0.3), (-0.3, 0.1), (0.9, 0.1)])
    pen.fill(body, (226, 234, 240), within=belly)
    for i in range(5):
        y = -0.25 + i * 0.04
        pen.line(
            [(0.72 - i * 0.03, y), (0.3, y + 0.01), (-0.12 + i * 0.05, y - 0.01)],
            0.006,
            mix(skin, WHITE, 0.45),
            within=body,
        )
    pen.blob([(0.2, -0.2), (0.02, 0.06), (-0.14, 0.1), (-0.02, -0.16)], darker(skin, 0.18))
    pen.oval(0.5, -0.43, 0.03, 0.034, INK)
    pen.oval(0.51, -0.442, 0.011, 0.012, WHITE)
    pen.line([(0.74, -0.36), (0.6, -0.31), (0.46, -0.33)], 0.008, darker(skin, 0.5))
    for side in (-1, 1):
        pen.line([(0.24, -0.87), (0.24 + 0.06 * side, -1.08), (0.24 + 0.2 * side, -1.06)], [0.012, 0.02,
            0.006], (214, 236, 250), opacity=0.9)  # fmt: skip


def horse(pen: Pen, look: Look) -> None:
    _hoofed(pen, look.or_else((150, 92, 60)), mane=((72, 44, 38),))


def unicorn(pen: Pen, look: Look) -> None:
    rainbow: tuple[Colour, ...] = ((242, 98, 120), (250, 168, 86), (250, 220, 104), (120, 208, 148),
        (106, 168, 240), (170, 124, 230))  # fmt: skip
    _hoofed(pen, look.or_else((250, 244, 250)), mane=rainbow)
    pen.polygon([(0.515, -0.98), (0.68, -1.24), (0.57, -0.94)], Gradient(((255, 236, 170), (240, 190, 90))))


def deer(pen: Pen, look: Look) -> None:
    coat = look.or_else((186, 124, 78))
    for dx in (0.0, 0.05):
        base = 0.5 + dx
        pen.line(
            [(base, -0.95), (base - 0.06, -1.12), (base + 0.02, -1.28)], [0.018, 0.014, 0.007], (120, 88, 62)
        )
        pen.line([(base - 0.05, -1.1), (base - 0.15, -1.2)], [0.012, 0.006], (120, 88, 62))
        pen.line([(base - 0.04, -1.18), (base + 0.08, -1.2)], [0.012, 0.006], (120, 88, 62))
    _hoofed(pen, coat, mane=(), tail=False)
    for x, y in ((-0.3, -0.62), (-0.2, -0.56), (-0.12, -0.64), (-0.02, -0.57), (-0.36, -0.53)):
        pen.oval(x, y, 0.02, 0.016, WHITE, opacity=0.75)
    pen.oval(-0.47, -0.57, 0.04, 0.055, WHITE)


def _hoofed(pen: Pen, coat: Colour, mane: tuple[Colour, ...], *, tail: bool = True) -> None:
    if tail:
        for i, hair in enumerate(mane):
            d = i * 0.022
            pen.line([(-0.42, -0.62 + d), (-0.56 + d, -0.55), (-0.58 + d, -0.24)], [0.03, 0.045, 0.012], hair)
    for x, lean in ((-0.3, -0.03), (0.2, 0.03)):
        _hoofed_leg(pen, x, lean, darker(coat, 0.22))
    barrel = smooth([(0.3, -0.66), (0.3, -0.46), (0.1, -0.39), (-0.16, -0.41), (-0.38, -0.4),
        (-0.46, -0.55), (-0.38, -0.68), (-0.1, -0.65), (0.12, -0.67)])  # fmt: skip
    for x, lean in ((-0.38, 0.0), (0.25, 0.0)):
        _hoofed_leg(pen, x, lean, coat)
    pen.fill(barrel, Gradient((lighter(coat, 0.1), coat, darker(coat, 0.1))))
    pen.line([(0.2, -0.56), (0.36, -0.72), (0.47, -0.86)], [0.15, 0.105, 0.085], coat)
    pen.line(
        [(0.46, -0.87), (0.6, -0.79), (0.69, -0.71)],
        [0.09, 0.07, 0.052],
        Gradient((lighter(coat, 0.08), coat)),
    )
    pen.oval(0.685, -0.705, 0.05, 0.048, darker(coat, 0.12))
    pen.oval(0.7, -0.715, 0.009, 0.009, INK)
    pen.blob([(0.42, -0.93), (0.45, -1.05, 1), (0.51, -0.93)], coat)
    for i, hair in enumerate(mane):
        d = i * 0.02
        pen.line(
            [(0.46 - d, -0.99 + d * 0.4), (0.34 - d, -0.86), (0.22 - d, -0.66 + d)], [0.02, 0.05, 0.014], hair
        )
    pen.oval(0.535, -0.845, 0.017, 0.022, INK)
    pen.oval(0.54, -0.852, 0.006, 0.006, WHITE)


def _hoofed_leg(pen: Pen, x: float, lean: float, coat: Colour) -> None:
    pen.line(
        [(x, -0.5), (x + lean, -0.26), (x + lean * 0.6, -0.04)],
        [0.075, 0.042, 0.034],
        Gradient((coat, darker(coat, 0.12))),
    )
    pen.line([(x + lean * 0.6, -0.045), (x + lean * 0.6 + 0.01, -0.02)], 0.038, INK)


def elephant(pen: Pen, look: Look) -> None:
    skin = look.or_else((146, 152, 168))
    for x in (-0.26, 0.16):
        pen.line([(x, -0.4), (x, -0.06)], 0.085, darker(skin, 0.2))
    pen.line([(-0.5, -0.6), (-0.6, -0.36)], [0.02, 0.014], darker(skin, 0.2))
    for x in (-0.38, 0.26):
        pen.line([(x, -0.45), (x, -0.07)], 0.095, Gradient((skin, darker(skin, 0.1))))
        for dx in (-0.05, 0.0, 0.05):
            pen.oval(x + dx, -0.005, 0.02, 0.02, lighter(skin, 0.5))
    pen.blob([(0.3, -0.8), (0.38, -0.5), (0.2, -0.3), (-0.3, -0.29), (-0.52, -0.5), (-0.42, -0.8),
        (-0.1, -0.88)], Gradient((lighter(skin, 0.12), skin, darker(skin, 0.08))))  # fmt: skip
    pen.line([(0.62, -0.62), (0.76, -0.42), (0.74, -0.2), (0.86, -0.14)], [0.1, 0.065, 0.045, 0.035], skin)
    pen.oval(0.5, -0.72, 0.22, 0.21, Gradient((lighter(skin, 0.12), skin)))
    pen.line([(0.6, -0.55), (0.72, -0.5)], [0.024, 0.006], WHITE)
    pen.blob([(0.38, -0.9), (0.2, -0.96), (0.1, -0.7), (0.2, -0.46), (0.38, -0.56)], darker(skin, 0.12))
    pen.blob(
        [(0.35, -0.85), (0.23, -0.88), (0.16, -0.7), (0.23, -0.54), (0.34, -0.62)], mix(skin, BLUSH, 0.35)
    )
    pen.oval(0.58, -0.74, 0.024, 0.03, INK)
    pen.oval(0.588, -0.75, 0.009, 0.009, WHITE)


def turtle(pen: Pen, look: Look) -> None:
    shell = look.or_else((94, 142, 82))
    skin: Colour = (150, 190, 112)
    for x in (-0.34, 0.3):
        pen.oval(x, -0.08, 0.13, 0.09, darker(skin, 0.15))
    pen.line([(0.4, -0.28), (0.64, -0.42)], [0.1, 0.1], skin)
    pen.oval(0.68, -0.46, 0.15, 0.13, skin)
    dome = smooth([(-0.6, -0.14), (-0.5, -0.45), (-0.1, -0.7), (0.3, -0.56), (0.52, -0.2), (0.5, -0.12, 1),
        (-0.6, -0.12, 1)])  # fmt: skip
    pen.fill(dome, Gradient((lighter(shell, 0.2), shell, darker(shell, 0.15))))
    for x, y, r in ((-0.08, -0.5, 0.14), (-0.36, -0.32, 0.11), (0.22, -0.34, 0.12), (-0.07, -0.22, 0.1)):
        ring = [
            (x + r * math.cos(k), y + r * 0.75 * math.sin(k)) for k in np.linspace(0, 2 * math.pi, 7)[:-1]
        ]
        pen.polygon(ring, darker(shell, 0.18), within=dome)
    pen.line([(-0.62, -0.12), (0.54, -0.12)], 0.035, mix(shell, (250, 220, 150), 0.5))
    pen.oval(0.74, -0.49, 0.022, 0.026, INK)
    pen.line([(0.8, -0.42), (0.72, -0.4)], 0.007, INK)


def butterfly(pen: Pen, look: Look) -> None:
    wing = look.or_else((250, 150, 70))
    for side in (-1, 1):
        upper = smooth([(0.02 * side, -0.55), (0.2 * side, -0.92), (0.55 * side, -0.98),
            (0.58 * side, -0.66), (0.3 * side, -0.46)])  # fmt: skip
        lower = smooth([(0.02 * side, -0.48), (0.32 * side, -0.46), (0.46 * side, -0.24),
            (0.28 * side, -0.08), (0.1 * side, -0.26)])  # fmt: skip
        for outline, tone in ((lower, darker(wing, 0.12)), (upper, wing)):
            pen.fill(outline, INK)
            middle = outline.mean(axis=0)
            pen.fill(middle + (outline - middle) * 0.86, Gradient((lighter(tone, 0.25), tone)))
            pen.oval(float(middle[0]), float(middle[1]), 0.07, 0.06, lighter(wing, 0.6), opacity=0.8)
        pen.line([(0.0, -0.72), (0.06 * side, -0.9), (0.13 * side, -0.95)], 0.008, INK)
    pen.line([(0, -0.72), (0, -0.25)], [0.03, 0.035, 0.014], INK)


def dragon(pen: Pen, look: Look) -> None:
    skin = look.or_else((92, 164, 108))
    pen.line([(-0.1, -0.14), (-0.44, -0.08), (-0.7, -0.26), (-0.66, -0.46)], [0.14, 0.1, 0.05, 0.02], skin)
    pen.polygon([(-0.66, -0.42), (-0.78, -0.54), (-0.6, -0.6)], darker(skin, 0.3))
    for side in (-1, 1):
        pen.polygon([(-0.05, -0.5), (side * 0.62 - 0.06, -0.98), (side * 0.54 - 0.06, -0.66),
            (side * 0.4 - 0.06, -0.6), (side * 0.32 - 0.06, -0.44)],
            Gradient((mix(skin, (250, 160, 90), 0.6), darker(skin, 0.2))))  # fmt: skip
    body = smooth(
        [(0.06, -0.7), (0.2, -0.4), (0.22, -0.12), (0.0, 0.0), (-0.22, -0.1), (-0.2, -0.38), (-0.08, -0.7)]
    )
    pen.fill(body, Gradient((lighter(skin, 0.1), skin)))
    pen.oval(0.06, -0.24, 0.12, 0.24, (250, 226, 160), within=body)
    for x in (-0.12, 0.14):
        pen.oval(x, -0.02, 0.09, 0.045, darker(skin, 0.12))
    for dx in (-0.04, 0.1):
        pen.polygon([(dx - 0.03, -0.9), (dx - 0.06, -1.08), (dx + 0.04, -0.92)], (250, 226, 160))
    pen.blob([(-0.14, -0.78), (0.02, -0.94), (0.2, -0.84), (0.4, -0.74), (0.4, -0.62), (0.12, -0.58),
        (-0.1, -0.64)], Gradient((lighter(skin, 0.15), skin)))  # fmt: skip
    pen.oval(0.1, -0.78, 0.05, 0.055, WHITE)
    pen.oval(0.115, -0.775, 0.028, 0.036, INK)
    pen.oval(0.37, -0.7, 0.014, 0.01, INK)
    pen.line([(0.38, -0.64), (0.2, -0.63)], 0.008, darker(skin, 0.5))
