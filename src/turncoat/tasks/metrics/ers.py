"""The empirical robustness score of a ranking model: ten figures under nine attacks as one number.

Zhou et al., "Adversarial Attack and Defense in Deep Ranking", T-PAMI 2024 (arXiv 2106.03614).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from turncoat.core.errors import UserError
from turncoat.tasks.metrics.estimate import Array, Estimate, bootstrap

Floats = NDArray[np.float64]

TERMS: Mapping[str, Callable[[Floats], Floats]] = {
    "CA+": lambda rank: 2 * rank,
    "CA-": lambda rank: 1 - rank,
    "QA+": lambda rank: 2 * rank,
    "QA-": lambda rank: 1 - rank,
    "TMA": lambda cosine: 1 - cosine,
    "ES:D": lambda distance: 1 - distance / 2,
    "ES:R": lambda recall: recall,
    "LTM": lambda recall: recall,
    "GTM": lambda recall: recall,
    "GTT": lambda kept: kept,
}
"""What each figure adds to the score: about 1 for a model that an attack does not touch, 0 for one that it owns.

Figures are shares of one, but for TMA's cosine and the distance of ES:D, which is at most 2.
"""

PLAIN = ("TMA", "ES:D")
"""The figures that the articles print as they are, the others being in per cent."""


def term(name: str, figure: Array) -> Floats:
    """What a figure adds to the score, element by element."""
    return TERMS[name](np.asarray(figure, dtype=np.float64))


def ers(figures: Mapping[str, float]) -> float:
    """The score, in per cent, of ten figures as the articles print them: ranks, recalls and GTT in per cent.

    Raises UserError where one is missing.
    """
    missing = [name for name in TERMS if name not in figures]
    if missing:
        raise UserError(f"the robustness score needs {', '.join(missing)} too")
    shares = {name: figures[name] if name in PLAIN else figures[name] / 100 for name in TERMS}
    return 100 * float(np.mean([term(name, np.array(share)) for name, share in shares.items()]))


def joint_score(figures: Mapping[str, Array], clusters: Array | None = None) -> Estimate:
    """The score in [0, 1] from the ten figures of each sample, `[N]` each, with its interval.

    The same samples stand behind all ten, so whole samples, or clusters of them, are drawn. A figure that a sample does
    not have (NaN: nothing of its kind in the gallery) is left out of the mean of that figure alone.
    """
    terms = {name: term(name, figures[name]) for name in TERMS}
    known = {f"{name} known": ~np.isnan(values) for name, values in terms.items()}
    table: Mapping[str, Array] = {**{name: np.nan_to_num(values) for name, values in terms.items()}, **known}

    def score(drawn: Mapping[str, Array]) -> float:
        sums = [drawn[name].sum() for name in TERMS]
        counts = [drawn[f"{name} known"].sum() for name in TERMS]
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(np.mean(np.array(sums) / np.array(counts)))

    return bootstrap(table, score, clusters=clusters)
