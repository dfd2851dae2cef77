"""What an attacker may change: balls around the clean image, joined, masked or shared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.core.seeds import uniform

LEVELS = 255
_SLACK = 1e-3  # in grey levels: what float32 loses when 8-bit values are divided by 255 and added


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
        inner, _ = _levels(images, candidate)
        return _pixels(images, inner)


@dataclass(frozen=True)
class Linf(Constraint):
    """No pixel value changes by more than `eps`."""

    eps: float

    def start(self, images: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        return self.project(images, uniform(images, generators) * self.eps)

    def project(self, images: Tensor | None, variable: Tensor) -> Tensor:
        low, high = _box(images, variable, self.eps)
        return variable.clamp(low, high)

    def steepest(self, gradient: Tensor) -> Tensor:
        return gradient.sign()

    def distance(self, images: Tensor, candidate: Tensor) -> Tensor:
        return (candidate - images).abs().flatten(1).amax(1)

    def quantise(self, images: Tensor, candidate: Tensor) -> Tensor:
        """The nearest 8-bit level inside the ball; a pixel with no level inside keeps its value."""
        nearest = _pixels(images, (candidate * LEVELS).round_())
        outside = (nearest - images).abs_() > self.eps + _SLACK / LEVELS
        if not bool(outside.any()):
            return nearest
        low = ((images - self.eps) * LEVELS - _SLACK).ceil()
        high = ((images + self.eps) * LEVELS + _SLACK).floor()
        level = torch.minimum(torch.maximum((candidate * LEVELS).round(), low), high)
        return torch.where(low <= high, _pixels(images, level), candidate)


@dataclass(frozen=True)
class L2(Constraint):
    """The change of the whole image has Euclidean length at most `eps`; `cap` may bound each pixel as well."""

    eps: float
    cap: float = float("inf")

    def start(self, images: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        rows = [torch.randn(images.shape[1:], generator=generator) for generator in generators]
        radius = [torch.rand(1, generator=generator) for generator in generators]
        inside = torch.stack(radius).view(-1, 1, 1, 1).to(images).pow(1 / images[0].numel())
        return self.project(images, unit_rows(torch.stack(rows).to(images)) * inside * self.eps)

    def project(self, images: Tensor | None, variable: Tensor) -> Tensor:
        low, high = _box(images, variable, self.cap)
        return _shrink(variable, low, high, self.eps)

    def steepest(self, gradient: Tensor) -> Tensor:
        return unit_rows(gradient)

    def distance(self, images: Tensor, candidate: Tensor) -> Tensor:
        return lengths(candidate - images)

    def quantise(self, images: Tensor, candidate: Tensor) -> Tensor:
        """Pixels rounded to the nearest level, with fewer and fewer of them outwards until the length fits again."""
        inner, gain = _levels(images, candidate)
        outwards = (candidate - images).sign()
        capped = (inner + outwards - images * LEVELS).abs() > self.cap * LEVELS + _SLACK
        gain = gain.masked_fill(capped, 0)
        low = torch.full_like(images[:, :1, :1, :1], 0.5)
        high = torch.full_like(low, 2.0)
        threshold = low
        for _ in range(8):
            rounded = inner + outwards * (gain >= threshold)
            fits = lengths(rounded / LEVELS - images).view_as(low) <= self.eps * (1 + 1e-6)
            high = torch.where(fits, threshold, high)
            low = torch.where(fits, low, threshold)
            threshold = torch.where(high == 0.5, high, (low + high) / 2)
        return _pixels(images, inner + outwards * (gain >= high))


def joint(l2: float, linf: float) -> L2:
    """Both budgets at once: Euclidean length at most `l2` and no pixel beyond `linf`; the projection is exact."""
    return L2(l2, cap=linf)


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


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, smooth: Tensor, exact: Tensor) -> Tensor:  # noqa: ARG004
        return exact.view_as(exact)

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ARG004
        return gradients[0], None


def straight_through(smooth: Tensor, exact: Tensor) -> Tensor:
    """`exact` going forward, the gradient of `smooth` going back."""
    result: Tensor = _StraightThrough.apply(smooth, exact.detach())  # type: ignore[no-untyped-call]
    return result


def unit_rows(vectors: Tensor) -> Tensor:
    """Each sample scaled to Euclidean length one, however tiny; a zero sample stays zero."""
    flat = vectors.flatten(1)
    largest = flat.abs().amax(1, keepdim=True)
    scaled = flat / largest.where(largest > 0, 1)
    length = lengths(scaled)[:, None]
    return (scaled / length.where(length > 0, 1)).view_as(vectors)


def lengths(vectors: Tensor) -> Tensor:
    """The Euclidean length of each sample, float `[N]`."""
    length: Tensor = torch.linalg.vector_norm(vectors.flatten(1), dim=1)
    return length


def _box(images: Tensor | None, variable: Tensor, cap: float) -> tuple[Tensor, Tensor]:
    if images is None:
        return variable.new_tensor(-cap), variable.new_tensor(cap)
    return (-images).clamp(min=-cap), (1 - images).clamp(max=cap)


def _shrink(variable: Tensor, low: Tensor, high: Tensor, radius: float) -> Tensor:
    """The exact projection onto a box around zero intersected with a ball: clip(s v) with the s that gives the radius.

    s grows monotonically to its solution: at each turn the pixels that are clipped stay fixed and the free ones
    share what is left of the squared radius.
    """
    clipped = variable.clamp(low, high)
    flat = clipped.flatten(1)
    over = lengths(flat) > radius
    if not bool(over.any()):
        return clipped
    lead = (-1, *[1] * (variable.ndim - 1))
    norm = lengths(variable)
    scale = (radius / norm.where(norm > 0, 1)).clamp(max=1)
    for _ in range(25):
        moved = variable * scale.view(lead)
        inside = (moved >= low) & (moved <= high)
        fixed = moved.clamp(low, high).masked_fill(inside, 0).flatten(1).square().sum(1)
        free = variable.masked_fill(~inside, 0).flatten(1).square().sum(1)
        wider = ((radius**2 - fixed).clamp(min=0) / free.where(free > 0, 1)).sqrt().where(free > 0, scale).clamp(max=1)
        if bool((wider <= scale * (1 + 1e-7)).all()):
            break
        scale = torch.maximum(scale, wider)
    return torch.where(over.view(lead), (variable * scale.view(lead)).clamp(low, high), clipped)


def _levels(images: Tensor, candidate: Tensor) -> tuple[Tensor, Tensor]:
    """The level next to each candidate pixel on the clean side, and how much of a level was cut off, both in levels.

    A pixel with no level between the clean value and the candidate goes back to the clean value.
    """
    clean, wanted = images * LEVELS, candidate * LEVELS
    near = wanted.round()
    on_level = (wanted - near).abs() < _SLACK
    rises = candidate >= images
    inner = torch.where(on_level, near, torch.where(rises, wanted.floor(), wanted.ceil()))
    crossed = torch.where(rises, inner < clean, inner > clean)
    gain = (wanted - inner).abs().masked_fill(on_level | crossed, 0)
    return torch.where(crossed, clean, inner), gain


def _pixels(images: Tensor, levels: Tensor) -> Tensor:
    """The pixels at these levels; one that is back at its clean level has its clean value, to the last bit."""
    pixels = levels.clamp(0, LEVELS).div_(LEVELS)
    return torch.where((pixels - images).abs_() < _SLACK / LEVELS, images, pixels)
