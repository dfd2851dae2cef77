"""Those among whom a descriptor is ranked, and how far away they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Metric = Literal["cosine", "euclidean"]

CELLS = 2**22
"""Distances that are worked on at once."""


@dataclass(frozen=True, eq=False, repr=False)
class Crowd:
    """Unit descriptors `points` `[G, D]` and whom each shows, `owner` int64 `[G]` (negative: nobody who counts).

    It prints as nothing but its name: what a gallery holds is told elsewhere.
    """

    points: Tensor
    owner: Tensor

    def __len__(self) -> int:
        return len(self.points)

    def __repr__(self) -> str:
        return "Crowd()"

    def parts(self, per_point: int, like: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Rows, descriptors and owners, as many at once as keep `per_point` numbers each within bounds."""
        size = max(1, CELLS // max(per_point, 1))
        for start in range(0, len(self), size):
            rows = torch.arange(start, min(start + size, len(self)), device=like.device)
            points = self.points[start : start + size].to(like)
            yield rows, points, self.owner[start : start + size].to(like.device)


NOBODY = Crowd(torch.zeros(0, 0), torch.zeros(0, dtype=torch.int64))
"""What an objective holds before a gallery is known."""


def distance(cosine: Tensor, metric: Metric) -> Tensor:
    """The distance of unit vectors from their cosine: 1 - cos, or the Euclidean one, sqrt(2 - 2 cos)."""
    # the root has no slope at zero, and 1e-12 keeps it finite
    return 1 - cosine if metric == "cosine" else (2 - 2 * cosine).clamp_min(1e-12).sqrt()
