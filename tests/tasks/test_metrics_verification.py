"""Thresholds by exhaustive search, the equal error rate by lot, and frozen decisions."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.tasks.metrics.estimate import wilson
from turncoat.tasks.metrics.verification import (
    decide,
    eer,
    false_accept_threshold,
    most_accurate_threshold,
    robust_tar,
    robust_tnr,
    tar_at_far,
    ten_fold,
)


def _pairs(seed: int, n: int = 200, levels: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    same = torch.rand(n, generator=generator) < 0.5
    scores = torch.randn(n, generator=generator) + same * 1.5
    if levels:
        scores = (scores * levels).round() / levels
    return scores, same, torch.arange(n) % 10


def _right(scores: Tensor, same: Tensor, threshold: float) -> int:
    return int(((scores.double() > threshold) == same).sum())


@pytest.mark.parametrize("levels", [0, 2])
@pytest.mark.parametrize("seed", range(5))
def test_no_threshold_decides_more_pairs_rightly(seed: int, levels: int) -> None:
    scores, same, _ = _pairs(seed, 80, levels)
    found = most_accurate_threshold(scores, same)
    points = scores.double().unique()
    cuts = [-math.inf, math.inf, *((points[1:] + points[:-1]) / 2).tolist()]
    best = max(_right(scores, same, cut) for cut in cuts)
    assert _right(scores, same, found) == best
    # Of the best cuts between two scores it is the middle of the widest gap.
    gaps = {cut: float(points[points > cut].min() - points[points < cut].max()) for cut in cuts[2:]}
    widest = max(gap for cut, gap in gaps.items() if _right(scores, same, cut) == best)
    assert gaps[found] == widest


def test_threshold_of_separable_scores_is_the_middle_and_of_one_kind_takes_all() -> None:
    scores = torch.tensor([0.1, 0.3, 0.7, 0.8])
    assert most_accurate_threshold(scores, torch.tensor([False, False, True, True])) == pytest.approx(0.5)
    # Accepting all is right twice as well, but a cut between scores goes first.
    assert most_accurate_threshold(scores[1:], torch.tensor([True, False, True])) == pytest.approx(0.75)
    assert most_accurate_threshold(scores, torch.ones(4, dtype=torch.bool)) == -math.inf
    assert most_accurate_threshold(scores, torch.zeros(4, dtype=torch.bool)) == math.inf


def test_neighbouring_numbers_are_still_parted() -> None:
    low = torch.tensor(0.3, dtype=torch.float64)
    high = torch.nextafter(low, torch.tensor(1.0, dtype=torch.float64))
    scores, same = torch.stack([low, high]), torch.tensor([False, True])
    assert _right(scores, same, most_accurate_threshold(scores, same)) == 2


def test_ten_fold_uses_the_other_folds_only() -> None:
    scores, same, folds = _pairs(0)
    correct, thresholds = ten_fold(scores, same, folds)
    for fold in range(10):
        rest = folds != fold
        assert float(thresholds[fold]) == most_accurate_threshold(scores[rest], same[rest])
        mine = folds == fold
        assert torch.equal(correct[mine], (scores[mine] > thresholds[fold]) == same[mine])
    # The scores of a fold cannot move its own threshold.
    moved = torch.where(folds == 3, scores + 5, scores)
    assert ten_fold(moved, same, folds)[1][3] == thresholds[3]


def test_order_of_pairs_does_not_matter() -> None:
    scores, same, folds = _pairs(1, levels=3)
    order = torch.randperm(200, generator=torch.Generator().manual_seed(0))
    correct, thresholds = ten_fold(scores, same, folds)
    shuffled, again = ten_fold(scores[order], same[order], folds[order])
    assert torch.equal(shuffled, correct[order])
    assert torch.equal(again, thresholds)
    assert eer(scores[order], same[order]) == eer(scores, same)


@pytest.mark.parametrize("levels", [0, 2])
@pytest.mark.parametrize("far", [0.0, 0.01, 0.07, 0.3, 0.999, 1.0])
def test_smallest_threshold_with_so_few_false_accepts(far: float, levels: int) -> None:
    scores, _, _ = _pairs(2, 100, levels)
    found = false_accept_threshold(scores, far)

    def share(cut: float) -> float:
        return int((scores.double() > cut).sum()) / 100

    assert share(found) <= far
    lower = [-math.inf, *(float(s) for s in scores if float(s) < found)]
    assert all(share(cut) > far for cut in lower) or found == -math.inf


def test_far_at_whole_numbers_of_impostors() -> None:
    # 0.07 * 100 is 7.000000000000001 and 0.29 * 100 is 28.999999999999996 in floating point.
    scores = torch.arange(100.0)
    for count in range(101):
        accepted = int((scores > false_accept_threshold(scores, count / 100)).sum())
        assert accepted == count


def test_tar_at_far_learns_from_the_other_folds() -> None:
    scores, same, folds = _pairs(3)
    accepted, thresholds = tar_at_far(scores, same, folds, 0.1)
    for fold in range(10):
        assert float(thresholds[fold]) == false_accept_threshold(scores[(folds != fold) & ~same], 0.1)
    assert torch.equal(accepted, decide(scores, folds, thresholds))
    assert float(accepted[~same].float().mean()) == pytest.approx(0.1, abs=0.05)


def test_frozen_thresholds_judge_attacked_scores() -> None:
    scores, same, folds = _pairs(4)
    _, thresholds = ten_fold(scores, same, folds)
    attacked = torch.where(same, scores - 1, scores + 1)
    accepted = decide(attacked, folds, thresholds)
    assert accepted.tolist() == [float(s) > float(thresholds[f]) for s, f in zip(attacked.double(), folds, strict=True)]
    kept = int((accepted & same).sum())
    assert robust_tar(accepted, same) == wilson(kept, int(same.sum()))
    assert robust_tnr(accepted, same) == wilson(int((~accepted & ~same).sum()), int((~same).sum()))
    assert not bool(decide(torch.tensor([math.nan]), torch.tensor([0]), thresholds))


def test_eer_vectors() -> None:
    same = torch.tensor([True, True, False, False])
    assert eer(torch.tensor([0.9, 0.8, 0.2, 0.1]), same) == 0
    assert eer(torch.tensor([0.1, 0.2, 0.8, 0.9]), same) == 1
    assert eer(torch.tensor([0.9, 0.3, 0.6, 0.1]), same) == pytest.approx(0.5)
    assert eer(torch.zeros(4), same) == pytest.approx(0.5)
    assert math.isnan(eer(torch.zeros(2), torch.ones(2, dtype=torch.bool)))


def test_eer_of_ties_is_that_of_deciding_by_lot() -> None:
    # Each score level gets many copies of its pairs, spread evenly; copies do not change shares.
    scores, same, _ = _pairs(5, 60, levels=1)
    spread, kinds = [], []
    for level in scores.unique():
        for kind in (True, False):
            count = int(((scores == level) & (same == kind)).sum()) * 400
            spread.append(float(level) + (torch.arange(count) + 0.5) / max(count, 1) * 0.5)
            kinds.append(torch.full((count,), kind))
    assert eer(torch.cat(spread), torch.cat(kinds)) == pytest.approx(eer(scores, same), abs=2e-3)


def test_mistakes_are_told() -> None:
    scores, same, folds = _pairs(6, 40)
    with pytest.raises(UserError, match="two folds"):
        ten_fold(scores, same, torch.zeros_like(folds))
    with pytest.raises(UserError, match="all must be"):
        ten_fold(scores[:5], same, folds)
    with pytest.raises(UserError, match="NaN"):
        ten_fold(scores.fill_(math.nan), same, folds)
    with pytest.raises(UserError, match="different people"):
        tar_at_far(torch.zeros(40), torch.ones(40, dtype=torch.bool), folds, 0.1)
    with pytest.raises(UserError, match="no threshold"):
        decide(scores, folds, torch.zeros(3))
