"""Attacks as U-turn's released code runs them, to be reported beside the exact ones; see `Scaled` for their budget."""

from __future__ import annotations

import math
from dataclasses import replace

from turncoat.attacks.presets.gradient import GREY, ball, grey_steps
from turncoat.attacks.released import Released, Scaled
from turncoat.core.errors import UserError
from turncoat.core.objective import Objective
from turncoat.objectives.features import FeatureDistance, OppositeDirection

IMAGENET_STD = (0.229, 0.224, 0.225)


def uturn_released(
    eps: float,
    *,
    std: tuple[float, ...] = IMAGENET_STD,
    scalar: float = 0.226,
    noisy_centre: bool = False,
    normalised: bool = True,
    steps: int | None = None,
) -> Released:
    """U-turn by the released code: from the clean image, bounded in normalised space, the last iterate kept.

    It changes pixels by up to eps * max(std) / scalar, 1.013 eps with ImageNet's deviations, and by twice that with
    `noisy_centre` (the code's --randomstart, which also takes the target from the noisy image). CIFAR's numbers are
    std (.2023, .1994, .2010) and scalar 0.2. Where the article's figures are to be met, add `roundtrip: jpeg75`.
    """
    released = _released(eps, OppositeDirection(normalised=normalised), std, scalar, steps)
    return replace(released, noisy=noisy_centre)


def sma_released(
    eps: float,
    *,
    std: tuple[float, ...] = IMAGENET_STD,
    scalar: float = 0.226,
    normalised: bool = False,
    steps: int | None = None,
) -> Released:
    """The self metric attack as the same code compares it: always around a noisy image, so with twice the budget."""
    released = _released(eps, FeatureDistance(normalised=normalised), std, scalar, steps)
    return replace(released, noisy=True, clean_target=True)


def _released(eps: float, objective: Objective, std: tuple[float, ...], scalar: float, steps: int | None) -> Released:
    ball(eps)  # tells what cannot be meant
    if not std or not all(math.isfinite(one) and one > 0 for one in (*std, scalar)):
        raise UserError(f"std (one number per channel) and scalar are above 0, but they are {list(std)} and {scalar}")
    count = grey_steps(eps) if steps is None else steps
    return Released(objective, Scaled(eps, std, scalar), GREY, count)
