"""A measured number with its interval: Wilson for shares, the bootstrap for everything else."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from turncoat.core.errors import UserError

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Array = NDArray[np.generic]
Columns = TypeVar("Columns", bound=Array | Mapping[str, Array])

_DRAWS_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class Estimate:
    """A value and the two ends of its confidence interval; NaN where there is nothing to measure."""

    value: float
    low: float
    high: float


NOTHING = Estimate(math.nan, math.nan, math.nan)


def wilson(successes: float, n: float, level: float = 0.95) -> Estimate:
    """The share `successes / n` with its score interval (Wilson 1927).

    `successes` may be a sum of probabilities (the expected number of hits over ties), and `n` an effective
    number of samples; both are then used as they are. No samples give NaN. Raises UserError outside 0 <=
    successes <= n.
    """
    _check_level(level)
    if not (n >= 0 and -1e-9 <= successes <= n * (1 + 1e-9)):
        raise UserError(f"{successes} successes of {n}: the number of successes must lie between 0 and n")
    if n == 0:
        return NOTHING
    share = min(max(successes / n, 0.0), 1.0)
    z = NormalDist().inv_cdf(0.5 + level / 2)
    middle = share + z * z / (2 * n)
    reach = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = ((middle + sign * reach) / (1 + z * z / n) for sign in (-1, 1))
    # At the ends the formula meets 0 or 1 exactly, its floating point value only nearly.
    return Estimate(share, 0.0 if share == 0 else low, 1.0 if share == 1 else high)


def clustered_rate(values: Array, clusters: Array | None, level: float = 0.95) -> Estimate:
    """The mean of values in [0, 1] (NaN left out) whose samples depend on each other within a cluster.

    A Wilson interval with the effective number of samples p(1-p)/v, where v is the variance of p between
    clusters (Korn and Graubard 1998 do the same for exact intervals). It never exceeds the number of samples,
    nor falls below (sum size)^2 / sum size^2, the number that remains when each cluster says one thing; the
    latter serves when all values agree, where a bootstrap would claim an interval of width zero.
    """
    sample = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(sample)
    if clusters is None:
        return wilson(float(sample[known].sum()), int(known.sum()), level)
    rows = _numbered(clusters, len(sample))[known]
    sample, n = sample[known], int(known.sum())
    if n == 0:
        return NOTHING
    share = float(sample.mean())
    _, owner, sizes = np.unique(rows, return_inverse=True, return_counts=True)
    floor = n * n / float(np.square(sizes).sum())
    effective = floor
    if len(sizes) > 1:
        residuals = np.bincount(owner, weights=sample - share)
        variance = float(np.square(residuals).sum()) * len(sizes) / (len(sizes) - 1) / (n * n)
        effective = n if variance == 0 else share * (1 - share) / variance
        effective = floor if share in (0.0, 1.0) else min(max(effective, floor), n)
    return wilson(share * effective, effective, level)


def bootstrap(
    columns: Columns,
    statistic: Callable[[Columns], float] | None = None,
    *,
    clusters: Array | None = None,
    seed: int = 0,
    resamples: int = 1000,
    level: float = 0.95,
) -> Estimate:
    """The mean, or another `statistic`, of the rows with its percentile bootstrap interval.

    `columns` is one array or several by name, one row per sample; `statistic` gets the same form back with
    rows drawn with replacement. Rows with a NaN are left out first (a query without an answer). With
    `clusters` (one label per row: an identity, a source image) whole clusters are drawn. The same seed gives
    the same interval. One cluster or row alone has a value but no interval; a resample whose statistic is NaN
    does not count. Ours rather than scipy's, which takes neither clusters nor columns by name. Efron and
    Tibshirani (1993), ch. 13.
    """
    _check_level(level)
    table = columns if isinstance(columns, Mapping) else {"": np.asarray(columns)}
    if len({len(column) for column in table.values()}) != 1:
        raise UserError(f"columns of {[len(column) for column in table.values()]} rows: give one row per sample each")
    if statistic is None and (isinstance(columns, Mapping) or table[""].ndim != 1):
        raise UserError("the mean needs one column of numbers: give a statistic for several")
    known = np.logical_and.reduce([_without_nan(column) for column in table.values()])
    rows = np.flatnonzero(known)
    owner = rows if clusters is None else _numbered(clusters, len(known))[known]
    if len(rows) == 0:
        return NOTHING
    draws = _Draws(rows[np.argsort(owner, kind="stable")], np.unique(owner, return_counts=True)[1], resamples, seed)

    def of(chosen: Rows) -> float:
        taken = {name: column[chosen] for name, column in table.items()}
        form = cast(Columns, taken if isinstance(columns, Mapping) else taken[""])
        return float(np.mean(taken[""].astype(np.float64)) if statistic is None else statistic(form))

    value = of(rows)
    replicas = draws.means(table[""]) if statistic is None else np.array([of(chosen) for chosen in draws.rows()])
    if len(draws.sizes) == 1 or np.isnan(replicas).all():
        return Estimate(value, math.nan, math.nan)
    low, high = np.nanquantile(replicas, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high))


@dataclass(frozen=True)
class _Draws:
    """Resamples of whole clusters, whose rows stand one after the other in `order`, `sizes` of them each."""

    order: Rows
    sizes: Rows
    resamples: int
    seed: int

    def rows(self) -> Iterator[Rows]:
        """The rows of each resample."""
        for draw in self._clusters(1):
            sizes, starts = self.sizes[draw[0]], self._starts()[draw[0]]
            within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            yield self.order[np.repeat(starts, sizes) + within]

    def means(self, values: Array) -> Floats:
        """The mean of each resample, from the sums and sizes of the clusters."""
        sums = np.add.reduceat(values[self.order].astype(np.float64), self._starts())
        parts = self._clusters(max(1, _DRAWS_AT_ONCE // len(self.sizes)))
        return np.concatenate([sums[draw].sum(1) / self.sizes[draw].sum(1) for draw in parts])

    def _clusters(self, at_once: int) -> Iterator[Rows]:
        generator = np.random.default_rng(self.seed)
        count = len(self.sizes)
        for start in range(0, self.resamples, at_once):
            yield generator.integers(0, count, (min(at_once, self.resamples - start), count))

    def _starts(self) -> Rows:
        return np.cumsum(self.sizes) - self.sizes


def _without_nan(column: Array) -> NDArray[np.bool_]:
    if column.dtype.kind != "f":
        return np.ones(len(column), dtype=np.bool_)
    missing = np.isnan(column.astype(np.float64)).reshape(len(column), -1).any(1)
    return np.asarray(~missing, dtype=np.bool_)


def _numbered(clusters: Array, n: int) -> Rows:
    """Clusters as numbers 0, 1, ..., one for each of n rows."""
    labels = np.asarray(clusters)
    if labels.shape != (n,):
        raise UserError(f"clusters have shape {labels.shape} for {n} samples: give one label per sample")
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise UserError(f"a confidence level of {level}: it must lie between 0 and 1, such as 0.95")
