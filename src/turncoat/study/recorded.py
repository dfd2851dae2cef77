"""What a run holds of the cells of one victim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from turncoat.study.bench import Bench
from turncoat.study.cells import Cell
from turncoat.study.store import Store
from turncoat.tasks.task import Records


@dataclass(frozen=True)
class Recorded:
    """Records, and features of at most `limit` samples, read when they are asked for: wide descriptors fill memory."""

    bench: Bench
    store: Store
    limit: int

    def records(self, cell: Cell) -> Records:
        return self.store.read([self.bench.key(cell, shard) for shard in self.bench.shards()])

    def features(self, cell: Cell) -> NDArray[np.float32]:
        """Those of the first samples `[N, D]`, up to the first that is not there or cannot be read."""
        found: list[NDArray[np.float32]] = []
        for shard in self.bench.shards():
            part = self._part(cell, shard)
            found += [part] if len(part) else []
            if len(part) < len(shard):
                break
        if not found:
            return np.zeros((0, 0), dtype=np.float32)
        whole = np.concatenate(found)[: self.limit]
        return whole.reshape(len(whole), -1)

    def _part(self, cell: Cell, shard: range) -> NDArray[np.float32]:
        try:
            return self.store.features([self.bench.key(cell, shard)])
        except (OSError, ValueError, EOFError):
            return np.zeros((0, 0), dtype=np.float32)

    def shared(self, cells: Sequence[Cell]) -> tuple[int, int]:
        """Of how many samples all of the cells have features, and of how many numbers; none where one is no number."""
        shapes: set[int] = set()
        count = self.limit
        for cell in cells:
            features = self.features(cell)
            shapes.add(features.shape[1])
            count = min(count, len(features) if np.isfinite(features).all() else 0)
        return (count, shapes.pop()) if len(shapes) == 1 else (0, 0)
