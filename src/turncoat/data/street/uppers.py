"""From the neck to the hem: the garment on the trunk, its pattern and its front."""

from __future__ import annotations

import math

from turncoat.data.street.canvas import Canvas
from turncoat.data.street.palette import Colour, mix, times
from turncoat.data.street.person import Person
from turncoat.data.street.pose import Frame, Skeleton
from turncoat.data.street.torso import Tube, trunk

LOOSE = {"tshirt": 1.05, "shirt": 1.08, "sweater": 1.12, "jacket": 1.17, "coat": 1.2}
HEM = {"tshirt": 1.04, "shirt": 1.06, "sweater": 1.02, "jacket": 1.06, "coat": 1.62}


def garment(person: Person, skeleton: Skeleton, frame: Frame) -> Tube:
    """The surface of what is worn on the trunk."""
    return trunk(person.build, skeleton, frame, LOOSE[person.wear.upper])


def draw(canvas: Canvas, person: Person, tube: Tube) -> None:
    """The trunk with its garment; the arms are not here."""
    wear, hem = person.wear, HEM[person.wear.upper]
    unit = tube.frame.scale * person.build.height
    left, right = tube.outline(-0.02, hem, 12)
    canvas.slab(left, right, wear.upper_colour, base=130, bulge=70)
    _pattern(canvas, person, tube, hem)
    _folds(canvas, tube, unit)
    if wear.upper in ("jacket", "coat"):
        _opening(canvas, person, tube, hem)
    else:
        _collar(canvas, person, tube, hem)
    if wear.upper in ("sweater", "jacket"):
        canvas.polygon(tube.band(hem - 0.075, hem), times(wear.upper_colour, 0.82))


def sleeve_bands(person: Person) -> tuple[tuple[float, float, Colour], ...]:
    """The pattern along a sleeve as (from, to, colour), in shares of the whole arm."""
    wear = person.wear
    if wear.pattern == "stripes":
        return tuple((i / 9, i / 9 + 0.055, wear.second_colour) for i in range(9))
    if wear.pattern == "plaid":
        soft = mix(wear.upper_colour, wear.second_colour, 0.5)
        return tuple((i / 6, i / 6 + 0.07, soft) for i in range(6))
    return ()


def _pattern(canvas: Canvas, person: Person, tube: Tube, hem: float) -> None:
    wear = person.wear
    if wear.pattern == "stripes":
        count = 7 + wear.emblem
        for band in range(1, round(count * hem)):
            canvas.polygon(tube.band(band / count, band / count + 0.5 / count), wear.second_colour)
    elif wear.pattern == "plaid":
        soft = mix(wear.upper_colour, wear.second_colour, 0.5)
        for band in range(1, round(7 * hem)):
            canvas.polygon(tube.band(band / 7, band / 7 + 0.06), soft)
        for turn in range(16):
            theta = (turn - 8) * math.pi / 8
            strip = tube.strip(theta, 0.17, 0.05, hem)
            if strip:
                canvas.polygon(strip, mix(wear.upper_colour, wear.second_colour, 0.65))
    elif wear.pattern == "logo":
        for theta in (0.0, math.pi):
            _emblem(canvas, person, tube, theta)


def _emblem(canvas: Canvas, person: Person, tube: Tube, theta: float) -> None:
    colour, kind = person.wear.second_colour, person.wear.emblem
    shapes = (
        [(-0.5, 0.2), (0.5, 0.2), (0.5, 0.42), (-0.5, 0.42)],
        [(0.0, 0.16), (0.55, 0.45), (-0.55, 0.45)],
        [(-0.6, 0.24), (0.6, 0.24), (0.6, 0.33), (-0.6, 0.33)],
        [(0.0, 0.17), (0.42, 0.31), (0.0, 0.45), (-0.42, 0.31)],
    )
    points = tube.patch([(theta + x, v) for x, v in shapes[kind]])
    if points:
        canvas.polygon(points, colour)
    inner = tube.patch([(theta + x * 0.45, 0.31 + (v - 0.31) * 0.45) for x, v in shapes[kind]])
    if inner:
        canvas.polygon(inner, mix(colour, person.wear.upper_colour, 0.8))


def _folds(canvas: Canvas, tube: Tube, unit: float) -> None:
    for theta, v, length in (
        (-0.9, 0.6, 0.12),
        (0.8, 0.68, 0.1),
        (2.2, 0.62, 0.12),
        (-2.3, 0.7, 0.1),
        (0.2, 0.86, 0.07),
    ):
        points = tube.patch([(theta, v), (theta + 0.5, v + length * 0.6), (theta + 0.75, v + length)])
        if points:
            canvas.line(points, 0.007 * unit, None, 158)


def _collar(canvas: Canvas, person: Person, tube: Tube, hem: float) -> None:
    wear = person.wear
    depth = 0.1 if wear.upper == "shirt" else 0.065
    notch = tube.patch([(-0.9, 0.0), (0.0, depth), (0.9, 0.0), (0.0, -0.02)])
    if notch:
        canvas.polygon(notch, person.skin)
        canvas.line(notch[:3], 0.7, times(wear.upper_colour, 0.75))
    if wear.upper == "shirt":
        rim = mix(wear.upper_colour, (255, 255, 255), 0.25)
        for side in (-1, 1):
            flap = tube.patch([(side * 0.9, -0.01), (side * 0.1, depth), (side * 0.75, 0.11)])
            if flap:
                canvas.polygon(flap, rim)
        seam = tube.strip(0.0, 0.1, depth, hem)
        if seam:
            canvas.polygon(seam, times(wear.upper_colour, 0.88))


def _opening(canvas: Canvas, person: Person, tube: Tube, hem: float) -> None:
    wear = person.wear
    under = tube.patch([(-0.34, 0.0), (0.0, -0.01), (0.34, 0.0), (0.2, 0.42), (0.0, 0.5), (-0.2, 0.42)])
    if under:
        canvas.polygon(under, wear.under_colour, 165)
        notch = tube.patch([(-0.3, 0.0), (0.0, 0.05), (0.3, 0.0), (0.0, -0.02)])
        if notch:
            canvas.polygon(notch, person.skin)
    seam = tube.strip(0.0, 0.08, 0.4, hem)
    if seam:
        canvas.polygon(seam, times(wear.upper_colour, 0.6))
    for side in (-1, 1):
        lapel = tube.patch([(side * 0.34, -0.01), (side * 0.2, 0.42), (side * 0.55, 0.26), (side * 0.75, 0.04)])
        if lapel:
            canvas.polygon(lapel, mix(times(wear.upper_colour, 0.86), (255, 255, 255), 0.06))
        pocket = tube.patch([(side * 0.45, 0.78), (side * 0.9, 0.74), (side * 0.9, 0.77), (side * 0.45, 0.81)])
        if pocket:
            canvas.polygon(pocket, times(wear.upper_colour, 0.62))
