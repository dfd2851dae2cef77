"""Exact ranking metrics of a retrieval, streamed over the gallery in bounded memory.

First the scores of the good (and junk) items of each query are computed; then the gallery passes once more,
and of each chunk only how many items score above, and as high as, each good item is kept. Memory is that of
the queries, their good items, and one chunk. Ties are settled by the expected value over all orders (`ties`),
and scores are exact (`similarity`), so the result depends neither on the order of the gallery nor on the
chunk size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.tasks.metrics.counting import blocks_of, tie_groups
from turncoat.tasks.metrics.relations import Relations, by_person
from turncoat.tasks.metrics.similarity import Points, Similarity, all_scores, cosine, pair_scores
from turncoat.tasks.metrics.ties import expected_metrics

Array = NDArray[np.generic]
Gallery = Tensor | Array | Iterable[Tensor | Array]

ASR_K = 10
_PAIRS_AT_ONCE = 8192


def rank_queries(
    queries: Tensor | Array,
    gallery: Gallery,
    *,
    query_person: Tensor,
    gallery_person: Tensor,
    query_camera: Tensor | None = None,
    gallery_camera: Tensor | None = None,
    junk: Literal["same-camera", "none"] = "same-camera",
    junk_index: Tensor | None = None,
    similarity: Similarity = cosine,
    ks: Sequence[int] = (1, 5, 10),
    chunk: int = 8192,
) -> dict[str, Tensor]:
    """Metrics of each query `[Q, D]` against a gallery `[G, D]`.

    Which rows are good and which junk: see `relations.by_person`. junk="same-camera" needs the cameras,
    "none" ignores them. See `rank` for the gallery and the result.
    """
    if junk not in ("same-camera", "none"):
        raise UserError(f"junk={junk!r}: it is 'same-camera' or 'none'")
    if junk == "same-camera" and (query_camera is None or gallery_camera is None):
        raise UserError("junk='same-camera' needs query_camera and gallery_camera; without cameras use junk='none'")
    cameras = junk == "same-camera"
    relations = by_person(
        query_person,
        gallery_person,
        query_camera=query_camera if cameras else None,
        gallery_camera=gallery_camera if cameras else None,
        junk_index=junk_index,
    )
    return rank(queries, gallery, relations, similarity=similarity, ks=ks, chunk=chunk)


def rank(
    queries: Tensor | Array,
    gallery: Gallery,
    relations: Relations,
    *,
    similarity: Similarity = cosine,
    ks: Sequence[int] = (1, 5, 10),
    chunk: int = 8192,
) -> dict[str, Tensor]:
    """Metrics of each query, float64 `[Q]` on the CPU; NaN, to leave out of means, without a good item.

    The gallery is a tensor, an array (also memory-mapped), or chunks of rows that can be gone through twice
    (a list, or an object whose `__iter__` starts afresh). It is compared on the device of the queries,
    `chunk` rows at a time.

    `cmc@k` good item among the first k · `asr` none among the first 10 · `ap` average precision ·
    `ap_trapezoid` the same with the precision before and at each good item averaged (Oxford's and Market's
    code) · `inp` good items per rank of the last one (mINP, Ye et al. 2021) · `first_good` rank of the first,
    from 1 · `mp@k` precision to rank k, or to the last good item if sooner · `good` how many there are
    (int64).
    """
    if not ks or min(ks) < 1 or chunk < 1:
        raise UserError(f"ks={tuple(ks)} and chunk={chunk}: each must be at least 1")
    if len(queries) != relations.queries:
        raise UserError(f"{len(queries)} query embeddings for {relations.queries} labelled queries")
    asked = _tensor(queries)
    # Apple's GPUs have no float64, which exact scores need.
    points = similarity(asked.cpu() if asked.device.type == "mps" else asked)
    device = points.grid.device
    blocks = blocks_of(points, relations, _score_pairs(points, gallery, relations, similarity, chunk))
    for start, rows in _chunks(gallery, relations, points, chunk):
        kept = ~relations.dropped[start : start + len(rows)]
        items = similarity(rows[kept.to(rows.device)].to(device))
        for block in blocks:
            block.count(all_scores(block.points, items))
    return expected_metrics(tie_groups(blocks), relations.queries, ks, ASR_K)


def _score_pairs(points: Points, gallery: Gallery, relations: Relations, similarity: Similarity, chunk: int) -> Tensor:
    """The similarity of each good or junk pair, float64 `[P]`."""
    device = points.grid.device
    scores = torch.zeros(len(relations.row), dtype=torch.float64)
    by_row = torch.argsort(relations.row)
    ordered = relations.row[by_row]
    for start, rows in _chunks(gallery, relations, points, chunk):
        ends = torch.searchsorted(ordered, torch.tensor([start, start + len(rows)]))
        pairs = by_row[int(ends[0]) : int(ends[1])]
        if len(pairs) == 0:
            continue
        needed, local = torch.unique(relations.row[pairs] - start, return_inverse=True)
        items = similarity(rows[needed.to(rows.device)].to(device))
        for part, item in zip(torch.split(pairs, _PAIRS_AT_ONCE), torch.split(local, _PAIRS_AT_ONCE), strict=True):
            asked = points.take(relations.query[part].to(device))
            scores[part] = pair_scores(asked, items.take(item.to(device))).cpu()
    return scores


def _chunks(gallery: Gallery, relations: Relations, points: Points, size: int) -> Iterator[tuple[int, Tensor]]:
    """The gallery as (first row, at most `size` rows), whatever form it has."""
    if not isinstance(gallery, (Tensor, np.ndarray)) and iter(gallery) is gallery:
        raise UserError("the gallery is an iterator, gone after one pass: give a list or a re-iterable object")
    start, expected, width = 0, len(relations.dropped), points.grid.shape[1]
    for whole in [gallery] if isinstance(gallery, (Tensor, np.ndarray)) else gallery:
        for first in range(0, len(whole), size):
            rows = _tensor(whole[first : first + size])
            if rows.ndim != 2 or rows.shape[1] != width:
                raise UserError(f"gallery embeddings {tuple(rows.shape)}: they must be [G, {width}] as the queries")
            if start + len(rows) <= expected:
                yield start, rows
            start += len(rows)
    if start != expected:
        raise UserError(f"{start} gallery embeddings for {expected} labelled gallery rows")


def _tensor(rows: Tensor | Array) -> Tensor:
    # A copy, because a memory-mapped array is often read-only, which torch does not know.
    return rows if isinstance(rows, Tensor) else torch.from_numpy(np.array(rows))
