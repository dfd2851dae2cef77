"""Ordinary training on clean images."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from turncoat.core.errors import UserError
from turncoat.objectives.attributes import weighted_bce
from turncoat.training.recipe import Batch, Loss


@dataclass(frozen=True)
class Natural:
    """Cross-entropy of the labels (with `smoothing`), or binary cross-entropy of the attributes, whichever is given."""

    smoothing: float = 0.0

    def __call__(self, network: nn.Module, batch: Batch, step: int) -> Loss:  # noqa: ARG002
        logits = network(batch["images"])["logits"]
        total = supervised(logits, batch, self.smoothing)
        return Loss(total, {"loss": total.detach()})


def supervised(logits: Tensor, batch: Batch, smoothing: float = 0.0) -> Tensor:
    """The loss of scores against the truth that the batch holds, averaged over its samples."""
    if "label" in batch:
        return F.cross_entropy(logits, batch["label"], label_smoothing=smoothing)
    if "attributes" in batch:
        return weighted_bce(logits, batch["attributes"]).mean()
    raise UserError(f"training needs labels or attributes; the data hold {', '.join(sorted(batch))}")
