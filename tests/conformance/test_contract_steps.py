"""How an ascent goes: points 3, 4 and 16 of the attack contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from contract_cases import (
    ASCENTS,
    ASKING,
    BY_NAME,
    CLEAN_START,
    EPS,
    GREY,
    OWN_CLASSIFY,
    PAIRS,
    Case,
    Job,
    named,
    steps_changed,
    tiny_images,
    tiny_victim,
)
from torch import Tensor

from turncoat.attacks.ascend import GradientAttack
from turncoat.attacks.presets import features, gradient
from turncoat.attacks.starts import Zero
from turncoat.attacks.steps import APGD, Adam
from turncoat.core.balls import L2, Linf
from turncoat.core.objective import Objective
from turncoat.core.seeds import seeded
from turncoat.objectives.attributes import AttributeLoss
from turncoat.objectives.criteria import AttributesMissed, ClassifiedAs, Misclassified, PairMistaken
from turncoat.objectives.features import FeatureDistance, OppositeDirection
from turncoat.objectives.labels import LabelSmoothing, LeastLikely, Targeted, TargetedDLR
from turncoat.objectives.pairs import PairSimilarity

ONE_STEP: dict[str, Callable[[Objective], GradientAttack]] = {
    "fgsm": lambda goal: gradient.fgsm(EPS, objective=goal),
    "bim": lambda goal: gradient.bim(EPS, objective=goal, steps=1, size=EPS),
    "pgd": lambda goal: gradient.pgd(EPS, objective=goal, steps=1, size=EPS, start=Zero()),
    "mifgsm": lambda goal: gradient.mifgsm(EPS, objective=goal, steps=1),
    "apgd": lambda goal: GradientAttack(goal, Linf(EPS), APGD(2 * EPS), steps=1),
    "adam": lambda goal: GradientAttack(goal, Linf(EPS), Adam(EPS), steps=1),
}


def slope(goal: Objective, job: Job, images: Tensor) -> Tensor:
    """The gradient of an objective at the clean images, taken by hand."""
    victim = tiny_victim()
    truth = job.truth(victim, images)
    leaf = images.clone().requires_grad_()
    value = goal(victim(leaf), goal.observe(victim.predict(images), truth))
    return torch.autograd.grad(value.sum(), leaf)[0]


def fast(goal: Objective, job: Job, images: Tensor, eps: float) -> Tensor:
    return (images + eps * slope(goal, job, images).sign()).clamp(0, 1)


@pytest.mark.parametrize("job", CLEAN_START, ids=lambda job: job.name)
@pytest.mark.parametrize("name", ONE_STEP)
def test_3_one_step_without_a_random_start_is_fgsm(name: str, job: Job) -> None:
    images = tiny_images()
    result = Case(name, job, lambda _: ONE_STEP[name](job.objective)).run(criterion=None)
    unbroken = slice(1, None)  # the ratio of a broken sample may be constant, and the sign of its slope rounding noise
    torch.testing.assert_close(result.images[unbroken], fast(job.objective, job, images, EPS)[unbroken])


@pytest.mark.parametrize(
    ("preset", "goal"),
    [
        (gradient.least_likely(GREY, steps=1), LeastLikely()),
        (gradient.label_smoothing(GREY, steps=1), LabelSmoothing()),
        (features.uturn(GREY, normalised=False, steps=1, start=Zero()), OppositeDirection(normalised=False)),
        (features.sma(GREY, steps=1, start=Zero()), FeatureDistance()),
    ],
    ids=["least-likely", "label-smoothing", "uturn-raw", "sma-stays"],
)
def test_3_one_step_of_the_presets_with_an_objective_of_their_own_is_fgsm(
    preset: GradientAttack, goal: Objective
) -> None:
    images = tiny_images()
    result = Case("own", OWN_CLASSIFY, lambda _: preset).run(criterion=None)
    torch.testing.assert_close(result.images, fast(goal, OWN_CLASSIFY, images, GREY))


@pytest.mark.parametrize("name", ["fgsm", "bim", "pgd", "mifgsm", "apgd"])
def test_3_one_step_under_l2_is_the_unit_gradient(name: str) -> None:
    job = CLEAN_START[0]
    images = (0.25 + 0.5 * tiny_images()).mul(255).round() / 255  # far from black and white: no clipping
    attack = replace(ONE_STEP[name](job.objective), constraint=L2(0.3))
    if name in ("fgsm", "bim", "pgd"):
        attack = replace(attack, step=replace(attack.step, size=0.3))
    elif name == "mifgsm":
        attack = replace(attack, step=replace(attack.step, size=0.3, decay=1.0))
    else:
        attack = replace(attack, step=APGD(0.6))
    result = Case(name, job, lambda _: attack).run(images=images, criterion=None, bits=None)
    gradient_by_hand = slope(job.objective, job, images)
    unit = gradient_by_hand / gradient_by_hand.flatten(1).norm(dim=1)[:, None, None, None]
    torch.testing.assert_close(result.images, images + 0.3 * unit)


SAME_STEPS = tuple(case for case in ASCENTS if not case.attack.startswith("apgd"))
DRAWN = tuple(case for case in ASCENTS if case.make(case.eps).start.random)


@pytest.mark.parametrize("case", SAME_STEPS, ids=named)
def test_4_more_steps_never_lower_the_best_objective(case: Case) -> None:
    results = [
        case.run(attack=steps_changed(case.make(case.eps), steps), criterion=None).objective for steps in (1, 2, 5, 9)
    ]
    for fewer, more in pairwise(results):
        assert (more >= fewer).all()
    assert (results[-1] > results[0]).any() or case.attack == "fgsm"


@pytest.mark.parametrize("case", [case for case in SAME_STEPS if case in ASKING], ids=named)
def test_4_more_steps_never_lose_a_success(case: Case) -> None:
    verdicts = [case.run(attack=steps_changed(case.make(case.eps), steps)).success for steps in (1, 3, 9)]
    for fewer, more in pairwise(verdicts):
        assert (more | ~fewer).all()


@pytest.mark.parametrize("case", DRAWN, ids=named)
def test_4_more_restarts_never_lower_the_best_objective(case: Case) -> None:
    runs = [case.run(attack=replace(case.make(case.eps), restarts=restarts), criterion=None) for restarts in (1, 3)]
    for fewer, more in pairwise(runs):
        assert (more.objective >= fewer.objective).all()
    assert (runs[-1].objective > runs[0].objective).any()
    assert torch.equal(runs[-1].backwards, 3 * runs[0].backwards)


def test_4_more_members_never_lower_the_best_objective_of_a_gauntlet() -> None:
    runs = [
        BY_NAME["apgd-targeted-classify"].run(attack=attack, criterion=None)
        for attack in (gradient.apgd_targeted(EPS, steps=5, targets=targets) for targets in (1, 2, 4))
    ]
    for fewer, more in pairwise(runs):
        assert (more.objective >= fewer.objective).all()
        assert (more.backwards > fewer.backwards).all()


@pytest.mark.parametrize("name", ["cw-classify-margin", "cw-attributes-margin", "cw-verify"])
def test_4_more_searches_never_lengthen_the_smallest_change(name: str) -> None:
    case, images = BY_NAME[name], tiny_images()
    attack = case.make(float("inf"))
    runs = [case.run(attack=replace(attack, steps=20, searches=searches)) for searches in (1, 3, 6)]
    lengths = [torch.where(run.success, (run.images - images).flatten(1).norm(dim=1), float("inf")) for run in runs]
    for fewer, more in pairwise(lengths):
        assert (more <= fewer).all()
    assert (lengths[-1] < lengths[0]).any()


def test_16_untargeted_leaves_the_label_and_targeted_arrives_at_the_target() -> None:
    victim, images = tiny_victim(), tiny_images()
    label = victim.predict(images).logits.argmax(1)
    truth = {"label": label, "target": (label + 1) % 5}
    away = gradient.pgd(16 * GREY)(victim, images, truth, generator=seeded(0), criterion=Misclassified())
    there = gradient.pgd(24 * GREY, objective=Targeted(), steps=40)(
        victim, images, truth, generator=seeded(0), criterion=ClassifiedAs()
    )
    assert away.success.all()
    assert (victim.predict(away.images).logits.argmax(1) != label).all()
    assert there.success.double().mean() > 0.8
    arrived = victim.predict(there.images).logits.argmax(1)
    assert torch.equal(arrived[there.success], truth["target"][there.success])


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_16_targeted_dlr_arrives_at_the_class_of_its_rank(rank: int) -> None:
    victim, images = tiny_victim(), tiny_images()
    clean = victim.predict(images).logits
    label, target = clean.argmax(1), clean.argsort(1, descending=True)[:, rank]
    attack = gradient.apgd(16 * GREY, objective=TargetedDLR(rank=rank), steps=20)
    logits = victim.predict(attack(victim, images, label, generator=seeded(0)).images).logits
    before, after = (scores.gather(1, target[:, None]) - scores.gather(1, label[:, None]) for scores in (clean, logits))
    assert (after > before).all()
    assert (after > 0).double().mean() > 0.8


def test_16_least_likely_raises_what_was_least_likely_and_smoothing_evens_out() -> None:
    victim, images = tiny_victim(), tiny_images()
    clean = victim.predict(images).logits.softmax(1)
    least = clean.argmin(1, keepdim=True)
    towards = victim.predict(gradient.least_likely(8 * GREY)(victim, images, generator=seeded(0)).images)
    assert (towards.logits.softmax(1).gather(1, least) > clean.gather(1, least)).all()
    even = victim.predict(gradient.label_smoothing(8 * GREY)(victim, images, generator=seeded(0)).images)
    entropy = [-(shares * shares.log()).sum(1) for shares in (clean, even.logits.softmax(1))]
    assert (entropy[1] > entropy[0]).all()


def test_16_attributes_are_pushed_away_from_the_truth_or_towards_a_target() -> None:
    victim, images = tiny_victim(), tiny_images()
    attributes = (victim.predict(images).logits > 0).long()
    target = attributes.clone()
    target[:, 0] = 1 - target[:, 0]
    truth = {"attributes": attributes, "target": target}
    away = gradient.pgd(16 * GREY, objective=AttributeLoss())(
        victim, images, truth, generator=seeded(0), criterion=AttributesMissed(overlap=1.0)
    )
    assert away.success.all()
    assert ((victim.predict(away.images).logits > 0) != attributes.bool()).any(1).all()
    there = gradient.pgd(24 * GREY, objective=AttributeLoss(targeted=True), steps=40)(
        victim, images, truth, generator=seeded(0)
    )
    clean, after = (((victim.predict(seen).logits > 0) == target.bool()).all(1) for seen in (images, there.images))
    assert not clean.any()
    assert after.double().mean() > 0.6


def test_16_a_same_pair_is_dodged_and_a_different_one_impersonated() -> None:
    victim, images = tiny_victim(), tiny_images()
    truth = {**PAIRS.truth(victim, images), "threshold": torch.full((6,), 0.0, dtype=torch.float64)}
    truth["threshold"] = torch.cosine_similarity(victim.predict(images).embedding, truth["other"])
    truth["threshold"] += torch.where(truth["same"], -0.1, 0.1)
    clean = torch.cosine_similarity(victim.predict(images).embedding, truth["other"])
    result = gradient.pgd(16 * GREY, objective=PairSimilarity(), steps=20)(
        victim, images, truth, generator=seeded(0), criterion=PairMistaken()
    )
    after = torch.cosine_similarity(victim.predict(result.images).embedding, truth["other"])
    assert (after < clean)[truth["same"]].all()
    assert (after > clean)[~truth["same"]].all()
    assert torch.equal(result.success, (after > truth["threshold"]) != truth["same"])
    assert result.success.double().mean() > 0.8


@pytest.mark.parametrize("case", ASCENTS, ids=named)
def test_16_every_ascent_raises_its_objective(case: Case) -> None:
    result = case.run(criterion=None)
    assert (result.objective > result.objective_clean).all()
