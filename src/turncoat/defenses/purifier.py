"""What stands in front of a victim, and how it must be attacked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from torch import Tensor, nn


@dataclass(frozen=True)
class Surrogate:
    """What an informed attacker differentiates in place of a purifier.

    `module` maps images to images and has useful gradients. `exact` says that it gives the purifier's own output going
    forward, so that a sample broken through it is broken in truth.
    """

    name: str
    module: nn.Module
    exact: bool = True


class Purifier(nn.Module, ABC):
    """A map from images to images of the same size, `[N, C, H, W]` in [0, 1], put in front of any victim.

    `randomised` says that two calls may differ. `adaptive` names the ways in which somebody who knows the purifier
    would attack through it; an audit takes the worst per sample. A purifier that names none is reported as not
    evaluated adaptively.
    """

    name: str
    randomised = False

    def fit(self, images: Iterable[Tensor]) -> Self:  # noqa: ARG002
        """Learn from clean batches; nothing to learn unless a purifier says otherwise."""
        return self

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor: ...

    def adaptive(self) -> Sequence[Surrogate]:
        return ()
