"""What every aligned face has: skin, ears, eyes, brows, nose, mouth."""

from __future__ import annotations

import math

from turncoat.data.street.canvas import Canvas, Point
from turncoat.data.street.palette import mix, times
from turncoat.data.street.visage import EYES, GAP, Visage


def skin(canvas: Canvas, face: Visage) -> None:
    """Ears and the skin of the face."""
    tone = face.person.skin
    for side in (-1, 1):
        size = face.shape.ears
        ear = face.put(side * face.half * 0.99, EYES + 4, -1.6)
        canvas.dome(ear, (3.0 * size, 6.0 * size), times(tone, 0.93), 70, 40)
        canvas.ellipse((ear[0], ear[1] - 0.3), (1.2 * size, 3.4 * size), times(tone, 0.76))
    left, right = face.outline(7, face.chin)
    canvas.polygon([*left, *reversed(right)], tone, 130)


def eyes(canvas: Canvas, face: Visage) -> None:
    """Both eyes with their lids and brows."""
    for side in (-1, 1):
        _eye(canvas, face, side)
        _brow(canvas, face, side)


def _eye(canvas: Canvas, face: Visage, side: int) -> None:
    shape, tone, look = face.shape, face.person.skin, face.look
    wide, tall = 4.3 * shape.eye_size, 2.25 * shape.eye_size * (1 - 0.6 * look.squint)
    x, y = face.put(side * GAP, EYES)
    tilt = shape.eye_tilt * side

    def arc(height: float, skew: float) -> list[Point]:
        steps = [-1 + step / 4 for step in range(9)]
        return [
            (x + wide * s, y - tilt * wide * s * side - height * (1 - abs(s) ** 2.2) + skew * s * side) for s in steps
        ]

    upper, lower = arc(tall, 0.0), arc(-tall * 0.85, 0.0)
    canvas.polygon([*arc(tall + 1.6, 0.0), *reversed(upper)], times(tone, 0.82))
    canvas.polygon([*upper, *reversed(lower)], (232, 228, 224))
    iris = 2.15 * (0.75 + 0.25 * shape.eye_size)
    centre = (x + look.gaze, y - 0.1)
    canvas.ellipse(centre, (iris, min(iris, tall + 0.1)), times(shape.eye_colour, 0.62))
    canvas.ellipse(centre, (iris * 0.8, min(iris * 0.8, tall)), shape.eye_colour)
    canvas.ellipse(centre, (iris * 0.42, min(iris * 0.42, tall)), (16, 14, 16))
    canvas.ellipse((centre[0] - 0.75, centre[1] - 0.8), (0.5, 0.5), (250, 250, 250))
    lash = (34, 26, 26) if face.person.female else mix(tone, (40, 28, 26), 0.75)
    canvas.line(upper, 0.85 if face.person.female else 0.6, lash)
    canvas.line(lower[1:-1], 0.35, mix(tone, (110, 62, 56), 0.5))
    canvas.line(arc(tall + 1.8, 0.0)[1:-1], 0.35, times(tone, 0.68))
    if face.shape.lines > 0.2:
        bag = [(px, py + 1.7) for px, py in lower[1:-1]]
        canvas.line(bag, 0.45, times(tone, 1 - 0.22 * face.shape.lines))


def _brow(canvas: Canvas, face: Visage, side: int) -> None:
    shape = face.shape
    x, y = face.put(side * (GAP + 0.3), EYES - 5.4 * shape.brow_lift - 0.9 * face.look.brows, 0.1)
    thick, tint = 0.95 * shape.brow_thick, mix(times(face.person.hair.colour, 0.8), face.person.skin, 0.12)
    upper, lower = [], []
    for step in range(7):
        along = (-1 + step / 3) * 1.0
        place = x + side * along * 5.2
        rise = y - (0.9 - 0.9 * along**2) - shape.brow_angle * along * 4 + 0.5 * max(0.0, along) ** 2
        half = thick * (1 - 0.75 * max(0.0, along)) * (0.75 if step == 0 else 1)
        upper.append((place, rise - half))
        lower.append((place, rise + half * 0.7))
    canvas.polygon([*upper, *reversed(lower)], tint, 138)


def nose(canvas: Canvas, face: Visage) -> None:
    """Nostrils and wings; the ridge comes from the relief."""
    tone, wide, y = face.person.skin, face.shape.nose_width, face.nose
    for side in (-1, 1):
        canvas.ellipse(face.put(side * 1.9 * wide, y + 1.7, 0.85), (1.15 * wide, 0.62), mix(tone, (48, 20, 18), 0.72))
        wing = [face.put(side * a * wide, y + b, 0.75) for a, b in ((4.0, -1.2), (4.5, 0.4), (3.9, 1.7))]
        canvas.line(wing, 0.5, times(tone, 0.76))
    canvas.line([face.put(-1.0, y + 2.3, 0.85), face.put(1.0, y + 2.3, 0.85)], 0.6, times(tone, 0.8))


def mouth(canvas: Canvas, face: Visage) -> None:
    """Lips, and teeth in an open mouth."""
    look, y = face.look, face.mouth
    wide = 7.0 * face.shape.mouth_width * (1 + 0.14 * look.smile)
    rise, open_ = 1.7 * look.smile, 2.6 * look.gape
    full = 1.0 * face.shape.lips
    red = mix(
        face.person.skin, (168, 52, 60) if face.person.female else (146, 66, 62), 0.58 if face.person.female else 0.38
    )

    def curve(middle: float, bow: float = 0.0) -> list[Point]:
        points = []
        for step in range(9):
            s = -1 + step / 4
            lift = rise * s * s + middle * (1 - s * s) + bow * math.exp(-((s / 0.22) ** 2))
            points.append(face.put(wide * s, y - lift, 0.55 - 0.4 * s * s))
        return points

    top, bottom = curve(open_ * 0.3), curve(-open_ * 0.7)
    canvas.polygon([*curve(open_ * 0.3 + 1.9 * full, -0.6 * full), *reversed(top)], times(red, 0.9))
    canvas.polygon([*bottom, *reversed(curve(-open_ * 0.7 - 2.6 * full))], red)
    if open_ > 0.5:
        canvas.polygon([*top, *reversed(bottom)], (62, 24, 26))
        canvas.polygon([*top[1:-1], *reversed(curve(-open_ * 0.15)[1:-1])], (236, 232, 224))
    else:
        canvas.line(top, 0.55, mix(times(red, 0.5), (40, 16, 18), 0.4))
    shine = curve(-open_ * 0.7 - 1.3 * full)[3:6]
    canvas.line(shine, 0.5, mix(red, (255, 225, 220), 0.35))
