"""The objective on pairs of faces or people: dodge being recognised, or impersonate somebody."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from turncoat.core.objective import Objective
from turncoat.core.outputs import Outputs, unit_descriptor
from turncoat.core.truth import Columns, column


@dataclass(frozen=True)
class PairSimilarity(Objective):
    """How far the cosine to the other image's descriptor lies on the wrong side of the threshold.

    Truth columns: `other` `[N, D]`, the other descriptor; `same` bool, whether it is the same person; `threshold`
    float, above which a pair counts as the same. A same pair is dodged (the cosine falls), a different one
    impersonated (the cosine rises); positive exactly when the decision is wrong.
    """

    needs = "embedding"

    def observe(self, clean: Outputs, truth: Columns) -> Columns:  # noqa: ARG002
        return {
            "other": unit_descriptor(column(truth, "other")),
            "direction": torch.where(column(truth, "same"), -1.0, 1.0),
            "threshold": column(truth, "threshold"),
        }

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        cosine = (outputs.descriptor * reference["other"]).sum(1)
        return reference["direction"].to(cosine) * (cosine - reference["threshold"].to(cosine))
