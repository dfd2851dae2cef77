"""U-turn at several sizes and in the mirror: its article's algorithm 2, step by step."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from turncoat.attacks.presets.features import uturn
from turncoat.attacks.starts import Zero
from turncoat.attacks.views import Chain, Mirror, Plain, Scale
from turncoat.core.errors import UserError
from turncoat.core.seeds import seeded
from turncoat.core.victim import Victim

GREY = 1 / 255
SCALES = (1.0, 0.7071, 0.5)
Make = Callable[..., Victim]
Pictures = Callable[..., Tensor]


def resized(images: Tensor, factor: float) -> Tensor:
    return F.interpolate(images, scale_factor=factor, mode="bilinear", align_corners=False)


def test_one_scale_is_no_scales(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    assert uturn(8 * GREY, scales=(1,)) == uturn(8 * GREY)
    one, plain = (
        attack(victim, images, generator=seeded(0)) for attack in (uturn(8 * GREY, scales=(1,)), uturn(8 * GREY))
    )
    assert torch.equal(one.images, plain.images)
    assert torch.equal(one.forwards, plain.forwards)


@pytest.mark.parametrize("factor", [1.0, 0.7071, 0.5, 1.5])
def test_the_gradient_at_a_scale_is_itself_resized_back(factor: float, pictures: Pictures) -> None:
    images = pictures(2, size=12)
    weight = torch.randn(resized(images, factor).shape, generator=seeded(1), dtype=images.dtype)
    leaf = images.clone().requires_grad_()
    seen = Scale(factor, adjoint=False)(leaf, [])
    torch.testing.assert_close(seen, resized(images, factor))
    (gradient,) = torch.autograd.grad((seen * weight).sum(), leaf)
    torch.testing.assert_close(gradient, F.interpolate(weight, size=12, mode="bilinear", align_corners=False))


def test_algorithm_2_step_by_step(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures(size=16)
    attack = uturn(8 * GREY, scales=SCALES, steps=3, normalised=False, start=Zero())
    result = attack(victim, images, generator=seeded(0), bits=None)
    targets = [victim.predict(resized(images, scale)).embedding for scale in SCALES]
    moved = images.clone()
    for _ in range(3):
        slopes = []
        for scale, target in zip(SCALES, targets, strict=True):
            small = resized(moved, scale).requires_grad_()
            value = (victim(small).embedding + target).square().sum()
            (slope,) = torch.autograd.grad(value, small)
            slopes.append(F.interpolate(slope, size=16, mode="bilinear", align_corners=False))
        moved = moved - GREY * torch.stack(slopes).mean(0).sign()
        moved = torch.minimum(torch.maximum(moved, images - 8 * GREY), images + 8 * GREY).clamp(0, 1)
    goals = [
        -(victim.predict(resized(moved, scale)).embedding + target).square().sum(1)
        for scale, target in zip(SCALES, targets, strict=True)
    ]
    torch.testing.assert_close(result.images, moved)
    torch.testing.assert_close(result.objective, torch.stack(goals).mean(0))


def test_several_scales_turn_the_descriptor_at_all_of_them(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures(size=16)

    def cosines(attacked: Tensor) -> Tensor:
        pairs = ((victim.predict(resized(one, scale)).descriptor for one in (images, attacked)) for scale in SCALES)
        return torch.stack([(before * after).sum(1) for before, after in pairs]).mean(0)

    single, several = (
        attack(victim, images, generator=seeded(0)).images
        for attack in (uturn(8 * GREY), uturn(8 * GREY, scales=SCALES))
    )
    assert cosines(several).mean() < cosines(single).mean()
    assert (several - images).abs().max() <= 8 * GREY + 1e-9


def test_the_mirror_image_is_turned_as_well(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    result = uturn(8 * GREY, mirror=True)(victim, images, generator=seeded(0))
    goals = [
        -(victim.predict(look(result.images)).descriptor + victim.predict(look(images)).descriptor).square().sum(1)
        for look in (lambda seen: seen, lambda seen: seen.flip(-1))
    ]
    torch.testing.assert_close(result.objective, torch.stack(goals).mean(0))
    assert uturn(GREY, mirror=True).views == (Plain(), Mirror())
    half = Scale(0.5, adjoint=False)
    assert uturn(GREY, mirror=True, scales=(1, 0.5)).views == (Plain(), Mirror(), half, Chain((Mirror(), half)))


def test_sizes_that_a_network_cannot_see_are_told_in_one_line(smooth: Make, pictures: Pictures) -> None:
    with pytest.raises(UserError, match=r"images of 8x8 at scale 0\.3 have a side below 4 pixels"):
        uturn(GREY, scales=(1, 0.3))(smooth(), pictures(), generator=seeded(0))
    wide = Victim(nn.Conv2d(3, 2, 7).double(), name="wide", reads="embedding")
    for scales in ((1, 0.5), (0.5,)):
        with pytest.raises(UserError, match=r"wide cannot look at images of 4x4, give it other scales: .*") as caught:
            uturn(GREY, scales=scales, mirror=True)(wide, pictures(), generator=seeded(0))
        assert "\n" not in str(caught.value)
