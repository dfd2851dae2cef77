"""When a sample counts as broken, task by task."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from turncoat.core.criterion import Criterion
from turncoat.core.outputs import Outputs, unit_descriptor
from turncoat.core.truth import Columns, column


@dataclass(frozen=True)
class Misclassified(Criterion):
    """The highest score is not the label's; a label whose score is not a number is never recognised."""

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        return ~_first(outputs.logits, column(reference, "label"))


@dataclass(frozen=True)
class ClassifiedAs(Criterion):
    """The highest score is that of the truth column `target`."""

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        return _first(outputs.logits, column(reference, "target"))


@dataclass(frozen=True)
class AttributesMissed(Criterion):
    """The overlap of decided and true attributes, |G and P| / |G or P|, is below `overlap`.

    A decision is positive when its probability exceeds `threshold`; attributes of unknown truth do not count.
    """

    threshold: float = 0.5
    overlap: float = 0.5

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        truth = column(reference, "attributes")
        known = (truth == 0) | (truth == 1)
        decided = (outputs.logits.sigmoid() > self.threshold) & known
        true = truth == 1
        both, either = (decided & true).sum(1), (decided | true).sum(1)
        return both < self.overlap * either


@dataclass(frozen=True)
class PairMistaken(Criterion):
    """The cosine to the other descriptor lies on the wrong side of the threshold (columns as in `PairSimilarity`)."""

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        cosine = (outputs.descriptor * unit_descriptor(column(reference, "other"))).sum(1)
        accepted = cosine > column(reference, "threshold").to(cosine)
        return accepted != column(reference, "same")


def _first(logits: Tensor, label: Tensor) -> Tensor:
    """Whether the label's score is the highest; argmax takes NaN for the highest, so that is ruled out."""
    return (logits.argmax(1) == label) & ~logits.isnan().any(1)
