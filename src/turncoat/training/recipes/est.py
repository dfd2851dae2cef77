"""Embedding-shifted triplets (EST)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from turncoat.core.truth import column
from turncoat.objectives.features import FeatureDistance
from turncoat.training.craft import craft
from turncoat.training.recipe import Batch, Loss, Turn, look
from turncoat.training.recipes.ranked import Ranked
from turncoat.training.triplets import draw


@dataclass(frozen=True)
class Est(Ranked):
    """Triplets of images whose embeddings were pushed away from the clean ones, and of nothing else.

    Zhou et al. (ECCV 2020; called so in T-PAMI 2024). Settings as in `Ranked`.
    """

    def __call__(self, network: nn.Module, batch: Batch, turn: Turn) -> Loss:
        labels = column(batch, "label")
        rows = draw(labels, turn.generator).rows
        seen = look(network, craft(network, batch["images"], self.attack(FeatureDistance(normalised=True)), turn))
        return self.loss(seen.descriptor[rows], seen, labels)
