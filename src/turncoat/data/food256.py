"""UECFOOD-256 for retrieval: dishes cut out of their photographs (Kawano and Yanai, ECCV workshops 2014)."""

from __future__ import annotations

from math import isfinite
from pathlib import Path

from turncoat.core.errors import UserError
from turncoat.data.files import existing_file, existing_folder, inside, natural, one_of, read_text
from turncoat.data.images import Box
from turncoat.data.shots import Shot, numbered, shots_samples
from turncoat.tasks.samples import Samples

CLASSES = {"train": range(1, 225), "test": range(225, 257)}
QUERIES = 16
SMALLEST = 10


def food256(folder: str | Path, split: str = "test", *, size: tuple[int, int] | None = (256, 256)) -> Samples:
    """UECFOOD-256 from `<folder>/<class 1..256>/*.jpg` and the `bb_info.txt` in each class folder.

    Every image is cut to its box; boxes under 10 pixels are left out, and of several the last counts, as in U-turn's
    released code. Classes 1 to 224 are "train" (27,849 images), 225 to 256 "test": the first 16 images of each class,
    in the order of their numbers, are the queries (512), the others the gallery (3,034). The released code took them
    in the order of the file system, which cannot be known. Truth: `person`, the class number, without cameras; "train"
    adds `label`, 0..223.
    """
    root = existing_folder(folder, "food256")
    one_of(split, tuple(CLASSES), "food256: split")
    classes = [_class(root, number) for number in CLASSES[split]]
    if split == "train":
        return numbered(shots_samples("food256-train", [shot for shots in classes for shot in shots], size=size))
    gallery = [shot for shots in classes for shot in shots[QUERIES:]]
    queries = [shot for shots in classes for shot in shots[:QUERIES]]
    against = shots_samples("food256-gallery", gallery, size=size)
    return shots_samples("food256-query", queries, size=size, against=against)


def _class(root: Path, number: int) -> list[Shot]:
    """The dishes of one class in the order of their numbers."""
    folder = existing_folder(root / str(number), "food256")
    listed = folder / "bb_info.txt"
    shots = []
    for image, box in sorted(_boxes(listed).items(), key=lambda item: natural(item[0])):
        path = existing_file(inside(folder, f"{image}.jpg", str(listed)), str(listed))
        shots.append(Shot(path, f"{number}/{image}.jpg", number, box=box))
    return shots


def _boxes(listed: Path) -> dict[str, Box]:
    """The last large enough box of each image; the corners in the file count from 1."""
    boxes: dict[str, Box] = {}
    for place, line in enumerate(read_text(listed, "food256").splitlines(), start=1):
        words = line.split()
        if not words or words[0] == "img":
            continue
        try:
            image, (left, top, right, bottom) = words[0], (float(word) - 1 for word in words[1:])
            if not all(map(isfinite, (left, top, right, bottom))):
                raise ValueError
        except ValueError:
            raise UserError(f"{listed}: line {place} is {line!r}; it must be 'img x1 y1 x2 y2'") from None
        if right - left >= SMALLEST and bottom - top >= SMALLEST:
            boxes[image] = (left, top, right, bottom)
    return boxes
