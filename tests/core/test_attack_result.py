"""Results per sample: picked, joined, and the more damaging of two."""

from __future__ import annotations

import torch

from turncoat.core.result import AttackResult, concatenate_results


def made(
    values: list[float], broken: list[bool] | None, cost: int = 1, shade: float = 0.0, clean: float = -1.0
) -> AttackResult:
    count = len(values)
    return AttackResult(
        images=torch.full((count, 1, 1, 1), shade),
        success=None if broken is None else torch.tensor(broken),
        objective_clean=torch.full((count,), clean),
        objective=torch.tensor(values, dtype=torch.float32),
        forwards=torch.full((count,), cost),
        backwards=torch.full((count,), 10 * cost),
        steps_used=torch.full((count,), 100 * cost),
    )


def test_taking_and_joining_are_row_by_row() -> None:
    result = made([1, 2, 3], [True, False, True])
    picked = result.take(torch.tensor([2, 0]))
    assert picked.objective.tolist() == [3, 1]
    assert picked.success.tolist() == [True, True]
    assert len(picked) == 2
    joined = concatenate_results([picked, result])
    assert joined.objective.tolist() == [3, 1, 1, 2, 3]
    assert joined.images.shape == (5, 1, 1, 1)
    assert concatenate_results([made([1], None), made([2], None)]).success is None


def test_without_verdicts_the_higher_objective_wins_and_costs_add_up() -> None:
    better = made([1, 5, 3], None).better_of(made([4, 2, 3], None, cost=7, shade=1.0), torch.arange(3))
    assert better.objective.tolist() == [4, 5, 3]
    assert better.images.flatten().tolist() == [1, 0, 0]
    assert better.forwards.tolist() == [8, 8, 8]
    assert better.backwards.tolist() == [80, 80, 80]
    assert better.steps_used.tolist() == [800, 800, 800]


def test_a_success_beats_a_higher_objective() -> None:
    first = made([9, 9, 1, 1, 1], [False, True, True, True, False])
    second = made([1, 99, 2, 0, 2], [True, False, True, True, False], shade=1.0)
    better = first.better_of(second, torch.arange(5))
    assert better.objective.tolist() == [1, 9, 2, 1, 2]
    assert better.success.tolist() == [True, True, True, True, False]
    assert better.images.flatten().tolist() == [1, 0, 1, 0, 1]


def test_only_the_samples_named_change_and_the_clean_value_is_the_first_ones() -> None:
    first = made([1, 1, 1], [False] * 3)
    better = first.better_of(made([5, 0], [True, False], cost=2, shade=1.0, clean=-7.0), torch.tensor([2, 0]))
    assert better.objective.tolist() == [1, 1, 5]
    assert better.success.tolist() == [False, False, True]
    assert better.forwards.tolist() == [3, 1, 3]
    assert better.objective_clean.tolist() == [-1, -1, -1]
    assert first.objective.tolist() == [1, 1, 1]


def test_what_is_not_a_number_never_wins() -> None:
    nan = float("nan")
    assert made([1], None).better_of(made([nan], None), torch.arange(1)).objective.tolist() == [1]
