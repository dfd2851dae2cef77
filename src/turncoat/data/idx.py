"""MNIST and Fashion-MNIST: idx files, plain or gzipped."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from turncoat.core.errors import UserError
from turncoat.data.files import existing_folder, one_of
from turncoat.tasks.samples import Samples

DIGITS = tuple("0123456789")
FASHION = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"
)  # fmt: skip
PREFIX = {"train": "train", "test": "t10k"}


def mnist(folder: str | Path, split: str = "test") -> Samples:
    """`<folder>/t10k-images-idx3-ubyte[.gz]` and its labels; the grey is repeated three times.

    Truth: `label` 0..9.
    """
    return _read_set(folder, split, name="mnist", classes=DIGITS)


def fashion_mnist(folder: str | Path, split: str = "test") -> Samples:
    """As `mnist`, whose file names it shares, with the names of the ten garments."""
    return _read_set(folder, split, name="fashion_mnist", classes=FASHION)


def read_idx(path: Path, *, dimensions: int) -> npt.NDArray[np.uint8]:
    """The uint8 array of an idx file with that many dimensions; UserError where header and content disagree.

    The header is two zero bytes, the type (8 means uint8), the number of dimensions, and each length as a
    big-endian 32-bit number.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: cannot be unpacked ({error})") from error
    start = 4 + 4 * dimensions
    magic, expected = content[:4].hex(), f"000008{dimensions:02x}"
    if magic != expected or len(content) < start:
        raise UserError(f"{path}: starts with {magic or 'nothing'}, a uint8 idx{dimensions} file with {expected}")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    if len(content) - start != math.prod(shape):
        raise UserError(f"{path}: has {len(content) - start} values, its header promises {math.prod(shape)}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _read_set(folder: str | Path, split: str, *, name: str, classes: Sequence[str]) -> Samples:
    root = existing_folder(folder, name)
    prefix = PREFIX[one_of(split, tuple(PREFIX), f"{name}: split")]
    image_file, label_file = _find(root, f"{prefix}-images", 3), _find(root, f"{prefix}-labels", 1)
    pixels = torch.from_numpy(read_idx(image_file, dimensions=3).copy())
    labels = torch.from_numpy(read_idx(label_file, dimensions=1).astype(np.int64))
    if len(pixels) != len(labels):
        raise UserError(f"{label_file}: {len(labels)} labels for the {len(pixels)} images of {image_file.name}")
    if len(labels) and int(labels.max()) >= len(classes):
        raise UserError(f"{label_file}: label {int(labels.max())} is above {len(classes) - 1}")
    return Samples(
        name=f"{name}-{split}",
        keys=[f"{prefix}/{row}" for row in range(len(pixels))],
        read=lambda row: pixels[row].expand(3, -1, -1).contiguous(),
        truth={"label": labels},
        names={"label": classes},
    )


def _find(root: Path, stem: str, dimensions: int) -> Path:
    names = [f"{stem}{mark}idx{dimensions}-ubyte{end}" for mark in "-." for end in ("", ".gz")]
    for name in names:
        if (root / name).is_file():
            return root / name
    raise UserError(f"{root / names[0]} does not exist, gzipped (.gz) neither; give the folder of the idx files")
