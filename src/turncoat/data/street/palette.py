"""The colours of the street: skin, hair, eyes, cloth, leather; all sRGB triples in 0..255."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from typing import TypeVar

import numpy as np

Colour = tuple[int, int, int]
Choice = TypeVar("Choice")

SKIN: tuple[Colour, ...] = (
    (247, 214, 190),
    (238, 196, 166),
    (226, 178, 143),
    (208, 156, 118),
    (182, 128, 90),
    (148, 99, 66),
    (112, 73, 48),
    (86, 56, 40),
)
HAIR: Mapping[Colour, float] = {
    (28, 24, 24): 0.34,
    (58, 40, 30): 0.26,
    (98, 66, 42): 0.16,
    (150, 84, 44): 0.07,
    (196, 158, 98): 0.11,
    (222, 192, 138): 0.06,
}
GREYED: Mapping[Colour, float] = {(150, 148, 146): 0.45, (188, 186, 184): 0.3, (222, 220, 216): 0.25}
EYES: Mapping[Colour, float] = {
    (74, 48, 28): 0.55,
    (104, 78, 40): 0.15,
    (78, 104, 70): 0.12,
    (84, 124, 158): 0.18,
}
CLOTH: Mapping[Colour, float] = {
    (34, 35, 40): 0.17,
    (72, 75, 82): 0.1,
    (148, 150, 152): 0.08,
    (232, 230, 224): 0.14,
    (36, 48, 88): 0.1,
    (72, 118, 178): 0.08,
    (160, 40, 44): 0.09,
    (94, 34, 48): 0.04,
    (206, 122, 46): 0.04,
    (226, 192, 78): 0.05,
    (58, 100, 66): 0.06,
    (108, 106, 66): 0.05,
    (134, 88, 144): 0.04,
    (222, 150, 166): 0.05,
    (188, 160, 122): 0.06,
    (60, 146, 146): 0.03,
}
SOBER: Mapping[Colour, float] = {
    (30, 31, 35): 0.34,
    (62, 64, 72): 0.2,
    (38, 44, 68): 0.16,
    (176, 154, 120): 0.12,
    (104, 84, 64): 0.1,
    (92, 96, 74): 0.08,
}
DENIM: Mapping[Colour, float] = {(44, 62, 98): 0.45, (74, 102, 146): 0.35, (128, 154, 188): 0.2}
LEATHER: Mapping[Colour, float] = {(32, 26, 24): 0.5, (88, 52, 32): 0.3, (136, 88, 52): 0.2}
RUBBER: Mapping[Colour, float] = {
    (238, 238, 234): 0.5,
    (44, 46, 52): 0.2,
    (178, 48, 48): 0.12,
    (56, 92, 160): 0.1,
    (150, 152, 156): 0.08,
}


def pick(rng: np.random.Generator, weights: Mapping[Choice, float]) -> Choice:
    """One key, with a probability proportional to its (non-negative) weight."""
    mark = rng.random() * sum(weights.values())
    for key, weight in weights.items():
        mark -= weight
        if mark < 0:
            return key
    return next(reversed(list(weights)))


def jitter(rng: np.random.Generator, colour: Colour, amount: float) -> Colour:
    """The colour moved a little in hue, saturation and value; `amount` 1 is as far as one name still holds."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(part / 255 for part in colour))
    moves = rng.uniform(-amount, amount, 3)
    red, green, blue = colorsys.hsv_to_rgb(
        (hue + 0.02 * moves[0]) % 1,
        min(1.0, max(0.0, saturation * (1 + 0.2 * moves[1]))),
        min(0.96, max(0.08, value * (1 + 0.15 * moves[2]))),
    )
    return (round(255 * red), round(255 * green), round(255 * blue))


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`first` with the given share of `second` stirred in."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return (red, green, blue)


def times(colour: Colour, factor: float) -> Colour:
    """The colour made darker or lighter."""
    red, green, blue = (min(255, max(0, round(part * factor))) for part in colour)
    return (red, green, blue)


def luminance(colour: Colour) -> float:
    """How light the colour is, 0..1 (the weights of Rec. 601 on the encoded values)."""
    red, green, blue = colour
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255
