"""The unit descriptors of a set of samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.core.victim import Victim
from turncoat.tasks.samples import Samples


def embed(victim: Victim, samples: Samples, *, batch: int = 128) -> Tensor:
    """The unit descriptors `[N, D]` of all samples, read and computed batch by batch, on the CPU."""
    return torch.cat(list(embedded(victim, samples, batch=batch)))


def embedded(victim: Victim, samples: Samples, *, batch: int = 128) -> Iterator[Tensor]:
    """The same, batch by batch; UserError at the first descriptor that is not finite, with the name of its image."""
    for part in samples.batches(batch):
        found = victim.predict(part.images()).descriptor.cpu()
        require_finite(found, victim.name, part.keys)
        yield found


def require_finite(descriptors: Tensor, who: str, keys: Sequence[str]) -> None:
    """Raise UserError that names the first of `keys` whose descriptor holds NaN or infinity."""
    wrong = (~descriptors.isfinite().all(1)).nonzero()[:, 0].tolist()
    if wrong:
        raise UserError(
            f"{who} gives a descriptor that is not a number for {keys[wrong[0]]} ({len(wrong)} of {len(keys)} here): "
            "check its weights, mean and std"
        )
