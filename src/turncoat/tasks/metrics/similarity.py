"""Similarities of embeddings that come out the same, bit for bit, in whatever order or chunk they are
computed.

A matrix product rounds differently with the shape of its operands, so the same gallery row may score
differently in another chunk: ties break by chance, and a rank depends on the chunk size. Here rows of norm at
most 1 are rounded to multiples of 2^-26 and multiplied in float64. Every product, and every partial sum of a
dot product in any order, is then a multiple of 2^-52 not above 2 (Cauchy-Schwarz), which float64 holds
exactly. The rounding moves a cosine by about 6e-9 (at most 7.5e-9 sqrt(2 D)), a tenth of float32's own step
at 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from turncoat.core.errors import UserError

GRID = 2.0**26


@dataclass(frozen=True)
class Points:
    """Embeddings made ready: `grid` float64 `[N, D]`, multiples of 2^-26 in rows of norm at most 1.

    Euclidean points also have the power of two (`scale`) each row was divided by and its squared norm
    (`square`).
    """

    grid: Tensor
    scale: Tensor | None = None
    square: Tensor | None = None

    def take(self, rows: Tensor | slice) -> Points:
        """The points at `rows`."""
        scale = None if self.scale is None else self.scale[rows]
        square = None if self.square is None else self.square[rows]
        return Points(self.grid[rows], scale, square)


Similarity = Callable[[Tensor], Points]


def cosine(rows: Tensor) -> Points:
    """Rows `[N, D]` as unit vectors, compared by their cosine; a row of zeros is alike to none (0)."""
    values = _wide(rows)
    norms = _norms(values)
    return Points(_on_grid(values / torch.where(norms > 0, norms, 1.0)[:, None]))


def euclidean(rows: Tensor) -> Points:
    """Rows `[N, D]` as they are; the score, |q|^2 minus the squared distance, ranks like the distance.

    Each row is divided by a power of two of its own before it is rounded, so no common range is needed.
    """
    values = _wide(rows)
    exponents = torch.frexp(_norms(values)).exponent
    scale = torch.ldexp(torch.ones(len(values), dtype=torch.float64, device=values.device), exponents)
    grid = _on_grid(values / scale[:, None])
    return Points(grid, scale, _row_sums(grid.square()) * scale.square())


def all_scores(queries: Points, gallery: Points) -> Tensor:
    """The similarity of each query with each gallery point, float64 `[Q, G]`; higher is more alike."""
    scores = queries.grid @ gallery.grid.T
    if queries.scale is None or gallery.scale is None or gallery.square is None:
        return scores
    return scores.mul_(queries.scale[:, None]).mul_(2 * gallery.scale).sub_(gallery.square)


def pair_scores(queries: Points, gallery: Points) -> Tensor:
    """The similarity of matching rows, float64 `[N]`: exactly the diagonal of `all_scores`."""
    scores = (queries.grid * gallery.grid).sum(1)
    if queries.scale is None or gallery.scale is None or gallery.square is None:
        return scores
    return scores.mul_(queries.scale).mul_(2 * gallery.scale).sub_(gallery.square)


def _wide(rows: Tensor) -> Tensor:
    if rows.ndim != 2:
        raise UserError(f"embeddings of shape {tuple(rows.shape)}: they must be [N, D]")
    return rows.detach().to(torch.float64)


def _norms(values: Tensor) -> Tensor:
    norms = _row_sums(values.square()).sqrt()
    if not bool(torch.isfinite(norms).all()):
        row = int((~torch.isfinite(norms)).nonzero()[0])
        raise UserError(f"embedding {row} of this batch is NaN, infinite or too large: it cannot be ranked")
    return norms


def _row_sums(values: Tensor) -> Tensor:
    """Sums over columns, halves onto halves: a library's own order of adding may vary with the shape."""
    while values.shape[1] > 1:
        half = values.shape[1] // 2
        values = torch.cat([values[:, :half] + values[:, half : 2 * half], values[:, 2 * half :]], dim=1)
    return values.sum(1)


def _on_grid(values: Tensor) -> Tensor:
    return values.mul_(GRID).round_().div_(GRID)
