"""The part-based convolutional baseline for re-identification (PCB; Sun et al. 2018): one classifier per stripe."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from turncoat.core.errors import UserError
from turncoat.models.reid_head import begin_as_released


class PartHead(nn.Module):
    """Linear, BatchNorm, dropout, classifier: a part's column `[N, features]` to scores `[N, classes]`."""

    def __init__(self, features: int, classes: int, bottleneck: int, dropout: float) -> None:
        super().__init__()
        self.bottleneck = nn.Linear(features, bottleneck)
        self.norm = nn.BatchNorm1d(bottleneck)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(bottleneck, classes)
        begin_as_released(self.bottleneck, self.norm, self.classifier)

    def forward(self, column: Tensor) -> Tensor:
        scores: Tensor = self.classifier(self.dropout(self.norm(self.bottleneck(column))))
        return scores


class PcbNet(nn.Module):
    """A backbone's maps `[N, features, H, W]` averaged in `parts` horizontal stripes, each with a head of its own.

    `embedding` `[N, parts, features]` holds the columns as they are pooled: ranked part by part, all parts alike.
    `logits` are, while training, the scores `[N, parts, classes]` of every part, whose losses add up; afterwards
    `[N, classes]`, the logarithm of the parts' mean probability, so that the order of the classes is that of the sum of
    the parts' softmax and a softmax gives that mean back.
    """

    def __init__(
        self,
        backbone: nn.Module,
        features: int,
        classes: int,
        *,
        parts: int = 6,
        bottleneck: int = 256,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if parts < 1:
            raise UserError(f"a PCB has at least one part, not {parts}")
        self.features = features
        self.parts = parts
        self.backbone = backbone
        self.heads = nn.ModuleList(PartHead(features, classes, bottleneck, dropout) for _ in range(parts))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        maps = self.backbone(images)
        if maps.ndim != 4 or maps.shape[1] != self.features:
            raise UserError(
                f"the backbone of a PcbNet gave {tuple(maps.shape)}; it must give [N, {self.features}, H, W]"
            )
        columns = F.adaptive_avg_pool2d(maps, (self.parts, 1))[..., 0].transpose(1, 2)
        scores = torch.stack([head(column) for head, column in zip(self.heads, columns.unbind(1), strict=True)], 1)
        if self.training:
            return {"embedding": columns, "logits": scores}
        mean = scores.log_softmax(-1).logsumexp(1) - math.log(self.parts)
        return {"embedding": columns, "logits": mean}
