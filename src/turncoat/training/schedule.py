"""How long and how fast a network is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from turncoat.core.errors import UserError


@dataclass(frozen=True)
class Schedule:
    """The settings of the loop that do not belong to a recipe.

    `lr` follows `rate`: `cycle` up in the first fifth and down to nothing by half a cosine, `step` a tenth from each
    of the `milestones` (epochs) on. `backbone` scales it for the parameters under the network's `backbone`. In the
    first `warmup` epochs the loss is multiplied by a factor that rises from 0.1 to 1, as U-turn's released training
    does; AdamW hardly notices a factor on its loss. `images` is how many pictures of each class a batch holds, 0 for
    any; left out, the recipe decides. A `budget` of passes, one per image and direction, ends the training when it is
    used up; all that is told in epochs is then told in shares of it. Images are flipped, and moved by up to `shift`
    pixels over a `border` that repeats the edge or is black.
    """

    epochs: int = 10
    batch: int = 64
    lr: float = 4e-3
    decay: float = 1e-2
    optimiser: Literal["adamw", "sgd"] = "adamw"
    momentum: float = 0.9
    rate: Literal["cycle", "step"] = "cycle"
    milestones: tuple[int, ...] = ()
    warmup: float = 0
    backbone: float = 1.0
    images: int | None = None
    budget: int | None = None
    flip: bool = True
    shift: int = 4
    border: Literal["edge", "black"] = "edge"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} is {getattr(self, name)}, but at least 1 is needed")
        if self.budget is not None and self.budget < 1:
            raise UserError(f"budget is {self.budget} passes, but at least 1 is needed; leave it out for none")
        for name in ("lr", "decay", "momentum", "warmup", "backbone", "images", "shift"):
            if not 0 <= (getattr(self, name) or 0) < math.inf:
                raise UserError(f"{name} is {getattr(self, name)}, but a number from 0 on is needed")
        if self.milestones and self.rate != "step":
            raise UserError("milestones belong to rate: step")

    def pace(self, share: float) -> float:
        """The factor of the learning rate when this share of the training is done."""
        if self.rate == "cycle":
            return one_cycle(share)
        passed = sum(share * self.epochs >= milestone - 1e-9 for milestone in self.milestones)
        return float(0.1**passed)

    def warmth(self, share: float) -> float:
        """The factor of the loss when this share of the training is done (Zheng's released schedule)."""
        return min(1.0, 0.1 + 0.9 * share * self.epochs / self.warmup) if self.warmup else 1.0


def one_cycle(share: float) -> float:
    """The learning rate's factor: up in the first fifth, then down by half a cosine (Smith and Topin 2019)."""
    rise = 0.2
    return 0.05 + 0.95 * share / rise if share < rise else 0.5 * (1 + math.cos(math.pi * (share - rise) / (1 - rise)))
