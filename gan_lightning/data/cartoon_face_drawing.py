"""Faces in the style of anime, drawn by code: a data set of faces whose every cause is known, and that needs no download.

face i = draw(hair, style, eyes, mouth, skin, pose, background, jitter), all of it a pure function of (face_seed, i)

The seven factors are uniform and independent, so that all 6 · 3⁶ = 4374 faces are equally likely: what a generator drops, or
ties together, can be counted (as on dSprites, Matthey et al. 2017). The jitter (place, size, turn, eyelids, tints) is
continuous: no two faces are alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from gan_lightning.step.seeding import Purpose

FACTORS: dict[str, tuple[str, ...]] = {
    "hair": ("black", "brown", "blond", "pink", "blue", "green"),
    "style": ("short", "long", "twin tails"),
    "eyes": ("blue", "green", "red"),
    "mouth": ("smile", "open", "round"),
    "skin": ("light", "tan", "dark"),
    "pose": ("left", "front", "right"),
    "background": ("sky", "rose", "sand"),
}
JITTER = ("x", "y", "size", "turn", "lids", *(f"{part} {c}" for part in ("hair", "skin", "background") for c in "rgb"))
FINER = 4  # drawn this much larger, then averaged

Colour = tuple[int, int, int]

HAIR: tuple[Colour, ...] = ((58, 52, 78), (132, 82, 52), (244, 206, 104), (242, 128, 172), (84, 128, 232), (88, 186, 132))
EYES: tuple[Colour, ...] = ((40, 110, 240), (30, 165, 80), (215, 50, 60))
SKIN: tuple[Colour, ...] = ((255, 232, 216), (240, 194, 156), (170, 112, 80))
BACKGROUND: tuple[Colour, ...] = ((168, 214, 242), (240, 184, 200), (232, 216, 160))
INK, WHITE, LIP, CLOTH, RIBBON = (52, 34, 48), (255, 255, 255), (176, 52, 66), (54, 66, 116), (222, 60, 82)


class Face(NamedTuple):
    """What is drawn: the value of each of FACTORS, and of each JITTER a number in [-1, 1]."""

    factors: tuple[int, ...]
    jitter: tuple[float, ...]


def sample_face(face_seed: int, index: int) -> Face:
    """Face `index`: the factors first, each from a uniform number of its own, then the jitter."""
    u = np.random.default_rng([Purpose.REAL, face_seed, index]).random(len(FACTORS) + len(JITTER))
    factors = tuple(int(len(values) * part) for values, part in zip(FACTORS.values(), u[: len(FACTORS)], strict=True))
    return Face(factors, tuple((2 * u[len(FACTORS) :] - 1).tolist()))


def smooth(points: Sequence[tuple[float, float]], corners: Sequence[int] = (), steps: int = 6) -> np.ndarray:  # -> (P, 2)
    """A closed curve through `points` (Catmull & Rom 1974), straight on both sides of each of the `corners`."""
    p = np.array(points)
    t = (np.arange(steps) / steps)[:, None]
    pieces = []
    for i in range(len(p)):
        a, b, c, d = (p[(i + k) % len(p)] for k in (-1, 0, 1, 2))
        before = np.zeros(2) if i in corners else (c - a) / 2
        after = np.zeros(2) if (i + 1) % len(p) in corners else (d - b) / 2
        pieces.append(
            (2 * t**3 - 3 * t**2 + 1) * b + (t**3 - 2 * t**2 + t) * before + (3 * t**2 - 2 * t**3) * c + (t**3 - t**2) * after
        )
    return np.concatenate(pieces)


def mirror(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The left half of an outline, from top to bottom or back, and its mirror image."""
    return [*points, *((1 - x, y) for x, y in reversed(points) if x != 0.5)]


# outlines in the unit square, y downwards
HEAD = smooth(mirror([(0.5, 0.16), (0.32, 0.22), (0.245, 0.42), (0.262, 0.6), (0.34, 0.745), (0.44, 0.825), (0.5, 0.845)]))
BODY = smooth(mirror([(0.5, 0.9), (0.4, 0.9), (0.22, 0.95), (0.12, 1.2)]))
NECK = np.array([(0.43, 0.76), (0.57, 0.76), (0.58, 0.92), (0.5, 0.97), (0.42, 0.92)])
COLLAR = np.array([(0.36, 0.9), (0.42, 0.88), (0.5, 0.97), (0.58, 0.88), (0.64, 0.9), (0.5, 1.04)])
BEHIND = (
    smooth(mirror([(0.5, 0.06), (0.27, 0.12), (0.16, 0.36), (0.15, 0.58), (0.22, 0.76), (0.34, 0.74), (0.5, 0.7)])),
    smooth(mirror([(0.5, 0.06), (0.27, 0.12), (0.16, 0.36), (0.13, 0.62), (0.07, 0.9), (0.06, 1.2), (0.5, 1.2)]), (5, 6, 7)),
    smooth(mirror([(0.5, 0.06), (0.28, 0.12), (0.18, 0.32), (0.2, 0.52), (0.32, 0.62), (0.5, 0.62)])),
)
TAIL = smooth(
    [(0.17, 0.26), (0.06, 0.3), (-0.02, 0.5), (0.0, 0.7), (0.06, 0.86), (0.13, 0.74), (0.17, 0.55), (0.19, 0.4)], (4,)
)
TAILS = (TAIL, TAIL * (-1, 1) + (1, 0))
CROWN = [(0.2, 0.56), (0.17, 0.36), (0.27, 0.13), (0.5, 0.055), (0.73, 0.13), (0.83, 0.36), (0.8, 0.56)]
SPIKES = [(0.735, 0.4), (0.69, 0.5), (0.62, 0.37), (0.56, 0.49), (0.49, 0.36), (0.42, 0.48), (0.36, 0.36), (0.29, 0.48)]
STRAIGHT = [(0.735, 0.62), (0.73, 0.42), (0.61, 0.44), (0.5, 0.445), (0.39, 0.44), (0.27, 0.42), (0.265, 0.62)]
SWEPT = [(0.74, 0.42), (0.64, 0.32), (0.5, 0.2), (0.36, 0.32), (0.26, 0.42)]
FRINGE = (
    smooth([*CROWN, *SPIKES, (0.265, 0.4)], (0, 6, 8, 10, 12, 14)),
    smooth([(0.2, 0.8), *CROWN[1:6], (0.8, 0.8), *STRAIGHT], (0, 6, 8, 12)),
    smooth([*CROWN, *SWEPT], (0, 6, 9)),
)
SHINE = smooth([(0.3, 0.27), (0.36, 0.215), (0.5, 0.19), (0.64, 0.215), (0.7, 0.27), (0.62, 0.25), (0.5, 0.235), (0.38, 0.25)])
OPEN = smooth([(-0.1, -0.045), (0.0, -0.03), (0.1, -0.045), (0.065, 0.04), (0.0, 0.062), (-0.065, 0.04)], (0, 2))


class Pen:
    """Draws into the unit square, seen at `size` round its middle and moved by (x, y)."""

    def __init__(self, image: Image.Image, x: float, y: float, size: float) -> None:
        self.on, self.side = ImageDraw.Draw(image), image.width
        self.scale = size * self.side
        self.origin = np.array([(0.5 + x - size / 2) * self.side, (0.5 + y - size / 2) * self.side])

    def shape(self, outline: np.ndarray, colour: Colour, x: float = 0.0, ink: Colour | None = None, y: float = 0.0) -> None:
        """A filled outline, moved by (x, y)."""
        points = (self.scale * outline + self.scale * np.array([x, y]) + self.origin).ravel().tolist()
        self.on.polygon(points, fill=colour, outline=ink, width=max(1, round(0.014 * self.scale)) if ink else 1)

    def ellipse(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        """A filled ellipse round (x, y)."""
        self.on.ellipse(self.box(x, y, width, height), fill=colour)

    def arc(
        self, x: float, y: float, width: float, height: float, angles: tuple[int, int], colour: Colour, thick: float
    ) -> None:
        """A piece of an ellipse; the angles run clockwise from the right."""
        self.on.arc(self.box(x, y, width, height), *angles, fill=colour, width=round(thick * self.scale))

    def box(self, x: float, y: float, width: float, height: float) -> list[float]:
        """Left, top, right, bottom in pixels."""
        left, top = np.array([x - width / 2, y - height / 2]) * self.scale + self.origin
        return [left, top, left + width * self.scale, top + height * self.scale]


def tint(colour: Colour, by: Sequence[float], strength: float) -> Colour:
    """The colour with each channel moved by up to `strength`."""
    red, green, blue = (min(255, max(0, round(c + strength * u))) for c, u in zip(colour, by, strict=True))
    return red, green, blue


def mix(colour: Colour, other: Colour, share: float) -> Colour:
    """`share` of the other colour in this one."""
    red, green, blue = (round(c + share * (o - c)) for c, o in zip(colour, other, strict=True))
    return red, green, blue


def draw_face(sample_face: Face, side: int) -> Image.Image:
    """The face, side × side."""
    hair, style, eyes, mouth, skin, pose, background = sample_face.factors
    x, y, size, turn, lids, *tints = sample_face.jitter
    image = Image.new("RGB", (FINER * side, FINER * side), sky := tint(BACKGROUND[background], tints[6:], 8))
    pen = Pen(image, 0.025 * x, 0.02 * y, 0.94 + 0.04 * size)
    turned = (pose - 1) * (0.07 + 0.008 * turn) + (0.008 * turn if pose == 1 else 0)
    strands, flesh = tint(HAIR[hair], tints[:3], 12), tint(SKIN[skin], tints[3:6], 6)
    deep, edge = mix(strands, INK, 0.3), mix(strands, INK, 0.55)

    pen.ellipse(0.5, 0.45, 0.95, 0.95, mix(sky, WHITE, 0.45))
    if style == 2:
        for tail in TAILS:
            pen.shape(tail, strands, -0.3 * turned, edge)
    pen.shape(BEHIND[style], deep, -0.2 * turned, edge)
    pen.shape(BODY, CLOTH)
    pen.shape(NECK, mix(flesh, INK, 0.18))
    pen.shape(COLLAR, WHITE)
    pen.shape(HEAD, flesh, 0.4 * turned, mix(flesh, INK, 0.4))

    middle = 0.5 + turned
    for where in (-1, 1):  # what the head turns to comes closer to its edge, and narrower
        near = 1 - where * turned * 2.2
        centre = middle + where * 0.128 * near
        pen.ellipse(centre + where * 0.035, 0.69, 0.1 * near, 0.05, mix(flesh, (235, 80, 90), 0.35))
        draw_eye(pen, centre, 0.57, 0.15 * near, 0.2 + 0.025 * lids, EYES[eyes])
        pen.arc(centre, 0.455, 0.13 * near, 0.05, (200, 340), edge, 0.014)
    pen.ellipse(middle + 0.4 * turned, 0.675, 0.02, 0.014, mix(flesh, INK, 0.35))
    draw_mouth(pen, middle, 0.755, mouth)

    pen.shape(FRINGE[style], strands, 0.5 * turned, edge)
    pen.shape(SHINE, mix(strands, WHITE, 0.45), 0.6 * turned)
    if style == 2:
        for where in (-1, 1):
            pen.ellipse(0.5 + where * 0.315 + 0.1 * turned, 0.27, 0.085, 0.1, RIBBON)
    return image.reduce(FINER)


def draw_eye(pen: Pen, x: float, y: float, width: float, height: float, colour: Colour) -> None:
    """An eye: white, iris, pupil, the light from below and above, the lid with its lashes."""
    pen.ellipse(x, y, width, height, WHITE)
    pen.ellipse(x, y + 0.01, 0.78 * width, 0.9 * height, mix(colour, INK, 0.45))
    pen.ellipse(x, y + 0.028, 0.68 * width, 0.68 * height, colour)
    pen.ellipse(x, y + 0.062, 0.46 * width, 0.24 * height, mix(colour, WHITE, 0.5))
    pen.ellipse(x, y + 0.008, 0.3 * width, 0.42 * height, INK)
    pen.ellipse(x - 0.2 * width, y - 0.2 * height, 0.34 * width, 0.28 * height, WHITE)
    pen.ellipse(x + 0.18 * width, y + 0.24 * height, 0.16 * width, 0.14 * height, WHITE)
    pen.arc(x, y + 0.004, 1.12 * width, 1.08 * height, (188, 352), INK, 0.03)


def draw_mouth(pen: Pen, x: float, y: float, mouth: int) -> None:
    """A mouth: a smiling line, wide open, or a small round one."""
    if mouth == 0:
        pen.arc(x, y - 0.04, 0.2, 0.1, (10, 170), mix(LIP, INK, 0.35), 0.026)
    elif mouth == 1:
        pen.shape(OPEN, LIP, x, INK, y)
        pen.ellipse(x, y + 0.033, 0.08, 0.045, (244, 130, 140))
    else:
        pen.ellipse(x, y, 0.085, 0.085, mix(LIP, INK, 0.45))
        pen.ellipse(x, y + 0.01, 0.04, 0.04, (226, 96, 110))
