"""What a perturbed image goes through before anybody looks at it: a file, with its rounding and its compression."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

RoundTrip = Literal["none", "uint8", "png", "jpeg75"]


def through(images: Tensor, kind: RoundTrip) -> Tensor:
    """Images `[N, 3, H, W]` in [0, 1] as they come back from being saved.

    `png` rounds to 8 bits, `uint8` cuts off as a plain cast does, and `jpeg75` then compresses as Pillow does by
    default (quality 75, 4:2:0), which is how the released code of U-turn saves its queries. A perturbation may leave
    its budget on the way: what is recorded is measured afterwards.
    """
    if kind == "none":
        return images
    scaled = images.detach().cpu().clamp(0, 1) * 255
    levels = (scaled.round() if kind == "png" else scaled).to(torch.uint8)
    if kind == "jpeg75":
        levels = torch.stack([_jpeg(image) for image in levels])
    return (levels.float() / 255).to(images)


def _jpeg(levels: Tensor) -> Tensor:
    file = io.BytesIO()
    Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy()).save(file, "JPEG")
    with Image.open(file) as opened:
        return torch.from_numpy(np.array(opened.convert("RGB"))).permute(2, 0, 1)
