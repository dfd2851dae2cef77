"""JPEG as a differentiable map: the gradient an informed attacker takes of a compression that has none."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

# Quantisation tables of ITU-T T.81, annex K, row by row.
# fmt: off
_LUMA = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)
_CHROMA = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99, *[99] * 32,
)
# fmt: on
# RGB to YCbCr (JFIF), the constant of the colour channels left out: it cancels.
_COLOUR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


def soft_jpeg(images: Tensor, quality: int) -> Tensor:
    """Images `[N, 3, H, W]` in [0, 1] through JPEG 4:2:0 at `quality`, with a gradient everywhere.

    Rounding is replaced by round(x) + (x - round(x))^3 (Shin and Song 2017, section 3), so the gradient is small for a
    coefficient that rounding would swallow and grows towards the next level. Clipping is left out.
    """
    height, width = images.shape[-2:]
    padded = F.pad(images, (0, -width % 16, 0, -height % 16), mode="replicate")
    colour = torch.tensor(_COLOUR).to(images)
    planes = torch.einsum("cr,nrhw->nchw", colour, padded * 255)
    luma = _blocks(planes[:, :1] - 128, _table(_LUMA, quality).to(images)) + 128
    chroma = _blocks(F.avg_pool2d(planes[:, 1:], 2), _table(_CHROMA, quality).to(images))
    chroma = F.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False)
    back = torch.einsum("rc,nchw->nrhw", torch.linalg.inv(colour), torch.cat([luma, chroma], 1))
    return back[..., :height, :width] / 255


def _blocks(planes: Tensor, table: Tensor) -> Tensor:
    """Planes `[N, C, H, W]` through the cosine transform of their 8 x 8 blocks, the rounding, and back."""
    count, channels, height, width = planes.shape
    waves = _waves().to(planes)
    blocks = planes.view(count, channels, height // 8, 8, width // 8, 8).transpose(3, 4)
    levels = waves @ blocks @ waves.T / table
    whole = levels.detach().round()
    rounded = (whole + (levels - whole) ** 3) * table
    return (waves.T @ rounded @ waves).transpose(3, 4).reshape(planes.shape)


@cache
def _waves() -> Tensor:
    """The orthonormal cosine transform of 8 values, `[8, 8]`."""
    place = torch.arange(8, dtype=torch.float64)
    waves = torch.cos((2 * place[None] + 1) * place[:, None] * math.pi / 16) / 2
    waves[0] /= math.sqrt(2)
    return waves


@cache
def _table(base: tuple[int, ...], quality: int) -> Tensor:
    """The quantisation table `[8, 8]` at a quality, by the scaling rule of the Independent JPEG Group."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return ((torch.tensor(base, dtype=torch.float64) * scale + 50) / 100).floor().clamp(1, 255).view(8, 8)
