"""Auto-PGD against a slow rewriting of algorithm 1 of Croce and Hein (2020), image by image."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from turncoat.attacks.ascend import GradientAttack
from turncoat.attacks.presets.gradient import apgd, apgd_dlr, apgd_targeted, fgsm
from turncoat.attacks.starts import Uniform
from turncoat.attacks.steps import APGD, Move, checkpoints
from turncoat.core.balls import L2, Linf
from turncoat.core.seeds import seeded, spread
from turncoat.core.victim import Victim
from turncoat.objectives.labels import CrossEntropy, DifferenceOfLogitsRatio, LogitMargin, TargetedDLR

Make = Callable[..., Victim]
Pictures = Callable[..., Tensor]
GREY = 1 / 255


def test_the_checkpoints_of_100_steps_are_the_papers() -> None:
    assert sorted(checkpoints(100)) == [22, 41, 57, 70, 80, 87, 93, 99]
    shares = [0.0, 0.22]
    while shares[-1] < 1:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 0.03, 0.06))
    assert sorted(checkpoints(100)) == [math.ceil(round(100 * share, 9)) for share in shares[1:-1]]


@pytest.mark.parametrize("turns", [0, 1, 2, 5, 10, 20, 50, 300])
def test_checkpoints_lie_inside_the_run_and_come_ever_closer(turns: int) -> None:
    marks = sorted(checkpoints(turns))
    assert all(0 < mark < turns for mark in marks)
    gaps = [later - earlier for earlier, later in zip([0, *marks], marks, strict=False)]
    assert gaps == sorted(gaps, reverse=True)


class Slow:
    """Algorithm 1 for one image; the check at a checkpoint comes before the step that starts there."""

    def __init__(self, victim: Victim, image: Tensor, label: int, eps: float, norm: str, turns: int) -> None:
        self.victim, self.image, self.label, self.eps, self.norm, self.turns = victim, image, label, eps, norm, turns
        self.halvings: list[tuple[bool, bool]] = []

    def judge(self, change: Tensor) -> tuple[float, Tensor]:
        leaf = (self.image + change)[None].clone().requires_grad_()
        logits = self.victim(leaf).logits[0]
        value = logits.exp().sum().log() - logits[self.label]
        return float(value), torch.autograd.grad(value, leaf)[0][0]

    def project(self, change: Tensor) -> Tensor:
        if self.norm == "linf":
            return ((self.image + change.clamp(-self.eps, self.eps)).clamp(0, 1)) - self.image
        low, high = 0.0, 1.0
        if float(((self.image + change).clamp(0, 1) - self.image).norm()) <= self.eps:
            return (self.image + change).clamp(0, 1) - self.image
        for _ in range(80):
            middle = (low + high) / 2
            fits = float(((self.image + middle * change).clamp(0, 1) - self.image).norm()) <= self.eps
            low, high = (middle, high) if fits else (low, middle)
        return (self.image + low * change).clamp(0, 1) - self.image

    def along(self, slope: Tensor) -> Tensor:
        return slope.sign() if self.norm == "linf" else slope / slope.norm()

    def run(self, change: Tensor) -> tuple[Tensor, float]:
        size, before = 2 * self.eps, change
        value, slope = self.judge(change)
        values, best, best_value, best_slope = [value], change, value, slope
        last_mark, size_then, best_then = 0, size, best_value
        for turn in range(self.turns):
            if turn in (22, 41, 57, 70, 80, 87, 93, 99):
                rises = sum(values[i + 1] > values[i] for i in range(last_mark, turn))
                stalled = rises < 0.75 * (turn - last_mark)
                stuck = size == size_then and best_value == best_then
                last_mark, size_then, best_then = turn, size, best_value
                self.halvings.append((stalled, stuck))
                if stalled or stuck:
                    size, change, slope = size / 2, best, best_slope
            leap = self.project(change + size * self.along(slope))
            moved = leap if turn == 0 else self.project(change + 0.75 * (leap - change) + 0.25 * (change - before))
            before, change = change, moved
            value, slope = self.judge(change)
            values.append(value)
            if value > best_value:
                best, best_value, best_slope = change, value, slope
        return best, best_value


@pytest.mark.parametrize(("norm", "eps"), [("linf", 8 * GREY), ("l2", 0.8)])
def test_a_run_equals_algorithm_1_done_slowly(smooth: Make, pictures: Pictures, norm: str, eps: float) -> None:
    victim, images = smooth(), pictures(3)
    labels = victim.predict(images).logits.argmax(1)
    attack = GradientAttack(
        CrossEntropy(), Linf(eps) if norm == "linf" else L2(eps), APGD(2 * eps), steps=100, start=Uniform()
    )
    assert attack == apgd(eps, norm=norm)
    halvings = []
    for place in range(3):
        image = images[place : place + 1]
        start = Uniform()(image, attack.constraint, spread(seeded(place), image))
        slow = Slow(victim, image[0], int(labels[place]), eps, norm, 100)
        best, value = slow.run(start[0])
        halvings += slow.halvings
        result = attack(victim, image, labels[place : place + 1], generator=seeded(place), bits=None)
        assert float(result.objective) == pytest.approx(value, rel=1e-9)
        torch.testing.assert_close(result.images[0], image[0] + best, rtol=0, atol=1e-7)
    assert any(stalled for stalled, _ in halvings)
    assert not all(stalled or stuck for stalled, stuck in halvings)


def walk(values: list[float], turns: int, followed: str = "size") -> list[float]:
    """The sizes of a step (or more of its memory) at every turn of a run whose objective takes the given values."""
    step, sizes = APGD(1.0), []
    variable = torch.zeros(1, 1, 1, 1)
    state = step.begin(variable)
    for turn, value in enumerate(values):
        move = Move(variable + 0.5, variable, torch.ones(1, 1, 1, 1), torch.tensor([value]), Linf(0.4), turn, turns)
        variable, state = step(move, state)
        sizes.append(float(state[followed]))
    return sizes


def test_the_size_halves_when_less_than_three_in_four_turns_rise() -> None:
    rising = [float(turn) for turn in range(100)]
    assert set(walk(rising, 100)) == {1.0}
    enough = [*rising[:22], *rising[22:100]]
    for place in range(5):  # 17 rises in the first 22 turns are 0.77 of them, 16 are 0.73
        enough[2 + 4 * place] = enough[1 + 4 * place]
    assert walk(enough, 100)[22] == 1.0
    enough[21] = enough[20]
    assert walk(enough, 100)[21:23] == [1.0, 0.5]


def test_exactly_three_in_four_is_enough() -> None:
    values = [float(turn) for turn in range(100)]
    for place in range(4):  # 12 rises in the 16 turns between 41 and 57
        values[44 + 4 * place] = values[43 + 4 * place]
    assert set(walk(values, 100)) == {1.0}


def test_the_size_halves_when_the_best_does_not_improve_at_a_kept_size() -> None:
    # one deep fall at once, then rises all the way without reaching the start again
    values = [1000.0] + [float(turn) for turn in range(99)]
    sizes = walk(values, 100)
    assert sizes[21:23] == [1.0, 0.5]
    assert sizes[41] == 0.5  # halved at the last checkpoint: a new size gets its chance
    assert sizes[57] == 0.25


def test_a_turn_that_is_not_a_number_is_forgotten() -> None:
    values = [float(turn) for turn in range(100)]
    values[5] = math.nan
    assert set(walk(values, 100)) == {1.0}
    assert walk(values, 100, "best_objective")[4:7] == [4.0, 4.0, 6.0]
    values = [math.nan, *values[1:]]
    assert set(walk(values, 100)) == {1.0}
    assert walk(values, 100, "best_objective")[-1] == 99.0


def test_presets_name_their_objectives(smooth: Make, pictures: Pictures) -> None:
    assert apgd_dlr(0.1).objective == DifferenceOfLogitsRatio()
    assert apgd(0.1, objective=LogitMargin(), steps=7, restarts=3).restarts == 3
    ranks = [attack.objective for attack in apgd_targeted(0.1, targets=4).attacks]
    assert ranks == [TargetedDLR(rank=rank) for rank in (1, 2, 3, 4)]
    victim, images = smooth(), pictures()
    labels = victim.predict(images).logits.argmax(1)
    ours = apgd(8 * GREY, steps=30)(victim, images, labels, generator=seeded(0))
    fast = fgsm(8 * GREY)(victim, images, labels, generator=seeded(0))
    assert (ours.objective > fast.objective).all()
