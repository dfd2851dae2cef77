"""Where items stand in rankings, and what stands first: exact, gallery part by gallery part in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.tasks.metrics.similarity import Points, all_scores, cosine, pair_scores

CHUNK = 8192


def standing(
    queries: Tensor, items: Tensor, gallery: Tensor, *, itself: Tensor, left_out: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """How many rows of a gallery `[G, D]` stand before an item, and how many as high as it, by cosine; int64 `[P]`.

    Row i of `queries` `[P, D]` asks where row i of `items` stands. `itself` is the gallery row that is the item (-1:
    none), which does not tie with it; the row `left_out` of the gallery (-1: none) is not there for its query.
    """
    asked, sought = cosine(queries), cosine(items)
    own = pair_scores(asked, sought)
    before, equal = (torch.zeros(len(own), dtype=torch.int64) for _ in range(2))
    for rows, points in _parts(gallery):
        scores = all_scores(asked, points)
        if left_out is not None:
            scores.masked_fill_(rows == left_out[:, None], -torch.inf)
        before += (scores > own[:, None]).sum(1)
        equal += ((scores == own[:, None]) & (rows != itself[:, None])).sum(1)
    return before, equal


def normalised_rank(queries: Tensor, items: Tensor, gallery: Tensor, *, itself: Tensor) -> Tensor:
    """The share of the gallery that stands before each item, from 0, float64 `[P]`; half of the ties count.

    Without ties it is RobRank's normalised rank (Zhou et al., ECCV 2020, sec. 5), which does not count them.
    """
    before, equal = standing(queries, items, gallery, itself=itself)
    return (before + equal.double() / 2) / len(gallery)


def kept_within(
    queries: Tensor, items: Tensor, gallery: Tensor, *, itself: Tensor, left_out: Tensor, first: int
) -> Tensor:
    """The probability, over the orders of ties, that an item is among the `first` of its query; float64 `[P]`."""
    before, equal = standing(queries, items, gallery, itself=itself, left_out=left_out)
    return ((first - before).double() / (equal + 1)).clamp(0, 1)


def nearest(
    queries: Tensor,
    gallery: Tensor,
    count: int,
    *,
    left_out: Tensor,
    owner: Tensor | None = None,
    barred: Tensor | None = None,
) -> Tensor:
    """The `count` gallery rows most alike to each query, the first first, int64 `[N, count]`; of ties the lower row.

    The row `left_out` (-1: none) does not count, nor do rows whose `owner` `[G]` is negative or the query's `barred`
    `[N]`. Raises UserError where fewer are left.
    """
    asked = cosine(queries)
    best = torch.zeros(len(queries), 0, dtype=torch.float64)
    place = torch.zeros(len(queries), 0, dtype=torch.int64)
    for rows, points in _parts(gallery):
        scores = all_scores(asked, points).masked_fill_(rows == left_out[:, None], -torch.inf)
        if owner is not None and barred is not None:
            owners = owner[rows]
            scores.masked_fill_((owners == barred[:, None]) | (owners < 0), -torch.inf)
        joined = torch.cat([best, scores], 1)
        where = torch.cat([place, rows.expand(len(scores), -1)], 1)
        order = joined.argsort(dim=1, descending=True, stable=True)[:, :count]
        best, place = joined.gather(1, order), where.gather(1, order)
    if best.shape[1] < count or bool(best.isneginf().any()):
        raise UserError(f"fewer than {count} rows of the gallery come into question for some sample: give a larger one")
    return place


def _parts(gallery: Tensor) -> Iterator[tuple[Tensor, Points]]:
    """Row numbers and points of the gallery, one part after the other."""
    for start in range(0, len(gallery), CHUNK):
        points = cosine(gallery[start : start + CHUNK])
        yield torch.arange(start, start + len(points.grid)), points
