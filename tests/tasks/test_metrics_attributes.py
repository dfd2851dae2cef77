"""Attribute metrics: a vector worked by hand, a plain loop, and what must not change them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.tasks.metrics.attributes import (
    balanced_accuracies,
    flip_rates,
    group_flip_rates,
    harmonic_f1,
    instance_values,
    mean_accuracy,
    summary,
)

TRUTH = torch.tensor([[1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 0, 0], [0, 1, 0, 0]])
CHANCE = torch.tensor([[0.9, 0.2, 0.46, 0.1], [0.1, 0.6, 0.2, 0.3], [0.3, 0.8, 0.7, 0.2], [0.2, 0.4, 0.1, 0.45]])
NAMES = ["mA", "accuracy", "precision", "recall", "f1_mean", "f1_harmonic"]


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        (0.45, [0.645833, 0.333333, 0.375, 0.375, 0.375, 0.375]),
        (0.5, [0.520833, 0.208333, 0.375, 0.25, 0.291667, 0.3]),
    ],
)
def test_vector_worked_by_hand(threshold: float, expected: list[float]) -> None:
    values = summary(TRUTH, threshold < CHANCE)
    assert [values[name] for name in NAMES] == pytest.approx(expected, abs=1e-6)


def test_balanced_accuracies_of_the_vector() -> None:
    assert balanced_accuracies(TRUTH, CHANCE > 0.45).tolist() == pytest.approx([0.75, 0.5, 5 / 6, 0.5])
    skipped = balanced_accuracies(TRUTH, CHANCE > 0.45, "skip")
    assert skipped.isnan().tolist() == [False, False, False, True]
    assert mean_accuracy(TRUTH, CHANCE > 0.45, "skip") == pytest.approx((0.75 + 0.5 + 5 / 6) / 3)


def _random(unknown: bool) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(0, 3 if unknown else 2, (60, 9), generator=generator)
    return truth, torch.rand(60, 9, generator=generator) > 0.5


@pytest.mark.parametrize("unknown", [False, True])
def test_instance_values_by_sets(unknown: bool) -> None:
    truth, decisions = _random(unknown)
    values = instance_values(truth, decisions)
    for i in range(len(truth)):
        real = {a for a in range(9) if truth[i, a] == 1}
        said = {a for a in range(9) if decisions[i, a] and truth[i, a] in (0, 1)}
        both = len(real & said)
        assert values["accuracy"][i] == pytest.approx(both / (len(real | said) or 1))
        assert values["precision"][i] == pytest.approx(both / (len(said) or 1))
        assert values["recall"][i] == pytest.approx(both / (len(real) or 1))
        assert values["f1"][i] == pytest.approx(2 * both / ((len(said) + len(real)) or 1))


def test_unknown_labels_change_nothing_whatever_is_decided() -> None:
    truth, decisions = _random(unknown=True)
    other = torch.where(truth == 2, ~decisions, decisions)
    assert summary(truth, decisions) == summary(truth, other)
    assert torch.equal(flip_rates(truth, decisions, other).nan_to_num(), torch.zeros(60, dtype=torch.float64))


def test_order_of_images_does_not_matter_and_constant_decisions_score_half() -> None:
    truth, decisions = _random(unknown=False)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    assert summary(truth[order], decisions[order]) == pytest.approx(summary(truth, decisions))
    for constant in (torch.zeros_like(decisions), torch.ones_like(decisions)):
        assert mean_accuracy(truth, constant) == 0.5


def test_empty_cases() -> None:
    nothing = torch.zeros(1, 3, dtype=torch.int64)
    assert {float(v) for v in instance_values(nothing, nothing.bool()).values()} == {0.0}
    assert math.isnan(mean_accuracy(torch.zeros(0, 3, dtype=torch.int64), torch.zeros(0, 3, dtype=torch.bool)))
    assert harmonic_f1(0, 0) == 0
    assert math.isnan(mean_accuracy(nothing, nothing.bool(), "skip"))


def test_flip_rates_by_a_loop() -> None:
    truth, clean = _random(unknown=True)
    attacked = torch.rand(60, 9, generator=torch.Generator().manual_seed(2)) > 0.5
    groups = ["head"] * 2 + ["body"] * 4 + ["head"] + ["feet"] * 2
    rates = flip_rates(truth, clean, attacked)
    per_group = group_flip_rates(truth, clean, attacked, groups)
    assert list(per_group) == ["head", "body", "feet"]
    for name, columns in {"": range(9), **{g: [a for a in range(9) if groups[a] == g] for g in groups}}.items():
        for i in range(60):
            right = [a for a in columns if truth[i, a] != 2 and bool(clean[i, a]) == bool(truth[i, a])]
            wrong = [a for a in right if attacked[i, a] != clean[i, a]]
            got = float((per_group[name] if name else rates)[i])
            assert got == pytest.approx(len(wrong) / len(right)) if right else math.isnan(got)


def test_mistakes_are_told() -> None:
    with pytest.raises(UserError, match="threshold first"):
        instance_values(TRUTH, CHANCE)
    with pytest.raises(UserError, match=r"\[N, A\]"):
        instance_values(TRUTH, CHANCE[:2] > 0.5)
    with pytest.raises(UserError, match="include_official"):
        balanced_accuracies(TRUTH, CHANCE > 0.5, "drop")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="one group per attribute"):
        group_flip_rates(TRUTH, CHANCE > 0.5, CHANCE > 0.5, ["a"])
