"""One perturbation for every image: what it learns, and how it is added."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from turncoat.attacks.presets.universal import universal
from turncoat.attacks.starts import Jitter, Zero
from turncoat.attacks.steps import Momentum, Smoothed, Steepest
from turncoat.attacks.universal import Fixed
from turncoat.core.balls import L2, Linf
from turncoat.core.errors import UserError
from turncoat.core.seeds import seeded
from turncoat.core.victim import Victim
from turncoat.objectives.attributes import AttributeLoss
from turncoat.objectives.criteria import Misclassified
from turncoat.objectives.features import OppositeDirection
from turncoat.objectives.labels import CrossEntropy, LogitMargin

GREY = 1 / 255
EPS = 8 * GREY
Make = Callable[..., Victim]
Pictures = Callable[..., Tensor]


class Linear(nn.Module):
    """Class scores that are linear in the pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 3 * 8 * 8, generator=seeded(2), dtype=torch.float64))

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.weight.T


def batches(images: Tensor, truth: Tensor | None, size: int) -> list[tuple[Tensor, Tensor | None]]:
    parts = torch.arange(len(images)).split(size)
    return [(images[part], None if truth is None else truth[part]) for part in parts]


def test_on_a_linear_model_it_is_the_sign_of_the_mean_gradient(pictures: Pictures) -> None:
    network = Linear()
    victim, images = Victim(network, reads="logits"), (0.3 + 0.4 * pictures(12)).mul(255).round() / 255
    scores = victim.predict(images).logits
    labels, rivals = scores.topk(2, dim=1).indices.T
    weight = network.weight.detach()
    # so small a budget that the best wrong class of an image stays the same
    attack = universal(GREY, objective=LogitMargin(), epochs=3, size=GREY / 2)
    learnt = attack.learn(victim, batches(images, labels, 12), generator=seeded(0))
    mean = (weight[rivals] - weight[labels]).mean(0)
    torch.testing.assert_close(learnt, GREY * mean.sign().view(1, 3, 8, 8))
    long = universal(0.5, objective=LogitMargin(), norm="l2", epochs=60, size=0.1)
    learnt = long.learn(victim, batches(images[:1], labels[:1], 1), generator=seeded(0), bits=None)
    steep = (weight[rivals[0]] - weight[labels[0]]).view(1, 3, 8, 8)
    torch.testing.assert_close(learnt, 0.5 * steep / steep.norm())


def test_it_goes_through_the_batches_a_step_each_and_epoch_by_epoch(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures(7)
    labels = victim.predict(images).logits.argmax(1)
    attack = universal(4 * GREY, objective=CrossEntropy(), epochs=3, momentum=0.9)
    learnt = attack.learn(victim, batches(images, labels, 3), generator=seeded(0), bits=None)
    change, velocity = torch.zeros(1, 3, 8, 8, dtype=torch.float64), 0
    for _ in range(3):
        for seen, label in batches(images, labels, 3):
            leaf = (seen + change).clamp(0, 1).requires_grad_()
            (slope,) = torch.autograd.grad(F.cross_entropy(victim(leaf).logits, label), leaf)
            slope = slope.sum(0, keepdim=True)
            velocity = 0.9 * velocity + slope / slope.abs().mean()
            change = (change + GREY * velocity.sign()).clamp(-4 * GREY, 4 * GREY)
    torch.testing.assert_close(learnt, change)


@pytest.mark.parametrize("objective", [None, CrossEntropy(), AttributeLoss()], ids=repr)
def test_it_harms_images_that_it_has_not_learnt_from(objective: object, smooth: Make, pictures: Pictures) -> None:
    victim, known, other = smooth(), pictures(40, seed=5), pictures(20, seed=6)

    def truth(images: Tensor) -> dict[str, Tensor]:
        scores = victim.predict(images).logits
        return {"label": scores.argmax(1), "attributes": (scores > 0).long()}

    attack = universal(EPS, objective=objective, epochs=4)
    rows = torch.arange(40).split(8)
    lesson = [(known[part], {name: values[part] for name, values in truth(known).items()}) for part in rows]
    learnt = attack.learn(victim, lesson, generator=seeded(0))
    assert learnt.shape == (1, 3, 8, 8)
    assert learnt.abs().max() <= EPS
    result = attack.fixed(learnt)(victim, other, truth(other), generator=seeded(0))
    noise = Fixed(EPS * torch.randn(learnt.shape, generator=seeded(1)).sign().double(), attack.objective, Linf(EPS))
    chance = noise(victim, other, truth(other), generator=seeded(0))
    assert (result.objective - result.objective_clean).mean() > 2 * (chance.objective - chance.objective_clean).mean()
    again = attack.learn(victim, lesson, generator=seeded(0))
    assert torch.equal(again, learnt)


def test_it_is_added_resized_inside_the_ball_on_levels(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures(4, size=12)
    labels = victim.predict(images).logits.argmax(1)
    pattern = EPS * torch.rand(1, 3, 8, 8, generator=seeded(3), dtype=torch.float64).mul(2).sub(1)
    attack = Fixed(pattern, CrossEntropy(), Linf(EPS))
    result = attack(victim, images, labels, generator=seeded(0), criterion=Misclassified())
    wanted = (images + F.interpolate(pattern, size=(12, 12), mode="bilinear", align_corners=False)).clamp(0, 1)
    torch.testing.assert_close(result.images, wanted, rtol=0, atol=GREY / 2 + 1e-9)
    torch.testing.assert_close(result.images * 255, (result.images * 255).round())
    assert (result.images - images).abs().max() <= EPS * (1 + 1e-9)
    seen = victim.predict(result.images).logits
    torch.testing.assert_close(result.objective, F.cross_entropy(seen, labels, reduction="none"))
    assert torch.equal(result.success, seen.argmax(1) != labels)
    assert (result.forwards == 2).all()
    assert attack.passes == (2, 0)


def test_a_long_perturbation_is_brought_into_the_ball(smooth: Make, pictures: Pictures) -> None:
    images = pictures(3, size=16)
    attack = Fixed(torch.full((1, 3, 8, 8), 0.5, dtype=torch.float64), OppositeDirection(), L2(0.4))
    change = attack(smooth(), images, generator=seeded(0), bits=None).images - images
    assert (change.flatten(1).norm(dim=1) <= 0.4 * (1 + 1e-9)).all()
    assert change.abs().amax() > 0


def test_called_as_an_attack_it_learns_from_what_it_is_given(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures(5)
    labels = victim.predict(images).logits.argmax(1)
    attack, before = universal(EPS, objective=CrossEntropy(), epochs=2, batch=2), victim.passes.forwards
    result = attack(victim, images, labels, generator=seeded(0))
    assert int(result.forwards.sum()) == victim.passes.forwards - before
    assert (int(result.forwards[0]), int(result.backwards[0])) == attack.passes == (2 * 2 + 2, 2)
    assert (result.steps_used == 6).all()
    learnt = attack.learn(victim, batches(images, labels, 2), generator=seeded(0))
    assert torch.equal(result.images, attack.fixed(learnt)(victim, images, labels, generator=seeded(0)).images)
    change = (result.images - images) * 255
    inside = (result.images > 0) & (result.images < 1)
    assert torch.allclose(change[inside], (learnt * 255).expand_as(change)[inside], atol=1e-9)


def test_only_one_batch_is_held_at_a_time(smooth: Make, pictures: Pictures) -> None:
    alive: list[int] = []

    class Counted:
        def __len__(self) -> int:
            return 4

        def __iter__(self) -> Iterator[tuple[Tensor, None]]:
            for seed in range(4):
                alive.append(seed)
                yield pictures(3, seed=seed), None

    universal(EPS, epochs=2).learn(smooth(), Counted(), generator=seeded(0))
    assert alive == [0, *range(4), *range(4)]  # the first is also looked at to know the size


def test_the_preset_says_what_it_is() -> None:
    attack = universal(EPS)
    assert (attack.objective, attack.constraint, attack.step) == (OppositeDirection(), Linf(EPS), Steepest(GREY))
    assert attack.start == Jitter(GREY)
    assert universal(EPS, objective=CrossEntropy()).start == Zero()
    assert universal(0.5, norm="l2").step == Steepest(0.05)
    assert universal(EPS, momentum=1.0, smoothing=3).step == Smoothed(Momentum(GREY, 1.0), 3)
    assert len(universal(EPS, copies=3, diversity=0.5).views) == 3


def test_mistakes_are_told(smooth: Make, pictures: Pictures) -> None:
    with pytest.raises(UserError, match="at least one epoch and one image a batch, not 0, 32"):
        universal(EPS, epochs=0)
    with pytest.raises(UserError, match="at least one epoch and one image a batch, not 5, 0"):
        replace(universal(EPS), batch=0)
    with pytest.raises(UserError, match="needs images to learn from"):
        universal(EPS).learn(smooth(), [], generator=seeded(0))
    with pytest.raises(UserError, match="images of one size to learn from, not 8x8 and 12x12"):
        universal(EPS).learn(smooth(), [(pictures(), None), (pictures(size=12), None)], generator=seeded(0))
