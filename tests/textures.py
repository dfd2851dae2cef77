"""Images with patches and texture, and what Pillow's JPEG makes of them."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from turncoat.core.seeds import seeded


def textured(height: int, width: int, *, seed: int, n: int = 2) -> Tensor:
    """Images with soft patches of colour and some fine texture, on 8-bit levels."""
    generator = seeded(seed)
    coarse = F.interpolate(
        torch.rand(n, 3, 2 + height // 16, 2 + width // 16, generator=generator), size=(height, width), mode="bicubic"
    )
    fine = F.interpolate(torch.rand(n, 1, height // 2, width // 2, generator=generator), size=(height, width))
    return ((0.8 * coarse + 0.15 * fine).clamp(0, 1) * 255).round() / 255


def pillow(image: Tensor, quality: int) -> Tensor:
    """One image `[3, H, W]` in [0, 1] saved and opened by Pillow."""
    file = io.BytesIO()
    array = (image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    Image.fromarray(array).save(file, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1).float() / 255
