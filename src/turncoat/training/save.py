"""Weights on disk, written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from torch import nn

from turncoat.core.errors import UserError


def save_weights(network: nn.Module, path: Path) -> Path:
    """Write a network's parameters and buffers as safetensors; the same weights give the same bytes."""
    from safetensors.torch import save

    state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    return write_whole(path, save(state))


def write_whole(path: Path, content: bytes) -> Path:
    """Write a file whole or not at all; an interruption leaves what was there before, and nothing beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = _partial(path)
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def require_writable(path: Path) -> None:
    """Raise UserError where a file could not be written whole, so that it is told before the work and not after it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _partial(path).touch()
        _partial(path).unlink()
        folder = path.is_dir()
    except OSError as error:
        raise UserError(f"{path} cannot be written: {(error.strerror or str(error)).lower()}") from None
    if folder:
        raise UserError(f"{path} is a folder: give the name of a file")


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")
