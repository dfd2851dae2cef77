"""Weights on disk, written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from torch import nn


def save_weights(network: nn.Module, path: Path) -> Path:
    """Write a network's parameters and buffers as safetensors; the same weights give the same bytes."""
    from safetensors.torch import save

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_bytes(save({key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}))
    os.replace(partial, path)
    return path
