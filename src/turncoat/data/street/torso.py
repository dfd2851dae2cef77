"""The trunk as a tube with an elliptic section: where its outline is, and where a point of its cloth is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from turncoat.data.street.canvas import Point
from turncoat.data.street.person import Build
from turncoat.data.street.pose import Frame, Skeleton

Level = tuple[float, float, float]


@dataclass(frozen=True)
class Tube:
    """Levels (v, half width, half depth) along the line from the neck (v = 0) to the pelvis (v = 1) and on."""

    skeleton: Skeleton
    frame: Frame
    levels: tuple[Level, ...]
    sag: float = 0.012

    def at(self, theta: float, v: float) -> Point | None:
        """The cloth at an angle from straight ahead (positive to the person's left); None where turned away."""
        if math.cos(theta + self.frame.yaw) < 0.05:
            return None
        _, wide, deep = self._level(v)
        x, y, z = self._axis(v)
        return self.frame.point((x + wide * math.sin(theta), y, z + deep * math.cos(theta)))

    def outline(self, top: float, bottom: float, steps: int = 8) -> tuple[list[Point], list[Point]]:
        """The left and the right edge as seen, from `top` to `bottom`."""
        left, right = [], []
        for step in range(steps + 1):
            v = top + (bottom - top) * step / steps
            _, wide, deep = self._level(v)
            x, y = self.frame.point(self._axis(v))
            half = self.frame.scale * math.hypot(wide * math.cos(self.frame.yaw), deep * math.sin(self.frame.yaw))
            left.append((x - half, y))
            right.append((x + half, y))
        return left, right

    def band(self, top: float, bottom: float) -> list[Point]:
        """A ring of cloth between two heights, sagging a little in the middle."""
        (left, low_left), (right, low_right) = self.outline(top, bottom, 1)
        sag = self.sag * self.skeleton.height * self.frame.scale
        middle = ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2 + sag)
        low = ((low_left[0] + low_right[0]) / 2, (low_left[1] + low_right[1]) / 2 + sag)
        return [left, middle, right, low_right, low, low_left]

    def strip(self, theta: float, width: float, top: float, bottom: float) -> list[Point]:
        """A lengthwise strip about the angle `theta`, `width` radians wide; empty where turned away."""
        heights = [top + (bottom - top) * step / 5 for step in range(6)]
        one = [self.at(theta - width / 2, v) for v in heights]
        two = [self.at(theta + width / 2, v) for v in reversed(heights)]
        points = [*one, *two]
        return [point for point in points if point is not None] if None not in points else []

    def patch(self, corners: Sequence[tuple[float, float]]) -> list[Point]:
        """The polygon with these corners (theta, v); empty if one of them is turned away."""
        points = [self.at(theta, v) for theta, v in corners]
        return [point for point in points if point is not None] if None not in points else []

    def _level(self, v: float) -> Level:
        before = self.levels[0]
        for after in self.levels[1:]:
            if v <= after[0]:
                share = max(0.0, (v - before[0]) / (after[0] - before[0]))
                return (v, before[1] + (after[1] - before[1]) * share, before[2] + (after[2] - before[2]) * share)
            before = after
        return before

    def _axis(self, v: float) -> tuple[float, float, float]:
        (_, top, lean), (_, low, _) = self.skeleton.neck, self.skeleton.pelvis
        return 0.0, top + (low - top) * v, lean * max(0.0, 1 - v)


def trunk(build: Build, skeleton: Skeleton, frame: Frame, loose: float) -> Tube:
    """The trunk under a garment; `loose` 1 is tight, 1.2 a coat."""
    height, shoulder = build.height, build.shoulder
    deep = 0.062 * height * (0.4 + 0.6 * build.girth) * (0.5 + 0.5 * loose)
    return Tube(
        skeleton,
        frame,
        (
            (-0.02, 0.034 * height, 0.034 * height),
            (0.03, 0.44 * shoulder, 0.6 * deep),
            (0.075, 0.76 * shoulder, 0.82 * deep),
            (0.13, 0.93 * shoulder, 0.94 * deep),
            (0.34, build.chest * loose, 1.08 * deep),
            (0.66, build.waist * (0.3 + 0.7 * loose**1.6), 0.98 * deep * (0.6 + 0.4 * build.girth)),
            (0.92, build.hip * loose, 1.06 * deep),
            (1.12, build.hip * loose * 1.0, 1.04 * deep),
            (1.7, build.hip * loose * 1.16, 1.2 * deep),
        ),
    )


def skirt(build: Build, skeleton: Skeleton, frame: Frame, spread: float, hem: float) -> Tube:
    """A skirt from the waist to `hem` (in the trunk's v), wider at the hem by `spread`."""
    deep = 0.066 * build.height
    return Tube(
        skeleton,
        frame,
        (
            (0.6, build.waist * 1.05, deep * 0.95),
            (0.92, build.hip * 1.05, deep * 1.1),
            (hem, build.hip * spread, deep * 1.25 * spread),
        ),
    )
