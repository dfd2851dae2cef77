"""Pictures of known people or things as samples: what every reader of such a set ends with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from turncoat.core.errors import UserError
from turncoat.data.files import each_once
from turncoat.data.images import Box, image_reader
from turncoat.tasks.samples import Samples


@dataclass(frozen=True)
class Shot:
    """One picture: who or what it shows (-1 junk), which camera took it (None where the set has none), what to cut out.

    `key` is its path inside the set.
    """

    path: Path
    key: str
    person: int
    camera: int | None = None
    box: Box | None = None


def shots_samples(
    name: str, shots: Sequence[Shot], *, size: tuple[int, int] | None, against: Samples | None = None
) -> Samples:
    """Samples with the truth `person`, and `camera` where the shots have one. UserError for none, or one key twice."""
    if not shots:
        raise UserError(f"{name}: there are no images")
    each_once([shot.key for shot in shots], name)
    truth = {"person": torch.tensor([shot.person for shot in shots])}
    cameras = [shot.camera for shot in shots if shot.camera is not None]
    if cameras:
        truth["camera"] = torch.tensor(cameras)
    boxes = [shot.box for shot in shots]
    return Samples(
        name=name,
        keys=[shot.key for shot in shots],
        read=image_reader([shot.path for shot in shots], size=size, boxes=boxes if any(boxes) else None),
        truth=truth,
        against=against,
    )


def numbered(train: Samples, called: Mapping[int, str] | None = None) -> Samples:
    """The same with a `label`, 0..K-1 in the order of the person numbers; `called` names them otherwise than so."""
    people, labels = torch.unique(train.truth["person"], return_inverse=True)
    names = [(called or {}).get(person, str(person)) for person in people.tolist()]
    return replace(train, truth={**train.truth, "label": labels}, names={**train.names, "label": names})
