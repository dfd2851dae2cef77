"""A gallery whose images are perturbed, each on its own, before the queries are ranked against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from turncoat.core.balls import lengths
from turncoat.core.result import AttackResult
from turncoat.core.seeds import seeded
from turncoat.core.truth import Columns
from turncoat.core.victim import Victim
from turncoat.study.bench import Bench
from turncoat.study.cells import Cell
from turncoat.study.features import mapped
from turncoat.study.lessons import ready
from turncoat.study.registry import truth_for
from turncoat.study.roundtrip import through
from turncoat.study.store import Store, hashed
from turncoat.tasks.embedding import require_finite
from turncoat.tasks.retrieval import gallery_of
from turncoat.tasks.samples import Samples

_SUMS, _PEAKS = ("forwards", "backwards"), ("linf", "l2")


@dataclass(frozen=True)
class Attacker:
    """Whom images are made on: `victim`, of a bench, and the victim through which the data set is known."""

    bench: Bench
    victim: Victim
    known_by: Victim

    @property
    def identity(self) -> str:
        return self.bench.identity(self.victim) + self.bench.identity(self.known_by)


@dataclass(frozen=True)
class Perturbed:
    """The unit descriptors `[G, D]` of a perturbed gallery; the passes that all its images took, its largest change."""

    descriptors: Tensor
    account: Mapping[str, float]

    def charged(self, result: AttackResult, shard: range, samples: int) -> AttackResult:
        """The result with the gallery's passes shared out over all samples, so that their sum is right."""
        totals = {name: int(self.account[name]) for name in _SUMS}
        shares = {
            name: getattr(result, name) + torch.tensor([total // samples + (row < total % samples) for row in shard])
            for name, total in totals.items()
        }
        return replace(result, **shares)

    def changes(self, samples: int) -> Columns:
        """The gallery's largest change as columns of records."""
        return {f"gallery_{name}": torch.full((samples,), float(self.account[name])) for name in _PEAKS}


def attacked_gallery(bench: Bench, cell: Cell, attacker: Attacker, store: Store) -> Perturbed:
    """The gallery as the cell's deployed victim sees it, each image perturbed by the attacker.

    It is made once, and every shard of the cell ranks against it. Every batch is kept in the store when it is done.
    """
    parts = (bench.gallery_key(cell), attacker.identity, repr(cell.spec))
    key = hashed(*parts)
    if not (store.folder / f"descriptors/{key}.npy").is_file():
        starts = range(0, len(gallery_of(bench.samples)), bench.audit.shard)
        for start in starts:
            if not (store.folder / f"{_part(key, start)}.json").is_file():
                _make(bench, cell, attacker, store, key, start)
        _join(store, key, starts)
    return Perturbed(mapped(store.folder / f"descriptors/{key}.npy"), store.read_json(f"descriptors/{key}.json"))


def _make(bench: Bench, cell: Cell, attacker: Attacker, store: Store, key: str, start: int) -> None:
    """Perturb one batch of the gallery and keep what the deployed victim makes of it."""
    if cell.spec is None:
        raise ValueError("a clean cell has no attack")
    attack, task = ready(attacker.bench, cell, attacker.victim, attacker.known_by, store, None), bench.task
    gallery, known = gallery_of(bench.samples), attacker.bench.context(attacker.known_by)
    turned, context = _turned(bench.samples), {"gallery": known["query"], "query": known["gallery"]}
    rows = range(start, min(start + bench.audit.shard, len(gallery)))
    images, truth = gallery.images(rows), truth_for(attack, task, turned, rows, context)
    result = attack(attacker.victim, images, truth, generator=seeded(cell.seed))
    seen = through(result.images, cell.spec.roundtrip)
    descriptors = bench.defended[cell.defense].predict(seen).descriptor.cpu()
    require_finite(descriptors, bench.victim.name, [gallery.keys[row] for row in rows])
    change = seen - images
    account = {
        "forwards": int(result.forwards.sum()),
        "backwards": int(result.backwards.sum()),
        "linf": float(change.abs().amax()),
        "l2": float(lengths(change).amax()),
    }
    store.write_array(f"{_part(key, start)}.npy", descriptors)
    store.write_json(f"{_part(key, start)}.json", account)


def _turned(samples: Samples) -> Samples:
    """The gallery as if it asked the queries: what steers an attack on its images are they."""
    gallery = gallery_of(samples)
    truth = dict(gallery.truth)
    if "itself" in samples.truth:
        rows = samples.truth["itself"]
        own = torch.full((len(gallery),), -1)
        own[rows[rows >= 0]] = (rows >= 0).nonzero()[:, 0]
        truth["itself"] = own
    return replace(gallery, truth=truth, against=samples)


def _join(store: Store, key: str, starts: range) -> None:
    """Put the batches together, and take them away."""
    accounts = [store.read_json(f"{_part(key, start)}.json") for start in starts]
    total = {name: sum(one[name] for one in accounts) for name in _SUMS}
    peaks = {name: max(one[name] for one in accounts) for name in _PEAKS}
    found = [np.load(store.folder / f"{_part(key, start)}.npy", allow_pickle=False) for start in starts]
    store.write_json(f"descriptors/{key}.json", {**total, **peaks})
    store.write_array(f"descriptors/{key}.npy", torch.from_numpy(np.concatenate(found)))
    for start in starts:
        for end in ("npy", "json"):
            store.remove(f"{_part(key, start)}.{end}")


def _part(key: str, start: int) -> str:
    return f"descriptors/{key}-{start}"
