"""What the recipes that train a ranking have in common."""

# Annotations here are not postponed: those that a recipe inherits would be looked up in its own file.
from dataclasses import dataclass

import torch
from torch import Tensor

from turncoat.attacks.ascend import GradientAttack
from turncoat.attacks.presets.gradient import GREY, bim
from turncoat.core.errors import UserError
from turncoat.core.objective import Objective
from turncoat.core.outputs import Outputs
from turncoat.objectives.crowd import Metric
from turncoat.objectives.features import FeatureDistance
from turncoat.training.recipe import Loss
from turncoat.training.recipes.natural import supervised
from turncoat.training.triplets import hardness


@dataclass(frozen=True)
class Ranked:
    """A triplet loss with `margin` under `metric`, on images that an inner attack has moved.

    The attack takes `steps` of `size` inside `eps`, lengths in pixel units; 8/255, 1/255, 8 and 0.2 are those of Zhou
    and Patel (CVPR 2022). `identity` weighs the cross-entropy of the same images: 0 is the published loss, which
    teaches little to a network without pretrained weights; the default is ours.
    """

    pairs = True

    eps: float = 8 / 255
    size: float = GREY
    steps: int = 8
    margin: float = 0.2
    metric: Metric = "euclidean"
    identity: float = 1.0

    def __post_init__(self) -> None:
        self.attack(FeatureDistance(normalised=True))
        if self.steps < 1 or self.size <= 0 or self.margin <= 0 or self.identity < 0:
            raise UserError(
                f"steps, size and margin must be above 0 and identity not below it, "
                f"not {self.steps}, {self.size:g}, {self.margin:g} and {self.identity:g}"
            )

    def attack(self, objective: Objective) -> GradientAttack:
        """Raise an objective on the images; from the clean ones, unless it is flat there."""
        return bim(self.eps, objective=objective, steps=self.steps, size=self.size)

    def loss(self, descriptor: Tensor, outputs: Outputs, labels: Tensor, **others: Tensor) -> Loss:
        """The triplet loss of `descriptor` `[3 T, D]`, the weighted identity loss of `outputs`, and `others`."""
        triplet = (hardness(descriptor, self.metric) + self.margin).relu().mean()
        parts = {"triplet": triplet, **others}
        if self.identity:
            parts["identity"] = self.identity * supervised(outputs.logits, {"label": labels})
        total = torch.stack(list(parts.values())).sum()
        return Loss(total, {name: value.detach() for name, value in parts.items()})
