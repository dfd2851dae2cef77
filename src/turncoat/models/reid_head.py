"""The re-identification network of the U-turn experiments: any backbone, a bottleneck, an identity classifier."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from turncoat.core.errors import UserError


class ReidNet(nn.Module):
    """Backbone, average pooling, Linear + BatchNorm bottleneck without ReLU, dropout, classifier (IJCV 2023, sec. 4).

    `backbone` gives `[N, features]`, or `[N, features, H, W]`, which is averaged over its positions. The result is
    `embedding` `[N, bottleneck]`, signed and of free length, taken before the dropout, and `logits` `[N, classes]`.
    """

    def __init__(
        self, backbone: nn.Module, features: int, classes: int, bottleneck: int = 512, *, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.features = features
        self.backbone = backbone
        self.bottleneck = nn.Linear(features, bottleneck)
        self.norm = nn.BatchNorm1d(bottleneck)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(bottleneck, classes)
        begin_as_released(self.bottleneck, self.norm, self.classifier)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        found = self.backbone(images)
        pooled = found.mean((2, 3)) if found.dim() == 4 else found
        if pooled.dim() != 2 or pooled.shape[1] != self.features:
            raise UserError(
                f"the backbone of a ReidNet gave {tuple(found.shape)}; "
                f"it must give [N, {self.features}] or [N, {self.features}, H, W]"
            )
        embedding = self.norm(self.bottleneck(pooled))
        return {"embedding": embedding, "logits": self.classifier(self.dropout(embedding))}


@torch.no_grad()
def begin_as_released(bottleneck: nn.Linear, norm: nn.BatchNorm1d, classifier: nn.Linear) -> None:
    """Initial weights as in the authors' training code: Kaiming (fan out), scales N(1, 0.02), scores N(0, 0.001)."""
    bottleneck.weight.normal_(0, math.sqrt(2 / bottleneck.out_features))
    bottleneck.bias.zero_()
    norm.weight.normal_(1, 0.02)
    classifier.weight.normal_(0, 0.001)
    classifier.bias.zero_()
