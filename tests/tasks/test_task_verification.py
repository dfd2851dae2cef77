"""Verification judged by hand: the angle of a pair is written into its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from turncoat.core.errors import UserError
from turncoat.core.seeds import seeded
from turncoat.core.truth import Columns
from turncoat.core.victim import Victim
from turncoat.tasks.metrics.verification import eer
from turncoat.tasks.samples import Samples
from turncoat.tasks.task import Records
from turncoat.tasks.verification import Verification

FOLDS = 3
N = 48


class Angle(nn.Module):
    """A grey level g is the direction pi g / 255 of the plane."""

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        angle = images[:, 0, 0, 0].double() * torch.pi
        return {"embedding": torch.stack([angle.cos(), angle.sin()], 1).float()}


def _pairs(levels: Sequence[int] | Tensor, same: Tensor, fold: Tensor) -> Samples:
    """Pairs whose second image is level 0, so that the cosine of a pair is cos(pi level / 255)."""
    pixels = torch.as_tensor(levels).to(torch.uint8)[:, None, None, None].expand(-1, 3, 1, 1)
    keys = [str(row) for row in range(len(pixels))]
    truth = {"same": same, "fold": fold, "person": torch.arange(len(pixels)) // 2}
    against = Samples("second", keys, lambda _: torch.zeros(3, 1, 1, dtype=torch.uint8), {})
    return Samples("toy", keys, lambda row: pixels[row], truth, against=against)


def _random(seed: int = 0) -> Samples:
    """Pairs of the same person mostly lie nearer than others."""
    same = torch.arange(N) % 2 == 0
    levels = torch.randint(0, 150, (N,), generator=seeded(seed)) + (~same) * 60
    return _pairs(levels, same, (torch.arange(N) // 2) % FOLDS)


def _judge(task: Verification, samples: Samples, images: Tensor | None = None) -> Columns:
    victim = Victim(Angle())
    context = task.context(victim, samples)
    return task.judge(victim, samples.images() if images is None else images, samples, range(len(samples)), context)


def _records(columns: Columns) -> Records:
    return {name: values.numpy() for name, values in columns.items()}


def _cosines(samples: Samples) -> Tensor:
    return (samples.images()[:, 0, 0, 0].double() * torch.pi).cos()


def test_thresholds_are_the_best_on_the_other_folds() -> None:
    samples, task = _random(), Verification(far=0.1)
    context = task.context(Victim(Angle()), samples)
    cosine, same, fold = _judge(task, samples)["cosine"], samples.truth["same"], samples.truth["fold"]
    for number in range(FOLDS):
        others = fold != number
        (threshold,) = set(context["threshold"][fold == number].tolist())
        right = [int(((cosine[others] > cut) == same[others]).sum()) for cut in [-2.0, *cosine[others].tolist()]]
        assert int(((cosine[others] > threshold) == same[others]).sum()) == max(right)
        (at_far,) = set(context["threshold_far"][fold == number].tolist())
        impostors = cosine[others & ~same]
        assert (impostors > at_far).double().mean() <= 0.1
        assert (impostors >= at_far).double().mean() > 0.1, "a lower threshold would have done"


def test_a_fold_has_no_say_in_its_own_threshold() -> None:
    """Its pairs may score as they like: its thresholds stay, those of the others move."""
    samples, task = _random(), Verification(far=0.1)
    fold = samples.truth["fold"]
    levels = samples.images()[:, 0, 0, 0].mul(255).round()
    levels[fold == 1] = torch.randint(0, 256, (int((fold == 1).sum()),), generator=seeded(7)).float()
    changed = _pairs(levels, samples.truth["same"], fold)
    before, after = (task.context(Victim(Angle()), one) for one in (samples, changed))
    for name in ("threshold", "threshold_far"):
        assert torch.equal(before[name][fold == 1], after[name][fold == 1])
        assert not torch.equal(before[name][fold != 1], after[name][fold != 1])


def test_columns_are_as_computed_by_hand() -> None:
    samples, task = _random(), Verification(far=0.1)
    victim = Victim(Angle())
    context, judged = task.context(victim, samples), _judge(task, samples)
    cosine, same = _cosines(samples), samples.truth["same"]
    torch.testing.assert_close(judged["cosine"], cosine, atol=1e-6, rtol=0)
    for row in range(N):
        accepted = judged["cosine"][row] > context["threshold"][row]
        assert judged["score"][row] == float(accepted == same[row])
        assert judged["accepted_at_far"][row] == (judged["cosine"][row] > context["threshold_far"][row])
    for name in ("same", "fold", "person"):
        assert torch.equal(judged[name], samples.truth[name])


def test_thresholds_stay_those_of_the_clean_pairs_under_attack() -> None:
    samples, task = _random(), Verification()
    clean, attacked = _judge(task, samples), _judge(task, samples, 1 - samples.images())
    assert torch.equal(clean["threshold"], attacked["threshold"])
    assert not torch.equal(clean["cosine"], attacked["cosine"])


def test_metrics_are_the_shares_and_the_headline_comes_first() -> None:
    task = Verification(far=0.1)
    columns = _judge(task, _random())
    metrics = task.metrics(_records(columns))
    assert list(metrics) == ["accuracy", "tar@far=0.1", "far_reached", "eer"]
    assert task.headline == "accuracy"
    same, accepted = columns["same"], columns["accepted_at_far"].double()
    assert metrics["accuracy"].value == pytest.approx(float(columns["score"].mean()))
    assert metrics["tar@far=0.1"].value == pytest.approx(float(accepted[same].mean()))
    assert metrics["far_reached"].value == pytest.approx(float(accepted[~same].mean()))
    assert metrics["eer"].value == pytest.approx(eer(columns["cosine"], same))


def test_dodging_and_impersonation_are_counted_naively() -> None:
    task, samples = Verification(), _random(1)
    clean, attacked = _judge(task, samples), _judge(task, samples, _random(2).images())
    rates = task.compare(_records(clean), _records(attacked))
    same = samples.truth["same"].tolist()
    broken = [score == 0 for score in attacked["score"].tolist()]
    right = [score == 1 for score in clean["score"].tolist()]
    for name, kind in (("dodging", True), ("impersonation", False), ("success", None)):
        chosen = [row for row in range(N) if kind is None or same[row] == kind]
        among = [row for row in chosen if right[row]]
        assert 0 < len(among) < len(chosen)
        assert rates[f"{name}_all"].value == pytest.approx(np.mean([broken[row] for row in chosen]))
        assert rates[f"{name}_conditional"].value == pytest.approx(np.mean([broken[row] for row in among]))


def test_criterion_and_margin_agree_with_the_score_and_pull_the_right_way() -> None:
    task, samples, victim = Verification(), _random(3), Victim(Angle())
    context = task.context(victim, samples)
    truth, outputs = task.truth(samples, range(N), context), victim.predict(samples.images())
    broken = _judge(task, samples)["score"] < 0.5
    assert 0 < broken.sum() < N
    assert torch.equal(task.criterion(outputs, task.criterion.observe(outputs, truth)), broken)
    margin = task.margin(outputs, task.margin.observe(outputs, truth))
    assert torch.equal(margin > 0, broken)
    farther = victim.predict((samples.images() + 0.1).clamp(max=1))
    change = task.objective(farther, task.objective.observe(outputs, truth)) - margin
    assert (change[samples.truth["same"]] > 0).all()
    assert (change[~samples.truth["same"]] < 0).all()


def test_rows_are_those_asked_for() -> None:
    task, samples, victim = Verification(), _random(), Victim(Angle())
    context, rows = task.context(victim, samples), [5, 40, 2]
    some = task.judge(victim, samples.images(rows), samples, rows, context)
    every = task.judge(victim, samples.images(), samples, range(N), context)
    assert all(torch.equal(values, every[name][rows]) for name, values in some.items())
    truth = task.truth(samples, rows, context)
    assert torch.equal(truth["threshold"], context["threshold"][rows])
    assert torch.equal(truth["same"], samples.truth["same"][rows])


def test_what_is_missing_is_told() -> None:
    samples = _random()
    with pytest.raises(UserError, match="needs pairs"):
        _judge(Verification(), replace(samples, against=None))
    with pytest.raises(UserError, match="at least two folds"):
        _judge(Verification(), samples.take((samples.truth["fold"] == 0).nonzero()[:, 0].tolist()))
    with pytest.raises(UserError, match="between 0 and 1"):
        _judge(Verification(far=2), samples)
