"""Generalised-mean pooling, and the landmark network that is made of it (Radenović et al. 2018)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from turncoat.core.errors import UserError
from turncoat.models.power import power_mean

FLOOR = 1e-6


class GeM(nn.Module):
    """Maps `[N, C, H, W]` to `[N, C]`: (mean over positions of x^p)^(1/p) with one learned exponent p.

    p = 1 is the average of what is above 0, and a large p the maximum. Values below 1e-6 count as 1e-6, so the result
    is positive.
    """

    def __init__(self, exponent: float = 3.0) -> None:
        super().__init__()
        if not (exponent > 0 and math.isfinite(exponent)):
            raise UserError(f"the exponent of GeM is a number above 0, not {exponent}")
        self.p = nn.Parameter(torch.tensor([float(exponent)]))

    def forward(self, maps: Tensor) -> Tensor:
        return power_mean(maps.flatten(2).clamp_min(FLOOR), self.p.clamp_min(FLOOR), dim=2)


class GemNet(nn.Module):
    """A backbone that gives maps `[N, features, H, W]`, GeM, and L2: `embedding` `[N, features]`, none of it below 0.

    With `classes`, also `logits` `[N, classes]` for training without pairs: from the embedding through BatchNorm and
    Linear without bias (BNNeck; Luo et al. 2019), so that the scores are signed though the embedding is not. Any image
    size the backbone takes will do, so that scales can be fused, by the learned exponent if one likes.
    """

    def __init__(self, backbone: nn.Module, features: int, classes: int = 0, *, exponent: float = 3.0) -> None:
        super().__init__()
        self.features = features
        self.backbone = backbone
        self.pool = GeM(exponent)
        self.head = _neck(features, classes) if classes else None

    @property
    def exponent(self) -> float:
        """The learned exponent, by which the scales of a query can be fused."""
        return float(self.pool.p.detach())

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        maps = self.backbone(images)
        if maps.ndim != 4 or maps.shape[1] != self.features:
            raise UserError(
                f"the backbone of a GemNet gave {tuple(maps.shape)}; it must give [N, {self.features}, H, W]"
            )
        embedding = F.normalize(self.pool(maps), eps=FLOOR)
        return (
            {"embedding": embedding} if self.head is None else {"embedding": embedding, "logits": self.head(embedding)}
        )


def _neck(features: int, classes: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm1d(features), nn.Linear(features, classes, bias=False))
