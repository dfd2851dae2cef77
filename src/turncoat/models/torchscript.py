"""A network saved as TorchScript."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import Tensor, nn

from turncoat.core.errors import UserError


class TorchScriptNetwork(nn.Module):
    """The script as an ordinary module: scripts by themselves refuse to have their parameters frozen.

    Neither its printed form nor its weights tell a script's code, so `fingerprint` is a hash of the file.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__()
        if not Path(path).is_file():
            raise UserError(f"no TorchScript file at {path}")
        try:
            self.script: nn.Module = torch.jit.load(str(path), map_location="cpu")
        except RuntimeError as problem:
            raise UserError(f"{path} is not a TorchScript file: save it with torch.jit.save") from problem
        self.fingerprint = hashlib.blake2b(Path(path).read_bytes(), digest_size=16).hexdigest()

    def forward(self, images: Tensor) -> Tensor | dict[str, Tensor]:
        found: Tensor | dict[str, Tensor] = self.script(images)
        return found
