"""Same person or not: thresholds chosen on other folds, and what is decided with them.

`scores` float `[N]` (higher is more alike), `same` bool `[N]`, `folds` int64 `[N]` counted from 0. A pair is
accepted when its score lies strictly above the threshold of its fold. Thresholds are sought among all
observed scores, not on a grid, and returned as float64 `[F]`, one per fold, so that attacked scores can be
judged with the clean thresholds.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.tasks.metrics.estimate import Estimate, clustered_rate


def decide(scores: Tensor, folds: Tensor, thresholds: Tensor) -> Tensor:
    """Whether each pair is accepted at its fold's frozen threshold, bool `[N]`; a NaN is rejected."""
    if len(folds) and int(folds.max()) >= len(thresholds):
        raise UserError(f"fold {int(folds.max())} has no threshold: there are {len(thresholds)} of them")
    return scores.double() > thresholds[folds]


def ten_fold(scores: Tensor, same: Tensor, folds: Tensor) -> tuple[Tensor, Tensor]:
    """Whether each pair is decided rightly, bool `[N]`, and the thresholds `[F]` (Huang et al. 2007, LFW view
    2).

    The threshold of a fold is `most_accurate_threshold` of all other folds. Any number of folds from two will
    do.
    """
    thresholds = _per_fold(scores, same, folds, most_accurate_threshold)
    return decide(scores, folds, thresholds) == same, thresholds


def tar_at_far(scores: Tensor, same: Tensor, folds: Tensor, far: float) -> tuple[Tensor, Tensor]:
    """Whether each pair is accepted, bool `[N]`, and the thresholds `[F]`, at a false accept rate of `far`.

    The threshold of a fold is `false_accept_threshold` of all other folds. The true accept rate is the share
    of accepted ones among the same pairs; the false accept rate reached is that share among the others.
    """
    thresholds = _per_fold(scores, same, folds, lambda s, t: false_accept_threshold(s[~t], far))
    return decide(scores, folds, thresholds), thresholds


def most_accurate_threshold(scores: Tensor, same: Tensor) -> float:
    """The threshold with the most right decisions; of several, the middle of the widest gap between scores.

    Gaps that are equally wide give the lowest. It is -inf (+inf) only if accepting (rejecting) all beats
    every cut.
    """
    levels, positives, negatives = _histogram(scores, same)
    right = positives.sum() - _before(positives) + _before(negatives)
    lower = torch.cat([levels.new_tensor([-math.inf]), levels])
    upper = torch.cat([levels, levels.new_tensor([math.inf])])
    width = upper - lower
    width[[0, -1]] = 0
    width[right != right.max()] = -1
    cut = int((width == width.max()).nonzero()[0])
    low, high = float(lower[cut]), float(upper[cut])
    if math.isinf(low) or math.isinf(high):
        return low if math.isinf(low) else high
    middle = low + (high - low) / 2
    # Between neighbouring numbers there is no middle; the lower one still parts them.
    return middle if middle < high else low


def false_accept_threshold(impostors: Tensor, far: float) -> float:
    """The smallest threshold at which a share of at most `far` of the impostor scores `[M]` is accepted.

    No interpolation: it is the highest score that may not be accepted. -inf when all may be.
    """
    if not 0 <= far <= 1:
        raise UserError(f"a false accept rate of {far}: it must lie between 0 and 1")
    if len(impostors) == 0:
        raise UserError("no pair of different people to set a false accept rate with: add such pairs to each fold")
    _check_finite(impostors)
    count = len(impostors)
    # far * count may round either way at a whole number (0.07 * 100 is just above 7); the shares decide.
    allowed = next(k for k in range(min(int(far * count) + 1, count), -1, -1) if k / count <= far)
    if allowed == count:
        return -math.inf
    return float(impostors.double().sort(descending=True).values[allowed])


def eer(scores: Tensor, same: Tensor) -> float:
    """The equal error rate, where as large a share of impostors is accepted as of true pairs rejected.

    Taken on the line between the two neighbouring points of the ROC, which for tied scores is what deciding
    among them by lot would give. NaN unless there are pairs of both kinds.
    """
    if not (bool(same.any()) and bool((~same).any())):
        return math.nan
    _, positives, negatives = _histogram(scores, same)
    accepted = 1 - _before(negatives).double() / negatives.sum()
    rejected = _before(positives).double() / positives.sum()
    gap = accepted - rejected
    last = int((gap >= 0).nonzero()[-1])
    part = gap[last] / (gap[last] - gap[last + 1])
    return float(accepted[last] + part * (accepted[last + 1] - accepted[last]))


def robust_tar(accepted: Tensor, same: Tensor, clusters: Tensor | None = None) -> Estimate:
    """The share of same pairs still accepted under dodging; `clusters` labels dependent pairs."""
    return _rate(accepted, same, clusters)


def robust_tnr(accepted: Tensor, same: Tensor, clusters: Tensor | None = None) -> Estimate:
    """The share of other pairs still rejected under impersonation; `clusters` as in `robust_tar`."""
    return _rate(~accepted, ~same, clusters)


def _rate(values: Tensor, among: Tensor, clusters: Tensor | None) -> Estimate:
    labels = None if clusters is None else clusters[among].cpu().numpy()
    return clustered_rate(values[among].double().cpu().numpy(), labels)


def _per_fold(scores: Tensor, same: Tensor, folds: Tensor, threshold: Callable[[Tensor, Tensor], float]) -> Tensor:
    if not (scores.ndim == 1 and scores.shape == same.shape == folds.shape) or same.dtype != torch.bool:
        raise UserError(
            f"scores {tuple(scores.shape)}, same {tuple(same.shape)} {same.dtype}, folds {tuple(folds.shape)}: "
            "all must be [N], same bool"
        )
    if len(torch.unique(folds)) < 2 or int(folds.min()) < 0:
        raise UserError("thresholds come from the other folds: give at least two folds, counted from 0")
    count = int(folds.max()) + 1
    values = [threshold(scores[folds != fold], same[folds != fold]) for fold in range(count)]
    return torch.tensor(values, dtype=torch.float64, device=scores.device)


def _histogram(scores: Tensor, same: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The distinct scores, lowest first, and how many same and other pairs have each."""
    _check_finite(scores)
    levels, index = torch.unique(scores.double(), sorted=True, return_inverse=True)
    positives = torch.bincount(index[same], minlength=len(levels))
    negatives = torch.bincount(index[~same], minlength=len(levels))
    return levels, positives, negatives


def _before(counts: Tensor) -> Tensor:
    """How many lie below each of the K + 1 cuts between K levels."""
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


def _check_finite(scores: Tensor) -> None:
    if not bool(torch.isfinite(scores).all()):
        raise UserError("some scores are NaN or infinite: a threshold cannot be chosen from them")
