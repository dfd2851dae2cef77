"""What an attacker may change, and two ways to narrow it: to a region, or to one variable for all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.core.levels import pixels_of, straight_through, towards_clean


class Constraint(ABC):
    """A set of allowed images around each clean image, described by a variable (for a ball: the perturbation).

    All lengths are in pixel units of [0, 1]. `shared` says that one variable `[1, C, H, W]` serves the whole batch.
    """

    shared = False

    def zero(self, images: Tensor) -> Tensor:
        """The variable that leaves every image as it is."""
        return torch.zeros_like(images)

    @abstractmethod
    def start(self, images: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """A random variable inside the set, row i drawn from generator i."""

    @abstractmethod
    def project(self, images: Tensor | None, variable: Tensor) -> Tensor:
        """The nearest allowed variable; with `images` also such that no pixel leaves [0, 1]."""

    @abstractmethod
    def steepest(self, gradient: Tensor) -> Tensor:
        """The direction of unit length, in the set's own norm, that rises fastest along a finite gradient."""

    @abstractmethod
    def distance(self, images: Tensor, candidate: Tensor) -> Tensor:
        """How far each candidate is from its clean image, float `[N]`; what the budget bounds."""

    def apply(self, images: Tensor, variable: Tensor) -> Tensor:
        """The perturbed images in [0, 1]; the gradient passes the clipping, so black and white pixels can move."""
        moved = images + variable
        return straight_through(moved, moved.clamp(0, 1))

    def quantise(self, images: Tensor, candidate: Tensor) -> Tensor:
        """The candidate on 8-bit levels, each pixel rounded towards the clean one, so that no budget is exceeded."""
        inner, _ = towards_clean(images, candidate)
        return pixels_of(images, inner)


@dataclass(frozen=True)
class Masked(Constraint):
    """Another constraint, but only where `mask` (`[1, H, W]` or `[C, H, W]`, 0 or 1) is one."""

    inner: Constraint
    mask: Tensor

    def __post_init__(self) -> None:
        if self.inner.shared:
            raise UserError("a mask goes inside what is shared: Shared(Masked(...)), not Masked(Shared(...))")

    def start(self, images: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        return self.project(images, self.inner.start(images, generators))

    def project(self, images: Tensor | None, variable: Tensor) -> Tensor:
        return self.inner.project(images, variable * self._mask(variable))

    def steepest(self, gradient: Tensor) -> Tensor:
        return self.inner.steepest(gradient * self._mask(gradient))

    def distance(self, images: Tensor, candidate: Tensor) -> Tensor:
        return self.inner.distance(images, candidate)

    def quantise(self, images: Tensor, candidate: Tensor) -> Tensor:
        rounded = self.inner.quantise(images, candidate)
        return torch.where(self._mask(candidate).bool(), rounded, images)

    def _mask(self, like: Tensor) -> Tensor:
        return self.mask.to(like)


@dataclass(frozen=True)
class Shared(Constraint):
    """One perturbation `[1, C, H, W]` for every image of the batch (universal), bounded as `inner` bounds it."""

    inner: Constraint
    shared = True

    def zero(self, images: Tensor) -> Tensor:
        return torch.zeros_like(images[:1])

    def start(self, images: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        centre = torch.full_like(images[:1], 0.5)
        return self.inner.start(centre, generators[:1])

    def project(self, images: Tensor | None, variable: Tensor) -> Tensor:  # noqa: ARG002
        return self.inner.project(None, variable)

    def steepest(self, gradient: Tensor) -> Tensor:
        return self.inner.steepest(gradient)

    def distance(self, images: Tensor, candidate: Tensor) -> Tensor:
        return self.inner.distance(images, candidate)

    def quantise(self, images: Tensor, candidate: Tensor) -> Tensor:
        return self.inner.quantise(images, candidate)
