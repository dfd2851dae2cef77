"""Networks small enough to be trained in minutes on two CPU cores; the first four are the demo's victims.

All but the dense one share one trunk and differ in what is read from it. Made for images of 128x64 (people) and 64x64
(faces), though any size of at least 16x16 goes through. The design is ours: an early stride and few channels where the
map is large.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from turncoat.models.gem import GemNet
from turncoat.models.pcb import PcbNet
from turncoat.models.plane import PlaneNet
from turncoat.models.reid_head import ReidNet
from turncoat.models.small_dense import DenseTrunk

STEM = 24
STAGES = (24, 48, 80)
WIDTH = STAGES[-1]


class Block(nn.Module):
    """Two 3x3 convolutions that halve the map, beside a projected shortcut (He et al. 2016, option B)."""

    def __init__(self, channels: int, width: int, stride: int = 2) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.short = nn.Conv2d(channels, width, 1, stride=stride, bias=False)
        self.bn3 = nn.BatchNorm2d(width)

    def forward(self, maps: Tensor) -> Tensor:
        residual = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(maps)), inplace=True)))
        return F.relu(residual + self.bn3(self.short(maps)), inplace=True)


class MapTrunk(nn.Module):
    """Images `[N, 3, H, W]` to their last maps `[N, WIDTH, H / 16, W / 16]`, with `last_stride` 1 twice as fine."""

    def __init__(self, last_stride: int = 2) -> None:
        super().__init__()
        self.features = WIDTH
        self.conv = nn.Conv2d(3, STEM, 3, stride=2, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(STEM)
        strides = (*(2 for _ in STAGES[1:]), last_stride)
        self.stages = nn.Sequential(*map(Block, (STEM, *STAGES[:-1]), STAGES, strides))

    def forward(self, images: Tensor) -> Tensor:
        # Channels-last is half as fast again here on a CPU, and changes nothing else.
        maps = images.contiguous(memory_format=torch.channels_last)
        made: Tensor = self.stages(F.relu(self.bn(self.conv(maps)), inplace=True))
        return made


class Trunk(MapTrunk):
    """Images `[N, 3, H, W]` to `[N, rows * columns * WIDTH]`: the last map averaged over a grid of cells.

    One cell forgets where things are; four rows keep a standing person's head, body, legs and feet apart.
    """

    def __init__(self, *, rows: int, columns: int) -> None:
        super().__init__()
        self.grid = (rows, columns)
        self.features = rows * columns * WIDTH

    def forward(self, images: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(super().forward(images), self.grid).flatten(1)


class Labelled(nn.Module):
    """A trunk and one linear layer: `embedding` (what the layer reads) and `logits`."""

    def __init__(self, trunk: Trunk, outputs: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = nn.Linear(trunk.features, outputs)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        embedding = self.trunk(images)
        return {"embedding": embedding, "logits": self.head(embedding)}


class CosineHead(nn.Module):
    """`scale` times the cosine of an embedding to one direction per class, within [-scale, scale]."""

    def __init__(self, features: int, classes: int, *, scale: float = 16.0) -> None:
        super().__init__()
        self.scale = scale
        self.weight = nn.Parameter(torch.empty(classes, features).normal_())

    def forward(self, embedding: Tensor) -> Tensor:
        return self.scale * F.linear(F.normalize(embedding), F.normalize(self.weight))


class Face(nn.Module):
    """A face embedding, signed through Linear + BatchNorm; `logits` only while training, for a classification loss."""

    def __init__(self, trunk: Trunk, classes: int, dimension: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.bottleneck = nn.Linear(trunk.features, dimension, bias=False)
        self.norm = nn.BatchNorm1d(dimension)
        self.head = CosineHead(dimension, classes)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        embedding = self.norm(self.bottleneck(self.trunk(images)))
        if self.training:
            return {"embedding": embedding, "logits": self.head(embedding)}
        return {"embedding": embedding}


def small_classifier(classes: int) -> Labelled:
    """Class logits `[N, classes]` and the 80-d average they come from."""
    return Labelled(Trunk(rows=1, columns=1), classes)


def small_attributes(attributes: int) -> Labelled:
    """One logit per attribute `[N, attributes]`, read from four horizontal stripes, and the 320-d feature."""
    return Labelled(Trunk(rows=4, columns=1), attributes)


def small_reid(classes: int) -> ReidNet:
    """A 64-d re-identification embedding from four horizontal stripes, and identity logits for training."""
    trunk = Trunk(rows=4, columns=1)
    return ReidNet(trunk, trunk.features, classes, 64, dropout=0.0)


def small_face(classes: int) -> Face:
    """A 64-d face embedding from a 2x2 grid; cosine logits over `classes` people while training."""
    return Face(Trunk(rows=2, columns=2), classes, 64)


def small_pcb(classes: int, parts: int = 6) -> PcbNet:
    """A re-identification embedding of `parts` stripes of 80 dimensions, a classifier for each."""
    return PcbNet(MapTrunk(last_stride=1), WIDTH, classes, parts=parts, bottleneck=64, dropout=0.0)


def small_densenet(classes: int) -> ReidNet:
    """`small_reid` on another architecture, a dense one: the 64-d embedding of four horizontal stripes."""
    trunk = DenseTrunk(rows=4)
    return ReidNet(trunk, trunk.features, classes, 64, dropout=0.0)


def small_gem(classes: int = 0, exponent: float = 3.0) -> GemNet:
    """An 80-d embedding by generalised-mean pooling, for queries at several scales."""
    return GemNet(MapTrunk(last_stride=1), WIDTH, classes, exponent=exponent)


def small_2d(classes: int) -> PlaneNet:
    """A classifier whose feature has two dimensions, for pictures of it."""
    trunk = Trunk(rows=1, columns=1)
    return PlaneNet(trunk, trunk.features, classes)
