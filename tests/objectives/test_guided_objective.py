"""Guides that push and pull, and where they come from in a batch."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from turncoat.core.outputs import Outputs
from turncoat.core.seeds import seeded
from turncoat.objectives.features import FeatureDistance
from turncoat.objectives.guides import Guided, guides_in_batch


def unit(seed: int, *shape: int) -> Tensor:
    values = torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)
    return values / values.norm(dim=-1, keepdim=True)


def value(seen: Tensor, push: Tensor, pull: Tensor) -> Tensor:
    objective = Guided()
    reference = objective.observe(Outputs({"embedding": seen}), {"push": push, "pull": pull})
    return objective(Outputs({"embedding": 4 * seen}), reference)


def test_it_is_the_distances_to_the_one_less_those_to_the_other() -> None:
    seen, push, pull = unit(0, 5, 6), unit(1, 5, 3, 6), unit(2, 5, 2, 6)
    for row in range(5):
        away = sum(float((seen[row] - guide).square().sum()) for guide in push[row])
        there = sum(float((seen[row] - guide).square().sum()) for guide in pull[row])
        assert float(value(seen, push, pull)[row]) == pytest.approx(away - there)


def test_a_guide_of_nan_is_none_and_spoils_no_slope() -> None:
    seen, push, pull = unit(0, 5, 6), unit(1, 5, 3, 6), unit(2, 5, 2, 6)
    push[0, 1] = push[2] = pull[2] = torch.nan
    leaf = seen.clone().requires_grad_()
    reached = value(leaf, push, pull)
    (slope,) = torch.autograd.grad(reached.sum(), leaf)
    assert float(reached[0].detach()) == pytest.approx(float(value(seen[:1], push[:1, [0, 2]], pull[:1])))
    assert reached[2] == 0
    assert slope.isfinite().all()
    assert (slope[2] == 0).all()
    assert (slope[[0, 1]] != 0).any(1).all()


def test_guides_of_a_batch_are_of_the_own_label_and_the_furthest_of_others() -> None:
    points, label = unit(0, 12, 6), torch.arange(12) % 4
    found = guides_in_batch(points, label, push=2, pull=1, generator=seeded(0))
    assert found["push"].shape == (12, 2, 6)
    assert found["pull"].shape == (12, 1, 6)
    for row in range(12):
        own = [other for other in range(12) if label[other] == label[row] and other != row]
        assert sorted(found["push"][row].tolist()) == sorted(points[own].tolist())  # there are exactly two
        others = [other for other in range(12) if label[other] != label[row]]
        furthest = max(others, key=lambda other: float((points[row] - points[other]).norm()))
        assert torch.equal(found["pull"][row, 0], points[furthest])


def test_drawn_guides_follow_the_generator_and_missing_ones_are_nan() -> None:
    points, label = unit(0, 12, 6), torch.tensor([0] * 9 + [1, 2, 2])
    draws = [guides_in_batch(points, label, push=4, pull=1, generator=seeded(seed))["push"] for seed in (1, 1, 2)]
    assert torch.equal(draws[0][:9], draws[1][:9])
    assert not torch.equal(draws[0][:9], draws[2][:9])
    missing = draws[0].isnan().all(2)
    assert missing.sum(1).tolist() == [0] * 9 + [4, 3, 3]
    alone = guides_in_batch(points[:3], torch.zeros(3), push=1, pull=2, generator=seeded(0))
    assert alone["pull"].isnan().all()


def test_without_guides_it_flees_from_itself() -> None:
    clean, seen = unit(0, 5, 6), unit(1, 5, 6)
    truth = guides_in_batch(clean, torch.arange(5), push=0, pull=0, generator=seeded(0))
    sma = FeatureDistance(normalised=True)
    expected = sma(Outputs({"embedding": seen}), sma.observe(Outputs({"embedding": clean}), {}))
    torch.testing.assert_close(value(seen, truth["push"], truth["pull"]), expected)
