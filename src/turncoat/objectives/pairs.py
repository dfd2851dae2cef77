"""The objective on pairs of faces or people: dodge being recognised, or impersonate somebody."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from turncoat.core.objective import Objective
from turncoat.core.outputs import Outputs
from turncoat.core.truth import Columns, column


@dataclass(frozen=True)
class PairSimilarity(Objective):
    """How far the cosine to the other image's descriptor lies on the wrong side of the threshold.

    Truth columns: `other` `[N, D]`, the other descriptor; `same` bool, whether it is the same person; `threshold`
    float, above which a pair counts as the same. A same pair is dodged (the cosine falls), a different one
    impersonated (the cosine rises); positive exactly when the decision is wrong.
    """

    def observe(self, clean: Outputs, truth: Columns) -> Columns:  # noqa: ARG002
        return {
            "other": F.normalize(column(truth, "other"), dim=-1),
            "direction": torch.where(column(truth, "same"), -1.0, 1.0),
            "threshold": column(truth, "threshold"),
        }

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        cosine = (F.normalize(outputs.embedding, dim=-1) * reference["other"]).sum(-1)
        return reference["direction"].to(cosine) * (cosine - reference["threshold"].to(cosine))
