"""Randomness per sample: a function of the seed and of what the sample looks like."""

from __future__ import annotations

import torch

from turncoat.core.seeds import seeded, spread, uniform


def noise(images: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return uniform(images, spread(seeded(seed), images))


def batch(count: int = 5) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, 4, 4), generator=seeded(9)).float() / 255


def test_the_noise_of_a_sample_does_not_depend_on_its_batch_or_place() -> None:
    images = batch()
    together = noise(images)
    order = torch.tensor([3, 0, 4])
    assert torch.equal(noise(images[order]), together[order])
    for place in range(5):
        assert torch.equal(noise(images[place : place + 1])[0], together[place])


def test_different_images_seeds_and_calls_have_different_noise() -> None:
    images = batch()
    together = noise(images)
    assert len({row.numpy().tobytes() for row in together}) == 5
    assert not torch.equal(noise(images, seed=1), together)
    generator = seeded(0)
    first, second = (uniform(images, spread(generator, images)) for _ in range(2))
    assert torch.equal(first, together)
    assert not torch.equal(second, first)


def test_the_last_bit_of_a_pixel_counts_and_rounding_errors_do_not() -> None:
    images = batch(1)
    assert torch.equal(noise(images + 1e-6), noise(images))
    brighter = images.clone()
    brighter[0, 2, 3, 3] = (brighter[0, 2, 3, 3] - 1 / 255).abs()
    assert not torch.equal(noise(brighter), noise(images))


def test_the_noise_is_the_same_number_in_every_precision() -> None:
    images = batch()
    assert torch.equal(noise(images.double()), noise(images).double())


def test_uniform_noise_is_uniform_between_minus_one_and_one() -> None:
    drawn = uniform(torch.zeros(50, 3, 20, 20), [seeded(place) for place in range(50)])
    assert -1 <= drawn.min() < -0.999
    assert 0.999 < drawn.max() <= 1
    assert abs(float(drawn.mean())) < 0.01
    assert abs(float(drawn.var()) - 1 / 3) < 0.01


def test_nothing_global_is_touched_and_the_images_stay() -> None:
    images = batch()
    copy, state = images.clone(), torch.get_rng_state()
    noise(images)
    assert torch.equal(images, copy)
    assert torch.equal(torch.get_rng_state(), state)
