"""The one loop: the only place where a gradient attack iterates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from turncoat.attacks.starts import Start, Zero
from turncoat.attacks.steps import Move, Step
from turncoat.attacks.views import Plain, View
from turncoat.core.constraint import Constraint, straight_through
from turncoat.core.criterion import Criterion
from turncoat.core.errors import UserError
from turncoat.core.objective import Objective
from turncoat.core.outputs import Outputs
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

    @property
    def passes(self) -> tuple[int, int]:
        """The most forward and backward passes that one sample can cost."""
        looks = self.restarts * (self.steps + 1)
        views = len(self.views)
        plain = 0 if any(isinstance(view, Plain) for view in self.views) else 1
        return views + 1 + looks * (views + plain), self.restarts * self.steps * views

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
            criterion=criterion,
            generator=generator,
            active_set=active_set,
            bits=bits,
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
    criterion: Criterion | None = None,
    active_set: bool = True,
    bits: int | None = 8,
) -> AttackResult:
    """Raise `objective` inside `constraint` for `steps` steps from each of `restarts` starts; keep the best per sample.

    The arguments shared by all attacks are described at `Attack`. With a criterion a sample is finished at its first
    broken iterate. The gradient is the mean over `views`; the fixed ones
    (the plain image, if all are random) judge the iterates.
    """
    if not victim.differentiable:
        raise UserError(
            f"{victim.name} gives no gradients: use a query attack, or craft on another victim and transfer"
        )
    if bits not in (8, None):
        raise UserError(f"images are kept on 8-bit levels (bits=8) or not (bits=None), not {bits}")
    if steps < 0 or restarts < 1 or (constraint.shared and restarts > 1):
        raise UserError(
            f"steps >= 0 and restarts >= 1 (1 for a shared variable) are needed, not {steps} and {restarts}"
        )
    meter = _Meter(victim)
    lens = Lens(victim, objective, constraint, criterion, tuple(views), bits is not None)
    batch = lens.observe(images.detach(), as_columns(truth), spread(generator, images))
    result = batch.untouched()
    result.forwards.fill_(meter.read(len(images))[0])
    if constraint.shared:
        climb = _climb(lens, batch, step, steps, start or Zero(), active_set=False)
        result = replace(climb, forwards=climb.forwards + result.forwards)
    for _ in range(0 if constraint.shared else restarts):
        unbroken = torch.ones_like(result.forwards, dtype=torch.bool) if result.success is None else ~result.success
        left = unbroken.nonzero()[:, 0]
        if not len(left):
            break
        climb = _climb(lens, batch.take(left), step, steps, start or Zero(), active_set)
        result = result.better_of(climb, left)
    untouched = result.objective == -math.inf
    return replace(result, objective=torch.where(untouched, result.objective_clean, result.objective))


@dataclass(frozen=True)
class Batch:
    """Samples under attack with all that belongs to them, row by row."""

    images: Tensor
    references: tuple[Columns, ...]  # one per view
    verdict: Columns
    generators: list[torch.Generator]
    objective_clean: Tensor
    broken_clean: Tensor | None

    def take(self, index: Tensor) -> Batch:
        return Batch(
            self.images[index],
            tuple(rows(reference, index) for reference in self.references),
            rows(self.verdict, index),
            [self.generators[place] for place in index.tolist()],
            self.objective_clean[index],
            None if self.broken_clean is None else self.broken_clean[index],
        )

    def untouched(self) -> AttackResult:
        """The clean images as the result so far; an objective of -inf says that no iterate has been kept yet."""
        nothing = torch.zeros(len(self.images), dtype=torch.int64, device=self.images.device)
        return AttackResult(
            images=self.images.clone(),
            success=None if self.broken_clean is None else self.broken_clean.clone(),
            objective_clean=self.objective_clean,
            objective=torch.full_like(self.objective_clean, -math.inf),
            forwards=nothing,
            backwards=nothing.clone(),
            steps_used=nothing.clone(),
        )


@dataclass(frozen=True)
class Lens:
    """How one ascent sees an image: through which views it asks the victim, and what it makes of the answer."""

    victim: Victim
    objective: Objective
    constraint: Constraint
    criterion: Criterion | None
    views: tuple[View, ...]
    round: bool

    @torch.no_grad()
    def observe(self, images: Tensor, truth: Columns, generators: list[torch.Generator]) -> Batch:
        """Look at the clean images once; a fixed view has its own reference, a random one that of the plain image."""
        plain = self.victim(images)
        seen = [
            plain if view.random or isinstance(view, Plain) else self.victim(view(images, generators))
            for view in self.views
        ]
        references = tuple(self.objective.observe(outputs, truth) for outputs in seen)
        looks = list(zip(self.views, seen, references, strict=True))
        judged = [look for look in looks if not look[0].random] or looks[:1]
        clean = _mean([self.objective(outputs, reference) for _, outputs, reference in judged])
        verdict = self.criterion.observe(plain, truth) if self.criterion else {}
        broken = self.criterion(plain, verdict) if self.criterion else None
        return Batch(images, references, verdict, generators, clean, broken)

    def candidates(self, batch: Batch, variable: Tensor) -> Tensor:
        """The images that a variable stands for, as they would be saved; differentiable in the variable."""
        moved = self.constraint.apply(batch.images, variable)
        return straight_through(moved, self.constraint.quantise(batch.images, moved.detach())) if self.round else moved

    def look(self, batch: Batch, images: Tensor, *, differentiate: bool) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Objective `[N]`, verdict `[N]` and, if asked for, the gradient with respect to the images."""
        plain: Outputs | None = None
        judged, slopes = [], []
        for view, reference in zip(self.views, batch.references, strict=True):
            if view.random and not differentiate:
                continue
            with torch.set_grad_enabled(differentiate):
                leaf = images.detach().requires_grad_(differentiate)
                outputs = self.victim(view(leaf, batch.generators))
                value = self.objective(outputs, reference)
            if differentiate and not value.requires_grad:
                raise UserError(f"{self.victim.name} gives no gradients: something in it or before it cuts the graph")
            if differentiate:
                slopes.append(torch.autograd.grad(value.sum(), leaf)[0])
            if not view.random:
                judged.append(value.detach())
            if isinstance(view, Plain):
                plain = outputs.detach()
        with torch.no_grad():
            if plain is None and (self.criterion or not judged):
                plain = self.victim(images.detach())
            if plain is not None and not judged:
                judged.append(self.objective(plain, batch.references[0]))
            broken = self.criterion(plain, batch.verdict) if self.criterion and plain is not None else None
        return _mean(judged), broken, _mean(slopes) if slopes else None


def _mean(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.stack(parts).mean(0)


@torch.enable_grad()
def _climb(lens: Lens, batch: Batch, step: Step, steps: int, start: Start, active_set: bool) -> AttackResult:
    """One ascent from one start; the rows of what it returns are those of `batch`."""
    best = _Best(batch, shared=lens.constraint.shared)
    live = torch.arange(len(batch.images), device=batch.images.device)
    meter = _Meter(lens.victim)
    variable = start(batch.images, lens.constraint, batch.generators)
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


class _Best:
    """The best iterate of every sample so far and what it has cost; a finished sample does not change any more."""

    def __init__(self, batch: Batch, *, shared: bool) -> None:
        self.kept = batch.untouched()
        self.shared = shared
        self.finished = torch.zeros_like(self.kept.forwards, dtype=torch.bool)

    def see(self, live: Tensor, images: Tensor, value: Tensor, broken: Tensor | None) -> None:
        """Keep the iterate where it is better or the first that breaks; a shared variable as a whole or not at all.

        Of equals the later one is kept: on an overconfident victim the loss is 0 to rounding all the way.
        """
        kept = self.kept
        if self.shared:
            better = (value.nanmean() > kept.objective[live].nanmean()).expand(len(live))
        else:
            better = value >= kept.objective[live]
            better = (better if broken is None else better | broken) & ~self.finished[live]
        chosen = live[better]
        kept.images[chosen] = images[better]
        kept.objective[chosen] = value[better]
        if broken is not None and kept.success is not None:
            kept.success[chosen] = broken[better]
            if not self.shared:
                self.finished[chosen] = broken[better]

    def pay(self, live: Tensor, meter: _Meter) -> None:
        forwards, backwards = meter.read(len(live))
        self.kept.forwards[live] += forwards
        self.kept.backwards[live] += backwards

    def moved(self, live: Tensor) -> None:
        self.kept.steps_used[live] += ~self.finished[live]

    def result(self) -> AttackResult:
        return self.kept


class _Meter:
    """What every sample of a batch has cost since the last reading."""

    def __init__(self, victim: Victim) -> None:
        self.passes = victim.passes
        self.forwards, self.backwards = victim.passes.forwards, victim.passes.backwards

    def read(self, samples: int) -> tuple[int, int]:
        spent = self.passes.forwards - self.forwards, self.passes.backwards - self.backwards
        self.forwards, self.backwards = self.passes.forwards, self.passes.backwards
        return spent[0] // max(samples, 1), spent[1] // max(samples, 1)
