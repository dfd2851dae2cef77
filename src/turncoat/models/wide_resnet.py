"""The wide residual network of Zagoruyko and Komodakis 2016 (BMVC): few pre-activation layers of many channels."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

from turncoat.core.errors import UserError


class WideBlock(nn.Module):
    """Norm, ReLU, 3x3 convolution, twice, without dropout; the shortcut is projected where the width changes."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.convShortcut = nn.Conv2d(channels, width, 1, stride, bias=False) if channels != width else None

    def forward(self, maps: Tensor) -> Tensor:
        active = F.relu(self.bn1(maps))
        shortcut = maps if self.convShortcut is None else self.convShortcut(active)
        residual: Tensor = self.conv2(F.relu(self.bn2(self.conv1(active))))
        return residual + shortcut


class WideStage(nn.Module):
    """Blocks of one width, the first with the stride."""

    def __init__(self, channels: int, width: int, blocks: int, stride: int) -> None:
        super().__init__()
        rest = (WideBlock(width, width, 1) for _ in range(blocks - 1))
        self.layer = nn.Sequential(WideBlock(channels, width, stride), *rest)

    def forward(self, maps: Tensor) -> Tensor:
        made: Tensor = self.layer(maps)
        return made


class WideResNet(nn.Module):
    """Images `[N, 3, H, W]` (made for 32x32) to logits `[N, classes]`; `taps={"embedding": "fc:in"}` is the feature.

    The names of the parameters (`block1.layer.0.conv1`, `convShortcut`) are those of the robustness literature's
    checkpoints (RobustBench, TRADES), so that these load as they are.
    """

    def __init__(self, depth: int, widen: int, classes: int) -> None:
        super().__init__()
        if depth < 10 or (depth - 4) % 6:
            raise UserError(f"a wide ResNet has 6 n + 4 layers (10, 16, 22, 28, 34 ...), not {depth}")
        blocks = (depth - 4) // 6
        widths = (16, 16 * widen, 32 * widen, 64 * widen)
        self.conv1 = nn.Conv2d(3, widths[0], 3, padding=1, bias=False)
        self.block1 = WideStage(widths[0], widths[1], blocks, 1)
        self.block2 = WideStage(widths[1], widths[2], blocks, 2)
        self.block3 = WideStage(widths[2], widths[3], blocks, 2)
        self.bn1 = nn.BatchNorm2d(widths[3])
        self.fc = nn.Linear(widths[3], classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0, math.sqrt(2 / (module.weight[0, 0].numel() * len(module.weight))))
        nn.init.zeros_(self.fc.bias)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.block3(self.block2(self.block1(self.conv1(images))))
        logits: Tensor = self.fc(F.relu(self.bn1(maps)).mean((2, 3)))
        return logits


def wide_resnet(depth: int = 28, widen: int = 10, classes: int = 10) -> WideResNet:
    """WRN-`depth`-`widen`; WRN-28-10 has 36.5 M parameters."""
    return WideResNet(depth, widen, classes)
