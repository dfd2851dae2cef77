"""Objectives on many attributes at once."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.core.objective import Objective
from turncoat.core.outputs import Outputs
from turncoat.core.seeds import seeded
from turncoat.objectives.attributes import AttributeLoss, AttributeMargin, weighted_bce

LOGITS = torch.tensor([[1.0, -1.0, 0.0], [0.0, 2.0, -2.0]])
TRUTH = torch.tensor([[1, 0, 1], [0, 1, 0]])
RATIOS = (0.2, 0.5, 0.9)


def value(objective: Objective, logits: Tensor, **truth: Tensor) -> Tensor:
    outputs = Outputs({"logits": logits})
    return objective(outputs, objective.observe(outputs, truth))


def test_the_weighted_loss_is_the_published_vector() -> None:
    ones = [[2.2255, 1.6487, 1.1052], [1.2214, 1.6487, 2.4596]]
    for row in range(2):
        for place in range(3):
            alone = torch.where(torch.arange(3) == place, TRUTH[row], -1)[None]
            weighted, plain = (weighted_bce(LOGITS[row][None], alone, ratios) for ratios in (RATIOS, None))
            assert float(weighted / plain) == pytest.approx(ones[row][place], abs=1e-4)
    assert float(value(AttributeLoss(ratios=RATIOS), LOGITS, attributes=TRUTH).mean()) == pytest.approx(
        1.6739, abs=1e-4
    )


def test_the_plain_loss_is_the_sum_over_known_attributes() -> None:
    truth = torch.tensor([[1, 0, -1], [2, 1, 0]])
    expected = []
    for row, wanted in zip(LOGITS.tolist(), truth.tolist(), strict=True):
        share = [1 / (1 + math.exp(-score)) for score in row]
        logs = [math.log(p) if t == 1 else math.log(1 - p) for p, t in zip(share, wanted, strict=True) if t in (0, 1)]
        expected.append(-sum(logs))
    assert value(AttributeLoss(), LOGITS, attributes=truth).tolist() == pytest.approx(expected)


def test_targeted_falls_as_untargeted_would_rise() -> None:
    towards = value(AttributeLoss(targeted=True), LOGITS, target=TRUTH, attributes=1 - TRUTH)
    assert torch.equal(towards, -value(AttributeLoss(), LOGITS, attributes=TRUTH))
    with pytest.raises(UserError, match="'target' is needed"):
        value(AttributeLoss(targeted=True), LOGITS, attributes=TRUTH)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8])
def test_the_margin_is_positive_exactly_when_a_known_attribute_is_wrong(threshold: float) -> None:
    logits = torch.randn(300, 4, generator=seeded(0))
    truth = torch.randint(-1, 2, (300, 4), generator=seeded(1))
    decided = (logits.sigmoid() > threshold).long()
    wrong = ((decided != truth) & (truth >= 0)).any(1)
    assert wrong.any()
    assert not wrong.all()
    assert torch.equal(value(AttributeMargin(threshold=threshold), logits, attributes=truth) > 0, wrong)


def test_the_margin_is_the_largest_wrongness() -> None:
    assert value(AttributeMargin(), LOGITS, attributes=1 - TRUTH).tolist() == [1, 2]
    assert value(AttributeMargin(), LOGITS, attributes=torch.tensor([[1, -1, -1], [-1, -1, 1]])).tolist() == [-1, 2]


def test_nothing_known_is_nothing_to_gain() -> None:
    unknown = torch.full((2, 3), -1)
    assert value(AttributeLoss(), LOGITS, attributes=unknown).tolist() == [0, 0]
    assert value(AttributeMargin(), LOGITS, attributes=unknown).tolist() == [-math.inf] * 2


@pytest.mark.parametrize(
    "objective",
    [AttributeLoss(), AttributeLoss(ratios=RATIOS), AttributeLoss(targeted=True), AttributeMargin()],
    ids=repr,
)
def test_slopes_are_those_of_finite_differences(objective: Objective) -> None:
    leaf = torch.randn(4, 3, generator=seeded(2), dtype=torch.float64).requires_grad_()
    truth = torch.tensor([[1, 0, 1], [0, 1, -1], [1, 1, 1], [0, 0, 2]])
    assert torch.autograd.gradcheck(lambda logits: value(objective, logits, attributes=truth, target=truth), leaf)
