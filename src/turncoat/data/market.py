"""Market-1501, DukeMTMC-reID and CUHK03-NP: person and camera in the file name, queries and gallery in folders."""

from __future__ import annotations

import re
from pathlib import Path

from turncoat.core.errors import UserError
from turncoat.data.files import existing_folder, one_of
from turncoat.data.images import list_images
from turncoat.data.shots import Shot, numbered, shots_samples
from turncoat.tasks.samples import Samples

_NAME = re.compile(r"^(-?\d+)_c(\d+)")


def market(folder: str | Path, split: str = "test", *, size: tuple[int, int] | None = (256, 128)) -> Samples:
    """Market-1501 (Zheng et al., ICCV 2015): images such as `<folder>/query/0002_c1s1_000451_03.jpg`.

    Beside `query` lie `bounding_box_test` and `bounding_box_train`. Truth: `person`, `camera`. "test" gives the queries
    with the whole gallery folder in `against`: person 0 (a distractor, a plain negative) and person -1 (junk, to be
    dropped before ranking, as are a query's own person in its own camera) stay in and keep their numbers. "train"
    adds `label`, 0..K-1 in the order of the person numbers.
    """
    return read_folders(existing_folder(folder, "market1501"), split, name="market1501", size=size)


def duke(folder: str | Path, split: str = "test", *, size: tuple[int, int] | None = (256, 128)) -> Samples:
    """DukeMTMC-reID (Zheng et al., ICCV 2017), `0005_c2_f0046985.jpg` in the same folders; otherwise as `market`.

    Its owners have withdrawn the set: it is read where it is there.
    """
    return read_folders(existing_folder(folder, "duke"), split, name="duke", size=size)


def person_and_camera(path: Path) -> tuple[int, int]:
    """Person number (-1 junk, 0 distractor) and camera (from 1) in a file name of one of these sets."""
    match = _NAME.match(path.name)
    if match is None:
        raise UserError(
            f"{path}: the name must begin with person and camera, as in 0002_c1s1_000451_03.jpg; "
            "rename it or move it away"
        )
    return int(match[1]), int(match[2])


def read_folders(root: Path, split: str, *, name: str, size: tuple[int, int] | None) -> Samples:
    """The queries of `root` with their gallery, or its training images with labels."""
    if one_of(split, ("test", "train"), f"{name}: split") == "train":
        return numbered(_read_part(root, "bounding_box_train", name=f"{name}-train", size=size))
    gallery = _read_part(root, "bounding_box_test", name=f"{name}-gallery", size=size)
    return _read_part(root, "query", name=f"{name}-query", size=size, against=gallery)


def _read_part(
    root: Path, part: str, *, name: str, size: tuple[int, int] | None, against: Samples | None = None
) -> Samples:
    shots = []
    for path in list_images(existing_folder(root / part, name)):
        person, camera = person_and_camera(path)
        shots.append(Shot(path, path.relative_to(root).as_posix(), person, camera))
    if not shots:
        raise UserError(f"{name}: {root / part} holds no images")
    return shots_samples(name, shots, size=size, against=against)
