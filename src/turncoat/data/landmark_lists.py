"""Which images of a landmark set answer which query: the lists of Oxford5k, Paris6k and their revisited forms."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from turncoat.core.errors import UserError
from turncoat.data.files import each_once, read_text
from turncoat.data.images import Box
from turncoat.data.safe_pickle import load_arrays

# Which kinds of images answer a query, and which do not count (Philbin et al. 2007; Radenovic et al. 2018, sec. 3).
PLAIN = ({"ok"}, {"junk"})
PROTOCOLS: Mapping[str, tuple[set[str], set[str]]] = {
    "easy": ({"easy"}, {"junk", "hard"}),
    "medium": ({"easy", "hard"}, {"junk"}),
    "hard": ({"hard"}, {"junk", "easy"}),
}


@dataclass(frozen=True)
class Question:
    """A query: the part `box` of `image`, and the rows of the searched images that are good and junk for it.

    `shown` are the rows that show its landmark, whether they are good under the protocol or not.
    """

    image: str
    box: Box
    good: Sequence[int]
    junk: Sequence[int]
    shown: Sequence[int]
    landmark: str


@dataclass(frozen=True)
class Listing:
    """The stems of the images to search, and the questions."""

    source: Path
    images: Sequence[str]
    questions: Sequence[Question]


def read_pickle(path: Path, kinds: tuple[set[str], set[str]]) -> Listing:
    """`gnd_<name>.pkl`: imlist, qimlist, and gnd with bbx and one list of rows for each kind of image.

    `kinds` are those that are good and those that are junk. The pickle is read without running anything of its own.
    """
    content = load_arrays(path)
    images, asked = _names(path, content, "imlist"), _names(path, content, "qimlist")
    each_once(images, f"{path}: imlist")
    found = content.get("gnd")
    if not isinstance(found, list) or len(found) != len(asked) or not all(isinstance(one, dict) for one in found):
        raise UserError(f"{path}: 'gnd' must be a list with an entry for each of the {len(asked)} names in qimlist")
    known = (kinds[0] | kinds[1]) - {"junk"}
    questions = []
    for name, entry in zip(asked, found, strict=True):
        rows = {kind: _rows(path, entry, kind, len(images)) for kind in {*kinds[0], *kinds[1]}}
        good, junk = (sorted({row for kind in wanted for row in rows[kind]}) for wanted in kinds)
        shown = sorted({row for kind in known for row in rows[kind]})
        questions.append(Question(name, _box(path, entry), good, junk, shown, re.sub(r"_\d+$", "", name)))
    return Listing(path, images, questions)


def read_texts(folder: Path, images: Sequence[str], broken: Collection[str] = ()) -> Listing:
    """The first form: `<landmark>_<n>_{query,good,ok,junk}.txt` in `folder`, over images with the stems `images`.

    Good and ok answer alike; `broken` images count for nothing. A query is an image and its box, such as
    `oxc1_all_souls_000013 136.5 34.1 648.5 955.7`; in Paris the image has no `oxc1_` before it.
    """
    row = {name: number for number, name in enumerate(images)}
    questions = []
    for path in sorted(folder.glob("*_query.txt")):
        asked = path.name.removesuffix("_query.txt")
        words = read_text(path, "landmarks").split()
        try:
            image, box = words[0].removeprefix("oxc1_"), _corners([float(word) for word in words[1:]])
        except (IndexError, ValueError):
            raise UserError(
                f"{path}: it must hold an image and its box, as 'all_souls_000013 136.5 34.1 648.5 955.7'"
            ) from None
        rows = {kind: _listed(folder / f"{asked}_{kind}.txt", row, broken) for kind in ("good", "ok", "junk")}
        good = sorted({*rows["good"], *rows["ok"]})
        questions.append(Question(image, box, good, rows["junk"], good, re.sub(r"_\d+$", "", asked)))
    return Listing(folder, images, questions)


def _listed(path: Path, row: Mapping[str, int], broken: Collection[str]) -> list[int]:
    stems = [stem for stem in read_text(path, "landmarks").split() if stem not in broken]
    each_once(stems, path)
    strange = next((stem for stem in stems if stem not in row), None)
    if strange is not None:
        raise UserError(f"{path} names {strange!r}, but there is no such image: is the set complete?")
    return sorted(row[stem] for stem in stems)


def _names(path: Path, content: Mapping[str, object], key: str) -> list[str]:
    names = content.get(key)
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        raise UserError(f"{path}: {key!r} must be a list of image names")
    return [name.removesuffix(".jpg") for name in names]


def _rows(path: Path, entry: Mapping[str, object], kind: str, images: int) -> list[int]:
    values = np.asarray(entry.get(kind, "nothing"))
    whole = values.size == 0 or (values.dtype.kind in "uif" and bool((values == values.round()).all()))
    if not whole or (values.size and not 0 <= values.min() <= values.max() < images):
        raise UserError(f"{path}: {kind!r} must hold places in imlist, 0 to {images - 1}, for every query")
    return sorted({int(value) for value in values.ravel()})


def _box(path: Path, entry: Mapping[str, object]) -> Box:
    try:
        return _corners([float(value) for value in np.asarray(entry.get("bbx"), dtype=float).ravel()])
    except (TypeError, ValueError):
        raise UserError(f"{path}: 'bbx' must be four numbers (left, top, right, bottom) for every query") from None


def _corners(values: Sequence[float]) -> Box:
    left, top, right, bottom = values
    if not np.isfinite(values).all():
        raise ValueError("a box without bounds")
    return left, top, right, bottom
