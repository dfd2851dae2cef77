"""One perturbation for every image: learnt from many, then added to any."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, repeat
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from turncoat.attacks.best import Meter
from turncoat.attacks.lens import Batch, Lens, looks
from turncoat.attacks.once import once
from turncoat.attacks.starts import Start, Zero
from turncoat.attacks.steps import Move, Step
from turncoat.attacks.views import Plain, View
from turncoat.core.constraint import Constraint, Shared
from turncoat.core.criterion import Criterion
from turncoat.core.errors import UserError
from turncoat.core.levels import on_levels
from turncoat.core.objective import Objective
from turncoat.core.result import AttackResult
from turncoat.core.seeds import spread
from turncoat.core.truth import Columns, as_columns, rows
from turncoat.core.victim import Victim


class Batches(Protocol):
    """Images with their truth in batches, which can be gone through again and again, in the same order or another."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor | Columns | None]]: ...


@dataclass(frozen=True)
class Universal:
    """Learns a perturbation by `epochs` passes over a data set, a step along each batch's mean gradient.

    With steps of the sign this is the method of Shafahi et al. (AAAI 2020, alg. 1); the last iterate is taken. Called
    as an attack it learns from the very images it is given, in batches of `batch`, so that a sample's result depends
    on the others; usually one learns from other images and attacks with `fixed(learn(...))`.
    """

    objective: Objective
    constraint: Constraint
    step: Step
    epochs: int
    batch: int
    start: Start = field(default_factory=Zero)
    views: tuple[View, ...] = (Plain(),)

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1:
            told = f"not {self.epochs}, {self.batch}"
            raise UserError(f"a universal perturbation takes at least one epoch and one image a batch, {told}")

    @property
    def lesson(self) -> tuple[int, int]:
        """The most forward and backward passes that one image to learn from can cost."""
        judged, climbed = looks(self.views)
        return self.epochs * (judged + climbed), self.epochs * len(self.views)

    @property
    def passes(self) -> tuple[int, int]:
        """The most forward and backward passes that one sample can cost."""
        forwards, backwards = self.lesson
        return forwards + 2, backwards

    @torch.enable_grad()
    def learn(self, victim: Victim, batches: Batches, *, generator: torch.Generator, bits: int | None = 8) -> Tensor:
        """The perturbation `[1, C, H, W]`; all images must be of one size, of which one batch is held at a time.

        Raises UserError where there is nothing to learn from or the images differ in size.
        """
        victim.require_gradients()
        turns = self.epochs * len(batches)
        if not turns:
            raise UserError("a universal perturbation needs images to learn from, and at least one epoch")
        lens = Lens(victim, self.objective, Shared(self.constraint), None, self.views, on_levels(bits))
        first, _ = next(iter(batches))
        variable = self.start(first, lens.constraint, spread(generator, first))
        state = self.step.begin(variable)
        for turn, (images, truth) in enumerate(chain.from_iterable(repeat(batches, self.epochs))):
            if images.shape[1:] != first.shape[1:]:
                sizes = " and ".join("x".join(map(str, shape[2:])) for shape in (first.shape, images.shape))
                raise UserError(f"one perturbation needs images of one size to learn from, not {sizes}")
            batch = lens.observe(images.detach(), as_columns(truth), spread(generator, images))
            variable, state = self.step(_move(lens, batch, variable, turn, turns), state)
        return variable.detach().contiguous()

    def fixed(self, perturbation: Tensor) -> Fixed:
        """The attack that adds this perturbation."""
        return Fixed(perturbation, self.objective, self.constraint)

    def __call__(
        self,
        victim: Victim,
        images: Tensor,
        truth: Tensor | Columns | None = None,
        *,
        generator: torch.Generator,
        criterion: Criterion | None = None,
        active_set: bool = True,  # noqa: ARG002
        bits: int | None = 8,
    ) -> AttackResult:
        columns, meter = as_columns(truth), Meter(victim)
        parts = torch.arange(len(images), device=images.device).split(self.batch)
        learnt = self.learn(
            victim, [(images[part], rows(columns, part)) for part in parts], generator=generator, bits=bits
        )
        forwards, backwards = meter.read(len(images))
        result = self.fixed(learnt)(victim, images, columns, generator=generator, criterion=criterion, bits=bits)
        return replace(
            result,
            forwards=result.forwards + forwards,
            backwards=result.backwards + backwards,
            steps_used=result.steps_used + self.epochs * len(parts),
        )


@dataclass(frozen=True, eq=False)
class Fixed:
    """Adds one perturbation `[1, C, H, W]`, resized bilinearly to the image, inside the constraint around each."""

    perturbation: Tensor
    objective: Objective
    constraint: Constraint
    passes = (2, 0)

    def __call__(
        self,
        victim: Victim,
        images: Tensor,
        truth: Tensor | Columns | None = None,
        *,
        generator: torch.Generator,  # noqa: ARG002
        criterion: Criterion | None = None,
        active_set: bool = True,  # noqa: ARG002
        bits: int | None = 8,
    ) -> AttackResult:
        columns = as_columns(truth)
        return once(
            victim, images, columns, self.objective, self.constraint, self._around, criterion=criterion, bits=bits
        )

    def _around(self, images: Tensor) -> Tensor:
        size = images.shape[2:]
        added = self.perturbation.to(images)
        if added.shape[2:] != size:
            added = F.interpolate(added, size=size, mode="bilinear", align_corners=False)
        return self.constraint.project(images, added.expand_as(images))


def _move(lens: Lens, batch: Batch, variable: Tensor, turn: int, turns: int) -> Move:
    """What a step sees of one batch: the mean gradient of its samples, those without a finite one left out."""
    leaf = variable.detach().requires_grad_()
    seen = lens.candidates(batch, leaf)
    value, _, slope = lens.look(batch, seen, differentiate=True)
    if slope is None:
        raise ValueError("a look that differentiates gives a slope")
    (gradient,) = torch.autograd.grad(seen, leaf, slope.nan_to_num_(0.0, 0.0, 0.0) / len(slope))
    reached = value.nanmean()[None]
    return Move(batch.images, leaf.detach(), gradient.nan_to_num_(0.0, 0.0, 0.0), reached, lens.constraint, turn, turns)
