"""What a labeller would write down about a person: the attribute names, their groups and their rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from turncoat.data.street.palette import luminance

if TYPE_CHECKING:
    from turncoat.data.street.person import Person

_RULES: tuple[tuple[str, str, Callable[[Person], bool]], ...] = (
    ("hat", "head", lambda p: p.wear.hat != "none"),
    ("long hair", "head", lambda p: p.hair.long),
    ("glasses", "head", lambda p: p.wear.glasses == "glasses"),
    ("sunglasses", "head", lambda p: p.wear.glasses == "sunglasses"),
    ("beard", "head", lambda p: p.face.beard == "full"),
    ("scarf", "head", lambda p: p.wear.scarf is not None),
    ("jacket", "upper", lambda p: p.wear.upper in ("jacket", "coat")),
    ("short sleeves", "upper", lambda p: p.wear.short_sleeves),
    ("stripes", "upper", lambda p: p.wear.pattern == "stripes"),
    ("plaid", "upper", lambda p: p.wear.pattern == "plaid"),
    ("logo", "upper", lambda p: p.wear.pattern == "logo"),
    ("dark top", "upper", lambda p: luminance(p.wear.upper_colour) < 0.3),
    ("light top", "upper", lambda p: luminance(p.wear.upper_colour) > 0.68),
    ("trousers", "lower", lambda p: p.wear.lower == "trousers"),
    ("jeans", "lower", lambda p: p.wear.lower == "jeans"),
    ("shorts", "lower", lambda p: p.wear.lower == "shorts"),
    ("skirt", "lower", lambda p: p.wear.lower == "skirt"),
    ("sneakers", "feet", lambda p: p.wear.shoes == "sneakers"),
    ("boots", "feet", lambda p: p.wear.shoes == "boots"),
    ("leather shoes", "feet", lambda p: p.wear.shoes == "leather"),
    ("sandals", "feet", lambda p: p.wear.shoes == "sandals"),
    ("backpack", "carry", lambda p: p.wear.carry == "backpack"),
    ("handbag", "carry", lambda p: p.wear.carry == "handbag"),
    ("plastic bag", "carry", lambda p: p.wear.carry == "plastic bag"),
    ("young", "age", lambda p: p.age == "young"),
    ("adult", "age", lambda p: p.age == "adult"),
    ("elder", "age", lambda p: p.age == "elder"),
    ("female", "gender", lambda p: p.female),
)

ATTRIBUTES: tuple[str, ...] = tuple(name for name, _, _ in _RULES)
"""The attribute names, in the order of every attribute column."""

GROUPS: tuple[str, ...] = tuple(group for _, group, _ in _RULES)
"""For each attribute the part of the person that it speaks of."""


def describe(person: Person) -> tuple[int, ...]:
    """1 where the attribute holds and 0 where it does not, in the order of `ATTRIBUTES`."""
    return tuple(int(rule(person)) for _, _, rule in _RULES)
