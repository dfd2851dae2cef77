"""Random noise: the control that every attack is compared with."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from turncoat.core.constraint import Constraint
from turncoat.core.criterion import Criterion
from turncoat.core.levels import on_levels
from turncoat.core.objective import Objective
from turncoat.core.result import AttackResult
from turncoat.core.seeds import spread, uniform
from turncoat.core.truth import Columns, as_columns
from turncoat.core.victim import Victim


@dataclass(frozen=True)
class NoiseAttack:
    """One draw of noise per image, taken as it comes: uniform in the constraint, or with `sign` all of it per pixel."""

    objective: Objective
    constraint: Constraint
    size: float
    sign: bool = False

    @property
    def passes(self) -> tuple[int, int]:
        """The most forward and backward passes that one sample can cost."""
        return 2, 0

    @torch.no_grad()
    def __call__(
        self,
        victim: Victim,
        images: Tensor,
        truth: Tensor | Columns | None = None,
        *,
        generator: torch.Generator,
        criterion: Criterion | None = None,
        active_set: bool = True,  # noqa: ARG002
        bits: int | None = 8,
    ) -> AttackResult:
        columns = as_columns(truth)
        clean = victim(images)
        reference = self.objective.observe(clean, columns)
        verdict = criterion.observe(clean, columns) if criterion else {}
        generators = spread(generator, images)
        if self.sign:
            variable = self.constraint.project(images, uniform(images, generators).sign() * self.size)
        else:
            variable = self.constraint.start(images, generators)
        noisy = self.constraint.apply(images, variable)
        noisy = self.constraint.quantise(images, noisy) if on_levels(bits) else noisy
        seen = victim(noisy)
        nothing = torch.zeros(len(images), dtype=torch.int64, device=images.device)
        return AttackResult(
            images=noisy,
            success=criterion(seen, verdict) if criterion else None,
            objective_clean=self.objective(clean, reference),
            objective=self.objective(seen, reference),
            forwards=nothing + 2,
            backwards=nothing,
            steps_used=nothing.clone(),
        )
