"""Images in one folder per class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from turncoat.core.errors import UserError
from turncoat.data.files import existing_folder, subfolders
from turncoat.data.images import image_reader, list_images
from turncoat.tasks.samples import Samples


def imagefolder(
    folder: str | Path, *, size: tuple[int, int] | None = None, classes: Sequence[str] | None = None
) -> Samples:
    """`<folder>/<class>/<image>`: truth `label`, the place of the class folder in alphabetical order.

    With `classes` a label is the place in that list, so that a few folders of a large set keep the labels
    of the network; a folder that is not in the list is a UserError, and so are images of different sizes
    without `size`.
    """
    root = existing_folder(folder, "imagefolder")
    found = sorted(path.name for path in subfolders(root))
    if not found:
        raise UserError(f"imagefolder: {root} has no class folders; expected {root}/<class>/<image>")
    names = list(found if classes is None else classes)
    _check_classes(root, found, names)
    paths = [path for name in found for path in list_images(root / name)]
    if not paths:
        raise UserError(f"imagefolder: the class folders of {root} ({', '.join(found[:5])}, ...) hold no images")
    place = {name: label for label, name in enumerate(names)}
    return Samples(
        name=root.name,
        keys=[path.relative_to(root).as_posix() for path in paths],
        read=image_reader(paths, size=size),
        truth={"label": torch.tensor([place[path.parent.name] for path in paths])},
        names={"label": names},
    )


def _check_classes(root: Path, found: Sequence[str], names: Sequence[str]) -> None:
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(f"imagefolder: classes names {twice!r} twice")
    unknown = [name for name in found if name not in set(names)]
    if unknown:
        raise UserError(
            f"imagefolder: the folder {root / unknown[0]} is not in classes ({', '.join(names[:5])}, ...); "
            "add it or move it away"
        )
