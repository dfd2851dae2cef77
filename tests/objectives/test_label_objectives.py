"""Objectives on class scores against the formulas of their papers, sample by sample in plain Python."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.core.objective import Objective
from turncoat.core.outputs import Outputs
from turncoat.core.seeds import seeded
from turncoat.objectives.labels import (
    CrossEntropy,
    DifferenceOfLogitsRatio,
    LabelSmoothing,
    LeastLikely,
    LogitMargin,
    Targeted,
    TargetedDLR,
)

AGAINST_A_LABEL = [CrossEntropy, LogitMargin, DifferenceOfLogitsRatio, TargetedDLR]


def scores(seed: int, classes: int = 6, count: int = 20) -> Tensor:
    return 3 * torch.randn(count, classes, generator=seeded(seed), dtype=torch.float64)


def labels(classes: int = 6, count: int = 20) -> Tensor:
    return torch.randint(0, classes, (count,), generator=seeded(99))


def value(objective: Objective, logits: Tensor, clean: Tensor | None = None, **truth: Tensor) -> Tensor:
    reference = objective.observe(Outputs({"logits": logits if clean is None else clean}), truth)
    return objective(Outputs({"logits": logits}), reference)


def cross_entropy(row: list[float], label: int) -> float:
    return math.log(sum(math.exp(score) for score in row)) - row[label]


def margin(row: list[float], label: int) -> float:
    return max(score for place, score in enumerate(row) if place != label) - row[label]


def ratio(row: list[float], label: int) -> float:
    """Croce and Hein 2020, eq. 6: -(z_y - max_{i != y} z_i) / (z_pi1 - z_pi3)."""
    ordered = sorted(row, reverse=True)
    return margin(row, label) / (ordered[0] - ordered[2])


def targeted_ratio(row: list[float], label: int, target: int) -> float:
    """Croce and Hein 2020, eq. 7: -(z_y - z_t) / (z_pi1 - (z_pi3 + z_pi4) / 2)."""
    ordered = sorted(row, reverse=True)
    return -(row[label] - row[target]) / (ordered[0] - (ordered[2] + ordered[3]) / 2)


@pytest.mark.parametrize(
    ("objective", "formula"),
    [(CrossEntropy(), cross_entropy), (LogitMargin(), margin), (DifferenceOfLogitsRatio(), ratio)],
    ids=["cross-entropy", "margin", "dlr"],
)
def test_objectives_against_a_label_are_their_formula(objective: Objective, formula: object) -> None:
    logits, label = scores(0), labels()
    expected = [formula(row, int(own)) for row, own in zip(logits.tolist(), label, strict=True)]
    assert value(objective, logits, label=label).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_targeted_dlr_is_its_formula_with_the_target_ranked_on_the_clean_image(rank: int) -> None:
    clean, logits, label = scores(0), scores(1), labels()
    expected = []
    for before, row, own in zip(clean.tolist(), logits.tolist(), label.tolist(), strict=True):
        wrong = sorted((place for place in range(6) if place != own), key=lambda place: -before[place])
        expected.append(targeted_ratio(row, own, wrong[rank - 1]))
    assert value(TargetedDLR(rank=rank), logits, clean, label=label).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("classes", [2, 3])
def test_below_four_classes_the_ratios_fall_back_to_differences(classes: int) -> None:
    logits, label = scores(0, classes), labels(classes)
    expected = [margin(row, int(own)) for row, own in zip(logits.tolist(), label, strict=True)]
    assert value(DifferenceOfLogitsRatio(), logits, label=label).tolist() == pytest.approx(expected)
    assert value(TargetedDLR(rank=1), logits, label=label).tolist() == pytest.approx(expected)


def test_a_rank_beyond_the_last_class_is_the_last() -> None:
    logits, label = scores(0), labels()
    assert torch.equal(
        value(TargetedDLR(rank=50), logits, label=label), value(TargetedDLR(rank=5), logits, label=label)
    )


def test_the_margin_is_positive_exactly_when_misclassified() -> None:
    logits, label = scores(0, count=200), labels(count=200)
    wrong = logits.argmax(1) != label
    assert torch.equal(value(LogitMargin(), logits, label=label) > 0, wrong)
    assert torch.equal(value(DifferenceOfLogitsRatio(), logits, label=label) > 0, wrong)


def test_ratios_survive_scores_that_are_all_equal() -> None:
    flat = torch.zeros(2, 5, requires_grad=True)
    for objective in (DifferenceOfLogitsRatio(), TargetedDLR()):
        total = value(objective, flat, label=torch.tensor([0, 1])).sum()
        assert total.isfinite()
        assert torch.autograd.grad(total, flat)[0].isfinite().all()


@pytest.mark.parametrize("objective", AGAINST_A_LABEL)
def test_the_predicted_label_is_that_of_the_clean_image(objective: type[Objective]) -> None:
    clean, logits = scores(0), scores(1)
    by_hand = value(objective(), logits, clean, label=clean.argmax(1))
    assert torch.equal(value(objective(predicted=True), logits, clean), by_hand)
    with pytest.raises(UserError, match="'label' is needed"):
        value(objective(), logits, clean)


def test_targets_come_from_the_truth_or_are_least_likely_when_clean() -> None:
    clean, logits, label = scores(0), scores(1), labels()
    towards = [-cross_entropy(row, int(own)) for row, own in zip(logits.tolist(), label, strict=True)]
    assert value(Targeted(), logits, clean, target=label).tolist() == pytest.approx(towards)
    least = [min(range(6), key=row.__getitem__) for row in clean.tolist()]
    away = [-cross_entropy(row, own) for row, own in zip(logits.tolist(), least, strict=True)]
    assert value(LeastLikely(), logits, clean).tolist() == pytest.approx(away)
    with pytest.raises(UserError, match="'target' is needed"):
        value(Targeted(), logits, clean, label=label)


def test_label_smoothing_is_highest_at_equal_probabilities() -> None:
    logits = scores(0)
    expected = []
    for row in logits.tolist():
        total = sum(math.exp(score) for score in row)
        expected.append(-sum((math.exp(score) / total - 1 / 6) ** 2 for score in row) / 6)
    assert value(LabelSmoothing(), logits).tolist() == pytest.approx(expected)
    assert value(LabelSmoothing(), torch.full((1, 6), 4.0)).tolist() == pytest.approx([0], abs=1e-12)


@pytest.mark.parametrize(
    "objective", [made() for made in AGAINST_A_LABEL] + [LeastLikely(), LabelSmoothing()], ids=repr
)
def test_slopes_are_those_of_finite_differences(objective: Objective) -> None:
    clean, label = scores(0, count=4), labels(count=4)
    reference = objective.observe(Outputs({"logits": clean}), {"label": label})
    leaf = scores(1, count=4).requires_grad_()
    assert torch.autograd.gradcheck(lambda logits: objective(Outputs({"logits": logits}), reference), leaf)
