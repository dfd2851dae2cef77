"""Step rules against the methods they are named after."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from turncoat.attacks.steps import APGD, Adam, Momentum, Move, Steepest, Step
from turncoat.core.balls import L2, Linf
from turncoat.core.constraint import Constraint
from turncoat.core.errors import UserError
from turncoat.core.seeds import seeded

WIDE = Linf(1e9)


def slopes(count: int, scale: float = 1.0) -> list[Tensor]:
    return [scale * torch.randn(2, 3, 2, 2, generator=seeded(turn), dtype=torch.float64) for turn in range(count)]


def follow(step: Step, gradients: list[Tensor], constraint: Constraint = WIDE) -> list[Tensor]:
    """The variables of an ascent that meets these gradients, with images that leave room on all sides."""
    variable = torch.zeros_like(gradients[0])
    images = torch.full_like(variable, 0.5)
    state, path = step.begin(variable), []
    for turn, gradient in enumerate(gradients):
        move = Move(images, variable, gradient, torch.zeros(2), constraint, turn, len(gradients))
        variable, state = step(move, state)
        path.append(variable)
        assert all(len(values) == len(variable) for values in state.values())
    return path


def test_adam_is_the_published_one() -> None:
    gradients = slopes(12, scale=0.3)
    weight = torch.nn.Parameter(torch.zeros_like(gradients[0]))
    theirs = torch.optim.Adam([weight], lr=0.003, maximize=True)
    for ours, gradient in zip(follow(Adam(0.003), gradients), gradients, strict=True):
        weight.grad = gradient.clone()
        theirs.step()
        torch.testing.assert_close(ours, weight.detach(), rtol=1e-9, atol=1e-12)


def test_adam_with_other_decays_is_the_published_one() -> None:
    gradients = slopes(5, scale=0.3)
    weight = torch.nn.Parameter(torch.zeros_like(gradients[0]))
    theirs = torch.optim.Adam([weight], lr=0.003, betas=(0.5, 0.9), maximize=True)
    for gradient in gradients:
        weight.grad = gradient.clone()
        theirs.step()
    torch.testing.assert_close(follow(Adam(0.003, decays=(0.5, 0.9)), gradients)[-1], weight.detach())


@pytest.mark.parametrize("decay", [0.0, 0.5, 1.0])
def test_momentum_adds_gradients_over_their_mean_size(decay: float) -> None:
    gradients = slopes(6, scale=1e-3)
    velocity, change = torch.zeros_like(gradients[0]), torch.zeros_like(gradients[0])
    for ours, gradient in zip(follow(Momentum(0.01, decay), gradients), gradients, strict=True):
        for row in range(2):
            velocity[row] = decay * velocity[row] + gradient[row] / gradient[row].abs().mean()
        change = change + 0.01 * velocity.sign()
        torch.testing.assert_close(ours, change)


def test_momentum_remembers_what_a_plain_step_forgets() -> None:
    first, second = slopes(1)[0], -0.4 * slopes(1)[0]
    with_memory, without = (follow(Momentum(0.01, decay), [first, first, second])[-1] for decay in (1.0, 0.0))
    torch.testing.assert_close(with_memory, 3 * 0.01 * first.sign())
    torch.testing.assert_close(without, 0.01 * first.sign())


def test_steepest_is_the_sign_under_linf_and_the_unit_slope_under_l2() -> None:
    (slope,) = slopes(1)
    assert torch.equal(follow(Steepest(0.01), [slope])[0], 0.01 * slope.sign())
    unit = slope / slope.flatten(1).norm(dim=1).view(2, 1, 1, 1)
    torch.testing.assert_close(follow(Steepest(0.01), [slope], L2(1.0))[0], 0.01 * unit)


@pytest.mark.parametrize("step", [Steepest(0.02), Momentum(0.02), Adam(0.02)], ids=repr)
@pytest.mark.parametrize("ball", [Linf(0.03), L2(0.05)], ids=repr)
def test_every_step_ends_inside(step: Step, ball: Constraint) -> None:
    for variable in follow(step, slopes(6), ball):
        torch.testing.assert_close(ball.project(torch.full_like(variable, 0.5), variable), variable)


@pytest.mark.parametrize("step", [Steepest(0.02), Momentum(0.02), Adam(0.02)], ids=repr)
def test_without_a_slope_nothing_moves(step: Step) -> None:
    gradients = [torch.zeros(2, 3, 2, 2, dtype=torch.float64)] * 3
    for ball in (Linf(0.1), L2(0.1)):
        assert follow(step, gradients, ball)[-1].abs().sum() == 0


@pytest.mark.parametrize("step", [Steepest(0.02), Momentum(0.02), Adam(0.02)], ids=repr)
def test_samples_do_not_know_of_each_other(step: Step) -> None:
    gradients = slopes(4)
    swapped = [gradient.flip(0) for gradient in gradients]
    torch.testing.assert_close(follow(step, gradients)[-1], follow(step, swapped)[-1].flip(0))
    louder = [torch.cat([gradient[:1], 1e6 * gradient[1:]]) for gradient in gradients]
    torch.testing.assert_close(follow(step, gradients)[-1][0], follow(step, louder)[-1][0])


@pytest.mark.parametrize("step", [Steepest, Momentum, Adam, APGD])
def test_a_size_that_is_no_length_is_told(step: type) -> None:
    for size in (-0.1, math.nan, math.inf):
        with pytest.raises(UserError, match="size of a step is a length of at least 0"):
            step(size)
    assert step(0.0).size == 0  # all that a budget of 0 leaves
