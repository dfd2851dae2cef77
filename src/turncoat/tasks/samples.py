"""What a data reader hands to a task: images read one by one, and their truth in columns."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from turncoat.core.errors import UserError


@dataclass(frozen=True)
class Samples:
    """A list of images with one row of truth each; nothing is read until it is asked for.

    `read(i)` gives image i as uint8 `[3, H, W]`, RGB. Every column of `truth` has one entry per image: `label` int64,
    `attributes` int64 `[N, A]` (values outside {0, 1} are unknown), `person` and `camera` int64, `same` bool, `fold`
    int64. `names` gives the meaning of the values: `label` the class names, `attributes` the attribute names,
    `groups` the group of each attribute. `against` is what the images are compared with: the gallery of a retrieval
    set, or for verification the second image of each pair, row by row.
    """

    name: str
    keys: Sequence[str]
    read: Callable[[int], Tensor]
    truth: Mapping[str, Tensor]
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    against: Samples | None = None

    def __post_init__(self) -> None:
        for column, values in self.truth.items():
            if len(values) != len(self.keys):
                raise UserError(f"{self.name}: column {column!r} has {len(values)} rows for {len(self.keys)} images")

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, rows: Sequence[int]) -> Samples:
        """The given rows, in that order, with the same `against` for retrieval and the matching one for pairs."""
        index = torch.as_tensor(list(rows), dtype=torch.int64)
        against = self.against
        if against is not None and "same" in self.truth:
            against = against.take(rows)
        chosen = [int(row) for row in rows]
        read = self.read
        return replace(
            self,
            keys=[self.keys[row] for row in chosen],
            read=lambda i: read(chosen[i]),
            truth={column: values[index] for column, values in self.truth.items()},
            against=against,
        )

    def images(self, rows: Sequence[int] | None = None) -> Tensor:
        """The images at `rows` (all of them by default) as float32 `[N, 3, H, W]` in [0, 1]."""
        chosen = range(len(self)) if rows is None else rows
        return torch.stack([self.read(int(row)) for row in chosen]).float().div_(255)

    def batches(self, size: int) -> Iterator[Samples]:
        """Consecutive parts of at most `size` samples."""
        for start in range(0, len(self), size):
            yield self.take(range(start, min(start + size, len(self))))

    def digest(self) -> str:
        """A hash of every key, pixel and truth value here, `against` left out."""
        state = hashlib.blake2b(digest_size=16)
        for row, key in enumerate(self.keys):
            image = self.read(row)
            state.update(f"{key}\0{tuple(image.shape)}\0".encode())
            state.update(image.contiguous().numpy().tobytes())
        for column in sorted(self.truth):
            state.update(column.encode() + self.truth[column].contiguous().numpy().tobytes())
        return state.hexdigest()
