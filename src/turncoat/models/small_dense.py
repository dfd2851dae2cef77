"""A small densely connected network (after Huang et al. 2017): another architecture than our residual ones.

For transfer: images crafted on one small network are scored by a network that was built on another idea.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STEM = 24
GROWTH = 12
LAYERS = (4, 6, 6)


class DenseLayer(nn.Module):
    """Norm, ReLU, 3x3 convolution to `GROWTH` new channels, put behind those that came in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, GROWTH, 3, padding=1, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        return torch.cat([maps, self.conv(F.relu(self.bn(maps)))], 1)


class Transition(nn.Module):
    """Norm, ReLU, 1x1 convolution to half the channels, 2x2 average."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, channels // 2, 1, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        return F.avg_pool2d(self.conv(F.relu(self.bn(maps))), 2)


class DenseTrunk(nn.Module):
    """Images `[N, 3, H, W]` of at least 16x16 to `[N, rows * channels]`: the last map averaged in stripes."""

    def __init__(self, *, rows: int) -> None:
        super().__init__()
        self.rows = rows
        self.conv = nn.Conv2d(3, STEM, 3, stride=2, padding=1, bias=False)
        blocks: list[nn.Module] = []
        channels = STEM
        for place, layers in enumerate(LAYERS):
            if place:
                blocks.append(Transition(channels))
                channels //= 2
            blocks += [DenseLayer(channels + GROWTH * layer) for layer in range(layers)]
            channels += GROWTH * layers
        self.blocks = nn.Sequential(*blocks)
        self.bn = nn.BatchNorm2d(channels)
        self.features = rows * channels

    def forward(self, images: Tensor) -> Tensor:
        maps = images.contiguous(memory_format=torch.channels_last)
        maps = self.blocks(F.avg_pool2d(self.conv(maps), 2))
        return F.adaptive_avg_pool2d(F.relu(self.bn(maps)), (self.rows, 1)).flatten(1)
