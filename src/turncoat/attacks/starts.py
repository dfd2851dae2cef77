"""Where an ascent begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from turncoat.core.constraint import Constraint
from turncoat.core.seeds import uniform


@dataclass(frozen=True)
class Zero:
    """The clean image. It is no candidate of its own: what is returned has moved at least once."""

    random = False

    def __call__(
        self,
        images: Tensor,
        constraint: Constraint,
        generators: Sequence[torch.Generator],  # noqa: ARG002
    ) -> Tensor:
        return constraint.zero(images)


@dataclass(frozen=True)
class Jitter:
    """Uniform noise of at most `size`, brought into the constraint: leaves a point where the gradient vanishes."""

    size: float = 1 / 255
    random = True

    def __call__(self, images: Tensor, constraint: Constraint, generators: Sequence[torch.Generator]) -> Tensor:
        zero = constraint.zero(images)
        return constraint.project(images, zero + self.size * uniform(zero, generators[: len(zero)]))


@dataclass(frozen=True)
class Uniform:
    """A random point of the whole constraint."""

    random = True

    def __call__(self, images: Tensor, constraint: Constraint, generators: Sequence[torch.Generator]) -> Tensor:
        return constraint.start(images, generators)


Start = Zero | Jitter | Uniform
