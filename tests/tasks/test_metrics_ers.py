"""The robustness score, beside the published table."""

from __future__ import annotations

import numpy as np
import pytest

from turncoat.core.errors import UserError
from turncoat.tasks.metrics.ers import TERMS, ers, joint_score, term

ORDER = ("CA+", "CA-", "QA+", "QA-", "TMA", "ES:D", "ES:R", "LTM", "GTM", "GTT")
TABLE = {  # Zhou and Patel, CVPR 2022, and their repository: ResNet-18 with triplets, defences with 32 steps
    "CUB bare": (0.0, 100, 0.0, 99.9, 0.883, 1.762, 0.0, 0.0, 14.1, 0.0, 3.8),
    "CUB EST": (2.7, 97.9, 0.4, 97.3, 0.848, 1.576, 1.4, 0, 4.0, 0, 5.3),
    "CUB ACT": (15.5, 37.7, 15.1, 32.2, 0.472, 0.821, 11.1, 9.4, 14.9, 1.0, 33.9),
    "CUB HM": (14.7, 39.6, 15.6, 34.2, 0.523, 0.736, 16.5, 15.0, 26.7, 2.9, 35.9),
    "CUB HM+ICS": (15.5, 37.7, 16.6, 30.9, 0.753, 0.506, 17.9, 16.7, 27.3, 2.9, 36.0),
    "CARS bare": (0.2, 100, 0.1, 99.6, 0.874, 1.816, 0, 0, 13.4, 0, 3.6),
    "CARS EST": (1.2, 98.1, 0.4, 91.8, 0.880, 1.281, 2.9, 0.7, 8.2, 0, 7.3),
    "CARS ACT": (18.0, 32.3, 17.5, 30.5, 0.383, 0.763, 16.3, 15.3, 20.7, 1.6, 38.6),
    "CARS HM": (17.4, 28.2, 18.2, 28.8, 0.426, 0.613, 27.1, 30.7, 42.3, 7.9, 44.9),
    "CARS HM+ICS": (19.3, 25.9, 19.6, 25.7, 0.650, 0.446, 30.3, 36.7, 46.0, 8.8, 46.0),
    "SOP bare": (0.1, 99.3, 0.2, 99.1, 0.845, 1.685, 0, 0, 6.3, 0, 4.0),
    "SOP EST": (12.5, 43.6, 10.6, 34.8, 0.468, 0.830, 9.6, 7.2, 17.3, 3.8, 31.7),
    "SOP ACT": (24.1, 10.5, 22.7, 9.4, 0.253, 0.532, 21.2, 21.6, 27.8, 15.3, 50.8),
    "SOP HM": (30.6, 4.7, 31.2, 3.5, 0.466, 0.266, 38.6, 40.3, 38.6, 44.3, 61.8),
    "SOP HM+ICS": (32.0, 4.2, 33.7, 3.0, 0.606, 0.207, 39.1, 39.8, 37.9, 45.6, 61.6),
}


CHECKED = ("CUB bare", "CUB ACT", "CUB HM+ICS", "CARS HM", "SOP HM+ICS")


@pytest.mark.parametrize("row", TABLE)
def test_the_published_scores_come_out(row: str) -> None:
    """To what the rounding of ten figures and a score allows, 0.11; five of them nearer than that."""
    *figures, printed = TABLE[row]
    tolerance = 0.06 if row in CHECKED else 0.11
    assert ers(dict(zip(ORDER, figures, strict=True))) == pytest.approx(printed, abs=tolerance)


def test_an_untouched_model_scores_about_all_and_a_lost_one_nothing() -> None:
    assert ers(dict(zip(ORDER, (50, 0, 50, 0, 0, 0, 100, 100, 100, 100), strict=True))) == 100
    assert ers(dict(zip(ORDER, (0, 100, 0, 100, 1, 2, 0, 0, 0, 0), strict=True))) == 0


def test_a_missing_figure_is_named() -> None:
    with pytest.raises(UserError, match="ES:R"):
        ers({name: 0.0 for name in ORDER if name != "ES:R"})


def _figures(seed: int, n: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.random(n) for name in ORDER}


def test_the_joint_score_is_the_mean_of_the_terms_means() -> None:
    figures = _figures(0, 40)
    found = joint_score(figures)
    means = [term(name, figures[name]).mean() for name in TERMS]
    assert found.value == pytest.approx(np.mean(means))
    assert found.low < found.value < found.high
    printed = {name: values.mean() * (1 if name in ("TMA", "ES:D") else 100) for name, values in figures.items()}
    assert 100 * found.value == pytest.approx(ers(printed))


def test_a_sample_without_an_answer_lacks_that_figure_alone() -> None:
    figures = _figures(0, 40)
    figures["ES:R"][:10] = figures["LTM"][5:7] = np.nan
    means = [np.nanmean(term(name, figures[name])) for name in TERMS]
    assert joint_score(figures).value == pytest.approx(np.mean(means))


def test_samples_are_drawn_with_all_their_figures() -> None:
    """Figures that fall together make the score less sure than figures that fall apart, and clusters less still."""
    level = np.random.default_rng(0).random(200)
    together = {name: np.where(name in ("CA+", "QA+"), level / 2, level) for name in ORDER}
    for name in ("CA-", "QA-", "TMA", "ES:D"):
        together[name] = 1 - level
    together["ES:D"] = 2 - 2 * level
    apart = {
        name: np.random.default_rng(place).permutation(values) for place, (name, values) in enumerate(together.items())
    }
    widths = [found.high - found.low for found in (joint_score(together), joint_score(apart))]
    assert widths[0] > 2 * widths[1]
    doubled = {name: np.concatenate([values, values]) for name, values in together.items()}
    clustered = joint_score(doubled, np.tile(np.arange(200), 2))
    assert clustered.high - clustered.low == pytest.approx(widths[0], rel=0.15)
