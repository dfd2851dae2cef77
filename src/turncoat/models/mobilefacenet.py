"""The face embedding network of Chen et al. 2018 (MobileFaceNets), table 1, for aligned crops of 112x96."""

from __future__ import annotations

from torch import Tensor, nn

# expansion, channels, blocks, stride of the first
STAGES = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))


class ConvNorm(nn.Module):
    """Convolution and batch norm, with a PReLU unless `linear`."""

    def __init__(
        self,
        channels: int,
        width: int,
        kernel: int | tuple[int, int],
        *,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        linear: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, kernel, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(width)
        self.prelu = None if linear else nn.PReLU(width)

    def forward(self, maps: Tensor) -> Tensor:
        made: Tensor = self.bn(self.conv(maps))
        if self.prelu is not None:
            made = self.prelu(made)
        return made


class Bottleneck(nn.Module):
    """Expand, filter each channel, contract linearly; added to its input where the shapes allow."""

    def __init__(self, channels: int, width: int, *, stride: int, expansion: int) -> None:
        super().__init__()
        inner = channels * expansion
        self.residual = stride == 1 and channels == width
        self.conv = nn.Sequential(
            nn.Conv2d(channels, inner, 1, bias=False),
            nn.BatchNorm2d(inner),
            nn.PReLU(inner),
            nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False),
            nn.BatchNorm2d(inner),
            nn.PReLU(inner),
            nn.Conv2d(inner, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, maps: Tensor) -> Tensor:
        made: Tensor = self.conv(maps)
        return maps + made if self.residual else made


class MobileFaceNet(nn.Module):
    """Faces `[N, 3, 112, 96]` to embeddings `[N, dimension]`, not normalised.

    The names of the parameters are those of the weights published by Xiaoccer (MobileFaceNet_Pytorch), which expect
    (value - 127.5) / 128 in grey levels: `mean=[0.5] * 3, std=[128 / 255] * 3` here.
    """

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(3, 64, 3, stride=2, padding=1)
        self.dw_conv1 = ConvNorm(64, 64, 3, padding=1, groups=64)
        blocks: list[nn.Module] = []
        channels = 64
        for expansion, width, count, first in STAGES:
            for stride in (first, *[1] * (count - 1)):
                blocks.append(Bottleneck(channels, width, stride=stride, expansion=expansion))
                channels = width
        self.blocks = nn.Sequential(*blocks)
        self.conv2 = ConvNorm(channels, 512, 1)
        self.linear7 = ConvNorm(512, 512, (7, 6), groups=512, linear=True)
        self.linear1 = ConvNorm(512, dimension, 1, linear=True)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.conv2(self.blocks(self.dw_conv1(self.conv1(images))))
        embedding: Tensor = self.linear1(self.linear7(maps)).flatten(1)
        return embedding


def mobilefacenet(dimension: int = 128) -> MobileFaceNet:
    """1.0 M parameters."""
    return MobileFaceNet(dimension)
