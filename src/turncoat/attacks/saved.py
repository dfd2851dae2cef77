"""No attack at all: the control for what saving an image does by itself."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from turncoat.core.criterion import Criterion
from turncoat.core.result import AttackResult
from turncoat.core.truth import Columns, as_columns
from turncoat.core.victim import Victim


@dataclass(frozen=True)
class Saved:
    """Leaves every image as it is; the budget is not used."""

    eps: float = 0.0
    passes = (1, 0)

    @torch.no_grad()
    def __call__(
        self,
        victim: Victim,
        images: Tensor,
        truth: Tensor | Columns | None = None,
        *,
        generator: torch.Generator,  # noqa: ARG002
        criterion: Criterion | None = None,
        active_set: bool = True,  # noqa: ARG002
        bits: int | None = 8,  # noqa: ARG002
    ) -> AttackResult:
        seen = victim(images)
        success = criterion(seen, criterion.observe(seen, as_columns(truth))) if criterion else None
        nothing = torch.zeros(len(images), dtype=torch.int64, device=images.device)
        zeros = torch.zeros(len(images), device=images.device)
        return AttackResult(images.clone(), success, zeros, zeros.clone(), nothing + 1, nothing, nothing.clone())
