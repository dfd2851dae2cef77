"""Glasses, scarf and hat of a whole figure."""

from __future__ import annotations

import math

from turncoat.data.street.canvas import Canvas, Point
from turncoat.data.street.palette import mix, times
from turncoat.data.street.person import Person
from turncoat.data.street.skull import Skull


def glasses(canvas: Canvas, person: Person, skull: Skull) -> None:
    """Glasses or dark ones, with their arms."""
    kind, frame = person.wear.glasses, person.wear.frame_colour
    if kind == "none":
        return
    for side in (-1, 1):
        eye = skull.spot(side * 0.45, 0.03)
        ear = skull.spot(side * 1.4, -0.02)
        if eye and kind == "sunglasses":
            canvas.ellipse(eye, (skull.wide * 0.36, skull.tall * 0.17), (24, 24, 30), 225)
        elif eye:
            canvas.ellipse(eye, (skull.wide * 0.34, skull.tall * 0.16), frame)
            canvas.ellipse(eye, (skull.wide * 0.24, skull.tall * 0.11), mix(person.skin, (225, 235, 245), 0.45))
            canvas.ellipse(eye, (skull.wide * 0.1, skull.tall * 0.05), times(person.face.eye_colour, 0.6))
        if eye and ear:
            canvas.line([eye, ear], 0.5, frame)


def scarf(canvas: Canvas, person: Person, skull: Skull, neck: Point, unit: float) -> None:
    """The scarf about the neck, one end hanging down in front; `unit` is the height of the body."""
    colour = person.wear.scarf
    if colour is None:
        return
    middle = ((skull.x + neck[0]) / 2, neck[1] - 0.008 * unit)
    canvas.dome(middle, (0.06 * unit, 0.03 * unit), colour, 185, 60)
    canvas.line(
        [(middle[0] - 0.05 * unit, middle[1] - 0.004 * unit), (middle[0] + 0.05 * unit, middle[1] + 0.008 * unit)],
        0.5,
        times(colour, 0.7),
        200,
    )
    if math.cos(skull.yaw) > -0.2:
        x = middle[0] + 0.02 * unit
        canvas.limb(
            ((x, middle[1]), (x + 0.01 * unit, middle[1] + 0.14 * unit)),
            (0.02 * unit, 0.022 * unit),
            times(colour, 0.93),
            base=190,
            bulge=40,
        )


def hat(canvas: Canvas, person: Person, skull: Skull) -> None:
    """Cap, beanie or hat with a brim."""
    kind, colour = person.wear.hat, person.wear.hat_colour
    if kind == "none":
        return
    grow = 1.16 if person.hair.style != "bald" else 1.08
    back = skull.x - 0.16 * skull.wide * math.sin(skull.yaw)
    wide = skull.wide * grow * (1 + 0.08 * abs(math.sin(skull.yaw)))
    low = skull.y - 0.36 * skull.tall
    high = skull.y - (1.22 if kind == "beanie" else 1.12) * skull.tall
    rows = [(math.sqrt(max(0.0, 1 - (1 - step / 6) ** 2.4)), step / 6) for step in range(7)]
    left = [(back - wide * w, high + (low - high) * r) for w, r in rows]
    right = [(back + wide * w, high + (low - high) * r) for w, r in rows]
    canvas.slab(left, right, colour, base=190, bulge=60)
    if kind == "beanie":
        canvas.line([left[-1], right[-1]], 0.26 * skull.tall, times(colour, 0.8), 225)
    elif kind == "brim":
        canvas.ellipse((back, low), (wide * 1.6, skull.tall * 0.16), times(colour, 0.9), 225)
        canvas.line([left[-2], right[-2]], 0.16 * skull.tall, times(colour, 0.55))
    else:
        reach = math.sin(skull.yaw) * skull.wide
        if math.cos(skull.yaw) > -0.35:
            canvas.ellipse(
                (skull.x + 0.85 * reach, low + 0.04 * skull.tall),
                (skull.wide * 0.85, skull.tall * 0.13),
                times(colour, 0.75),
                228,
            )
