"""The four sets of the street, one for each task; whom they show is disjoint wherever the task is an open one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.data.street.cache import Shots
from turncoat.data.street.camera import CAMERAS
from turncoat.data.street.labels import ATTRIBUTES, GROUPS
from turncoat.data.street.person import GUARDS, Person
from turncoat.tasks.samples import Samples

Row = tuple[int, int, int]
FOLDS = 10

_BLOCK = 1_000_000
_FIRST = {
    "attributes train": 1 * _BLOCK,
    "attributes test": 2 * _BLOCK,
    "retrieval train": 3 * _BLOCK,
    "retrieval test": 4 * _BLOCK,
    "distractors": 5 * _BLOCK,
    "verification train": 6 * _BLOCK,
    "verification test": 7 * _BLOCK,
}
"""The number of the first person of each part; those of the classification set are the guards."""


def classification(split: str = "test", *, size: int | None = None, people: int = 20, height: int = 128) -> Samples:
    """Who of a closed group is it? Bodies with `label` 0..people-1; 3200 pictures for train, 300 for test.

    They are guards in one uniform, so that the colour of a shirt does not tell them apart. For test the six cameras
    are used evenly; the last two are seldom seen in training.
    """
    train = _is_train(split)
    count = _count(size, 3200 if train else 300, at_least=people)
    rng = np.random.default_rng([21, int(train)])
    weights = (0.22, 0.22, 0.2, 0.2, 0.1, 0.06) if train else (1 / 6,) * 6
    cameras = rng.choice(len(CAMERAS), count, p=weights)
    first = 0 if train else _BLOCK
    rows = [(GUARDS + i % people, int(cameras[i]), first + i) for i in range(count)]
    classes = [f"guard {number}" for number in range(people)]
    return _samples("street classification", rows, faces=False, pixels=height, label=True, classes=classes)


def attributes(
    split: str = "test", *, size: int | None = None, people: int | None = None, height: int = 128
) -> Samples:
    """What does the person look like? Bodies with `attributes` `[N, 28]`.

    3600 pictures of 1800 people for train, 300 pictures of 300 others for test.
    """
    train = _is_train(split)
    count = _count(size, 3600 if train else 300)
    people = min(count, people or (1800 if train else 300))
    rng = np.random.default_rng([22, int(train)])
    first = _FIRST[f"attributes {split}"]
    rows = [(first + i % people, int(rng.integers(len(CAMERAS))), i) for i in range(count)]
    truth = torch.tensor([Person.sample(identity).attributes() for identity, _, _ in rows], dtype=torch.int64)
    samples = _samples("street attributes", rows, faces=False, pixels=height)
    return Samples(
        samples.name,
        samples.keys,
        samples.read,
        {"attributes": truth, **samples.truth},
        {"attributes": ATTRIBUTES, "groups": GROUPS},
    )


def retrieval(
    split: str = "test",
    *,
    size: int = 3200,
    people: int | None = None,
    queries: int = 120,
    gallery: int = 480,
    height: int = 128,
) -> Samples:
    """Where else was this person seen? Bodies with `person` and `camera`.

    Train: `size` pictures of `people` (200) with `label`. Test: `queries` of `people` (40), `against` a gallery of
    which half shows them, each from two cameras or more, and half shows distractors who are never asked for.
    """
    if _is_train(split):
        return _crowd("street retrieval", "retrieval train", size, people or 200, faces=False, pixels=height)
    people = min(people or 40, queries)
    if gallery < 4 * people:
        raise UserError(f"a gallery of {gallery} is too small for {people} people: give at least {4 * people}")
    rng = np.random.default_rng(23)
    order = [rng.permutation(len(CAMERAS)) for _ in range(people)]
    first, known = _FIRST["retrieval test"], gallery // 2
    asked = [(first + i % people, int(order[i % people][i // people % 6]), i) for i in range(queries)]
    kept = [(first + i % people, int(order[i % people][(i // people + 3) % 6]), _BLOCK + i) for i in range(known)]
    strangers = max(1, (gallery - known) // 4)
    others = [
        (_FIRST["distractors"] + i % strangers, int(rng.integers(len(CAMERAS))), i) for i in range(gallery - known)
    ]
    wall = _samples("street retrieval gallery", kept + others, faces=False, pixels=height)
    query = _samples("street retrieval", asked, faces=False, pixels=height)
    return Samples(query.name, query.keys, query.read, query.truth, query.names, wall)


def verification(
    split: str = "test", *, size: int = 3360, people: int | None = None, pairs: int = 400, pixels: int = 64
) -> Samples:
    """Are these two faces one person? Train: `size` faces of `people` (240) with `label`.

    Test: `pairs` first faces, `against` the second ones, with `same` and `fold` 0..9. Each fold has its own
    `people / 10` (12) people, as many pairs of one person as of two; those of two are half of one gender.
    """
    if _is_train(split):
        return _crowd("street verification", "verification train", size, people or 240, faces=True, pixels=pixels)
    people = people or 12 * FOLDS
    if pairs < 2 * FOLDS or pairs % (2 * FOLDS) or people < 4 * FOLDS or people % FOLDS:
        raise UserError(
            f"{pairs} pairs of {people} people do not fill {FOLDS} folds: give a multiple of {2 * FOLDS} pairs and a "
            f"multiple of {FOLDS} people, {4 * FOLDS} or more"
        )
    rng = np.random.default_rng(24)
    each, inside = pairs // FOLDS, people // FOLDS
    one: list[Row] = []
    two: list[Row] = []
    for fold in range(FOLDS):
        crowd = [_FIRST["verification test"] + fold * inside + i for i in range(inside)]
        for place in range(each):
            a = crowd[place // 2 % inside]
            b = a if place % 2 == 0 else _other(rng, crowd, a, alike=place % 4 == 1)
            cameras = rng.choice(len(CAMERAS), 2, replace=False)
            seed = 2 * (fold * each + place)
            one.append((a, int(cameras[0]), seed))
            two.append((b, int(cameras[1]), seed + 1))
    first, second = (_samples("street verification", rows, faces=True, pixels=pixels) for rows in (one, two))
    same = torch.tensor([a[0] == b[0] for a, b in zip(one, two, strict=True)])
    fold_of = torch.arange(FOLDS).repeat_interleave(each)
    truth = {"same": same, "fold": fold_of, **first.truth}
    return Samples(first.name, first.keys, first.read, truth, first.names, second)


def _other(rng: np.random.Generator, crowd: Sequence[int], person: int, *, alike: bool) -> int:
    """Somebody else of the crowd, of the same gender if `alike` and if there is one."""
    others = [other for other in crowd if other != person]
    close = [other for other in others if Person.sample(other).female == Person.sample(person).female]
    choice = close if alike and close else others
    return choice[int(rng.integers(len(choice)))]


def _crowd(name: str, block: str, size: int, people: int, *, faces: bool, pixels: int) -> Samples:
    _count(size, size, at_least=people)
    rng = np.random.default_rng([25, int(faces)])
    rows = [(_FIRST[block] + i % people, int(rng.integers(len(CAMERAS))), i) for i in range(size)]
    classes = [f"person {_FIRST[block] + identity}" for identity in range(people)]
    return _samples(name, rows, faces=faces, pixels=pixels, label=True, classes=classes)


def _samples(
    name: str,
    rows: Sequence[Row],
    *,
    faces: bool,
    pixels: int,
    label: bool = False,
    classes: Sequence[str] = (),
) -> Samples:
    if pixels < 32 or pixels % 2:
        raise UserError(f"pictures of {pixels} rows cannot be drawn: give an even number from 32 on")
    people, cameras = (torch.tensor([row[part] for row in rows], dtype=torch.int64) for part in (0, 1))
    truth: dict[str, Tensor] = {"person": people, "camera": cameras}
    if label:
        truth = {"label": torch.unique(people, return_inverse=True)[1], **truth}
    keys = [f"{identity:07d}_c{camera}_{seed:07d}" for identity, camera, seed in rows]
    names: dict[str, Sequence[str]] = {"label": classes} if label else {}
    return Samples(name, keys, Shots(faces, pixels, tuple(rows)), truth, names)


def _is_train(split: str) -> bool:
    if split not in ("train", "test"):
        raise UserError(f"the street has no split {split!r}: use 'train' or 'test'")
    return split == "train"


def _count(size: int | None, usual: int, *, at_least: int = 1) -> int:
    count = usual if size is None else size
    if count < at_least:
        raise UserError(f"{count} pictures are too few: give at least {at_least}")
    return count
