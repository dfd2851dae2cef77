"""Objectives on class scores: raise the loss of a label, or lower that of a target."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from turncoat.core.objective import Objective
from turncoat.core.outputs import Outputs
from turncoat.core.truth import Columns, column


@dataclass(frozen=True)
class OfLabel(Objective):
    """Base of the objectives against a label: the true one, or with `predicted` the victim's own on the clean image.

    Pseudo-labels serve open-set victims, whose training classes are not those tested (U-turn, IJCV 2023, section 4).
    """

    needs = "logits"

    predicted: bool = False

    def observe(self, clean: Outputs, truth: Columns) -> Columns:
        label = clean.logits.argmax(1) if self.predicted else column(truth, "label")
        return {"label": label}


@dataclass(frozen=True)
class CrossEntropy(OfLabel):
    """The cross-entropy of the label (Goodfellow et al. 2015; Madry et al. 2018)."""

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        return F.cross_entropy(outputs.logits, reference["label"], reduction="none")


@dataclass(frozen=True)
class LogitMargin(OfLabel):
    """The best wrong score minus the label's (Carlini and Wagner 2017, f6): positive exactly when misclassified."""

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        own, others = _split(outputs.logits, reference["label"])
        return others.amax(1) - own


@dataclass(frozen=True)
class DifferenceOfLogitsRatio(OfLabel):
    """DLR: the margin over the gap between the first and third score (Croce and Hein 2020, eq. 6).

    Invariant to shift and scale of the scores. Below 4 classes it falls back to the plain margin: with three or fewer
    scores the ratio is constant, or nearly so, over most of the space and its gradient says nothing.
    """

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        own, others = _split(outputs.logits, reference["label"])
        margin = others.amax(1) - own
        if outputs.logits.shape[1] < 4:
            return margin
        top = outputs.logits.topk(3, dim=1).values
        return margin / (top[:, 0] - top[:, 2] + 1e-12)


@dataclass(frozen=True)
class TargetedDLR(OfLabel):
    """Targeted DLR towards the class that ranks `rank`-th among the wrong ones when clean (Croce and Hein 2020, eq. 7).

    Below 4 classes: the target's score minus the label's.
    """

    rank: int = 1

    def observe(self, clean: Outputs, truth: Columns) -> Columns:
        label = super().observe(clean, truth)["label"]
        wrong = clean.logits.scatter(1, label[:, None], float("-inf"))
        order = wrong.argsort(dim=1, descending=True, stable=True)
        place = min(self.rank, clean.logits.shape[1] - 1) - 1
        return {"label": label, "target": order[:, place]}

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        own = outputs.logits.gather(1, reference["label"][:, None])[:, 0]
        gain = outputs.logits.gather(1, reference["target"][:, None])[:, 0] - own
        if outputs.logits.shape[1] < 4:
            return gain
        top = outputs.logits.topk(4, dim=1).values
        return gain / (top[:, 0] - (top[:, 2] + top[:, 3]) / 2 + 1e-12)


@dataclass(frozen=True)
class Targeted(Objective):
    """Minus the cross-entropy of the class in the truth column `target`."""

    needs = "logits"

    def observe(self, clean: Outputs, truth: Columns) -> Columns:  # noqa: ARG002
        return {"target": column(truth, "target")}

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        return -F.cross_entropy(outputs.logits, reference["target"], reduction="none")


@dataclass(frozen=True)
class LeastLikely(Targeted):
    """Towards the class the victim finds least likely on the clean image (Kurakin et al. 2017)."""

    def observe(self, clean: Outputs, truth: Columns) -> Columns:  # noqa: ARG002
        return {"target": clean.logits.argmin(1)}


@dataclass(frozen=True)
class LabelSmoothing(Objective):
    """Towards equal probabilities: minus the mean squared distance to 1/K (U-turn's released code, method 4)."""

    needs = "logits"

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:  # noqa: ARG002
        probabilities = outputs.logits.softmax(1)
        return -(probabilities - 1 / probabilities.shape[1]).square().mean(1)


def _split(logits: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """The label's score `[N]`, and the scores with the label's struck out `[N, K]`."""
    own = logits.gather(1, label[:, None])[:, 0]
    return own, logits.scatter(1, label[:, None], torch.finfo(logits.dtype).min)
