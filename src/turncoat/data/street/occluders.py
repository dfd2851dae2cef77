"""What comes between a camera and a passer-by: a pole, a bush, a box, the edge of somebody else."""

from __future__ import annotations

import numpy as np

from turncoat.data.street.canvas import Canvas
from turncoat.data.street.palette import CLOTH, SKIN, Colour, jitter, pick, times

RATE = 0.3
"""The share of pictures with something in the way."""


def draw(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draw one occluder over the figure, or nothing most of the time; units as in body.py (64 x 128)."""
    kind, side = rng.random() / RATE, 1 if rng.random() < 0.5 else -1
    reach = float(rng.uniform(0, 1))
    if kind < 0.25:
        x = 32 + side * (9 + 20 * reach)
        canvas.limb(((x, -4), (x, 134)), (1.6, 1.9), (84, 88, 92), base=190, bulge=60)
    elif kind < 0.5:
        _stranger(canvas, rng, 32 + side * (27 + 7 * reach))
    elif kind < 0.75:
        _box(canvas, rng, 32 + side * 14 * reach)
    elif kind < 1:
        _bush(canvas, rng, 32 + side * (10 + 16 * reach))


def _stranger(canvas: Canvas, rng: np.random.Generator, x: float) -> None:
    cloth, legs, skin = (
        jitter(rng, pick(rng, CLOTH), 1),
        jitter(rng, pick(rng, CLOTH), 1),
        SKIN[int(rng.integers(len(SKIN)))],
    )
    top = float(rng.uniform(6, 22))
    canvas.limb(((x, top + 64), (x - 1, 130)), (7.5, 5), legs, base=190, bulge=55)
    canvas.limb(((x, top + 26), (x, top + 62)), (9.5, 8.5), cloth, base=190, bulge=60)
    canvas.dome((x, top + 8), (5.5, 8), skin, 190, 60)
    canvas.dome((x, top + 5), (6, 6.5), jitter(rng, (46, 36, 30), 1), 195, 60)


def _box(canvas: Canvas, rng: np.random.Generator, x: float) -> None:
    colours: dict[Colour, float] = {(120, 124, 126): 1, (150, 116, 76): 1, (66, 92, 110): 1, (128, 52, 46): 0.5}
    colour = jitter(rng, pick(rng, colours), 1)
    top, half = float(rng.uniform(96, 116)), float(rng.uniform(10, 22))
    canvas.polygon([(x - half, top), (x + half, top), (x + half, 130), (x - half, 130)], colour, 220)
    canvas.polygon(
        [(x - half, top), (x + half, top), (x + half - 2, top - 3), (x - half + 2, top - 3)], (200, 200, 196), 240
    )
    canvas.line([(x - half, top + 6), (x + half, top + 6)], 0.8, (60, 60, 62), 210)


def _bush(canvas: Canvas, rng: np.random.Generator, x: float) -> None:
    leaf = jitter(rng, (62, 96, 48), 1.0)
    for across, up, light in rng.uniform(-1, 1, (90, 3)):
        a, rise = float(across), (1 - float(across) ** 2) * float(up + 1) / 2
        place = (x + 12 * a, 128 - 20 * rise)
        canvas.ellipse(place, (1.9, 1.3), times(leaf, 0.7 + 0.4 * rise + 0.3 * float(light)), 190 + round(40 * rise))
