"""What a gradient is averaged over: ways of looking at the image before the victim does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F


class View(Protocol):
    """A differentiable map from images to images; a `random` one draws row i from generator i, anew at every step."""

    @property
    def random(self) -> bool: ...

    def __call__(self, images: Tensor, generators: Sequence[torch.Generator]) -> Tensor: ...


@dataclass(frozen=True)
class Plain:
    """The image itself."""

    random = False

    def __call__(self, images: Tensor, generators: Sequence[torch.Generator]) -> Tensor:  # noqa: ARG002
        return images


@dataclass(frozen=True)
class Mirror:
    """The image flipped left to right."""

    random = False

    def __call__(self, images: Tensor, generators: Sequence[torch.Generator]) -> Tensor:  # noqa: ARG002
        return images.flip(-1)


@dataclass(frozen=True)
class Scale:
    """The image resized by `factor` (bilinear), for victims that take any size."""

    factor: float
    random = False

    def __call__(self, images: Tensor, generators: Sequence[torch.Generator]) -> Tensor:  # noqa: ARG002
        return F.interpolate(images, scale_factor=self.factor, mode="bilinear", align_corners=False)


@dataclass(frozen=True)
class ResizeAndPad:
    """Input diversity (Xie et al. 2019): with `probability`, shrunk down to `least` of its size and padded."""

    least: float = 0.9
    probability: float = 0.7
    random = True

    def __call__(self, images: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        pairs = zip(images, generators, strict=True)
        return torch.stack([self._one(image, generator) for image, generator in pairs])

    def _one(self, image: Tensor, generator: torch.Generator) -> Tensor:
        chance, share, top, left = torch.rand(4, generator=generator).tolist()
        if chance >= self.probability:
            return image
        height, width = image.shape[-2:]
        factor = self.least + (1 - self.least) * share
        small = max(1, round(height * factor)), max(1, round(width * factor))
        resized = F.interpolate(image[None], size=small, mode="bilinear", align_corners=False)[0]
        above, before = round(top * (height - small[0])), round(left * (width - small[1]))
        return F.pad(resized, (before, width - small[1] - before, above, height - small[0] - above))
