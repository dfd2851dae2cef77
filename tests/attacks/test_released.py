"""The released code's choices, done slowly in its own normalised space."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from turncoat.attacks.presets.released import IMAGENET_STD, sma_released, uturn_released
from turncoat.attacks.released import Released
from turncoat.core.errors import UserError
from turncoat.core.seeds import seeded, spread, uniform
from turncoat.core.victim import Victim
from turncoat.objectives.criteria import Misclassified

GREY = 1 / 255
MEAN = (0.485, 0.456, 0.406)
Make = Callable[..., Victim]
Pictures = Callable[..., Tensor]


def channels(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None, None]


def released(victim: Victim, images: Tensor, noise: Tensor, eps: int, steps: int, sign: int) -> Tensor:
    """The loop of the released code: all is normalised, a scalar step, an accumulator that no clipping touches."""
    mean, std, alpha = channels(MEAN), channels(IMAGENET_STD), 1 / (0.226 * 255)
    low, high = (0 - mean) / std, (1 - mean) / std

    def valid(seen: Tensor) -> Tensor:
        return torch.minimum(torch.maximum(seen, low), high)

    def feature(seen: Tensor) -> Tensor:
        return victim(seen * std + mean).embedding

    centre = valid((images - mean) / std + alpha * noise)
    target = feature(centre).detach() if sign == 1 else -feature((images - mean) / std).detach()
    total, seen = torch.zeros_like(centre), centre
    for _ in range(steps):
        leaf = seen.clone().requires_grad_()
        (slope,) = torch.autograd.grad((feature(leaf) + target).square().sum(), leaf)
        total = (total + slope.sign()).clamp(-eps, eps)
        seen = valid(centre - sign * alpha * total)
    return seen * std + mean


@pytest.mark.parametrize(
    ("preset", "sign", "noisy"),
    [(uturn_released, 1, False), (uturn_released, 1, True), (sma_released, -1, True)],
)
def test_it_is_the_released_loop(
    preset: Callable[..., Released], sign: int, noisy: bool, smooth: Make, pictures: Pictures
) -> None:
    victim, images = smooth(), pictures()
    attack = preset(4 * GREY, normalised=False, steps=6, **({"noisy_centre": noisy} if sign == 1 else {}))
    result = attack(victim, images, generator=seeded(0), bits=None)
    drawn = seeded(0)
    noise = 4 * uniform(images, spread(drawn, images)) if noisy else torch.zeros_like(images)
    expected = released(victim, images, noise, eps=4, steps=6, sign=sign)
    torch.testing.assert_close(result.images, expected, rtol=0, atol=1e-9)
    reference = attack.objective.observe(victim.predict(images), {})
    torch.testing.assert_close(result.objective, attack.objective(victim.predict(expected), reference))
    if noisy:
        still = preset(4 * GREY, steps=0, **({"noisy_centre": noisy} if sign == 1 else {}))
        assert not torch.equal(still(victim, images, generator=seeded(0), bits=None).images, result.images)


@pytest.mark.parametrize("bits", [8, None])
@pytest.mark.parametrize("noisy", [False, True])
def test_the_real_budget_is_the_stated_one_and_more_than_eps(
    noisy: bool, bits: int | None, smooth: Make, pictures: Pictures
) -> None:
    victim, images = smooth(), pictures(12)
    attack = uturn_released(16 * GREY, noisy_centre=noisy)
    result = attack(victim, images, generator=seeded(0), bits=bits)
    change = (result.images - images).abs()
    assert (attack.constraint.distance(images, result.images) <= attack.constraint.eps * (1 + 1e-9)).all()
    assert change.max() <= attack.constraint.reach * (1 + 1e-9)
    assert attack.constraint.reach == pytest.approx((1 + noisy) * 16.212 * GREY, rel=1e-4)
    if bits is None:
        assert change.max() > 16.2 * GREY
        for channel, bound in enumerate((16.212, 15.858, 15.929)):
            assert change[:, channel].max() <= (1 + noisy) * bound * GREY * (1 + 1e-4)
    else:
        assert torch.allclose(result.images * 255, (result.images * 255).round(), atol=1e-9)
    if noisy:
        assert change.max() > 17 * GREY


def test_numbers_of_other_data_sets(smooth: Make, pictures: Pictures) -> None:
    attack = uturn_released(16 * GREY, std=(0.2023, 0.1994, 0.2010), scalar=0.2)
    assert attack.constraint.reach == pytest.approx(16.184 * GREY)
    assert attack.steps == 20
    assert sma_released(8 * GREY).noisy
    result = attack(smooth(), pictures(), generator=seeded(0), bits=None)
    assert (result.images - pictures()).abs().max() == pytest.approx(16.184 * GREY)


def test_passes_and_verdict(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    labels = victim.predict(images).logits.argmax(1)
    attack, before = uturn_released(8 * GREY), victim.passes.forwards
    result = attack(victim, images, labels, generator=seeded(0), criterion=Misclassified())
    assert (int(result.forwards[0]), int(result.backwards[0])) == attack.passes
    assert int(result.forwards.sum()) == victim.passes.forwards - before
    assert torch.equal(result.success, victim.predict(result.images).logits.argmax(1) != labels)


def test_mistakes_are_told(smooth: Make, pictures: Pictures) -> None:
    with pytest.raises(UserError, match="write 8/255"):
        uturn_released(8)
    with pytest.raises(UserError, match=r"std .* and scalar are above 0"):
        uturn_released(8 * GREY, scalar=0.0)
    with pytest.raises(UserError, match="scalar are above 0"):
        sma_released(8 * GREY, std=(0.2, float("nan"), 0.2))
    for std in ((0.2,), (0.2,) * 4):
        with pytest.raises(UserError, match="one number per channel, 3 for these images"):
            uturn_released(8 * GREY, std=std)(smooth(), pictures(), generator=seeded(0))
    with pytest.raises(UserError, match="steps >= 0"):
        uturn_released(8 * GREY, steps=-1)
