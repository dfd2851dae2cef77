"""What a gradient is averaged over: ways of looking at the image before the victim does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from turncoat.core.errors import UserError

LEAST = 4
"""The shortest side, in pixels, that an image may be shrunk to."""


class View(Protocol):
    """A differentiable map from images to images; a random one draws row i from generator i, anew at every step.

    `anchor` is the fixed view that it stands for: itself, if the image is to be broken as seen through this view;
    another, usually the plain image, if the view only lends its gradient. An objective compares what is seen with the
    clean image seen through the anchor, and the iterates are judged through the anchors alone.
    """

    @property
    def anchor(self) -> View: ...

    def __call__(self, images: Tensor, generators: Sequence[torch.Generator]) -> Tensor: ...


@dataclass(frozen=True)
class Plain:
    """The image itself."""

    @property
    def anchor(self) -> View:
        return self

    def __call__(self, images: Tensor, generators: Sequence[torch.Generator]) -> Tensor:  # noqa: ARG002
        return images


@dataclass(frozen=True)
class Mirror:
    """The image flipped left to right."""

    @property
    def anchor(self) -> View:
        return self

    def __call__(self, images: Tensor, generators: Sequence[torch.Generator]) -> Tensor:  # noqa: ARG002
        return images.flip(-1)


@dataclass(frozen=True)
class Scale:
    """The image resized by `factor` (bilinear), for victims that take any size.

    With `adjoint=False` the gradient is not the derivative of the resizing: the gradient at the other scale is itself
    resized back, bilinearly, as U-turn's article does (Zheng et al., IJCV 2023, alg. 2). A plain mean over scales then
    gives each the same say, while the derivative weighs a scale by about the square of its factor. UserError for an
    image that would have a side below `LEAST`.
    """

    factor: float
    adjoint: bool = True

    @property
    def anchor(self) -> View:
        return self

    def __call__(self, images: Tensor, generators: Sequence[torch.Generator]) -> Tensor:  # noqa: ARG002
        height, width = images.shape[-2:]
        if not min(height, width) * self.factor >= LEAST:
            raise UserError(
                f"images of {height}x{width} at scale {self.factor:g} have a side below {LEAST} pixels: "
                "choose larger scales"
            )
        if self.adjoint:
            return F.interpolate(images, scale_factor=self.factor, mode="bilinear", align_corners=False)
        resized: Tensor = _ResizedBack.apply(images, self.factor)  # type: ignore[no-untyped-call]
        return resized


class _ResizedBack(torch.autograd.Function):
    """Bilinear resizing whose backward pass resizes the gradient bilinearly to the size of the input."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, images: Tensor, factor: float) -> Tensor:
        ctx.size = images.shape[-2:]  # type: ignore[attr-defined]
        return F.interpolate(images, scale_factor=factor, mode="bilinear", align_corners=False)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None]:
        size = ctx.size  # type: ignore[attr-defined]
        return F.interpolate(gradients[0], size=size, mode="bilinear", align_corners=False), None


@dataclass(frozen=True)
class Dimmed:
    """The image times `factor`, for scale invariance with factors 1/2, 1/4 ... (Lin et al. 2020, sec. 3.3)."""

    factor: float

    @property
    def anchor(self) -> View:
        return Plain()

    def __call__(self, images: Tensor, generators: Sequence[torch.Generator]) -> Tensor:  # noqa: ARG002
        return images * self.factor


@dataclass(frozen=True)
class ResizeAndPad:
    """Input diversity (Xie et al. 2019): with `probability`, shrunk down to `least` of its size and padded."""

    least: float = 0.9
    probability: float = 0.7

    @property
    def anchor(self) -> View:
        return Plain()

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


@dataclass(frozen=True)
class Chain:
    """One view after the other, the first one first; it stands for the chain of what its parts stand for."""

    parts: tuple[View, ...]

    @property
    def anchor(self) -> View:
        return chained(*(part.anchor for part in self.parts))

    def __call__(self, images: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        for part in self.parts:
            images = part(images, generators)
        return images


def chained(*parts: View) -> View:
    """The views one after the other, in the shortest form, so that equal chains are equal."""
    flat = [inner for part in parts for inner in (part.parts if isinstance(part, Chain) else (part,))]
    left = tuple(part for part in flat if not isinstance(part, Plain))
    if not left:
        return Plain()
    return left[0] if len(left) == 1 else Chain(left)
