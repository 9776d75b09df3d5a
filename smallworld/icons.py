"""The 24 icons: how each kind of thing is drawn, with the means of `ink`.

`coverage` is the one thing that others need: the shares of ink in each pixel of a kind's cell. The numbers in the
drawings are positions in the cell's pixels, found by eye. This module knows no colours of things and no settings.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import acos, atan2, cos, hypot, pi, sin

import numpy as np

from smallworld.ink import (
    BODY,
    BROWN,
    CARROT,
    CREAM,
    GLASS,
    GOLD,
    LEAF,
    LIGHT,
    LINE,
    PINK,
    SHADE,
    TYRE,
    WHITE,
    Point,
    Shape,
    Sheet,
    bend,
    box,
    oval,
)  # fmt: skip


def _eyes(s: Sheet, left: Point, right: Point, r: float = 1.4) -> None:
    for x, y in (left, right):
        s.spot(LINE, oval(x, y, r, r * 1.15))


def _sun(s: Sheet) -> None:
    rays = []
    for i in range(10):
        a = i * pi / 5 - pi / 2
        rays.append([(16 + 14.6 * cos(a), 16 + 14.6 * sin(a)), (16 + 8.5 * cos(a + 0.3), 16 + 8.5 * sin(a + 0.3)),
                     (16 + 8.5 * cos(a - 0.3), 16 + 8.5 * sin(a - 0.3))])  # fmt: skip
    s.fill(*rays)
    s.fill(oval(16, 16, 8.6))
    s.spot(LIGHT, oval(13.2, 12.6, 3.0, 2.0, -35))


def _moon(s: Sheet) -> None:
    (x, y, big), (u, v, small) = (15.0, 16.0, 13.6), (21.2, 12.6, 10.8)
    gap, heading = hypot(u - x, v - y), atan2(v - y, u - x)
    a = acos((gap**2 + big**2 - small**2) / (2 * gap * big))
    b = acos((gap**2 + small**2 - big**2) / (2 * gap * small))
    deg = 180 / pi
    outer = oval(x, y, big, span=((heading + a) * deg, (heading - a) * deg + 360))
    inner = oval(u, v, small, span=((heading + pi + b) * deg, (heading + pi - b) * deg))
    crescent = [*outer, *inner]
    s.fill(crescent)
    s.spot(SHADE, oval(7.2, 14.5, 1.6), oval(10.0, 22.4, 2.2), oval(17.2, 26.0, 1.3))


def _star(s: Sheet) -> None:
    def points(r: float, q: float) -> Shape:
        return [((r, q)[i % 2] * cos(i * pi / 5 - pi / 2) + 16, (r, q)[i % 2] * sin(i * pi / 5 - pi / 2) + 17)
                for i in range(10)]  # fmt: skip

    s.fill(points(14.6, 6.9), edge=2.2)
    s.spot(LIGHT, points(7.6, 3.6))


def _cloud(s: Sheet) -> None:
    puffs = [oval(8.4, 19.4, 6.2), oval(15.4, 13.8, 7.6), oval(23.4, 18.6, 6.9), box(6.0, 17, 25.5, 25.6, 3.5)]
    s.fill(*puffs)
    s.spot(SHADE, [*bend((3.6, 21.8), (16, 24.6), (28.4, 21.8)), *bend((28.4, 21.8), (27.8, 24.6), (24.0, 24.8)),
                   *bend((8.0, 24.8), (4.2, 24.6), (3.6, 21.8))])  # fmt: skip
    s.spot(LIGHT, oval(13.4, 11.0, 3.0, 1.9, -30))


def _tree(s: Sheet) -> None:
    s.fill(box(13.2, 19, 18.8, 30.4, 0.8), ink=BROWN)
    s.fill(oval(9.4, 15.6, 6.8), oval(22.6, 15.6, 6.8), oval(16, 9.2, 7.6), oval(16, 17.6, 6.6))
    s.spot(SHADE, [*bend((28.2, 16.8), (22, 20.6), (15.4, 19.6)), *bend((15.4, 23.4), (19.6, 24.2), (21.4, 21.4)),
                   *bend((21.4, 21.4), (27.0, 21.8), (28.2, 16.8))])  # fmt: skip
    s.spot(LIGHT, oval(12.8, 7.6, 2.8, 1.9, -35), oval(7.6, 14.0, 1.7, 1.3, -35))


def _flower(s: Sheet) -> None:
    s.line([(16, 16), (16, 30.4)], LINE, 3.6)
    s.fill([*bend((16, 28.4), (6.5, 29), (6.0, 22.2)), *bend((6.0, 22.2), (13, 21), (16, 28.4))], ink=LEAF)
    s.fill([*bend((16, 28.4), (25.5, 29), (26.0, 22.2)), *bend((26.0, 22.2), (19, 21), (16, 28.4))], ink=LEAF)
    s.line([(16, 16), (16, 30.2)], LEAF, 1.9)
    for i in range(6):
        a = i * 60 - 90
        s.fill(oval(16 + 6.2 * cos(a * pi / 180), 11.4 + 6.2 * sin(a * pi / 180), 4.6, 3.9, a))
    s.fill(oval(16, 11.4, 3.5), ink=CREAM)
    s.spot(GOLD, oval(16, 11.4, 2.3))


def _mushroom(s: Sheet) -> None:
    s.fill([*bend((11.6, 17), (12.4, 24), (10.0, 28.4)), *bend((10.0, 29.6), (16, 31.4), (22.0, 29.6)),
            *bend((22.0, 28.4), (19.6, 24), (20.4, 17))], ink=CREAM)  # fmt: skip
    s.fill([*oval(16, 16.4, 14, 14, span=(180, 360)), *bend((30, 18.4), (16, 22.6), (2, 18.4))])
    for x, y, rx, ry in ((10.4, 9.4, 2.4, 2.2), (19.2, 7.0, 2.0, 1.7), (23.6, 13.4, 2.2, 2.4), (15.4, 14.6, 2.3, 2.1),
                         (6.2, 15.4, 1.4, 1.6)):  # fmt: skip
        s.fill(oval(x, y, rx, ry), ink=WHITE, edge=1.3, edge_ink=SHADE)


def _house(s: Sheet) -> None:
    s.fill(box(21.4, 4.6, 25.4, 13), ink=TYRE)
    s.fill(box(5.4, 13, 26.6, 29.8, 0.4))
    s.fill([(16, 2.6), (30, 15.4), (2, 15.4)], ink=BROWN)
    s.fill(box(8.2, 20, 14.6, 29.8, 0.6), ink=CREAM, edge=1.3)
    s.spot(LINE, oval(13.0, 25.2, 0.7))
    s.fill(box(17.8, 19.4, 24.0, 25.2, 0.3), ink=GLASS, edge=1.3)
    s.line([(20.9, 19.4), (20.9, 25.2)], LINE, 0.9)
    s.line([(17.8, 22.3), (24.0, 22.3)], LINE, 0.9)


def _boat(s: Sheet) -> None:
    s.line([(15.6, 2.4), (15.6, 22)], LINE, 1.8)
    s.fill([(17.6, 3.6), *bend((17.6, 3.6), (26, 9), (28.4, 19.2)), (17.6, 19.2)], ink=WHITE)
    s.fill([(13.4, 6.6), *bend((13.4, 6.6), (9.6, 13), (4.4, 19.2)), (13.4, 19.2)])
    s.fill([*bend((29.8, 21.4), (28, 28.6), (23.6, 29.4)), *bend((8.4, 29.4), (4, 28.6), (2.2, 21.4))])
    s.spot(LIGHT, box(5.0, 22.8, 27, 24.2, 0.6))


def _car(s: Sheet) -> None:
    s.fill(box(2, 14.4, 30, 24.2, 3.4), [(6.6, 15), (10.2, 7.2), (20.8, 7.2), (26, 15)],
           oval(10.6, 8.4, 1.6), oval(20.2, 8.4, 1.6))  # fmt: skip
    s.fill([(9.6, 14.6), (12.0, 9.6), (15.0, 9.6), (15.0, 14.6)], ink=GLASS, edge=1.0)
    s.fill([(17.2, 14.6), (17.2, 9.6), (19.8, 9.6), (22.6, 14.6)], ink=GLASS, edge=1.0)
    s.spot(SHADE, box(3, 19.8, 29, 22.6, 1))
    s.spot(GOLD, oval(28.0, 17.4, 1.4))
    for x in (9.2, 22.8):
        s.fill(oval(x, 24.4, 4.2), ink=TYRE, edge=1.3)
        s.spot(WHITE, oval(x, 24.4, 1.8))


def _balloon(s: Sheet) -> None:
    s.line([*bend((16, 22.6), (20, 25.4), (16, 27.4)), *bend((16, 27.4), (13.2, 29), (15.6, 30.8))], LINE, 1.3)
    s.fill([(16, 20.8), (18.4, 24), (13.6, 24)])
    s.fill([*oval(16, 11.6, 9.8, 10.2, span=(160, 380)), *bend((25.2, 15.1), (21.4, 21.8), (16, 22)),
            *bend((16, 22), (10.6, 21.8), (6.8, 15.1))])  # fmt: skip
    s.spot(LIGHT, oval(11.6, 8.0, 3.4, 2.0, -55))


def _kite(s: Sheet) -> None:
    top, right, low, left, mid = (19.4, 1.8), (29.6, 9.4), (14.2, 24.0), (8.2, 8.0), (17.9, 8.6)
    s.line([*bend(low, (14, 31), (8.4, 27.2)), *bend((8.4, 27.2), (5, 24.6), (2.0, 21.4))], LINE, 1.3)
    for x, y in ((11.6, 28.4), (4.6, 23.8)):
        bow = [[(x, y), (x + side * 2.4, y - 2.2), (x + side * 2.4, y + 2.2)] for side in (-1, 1)]
        s.fill(*bow, edge=1.0)
    s.fill([top, right, low, left])
    s.spot(SHADE, [mid, right, low])
    s.spot(LIGHT, [top, mid, left])
    s.line([top, low], LINE, 1.1)
    s.line([left, right], LINE, 1.1)
    s.line([top, right, low, left, top], LINE, 1.6)


def _fish(s: Sheet) -> None:
    s.fill([*bend((20.4, 16), (24, 9.6), (30, 7.6)), *bend((30, 7.6), (26.6, 16), (30, 24.4)),
            *bend((30, 24.4), (24, 22.4), (20.4, 16))], ink=SHADE)  # fmt: skip
    s.fill([*bend((9.6, 9), (14, 2.4), (20.4, 5.2)), (19.4, 11)], ink=SHADE)
    s.fill([*bend((1.8, 16.4), (12, -0.4), (24.4, 16)), *bend((24.4, 16), (12, 33), (1.8, 16.4))])
    s.line(bend((11.6, 10.6), (14.6, 16), (11.6, 21.8)), LINE, 1.2)
    s.line(bend((16.8, 13.2), (18.6, 15.0), (16.8, 16.8)), SHADE, 1.3)
    s.line(bend((16.6, 18.0), (18.2, 19.6), (16.2, 21.2)), SHADE, 1.3)
    s.fill(oval(7.6, 14.0, 2.1), ink=WHITE, edge=0.9)
    s.spot(TYRE, oval(7.2, 14.1, 1.1))


def _bird(s: Sheet) -> None:
    for x in (14.0, 18.4):
        s.line([(x, 25), (x, 30), (x + 2, 30)], CARROT, 1.5)
    s.fill([(9.6, 14.6), (1.4, 8.6), (1.6, 14.6), (6.4, 20.4)])
    s.fill([(26.0, 7.4), (31.2, 10.6), (25.4, 12.8)], ink=CARROT)
    s.fill(oval(15, 18.4, 10.4, 8.0, -14), oval(21.6, 10.4, 6.6))
    wing = [*bend((18.4, 16.0), (16.6, 24.6), (7.4, 22.6)), *bend((7.4, 22.6), (8.2, 14.4), (18.4, 16.0))]
    s.fill(wing, ink=SHADE, edge=1.2)
    s.fill(oval(23.0, 9.2, 1.9), ink=WHITE, edge=0.8)
    s.spot(TYRE, oval(23.4, 9.3, 1.1))


def _cat(s: Sheet) -> None:
    ears = [(4.4, 3.0), (14.0, 8.6), (5.0, 16.0)], [(27.6, 3.0), (18.0, 8.6), (27.0, 16.0)]
    s.fill(*ears, oval(16, 17.8, 12.4, 11.0), edge=1.9)
    s.spot(PINK, [(6.4, 6.2), (11.0, 9.0), (6.8, 12.2)], [(25.6, 6.2), (21.0, 9.0), (25.2, 12.2)])
    _eyes(s, (11.2, 16.2), (20.8, 16.2), 1.7)
    s.spot(PINK, [(14.2, 19.4), (17.8, 19.4), (16, 21.6)])
    s.line([*bend((12.6, 23.0), (14.8, 25.0), (16, 21.8)), *bend((16, 21.8), (17.2, 25.0), (19.4, 23.0))], LINE, 1.1)
    for side in (-1, 1):
        for end in (18.6, 22.6):
            s.line([(16 + side * 8.4, 20.0 + (end - 18.6) * 0.4), (16 + side * 15.2, end)], LINE, 0.8)


def _butterfly(s: Sheet) -> None:
    for side in (-1, 1):
        s.line(bend((16, 9), (16 + side * 1.4, 3.6), (16 + side * 4.8, 2.6)), LINE, 1.2)
        s.fill(oval(16 + side * 6.6, 22.6, 5.0, 6.2, -side * 35), ink=SHADE)
        s.fill(oval(16 + side * 7.8, 12.0, 7.4, 5.6, -side * 38))
        s.spot(LIGHT, oval(16 + side * 9.4, 10.6, 2.7, 2.2, -side * 38), oval(16 + side * 7.2, 23.4, 1.9))
    s.fill(oval(16, 17, 1.3, 8.6), ink=LINE, edge=1.2)


def _snowball(s: Sheet) -> None:
    s.fill(oval(16, 16.6, 13.0))
    # The shade is the lower right of the ball, less a lit ball that lies up and to the left.
    s.spot(SHADE, [*oval(16, 16.6, 12.2, span=(-45, 135)), *reversed(oval(13.2, 13.8, 12.2, span=(-45, 135)))])
    s.spot(LIGHT, oval(11.0, 11.2, 3.0, 2.0, -40))


def _head(s: Sheet) -> None:
    s.fill(oval(16, 16.4, 13.2))
    _eyes(s, (11.2, 12.2), (20.8, 12.2), 1.9)
    s.fill([(14.6, 15.0), (27.0, 18.6), (14.6, 19.6)], oval(14.6, 17.3, 2.2), ink=CARROT, edge=1.1)
    for x, y in ((8.6, 20.6), (11.0, 23.4), (14.4, 25.0), (18.2, 25.0), (21.4, 23.4)):
        s.spot(LINE, oval(x, y, 1.1))


def _hat(s: Sheet) -> None:
    s.fill([(8.2, 4.4), *bend((8.2, 4.4), (16, 2.0), (23.8, 4.4)), (22.4, 24), (9.6, 24)])
    s.spot(LIGHT, box(10.8, 6.4, 12.6, 16.6, 0.9))
    s.fill(oval(16, 25.2, 14, 4.2))
    s.fill([(9.3, 19.0), *bend((9.3, 19.0), (16, 20.8), (22.7, 19.0)), *bend((22.4, 24.2), (16, 26.4), (9.6, 24.2))],
           ink=WHITE, edge=1.2)  # fmt: skip


def _ball(s: Sheet) -> None:
    s.fill(oval(16, 16, 13.6))
    for i in range(3):
        a = i * 120 - 60
        rim = oval(16, 16, 13.0, span=(a - 30, a + 30))
        s.fill([(14.2, 14.0), *rim], ink=WHITE, edge=1.1)
    s.fill(oval(14.2, 14.0, 2.6), ink=BODY, edge=1.1)


def _block(s: Sheet) -> None:
    top, mid = [(16, 2.2), (28.6, 8.6), (16, 15.2), (3.4, 8.6)], (16, 15.2)
    s.fill(top, ink=LIGHT, edge=1.6)
    s.fill([(3.4, 8.6), mid, (16, 30), (3.4, 23.4)])
    s.fill([(28.6, 8.6), mid, (16, 30), (28.6, 23.4)], ink=SHADE)


def _cup(s: Sheet) -> None:
    s.line(oval(23.2, 17.6, 5.0, 5.2), LINE, 4.2)
    s.line(oval(23.2, 17.6, 5.0, 5.2), BODY, 1.6)
    s.fill([(4.2, 9.2), (23.2, 9.2), *bend((23.2, 24), (22.8, 29.2), (18.6, 29.4)),
            *bend((8.8, 29.4), (4.6, 29.2), (4.2, 24))])  # fmt: skip
    s.spot(LIGHT, box(6.6, 14.4, 8.8, 24.6, 1.1))
    s.fill(oval(13.7, 9.2, 9.5, 3.3), ink=BROWN)


def _plate(s: Sheet) -> None:
    s.fill(oval(16, 18.6, 14.2, 9.2), ink=SHADE)
    s.fill(oval(16, 16.8, 14.2, 9.2))
    s.fill(oval(16, 16.6, 8.8, 5.2), ink=LIGHT, edge=1.2)


def _apple(s: Sheet) -> None:
    s.fill([*bend((16, 9.6), (9, 5.6), (4.6, 11.0)), *bend((4.6, 11.0), (1.0, 18), (7.0, 26.0)),
            *bend((7.0, 26.0), (11, 31.4), (16, 28.8)), *bend((16, 28.8), (21, 31.4), (25.0, 26.0)),
            *bend((25.0, 26.0), (31.0, 18), (27.4, 11.0)), *bend((27.4, 11.0), (23, 5.6), (16, 9.6))])  # fmt: skip
    s.line(bend((16, 10.6), (15.4, 6), (13.0, 2.6)), LINE, 3.4)
    s.line(bend((16, 10.2), (15.4, 6), (13.2, 3.0)), BROWN, 1.5)
    s.fill([*bend((16.4, 7.4), (18, 1.0), (26, 2.2)), *bend((26, 2.2), (24, 8.8), (16.4, 7.4))], ink=LEAF, edge=1.2)
    s.spot(LIGHT, oval(8.8, 14.0, 1.8, 3.4, 20))


_DRAWINGS: dict[str, Callable[[Sheet], None]] = {
    draw.__name__.removeprefix("_"): draw
    for draw in (_sun, _moon, _star, _cloud, _tree, _flower, _mushroom, _house, _boat, _car, _balloon, _kite, _fish,
                 _bird, _cat, _butterfly, _snowball, _head, _hat, _ball, _block, _cup, _plate, _apple)
}  # fmt: skip


@cache
def coverage(kind: str) -> np.ndarray:
    """What share of each pixel each ink covers: read-only float32 (32, 32, 14), summing to 1 over the inks.

    An unknown kind raises KeyError.
    """
    sheet = Sheet()
    _DRAWINGS[kind](sheet)
    shares = sheet.shares()
    shares.setflags(write=False)
    return shares
