"""Generalised-mean pooling between average and maximum, and the network made of it."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from turncoat.core.errors import UserError
from turncoat.core.seeds import seeded
from turncoat.core.victim import Victim
from turncoat.models.gem import GeM, GemNet
from turncoat.models.power import power_mean

MAPS = torch.rand(3, 4, 5, 6, generator=seeded(0), dtype=torch.float64)


def test_an_exponent_of_one_is_the_average_and_a_large_one_the_maximum() -> None:
    torch.testing.assert_close(GeM(1.0).double()(MAPS), MAPS.mean((2, 3)))
    torch.testing.assert_close(GeM(2000.0).double()(MAPS), MAPS.amax((2, 3)), atol=2e-3, rtol=0)


@pytest.mark.parametrize("exponent", [0.5, 2.0, 2.92, 3.0])
def test_in_between_it_is_the_formula(exponent: float) -> None:
    pooled = GeM(exponent).double()(MAPS)
    exact = float(torch.tensor(exponent))  # the parameter is kept in single precision
    for row in range(3):
        for channel in range(4):
            values = [value**exact for value in MAPS[row, channel].flatten().tolist()]
            assert pooled[row, channel].item() == pytest.approx((sum(values) / 30) ** (1 / exact))


def test_values_below_the_floor_count_as_the_floor() -> None:
    pooled = GeM(3.0)(torch.full((1, 1, 2, 2), -5.0))
    assert pooled.item() == pytest.approx(1e-6)


@pytest.mark.parametrize("exponent", [0.1, 1.0, 3.0, 100.0])
def test_single_precision_neither_overflows_nor_loses_the_slope(exponent: float) -> None:
    values = torch.tensor([[0.0, 1e-9, 3e4, 1e-3]], requires_grad=True)
    power = torch.tensor(exponent, requires_grad=True)
    power_mean(values, power, dim=1).sum().backward()
    assert values.grad.isfinite().all()
    assert power.grad.isfinite()
    assert values.grad[0, 2] > 0
    exact = torch.tensor([1e-12, 1e-9, 3e4, 1e-3], dtype=torch.float64)
    expected = torch.exp((torch.logsumexp(exponent * exact.log(), 0) - torch.log(torch.tensor(4.0))) / exponent)
    assert power_mean(values, exponent, dim=1).item() == pytest.approx(expected.item(), rel=1e-4)


def test_slopes_of_maps_and_exponent_are_those_of_finite_differences() -> None:
    exponent = torch.tensor([2.7], dtype=torch.float64, requires_grad=True)
    leaf = MAPS[:1, :2, :3, :3].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda maps, p: power_mean(maps.flatten(2), p, dim=2), (leaf, exponent))


def test_the_network_gives_unit_rows_without_negative_values_at_any_size() -> None:
    network = GemNet(nn.Conv2d(3, 6, 3), 6, 4)
    for side in (8, 20):
        given = network(torch.rand(2, 3, side, side + 3))
        torch.testing.assert_close(given["embedding"].norm(dim=1), torch.ones(2))
        assert (given["embedding"] > 0).all()
        assert given["logits"].shape == (2, 4)
    assert list(GemNet(nn.Conv2d(3, 6, 3), 6)(torch.rand(1, 3, 8, 8))) == ["embedding"]


def test_the_exponent_is_learned_and_told() -> None:
    network = GemNet(nn.Conv2d(3, 6, 3), 6, 4, exponent=2.5)
    assert network.exponent == 2.5
    network(torch.rand(2, 3, 8, 8))["logits"].square().sum().backward()
    assert network.pool.p.grad.abs() > 0


def test_the_networks_slope_is_that_of_finite_differences() -> None:
    victim = Victim(GemNet(nn.Conv2d(3, 6, 3), 6, 4).double())
    leaf = torch.rand(1, 3, 6, 6, generator=seeded(1), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda seen: victim(seen).embedding, leaf, check_undefined_grad=False)


def test_mistakes_are_told() -> None:
    with pytest.raises(UserError, match=r"gave \(3, 4, 5, 6\); it must give \[N, 5, H, W\]"):
        GemNet(nn.Identity(), 5)(MAPS)
    for exponent in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UserError, match="a number above 0"):
            GeM(exponent)
