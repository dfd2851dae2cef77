"""What a person wears and carries, with the habits of the season, of age and of dress."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from turncoat.data.street.palette import (
    CLOTH,
    DENIM,
    LEATHER,
    RUBBER,
    SOBER,
    Colour,
    jitter,
    luminance,
    pick,
)

_BAGS: dict[str, dict[Colour, float]] = {
    "plastic bag": {(236, 236, 232): 0.6, (206, 72, 62): 0.2, (98, 156, 204): 0.2},
    "handbag": {**LEATHER, (150, 44, 50): 0.2},
}


@dataclass(frozen=True)
class Wear:
    """The outfit, the same in every picture of the person.

    `upper` is tshirt, shirt, sweater, jacket or coat; `pattern` plain, stripes, plaid or logo; `lower` trousers, jeans,
    shorts or skirt; `shoes` sneakers, boots, leather or sandals; `hat` none, cap, beanie or brim; `glasses` none,
    glasses or sunglasses; `carry` none, backpack, handbag or plastic bag; `side` is the hand that carries (-1 or 1).
    """

    upper: str
    upper_colour: Colour
    pattern: str
    second_colour: Colour
    under_colour: Colour
    emblem: int
    short_sleeves: bool
    lower: str
    lower_colour: Colour
    tights: bool
    hem: float
    shoes: str
    shoe_colour: Colour
    hat: str
    hat_colour: Colour
    scarf: Colour | None
    glasses: str
    frame_colour: Colour
    carry: str
    bag_colour: Colour
    side: int


def sample(rng: np.random.Generator, *, female: bool, age: str, bald: bool) -> Wear:
    """Draw an outfit: warm days shorten sleeves, formal days bring leather, and patterns follow the garment."""
    warm = float(rng.random())
    formal = float(np.clip(rng.random() + {"young": -0.2, "adult": 0.08, "elder": 0.15}[age], 0, 1))
    upper = _upper(rng, warm, formal)
    upper_colour = jitter(rng, pick(rng, SOBER if upper == "coat" else CLOTH), 1.0)
    lower = _lower(rng, warm, formal, female=female)
    shoes = _shoes(rng, warm, formal, female=female)
    carry = _carry(rng, formal, female=female, age=age)
    hat_rate = 0.1 + 0.2 * (1 - warm) + 0.08 * (age != "adult") + 0.1 * bald
    return Wear(
        upper=upper,
        upper_colour=upper_colour,
        pattern=_pattern(rng, upper),
        second_colour=_contrast(rng, upper_colour),
        under_colour=_contrast(rng, upper_colour),
        emblem=int(rng.integers(4)),
        short_sleeves=upper == "tshirt" or (upper == "shirt" and rng.random() < 1.3 * warm - 0.45),
        lower=lower,
        lower_colour=_lower_colour(rng, lower),
        tights=warm < 0.45,
        hem=float(rng.uniform(0.0, 1.0)),
        shoes=shoes,
        shoe_colour=jitter(rng, pick(rng, RUBBER if shoes == "sneakers" else LEATHER), 0.7),
        hat=pick(rng, _hats(warm, formal)) if rng.random() < hat_rate else "none",
        hat_colour=jitter(rng, pick(rng, CLOTH), 1.0),
        scarf=jitter(rng, pick(rng, CLOTH), 1.0) if rng.random() < 0.02 + 0.36 * (1 - warm) ** 1.3 else None,
        glasses=_glasses(rng, warm, age),
        frame_colour=pick(rng, {(28, 26, 28): 0.55, (96, 64, 40): 0.25, (128, 130, 136): 0.2}),
        carry=carry,
        bag_colour=jitter(rng, pick(rng, _BAGS.get(carry, CLOTH)), 0.8),
        side=1 if rng.random() < 0.6 else -1,
    )


def uniformed(wear: Wear) -> Wear:
    """The same person on duty: the uniform of the guards; only glasses stay one's own."""
    return replace(
        wear,
        upper="jacket",
        upper_colour=(38, 46, 70),
        pattern="logo",
        second_colour=(214, 196, 96),
        under_colour=(196, 204, 214),
        emblem=0,
        short_sleeves=False,
        lower="trousers",
        lower_colour=(40, 42, 48),
        shoes="leather",
        shoe_colour=(34, 30, 30),
        hat="none",
        scarf=None,
        carry="none",
    )


def _upper(rng: np.random.Generator, warm: float, formal: float) -> str:
    cold = 1 - warm
    weights = {"tshirt": warm**1.2 * (1.3 - formal), "shirt": 0.2 + 0.6 * formal, "sweater": 0.7 * cold}
    return pick(rng, weights | {"jacket": 0.75 * cold, "coat": 0.9 * cold**2 * (0.3 + formal)})


def _pattern(rng: np.random.Generator, upper: str) -> str:
    return pick(
        rng,
        {
            "tshirt": {"plain": 0.32, "stripes": 0.23, "logo": 0.45},
            "shirt": {"plain": 0.4, "stripes": 0.2, "plaid": 0.4},
            "sweater": {"plain": 0.4, "stripes": 0.34, "logo": 0.26},
            "jacket": {"plain": 0.72, "logo": 0.16, "plaid": 0.12},
            "coat": {"plain": 0.8, "plaid": 0.2},
        }[upper],
    )


def _contrast(rng: np.random.Generator, colour: Colour) -> Colour:
    """Another cloth colour that can be told from the given one."""
    for _ in range(8):
        other = jitter(rng, pick(rng, CLOTH), 0.8)
        if abs(luminance(other) - luminance(colour)) > 0.25:
            return other
    return (236, 234, 228) if luminance(colour) < 0.5 else (34, 36, 42)


def _lower(rng: np.random.Generator, warm: float, formal: float, *, female: bool) -> str:
    weights = {"trousers": 0.2 + 0.65 * formal, "jeans": 0.7 * (1.15 - formal)}
    weights["shorts"] = 0.7 * warm**1.5 * (1.1 - formal)
    return pick(rng, weights | {"skirt": (0.32 + 0.3 * warm) if female else 0.0})


def _lower_colour(rng: np.random.Generator, lower: str) -> Colour:
    palette = {"jeans": DENIM, "trousers": SOBER, "shorts": {**SOBER, **DENIM}, "skirt": CLOTH}[lower]
    return jitter(rng, pick(rng, palette), 1.0)


def _shoes(rng: np.random.Generator, warm: float, formal: float, *, female: bool) -> str:
    weights = {"sneakers": 0.65 * (1.25 - formal), "leather": 0.9 * formal**1.4}
    weights |= {"boots": (0.55 + 0.3 * female) * (1 - warm), "sandals": 0.8 * warm**2}
    return pick(rng, weights)


def _hats(warm: float, formal: float) -> dict[str, float]:
    return {"cap": 0.3 + 0.5 * warm * (1 - formal), "beanie": 0.9 * (1 - warm), "brim": 0.1 + 0.4 * formal}


def _glasses(rng: np.random.Generator, warm: float, age: str) -> str:
    reading = {"young": 0.14, "adult": 0.22, "elder": 0.42}[age]
    dark = 0.04 + 0.2 * warm * (age != "elder")
    return pick(rng, {"glasses": reading, "sunglasses": dark, "none": 1 - reading - dark})


def _carry(rng: np.random.Generator, formal: float, *, female: bool, age: str) -> str:
    weights = {"none": 0.4, "backpack": {"young": 0.42, "adult": 0.2, "elder": 0.06}[age] * (1.2 - formal)}
    weights |= {"handbag": 0.36 if female else 0.07, "plastic bag": 0.1 + 0.1 * (age == "elder")}
    return pick(rng, weights)
