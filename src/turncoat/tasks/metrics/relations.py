"""Which gallery rows are good for a query, which are junk, and which count for nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from turncoat.core.errors import UserError


@dataclass(frozen=True)
class Relations:
    """Pairs of a query and a gallery row that are good or junk; any other row is a negative of the query.

    `query`, `row` int64 and `good` bool, all `[P]`, ordered by query, then row, each pair once. Junk is
    removed from the query's list before ranking; `dropped` bool `[G]` marks the rows removed from all lists.
    """

    query: Tensor
    row: Tensor
    good: Tensor
    dropped: Tensor
    queries: int


def by_person(
    query_person: Tensor,
    gallery_person: Tensor,
    *,
    query_camera: Tensor | None = None,
    gallery_camera: Tensor | None = None,
    junk_index: Tensor | None = None,
) -> Relations:
    """The rules of Market-1501 (Zheng et al. 2015), and with them those of any labelled retrieval set.

    Good: the same person seen by another camera. Junk: the same person by the same camera (only if cameras
    are given), the row `junk_index` of the query (the query itself where it is also in the gallery, as in
    CUB; negative for none), and every row of a negative person. Person 0, Market's distractors, is a person
    like any other: no query shows it, so its rows are negatives.
    """
    if (query_camera is None) != (gallery_camera is None):
        raise UserError("cameras are given for one side only: give query_camera and gallery_camera, or neither")
    rows = len(gallery_person)
    person, order = torch.sort(gallery_person.cpu(), stable=True)
    wanted = query_person.cpu().contiguous()
    first, end = torch.searchsorted(person, wanted), torch.searchsorted(person, wanted, right=True)
    counts = end - first
    query = torch.repeat_interleave(torch.arange(len(wanted)), counts)
    within = torch.arange(len(query)) - torch.repeat_interleave(counts.cumsum(0) - counts, counts)
    row = order[first[query] + within]
    good = torch.ones(len(query), dtype=torch.bool)
    if query_camera is not None and gallery_camera is not None:
        if len(query_camera) != len(wanted) or len(gallery_camera) != rows:
            given = f"{len(query_camera)} and {len(gallery_camera)} cameras"
            raise UserError(f"{given} for {len(wanted)} queries and {rows} gallery rows: give one each")
        good = query_camera.cpu()[query] != gallery_camera.cpu()[row]
    if junk_index is not None:
        itself = junk_index.cpu()
        if len(itself) != len(wanted):
            raise UserError(f"{len(itself)} entries of junk_index for {len(wanted)} queries: give one each")
        has = (itself >= 0).nonzero()[:, 0]
        query, row = torch.cat([query, has]), torch.cat([row, itself[has]])
        good = torch.cat([good, torch.zeros(len(has), dtype=torch.bool)])
    return _ordered(query, row, good, gallery_person.cpu() < 0, len(wanted))


def from_lists(good: Sequence[Sequence[int]], junk: Sequence[Sequence[int]], gallery: int) -> Relations:
    """Good and junk gallery rows listed per query, as in Oxford, Paris and their revisited forms."""
    if len(good) != len(junk):
        raise UserError(f"{len(good)} lists of good rows and {len(junk)} of junk: give one of each per query")
    entries = [(i, row, kind) for kind, lists in ((1, good), (0, junk)) for i, rows in enumerate(lists) for row in rows]
    query, row, kind = torch.tensor(entries, dtype=torch.int64).reshape(-1, 3).unbind(1)
    return _ordered(query, row, kind == 1, torch.zeros(gallery, dtype=torch.bool), len(good))


def _ordered(query: Tensor, row: Tensor, good: Tensor, dropped: Tensor, queries: int) -> Relations:
    """Pairs sorted and each kept once; a pair that is both good and junk is junk."""
    rows = len(dropped)
    if len(row) and (int(row.min()) < 0 or int(row.max()) >= rows):
        raise UserError(f"a pair names gallery row {int(row.max())} or one below 0: there are {rows} rows")
    kept = ~dropped[row]
    key = query[kept] * rows + row[kept]
    # Junk (0) sorts before good (1), and the first of each pair is kept.
    code = torch.sort(key * 2 + good[kept].long()).values
    pair = code // 2
    first = torch.ones_like(pair, dtype=torch.bool)
    first[1:] = pair[1:] != pair[:-1]
    code, pair = code[first], pair[first]
    return Relations(pair // max(rows, 1), pair % max(rows, 1), code % 2 == 1, dropped, queries)
