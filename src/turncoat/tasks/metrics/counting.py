"""All that ranking must keep: how many gallery items score above, and as high as, each good one."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from turncoat.tasks.metrics.relations import Relations
from turncoat.tasks.metrics.similarity import Points
from turncoat.tasks.metrics.ties import TieGroups

_QUERIES_AT_ONCE = 1024


@dataclass(frozen=True)
class Block:
    """Some queries from number `start` on, and the counts for their good items so far.

    `cuts` float64 `[B, M]` are the scores of the good items, best first, short rows filled up with +inf;
    `above` and `level` int64 `[B, M]` count the items that score higher and just as high.
    """

    start: int
    points: Points
    cuts: Tensor
    above: Tensor
    level: Tensor

    def count(self, scores: Tensor, sign: int = 1) -> None:
        """Count the items with these scores `[B, C]`, which are overwritten; sign -1 takes them out again."""
        if self.cuts.shape[1] == 0:
            return
        scores = sort_rows(scores)
        not_above = torch.searchsorted(scores, self.cuts, right=True)
        below = torch.searchsorted(scores, self.cuts)
        self.above.add_(scores.shape[1] - not_above, alpha=sign)
        self.level.add_(not_above - below, alpha=sign)


def blocks_of(points: Points, relations: Relations, scores: Tensor) -> list[Block]:
    """Queries in blocks that start below zero by their own good and junk items.

    `scores` `[P]` are those of the related pairs. Once the whole gallery is counted, what remains are the
    negatives.
    """
    blocks = []
    for start in range(0, relations.queries, _QUERIES_AT_ONCE):
        end = min(start + _QUERIES_AT_ONCE, relations.queries)
        mine = (relations.query >= start) & (relations.query < end)
        owner, good, known = relations.query[mine] - start, relations.good[mine], scores[mine]
        cuts = padded(owner[good], known[good], end - start, math.inf).to(points.grid.device)
        zeros = torch.zeros_like(cuts, dtype=torch.int64)
        block = Block(start, points.take(slice(start, end)), cuts, zeros, zeros.clone())
        block.count(padded(owner, known, end - start, -math.inf).to(points.grid.device), sign=-1)
        blocks.append(block)
    return blocks


def tie_groups(blocks: list[Block]) -> TieGroups:
    """One entry per distinct score among the good items of each query, from the finished counts."""
    empty = torch.zeros(0, dtype=torch.int64)
    parts = [(empty,) * 5, *(_groups_of(block) for block in blocks)]
    return TieGroups(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _groups_of(block: Block) -> tuple[Tensor, ...]:
    cuts, above, level = block.cuts.cpu(), block.above.cpu(), block.level.cpu()
    good = torch.isfinite(cuts)
    first = good.clone()
    first[:, 1:] &= cuts[:, 1:] != cuts[:, :-1]
    query, place = first.nonzero(as_tuple=True)
    sizes = torch.bincount(first[good].cumsum(0) - 1, minlength=len(query))
    return query + block.start, sizes, level[first], place, above[first]


def padded(owner: Tensor, values: Tensor, rows: int, fill: float) -> Tensor:
    """Values `[P]` of owners 0 to rows - 1 as a table `[rows, most]`, highest first, short rows filled up."""
    counts = torch.bincount(owner, minlength=rows)
    table = torch.full((rows, int(counts.max())), fill, dtype=values.dtype)
    order = torch.argsort(values, descending=True, stable=True)
    order = order[torch.argsort(owner[order], stable=True)]
    owner = owner[order]
    table[owner, torch.arange(len(owner)) - (counts.cumsum(0) - counts)[owner]] = values[order]
    return table


def sort_rows(scores: Tensor) -> Tensor:
    """Rows sorted upwards; on the CPU in place by numpy, whose vector sort is ten times as fast as torch's."""
    if scores.device.type != "cpu":
        return scores.sort(dim=1).values
    parts = [part.numpy() for part in scores.chunk(max(1, torch.get_num_threads()))]
    with ThreadPoolExecutor(len(parts)) as pool:
        list(pool.map(lambda part: part.sort(axis=1), parts))
    return scores
