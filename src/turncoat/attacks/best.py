"""What an ascent keeps: the best iterate of every sample, and what it has cost."""

from __future__ import annotations

import torch
from torch import Tensor

from turncoat.attacks.lens import Batch
from turncoat.core.result import AttackResult
from turncoat.core.victim import Victim


class Best:
    """The best iterate of every sample so far, or the `last`, and its cost; a finished sample changes no more."""

    def __init__(self, batch: Batch, *, shared: bool, last: bool = False) -> None:
        self.kept = batch.untouched()
        self.shared = shared
        self.last = last
        self.finished = torch.zeros_like(self.kept.forwards, dtype=torch.bool)

    def see(self, live: Tensor, images: Tensor, value: Tensor, broken: Tensor | None) -> None:
        """Keep the iterate where it is better or the first that breaks; a shared variable as a whole or not at all.

        Of equals the later one is kept: on an overconfident victim the loss is 0 to rounding all the way.
        """
        kept = self.kept
        if self.last:
            better = ~self.finished[live]
        elif self.shared:
            better = (value.nanmean() > kept.objective[live].nanmean()).expand(len(live))
        else:
            better = value >= kept.objective[live]
            better = (better if broken is None else better | broken) & ~self.finished[live]
        chosen = live[better]
        if len(chosen) == len(kept.images):
            kept.images.copy_(images)
        elif len(live) == len(kept.images):  # one pass over the images instead of a gather and a scatter
            torch.where(better.view(-1, *[1] * (images.ndim - 1)), images, kept.images, out=kept.images)
        else:
            kept.images[chosen] = images[better]
        kept.objective[chosen] = value[better]
        if broken is not None and kept.success is not None:
            kept.success[chosen] = broken[better]
            if not self.shared:
                self.finished[chosen] = broken[better]

    def pay(self, live: Tensor, meter: Meter) -> None:
        forwards, backwards = meter.read(len(live))
        self.kept.forwards[live] += forwards
        self.kept.backwards[live] += backwards

    def moved(self, live: Tensor) -> None:
        self.kept.steps_used[live] += ~self.finished[live]

    def result(self) -> AttackResult:
        return self.kept


class Meter:
    """What every sample of a batch has cost since the last reading."""

    def __init__(self, victim: Victim) -> None:
        self.passes = victim.passes
        self.forwards, self.backwards = victim.passes.forwards, victim.passes.backwards

    def read(self, samples: int) -> tuple[int, int]:
        spent = self.passes.forwards - self.forwards, self.passes.backwards - self.backwards
        self.forwards, self.backwards = self.passes.forwards, self.passes.backwards
        return spent[0] // max(samples, 1), spent[1] // max(samples, 1)
