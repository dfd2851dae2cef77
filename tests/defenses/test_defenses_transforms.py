"""The two simple purifiers, and what an informed attacker differentiates in their place."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from textures import pillow, textured
from turncoat.attacks.presets.gradient import pgd
from turncoat.core.errors import UserError
from turncoat.core.seeds import seeded
from turncoat.core.victim import Victim
from turncoat.defenses.codec import soft_jpeg
from turncoat.defenses.purifier import Purifier
from turncoat.defenses.transforms import BitDepth, Jpeg
from turncoat.objectives.labels import CrossEntropy

PURIFIERS: list[Purifier] = [Jpeg(50), Jpeg(90), BitDepth(1), BitDepth(3)]
NAMES = [purifier.name for purifier in PURIFIERS]


@pytest.mark.parametrize("quality", [1, 50, 95])
@pytest.mark.parametrize("shape", [(32, 16), (13, 21)])
def test_jpeg_is_pillows_round_trip(quality: int, shape: tuple[int, int]) -> None:
    images = textured(*shape, seed=quality)
    assert torch.equal(Jpeg(quality)(images), torch.stack([pillow(image, quality) for image in images]))


def test_jpeg_takes_the_nearest_level() -> None:
    images = textured(16, 16, seed=0)
    jitter = (torch.rand(images.shape, generator=seeded(1)) - 0.5) * 0.9 / 255
    assert torch.equal(Jpeg(70)(images + jitter), Jpeg(70)(images))


@pytest.mark.parametrize("bits", range(1, 9))
def test_bit_depth_keeps_the_nearest_of_its_levels(bits: int) -> None:
    images = torch.rand(2, 3, 9, 9, generator=seeded(bits))
    levels = torch.arange(2**bits) / (2**bits - 1)
    found = BitDepth(bits)(images)
    nearest = levels[(images[..., None] - levels).abs().argmin(-1)]
    torch.testing.assert_close(found, nearest)
    assert len(found.unique()) <= 2**bits
    assert torch.equal(BitDepth(bits)(found), found)


def test_eight_bits_change_nothing_that_is_saved() -> None:
    images = torch.arange(256).float().view(1, 1, 16, 16).expand(1, 3, 16, 16) / 255
    torch.testing.assert_close(BitDepth(8)(images), images, atol=1e-7, rtol=0)


@pytest.mark.parametrize("quality", [0, 96, -3])
def test_a_quality_that_is_none_is_told(quality: int) -> None:
    with pytest.raises(UserError, match=rf"quality is 1 to 95, not {quality}"):
        Jpeg(quality)


@pytest.mark.parametrize("bits", [0, 9])
def test_a_depth_that_is_none_is_told(bits: int) -> None:
    with pytest.raises(UserError, match=rf"bit depth is 1 to 8, not {bits}"):
        BitDepth(bits)


@pytest.mark.parametrize("purifier", PURIFIERS, ids=NAMES)
def test_the_surrogate_gives_exactly_what_the_purifier_gives(purifier: Purifier) -> None:
    images = textured(21, 18, seed=4)
    for way in purifier.adaptive():
        assert way.exact
        assert torch.equal(way.module(images), purifier(images))
        assert torch.equal(way.module(images.clone().requires_grad_()).detach(), purifier(images))


@pytest.mark.parametrize("purifier", PURIFIERS, ids=NAMES)
def test_the_purifier_itself_gives_no_gradient(purifier: Purifier) -> None:
    images = textured(16, 16, seed=5).requires_grad_()
    assert not purifier(images).requires_grad


def test_the_gradient_straight_through_is_that_of_the_identity() -> None:
    images = torch.rand(2, 3, 6, 5, generator=seeded(6), requires_grad=True)
    weights = torch.randn(images.shape, generator=seeded(7))
    (way,) = BitDepth(2).adaptive()
    (gradient,) = torch.autograd.grad((way.module(images) * weights).sum(), images)
    assert torch.equal(gradient, weights)


def test_the_gradient_through_jpeg_is_that_of_the_soft_codec() -> None:
    images = textured(24, 20, seed=8)
    weights = torch.randn(images.shape, generator=seeded(9))
    codec, identity = Jpeg(60).adaptive()
    slopes = []
    for path in (codec.module, lambda seen: soft_jpeg(seen, 60), identity.module):
        leaf = images.clone().requires_grad_()
        slopes.append(torch.autograd.grad((path(leaf) * weights).sum(), leaf)[0])
    assert torch.equal(slopes[0], slopes[1])
    assert not torch.equal(slopes[0], weights)
    assert torch.equal(slopes[2], weights)


def test_where_the_gradient_of_the_codec_fades_the_identity_keeps_its_own() -> None:
    """Coefficients of a JPEG sit where rounding is flat: the reason for the second way."""
    fresh = textured(24, 24, seed=11)
    again = Jpeg(60)(fresh)
    weights = torch.randn(fresh.shape, generator=seeded(12))

    def slope(way: nn.Module, images: torch.Tensor) -> float:
        leaf = images.clone().requires_grad_()
        (gradient,) = torch.autograd.grad((way(leaf) * weights).sum(), leaf)
        return float(gradient.norm() / weights.norm())

    codec, identity = (way.module for way in Jpeg(60).adaptive())
    assert slope(codec, again) < 0.5 * slope(codec, fresh)
    assert slope(identity, again) == pytest.approx(1)


@pytest.mark.parametrize("purifier", PURIFIERS, ids=NAMES)
def test_equal_settings_have_equal_names_and_hashes_and_others_do_not(purifier: Purifier) -> None:
    network = nn.Conv2d(3, 2, 3)
    others = [Victim(network, reads="maps").behind(other).digest() for other in PURIFIERS if other is not purifier]
    own = Victim(network, reads="maps").behind(purifier).digest()
    assert own not in [*others, Victim(network, reads="maps").digest()]
    assert NAMES.count(purifier.name) == 1


def test_a_purifier_learns_nothing_unless_it_says_so_and_names_no_attack() -> None:
    class Same(Purifier):
        name = "same"

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images

    same = Same()
    assert same.fit([]) is same
    assert not same.adaptive()


class Fine(nn.Module):
    """Classes told apart by texture that JPEG mostly removes, and by colour that it mostly keeps."""

    def __init__(self) -> None:
        super().__init__()
        generator = seeded(3)
        self.fine = nn.Parameter(torch.randn(8, 3, 3, 3, generator=generator) * 0.5)
        self.head = nn.Parameter(torch.randn(4, 8 * 16, generator=generator))

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        maps = F.conv2d(images - 0.5, self.fine, padding=1).tanh()
        return {"logits": F.linear(F.adaptive_avg_pool2d(maps, 4).flatten(1), self.head)}


@pytest.mark.parametrize("quality", [20, 40])
def test_who_knows_of_jpeg_breaks_more_and_raises_the_loss_more(quality: int) -> None:
    images = textured(32, 32, seed=10, n=24)
    bare, front = Victim(Fine()), Jpeg(quality)
    deployed = bare.behind(front)
    labels = deployed.predict(images).logits.argmax(1)
    attack = pgd(4 / 255, steps=15)
    losses, right = [], []
    for seen in (bare, bare.behind(front.adaptive()[0].module)):
        result = attack(seen, images, labels, generator=seeded(0))
        outputs = deployed.predict(result.images)
        goal = CrossEntropy()
        losses.append(float(goal(outputs, goal.observe(outputs, {"label": labels})).mean()))
        right.append(int((outputs.logits.argmax(1) == labels).sum()))
    assert losses[1] > 1.2 * losses[0]
    assert right[1] < right[0]
