"""Gradients and the numbers behind them: points 6, 7 and 9 of the attack contract."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from contract_cases import (
    ANY_START,
    ASCENTS,
    BY_NAME,
    CASES,
    GREY,
    OPPOSITE_RAW,
    Case,
    Job,
    named,
    tiny_images,
    tiny_victim,
    usual,
)
from torch import Tensor, nn

from turncoat.attacks.ascend import GradientAttack
from turncoat.attacks.cw import CarliniWagner
from turncoat.attacks.gauntlet import Gauntlet
from turncoat.attacks.lens import Batch, Lens
from turncoat.attacks.steps import APGD, Adam, Momentum, Steepest, Step
from turncoat.attacks.views import Mirror, Plain, ResizeAndPad, Scale, View
from turncoat.core.balls import L2, Linf
from turncoat.core.constraint import Constraint
from turncoat.core.seeds import seeded
from turncoat.core.victim import Victim
from turncoat.objectives.labels import LabelSmoothing, LeastLikely, TargetedDLR

every_case = pytest.mark.parametrize("case", CASES, ids=named)


class Wrapped(nn.Module):
    """The tiny network with its outputs changed by a function of the (normalised) images and the outputs."""

    def __init__(self, change: object) -> None:
        super().__init__()
        self.inner = tiny_victim().network
        self.change = change

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return self.change(images, self.inner(images))


def wrapped(change: object) -> Victim:
    model = tiny_victim()
    return Victim(Wrapped(change), mean=model.mean, std=model.std)


# 6: invariances


SHIFTED = [
    case
    for case in CASES
    if case.job.name.startswith("classify") and case.attack not in ("uturn", "sma", "pire", "tma")
]
SCALED = [case for case in CASES if case.name.endswith("-dlr") or case.attack in ("apgd-dlr", "apgd-targeted")]
COSINE = [
    case
    for case in CASES
    if case.attack in ("uturn", "tma")
    or (
        case.job.name in ("retrieve-opposite", "verify") and case.attack != "cw"
    )  # weighs the margin against the length of the change
]


@pytest.mark.parametrize("case", SHIFTED, ids=named)
def test_6_adding_a_constant_to_all_scores_changes_nothing(case: Case) -> None:
    moved = wrapped(lambda _, made: {**made, "logits": made["logits"] + 3.7})
    before, shifted = usual(case.name), case.run(moved)
    torch.testing.assert_close(shifted.images, before.images, rtol=0, atol=1e-7)
    torch.testing.assert_close(shifted.objective, before.objective, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("case", SCALED, ids=named)
def test_6_scaling_all_scores_does_not_change_a_ratio_of_differences(case: Case) -> None:
    before = usual(case.name)
    scaled = case.run(wrapped(lambda _, made: {**made, "logits": 40.0 * made["logits"]}))
    torch.testing.assert_close(scaled.images, before.images)
    torch.testing.assert_close(scaled.objective, before.objective)


@pytest.mark.parametrize("case", COSINE, ids=named)
def test_6_scaling_the_embedding_does_not_change_what_looks_at_angles(case: Case) -> None:
    before = usual(case.name)
    scaled = case.run(wrapped(lambda _, made: {**made, "embedding": 40.0 * made["embedding"]}))
    torch.testing.assert_close(scaled.images, before.images)
    torch.testing.assert_close(scaled.objective, before.objective)


# 7: gradients against finite differences


def slopes_by_differences(lens: Lens, batch: Batch, images: Tensor, width: float = 1e-5) -> Tensor:
    """Central differences of the mean over the views, pixel by pixel; random views see the same draws each time."""
    pixels = images[0].numel()
    nudges = width * torch.eye(pixels, dtype=images.dtype).view(pixels, *images.shape[1:])
    rows = []
    for place, image in enumerate(images):
        index = torch.full((pixels,), place)
        sides = []
        for sign in (1, -1):
            values = []
            for view in lens.views:
                reference = batch.references[view.anchor]
                generators = [seeded(11 + place) for _ in range(pixels)]
                seen = lens.victim(view(image + sign * nudges, generators))
                values.append(lens.objective(seen, {name: value[index] for name, value in reference.items()}))
            sides.append(torch.stack(values).mean(0))
        rows.append(((sides[0] - sides[1]) / (2 * width)).view_as(image))
    return torch.stack(rows)


def cosines(one: Tensor, other: Tensor) -> Tensor:
    return torch.cosine_similarity(one.flatten(1), other.flatten(1))


def look_at(
    job: Job, views: tuple[View, ...], *, bits: bool, variable: Tensor, constraint: Constraint
) -> tuple[Lens, Batch, Tensor, Tensor]:
    """The candidates of a variable, and the gradient that the ascent would take with respect to it."""
    model = tiny_victim()
    victim = Victim(model.network, mean=model.mean, std=model.std, size=(8, 8))
    images = tiny_images(3, seed=3)
    truth = {name: values[1:] for name, values in job.truth(victim, images).items()}  # the first is broken already
    images = images[1:]
    lens = Lens(victim, job.objective, constraint, None, views, bits)
    batch = lens.observe(images, truth, [seeded(11), seeded(12)])
    batch = Batch(images, batch.references, {}, [seeded(11), seeded(12)], batch.objective_clean, None)
    variable = variable.clone().requires_grad_()
    candidates = lens.candidates(batch, variable)
    _, _, slope = lens.look(batch, candidates, differentiate=True)
    (gradient,) = torch.autograd.grad(candidates, variable, slope)
    return lens, batch, candidates.detach(), gradient


def inside(eps: float) -> Tensor:
    images = tiny_images(3, seed=3)[1:]
    return Linf(eps).start(images, [seeded(1), seeded(2)])


VIEWS: dict[str, tuple[View, ...]] = {
    "plain": (Plain(),),
    "mirror": (Plain(), Mirror()),
    "scales": (Plain(), Scale(0.5), Scale(1.5)),
    "diverse": (Plain(), ResizeAndPad(least=0.6, probability=1.0)),
    "diverse-only": (ResizeAndPad(least=0.8, probability=1.0),),
}


@pytest.mark.parametrize("views", VIEWS)
@pytest.mark.parametrize("job", [*ANY_START, OPPOSITE_RAW], ids=lambda job: job.name)
def test_7_the_gradient_agrees_with_finite_differences_through_every_view(job: Job, views: str) -> None:
    lens, batch, candidates, gradient = look_at(
        job, VIEWS[views], bits=True, variable=inside(8 * GREY), constraint=Linf(8 * GREY)
    )
    by_hand = slopes_by_differences(lens, batch, candidates)
    assert (cosines(gradient, by_hand) > 0.999).all()
    torch.testing.assert_close(gradient.flatten(1).norm(dim=1), by_hand.flatten(1).norm(dim=1), rtol=1e-2, atol=0)


@pytest.mark.parametrize("goal", [LeastLikely(), LabelSmoothing(), TargetedDLR(rank=2)], ids=lambda goal: repr(goal))
def test_7_objectives_of_the_presets_agree_with_finite_differences(goal: object) -> None:
    job = Job("own", goal, None, ANY_START[0].truth)
    lens, batch, candidates, gradient = look_at(
        job, VIEWS["plain"], bits=True, variable=inside(8 * GREY), constraint=Linf(8 * GREY)
    )
    assert (cosines(gradient, slopes_by_differences(lens, batch, candidates)) > 0.999).all()


@pytest.mark.parametrize("job", ANY_START, ids=lambda job: job.name)
def test_7_the_gradient_through_rounding_is_that_of_the_smooth_image(job: Job) -> None:
    start = inside(8 * GREY)
    lens, batch, rounded, gradient = look_at(job, VIEWS["plain"], bits=True, variable=start, constraint=Linf(8 * GREY))
    smooth = batch.images + start
    assert not torch.equal(rounded, smooth)
    assert (cosines(gradient, slopes_by_differences(lens, batch, smooth)) > 0.9).all()


@pytest.mark.parametrize("bits", [True, False], ids=["levels", "smooth"])
def test_7_the_gradient_passes_the_clipping_to_the_pixel_range(bits: bool) -> None:
    outside = inside(8 * GREY) * 40  # as a shared variable may be: far beyond black and white
    lens, batch, clipped, gradient = look_at(
        ANY_START[0], VIEWS["plain"], bits=bits, variable=outside, constraint=L2(float("inf"))
    )
    assert ((batch.images + outside) < 0).any()
    assert clipped.min() >= 0
    assert clipped.max() <= 1
    assert (cosines(gradient, slopes_by_differences(lens, batch, clipped)) > 0.999).all()


# 9: zero, tiny and non-finite


def members(case: Case) -> list[GradientAttack]:
    attack = case.make(case.eps)
    return list(attack.attacks) if isinstance(attack, Gauntlet) else [attack]


def sane(case: Case, images: Tensor, result: object) -> None:
    assert result.images.isfinite().all()
    change = (result.images - images).flatten(1)
    grown = change.abs().amax(1) if case.norm == "linf" else change.norm(dim=1)
    assert (grown <= case.reach * (1 + 1e-6)).all()
    assert result.images.min() >= 0
    assert result.images.max() <= 1


@every_case
def test_9_a_victim_without_any_slope_is_survived(case: Case) -> None:
    images = tiny_images()
    flat = wrapped(lambda seen, made: {k: v.detach()[:1] + 0 * seen.sum((1, 2, 3))[:, None] for k, v in made.items()})
    result = case.run(flat)
    sane(case, images, result)
    if case.attack in ("fgsm", "bim", "mifgsm") and not case.objective().flat:
        assert torch.equal(result.images, images)


SCALE_FREE = [
    case
    for case in ASCENTS
    if not isinstance(case.make(case.eps).step, Adam)  # its 1e-8 is part of the method
]


@pytest.mark.parametrize("case", SCALE_FREE, ids=named)
def test_9_an_objective_a_million_million_times_smaller_gives_the_same_images(case: Case) -> None:
    attack = case.make(case.eps)
    small = replace(attack, objective=1e-12 * attack.objective)
    before, tiny = usual(case.name), case.run(attack=small)
    torch.testing.assert_close(tiny.images, before.images, rtol=0, atol=1e-9)
    torch.testing.assert_close(tiny.objective, 1e-12 * before.objective, rtol=1e-7, atol=1e-24)


@pytest.mark.parametrize("step", [Steepest(GREY), Momentum(GREY), APGD(8 * GREY)], ids=repr)
@pytest.mark.parametrize("ball", [Linf(4 * GREY), L2(0.3)], ids=repr)
def test_9_float32_slopes_near_underflow_still_climb(step: Step, ball: Constraint) -> None:
    job = ANY_START[0]
    victim = tiny_victim()
    victim.network.float()
    images = tiny_images().float()
    truth = job.truth(victim, images)
    before, tiny = (
        GradientAttack(weight * job.objective, ball, step, steps=3)(
            victim, images, truth, generator=seeded(0), bits=None
        )
        for weight in (1.0, 1e-36)
    )
    agree = cosines(tiny.images - images, before.images - images)
    assert (agree[1:] > 0.99).all()


@pytest.mark.parametrize(
    ("case", "garbage"),
    [(case, math.nan) for case in CASES]
    + [(case, sign * math.inf) for case in CASES for sign in (1, -1) if case.attack in ("apgd", "cw", "uturn")],
    ids=lambda given: given.name if isinstance(given, Case) else repr(given),
)
def test_9_a_victim_that_breaks_down_on_one_sample_does_not_spoil_the_others(case: Case, garbage: float) -> None:
    images = tiny_images()
    images[:, 0, 0, 0] = 0
    images[2, 0, 0, 0] = 1
    truth = case.job.truth(tiny_victim(), images)

    def break_down(seen: Tensor, made: dict[str, Tensor]) -> dict[str, Tensor]:
        marked = (seen[:, 0, 0, 0] > 0)[:, None]
        return {kind: torch.where(marked, garbage, value) for kind, value in made.items()}

    before = case.run(images=images, truth=truth)
    result = case.run(wrapped(break_down), images, truth=truth)
    sane(case, images, result)
    others = torch.tensor([0, 1, 3, 4, 5])
    torch.testing.assert_close(result.images[others], before.images[others], rtol=0, atol=1e-9)
    torch.testing.assert_close(result.objective[others], before.objective[others])
    if before.success is not None:
        assert torch.equal(result.success[others], before.success[others])


@pytest.mark.parametrize("case", CASES, ids=named)
def test_9_pixels_whose_slope_is_not_a_number_do_not_stop_the_rest(case: Case) -> None:
    images = tiny_images()
    model = tiny_victim()
    black = (0 - model.mean[0]) / model.std[0]

    def crack(seen: Tensor, made: dict[str, Tensor]) -> dict[str, Tensor]:
        # the value is 0, but its slope at a red pixel that is exactly black is 0 * inf
        nothing = (0 * (seen[:, 0] - black).clamp(min=0).sqrt()).flatten(1).sum(1)[:, None]
        return {kind: value + nothing for kind, value in made.items()}

    result = case.run(wrapped(crack), criterion=None)
    sane(case, images, result)
    if case in ASCENTS:
        assert (result.objective > result.objective_clean).all()


def test_9_a_broken_down_sample_is_reported_as_what_it_is() -> None:
    case = BY_NAME["pgd-classify-ce"]
    label = case.job.truth(tiny_victim(), tiny_images())["label"]
    lost = wrapped(lambda _, made: {**made, "logits": made["logits"] * math.nan})
    for truth in (label, torch.zeros_like(label)):
        result = case.run(lost, truth={"label": truth})
        assert result.success.all()
        assert result.objective.isnan().all()
        assert torch.equal(result.images, tiny_images())


def test_9_an_infinite_objective_is_reported_on_the_image_that_reached_it() -> None:
    case = BY_NAME["pgd-retrieve-distance"]
    clean = tiny_victim().predict(tiny_images()).embedding

    def explode(_: Tensor, made: dict[str, Tensor]) -> dict[str, Tensor]:
        far = (made["embedding"] - clean).norm(dim=1, keepdim=True) > 0.3
        return {**made, "embedding": torch.where(far, math.inf, made["embedding"])}

    result = case.run(wrapped(explode))
    assert result.objective.isinf().all()
    assert (result.images != tiny_images()).flatten(1).any(1).all()


def test_9_a_minimum_norm_search_on_a_flat_victim_reports_no_success() -> None:
    case = BY_NAME["cw-classify-margin"]
    flat = wrapped(
        lambda seen, made: {**made, "logits": torch.tensor([1.0, 0, 0, 0, 0]) + 0 * seen.sum((1, 2, 3))[:, None]}
    )
    result = case.run(flat, truth={"label": torch.zeros(6, dtype=torch.int64)})
    assert isinstance(case.make(1.0), CarliniWagner)
    assert not result.success.any()
    assert torch.equal(result.images, tiny_images())
