"""Balls around the clean image: Linf, L2, and both at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from turncoat.core.constraint import Constraint
from turncoat.core.levels import LEVELS, SLACK, pixels_of, towards_clean
from turncoat.core.seeds import uniform


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
        nearest = (candidate * LEVELS).round_().div_(LEVELS)
        change = (nearest - images).abs_()
        if float(change.amax()) <= self.eps + SLACK / LEVELS:  # the usual case, at half the price
            return torch.where(change < SLACK / LEVELS, images, nearest)
        low = ((images - self.eps) * LEVELS - SLACK).ceil()
        high = ((images + self.eps) * LEVELS + SLACK).floor()
        level = torch.minimum(torch.maximum((candidate * LEVELS).round(), low), high)
        return torch.where(low <= high, pixels_of(images, level), candidate)


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
        inner, gain = towards_clean(images, candidate)
        outwards = (candidate - images).sign()
        capped = (inner + outwards - images * LEVELS).abs() > self.cap * LEVELS + SLACK
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
        return pixels_of(images, inner + outwards * (gain >= high))


def joint(l2: float, linf: float) -> L2:
    """Both budgets at once: Euclidean length at most `l2` and no pixel beyond `linf`; the projection is exact."""
    return L2(l2, cap=linf)


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
    return images.neg().clamp_(min=-cap), (1 - images).clamp_(max=cap)


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
