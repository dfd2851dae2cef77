"""What makes images that fool one network fool others: four tricks that go with any objective."""

from __future__ import annotations

from turncoat.attacks.ascend import GradientAttack
from turncoat.attacks.presets.gradient import ball, beginning, stride
from turncoat.attacks.steps import Momentum, Smoothed, Steepest, Step
from turncoat.attacks.views import Dimmed, Mirror, Plain, ResizeAndPad, Scale, View, chained
from turncoat.core.errors import UserError
from turncoat.core.objective import Objective
from turncoat.objectives.labels import CrossEntropy


def transferable(
    eps: float,
    *,
    objective: Objective | None = None,
    norm: str = "linf",
    steps: int = 10,
    size: float | None = None,
    momentum: float = 1.0,
    diversity: float = 0.7,
    smoothing: int = 7,
    copies: int = 5,
) -> GradientAttack:
    """Momentum, input diversity, translation smoothing and scale invariance together; 0 turns each of them off.

    `momentum` is MI-FGSM's decay (Dong et al. 2018), `diversity` the chance that a look is resized and padded (Xie et
    al. 2019), `smoothing` the side of the kernel that blurs the gradient (Dong et al. 2019), `copies` how many images,
    each half as bright as the one before, a gradient is the mean over (Lin et al. 2020). A step is eps over their
    number unless told otherwise. The iterates are judged on the plain image.
    """
    goal = objective or CrossEntropy()
    return GradientAttack(
        goal,
        ball(eps, norm),
        moving(stride(size, eps / max(steps, 1)), momentum=momentum, smoothing=smoothing),
        steps=steps,
        start=beginning(goal),
        views=looking(diversity=diversity, copies=copies),
    )


def moving(size: float, *, momentum: float = 0.0, smoothing: int = 0) -> Step:
    """A step of that size along the gradient, with what it remembers and how it is blurred."""
    step = Momentum(size, momentum) if momentum else Steepest(size)
    return Smoothed(step, smoothing) if smoothing else step


def looking(
    *, diversity: float = 0.0, copies: int = 0, scales: tuple[float, ...] = (1.0,), mirror: bool = False
) -> tuple[View, ...]:
    """The views of a gradient: at every scale, plainly and mirrored, every copy of it, resized and padded by chance.

    The iterates are judged at every scale, plainly and mirrored; the copies and the chance only lend their gradient.
    """
    if not 0 <= diversity <= 1:
        raise UserError(f"diversity is a chance between 0 and 1, not {diversity:g}")
    if copies < 0:
        raise UserError(f"copies is a number of images of at least 0, not {copies}")
    if not scales or not all(0.1 <= scale <= 4 for scale in scales) or len(set(scales)) != len(scales):
        raise UserError(f"scales are different factors from 0.1 to 4, for example [1, 0.7071, 0.5], not {list(scales)}")
    chance = ResizeAndPad(probability=diversity) if diversity else Plain()
    return tuple(
        chained(
            Dimmed(0.5**copy) if copy else Plain(),
            chance,
            sight,
            Plain() if scale == 1 else Scale(scale, adjoint=False),
        )
        for scale in scales
        for sight in ((Plain(), Mirror()) if mirror else (Plain(),))
        for copy in range(max(copies, 1))
    )
