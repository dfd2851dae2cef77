"""Hardness manipulation (HM)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from turncoat.core.objective import Objective
from turncoat.core.outputs import Outputs
from turncoat.core.truth import Columns, column
from turncoat.objectives.crowd import Metric
from turncoat.training.craft import as_victim, craft
from turncoat.training.recipe import Batch, Loss, Turn, look
from turncoat.training.recipes.ranked import Ranked
from turncoat.training.triplets import Triplets, apart, draw, hardness, semihard


@dataclass(frozen=True)
class Harden(Objective):
    """Raise the hardness of triplets to `wanted` and no farther: minus the squared lack of it.

    The batch holds all anchors, then all positives, then all negatives, and stays whole; each image has the value of
    its triplet.
    """

    needs = "embedding"

    wanted: float
    metric: Metric = "euclidean"

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:  # noqa: ARG002
        hard = hardness(outputs.descriptor, self.metric)
        return -(self.wanted - hard).relu().square().repeat(3)


@dataclass(frozen=True)
class Hm(Ranked):
    """Triplets made just so much harder as the network can bear (Zhou and Patel, CVPR 2022).

    All three images move. How hard is told by the triplet loss of the step before (`gradual`, their LGA): from minus
    the margin, where a clean triplet begins to cost, up to 0 as the loss falls; without it, always 0. `structure`
    weighs the intra-class structure loss (ICS), 0.5 in the paper and 0 for none: the moved anchor must stay nearer to
    the clean one than the clean positive is. `negatives` are random or semi-hard, the latter for one more pass. Other
    settings as in `Ranked`.
    """

    gradual: bool = True
    structure: float = 0.0
    negatives: Literal["random", "semihard"] = "semihard"

    def __call__(self, network: nn.Module, batch: Batch, turn: Turn) -> Loss:
        images, labels = batch["images"], column(batch, "label")
        rows = self._triplets(network, batch, turn)
        wanted = self.destination(turn.last.get("triplet"))
        moved = craft(network, images[rows.rows], self.attack(Harden(wanted, self.metric)), turn)
        clean = torch.cat([rows.anchor, rows.positive]) if self.structure else rows.anchor[:0]
        seen = look(network, torch.cat([moved, images[clean]]))
        descriptor = seen.descriptor
        others = {"structure": self.structure * self._loose(descriptor)} if self.structure else {}
        return self.loss(descriptor[: len(moved)], seen, labels[torch.cat([rows.rows, clean])], **others)

    def destination(self, last: float | None) -> float:
        """The hardness to reach when the triplet loss of the step before was `last` (sec. 3.2, with u = margin)."""
        if not self.gradual:
            return 0.0
        return -(self.margin if last is None else min(self.margin, last))

    def _loose(self, descriptor: Tensor) -> Tensor:
        """How much farther the moved anchor is from the clean one than the clean positive is, on average (ICS)."""
        moved, _, _, anchor, positive = descriptor.chunk(5)
        return (apart(anchor, moved, self.metric) - apart(anchor, positive, self.metric)).relu().mean()

    def _triplets(self, network: nn.Module, batch: Batch, turn: Turn) -> Triplets:
        rows = draw(batch["label"], turn.generator)
        if self.negatives == "random":
            return rows
        with as_victim(network) as victim, torch.no_grad():
            descriptor = victim(batch["images"]).descriptor
        return semihard(rows, descriptor, batch["label"], self.margin, self.metric)
