"""CIFAR-10: the pickled batches of its authors, or the same images in class folders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from turncoat.core.errors import UserError
from turncoat.data.files import existing_file, existing_folder, one_of
from turncoat.data.imagefolder import imagefolder
from turncoat.data.safe_pickle import load_arrays
from turncoat.tasks.samples import Samples

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BATCHES = {"train": [f"data_batch_{k}" for k in range(1, 6)], "test": ["test_batch"]}


def cifar10(folder: str | Path, split: str = "test") -> Samples:
    """CIFAR-10 from `<folder>/cifar-10-batches-py/test_batch`, or from `<folder>/test/<class>/*`.

    Truth: `label` 0..9. The batches may lie in `folder` itself. They are unpickled without running anything
    of theirs, and kept in memory as bytes.
    """
    root = existing_folder(folder, "cifar10")
    wanted = BATCHES[one_of(split, tuple(BATCHES), "cifar10: split")]
    for place in (root / "cifar-10-batches-py", root):
        if (place / wanted[0]).is_file():
            return _from_batches([existing_file(place / name, "cifar10") for name in wanted], split)
    if (root / split).is_dir():
        return replace(imagefolder(root / split, classes=CLASSES), name=f"cifar10-{split}")
    raise UserError(
        f"cifar10: {root} has neither cifar-10-batches-py/{wanted[0]} nor class folders "
        f"{split}/airplane, ...; give the folder that holds one of them"
    )


def _from_batches(paths: list[Path], split: str) -> Samples:
    parts = [_batch(path) for path in paths]
    pixels = torch.cat([images for images, _ in parts])
    return Samples(
        name=f"cifar10-{split}",
        keys=[
            f"{path.name}/{row}" for path, (images, _) in zip(paths, parts, strict=True) for row in range(len(images))
        ],
        read=lambda row: pixels[row].clone(),
        truth={"label": torch.cat([labels for _, labels in parts])},
        names={"label": CLASSES},
    )


def _batch(path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Images uint8 `[N, 3, 32, 32]` and labels int64 `[N]` of one batch file."""
    content = load_arrays(path)
    data, labels = content.get("data"), content.get("labels")
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3 * 32 * 32:
        raise UserError(f"{path}: 'data' must be a uint8 array of N rows of 3072 values")
    if not isinstance(labels, list) or not all(isinstance(label, int) and 0 <= label < 10 for label in labels):
        raise UserError(f"{path}: 'labels' must be a list of whole numbers 0 to 9 (CIFAR-100 has no 'labels')")
    if len(labels) != len(data):
        raise UserError(f"{path}: {len(labels)} labels for {len(data)} images")
    return torch.from_numpy(data.copy()).reshape(-1, 3, 32, 32), torch.tensor(labels, dtype=torch.int64)
