"""Classifiers whose feature has two dimensions, so that it can be drawn (U-turn, IJCV 2023, 2-D features)."""

from __future__ import annotations

from torch import Tensor, nn


class PlaneNet(nn.Module):
    """A backbone's feature `[N, features]`, Linear to the plane, Linear without bias to the classes.

    `embedding` `[N, 2]` is the point in the plane, of free length, and `logits` `[N, classes]` are its products with
    one direction per class: turned round, the point has the opposite scores.
    """

    def __init__(self, backbone: nn.Module, features: int, classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.plane = nn.Linear(features, 2)
        self.classifier = nn.Linear(2, classes, bias=False)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        point = self.plane(self.backbone(images))
        return {"embedding": point, "logits": self.classifier(point)}
