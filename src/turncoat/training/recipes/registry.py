"""The recipes by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from turncoat.training.recipe import Recipe
from turncoat.training.recipes.act import Act
from turncoat.training.recipes.est import Est
from turncoat.training.recipes.goat import Goat
from turncoat.training.recipes.hm import Hm
from turncoat.training.recipes.natural import Natural
from turncoat.training.recipes.online_uturn import OnlineUturn, strong

RECIPES: Mapping[str, Callable[..., Recipe]] = {
    "act": Act,
    "est": Est,
    "goat": Goat,
    "hm": Hm,
    "natural": Natural,
    "online_uturn": OnlineUturn,
    "online_uturn_strong": strong,
}
