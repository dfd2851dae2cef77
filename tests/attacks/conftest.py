"""A small smooth victim in float64 for the tests of single attacks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from turncoat.core.seeds import seeded
from turncoat.core.victim import Victim


class Smooth(nn.Module):
    """Two convolutions with tanh, a signed embedding `[N, 8]` and scores `[N, classes]`, at any image size."""

    def __init__(self, seed: int, classes: int) -> None:
        super().__init__()
        generator = seeded(seed)

        def weights(*shape: int) -> nn.Parameter:
            fan = torch.Size(shape[1:]).numel()
            return nn.Parameter(2 * torch.randn(shape, generator=generator, dtype=torch.float64) / fan**0.5)

        self.first, self.second = weights(6, 3, 3, 3), weights(8, 6, 3, 3)
        self.embed, self.head = weights(8, 8 * 9), weights(classes, 8)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        inner = torch.tanh(nn.functional.conv2d(2 * images - 1, self.first, padding=1))
        inner = torch.tanh(nn.functional.conv2d(inner, self.second, stride=2, padding=1))
        embedding = nn.functional.adaptive_avg_pool2d(inner, 3).flatten(1) @ self.embed.T
        return {"embedding": embedding, "logits": embedding @ self.head.T}


@pytest.fixture
def smooth() -> Callable[..., Victim]:
    """Makes a victim from a seed and a number of classes."""
    return lambda seed=0, classes=6: Victim(Smooth(seed, classes), name="smooth")


@pytest.fixture
def pictures() -> Callable[..., Tensor]:
    """Makes images `[N, 3, 8, 8]` on 8-bit levels, a quarter of the pixels exactly black or white."""

    def make(count: int = 5, seed: int = 3, size: int = 8) -> Tensor:
        levels = torch.randint(-36, 292, (count, 3, size, size), generator=seeded(seed)).clamp(0, 255)
        return levels.double() / 255

    return make
