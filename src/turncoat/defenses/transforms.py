"""Two simple purifiers: JPEG compression and fewer grey levels."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from turncoat.core.errors import UserError
from turncoat.core.levels import straight_through
from turncoat.defenses.codec import soft_jpeg
from turncoat.defenses.purifier import Purifier, Surrogate


class Jpeg(Purifier):
    """Compress and decompress every image as JPEG (4:2:0; Dziugaite et al. 2016) at `quality` 1 to 95.

    Compression itself has no useful gradient: an informed attacker takes that of a differentiable codec (`soft_jpeg`)
    while the exact codec runs forward, or passes it straight through: on images that were JPEG already, rounding
    leaves the codec's own gradient close to zero.
    """

    def __init__(self, quality: int = 75) -> None:
        super().__init__()
        if not 1 <= quality <= 95:
            raise UserError(f"JPEG quality is 1 to 95, not {quality}")
        self.quality = quality
        self.name = f"jpeg{quality}"

    def forward(self, images: Tensor) -> Tensor:
        levels = (images.detach() * 255).round().clamp(0, 255).to("cpu", torch.uint8)
        exact: Tensor = torch.stack([self._one(image) for image in levels]).to(images)
        return exact.div_(255)

    def adaptive(self) -> Sequence[Surrogate]:
        codec = partial(soft_jpeg, quality=self.quality)
        return (
            Surrogate("differentiable codec", StraightThrough(self, codec)),
            Surrogate("straight-through", StraightThrough(self)),
        )

    def extra_repr(self) -> str:
        return f"quality={self.quality}"

    def _one(self, image: Tensor) -> Tensor:
        file = io.BytesIO()
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=self.quality)
        with Image.open(file) as back:
            return torch.from_numpy(np.array(back)).permute(2, 0, 1)


class BitDepth(Purifier):
    """Keep only `bits` bits of every channel (feature squeezing; Xu et al. 2018).

    Rounding has no gradient: an informed attacker passes it straight through (BPDA; Athalye et al. 2018).
    """

    def __init__(self, bits: int = 4) -> None:
        super().__init__()
        if not 1 <= bits <= 8:
            raise UserError(f"bit depth is 1 to 8, not {bits}")
        self.bits = bits
        self.name = f"bits{bits}"

    def forward(self, images: Tensor) -> Tensor:
        top = float(2**self.bits - 1)
        levels: Tensor = (images.detach() * top).round()
        return levels / top

    def adaptive(self) -> Sequence[Surrogate]:
        return (Surrogate("straight-through", StraightThrough(self)),)

    def extra_repr(self) -> str:
        return f"bits={self.bits}"


class StraightThrough(nn.Module):
    """The purifier going forward; going back `soft` (images to images), or the identity without one (BPDA)."""

    def __init__(self, purifier: Purifier, soft: Callable[[Tensor], Tensor] | None = None) -> None:
        super().__init__()
        self.purifier = purifier
        self.soft = soft

    def forward(self, images: Tensor) -> Tensor:
        exact: Tensor = self.purifier(images)
        if not images.requires_grad:
            return exact
        return straight_through(images if self.soft is None else self.soft(images), exact)
