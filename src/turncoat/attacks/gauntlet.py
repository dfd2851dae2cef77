"""Several attacks in a row, each on what the ones before have not broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from turncoat.attacks.attack import Attack
from turncoat.core.criterion import Criterion
from turncoat.core.errors import UserError
from turncoat.core.result import AttackResult
from turncoat.core.truth import Columns, as_columns, rows
from turncoat.core.victim import Victim


@dataclass(frozen=True)
class Gauntlet:
    """Per sample the first result that breaks it, else the one with the highest objective; costs add up.

    The members' objectives must be comparable; the objective reported is that of the kept image under its own attack.
    """

    attacks: Sequence[Attack]

    @property
    def passes(self) -> tuple[int, int]:
        """The most forward and backward passes that one sample can cost."""
        costs = [attack.passes for attack in self.attacks]
        return sum(forwards for forwards, _ in costs), sum(backwards for _, backwards in costs)

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
        if not self.attacks:
            raise UserError("a gauntlet needs at least one attack")
        columns = as_columns(truth)
        total: AttackResult | None = None
        left = torch.arange(len(images), device=images.device)
        for attack in self.attacks:
            if not len(left):
                break
            result = attack(
                victim,
                images[left],
                rows(columns, left),
                generator=generator,
                criterion=criterion,
                active_set=active_set,
                bits=bits,
            )
            total = result if total is None else total.better_of(result, left)
            if total.success is not None:
                left = (~total.success).nonzero()[:, 0]
        if total is None:
            raise UserError("there are no images to attack")
        return total
