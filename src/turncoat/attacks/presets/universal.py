"""One perturbation for every image."""

from __future__ import annotations

from turncoat.attacks.presets.gradient import GREY, ball, beginning, stride
from turncoat.attacks.presets.transfer import looking, moving
from turncoat.attacks.universal import Universal
from turncoat.core.objective import Objective
from turncoat.objectives.features import OppositeDirection


def universal(
    eps: float,
    *,
    objective: Objective | None = None,
    norm: str = "linf",
    epochs: int = 5,
    batch: int = 32,
    size: float | None = None,
    momentum: float = 0.0,
    diversity: float = 0.0,
    smoothing: int = 0,
    copies: int = 0,
) -> Universal:
    """A universal perturbation by signed steps over mini-batches (Shafahi et al., AAAI 2020, alg. 1).

    `epochs` passes over the data, batches of `batch` images, steps of one grey level under linf and of eps/10 under l2
    unless told otherwise; U-turn's objective by default. `momentum`, `diversity`, `smoothing` and `copies` are the
    tricks of `transferable`.
    """
    goal = objective or OppositeDirection()
    usual = GREY if norm == "linf" else eps / 10
    return Universal(
        goal,
        ball(eps, norm),
        moving(stride(size, usual), momentum=momentum, smoothing=smoothing),
        epochs,
        batch,
        start=beginning(goal),
        views=looking(diversity=diversity, copies=copies),
    )
