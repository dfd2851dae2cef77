"""A gauntlet: one attack after another on what still stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from turncoat.attacks.gauntlet import Gauntlet
from turncoat.attacks.presets.gradient import cw, fgsm, pgd
from turncoat.core.criterion import Criterion
from turncoat.core.errors import UserError
from turncoat.core.result import AttackResult
from turncoat.core.seeds import seeded
from turncoat.core.victim import Victim
from turncoat.objectives.criteria import Misclassified
from turncoat.objectives.labels import LogitMargin

Make = Callable[..., Victim]
Pictures = Callable[..., Tensor]
GREY = 1 / 255


@dataclass(frozen=True)
class Scripted:
    """Gives the values and verdicts it was told, by the label of a sample, and notes whom it was asked about."""

    values: Sequence[float]
    broken: Sequence[bool]
    shade: float
    asked: list[list[int]] = field(default_factory=list)

    @property
    def passes(self) -> tuple[int, int]:
        return 3, 2

    def __call__(
        self,
        victim: Victim,  # noqa: ARG002
        images: Tensor,
        truth: dict[str, Tensor],
        *,
        generator: torch.Generator,  # noqa: ARG002
        criterion: Criterion | None = None,
        active_set: bool = True,  # noqa: ARG002
        bits: int | None = 8,  # noqa: ARG002
    ) -> AttackResult:
        who = truth["label"].tolist()
        self.asked.append(who)
        count = torch.ones(len(who), dtype=torch.int64)
        return AttackResult(
            images=torch.full_like(images, self.shade),
            success=None if criterion is None else torch.tensor([self.broken[place] for place in who]),
            objective_clean=torch.zeros(len(who)),
            objective=torch.tensor([self.values[place] for place in who]),
            forwards=3 * count,
            backwards=2 * count,
            steps_used=2 * count,
        )


def run(attacks: Sequence[object], criterion: Criterion | None) -> AttackResult:
    images, labels = torch.zeros(4, 3, 2, 2), torch.arange(4)
    return Gauntlet(attacks)(None, images, labels, generator=seeded(0), criterion=criterion)


def test_only_what_stands_is_attacked_again_and_the_first_break_is_kept() -> None:
    first = Scripted([1.0, 1.0, 1.0, 5.0], [True, False, False, False], 0.1)
    second = Scripted([9.0, 9.0, 0.0, 4.0], [True, True, False, False], 0.2)
    third = Scripted([9.0, 9.0, 9.0, 4.5], [True, True, False, False], 0.3)
    result = run([first, second, third], Misclassified())
    assert (first.asked, second.asked, third.asked) == ([[0, 1, 2, 3]], [[1, 2, 3]], [[2, 3]])
    assert result.success.tolist() == [True, True, False, False]
    assert result.objective.tolist() == [1, 9, 9, 5]
    assert result.images[:, 0, 0, 0].tolist() == pytest.approx([0.1, 0.2, 0.3, 0.1])
    assert result.forwards.tolist() == [3, 6, 9, 9]
    assert result.backwards.tolist() == [2, 4, 6, 6]


def test_without_a_criterion_all_attack_all_and_the_highest_objective_is_kept() -> None:
    first, second = Scripted([1.0, 2.0, 3.0, 4.0], [True] * 4, 0.1), Scripted([4.0, 3.0, 2.0, 1.0], [True] * 4, 0.2)
    result = run([first, second], None)
    assert second.asked == [[0, 1, 2, 3]]
    assert result.success is None
    assert result.objective.tolist() == [4, 3, 3, 4]
    assert result.forwards.tolist() == [6] * 4


def test_nobody_is_asked_when_all_are_broken() -> None:
    first, second = Scripted([0.0] * 4, [True] * 4, 0.1), Scripted([0.0] * 4, [True] * 4, 0.2)
    run([first, second], Misclassified())
    assert second.asked == []


def test_mistakes_are_told() -> None:
    with pytest.raises(UserError, match="at least one attack"):
        run([], None)
    with pytest.raises(UserError, match="no images"):
        Gauntlet([Scripted([], [], 0.1)])(
            None, torch.zeros(0, 3, 2, 2), torch.zeros(0, dtype=torch.int64), generator=seeded(0)
        )


def test_it_is_at_least_as_strong_as_each_of_its_members(smooth: Make, pictures: Pictures) -> None:
    victim, images = smooth(), pictures(12)
    labels = victim.predict(images).logits.argmax(1)
    members = [fgsm(3 * GREY, objective=LogitMargin()), pgd(3 * GREY, objective=LogitMargin(), steps=5)]

    def results(criterion: Criterion | None) -> tuple[AttackResult, list[AttackResult]]:
        attacks = [Gauntlet(members), *members]
        whole, *alone = [attack(victim, images, labels, generator=seeded(0), criterion=criterion) for attack in attacks]
        return whole, alone

    whole, (first, _) = results(Misclassified())
    assert (whole.success | ~first.success).all()
    assert torch.equal(whole.images[first.success], first.images[first.success])
    whole, alone = results(None)
    assert (whole.objective >= alone[0].objective).all()
    assert (whole.forwards > alone[0].forwards).all()


@pytest.mark.parametrize("criterion", [None, Misclassified()])
def test_a_minimum_norm_search_and_an_ascent_run_together(
    smooth: Make, pictures: Pictures, criterion: Criterion | None
) -> None:
    victim, images = smooth(), pictures()
    labels = victim.predict(images).logits.argmax(1)
    gauntlet = Gauntlet([fgsm(GREY, objective=LogitMargin()), cw(steps=20, searches=4)])
    result = gauntlet(victim, images, labels, generator=seeded(0), criterion=criterion)
    assert gauntlet.passes[0] >= int(result.forwards.max())
    assert gauntlet.passes[1] >= int(result.backwards.max())
    if criterion is None:
        assert result.success is None
        assert (result.objective > result.objective_clean).all()
    else:
        assert result.success.all()
        assert (victim.predict(result.images).logits.argmax(1) != labels).all()
