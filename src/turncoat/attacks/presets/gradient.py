"""Published gradient attacks on any objective; cross-entropy unless told otherwise."""

from __future__ import annotations

import math

from turncoat.attacks.ascend import GradientAttack
from turncoat.attacks.cw import CarliniWagner
from turncoat.attacks.gauntlet import Gauntlet
from turncoat.attacks.noise import NoiseAttack
from turncoat.attacks.starts import Jitter, Start, Uniform, Zero
from turncoat.attacks.steps import APGD, Momentum, Steepest
from turncoat.core.balls import L2, Linf
from turncoat.core.constraint import Constraint
from turncoat.core.errors import UserError
from turncoat.core.objective import Objective
from turncoat.objectives.labels import (
    CrossEntropy,
    DifferenceOfLogitsRatio,
    LabelSmoothing,
    LeastLikely,
    LogitMargin,
    TargetedDLR,
)

GREY = 1 / 255


def ball(eps: float, norm: str = "linf") -> Constraint:
    """The ball of radius `eps` (pixel units) in the norm `linf` or `l2`; UserError for what cannot be meant."""
    if not eps >= 0:
        raise UserError(f"eps is a length and cannot be {eps}")
    if norm == "linf" and eps > 1:
        raise UserError(f"eps={eps:g} is more than a whole image can change: pixels lie in [0, 1], write {eps:g}/255")
    if norm not in ("linf", "l2"):
        raise UserError(f"norm is 'linf' or 'l2', not {norm!r}")
    return Linf(eps) if norm == "linf" else L2(eps)


def stride(size: float | None, usual: float) -> float:
    """The size of a step: the usual one, or as given, which is then above 0; UserError for what cannot be meant."""
    if size is None:
        return usual
    if not 0 < size < math.inf:
        raise UserError(f"the size of a step is a length above 0, not {size:g}")
    return size


def beginning(objective: Objective) -> Start:
    """The clean image; for an objective that is flat there, a jitter of one grey level."""
    return Jitter(GREY) if objective.flat else Zero()


def noise(eps: float, *, objective: Objective | None = None, norm: str = "linf", sign: bool = False) -> NoiseAttack:
    """Uniform noise of the same budget, or with `sign` plus or minus eps at every pixel: the control of every audit."""
    constraint = ball(eps, norm)
    return NoiseAttack(objective or CrossEntropy(), constraint, eps if norm == "linf" else 1.0, sign=sign)


def fgsm(eps: float, *, objective: Objective | None = None, norm: str = "linf") -> GradientAttack:
    """One step of the whole budget (Goodfellow et al. 2015); called Fast in the ranking literature."""
    goal = objective or CrossEntropy()
    return GradientAttack(goal, ball(eps, norm), Steepest(eps), steps=1, start=beginning(goal))


def bim(
    eps: float,
    *,
    objective: Objective | None = None,
    norm: str = "linf",
    steps: int | None = None,
    size: float = GREY,
) -> GradientAttack:
    """Small steps from the clean image (Kurakin et al. 2017): one grey level each, min(1.25 eps, eps + 4) of them."""
    goal = objective or CrossEntropy()
    count = grey_steps(eps) if steps is None else steps
    return GradientAttack(goal, ball(eps, norm), Steepest(stride(size, GREY)), steps=count, start=beginning(goal))


def pgd(
    eps: float,
    *,
    objective: Objective | None = None,
    norm: str = "linf",
    steps: int = 20,
    size: float | None = None,
    restarts: int = 1,
    start: Start | None = None,
) -> GradientAttack:
    """Projected gradient ascent from a random start (Madry et al. 2018); a step is eps/4 unless told otherwise."""
    return GradientAttack(
        objective or CrossEntropy(),
        ball(eps, norm),
        Steepest(stride(size, eps / 4)),
        steps=steps,
        start=start or Uniform(),
        restarts=restarts,
    )


def mifgsm(
    eps: float, *, objective: Objective | None = None, norm: str = "linf", steps: int = 10, decay: float = 1.0
) -> GradientAttack:
    """Momentum iterative FGSM (Dong et al. 2018): steps of eps over their number, decay 1."""
    goal = objective or CrossEntropy()
    step = Momentum(eps / max(steps, 1), decay)
    return GradientAttack(goal, ball(eps, norm), step, steps=steps, start=beginning(goal))


def least_likely(eps: float, *, norm: str = "linf", steps: int | None = None, size: float = GREY) -> GradientAttack:
    """Towards the least likely class of the clean image (Kurakin et al. 2017), scheduled like `bim`."""
    return bim(eps, objective=LeastLikely(), norm=norm, steps=steps, size=size)


def label_smoothing(eps: float, *, norm: str = "linf", steps: int | None = None, size: float = GREY) -> GradientAttack:
    """Towards equal probabilities (method 4 of U-turn's released code), scheduled like `bim`."""
    return bim(eps, objective=LabelSmoothing(), norm=norm, steps=steps, size=size)


def apgd(
    eps: float, *, objective: Objective | None = None, norm: str = "linf", steps: int = 100, restarts: int = 1
) -> GradientAttack:
    """Auto-PGD (Croce and Hein 2020) on any objective; cross-entropy by default."""
    return GradientAttack(
        objective or CrossEntropy(),
        ball(eps, norm),
        APGD(2 * eps),
        steps=steps,
        start=Uniform(),
        restarts=restarts,
    )


def apgd_dlr(eps: float, *, norm: str = "linf", steps: int = 100, restarts: int = 1) -> GradientAttack:
    """Auto-PGD on the difference-of-logits ratio (Croce and Hein 2020)."""
    return apgd(eps, objective=DifferenceOfLogitsRatio(), norm=norm, steps=steps, restarts=restarts)


def apgd_targeted(eps: float, *, norm: str = "linf", steps: int = 100, targets: int = 9) -> Gauntlet:
    """Auto-PGD on targeted DLR towards each of the `targets` best wrong classes in turn (Croce and Hein 2020)."""
    if targets < 1:
        raise UserError(f"targets: at least one class to aim at is needed, not {targets}")
    ranks = range(1, targets + 1)
    return Gauntlet(tuple(apgd(eps, objective=TargetedDLR(rank=rank), norm=norm, steps=steps) for rank in ranks))


def cw(
    eps: float = float("inf"), *, objective: Objective | None = None, steps: int = 100, searches: int = 9
) -> CarliniWagner:
    """The smallest L2 change (Carlini and Wagner 2017); `objective` is a margin, positive exactly when broken."""
    return CarliniWagner(objective or LogitMargin(), eps=eps, steps=steps, searches=searches)


def grey_steps(eps: float) -> int:
    """round(min(1.25 eps, eps + 4)) with eps in grey levels, half to even as in U-turn's released code."""
    grey = eps * 255
    return round(round(min(1.25 * grey, grey + 4), 6))
