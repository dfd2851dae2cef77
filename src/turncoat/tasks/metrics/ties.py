"""Expected values of ranking metrics when equally similar gallery items come in random order.

A query's list is cut into groups of items with one score; within a group every order is equally likely. Only
groups with a good item matter, each described by four counts. The expectations are exact: hypergeometric for
what depends on the first or last good item, and for average precision the linearity used by McSherry and
Najork (ECIR 2008).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# Positions looked at in one go; a larger group of ties is one go of its own.
_POSITIONS = 2_000_000


@dataclass(frozen=True)
class TieGroups:
    """Groups of tied items, best first within a query, int64 `[T]` each.

    A group has `good` >= 1 good items and `negative` >= 0 others; `good_before` and `negative_before` rank
    above it.
    """

    query: Tensor
    good: Tensor
    negative: Tensor
    good_before: Tensor
    negative_before: Tensor


def expected_metrics(groups: TieGroups, queries: int, ks: Sequence[int], asr_k: int) -> dict[str, Tensor]:
    """Every metric of `ranking.rank`, float64 `[queries]`; NaN for a query without groups."""
    good = torch.zeros(queries, dtype=torch.int64).index_add_(0, groups.query, groups.good)
    first = groups.good_before == 0
    last = groups.good_before + groups.good == good[groups.query]

    def spread(where: Tensor, values: Tensor) -> Tensor:
        out = torch.full((queries,), math.nan, dtype=torch.float64)
        out[groups.query[where]] = values
        return out

    def total(values: Tensor) -> Tensor:
        return torch.zeros(queries, dtype=torch.float64).index_add_(0, groups.query, values)

    sums = _position_sums(groups, ks)
    missed = _chance_to_miss(groups, first, [*ks, asr_k])
    size = (groups.good + groups.negative)[first].double()
    metrics = {f"cmc@{k}": spread(first, 1 - missed[k]) for k in ks}
    metrics["asr"] = spread(first, missed[asr_k])
    metrics["ap"] = total(sums["ap"]) / good
    metrics["ap_trapezoid"] = total(sums["ap_trapezoid"]) / good
    metrics["inp"] = good * spread(last, sums["inverse_last"][last])
    metrics["first_good"] = spread(first, groups.negative_before[first] + (size + 1) / (groups.good[first] + 1))
    for k in ks:
        # mP@k counts to rank k, or to the last good item if that comes sooner: more by m (1/last - 1/k).
        sooner = good * spread(last, sums[f"inverse_last-1/{k}"][last])
        metrics[f"mp@{k}"] = total(_expected_within(groups, k)) / k + sooner
    return {**metrics, "good": good}


def _chance_to_miss(groups: TieGroups, first: Tensor, ks: Sequence[int]) -> dict[int, Tensor]:
    """The chance that no good item is among the first k, from the first group of each query."""
    before, negative = groups.negative_before[first], groups.negative[first]
    size = negative + groups.good[first]
    chance = torch.ones(len(before), dtype=torch.float64)
    chances = {}
    for rank in range(max(ks)):
        # So many items of the group are already placed; the next place misses if it falls to a negative.
        placed = rank - before
        next_misses = (negative - placed).clamp(min=0).double() / (size - placed).clamp(min=1)
        chance = torch.where(placed >= 0, chance * next_misses, chance)
        if rank + 1 in ks:
            chances[rank + 1] = chance
    return chances


def _expected_within(groups: TieGroups, k: int) -> Tensor:
    """The expected number of each group's good items among the first k."""
    size = groups.good + groups.negative
    inside = (k - groups.good_before - groups.negative_before).clamp(min=0).minimum(size)
    return groups.good * inside.double() / size


def _position_sums(groups: TieGroups, ks: Sequence[int]) -> dict[str, Tensor]:
    """What must be summed over the positions of a group, float64 `[T]` each.

    Groups with the same counts are computed once: of an embedding that collapsed to a point, nearly all are
    the same.
    """
    counts = torch.stack([groups.good, groups.negative, groups.good_before, groups.negative_before], 1)
    distinct, inverse = torch.unique(counts, dim=0, return_inverse=True)
    ends = (distinct[:, 0] + distinct[:, 1]).cumsum(0)
    _, sizes = torch.unique_consecutive((ends - 1) // _POSITIONS, return_counts=True)
    parts = [_sums_of(part, ks) for part in torch.split(distinct, sizes.tolist())] if len(distinct) else []
    names = ["ap", "ap_trapezoid", "inverse_last", *(f"inverse_last-1/{k}" for k in ks)]
    empty = torch.zeros(0, dtype=torch.float64)
    return {name: torch.cat([empty, *(part[name] for part in parts)])[inverse] for name in names}


def _sums_of(counts: Tensor, ks: Sequence[int]) -> dict[str, Tensor]:
    """The sums for groups given as rows (good, negative, good before, negative before)."""
    size = counts[:, 0] + counts[:, 1]
    group = torch.repeat_interleave(torch.arange(len(counts)), size)
    place = torch.arange(1, len(group) + 1) - (size.cumsum(0) - size)[group]
    good, negative, good_before, negative_before = counts[group].double().unbind(1)
    rank = good_before + negative_before + place

    def total(values: Tensor) -> Tensor:
        return torch.zeros(len(counts), dtype=torch.float64).index_add_(0, group, values)

    # Given a good item at this place, the others of its group are spread evenly over the remaining places.
    above = good_before + (place - 1) * (good - 1) / (good + negative - 1).clamp(min=1)
    here = good / (good + negative)
    new = (above + 1) / rank
    old = torch.where(rank > 1, above / (rank - 1).clamp(min=1), 1.0)
    # The chance that the group's last good item is here is C(place-1, good-1) / C(size, good).
    log_ways = torch.lgamma(place.double()) - torch.lgamma((place - good + 1).clamp(min=1))
    likely = torch.exp(log_ways - log_ways[size.cumsum(0) - 1][group]) * (place >= good)
    last = likely / total(likely)[group]
    sums = {
        "ap": total(here * new),
        "ap_trapezoid": total(here * (new + old) / 2),
        "inverse_last": total(last / rank),
    }
    for k in ks:
        sums[f"inverse_last-1/{k}"] = total(last * (1 / rank - 1 / k).clamp(min=0))
    return sums
