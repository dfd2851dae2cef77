"""Gallery descriptors that steer an attack: the sample's own identity, the furthest other one, a random image."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from turncoat.core.errors import UserError
from turncoat.core.truth import Columns
from turncoat.tasks.metrics.relations import by_person
from turncoat.tasks.probes import Probes

GUIDES = ("push", "pull", "target")
"""The columns of truth that can be had from a gallery."""


def guides(wanted: Sequence[str], probes: Probes) -> Columns:
    """The named guides; UserError for one that a gallery does not give."""
    made: Mapping[str, Callable[[Probes], Tensor]] = {"push": _push, "pull": _pull, "target": _target}
    strange = next((name for name in wanted if name not in made), None)
    if strange is not None:
        raise UserError(f"a gallery gives {', '.join(made)} to steer by, but not {strange!r}")
    return {name: made[name](probes) for name in wanted}


def drawn(seed: int, key: str, population: int, count: int) -> list[int]:
    """`count` different numbers below `population`, a function of the seed and of a sample's name alone."""
    digest = hashlib.blake2b(f"{seed}\0{key}".encode(), digest_size=8).digest()
    chosen: list[int] = np.random.default_rng(int.from_bytes(digest, "big")).choice(population, count, False).tolist()
    return chosen


def random_rows(seed: int, keys: Sequence[str], itself: Tensor, gallery: int, count: int) -> Tensor:
    """`count` random gallery rows for each sample but the one that it is itself, int64 `[N, count]`."""
    own = itself >= 0
    if count > gallery - int(own.any()):
        raise UserError(f"{count} others cannot be drawn from a gallery of {gallery}: ask for fewer")
    sizes = (gallery - own.long()).tolist()
    rows = torch.tensor([drawn(seed, key, size, count) for key, size in zip(keys, sizes, strict=True)])
    # from the sample's own row on they move up by one
    return rows + ((rows >= itself[:, None]) & own[:, None])


def _push(probes: Probes) -> Tensor:
    """Every gallery image of the same identity, `[N, K, D]`, padded with NaN."""
    related = by_person(probes.person, probes.owner, junk_index=probes.itself)
    query, row = related.query[related.good], related.row[related.good]
    counts = query.bincount(minlength=len(probes.seen))
    place = torch.arange(len(query)) - (counts.cumsum(0) - counts)[query]
    found = probes.gallery.new_full((len(counts), max(int(counts.max()), 1), probes.gallery.shape[1]), torch.nan)
    found[query, place] = probes.gallery[row]
    return found


def _pull(probes: Probes) -> Tensor:
    """The mean descriptor of the identity whose mean is furthest from the sample, `[N, 1, D]`; NaN without another."""
    known = probes.owner >= 0
    people, place = probes.owner[known].unique(return_inverse=True)
    sums = probes.gallery.new_zeros(len(people), probes.gallery.shape[1]).index_add_(0, place, probes.gallery[known])
    means = sums / place.bincount(minlength=len(people))[:, None]
    apart = means.square().sum(1) - 2 * probes.seen.to(means) @ means.T
    most = apart.masked_fill(people == probes.person[:, None], -torch.inf).max(1)
    found: Tensor = means[most.indices].masked_fill(most.values.isinf()[:, None], torch.nan)
    return found[:, None]


def _target(probes: Probes) -> Tensor:
    """A random gallery descriptor, `[N, D]`: a function of the sample's name alone, the same whatever a cell's seed."""
    return probes.gallery[random_rows(0, probes.keys, probes.itself, len(probes.gallery), 1)[:, 0]]
