"""Market-1501 and DukeMTMC-reID: person and camera in the file name (Zheng et al., ICCV 2015; ICCV 2017)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import torch

from turncoat.core.errors import UserError
from turncoat.data.files import existing_folder, one_of
from turncoat.data.images import image_reader, list_images
from turncoat.tasks.samples import Samples

_NAME = re.compile(r"^(-?\d+)_c(\d)")


def market(folder: str | Path, split: str = "test", *, size: tuple[int, int] | None = (256, 128)) -> Samples:
    """Market-1501: `<folder>/{query,bounding_box_test,bounding_box_train}/0002_c1s1_000451_03.jpg`.

    Truth: `person`, `camera`. "test" gives the queries with the whole gallery folder in `against`: person 0
    (a distractor, a plain negative) and person -1 (junk, to be dropped before ranking, as are a query's own
    person in its own camera) stay in and keep their numbers. "train" adds `label`, 0..K-1 in the order of
    the person numbers.
    """
    return _read_split(folder, split, name="market1501", size=size)


def duke(folder: str | Path, split: str = "test", *, size: tuple[int, int] | None = (256, 128)) -> Samples:
    """DukeMTMC-reID, `0005_c2_f0046985.jpg` in the same three folders; otherwise as `market`."""
    return _read_split(folder, split, name="duke", size=size)


def person_and_camera(path: Path) -> tuple[int, int]:
    """Person number (-1 junk, 0 distractor) and camera (from 1) in a file name of Market-1501 or Duke."""
    match = _NAME.match(path.name)
    if match is None:
        raise UserError(f"{path}: the name must begin with person and camera, as in 0002_c1s1_000451_03.jpg")
    return int(match[1]), int(match[2])


def _read_split(folder: str | Path, split: str, *, name: str, size: tuple[int, int] | None) -> Samples:
    root = existing_folder(folder, name)
    if one_of(split, ("test", "train"), f"{name}: split") == "train":
        return _with_labels(_read_part(root, "bounding_box_train", name=f"{name}-train", size=size))
    gallery = _read_part(root, "bounding_box_test", name=f"{name}-gallery", size=size)
    return _read_part(root, "query", name=f"{name}-query", size=size, against=gallery)


def _read_part(
    root: Path, part: str, *, name: str, size: tuple[int, int] | None, against: Samples | None = None
) -> Samples:
    paths: Sequence[Path] = list_images(existing_folder(root / part, name))
    if not paths:
        raise UserError(f"{name}: {root / part} holds no images")
    people, cameras = zip(*map(person_and_camera, paths), strict=True)
    return Samples(
        name=name,
        keys=[path.relative_to(root).as_posix() for path in paths],
        read=image_reader(paths, size=size),
        truth={"person": torch.tensor(people), "camera": torch.tensor(cameras)},
        against=against,
    )


def _with_labels(train: Samples) -> Samples:
    people, labels = torch.unique(train.truth["person"], return_inverse=True)
    return Samples(
        name=train.name,
        keys=train.keys,
        read=train.read,
        truth={**train.truth, "label": labels},
        names={"label": [str(person) for person in people.tolist()]},
    )
