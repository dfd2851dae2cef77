"""Anti-collapse triplets (ACT)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from turncoat.core.objective import Objective
from turncoat.core.outputs import Outputs
from turncoat.core.truth import Columns, column
from turncoat.objectives.crowd import Metric
from turncoat.training.craft import craft
from turncoat.training.recipe import Batch, Loss, Turn, look
from turncoat.training.recipes.ranked import Ranked
from turncoat.training.triplets import apart, draw


@dataclass(frozen=True)
class Collapse(Objective):
    """Bring the two halves of a batch together, row by row; each image has the value of its pair.

    Only for a batch that stays whole.
    """

    needs = "embedding"

    metric: Metric = "euclidean"

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:  # noqa: ARG002
        first, second = outputs.descriptor.chunk(2)
        return -apart(first, second, self.metric).repeat(2)


@dataclass(frozen=True)
class Act(Ranked):
    """Triplets of clean anchors with positives and negatives that an attack has brought together.

    Zhou et al. (T-PAMI 2024, anti-collapse triplet): the triplets are random, and the attack moves their last two
    images. Settings as in `Ranked`; `identity` concerns all three images.
    """

    def __call__(self, network: nn.Module, batch: Batch, turn: Turn) -> Loss:
        images, labels = batch["images"], column(batch, "label")
        rows = draw(labels, turn.generator)
        pairs = images[torch.cat([rows.positive, rows.negative])]
        collapsed = craft(network, pairs, self.attack(Collapse(self.metric)), turn)
        seen = look(network, torch.cat([images[rows.anchor], collapsed]))
        return self.loss(seen.descriptor, seen, labels[rows.rows])
