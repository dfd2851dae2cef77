"""One candidate per image, taken as it comes: for attacks that do not climb."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from turncoat.attacks.best import Meter
from turncoat.core.constraint import Constraint
from turncoat.core.criterion import Criterion
from turncoat.core.levels import on_levels
from turncoat.core.objective import Objective
from turncoat.core.result import AttackResult
from turncoat.core.truth import Columns
from turncoat.core.victim import Victim


@torch.no_grad()
def once(
    victim: Victim,
    images: Tensor,
    truth: Columns,
    objective: Objective,
    constraint: Constraint,
    variable: Callable[[Tensor], Tensor],
    *,
    criterion: Criterion | None,
    bits: int | None,
) -> AttackResult:
    """The images moved by `variable(images)`, judged: a look at the clean images and one at the moved ones."""
    meter = Meter(victim)
    clean = victim(images)
    reference = objective.observe(clean, truth)
    verdict = criterion.observe(clean, truth) if criterion else {}
    moved = constraint.apply(images, variable(images))
    moved = constraint.quantise(images, moved) if on_levels(bits) else moved
    seen = victim(moved)
    nothing = torch.zeros(len(images), dtype=torch.int64, device=images.device)
    return AttackResult(
        images=moved,
        success=criterion(seen, verdict) if criterion else None,
        objective_clean=objective(clean, reference),
        objective=objective(seen, reference),
        forwards=nothing + meter.read(len(images))[0],
        backwards=nothing,
        steps_used=nothing.clone(),
    )
