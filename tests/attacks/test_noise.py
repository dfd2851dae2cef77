"""The control of every audit: noise, once, as it falls."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from turncoat.attacks.presets.gradient import noise
from turncoat.core.seeds import seeded
from turncoat.core.victim import Victim
from turncoat.objectives.criteria import Misclassified
from turncoat.objectives.labels import CrossEntropy

Make = Callable[..., Victim]
Pictures = Callable[..., Tensor]
GREY = 1 / 255


def grey(count: int = 4, size: int = 24) -> Tensor:
    """Flat images, each of a grey level of its own."""
    return (torch.full((count, 3, size, size), 128.0).double() + torch.arange(count).view(-1, 1, 1, 1)) / 255


def labels(images: Tensor) -> Tensor:
    return torch.zeros(len(images), dtype=torch.int64)


def test_uniform_noise_uses_every_level_of_its_budget(smooth: Make) -> None:
    images = grey()
    result = noise(4 * GREY)(smooth(), images, labels(images), generator=seeded(0))
    change = ((result.images - images) * 255).round()
    counts = torch.stack([(change == level).double().mean() for level in range(-4, 5)])
    assert float(counts.sum()) == pytest.approx(1)
    assert torch.allclose(counts[1:-1], torch.full((7,), 1 / 8, dtype=torch.float64), atol=0.02)
    assert torch.allclose(counts[[0, -1]], torch.full((2,), 1 / 16, dtype=torch.float64), atol=0.02)


def test_sign_noise_spends_all_of_it_in_either_direction(smooth: Make) -> None:
    images = grey()
    result = noise(4 * GREY, sign=True)(smooth(), images, labels(images), generator=seeded(0))
    change = (result.images - images) * 255
    torch.testing.assert_close(change.abs(), torch.full_like(change, 4))
    assert 0.45 < float((change > 0).double().mean()) < 0.55


@pytest.mark.parametrize("sign", [False, True])
def test_l2_noise_has_the_length_of_its_budget(smooth: Make, sign: bool) -> None:
    images = grey()
    attack = noise(2.0, norm="l2", sign=sign)
    result = attack(smooth(), images, labels(images), generator=seeded(0), bits=None)
    reach = (result.images - images).flatten(1).norm(dim=1)
    assert (reach <= 2.0 * (1 + 1e-6)).all()
    assert (reach > 1.9).all()  # in many dimensions nearly all of a ball lies near its surface


def test_noise_looks_twice_asks_for_no_gradient_and_reports_what_it_sees(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    truth = victim.predict(images).logits.argmax(1)
    truth[0] = (truth[0] + 1) % 6
    attack = noise(16 * GREY)
    before = victim.passes.forwards
    result = attack(victim, images, truth, generator=seeded(0), criterion=Misclassified())
    assert victim.passes.forwards - before == 10
    assert victim.passes.backwards == 0
    assert (int(result.forwards.max()), int(result.backwards.max())) == attack.passes == (2, 0)
    seen = victim.predict(result.images).logits
    assert torch.equal(result.success, seen.argmax(1) != truth)
    torch.testing.assert_close(result.objective, torch.nn.functional.cross_entropy(seen, truth, reduction="none"))
    assert attack.objective == CrossEntropy()


def test_noise_works_where_there_is_no_gradient(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    victim.network.differentiable = False
    result = noise(4 * GREY)(victim, images, labels(images), generator=seeded(0))
    assert (result.images != images).any()


def test_two_draws_differ_and_one_seed_repeats(smooth: Make) -> None:
    victim, images = smooth(), grey()
    generator = seeded(0)
    first, second, again = (
        noise(4 * GREY)(victim, images, labels(images), generator=source).images
        for source in (generator, generator, seeded(0))
    )
    assert not torch.equal(first, second)
    assert torch.equal(first, again)
