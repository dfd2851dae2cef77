"""Descriptors that outlive a run: computed once per victim and images, and kept under the hash of both."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from turncoat.core.victim import Victim
from turncoat.study.store import hashed
from turncoat.tasks.embedding import embedded
from turncoat.tasks.samples import Samples


def kept(folder: Path, victim: Victim, samples: Samples, content: str) -> Tensor:
    """The unit descriptors `[N, D]` of all samples, from `folder` or computed into it.

    `content` says what the victim and the samples are, so that another of either has a file of its own.
    They are written batch by batch and read through a memory map, so that the memory needed does not grow with N.
    """
    path = folder / f"{hashed(content)}.npy"
    if not path.is_file():
        _compute(path, victim, samples)
    return mapped(path)


def mapped(path: Path) -> Tensor:
    """The array of a .npy file, read as it is needed."""
    # copy on write: torch wants an array it may write to, and the file stays as it is
    return torch.from_numpy(np.load(path, mmap_mode="c", allow_pickle=False))


def _compute(path: Path, victim: Victim, samples: Samples) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{os.getpid()}.npy")
    rows: np.memmap[tuple[int, ...], np.dtype[np.float32]] | None = None
    start = 0
    try:
        for descriptors in embedded(victim, samples):
            if rows is None:
                shape = (len(samples), descriptors.shape[1])
                rows = np.lib.format.open_memmap(partial, mode="w+", dtype=np.float32, shape=shape)
            rows[start : start + len(descriptors)] = descriptors.numpy()
            start += len(descriptors)
        if rows is None:
            np.save(partial, np.zeros((0, 0), dtype=np.float32))
        else:
            rows.flush()
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
