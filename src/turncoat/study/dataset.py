"""One data set of a study, read and hashed once for all victims."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from turncoat.data.load import load_data
from turncoat.study.plan import DataSpec
from turncoat.tasks.samples import Samples

_PATHS = ("folder", "csv", "images", "path")


@dataclass
class DataSet:
    """`root` is where relative paths start from, `limit` bounds the samples, `shard` is how many go at once."""

    spec: DataSpec
    root: Path
    limit: int | None
    shard: int

    @cached_property
    def samples(self) -> Samples:
        options = {
            key: under(self.root, value) if key in _PATHS and isinstance(value, str) else value
            for key, value in self.spec.options.items()
        }
        samples = load_data(self.spec.name, **options)
        if self.limit is None or self.limit >= len(samples):
            return samples
        return samples.take(np.linspace(0, len(samples) - 1, self.limit).round().astype(int).tolist())

    def shards(self) -> list[range]:
        whole = len(self.samples)
        return [range(start, min(start + self.shard, whole)) for start in range(0, whole, self.shard)]

    @cached_property
    def digests(self) -> list[str]:
        """The hash of each shard's keys, pixels and truth."""
        return [self.samples.take(shard).digest() for shard in self.shards()]

    @cached_property
    def against_digest(self) -> str:
        return "" if self.samples.against is None else self.samples.against.digest()

    @cached_property
    def whole(self) -> str:
        """What every sample's result depends on besides itself: the gallery, or all pairs, where there is one."""
        return "" if self.samples.against is None else self.against_digest + "".join(self.digests)


def under(root: Path, path: str) -> str:
    """A path of the study, which may be relative to it or start at the user's home."""
    return str(root / Path(path).expanduser())
