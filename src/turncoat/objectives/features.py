"""Objectives on descriptors: turn them round (U-turn) or push them away (PIRE, TMA, SMA)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from turncoat.core.objective import Objective
from turncoat.core.outputs import Outputs
from turncoat.core.truth import Columns


@dataclass(frozen=True)
class OppositeDirection(Objective):
    """Minus the squared distance to the opposite of the clean descriptor (U-turn, IJCV 2023, eq. 4).

    With unit descriptors this is -2 - 2 cos(f', f): its gradient vanishes at the clean image, so start from a jitter.
    Descriptors `[N, P, D]` of P parts are turned part by part and averaged. `normalised=False` is the raw form, whose
    first gradient is real but which shrinks the descriptor before it turns.
    """

    needs = "embedding"

    normalised: bool = True

    @property
    def flat(self) -> bool:
        return self.normalised

    def observe(self, clean: Outputs, truth: Columns) -> Columns:  # noqa: ARG002
        return {"clean": _descriptor(clean, self.normalised)}

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        return -_mean_square(_descriptor(outputs, self.normalised) + reference["clean"])


@dataclass(frozen=True)
class FeatureDistance(Objective):
    """The squared distance to the clean descriptor: SMA and PIRE raw, TMA with `normalised`.

    Sources: SMA, Bouniot et al. 2020; PIRE, Liu et al. 2019; TMA non-targeted, after Tolias et al. 2019. Its
    gradient is exactly zero at the clean image. Normalised, it equals `OppositeDirection` up to constants.
    """

    needs = "embedding"

    normalised: bool = False

    @property
    def flat(self) -> bool:
        return True

    def observe(self, clean: Outputs, truth: Columns) -> Columns:  # noqa: ARG002
        return {"clean": _descriptor(clean, self.normalised)}

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        return _mean_square(_descriptor(outputs, self.normalised) - reference["clean"])


def _descriptor(outputs: Outputs, normalised: bool) -> Tensor:
    return F.normalize(outputs.embedding, dim=-1) if normalised else outputs.embedding


def _mean_square(difference: Tensor) -> Tensor:
    """The squared length `[N]`; with parts, the mean over them."""
    squared = difference.square().sum(-1)
    return squared if squared.ndim == 1 else squared.mean(1)
