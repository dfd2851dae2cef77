"""Is the right class among the first k: per sample, and as a share."""

from __future__ import annotations

import torch
from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.tasks.metrics.estimate import Estimate, wilson


def class_rank(logits: Tensor, labels: Tensor) -> Tensor:
    """How many classes come before the right one, int64 `[N]`, from logits `[N, K]` and labels `[N]`.

    A class comes before it with a higher logit, or with the same one and a lower index: the order of a stable
    sort, so the rank depends on the numbers alone and the order is a whole one (exactly k classes are among
    the first k). A NaN comes before every class but is never the right answer: a broken output counts against
    the defender.
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise UserError(f"logits {tuple(logits.shape)} and labels {tuple(labels.shape)}: they must be [N, K] and [N]")
    classes = logits.shape[1]
    if len(labels) and (int(labels.min()) < 0 or int(labels.max()) >= classes):
        raise UserError(
            f"labels {int(labels.min())} to {int(labels.max())} for {classes} classes: use 0 to {classes - 1}"
        )
    own = logits.gather(1, labels[:, None])
    higher = ~(logits <= own)
    earlier = torch.arange(classes, device=logits.device) < labels[:, None]
    return (higher | ((logits == own) & earlier)).sum(1)


def top_k_correct(logits: Tensor, labels: Tensor, k: int = 1) -> Tensor:
    """Whether the right class is among the first k of K, bool `[N]`; ties as in `class_rank`."""
    if k < 1:
        raise UserError(f"top-{k}: k must be at least 1")
    # The rank of a NaN is K, so that no k forgives it.
    return class_rank(logits, labels) < min(k, logits.shape[1])


def accuracy(correct: Tensor) -> Estimate:
    """The share of correct samples with a Wilson interval: of attacked ones, the robust accuracy."""
    return wilson(float(correct.double().sum()), len(correct))
