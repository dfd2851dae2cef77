"""The smallest change that breaks a sample (Carlini and Wagner 2017, L2), searched for sample by sample."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from turncoat.core.balls import lengths
from turncoat.core.criterion import Criterion
from turncoat.core.errors import UserError
from turncoat.core.levels import LEVELS, on_levels, straight_through
from turncoat.core.objective import Objective
from turncoat.core.outputs import Outputs
from turncoat.core.result import AttackResult
from turncoat.core.truth import Columns, as_columns, rows
from turncoat.core.victim import Victim

_OVER = 1e-4  # how far beyond the border the search aims: exactly on it the verdict hangs on rounding


@dataclass(frozen=True)
class CarliniWagner:
    """Minimise |d|^2 + c max(confidence - margin, 0) by Adam, with c searched per sample over `searches` rounds.

    `margin` must be positive when a sample is broken; with a criterion, that has to agree as well. Where the paper
    squeezes the image through tanh, which pins pixels that are exactly black or white, the change is clipped to the
    pixel range instead. Every judged image is on 8-bit levels (unless `bits=None`), so what is smallest is smallest
    as saved. Changes longer than `eps` do not count.
    """

    margin: Objective
    eps: float = math.inf
    steps: int = 100
    searches: int = 9
    size: float = 0.01
    initial: float = 1e-2
    confidence: float = 0.0

    def __post_init__(self) -> None:
        if self.steps < 0 or self.searches < 1:
            raise UserError(f"steps >= 0 and searches >= 1 are needed, not {self.steps} and {self.searches}")

    @property
    def passes(self) -> tuple[int, int]:
        """The most forward and backward passes that one sample can cost."""
        return self.searches * (self.steps + 1) + 1, self.searches * self.steps

    def __call__(
        self,
        victim: Victim,
        images: Tensor,
        truth: Tensor | Columns | None = None,
        *,
        generator: torch.Generator,  # noqa: ARG002
        criterion: Criterion | None = None,
        active_set: bool = True,  # noqa: ARG002
        bits: int | None = 8,
    ) -> AttackResult:
        victim.require_gradients()
        images, columns = images.detach(), as_columns(truth)
        with torch.no_grad():
            clean = victim(images)
            verdict = criterion.observe(clean, columns) if criterion else {}
            border = _Border(self, criterion, self.margin.observe(clean, columns), verdict)
            margin, broken = border(clean)
            success = criterion(clean, verdict) if criterion else None
        found = _Found(images, margin, broken, success, self.eps)
        left = (~broken).nonzero()[:, 0]
        cost = torch.full_like(margin[left], self.initial)
        low, high = torch.zeros_like(cost), torch.full_like(cost, math.inf)
        for _ in range(self.searches if len(left) else 0):
            broken = self._descend(victim, images[left], border.take(left), cost, left, found, on_levels(bits))
            high, low = torch.where(broken, cost, high), torch.where(broken, low, cost)
            cost = torch.where(high.isfinite(), (low + high) / 2, cost * 10)
        return found.result()

    def _descend(
        self,
        victim: Victim,
        images: Tensor,
        border: _Border,
        cost: Tensor,
        left: Tensor,
        found: _Found,
        on_levels: bool,
    ) -> Tensor:
        """One round of Adam at the given costs; tells which samples broke in it."""
        change = torch.zeros_like(images)
        mean, square = torch.zeros_like(images), torch.zeros_like(images)
        ever = torch.zeros_like(left, dtype=torch.bool)
        for turn in range(1, self.steps + 2):
            with torch.set_grad_enabled(turn <= self.steps):
                change = change.detach().requires_grad_(turn <= self.steps)
                moved = images + change
                candidate = straight_through(moved, (moved.detach() * LEVELS).round() / LEVELS) if on_levels else moved
                value, broken = border(victim(candidate))
                ever |= found.see(left, candidate.detach(), value.detach(), broken)
                if turn > self.steps:
                    break
                lacking = self.confidence + _OVER - value
                lacking = torch.where(broken, lacking.clamp(min=0), lacking)
                loss = change.flatten(1).square().sum(1) + cost * lacking
                gradient = torch.autograd.grad(loss.sum(), change)[0].nan_to_num(0.0, 0.0, 0.0)
            found.pay(left)
            mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient.square()
            direction = mean / (1 - 0.9**turn) / ((square / (1 - 0.999**turn)).sqrt() + 1e-8)
            change = torch.clamp(change.detach() - self.size * direction, -images, 1 - images)
        return ever


@dataclass(frozen=True)
class _Border:
    """What has to be crossed: the margin, and the verdict of a criterion where there is one."""

    settings: CarliniWagner
    criterion: Criterion | None
    reference: Columns
    verdict: Columns

    def take(self, index: Tensor) -> _Border:
        return _Border(self.settings, self.criterion, rows(self.reference, index), rows(self.verdict, index))

    def __call__(self, outputs: Outputs) -> tuple[Tensor, Tensor]:
        value = self.settings.margin(outputs, self.reference)
        broken = value.detach() > self.settings.confidence
        return value, broken & self.criterion(outputs.detach(), self.verdict) if self.criterion else broken


class _Found:
    """The shortest successful change of every sample so far."""

    def __init__(self, images: Tensor, margin: Tensor, broken: Tensor, success: Tensor | None, eps: float) -> None:
        self.clean, self.images = images, images.clone()
        self.margin_clean, self.margin = margin, margin.clone()
        self.success, self.eps = success, eps
        self.length = torch.where(broken, 0.0, math.inf).to(margin)
        self.looks = torch.ones(len(images), dtype=torch.int64, device=images.device)
        self.turns = torch.zeros_like(self.looks)

    def see(self, left: Tensor, candidate: Tensor, value: Tensor, broken: Tensor) -> Tensor:
        """Keep what is broken, within the budget and shorter than before; tells which of these broke at all."""
        self.looks[left] += 1
        length = lengths(candidate - self.clean[left])
        better = broken & (length < self.length[left]) & (length <= self.eps * (1 + 1e-6))
        chosen = left[better]
        self.images[chosen], self.margin[chosen] = candidate[better], value[better]
        self.length[chosen] = length[better]
        if self.success is not None:
            self.success[chosen] = True
        return broken

    def pay(self, left: Tensor) -> None:
        self.turns[left] += 1

    def result(self) -> AttackResult:
        return AttackResult(
            images=self.images,
            success=self.success,
            objective_clean=self.margin_clean,
            objective=self.margin,
            forwards=self.looks,
            backwards=self.turns,
            steps_used=self.turns.clone(),
        )
