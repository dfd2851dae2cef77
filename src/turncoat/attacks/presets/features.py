"""Attacks on descriptors: U-turn and the feature attacks it is compared with, all centred on the clean image."""

from __future__ import annotations

from turncoat.attacks.ascend import GradientAttack
from turncoat.attacks.presets.gradient import GREY, ball, grey_steps, stride
from turncoat.attacks.presets.transfer import looking, moving
from turncoat.attacks.starts import Jitter, Start, Uniform
from turncoat.attacks.steps import Adam, Steepest
from turncoat.objectives.features import FeatureDistance, OppositeDirection


def uturn(
    eps: float,
    *,
    norm: str = "linf",
    normalised: bool = True,
    steps: int | None = None,
    start: Start | None = None,
    scales: tuple[float, ...] = (1.0,),
    mirror: bool = False,
    momentum: float = 0.0,
    diversity: float = 0.0,
    smoothing: int = 0,
    copies: int = 0,
) -> GradientAttack:
    """U-turn (Zheng et al., IJCV 2023): steps of one grey level, round(min(1.25 eps, eps + 4)) of them.

    The article starts at the clean image, where the normalised objective has no gradient and rounding noise decides; we
    start from a seeded jitter of one grey level instead, inside the ball around the clean image.

    `scales`, for example (1, 0.7071, 0.5), takes the mean of the gradients at several sizes, each on that size's own
    descriptor and resized back (alg. 2), and `mirror` of those of the image and its mirror image; the iterates are
    judged at all of them alike. A victim that itself fuses sizes or mirror images needs neither. `momentum`,
    `diversity`, `smoothing` and `copies` are the tricks of `transferable`.
    """
    count = grey_steps(eps) if steps is None else steps
    return GradientAttack(
        OppositeDirection(normalised=normalised),
        ball(eps, norm),
        moving(GREY, momentum=momentum, smoothing=smoothing),
        steps=count,
        start=start or Jitter(GREY),
        views=looking(diversity=diversity, copies=copies, scales=scales, mirror=mirror),
    )


def sma(
    eps: float,
    *,
    norm: str = "linf",
    normalised: bool = False,
    steps: int | None = None,
    start: Start | None = None,
) -> GradientAttack:
    """Self metric attack (Bouniot et al. 2020): away from the clean descriptor, with U-turn's steps and jitter.

    The released comparison starts in a ball around an already noisy image and so spends up to twice the budget; we
    do not.
    """
    count = grey_steps(eps) if steps is None else steps
    return GradientAttack(
        FeatureDistance(normalised=normalised),
        ball(eps, norm),
        Steepest(GREY),
        steps=count,
        start=start or Jitter(GREY),
    )


def pire(eps: float, *, norm: str = "linf", steps: int | None = None, lr: float = 0.1) -> GradientAttack:
    """PIRE (Liu et al. 2019) as U-turn's article runs it: Adam, `lr` grey levels, uniform start, raw descriptor.

    Steps are U-turn's, 20 at 16/255. Adam moves about `lr` grey levels a step, so the article's 0.1 travels two of
    them in 20 steps; lr=1 is the fair setting.
    """
    count = grey_steps(eps) if steps is None else steps
    return GradientAttack(
        FeatureDistance(), ball(eps, norm), Adam(stride(lr, 0.1) * GREY), steps=count, start=Uniform()
    )


def tma(eps: float, *, norm: str = "linf", steps: int | None = None, lr: float = 0.1) -> GradientAttack:
    """TMA non-targeted (after Tolias et al. 2019): PIRE on the normalised descriptor."""
    count = grey_steps(eps) if steps is None else steps
    objective = FeatureDistance(normalised=True)
    return GradientAttack(objective, ball(eps, norm), Adam(stride(lr, 0.1) * GREY), steps=count, start=Uniform())
