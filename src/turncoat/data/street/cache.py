"""Rendered pictures, kept on disk: one uncompressed array per set, mapped into memory, never half written."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from turncoat.data.street.body import body
from turncoat.data.street.face import face
from turncoat.data.street.person import Person

RENDERER_VERSION = 1
"""To be raised whenever a picture changes, so that no old one is read again."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Shots:
    """Pictures to take: `rows` are (identity, camera, seed); `pixels` is their height.

    `shots(i)` is picture i, uint8 `[3, H, W]`: a square face, or a body half as wide as high. All of them are rendered,
    or found in the cache, when one is first asked for.
    """

    faces: bool
    pixels: int
    rows: tuple[tuple[int, int, int], ...]

    def __call__(self, index: int) -> Tensor:
        return torch.from_numpy(self.pictures[index].transpose(2, 0, 1).copy())

    def __reduce__(self) -> tuple[type[Shots], tuple[bool, int, tuple[tuple[int, int, int], ...]]]:
        return Shots, (self.faces, self.pixels, self.rows)  # another process opens the file itself

    @cached_property
    def pictures(self) -> Pixels:
        """All pictures, `[N, H, W, 3]`, read-only where they come from the disk."""
        return _load(self)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The shape of all pictures together, `[N, H, W, 3]`."""
        return len(self.rows), self.pixels, self.pixels if self.faces else self.pixels // 2, 3

    def key(self) -> str:
        """A hash of all that determines the pictures."""
        text = f"{RENDERER_VERSION} {self.faces} {self.pixels} {self.rows}"
        return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()

    def render(self, into: Pixels) -> Pixels:
        """Draw every picture into the array given, which must have this shape."""
        draw = self._face if self.faces else self._body
        for place, row in enumerate(self.rows):
            into[place] = draw(*row)
        return into

    def _face(self, identity: int, camera: int, seed: int) -> Pixels:
        return face(Person.sample(identity), camera, seed, size=self.pixels)

    def _body(self, identity: int, camera: int, seed: int) -> Pixels:
        return body(Person.sample(identity), camera, seed, height=self.pixels)


def folder() -> Path:
    """Where the pictures are kept: `$TURNCOAT_CACHE`, or `~/.cache/turncoat`."""
    chosen = os.environ.get("TURNCOAT_CACHE")
    return Path(chosen) if chosen else Path("~/.cache/turncoat").expanduser()


def _load(shots: Shots) -> Pixels:
    path = folder() / f"street-{shots.key()}.npy"
    found = _read(path, shots.shape)
    if found is not None:
        return found
    try:
        _write(path, shots)
    except OSError:  # a full or read-only disk costs time, not the result
        return _in_memory(shots)
    found = _read(path, shots.shape)
    return _in_memory(shots) if found is None else found


@lru_cache(maxsize=8)
def _in_memory(shots: Shots) -> Pixels:
    return shots.render(np.empty(shots.shape, dtype=np.uint8))


def _read(path: Path, shape: tuple[int, ...]) -> Pixels | None:
    """The array in the file; None where there is none, or not the one expected."""
    try:
        pictures: Pixels = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):
        return None
    return pictures if pictures.shape == shape and pictures.dtype == np.uint8 else None


def _write(path: Path, shots: Shots) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".part")
    os.close(handle)
    try:
        pictures = np.lib.format.open_memmap(name, mode="w+", dtype=np.uint8, shape=shots.shape)
        shots.render(pictures)
        pictures.flush()
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)
