"""Lets torchvision be imported beside a PyTorch that its compiled part was not built for (CUDA wheel, CPU PyTorch).

Importing torchvision then fails with "operator torchvision::nms does not exist", and takes timm with it, though neither
needs that operator to classify images.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import torch

SCHEMAS = tuple(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor" for name in ("nms", "qnms"))

_kept: list[torch.library.Library] = []  # a library's operators vanish with it


def prepare_torchvision() -> None:
    """Declare the two missing operators, once, only where torchvision is installed and its own cannot be loaded."""
    spec = importlib.util.find_spec("torchvision")
    if _kept or spec is None or spec.origin is None or "torchvision" in sys.modules:
        return
    if _loads(Path(spec.origin).parent):
        return
    library = torch.library.Library("torchvision", "DEF")
    for schema in SCHEMAS:
        library.define(schema)
    _kept.append(library)


def _loads(folder: Path) -> bool:
    compiled = [*folder.glob("_C*.so"), *folder.glob("_C*.pyd")]
    try:
        for file in compiled:
            torch.ops.load_library(str(file))
    except OSError:
        return False
    return bool(compiled)
