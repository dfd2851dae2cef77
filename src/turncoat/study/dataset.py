"""One data set of a study, read and hashed once for all victims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from turncoat.data.load import load_data
from turncoat.study.specs import DataSpec
from turncoat.tasks.samples import Samples

_PATHS = ("folder", "csv", "images", "path")


@dataclass
class DataSet:
    """`root` is where relative paths start from, `limit` bounds the samples, `shard` is how many go at once."""

    spec: DataSpec
    root: Path
    limit: int | None
    shard: int
    _others: dict[str, DataSet] = field(default_factory=dict)

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

    @property
    def digest(self) -> str:
        """The hash of everything here: keys, pixels and truth of the samples and of what they are compared with."""
        return "".join(self.digests) + self.against_digest

    def other(self, spec: DataSpec) -> DataSet:
        """Another data set of the same study, for whoever learns from it; read and hashed once."""
        return self._others.setdefault(spec.model_dump_json(), DataSet(spec, self.root, self.limit, self.shard))

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


def located(root: Path, source: str) -> str:
    """The source of a network, its path resolved where it is a file."""
    scheme, _, path = source.partition(":")
    return f"{scheme}:{under(root, path)}" if scheme in ("onnx", "torchscript") else source


def options_of(root: Path, options: Mapping[str, JsonValue]) -> dict[str, object]:
    """The options of a network, among which may be the source of its backbone."""
    return {name: located(root, value) if isinstance(value, str) else value for name, value in options.items()}
