"""Labeled Faces in the Wild and its list of pairs (Huang et al., 2007, View 2)."""

from __future__ import annotations

from csv import DictReader
from dataclasses import dataclass
from pathlib import Path

from turncoat.core.errors import UserError
from turncoat.data.files import existing_folder, inside, read_text
from turncoat.data.pair_list import Pair, pair_samples
from turncoat.tasks.samples import Samples


@dataclass(frozen=True)
class _Row:
    fold: int
    first: str
    second: str
    same: bool


def lfw(
    folder: str | Path,
    *,
    pairs: str | Path = "pairs.txt",
    folds: int | None = None,
    size: tuple[int, int] | None = None,
) -> Samples:
    """Pairs of faces from `<folder>/images/<Name>/<Name>_0001.jpg`.

    The folder `images` may be left out, and so may the folders of names. `pairs` is the official text file,
    or a `.tsv` with the columns fold (from 0), image_a, image_b, same (0 or 1); a relative path is looked
    for in `folder`. `folds=k` keeps the first k folds. Truth as in `pair_samples`.
    """
    root = existing_folder(folder, "lfw")
    file = root / Path(pairs).expanduser()
    text = read_text(file, "lfw")
    rows = _from_table(text, file) if file.suffix.lower() == ".tsv" else _from_official(text, file)
    images = root / "images" if (root / "images").is_dir() else root
    rows = _first_folds(rows, folds, file)
    located = {name: _locate(images, name) for row in rows for name in (row.first, row.second)}
    return pair_samples(
        "lfw",
        [
            Pair(
                located[row.first],
                located[row.second],
                _person(row.first),
                _person(row.second),
                row.same,
                row.fold,
            )
            for row in rows
        ],
        root=root,
        size=size,
    )


def _from_official(text: str, file: Path) -> list[_Row]:
    """Header `folds n`, or only `n` for one fold; then per fold n lines `name i j` and n `name i name j`."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    header = lines[0] if lines else []
    if len(header) not in (1, 2) or not all(number.isdecimal() for number in header):
        raise UserError(f"{file}: line 1 must be the numbers of folds and of pairs, as in '10 300'")
    folds, each = (1, int(header[0])) if len(header) == 1 else (int(header[0]), int(header[1]))
    if len(lines) - 1 != 2 * folds * each:
        raise UserError(f"{file}: {len(lines) - 1} pairs, its first line promises {folds} x 2 x {each}")
    return [
        _official_row(line, fold=row // (2 * each), same=row % (2 * each) < each, where=f"{file}: pair {row + 1}")
        for row, line in enumerate(lines[1:])
    ]


def _official_row(line: list[str], *, fold: int, same: bool, where: str) -> _Row:
    shape = "name i j" if same else "name i name j"
    numbers = line[1:] if same else line[1::2]
    if len(line) != len(shape.split()) or not all(number.isdecimal() for number in numbers):
        raise UserError(f"{where} is {' '.join(line)!r}; here it must be '{shape}'")
    second = line[0] if same else line[2]
    return _Row(fold, f"{line[0]}_{int(numbers[0]):04d}.jpg", f"{second}_{int(numbers[1]):04d}.jpg", same)


def _from_table(text: str, file: Path) -> list[_Row]:
    table = DictReader(text.splitlines(), delimiter="\t")
    missing = {"fold", "image_a", "image_b", "same"} - set(table.fieldnames or ())
    if missing:
        raise UserError(f"{file}: line 1 lacks the column {min(missing)}; needed: fold, image_a, image_b, same")
    rows = []
    for line in table:
        if not str(line["fold"]).isdecimal() or line["same"] not in ("0", "1") or not line["image_b"]:
            raise UserError(f"{file}: line {table.line_num} needs a whole fold, two images and same as 0 or 1")
        rows.append(_Row(int(line["fold"]), line["image_a"], line["image_b"], line["same"] == "1"))
    return rows


def _first_folds(rows: list[_Row], folds: int | None, file: Path) -> list[_Row]:
    present = 1 + max((row.fold for row in rows), default=-1)
    if folds is not None and not 1 <= folds <= present:
        raise UserError(f"lfw: folds is {folds}, but {file} has {present} folds")
    if not rows:
        raise UserError(f"{file}: the list holds no pairs")
    return [row for row in rows if folds is None or row.fold < folds]


def _locate(images: Path, name: str) -> Path:
    """The path of an image, nested or flat."""
    for path in (inside(images, Path(_person(name)) / name, "lfw"), inside(images, name, "lfw")):
        if path.is_file():
            return path
    raise UserError(f"lfw: neither {images / _person(name) / name} nor {images / name} exists; "
                    "folds=k reads only the first k folds")  # fmt: skip


def _person(name: str) -> str:
    return Path(name).stem.rpartition("_")[0]
