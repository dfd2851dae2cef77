"""U-turn against what its article states and what follows from it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from turncoat.attacks.ascend import GradientAttack
from turncoat.attacks.presets.features import pire, sma, tma, uturn
from turncoat.attacks.presets.gradient import grey_steps
from turncoat.attacks.starts import Jitter, Uniform, Zero
from turncoat.attacks.steps import Adam, Steepest
from turncoat.core.balls import L2, Linf
from turncoat.core.seeds import seeded, spread
from turncoat.core.victim import Victim
from turncoat.objectives.features import FeatureDistance, OppositeDirection

GREY = 1 / 255
Make = Callable[..., Victim]
Pictures = Callable[..., Tensor]


def unit(values: Tensor) -> Tensor:
    return values / values.norm(dim=-1, keepdim=True)


@pytest.mark.parametrize(
    ("eps", "steps"), [(0, 0), (1, 1), (2, 2), (4, 5), (8, 10), (10, 12), (12, 15), (16, 20), (32, 36)]
)
def test_steps_of_one_grey_level_are_counted_half_to_even(eps: int, steps: int) -> None:
    assert grey_steps(eps / 255) == steps
    for preset in (uturn, sma):
        attack = preset(eps / 255)
        assert attack.steps == steps
        assert attack.step == Steepest(GREY)
        assert attack.start == Jitter(GREY)


@pytest.mark.parametrize("start", [Uniform(), Jitter(), Jitter(1.0), Zero()], ids=repr)
@pytest.mark.parametrize("eps", [1, 2, 8, 16])
def test_the_budget_holds_from_every_start_also_at_black_and_white(
    smooth: Make, pictures: Pictures, eps: int, start: object
) -> None:
    for images in (pictures(), (pictures() > 0.5).double(), pictures().float()):
        victim = smooth()
        victim.network.to(images.dtype)
        result = uturn(eps * GREY, start=start)(victim, images, generator=seeded(0))
        assert (result.images - images).abs().max() <= eps * GREY + 1e-6
        assert result.images.min() >= 0
        assert result.images.max() <= 1


def test_the_zero_start_has_no_slope_unless_raw(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()

    def steepness(objective: object, seen: Tensor) -> Tensor:
        leaf = seen.clone().requires_grad_()
        reference = objective.observe(victim.predict(images), {})
        return torch.autograd.grad(objective(victim(leaf), reference).sum(), leaf)[0].abs().max()

    jittered = images + Jitter()(images, Linf(16 * GREY), spread(seeded(0), images))
    after = steepness(OppositeDirection(), jittered)
    assert steepness(OppositeDirection(), images) < 1e-9 * after
    assert steepness(FeatureDistance(normalised=True), images) < 1e-9 * after
    assert steepness(OppositeDirection(normalised=False), images) > after


def test_the_objective_climbs_and_the_cosine_falls_with_every_few_steps(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    clean = unit(victim.predict(images).embedding)
    cosines, goals = [], []
    for steps in (1, 4, 10, 20):
        result = uturn(16 * GREY, steps=steps)(victim, images, generator=seeded(0))
        cosines.append((unit(victim.predict(result.images).embedding) * clean).sum(1))
        goals.append(result.objective)
    for earlier, later in zip(range(3), range(1, 4), strict=True):
        assert (goals[later] > goals[earlier]).all()
        assert (cosines[later] < cosines[earlier]).all()
    assert (cosines[0] < 1).all()
    assert (cosines[-1] < 0.8).all()


class Affine(nn.Module):
    """f = W (x - 1/2), whose opposite every image has within reach."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 3 * 8 * 8, generator=seeded(1), dtype=torch.float64))

    def forward(self, images: Tensor) -> Tensor:
        return (images - 0.5).flatten(1) @ self.weight.T


def test_on_a_linear_descriptor_with_budget_enough_the_raw_form_arrives_at_the_opposite(pictures: Pictures) -> None:
    victim, images = Victim(Affine(), reads="embedding"), pictures()
    clean = victim.predict(images).embedding
    raw = OppositeDirection(normalised=False)
    attack = GradientAttack(raw, L2(20.0), Adam(0.01), steps=400)
    result = attack(victim, images, generator=seeded(0), bits=None)
    turned = victim.predict(result.images).embedding
    assert (torch.cosine_similarity(turned, clean) < -0.999).all()
    torch.testing.assert_close(turned, -clean, rtol=0, atol=0.02 * float(clean.abs().max()))


def test_the_normalised_self_metric_attack_is_uturn(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    turned = uturn(8 * GREY)(victim, images, generator=seeded(0))
    away = sma(8 * GREY, normalised=True)(victim, images, generator=seeded(0))
    assert torch.equal(turned.images, away.images)
    torch.testing.assert_close(away.objective, 4 + turned.objective)
    other = sma(8 * GREY)(victim, images, generator=seeded(0))
    assert not torch.equal(other.images, away.images)
    single = smooth()
    single.network.float()
    turned, away = (
        preset(single, images.float(), generator=seeded(0)).images
        for preset in (uturn(8 * GREY), sma(8 * GREY, normalised=True))
    )
    assert (turned == away).double().mean() >= 0.97


def test_a_descriptor_of_parts_is_turned_part_by_part(smooth: Make, pictures: Pictures) -> None:
    class Parts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = smooth().network

        def forward(self, images: Tensor) -> Tensor:
            return torch.stack([self.inner(half)["embedding"] for half in images.chunk(2, dim=2)], 1)

    victim, images = Victim(Parts(), reads="embedding"), pictures()
    clean = unit(victim.predict(images).embedding)
    result = uturn(8 * GREY)(victim, images, generator=seeded(0))
    seen = unit(victim.predict(result.images).embedding)
    torch.testing.assert_close(result.objective, -(seen + clean).square().sum(-1).mean(1))
    assert ((seen * clean).sum(-1) < 1 - 1e-3).all()


def test_pire_and_tma_are_adam_from_a_uniform_start_raw_and_normalised() -> None:
    for preset, goal in ((pire, FeatureDistance()), (tma, FeatureDistance(normalised=True))):
        attack = preset(16 * GREY)
        assert attack == GradientAttack(goal, Linf(16 * GREY), Adam(0.1 * GREY), steps=20, start=Uniform())
        assert preset(16 * GREY, norm="l2", steps=7, lr=1.0).step == Adam(GREY)
