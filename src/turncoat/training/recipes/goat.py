"""Guided online adversarial training (GOAT)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from turncoat.attacks.ascend import GradientAttack
from turncoat.attacks.presets.gradient import pgd
from turncoat.core.errors import UserError
from turncoat.core.objective import Objective
from turncoat.core.outputs import Outputs
from turncoat.core.truth import Columns, column
from turncoat.training.craft import craft
from turncoat.training.recipe import Batch, Loss, Turn, look
from turncoat.training.recipes.natural import supervised


@dataclass(frozen=True)
class Guided(Objective):
    """Away from images of the same class and towards the farthest of others, all taken from the batch itself.

    The truth holds `push` `[N, k]`, the rows of the guides to flee from, and `label`; the `pull` farthest others are
    found on the clean images. The value is the sum of squared distances of unit descriptors to the ones less the sum
    to the others.
    """

    needs = "embedding"

    pull: int = 1

    @property
    def flat(self) -> bool:
        return not self.pull

    def observe(self, clean: Outputs, truth: Columns) -> Columns:
        descriptor, labels = clean.descriptor, truth["label"]
        cosine = (descriptor @ descriptor.T).masked_fill(labels[:, None] == labels[None], torch.inf)
        farthest = cosine.topk(self.pull, largest=False).indices
        return {"push": descriptor[truth["push"]], "pull": descriptor[farthest]}

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        seen = outputs.descriptor[:, None]
        away = (seen - reference["push"]).square().sum((1, 2))
        return away - (seen - reference["pull"]).square().sum((1, 2))


@dataclass(frozen=True)
class Goat:
    """The identity loss on batches whose every image was attacked with guides (Bouniot et al., CVPR workshops 2020).

    `push` guides of the same class are drawn for each image, and `pull` farthest ones of other classes found; (4, 1)
    was best in the paper. Without push guides an image flees from its own clean descriptor, so that (0, 0) is SMA on
    unit descriptors. A random start, 7 steps of one grey level at 5/255.
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
        return pgd(self.eps, objective=Guided(self.pull), steps=self.steps, size=self.size)

    def __post_init__(self) -> None:
        if self.attack.steps < 1:
            raise UserError(f"an inner attack of {self.steps} steps moves nothing: give at least 1")
        if self.push < 0 or self.pull < 0:
            raise UserError(f"push and pull count guides and cannot be {self.push} and {self.pull}")

    def __call__(self, network: nn.Module, batch: Batch, turn: Turn) -> Loss:
        labels = column(batch, "label")
        truth = {"label": labels, "push": self._guides(labels, turn.generator)}
        moved = craft(network, batch["images"], self.attack, turn, truth)
        total = supervised(look(network, moved).logits, batch, self.smoothing)
        return Loss(total, {"adversarial": total.detach()})

    def _guides(self, labels: Tensor, generator: torch.Generator) -> Tensor:
        """Rows `[N, push]` of the same class, never the image itself unless it is alone; `[N, 1]`, itself, for none."""
        rows = torch.arange(len(labels), device=labels.device)
        if not self.push:
            return rows[:, None]
        same = labels[:, None] == labels[None]
        others = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        allowed = torch.where(others.any(1, keepdim=True), others, same)
        drawn = torch.multinomial(allowed.float().cpu(), self.push, replacement=True, generator=generator)
        return drawn.to(labels.device)
