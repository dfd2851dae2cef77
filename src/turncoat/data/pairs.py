"""Verification pairs drawn from any folder that has one folder per person (ORL: `s1/1.pgm`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from turncoat.core.errors import UserError
from turncoat.data.files import existing_folder, subfolders
from turncoat.data.images import list_images
from turncoat.data.pair_list import Pair, pair_samples
from turncoat.tasks.samples import Samples

Indices = npt.NDArray[np.int64]


def person_folders(
    folder: str | Path,
    *,
    pairs: int = 1000,
    folds: int = 10,
    seed: int = 0,
    size: tuple[int, int] | None = None,
) -> Samples:
    """`pairs` different pairs from `<folder>/<person>/<image>`, in each fold half of one person, half of two.

    Drawn evenly from all possible pairs, by `seed`. The people are shared out over the folds, so that no
    person is in two of them; where some fold then has too few pairs, all folds are drawn from all people
    instead. UserError where even that is not enough. Truth as in `pair_samples`.
    """
    if folds < 1 or pairs < 1 or pairs % (2 * folds):
        raise UserError(f"person_folders: pairs={pairs} must be a multiple of 2 x folds = {2 * folds}, above 0")
    root = existing_folder(folder, "person_folders")
    people = [images for images in map(list_images, subfolders(root)) if images]
    if len(people) < 2:
        raise UserError(f"person_folders: {root} has {len(people)} folders with images; needed: at least 2 people")
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(people))
    groups = [[image for who in sorted(order[fold::folds]) for image in people[who]] for fold in range(folds)]
    each = pairs // (2 * folds)
    if all(min(_capacity(group)) >= each for group in groups):
        drawn = [_draw(group, each, fold=np.full(each, fold), generator=generator) for fold, group in enumerate(groups)]
        chosen = [pair for fold in drawn for pair in fold]
    else:
        everyone = [image for images in people for image in images]
        _require(root, everyone, pairs)
        chosen = _draw(everyone, pairs // 2, fold=np.arange(pairs // 2) // each, generator=generator)
        chosen.sort(key=lambda pair: pair.fold)
    return pair_samples(root.name, chosen, root=root, size=size)


def _after(images: list[Path]) -> Indices:
    """For each image (one person's stand together) the index just past its person's last image."""
    people = np.array([image.parent.name for image in images])
    last = np.append(people[1:] != people[:-1], True)
    ends = np.flatnonzero(last) + 1
    return ends[np.searchsorted(ends, np.arange(len(images)), side="right")]


def _capacity(images: list[Path]) -> tuple[int, int]:
    """How many pairs of one person, and of two people, these images allow."""
    if not images:
        return 0, 0
    after, here = _after(images), np.arange(len(images))
    return int((after - here - 1).sum()), int((len(images) - after).sum())


def _require(root: Path, images: list[Path], pairs: int) -> None:
    same, different = _capacity(images)
    if min(same, different) < pairs // 2:
        raise UserError(
            f"person_folders: {root} allows {same} pairs of one person and {different} of two; "
            f"pairs={pairs} needs {pairs // 2} of each"
        )


def _draw(images: list[Path], each: int, *, fold: Indices, generator: np.random.Generator) -> list[Pair]:
    """`each` pairs of one person, then as many of two people; `fold` has the fold of each."""
    after, here = _after(images), np.arange(len(images))
    same = _unranked(here + 1, after - here - 1, each, generator)
    different = _unranked(after, len(images) - after, each, generator)
    return [
        Pair(images[a], images[b], images[a].parent.name, images[b].parent.name, kind, int(number))
        for rows, kind in ((same, True), (different, False))
        for (a, b), number in zip(rows, fold, strict=True)
    ]


def _unranked(starts: Indices, counts: Indices, each: int, generator: np.random.Generator) -> list[tuple[int, int]]:
    """`each` of the pairs (i, starts[i] + r), 0 <= r < counts[i], all equally likely and none twice."""
    ends = counts.cumsum()
    ranks = generator.choice(int(ends[-1]), size=each, replace=False)
    first = np.searchsorted(ends, ranks, side="right")
    second = starts[first] + ranks - (ends[first] - counts[first])
    return list(zip(first.tolist(), second.tolist(), strict=True))
