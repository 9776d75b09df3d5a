"""Inks and pencils: the few means with which `icons` draws.

An icon is drawn eight times too large, in a picture of ink numbers, then averaged down, so that every pixel of the
32 x 32 cell holds what share of it each ink covers. An ink is a role, such as "the thing's own colour" or "outline";
`palette` says which RGB each role has for a thing of a given colour on a given ground. Multiplying the two gives an
anti-aliased cell for any colour and ground from one drawing.

Positions and sizes are in pixels of the cell, (0, 0) at its top left. This module knows no kinds and no settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi, sin

import numpy as np
from PIL import Image, ImageDraw

Point = tuple[float, float]
Shape = list[Point]

SIDE = 32
OVER = 8  # supersampling: 64 samples a pixel

INKS = 14
GROUND, BODY, SHADE, LIGHT, LINE, WHITE, CREAM, BROWN, LEAF, CARROT, GLASS, TYRE, PINK, GOLD = range(INKS)
_FIXED = {
    WHITE: (253, 253, 253), CREAM: (250, 232, 200), BROWN: (142, 92, 58), LEAF: (96, 178, 72), CARROT: (246, 142, 44),
    GLASS: (190, 228, 246), TYRE: (58, 58, 68), PINK: (250, 160, 170), GOLD: (252, 206, 70),
}  # fmt: skip
_BODIES = {
    "red": (224, 44, 52), "orange": (246, 134, 28), "yellow": (255, 218, 44), "green": (38, 152, 70),
    "blue": (44, 98, 218), "purple": (146, 66, 186), "white": (252, 252, 252), "black": (42, 42, 48),
}  # fmt: skip
_OUTLINE = (45, 45, 55)
_OUTLINE_OF_BLACK = (196, 200, 212)  # a dark line would vanish in a black thing, and the thing in a night sky


def palette(colour: str, ground: tuple[int, int, int]) -> np.ndarray:
    """RGB 0..255 of the 14 inks, float32 (14, 3), for a thing of this colour on this ground."""
    body = np.array(_BODIES[colour], np.float32)
    inks = np.zeros((INKS, 3), np.float32)
    inks[GROUND], inks[BODY] = ground, body
    inks[SHADE] = (192, 200, 216) if colour == "white" else (24, 24, 30) if colour == "black" else body * 0.76
    inks[LIGHT] = (96, 98, 112) if colour == "black" else body + (255 - body) * 0.5
    inks[LINE] = _OUTLINE_OF_BLACK if colour == "black" else _OUTLINE
    for ink, rgb in _FIXED.items():
        inks[ink] = rgb
    return inks


def oval(x: float, y: float, rx: float, ry: float | None = None, turn: float = 0.0, span=(0.0, 360.0)) -> Shape:
    """An ellipse, or the part of it between two angles (degrees clockwise from the right), turned by `turn` degrees."""
    ry, t = rx if ry is None else ry, turn * pi / 180
    angles = np.linspace(span[0], span[1], 73) * pi / 180
    return [(x + rx * cos(a) * cos(t) - ry * sin(a) * sin(t), y + rx * cos(a) * sin(t) + ry * sin(a) * cos(t))
            for a in angles]  # fmt: skip


def box(left: float, top: float, right: float, bottom: float, r: float = 0.0) -> Shape:
    """A rectangle whose corners are rounded by `r`."""
    x0, y0, x1, y1 = left + r, top + r, right - r, bottom - r
    corners = ((x1, y1, 0), (x0, y1, 90), (x0, y0, 180), (x1, y0, 270))
    return [point for x, y, a in corners for point in oval(x, y, r, span=(a, a + 90))[::8]]


def bend(start: Point, pull: Point, end: Point) -> Shape:
    """A quadratic curve from `start` to `end`, drawn towards `pull`."""
    return [tuple((1 - t) ** 2 * s + 2 * t * (1 - t) * p + t * t * e for s, p, e in zip(start, pull, end, strict=True))
            for t in np.linspace(0, 1, 25)]  # fmt: skip


class Sheet:
    """One icon being drawn: a 256 x 256 picture of ink numbers."""

    def __init__(self) -> None:
        """Start with bare ground everywhere."""
        self.image = Image.new("L", (SIDE * OVER, SIDE * OVER), GROUND)
        self._draw = ImageDraw.Draw(self.image)

    def line(self, points: Sequence[Point], ink: int = LINE, width: float = 1.6) -> None:
        """A line with round ends and joints."""
        scaled = [(x * OVER, y * OVER) for x, y in points]
        r = width * OVER / 2
        self._draw.line(scaled, fill=ink, width=round(2 * r))
        for x, y in scaled:
            self._draw.ellipse((x - r, y - r, x + r, y + r), fill=ink)

    def fill(self, *shapes: Shape, ink: int = BODY, edge: float = 1.6, edge_ink: int = LINE) -> None:
        """The union of the shapes, with an outline around the whole (none where `edge` is 0)."""
        if edge:
            for shape in shapes:
                self.line([*shape, shape[0]], edge_ink, edge)
        for shape in shapes:
            self._draw.polygon([(x * OVER, y * OVER) for x, y in shape], fill=ink)

    def spot(self, ink: int, *shapes: Shape) -> None:
        """Shapes without an outline."""
        self.fill(*shapes, ink=ink, edge=0)

    def shares(self) -> np.ndarray:
        """What share of each pixel each ink covers: float32 (32, 32, 14), summing to 1 over the inks."""
        samples = np.eye(INKS, dtype=np.float32)[np.asarray(self.image)]
        return samples.reshape(SIDE, OVER, SIDE, OVER, INKS).mean(axis=(1, 3))
