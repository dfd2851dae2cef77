"""The arms: sleeves long or short, bands of the pattern, hands."""

from __future__ import annotations

import math

from turncoat.data.street.canvas import Canvas, Point
from turncoat.data.street.palette import Colour, times
from turncoat.data.street.person import Person
from turncoat.data.street.pose import Frame, Skeleton
from turncoat.data.street.uppers import sleeve_bands

THICK = {"tshirt": 1.0, "shirt": 1.08, "sweater": 1.22, "jacket": 1.32, "coat": 1.36}


def is_far(skeleton: Skeleton, frame: Frame, side: int) -> bool:
    """Whether the trunk hides this arm, at least in part."""
    return frame(skeleton.shoulders[side])[2] + 0.6 * frame(skeleton.hands[side])[2] < -0.11


def draw(canvas: Canvas, person: Person, skeleton: Skeleton, frame: Frame, side: int) -> None:
    """One arm, 0 the right and 1 the left."""
    wear, unit = person.wear, frame.scale * person.build.height
    shoulder, elbow, hand = (frame.point(part[side]) for part in (skeleton.shoulders, skeleton.elbows, skeleton.hands))
    girth = (0.55 + 0.45 * person.build.girth) * (0.92 if person.female else 1.05)
    upper, fore, wrist = 0.0285 * girth * unit, 0.0225 * girth * unit, 0.0155 * unit
    base = 85 if is_far(skeleton, frame, side) else 165
    palm = (hand[0] + (hand[0] - elbow[0]) * 0.14, hand[1] + (hand[1] - elbow[1]) * 0.14)
    canvas.limb((hand, palm), (wrist * 1.05, wrist * 1.12), person.skin, base=base, bulge=40)
    thick, cloth = THICK[wear.upper], wear.upper_colour
    if wear.short_sleeves:
        canvas.limb((elbow, hand), (fore, wrist), person.skin, base=base, bulge=45)
        canvas.limb((shoulder, elbow), (upper, fore), person.skin, base=base, bulge=45)
        cuff = (shoulder[0] + (elbow[0] - shoulder[0]) * 0.62, shoulder[1] + (elbow[1] - shoulder[1]) * 0.62)
        canvas.limb((shoulder, cuff), (upper * 1.12, upper * 1.16), cloth, base=base + 6, bulge=48)
        _bands(canvas, person, (shoulder, elbow, hand), (upper, upper, upper), until=0.3)
        return
    cuff = (elbow[0] + (hand[0] - elbow[0]) * 0.94, elbow[1] + (hand[1] - elbow[1]) * 0.94)
    canvas.limb((elbow, cuff), (fore * thick, wrist * 1.15 * thick), cloth, base=base + 4, bulge=48)
    canvas.limb((shoulder, elbow), (upper * thick, fore * thick * 1.03), cloth, base=base + 4, bulge=48)
    _bands(canvas, person, (shoulder, elbow, cuff), (upper * thick, fore * thick, wrist * 1.15 * thick), until=1.0)
    if wear.upper in ("sweater", "jacket"):
        end = (elbow[0] + (hand[0] - elbow[0]) * 0.8, elbow[1] + (hand[1] - elbow[1]) * 0.8)
        _band(canvas, (end, cuff), wrist * 1.25 * thick, times(cloth, 0.82))
    for shift in (-0.1, 0.08):
        x, y = elbow[0], elbow[1] + shift * 0.3 * unit
        canvas.line([(x - fore, y), (x + fore, y + 0.4 * fore)], 0.006 * unit, None, base + 28)


def _bands(
    canvas: Canvas,
    person: Person,
    joints: tuple[Point, Point, Point],
    radii: tuple[float, float, float],
    *,
    until: float,
) -> None:
    for start, end, colour in sleeve_bands(person):
        if end > until:
            break
        half = 0 if start < 0.5 else 1
        first, last = joints[half], joints[half + 1]
        one, two = (2 * start - half, 2 * end - half)
        a = (first[0] + (last[0] - first[0]) * one, first[1] + (last[1] - first[1]) * one)
        b = (first[0] + (last[0] - first[0]) * two, first[1] + (last[1] - first[1]) * two)
        radius = radii[half] + (radii[half + 1] - radii[half]) * one
        _band(canvas, (a, b), radius * 0.97, colour)


def _band(canvas: Canvas, ends: tuple[Point, Point], radius: float, colour: Colour) -> None:
    (ax, ay), (bx, by) = ends
    length = math.hypot(bx - ax, by - ay)
    if length > 1e-3:
        nx, ny = (by - ay) / length * radius, (ax - bx) / length * radius
        canvas.polygon([(ax + nx, ay + ny), (bx + nx, by + ny), (bx - nx, by - ny), (ax - nx, ay - ny)], colour)
