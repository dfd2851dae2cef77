"""The six cameras of the street: where each looks from, what it looks at, and what it does to a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from turncoat.core.errors import UserError
from turncoat.data.street.light import Lamp, Lens


@dataclass(frozen=True)
class Camera:
    """`yaw` is the usual heading of a passer-by as (mean, deviation), in radians; `tilt` how far the camera looks down;
    `place` the scene behind; `lamp` the usual (right, down, towards) of the light; `sky` the share of even light."""

    place: str
    yaw: tuple[float, float]
    tilt: float
    lamp: tuple[float, float, float]
    sky: float
    lens: Lens

    def light(self, rng: np.random.Generator) -> Lamp:
        """The light of one moment: the usual one, a little moved."""
        x, y, z = self.lamp
        return Lamp(
            (x + 0.35 * rng.normal(), y + 0.15 * rng.normal(), z),
            float(np.clip(self.sky + 0.08 * rng.normal(), 0.25, 0.8)),
        )

    def heading(self, rng: np.random.Generator) -> float:
        """Where one passer-by is heading, in radians; a side view goes left or right."""
        mean, spread = self.yaw
        turn = mean + spread * float(rng.normal())
        return turn if rng.random() < 0.5 else -turn


CAMERAS: tuple[Camera, ...] = (
    Camera(
        "shops", (0.15, 0.3), 0.1, (-0.6, -0.7, 0.7), 0.45, Lens((1.04, 1.0, 0.95), 0.95, 0.02, 1.05, 1.0, 0.011, 1.0)
    ),
    Camera(
        "bricks", (1.35, 0.25), 0.05, (0.7, -0.6, 0.6), 0.5, Lens((0.97, 1.0, 1.05), 1.1, 0.04, 0.9, 0.8, 0.016, 1.5)
    ),
    Camera("park", (2.9, 0.3), 0.12, (-0.4, -0.9, 0.4), 0.4, Lens((1.03, 1.03, 0.92), 0.9, 0.03, 1.1, 0.9, 0.010, 1.0)),
    Camera(
        "station", (0.5, 0.35), 0.3, (0.1, -1.0, 0.5), 0.6, Lens((0.95, 1.04, 0.97), 1.1, 0.07, 0.8, 0.68, 0.022, 2.0)
    ),
    Camera(
        "road", (1.9, 0.35), 0.2, (0.8, -0.5, 0.7), 0.42, Lens((1.0, 0.99, 1.02), 1.0, 0.09, 0.85, 0.74, 0.015, 1.6)
    ),
    Camera(
        "mall", (2.6, 0.45), 0.24, (-0.2, -0.9, 0.6), 0.6, Lens((1.08, 0.97, 0.84), 1.22, 0.02, 0.95, 0.8, 0.02, 1.6)
    ),
)


def camera_of(number: int) -> Camera:
    """The camera with this number, 0..5."""
    if not 0 <= number < len(CAMERAS):
        raise UserError(f"camera {number} does not exist: the street has cameras 0 to {len(CAMERAS) - 1}")
    return CAMERAS[number]


def turned(angle: float) -> float:
    """An angle brought into -pi..pi."""
    return math.remainder(angle, 2 * math.pi)
