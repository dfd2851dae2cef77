"""U-turn's released code, with the choices that differ from its article."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from turncoat.attacks.ascend import GradientAttack, require_turns
from turncoat.attacks.best import Meter
from turncoat.attacks.steps import Steepest
from turncoat.core.balls import Linf
from turncoat.core.constraint import Constraint
from turncoat.core.criterion import Criterion
from turncoat.core.errors import UserError
from turncoat.core.levels import on_levels, straight_through
from turncoat.core.objective import Objective
from turncoat.core.outputs import Outputs
from turncoat.core.result import AttackResult
from turncoat.core.seeds import spread
from turncoat.core.truth import Columns, as_columns
from turncoat.core.victim import Victim


@dataclass(frozen=True)
class Scaled(Constraint):
    """No pixel changes by more than `eps` times its channel's `std` over `scalar`.

    The released code bounds an accumulator by eps and adds it, divided by one scalar, to an image that was normalised
    with three deviations. So the real bound is not eps: with ImageNet's it is 1.013, 0.991 and 0.996 times as much for
    red, green and blue, 16.21, 15.86 and 15.93 grey levels at 16. `distance` is in units of eps, as the code has it.
    The accumulator does not notice where black and white clip the image.
    """

    eps: float
    std: tuple[float, ...]
    scalar: float

    @property
    def reach(self) -> float:
        """The real bound: the most that any pixel can change."""
        return self.eps * max(self.std) / self.scalar

    def start(self, images: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        return Linf(self.eps).start(torch.full_like(images, 0.5), generators)

    def project(self, images: Tensor | None, variable: Tensor) -> Tensor:  # noqa: ARG002
        return variable.clamp(-self.eps, self.eps)

    def steepest(self, gradient: Tensor) -> Tensor:
        return gradient.sign()

    def distance(self, images: Tensor, candidate: Tensor) -> Tensor:
        return ((candidate - images) / self._gain(images)).abs().flatten(1).amax(1)

    def apply(self, images: Tensor, variable: Tensor) -> Tensor:
        moved = images + variable * self._gain(images)
        return straight_through(moved, moved.clamp(0, 1))

    def quantise(self, images: Tensor, candidate: Tensor) -> Tensor:
        """The nearest 8-bit level inside the channel's real bound."""
        bounds = zip(images.split(1, 1), candidate.split(1, 1), self._gain(images).flatten().tolist(), strict=True)
        return torch.cat([Linf(self.eps * gain).quantise(*channel) for *channel, gain in bounds], 1)

    def _gain(self, images: Tensor) -> Tensor:
        if len(self.std) != images.shape[-3]:
            raise UserError(
                f"std is one number per channel, {images.shape[-3]} for these images, but it is {list(self.std)}"
            )
        return (torch.tensor(self.std, dtype=images.dtype, device=images.device) / self.scalar)[:, None, None]


@dataclass(frozen=True)
class _Observed(Objective):
    """An objective that has seen the clean images elsewhere: the truth it is given is its reference."""

    inner: Objective

    def observe(self, clean: Outputs, truth: Columns) -> Columns:  # noqa: ARG002
        return truth

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        return self.inner(outputs, reference)


@dataclass(frozen=True)
class Released:
    """Signs of the gradient summed up in a `Scaled` accumulator from zero, on float images; the last iterate counts.

    With `noisy`, uniform noise of the whole bound is added first and the noisy image is the centre of the ball, so that
    the real change can be twice the bound; `constraint` states what holds around the clean image. The objective's
    target is taken from the centre, or with `clean_target` from the clean image. Where images are asked for on 8-bit
    levels, the last iterate is rounded to them; objective and verdict are those of the returned image, and relate to
    the clean one. A broken sample is not left alone.
    """

    objective: Objective
    inner: Scaled
    size: float
    steps: int
    noisy: bool = False
    clean_target: bool = False

    def __post_init__(self) -> None:
        require_turns(self.steps)

    @property
    def constraint(self) -> Scaled:
        """What holds around the clean image."""
        return replace(self.inner, eps=2 * self.inner.eps) if self.noisy else self.inner

    @property
    def passes(self) -> tuple[int, int]:
        """The forward and backward passes that one sample costs."""
        forwards, backwards = self._ascent.passes
        return forwards + 2, backwards

    @torch.no_grad()
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
        meter, columns = Meter(victim), as_columns(truth)
        images = images.detach()
        clean = victim(images)
        reference = self.objective.observe(clean, columns)
        verdict = criterion.observe(clean, columns) if criterion else {}
        noise = self.inner.start(images, spread(generator, images)) if self.noisy else torch.zeros_like(images)
        centre = self.inner.apply(images, noise)
        target = reference if self.clean_target else columns
        made = self._ascent(victim, centre, target, generator=generator, bits=None)
        last = self.constraint.quantise(images, made.images) if on_levels(bits) else made.images
        seen = victim(last)
        spent = meter.read(len(images))
        return replace(
            made,
            images=last,
            success=criterion(seen, verdict) if criterion else None,
            objective_clean=self.objective(clean, reference),
            objective=self.objective(seen, reference),
            forwards=torch.full_like(made.forwards, spent[0]),
            backwards=torch.full_like(made.backwards, spent[1]),
        )

    @property
    def _ascent(self) -> GradientAttack:
        objective = _Observed(self.objective) if self.clean_target else self.objective
        return GradientAttack(objective, self.inner, Steepest(self.size), steps=self.steps, last=True)
