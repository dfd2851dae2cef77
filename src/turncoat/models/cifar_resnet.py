"""The residual networks for 32x32 images of He et al. 2016 (CVPR), section 4.2."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from turncoat.models.plane import PlaneNet

WIDTHS = (16, 32, 64)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut without parameters: subsampled, new channels zero (option A)."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride = stride
        self.extra = width - channels

    def forward(self, maps: Tensor) -> Tensor:
        residual = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(maps)))))
        shortcut = maps[:, :, :: self.stride, :: self.stride]
        before = self.extra // 2
        return F.relu(residual + F.pad(shortcut, (0, 0, 0, 0, before, self.extra - before)))


class CifarTrunk(nn.Module):
    """Images `[N, 3, H, W]` to the 64-d average of the last maps."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTHS[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        self.layer1 = _stage(WIDTHS[0], WIDTHS[0], blocks, stride=1)
        self.layer2 = _stage(WIDTHS[0], WIDTHS[1], blocks, stride=2)
        self.layer3 = _stage(WIDTHS[1], WIDTHS[2], blocks, stride=2)

    def forward(self, images: Tensor) -> Tensor:
        maps = F.relu(self.bn1(self.conv1(images)))
        maps = self.layer3(self.layer2(self.layer1(maps)))
        pooled: Tensor = maps.mean((2, 3))
        return pooled


class CifarResNet(CifarTrunk):
    """Images `[N, 3, H, W]` to logits `[N, classes]`; the 64-d feature before them is the input of `linear`.

    So `taps={"embedding": "linear:in"}` reads it. The names of the parameters are those of the weights published by
    Y. Idelbayev (pytorch_resnet_cifar10), which expect ImageNet's mean and std.
    """

    def __init__(self, blocks: int, classes: int) -> None:
        super().__init__(blocks)
        self.linear = nn.Linear(WIDTHS[2], classes)
        _begin(self)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.linear(super().forward(images))
        return logits


def _begin(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)


def _stage(channels: int, width: int, blocks: int, *, stride: int) -> nn.Sequential:
    rest = (BasicBlock(width, width, 1) for _ in range(blocks - 1))
    return nn.Sequential(BasicBlock(channels, width, stride), *rest)


def resnet20(classes: int = 10) -> CifarResNet:
    """20 layers, 0.27 M parameters."""
    return CifarResNet(3, classes)


def resnet56(classes: int = 10) -> CifarResNet:
    """56 layers, 0.85 M parameters."""
    return CifarResNet(9, classes)


def resnet20_2d(classes: int = 10) -> PlaneNet:
    """20 layers and a feature of two dimensions, for pictures of it."""
    network = PlaneNet(CifarTrunk(3), WIDTHS[2], classes)
    _begin(network.backbone)
    return network
