"""Anchors, positives and negatives of a batch, and how far apart they are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.objectives.crowd import Metric, distance


@dataclass(frozen=True)
class Triplets:
    """Rows of a batch, `[T]` each: anchors, others of the same class, and some of another class."""

    anchor: Tensor
    positive: Tensor
    negative: Tensor

    @property
    def rows(self) -> Tensor:
        """All anchors, then all positives, then all negatives, `[3 T]`."""
        return torch.cat([self.anchor, self.positive, self.negative])


def apart(first: Tensor, second: Tensor, metric: Metric) -> Tensor:
    """The distances `[N]` of unit rows, each from the other's row."""
    return distance((first * second).sum(1), metric)


def hardness(descriptor: Tensor, metric: Metric) -> Tensor:
    """How much farther the positive is than the negative, `[T]` (Zhou and Patel, CVPR 2022, sec. 3.1).

    `descriptor` `[3 T, D]` holds all anchors, then all positives, then all negatives.
    """
    anchor, positive, negative = descriptor.chunk(3)
    return apart(anchor, positive, metric) - apart(anchor, negative, metric)


def draw(labels: Tensor, generator: torch.Generator) -> Triplets:
    """Every image of a batch in one pair of its class at most, and for each pair a random image of another class."""
    anchors: list[int] = []
    positives: list[int] = []
    waiting: dict[int, int] = {}
    known = labels.tolist()
    for row in torch.randperm(len(known), generator=generator).tolist():
        partner = waiting.pop(known[row], None)
        if partner is None:
            waiting[known[row]] = row
        else:
            anchors.append(partner)
            positives.append(row)
    strange = labels[anchors][:, None] != labels[None]
    if not anchors or not bool(strange.any(1).all()):
        raise UserError("a ranking loss needs pairs of one class and others in every batch: set schedule.images to 4")
    negatives = torch.multinomial(strange.float().cpu(), 1, generator=generator)[:, 0]
    device = labels.device
    return Triplets(torch.tensor(anchors, device=device), torch.tensor(positives, device=device), negatives.to(device))


def semihard(rows: Triplets, descriptor: Tensor, labels: Tensor, margin: float, metric: Metric) -> Triplets:
    """The same pairs with the nearest negative that is farther than the positive but within the margin, if any.

    After Schroff et al. (CVPR 2015), who draw one at random.
    """
    anchor, positive = descriptor[rows.anchor], descriptor[rows.positive]
    own = apart(anchor, positive, metric)[:, None]
    every = distance(anchor @ descriptor.T, metric)
    fit = (labels[rows.anchor][:, None] != labels[None]) & (every > own) & (every < own + margin)
    nearest = every.masked_fill(~fit, torch.inf).argmin(1)
    return Triplets(rows.anchor, rows.positive, torch.where(fit.any(1), nearest, rows.negative))
