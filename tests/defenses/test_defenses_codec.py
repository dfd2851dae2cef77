"""The differentiable JPEG against Pillow's, and its gradient against finite differences."""

from __future__ import annotations

import pytest
import torch

from textures import pillow, textured
from turncoat.core.seeds import seeded
from turncoat.defenses.codec import soft_jpeg


@pytest.mark.parametrize("shape", [(64, 48), (37, 50), (17, 31), (40, 23)])
@pytest.mark.parametrize("quality", [10, 50, 75, 90])
def test_it_is_close_to_the_real_codec(quality: int, shape: tuple[int, int]) -> None:
    images = textured(*shape, seed=quality)
    exact = torch.stack([pillow(image, quality) for image in images])
    soft = soft_jpeg(images, quality)
    assert soft.shape == images.shape
    error, change = ((other - exact).abs().mean(dim=(1, 2, 3)) * 255 for other in (soft, images))
    assert (error < (3 if quality < 50 else 2)).all(), error
    assert (error < change / 2).all(), "the codec hardly changed these images: this test shows nothing"


def test_every_image_and_size_is_coded_alone() -> None:
    images = textured(20, 28, seed=1, n=3)
    together = soft_jpeg(images, 40)
    for row in range(3):
        torch.testing.assert_close(soft_jpeg(images[row : row + 1], 40)[0], together[row])


def test_a_better_quality_is_nearer_to_the_image() -> None:
    images = textured(48, 48, seed=2)
    errors = [float((soft_jpeg(images, quality) - images).abs().mean()) for quality in (5, 25, 50, 75, 95)]
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("quality", [10, 60, 90])
def test_the_gradient_is_that_of_finite_differences(quality: int) -> None:
    images = textured(19, 22, seed=quality, n=1).double()
    weights = torch.randn(images.shape, generator=seeded(0)).double()
    leaf = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((soft_jpeg(leaf, quality) * weights).sum(), leaf)
    for trial in range(8):
        direction = torch.randn(images.shape, generator=seeded(trial + 1)).double()
        step = 1e-6
        ahead, behind = ((soft_jpeg(images + sign * step * direction, quality) * weights).sum() for sign in (1, -1))
        slope = float((ahead - behind) / (2 * step))
        assert float((gradient * direction).sum()) == pytest.approx(slope, rel=1e-3, abs=1e-3)


def test_the_gradient_reaches_every_pixel_also_at_the_border() -> None:
    images = textured(18, 21, seed=3, n=1).requires_grad_()
    (gradient,) = torch.autograd.grad(soft_jpeg(images, 75).square().sum(), images)
    assert (gradient != 0).float().mean() > 0.99
    assert (gradient[..., -1, :] != 0).any()
    assert (gradient[..., :, -1] != 0).any()
