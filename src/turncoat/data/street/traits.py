"""What some aligned faces have: beard, the lines of age, freckles, a mole, glasses."""

from __future__ import annotations

import math

import numpy as np

from turncoat.data.street.canvas import Canvas
from turncoat.data.street.palette import Colour, mix, times
from turncoat.data.street.visage import EYES, GAP, Visage

_MOUSTACHE = ((0.0, -4.6), (4.2, -3.9), (8.4, 0.0), (5.0, -0.9), (0.0, -1.3), (-5.0, -0.9), (-8.4, 0.0), (-4.2, -3.9))


def beard(canvas: Canvas, face: Visage, rng: np.random.Generator) -> None:
    """Moustache or full beard, hair by hair at the edge; stubble is a shadow."""
    kind, tint, y = face.shape.beard, times(face.person.hair.colour, 0.95), face.mouth
    if kind in ("full", "stubble"):
        shade = tint if kind == "full" else mix(face.person.skin, tint, 0.26)
        left, right = face.outline(EYES + 6, face.chin + (1.6 if kind == "full" else 0), 1.01)
        cheek = [(15.5, -9.0, 0.2), (11.5, -3.2, 0.2), (5.0, -4.4, 0.6)]
        edge = cheek + [(-across, down, depth) for across, down, depth in reversed(cheek)]
        inner = [face.put(across, y + down, depth) for across, down, depth in edge]
        canvas.polygon([*left, *reversed(right), *inner], shade, 136 if kind == "full" else None)
    if kind in ("full", "moustache"):
        hang = 1.2 if kind == "moustache" else 0.6
        points = [face.put(across, y + (down or hang), 0.7) for across, down in _MOUSTACHE]
        canvas.polygon(points, tint, 140)
    if kind == "full":
        for across, down, grow in rng.random((46, 3)).tolist():
            span = face.width_at(y + 7.5 * down) * 0.95
            x, top = face.put((2 * across - 1) * span, y + 2.5 + 6.2 * down, 0.2)
            end = (x + 0.6 * (across - 0.5), top + 1.0 + 0.8 * grow)
            canvas.line([(x, top), end], 0.3, times(tint, 0.7 + 0.75 * grow))


def lines(canvas: Canvas, face: Visage) -> None:
    """What the years draw: forehead, crow's feet, the folds beside the mouth; freckles and a mole."""
    shape, tone = face.shape, face.person.skin
    ink = times(tone, 1 - 0.2 * shape.lines)
    if shape.lines > 0.1:
        for side in (-1, 1):
            fold = [
                face.put(side * a, b, 0.4)
                for a, b in ((4.8, face.nose + 0.6), (7.6, face.mouth - 2.2), (8.8, face.mouth + 1.4))
            ]
            canvas.line(fold, 0.6, ink, 124)
            if shape.lines > 0.4:
                for rise in (-1.4, 0.2, 1.8):
                    canvas.line(
                        [face.put(side * 15.0, EYES + 0.3 * rise), face.put(side * 18.0, EYES + rise, -0.4)],
                        0.35,
                        ink,
                        125,
                    )
        if shape.lines > 0.4:
            for y in (14.5, 17.5, 20.3):
                canvas.line([face.put(a, y + 0.5 * math.cos(a / 3), 0.1) for a in range(-10, 11, 4)], 0.4, ink, 124)
    if shape.freckles:
        spots = np.random.default_rng([face.person.identity, 5]).normal(0, 1, (34, 2))
        for a, b in spots:
            canvas.ellipse(
                face.put(7.5 * float(a), EYES + 8 + 2.4 * float(b), 0.3), (0.38, 0.38), mix(tone, (142, 84, 52), 0.5)
            )
    if shape.mole is not None:
        a, b = shape.mole
        canvas.ellipse(face.put(a * 14, EYES + 4 + 18 * b, 0.3), (0.7, 0.7), mix(tone, (60, 34, 26), 0.75))


def glasses(canvas: Canvas, face: Visage, *, dark: bool) -> None:
    """Frames and, if dark, lenses."""
    frame: Colour = face.person.wear.frame_colour
    style = face.person.identity % 3
    wide, tall = ((6.4, 4.6), (5.6, 5.4), (6.8, 4.2))[style]
    centres = [face.put(side * (GAP + 0.4), EYES + 0.8, 0.45) for side in (-1, 1)]
    for side, (x, y) in zip((-1, 1), centres, strict=True):
        rim = []
        for step in range(25):
            angle = step * math.pi / 12
            c, s = math.cos(angle), math.sin(angle)
            power = (0.5, 1.0, 0.65)[style]
            rim.append((x + wide * math.copysign(abs(c) ** power, c), y + tall * math.copysign(abs(s) ** power, s)))
        if dark:
            canvas.polygon(rim, (30, 28, 32), 150)
            canvas.line([(x - wide * 0.5, y + tall * 0.3), (x - wide * 0.05, y - tall * 0.5)], 0.9, (92, 96, 106))
        else:
            canvas.line(
                [(x - wide * 0.55, y + tall * 0.35), (x - wide * 0.25, y - tall * 0.35)],
                0.45,
                mix(face.person.skin, (255, 255, 255), 0.55),
            )
        canvas.line(rim, 1.0, frame, 165)
        canvas.line([(x + side * wide, y - 0.8), face.put(side * face.half * 0.98, EYES + 0.4, -1.3)], 0.9, frame)
    canvas.line([(centres[0][0] + wide, EYES + 0.3), (centres[1][0] - wide, EYES + 0.3)], 1.0, frame, 165)
