"""Ordinary training on clean images."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from turncoat.core.errors import UserError
from turncoat.objectives.attributes import weighted_bce
from turncoat.training.recipe import Batch, Loss, Turn, look


@dataclass(frozen=True)
class Natural:
    """Cross-entropy of the labels (with `smoothing`), or binary cross-entropy of the attributes, whichever is given."""

    smoothing: float = 0.0

    def __call__(self, network: nn.Module, batch: Batch, turn: Turn) -> Loss:  # noqa: ARG002
        total = supervised(look(network, batch["images"]).logits, batch, self.smoothing)
        return Loss(total, {"clean": total.detach()})


def supervised(logits: Tensor, batch: Batch, smoothing: float = 0.0) -> Tensor:
    """The loss of scores against the truth that the batch holds, averaged over its samples.

    Scores `[N, P, K]` of a classifier for each of P parts count each for itself, and their losses add up (PCB; Sun et
    al. 2018).
    """
    if "label" in batch:
        parts = logits[:, None] if logits.ndim == 2 else logits
        losses = [F.cross_entropy(part, batch["label"], label_smoothing=smoothing) for part in parts.unbind(1)]
        return sum(losses[1:], losses[0])
    if "attributes" in batch:
        return weighted_bce(logits, batch["attributes"]).mean()
    raise UserError(f"training needs labels or attributes; the data hold {', '.join(sorted(batch))}")
