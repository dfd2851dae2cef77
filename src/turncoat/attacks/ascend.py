"""The one loop: the only place where a gradient attack iterates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from turncoat.attacks.best import Best, Meter
from turncoat.attacks.lens import Batch, Lens, looks
from turncoat.attacks.starts import Start, Zero
from turncoat.attacks.steps import Move, Step
from turncoat.attacks.views import Plain, View
from turncoat.core.constraint import Constraint
from turncoat.core.criterion import Criterion
from turncoat.core.errors import UserError
from turncoat.core.levels import on_levels
from turncoat.core.objective import Objective
from turncoat.core.result import AttackResult
from turncoat.core.seeds import spread
from turncoat.core.truth import Columns, as_columns, rows
from turncoat.core.victim import Victim


@dataclass(frozen=True)
class GradientAttack:
    """Everything that distinguishes one published gradient attack from another."""

    objective: Objective
    constraint: Constraint
    step: Step
    steps: int
    start: Start = field(default_factory=Zero)
    restarts: int = 1
    views: Sequence[View] = (Plain(),)
    last: bool = False

    def __post_init__(self) -> None:
        require_turns(self.steps, self.restarts, shared=self.constraint.shared)

    @property
    def passes(self) -> tuple[int, int]:
        """The most forward and backward passes that one sample can cost."""
        judged, climbed = looks(self.views)
        forwards = judged + self.restarts * (self.steps * climbed + judged)
        return forwards, self.restarts * self.steps * len(self.views)

    def __call__(
        self,
        victim: Victim,
        images: Tensor,
        truth: Tensor | Columns | None = None,
        *,
        generator: torch.Generator,
        criterion: Criterion | None = None,
        active_set: bool = True,
        bits: int | None = 8,
    ) -> AttackResult:
        return ascend(
            victim,
            images,
            truth,
            self.objective,
            self.constraint,
            self.step,
            steps=self.steps,
            start=self.start,
            restarts=self.restarts,
            views=self.views,
            last=self.last,
            criterion=criterion,
            generator=generator,
            active_set=active_set,
            bits=bits,
        )


def require_turns(steps: int, restarts: int = 1, *, shared: bool = False) -> None:
    """Raise UserError for numbers of steps and restarts that cannot be made."""
    if steps < 0 or restarts < 1 or (shared and restarts > 1):
        raise UserError(
            f"steps >= 0 and restarts >= 1 (1 for a shared variable) are needed, not {steps} and {restarts}"
        )


def ascend(
    victim: Victim,
    images: Tensor,
    truth: Tensor | Columns | None,
    objective: Objective,
    constraint: Constraint,
    step: Step,
    *,
    steps: int,
    generator: torch.Generator,
    start: Start | None = None,
    restarts: int = 1,
    views: Sequence[View] = (Plain(),),
    last: bool = False,
    criterion: Criterion | None = None,
    active_set: bool = True,
    bits: int | None = 8,
) -> AttackResult:
    """Raise `objective` inside `constraint` for `steps` steps from each of `restarts` starts; keep the best per sample.

    The arguments shared by all attacks are described at `Attack`. With a criterion a sample is finished at its first
    broken iterate. The gradient is the mean over `views`; their anchors (the plain image, for all that only lend their
    gradient) judge the iterates. `last` keeps the last iterate of a sample instead of its best.
    """
    victim.require_gradients()
    if not views:
        raise UserError("a gradient needs at least one view: leave views out for the plain image")
    require_turns(steps, restarts, shared=constraint.shared)
    meter = Meter(victim)
    lens = Lens(victim, objective, constraint, criterion, tuple(views), on_levels(bits))
    # one memory format from here on: arithmetic on two that differ costs as much as a layer
    inner = images.detach().contiguous(memory_format=torch.channels_last)
    batch = lens.observe(inner, as_columns(truth), spread(generator, images))
    result = batch.untouched()
    result.forwards.fill_(meter.read(len(images))[0])
    if constraint.shared:
        climb = _climb(lens, batch, step, steps, start or Zero(), active_set=False, last=last)
        result = replace(climb, forwards=climb.forwards + result.forwards)
    for _ in range(0 if constraint.shared else restarts):
        unbroken = torch.ones_like(result.forwards, dtype=torch.bool) if result.success is None else ~result.success
        left = unbroken.nonzero()[:, 0]
        if not len(left):
            break
        climb = _climb(lens, batch.take(left), step, steps, start or Zero(), active_set=active_set, last=last)
        result = result.better_of(climb, left)
    untouched = result.objective == -math.inf
    reached = torch.where(untouched, result.objective_clean, result.objective)
    return replace(result, images=result.images.contiguous(), objective=reached)


@torch.enable_grad()
def _climb(
    lens: Lens, batch: Batch, step: Step, steps: int, start: Start, *, active_set: bool, last: bool
) -> AttackResult:
    """One ascent from one start; the rows of what it returns are those of `batch`."""
    best = Best(batch, shared=lens.constraint.shared, last=last)
    live = torch.arange(len(batch.images), device=batch.images.device)
    meter = Meter(lens.victim)
    variable = start(batch.images, lens.constraint, batch.generators).contiguous(memory_format=torch.channels_last)
    state = step.begin(variable)
    for turn in range(steps + 1):
        variable = variable.detach().requires_grad_(turn < steps)
        images = lens.candidates(batch, variable)
        value, broken, slope = lens.look(batch, images, differentiate=turn < steps)
        best.pay(live, meter)
        if turn > 0 or start.random:
            best.see(live, images.detach(), value, broken)
        if slope is None:
            break
        # a sample without a finite slope must not spoil a variable that all samples share
        (gradient,) = torch.autograd.grad(images, variable, slope.nan_to_num_(0.0, 0.0, 0.0))
        if active_set and bool(best.finished[live].any()):
            stay = (~best.finished[live]).nonzero()[:, 0]
            live, batch, value = live[stay], batch.take(stay), value[stay]
            variable, gradient, state = variable[stay], gradient[stay], rows(state, stay)
            if not len(live):
                break
        finite = gradient.nan_to_num_(0.0, 0.0, 0.0)
        reached = value.nanmean()[None] if lens.constraint.shared else value
        move = Move(batch.images, variable.detach(), finite, reached, lens.constraint, turn, steps)
        variable, state = step(move, state)
        best.moved(live)
    return best.result()
