"""Top-k against a stable sort, with ties and broken outputs."""

from __future__ import annotations

import pytest
import torch

from turncoat.core.errors import UserError
from turncoat.tasks.metrics.classification import accuracy, class_rank, top_k_correct
from turncoat.tasks.metrics.estimate import wilson


def test_rank_is_the_place_in_a_stable_sort() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randint(0, 4, (300, 7), generator=generator).float()
    labels = torch.randint(0, 7, (300,), generator=generator)
    for row, label, rank in zip(logits.tolist(), labels.tolist(), class_rank(logits, labels).tolist(), strict=True):
        order = sorted(range(7), key=lambda c: (-row[c], c))
        assert order.index(label) == rank


@pytest.mark.parametrize("k", [1, 2, 5, 7, 9])
def test_exactly_k_classes_are_among_the_first_k_even_when_all_tie(k: int) -> None:
    logits = torch.zeros(7, 7)
    assert int(top_k_correct(logits, torch.arange(7), k).sum()) == min(k, 7)


def test_a_broken_output_is_never_correct() -> None:
    logits = torch.tensor([[float("nan"), 0.0, 1.0], [3.0, float("nan"), 1.0]])
    assert top_k_correct(logits, torch.tensor([0, 0]), 1).tolist() == [False, False]
    assert top_k_correct(logits, torch.tensor([0, 0]), 5).tolist() == [False, True]


def test_accuracy_is_the_share_of_correct() -> None:
    correct = top_k_correct(torch.eye(4), torch.tensor([0, 1, 2, 0]))
    assert accuracy(correct) == wilson(3, 4)


def test_mistakes_are_told() -> None:
    with pytest.raises(UserError, match="use 0 to 2"):
        top_k_correct(torch.zeros(2, 3), torch.tensor([0, 3]))
    with pytest.raises(UserError, match=r"\[N, K\]"):
        top_k_correct(torch.zeros(2, 3), torch.tensor([0]))
    with pytest.raises(UserError, match="at least 1"):
        top_k_correct(torch.zeros(1, 3), torch.tensor([0]), 0)
