"""The form of a head seen from any side."""

from __future__ import annotations

import math
from dataclasses import dataclass

from turncoat.data.street.canvas import Point


@dataclass(frozen=True)
class Skull:
    """A head as seen: v runs from the crown (-1) to the chin (1), angles from the nose (0) to the left ear (pi/2)."""

    x: float
    y: float
    wide: float
    tall: float
    yaw: float
    jaw: float

    def half(self, v: float) -> float:
        """Half the width at a height."""
        if v < 0:
            return self.wide * math.sqrt(max(0.0, 1 - math.pow(abs(v), 2.2)))
        return (
            self.wide
            * (1 - (1 - 0.42 * self.jaw) * math.pow(v, 2.4))
            * math.sqrt(max(0.0, 1 - max(0.0, v - 0.86) * 3.2))
        )

    def spot(self, theta: float, v: float) -> Point | None:
        """A point of the face; None where it is turned away."""
        if math.cos(theta + self.yaw) < 0.08:
            return None
        return self._shift(v) + self.half(v) * math.sin(theta + self.yaw), self.y + v * self.tall

    def patch(self, low: float, high: float, top: float, bottom: float, grow: float = 1.0) -> list[Point]:
        """The seen part of a region of the head; empty if all of it is turned away."""
        start, end = max(low + self.yaw, -math.pi / 2), min(high + self.yaw, math.pi / 2)
        if end - start < 0.12:
            return []
        one, two = [], []
        for step in range(9):
            v = top + (bottom - top) * step / 8
            half, y = self.half(v) * grow, self.y + v * self.tall
            one.append((self._shift(v) + half * math.sin(start), y))
            two.append((self._shift(v) + half * math.sin(end), y))
        return [*one, *reversed(two)]

    def _shift(self, v: float) -> float:
        return self.x + 0.14 * self.wide * math.sin(self.yaw) * max(0.0, v + 0.2)
