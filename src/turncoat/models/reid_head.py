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
    The initial weights are those of the authors' training code: Kaiming (fan out) with no bias, scales N(1, 0.02),
    classifier N(0, 0.001).
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
        with torch.no_grad():
            self.bottleneck.weight.normal_(0, math.sqrt(2 / bottleneck))
            self.bottleneck.bias.zero_()
            self.norm.weight.normal_(1, 0.02)
            self.classifier.weight.normal_(0, 0.001)
            self.classifier.bias.zero_()

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
