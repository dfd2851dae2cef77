"""Ways of looking: deterministic per generator, differentiable, and judged as they should be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from turncoat.attacks.ascend import GradientAttack
from turncoat.attacks.lens import Lens
from turncoat.attacks.starts import Jitter
from turncoat.attacks.steps import Steepest
from turncoat.attacks.views import Mirror, Plain, ResizeAndPad, Scale, View
from turncoat.core.balls import Linf
from turncoat.core.seeds import seeded, spread
from turncoat.core.victim import Victim
from turncoat.objectives.features import FeatureDistance, OppositeDirection
from turncoat.objectives.labels import CrossEntropy

Make = Callable[..., Victim]
Pictures = Callable[..., Tensor]
GREY = 1 / 255


def generators(*seeds: int) -> list[torch.Generator]:
    return [seeded(seed) for seed in seeds]


def test_input_diversity_is_a_function_of_each_samples_generator(pictures: Pictures) -> None:
    view, images = ResizeAndPad(least=0.5, probability=1.0), pictures(3)
    once = view(images, generators(4, 5, 6))
    assert torch.equal(view(images, generators(4, 5, 6)), once)
    assert torch.equal(view(images[[2, 0]], generators(6, 4)), once[[2, 0]])
    assert not torch.equal(view(images, generators(7, 8, 9)), once)
    own = generators(4, 5, 6)
    view(images, own)
    assert not torch.equal(view(images, own), once)


def test_input_diversity_shrinks_places_and_pads_with_black() -> None:
    view, image = ResizeAndPad(least=0.5, probability=1.0), torch.ones(1, 3, 20, 10)
    sizes, tops = set(), set()
    for seed in range(60):
        seen = view(image, generators(seed))[0, 0]
        rows, columns = seen.amax(1).nonzero()[:, 0], seen.amax(0).nonzero()[:, 0]
        height, width = int(rows[-1] - rows[0] + 1), int(columns[-1] - columns[0] + 1)
        assert seen.shape == (20, 10)
        assert float(seen.sum()) == pytest.approx(height * width)
        assert 10 <= height <= 20
        assert abs(width - height / 2) <= 1
        sizes.add(height)
        tops.add(int(rows[0]))
    assert len(sizes) > 6
    assert min(tops) == 0
    assert max(tops) > 4


def test_input_diversity_leaves_the_rest_as_it_is(pictures: Pictures) -> None:
    images = pictures(1)
    assert torch.equal(ResizeAndPad(probability=0.0)(images, generators(0)), images)
    kept = sum(torch.equal(ResizeAndPad(least=0.5)(images, generators(seed)), images) for seed in range(300))
    assert 60 <= kept <= 125  # 0.3 of them, and the few that happen to be shrunk by less than half a pixel


def test_fixed_views_are_what_they_say(pictures: Pictures) -> None:
    images = pictures()
    assert torch.equal(Plain()(images, []), images)
    assert torch.equal(Mirror()(images, [])[..., 0], images[..., -1])
    assert Scale(0.5)(images, []).shape == (5, 3, 4, 4)
    torch.testing.assert_close(Scale(0.5)(images, []), F.avg_pool2d(images, 2))


def test_a_fixed_view_is_compared_with_itself_and_a_random_one_with_the_plain_image(
    smooth: Make, pictures: Pictures
) -> None:
    victim, images = smooth(), pictures()
    views: tuple[View, ...] = (Plain(), Mirror(), Scale(0.5), ResizeAndPad())
    lens = Lens(victim, FeatureDistance(), Linf(0.1), None, views, False)
    batch = lens.observe(images, {}, spread(seeded(0), images))
    looks = [images, images.flip(-1), F.avg_pool2d(images, 2), images]
    for view, seen in zip(views, looks, strict=True):
        torch.testing.assert_close(batch.references[view.anchor]["clean"], victim.predict(seen).embedding)
    assert victim.passes.forwards == (5 + 5 + 5) + 4 * 5
    assert batch.objective_clean.abs().max() < 1e-20


def test_iterates_are_judged_by_the_fixed_views_alone(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    views: tuple[View, ...] = (Plain(), Mirror(), ResizeAndPad(probability=1.0))
    result = GradientAttack(OppositeDirection(), Linf(8 * GREY), Steepest(GREY), steps=5, start=Jitter(), views=views)(
        victim, images, generator=seeded(0)
    )
    parts = []
    for look in (lambda seen: seen, lambda seen: seen.flip(-1)):
        clean, now = (F.normalize(victim.predict(look(seen)).embedding) for seen in (images, result.images))
        parts.append(-(now + clean).square().sum(1))
    torch.testing.assert_close(result.objective, torch.stack(parts).mean(0))


@pytest.mark.parametrize("views", [(ResizeAndPad(),), (ResizeAndPad(), ResizeAndPad(0.5))], ids=["one", "two"])
def test_with_random_views_only_the_plain_image_is_the_judge(
    smooth: Make, pictures: Pictures, views: tuple[View, ...]
) -> None:
    victim, images = smooth(), pictures()
    labels = victim.predict(images).logits.argmax(1)
    attack = GradientAttack(CrossEntropy(), Linf(8 * GREY), Steepest(GREY), steps=4, views=views)
    result = attack(victim, images, labels, generator=seeded(0))
    torch.testing.assert_close(
        result.objective, F.cross_entropy(victim.predict(result.images).logits, labels, reduction="none")
    )
    torch.testing.assert_close(
        result.objective_clean, F.cross_entropy(victim.predict(images).logits, labels, reduction="none")
    )


@pytest.mark.parametrize(
    ("views", "forwards"),  # a look at the clean image and its fixed views, then twice 3 steps and a last look
    [
        ((Plain(), Mirror()), 1 + 1 + 2 * (3 * 2 + 2)),
        ((Scale(0.5), Scale(1.0)), 1 + 2 + 2 * (3 * 2 + 2)),
        ((Mirror(),), 1 + 1 + 2 * (3 + 1)),
        ((Plain(), ResizeAndPad()), 1 + 2 * (3 * 2 + 1)),
        ((ResizeAndPad(),), 1 + 2 * (3 * (1 + 1) + 1)),
    ],
    ids=repr,
)
def test_passes_through_views_are_counted_and_never_more_than_announced(
    smooth: Make, pictures: Pictures, views: tuple[View, ...], forwards: int
) -> None:
    victim, images = smooth(), pictures()
    labels = victim.predict(images).logits.argmax(1)
    attack = GradientAttack(CrossEntropy(), Linf(4 * GREY), Steepest(GREY), steps=3, views=views, restarts=2)
    before = victim.passes.forwards
    result = attack(victim, images, labels, generator=seeded(0))
    assert int(result.forwards.sum()) == victim.passes.forwards - before
    assert int(result.backwards.sum()) == victim.passes.backwards
    assert (result.forwards == forwards).all()
    assert forwards <= attack.passes[0]
    assert (result.backwards == attack.passes[1]).all()


def test_a_sample_sees_the_same_draws_in_any_batch(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    labels = victim.predict(images).logits.argmax(1)
    attack = GradientAttack(
        CrossEntropy(), Linf(8 * GREY), Steepest(GREY), steps=4, views=(Plain(), ResizeAndPad(0.5, 1.0))
    )
    together = attack(victim, images, labels, generator=seeded(0))
    for place in range(5):
        alone = attack(victim, images[place : place + 1], labels[place : place + 1], generator=seeded(0))
        torch.testing.assert_close(alone.images[0], together.images[place], rtol=0, atol=1e-9)
