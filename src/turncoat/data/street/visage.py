"""The geometry of an aligned face: where its parts are, how they move with a turn of the head, how they swell."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from turncoat.data.street.canvas import Floats, Point
from turncoat.data.street.person import Face, Person

MIDDLE, EYES, GAP = 32.0, 30.0, 9.6
"""The axis, the height of the eyes and half their distance, in units of which the picture has 64 by 64."""


@dataclass(frozen=True)
class Look:
    """A moment of a face: `yaw` and `nod` in units of depth, `smile` -1..1, `gape` and `squint` 0..1, `brows` -1..1,
    `gaze` the shift of the eyes."""

    yaw: float
    nod: float
    smile: float
    gape: float
    squint: float
    brows: float
    gaze: float


@dataclass(frozen=True)
class Visage:
    """One face in one moment."""

    person: Person
    look: Look

    @property
    def shape(self) -> Face:
        """The lasting shape of the face."""
        return self.person.face

    @property
    def half(self) -> float:
        """Half the width at the temples."""
        return 20.2 * self.shape.width

    @property
    def chin(self) -> float:
        """The height of the chin."""
        return EYES + 27.0 * self.shape.chin + 1.2 * self.look.gape

    @property
    def nose(self) -> float:
        """The height of the tip of the nose."""
        return EYES + 10.2 * self.shape.nose_length

    @property
    def mouth(self) -> float:
        """The height of the line between the lips."""
        return EYES + 17.6 * self.shape.mouth_drop * (0.6 + 0.4 * self.shape.chin)

    def put(self, across: float, y: float, depth: float = 0.0) -> Point:
        """A point `across` from the axis at height y; the eyes have depth 0, the nose 1, the ears about -2."""
        return MIDDLE + across + 3.4 * self.look.yaw * depth, y + 1.6 * self.look.nod * depth

    def width_at(self, y: float) -> float:
        """Half the width of the face at a height."""
        if y < EYES:
            return self.half * math.sqrt(max(0.0, 1 - math.pow(max(0.0, EYES - y) / 23.5, 2.5)))
        down = min(1.0, (y - EYES) / (self.chin - EYES))
        taper = 1 - (1.02 - 0.62 * self.shape.jaw) * math.pow(down, 1.9)
        return self.half * taper * math.sqrt(max(0.0, 1 - down**5))

    def outline(self, top: float, bottom: float, grow: float = 1.0, steps: int = 14) -> tuple[list[Point], list[Point]]:
        """The left and right edge of the face between two heights."""
        left, right = [], []
        for step in range(steps + 1):
            y = top + (bottom - top) * (1 - (1 - step / steps) ** 1.6)
            half = self.width_at(y) * grow
            left.append(self.put(-half, y, -0.75))
            right.append(self.put(half, y, -0.75))
        return left, right

    def relief(self, rows: int) -> Floats:
        """The swell of head and features as a height field `[rows, rows]`, in the units of the canvas relief."""
        x = np.linspace(0, 64, rows, endpoint=False, dtype=np.float32) + 32 / rows
        middle = self.put(0, 0, -0.6)[0]
        inside = 1 - ((x - middle) / (self.half * 1.12)) ** 2 - ((x[:, None] - 31) / 30) ** 2
        field = 78 * np.sqrt(np.maximum(inside, 0))
        for across, y, depth, wide, tall, lift in self._bumps():
            centre = self.put(across, y, depth)
            bell = np.exp(-(((x - centre[0]) / wide) ** 2))
            field += lift * np.exp(-(((x - centre[1]) / tall) ** 2))[:, None] * bell
        return np.asarray(field, dtype=np.float32)

    def _bumps(self) -> list[tuple[float, float, float, float, float, float]]:
        shape, nose, mouth = self.shape, self.nose, self.mouth
        wide, puff = shape.nose_width, 3 + 6 * shape.cheeks + 3 * max(0.0, self.look.smile)
        bumps = [
            (0.0, (EYES + nose) / 2, 0.6, 2.6 * wide, 6.5, 9.0),
            (0.0, nose - 0.5, 1.0, 3.4 * wide, 3.0, 13.0),
            (0.0, mouth - 1.2, 0.6, 6.0, 1.5, 3.5 * shape.lips),
            (0.0, mouth + 2.2, 0.6, 5.2, 1.8, 5.0 * shape.lips),
            (0.0, mouth + 5.2, 0.5, 5.0, 1.6, -4.0),
            (0.0, self.chin - 3.2, 0.3, 5.5, 3.6, 8.0),
            (0.0, 17.0, 0.0, 12.0, 6.0, 4.0),
        ]
        for side in (-1, 1):
            bumps += [
                (side * GAP, EYES + 0.2, 0.0, 5.4, 3.6, -8.0),
                (side * GAP, EYES - 5.2, 0.2, 6.5, 2.2, 5.0),
                (side * 3.5 * wide, nose + 0.6, 0.8, 2.0, 1.9, 7.0),
                (side * 12.2, EYES + 11.5, 0.0, 5.5, 5.0, puff),
            ]
        return bumps
