"""A list of image pairs as the samples of a verification task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from turncoat.data.files import natural
from turncoat.data.images import image_reader
from turncoat.tasks.samples import Samples


@dataclass(frozen=True)
class Pair:
    """Two image files, who they show, and the fold of the protocol that the pair belongs to (from 0)."""

    first: Path
    second: Path
    person: str
    person_b: str
    same: bool
    fold: int


def pair_samples(name: str, pairs: Sequence[Pair], *, root: Path, size: tuple[int, int] | None) -> Samples:
    """The first images with the second ones in `against`, row by row; a row's key is `first|second`.

    Truth: `same` bool, `fold`, `person` and `person_b` (of the first and the second image: places in
    `names["person"]`, the people in natural order).
    """
    people = sorted({who for pair in pairs for who in (pair.person, pair.person_b)}, key=natural)
    place = {person: number for number, person in enumerate(people)}
    first, second = [pair.first for pair in pairs], [pair.second for pair in pairs]
    read = image_reader([*first, *second], size=size)
    keys_a, keys_b = ([path.relative_to(root).as_posix() for path in side] for side in (first, second))
    person_b = torch.tensor([place[pair.person_b] for pair in pairs])
    return Samples(
        name=name,
        keys=[f"{a}|{b}" for a, b in zip(keys_a, keys_b, strict=True)],
        read=lambda row: read(row),
        truth={
            "same": torch.tensor([pair.same for pair in pairs]),
            "fold": torch.tensor([pair.fold for pair in pairs]),
            "person": torch.tensor([place[pair.person] for pair in pairs]),
            "person_b": person_b,
        },
        names={"person": people},
        against=Samples(
            name=f"{name}-second",
            keys=keys_b,
            read=lambda row: read(len(first) + row),
            truth={"person": person_b},
            names={"person": people},
        ),
    )
