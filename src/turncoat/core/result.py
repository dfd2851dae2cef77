"""What an attack hands back: one entry per sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class AttackResult:
    """The images an attack made and what they cost.

    `images` float `[N, C, H, W]`, on 8-bit levels unless told otherwise, the best per sample; `objective` is its
    value on exactly these images and `objective_clean` on the clean ones; `success` bool is the criterion's verdict
    on these images, None when there was no criterion; `forwards`, `backwards` and `steps_used` count, per sample,
    what was spent.
    """

    images: Tensor
    success: Tensor | None
    objective_clean: Tensor
    objective: Tensor
    forwards: Tensor
    backwards: Tensor
    steps_used: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def take(self, index: Tensor) -> AttackResult:
        """The given samples."""
        return _each(lambda values: values[0][index], [self])

    def better_of(self, other: AttackResult, where: Tensor) -> AttackResult:
        """Per sample the more damaging of two results, `other` standing for the samples at `where`; costs add up."""
        mine = self.take(where)
        gain = other.objective > mine.objective
        if mine.success is not None and other.success is not None:
            gain = (other.success & ~mine.success) | (gain & (other.success == mine.success))
        merged = _each(lambda values: values[0].index_copy(0, where[gain], values[1][gain]), [self, other])
        return replace(
            merged,
            objective_clean=self.objective_clean,
            forwards=self.forwards.index_add(0, where, other.forwards),
            backwards=self.backwards.index_add(0, where, other.backwards),
            steps_used=self.steps_used.index_add(0, where, other.steps_used),
        )


def concatenate_results(parts: list[AttackResult]) -> AttackResult:
    """Results of consecutive batches as one."""
    return _each(torch.cat, parts)


def _each(join: Callable[[list[Tensor]], Tensor], results: list[AttackResult]) -> AttackResult:
    """A result made field by field from the same field of others."""
    verdicts = [result.success for result in results if result.success is not None]
    return AttackResult(
        images=join([result.images for result in results]),
        success=join(verdicts) if verdicts else None,
        objective_clean=join([result.objective_clean for result in results]),
        objective=join([result.objective for result in results]),
        forwards=join([result.forwards for result in results]),
        backwards=join([result.backwards for result in results]),
        steps_used=join([result.steps_used for result in results]),
    )
