"""The six places of the street, drawn without people."""

from __future__ import annotations

import numpy as np
from PIL import ImageDraw

from turncoat.data.street.palette import CLOTH, Colour, jitter, mix, pick, times


class Painter:
    """Draws one scene in units of which the picture has 64 by 128; the horizon divides wall and ground."""

    def __init__(self, pencil: ImageDraw.ImageDraw, zoom: float, horizon: float, rng: np.random.Generator) -> None:
        self.pencil, self.zoom, self.horizon, self.rng = pencil, zoom, horizon, rng

    def paint(self, place: str) -> None:
        """Draw the place of this name."""
        {
            "shops": self._shops,
            "bricks": self._bricks,
            "park": self._park,
            "station": self._station,
            "road": self._road,
            "mall": self._mall,
        }[place]()

    def _box(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        if x1 > x0 and y1 > y0:
            self.pencil.rectangle([x0 * self.zoom, y0 * self.zoom, x1 * self.zoom, y1 * self.zoom], colour)

    def _shape(self, points: list[tuple[float, float]], colour: Colour) -> None:
        self.pencil.polygon([(x * self.zoom, y * self.zoom) for x, y in points], colour)

    def _line(self, x0: float, y0: float, x1: float, y1: float, colour: Colour, width: float = 0.5) -> None:
        self.pencil.line(
            [(x0 * self.zoom, y0 * self.zoom), (x1 * self.zoom, y1 * self.zoom)],
            colour,
            max(1, round(width * self.zoom)),
        )

    def _ground(self, colour: Colour, joint: Colour, rows: int, shift: float, spread: float = 16) -> None:
        top = self.horizon
        self._box(0, top, 64, 128, colour)
        for row in range(1, rows):
            y = top + (128 - top) * (row / rows) ** 1.9
            self._line(0, y, 64, y, joint, 0.4 + row / rows * 0.4)
        for column in range(-6, 8):
            low = 32 + (column + shift) * spread * 1.6
            self._line(32 + (low - 32) * 0.35, top, low, 128, joint, 0.5)

    def _shops(self) -> None:
        rng, base = self.rng, self.horizon + 16
        wall = jitter(rng, (176, 166, 150), 1)
        self._box(0, 0, 64, base, wall)
        left = -float(rng.uniform(0, 40))
        while left < 64:
            width = float(rng.uniform(24, 40))
            glow = jitter(rng, pick(rng, {(96, 112, 124): 1.0, (148, 138, 112): 0.7, (62, 72, 82): 0.8}), 1)
            self._box(left + 2, 14, left + width - 2, base - 5, glow)
            self._shape(
                [
                    (left + 3, base - 8),
                    (left + width * 0.5, 16),
                    (left + width * 0.75, 16),
                    (left + width * 0.25, base - 8),
                ],
                mix(glow, (255, 255, 255), 0.14),
            )
            for _ in range(3):
                x = left + float(rng.uniform(3, width - 7))
                self._box(x, base - float(rng.uniform(14, 34)), x + 5, base - 6, jitter(rng, pick(rng, CLOTH), 1))
            self._box(left, 4, left + width, 14, jitter(rng, pick(rng, CLOTH), 1))
            self._box(left - 1, 0, left + 2, base, times(wall, 0.8))
            left += width
        self.horizon = base
        self._ground(jitter(rng, (150, 146, 140), 0.7), (122, 118, 114), 8, float(rng.random()))

    def _bricks(self) -> None:
        rng, base = self.rng, self.horizon + 26
        brick = jitter(rng, (142, 86, 68), 1)
        self._box(0, 0, 64, base, mix(brick, (190, 178, 166), 0.45))
        offset = float(rng.uniform(0, 9))
        for row in range(int(base / 3.4) + 1):
            for column in range(9):
                x = column * 8.6 - offset + (row % 2) * 4.3
                tint = times(brick, 0.86 + 0.28 * ((row * 7 + column * 13 + int(offset * 10)) % 11) / 11)
                self._box(x, row * 3.4, x + 8.0, row * 3.4 + 2.9, tint)
        if rng.random() < 0.5:
            x = float(rng.uniform(-6, 50))
            self._box(x, 18, x + 20, 60, (196, 190, 178))
            self._box(x + 2, 20, x + 18, 58, jitter(rng, (70, 86, 100), 1))
            self._line(x + 10, 20, x + 10, 58, (196, 190, 178), 1.2)
        if rng.random() < 0.4:
            x = float(rng.uniform(0, 54))
            self._box(x, 30, x + 10, 46, jitter(rng, pick(rng, CLOTH), 1))
        self._box(0, base - 3, 64, base, (110, 104, 100))
        self.horizon = base
        self._ground(jitter(rng, (132, 132, 134), 0.8), (108, 108, 110), 6, float(rng.random()), 20)

    def _park(self) -> None:
        rng, base = self.rng, self.horizon
        self._box(0, 0, 64, base, jitter(rng, (186, 206, 222), 0.8))
        leaf = jitter(rng, (74, 112, 56), 1)
        for _ in range(3):
            x = float(rng.uniform(-2, 64))
            self._box(x, base * 0.3, x + float(rng.uniform(1.6, 4)), base + 5, jitter(rng, (84, 66, 50), 1))
        for _ in range(42):
            x, y = float(rng.uniform(-6, 70)), float(rng.uniform(-4, base * 0.72))
            size = float(rng.uniform(4, 11))
            tint = mix(times(leaf, float(rng.uniform(0.6, 1.3))), (206, 216, 170), 0.12)
            self.pencil.ellipse(
                [
                    (x - size) * self.zoom,
                    (y - size * 0.7) * self.zoom,
                    (x + size) * self.zoom,
                    (y + size * 0.7) * self.zoom,
                ],
                tint,
            )
        self._box(0, base, 64, 128, jitter(rng, (104, 138, 70), 0.8))
        bend, path = float(rng.uniform(-14, 14)), jitter(rng, (188, 172, 142), 0.7)
        self._shape([(26 + bend, base), (36 + bend, base), (74, 128), (-8, 128)], path)
        self._box(0, base - 1, 64, base + 2, times(leaf, 0.7))
        if rng.random() < 0.5:
            x = float(rng.uniform(-8, 52))
            self._box(x, base + 4, x + 22, base + 6, (122, 84, 52))
            self._box(x, base - 2, x + 22, base, (122, 84, 52))
            self._box(x + 2, base, x + 3, base + 11, (60, 60, 62))
            self._box(x + 19, base, x + 20, base + 11, (60, 60, 62))

    def _station(self) -> None:
        rng, base = self.rng, self.horizon + 12
        tile = jitter(rng, (178, 184, 178), 0.7)
        self._box(0, 0, 64, base, tile)
        for step in range(0, 70, 5):
            self._line(step - 2, 0, step - 2, base, times(tile, 0.93), 0.4)
        for step in range(0, int(base), 4):
            self._line(0, step, 64, step, times(tile, 0.93), 0.4)
        self._box(0, 8, 64, 15, jitter(rng, (44, 84, 128), 1))
        x = float(rng.uniform(-10, 50))
        self._box(x + 4, 20, x + 22, base - 6, jitter(rng, pick(rng, CLOTH), 1))
        self._box(x + 6, 23, x + 20, (20 + base) / 2, jitter(rng, pick(rng, CLOTH), 1))
        pillar = float(rng.uniform(-4, 60))
        self._box(pillar, 0, pillar + 8, base + 8, (150, 152, 152))
        self._box(pillar, 0, pillar + 2.5, base + 8, (186, 188, 186))
        self.horizon = base
        self._ground(jitter(rng, (140, 142, 138), 0.6), (116, 118, 114), 12, float(rng.random()), 11)
        self._box(0, base + 14, 64, base + 18, (204, 176, 62))

    def _road(self) -> None:
        rng, base = self.rng, self.horizon
        self._box(0, 0, 64, base, jitter(rng, (168, 172, 176), 0.8))
        left = -float(rng.uniform(0, 20))
        while left < 64:
            width, top = float(rng.uniform(14, 26)), float(rng.uniform(-10, 14))
            house = jitter(rng, pick(rng, {(156, 140, 126): 1.0, (128, 122, 124): 1.0, (176, 160, 138): 0.7}), 1)
            self._box(left, top, left + width, base, house)
            for y in range(int(max(top, 0)) + 4, int(base) - 6, 9):
                for x in (0.2, 0.6):
                    self._box(left + width * x, y, left + width * (x + 0.2), y + 5, times(house, 0.55))
            left += width
        self._box(0, base, 64, base + 26, jitter(rng, (92, 94, 98), 0.6))
        self._line(0, base + 12, 64, base + 12, (206, 204, 196), 0.9)
        if rng.random() < 0.7:
            x, paint = float(rng.uniform(-30, 50)), jitter(rng, pick(rng, CLOTH), 1)
            self._shape(
                [
                    (x, base + 18),
                    (x + 2, base + 8),
                    (x + 10, base + 7),
                    (x + 16, base - 2),
                    (x + 34, base - 2),
                    (x + 42, base + 8),
                    (x + 46, base + 18),
                ],
                paint,
            )
            self._shape([(x + 13, base + 7), (x + 17, base), (x + 33, base), (x + 38, base + 7)], (52, 62, 72))
            for wheel in (x + 10, x + 36):
                self.pencil.ellipse(
                    [
                        (wheel - 4) * self.zoom,
                        (base + 14) * self.zoom,
                        (wheel + 4) * self.zoom,
                        (base + 22) * self.zoom,
                    ],
                    (26, 26, 28),
                )
        self.horizon = base + 26
        self._box(0, base + 25, 64, base + 28, (176, 174, 170))
        self._ground(jitter(rng, (146, 142, 136), 0.6), (124, 120, 116), 6, float(rng.random()))

    def _mall(self) -> None:
        rng, base = self.rng, self.horizon + 8
        self._box(0, 0, 64, base, jitter(rng, (122, 102, 84), 0.8))
        for _ in range(4):
            x, width = float(rng.uniform(-10, 60)), float(rng.uniform(8, 22))
            glow = jitter(rng, pick(rng, {(232, 206, 150): 1.0, (206, 170, 120): 1.0, (150, 170, 190): 0.5}), 1)
            self._box(x, 10, x + width, base - 4, glow)
            self._box(
                x + 1, base - float(rng.uniform(12, 22)), x + width - 1, base - 4, jitter(rng, pick(rng, CLOTH), 1)
            )
        for _ in range(6):
            x, y = float(rng.uniform(0, 64)), float(rng.uniform(0, 10))
            self.pencil.ellipse(
                [(x - 1.5) * self.zoom, (y - 1) * self.zoom, (x + 1.5) * self.zoom, (y + 1) * self.zoom],
                (255, 244, 214),
            )
        self.horizon = base
        self._ground(jitter(rng, (150, 132, 112), 0.6), (130, 114, 98), 9, float(rng.random()), 14)
        for _ in range(3):
            x = float(rng.uniform(0, 60))
            self._shape([(x, base), (x + 4, base), (x + 8, 128), (x - 4, 128)], (172, 154, 132))
