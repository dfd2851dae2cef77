"""Attacks on rankings: RobRank's schedule on any objective, and the published attacks steered by other images.

Not here: the generator of deep mis-ranking (DMR; Wang et al., CVPR 2020), whose distances are those of LTM, and the
average-precision loss of MUAP (Ding et al., TIFS 2021).
"""

from __future__ import annotations

from turncoat.attacks.ascend import GradientAttack
from turncoat.attacks.presets.gradient import GREY, ball, beginning, stride
from turncoat.attacks.starts import Jitter, Start
from turncoat.attacks.steps import Steepest
from turncoat.core.objective import Objective
from turncoat.objectives.features import OppositeDirection
from turncoat.objectives.guides import Guided
from turncoat.objectives.rankings import Toward


def robrank(
    eps: float,
    *,
    objective: Objective | None = None,
    norm: str = "linf",
    steps: int = 32,
    size: float | None = None,
) -> GradientAttack:
    """RobRank's schedule (Zhou et al., T-PAMI 2024): 32 steps of 3 grey levels, or 3/8 eps if less.

    Towards what the task fears, for `ranking` the threat it names. Where that is flat at the clean image, as in ES, the
    released code adds 1e-7 to the target of the first step; we start from a jitter of one grey level.
    """
    goal = objective or OppositeDirection()
    usual = min(3 * GREY, 3 / 8 * eps) if norm == "linf" else 3 / 8 * eps
    return GradientAttack(goal, ball(eps, norm), Steepest(stride(size, usual)), steps=steps, start=beginning(goal))


def es(eps: float, *, norm: str = "linf", steps: int = 32, size: float | None = None) -> GradientAttack:
    """Embedding shift (Zhou et al., ECCV 2020): as far as can be from the clean descriptor, which is U-turn's aim."""
    return robrank(eps, objective=OppositeDirection(), norm=norm, steps=steps, size=size)


def tma_targeted(eps: float, *, norm: str = "linf", steps: int = 32, size: float | None = None) -> GradientAttack:
    """Targeted mismatch (Tolias et al. 2019) as RobRank runs it: towards the descriptor of a random gallery image."""
    return robrank(eps, objective=Toward(), norm=norm, steps=steps, size=size)


def fna(
    eps: float, *, norm: str = "linf", steps: int = 15, size: float = GREY, start: Start | None = None
) -> GradientAttack:
    """Furthest-negative attack (Bouniot et al. 2020): away from the own identity, towards the furthest other one.

    15 steps of one grey level, at 5/255 in the article. It starts from a jitter, like the other feature attacks here.
    """
    step = Steepest(stride(size, GREY))
    return GradientAttack(Guided(), ball(eps, norm), step, steps=steps, start=start or Jitter(GREY))
