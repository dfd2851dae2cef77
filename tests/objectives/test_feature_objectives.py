"""Objectives on descriptors: turning round and moving away, whole or part by part."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from turncoat.core.objective import Objective
from turncoat.core.outputs import Outputs
from turncoat.core.seeds import seeded
from turncoat.objectives.features import FeatureDistance, OppositeDirection

BOTH = [OppositeDirection(), OppositeDirection(normalised=False), FeatureDistance(), FeatureDistance(normalised=True)]


def descriptors(seed: int, *shape: int) -> Tensor:
    return torch.randn(*(shape or (5, 8)), generator=seeded(seed), dtype=torch.float64)


def value(objective: Objective, seen: Tensor, clean: Tensor) -> Tensor:
    return objective(Outputs({"embedding": seen}), objective.observe(Outputs({"embedding": clean}), {}))


def test_with_unit_descriptors_turning_round_is_minus_two_minus_two_cosines() -> None:
    clean, seen = descriptors(0), descriptors(1)
    cosine = (clean * seen).sum(1) / (clean.norm(dim=1) * seen.norm(dim=1))
    torch.testing.assert_close(value(OppositeDirection(), seen, clean), -(2 + 2 * cosine), atol=1e-6, rtol=0)
    torch.testing.assert_close(value(FeatureDistance(normalised=True), seen, clean), 2 - 2 * cosine, atol=1e-6, rtol=0)


def test_raw_forms_are_squared_lengths() -> None:
    clean, seen = descriptors(0), descriptors(1)
    for row in range(5):
        together = sum((a + b) ** 2 for a, b in zip(seen[row].tolist(), clean[row].tolist(), strict=True))
        apart = sum((a - b) ** 2 for a, b in zip(seen[row].tolist(), clean[row].tolist(), strict=True))
        assert float(value(OppositeDirection(normalised=False), seen, clean)[row]) == pytest.approx(-together)
        assert float(value(FeatureDistance(), seen, clean)[row]) == pytest.approx(apart)


def test_the_ends_of_the_scale() -> None:
    clean = descriptors(0)
    for scale in (0.1, 1.0, 7.0):
        assert value(OppositeDirection(), -scale * clean, clean).tolist() == pytest.approx([0] * 5, abs=1e-12)
        assert value(OppositeDirection(), scale * clean, clean).tolist() == pytest.approx([-4] * 5)
    assert value(FeatureDistance(), clean, clean).tolist() == [0] * 5


@pytest.mark.parametrize("objective", BOTH, ids=repr)
def test_parts_are_taken_one_by_one_and_averaged(objective: Objective) -> None:
    clean, seen = descriptors(0, 4, 6, 8), descriptors(1, 4, 6, 8)
    by_part = [value(objective, seen[:, part], clean[:, part]) for part in range(6)]
    torch.testing.assert_close(value(objective, seen, clean), torch.stack(by_part).mean(0))


@pytest.mark.parametrize("objective", BOTH, ids=repr)
def test_slopes_are_those_of_finite_differences(objective: Objective) -> None:
    clean = descriptors(0, 3, 2, 4)
    assert torch.autograd.gradcheck(
        lambda seen: value(objective, seen, clean), descriptors(1, 3, 2, 4).requires_grad_()
    )


@pytest.mark.parametrize("objective", BOTH, ids=repr)
def test_flat_is_said_of_exactly_those_without_a_slope_at_the_clean_image(objective: Objective) -> None:
    leaf = descriptors(0).requires_grad_()
    reference = objective.observe(Outputs({"embedding": leaf.detach()}), {})
    (slope,) = torch.autograd.grad(objective(Outputs({"embedding": leaf}), reference).sum(), leaf)
    assert objective.flat == bool(slope.abs().max() < 1e-12)
