"""Objectives on many yes-or-no attributes at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from turncoat.core.objective import Objective
from turncoat.core.outputs import Outputs
from turncoat.core.truth import Columns, column


@dataclass(frozen=True)
class AttributeLoss(Objective):
    """The binary cross-entropy summed over attributes `[N, A]`: away from the truth, or towards `target` when
    `targeted`.

    `ratios` are the positive ratios r of the attributes in the training split; a positive then weighs exp(1 - r) and a
    negative exp(r) (PromptPAR's loss; Li et al. 2015). Attributes whose truth is neither 0 nor 1 do not count.
    """

    needs = "logits"

    ratios: tuple[float, ...] | None = None
    targeted: bool = False

    def observe(self, clean: Outputs, truth: Columns) -> Columns:  # noqa: ARG002
        return {"wanted": column(truth, "target" if self.targeted else "attributes")}

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        total = weighted_bce(outputs.logits, reference["wanted"], self.ratios)
        return -total if self.targeted else total


@dataclass(frozen=True)
class AttributeMargin(Objective):
    """The largest margin by which a known attribute is decided wrongly: positive when at least one is.

    A decision is positive when its probability exceeds `threshold`.
    """

    needs = "logits"

    threshold: float = 0.5

    def observe(self, clean: Outputs, truth: Columns) -> Columns:  # noqa: ARG002
        return {"attributes": column(truth, "attributes")}

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        truth = reference["attributes"]
        border = math.log(self.threshold / (1 - self.threshold))
        wrongness = (outputs.logits - border) * torch.where(truth == 1, -1, 1)
        return wrongness.masked_fill((truth != 0) & (truth != 1), float("-inf")).amax(1)


def weighted_bce(logits: Tensor, truth: Tensor, ratios: tuple[float, ...] | None = None) -> Tensor:
    """Binary cross-entropy `[N]` of logits `[N, A]`, summed over the attributes whose truth is 0 or 1."""
    known = (truth == 0) | (truth == 1)
    positive = truth == 1
    loss = F.binary_cross_entropy_with_logits(logits, positive.to(logits), reduction="none")
    if ratios is not None:
        ratio = torch.tensor(ratios, dtype=logits.dtype, device=logits.device)
        loss = loss * torch.where(positive, 1 - ratio, ratio).exp()
    return (loss * known).sum(1)
