"""The one way every attack is called."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from turncoat.core.criterion import Criterion
from turncoat.core.result import AttackResult
from turncoat.core.truth import Columns
from turncoat.core.victim import Victim


class Attack(Protocol):
    """Settings of an attack; calling it perturbs images against a victim.

    `images` float `[N, C, H, W]` in [0, 1]; `truth` the labels, or columns of truth; `criterion` says when a sample is
    broken and needs no more work (None: spend the budget); `active_set` lets broken samples leave the batch, which
    changes the cost and nothing else; `bits=8` keeps every judged and returned image on 8-bit levels, None does not.
    """

    @property
    def passes(self) -> tuple[int, int]:
        """The most forward and backward passes that one sample can cost."""
        ...

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
    ) -> AttackResult: ...
