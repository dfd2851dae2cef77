"""The loop itself: what it refuses, what it keeps, and one variable for all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from turncoat.attacks.ascend import GradientAttack, ascend
from turncoat.attacks.presets.gradient import bim, pgd
from turncoat.attacks.starts import Jitter, Uniform, Zero
from turncoat.attacks.steps import APGD, Adam, Momentum, Move, State, Steepest, Step
from turncoat.core.balls import L2, Linf
from turncoat.core.constraint import Masked, Shared
from turncoat.core.criterion import Criterion
from turncoat.core.errors import UserError
from turncoat.core.objective import Objective
from turncoat.core.outputs import Outputs
from turncoat.core.seeds import seeded, spread
from turncoat.core.truth import Columns
from turncoat.core.victim import Victim
from turncoat.objectives.attributes import AttributeMargin
from turncoat.objectives.criteria import Misclassified
from turncoat.objectives.labels import CrossEntropy, LogitMargin

Make = Callable[..., Victim]
Pictures = Callable[..., Tensor]
GREY = 1 / 255


def test_refusals_are_told_in_one_line(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    labels = victim.predict(images).logits.argmax(1)

    def attempt(**changes: object) -> None:
        settings = {"steps": 1, "generator": seeded(0), **changes}
        constraint = settings.pop("constraint", Linf(0.1))
        ascend(victim, images, labels, CrossEntropy(), constraint, Steepest(0.01), **settings)

    with pytest.raises(UserError, match="bits=8"):
        attempt(bits=7)
    with pytest.raises(UserError, match="steps >= 0"):
        attempt(steps=-1)
    with pytest.raises(UserError, match="restarts >= 1"):
        attempt(restarts=0)
    with pytest.raises(UserError, match="1 for a shared variable"):
        attempt(restarts=2, constraint=Shared(Linf(0.1)))
    with pytest.raises(UserError, match="'label' is needed"):
        pgd(0.1)(victim, images, generator=seeded(0))
    for wrong in ({"steps": -1}, {"steps": 1, "restarts": 0}):
        with pytest.raises(UserError, match="steps >= 0 and restarts >= 1"):
            GradientAttack(CrossEntropy(), Linf(0.1), Steepest(0.01), **wrong)
    with pytest.raises(UserError, match="1 for a shared variable"):
        GradientAttack(CrossEntropy(), Shared(Linf(0.1)), Steepest(0.01), steps=1, restarts=2)
    victim.network.differentiable = False
    with pytest.raises(UserError, match=r"smooth gives no gradients.*query attack"):
        attempt()


def test_a_network_that_cuts_the_graph_is_told(pictures: Pictures) -> None:
    class Cut(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.detach().mean((2, 3))

    with pytest.raises(UserError, match=r"Cut gives no gradients.*cuts the graph"):
        pgd(0.1)(Victim(Cut(), reads="logits"), pictures(), torch.zeros(5, dtype=torch.int64), generator=seeded(0))


def test_no_images_give_an_empty_result(smooth: Make, pictures: Pictures) -> None:
    nothing = torch.zeros(0, dtype=torch.int64)
    for attack in (pgd(0.1, steps=2), bim(0.1)):
        result = attack(smooth(), pictures()[:0], nothing, generator=seeded(0), criterion=Misclassified())
        assert len(result) == 0
        assert result.images.shape == (0, 3, 8, 8)
        assert result.success.shape == (0,)


@dataclass(frozen=True)
class Back(Step):
    """Goes up for some turns and then walks home again, whatever the gradient says."""

    size: float
    until: int

    def __call__(self, move: Move, state: State) -> tuple[Tensor, State]:
        sign = 1 if move.turn < self.until else -1
        return move.towards(move.gradient.sign(), sign * self.size), state


def test_the_best_iterate_is_kept_not_the_last(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    labels = victim.predict(images).logits.argmax(1)
    up = GradientAttack(CrossEntropy(), Linf(8 * GREY), Back(GREY, until=3), steps=3)
    back = GradientAttack(CrossEntropy(), Linf(8 * GREY), Back(GREY, until=3), steps=9)
    best, kept = (attack(victim, images, labels, generator=seeded(0)) for attack in (up, back))
    assert torch.equal(best.images, kept.images)


class Brightness(Objective):
    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:  # noqa: ARG002
        return outputs.logits[:, 0]


class Darker(Criterion):
    def observe(self, clean: Outputs, truth: Columns) -> Columns:  # noqa: ARG002
        return {"was": clean.logits[:, 0]}

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        return outputs.logits[:, 0] < reference["was"] - 1e-9


class Mean(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.mean((2, 3))


def test_the_first_broken_iterate_is_kept_also_below_a_higher_objective() -> None:
    images = torch.full((2, 3, 4, 4), 128 / 255, dtype=torch.float64)
    attack = GradientAttack(Brightness(), Linf(8 * GREY), Back(GREY, until=2), steps=8)
    result = attack(Victim(Mean(), reads="logits"), images, generator=seeded(0), criterion=Darker())
    assert result.success.all()
    torch.testing.assert_close(result.images[:, 0], images[:, 0] - GREY)
    assert result.steps_used.tolist() == [5, 5]
    free = attack(Victim(Mean(), reads="logits"), images, generator=seeded(0))
    torch.testing.assert_close(free.images[:, 0], images[:, 0] + 2 * GREY)


def test_the_clean_image_is_no_candidate_of_its_own(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    labels = victim.predict(images).logits.argmax(1)
    down = GradientAttack(CrossEntropy(), Linf(8 * GREY), Back(GREY, until=0), steps=3)
    result = down(victim, images, labels, generator=seeded(0))
    assert (result.images != images).flatten(1).any(1).all()
    assert (result.objective < result.objective_clean).all()


class Kinked(Linf):
    """A ball whose images have no slope at a variable of exactly zero."""

    def apply(self, images: Tensor, variable: Tensor) -> Tensor:
        return super().apply(images, variable + 0 * variable.abs().sqrt())


@pytest.mark.parametrize("step", [Steepest(GREY), Momentum(GREY), Adam(GREY), APGD(16 * GREY)], ids=repr)
def test_a_slope_that_is_not_a_number_moves_nothing(smooth: Make, pictures: Pictures, step: Step) -> None:
    victim, images = smooth(), pictures()
    labels = victim.predict(images).logits.argmax(1)
    for start in (Zero(), Uniform()):
        attack = GradientAttack(CrossEntropy(), Kinked(8 * GREY), step, steps=3, start=start)
        result = attack(victim, images, labels, generator=seeded(0))
        assert result.images.isfinite().all()
        assert (result.objective > result.objective_clean).all() == start.random


def test_the_last_step_is_judged_too(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    labels = victim.predict(images).logits.argmax(1)
    result = GradientAttack(CrossEntropy(), Linf(8 * GREY), Steepest(GREY), steps=1)(
        victim, images, labels, generator=seeded(0)
    )
    assert (result.images != images).any()
    assert (result.forwards == 3).all()
    assert (result.backwards == 1).all()


def test_zero_steps_look_at_the_start_only(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    labels = victim.predict(images).logits.argmax(1)
    still = ascend(victim, images, labels, CrossEntropy(), Linf(0.1), Steepest(0.1), steps=0, generator=seeded(0))
    assert torch.equal(still.images, images)
    assert torch.equal(still.objective, still.objective_clean)
    start = Uniform()(images, Linf(0.1), spread(seeded(0), images))
    drawn = ascend(
        victim,
        images,
        labels,
        CrossEntropy(),
        Linf(0.1),
        Steepest(0.1),
        steps=0,
        start=Uniform(),
        generator=seeded(0),
        bits=None,
    )
    torch.testing.assert_close(drawn.images, images + start)


class Sure(nn.Module):
    """So sure of itself that its cross-entropy is 0 in float32, though its slope is not."""

    def forward(self, images: Tensor) -> Tensor:
        score = 40 - images.mean((1, 2, 3))
        return torch.stack([score, -score], 1)


def test_on_an_overconfident_victim_the_way_made_is_kept() -> None:
    images = torch.full((2, 3, 4, 4), 0.5)
    victim = Victim(Sure(), reads="logits")
    result = pgd(8 * GREY, steps=20)(victim, images, torch.zeros(2, dtype=torch.int64), generator=seeded(0))
    assert result.objective.max() == 0
    torch.testing.assert_close(result.images, images + 8 * GREY, rtol=0, atol=GREY / 2)


def test_samples_with_nothing_to_attack_keep_their_value(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    attributes = (victim.predict(images).logits > 0).long()
    attributes[2] = -1
    result = pgd(4 * GREY, objective=AttributeMargin(), steps=3)(
        victim, images, {"attributes": attributes}, generator=seeded(0)
    )
    assert result.objective[2] == result.objective_clean[2] == -float("inf")
    others = torch.tensor([0, 1, 3, 4])
    assert (result.objective[others] > result.objective_clean[others]).all()


def test_a_masked_attack_changes_nothing_outside_its_mask(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures()
    labels = victim.predict(images).logits.argmax(1)
    mask = torch.zeros(1, 8, 8)
    mask[:, 2:5, 3:7] = 1
    for ball in (Linf(0.3), L2(2.0)):
        attack = GradientAttack(CrossEntropy(), Masked(ball, mask), Steepest(0.05), steps=5, start=Uniform())
        result = attack(victim, images, labels, generator=seeded(0))
        changed = (result.images != images).any(0)
        assert torch.equal(changed | mask.bool(), mask.expand_as(changed).bool())
        assert (result.objective > result.objective_clean).all()


# one variable for all samples


def universal(
    victim: Victim, images: Tensor, labels: Tensor, step: Step, objective: Objective | None = None, **more: object
) -> tuple[Tensor, Tensor]:
    """The change found, and the objective per sample."""
    settings = {"steps": 6, "generator": seeded(0), "bits": None, **more}
    goal = objective or CrossEntropy()
    result = ascend(victim, images, labels, goal, Shared(Linf(8 * GREY)), step, **settings)
    return result.images - images, result.objective


@pytest.mark.parametrize("step", [Steepest(GREY), Momentum(GREY), Adam(GREY), APGD(16 * GREY)], ids=repr)
@pytest.mark.parametrize("start", [Zero(), Jitter(), Uniform()], ids=repr)
def test_a_shared_change_is_one_for_all_and_raises_the_mean(
    smooth: Make, pictures: Pictures, step: Step, start: object
) -> None:
    victim, images = smooth(), 0.25 + 0.5 * pictures(6)
    labels = victim.predict(images).logits.argmax(1)
    change, objective = universal(victim, images, labels, step, start=start)
    torch.testing.assert_close(change, change[:1].expand_as(change))
    assert change.abs().max() <= 8 * GREY + 1e-12
    clean = torch.nn.functional.cross_entropy(victim.predict(images).logits, labels)
    assert objective.mean() > clean


def test_a_shared_change_follows_the_mean_of_the_slopes(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), 0.25 + 0.5 * pictures(6)
    labels = victim.predict(images).logits.argmax(1)
    leaf = images.clone().requires_grad_()
    torch.nn.functional.cross_entropy(victim(leaf).logits, labels, reduction="sum").backward()
    change, _ = universal(victim, images, labels, Steepest(GREY), steps=1)
    torch.testing.assert_close(change[0], GREY * leaf.grad.sum(0).sign())


@dataclass(frozen=True)
class NotFor(Objective):
    """An objective that is not a number for one sample."""

    inner: Objective
    sample: int

    def observe(self, clean: Outputs, truth: Columns) -> Columns:
        bad = torch.zeros(len(clean.logits))
        bad[self.sample] = torch.nan
        return {**self.inner.observe(clean, truth), "bad": bad}

    def __call__(self, outputs: Outputs, reference: Columns) -> Tensor:
        return self.inner(outputs, reference) * (1 + reference["bad"].to(outputs.logits))


@pytest.mark.parametrize("step", [Steepest(GREY), APGD(16 * GREY)], ids=repr)
def test_one_sample_without_a_slope_does_not_stop_a_shared_change(smooth: Make, pictures: Pictures, step: Step) -> None:
    victim, images = smooth(), 0.25 + 0.5 * pictures(6)
    labels = victim.predict(images).logits.argmax(1)
    others = torch.tensor([0, 1, 3, 4, 5])
    alone, _ = universal(victim, images[others], labels[others], step)
    spoilt, objective = universal(victim, images, labels, step, NotFor(CrossEntropy(), 2))
    torch.testing.assert_close(spoilt[0], alone[0])
    assert objective[others].isfinite().all()


def test_a_shared_attack_counts_its_passes_and_judges_every_sample(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures(6)
    labels = victim.predict(images).logits.argmax(1)
    before = victim.passes.forwards
    result = ascend(
        victim,
        images,
        labels,
        LogitMargin(),
        Shared(Linf(16 * GREY)),
        Steepest(2 * GREY),
        steps=8,
        generator=seeded(0),
        criterion=Misclassified(),
    )
    assert int(result.forwards.sum()) == victim.passes.forwards - before == 6 * (1 + 9)
    assert int(result.backwards.sum()) == victim.passes.backwards == 6 * 8
    assert torch.equal(result.success, victim.predict(result.images).logits.argmax(1) != labels)
    torch.testing.assert_close(result.objective > 0, result.success)
