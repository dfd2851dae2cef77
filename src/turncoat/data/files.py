"""Finding what a reader needs on disk, with errors that name the path that was looked for."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from turncoat.core.errors import UserError


def existing_folder(path: str | Path, what: str) -> Path:
    """The folder at `path` (`~` expanded). UserError with the absolute path where there is none."""
    folder = Path(path).expanduser()
    if folder.is_dir():
        return folder
    trouble = "is a file, not a folder" if folder.exists() else "does not exist"
    raise UserError(f"{what}: the folder {folder.absolute()} {trouble}")


def existing_file(path: str | Path, what: str) -> Path:
    """The file at `path` (`~` expanded). UserError with the absolute path where there is none."""
    file = Path(path).expanduser()
    if file.is_file():
        return file
    trouble = "is a folder, not a file" if file.exists() else "does not exist"
    raise UserError(f"{what}: the file {file.absolute()} {trouble}")


def inside(folder: Path, name: str | Path, what: str) -> Path:
    """`folder / name`, which a list may not send out of the folder; where links lead is the user's affair."""
    path = folder / name
    if not Path(os.path.abspath(path)).is_relative_to(os.path.abspath(folder)):
        raise UserError(f"{what}: the image {str(name)!r} lies outside the folder {folder}: name images inside it")
    return path


def read_text(path: Path, what: str) -> str:
    """The UTF-8 text of an existing file, a byte order mark dropped."""
    try:
        return existing_file(path, what).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{what}: {path} is not UTF-8 text ({error.reason})") from error


def each_once(names: Sequence[str], what: str | Path) -> None:
    """UserError that names the first of `names` to be there twice; `what` is the list or folder that they come from."""
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise UserError(f"{what} names {twice!r} twice: leave one out")


def one_of(value: str, choices: Sequence[str], what: str) -> str:
    """`value`, or a UserError that lists the choices."""
    if value not in choices:
        raise UserError(f"{what} is {value!r}; it must be one of {', '.join(choices)}")
    return value


def natural(name: str) -> tuple[tuple[tuple[int, str], ...], str]:
    """A sort key under which `2.jpg` comes before `10.jpg`; upper and lower case sort together."""
    parts = re.split(r"([0-9]+)", name.lower())
    return tuple((int(part), "") if k % 2 else (0, part) for k, part in enumerate(parts)), name


def subfolders(folder: Path) -> list[Path]:
    """The folders directly inside `folder` in natural order, hidden ones left out."""
    inside = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return sorted(inside, key=lambda path: natural(path.name))
