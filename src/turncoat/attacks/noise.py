"""Random noise: the control that every attack is compared with."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from turncoat.attacks.once import once
from turncoat.core.constraint import Constraint
from turncoat.core.criterion import Criterion
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
        generators = spread(generator, images)

        def variable(clean: Tensor) -> Tensor:
            if self.sign:
                return self.constraint.project(clean, uniform(clean, generators).sign() * self.size)
            return self.constraint.start(clean, generators)

        columns = as_columns(truth)
        return once(victim, images, columns, self.objective, self.constraint, variable, criterion=criterion, bits=bits)
