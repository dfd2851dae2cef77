"""What one attack on rankings wants, and how it is measured."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from turncoat.core.objective import Objective
from turncoat.core.truth import Columns
from turncoat.objectives.crowd import Crowd, Metric
from turncoat.tasks.probes import Probes


@dataclass(frozen=True)
class Settings:
    """`others` candidates (of QA) or queries (of CA) per sample; `xi` and `growth` are those of `Preserved`."""

    others: int = 1
    metric: Metric = "cosine"
    xi: float = 100.0
    growth: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Aim(ABC):
    """What one attack wants and how it is measured.

    `terms` gives the measured columns by their names in `ers.TERMS`; `named` says that it must be known whom the images
    show; `perturbed` is the threat in words.
    """

    settings: Settings

    named: ClassVar[bool] = True

    @property
    def perturbed(self) -> str:
        return "each query is perturbed on its own, the gallery is clean"

    @property
    @abstractmethod
    def terms(self) -> Mapping[str, str]: ...

    @abstractmethod
    def objective(self, crowd: Crowd) -> Objective: ...

    @abstractmethod
    def truth(self, probes: Probes) -> Columns:
        """What the objective asks of each sample."""

    @abstractmethod
    def measure(self, seen: Tensor, probes: Probes) -> Columns:
        """The figures of each sample, float64 `[N]`, now that its unit descriptor is `seen` `[N, D]`."""
