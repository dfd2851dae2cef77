"""An attack on another layer than the one that is ranked."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from turncoat.attacks.attack import Attack
from turncoat.attacks.best import Meter
from turncoat.core.criterion import Criterion
from turncoat.core.objective import Objective
from turncoat.core.result import AttackResult
from turncoat.core.truth import Columns, as_columns
from turncoat.core.victim import Victim


@dataclass(frozen=True)
class OnLayer:
    """The same attack on the descriptor that the victim has at `layer` (a path as in `taps`).

    The objective in the result is that of this layer. Whether a sample is broken is for the victim's own outputs to
    say, so the budget is spent, and the verdict is that of the returned image.
    """

    attack: Attack
    layer: str

    @property
    def objective(self) -> Objective | None:
        return getattr(self.attack, "objective", None)

    @property
    def passes(self) -> tuple[int, int]:
        """The most forward and backward passes that one sample can cost."""
        forwards, backwards = self.attack.passes
        return forwards + 2, backwards

    def __call__(
        self,
        victim: Victim,
        images: Tensor,
        truth: Tensor | Columns | None = None,
        *,
        generator: torch.Generator,
        criterion: Criterion | None = None,
        active_set: bool = True,
        bits: int | None = 8,
    ) -> AttackResult:
        other = victim.reading(self.layer)
        result = self.attack(other, images, truth, generator=generator, active_set=active_set, bits=bits)
        if criterion is None:
            return result
        meter = Meter(victim)
        with torch.no_grad():
            verdict = criterion.observe(victim(images), as_columns(truth))
            success = criterion(victim(result.images), verdict)
        forwards = result.forwards + meter.read(len(images))[0]
        return replace(result, success=success, forwards=forwards)
