"""Scores of attribute recognition: label-based, instance-based, and what an attack flips.

Everything takes `truth` int `[N, A]`, where a value outside {0, 1} is unknown, and `decisions` bool `[N, A]`.
An unknown label is masked everywhere: the code published with the Rethinking-of-PAR baselines still counts a
decision for it as a predicted positive; we do not. Without unknown labels both agree. A quotient 0/0 is 0, as
there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from turncoat.core.errors import UserError

Absent = Literal["include_official", "skip"]


def instance_values(truth: Tensor, decisions: Tensor) -> dict[str, Tensor]:
    """`accuracy`, `precision`, `recall` and `f1` of every image, float64 `[N]`.

    With G the true and P the decided attributes of an image: |G&P|/|G|P|, |G&P|/|P|, |G&P|/|G| and
    2|G&P|/(|G|+|P|). An image without either scores 0, as in the published code.
    """
    positive, _, decided = _masks(truth, decisions)
    hits = (positive & decided).sum(1)
    true, claimed = positive.sum(1), decided.sum(1)
    return {
        "accuracy": _ratio(hits, (positive | decided).sum(1)),
        "precision": _ratio(hits, claimed),
        "recall": _ratio(hits, true),
        "f1": _ratio(2 * hits, true + claimed),
    }


def balanced_accuracies(truth: Tensor, decisions: Tensor, absent: Absent = "include_official") -> Tensor:
    """(TPR + TNR) / 2 of every attribute over the images, float64 `[A]`.

    An attribute without positives has no TPR: "include_official" takes 0 for it (so it adds TNR/2, as the
    published code does), "skip" gives NaN. The same holds for one without negatives.
    """
    if absent not in ("include_official", "skip"):
        raise UserError(f"absent={absent!r}: it is 'include_official' or 'skip'")
    positive, negative, decided = _masks(truth, decisions)
    caught = _ratio((positive & decided).sum(0), positive.sum(0))
    spared = _ratio((negative & ~decided).sum(0), negative.sum(0))
    values = (caught + spared) / 2
    if absent == "skip":
        values[~(positive.any(0) & negative.any(0))] = math.nan
    return values


def mean_accuracy(truth: Tensor, decisions: Tensor, absent: Absent = "include_official") -> float:
    """mA: the mean of the balanced accuracies over the attributes, NaN without images."""
    if len(truth) == 0:
        return math.nan
    return float(balanced_accuracies(truth, decisions, absent).nanmean())


def harmonic_f1(precision: float, recall: float) -> float:
    """The F1 of mean precision and mean recall, the second convention; 0 where both are 0."""
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else precision + recall


def summary(truth: Tensor, decisions: Tensor, absent: Absent = "include_official") -> dict[str, float]:
    """`mA`, and the means over images of accuracy, precision, recall and F1 in both conventions.

    `f1_mean` is the mean of the images' F1 (VTB, PromptPAR); `f1_harmonic` that of the two means (Rethinking
    of PAR).
    """
    means = {name: float(values.mean()) for name, values in instance_values(truth, decisions).items()}
    f1 = means.pop("f1")
    harmonic = harmonic_f1(means["precision"], means["recall"])
    return {
        "mA": mean_accuracy(truth, decisions, absent),
        **means,
        "f1_mean": f1,
        "f1_harmonic": harmonic,
    }


def flip_rates(truth: Tensor, clean: Tensor, attacked: Tensor) -> Tensor:
    """The share of each image's rightly decided attributes that the attack made wrong, float64 `[N]`.

    NaN for an image without a right decision when clean. Both decisions are bool `[N, A]`.
    """
    right, flipped = _right_and_flipped(truth, clean, attacked)
    return _share(flipped.sum(1), right.sum(1))


def group_flip_rates(truth: Tensor, clean: Tensor, attacked: Tensor, groups: Sequence[str]) -> dict[str, Tensor]:
    """`flip_rates` within each group of attributes; `groups` names the group of every attribute."""
    if len(groups) != truth.shape[1]:
        raise UserError(f"{len(groups)} groups for {truth.shape[1]} attributes: name one group per attribute")
    right, flipped = _right_and_flipped(truth, clean, attacked)
    rates = {}
    for group in dict.fromkeys(groups):
        columns = [column for column, name in enumerate(groups) if name == group]
        rates[group] = _share(flipped[:, columns].sum(1), right[:, columns].sum(1))
    return rates


def _right_and_flipped(truth: Tensor, clean: Tensor, attacked: Tensor) -> tuple[Tensor, Tensor]:
    positive, negative, before = _masks(truth, clean)
    _, _, after = _masks(truth, attacked)
    right = (positive & before) | (negative & ~before)
    return right, right & (before != after)


def _masks(truth: Tensor, decisions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Known positives, known negatives, and the positive decisions about known labels, bool `[N, A]` each."""
    if truth.ndim != 2 or truth.shape != decisions.shape:
        raise UserError(f"truth {tuple(truth.shape)} and decisions {tuple(decisions.shape)}: both must be [N, A]")
    if decisions.dtype != torch.bool:
        raise UserError(f"decisions are {decisions.dtype}: compare the probabilities with a threshold first")
    positive, negative = truth == 1, truth == 0
    return positive, negative, decisions & (positive | negative)


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """part / whole in float64, 0 where the whole is 0."""
    return part.double() / whole.clamp(min=1).double()


def _share(part: Tensor, whole: Tensor) -> Tensor:
    """part / whole in float64, NaN where the whole is 0."""
    return part.double() / whole.double()
