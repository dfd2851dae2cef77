"""Randomness of one's own for every sample, so that a result does not depend on the batch it was computed in."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor


def seeded(seed: int) -> torch.Generator:
    """A fresh generator on the CPU; the global random state is never touched."""
    return torch.Generator().manual_seed(seed)


def spread(generator: torch.Generator, images: Tensor) -> list[torch.Generator]:
    """One generator per image, seeded from a number drawn from `generator` and the image's own pixels.

    The noise of a sample is therefore a function of the seed and of what it looks like, wherever in a batch it stands.
    """
    call = int(torch.randint(2**62, (1,), generator=generator, device=generator.device))
    pixels = images.detach().mul(255).round_().clamp_(0, 255).to("cpu", torch.uint8).contiguous()
    return [seeded(_hash(call, image)) for image in pixels]


def uniform(like: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """Uniform noise in [-1, 1] of the shape, type and device of `like`, row i drawn from generator i."""
    rows = [torch.rand(like.shape[1:], generator=generator) for generator in generators]
    return torch.stack(rows).to(like).mul_(2).sub_(1)


def _hash(call: int, image: Tensor) -> int:
    digest = hashlib.blake2b(image.numpy().tobytes(), digest_size=8, key=call.to_bytes(8, "big")).digest()
    return int.from_bytes(digest, "big") >> 1
