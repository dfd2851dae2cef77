"""Weights on disk, written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from torch import nn


def save_weights(network: nn.Module, path: Path) -> Path:
    """Write a network's parameters and buffers as safetensors; the same weights give the same bytes."""
    from safetensors.torch import save

    state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    return write_whole(path, save(state))


def write_whole(path: Path, content: bytes) -> Path:
    """Write a file whole or not at all; an interruption leaves what was there before, and nothing beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path
