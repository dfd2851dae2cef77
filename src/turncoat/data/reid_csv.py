"""Re-identification from a table of images, people and cameras."""

from __future__ import annotations

from collections.abc import Sequence
from csv import DictReader
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from turncoat.core.errors import UserError
from turncoat.data.files import existing_file, existing_folder, inside, natural, read_text
from turncoat.data.images import image_reader
from turncoat.tasks.samples import Samples


@dataclass(frozen=True)
class _Row:
    image: str
    person: str
    camera: int


def reid_csv(
    csv: str | Path,
    images: str | Path | None = None,
    *,
    subset: str | Sequence[str] | None = None,
    split: Literal["test", "train"] = "test",
    query_camera: int | None = None,
    gallery_camera: int | None = None,
    size: tuple[int, int] | None = (256, 128),
) -> Samples:
    """Queries, their gallery in `against`, from a CSV with the columns image, person, camera (a number).

    `image` is a path inside the folder `images` (the CSV's own by default); `subset` keeps the rows with that value,
    or one of those values, in the column subset. The queries are the images of `query_camera`, or of each person's
    lowest camera; the gallery those of `gallery_camera`, or all that are no query. Truth: `person` (place in
    `names["person"]`), `camera`.

    split="train" gives all rows to train on, cameras known or not, with the person as `label` too and no gallery; it
    is for you to keep its people out of a test.
    """
    table = existing_file(csv, "reid_csv")
    root = existing_folder(table.parent if images is None else images, "reid_csv")
    rows = _read_rows(table, [subset] if isinstance(subset, str) else subset)
    if split not in ("test", "train"):
        raise UserError(f"reid_csv: split is {split!r}; it is test or train")
    if split == "train":
        everybody = sorted({row.person for row in rows}, key=natural)
        samples = _samples(f"reid-{table.stem}-train", rows, everybody, root=root, size=size)
        return replace(samples, truth={**samples.truth, "label": samples.truth["person"]})
    first_camera: dict[str, int] = {}
    for row in rows:
        first_camera[row.person] = min(row.camera, first_camera.get(row.person, row.camera))
    queries = [
        row for row in rows if row.camera == (query_camera if query_camera is not None else first_camera[row.person])
    ]
    others = set(rows).difference(queries)
    gallery = [row for row in rows if (row in others if gallery_camera is None else row.camera == gallery_camera)]
    _require_matches(table, rows, queries, gallery)
    people = sorted({row.person for row in [*queries, *gallery]}, key=natural)
    name = f"reid-{subset if isinstance(subset, str) else table.stem}"
    against = _samples(f"{name}-gallery", gallery, people, root=root, size=size)
    return _samples(f"{name}-query", queries, people, root=root, size=size, against=against)


def _read_rows(table: Path, wanted: Sequence[str] | None) -> list[_Row]:
    reader = DictReader(read_text(table, "reid_csv").splitlines())
    needed = ["image", "person", "camera"] + ([] if wanted is None else ["subset"])
    for column in needed:
        if column not in (reader.fieldnames or ()):
            raise UserError(f"{table}: there is no column {column!r}; needed: {', '.join(needed)}")
    rows, subsets = [], set()
    for line in reader:
        if not line["image"] or not line["person"] or not str(line["camera"]).strip().isdecimal():
            raise UserError(f"{table}: line {reader.line_num} needs an image, a person and a whole camera number")
        subsets.add(line.get("subset"))
        if wanted is None or line["subset"] in wanted:
            rows.append(_Row(line["image"], line["person"], int(line["camera"])))
    strange = next((one for one in wanted or () if one not in subsets), None)
    if strange is not None:
        raise UserError(f"{table}: no rows of subset {strange!r}; it has {', '.join(sorted(map(str, subsets)))}")
    return rows


def _require_matches(table: Path, rows: list[_Row], queries: list[_Row], gallery: list[_Row]) -> None:
    seen: dict[str, set[int]] = {}
    for row in gallery:
        seen.setdefault(row.person, set()).add(row.camera)
    if not any(seen.get(query.person, set()) - {query.camera} for query in queries):
        cameras = ", ".join(str(camera) for camera in sorted({row.camera for row in rows})) or "none"
        raise UserError(
            f"{table}: no query ({len(queries)}) has its person under another camera in the gallery "
            f"({len(gallery)}); cameras in the table: {cameras}; choose query_camera and gallery_camera among them"
        )


def _samples(
    name: str,
    rows: list[_Row],
    people: list[str],
    *,
    root: Path,
    size: tuple[int, int] | None,
    against: Samples | None = None,
) -> Samples:
    place = {person: number for number, person in enumerate(people)}
    paths = [existing_file(inside(root, row.image, name), name) for row in rows]
    return Samples(
        name=name,
        keys=[row.image for row in rows],
        read=image_reader(paths, size=size),
        truth={
            "person": torch.tensor([place[row.person] for row in rows]),
            "camera": torch.tensor([row.camera for row in rows]),
        },
        names={"person": people},
        against=against,
    )
