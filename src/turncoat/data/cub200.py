"""CUB-200-2011 for retrieval: half of the bird species to train on, the other half to search (Wah et al. 2011)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from turncoat.core.errors import UserError
from turncoat.data.files import each_once, existing_file, existing_folder, inside, one_of, read_text
from turncoat.data.shots import Shot, numbered, shots_samples
from turncoat.tasks.samples import Samples

CLASSES = {"train": range(1, 101), "test": range(101, 201)}


def cub200(folder: str | Path, split: str = "test", *, size: tuple[int, int] | None = (256, 256)) -> Samples:
    """CUB-200-2011 from `<folder>/{images.txt,image_class_labels.txt,classes.txt}` and `images/<class>/*.jpg`.

    Classes 1 to 100 are "train" (5,864 images) and 101 to 200 "test" (5,924); the set's own train_test_split.txt is for
    classification and is not used, nor are the boxes. Truth: `person`, the class number; there are no cameras. In
    "test" every image asks and all of them answer: `itself` is the gallery row that is the query. "train" adds
    `label`, 0..99.
    """
    root = existing_folder(folder, "cub200")
    chosen = CLASSES[one_of(split, tuple(CLASSES), "cub200: split")]
    shots = _shots(root, chosen)
    found = shots_samples(f"cub200-{'train' if split == 'train' else 'gallery'}", shots, size=size)
    if split == "train":
        return numbered(found, {int(number): name for number, name in _table(root, "classes.txt").items()})
    truth = {**found.truth, "itself": torch.arange(len(found))}
    return replace(found, name="cub200-query", truth=truth, against=found)


def _shots(root: Path, chosen: range) -> list[Shot]:
    """The images of the chosen classes in the order of their numbers."""
    images, classes = _table(root, "images.txt"), _table(root, "image_class_labels.txt")
    each_once(list(images.values()), root / "images.txt")
    shots = []
    for number, name in images.items():
        if not classes.get(number, "").isdecimal():
            raise UserError(f"{root / 'image_class_labels.txt'}: image {number} ({name}) has no class number")
        if int(classes[number]) in chosen:
            path = inside(root / "images", name, str(root / "images.txt"))
            shots.append(Shot(existing_file(path, str(root / "images.txt")), name, int(classes[number])))
    if not shots:
        raise UserError(f"{root / 'images.txt'} names no images of the classes {chosen[0]} to {chosen[-1]}")
    return sorted(shots, key=lambda shot: shot.person)


def _table(root: Path, name: str) -> dict[str, str]:
    """The lines `number value` of one of the set's lists."""
    path = existing_file(root / name, "cub200")
    table: dict[str, str] = {}
    for place, line in enumerate(read_text(path, "cub200").splitlines(), start=1):
        number, _, value = line.strip().partition(" ")
        if not line.strip():
            continue
        if not number.isdecimal() or not value:
            raise UserError(
                f"{path}: line {place} is {line!r}; it must be a number and a value, as '1 001.Albatross/1.jpg'"
            )
        if number in table:
            raise UserError(f"{path} names {number!r} twice: leave one out")
        table[number] = value
    return table
