"""Oxford5k and Paris6k (Philbin et al., CVPR 2007 and 2008), and both revisited (Radenovic et al., CVPR 2018)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.data.files import each_once, existing_folder, natural, one_of, read_text, subfolders
from turncoat.data.images import Box, image_reader, native_reader
from turncoat.data.landmark_lists import PLAIN, PROTOCOLS, Listing, Question, read_pickle, read_texts
from turncoat.tasks.samples import Samples

_ANYWHERE = ("oxford", "paris_general")  # what photographs of no landmark in particular are called


@dataclass(frozen=True)
class NativeSamples(Samples):
    """Images in their own sizes: those of different sizes cannot share a batch, so each is a batch of its own."""

    def images(self, rows: Sequence[int] | None = None) -> Tensor:
        chosen = [int(row) for row in (range(len(self)) if rows is None else rows)]
        found = [self.read(row) for row in chosen]
        other = next((place for place, image in enumerate(found) if image.shape != found[0].shape), None)
        if other is not None:
            first, second = self.keys[chosen[0]], self.keys[chosen[other]]
            raise UserError(
                f"{self.name}: {first} and {second} differ in size and cannot share a batch: "
                "write shard: 1 in the study, or give size: [height, width]"
            )
        return torch.stack(found).float().div_(255)

    def batches(self, size: int) -> Iterator[Samples]:  # noqa: ARG002
        return super().batches(1)


def oxford5k(folder: str | Path, *, size: tuple[int, int] | None = None, longest: int = 1024) -> Samples:
    """Oxford5k: `<folder>/jpg/*.jpg` with `gnd_oxford5k.pkl`, or with the first form's text files.

    These, `all_souls_1_query.txt` and so on, lie in `folder` or in a folder of it. The 55 queries are their boxes cut
    out of the original images; then the longer side of every image is at most `longest` pixels, or all are resized to
    `size` = (height, width). Truth of the queries: `good` and `junk`, the gallery rows that answer and that do not
    count (int64 `[Q, M]`, padded with -1), and `person`, the landmark (place in `names["person"]`). Truth of the
    gallery: `person`, the landmark that an image answers for, 0 for none. The image that a query is cut from answers
    it, as in the set's own protocol.
    """
    return _landmarks(folder, "oxford5k", PLAIN, size=size, longest=longest)


def paris6k(folder: str | Path, *, size: tuple[int, int] | None = None, longest: int = 1024) -> Samples:
    """Paris6k, as `oxford5k`, with `gnd_paris6k.pkl` or text files; the images may lie in folders inside `jpg`.

    Twenty of its images are known to be broken; those that a `corrupt.txt` beside `jpg` names are left out.
    """
    return _landmarks(folder, "paris6k", PLAIN, size=size, longest=longest)


def roxford5k(
    folder: str | Path, protocol: str = "medium", *, size: tuple[int, int] | None = None, longest: int = 1024
) -> Samples:
    """Revisited Oxford: `gnd_roxford5k.pkl` with 70 queries, which are not searched; otherwise as `oxford5k`.

    `protocol` "easy" takes the easy images for right and leaves the hard ones out, "hard" the other way round, and
    "medium" takes both. A query that nothing answers has no good row and stays in.
    """
    kinds = PROTOCOLS[one_of(protocol, tuple(PROTOCOLS), "roxford5k: protocol")]
    return _landmarks(folder, "roxford5k", kinds, size=size, longest=longest)


def rparis6k(
    folder: str | Path, protocol: str = "medium", *, size: tuple[int, int] | None = None, longest: int = 1024
) -> Samples:
    """Revisited Paris, `gnd_rparis6k.pkl`; otherwise as `roxford5k`."""
    kinds = PROTOCOLS[one_of(protocol, tuple(PROTOCOLS), "rparis6k: protocol")]
    return _landmarks(folder, "rparis6k", kinds, size=size, longest=longest)


def _landmarks(
    folder: str | Path, name: str, kinds: tuple[set[str], set[str]], *, size: tuple[int, int] | None, longest: int
) -> Samples:
    root = existing_folder(folder, name)
    broken = _broken(root / "corrupt.txt")
    paths = _images(existing_folder(root / "jpg", name), broken)
    listing = _listing(root, name, kinds, list(paths), broken)
    for image in [*listing.images, *(question.image for question in listing.questions)]:
        if image not in paths:
            raise UserError(f"{listing.source} names {image!r}, but there is no {image}.jpg in {root / 'jpg'}")
    if kinds != PLAIN:
        _require_apart(listing)
    landmarks = landmarks_of(listing.questions)
    names = ["none", *dict.fromkeys(landmarks)]
    answers = {row: names.index(one) for one, q in zip(landmarks, listing.questions, strict=True) for row in q.shown}
    gallery = _samples(
        f"{name}-gallery",
        [paths[image] for image in listing.images],
        {"person": torch.tensor([answers.get(row, 0) for row in range(len(listing.images))])},
        root=root,
        size=size,
        longest=longest,
    )
    queries = _samples(
        f"{name}-query",
        [paths[question.image] for question in listing.questions],
        {
            "person": torch.tensor([names.index(one) for one in landmarks]),
            "good": _padded([question.good for question in listing.questions]),
            "junk": _padded([question.junk for question in listing.questions]),
        },
        boxes=[question.box for question in listing.questions],
        root=root,
        size=size,
        longest=longest,
    )
    return replace(queries, names={"person": names}, against=replace(gallery, names={"person": names}))


def landmarks_of(questions: Sequence[Question]) -> list[str]:
    """The landmark of each query, so that intervals know which queries belong together.

    The name of its image says it; that of `oxford_002985` does not, and such a query joins the landmark whose images it
    shares most.
    """
    named = [question for question in questions if question.landmark not in _ANYWHERE]

    def landmark(question: Question) -> str:
        if question.landmark not in _ANYWHERE:
            return question.landmark
        shared = Counter({other.landmark: len({*other.shown} & {*question.shown}) for other in named})
        best = shared.most_common(1)
        return best[0][0] if best and best[0][1] else question.image

    return [landmark(question) for question in questions]


def _samples(
    name: str,
    paths: Sequence[Path],
    truth: Mapping[str, Tensor],
    *,
    root: Path,
    size: tuple[int, int] | None,
    longest: int,
    boxes: Sequence[Box] | None = None,
) -> Samples:
    keys = [path.relative_to(root).as_posix() for path in paths]
    times = Counter(keys)  # a query is a part of an image, and two may be parts of the same one
    keys = [key if times[key] == 1 else f"{key}#{number}" for number, key in enumerate(keys, start=1)]
    if size is not None:
        return Samples(name, keys, image_reader(paths, size=size, boxes=boxes), truth)
    return NativeSamples(name, keys, native_reader(paths, longest=longest, boxes=boxes), truth)


def _padded(rows: Sequence[Sequence[int]]) -> Tensor:
    """Lists as int64 `[Q, M]`, filled up with -1; at least one column wide."""
    width = max([1, *map(len, rows)])
    return torch.tensor([[*one, *[-1] * (width - len(one))] for one in rows], dtype=torch.int64)


def _broken(path: Path) -> set[str]:
    """The stems of the images that a list names, if there is one."""
    lines = read_text(path, "landmarks").splitlines() if path.is_file() else []
    return {Path(line.strip()).stem for line in lines}


def _images(folder: Path, broken: set[str]) -> dict[str, Path]:
    """The images in `folder` and its folders by stem, in natural order, without the broken ones."""
    found = [path for path in folder.rglob("*.[jJ][pP][gG]") if not path.name.startswith(".")]
    found = [path for path in sorted(found) if path.stem not in broken]
    if not found:
        raise UserError(f"{folder} holds no .jpg images")
    each_once([path.stem for path in found], folder)
    return {path.stem: path for path in sorted(found, key=lambda path: natural(path.stem))}


def _listing(
    root: Path, name: str, kinds: tuple[set[str], set[str]], images: Sequence[str], broken: set[str]
) -> Listing:
    """What is asked and what answers, from whichever form lies in `root`."""
    path = root / f"gnd_{name}.pkl"
    if path.is_file():
        return read_pickle(path, kinds)
    places = [folder for folder in (root, *subfolders(root)) if any(folder.glob("*_query.txt"))]
    if kinds != PLAIN or not places:
        others = "" if kinds != PLAIN else " nor *_query.txt files, in it or in a folder of it"
        raise UserError(f"{name}: {root} has no {path.name}{others}; put it beside the folder jpg")
    return read_texts(places[0], images, broken)


def _require_apart(listing: Listing) -> None:
    """In the revisited sets no query is searched, and one that is would answer itself."""
    searched = set(listing.images)
    twice = next((question.image for question in listing.questions if question.image in searched), None)
    if twice is not None:
        raise UserError(
            f"{listing.source}: the query {twice!r} is also in imlist, which it must not be: get the file anew"
        )
