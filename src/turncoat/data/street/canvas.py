"""A figure under the pencil: its colour and its relief, drawn large with hard edges and shrunk into soft ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from turncoat.data.street.palette import Colour

Point = tuple[float, float]
Floats = NDArray[np.float32]

SUPER = 4
"""Drawn pixels per final pixel, along each side; `shrunk` takes one half of it, `halved` the other."""

_STRIPS = (1.0, 0.82, 0.6, 0.34)


class Canvas:
    """Colour and relief of one figure, in units of which the picture has `width` by `height`.

    The relief is a height in 1..255 above the background (0): its slopes make the light, its zeros the outline.
    """

    def __init__(self, width: float, height: float, pixels: int) -> None:
        self.zoom = SUPER * pixels / height
        self.size = (round(width * self.zoom), round(height * self.zoom))
        self.colour = Image.new("RGB", self.size)
        self.relief = Image.new("L", self.size)
        self._paint = ImageDraw.Draw(self.colour)
        self._carve = ImageDraw.Draw(self.relief)

    def polygon(self, points: Sequence[Point], colour: Colour | None, height: int | None = None) -> None:
        """Fill a polygon; `None` leaves the colour or the relief as it is."""
        zoomed = [(x * self.zoom, y * self.zoom) for x, y in points]
        if colour is not None:
            self._paint.polygon(zoomed, colour)
        if height is not None:
            self._carve.polygon(zoomed, height)

    def line(self, points: Sequence[Point], width: float, colour: Colour | None, height: int | None = None) -> None:
        """Draw a line of the given width with rounded joints."""
        zoomed = [(x * self.zoom, y * self.zoom) for x, y in points]
        thick = max(1, round(width * self.zoom))
        if colour is not None:
            self._paint.line(zoomed, colour, thick, joint="curve")
        if height is not None:
            self._carve.line(zoomed, height, thick, joint="curve")

    def ellipse(self, centre: Point, radius: Point, colour: Colour | None, height: int | None = None) -> None:
        """Fill an ellipse with half axes `radius` along x and y."""
        (x, y), (a, b) = centre, radius
        box = [(x - a) * self.zoom, (y - b) * self.zoom, (x + a) * self.zoom, (y + b) * self.zoom]
        if colour is not None:
            self._paint.ellipse(box, colour)
        if height is not None:
            self._carve.ellipse(box, height)

    def dome(self, centre: Point, radius: Point, colour: Colour | None, base: int, bulge: int) -> None:
        """Fill an ellipse that rises from `base` by `bulge` towards its middle."""
        (a, b) = radius
        self.ellipse(centre, radius, colour)
        for share in _STRIPS:
            self.ellipse(centre, (a * share, b * share), None, round(base + bulge * math.sqrt(1 - share**2)))

    def limb(
        self, ends: tuple[Point, Point], radii: Point, colour: Colour, *, base: int = 120, bulge: int = 60
    ) -> None:
        """A tapered tube with round ends."""
        (ax, ay), (bx, by) = ends
        first, last = radii
        length = math.hypot(bx - ax, by - ay) or 1e-6
        nx, ny = (by - ay) / length, (ax - bx) / length
        for share in _STRIPS:
            height = round(base + bulge * math.sqrt(1 - share**2))
            paint = colour if share == 1 else None
            a, b = first * share, last * share
            quad = [(ax + nx * a, ay + ny * a), (bx + nx * b, by + ny * b)]
            quad += [(bx - nx * b, by - ny * b), (ax - nx * a, ay - ny * a)]
            self.polygon(quad, paint, height)
            self.ellipse((ax, ay), (a, a), paint, height)
            self.ellipse((bx, by), (b, b), paint, height)

    def slab(
        self, left: Sequence[Point], right: Sequence[Point], colour: Colour | None, *, base: int, bulge: int
    ) -> None:
        """A rounded shape between two outlines, given as matching points from top to bottom."""
        for share in _STRIPS:
            inner, outer = 0.5 + share / 2, 0.5 - share / 2
            one = [(a * inner + c * outer, b) for (a, b), (c, _) in zip(left, right, strict=True)]
            two = [(a * outer + c * inner, d) for (a, _), (c, d) in zip(left, right, strict=True)]
            height = round(base + bulge * math.sqrt(1 - share**2))
            self.polygon([*one, *reversed(two)], colour if share == 1 else None, height)

    def shrunk(self, blur: float) -> tuple[Floats, Floats, Floats]:
        """Colour `[H, W, 3]` in 0..1 times cover, cover `[H, W]` in 0..1, and relief `[H, W]`; at half the drawn size.

        `blur` softens the relief, in pixels of the result.
        """
        cover = self.relief.point([0] + [255] * 255).reduce(2)
        relief = self.relief.reduce(2).filter(ImageFilter.GaussianBlur(blur))
        colour = np.array(self.colour.reduce(2), dtype=np.float32)
        colour /= 255
        covered = np.array(cover, dtype=np.float32)
        covered /= 255
        return colour, covered, np.asarray(relief, dtype=np.float32)


def halved(picture: Floats) -> Floats:
    """A picture `[2 H, 2 W, 3]` at half the size: the mean of each four pixels."""
    rows = picture[0::2] + picture[1::2]
    return np.asarray((rows[:, 0::2] + rows[:, 1::2]) * 0.25, dtype=np.float32)
