"""Dodging and impersonation: how far a cosine lies on the wrong side of its threshold."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.core.outputs import Outputs
from turncoat.core.seeds import seeded
from turncoat.objectives.criteria import PairMistaken
from turncoat.objectives.pairs import PairSimilarity


def descriptors(seed: int) -> Tensor:
    return torch.randn(40, 8, generator=seeded(seed), dtype=torch.float64)


def pairs() -> dict[str, Tensor]:
    return {
        "other": 3 * descriptors(1),
        "same": torch.arange(40) % 2 == 0,
        "threshold": torch.linspace(-0.4, 0.4, 40),
    }


def value(seen: Tensor, truth: dict[str, Tensor]) -> Tensor:
    outputs = Outputs({"embedding": seen})
    return PairSimilarity()(outputs, PairSimilarity().observe(outputs, truth))


def test_a_same_pair_falls_and_a_different_one_rises_from_its_threshold() -> None:
    seen, truth = descriptors(0), pairs()
    for row, found in enumerate(value(seen, truth).tolist()):
        one, two = seen[row], truth["other"][row]
        cosine = float(one @ two / (one.norm() * two.norm()))
        gap = cosine - float(truth["threshold"][row])
        assert found == pytest.approx(-gap if truth["same"][row] else gap)


def test_the_objective_is_positive_exactly_when_the_pair_is_mistaken() -> None:
    seen, truth = descriptors(0), pairs()
    outputs = Outputs({"embedding": seen})
    mistaken = PairMistaken()(outputs, PairMistaken().observe(outputs, truth))
    assert 5 < int(mistaken.sum()) < 35
    assert torch.equal(value(seen, truth) > 0, mistaken)


def test_lengths_of_descriptors_do_not_matter() -> None:
    seen, truth = descriptors(0), pairs()
    torch.testing.assert_close(value(9 * seen, {**truth, "other": truth["other"] / 7}), value(seen, truth))


def test_what_is_missing_is_named() -> None:
    for name in ("other", "same", "threshold"):
        with pytest.raises(UserError, match=f"'{name}' is needed"):
            value(descriptors(0), {key: column for key, column in pairs().items() if key != name})
