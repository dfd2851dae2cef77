"""The smallest change: judged as saved, within its budget, and by the criterion it is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from turncoat.attacks.cw import CarliniWagner
from turncoat.attacks.presets.gradient import cw, pgd
from turncoat.core.criterion import Criterion
from turncoat.core.errors import UserError
from turncoat.core.outputs import Outputs
from turncoat.core.seeds import seeded
from turncoat.core.truth import Columns
from turncoat.core.victim import Victim
from turncoat.objectives.attributes import AttributeMargin
from turncoat.objectives.criteria import AttributesMissed, Misclassified
from turncoat.objectives.labels import LogitMargin

Make = Callable[..., Victim]
Pictures = Callable[..., Tensor]
SHORT = CarliniWagner(LogitMargin(), steps=40, searches=6)


def lengths(change: Tensor) -> Tensor:
    return change.flatten(1).norm(dim=1)


def test_it_needs_less_than_an_attack_that_spends_a_budget(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    labels = victim.predict(images).logits.argmax(1)
    result = SHORT(victim, images, labels, generator=seeded(0), criterion=Misclassified(), bits=None)
    assert result.success.all()
    needed = lengths(result.images - images)
    for place, need in enumerate(needed.tolist()):  # with half of that, a strong ascent under the same norm breaks none
        one = slice(place, place + 1)
        ascent = pgd(0.5 * need, norm="l2", objective=LogitMargin(), steps=20)
        found = ascent(victim, images[one], labels[one], generator=seeded(0), bits=None)
        assert float(found.objective) < 0


def test_changes_beyond_the_budget_do_not_count(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    labels = victim.predict(images).logits.argmax(1)
    free = SHORT(victim, images, labels, generator=seeded(0), criterion=Misclassified())
    needed = lengths(free.images - images)
    border = float(needed.sort().values[2])
    tight = replace(SHORT, eps=border)(victim, images, labels, generator=seeded(0), criterion=Misclassified())
    assert torch.equal(tight.success, needed <= border)
    assert torch.equal(tight.images[~tight.success], images[~tight.success])
    assert torch.equal(tight.objective[~tight.success], tight.objective_clean[~tight.success])
    assert torch.equal(tight.images[tight.success], free.images[tight.success])


def test_the_last_step_is_judged_too(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    labels = victim.predict(images).logits.argmax(1)
    single = CarliniWagner(LogitMargin(), steps=1, searches=1, size=0.2)
    result = single(victim, images, labels, generator=seeded(0), criterion=Misclassified())
    assert result.success.any()
    assert (result.forwards == 3).all()
    assert (result.backwards == 1).all()


def test_confidence_asks_for_more(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    labels = victim.predict(images).logits.argmax(1)
    sure = replace(SHORT, confidence=0.5)(victim, images, labels, generator=seeded(0), criterion=Misclassified())
    just = SHORT(victim, images, labels, generator=seeded(0), criterion=Misclassified())
    assert (sure.objective[sure.success] > 0.5).all()
    assert (lengths(sure.images - images) > lengths(just.images - images)).all()


def test_a_stricter_criterion_than_the_margin_has_the_last_word(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    truth = {"attributes": (victim.predict(images).logits > 0).long()}
    search = CarliniWagner(AttributeMargin(), steps=60, searches=6)
    strict = AttributesMissed(overlap=0.9)
    result = search(victim, images, truth, generator=seeded(0), criterion=strict)
    now = victim.predict(result.images)
    assert torch.equal(result.success, strict(now, truth))
    assert result.success.any()
    assert (lengths(result.images - images)[~result.success] == 0).all()


class Clearly(Criterion):
    """Another class is ahead by more than five."""

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        return LogitMargin()(outputs, {"label": reference["label"]}) > 5


def test_the_search_goes_on_until_the_criterion_agrees(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    labels = victim.predict(images).logits.argmax(1)
    result = SHORT(victim, images, labels, generator=seeded(0), criterion=Clearly())
    assert result.success.all()
    assert (result.objective > 5).all()


def test_without_a_criterion_there_is_no_verdict_and_the_margin_decides(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    labels = victim.predict(images).logits.argmax(1)
    result = SHORT(victim, images, labels, generator=seeded(0))
    judged = SHORT(victim, images, labels, generator=seeded(0), criterion=Misclassified())
    assert result.success is None
    assert torch.equal(result.images, judged.images)
    assert torch.equal(result.objective > 0, judged.success)


def test_every_image_is_judged_as_it_would_be_saved(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    labels = victim.predict(images).logits.argmax(1)
    result = SHORT(victim, images, labels, generator=seeded(0), criterion=Misclassified())
    saved = result.images.mul(255).round().to(torch.uint8)
    assert torch.equal(saved.double() / 255, result.images)
    assert (victim.predict(saved.double() / 255).logits.argmax(1) != labels).all()


def test_the_cost_announced_is_the_cost_of_what_never_breaks(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    labels = victim.predict(images).logits.argmax(1)
    hopeless = replace(SHORT, eps=1e-6, steps=5, searches=3)
    result = hopeless(victim, images, labels, generator=seeded(0), criterion=Misclassified())
    assert not result.success.any()
    assert (int(result.forwards.max()), int(result.backwards.max())) == hopeless.passes == (19, 15)


def test_the_preset_and_the_refusal(smooth: Make, pictures: Pictures) -> None:
    assert cw() == CarliniWagner(LogitMargin())
    assert cw(0.5, objective=AttributeMargin(), steps=7, searches=2) == CarliniWagner(
        AttributeMargin(), eps=0.5, steps=7, searches=2
    )
    for wrong in ({"steps": -1}, {"searches": 0}):
        with pytest.raises(UserError, match="steps >= 0 and searches >= 1"):
            cw(**wrong)
    victim = smooth()
    victim.network.differentiable = False
    with pytest.raises(UserError, match="gives no gradients"):
        cw()(victim, pictures(), torch.zeros(5, dtype=torch.int64), generator=seeded(0))
