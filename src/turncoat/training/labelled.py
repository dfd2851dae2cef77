"""Data of any reader as something to train on."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from turncoat.tasks.samples import Samples


def labelled(samples: Samples) -> Samples:
    """Samples with a `label`: where they have none, the person, numbered from 0 in the order of the person numbers.

    Queries and gallery of a set that is nothing but people are trained on together, a query that is itself in the
    gallery once; person -1, who is nobody (the junk of Market-1501), is left out. Samples with labels or attributes
    stay as they are.
    """
    if "label" in samples.truth or "attributes" in samples.truth or "person" not in samples.truth:
        return samples
    both = samples if samples.against is None or "same" in samples.truth else _together(samples, samples.against)
    known = both.take((both.truth["person"] >= 0).nonzero()[:, 0].tolist())
    people, labels = torch.unique(known.truth["person"], return_inverse=True)
    called = known.names.get("person", [])
    names = [called[person] if person < len(called) else str(person) for person in people.tolist()]
    return replace(known, truth={**known.truth, "label": labels}, names={**known.names, "label": names})


def _together(first: Samples, second: Samples) -> Samples:
    """Two sets one after the other, with the columns that both have; what `first` has of `second` is there once."""
    if "itself" in first.truth:
        first = first.take((first.truth["itself"] < 0).nonzero()[:, 0].tolist())
    count = len(first)

    def read(row: int) -> Tensor:
        return first.read(row) if row < count else second.read(row - count)

    shared = [name for name in first.truth if name in second.truth]
    truth = {name: torch.cat([first.truth[name], second.truth[name]]) for name in shared}
    return Samples(first.name, [*first.keys, *second.keys], read, truth, first.names)
