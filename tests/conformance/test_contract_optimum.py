"""On a linear model the best attack is known in closed form: point 8 of the attack contract."""

from __future__ import annotations

import pytest
import torch
from contract_cases import GREY, tiny_images
from torch import Tensor, nn

from turncoat.attacks.presets import gradient
from turncoat.core.balls import joint
from turncoat.core.seeds import seeded
from turncoat.core.victim import Victim
from turncoat.objectives.criteria import Misclassified
from turncoat.objectives.labels import LogitMargin


class Linear(nn.Module):
    """Two scores, the second ahead of the first by w x - b."""

    def __init__(self, bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3 * 8 * 8, generator=seeded(2), dtype=torch.float64))
        self.bias = bias

    def forward(self, images: Tensor) -> Tensor:
        ahead = images.flatten(1) @ self.weight - self.bias
        return torch.stack([torch.zeros_like(ahead), ahead], 1)


def linear_victim(bias: float = 0.0) -> tuple[Victim, Tensor]:
    network = Linear(bias)
    return Victim(network, reads="logits"), network.weight.detach().view(3, 8, 8)


def grey_images() -> Tensor:
    """On 8-bit levels and so far from black and white that no budget here reaches them."""
    return (0.35 + 0.3 * tiny_images()).mul(255).round() / 255


def zeros(images: Tensor) -> Tensor:
    return torch.zeros(len(images), dtype=torch.int64)


def slowly_clipped(weight: Tensor, images: Tensor, radius: float) -> Tensor:
    """max w d over |d| <= radius with x + d in [0, 1]: clip(s w) with the s found by bisection."""
    low, high = torch.zeros(len(images), 1, 1, 1).double(), torch.full((len(images), 1, 1, 1), 1e6).double()
    for _ in range(200):
        middle = (low + high) / 2
        change = torch.minimum(torch.maximum(middle * weight, -images), 1 - images)
        short = change.flatten(1).norm(dim=1).view_as(middle) < radius
        low, high = torch.where(short, middle, low), torch.where(short, high, middle)
    return torch.minimum(torch.maximum(low * weight, -images), 1 - images)


@pytest.mark.parametrize("start", [grey_images, tiny_images], ids=["grey", "black-and-white"])
@pytest.mark.parametrize("bits", [8, None])
@pytest.mark.parametrize("name", ["fgsm", "bim", "pgd", "mifgsm", "apgd"])
def test_8_linf_attacks_reach_the_optimum_exactly(name: str, bits: int | None, start: object) -> None:
    victim, weight = linear_victim()
    images = start()
    attack = getattr(gradient, name)(8 * GREY, objective=LogitMargin())
    result = attack(victim, images, zeros(images), generator=seeded(0), bits=bits)
    best = (images + 8 * GREY * weight.sign()).clamp(0, 1)
    torch.testing.assert_close(result.images, best)


@pytest.mark.parametrize("name", ["fgsm", "pgd", "apgd", "mifgsm"])
def test_8_l2_attacks_reach_the_optimum(name: str) -> None:
    victim, weight = linear_victim()
    images = grey_images()
    more = {} if name in ("fgsm", "mifgsm") else {"steps": 100}
    attack = getattr(gradient, name)(0.7, objective=LogitMargin(), norm="l2", **more)
    result = attack(victim, images, zeros(images), generator=seeded(0), bits=None)
    torch.testing.assert_close(result.images, images + 0.7 * weight / weight.norm(), rtol=0, atol=1e-5)
    gain = result.objective - result.objective_clean
    torch.testing.assert_close(gain, torch.full_like(gain, 0.7 * float(weight.norm())), rtol=1e-8, atol=0)


@pytest.mark.parametrize("name", ["pgd", "apgd"])
def test_8_l2_attacks_reach_the_optimum_between_black_and_white(name: str) -> None:
    victim, weight = linear_victim()
    images = tiny_images()
    attack = getattr(gradient, name)(2.0, objective=LogitMargin(), norm="l2", steps=100)
    result = attack(victim, images, zeros(images), generator=seeded(0), bits=None)
    best = (weight * slowly_clipped(weight, images, 2.0)).flatten(1).sum(1)
    gain = result.objective - result.objective_clean
    assert (gain <= best * (1 + 1e-9)).all()
    assert (gain >= best * (1 - 1e-4)).all()


@pytest.mark.parametrize("name", ["pgd", "apgd"])
def test_8_on_8_bit_levels_l2_attacks_lose_only_what_rounding_costs(name: str) -> None:
    victim, weight = linear_victim()
    images = grey_images()
    attack = getattr(gradient, name)(0.7, objective=LogitMargin(), norm="l2", steps=50)
    result = attack(victim, images, zeros(images), generator=seeded(0))
    gain = result.objective - result.objective_clean
    assert (gain >= 0.98 * 0.7 * weight.norm()).all()


def test_8_both_budgets_at_once_reach_their_optimum() -> None:
    victim, weight = linear_victim()
    images = grey_images()
    from dataclasses import replace

    attack = replace(gradient.pgd(0.5, norm="l2", objective=LogitMargin(), steps=100), constraint=joint(0.5, 0.05))
    result = attack(victim, images, zeros(images), generator=seeded(0), bits=None)
    scales = torch.linspace(0, 1, 20001, dtype=torch.float64)[:, None]
    clipped = (scales * weight.flatten()).clamp(-0.05, 0.05)
    best = clipped[clipped.norm(dim=1) <= 0.5][-1] @ weight.flatten()
    gain = result.objective - result.objective_clean
    torch.testing.assert_close(gain, best.expand_as(gain), rtol=1e-3, atol=0)


@pytest.mark.parametrize("bits", [8, None])
def test_8_carlini_wagner_finds_nearly_the_distance_to_the_border(bits: int | None) -> None:
    images = grey_images()
    _, weight = linear_victim()
    heights = (images * weight).flatten(1).sum(1)
    victim, _ = linear_victim(bias=float(heights.max()) + 4.0)
    result = gradient.cw()(victim, images, zeros(images), generator=seeded(0), criterion=Misclassified(), bits=bits)
    distance = (heights.max() + 4.0 - heights) / weight.norm()
    found = (result.images - images).flatten(1).norm(dim=1)
    assert result.success.all()
    assert (found >= distance * (1 - 1e-9)).all()
    assert (found <= 1.25 * distance).all()
