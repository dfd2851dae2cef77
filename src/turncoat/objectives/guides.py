"""Attacks steered by other images: away from those of the same identity, towards those of another.

Bouniot et al., "Vulnerability of Person Re-Identification Models to Metric Adversarial Attacks", CVPR workshops 2020.
The metric attack on galleries (AMA; Bai et al. 2019) raises the same distances, from all queries of an identity.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from turncoat.core.objective import Objective
from turncoat.core.outputs import Outputs
from turncoat.core.truth import Columns, column


@dataclass(frozen=True)
class Guided(Objective):
    """The squared distances to the guides that push, minus those to the guides that pull (FNA; sec. 3).

    Truth columns `push` `[N, K, D]` and `pull` `[N, L, D]`: descriptors; a guide of NaN is none.
    """

    needs = "embedding"

    @property
    def wants(self) -> tuple[str, ...]:
        return ("push", "pull")

    def observe(self, clean: Outputs, truth: Columns) -> Columns:
        return {name: column(truth, name).to(clean.embedding) for name in self.wants}

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        seen = outputs.descriptor[:, None]
        return _squares(seen, reference["push"]) - _squares(seen, reference["pull"])


def guides_in_batch(
    descriptors: Tensor, label: Tensor, *, push: int, pull: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """The guides of every sample among the unit descriptors `[N, D]` of its batch, for `Guided` (GOAT; sec. 4).

    `push` others of the same label are drawn, and the `pull` furthest of other labels taken; where there are fewer,
    the guide is NaN. Without any guide asked for, the sample's own descriptor pushes, which is SMA.
    """
    points, count = descriptors.detach(), len(descriptors)
    if push == pull == 0:
        return {"push": points[:, None], "pull": points.new_zeros(count, 0, points.shape[1])}
    own = label[:, None] == label
    lots = torch.rand(count, count, generator=generator).to(points)
    mine = own & ~torch.eye(count, dtype=torch.bool, device=own.device)
    return {
        "push": _chosen(points, lots.masked_fill(~mine, -torch.inf), push),
        "pull": _chosen(points, (-points @ points.T).masked_fill(own, -torch.inf), pull),
    }


def _chosen(points: Tensor, merit: Tensor, count: int) -> Tensor:
    """The `count` points of most merit for each sample `[N, count, D]`; NaN for those of merit -inf."""
    best = merit.topk(min(count, merit.shape[1]), dim=1)
    found = points[best.indices].masked_fill(best.values.isneginf()[..., None], torch.nan)
    missing = found.new_full((len(found), count - found.shape[1], found.shape[2]), torch.nan)
    return torch.cat([found, missing], 1)


def _squares(seen: Tensor, guides: Tensor) -> Tensor:
    """The sum of squared distances to the guides that are there, `[N]`."""
    there = ~guides.isnan().any(-1)
    # NaN must go before the subtraction: a masked NaN would still spoil the gradient
    gap = seen - torch.where(there[..., None], guides, 0)
    return (gap.square().sum(-1) * there).sum(1)
