"""People, machines, buildings and plants, in their own units: feet at (0, 0), about 1 high, y down."""

from __future__ import annotations

import math

import numpy as np

from bot.sandbox.art.animals import BLUSH, INK, WHITE, Look, blossom
from bot.sandbox.art.brush import Array, Colour, Gradient, Pen, darker, ellipse, lighter, mix, smooth

WOOD: Colour = (124, 86, 62)
SKINS: tuple[Colour, ...] = ((250, 214, 184), (234, 182, 140), (190, 130, 92), (134, 88, 66))
HAIRS: tuple[Colour, ...] = ((74, 48, 44), (40, 34, 44), (176, 104, 58), (226, 176, 96))
CLOTHES: tuple[Colour, ...] = ((226, 96, 90), (72, 132, 186), (96, 154, 112), (238, 178, 76), (150, 108, 186))


# -- people


def person(pen: Pen, look: Look) -> None:
    skin, hair = SKINS[look.whim % 4], HAIRS[(look.whim // 4) % 4]
    _figure(pen, look, skin, hair, long_hair=look.whim % 2 == 0)


def girl(pen: Pen, look: Look) -> None:
    hair = look.colour or HAIRS[(look.whim // 4) % 4]
    _figure(pen, Look(None, look.wears, look.whim), SKINS[look.whim % 3], hair, long_hair=True)


def _figure(pen: Pen, look: Look, skin: Colour, hair: Colour, *, long_hair: bool) -> None:
    cloth = look.or_else(CLOTHES[look.whim % 5])
    if long_hair:
        pen.blob([(0, -1.0), (0.15, -0.95), (0.2, -0.75), (0.24, -0.48), (0.1, -0.42), (-0.1, -0.42),
            (-0.24, -0.48), (-0.2, -0.75), (-0.15, -0.95)],
            Gradient((hair, darker(hair, 0.2))))  # fmt: skip
    for side in (-1, 1):
        pen.line(
            [(0.055 * side, -0.26), (0.06 * side, -0.03)], [0.042, 0.034], mix(skin, darker(cloth, 0.4), 0.6)
        )
        pen.oval(0.07 * side, -0.015, 0.06, 0.028, INK)
        pen.line(
            [(0.11 * side, -0.58), (0.19 * side, -0.44), (0.18 * side, -0.32)],
            [0.048, 0.042, 0.034],
            darker(cloth, 0.14),
        )
        pen.oval(0.18 * side, -0.3, 0.032, 0.034, skin)
    pen.line([(0, -0.66), (0, -0.58)], 0.04, darker(skin, 0.12))
    coat = pen.blob([(-0.09, -0.62), (0.09, -0.62), (0.14, -0.5), (0.15, -0.34), (0.2, -0.17), (0, -0.14),
        (-0.2, -0.17), (-0.15, -0.34), (-0.14, -0.5)], Gradient((lighter(cloth, 0.1), cloth,
        darker(cloth, 0.1))))  # fmt: skip
    pen.line([(-0.18, -0.36), (0.18, -0.36)], 0.014, darker(cloth, 0.3), within=coat)
    _face(pen, skin, hair)
    if look.wears == "scarf":
        pen.line([(0.07, -0.58), (0.1, -0.38)], [0.03, 0.04], (236, 226, 214))
        pen.line([(-0.1, -0.62), (0, -0.585), (0.1, -0.62)], [0.03, 0.042, 0.03], (250, 242, 232))
    elif look.wears == "wreath":
        for i in range(5):
            x = -0.11 + i * 0.055
            blossom(pen, x, -0.95 + 1.5 * x * x, 0.032, ((255, 240, 236), (255, 182, 200),
                (255, 216, 110))[(i + look.whim) % 3])  # fmt: skip


def _face(pen: Pen, skin: Colour, hair: Colour) -> None:
    head = pen.oval(0, -0.79, 0.145, 0.16, Gradient((skin, mix(skin, BLUSH, 0.12))))
    pen.blob([(-0.2, -0.74), (-0.19, -0.98), (0.0, -1.04), (0.19, -0.98), (0.2, -0.74, 1), (0.1, -0.86),
        (0.02, -0.88), (-0.08, -0.84)], hair, within=_cap(head))  # fmt: skip
    for side in (-1, 1):
        pen.oval(0.055 * side, -0.775, 0.017, 0.024, INK)
        pen.oval(0.055 * side + 0.006, -0.784, 0.006, 0.007, WHITE)
        pen.oval(0.088 * side, -0.735, 0.026, 0.017, BLUSH, opacity=0.5, blur=0.006)
    pen.line([(-0.03, -0.706), (0, -0.694), (0.03, -0.706)], 0.006, darker(skin, 0.6))


def _cap(head: Array) -> Array:
    """The head's outline, a little larger: hair has some thickness."""
    middle = head.mean(axis=0)
    return np.asarray(middle + (head - middle) * 1.07)


def astronaut(pen: Pen, look: Look) -> None:
    suit = look.or_else((240, 242, 248))
    pen.blob([(-0.2, -0.68), (0.2, -0.68), (0.22, -0.32), (-0.22, -0.32)], darker(suit, 0.3))
    for side in (-1, 1):
        pen.line(
            [(0.08 * side, -0.3), (0.1 * side, -0.06)], [0.085, 0.075], Gradient((suit, darker(suit, 0.16)))
        )
        pen.oval(0.11 * side, -0.03, 0.09, 0.045, darker(suit, 0.35))
        pen.line(
            [(0.16 * side, -0.58), (0.28 * side, -0.42), (0.25 * side, -0.28)],
            [0.07, 0.068, 0.055],
            darker(suit, 0.08),
        )
        pen.oval(0.25 * side, -0.26, 0.05, 0.05, (236, 120, 78))
    pen.blob([(-0.15, -0.64), (0.15, -0.64), (0.19, -0.42), (0.16, -0.24), (-0.16, -0.24), (-0.19, -0.42)],
             Gradient((suit, darker(suit, 0.12))))  # fmt: skip
    pen.polygon([(-0.08, -0.5), (0.08, -0.5), (0.08, -0.39), (-0.08, -0.39)], darker(suit, 0.22))
    for x, tone in ((-0.045, (236, 96, 86)), (0.0, (250, 200, 90)), (0.045, (110, 190, 140))):
        pen.oval(x, -0.445, 0.015, 0.015, tone)
    pen.oval(0, -0.79, 0.215, 0.21, Gradient((suit, darker(suit, 0.14))))
    visor = pen.oval(0, -0.785, 0.165, 0.145, Gradient(((62, 72, 118), (28, 30, 58), (196, 126, 92))))
    pen.oval(0.06, -0.84, 0.06, 0.03, WHITE, -20, within=visor, opacity=0.75)


def robot(pen: Pen, look: Look) -> None:
    metal = look.or_else((124, 168, 184))
    dark = darker(metal, 0.45)
    for side in (-1, 1):
        pen.line([(0.1 * side, -0.22), (0.1 * side, -0.06)], 0.035, dark)
        pen.line([(0.07 * side, -0.03), (0.16 * side, -0.03)], 0.035, metal)
        pen.line([(0.2 * side, -0.5), (0.31 * side, -0.4), (0.3 * side, -0.27)], 0.03, dark)
        pen.oval(0.3 * side, -0.24, 0.05, 0.05, metal)
    pen.blob([(-0.19, -0.57), (0.19, -0.57), (0.22, -0.4), (0.19, -0.2), (-0.19, -0.2), (-0.22, -0.4)],
             Gradient((lighter(metal, 0.25), metal, darker(metal, 0.15))))  # fmt: skip
    pen.oval(0, -0.39, 0.085, 0.085, dark)
    pen.oval(0, -0.39, 0.058, 0.058, Gradient(((255, 226, 140), (244, 140, 80))))
    pen.line([(0, -0.94), (0, -1.04)], 0.012, dark)
    pen.oval(0, -1.06, 0.03, 0.03, (240, 100, 90))
    pen.line([(0, -0.62), (0, -0.56)], 0.05, dark)
    for side in (-1, 1):
        pen.oval(0.25 * side, -0.77, 0.045, 0.07, dark)
    pen.blob([(-0.2, -0.94), (0.2, -0.94), (0.26, -0.78), (0.2, -0.61), (-0.2, -0.61), (-0.26, -0.78)],
             Gradient((lighter(metal, 0.35), metal)))  # fmt: skip
    pen.blob(
        [(-0.16, -0.87), (0.16, -0.87), (0.2, -0.78), (0.16, -0.69), (-0.16, -0.69), (-0.2, -0.78)],
        (34, 40, 58),
    )
    for side in (-1, 1):
        pen.oval(0.085 * side, -0.79, 0.042, 0.05, (120, 240, 226), blur=0.012, opacity=0.7)
        pen.oval(0.085 * side, -0.79, 0.03, 0.038, (190, 255, 244))
    pen.line([(-0.03, -0.73), (0, -0.722), (0.03, -0.73)], 0.007, (190, 255, 244))


# -- machines


def car(pen: Pen, look: Look) -> None:
    paint = look.or_else((222, 74, 66))
    pen.oval(0, -0.02, 0.72, 0.05, INK, opacity=0.3, blur=0.03)
    pen.blob(
        [(-0.4, -0.34, 1), (-0.26, -0.6), (0.16, -0.62), (0.38, -0.36, 1)],
        Gradient((lighter(paint, 0.15), paint)),
    )
    pen.blob(
        [(-0.32, -0.35, 1), (-0.22, -0.54), (-0.04, -0.55, 1), (-0.04, -0.35, 1)],
        Gradient(((214, 240, 250), (140, 186, 214))),
    )
    pen.blob(
        [(0.02, -0.35, 1), (0.02, -0.55, 1), (0.15, -0.54), (0.3, -0.35, 1)],
        Gradient(((214, 240, 250), (140, 186, 214))),
    )
    pen.blob([(-0.66, -0.14), (-0.64, -0.32), (-0.4, -0.37), (0.4, -0.37), (0.64, -0.29), (0.68, -0.14),
        (0.6, -0.09), (-0.6, -0.09)], Gradient((lighter(paint, 0.12), paint,
        darker(paint, 0.2))))  # fmt: skip
    pen.line([(-0.62, -0.2), (0.62, -0.2)], 0.01, lighter(paint, 0.5), opacity=0.6)
    pen.oval(0.62, -0.26, 0.045, 0.045, (255, 236, 160))
    pen.oval(-0.63, -0.26, 0.03, 0.04, (180, 30, 40))
    for x in (-0.36, 0.38):
        pen.oval(x, -0.11, 0.14, 0.14, INK)
        pen.oval(x, -0.11, 0.075, 0.075, (196, 200, 212))
        pen.oval(x, -0.11, 0.03, 0.03, INK)


def boat(pen: Pen, look: Look) -> None:
    hull = look.or_else((178, 76, 62))
    pen.line([(0.02, -0.2), (0.02, -0.98)], 0.016, WOOD)
    pen.blob(
        [(0.06, -0.95, 1), (0.3, -0.62), (0.5, -0.28, 1), (0.06, -0.28, 1)],
        Gradient((WHITE, (226, 222, 230))),
    )
    pen.blob(
        [(-0.02, -0.86, 1), (-0.2, -0.58), (-0.36, -0.28, 1), (-0.02, -0.28, 1)],
        Gradient(((255, 234, 200), (240, 190, 150))),
    )
    pen.polygon([(0.02, -1.0), (0.2, -0.96), (0.02, -0.91)], (230, 90, 84))
    pen.blob(
        [(-0.56, -0.22, 1), (0.6, -0.22, 1), (0.42, 0.02), (0, 0.06), (-0.4, 0.02)],
        Gradient((hull, darker(hull, 0.3))),
    )
    pen.line([(-0.54, -0.21), (0.58, -0.21)], 0.024, lighter(hull, 0.65))


def train(pen: Pen, look: Look) -> None:
    paint = look.or_else((58, 112, 102))
    for x, y, r in ((0.42, -0.88, 0.07), (0.32, -1.0, 0.1), (0.16, -1.1, 0.13)):
        pen.oval(x, y, r, r * 0.8, WHITE, opacity=0.7, blur=0.02)
    pen.polygon([(0.36, -0.6), (0.4, -0.8), (0.5, -0.8), (0.48, -0.6)], darker(paint, 0.4))
    pen.blob(
        [(-0.1, -0.6, 1), (0.5, -0.6), (0.56, -0.42), (0.5, -0.24), (-0.1, -0.24, 1)],
        Gradient((lighter(paint, 0.2), paint, darker(paint, 0.2))),
    )
    pen.polygon(
        [(-0.62, -0.8), (-0.06, -0.8), (-0.06, -0.2), (-0.62, -0.2)], Gradient((paint, darker(paint, 0.15)))
    )
    pen.line([(-0.66, -0.82), (-0.02, -0.82)], 0.035, (206, 80, 70))
    pen.polygon([(-0.52, -0.7), (-0.16, -0.7), (-0.16, -0.48), (-0.52, -0.48)], (255, 232, 166))
    pen.line([(-0.62, -0.22), (0.54, -0.22)], 0.03, (206, 80, 70))
    for x, r in ((-0.46, 0.13), (-0.14, 0.13), (0.16, 0.1), (0.4, 0.1)):
        pen.oval(x, -r, r, r, INK)
        pen.oval(x, -r, r * 0.55, r * 0.55, (226, 180, 96))
        pen.oval(x, -r, r * 0.2, r * 0.2, INK)


def rocket(pen: Pen, look: Look) -> None:
    paint = look.or_else((226, 84, 78))
    pen.blob(
        [(-0.1, -0.16), (0.1, -0.16), (0.05, 0.02), (0.0, 0.14, 1), (-0.05, 0.02)],
        Gradient(((255, 236, 150), (244, 112, 60))),
    )
    for side in (-1, 1):
        pen.blob(
            [(0.13 * side, -0.42), (0.3 * side, -0.2), (0.29 * side, -0.04, 1), (0.12 * side, -0.16)],
            darker(paint, 0.12),
        )
    body = pen.blob([(0, -1.04), (0.15, -0.76), (0.18, -0.42), (0.12, -0.14), (-0.12, -0.14),
        (-0.18, -0.42), (-0.15, -0.76)], Gradient(((226, 228, 240), WHITE, (196, 200, 220)),
        across=True))  # fmt: skip
    pen.polygon([(-0.3, -1.1), (0.3, -1.1), (0.3, -0.8), (-0.3, -0.8)], paint, within=body)
    pen.polygon([(-0.3, -0.22), (0.3, -0.22), (0.3, -0.1), (-0.3, -0.1)], paint, within=body)
    pen.oval(0, -0.6, 0.088, 0.088, paint)
    pen.oval(0, -0.6, 0.062, 0.062, Gradient(((190, 232, 250), (84, 142, 196))))


def balloon(pen: Pen, look: Look) -> None:
    cloth = look.or_else((232, 96, 84))
    for side in (-1, 1):
        pen.line([(0.18 * side, -0.38), (0.07 * side, -0.12)], 0.006, WOOD)
    pen.blob(
        [(-0.08, -0.13, 1), (0.08, -0.13, 1), (0.06, 0.0), (-0.06, 0.0)], Gradient(((196, 140, 88), WOOD))
    )
    bag = smooth([(0, -1.06), (0.34, -0.9), (0.36, -0.62), (0.18, -0.36), (0, -0.3), (-0.18, -0.36),
        (-0.36, -0.62), (-0.34, -0.9)])  # fmt: skip
    pen.fill(bag, cloth)
    for rx, tone in ((0.24, lighter(cloth, 0.75)), (0.11, cloth)):
        pen.fill(ellipse(0, -0.68, rx, 0.42), tone, within=bag)
    pen.fill(ellipse(0.3, -0.6, 0.24, 0.5), darker(cloth, 0.6), within=bag, opacity=0.18, blur=0.05)


# -- buildings


def house(pen: Pen, look: Look) -> None:
    wall = look.or_else((250, 226, 190))
    roof: Colour = (186, 82, 70) if not look.colour or look.colour[0] < 180 else (84, 92, 120)
    pen.polygon([(0.2, -0.92), (0.3, -0.92), (0.3, -0.66), (0.2, -0.66)], (150, 92, 80))
    pen.polygon([(-0.36, -0.52), (0.36, -0.52), (0.36, 0), (-0.36, 0)], Gradient((wall, darker(wall, 0.1))))
    pen.polygon([(-0.36, -0.52), (0, -0.9), (0.36, -0.52)], wall)
    pen.blob([(-0.46, -0.48, 1), (0, -0.98, 1), (0.46, -0.48, 1), (0.36, -0.46, 1), (0, -0.86, 1),
        (-0.36, -0.46, 1)], roof)  # fmt: skip
    pen.blob([(-0.08, 0, 1), (-0.08, -0.24), (0, -0.32), (0.08, -0.24), (0.08, 0, 1)], (126, 78, 62))
    pen.oval(0.05, -0.13, 0.012, 0.012, (250, 210, 110))
    for x, y in ((-0.22, -0.34), (0.22, -0.34), (0.0, -0.6)):
        pen.polygon(
            [(x - 0.075, y - 0.08), (x + 0.075, y - 0.08), (x + 0.075, y + 0.08), (x - 0.075, y + 0.08)],
            WHITE,
        )
        pen.polygon([(x - 0.058, y - 0.063), (x + 0.058, y - 0.063), (x + 0.058, y + 0.063),
            (x - 0.058, y + 0.063)], Gradient(((255, 240, 180), (250, 190, 100))))  # fmt: skip
        pen.line([(x, y - 0.07), (x, y + 0.07)], 0.007, WHITE)
        pen.line([(x - 0.07, y), (x + 0.07, y)], 0.007, WHITE)


def castle(pen: Pen, look: Look) -> None:
    stone = look.or_else((196, 188, 204))
    roof: Colour = (96, 92, 168)
    for x, top, half in ((-0.36, -0.66, 0.1), (0.36, -0.6, 0.1), (-0.14, -0.82, 0.085), (0.15, -0.94, 0.1)):
        pen.polygon(
            [(x - half, top), (x + half, top), (x + half, 0), (x - half, 0)],
            Gradient((stone, darker(stone, 0.2)), across=True),
        )
        pen.polygon(
            [(x - half * 1.35, top), (x, top - 0.26), (x + half * 1.35, top)],
            Gradient((roof, darker(roof, 0.2)), across=True),
        )
        pen.line([(x, top - 0.25), (x, top - 0.34)], 0.007, WOOD)
        pen.polygon([(x, top - 0.35), (x + 0.1, top - 0.32), (x, top - 0.29)], (238, 96, 96))
        pen.blob([(x - 0.025, top + 0.18, 1), (x - 0.025, top + 0.1), (x, top + 0.07),
            (x + 0.025, top + 0.1), (x + 0.025, top + 0.18, 1)], (255, 224, 140))  # fmt: skip
    battlement = [(-0.3, -0.42)]
    for i in range(8):
        x = -0.3 + i * 0.075
        battlement += [(x, -0.47), (x + 0.04, -0.47), (x + 0.04, -0.42), (x + 0.075, -0.42)]
    pen.polygon([*battlement, (0.3, 0), (-0.3, 0)], Gradient((lighter(stone, 0.15), darker(stone, 0.1))))
    pen.blob([(-0.1, 0, 1), (-0.1, -0.18), (0, -0.28), (0.1, -0.18), (0.1, 0, 1)], (92, 66, 62))


def lighthouse(pen: Pen, look: Look) -> None:
    paint = look.or_else((214, 76, 70))
    pen.polygon([(0.05, -0.87), (0.9, -1.02), (0.9, -0.72)], (255, 240, 180), opacity=0.35, blur=0.02)
    tower = pen.polygon(
        [(-0.11, -0.78), (0.11, -0.78), (0.19, 0), (-0.19, 0)],
        Gradient((WHITE, (214, 214, 226)), across=True),
    )
    for y in (-0.66, -0.4, -0.14):
        pen.polygon([(-0.3, y), (0.3, y), (0.3, y + 0.13), (-0.3, y + 0.13)], paint, within=tower)
    pen.polygon([(-0.08, -0.94), (0.08, -0.94), (0.08, -0.8), (-0.08, -0.8)], (255, 236, 150))
    pen.line([(-0.15, -0.79), (0.15, -0.79)], 0.018, INK)
    pen.blob([(-0.12, -0.93, 1), (0, -1.07), (0.12, -0.93, 1)], paint)


def tower(pen: Pen, look: Look) -> None:
    stone = look.or_else((170, 160, 158))
    pen.polygon(
        [(-0.17, -0.86), (0.17, -0.86), (0.21, 0), (-0.21, 0)],
        Gradient((lighter(stone, 0.12), darker(stone, 0.22)), across=True),
    )
    for i in range(4):
        x = -0.2 + i * 0.115
        pen.polygon([(x, -0.98), (x + 0.06, -0.98), (x + 0.06, -0.84), (x, -0.84)], stone)
    pen.line([(-0.2, -0.85), (0.2, -0.85)], 0.025, darker(stone, 0.15))
    for y in (-0.66, -0.4):
        pen.blob(
            [(-0.03, y + 0.1, 1), (-0.03, y), (0, y - 0.04), (0.03, y), (0.03, y + 0.1, 1)], (255, 216, 130)
        )


def monolith(pen: Pen, look: Look) -> None:
    stone = look.or_else((26, 26, 36))
    pen.polygon(
        [(-0.19, -1.0), (0.15, -1.0), (0.15, 0), (-0.19, 0)],
        Gradient((mix(stone, (120, 130, 170), 0.3), stone, darker(stone, 0.5))),
    )
    pen.polygon([(0.15, -1.0), (0.21, -0.965), (0.21, -0.03), (0.15, 0)], mix(stone, (150, 160, 200), 0.4))
    pen.line([(-0.185, -0.99), (-0.185, -0.01)], 0.005, lighter(stone, 0.5), opacity=0.5)


# -- plants and small things


def tree(pen: Pen, look: Look) -> None:
    leaf = look.or_else((96, 156, 88))
    pen.line(
        [(0, 0.01), (0.01, -0.24), (-0.01, -0.52)], [0.07, 0.045, 0.025], Gradient((WOOD, darker(WOOD, 0.2)))
    )
    for side, x in ((-1, -0.16), (1, 0.18)):
        pen.line([(0, -0.32), (x, -0.5)], [0.028, 0.012], WOOD)
        del side
    rng = np.random.default_rng(look.whim)
    crowns = [(-0.2, -0.56, 0.2), (0.22, -0.58, 0.2), (0.0, -0.5, 0.2), (-0.13, -0.76, 0.2),
        (0.14, -0.78, 0.19), (0.0, -0.86, 0.16)]  # fmt: skip
    for x, y, r in crowns:
        pen.oval(x, y + 0.03, r, r * 0.92, darker(leaf, 0.2))
    for x, y, r in crowns:
        pen.oval(x - 0.015, y - 0.015, r * 0.9, r * 0.82, Gradient((lighter(leaf, 0.16), leaf)))
    for _ in range(22):
        x, y = rng.uniform(-0.3, 0.3), rng.uniform(-0.96, -0.46)
        pen.oval(x, y, 0.03, 0.02, lighter(leaf, 0.3), rng.uniform(0, 180), opacity=0.6)


def cherry(pen: Pen, look: Look) -> None:
    tree(pen, Look(look.or_else((250, 178, 200)), "", look.whim))


def pine(pen: Pen, look: Look) -> None:
    needle = look.or_else((58, 112, 92))
    pen.line([(0, 0.01), (0, -0.2)], 0.045, WOOD)
    for i, (top, low, half) in enumerate(
        ((-0.5, -0.12, 0.34), (-0.72, -0.34, 0.27), (-0.9, -0.56, 0.2), (-1.02, -0.76, 0.13))
    ):
        tone = lighter(needle, 0.06 * i)
        tier = pen.blob([(0, top, 1), (half * 0.5, (top + low) / 2 + 0.03), (half, low, 1),
            (half * 0.35, low - 0.03), (0, low + 0.02), (-half * 0.35, low - 0.03), (-half, low, 1),
            (-half * 0.5, (top + low) / 2 + 0.03)],
            Gradient((lighter(tone, 0.12), darker(tone, 0.16))))  # fmt: skip
        if look.wears == "snow":
            cap = smooth([(-half, top - 0.02), (half, top - 0.02), (half * 0.62, low - 0.1),
                (half * 0.3, low - 0.13), (0.02, low - 0.08), (-half * 0.25, low - 0.14),
                (-half * 0.6, low - 0.08)])  # fmt: skip
            pen.fill(tier, (246, 249, 255), within=cap)


def palm(pen: Pen, look: Look) -> None:
    leaf = look.or_else((84, 152, 92))
    pen.line(
        [(0, 0.01), (0.06, -0.4), (0.02, -0.78)],
        [0.05, 0.035, 0.026],
        Gradient(((176, 128, 88), darker(WOOD, 0.1))),
    )
    for i, a in enumerate((200, 165, 235, 20, -20, -60, 270)):
        c, s = math.cos(math.radians(a)), math.sin(math.radians(a))
        pen.line([(0.02, -0.78), (0.02 + 0.22 * c, -0.83 + 0.2 * s), (0.02 + 0.42 * c, -0.68 + 0.28 * s)],
            [0.015, 0.05, 0.006], lighter(leaf, 0.07 * (i % 3)))  # fmt: skip
    for x in (-0.02, 0.05):
        pen.oval(x, -0.74, 0.035, 0.035, (120, 80, 56))


def flower(pen: Pen, look: Look) -> None:
    petal = look.or_else(((240, 96, 110), (250, 176, 70), (232, 120, 190), (150, 112, 220))[look.whim % 4])
    leaf: Colour = (92, 150, 84)
    pen.line([(0.02, 0.0), (-0.03, -0.3), (0, -0.66)], [0.02, 0.017, 0.014], leaf)
    for side, y in ((-1, -0.22), (1, -0.32)):
        pen.blob([(0, y + 0.08, 1), (0.13 * side, y - 0.06), (0.3 * side, y - 0.1, 1),
            (0.17 * side, y + 0.05)], Gradient((lighter(leaf, 0.15), darker(leaf, 0.1))))  # fmt: skip
    for ring, (reach, size, tone) in enumerate(((0.19, 0.15, darker(petal, 0.12)), (0.15, 0.13, petal))):
        for i in range(8):
            a = 2 * math.pi * i / 8 + ring * 0.39
            pen.oval(
                reach * math.cos(a), -0.72 + reach * math.sin(a), size, size * 0.56, tone, math.degrees(a)
            )
    pen.oval(0, -0.72, 0.1, 0.1, Gradient(((255, 216, 96), (230, 150, 54))))
    for i in range(9):
        pen.oval(0.06 * math.cos(i * 2.4), -0.72 + 0.06 * math.sin(i * 2.4), 0.01, 0.01, (160, 96, 40))


def mushroom(pen: Pen, look: Look) -> None:
    cap = look.or_else((214, 66, 60))
    pen.blob(
        [(-0.11, -0.5), (0.11, -0.5), (0.13, -0.1), (0.16, 0), (-0.16, 0), (-0.13, -0.1)],
        Gradient(((232, 220, 204), WHITE)),
    )
    dome = pen.blob([(-0.46, -0.44, 1), (-0.36, -0.74), (0, -0.94), (0.36, -0.74), (0.46, -0.44, 1),
        (0, -0.36)], Gradient((lighter(cap, 0.15), darker(cap, 0.15))))  # fmt: skip
    for x, y, r in (
        (0.02, -0.76, 0.09),
        (-0.23, -0.6, 0.07),
        (0.25, -0.6, 0.08),
        (0.06, -0.5, 0.06),
        (-0.4, -0.48, 0.05),
    ):
        pen.oval(x, y, r, r * 0.8, WHITE, within=dome)


def cactus(pen: Pen, look: Look) -> None:
    skin = look.or_else((84, 142, 96))
    shade = Gradient((lighter(skin, 0.15), darker(skin, 0.15)), across=True)
    for side, y, reach in ((-1, -0.36, -0.62), (1, -0.48, -0.78)):
        pen.line([(0, y), (0.22 * side, y - 0.02), (0.25 * side, reach)], [0.06, 0.068, 0.06], shade)
    pen.line([(0, 0), (0, -0.92)], [0.1, 0.105, 0.09], shade)
    for dx in (-0.045, 0.0, 0.045):
        pen.line([(dx, -0.02), (dx, -0.92)], 0.005, darker(skin, 0.3), opacity=0.6)
    blossom(pen, 0.0, -1.02, 0.06, (248, 130, 160))


def cup(pen: Pen, look: Look) -> None:
    clay = look.or_else((236, 120, 92))
    for x in (-0.1, 0.06, 0.2):
        pen.line([(x, -0.68), (x + 0.04, -0.8), (x - 0.03, -0.9), (x + 0.03, -1.02)], [0.02, 0.016, 0.005],
            WHITE, opacity=0.6, blur=0.01)  # fmt: skip
    pen.line([(0.3, -0.5), (0.52, -0.46), (0.48, -0.24), (0.28, -0.2)], 0.04, darker(clay, 0.1))
    pen.blob([(-0.36, -0.6, 1), (0.36, -0.6, 1), (0.31, -0.2), (0.18, -0.02), (-0.18, -0.02), (-0.31, -0.2)],
             Gradient((lighter(clay, 0.25), clay, darker(clay, 0.18)), across=True))  # fmt: skip
    pen.oval(0, -0.6, 0.36, 0.075, lighter(clay, 0.3))
    pen.oval(0, -0.595, 0.31, 0.055, (104, 66, 48))


def snowman(pen: Pen, look: Look) -> None:
    snow: Colour = look.or_else((246, 249, 255))
    for y, r in ((-0.24, 0.26), (-0.58, 0.2), (-0.84, 0.15)):
        pen.oval(0, y, r, r, Gradient((snow, mix(snow, (150, 176, 220), 0.35))))
    for side in (-1, 1):
        pen.line([(0.17 * side, -0.6), (0.38 * side, -0.72)], [0.014, 0.008], WOOD)
        pen.oval(0.05 * side, -0.88, 0.018, 0.02, INK)
    pen.polygon([(0.0, -0.86), (0.16, -0.82), (0.0, -0.81)], (244, 140, 56))
    for y in (-0.64, -0.54, -0.32):
        pen.oval(0, y, 0.018, 0.018, INK)
    pen.line([(-0.13, -0.72), (0, -0.69), (0.13, -0.72)], 0.03, (206, 52, 62))
    pen.line([(0.08, -0.7), (0.12, -0.52)], [0.026, 0.034], (180, 42, 56))
    pen.polygon([(-0.11, -1.14), (0.11, -1.14), (0.11, -0.96), (-0.11, -0.96)], INK)
    pen.line([(-0.19, -0.96), (0.19, -0.96)], 0.018, INK)


def planet(pen: Pen, look: Look) -> None:
    rock = look.or_else(((226, 160, 110), (120, 170, 210), (196, 130, 190), (150, 190, 150))[look.whim % 4])
    ball = ellipse(0, -0.5, 0.36, 0.36)
    ring = ellipse(0, -0.5, 0.68, 0.13, -14)
    pen.fill(ring, mix(rock, WHITE, 0.45), opacity=0.9)
    pen.fill(ellipse(0, -0.5, 0.56, 0.085, -14), darker(rock, 0.5), opacity=0.6)
    pen.fill(ball, Gradient((lighter(rock, 0.25), rock, darker(rock, 0.3))))
    for i in range(5):
        y = -0.74 + i * 0.12
        pen.line(
            [(-0.4, y + 0.05), (0, y + 0.09), (0.4, y - 0.03)],
            0.022 + 0.01 * (i % 2),
            darker(rock, 0.12 + 0.05 * (i % 2)),
            within=ball,
        )
    front = smooth([(-0.7, -0.36), (0.0, -0.48), (0.7, -0.62), (0.75, -0.2), (-0.7, -0.1)])
    pen.fill(ring, mix(rock, WHITE, 0.6), within=front, opacity=0.95)


def totem(pen: Pen, look: Look) -> None:
    """What words that mean nothing to us become: a small monument, never twice the same."""
    rng = np.random.default_rng(look.whim)
    base = look.or_else(tuple(int(v) for v in rng.integers(70, 235, 3)))  # type: ignore[arg-type]
    y = 0.0
    for i in range(int(rng.integers(3, 6))):
        tone = mix(base, tuple(int(v) for v in rng.integers(60, 250, 3)), 0.5)  # type: ignore[arg-type]
        half, tall = rng.uniform(0.1, 0.26) * (1 - 0.1 * i), rng.uniform(0.14, 0.27)
        shade = Gradient((lighter(tone, 0.2), darker(tone, 0.12)))
        match int(rng.integers(4)):
            case 0:
                pen.oval(0, y - tall / 2, half, tall / 2, shade)
            case 1:
                pen.polygon([(-half, y), (half, y), (half * 0.7, y - tall), (-half * 0.7, y - tall)], shade)
            case 2:
                pen.polygon(
                    [(0, y), (half * 0.8, y - tall / 2), (0, y - tall), (-half * 0.8, y - tall / 2)], shade
                )
            case _:
                pen.blob([(-half, y), (half, y), (half * 1.1, y - tall * 0.5), (0, y - tall),
                    (-half * 1.1, y - tall * 0.5)], shade)  # fmt: skip
        y -= tall * 0.94
    pen.oval(0, y - 0.07, 0.1, 0.1, lighter(base, 0.6), blur=0.05, opacity=0.7)
    pen.oval(0, y - 0.07, 0.055, 0.055, lighter(base, 0.75))
