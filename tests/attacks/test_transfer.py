"""The four tricks that make images transfer, each against its formula."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from turncoat.attacks.ascend import GradientAttack
from turncoat.attacks.lens import Lens
from turncoat.attacks.presets.features import uturn
from turncoat.attacks.presets.gradient import mifgsm
from turncoat.attacks.presets.transfer import looking, moving, transferable
from turncoat.attacks.starts import Jitter, Zero
from turncoat.attacks.steps import Momentum, Move, Smoothed, Steepest
from turncoat.attacks.views import Chain, Dimmed, Mirror, Plain, ResizeAndPad, Scale, chained
from turncoat.core.balls import L2, Linf
from turncoat.core.errors import UserError
from turncoat.core.seeds import seeded, spread
from turncoat.core.victim import Victim
from turncoat.objectives.features import FeatureDistance, OppositeDirection
from turncoat.objectives.labels import CrossEntropy

GREY = 1 / 255
EPS = 8 * GREY
Make = Callable[..., Victim]
Pictures = Callable[..., Tensor]


def slowly_blurred(gradient: Tensor, size: int, sigma: float) -> Tensor:
    """The normalised Gaussian weights of all neighbours, pixel by pixel; outside there is nothing."""
    reach = size // 2
    offsets = [(i, j) for i in range(-reach, reach + 1) for j in range(-reach, reach + 1)]
    weights = {at: math.exp(-(at[0] ** 2 + at[1] ** 2) / (2 * sigma**2)) for at in offsets}
    blurred = torch.zeros_like(gradient)
    height, width = gradient.shape[-2:]
    for y in range(height):
        for x in range(width):
            for (i, j), weight in weights.items():
                if 0 <= y + i < height and 0 <= x + j < width:
                    blurred[..., y, x] += weight / sum(weights.values()) * gradient[..., y + i, x + j]
    return blurred


@pytest.mark.parametrize(("size", "sigma"), [(3, None), (5, 0.8), (7, None), (7, 3.0), (11, None)])
def test_smoothing_weighs_neighbours_by_a_gaussian(size: int, sigma: float | None, pictures: Pictures) -> None:
    gradient = torch.randn(2, 3, 6, 9, generator=seeded(0), dtype=torch.float64)
    images = pictures(2)[..., :6, :1].expand(2, 3, 6, 9) * 0 + 0.5
    # the unit gradient shows every pixel's share, where a sign would hide it
    move = Move(images, torch.zeros_like(images), gradient, torch.zeros(2), L2(1.0), 0, 1)
    moved, _ = Smoothed(Steepest(0.1), size, sigma)(move, {})
    expected = slowly_blurred(gradient, size, sigma or size // 2 / math.sqrt(3))
    length = expected.flatten(1).norm(dim=1).view(2, 1, 1, 1)
    torch.testing.assert_close(moved, 0.1 * expected / length)


def test_smoothing_comes_before_what_the_inner_step_remembers(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    labels = victim.predict(images).logits.argmax(1)
    step = Smoothed(Momentum(2 * GREY, 0.9), 3)
    ours = GradientAttack(CrossEntropy(), Linf(EPS), step, steps=4, last=True)(
        victim, images, labels, generator=seeded(0), bits=None
    )
    change, velocity = torch.zeros_like(images), torch.zeros_like(images)
    for _ in range(4):
        leaf = (images + change).requires_grad_()
        (slope,) = torch.autograd.grad(F.cross_entropy(victim(leaf).logits, labels, reduction="sum"), leaf)
        slope = slowly_blurred(slope, 3, 1 / math.sqrt(3))
        velocity = 0.9 * velocity + slope / slope.abs().mean((1, 2, 3), keepdim=True)
        change = (change + 2 * GREY * velocity.sign()).clamp(-EPS, EPS)
        change = (images + change).clamp(0, 1) - images
    torch.testing.assert_close(ours.images, images + change)


def test_smoothing_of_one_pixel_is_none(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    plain, smoothed = (uturn(EPS, smoothing=size)(victim, images, generator=seeded(0)).images for size in (0, 1))
    assert torch.equal(plain, smoothed)
    assert not torch.equal(plain, uturn(EPS, smoothing=3)(victim, images, generator=seeded(0)).images)


def test_the_copies_gradient_is_the_mean_over_dimmed_images_judged_as_the_plain_one(
    smooth: Make, pictures: Pictures
) -> None:
    victim, images = smooth(), pictures()
    labels = victim.predict(images).logits.argmax(1)
    leaf = images.clone().requires_grad_()
    losses = [F.cross_entropy(victim(leaf / 2**i).logits, labels, reduction="none") for i in range(3)]
    (by_hand,) = torch.autograd.grad(torch.stack(losses).mean(0).sum(), leaf)
    lens = Lens(victim, CrossEntropy(), Linf(EPS), None, looking(copies=3), False)
    batch = lens.observe(images, {"label": labels}, spread(seeded(0), images))
    value, _, slope = lens.look(batch, images, differentiate=True)
    torch.testing.assert_close(slope, by_hand)
    torch.testing.assert_close(value, losses[0].detach())


def test_a_copy_is_compared_with_the_plain_clean_descriptor(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    lens = Lens(victim, FeatureDistance(), Linf(EPS), None, looking(copies=4, diversity=0.5), False)
    batch = lens.observe(images, {}, spread(seeded(0), images))
    assert list(batch.references) == [Plain()]
    torch.testing.assert_close(batch.references[Plain()]["clean"], victim.predict(images).embedding)


def test_all_together_and_each_switched_off() -> None:
    everything = transferable(EPS)
    assert everything.step == Smoothed(Momentum(EPS / 10, 1.0), 7)
    assert everything.views == tuple(
        [ResizeAndPad()] + [Chain((Dimmed(0.5**copy), ResizeAndPad())) for copy in range(1, 5)]
    )
    assert everything.start == Zero()
    assert transferable(EPS, objective=OppositeDirection()).start == Jitter(GREY)
    assert transferable(EPS, diversity=0, smoothing=0, copies=0) == mifgsm(EPS)
    assert transferable(EPS, copies=0).views == (ResizeAndPad(),)
    assert transferable(EPS, diversity=0, copies=2).views == (Plain(), Dimmed(0.5))
    assert transferable(EPS, momentum=0, smoothing=0, size=GREY).step == Steepest(GREY)
    assert uturn(EPS, momentum=0.5, smoothing=5, copies=2, diversity=0.3).step == moving(
        GREY, momentum=0.5, smoothing=5
    )
    assert uturn(EPS, copies=2, diversity=0.3).views == looking(copies=2, diversity=0.3)


def test_chains_stand_for_what_their_fixed_parts_stand_for() -> None:
    assert chained(Plain(), Plain()) == Plain()
    assert chained(Plain(), Mirror()) == Mirror()
    assert chained(chained(Mirror(), Scale(0.5)), ResizeAndPad()) == Chain((Mirror(), Scale(0.5), ResizeAndPad()))
    assert Chain((Dimmed(0.5), ResizeAndPad())).anchor == Plain()
    assert Chain((Dimmed(0.5), Mirror(), Scale(0.5))).anchor == Chain((Mirror(), Scale(0.5)))


@pytest.mark.parametrize("objective", [CrossEntropy(), OppositeDirection(), FeatureDistance()], ids=repr)
@pytest.mark.parametrize("bits", [8, None])
def test_the_composition_keeps_the_contract(
    objective: object, bits: int | None, smooth: Make, pictures: Pictures
) -> None:
    victim, images = smooth(), pictures()
    labels = victim.predict(images).logits.argmax(1)
    attack = transferable(EPS, objective=objective, steps=4)
    result = attack(victim, images, labels, generator=seeded(0), bits=bits)
    again = attack(victim, images, labels, generator=seeded(0), bits=bits)
    assert torch.equal(result.images, again.images)
    assert (result.images - images).abs().max() <= EPS * (1 + 1e-9)
    assert result.images.min() >= 0
    assert result.images.max() <= 1
    assert (result.objective > result.objective_clean).all()
    for place in (4, 0):
        part = slice(place, place + 1)
        alone = attack(victim, images[part], labels[part], generator=seeded(0), bits=bits)
        torch.testing.assert_close(alone.images[0], result.images[place], rtol=0, atol=1e-9)


def test_the_cost_is_that_of_every_copy_and_of_the_judge(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    labels = victim.predict(images).logits.argmax(1)
    for attack in (transferable(EPS, steps=3, copies=4), transferable(EPS, steps=3, copies=4, diversity=0)):
        result = attack(victim, images, labels, generator=seeded(0))
        assert (int(result.forwards[0]), int(result.backwards[0])) == attack.passes
    assert transferable(EPS, steps=3, copies=4).passes == (1 + 3 * (4 + 1) + 1, 3 * 4)
    assert transferable(EPS, steps=3, copies=4, diversity=0).passes == (1 + 3 * 4 + 1, 3 * 4)


def test_the_last_iterate_may_be_asked_for(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    wild = replace(uturn(0.5, steps=7), step=Steepest(1.0))
    best, last = (replace(wild, last=choice)(victim, images, generator=seeded(0)) for choice in (False, True))
    assert (last.objective <= best.objective).all()
    assert (last.objective < best.objective).any()


def test_mistakes_are_told() -> None:
    for wrong, told in (
        ({"smoothing": 4}, "odd number of pixels, not 4"),
        ({"smoothing": -1}, "odd number of pixels, not -1"),
        ({"diversity": 1.5}, "a chance between 0 and 1, not 1.5"),
        ({"copies": -1}, "at least 0, not -1"),
        ({"momentum": math.nan}, "decay of a momentum is a number of at least 0, not nan"),
        ({"momentum": -0.5}, "decay of a momentum is a number of at least 0, not -0.5"),
        ({"size": 0.0}, "length above 0, not 0"),
        ({"size": -GREY}, "length above 0"),
        ({"size": math.inf}, "length above 0, not inf"),
        ({"size": math.nan}, "length above 0, not nan"),
    ):
        with pytest.raises(UserError, match=told):
            transferable(EPS, **wrong)
    with pytest.raises(UserError, match="width of a smoothing kernel"):
        Smoothed(Steepest(1.0), 3, 0.0)
    with pytest.raises(UserError, match="width of a smoothing kernel"):
        Smoothed(Steepest(1.0), 3, math.nan)
    for scales in ((), (1.0, 0.0), (0.5, 0.5), (0.01, 1.0), (1.0, 5.0), (math.nan,)):
        with pytest.raises(UserError, match=r"scales are different factors from 0\.1 to 4"):
            uturn(EPS, scales=scales)
