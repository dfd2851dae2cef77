"""One training method: what it minimises on a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from turncoat.core.outputs import Outputs
from turncoat.core.seeds import seeded

Batch = Mapping[str, Tensor]
"""Float `images` `[N, 3, H, W]` in [0, 1], and the columns of truth of the training set."""


@dataclass(frozen=True)
class Loss:
    """The mean to minimise over a batch, and named parts of it to watch."""

    total: Tensor
    parts: Mapping[str, Tensor]


@dataclass(frozen=True)
class Turn:
    """Where the training stands: optimiser steps so far, and batches so far in this epoch, both from 0.

    `generator` belongs to this step alone; `last` holds the parts of the loss of the step before, none at the first.
    """

    step: int = 0
    place: int = 0
    generator: torch.Generator = field(default_factory=lambda: seeded(0))
    last: Mapping[str, float] = field(default_factory=dict)


class Recipe(Protocol):
    """`network` takes images in [0, 1] and returns its outputs by kind. A recipe holds settings and remembers nothing.

    One that compares images of the same class says so with an attribute `pairs = True`: its batches then hold several
    images of each class.
    """

    def __call__(self, network: nn.Module, batch: Batch, turn: Turn) -> Loss: ...


def look(network: nn.Module, images: Tensor) -> Outputs:
    """What a network in training says of images; asking for what it does not give is a clear error."""
    return Outputs(network(images), "the network in training")
