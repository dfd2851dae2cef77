"""A gallery whose images are perturbed, each on its own, before the queries are ranked against it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from turncoat.core.result import AttackResult
from turncoat.core.seeds import seeded
from turncoat.core.victim import Victim
from turncoat.study.bench import Bench
from turncoat.study.cells import Cell
from turncoat.study.lessons import ready
from turncoat.study.registry import wants
from turncoat.study.roundtrip import through
from turncoat.study.store import Store
from turncoat.tasks.embedding import require_finite
from turncoat.tasks.retrieval import gallery_of


@dataclass(frozen=True)
class Perturbed:
    """The unit descriptors `[G, D]` of a perturbed gallery, and the passes that all its images took together."""

    descriptors: Tensor
    forwards: int
    backwards: int

    def charged(self, result: AttackResult, shard: range, samples: int) -> AttackResult:
        """The result with the gallery's passes shared out over all samples, so that their sum is right."""
        shares = {
            name: getattr(result, name) + torch.tensor([total // samples + (row < total % samples) for row in shard])
            for name, total in (("forwards", self.forwards), ("backwards", self.backwards))
        }
        return replace(result, **shares)


def attacked_gallery(bench: Bench, cell: Cell, attacked: Victim, store: Store) -> Perturbed:
    """The gallery as the cell's deployed victim sees it, each image perturbed against `attacked`.

    It is made once, batch by batch, and kept in the store: every shard of the cell ranks against it.
    """
    parts = (bench.gallery_key(cell), attacked.digest(), repr(cell.spec))
    key = hashlib.blake2b("\0".join(parts).encode(), digest_size=12).hexdigest()
    path, about = store.folder / f"descriptors/{key}.npy", f"descriptors/{key}.json"
    if not path.is_file():
        _make(bench, cell, attacked, store, key)
    spent = json.loads((store.folder / about).read_text(encoding="utf-8"))
    kept = torch.from_numpy(np.load(path, mmap_mode="c", allow_pickle=False))
    return Perturbed(kept, int(spent["forwards"]), int(spent["backwards"]))


def _make(bench: Bench, cell: Cell, attacked: Victim, store: Store, key: str) -> None:
    if cell.spec is None:
        raise ValueError("a clean cell has no attack")
    attack = ready(bench, cell, attacked, bench.victim, store, None)
    gallery, deployed = gallery_of(bench.samples), cell.defense
    known = bench.context(bench.victim)
    turned = replace(gallery, against=bench.samples), {"gallery": known["query"], "query": known["gallery"]}
    asked = wants(attack)
    found: list[Tensor] = []
    forwards = backwards = start = 0
    for part in gallery.batches(bench.audit.shard):
        # what steers an attack on a gallery image are the queries
        rows, start = range(start, start + len(part)), start + len(part)
        truth = bench.task.truth(turned[0], rows, turned[1])
        guides = bench.task.guides([name for name in asked if name not in truth], turned[0], rows, turned[1])
        result = attack(attacked, part.images(), {**truth, **guides}, generator=seeded(cell.seed))
        seen = through(result.images, cell.spec.roundtrip)
        found.append(bench.defended[deployed].predict(seen).descriptor.cpu())
        require_finite(found[-1], bench.victim.name, part.keys)
        forwards, backwards = forwards + int(result.forwards.sum()), backwards + int(result.backwards.sum())
    store.write_json(f"descriptors/{key}.json", {"forwards": forwards, "backwards": backwards})
    store.write_array(f"descriptors/{key}.npy", torch.cat(found))
