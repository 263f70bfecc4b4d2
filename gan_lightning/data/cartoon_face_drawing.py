"""Faces in the style of anime, drawn by code from seven known factors and a continuous jitter.

face i = draw(hair, style, eyes, mouth, skin, pose, background, jitter), a pure function of (face_seed, i)

The seven factors are uniform and independent, so all 6 · 3⁶ = 4374 combinations are equally likely: values that a generator
drops or correlates can be counted (as on dSprites, Matthey et al. 2017). The jitter (position, size, turn, eyelids, tints) is
continuous, so no two faces are identical.
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
SUPERSAMPLING = 4  # a face is drawn this many times larger, then averaged

Colour = tuple[int, int, int]

HAIR: tuple[Colour, ...] = ((58, 52, 78), (132, 82, 52), (244, 206, 104), (242, 128, 172), (84, 128, 232), (88, 186, 132))
EYES: tuple[Colour, ...] = ((40, 110, 240), (30, 165, 80), (215, 50, 60))
SKIN: tuple[Colour, ...] = ((255, 232, 216), (240, 194, 156), (170, 112, 80))
BACKGROUND: tuple[Colour, ...] = ((168, 214, 242), (240, 184, 200), (232, 216, 160))
INK, WHITE, LIP, CLOTH, RIBBON = (52, 34, 48), (255, 255, 255), (176, 52, 66), (54, 66, 116), (222, 60, 82)


class Face(NamedTuple):
    """Describe a face: for each of FACTORS the index of its value, for each of JITTER a number in [-1, 1]."""

    factors: tuple[int, ...]
    jitter: tuple[float, ...]


def sample_face(face_seed: int, index: int) -> Face:
    """Return face `index`; its first random numbers choose one factor each, the others are the jitter."""
    u = np.random.default_rng([Purpose.REAL, face_seed, index]).random(len(FACTORS) + len(JITTER))
    factors = tuple(int(len(values) * x) for values, x in zip(FACTORS.values(), u[: len(FACTORS)], strict=True))
    return Face(factors, tuple((2 * u[len(FACTORS) :] - 1).tolist()))


def smooth(points: Sequence[tuple[float, float]], corners: Sequence[int] = (), steps: int = 6) -> np.ndarray:  # -> (P, 2)
    """Return a closed curve through `points` (Catmull & Rom 1974) with `steps` vertices per segment.

    `corners` are indices of points with zero tangents, where the curve has a sharp bend.
    """
    p = np.array(points)
    t = (np.arange(steps) / steps)[:, None]
    segments = []
    for i in range(len(p)):
        a, b, c, d = (p[(i + k) % len(p)] for k in (-1, 0, 1, 2))
        start = np.zeros(2) if i in corners else (c - a) / 2  # the tangent at b
        end = np.zeros(2) if (i + 1) % len(p) in corners else (d - b) / 2  # the tangent at c
        segments.append(
            (2 * t**3 - 3 * t**2 + 1) * b + (t**3 - 2 * t**2 + t) * start + (3 * t**2 - 2 * t**3) * c + (t**3 - t**2) * end
        )
    return np.concatenate(segments)


def mirror(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Complete the left half of an outline with its mirror image at x = 0.5."""
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
    """Draw shapes of the unit square onto an image, scaled by `size` about the centre and moved by (x, y)."""

    def __init__(self, image: Image.Image, x: float, y: float, size: float) -> None:
        self.canvas, self.side = ImageDraw.Draw(image), image.width
        self.scale = size * self.side
        self.origin = np.array([(0.5 + x - size / 2) * self.side, (0.5 + y - size / 2) * self.side])

    def shape(self, outline: np.ndarray, colour: Colour, x: float = 0.0, ink: Colour | None = None, y: float = 0.0) -> None:
        """Draw a filled outline (P, 2), moved by (x, y), with a border in the colour `ink` if it is given."""
        points = (self.scale * outline + self.scale * np.array([x, y]) + self.origin).ravel().tolist()
        self.canvas.polygon(points, fill=colour, outline=ink, width=max(1, round(0.014 * self.scale)) if ink else 1)

    def ellipse(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        """Draw a filled ellipse with its centre at (x, y)."""
        self.canvas.ellipse(self.box(x, y, width, height), fill=colour)

    def arc(
        self, x: float, y: float, width: float, height: float, angles: tuple[int, int], colour: Colour, thickness: float
    ) -> None:
        """Draw an arc of an ellipse; the angles are in degrees, clockwise from the right."""
        self.canvas.arc(self.box(x, y, width, height), *angles, fill=colour, width=round(thickness * self.scale))

    def box(self, x: float, y: float, width: float, height: float) -> list[float]:
        """Return left, top, right and bottom in pixels."""
        left, top = np.array([x - width / 2, y - height / 2]) * self.scale + self.origin
        return [left, top, left + width * self.scale, top + height * self.scale]


def tint(colour: Colour, amounts: Sequence[float], strength: float) -> Colour:
    """Add `strength` times its amount in [-1, 1] to each channel, and clip."""
    red, green, blue = (min(255, max(0, round(c + strength * u))) for c, u in zip(colour, amounts, strict=True))
    return red, green, blue


def mix(colour: Colour, other: Colour, share: float) -> Colour:
    """Interpolate from `colour` (share 0) to `other` (share 1)."""
    red, green, blue = (round(c + share * (o - c)) for c, o in zip(colour, other, strict=True))
    return red, green, blue


def draw_face(face: Face, side: int) -> Image.Image:
    """Return an RGB image of side × side pixels."""
    hair, style, eyes, mouth, skin, pose, background = face.factors
    x, y, size, turn, lids, *tints = face.jitter
    backdrop = tint(BACKGROUND[background], tints[6:], 8)
    image = Image.new("RGB", (SUPERSAMPLING * side, SUPERSAMPLING * side), backdrop)
    pen = Pen(image, 0.025 * x, 0.02 * y, 0.94 + 0.04 * size)
    yaw = (pose - 1) * (0.07 + 0.008 * turn) + (0.008 * turn if pose == 1 else 0)  # how far the features move sideways
    hair_colour, skin_colour = tint(HAIR[hair], tints[:3], 12), tint(SKIN[skin], tints[3:6], 6)
    hair_shadow, hair_line = mix(hair_colour, INK, 0.3), mix(hair_colour, INK, 0.55)

    pen.ellipse(0.5, 0.45, 0.95, 0.95, mix(backdrop, WHITE, 0.45))
    if style == 2:
        for tail in TAILS:
            pen.shape(tail, hair_colour, -0.3 * yaw, hair_line)
    pen.shape(BEHIND[style], hair_shadow, -0.2 * yaw, hair_line)
    pen.shape(BODY, CLOTH)
    pen.shape(NECK, mix(skin_colour, INK, 0.18))
    pen.shape(COLLAR, WHITE)
    pen.shape(HEAD, skin_colour, 0.4 * yaw, mix(skin_colour, INK, 0.4))

    middle = 0.5 + yaw
    for sign in (-1, 1):  # perspective: the eye on the side that the head turns to is narrower and nearer to the outline
        scale = 1 - sign * yaw * 2.2
        eye = middle + sign * 0.128 * scale
        pen.ellipse(eye + sign * 0.035, 0.69, 0.1 * scale, 0.05, mix(skin_colour, (235, 80, 90), 0.35))
        draw_eye(pen, eye, 0.57, 0.15 * scale, 0.2 + 0.025 * lids, EYES[eyes])
        pen.arc(eye, 0.455, 0.13 * scale, 0.05, (200, 340), hair_line, 0.014)
    pen.ellipse(middle + 0.4 * yaw, 0.675, 0.02, 0.014, mix(skin_colour, INK, 0.35))
    draw_mouth(pen, middle, 0.755, mouth)

    pen.shape(FRINGE[style], hair_colour, 0.5 * yaw, hair_line)
    pen.shape(SHINE, mix(hair_colour, WHITE, 0.45), 0.6 * yaw)
    if style == 2:
        for sign in (-1, 1):
            pen.ellipse(0.5 + sign * 0.315 + 0.1 * yaw, 0.27, 0.085, 0.1, RIBBON)
    return image.reduce(SUPERSAMPLING)


def draw_eye(pen: Pen, x: float, y: float, width: float, height: float, colour: Colour) -> None:
    """Draw an eye: white, iris, pupil, two reflections, and the lid with its lashes."""
    pen.ellipse(x, y, width, height, WHITE)
    pen.ellipse(x, y + 0.01, 0.78 * width, 0.9 * height, mix(colour, INK, 0.45))
    pen.ellipse(x, y + 0.028, 0.68 * width, 0.68 * height, colour)
    pen.ellipse(x, y + 0.062, 0.46 * width, 0.24 * height, mix(colour, WHITE, 0.5))
    pen.ellipse(x, y + 0.008, 0.3 * width, 0.42 * height, INK)
    pen.ellipse(x - 0.2 * width, y - 0.2 * height, 0.34 * width, 0.28 * height, WHITE)
    pen.ellipse(x + 0.18 * width, y + 0.24 * height, 0.16 * width, 0.14 * height, WHITE)
    pen.arc(x, y + 0.004, 1.12 * width, 1.08 * height, (188, 352), INK, 0.03)


def draw_mouth(pen: Pen, x: float, y: float, mouth: int) -> None:
    """Draw a mouth: 0 a smile, 1 open, 2 round."""
    if mouth == 0:
        pen.arc(x, y - 0.04, 0.2, 0.1, (10, 170), mix(LIP, INK, 0.35), 0.026)
    elif mouth == 1:
        pen.shape(OPEN, LIP, x, INK, y)
        pen.ellipse(x, y + 0.033, 0.08, 0.045, (244, 130, 140))
    else:
        pen.ellipse(x, y, 0.085, 0.085, mix(LIP, INK, 0.45))
        pen.ellipse(x, y + 0.01, 0.04, 0.04, (226, 96, 110))
