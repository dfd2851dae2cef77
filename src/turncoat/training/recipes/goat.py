"""Guided online adversarial training (GOAT)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from turncoat.attacks.ascend import GradientAttack
from turncoat.attacks.presets.gradient import pgd
from turncoat.core.errors import UserError
from turncoat.core.truth import column
from turncoat.objectives.guides import Guided, guides_in_batch
from turncoat.training.craft import as_victim, craft
from turncoat.training.recipe import Batch, Loss, Turn, look
from turncoat.training.recipes.natural import supervised


@dataclass(frozen=True)
class Goat:
    """The identity loss on batches whose every image was attacked with guides (Bouniot et al., CVPR workshops 2020).

    `push` guides of the same class are drawn for each image, and the `pull` farthest of other classes found, as many as
    its batch has of them; (4, 1) was best in the paper. Without any, (0, 0), an image flees from its own clean
    descriptor, which is SMA on unit descriptors. A random start, 7 steps of one grey level at 5/255, and one more pass
    to find the guides.
    """

    pairs = True

    eps: float = 5 / 255
    size: float = 1 / 255
    steps: int = 7
    push: int = 4
    pull: int = 1
    smoothing: float = 0.0

    @property
    def attack(self) -> GradientAttack:
        return pgd(self.eps, objective=Guided(), steps=self.steps, size=self.size)

    def __post_init__(self) -> None:
        if self.attack.steps < 1:
            raise UserError(f"an inner attack of {self.steps} steps moves nothing: give at least 1")
        if self.push < 0 or self.pull < 0:
            raise UserError(f"push and pull count guides and cannot be {self.push} and {self.pull}")

    def __call__(self, network: nn.Module, batch: Batch, turn: Turn) -> Loss:
        labels = column(batch, "label")
        with as_victim(network) as victim, torch.no_grad():
            clean = victim(batch["images"]).descriptor
        guides = guides_in_batch(clean, labels, push=self.push, pull=self.pull, generator=turn.generator)
        moved = craft(network, batch["images"], self.attack, turn, guides)
        total = supervised(look(network, moved).logits, batch, self.smoothing)
        return Loss(total, {"adversarial": total.detach()})
