"""One training method: what it minimises on a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

Batch = Mapping[str, Tensor]
"""Float `images` `[N, 3, H, W]` in [0, 1], and the columns of truth of the training set."""


@dataclass(frozen=True)
class Loss:
    """The mean to minimise over a batch, and named parts of it to watch."""

    total: Tensor
    parts: Mapping[str, Tensor]


class Recipe(Protocol):
    """`network` takes images in [0, 1] and returns its outputs by kind; `step` counts optimiser steps from 0."""

    def __call__(self, network: nn.Module, batch: Batch, step: int) -> Loss: ...
