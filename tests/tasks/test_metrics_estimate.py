"""Intervals: against scipy, against a plain loop, and by how often they cover the truth."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from scipy.stats import binomtest

from turncoat.core.errors import UserError
from turncoat.tasks.metrics.estimate import bootstrap, clustered_rate, wilson


@pytest.mark.parametrize(("successes", "n"), [(0, 1), (1, 1), (0, 50), (3, 50), (50, 50), (977, 1000)])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_wilson_agrees_with_scipy(successes: int, n: int, level: float) -> None:
    ours = wilson(successes, n, level)
    theirs = binomtest(successes, n).proportion_ci(confidence_level=level, method="wilson")
    assert ours.value == successes / n
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_wilson_solves_the_score_equation_for_fractional_successes() -> None:
    # The ends are the shares p at which |share - p| is z standard errors of p.
    estimate = wilson(12.75, 40)
    for end in (estimate.low, estimate.high):
        assert abs(12.75 / 40 - end) == pytest.approx(1.959963984540054 * math.sqrt(end * (1 - end) / 40))
    assert wilson(12, 40).low < estimate.low < wilson(13, 40).low


def test_wilson_of_nothing_and_of_nonsense() -> None:
    assert all(math.isnan(x) for x in (wilson(0, 0).value, wilson(0, 0).low, wilson(0, 0).high))
    with pytest.raises(UserError, match="between 0 and n"):
        wilson(5, 4)
    with pytest.raises(UserError, match="confidence level"):
        wilson(1, 4, level=95)


def test_bootstrap_mean_equals_the_general_statistic_row_by_row() -> None:
    values = np.random.default_rng(0).normal(size=200)
    clusters = np.random.default_rng(1).integers(0, 30, 200)
    for labels in (None, clusters):
        fast = bootstrap(values, clusters=labels, seed=3, resamples=200)
        # With one resample at a time both draw the same clusters, so they differ by rounding only.
        slow = bootstrap(values, lambda rows: float(np.mean(rows)), clusters=labels, seed=3, resamples=200)
        assert fast.value == pytest.approx(values.mean())
        assert (fast.low, fast.high) == pytest.approx((slow.low, slow.high))


def test_bootstrap_of_a_mean_approaches_the_normal_interval() -> None:
    values = np.random.default_rng(5).normal(size=2000)
    estimate = bootstrap(values, seed=0, resamples=4000)
    reach = 1.96 * values.std() / math.sqrt(2000)
    assert estimate.low == pytest.approx(values.mean() - reach, abs=0.06 * reach)
    assert estimate.high == pytest.approx(values.mean() + reach, abs=0.06 * reach)


def test_whole_clusters_are_drawn_with_all_their_rows() -> None:
    clusters = np.array(["a", "b", "b", "c", "c", "c"])
    values = np.arange(6.0)
    seen: list[dict[str, np.ndarray]] = []

    def statistic(rows: dict[str, np.ndarray]) -> float:
        seen.append(rows)
        return float(rows["value"].mean())

    bootstrap({"value": values, "cluster": clusters}, statistic, clusters=clusters, resamples=50)
    assert len({len(rows["value"]) for rows in seen}) > 3
    for rows in seen:
        for name, size in (("a", 1), ("b", 2), ("c", 3)):
            assert (rows["cluster"] == name).sum() % size == 0
        assert (values[np.searchsorted(values, rows["value"])] == rows["value"]).all()
        assert (clusters[rows["value"].astype(int)] == rows["cluster"]).all()


def test_clusters_widen_the_interval_when_their_rows_agree() -> None:
    per_cluster = np.random.default_rng(0).normal(size=40)
    values, clusters = np.repeat(per_cluster, 25), np.repeat(np.arange(40), 25)
    alone, together = bootstrap(values), bootstrap(values, clusters=clusters)
    assert (together.high - together.low) / (alone.high - alone.low) == pytest.approx(5, rel=0.15)


def test_same_seed_same_interval_and_global_state_untouched() -> None:
    values = np.random.default_rng(0).normal(size=50)
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    assert bootstrap(values, seed=4) == bootstrap(values, seed=4) != bootstrap(values, seed=5)
    assert (np.random.get_state()[1] == before).all()


def test_rows_without_an_answer_are_left_out() -> None:
    values = np.array([1.0, 2.0, 4.0, 5.0])
    holes = np.array([1.0, np.nan, 2.0, 4.0, np.nan, 5.0])
    assert bootstrap(holes) == bootstrap(values)
    assert clustered_rate(np.array([1.0, np.nan, 0.0]), None) == wilson(1, 2)
    assert math.isnan(bootstrap(np.array([np.nan])).value)
    single = bootstrap(np.array([0.25]))
    assert single.value == 0.25
    assert math.isnan(single.low)
    assert math.isnan(single.high)


def test_ten_thousand_rows_take_well_under_a_second() -> None:
    values = np.random.default_rng(0).random(10_000)
    start = time.perf_counter()
    bootstrap(values, resamples=1000)
    assert time.perf_counter() - start < 2


def test_clustered_rate_is_wilson_for_single_rows_and_for_whole_clusters() -> None:
    values = (np.random.default_rng(0).random(300) < 0.3).astype(float)
    alone = clustered_rate(values, np.arange(300))
    plain = wilson(values.sum(), 300)
    assert (alone.low, alone.high) == pytest.approx((plain.low, plain.high), abs=1e-3)
    # Each cluster says one thing seven times: the interval is that of the clusters.
    repeated = clustered_rate(np.repeat(values, 7), np.repeat(np.arange(300), 7))
    assert (repeated.low, repeated.high) == pytest.approx((plain.low, plain.high), abs=1e-3)


def test_clustered_rate_keeps_a_width_when_all_agree() -> None:
    estimate = clustered_rate(np.zeros(100), np.repeat(np.arange(10), 10))
    assert (estimate.value, estimate.low) == (0, 0)
    assert estimate.high == pytest.approx(wilson(0, 10).high)


def test_clustered_rate_covers_the_truth_where_plain_wilson_does_not() -> None:
    generator = np.random.default_rng(0)
    clusters = np.repeat(np.arange(60), 8)
    covered = {"clustered": 0, "plain": 0}
    for _ in range(400):
        # Mean 0.3, and clusters that differ much from each other.
        values = (generator.random(480) < np.repeat(generator.beta(0.3, 0.7, 60), 8)).astype(float)
        for name, labels in (("clustered", clusters), ("plain", None)):
            estimate = clustered_rate(values, labels)
            covered[name] += estimate.low <= 0.3 <= estimate.high
    assert covered["clustered"] / 400 > 0.925
    assert covered["plain"] / 400 < 0.7


def test_mistakes_are_told() -> None:
    with pytest.raises(UserError, match="one row per sample"):
        bootstrap({"a": np.zeros(3), "b": np.zeros(4)}, lambda _: 0.0)
    with pytest.raises(UserError, match="one label per sample"):
        bootstrap(np.zeros(3), clusters=np.zeros(4))
    with pytest.raises(UserError, match="give a statistic"):
        bootstrap(np.zeros((3, 2)))
