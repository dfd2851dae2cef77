"""Counts instead of values: how two figures of every query are spread."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

COSINE_EDGES = tuple(round(-1 + place / 20, 2) for place in range(41))


def cosine_counts(cosines: Floats) -> list[int]:
    """How many cosines lie in each bin of `COSINE_EDGES`; what is not a number is left out."""
    known = cosines[~np.isnan(cosines)]
    return [int(count) for count in np.histogram(known.clip(-1, 1), COSINE_EDGES)[0]]


def shift_edges(shifts: Sequence[Floats]) -> list[int]:
    """Edges of bins that grow away from none, wide enough for all: …, -10, -3, -1, 1, 3, 10, …"""
    known = np.concatenate([*shifts, np.zeros(1)])
    known = known[~np.isnan(known)]
    down, up = _reach(float(-known.min())), _reach(float(known.max()))
    return [-edge for edge in reversed(down)] + up


def shift_counts(shifts: Floats, edges: Sequence[int]) -> list[int]:
    """How many shifts lie in each bin: less than one rank either way, or at least the edge that is nearer to none."""
    known = shifts[~np.isnan(shifts)]
    up = [edge for edge in edges if edge > 0]
    down = [-edge for edge in reversed(edges) if edge < 0]
    still = int((np.abs(known) < 1).sum())
    return [*reversed(_between(-known, down)), still, *_between(known, up)]


def _between(moved: Floats, edges: Sequence[int]) -> list[int]:
    """Of values from one edge up to, but without, the next."""
    return [int(((moved >= low) & (moved < high)).sum()) for low, high in pairwise(edges)]


def _reach(largest: float) -> list[int]:
    """1, 3, 10, 30, … until beyond the largest."""
    edges = [1]
    while edges[-1] <= largest:
        edges.append(edges[-1] * 3 if str(edges[-1])[0] == "1" else edges[-1] // 3 * 10)
    return edges
