"""The parts that constraints are made of; what they owe as sets is in the conformance tests."""

from __future__ import annotations

import pytest
import torch

from turncoat.core.balls import L2, Linf, joint, lengths, unit_rows
from turncoat.core.constraint import Constraint, Masked, Shared
from turncoat.core.errors import UserError
from turncoat.core.levels import straight_through
from turncoat.core.seeds import seeded

GREY = 1 / 255


def test_straight_through_gives_one_value_and_the_slope_of_the_other() -> None:
    leaf = torch.tensor([0.2, 0.7], requires_grad=True)
    result = straight_through(3 * leaf, leaf.round())
    assert result.tolist() == [0, 1]
    assert torch.autograd.grad(result.sum(), leaf)[0].tolist() == [3, 3]


@pytest.mark.parametrize("scale", [1e-42, 1e-30, 1e-12, 1.0, 1e18, 8e37])
def test_unit_rows_have_length_one_however_small_or_large(scale: float) -> None:
    vectors = torch.tensor([[3.0, 4.0], [1.0, 0.0]]) * scale
    torch.testing.assert_close(unit_rows(vectors), torch.tensor([[0.6, 0.8], [1.0, 0.0]]), rtol=1e-2, atol=1e-3)
    torch.testing.assert_close(lengths(unit_rows(vectors)), torch.ones(2))


def test_a_row_of_zeros_stays_zero() -> None:
    assert unit_rows(torch.zeros(2, 3, 2, 2)).abs().sum() == 0


@pytest.mark.parametrize("ball", [Linf(0.1), L2(0.5), joint(0.5, 0.1)], ids=repr)
def test_no_direction_of_unit_length_rises_faster(ball: Constraint) -> None:
    slope = torch.randn(1, 3, 4, 4, generator=seeded(0), dtype=torch.float64)
    best = ball.steepest(slope)
    zero = torch.zeros_like(slope)
    assert float(ball.distance(zero, best)) == pytest.approx(1)
    for seed in range(50):
        other = torch.randn(1, 3, 4, 4, generator=seeded(seed + 1), dtype=torch.float64)
        other = other / ball.distance(zero, other).view(-1, 1, 1, 1)
        assert (slope * other).sum() <= (slope * best).sum()


def test_distances_are_those_of_the_norm() -> None:
    clean, other = torch.zeros(2, 1, 1, 2), torch.tensor([[[[3.0, -4.0]]], [[[0.0, 1.0]]]])
    assert Linf(1).distance(clean, other).tolist() == [4, 1]
    assert L2(1).distance(clean, other).tolist() == [5, 1]


def test_a_mask_hides_start_slope_and_rounding() -> None:
    mask = (torch.rand(1, 4, 4, generator=seeded(3)) > 0.5).float()
    images = torch.rand(2, 3, 4, 4, generator=seeded(4))
    hidden = 1 - mask
    for inner in (Linf(0.1), L2(0.5)):
        masked = Masked(inner, mask)
        start = masked.start(images, [seeded(0), seeded(1)])
        assert (start * hidden).abs().sum() == 0
        assert start.abs().sum() > 0
        slope = masked.steepest(torch.randn(2, 3, 4, 4, generator=seeded(5)))
        assert (slope * hidden).abs().sum() == 0
        torch.testing.assert_close(masked.distance(images, images + slope), torch.ones(2), rtol=1e-4, atol=0)
        rounded = masked.quantise(images, (images + 0.05).clamp(0, 1))
        assert torch.equal(rounded * hidden, images * hidden)


def test_a_shared_variable_is_one_for_all_and_drawn_inside() -> None:
    images = torch.rand(3, 3, 4, 4, generator=seeded(4))
    shared = Shared(Linf(0.1))
    generators = [seeded(0), seeded(1), seeded(2)]
    start = shared.start(images, generators)
    assert start.shape == shared.zero(images).shape == (1, 3, 4, 4)
    assert 0.05 < start.abs().max() <= 0.1
    moved = shared.apply(images, start)
    torch.testing.assert_close(moved, (images + start).clamp(0, 1))


def test_sharing_goes_outside_of_a_mask() -> None:
    with pytest.raises(UserError, match=r"Shared\(Masked"):
        Masked(Shared(Linf(0.1)), torch.ones(1, 4, 4))


def test_rounding_towards_the_clean_image_never_grows() -> None:
    class Own(Linf):
        quantise = Constraint.quantise

    images = torch.tensor([[[[10.0, 10.0, 10.4, 0.0, 255.0]]]]) / 255
    candidate = torch.tensor([[[[12.7, 7.2, 10.6, 0.9, 254.1]]]]) / 255
    levels = Own(1.0).quantise(images, candidate) * 255
    assert levels.flatten().tolist() == pytest.approx([12, 8, 10.4, 0, 255], abs=1e-4)


def test_linf_rounds_to_the_nearest_level_inside() -> None:
    images = torch.tensor([[[[10.0, 10.0, 10.4, 10.4, 0.0]]]]) / 255
    candidate = torch.tensor([[[[12.4, 12.0, 12.3, 10.5, 1.6]]]]) / 255
    assert (Linf(2.4 * GREY).quantise(images, candidate) * 255).flatten().tolist() == pytest.approx([12, 12, 12, 10, 2])
    tight = Linf(0.3 * GREY).quantise(images, images + 0.3 * GREY) * 255
    assert tight.flatten().tolist() == pytest.approx([10, 10, 10.7, 10.7, 0], abs=1e-4)


def test_l2_rounds_to_nearest_where_that_fits_and_drops_the_cheapest_pixels_where_not() -> None:
    images = torch.full((1, 1, 1, 4), 100 / 255, dtype=torch.float64)
    candidate = images + torch.tensor([2.9, 2.7, 2.55, 2.1], dtype=torch.float64) / 255
    wide = L2(6 * GREY).quantise(images, candidate) * 255 - 100
    assert wide.flatten().tolist() == pytest.approx([3, 3, 3, 2])
    radius = float((candidate - images).norm())  # sqrt(9 + 9 + 9 + 4) levels do not fit, sqrt(9 + 9 + 4 + 4) do
    tight = L2(radius).quantise(images, candidate) * 255 - 100
    assert tight.flatten().tolist() == pytest.approx([3, 3, 2, 2])
    capped = L2(6 * GREY, cap=2.95 * GREY).quantise(images, candidate) * 255 - 100
    assert capped.flatten().tolist() == pytest.approx([2, 2, 2, 2])
