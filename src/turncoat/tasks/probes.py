"""Samples beside the gallery in which they are ranked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.core.truth import Columns
from turncoat.tasks.samples import Samples


@dataclass(frozen=True)
class Probes:
    """What is known of some samples before they are changed.

    `seen` `[N, D]` are their clean unit descriptors and `gallery` `[G, D]` those of the gallery; `person` int64 `[N]`
    and `owner` `[G]` say whom they show, a negative one being nobody; `itself` int64 `[N]` is the gallery row that is
    the sample (-1: none), `keys` the samples' names.
    """

    keys: Sequence[str]
    seen: Tensor
    person: Tensor
    gallery: Tensor
    owner: Tensor
    itself: Tensor


def probes(samples: Samples, rows: Sequence[int], context: Columns, *, itself: bool = False) -> Probes:
    """The given rows beside `gallery` and `query`, descriptors of the context.

    With `itself`, or without a gallery, the samples are ranked among themselves; otherwise a column `itself` of the
    truth tells which gallery row a sample is.
    """
    chosen, wall = list(rows), wall_of(samples, itself=itself)
    own = torch.full((len(samples),), -1)
    if wall is samples:
        own = torch.arange(len(samples))
    elif "itself" in samples.truth:
        own = samples.truth["itself"]
    return Probes(
        keys=[samples.keys[row] for row in chosen],
        seen=context["query"][chosen],
        person=identity(samples)[chosen],
        gallery=context["gallery"],
        owner=identity(wall),
        itself=own[chosen],
    )


def wall_of(samples: Samples, *, itself: bool) -> Samples:
    """Those among whom samples are ranked: their gallery, or they themselves."""
    return samples if itself or samples.against is None else samples.against


def identity(samples: Samples, *, needed: bool = False) -> Tensor:
    """Whom each sample shows, int64 `[N]`: its `person`, or its `label`; -1 where neither is known, unless `needed`."""
    for name in ("person", "label"):
        if name in samples.truth:
            return samples.truth[name]
    if needed:
        raise UserError(f"{samples.name} does not say whom its images show: a column person or label is needed")
    return torch.full((len(samples),), -1)
