"""Hair around an aligned face: what hangs behind it and what lies over the brow; and hats."""

from __future__ import annotations

import math

import numpy as np

from turncoat.data.street.canvas import Canvas, Point
from turncoat.data.street.palette import Colour, mix, times
from turncoat.data.street.visage import EYES, MIDDLE, Visage

BULK = {"bald": 1.0, "buzz": 1.025, "short": 1.09, "side": 1.12, "curly": 1.24, "bob": 1.2, "long": 1.17}
CROWN = 6.0


def behind(canvas: Canvas, face: Visage, rng: np.random.Generator) -> None:
    """The hair behind the face."""
    hair = face.person.hair
    if hair.style in ("bald", "buzz", "short", "side"):
        return
    wide = face.half * BULK.get(hair.style, 1.07) * (0.7 + 0.3 * hair.volume)
    if hair.style == "bun":
        canvas.dome(face.put(0, 3.5, -2.0), (8 * hair.volume, 6), times(hair.colour, 0.95), 60, 50)
    elif hair.style == "ponytail":
        canvas.limb(
            (face.put(9, 12, -2.4), face.put(27, 50, -2.4)), (7, 5), times(hair.colour, 0.85), base=50, bulge=40
        )
    elif hair.style == "curly":
        for turn in range(22):
            angle = math.pi * (0.86 + 1.28 * turn / 21)
            place = face.put(wide * 0.94 * math.cos(angle), 25 + 23 * math.sin(angle), -1.2)
            size = 4.6 + 1.6 * math.sin(turn * 2.4 + face.person.identity)
            canvas.dome(place, (size, size), times(hair.colour, 0.86 + 0.24 * ((turn * 5) % 7) / 7), 70, 50)
    else:
        low = 47.0 if hair.style == "bob" else 70.0
        rows = (
            (0.72, CROWN + 2),
            (0.95, 14),
            (1.04, 28),
            (1.08, 0.75 * low + 5),
            (1.04 if hair.style == "bob" else 1.2, low),
        )
        left = [face.put(-wide * w, y, -1.4) for w, y in rows]
        right = [face.put(wide * w, y, -1.4) for w, y in rows]
        canvas.slab(left, right, times(hair.colour, 0.8), base=60, bulge=50)
        for along in rng.uniform(-1, 1, 26):
            a = float(along)
            tint = times(hair.colour, 0.68 + 0.5 * abs(math.sin(9 * a)))
            canvas.line(
                [
                    face.put(wide * 0.9 * a, 12, -1.4),
                    face.put(wide * 1.02 * a, 32, -1.4),
                    face.put(wide * 1.05 * a, low - 1, -1.4),
                ],
                0.5,
                tint,
            )


def above(canvas: Canvas, face: Visage, rng: np.random.Generator) -> None:
    """The hair on the crown and over the brow."""
    hair = face.person.hair
    if hair.style == "bald":
        if face.person.age != "young":
            _fringe_of_age(canvas, face)
        return
    grow = BULK.get(hair.style, 1.05) if hair.style != "curly" else 1.1
    if hair.style != "buzz":
        grow *= 0.75 + 0.25 * hair.volume
    outer = _dome(face, grow)
    inner = _hairline(face)
    tint = mix(hair.colour, face.person.skin, 0.3) if hair.style == "buzz" else hair.colour
    canvas.polygon([*outer, *inner], tint, 145 if hair.style == "buzz" else 165)
    if hair.style == "buzz":
        return
    if hair.style == "curly":
        _curls(canvas, face, outer)
        return
    part = inner[len(inner) // 2]
    for share in rng.uniform(0, 1, 46):
        _strand(canvas, outer, inner, float(share), hair.colour, part, pulled=hair.style in ("bun", "ponytail"))


def _dome(face: Visage, grow: float) -> list[Point]:
    points = []
    for step in range(15):
        angle = math.pi * (1.02 + 0.96 * step / 14) if step not in (0, 14) else math.pi * (1 + step / 14)
        points.append(face.put(face.half * grow * math.cos(angle), 31 + (25.5 * (grow + 0.02)) * math.sin(angle), -0.9))
    return points


def _hairline(face: Visage) -> list[Point]:
    """From the right temple to the left one."""
    hair, half = face.person.hair, face.half
    high = EYES - 13.5 * hair.hairline
    side = 1 if face.person.identity % 2 else -1
    shape: tuple[Point, ...]
    if hair.style in ("bob", "long"):
        if face.person.identity % 3 == 0:
            shape = ((1.0, 34), (0.86, 24), (0.5, 22.0), (0.0, 21.4), (-0.5, 22.0), (-0.86, 24), (-1.0, 34))
        else:
            part = 0.22 * side
            shape = ((1.0, 40), (0.93, 28), (0.62, 17.5), (part, high - 4), (-0.62, 17.5), (-0.93, 28), (-1.0, 40))
    elif hair.style == "side":
        shape = (
            (1.0, 29),
            (0.9, 20),
            (0.6 * side, high + 3.5),
            (0.0, high + 1.0),
            (-0.5 * side, high - 4),
            (-0.9, 20),
            (-1.0, 29),
        )
        shape = tuple(sorted(shape, key=lambda point: -point[0]))
    elif hair.style in ("bun", "ponytail"):
        shape = ((1.0, 27), (0.9, 19), (0.6, high - 0.5), (0.0, high - 2.5), (-0.6, high - 0.5), (-0.9, 19), (-1.0, 27))
    else:
        wave = 1.2 if hair.style == "short" else 0.0
        shape = (
            (1.0, 30),
            (0.88, 21),
            (0.66, high + 2),
            (0.3, high - wave),
            (0.0, high + wave),
            (-0.4, high - wave),
            (-0.66, high + 2),
            (-0.88, 21),
            (-1.0, 30),
        )
    return [face.put(half * a, y, -0.75 if abs(a) > 0.8 else -0.2) for a, y in shape]


def _strand(
    canvas: Canvas, outer: list[Point], inner: list[Point], share: float, colour: Colour, part: Point, *, pulled: bool
) -> None:
    rim = outer[min(len(outer) - 1, int(share * len(outer)))]
    edge = inner[min(len(inner) - 1, int((1 - share) * len(inner)))]
    tint = times(colour, 0.7 + 0.62 * abs(math.sin(23 * share)))
    if pulled:
        canvas.line([edge, rim], 0.4, tint)
        return
    x = 0.65 * rim[0] + 0.35 * part[0]
    reach = max(abs(outer[0][0] - MIDDLE), abs(outer[-1][0] - MIDDLE))
    crown = 33 - 24 * math.sqrt(max(0.0, 1 - ((x - MIDDLE) / reach) ** 2))
    end = (0.3 * edge[0] + 0.7 * rim[0], 0.3 * edge[1] + 0.7 * rim[1])
    canvas.line([(part[0] + (share - 0.5) * 6, part[1] - 4), (x, crown), end], 0.45, tint)


def _curls(canvas: Canvas, face: Visage, outer: list[Point]) -> None:
    hair = face.person.hair
    middle = face.put(0, 22, -0.8)
    for ring, share in enumerate((1.0, 0.82, 0.68)):
        for turn, (x, y) in enumerate(outer[1:-1]):
            place = (middle[0] + (x - middle[0]) * share, middle[1] + (y - middle[1]) * share)
            if place[1] < EYES - 12 or ring == 0:
                canvas.dome(
                    place, (2.9, 2.7), times(hair.colour, 0.82 + 0.4 * ((turn * 3 + ring * 5) % 8) / 8), 150, 55
                )


def _fringe_of_age(canvas: Canvas, face: Visage) -> None:
    for side in (-1, 1):
        points = [face.put(side * face.half * a, y, -1.0) for a, y in ((0.93, 20), (1.06, 22), (1.09, 32), (0.97, 33))]
        canvas.polygon(points, face.person.hair.colour, 140)


def hat(canvas: Canvas, face: Visage) -> None:
    """The hat, pulled down to the brow."""
    kind, colour = face.person.wear.hat, face.person.wear.hat_colour
    low, wide = 17.5, face.half * 1.12
    rows = [(math.sqrt(1 - (1 - step / 6) ** 2.5) if step else 0.2, -3 + (low + 3) * step / 6) for step in range(7)]
    left = [face.put(-wide * w, y, -0.7) for w, y in rows]
    right = [face.put(wide * w, y, -0.7) for w, y in rows]
    canvas.slab(left, right, colour, base=150, bulge=60)
    if kind == "beanie":
        canvas.line([left[-1], right[-1]], 6, times(colour, 0.85), 215)
        for step in range(-8, 9):
            x, y = face.put(wide * step / 8.2, low, -0.6)
            canvas.line([(x, y - 3), (x, y + 3)], 0.5, times(colour, 0.66), 200)
    elif kind == "cap":
        x, y = face.put(0, low, 0.6)
        canvas.ellipse((x, y + 0.6), (wide * 0.9, 3.6), times(colour, 0.7), 222)
    else:
        x, y = face.put(0, low, 0)
        canvas.line([left[-2], right[-2]], 4, times(colour, 0.5))
        canvas.ellipse((x, y), (wide * 1.6, 3.4), times(colour, 0.9), 222)
