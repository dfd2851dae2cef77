"""Class scores by direction."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CosineHead(nn.Module):
    """`scale` times the cosine of an embedding to one direction per class, within [-scale, scale]."""

    def __init__(self, features: int, classes: int, *, scale: float = 16.0) -> None:
        super().__init__()
        self.scale = scale
        self.weight = nn.Parameter(torch.empty(classes, features).normal_())

    def forward(self, embedding: Tensor) -> Tensor:
        return self.scale * F.linear(F.normalize(embedding), F.normalize(self.weight))
