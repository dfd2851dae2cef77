"""How the variable moves along a gradient: one frozen class per rule, its memory in a dict of tensors per sample."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from turncoat.core.constraint import Constraint
from turncoat.core.errors import UserError

State = dict[str, Tensor]


@dataclass(frozen=True)
class Move:
    """What a step may look at: iterate `turn` of `turns`, and there the objective `[N]` and a finite gradient."""

    images: Tensor
    variable: Tensor
    gradient: Tensor
    objective: Tensor
    constraint: Constraint
    turn: int
    turns: int

    def towards(self, direction: Tensor, size: Tensor | float) -> Tensor:
        """The variable moved by `size` along a direction and brought back into the constraint."""
        return self.constraint.project(self.images, self.variable + size * direction)


class Step(ABC):
    """A rule of ascent; every tensor of its state has one row per sample, so that finished samples can leave."""

    def begin(self, variable: Tensor) -> State:  # noqa: ARG002
        return {}

    @abstractmethod
    def __call__(self, move: Move, state: State) -> tuple[Tensor, State]: ...


@dataclass(frozen=True)
class Steepest(Step):
    """`size` along the constraint's steepest direction: the sign under Linf, the unit gradient under L2."""

    size: float

    def __post_init__(self) -> None:
        _require_length(self.size)

    def __call__(self, move: Move, state: State) -> tuple[Tensor, State]:
        return move.towards(move.constraint.steepest(move.gradient), self.size), state


@dataclass(frozen=True)
class Momentum(Step):
    """Steepest along decayed past gradients, each over its mean absolute value (MI-FGSM; Dong et al. 2018, eq. 6)."""

    size: float
    decay: float = 1.0

    def __post_init__(self) -> None:
        _require_length(self.size)
        if not 0 <= self.decay < math.inf:
            raise UserError(f"the decay of a momentum is a number of at least 0, not {self.decay:g}")

    def begin(self, variable: Tensor) -> State:
        return {"velocity": torch.zeros_like(variable)}

    def __call__(self, move: Move, state: State) -> tuple[Tensor, State]:
        mean = move.gradient.abs().flatten(1).mean(1).view(_lead(move.gradient))
        fresh = move.gradient / mean.where(mean > 0, 1)
        velocity = self.decay * state["velocity"] + fresh
        return move.towards(move.constraint.steepest(velocity), self.size), {"velocity": velocity}


@dataclass(frozen=True)
class Adam(Step):
    """Adam's step of about `size` per pixel (Kingma and Ba 2015), then the projection."""

    size: float
    decays: tuple[float, float] = (0.9, 0.999)

    def __post_init__(self) -> None:
        _require_length(self.size)

    def begin(self, variable: Tensor) -> State:
        return {"mean": torch.zeros_like(variable), "square": torch.zeros_like(variable)}

    def __call__(self, move: Move, state: State) -> tuple[Tensor, State]:
        first, second = self.decays
        mean = first * state["mean"] + (1 - first) * move.gradient
        square = second * state["square"] + (1 - second) * move.gradient.square()
        turn = move.turn + 1
        direction = (mean / (1 - first**turn)) / ((square / (1 - second**turn)).sqrt() + 1e-8)
        return move.towards(direction, self.size), {"mean": mean, "square": square}


@dataclass(frozen=True)
class Smoothed(Step):
    """Another step on a blurred gradient, which transfers better (translation invariance; Dong et al. 2019, sec. 3.3).

    The kernel is a normalised Gaussian of `size` x `size` pixels (odd); `sigma` pixels wide, half the size over
    sqrt(3) unless told otherwise, as in the article. Beyond the border the gradient counts as zero.
    """

    step: Step
    size: int = 7
    sigma: float | None = None

    def __post_init__(self) -> None:
        if self.size < 1 or self.size % 2 == 0:
            raise UserError(f"the side of a smoothing kernel is an odd number of pixels, not {self.size}")
        if self.sigma is not None and not 0 < self.sigma < math.inf:
            raise UserError(f"the width of a smoothing kernel is above 0, not {self.sigma}")

    def begin(self, variable: Tensor) -> State:
        return self.step.begin(variable)

    def __call__(self, move: Move, state: State) -> tuple[Tensor, State]:
        if self.size == 1:
            return self.step(move, state)
        channels, reach = move.gradient.shape[1], self.size // 2
        kernel = self.kernel(move.gradient)
        # a row, then a column: the square kernel is their product
        across = kernel.expand(channels, 1, 1, -1)
        blurred = F.conv2d(move.gradient, across, padding=(0, reach), groups=channels)
        blurred = F.conv2d(blurred, across.mT, padding=(reach, 0), groups=channels)
        return self.step(replace(move, gradient=blurred), state)

    def kernel(self, like: Tensor) -> Tensor:
        """One side of the kernel `[size]`, which sums to one, of the type and device of `like`."""
        reach = self.size // 2
        places = torch.arange(-reach, reach + 1, dtype=like.dtype, device=like.device)
        weights = (-(places**2) / (2 * (self.sigma or reach / math.sqrt(3)) ** 2)).exp()
        return weights / weights.sum()


@dataclass(frozen=True)
class APGD(Step):
    """Auto-PGD's step: momentum 0.75, and the size halved per sample when progress stalls (Croce and Hein 2020, alg.
    1).

    The size begins at `size` (2 eps). At each checkpoint a sample whose objective rose in fewer than `rho` of the
    turns since the last one, or whose best has not improved while its size was kept, halves its size and restarts
    from its best.
    """

    size: float
    rho: float = 0.75

    def __post_init__(self) -> None:
        _require_length(self.size)

    def begin(self, variable: Tensor) -> State:
        rows = len(variable)
        never = variable.new_full((rows,), -math.inf)
        return {
            "size": variable.new_full((rows,), self.size),
            "previous": variable.clone(),
            "best": variable.clone(),
            "best_gradient": torch.zeros_like(variable),
            "best_objective": never,
            "last_objective": never,
            "checked_objective": never,
            "rises": variable.new_zeros(rows),
            "halved": torch.zeros(rows, dtype=torch.bool, device=variable.device),
        }

    def __call__(self, move: Move, state: State) -> tuple[Tensor, State]:
        state = self._remember(move, state)
        if move.turn in checkpoints(move.turns):
            move, state = self._check(move, state)
        lead = _lead(move.variable)
        along = move.constraint.steepest(move.gradient)
        leap = move.towards(along, state["size"].view(lead))
        weight = 0.75 if move.turn else 1.0
        mixed = move.variable + weight * (leap - move.variable)
        mixed = mixed + (1 - weight) * (move.variable - state["previous"])
        return move.constraint.project(move.images, mixed), {**state, "previous": move.variable}

    @staticmethod
    def _remember(move: Move, state: State) -> State:
        better = move.objective > state["best_objective"]
        lead = _lead(move.variable)
        return {
            **state,
            "best": torch.where(better.view(lead), move.variable, state["best"]),
            "best_gradient": torch.where(better.view(lead), move.gradient, state["best_gradient"]),
            "best_objective": torch.where(better, move.objective, state["best_objective"]),
            "checked_objective": state["checked_objective"] if move.turn else move.objective,
            "rises": state["rises"] + ((move.objective > state["last_objective"]) & (move.turn > 0)),
            "last_objective": move.objective,
        }

    def _check(self, move: Move, state: State) -> tuple[Move, State]:
        marks = checkpoints(move.turns)
        since = move.turn - max((mark for mark in marks if mark < move.turn), default=0)
        stalled = state["rises"] < self.rho * since
        same = ~state["halved"] & (state["checked_objective"] >= state["best_objective"])
        halve = stalled | same
        lead = _lead(move.variable)
        moved = Move(
            move.images,
            torch.where(halve.view(lead), state["best"], move.variable),
            torch.where(halve.view(lead), state["best_gradient"], move.gradient),
            move.objective,
            move.constraint,
            move.turn,
            move.turns,
        )
        return moved, {
            **state,
            "size": torch.where(halve, state["size"] / 2, state["size"]),
            "rises": torch.zeros_like(state["rises"]),
            "halved": halve,
            "checked_objective": state["best_objective"],
        }


def checkpoints(turns: int) -> set[int]:
    """The turns at which Auto-PGD reconsiders its size: 0.22 of the turns, then ever closer, at least 0.06 apart."""
    marks, gap, mark = set(), max(int(0.22 * turns), 1), 0
    while mark + gap < turns:
        mark += gap
        marks.add(mark)
        gap = max(gap - max(int(0.03 * turns), 1), int(0.06 * turns), 1)
    return marks


def _require_length(size: float) -> None:
    # 0 is no mistake here: it is what follows from a budget of 0
    if not 0 <= size < math.inf:
        raise UserError(f"the size of a step is a length of at least 0, not {size:g}")


def _lead(variable: Tensor) -> tuple[int, ...]:
    """The shape that lets one number per sample meet a whole variable."""
    return (-1, *[1] * (variable.ndim - 1))
