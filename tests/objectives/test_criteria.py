"""When a sample counts as broken."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from turncoat.core.criterion import Criterion
from turncoat.core.outputs import Outputs
from turncoat.core.seeds import seeded
from turncoat.objectives.criteria import AttributesMissed, ClassifiedAs, Misclassified, PairMistaken


def verdict(criterion: Criterion, truth: dict[str, Tensor], **outputs: Tensor) -> list[bool]:
    given = Outputs(outputs)
    return criterion(given, criterion.observe(given, truth)).tolist()


SCORES = torch.tensor([[3.0, 1.0, 2.0], [0.0, 1.0, 2.0], [5.0, 9.0, 5.0]])


def test_misclassified_is_another_class_ahead() -> None:
    assert verdict(Misclassified(), {"label": torch.tensor([0, 0, 1])}, logits=SCORES) == [False, True, False]


def test_a_label_the_victim_does_not_know_is_never_recognised() -> None:
    assert verdict(Misclassified(), {"label": torch.tensor([7, -1, 3])}, logits=SCORES) == [True, True, True]


def test_classified_as_is_the_target_ahead() -> None:
    assert verdict(ClassifiedAs(), {"target": torch.tensor([0, 0, 1])}, logits=SCORES) == [True, False, True]


def test_a_score_that_is_not_a_number_is_never_recognised_nor_arrived_at() -> None:
    broken = torch.tensor([[math.nan, 0, 1], [3, math.nan, 1], [math.nan] * 3])
    labels = torch.tensor([0, 0, 2])
    assert verdict(Misclassified(), {"label": labels}, logits=broken) == [True, True, True]
    assert verdict(ClassifiedAs(), {"target": labels}, logits=broken) == [False, False, False]


@pytest.mark.parametrize(("threshold", "overlap"), [(0.5, 0.5), (0.3, 0.5), (0.5, 0.8), (0.5, 1.0)])
def test_attributes_are_missed_when_the_overlap_is_small(threshold: float, overlap: float) -> None:
    logits = torch.randn(200, 6, generator=seeded(0))
    truth = torch.randint(-1, 2, (200, 6), generator=seeded(1))
    expected = []
    for row, wanted in zip(logits.sigmoid().tolist(), truth.tolist(), strict=True):
        decided = {place for place, share in enumerate(row) if share > threshold and wanted[place] in (0, 1)}
        true = {place for place, value in enumerate(wanted) if value == 1}
        expected.append(len(decided & true) < overlap * len(decided | true))
    assert 0 < sum(expected) < 200
    criterion = AttributesMissed(threshold=threshold, overlap=overlap)
    assert verdict(criterion, {"attributes": truth}, logits=logits) == expected


def test_nothing_true_and_nothing_decided_is_not_missed() -> None:
    truth = torch.tensor([[0, 0, -1]])
    assert verdict(AttributesMissed(), {"attributes": truth}, logits=torch.tensor([[-1.0, -1.0, 9.0]])) == [False]
    assert verdict(AttributesMissed(), {"attributes": truth}, logits=torch.tensor([[1.0, -1.0, 9.0]])) == [True]


def test_a_pair_is_accepted_only_above_its_threshold() -> None:
    truth = {
        "other": torch.tensor([[2.0, 0.0]] * 4),
        "same": torch.tensor([True, False, True, False]),
        "threshold": torch.tensor([1.0, 1.0, 0.5, 0.5]),
    }
    seen = torch.tensor([[3.0, 0.0], [3.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    assert verdict(PairMistaken(), truth, embedding=seen) == [True, False, True, False]
