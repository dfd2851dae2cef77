"""What people carry: a backpack on the back, a handbag or a plastic bag in the hand."""

from __future__ import annotations

import math

from turncoat.data.street.canvas import Canvas
from turncoat.data.street.palette import mix, times
from turncoat.data.street.person import Person
from turncoat.data.street.pose import Frame, Skeleton
from turncoat.data.street.torso import Tube


def backpack(canvas: Canvas, person: Person, skeleton: Skeleton, frame: Frame, *, base: int) -> None:
    """The sack itself, a rounded box behind the shoulder blades."""
    colour, height = person.wear.bag_colour, person.build.height
    wide, deep = 0.088 * height, 0.05 * height
    half = frame.scale * math.hypot(wide * math.cos(frame.yaw), deep * math.sin(frame.yaw))
    back = -0.105 * height - 0.02
    top = frame.point((0.0, skeleton.neck[1] - 0.02 * height, back + skeleton.neck[2]))
    low = frame.point((0.0, skeleton.neck[1] - 0.255 * height, back + 0.3 * skeleton.neck[2]))
    rows = (0.0, 0.08, 0.2, 0.8, 0.93, 1.0)
    widths = (0.6, 0.86, 0.97, 1.0, 0.92, 0.74)
    left = [
        (top[0] + (low[0] - top[0]) * r - half * w, top[1] + (low[1] - top[1]) * r)
        for r, w in zip(rows, widths, strict=True)
    ]
    right = [(top[0] + (low[0] - top[0]) * r + half * w, y) for (_, y), r, w in zip(left, rows, widths, strict=True)]
    canvas.slab(left, right, colour, base=base, bulge=45)
    if math.cos(frame.yaw) < -0.2:
        y = top[1] + (low[1] - top[1]) * 0.52
        pocket = [
            (top[0] - half * 0.7, y),
            (top[0] + half * 0.7, y),
            (top[0] + half * 0.7, low[1] - 2),
            (top[0] - half * 0.7, low[1] - 2),
        ]
        canvas.polygon(pocket, times(colour, 0.85))
        canvas.line([pocket[0], pocket[1]], 0.7, times(colour, 0.55))
        canvas.line(
            [(top[0] - half * 0.8, top[1] + 6), (top[0], top[1] + 4), (top[0] + half * 0.8, top[1] + 6)],
            0.6,
            times(colour, 0.6),
        )


def straps(canvas: Canvas, person: Person, tube: Tube) -> None:
    """The two straps over the chest."""
    for side in (-1, 1):
        strap = [tube.at(side * theta, v) for theta, v in ((0.75, 0.03), (0.8, 0.2), (1.05, 0.36), (1.3, 0.5))]
        seen = [point for point in strap if point is not None]
        if len(seen) > 1:
            canvas.line(seen, 2.2, times(person.wear.bag_colour, 0.8), 205)


def in_hand(canvas: Canvas, person: Person, skeleton: Skeleton, frame: Frame) -> None:
    """The handbag or plastic bag below the hand that carries."""
    wear, unit = person.wear, frame.scale * person.build.height
    x, y = frame.point(skeleton.hands[0 if wear.side < 0 else 1])
    y += 0.02 * unit
    turn = 0.75 + 0.25 * abs(math.sin(frame.yaw))
    if wear.carry == "handbag":
        half, drop, tall = 0.07 * unit * turn, 0.045 * unit, 0.095 * unit
        canvas.line(
            [(x - half * 0.6, y + drop), (x - half * 0.2, y), (x + half * 0.2, y), (x + half * 0.6, y + drop)],
            0.008 * unit,
            times(wear.bag_colour, 0.75),
            190,
        )
        left = [(x - half * 0.8, y + drop), (x - half * 0.95, y + drop + tall * 0.5), (x - half, y + drop + tall)]
        right = [(2 * x - a, b) for a, b in left]
        canvas.slab(left, right, wear.bag_colour, base=185, bulge=40)
        canvas.line([left[0], right[0]], 0.008 * unit, times(wear.bag_colour, 0.6))
        canvas.ellipse((x, y + drop + tall * 0.3), (0.008 * unit,) * 2, (206, 178, 110))
        return
    half, tall = 0.055 * unit * turn, 0.15 * unit
    rows = ((0.12, 0.0), (0.3, 0.22), (0.85, 0.5), (1.0, 0.78), (0.75, 1.0))
    left = [(x - half * w, y + tall * r) for w, r in rows]
    right = [(x + half * w, y + tall * r) for w, r in rows]
    canvas.slab(left, right, wear.bag_colour, base=180, bulge=50)
    for share in (-0.5, 0.0, 0.45):
        canvas.line(
            [(x, y + tall * 0.1), (x + half * share * 1.5, y + tall * 0.75)],
            0.5,
            mix(wear.bag_colour, (120, 120, 124), 0.3),
            195,
        )
